"""Start-up times for the benchmark, written to standard error when DEMOSCOPE_TIMING is set."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject

if TYPE_CHECKING:
    from app.main_window import MainWindow


class Timing(QObject):
    """Notes when the window is painted first and when the first frame of an episode arrives."""

    def __init__(self, window: MainWindow, started: float) -> None:
        super().__init__(window)
        self._started = started
        self._painted = False
        self._opened = 0.0
        window.installEventFilter(self)
        window.control.episodeOpened.connect(self._episode_opened)
        window.control.loader.loaded.connect(self._frame_loaded)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Write the first paint."""
        if event.type() is QEvent.Type.Paint and not self._painted:
            self._painted = True
            self._write("window", time.perf_counter() - self._started)
        return False

    def _episode_opened(self) -> None:
        self._opened = time.perf_counter()

    def _frame_loaded(self, _: object) -> None:
        if self._opened:
            self._write("first_frame", time.perf_counter() - self._opened)
            self._opened = 0.0

    def _write(self, name: str, seconds: float) -> None:
        sys.stderr.write(f"timing {name} {seconds:.3f}\n")
        sys.stderr.flush()
