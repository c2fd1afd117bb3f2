"""Makes the pictures of caption review: a critique with its revision, and what a model sees.

    python -m tools.caption_pictures DATASET EPISODE WIDTHxHEIGHT FOLDER

The window is used by keyboard as a person would, on a copy of the dataset: what is said there is no
review of it. Nothing is sent; the request is shown as it would be. It needs no display.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from app.screenshot import shown_window, wait_until
from tools.rerun_picture import save_small

if TYPE_CHECKING:
    from PySide6.QtCore import Qt

    from app.main_window import MainWindow

RUN_MS, DRAWN_MS = 300_000, 1500
"""How long the pipeline may take; and until pictures are decoded and panels laid out (ours)."""
FRAME, OWN_SIZE = 96, (800, 900)
"""Cursor; size of the window with the request: lines of its text are not broken."""
RIGHT = "green mug"
"""What the critique says the object is."""


def main(dataset: Path, episode: int, size: tuple[int, int], folder: Path) -> int:
    """Draw both pictures; 0, or 1 after one sentence."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["DEMOSCOPE_DATA_DIR"] = f"{scratch}/data"
        os.environ["LOGNAME"] = "ada"  # who reviews
        copy = Path(scratch) / dataset.name
        shutil.copytree(dataset, copy)
        with shown_window("dark", size, Path(scratch)) as window:
            sentence = _draw(window, copy, episode, folder)
    if sentence:
        sys.stderr.write(f"{folder}: {sentence}\n")
    return 1 if sentence else 0


def _draw(window: MainWindow, dataset: Path, episode: int, folder: Path) -> str:
    """Criticise, wait for the revision, look at the request; a sentence if that fails."""
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QDockWidget

    key, control = Qt.Key, window.control
    opened: list[bool] = []
    control.episodeOpened.connect(lambda: opened.append(True))
    control.auto_run = True
    control.open_dataset(str(dataset), episode)
    if not wait_until(lambda: bool(opened) and not control.jobs.busy, RUN_MS):
        return "the episode was not opened, or its stages are not done"
    docks = {dock.objectName(): dock for dock in window.findChildren(QDockWidget)}
    docks["dock-rerun"].hide()  # it needs a display
    window.table.actions["isolate"].trigger()
    control.seek(FRAME, "picture")
    window.panels.frame.viewer.setFocus()
    _press(window, key.Key_C)
    _press(window, key.Key_O)
    _write(window, RIGHT)
    _press(window, key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    def revised() -> bool:
        caption = window.panels.caption.caption
        return caption is not None and RIGHT in caption.text and not control.jobs.busy

    if not wait_until(revised, RUN_MS):
        return "the critique was not answered"
    wait_until(lambda: False, DRAWN_MS)
    save_small(window.grab(), folder / "caption-review-dark.png")
    views = window.caption_views
    _press(window, key.Key_F4)
    views.drafting.preview()
    if not wait_until(lambda: views.collage.preview is not None, RUN_MS):
        return "the request was not made"
    views.open_window()
    own = views.window
    if own is None:
        return "there is no window for the request"
    own.resize(*OWN_SIZE)
    wait_until(lambda: False, 2 * DRAWN_MS)
    save_small(own.grab(), folder / "model-saw-dark.png")
    return ""


def _press(window: MainWindow, key: Qt.Key, modifier: Qt.KeyboardModifier | None = None) -> None:
    """A key goes where the focus is, else to the picture."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    place = QApplication.focusWidget() or window.panels.frame.viewer
    QTest.keyClick(place, key, modifier or Qt.KeyboardModifier.NoModifier)


def _write(window: MainWindow, text: str) -> None:
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    QTest.keyClicks(QApplication.focusWidget() or window, text)


if __name__ == "__main__":
    across, _, down = sys.argv[3].partition("x")
    raise SystemExit(
        main(Path(sys.argv[1]), int(sys.argv[2]), (int(across), int(down)), Path(sys.argv[4]))
    )
