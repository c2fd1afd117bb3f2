"""Harms every file of a dataset in many ways and watches a process open it."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.broken_datasets import snapshot
from tests.fuzz.harms import Harm, cuts, flips, wrong_values

HANG_S = 5.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Tally:
    """What came of it.

    Attributes:
        cases: Number of harmed datasets opened.
        noticed: How many of them were told apart from the good one by what was said.
        failures: What must not happen: crash, hang, exception, a write.
        slowest: Seconds of the slowest case, and which it was.
        peak: Peak resident memory of the process, bytes.
        codes: How often each code (or `fine`) was said first.
    """

    cases: int = 0
    noticed: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    peak: int = 0
    codes: Counter[str] = field(default_factory=Counter)


class Opener:
    """The process that opens datasets; started again after a crash or a hang."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    def open(self, path: Path) -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(str(path)).encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], HANG_S)
        line = process.stdout.readline() if ready else b""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        hung = not ready
        process.kill()
        code = process.wait()
        self.close()
        what = f"no answer within {HANG_S:g} s" if hung else f"the process died ({code})"
        return {"failure": what, "seconds": HANG_S if hung else 0.0, "peak": 0}

    def _start(self) -> subprocess.Popen[bytes]:
        places = ("HOME", "DEMOSCOPE_CACHE_DIR", "DEMOSCOPE_CONFIG_DIR", "DEMOSCOPE_DATA_DIR")
        own = {name: str(self.home) for name in places}
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", "tests.fuzz.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env={**os.environ, **own, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"},
        )
        # Imports take seconds on a busy machine; they are not part of the first case.
        self.open(self.home / "nothing-here")
        return self._process

    def close(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.kill()
            self._process.wait()
            self._process = None


def harms(path: Path, amount: int, chance: random.Random) -> Iterator[Harm]:
    """About `amount` harmed versions of a file."""
    good = path.read_bytes()
    yield from cuts(good, amount)
    yield from flips(good, amount, chance)
    if path.suffix in (".json", ".jsonl"):
        yield from wrong_values(good, 3 * amount, chance)


def harm_all(dataset: Path, folder: Path, opener: Opener, amount: int, seed: int) -> Tally:
    """Harm every file below `folder`, one at a time, and open `dataset` each time."""
    tally, chance = Tally(), random.Random(seed)  # noqa: S311 - no secret
    unharmed = opener.open(dataset)
    if unharmed["failure"]:
        tally.failures.append(f"unharmed: {unharmed['failure']}")
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        good = file.read_bytes()
        for harm in harms(file, amount, chance):
            case = f"{file.relative_to(folder)}: {harm.what}"
            file.write_bytes(harm.data)
            before = snapshot(folder)
            answer = opener.open(dataset)
            tally.cases += 1
            tally.noticed += answer.get("said") != unharmed.get("said")
            tally.slowest = max(tally.slowest, (answer["seconds"], case))
            tally.peak = max(tally.peak, answer["peak"])
            tally.codes[str(answer.get("said", "failure")).split(":")[0]] += 1
            if answer["failure"]:
                tally.failures.append(f"{case}: {answer['failure']}")
            if snapshot(folder) != before:
                tally.failures.append(f"{case}: something was written into the dataset")
        file.write_bytes(good)
    if any(opener.home.iterdir()):
        tally.failures.append(f"something was written to {sorted(opener.home.rglob('*'))[:3]}")
    return tally
