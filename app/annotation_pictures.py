"""Pictures of annotations for the curation window: the frame with its box, or the box enlarged."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, QRect, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from app.episode_pictures import EpisodePictures
from pipeline.model.arrays import U8
from pipeline.model.candidate import Box
from pipeline.model.demonstration import DatasetSource
from pipeline.model.picture import Picture
from pipeline.model.problem import DataError

log = logging.getLogger(__name__)

SCALE = "scale"
"""Key of `QImage.text`: pixels of the picture per pixel of the frame."""
CORNER = "corner"
"""Key of `QImage.text`: x and y of the frame at the picture's corner."""
_KEPT_BYTES = 128 << 20
"""Finished pictures kept: about a hundred at 640 x 480."""
_READER_BYTES = 24 << 20
"""Decoded pictures that each open episode keeps."""
_OPEN_EPISODES = 3
"""Episodes whose decoders stay open: the one looked at, the next and the one before."""
_NICE = 5
_AROUND = 2.5
"""An enlarged region is this many times the box: enough to see what the thing lies on."""
_LEAST_SIDE = 48.0
"""Pixels of the original frame that an enlarged region shows at least."""
_HALO, _LINE = QColor(0, 0, 0, 190), QColor(255, 255, 255)
"""A white line on a dark one is seen on any picture and says nothing about right or wrong."""


@dataclass(frozen=True, slots=True)
class PictureWish:
    """A picture that is to be made.

    Attributes:
        episode: Episode index.
        camera: Camera key, or its short name; empty for the first camera.
        frame: Frame of the episode; -1 (not known) shows the first one and says so.
        box: Drawn into the picture, pixels of the original frame; None for none.
        width: Pixels that the picture may fill; its aspect is kept.
        height: Pixels that it may fill.
        crop: Only the region around the box, enlarged; without a box the whole frame.
    """

    episode: int
    camera: str
    frame: int
    box: Box | None
    width: int
    height: int
    crop: bool = False


class AnnotationPictures(QObject):
    """One thread that decodes, draws and scales; the newest list of wishes wins.

    What cannot be read becomes a picture that says why.

    Signals:
        made: A `PictureWish` of the newest list and its `QImage`, at most of the size wished.
    """

    made = Signal(object, object)
    _arrived = Signal(int, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._wake = threading.Condition()
        self._source: DatasetSource | None = None
        self._queue: deque[PictureWish] = deque()
        self._wanted: frozenset[PictureWish] = frozenset()
        self._turn = 0  # Pictures of a dataset that was left are not delivered.
        self._kept: OrderedDict[PictureWish, QImage] = OrderedDict()  # GUI thread only
        self._kept_bytes = 0
        self._stop = False
        self._thread: threading.Thread | None = None

    def want(self, source: DatasetSource | None, wishes: Sequence[PictureWish]) -> None:
        """Make these pictures, the first one first; wishes of before that are not here end.

        `made` follows for each of them, also for those made earlier.

        Args:
            source: The dataset; None ends all wishes.
            wishes: What is wanted. Wishes of the same episode should follow each other.
        """
        ready = []
        with self._wake:
            if source is not self._source:
                self._turn += 1
                self._source = source
                self._kept.clear()
                self._kept_bytes = 0
            unique = list(dict.fromkeys(wishes if source is not None else ()))
            self._wanted = frozenset(unique)
            ready = [w for w in unique if w in self._kept]
            self._queue = deque(w for w in unique if w not in self._kept)
            turn = self._turn
            self._wake.notify()
        for wish in ready:
            self._arrived.emit(turn, wish, self._kept[wish])
        if self._queue and self._thread is None and not self._stop:
            self._thread = threading.Thread(
                target=self._work, name="annotation pictures", daemon=True
            )
            self._thread.start()

    def known(self, wish: PictureWish) -> QImage | None:
        """The picture if it was made before and is still in memory; never waits."""
        image = self._kept.get(wish)
        if image is not None:
            self._kept.move_to_end(wish)
        return image

    def close(self) -> None:
        """Stop the thread and forget the pictures."""
        with self._wake:
            self._stop = True
            self._queue.clear()
            self._wanted = frozenset()
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(5.0)
            self._thread = None
        self._kept.clear()

    @Slot(int, object, object)
    def _deliver(self, turn: int, wish: PictureWish, found: QImage | str) -> None:
        if turn != self._turn or self._stop:
            return
        image = said(found, wish.width, wish.height) if isinstance(found, str) else found
        if not isinstance(found, str) and wish not in self._kept:
            # What failed is not kept: asked for again, it is tried again.
            self._kept[wish] = image
            self._kept_bytes += image.sizeInBytes()
            while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._kept_bytes -= self._kept.popitem(last=False)[1].sizeInBytes()
        if wish in self._wanted:
            self.made.emit(wish, image)

    # -- in the thread ---------------------------------------------------------------------

    def _work(self) -> None:
        if sys.platform == "linux":  # Elsewhere niceness is the whole process's.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        shelf = _Shelf()
        try:
            while True:
                with self._wake:
                    while not self._stop and not self._queue:
                        self._wake.wait()
                    if self._stop:
                        return
                    wish, source, turn = self._queue.popleft(), self._source, self._turn
                if source is None:
                    continue
                found = shelf.make(source, wish)
                try:
                    self._arrived.emit(turn, wish, found)
                except RuntimeError:  # The window is gone and took the Qt object with it.
                    log.debug("a picture of an annotation arrived after the window closed")
                    return
        finally:
            shelf.close()


class _Shelf:
    """A few open episodes, least recently used first; lives in the thread."""

    def __init__(self) -> None:
        self._source: DatasetSource | None = None
        self._episodes: OrderedDict[int, EpisodePictures] = OrderedDict()

    def make(self, source: DatasetSource, wish: PictureWish) -> QImage | str:
        """Make a picture, or say in one sentence why not."""
        if source is not self._source:
            self.close()
            self._source = source
        try:
            pictures = self._episode(source, wish.episode)
            cameras = pictures.demonstration.cameras
            if not cameras:
                return f"episode {wish.episode} has no camera whose pictures are on disk"
            camera = next(
                (c.key for c in cameras if wish.camera in (c.key, c.short_name)), wish.camera
            )
            last = pictures.demonstration.length - 1
            loaded = pictures.load(camera or cameras[0].key, min(max(wish.frame, 0), last))
            if loaded.picture is None:
                return loaded.message or "the picture cannot be read"
            note = loaded.picture.note
            if wish.frame < 0:
                note = "The annotation does not say its frame: the first one is shown."
            return drawn(loaded.picture, wish, note)
        except DataError as error:
            return str(error)
        except Exception as error:
            log.exception("picture of episode %d, frame %d", wish.episode, wish.frame)
            return f"the picture cannot be made: {type(error).__name__}: {error}"

    def close(self) -> None:
        """Release all readers."""
        while self._episodes:
            self._episodes.popitem()[1].close()

    def _episode(self, source: DatasetSource, episode: int) -> EpisodePictures:
        if episode in self._episodes:
            self._episodes.move_to_end(episode)
            return self._episodes[episode]
        while len(self._episodes) >= _OPEN_EPISODES:
            self._episodes.popitem(last=False)[1].close()
        opened = EpisodePictures(source, source.open(episode))
        opened.open(_READER_BYTES)
        if opened.reader is None:
            raise DataError("no_reader", opened.failure)
        self._episodes[episode] = opened
        return opened


def crop_region(
    box: Box, frame: tuple[int, int], aspect: float
) -> tuple[float, float, float, float]:
    """The region around a box that is shown enlarged.

    Args:
        box: Pixels.
        frame: Width and height of the frame, pixels.
        aspect: Width through height of the place where it is shown.

    Returns:
        x0, y0, x1, y1 within the frame: 2.5 times the box, at least 48 pixels high or wide.
    """
    x0, y0, x1, y1 = box
    width = max((x1 - x0) * _AROUND, (y1 - y0) * _AROUND * aspect, _LEAST_SIDE * max(1.0, aspect))
    height = width / aspect
    width, height = min(width, frame[0]), min(height, frame[1])
    left = min(max((x0 + x1 - width) / 2, 0.0), frame[0] - width)
    top = min(max((y0 + y1 - height) / 2, 0.0), frame[1] - height)
    return left, top, left + width, top + height


def drawn(picture: Picture, wish: PictureWish, note: str = "") -> QImage:
    """A picture scaled into the size of a wish, with its box and a note at the bottom."""
    import cv2

    rgb = picture.rgb()
    height, width = rgb.shape[:2]
    usable = wish.box is not None and all(math.isfinite(v) for v in wish.box)
    box = wish.box if usable else None
    region = (0.0, 0.0, float(width), float(height))
    if wish.crop and box is not None:
        x0, y0, x1, y1 = crop_region(box, (width, height), wish.width / max(wish.height, 1))
        region = (math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))
    x0, y0, x1, y1 = (int(v) for v in region)
    rgb = np.ascontiguousarray(rgb[y0:y1, x0:x1])
    scale = min(wish.width / (x1 - x0), wish.height / (y1 - y0))
    size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
    if size != (x1 - x0, y1 - y0):
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        rgb = cv2.resize(rgb, size, interpolation=how).astype(np.uint8, copy=False)
    image = as_image(rgb)
    image.setText(SCALE, repr(scale))
    image.setText(CORNER, f"{x0} {y0}")
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if box is not None:
        # A box that ends at the frame's edge is drawn inside.
        inside = QRectF(image.rect()).adjusted(1, 1, -1, -1)
        rect = QRectF(
            (box[0] - x0) * scale,
            (box[1] - y0) * scale,
            (box[2] - box[0]) * scale,
            (box[3] - box[1]) * scale,
        )
        line = max(1.5, min(size) / 220)
        for color, thick in ((_HALO, 2.2 * line), (_LINE, line)):
            pen = QPen(color, thick)
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            painter.setPen(pen)
            painter.drawRect(rect.intersected(inside))
    if note:
        _write_note(painter, image.rect(), note)
    painter.end()
    return image


def as_image(rgb: U8) -> QImage:
    """RGB (H, W, 3) uint8 as an image that owns its pixels."""
    height, width = rgb.shape[:2]
    image = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return image.convertToFormat(QImage.Format.Format_RGB32)


def said(reason: str, width: int, height: int) -> QImage:
    """A picture that says why there is none."""
    image = QImage(max(width, 1), max(height, 1), QImage.Format.Format_RGB32)
    image.fill(QColor(60, 64, 70))
    painter = QPainter(image)
    painter.setPen(QColor(225, 228, 232))
    font = painter.font()
    font.setPixelSize(max(9, min(16, height // 12)))
    painter.setFont(font)
    room = image.rect().adjusted(8, 8, -8, -8)
    flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWrapAnywhere
    if painter.fontMetrics().boundingRect(room, flags, reason).height() <= room.height():
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
    painter.drawText(room, int(flags), reason)
    painter.end()
    return image


def _write_note(painter: QPainter, room: QRect, note: str) -> None:
    font = painter.font()
    font.setPixelSize(max(9, min(13, room.height() // 20)))
    painter.setFont(font)
    flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
    tall = painter.fontMetrics().boundingRect(room, flags, note).height() + 6
    band = QRect(room.left(), room.bottom() - tall + 1, room.width(), tall)
    painter.fillRect(band, QColor(0, 0, 0, 170))
    painter.setPen(QColor(255, 255, 255))
    painter.drawText(band.adjusted(4, 0, -4, 0), flags, note)
