"""Decodes frames beside the GUI thread: the latest request wins, neighbours are prefetched."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal

from pipeline.model.arrays import U8
from pipeline.model.demonstration import DatasetSource, Demonstration, FrameReader
from pipeline.model.problem import DataError

log = logging.getLogger(__name__)

_AHEAD = 12
"""Frames decoded ahead in the direction of travel while nothing is asked for."""


@dataclass(frozen=True, slots=True)
class LoadedFrame:
    """A decoded frame.

    Attributes:
        episode: Which episode it belongs to.
        camera: Camera key.
        frame: Episode frame.
        rgb: (H, W, 3) uint8, or None if it could not be decoded.
        message: Why not, one sentence.
    """

    episode: int
    camera: str
    frame: int
    rgb: U8 | None
    message: str = ""


class FrameLoader(QObject):
    """One thread, one reader.

    Signals:
        loaded: `LoadedFrame` on the GUI thread.
    """

    loaded = Signal(object)
    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._arrived.connect(self.loaded, Qt.ConnectionType.QueuedConnection)
        self._wake = threading.Condition()
        self._wanted: tuple[str, int] | None = None
        self._episode: tuple[DatasetSource, Demonstration] | None = None
        self._stop = False
        self._thread = threading.Thread(target=self._work, name="frame-loader", daemon=True)
        self._thread.start()

    def open(self, source: DatasetSource, demonstration: Demonstration) -> None:
        """Read another episode from now on."""
        with self._wake:
            self._episode = (source, demonstration)
            self._wanted = None
            self._wake.notify()

    def request(self, camera: str, frame: int) -> None:
        """Ask for a frame; an unanswered older request is forgotten."""
        with self._wake:
            self._wanted = (camera, frame)
            self._wake.notify()

    def close(self) -> None:
        """Stop the thread and release the decoders."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        self._thread.join(5.0)

    def _work(self) -> None:
        reader: FrameReader | None = None
        opened: tuple[DatasetSource, Demonstration] | None = None
        ahead: list[tuple[str, int]] = []
        last: tuple[str, int] | None = None
        while True:
            with self._wake:
                while not self._stop and self._wanted is None and not ahead:
                    self._wake.wait()
                if self._stop:
                    break
                wanted, self._wanted = self._wanted, None
                episode = self._episode
            if episode is not opened:
                if reader is not None:
                    reader.close()
                opened, reader, ahead, last = episode, None, [], None
                if episode is not None:
                    reader = episode[0].reader(episode[1])
            if reader is None or opened is None:
                ahead = []
                continue
            if wanted is None:
                self._prefetch(reader, *ahead.pop(0))
                continue
            self._serve(reader, opened[1], *wanted)
            ahead = _neighbours(wanted, last, opened[1].length)
            last = wanted
        if reader is not None:
            reader.close()

    def _serve(
        self, reader: FrameReader, demonstration: Demonstration, camera: str, frame: int
    ) -> None:
        rgb, message = None, ""
        try:
            rgb = reader.frame(camera, frame)
        except DataError as error:
            message = str(error)
        loaded = LoadedFrame(demonstration.ref.episode, camera, frame, rgb, message)
        try:
            self._arrived.emit(loaded)
        except RuntimeError:  # The window is gone and took the Qt object with it.
            log.debug("a frame arrived after the window closed")

    def _prefetch(self, reader: FrameReader, camera: str, frame: int) -> None:
        try:
            reader.prepare(camera, frame)
        except DataError:
            log.debug("prefetch of frame %d failed", frame)


def _neighbours(
    wanted: tuple[str, int], last: tuple[str, int] | None, length: int
) -> list[tuple[str, int]]:
    """Frames likely to be asked for next, in the direction of travel."""
    camera, frame = wanted
    step = -1 if last is not None and last[0] == camera and frame < last[1] else 1
    places = range(frame + step, frame + step * (_AHEAD + 1), step)
    return [(camera, p) for p in places if 0 <= p < length]
