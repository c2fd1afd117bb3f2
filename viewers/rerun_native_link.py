"""Rerun's own program as a second view of the panel's recording: it follows, and is followed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

if TYPE_CHECKING:
    from viewers.native_viewer import NativeViewer

log = logging.getLogger(__name__)


class NativeLink(QObject):
    """Starts the native viewer when it is asked for, and keeps it at the panel's frame.

    Signals:
        frameChanged: (frame) The user moved its time cursor, or it plays.
        playingChanged: (playing) It started or stopped by itself.
        openedChanged: (open) It shows the recording, or no longer.
        failed: (sentence) It could not be started, or ended with an error.
    """

    frameChanged = Signal(int)
    playingChanged = Signal(bool)
    openedChanged = Signal(bool)
    failed = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer: NativeViewer | None = None
        self._frame = 0

    @property
    def is_open(self) -> bool:
        """True while the native viewer runs."""
        return self._viewer is not None and self._viewer.is_open

    def open(self, recording: Path | bytes, frame: int) -> None:
        """Show a recording in Rerun's own window, at a frame; replaces what that shows."""
        if self._viewer is None:
            from viewers.native_viewer import NativeViewer

            self._viewer = NativeViewer(self)
            self._viewer.frameChanged.connect(self._on_frame)
            self._viewer.playingChanged.connect(self.playingChanged)
            self._viewer.opened.connect(lambda: self.openedChanged.emit(True))
            self._viewer.ended.connect(self._on_ended)
        self._frame = frame
        self._viewer.open(recording, frame)

    def set_frame(self, frame: int) -> None:
        """Go to a frame. Emits nothing."""
        if self._viewer is not None and self._viewer.is_open and frame != self._frame:
            self._frame = frame
            self._viewer.set_frame(frame)

    def set_playing(self, playing: bool) -> None:
        """Start or stop its playback. Emits nothing."""
        if self._viewer is not None and self._viewer.is_open:
            self._viewer.set_playing(playing)

    def set_selection(self, entity: str, instance: int) -> None:
        """Select what is selected in the window. Emits nothing."""
        if self._viewer is not None and self._viewer.is_open:
            self._viewer.set_selection(entity, instance)

    def close(self) -> None:
        """End the native viewer, if it runs."""
        if self._viewer is not None:
            self._viewer.close()

    @Slot(int)
    def _on_frame(self, frame: int) -> None:
        if frame != self._frame:
            self._frame = frame
            self.frameChanged.emit(frame)

    @Slot(str)
    def _on_ended(self, sentence: str) -> None:
        self.openedChanged.emit(False)
        if sentence:
            log.warning("native viewer: %s", sentence)
            self.failed.emit(sentence)
