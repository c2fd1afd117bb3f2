"""What the window and the embedded viewer tell each other: one object for the panel.

The parts that keep time, selection and layout equal on both sides are in modules of their own;
here recordings are opened and closed, and events find who they are for.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from enum import Enum, auto

from PySide6.QtCore import QObject, QTimer, Signal

from viewers.rerun_events import PageEvent, parse_event
from viewers.rerun_layout_link import LayoutLink
from viewers.rerun_protocol import (
    ViewerReport,
    close_request,
    errors_of,
    last_log_of,
    logs_request,
    open_request,
    picture_of,
    report_of,
    screenshot_request,
    state_request,
)
from viewers.rerun_requests import PageChannel, Requests
from viewers.rerun_selection import SelectionLink
from viewers.rerun_time import TimeLink

log = logging.getLogger(__name__)

ANSWER_MS = 10_000
"""Who asks for a picture or the state is told after this time that there is none."""
DOUBT_MS = 1_500
"""A recording that has not arrived after this time is looked for among the viewer's errors."""
_TIME_KINDS = frozenset({"time_update", "timeline_change", "play", "pause", "drawn"})


class Phase(Enum):
    """How far the recording asked for is."""

    CLOSED = auto()
    CANCELLING = auto()
    ARRIVING = auto()
    PLACING = auto()
    OPEN = auto()


class RerunBridge(QObject):
    """The viewer as the panel sees it.

    Attributes:
        channel: What the page may reach.
        time: Frame and playback.
        selection: Selected entity.
        layouts: Layout and loop range.
        memory: Bytes that the viewer had taken when a recording arrived last; 0 before the first.

    Signals:
        loaded: The viewer runs and takes orders.
        opened: The recording asked for last is shown, at our frame and in its layout.
        failed: (sentence) The viewer cannot run, panicked, hangs or cannot read the recording.
    """

    loaded = Signal()
    opened = Signal()
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.channel = PageChannel(self.take_line, self)
        self._requests = Requests(self, self.channel.toViewer.emit)
        self._requests.stalled.connect(lambda: self.failed.emit("The 3D viewer stopped answering."))
        self.time = TimeLink(self, self._requests)
        self.selection = SelectionLink(self, self._requests)
        self.layouts = LayoutLink(self, self._requests, lambda: self.time.is_playing)
        self.memory = 0
        self._phase = Phase.CLOSED
        self._is_ready = False
        self._url = ""
        self._layout = ""
        self._store = ""
        self._shown: tuple[str, str] = ("", "")
        self._last_log = 0
        self._turn = 0
        self._doubt = QTimer(self, singleShot=True, interval=DOUBT_MS)
        self._doubt.timeout.connect(self._look_for_errors)

    @property
    def is_ready(self) -> bool:
        """True while the viewer takes orders."""
        return self._is_ready

    @property
    def is_open(self) -> bool:
        """True while a recording is shown and follows."""
        return self._phase is Phase.OPEN

    @property
    def is_settled(self) -> bool:
        """True if a recording is shown and no order of ours waits or is under way."""
        parts = (self.time, self.selection, self.layouts)
        return self.is_open and self._requests.is_empty and all(part.is_settled for part in parts)

    @property
    def recording(self) -> tuple[str, str] | None:
        """Application id and recording id of what is shown; None before it is."""
        return self._shown if self.is_open else None

    # -- orders of the panel

    def reset(self) -> None:
        """Forget the page (it is reloaded or gone); frame, selection and loop stay."""
        self._is_ready = False
        self.memory = 0
        self._url = self._store = ""
        self._enter(Phase.CLOSED)
        self._requests.forget_all()

    def set_watched(self, watched: bool) -> None:
        """Notice when the viewer hangs; only while it is visible does it answer at all."""
        self._requests.set_watched(watched)

    def open(self, url: str, layout: str = "") -> None:
        """Show the recording at `url`, paused at our frame; of several in a row the newest wins.

        Args:
            url: Address of an .rrd.
            layout: A kept layout that is put in if it fits; "" keeps the recording's own.
        """
        previous, self._url, self._layout = self._url, url, layout
        self.time.rest()
        if self._phase is Phase.CANCELLING:
            return
        if self._phase is Phase.ARRIVING and previous:
            self._cancel(previous)
        else:
            self._load()

    def renew(self, layout: str) -> None:
        """Bring the recording that is open to our frame and a layout again, paused."""
        self._layout = layout
        self.time.rest()
        self._place(again=True)

    def close_recording(self) -> None:
        """Show nothing; what is loading is not shown when it arrives."""
        previous, self._url = self._url, ""
        if self._phase is Phase.ARRIVING and previous:
            self._cancel(previous)
        elif self._phase is not Phase.CANCELLING:
            self._enter(Phase.CLOSED)
        if self._store:
            self._requests.ask(close_request(store=self._store))
            self._store = ""

    def add(self, data: bytes) -> None:
        """Add the contents of an .rrd to the recording that is shown; its time stays."""
        if self.is_open:
            self._requests.say(type="add", data=base64.b64encode(data).decode("ascii"))

    def set_panel_states(self, states: dict[str, str]) -> None:
        """Set Rerun's panels (`top`, `blueprint`, `selection`, `time`) to `hidden`, ..."""
        self._requests.say(type="panels", states=states)

    def set_theme(self, name: str) -> None:
        """Set `dark` or `light`."""
        self._requests.say(type="theme", name=name)

    def ask_state(self, callback: Callable[[ViewerReport | None], None]) -> None:
        """Ask the viewer what it shows; None if it does not say so within 10 s."""
        if not self._is_ready:
            callback(None)
            return

        def answered(answer: bytes) -> None:
            callback(report_of(answer))

        self._requests.ask(
            state_request(), answered, lambda _: callback(None), timeout_ms=ANSWER_MS
        )

    def take_screenshot(
        self, callback: Callable[[bytes | None], None], longest_side: int = 0
    ) -> None:
        """Ask the viewer for a PNG of itself; None if it gives none within 10 s."""
        if not self._is_ready:
            callback(None)
            return

        def answered(answer: bytes) -> None:
            callback(picture_of(answer))

        request = screenshot_request(longest_side)
        self._requests.ask(request, answered, lambda _: callback(None), timeout_ms=ANSWER_MS)

    # -- recordings

    def _enter(self, phase: Phase) -> None:
        """Go on to a phase; what was begun in another one comes to nothing."""
        self._phase = phase
        self._turn += 1
        self._doubt.stop()
        if phase is not Phase.OPEN:
            self.time.close()
            self.selection.close()
            self.layouts.close()

    def _load(self) -> None:
        self._enter(Phase.ARRIVING)
        url = self._url

        def refused(reason: str) -> None:
            if url == self._url:
                self.failed.emit(_unreadable(reason, url))

        self._requests.ask(open_request(url), None, refused)
        self._doubt.start()

    def _cancel(self, url: str) -> None:
        """Stop loading what is no longer wanted, then go on with what is."""
        self._enter(Phase.CANCELLING)
        turn = self._turn

        def ended(_: bytes | str) -> None:
            if turn != self._turn:
                return
            if self._url:
                self._load()
            else:
                self._enter(Phase.CLOSED)

        self._requests.ask(close_request(url=url), ended, ended)

    def _take_recording(self, event: PageEvent) -> None:
        if self._phase is Phase.CANCELLING:
            return  # closed with all else that came from its address
        if self._phase is not Phase.ARRIVING:
            if event.store != self._store:
                self._requests.ask(close_request(store=event.store))
            return
        old, self._store = self._store, event.store
        self._shown = (event.application, event.recording)
        if old and old != self._store:
            self._requests.ask(close_request(store=old))
        self._place()

    def _place(self, *, again: bool = False) -> None:
        """Bring what arrived to our frame and layout, then say that it is open."""
        self._enter(Phase.PLACING)
        turn = self._turn

        def is_open() -> None:
            if turn == self._turn:
                self._enter(Phase.OPEN)
                self.selection.open()
                self.opened.emit()

        def is_placed() -> None:
            if turn == self._turn:
                self.layouts.place(self._layout, is_open, again=again)

        # A recording may start to play by itself.
        self.time.place(is_placed)

    def _look_for_errors(self) -> None:
        """What cannot be read never arrives, and what is open already does not arrive again."""
        turn, url = self._turn, self._url

        def look_again(_: str = "") -> None:
            # Only once it has answered: a hidden page answers nothing, and all would pile up.
            if turn == self._turn:
                self._doubt.start()

        def take_errors(answer: bytes) -> None:
            self._last_log = max(self._last_log, last_log_of(answer))
            found = [text for text in errors_of(answer) if url and url in text]
            if turn != self._turn:
                return
            if found:
                self.failed.emit(_unreadable(found[-1], url))
            else:
                self._requests.ask(state_request(), take_state, look_again)

        def take_state(answer: bytes) -> None:
            report = report_of(answer)
            is_there = self._store and self._store in report.recordings
            if turn == self._turn and is_there and not report.loading:
                self._place(again=True)
            else:
                look_again()

        self._requests.ask(logs_request(self._last_log), take_errors, look_again)

    # -- what the page says

    def take_line(self, line: str) -> None:
        """Take one event of the page or of the viewer (JSON). Unknown ones are ignored."""
        log.debug("viewer: %.300s", line)
        try:
            event = parse_event(line)
        except ValueError as error:
            log.warning("the viewer said something unreadable (%s): %.200s", error, line)
            return
        if event.kind in _TIME_KINDS:
            self.time.take(event)
        elif event.kind in ("answer", "refused"):
            self._requests.take(event)
        elif event.kind == "selection_change":
            self.selection.take(event)
        elif event.kind == "touched":
            self.layouts.touch()
        elif event.kind == "recording_open":
            self._take_recording(event)
        elif event.kind == "memory":
            self.memory = event.size
        elif event.kind == "ready":
            self._is_ready = True
            self.loaded.emit()
        elif event.kind == "failed":
            self._is_ready = False
            self.failed.emit(_sentence(event.message))


def _sentence(text: str) -> str:
    """The first line of what may be a report of a panic."""
    line = text.strip().partition("\n")[0].strip()
    return f"{line[:200]}…" if len(line) > 200 else line


def _unreadable(reason: str, url: str) -> str:
    """Why a recording is not shown, without its secret address."""
    reason = reason.partition("\n")[0].partition(f", url: {url}")[0].replace(url, "the recording")
    return _sentence(f"The viewer cannot read this recording: {reason.strip().rstrip('.')}.")
