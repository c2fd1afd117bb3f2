"""Frames as a request shows them: read with a way round damaged ones, scaled, encoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.backends.captioning.material import CaptionMaterial
from pipeline.model.arrays import U8
from pipeline.model.problem import DataError

SEARCHED = 30
"""Frames to either side of one that cannot be read in which another one is looked for."""


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """One frame of the episode.

    Attributes:
        index: Which frame was asked for.
        rgb: (H, W, 3) uint8.
        note: Empty, or one sentence if another frame is seen.
    """

    index: int
    rgb: U8
    note: str = ""


def shown_frame(material: CaptionMaterial, index: int) -> ShownFrame:
    """Read a frame; where the video is damaged, the nearest good one.

    Args:
        material: Of the subtask.
        index: Frame of the episode.

    Raises:
        DataError: No frame within `SEARCHED` can be read; that of the frame itself.
    """
    key = material.camera.key
    first: DataError | None = None
    for distance in range(SEARCHED + 1):
        for other in dict.fromkeys((index - distance, index + distance)):
            if not 0 <= other < material.length:
                continue
            try:
                picture = material.reader.picture(key, other)
                rgb = picture.rgb()
            except DataError as error:
                first = first or error
                continue
            note = picture.note
            if other != index:
                note = f"Frame {index} cannot be read ({first}): frame {other} is shown."
            return ShownFrame(index, rgb, note)
    raise first or DataError("frame_not_decoded", f"the episode has no frame {index}")


def scaled(rgb: U8, width: int, height: int) -> U8:
    """Scale to (height, width, 3) uint8: averaged where it shrinks, else interpolated."""
    import cv2

    if rgb.shape[:2] == (height, width):
        return rgb
    shrinks = width <= rgb.shape[1] and height <= rgb.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=how), np.uint8)


def jpeg(rgb: U8, quality: int) -> U8:
    """Encode, (n,) uint8; equal pixels give equal bytes.

    Colours are kept at full resolution: the colour of a small thing is what tells it from others.

    Args:
        rgb: (H, W, 3) uint8.
        quality: 1..100.
    """
    import cv2

    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise DataError("picture_not_encoded", f"a picture of {rgb.shape[1]}x{rgb.shape[0]} failed")
    return np.asarray(data, np.uint8).reshape(-1)
