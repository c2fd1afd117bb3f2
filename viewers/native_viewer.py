"""Rerun's own viewer, a window apart, kept at the window's cursor and selection.

For machines where the embedded viewer cannot run, and for who wants a second screen. A thread
talks to it, since each call waits until the viewer has drawn; the window only leaves what is wanted
next, and of several wishes the newest wins. The viewer reports nothing by itself, so its cursor is
asked for a few times a second; a selection made in it cannot be asked for (Rerun 0.41).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from viewers.native_client import NativeClient, NativeState, ViewerClientCalls
from viewers.native_follower import Follower
from viewers.native_program import RerunProgram
from viewers.native_wishes import Recording, Selection, Time

REMEMBERED = 64
"""Frames the viewer announced last; the window hands them back while the viewer plays."""


class NativeViewer(QObject):
    """Rerun's own viewer beside the window: shows the same recording, frame and selection.

    It ends with the window: its recording lies in a private folder that is removed then, and a
    window that follows nothing any more would look as if it did. Who wants to keep a recording
    exports it.

    No method waits for the viewer, and no setter emits.

    Signals:
        opened: The recording asked for last is shown, paused at the current frame.
        frameChanged: (frame) The user moved the viewer's own cursor, or it plays.
        playingChanged: (playing) Playback was started or stopped in the viewer.
        ended: (sentence) The viewer is no longer there. Empty if it was closed, by the user or by
            `close`; else one sentence for the user.
    """

    opened = Signal()
    frameChanged = Signal(int)
    playingChanged = Signal(bool)
    ended = Signal(str)

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        options: Sequence[str] = (),
        connect: Callable[[str], NativeClient] = ViewerClientCalls,
        program: Callable[[Sequence[str]], RerunProgram] = RerunProgram,
    ) -> None:
        """Start nothing yet.

        Args:
            parent: Owner.
            options: Further options of the `rerun` program, e.g. `--headless`.
            connect: Makes the client from the program's address; for tests.
            program: Makes the program from the options; for tests.
        """
        super().__init__(parent)
        self._options = options
        self._connect = connect
        self._make_program = program
        self._follower: Follower | None = None
        self._leaving: list[Follower] = []
        self._number = 0
        self._recordings = 0
        self._is_opening = False
        self._frame = 0
        self._playing = False
        self._announced: deque[int] = deque(maxlen=REMEMBERED)

    @property
    def is_open(self) -> bool:
        """True from `open` until `close` or `ended`."""
        return self._follower is not None

    @property
    def frame(self) -> int:
        """Frame that is shown, or will be once the viewer is there."""
        return self._frame

    @property
    def pid(self) -> int | None:
        """Number of the viewer's process, None while there is none."""
        return self._follower.program.pid if self._follower is not None else None

    def open(self, recording: Path | bytes, frame: int) -> None:
        """Show a recording, paused at `frame`; replaces the one before in the same window.

        Args:
            recording: An .rrd file, or its content.
            frame: Frame of the episode.
        """
        if self._follower is None:
            try:
                program = self._make_program(self._options)
            except OSError as error:  # no room for its folder
                self.ended.emit(
                    f"Rerun's own viewer could not be started: {error.strerror or error}."
                )
                return
            follower = Follower(program, self._connect)
            queued = Qt.ConnectionType.QueuedConnection
            follower.opened.connect(self._on_opened, queued)
            follower.told.connect(self._on_told, queued)
            follower.ended.connect(self._on_ended, queued)
            self._follower = follower
            follower.start()
        self._recordings += 1
        self._is_opening = True
        self._playing = False
        self._announced.clear()
        self._frame = frame
        self._send_time()
        self._follower.wishes.want(Recording(self._recordings, recording))

    def set_frame(self, frame: int) -> None:
        """Go to a frame; of several in a row the newest wins. Emits nothing."""
        if frame == self._frame or (self._playing and frame in self._announced):
            return
        self._frame = frame
        self._send_time()

    def set_playing(self, playing: bool) -> None:
        """Start or stop the viewer's own playback. Emits nothing, though playback moves time."""
        if playing != self._playing:
            self._playing = playing
            self._announced.clear()
            self._send_time()

    def set_selection(self, entity: str, instance: int = -1) -> None:
        """Select an entity, or an instance of it. Emits nothing.

        Args:
            entity: Its path; empty selects nothing.
            instance: Index within the entity, -1 for all of it.
        """
        if self._follower is not None:
            self._follower.wishes.want(Selection(entity, instance if entity else -1))

    def close(self) -> None:
        """End the viewer; `ended` follows when it is gone. May be repeated."""
        if self._follower is not None:
            follower, self._follower = self._follower, None
            self._leaving.append(follower)
            self._is_opening = False
            follower.told.disconnect(self._on_told)
            follower.opened.disconnect(self._on_opened)
            follower.stop()

    def _send_time(self) -> None:
        if self._follower is not None:
            self._number += 1
            self._follower.wishes.want(Time(self._number, self._frame, self._playing))

    @Slot(int)
    def _on_opened(self, number: int) -> None:
        if number == self._recordings and self._follower is not None:
            self._is_opening = False
            self.opened.emit()

    @Slot(int, object)
    def _on_told(self, number: int, state: NativeState) -> None:
        # An order of ours under way: what the viewer says is older.
        if self._is_opening or number != self._number or self._follower is None:
            return
        if state.playing != self._playing:
            self._playing = state.playing
            self._announced.clear()
            self.playingChanged.emit(state.playing)
        if state.frame is not None and state.frame != self._frame:
            self._frame = state.frame
            self._announced.append(state.frame)
            self.frameChanged.emit(state.frame)

    @Slot(object, str)
    def _on_ended(self, follower: Follower, sentence: str) -> None:
        if follower in self._leaving:
            self._leaving.remove(follower)
            if self._follower is not None:
                return  # opened again since
        self._follower = None
        self._is_opening = False
        self.ended.emit(sentence)
