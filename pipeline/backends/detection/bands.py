"""Things that a band, a label or a cap divides: parts of one colour with something between them.

Perceptual grouping by similarity, nearness and alignment *(our choice)*: two regions of the same
colour and width, one behind the other with a small gap, are one thing if the gap is not just table.
"""

from __future__ import annotations

import numpy as np

from pipeline.backends.detection.appearance import Picture
from pipeline.backends.detection.grouping import Region
from pipeline.backends.detection.wholes import Judged
from pipeline.model.arrays import F64, Bool

MOST_PARTS = 90
"""So many regions, the most thing-like ones, are tried against each other."""
MOST_BANDED = 24
"""Largest number of things found this way."""
SAME_COLOR = 13.0
"""CIELAB difference up to which two parts have the same colour; lightness counts little."""
ALIGNED = 0.75
"""Share of the narrower part's width that must lie beside the wider one."""
AS_WIDE = 0.6
"""Least ratio of their widths."""
GAP = 0.9
"""Largest gap over the length of the shorter part."""
NOT_TABLE = 0.4
"""Least share of the gap that differs from the table."""
DIFFERS = 4.5
"""CIELAB distance from the table from which a pixel of the gap differs."""


def banded(found: list[Judged], picture: Picture) -> list[Region]:
    """Regions that join two parts of one colour, as the convex hull of both.

    Args:
        found: Regions, doubles removed.
        picture: Maps.
    """
    parts = [
        j for j in found if j.look.compact > 0.6 and j.look.raised > 0.7 and j.look.closed > 0.6
    ]
    parts = sorted(parts, key=lambda j: -j.look.object)[:MOST_PARTS]
    if len(parts) < 2:
        return []
    boxes = np.array([j.box for j in parts])
    colors = np.array([_color(j.region, picture) for j in parts])
    apart = np.linalg.norm(colors[:, None] - colors[None], axis=2)
    pairs = apart < SAME_COLOR
    pairs &= _stacked(boxes, 1) | _stacked(boxes, 0)
    order = sorted(zip(*np.nonzero(np.triu(pairs, 1)), strict=True), key=lambda p: apart[p])
    joined: list[Region] = []
    for i, k in order:
        if len(joined) >= MOST_BANDED:
            break
        region = _hull(parts[i].region, parts[k].region, picture)
        if region is not None:
            joined.append(region)
    return joined


def _color(region: Region, picture: Picture) -> F64:
    x0, y0, x1, y1 = region.box
    color = np.median(picture.lab[y0:y1, x0:x1][region.mask], axis=0)
    return np.asarray(color * (0.6, 1.0, 1.0), dtype=np.float64)


def _stacked(boxes: F64, along: int) -> Bool:
    """[i, k]: boxes of similar width behind each other along an axis (0 = x, 1 = y)."""
    across = 1 - along
    low, high = boxes[:, along], boxes[:, along + 2]
    left, right = boxes[:, across], boxes[:, across + 2]
    wide, long = right - left, high - low
    beside = np.minimum(right[:, None], right[None]) - np.maximum(left[:, None], left[None])
    gap = np.maximum(low[:, None], low[None]) - np.minimum(high[:, None], high[None])
    narrow, shorter = np.minimum(wide[:, None], wide[None]), np.minimum(long[:, None], long[None])
    return np.asarray(
        (beside >= ALIGNED * narrow)
        & (narrow >= AS_WIDE * np.maximum(wide[:, None], wide[None]))
        & (gap <= GAP * shorter)
        & (gap >= -0.6 * shorter)
    )


def _hull(one: Region, two: Region, picture: Picture) -> Region | None:
    """Both parts and what lies between them; None if that is only table."""
    import cv2

    x0, y0 = min(one.x0, two.x0), min(one.y0, two.y0)
    x1, y1 = max(one.box[2], two.box[2]), max(one.box[3], two.box[3])
    both = np.zeros((y1 - y0, x1 - x0), np.uint8)
    for part in (one, two):
        a, b, c, d = part.box
        both[b - y0 : d - y0, a - x0 : c - x0] |= part.mask
    rows, columns = np.nonzero(both)
    points = np.stack([columns, rows], axis=1).astype(np.int32)
    filled = np.zeros_like(both)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    gap = (filled > 0) & (both == 0)
    if gap.any():
        far = picture.surface[y0:y1, x0:x1][gap]
        if (far > DIFFERS).mean() < NOT_TABLE:
            return None
    return Region(x0, y0, filled > 0, "region")
