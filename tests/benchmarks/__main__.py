"""`python -m tests.benchmarks [NAME ...]`: all benchmarks, or those named, one process each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def names() -> list[str]:
    """Benchmarks there are, without their `bench_`."""
    return sorted(p.stem.removeprefix("bench_") for p in HERE.glob("bench_*.py"))


def main(wanted: list[str]) -> int:
    """Run benchmarks one after the other; 1 if one failed, 2 if a name is unknown."""
    known = names()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}\n")
        return 2
    failed = 0
    for name in wanted or known:
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        # A process each: what one imports or leaves behind must not speed up the next.
        module = f"tests.benchmarks.bench_{name}"
        failed |= subprocess.run([sys.executable, "-m", module], check=False).returncode != 0
        sys.stdout.write("\n")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
