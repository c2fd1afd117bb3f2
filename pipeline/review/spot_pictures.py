"""Small JPEG pictures of sampled annotations, for the report."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable

import numpy as np

from pipeline.model.arrays import U8
from pipeline.model.candidate import Box
from pipeline.model.demonstration import DatasetSource, FrameReader
from pipeline.model.problem import DataError
from pipeline.review.spot_records import SpotItem

log = logging.getLogger(__name__)

_SIZE = (320, 240)
_QUALITY = 80
_CACHE_BYTES = 16 << 20
TRUE_BOX = (0, 200, 255)
"""Colour of a box that a person drew, BGR; the judged one is white."""


def item_pictures(
    source: DatasetSource, items: Iterable[SpotItem], true_boxes: dict[int, Box]
) -> dict[int, bytes]:
    """JPEG of the keyframe with the judged box (white), and the person's own (orange).

    Args:
        source: The dataset of the annotations.
        items: What is to be shown; best ordered by episode.
        true_boxes: Boxes that people drew, by item.

    Returns:
        Pictures by item; items whose frame cannot be read are left out with a log entry.
    """
    found: dict[int, bytes] = {}
    open_reader: FrameReader | None = None
    opened, cameras = -1, {}
    try:
        for item in sorted(items, key=lambda i: (i.episode, i.number)):
            try:
                if item.episode != opened:
                    if open_reader is not None:
                        open_reader.close()
                    demonstration = source.open(item.episode)
                    open_reader = source.reader(demonstration, _CACHE_BYTES)
                    opened = item.episode
                    cameras = {c.short_name: c.key for c in demonstration.cameras}
                if open_reader is None:
                    continue
                camera = cameras.get(item.camera, item.camera) or next(iter(cameras.values()), "")
                frame = open_reader.frame(camera, max(item.frame, 0))
                found[item.number] = _jpeg(frame, item.box, true_boxes.get(item.number))
            except (DataError, OSError, KeyError, IndexError) as error:
                log.warning("no picture of episode %d: %s", item.episode, error)
    finally:
        if open_reader is not None:
            open_reader.close()
    return found


def _jpeg(rgb: U8, box: Box, true_box: Box | None) -> bytes:
    import cv2

    height, width = rgb.shape[:2]
    scale = min(_SIZE[0] / width, _SIZE[1] / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    for corners, color in ((box, (255, 255, 255)), (true_box, TRUE_BOX)):
        if corners is None or not all(math.isfinite(v) for v in corners):
            continue
        x0, y0, x1, y1 = (round(float(np.clip(v * scale, -1e4, 1e4))) for v in corners)
        cv2.rectangle(picture, (x0, y0), (x1, y1), (0, 0, 0), 4)
        cv2.rectangle(picture, (x0, y0), (x1, y1), color, 2)
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise DataError("no_picture", "the picture cannot be compressed")
    return bytes(data)
