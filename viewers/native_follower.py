"""The thread that keeps Rerun's own viewer at what the window wants, and asks it where it is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from viewers.native_client import CallError, NativeClient, NativeState
from viewers.native_program import START_TIMEOUT_S, NativeViewerError, RerunProgram
from viewers.native_wishes import End, Order, Poll, Recording, Selection, Time, Wishes

log = logging.getLogger(__name__)

POLL_S = 0.2
"""How often a standing viewer is asked where it is."""
PLAYING_POLL_S = 0.1
"""How often one that plays is asked."""
LEISURE = 4.0
"""Each question makes the viewer draw: between two lies this multiple of what the last one took, so
that a viewer that draws in software is not kept busy by questions."""
RETRY_S = 0.5
"""After this, a time that the viewer did not take is tried again."""
ARRIVAL_S = 0.05
"""How often a recording that still arrives is looked for."""
DOUBTS = 3
"""Answers that do not show our last order yet; then what the viewer says counts as the user's."""


class Follower(QObject):
    """The thread and its voice. Its signals are emitted in the thread.

    Signals:
        opened: (recording number) It is shown, paused.
        told: (order number, state) Where the viewer was after that order.
        ended: (self, sentence) The last word.
    """

    opened = Signal(int)
    told = Signal(int, object)
    ended = Signal(object, str)

    def __init__(self, program: RerunProgram, connect: Callable[[str], NativeClient]) -> None:
        super().__init__()
        self.wishes = Wishes()
        self.program = program
        self._connect = connect
        self._store = ""
        self._path: Path | None = None
        self._files = 0
        self._last: Time | None = None
        self._doubts = 0
        self._thread = threading.Thread(target=self._run, name="rerun native viewer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; does not wait. A call under way fails, since the program is gone."""
        self.wishes.end()
        self.program.kill()

    # -- in the thread

    def _run(self) -> None:
        sentence = "Following Rerun's own viewer failed; the log says more."
        try:
            self.program.start(lambda: self.wishes.is_ended)
            if not self.wishes.is_ended:
                self._follow(self._connected())
            sentence = ""
        except NativeViewerError as error:
            sentence = str(error)
        except Exception:
            # An experimental API under us: whatever it throws must not leave a program behind.
            log.exception("following Rerun's own viewer failed")
        finally:
            self.program.remove()
            try:
                self.ended.emit(self, "" if self.wishes.is_ended else sentence)
            except RuntimeError:
                log.debug("the window was gone before Rerun's own viewer")

    def _connected(self) -> NativeClient:
        """Connect and wait until it answers: it listens before it has a window."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                client = self._connect(self.program.url)
                client.state("")
                return client
            except CallError as error:
                self._check_alive()
                if time.monotonic() > deadline:
                    raise NativeViewerError(
                        f"Rerun's own viewer did not answer within {START_TIMEOUT_S:.0f} s."
                    ) from error
                self._rest(ARRIVAL_S)

    def _check_alive(self) -> None:
        if not self.program.is_alive:
            raise NativeViewerError(self.program.ending())

    def _rest(self, seconds: float) -> None:
        """Wait, but not if the window wants to end it."""
        if self.wishes.wait_for_end(seconds):
            raise NativeViewerError("")

    def _follow(self, client: NativeClient) -> None:
        wait = POLL_S
        while True:
            order = self.wishes.next(wait)
            if isinstance(order, End):
                return
            started = time.monotonic()
            try:
                playing = self._carry_out(client, order)
                took = time.monotonic() - started
                wait = max(PLAYING_POLL_S, took) if playing else max(POLL_S, LEISURE * took)
            except CallError as error:
                # It ended; or a minimised window does not draw and so does not answer in time.
                self._check_alive()
                what = type(order).__name__
                log.info("Rerun's own viewer did not carry out a %s: %s", what, error)
                if isinstance(order, Time) and self._is_shown(client):
                    self._rest(RETRY_S)
                    self.wishes.want_still(order)

    def _is_shown(self, client: NativeClient) -> bool:
        """False if the viewer answers, and the user has closed our recording in it."""
        try:
            if client.state(self._store) is None:
                self._store = ""
        except CallError as error:
            log.debug("Rerun's own viewer does not answer: %s", error)
        return bool(self._store)

    def _carry_out(self, client: NativeClient, order: Order) -> bool:
        """Do what is wanted. Returns True while the viewer plays."""
        if isinstance(order, Recording):
            self._open(client, order)
        elif isinstance(order, Time):
            if self._store:
                client.set_time(self._store, order.frame, order.playing)
            self._last, self._doubts = order, DOUBTS
            return order.playing
        elif isinstance(order, Selection):
            if self._store:
                client.select(order.entity, order.instance)
        elif isinstance(order, Poll):
            self._check_alive()
            state = client.state(self._store) if self._store else None
            if state is not None:
                return self._tell(state)
        return False

    def _tell(self, state: NativeState) -> bool:
        last = self._last
        if last is not None and self._doubts:
            # The order was answered, but the state may be of a picture before it.
            known = state.playing == last.playing and (last.playing or state.frame == last.frame)
            self._doubts = 0 if known else self._doubts - 1
            if not known:
                return True  # look again soon
        self.told.emit(last.number if last is not None else 0, state)
        return state.playing

    def _open(self, client: NativeClient, order: Recording) -> None:
        old_store, old_path = self._store, self._path
        path = self._file_of(order.source)
        if old_store and path == old_path:
            # A place that is open already would not be read again.
            self._close(client, old_store)
            old_store = ""
        try:
            store = client.open(path)
        except CallError as error:
            self._check_alive()
            log.info("Rerun's own viewer did not open %s: %s", path.name, error)
            raise NativeViewerError(
                "Rerun's own viewer could not open the recording; the log says more."
            ) from error
        self._store, self._path = store, path
        self._pause(client, store)
        # The old one goes only now: with one of the same application still open, the viewer keeps
        # the user's layout and eye.
        if old_store and old_store != store:
            self._close(client, old_store)
        if old_path is not None and old_path != path and old_path.parent == self.program.folder:
            old_path.unlink(missing_ok=True)
        self.opened.emit(order.number)

    def _file_of(self, source: Path | bytes) -> Path:
        """The file to open; content is written to a private one."""
        if isinstance(source, Path):
            return source
        self._files += 1
        path = self.program.folder / f"recording-{self._files}.rrd"
        try:
            path.write_bytes(source)
        except OSError as error:
            raise NativeViewerError(
                f"The recording could not be handed to Rerun's own viewer: "
                f"{error.strerror or error}."
            ) from error
        return path

    def _pause(self, client: NativeClient, store: str) -> None:
        """Stand at the frame that is wanted; a recording starts to play by itself."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                # Announced before its data have arrived, it takes no time.
                state = client.state(store)
                if state is not None and state.arrived:
                    wanted = self.wishes.newest_time() or self._last or Time(0, 0, False)
                    self._last, self._doubts = wanted, DOUBTS
                    client.set_time(store, wanted.frame, wanted.playing)
                    return
            except CallError as error:
                self._check_alive()
                log.debug("Rerun's own viewer does not take a time yet: %s", error)
            if time.monotonic() > deadline:
                raise NativeViewerError(
                    f"Rerun's own viewer did not read the recording within {START_TIMEOUT_S:.0f} s."
                )
            self._rest(ARRIVAL_S)

    def _close(self, client: NativeClient, store: str) -> None:
        try:
            client.close(store)
        except CallError as error:
            self._check_alive()
            log.debug("%s was not open any more: %s", store, error)  # the user closed it
