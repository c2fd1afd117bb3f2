"""The episode table with very many episodes: `python -m tests.benchmarks episodes [COUNT]`.

Makes LeRobot metadata of 100,000 episodes (v3.0 with 90 columns of statistics and a thousand
episodes per row group; v2.1 with 300,000 files), opens each in processes of its own, and measures
opening, memory, filter, sort, the first paint, a scroll step and findings coming in. Files are in
the cache of the operating system, as they were just written.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from tests.benchmarks.table import header, row, write

COUNT = 100_000
OPENINGS = 5
REPEATS = 40


def measured(path: str) -> None:
    """Open a dataset, show and use the table; print times in seconds as JSON."""
    begin = time.perf_counter()
    from pipeline.sources.detect import open_dataset

    start = time.perf_counter()
    info = open_dataset(path).info
    opened = time.perf_counter()
    memory = _memory()

    from PySide6.QtCore import QEvent, Qt
    from PySide6.QtWidgets import QApplication, QTableView

    from pipeline.model.problem import Problem
    from widgets.episode_rows import Column, EpisodeStatus
    from widgets.episode_table import EpisodeTable

    app = QApplication([])
    table = EpisodeTable()
    table.resize(420, 900)
    table.show()
    app.processEvents()
    view = table.findChild(QTableView)
    assert view is not None

    def paint() -> None:
        QApplication.sendEvent(table, QEvent(QEvent.Type.UpdateRequest))

    def timed(act: Callable[[int], object], times: int = REPEATS) -> list[float]:
        found = []
        for i in range(times):
            before = time.perf_counter()
            act(i)
            found.append(time.perf_counter() - before)
        return found

    before = time.perf_counter()
    table.set_dataset(info)
    app.processEvents()
    table.grab()
    shown = time.perf_counter() - before
    filters = ("red", "cube -push", "length>12", "9", "status:present towel", "reason:nan", "")
    columns = (Column.LENGTH, Column.INSTRUCTION, Column.INDEX, Column.REASON, Column.SCORE)
    bar = view.verticalScrollBar()
    result = {
        "import": [start - begin],
        "open": [opened - start],
        "show": [shown],
        "filter": timed(lambda i: table.set_filter(filters[i % len(filters)])),
        "memory": [memory],
        "table memory": [_memory()],
    }

    def scroll(i: int) -> None:
        bar.setValue((i * 7919) % max(1, bar.maximum()))
        paint()

    def sort(i: int) -> None:
        order = Qt.SortOrder.DescendingOrder if i % 2 else Qt.SortOrder.AscendingOrder
        view.sortByColumn(columns[i % len(columns)], order)

    table.set_filter("")
    result["sort"] = timed(sort)
    view.sortByColumn(Column.INDEX, Qt.SortOrder.AscendingOrder)
    result["scroll"] = timed(scroll)
    doubts = tuple(Problem(code, "Found.") for code in ("nan_in_signal", "video_shorter", "gap"))
    batch = 1000
    count = len(info.episodes)
    first = int(info.episodes[0].index) if count else 0

    def find(i: int) -> None:
        some = range(i * batch, min((i + 1) * batch, count))
        table.set_findings({first + e: (doubts[e % 3],) for e in some})

    result["findings"] = timed(find, -(-count // batch))
    result["status"] = timed(lambda i: table.set_status(first + i, EpisodeStatus(score=0.5)))
    result["filter after"] = timed(
        lambda i: table.set_filter(("reason:nan", "gap red", "status:annotated", "r<0.6")[i % 4])
    )
    result["iterate"] = timed(lambda _: [e.index for e in info.episodes if e.present], 3)
    result["final memory"] = [_memory()]
    sys.stdout.write(json.dumps(result))


def _memory() -> float:
    """Highest resident memory so far, MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss would count what the process that started this one held.
        (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _run(path: Path) -> dict[str, list[float]]:
    """Measure in fresh processes; single measurements of all of them together."""
    all_of: dict[str, list[float]] = {}
    for _ in range(OPENINGS):
        command = [sys.executable, "-m", "tests.benchmarks.bench_episodes", "--one", str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        for name, values in json.loads(done.stdout).items():
            all_of.setdefault(name, []).extend(values)
    return all_of


def main(count: int = COUNT) -> None:
    """Make the datasets, measure, print tables."""
    from tests.many_episodes import write_v2_metadata, write_v3_metadata

    with tempfile.TemporaryDirectory() as folder:
        for title, make in (
            ("v3.0, episodes share files", write_v3_metadata),
            ("v2.1, a table and two videos per episode", write_v2_metadata),
        ):
            root = make(Path(folder) / title[:4], count)
            found = _run(root)
            header(f"{count:,} episodes, {title}", "pyarrow", "numpy", "PySide6")
            for name, words, goal in (
                ("open", "open_dataset and .info", 2000),
                ("show", "table: set, first paint", None),
                ("filter", "filter", 100),
                ("sort", "sort", 100),
                ("scroll", "scroll anywhere and paint", 16),
                ("findings", "1,000 findings of an examination", 16),
                ("status", "status of one episode", 1),
                ("filter after", "filter with findings everywhere", 100),
                ("iterate", "iterating over all episodes as objects", None),
            ):
                row(words, found[name], goal)
            for name, words in (
                ("memory", "after opening"),
                ("final memory", "with the table, at the end"),
            ):
                peak = statistics.median(found[name])
                verdict = "met" if peak < 500 else "MISSED"
                write(f"  highest memory {words:29}{peak:9.0f} MiB  goal 500: {verdict}")
            write()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measured(sys.argv[2])
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else COUNT)
