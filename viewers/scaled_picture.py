"""A picture at the size of the screen, made once: repaints are plain copies of pixels."""

from __future__ import annotations

import sys

import numpy as np
from PySide6.QtGui import QImage

from pipeline.model.arrays import U8


class ScaledPicture:
    """Keeps one picture as it is shown.

    OpenCV scales twice as fast as QPainter, and the result serves all paints until picture or
    size change: hovering and brushing over a still picture then cost a copy.
    """

    def __init__(self) -> None:
        self._source: U8 | None = None
        self._pixels: U8 | None = None
        self._image: QImage | None = None

    def image(self, pixels: U8, width: int, height: int, ratio: float) -> QImage | None:
        """Return the picture in device pixels; None where QPainter does as well.

        Args:
            pixels: (H, W, 4) uint8, B G R and 255; must not change.
            width: Device pixels wanted.
            height: Device pixels wanted.
            ratio: Device pixels per logical pixel.
        """
        cv2 = sys.modules.get("cv2")
        if cv2 is None or (width, height) == pixels.shape[1::-1]:
            # Importing OpenCV here would hold up the first picture; the overlays bring it.
            return None
        done = self._image is not None and self._source is pixels
        if not done or self._pixels is None or self._pixels.shape[:2] != (height, width):
            if self._pixels is None or self._pixels.shape[:2] != (height, width):
                self._pixels = np.empty((height, width, 4), np.uint8)
            cv2.resize(pixels, (width, height), dst=self._pixels, interpolation=cv2.INTER_LINEAR)
            self._source = pixels
            self._image = QImage(
                self._pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32
            )
            self._image.setDevicePixelRatio(ratio)
        return self._image

    def clear(self) -> None:
        """Forget the picture."""
        self._source = self._pixels = self._image = None
