"""Requests to the page, numbered, each answered at most once."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from viewers.rerun_events import PageEvent
from viewers.rerun_protocol import ProtocolError

log = logging.getLogger(__name__)

Answered = Callable[[bytes], None]
Refused = Callable[[str], None]

STALL_MS = 30_000
"""A viewer on show that leaves a request unanswered for this long hangs (it needs 0.02 s)."""
NO_ANSWER = "the viewer did not answer"


class PageChannel(QObject):
    """The object that the page knows as `bridge`: all that it can reach of this program.

    QWebChannel shows a page every signal and slot of a registered object, so it has no others.

    Signals:
        toViewer: (line of JSON) For the page.
    """

    toViewer = Signal(str)

    def __init__(self, take: Callable[[str], None], parent: QObject) -> None:
        super().__init__(parent)
        self._take = take

    @Slot(str)
    def fromViewer(self, line: str) -> None:
        """Take a line of JSON from the page."""
        self._take(line)


@dataclass(slots=True)
class _Open:
    answered: Answered | None
    refused: Refused | None
    timer: QTimer | None = None


class Requests(QObject):
    """Sends requests and brings each answer to who asked.

    Signals:
        stalled: A request has been open for `STALL_MS` while the viewer was watched.
    """

    stalled = Signal()

    def __init__(self, parent: QObject, say: Callable[[str], None]) -> None:
        super().__init__(parent)
        self._say = say
        self._number = 0
        self._open: dict[int, _Open] = {}
        self._is_watched = False
        self._stall = QTimer(self, singleShot=True, interval=STALL_MS)
        self._stall.timeout.connect(self.stalled)

    @property
    def is_empty(self) -> bool:
        """True if every request was answered."""
        return not self._open

    def ask(
        self,
        request: bytes,
        answered: Answered | None = None,
        refused: Refused | None = None,
        *,
        kind: str = "request",
        timeout_ms: int = 0,
        **more: Any,
    ) -> int:
        """Send a request.

        Args:
            request: Bytes of a ViewerControlRequest.
            answered: Gets the bytes of the answer. A ProtocolError of it counts as a refusal.
            refused: Gets the reason; the default writes it to the log.
            kind: What the page is to do; `deselect` needs no bytes.
            timeout_ms: Refuse by ourselves after this time; 0 waits for ever.
            **more: Further fields for the page.

        Returns:
            The request's number.
        """
        self._number += 1
        number = self._number
        entry = self._open[number] = _Open(answered, refused)
        if timeout_ms:
            entry.timer = QTimer(self, singleShot=True, interval=timeout_ms)
            entry.timer.timeout.connect(lambda: self._end(number, NO_ANSWER))
            entry.timer.start()
        data = base64.b64encode(request).decode("ascii")
        self.say(type=kind, number=number, data=data, **more)
        self._watch()
        return number

    def say(self, **fields: Any) -> None:
        """Tell the page something that has no answer."""
        line = json.dumps(fields)
        log.debug("to viewer: %.300s", line)
        self._say(line)

    def set_watched(self, watched: bool) -> None:
        """Watch for a stall; not while the page is hidden: it answers only when it draws."""
        self._is_watched = watched
        self._watch(afresh=True)

    def take(self, event: PageEvent) -> None:
        """Bring an `answer` or `refused` to who asked; an unknown number is ignored."""
        if event.kind == "refused":
            self._end(event.number, event.message or "no reason given")
            return
        entry = self._close(event.number)
        if entry is None or entry.answered is None:
            return
        try:
            entry.answered(event.data)
        except ProtocolError as error:
            self._refuse(entry, str(error))

    def forget_all(self, reason: str = "the viewer was closed") -> None:
        """The page is gone: nothing will be answered any more. Who set a timeout is told."""
        entries, self._open = self._open, {}
        self._stall.stop()
        for entry in entries.values():
            if entry.timer is not None:
                entry.timer.stop()
                entry.timer.deleteLater()
                self._refuse(entry, reason)

    def _end(self, number: int, reason: str) -> None:
        entry = self._close(number)
        if entry is not None:
            self._refuse(entry, reason)

    def _refuse(self, entry: _Open, reason: str) -> None:
        if entry.refused is not None:
            entry.refused(reason)
        else:
            log.info("the viewer refused: %.300s", reason)

    def _close(self, number: int) -> _Open | None:
        entry = self._open.pop(number, None)
        if entry is not None and entry.timer is not None:
            entry.timer.stop()
            entry.timer.deleteLater()
        self._watch(afresh=True)
        return entry

    def _watch(self, *, afresh: bool = False) -> None:
        if not self._open or not self._is_watched:
            self._stall.stop()
        elif afresh or not self._stall.isActive():
            self._stall.start()
