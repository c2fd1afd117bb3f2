"""Moves the cursor in real time, or as fast as every frame can be shown."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QTimer, Signal

_SCREEN = 1 / 60
"""Seconds; faster changes are not shown by screens anyway."""
_PATIENCE = 500
"""Milliseconds for which a frame's painting is waited for; a hidden window paints nothing."""
_WINDOW = 1.0
"""Seconds over which the shown rate is averaged."""


@dataclass(frozen=True, slots=True)
class PlayRate:
    """How playing goes.

    Attributes:
        target: Frames per second that should be shown: the episode's rate times the speed.
        shown: Frames per second that were painted during the last second.
        dropped: Frames passed over since play was pressed.
        speed: Multiple of real time, negative backwards.
    """

    target: float
    shown: float
    dropped: int
    speed: int

    def __str__(self) -> str:
        times = f" ({'−' if self.speed < 0 else ''}{abs(self.speed)}×)" if self.speed != 1 else ""
        return f"{self.shown:.1f} of {self.target:g} fps{times}, {self.dropped} dropped"


@dataclass(frozen=True, slots=True)
class LoopRange:
    """Frames that are played round and round.

    Attributes:
        first: First frame, None for that of the episode.
        last: Last frame, None for that of the episode.
    """

    first: int | None = None
    last: int | None = None

    def span(self, length: int) -> tuple[int, int]:
        """First frame and one past the last, of an episode of `length` frames."""
        first = 0 if self.first is None else max(0, min(self.first, length - 1))
        end = length if self.last is None else min(self.last, length - 1) + 1
        return (first, end) if first < end else (0, length)

    def from_frame(self, frame: int) -> LoopRange:
        """Begin at `frame`; an end before it is forgotten."""
        return LoopRange(frame, self.last if self.last is None or self.last > frame else None)

    def to_frame(self, frame: int) -> LoopRange:
        """End with `frame`; a beginning after it is forgotten."""
        return LoopRange(self.first if self.first is None or self.first < frame else None, frame)


class Playback(QObject):
    """Emits the frame due now.

    In real time, frames are passed over rather than time stretched; with `every_frame`, the next
    frame comes when the last was painted, and time stretches.

    Attributes:
        every_frame: Pass over no frame.

    Signals:
        frameDue: Episode frame.
        finished: The end was reached.
        measured: `PlayRate`, twice a second while playing, None when it stops.
    """

    frameDue = Signal(int)
    finished = Signal()
    measured = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.every_frame = False
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._tick)
        self._telling = QTimer(self)
        self._telling.setInterval(500)
        self._telling.timeout.connect(lambda: self.measured.emit(self.rate))
        self._begun = 0.0
        self._start = 0
        self._last = 0
        self._fps = 30.0
        self._speed = 1
        self._span = (0, 0)
        self._loop = False
        self._is_playing = False
        self._waiting = False
        self._painted = 0
        self._dropped = 0
        self._times: deque[float] = deque(maxlen=1000)

    @property
    def playing(self) -> bool:
        """True while the cursor moves."""
        return self._is_playing

    @property
    def speed(self) -> int:
        """Multiple of real time, negative backwards; 0 while nothing plays."""
        return self._speed if self.playing else 0

    @property
    def rate(self) -> PlayRate:
        """How it goes now."""
        times = self._times
        now = perf_counter()
        while times and times[0] < now - _WINDOW:
            times.popleft()
        took = times[-1] - times[0] if len(times) > 1 else 0.0
        shown = (len(times) - 1) / took if took else 0.0
        return PlayRate(self._fps * abs(self._speed), shown, self._dropped, self._speed)

    def play(
        self, frame: int, fps: float, span: tuple[int, int], *, loop: bool, speed: int = 1
    ) -> None:
        """Start at `frame`.

        Args:
            frame: First frame shown; the start of `span` (backwards its end) if it lies outside
                or at the end of the way.
            fps: Frames per second.
            span: First frame and one past the last.
            loop: Begin again at the end.
            speed: Multiple of real time, negative backwards, not 0.
        """
        first, end = span
        if not first <= frame < end or frame == (end - 1 if speed > 0 else first):
            frame = first if speed > 0 else end - 1
        self._fps, self._span, self._loop, self._speed = fps, span, loop, speed
        self._last = self._painted = frame
        self._dropped = 0
        self._waiting, self._is_playing = False, True
        self._times.clear()
        self._restart(frame)
        self.frameDue.emit(frame)
        self._wait_for_next()
        self._telling.start()

    def stop(self) -> None:
        """Stand still."""
        if self.playing:
            self._is_playing = self._waiting = False
            self._timer.stop()
            self._telling.stop()
            self.measured.emit(None)

    def note_painted(self, frame: int) -> None:
        """Take note that a frame is on the screen."""
        if not self.playing:
            return
        passed = (frame - self._painted) * (1 if self._speed > 0 else -1)
        if passed:
            self._times.append(perf_counter())
        # Less than 0: the loop began again.
        self._dropped += max(passed - 1, 0)
        self._painted = frame
        if self._waiting and frame == self._last:
            self._waiting = False
            self._wait_for_next()

    def _restart(self, frame: int) -> None:
        self._begun, self._start = perf_counter(), frame

    def _wait_for_next(self) -> None:
        """Come back when the next frame is due."""
        rate = self._fps * abs(self._speed)
        wait = self._begun + (abs(self._last - self._start) + 1) / rate - perf_counter()
        if not self.every_frame and 1 / rate < _SCREEN:
            wait = _SCREEN
        self._timer.start(max(0, round(1e3 * wait)))

    def _tick(self) -> None:
        rate = self._fps * self._speed
        if self.every_frame:
            if self._painted != self._last and not self._waiting:
                self._waiting = True
                self._timer.start(_PATIENCE)
                return
            self._waiting = False
            frame = self._last + (1 if rate > 0 else -1)
            if perf_counter() - self._begun > (abs(frame - self._start) + 1) / abs(rate):
                # Late: time stretches, it is not made up for.
                self._restart(frame)
        else:
            # Timers may be a fraction of a millisecond early.
            frame = self._start + int((perf_counter() - self._begun + 1e-3) * rate)
        first, end = self._span
        if not first <= frame < end:
            last = end - 1 if rate > 0 else first
            if not self._loop:
                self.stop()
                if last != self._last:
                    self.frameDue.emit(last)
                self.finished.emit()
                return
            frame = first if rate > 0 else end - 1
            self._painted = frame
            self._restart(frame)
        if frame != self._last:
            self._last = frame
            self.frameDue.emit(frame)
        self._wait_for_next()
