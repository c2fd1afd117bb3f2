"""Batch runs against the plain loop: `python -m tests.benchmarks batch`.

Episodes per minute on the sample dataset with embedded backends, nothing cached: the plain loop of
`demoscope annotate`, then batch runs with 1 and 2 processes (the command as people run it, its
start included). Then what the pool itself costs: a pipeline that computes next to nothing, on 200
short episodes. And how much memory one worker takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.table import conditions, write
from tests.datasets import REPOSITORY, SAMPLE
from tests.pipeline.batch_toys import many_episodes

_LOOP = """
import sys, time
from pipeline.batch.episode_work import EpisodeWork
from pipeline.engine.cache import ResultCache
from pipeline.sources.detect import open_dataset
from tests.pipeline.batch_toys import graph
from pathlib import Path
source = open_dataset(sys.argv[1])
work = EpisodeWork(source, graph(), {}, ResultCache(Path(sys.argv[2])))
work.annotate(0)
start = time.perf_counter()
for episode in range(1, 200):
    work.annotate(episode)
print((time.perf_counter() - start) / 199)
"""


def _command(module: str, cache: Path, *words: str) -> float:
    """Seconds of a command."""
    environment = os.environ | {"DEMOSCOPE_CACHE_DIR": str(cache)}
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", module, "annotate", *words],
        cwd=REPOSITORY,
        env=environment,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def _sample(root: Path) -> None:
    write("sample dataset, 8 episodes, 640x480, nothing cached")
    write(f"  {'':28}{'s':>8}{'episodes/min':>14}{'against loop':>14}")
    loop = 0.0
    for name, words in (
        ("plain loop", ()),
        ("batch, --jobs 1", ("--jobs", "1")),
        ("batch, --jobs 2", ("--jobs", "2")),
    ):
        folder = Path(tempfile.mkdtemp(dir=root))
        more = (*words, "--out", str(folder / "out")) if words else ()
        lines = ("--predictions", str(folder / "lines.jsonl"))
        seconds = _command("app.main", folder, str(SAMPLE), "--no-edits", *lines, *more)
        loop = loop or seconds
        write(f"  {name:28}{seconds:8.1f}{8 / seconds * 60:14.1f}{seconds / loop:13.2f}x")
    memory = _memory()
    if memory:
        write(f"  largest process of all {memory:.2f} GiB")


def _memory() -> float:
    """Largest resident size of all processes that were started so far, GiB (Linux)."""
    if not sys.platform.startswith("linux"):
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1 << 20)


def _overhead(root: Path) -> None:
    dataset = many_episodes(root / "many", [16 + 2 * (i % 4) for i in range(200)])
    words = [sys.executable, "-c", _LOOP, str(dataset), str(root / "loop")]
    ran = subprocess.run(words, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    loop = float(ran.stdout)
    out = root / "overhead"
    _command(
        "tests.pipeline.batch_driver", out / "cache", str(dataset), "--jobs", "1",
        "--out", str(out),
    )  # fmt: skip
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    inside = sum(line["seconds"] for line in lines[1:]) / (len(lines) - 1)
    times = sorted(p.stat().st_mtime for p in (out / "parts").iterdir())
    each = (times[-1] - times[0]) / (len(times) - 1)
    write("\nwhat the pool costs: 200 episodes of next to no work, one process")
    write(f"  plain loop                 {1e3 * loop:8.1f} ms an episode")
    write(f"  in the worker              {1e3 * inside:8.1f} ms")
    write(f"  from part to part          {1e3 * each:8.1f} ms (pipe, Parquet, journal, two fsync)")
    write(f"  overhead                   {1e3 * (each - loop):8.1f} ms an episode")


def main() -> None:
    """Measure and print."""
    write(conditions("numpy", "pyarrow"))
    with tempfile.TemporaryDirectory(prefix="demoscope-") as name:
        _overhead(Path(name))
        _sample(Path(name))


if __name__ == "__main__":
    main()
