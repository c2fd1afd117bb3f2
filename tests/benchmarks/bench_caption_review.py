"""From the key press that judges a caption to the next caption painted:
`python -m tests.benchmarks caption_review`. Twenty captions of ten small episodes, the whole window
at 1280x800, the real worker, the real store; all stages were computed before, as after
`demoscope annotate`.

`python -m tests.benchmarks.bench_caption_review sample`: the same on a copy of the sample, 640x480;
computing its stages takes minutes.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.table import header, row, write

if TYPE_CHECKING:
    from app.main_window import MainWindow

GOAL = 50.0
EPISODES = 10
GRASPS = 2
SAMPLE_EPISODES = 8
LOOK_MS = 1200
"""A person reads; meanwhile the next caption is made ready."""


def wait(done: Callable[[], bool], milliseconds: int = 60_000) -> bool:
    """Run the event loop until something holds."""
    from app.screenshot import wait_until

    return wait_until(done, milliseconds)


def settled(window: MainWindow) -> bool:
    """Whether nothing runs and the caption on show is fresh."""
    control = window.control
    return (
        window.panels.caption.caption is not None
        and not control.jobs.busy
        and control.document.is_fresh("captions")
    )


def episode(window: MainWindow) -> int:
    """The open episode, -1 for none."""
    demonstration = window.control.document.session.demonstration
    return -1 if demonstration is None else demonstration.ref.episode


def place(window: MainWindow) -> tuple[int, int]:
    """Episode and subtask that are open."""
    return episode(window), window.control.document.session.subtask


@dataclass
class Times:
    """Seconds.

    Attributes:
        here: To the next caption of the same episode.
        there: To that of the next episode.
        whole: To the whole window painted.
        saved: Of the store.
        late: How often the next one was not there when the key was pressed.
    """

    here: list[float] = field(default_factory=list)
    there: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    saved: list[float] = field(default_factory=list)
    late: int = 0


def review(window: MainWindow, count: int) -> Times:
    """Judge captions, one less than `count`."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    control = window.control
    control.open_episode(0)
    wait(lambda: episode(window) == 0 and settled(window))
    times = Times()
    preview = window.review.panel.preview
    seen: list[float] = []

    def noted(*args: object) -> None:
        preview(*args)  # type: ignore[arg-type]
        seen.append(time.perf_counter())  # It paints before it returns.

    window.review.panel.preview = noted  # type: ignore[method-assign,assignment]
    store = control.commands.store
    assert store is not None
    append = store.append

    def timed(*args: object) -> object:
        start = time.perf_counter()
        event = append(*args)  # type: ignore[arg-type]
        times.saved.append(time.perf_counter() - start)
        return event

    store.append = timed  # type: ignore[method-assign,assignment]

    for number in range(count - 1):
        wait(lambda: settled(window))
        wait(lambda: False, LOOK_MS)
        key = Qt.Key.Key_X if number % 3 == 2 else Qt.Key.Key_Return
        here = place(window)
        seen.clear()
        start = time.perf_counter()
        QTest.keyClick(window, key)
        if place(window) == here:
            times.late += 1
            wait(lambda h=here: place(window) != h and window.panels.caption.caption is not None)
        window.repaint()
        times.whole.append(time.perf_counter() - start)
        painted = times.here if episode(window) == here[0] else times.there
        painted.append((seen[0] if seen else time.perf_counter()) - start)
    return times


def main(sample: bool = False) -> None:
    """Print the table.

    Args:
        sample: Whether episodes of the sample are reviewed instead of small ones.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from tests.datasets import SAMPLE, write_v2

    episodes = SAMPLE_EPISODES if sample else EPISODES

    with tempfile.TemporaryDirectory() as folder:
        os.environ["DEMOSCOPE_CACHE_DIR"] = str(Path(folder) / "cache")
        from app.window_run import make_application, make_window

        make_application()
        root = Path(folder) / "dataset"
        if sample:
            shutil.copytree(SAMPLE, root)
        else:
            write_v2(root, (24 * GRASPS,) * EPISODES, grasps=GRASPS)
        window = make_window("dark", settings_file=Path(folder) / "settings.ini")
        window.resize(1280, 800)
        window.arrange()
        window.show()
        ended: list[str] = []
        captions = 0
        window.control.jobEnded.connect(ended.append)
        window.control.open_dataset(str(root), 0)
        for number in range(episodes):  # All stages of all episodes, as after a batch.
            wait(lambda n=number: len(ended) > n, 600_000)
            captions += window.control.document.session.subtask_count
            if number + 1 < episodes:
                window.control.open_episode(number + 1)
        wait(lambda: settled(window))
        times = review(window, captions)
        size = "640x480" if sample else "64x48"
        header(f"a verdict by keyboard, {size}, 1280x800", "PySide6", "sqlalchemy")
        row("key to the next caption, same episode", times.here, GOAL)
        row("key to the next caption, next episode", times.there, GOAL)
        row("until all other views are painted, too", times.whole)
        row("of it, the verdict on the disk", times.saved)
        write(f"  captions not ready when the key was pressed: {times.late} of {len(times.whole)}")
        window.close()


if __name__ == "__main__":
    main(sys.argv[1:] == ["sample"])
    sys.exit(0)
