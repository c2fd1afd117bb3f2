"""Moves the cursor in real time."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QObject, Qt, QTimer, Signal


class Playback(QObject):
    """Emits the frame due now; frames are skipped rather than time stretched.

    Signals:
        frameDue: Episode frame.
        finished: The end was reached.
    """

    frameDue = Signal(int)
    finished = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._clock = QElapsedTimer()
        self._start = 0
        self._last = 0
        self._fps = 30.0
        self._span = (0, 0)

    @property
    def playing(self) -> bool:
        """True while the cursor moves."""
        return self._timer.isActive()

    def play(self, frame: int, fps: float, span: tuple[int, int], *, loop: bool) -> None:
        """Start at `frame`.

        Args:
            frame: First frame shown; the start of `span` if it lies outside or at its end.
            fps: Frames per second.
            span: First frame and one past the last.
            loop: Begin again at the end.
        """
        first, end = span
        self._start = frame if first <= frame < end - 1 else first
        self._fps, self._span, self._loop = fps, span, loop
        self._last = self._start
        self._clock.start()
        self._timer.start(max(1, int(500 / fps)))

    def stop(self) -> None:
        """Stand still."""
        self._timer.stop()

    def _tick(self) -> None:
        frame = self._start + int(self._clock.elapsed() * self._fps / 1000.0)
        first, end = self._span
        if frame >= end:
            if not self._loop:
                self.stop()
                self.frameDue.emit(end - 1)
                self.finished.emit()
                return
            self._start, frame = first, first
            self._clock.restart()
        if frame != self._last:
            self._last = frame
            self.frameDue.emit(frame)
