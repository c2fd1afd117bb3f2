"""Layout and loop range, both ways: both are fields of the viewer's blueprint.

The viewer has no event for them, so it is asked after a hand let go of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from viewers.rerun_layout import (
    Layout,
    Loop,
    layout_of,
    loop_text,
    shows_anything,
    with_time_panel,
)
from viewers.rerun_protocol import (
    RESET_LAYOUT,
    ProtocolError,
    blueprint_of,
    blueprint_request,
    command_request,
    entities_of,
    entities_request,
    set_blueprint_request,
)
from viewers.rerun_requests import Requests

log = logging.getLogger(__name__)

TOUCH_MS = 400
"""The layout is asked for when the hand has been off the viewer this long (our choice)."""
FIT_ATTEMPTS, FIT_MS = 5, 60
"""A recording is announced before all of its entities have arrived: how often, and after how long,
one is looked at again before its layout is called misfit."""
_SETTLE_MS = 150
"""What the viewer changes of a layout that was put in, it does within a few frames."""


class LayoutLink(QObject):
    """Layout and loop range of the recording that is shown.

    Signals:
        layoutChanged: (layout) The user changed views, containers, tabs, eyes or panels.
        loopChanged: (first, last) The user changed the loop; None and None without one.
    """

    layoutChanged = Signal(str)
    loopChanged = Signal(object, object)

    def __init__(self, parent: QObject, requests: Requests, is_playing: Callable[[], bool]) -> None:
        super().__init__(parent)
        self._requests = requests
        self._is_playing = is_playing
        self._is_active = False
        self._epoch = 0
        self._turn = 0
        self._placed: Callable[[], None] | None = None
        self._is_placing = False
        self._text = ""
        self._time_panel: dict[str, object] = {}
        self._loop: Loop = None
        self._known_loop: Loop = None
        self._touched = QTimer(self, singleShot=True, interval=TOUCH_MS)
        self._touched.timeout.connect(lambda: self._read(announce=True))
        self._settled = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settled.timeout.connect(lambda: self._read(announce=False))

    @property
    def layout(self) -> str:
        """Layout as it was read last; empty while no recording is shown."""
        return self._text

    @property
    def is_settled(self) -> bool:
        """True if no layout is being put in, and it was read since the last one was."""
        return not self._is_placing and not self._settled.isActive()

    # -- orders of the window; none of them emits a signal

    def set_loop(self, loop: Loop) -> None:
        """Loop over these frames, both included; None ends the loop."""
        self._loop = loop
        if self._is_active and loop != self._known_loop:
            self._send_loop()

    def set_layout(self, layout: str) -> None:
        """Put a kept layout in; "" brings back the recording's own."""
        if self._is_active and (not layout or layout != self._text):
            self._place(layout)

    def place(self, layout: str, placed: Callable[[], None], *, again: bool = False) -> None:
        """A recording is shown: put the kept layout in if it fits.

        Args:
            layout: A kept layout, or "" for the one that came with the recording.
            placed: Called when that is done, or was found impossible.
            again: The recording was shown before, maybe in another layout.
        """
        self.close()
        self._is_active = True
        self._placed = placed
        if layout or again:
            self._place(layout)
        else:
            self._finish()

    def close(self) -> None:
        """No recording is shown; the loop is kept for the next one."""
        self._is_active = False
        self._placed = None
        self._text = ""
        self._known_loop = None
        self._renew()

    def touch(self) -> None:
        """A pointer or a key was let go over the viewer."""
        if self._is_active:
            self._touched.start()

    # -- reading

    def _read(self, *, announce: bool) -> None:
        if not self._is_active:
            return
        epoch = self._epoch

        def answered(answer: bytes) -> None:
            if epoch != self._epoch:
                return
            found = _read_layout(blueprint_of(answer))
            self._take(found, announce=announce)

        self._requests.ask(blueprint_request(), answered)

    def _take(self, found: Layout, *, announce: bool) -> None:
        self._time_panel = found.time_panel
        is_new, self._text = found.text != self._text, found.text
        if not announce:
            self._known_loop = found.loop
            if self._known_loop != self._loop:
                self._send_loop()
            return
        if is_new:
            self.layoutChanged.emit(found.text)
        if found.loop != self._known_loop:
            self._loop = self._known_loop = found.loop
            self.loopChanged.emit(*(found.loop or (None, None)))

    # -- writing

    def _renew(self) -> None:
        """What was asked before is out of date."""
        self._epoch += 1
        self._turn += 1
        self._is_placing = False
        self._touched.stop()
        self._settled.stop()

    def _finish(self) -> None:
        self._is_placing = False
        self._settled.start()
        placed, self._placed = self._placed, None
        if placed is not None:
            placed()

    def _send_loop(self) -> None:
        self._epoch += 1
        self._known_loop = self._loop
        request = set_blueprint_request(loop_text(self._loop), partial=True)
        self._requests.ask(request)

    def _place(self, layout: str, attempts: int = FIT_ATTEMPTS) -> None:
        """Put a layout in, or the recording's own if that is "" or does not fit."""
        self._renew()
        self._is_placing = True
        turn = self._turn

        def finish(_: bytes | str = b"") -> None:
            if turn == self._turn:
                self._finish()

        def reset(reason: str) -> None:
            if turn == self._turn:
                if reason:
                    log.info("the kept layout is not used: %.300s", reason)
                self._requests.ask(command_request(RESET_LAYOUT), finish, finish)

        def take_shown(answer: bytes) -> None:
            if turn != self._turn:
                return
            self._time_panel = _read_layout(blueprint_of(answer)).time_panel
            self._requests.ask(entities_request(), take_entities, reset)

        def take_entities(answer: bytes) -> None:
            if turn != self._turn:
                return
            try:
                fits = shows_anything(layout, entities_of(answer))
                playing = self._is_playing()
                text = with_time_panel(layout, self._time_panel, playing=playing)
            except ValueError as error:
                reset(str(error))
                return
            if fits:
                self._requests.ask(set_blueprint_request(text, partial=False), finish, reset)
            elif attempts > 1:  # the rest of the recording may be on its way
                QTimer.singleShot(FIT_MS, self, again)
            else:
                reset("no view of it has anything of this recording")

        def again() -> None:
            if turn == self._turn:
                self._place(layout, attempts - 1)

        if layout:
            self._requests.ask(blueprint_request(), take_shown, reset)
        else:
            reset("")


def _read_layout(text: str) -> Layout:
    try:
        return layout_of(text)
    except ValueError as error:
        raise ProtocolError(f"the viewer's layout: {error}") from error
