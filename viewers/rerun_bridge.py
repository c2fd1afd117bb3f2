"""What the window and the embedded viewer tell each other, without echo.

The viewer answers every frame it is told with a time event of its own, and scrubbing sends faster
than it answers. `RerunBridge` keeps the two apart: an event counts as the viewer's own move only
if no order of ours is under way and it is not the frame we know already.
"""

from __future__ import annotations

import base64
import json
import logging
from collections import deque
from typing import Any

from PySide6.QtCore import QElapsedTimer, QObject, QTimer, Signal, Slot

log = logging.getLogger(__name__)

TIMELINE = "frame"
"""Name of the timeline that the recordings use and the window follows."""
SEND_INTERVAL_MS = 16
"""Orders within one frame of the screen become one (our choice)."""
REST_MS = 90
"""A calm viewer follows once the frame has rested this long (longer than a key repeats) ..."""
LONGEST_WAIT_MS = 500
"""... or when it has waited this long, so that it moves while the cursor plays."""
RETRY_INTERVAL_MS = 50
"""A recording that is still arriving takes no orders; it is asked again after this time."""
REMEMBERED = 64
"""Frames the viewer announced last; the window hands them back while the viewer plays."""


class RerunBridge(QObject):
    """The object that the page knows as `bridge`.

    Signals:
        toViewer: (line of JSON) For the page.
        loaded: The viewer runs and takes orders.
        opened: The recording asked for last is shown.
        failed: (sentence) The viewer cannot run or panicked.
        frameChanged: (frame) The viewer moved by itself.
        playingChanged: (playing) The viewer started or stopped by itself.
        entitySelected: (entity path) The user selected something in the viewer.
    """

    toViewer = Signal(str)
    loaded = Signal()
    opened = Signal()
    failed = Signal(str)
    frameChanged = Signal(int)
    playingChanged = Signal(bool)
    entitySelected = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._frame = 0
        self._playing = False
        self._url = ""
        self._store = ""
        self._recording: tuple[str, str] = ("", "")
        self._opening = False
        self._retry = False
        self._arrived = 0
        self._timeline = TIMELINE
        self._ready = False
        self._number = 0
        self._done = 0
        self._announced: deque[int] = deque(maxlen=REMEMBERED)
        self._is_calm = False
        self._waiting = QElapsedTimer()
        self._send_later = QTimer(self, singleShot=True)
        self._send_later.timeout.connect(self._send_time)

    @property
    def frame(self) -> int:
        """Frame that the viewer shows or is on its way to."""
        return self._frame

    @property
    def is_playing(self) -> bool:
        """True while the viewer plays."""
        return self._playing

    @property
    def is_ready(self) -> bool:
        """True while the viewer takes orders."""
        return self._ready

    @property
    def is_settled(self) -> bool:
        """True if no order is under way."""
        return self._done >= self._number and not self._send_later.isActive()

    @property
    def recording(self) -> tuple[str, str] | None:
        """Application id and recording id of what is shown; None before it is."""
        return self._recording if self._ready and self._store and not self._opening else None

    # -- orders from the window; none of them emits a frameChanged or playingChanged

    def reset(self) -> None:
        """Forget the page (it is reloaded or gone); the frame and the playing state stay."""
        self._ready = self._opening = False
        self._url = self._store = ""
        self._done = self._number
        self._send_later.stop()

    def open(self, url: str) -> None:
        """Show the recording at `url`; it opens paused at the current frame."""
        self._url = url
        self._opening = True
        self._arrived = 0
        self._playing = False
        self._send_later.stop()  # the frame is sent once the recording is there
        self._say(type="open", url=url)

    def add(self, data: bytes) -> None:
        """Add the contents of an .rrd to the recording that is shown; its time stays."""
        if self.recording is not None:
            self._say(type="add", data=base64.b64encode(data).decode("ascii"))

    def close_recording(self) -> None:
        """Close the recording that is shown, if any."""
        if self._store:
            self._say(type="close", store=self._store)
        self._url = self._store = ""
        self._opening = False

    def set_frame(self, frame: int) -> None:
        """Go to `frame`; the newest of several in a row wins."""
        if frame == self._frame or (self._playing and frame in self._announced):
            return
        self._frame = frame
        self._schedule()

    def set_playing(self, playing: bool) -> None:
        """Start or stop playback."""
        if playing != self._playing:
            self._playing = playing
            self._announced.clear()
            self._send_later.stop()
            self._schedule(at_once=True)

    def set_calm(self, calm: bool) -> None:
        """Follow only when the frame rests, for viewers that draw in software.

        Such a viewer takes a core for each step of the cursor, and the frame beside it, which the
        user looks at, would be late.
        """
        self._is_calm = calm

    def set_panel_states(self, states: dict[str, str]) -> None:
        """Set Rerun's panels (`top`, `blueprint`, `selection`, `time`) to `hidden`, ..."""
        self._say(type="panels", states=states)

    def set_theme(self, name: str) -> None:
        """Set `dark` or `light`."""
        self._say(type="theme", name=name)

    def _schedule(self, *, at_once: bool = False) -> None:
        if not self._ready or not self._store or self._opening:
            return
        waits = self._send_later.isActive()
        if not waits:
            self._waiting.start()
        if self._is_calm and not at_once:
            if not waits or self._waiting.elapsed() < LONGEST_WAIT_MS:
                self._send_later.start(REST_MS)
        elif not waits:
            self._send_later.start(SEND_INTERVAL_MS)

    def _send_time(self) -> None:
        self._number += 1
        self._say(
            type="time",
            timeline=TIMELINE,
            frame=self._frame,
            playing=self._playing,
            number=self._number,
        )

    def _say(self, **fields: Any) -> None:
        line = json.dumps(fields)
        log.debug("to viewer: %s", line)
        self.toViewer.emit(line)

    # -- what the viewer says

    @Slot(str)
    def fromViewer(self, line: str) -> None:
        """Take one event of the page or of the viewer (JSON). Unknown ones are ignored."""
        log.debug("viewer: %.300s", line)
        try:
            event = json.loads(line)
            kind = event["type"]
        except (ValueError, KeyError, TypeError):
            log.warning("the viewer said something unreadable: %.200s", line)
            return
        if kind in ("time_update", "timeline_change"):
            self._timeline = event.get("timeline", self._timeline)
            self._take_time(float(event["time"]))
        elif kind in ("play", "pause"):
            self._take_playing(kind == "play")
        elif kind == "selection_change":
            self._take_selection(event.get("items", []))
        elif kind == "done":
            self._take_done(int(event["number"]))
        elif kind == "recording_open":
            self._take_recording(event)
        elif kind == "ready":
            self._ready = True
            self.loaded.emit()
        elif kind == "failed":
            self._ready = False
            self.failed.emit(str(event.get("message", "")))
        elif kind == "refused":
            self._take_refusal(str(event.get("message", "")))

    def _take_time(self, time: float) -> None:
        if self._opening or not self.is_settled or self._timeline != TIMELINE:
            return
        frame = int(time)  # fractional while playing
        if frame == self._frame:
            return
        self._frame = frame
        self._announced.append(frame)
        self.frameChanged.emit(frame)

    def _take_playing(self, playing: bool) -> None:
        if self._opening or not self.is_settled or playing == self._playing:
            return
        self._playing = playing
        self._announced.clear()
        self.playingChanged.emit(playing)

    def _take_selection(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            if item.get("type") == "entity":
                self.entitySelected.emit("/" + str(item["entity_path"]).lstrip("/"))

    def _take_recording(self, event: dict[str, Any]) -> None:
        old = self._store
        application = str(event.get("application_id", ""))
        # Ids join with colons; the application's own are escaped (viewer_control.proto).
        escaped = application.replace("\\", "\\\\").replace(":", "\\:")
        self._recording = (application, str(event.get("recording_id", "")))
        self._store = f"Recording:{escaped}:{event.get('recording_id', '')}"
        if not self._url:  # cleared while it was loading
            self.close_recording()
            return
        # The old one goes only now: with a recording of the same application still open, the
        # viewer keeps the user's layout and eye.
        if old and old != self._store:
            self._say(type="close", store=old)
        # A recording starts to play by itself.
        self._timeline = TIMELINE
        self._send_time()
        self._arrived = self._number

    def _take_refusal(self, message: str) -> None:
        if self._opening:
            # "no timelines yet": a recording is announced before its data have arrived.
            self._retry = True
        else:
            log.warning("the viewer refused: %s", message)

    def _take_done(self, number: int) -> None:
        self._done = max(self._done, number)
        if not self._opening or not 0 < self._arrived <= self._done or not self.is_settled:
            return
        if self._retry:
            self._retry = False
            self._send_later.start(RETRY_INTERVAL_MS)
            return
        self._opening = False
        self.opened.emit()
