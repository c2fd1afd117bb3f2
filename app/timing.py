"""Start-up times for the benchmark, written to standard error when DEMOSCOPE_TIMING is set."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, Signal

if TYPE_CHECKING:
    from app.main_window import MainWindow

VARIABLE = "DEMOSCOPE_TIMING"


class Timing(QObject):
    """Writes a line `timing NAME SECONDS` at each of three moments, once each.

    `window`: the window was painted first; `episode`: an episode was opened; `first_frame`: its
    first frame was painted. Seconds count from the UNIX time in DEMOSCOPE_TIMING, which whoever
    spawns the process sets to its own clock, so that the interpreter's start is included.
    """

    # Delivered when the paint event and the transfer to the screen are over.
    _painted = Signal(str)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._spawned = float(os.environ[VARIABLE])
        self._window = window
        self._viewer = window.panels.frame.viewer
        self._episode = False
        self._seen: set[str] = set()
        self._painted.connect(self._write, Qt.ConnectionType.QueuedConnection)
        window.control.episodeOpened.connect(self._episode_opened)
        for watched in (window, self._viewer):
            watched.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Notice paint events."""
        if event.type() is QEvent.Type.Paint:
            if watched is self._window:
                self._painted.emit("window")
            elif self._episode and self._viewer.image_size != (0, 0):
                self._painted.emit("first_frame")
                self._viewer.removeEventFilter(self)
        return False

    def _episode_opened(self) -> None:
        self._episode = True
        self._write("episode")

    def _write(self, name: str) -> None:
        if name not in self._seen:
            self._seen.add(name)
            sys.stderr.write(f"timing {name} {time.time() - self._spawned:.3f}\n")
            sys.stderr.flush()
