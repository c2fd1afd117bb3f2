"""Play, faster, backwards, round and round: playing of the document's cursor."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.playback import LoopRange, Playback
from pipeline.document import Document

_FASTEST = 8
"""Multiple of real time at which playing goes no faster."""


class PlayControl(QObject):
    """Moves the cursor of a document, or lets another view do so.

    Whoever began to play is the clock: this one, or a view that plays by itself (the 3D viewer).
    There is never more than one; the later one takes over.

    Attributes:
        playback: The clock of this side.

    Signals:
        said: One line for the status bar.
        loopChanged: First frame and one past the last of what is repeated, or None.
    """

    said = Signal(str)
    loopChanged = Signal(object)

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.playback = Playback(self)
        self._document = document
        self._loop = LoopRange()
        self._led_by = ""
        self.playback.frameDue.connect(self._on_frame_due)
        self.playback.finished.connect(self._on_finished)

    @property
    def playing(self) -> bool:
        """True while the cursor moves by itself, whoever is the clock."""
        return self.playback.playing or bool(self._led_by)

    @property
    def led_by(self) -> str:
        """The view that plays by itself and moves the cursor; empty if none does."""
        return self._led_by

    def lead(self, view: str) -> None:
        """Let another view be the clock: it plays by itself and says where it is.

        Args:
            view: Its name, the initiator of what it changes.
        """
        self.playback.stop()
        self._led_by = view
        self._document.set_playing(True, view)

    def end_lead(self, view: str) -> None:
        """Take note that the view plays no more; if it was not the clock, nothing changes."""
        if view == self._led_by:
            self._led_by = ""
            self._document.set_playing(False, view)

    def toggle(self) -> None:
        """Play or pause."""
        if self.playing:
            self.stop()
        else:
            self.play(1)

    def play(self, speed: int) -> None:
        """Play from the cursor, within the marked range if there is one.

        Args:
            speed: Multiple of real time, negative backwards.
        """
        session = self._document.session
        demonstration = session.demonstration
        if demonstration is None or not demonstration.length:
            return
        span = self._loop.span(demonstration.length)
        self._led_by = ""
        self._document.set_playing(True, "playback")
        self.playback.play(session.frame, demonstration.fps, span, loop=self.is_looped, speed=speed)

    def faster(self, direction: int) -> None:
        """Play in a direction (1 or -1); if it plays that way already, twice as fast, up to 8x."""
        speed = 1 if self._led_by else self.playback.speed
        faster = min(abs(speed) * 2, _FASTEST) if speed * direction > 0 else 1
        self.play(faster * direction)

    def stop(self) -> None:
        """Stand still."""
        if self.playing:
            self.playback.stop()
            self._led_by = ""
            self._document.set_playing(False, "playback")

    @property
    def loop(self) -> LoopRange:
        """Range that is played round and round, if it was marked."""
        return self._loop

    @property
    def is_looped(self) -> bool:
        """True if a range was marked."""
        return self._loop != LoopRange()

    def set_loop(self, loop: LoopRange) -> None:
        """Play another range from now on; it is told in the status bar."""
        demonstration = self._document.session.demonstration
        if demonstration is None:
            return
        self._loop = loop
        first, end = loop.span(demonstration.length)
        self.said.emit(
            f"Playing repeats frames {first}–{end - 1}" if self.is_looped else "Nothing is repeated"
        )
        self.loopChanged.emit((first, end) if self.is_looped else None)
        if self.playback.playing:
            self.play(self.playback.speed)

    def begin_episode(self) -> None:
        """Another episode was opened: stand still and forget the range."""
        self.stop()
        self._loop = LoopRange()
        self.loopChanged.emit(None)

    def _on_frame_due(self, frame: int) -> None:
        self._document.set_frame(frame, "playback")

    def _on_finished(self) -> None:
        self._document.set_playing(False, "playback")
