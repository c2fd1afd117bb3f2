"""Reads recorded depth beside the GUI thread, for the pixel under the mouse."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal, Slot

from pipeline.model.arrays import F32
from pipeline.model.demonstration import DatasetSource, Demonstration, FrameReader
from pipeline.model.problem import DataError

log = logging.getLogger(__name__)

_CACHE_BYTES = 8 << 20
"""Its reader keeps next to nothing: only one frame's depth is on show."""

_Episode = tuple[DatasetSource, Demonstration]


@dataclass(frozen=True, slots=True, eq=False)
class DepthMap:
    """Depth of one frame.

    Attributes:
        camera: Colour camera that it belongs to.
        frame: Episode frame.
        metres: (H, W) float32 along the optical axis, 0 = unknown; None if there is none.
    """

    camera: str
    frame: int
    metres: F32 | None

    def at(self, x: int, y: int, image: tuple[int, int]) -> float | None:
        """Metres at a pixel of a picture of `image` (width, height); None where unknown."""
        if self.metres is None:
            return None
        height, width = self.metres.shape
        # Depth is often recorded smaller than colour.
        column, row = x * width // max(image[0], 1), y * height // max(image[1], 1)
        if not (0 <= column < width and 0 <= row < height):
            return None
        value = float(self.metres[row, column])
        return value if value > 0 else None


class DepthLoader(QObject):
    """One thread with a reader of its own, started when depth is first asked for.

    Signals:
        loaded: `DepthMap` on the GUI thread; only the newest request is answered.
    """

    loaded = Signal(object)
    _arrived = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._wake = threading.Condition()
        self._episode: _Episode | None = None
        self._wanted: tuple[str, int] | None = None
        self._asked: tuple[str, int] | None = None
        self._map: DepthMap | None = None
        self._stop = False
        self._thread: threading.Thread | None = None

    def open(self, source: DatasetSource | None, demonstration: Demonstration | None) -> None:
        """Read another episode from now on."""
        with self._wake:
            known = source is not None and demonstration is not None
            self._episode = (source, demonstration) if known else None  # type: ignore[assignment]
            self._wanted = self._asked = self._map = None
            self._wake.notify()

    def has_depth(self, camera: str) -> bool:
        """True if the dataset recorded depth for a colour camera."""
        episode = self._episode
        cameras = episode[1].cameras if episode is not None else ()
        return any(c.key == camera and c.depth_key is not None for c in cameras)

    def depth(self, camera: str, frame: int) -> DepthMap | None:
        """Depth of a frame if it is there; else it is fetched and `loaded` tells."""
        if self._map is not None and (self._map.camera, self._map.frame) == (camera, frame):
            return self._map
        if self._asked != (camera, frame) and self.has_depth(camera) and not self._stop:
            with self._wake:
                self._asked = self._wanted = (camera, frame)
                self._wake.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="depth-loader", daemon=True)
                self._thread.start()
        return None

    def close(self) -> None:
        """Stop the thread and release the decoder."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(5.0)

    @Slot(object, object)
    def _deliver(self, episode: _Episode, depth: DepthMap) -> None:
        if episode is self._episode and self._asked == (depth.camera, depth.frame):
            self._map = depth
            self.loaded.emit(depth)

    def _work(self) -> None:
        reader: FrameReader | None = None
        opened: _Episode | None = None
        while True:
            with self._wake:
                while not self._stop and self._wanted is None and self._episode is opened:
                    self._wake.wait()
                stop, wanted, episode = self._stop, self._wanted, self._episode
                self._wanted = None
            if (stop or episode is not opened) and reader is not None:
                reader.close()
                reader = None
            if stop:
                return
            opened = episode
            if wanted is None or opened is None:
                continue
            metres: F32 | None = None
            try:
                if reader is None:
                    reader = opened[0].reader(opened[1], cache_bytes=_CACHE_BYTES)
                metres = reader.depth(*wanted)
            except DataError as error:
                log.info("no depth of %s, frame %d: %s", *wanted, error)
            except Exception:  # A reader's defect must not end the thread.
                log.exception("no depth of %s, frame %d", *wanted)
            try:
                self._arrived.emit(opened, DepthMap(*wanted, metres))
            except RuntimeError:  # The window is gone and took the Qt object with it.
                log.debug("depth arrived after the window closed")
                return
