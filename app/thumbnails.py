"""Small pictures of episodes for the table, made in the background."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QImage

from pipeline.model.demonstration import DatasetSource
from pipeline.model.episodes import position_of
from pipeline.model.picture import Picture
from pipeline.model.problem import DataError
from pipeline.sources.first_picture import first_picture

log = logging.getLogger(__name__)

_LARGEST = (192, 144)
"""Pixels kept of a picture: enough for a 64 x 48 thumbnail at 300 % scaling."""
_HOLD = 0.2
"""Seconds for which nothing is decoded here after a frame was shown: the person looks there."""
_NICE = 10


class Thumbnails(QObject):
    """One thread that decodes first frames; what is wanted last comes first.

    Signals:
        made: Episode index, and its `QImage` or None if it has none.
    """

    made = Signal(int, object)
    _arrived = Signal(int, int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._wake = threading.Condition()
        self._source: DatasetSource | None = None
        self._wanted: deque[int] = deque()
        self._turn = 0  # Pictures of a dataset that was left are not delivered.
        self._held_until = 0.0
        self._stop = False
        self._thread: threading.Thread | None = None

    def want(self, source: DatasetSource | None, episodes: Iterable[int]) -> None:
        """Make these pictures; what was wanted before and is not among them is given up.

        Args:
            source: The open dataset.
            episodes: Episode indices, the most urgent first.
        """
        with self._wake:
            if source is not self._source:
                self._turn += 1
                self._source = source
            self._wanted = deque(episodes if source is not None else ())
            self._wake.notify()
        if self._wanted and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="thumbnails", daemon=True)
            self._thread.start()

    def hold(self) -> None:
        """Wait a moment: frames are being looked at."""
        self._held_until = time.monotonic() + _HOLD

    def close(self) -> None:
        """Stop the thread."""
        with self._wake:
            self._stop = True
            self._wanted.clear()
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(5.0)

    @Slot(int, int, object)
    def _deliver(self, turn: int, episode: int, image: QImage | None) -> None:
        if turn == self._turn and not self._stop:
            self.made.emit(episode, image)

    # -- in the thread ---------------------------------------------------------------------

    def _work(self) -> None:
        if sys.platform == "linux":  # Elsewhere niceness is the whole process's.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while True:
            with self._wake:
                while not self._stop and not self._may_go_on():
                    left = self._held_until - time.monotonic()
                    self._wake.wait(left if self._wanted and left > 0 else None)
                if self._stop:
                    return
                episode, source, turn = self._wanted.popleft(), self._source, self._turn
            if source is None:
                continue
            image = _thumbnail(source, episode)
            try:
                self._arrived.emit(turn, episode, image)
            except RuntimeError:  # The window is gone and took the Qt object with it.
                log.debug("a thumbnail arrived after the window closed")

    def _may_go_on(self) -> bool:
        return bool(self._wanted) and time.monotonic() >= self._held_until


def _thumbnail(source: DatasetSource, episode: int) -> QImage | None:
    """Decode one; a defect of the data is no reason to stop."""
    try:
        episodes = source.info.episodes
        position = position_of(episodes, episode)
        if position < 0:
            return None
        picture = first_picture(source, episode, episodes[position].length)
        return None if picture is None else small_image(picture)
    except DataError as error:
        log.info("no thumbnail of episode %d: %s", episode, error)
    except Exception:
        log.exception("thumbnail of episode %d", episode)
    return None


def small_image(picture: Picture) -> QImage:
    """Scale a picture down to what a thumbnail needs."""
    import cv2

    rgb = picture.rgb()
    height, width = rgb.shape[:2]
    scale = min(_LARGEST[0] / width, _LARGEST[1] / height, 1.0)
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    height, width = rgb.shape[:2]
    image = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return image.convertToFormat(QImage.Format.Format_RGB32)
