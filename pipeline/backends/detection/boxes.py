"""Choosing among the many boxes of a detector: sizes, overlaps and numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, F64, I64
from pipeline.model.candidate import Box

SMALLEST_SIDE = 2.0
"""Pixels; a box of a thinner thing holds no pixel for certain."""


@dataclass(frozen=True, slots=True)
class BoxLimits:
    """What boxes are wanted.

    Attributes:
        threshold: Least score.
        least: So many of the best are kept even under the threshold.
        most: Largest number of boxes.
        nms_iou: Of boxes that overlap more than this the best is kept.
        min_area: Smallest box, share of the picture.
        max_area: Largest box, share of the picture.
    """

    threshold: float
    least: int
    most: int
    nms_iou: float
    min_area: float
    max_area: float


def corner_boxes(centred: F32, width: int, height: int) -> F64:
    """Boxes in pixels, clipped to the picture.

    Args:
        centred: (Q, 4), centre x, centre y, width and height as shares of the picture.
        width: Of the picture, pixels.
        height: Of the picture, pixels.

    Returns:
        (Q, 4) float64, x0, y0, x1, y1, the latter exclusive.
    """
    x, y, w, h = (centred.astype(np.float64) * (width, height, width, height)).T
    boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)
    return np.asarray(np.clip(boxes, 0.0, (width, height, width, height)), dtype=np.float64)


def choose_boxes(boxes: F64, scores: F32, limits: BoxLimits, picture: tuple[int, int]) -> list[int]:
    """Choose boxes greedily by falling score (non-maximum suppression).

    Args:
        boxes: (Q, 4) pixels.
        scores: (Q,) 0..1; what is not finite is never chosen.
        limits: What is wanted.
        picture: Width and height, pixels.

    Returns:
        Indices by falling score. Equal scores keep their order.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    share = sides.prod(axis=1) / (picture[0] * picture[1])
    fits = (
        np.isfinite(scores)
        & np.isfinite(boxes).all(axis=1)
        & (sides.min(axis=1) >= SMALLEST_SIDE)
        & (share >= limits.min_area)
        & (share <= limits.max_area)
    )
    order: I64 = np.flatnonzero(fits)
    order = order[np.argsort(-scores[order], kind="stable")]
    chosen: list[int] = []
    while order.size and len(chosen) < limits.most:
        best, order = int(order[0]), order[1:]
        if scores[best] < limits.threshold and len(chosen) >= limits.least:
            break
        chosen.append(best)
        order = order[overlaps(boxes[best], boxes[order]) <= limits.nms_iou]
    return chosen


def overlaps(box: F64, others: F64) -> F64:
    """Intersection over union of a box (4,) with others (N, 4); (N,) float64."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + areas - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float64)


def as_box_tuple(box: F64) -> Box:
    """Four floats of a row."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return (x0, y0, x1, y1)
