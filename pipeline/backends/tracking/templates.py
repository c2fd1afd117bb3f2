"""Finding a candidate again by its picture from the keyframe. *(our choice)*"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, F64, U8, Bool

SMALL = 0.5
"""Templates are compared at half resolution."""
LARGEST_SIDE = 140
"""Longest side of a template in half-resolution pixels; larger ones are not searched."""
ALIKE = 0.36
"""Largest mean squared difference that counts as found, over (30 of 255 per channel) squared."""
DISTINCT = 0.75
"""The best place must differ by at most this share of what the next best differs: a piece of table
looks like the table everywhere, and of two twins nobody knows which one it is."""


@dataclass(frozen=True)
class Template:
    """A candidate's picture at half resolution.

    Attributes:
        image: (h, w, 3) float32.
        mask: (h, w) float32, 1 inside.
        centre: (2,) float64, centre of the box in full-resolution pixels.
    """

    image: F32
    mask: F32
    centre: F64


def cut_templates(rgb: U8, masks: Bool) -> list[Template | None]:
    """Cut the candidates out of the keyframe; None for empty masks and very large ones."""
    import cv2

    small = search_picture(rgb)
    templates: list[Template | None] = []
    for mask in masks:
        tiny = cv2.resize(
            mask.astype(np.uint8), (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA
        )
        rows, columns = np.flatnonzero(tiny.any(axis=1)), np.flatnonzero(tiny.any(axis=0))
        if len(rows) < 4 or len(columns) < 4 or max(len(rows), len(columns)) > LARGEST_SIDE:
            templates.append(None)
            continue
        y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) / SMALL
        templates.append(
            Template(small[y0:y1, x0:x1].copy(), tiny[y0:y1, x0:x1].astype(np.float32), centre)
        )
    return templates


def search_picture(rgb: U8) -> F32:
    """Half-resolution picture (h, w, 3) float32 in OpenCV's 8-bit CIELAB."""
    import cv2

    size = (round(rgb.shape[1] * SMALL), round(rgb.shape[0] * SMALL))
    lab = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    return lab.astype(np.float32)


def find_again(
    template: Template, small: F32, near: F32, reach: float
) -> tuple[float, float] | None:
    """Search a template around `near` (x, y) within `reach` pixels.

    Args:
        template: What to find.
        small: `search_picture` of the frame.
        near: Where it was, full-resolution pixels.
        reach: How far it may be, full-resolution pixels.

    Returns:
        Shift (dx, dy) in full-resolution pixels from the keyframe, or None if nothing is alike or
        more than one place is.
    """
    import cv2

    height, width = small.shape[:2]
    h, w = template.image.shape[:2]
    cx, cy = near[0] * SMALL, near[1] * SMALL
    r = reach * SMALL
    x0, y0 = int(max(0, cx - r - w / 2)), int(max(0, cy - r - h / 2))
    x1, y1 = int(min(width, cx + r + w / 2)), int(min(height, cy + r + h / 2))
    if x1 - x0 <= w or y1 - y0 <= h:
        return None
    mask = np.repeat(template.mask[..., None], 3, axis=2)
    scores = cv2.matchTemplate(small[y0:y1, x0:x1], template.image, cv2.TM_SQDIFF, mask=mask)
    spread = float(mask.sum()) * 30.0**2  # 30 of 255 apart everywhere would score 1
    scores = np.asarray(scores, np.float32) / np.float32(spread)
    best, _, place, _ = cv2.minMaxLoc(scores)
    if best > ALIKE:
        return None
    others = scores.copy()
    u, v = place
    others[max(0, v - h // 2) : v + h // 2 + 1, max(0, u - w // 2) : u + w // 2 + 1] = np.inf
    if best > DISTINCT * float(others.min()):
        return None
    found = np.array([x0 + place[0] + w / 2, y0 + place[1] + h / 2]) / SMALL
    return float(found[0] - template.centre[0]), float(found[1] - template.centre[1])
