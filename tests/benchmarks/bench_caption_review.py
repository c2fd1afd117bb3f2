"""From the key press that judges a caption to the next caption painted:
`python -m tests.benchmarks caption_review`. Twenty small episodes, the whole window at 1280x800,
the real worker, the real store; all stages were computed before, as after `demoscope annotate`.

`python -m tests.benchmarks.bench_caption_review sample`: the same on a copy of the first episodes
of the sample, 640x480; computing their stages takes minutes.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.table import header, row, write

if TYPE_CHECKING:
    from app.main_window import MainWindow

GOAL = 50.0
EPISODES = 20
SAMPLE_EPISODES = 3
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


def review(window: MainWindow, count: int) -> tuple[list[float], list[float], list[float], int]:
    """Judge captions, one less than `count`.

    Seconds to the next caption, to the whole window painted, of the store.

    Also how often the next one was not there when the key was pressed.
    """
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    control = window.control
    control.open_episode(0)
    wait(lambda: episode(window) == 0 and settled(window))
    whole, painted, saved, late = [], [], [], 0
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
        saved.append(time.perf_counter() - start)
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
            late += 1
            wait(lambda h=here: place(window) != h and window.panels.caption.caption is not None)
        window.repaint()
        whole.append(time.perf_counter() - start)
        painted.append((seen[0] if seen else time.perf_counter()) - start)
    return painted, whole, saved, late


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
            write_v2(root, (12,) * EPISODES)
        window = make_window("dark", settings_file=Path(folder) / "settings.ini")
        window.resize(1280, 800)
        window.arrange()
        window.show()
        ended: list[str] = []
        window.control.jobEnded.connect(ended.append)
        window.control.open_dataset(str(root), 0)
        for number in range(episodes):  # All stages of all episodes, as after a batch.
            wait(lambda n=number: len(ended) > n, 600_000)
            if number + 1 < episodes:
                window.control.open_episode(number + 1)
        wait(lambda: settled(window))
        painted, whole, saved, late = review(window, episodes)
        size = "640x480" if sample else "64x48"
        header(f"a verdict by keyboard, {size}, 1280x800", "PySide6", "sqlalchemy")
        row("key to the next caption, painted", painted, GOAL)
        row("until all other views are painted, too", whole)
        row("of it, the verdict on the disk", saved)
        write(f"  captions that were not ready when the key was pressed: {late} of {len(painted)}")
        window.close()


if __name__ == "__main__":
    main(sys.argv[1:] == ["sample"])
    sys.exit(0)
