"""Time, both ways: the frame of the window and that of the viewer, without echo and without drift.

The viewer answers every frame it is told with a time event of its own, always before it answers
the request. So an event counts as the viewer's own move only if no order of ours is under way and
it is not the frame we know already.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from viewers.rerun_events import PageEvent
from viewers.rerun_pace import Pace
from viewers.rerun_protocol import TIMELINE, frame_of, report_of, state_request, time_request
from viewers.rerun_requests import Requests

log = logging.getLogger(__name__)

RETRY_MS = 50
"""A recording that is still arriving takes no orders; it is asked again after this time."""
LARGEST_FRAME = 2**31 - 1
"""A signal's int takes no larger one; a foreign recording may have them."""
REMEMBERED = 8
"""Frames the viewer announced last; the window hands them back while the viewer plays."""


class TimeLink(QObject):
    """Frame and playback of the recording that is shown.

    Signals:
        frameChanged: (frame) The viewer moved by itself.
        timeChanged: (frame, fractional) It plays and is between frames.
        playingChanged: (playing) It started or stopped by itself.
        acknowledged: (frame) An order of ours was carried out.
    """

    frameChanged = Signal(int)
    timeChanged = Signal(float)
    playingChanged = Signal(bool)
    acknowledged = Signal(int)

    def __init__(
        self,
        parent: QObject,
        requests: Requests,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._requests = requests
        self._frame = 0
        self._playing = False
        self._timeline = TIMELINE
        self._is_active = False
        self._generation = 0
        self._last_number = 0
        self._sent = (0, False)
        self._placed: Callable[[], None] | None = None
        self._announced: deque[int] = deque(maxlen=REMEMBERED)
        self._handed_back: int | None = None
        self._held: dict[str, PageEvent] = {}
        self._pace = Pace(clock)
        self._later = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._later.timeout.connect(self._pump)
        self._again = QTimer(self, singleShot=True, interval=RETRY_MS)
        self._again.timeout.connect(self._send)

    @property
    def frame(self) -> int:
        """Frame that the viewer shows or is on its way to."""
        return self._frame

    @property
    def is_playing(self) -> bool:
        """True while the viewer plays."""
        return self._playing

    @property
    def is_settled(self) -> bool:
        """True if no order waits or is under way."""
        return self._pace.is_settled

    # -- the window's orders; none of them emits a signal

    def set_frame(self, frame: int) -> None:
        """Go to `frame`; the newest of several in a row wins and always arrives."""
        self._handed_back = None
        if frame == self._frame:
            return
        if self._playing and frame in self._announced:
            self._handed_back = frame
            return
        self._frame = frame
        self._want()

    def set_playing(self, playing: bool) -> None:
        """Start or stop playback."""
        if playing != self._playing:
            self._playing = playing
            self._announced.clear()
            if not playing and self._handed_back is not None:
                self._frame = self._handed_back  # where the window is when it stops
            self._handed_back = None
            self._want(urgent=True)

    def close(self) -> None:
        """No recording is shown; events are ignored and orders kept for the next one."""
        self._is_active = False
        self._placed = None
        self._generation += 1
        self._later.stop()
        self._again.stop()
        self._pace.forget()

    def rest(self) -> None:
        """Do not play; the recording that opens next begins paused."""
        self._playing = False
        self._announced.clear()

    def place(self, placed: Callable[[], None]) -> None:
        """A recording arrived, and perhaps plays: bring it to our frame.

        Args:
            placed: Called once it is there; until then the viewer's own events are ignored.
        """
        self.close()
        self._timeline = TIMELINE
        self._placed = placed
        self._send()

    # -- what the viewer says

    def take(self, event: PageEvent) -> None:
        """Take a time or playback event of the viewer, or what an order of ours cost it."""
        if event.kind == "drawn":
            if event.number == self._last_number:
                self._pace.drawn(event.seconds)
                self._pump()
            return
        if event.timeline:
            self._timeline = event.timeline
        if not self._is_active:
            return
        is_time = event.kind in ("time_update", "timeline_change")
        if is_time and (self._timeline != TIMELINE or not abs(event.time) <= LARGEST_FRAME):
            return
        if self._pace.is_under_way:
            # Our own echo, or the user at the same moment: which, the last one before the answer
            # tells.
            self._held["time" if is_time else "playing"] = event
        elif self._pace.is_settled:
            self._take_own(event)

    def _take_own(self, event: PageEvent) -> None:
        if event.kind in ("play", "pause"):
            self._take_playing(event.kind == "play")
        else:
            self._take_time(event.time)

    def _take_time(self, now: float) -> None:
        frame = math.floor(now)  # fractional while playing
        if frame != self._frame:
            self._frame = frame
            self._handed_back = None
            self._announced.append(frame)
            self.frameChanged.emit(frame)
        if self._playing:
            self.timeChanged.emit(now)

    def _take_playing(self, playing: bool) -> None:
        if playing == self._playing:
            return
        self._playing = playing
        self._announced.clear()
        if not playing:
            self._find_out()
        self.playingChanged.emit(playing)

    def _find_out(self) -> None:
        """It stopped by itself, maybe between two frames: agree on one."""
        generation, frame = self._generation, self._frame

        def answered(answer: bytes) -> None:
            report = report_of(answer)
            is_ours = generation == self._generation and self._is_active and not self._playing
            # The window may have gone elsewhere meanwhile: its order stands.
            if not is_ours or frame != self._frame or not self._pace.is_settled:
                return
            if report.timeline != TIMELINE or not 0 <= report.frame <= LARGEST_FRAME:
                return
            if report.frame != frame:
                self._frame = report.frame
                self.frameChanged.emit(report.frame)
            if self._pace.is_settled:  # nobody moved it as an answer to that
                self._want()

        self._requests.ask(state_request(), answered)

    # -- sending

    def _want(self, *, urgent: bool = False) -> None:
        if not self._is_active:
            return
        self._pace.want(urgent=urgent)
        self._pump()

    def _pump(self) -> None:
        wait = self._pace.wait()
        if wait is None:
            self._later.stop()
        elif wait > 0.0005:
            self._later.start(math.ceil(wait * 1000))
        else:
            self._later.stop()
            self._send()

    def _send(self) -> None:
        generation = self._generation
        self._held.clear()
        self._pace.sent()

        def answered(answer: bytes) -> None:
            if generation == self._generation:
                self._take_answer(frame_of(answer))

        def refused(reason: str) -> None:
            if generation == self._generation:
                self._take_refusal(reason)

        self._sent = (self._frame, self._playing)
        request = time_request(self._frame, playing=self._playing)
        self._last_number = self._requests.ask(request, answered, refused, timed=True)

    def _take_answer(self, frame: int) -> None:
        self._pace.done()
        if self._placed is not None:
            placed, self._placed = self._placed, None
            self._is_active = True
            if self._sent != (self._frame, self._playing):
                self._pace.want()
            placed()
        self.acknowledged.emit(frame)
        held, self._held = self._held, {}
        for kind in ("playing", "time"):
            if kind in held and self._pace.is_settled:
                self._take_own(held[kind])
        self._pump()

    def _take_refusal(self, reason: str) -> None:
        self._pace.done()
        if self._placed is not None:
            # "no timelines yet": a recording is announced before its data have arrived.
            self._again.start()
            return
        log.warning("the viewer refused to go to frame %d: %.300s", self._frame, reason)
        self._pump()
