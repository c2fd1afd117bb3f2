"""What lies on both sides of a region's outline: the evidence of being one whole thing.

A whole thing differs from what is outside all along its outline, and outside is mostly the table.
A loose box's outline runs through the table; a part's outside is the rest of the thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, I32, U8, Bool

SAMPLES = 64
"""Places along the outline that are looked at, at most."""
INNER, OUTER = 1.5, 2.5
"""How far inside and outside of the outline one looks, pixels of the working picture: beyond the
one or two pixels in which anti-aliasing and video compression mix the colours."""
CLEAR_EDGE = 14.0
"""CIELAB difference (lightness at 0.7) from which the two sides differ entirely."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Samples along a region's outline.

    Attributes:
        x: (n,) int32, columns just outside, inside the picture.
        y: (n,) int32, rows.
        closed: Mean over the outline of how clearly its two sides differ, 0..1.
        contrast: Median difference of the two sides, CIELAB units.
        cut: Share of the outline that the picture's border cuts off.
        solid: Area over the convex hull's.
        notch: Depth of the deepest notch over the root of the area; 0 for convex shapes.
    """

    x: I32
    y: I32
    closed: float
    contrast: float
    cut: float
    solid: float
    notch: float


NOWHERE = Outline(np.zeros(0, np.int32), np.zeros(0, np.int32), 0.0, 0.0, 1.0, 0.0, 1.0)
"""Of a region too small to have an outline."""


def outline_of(mask: Bool, x0: int, y0: int, lab: F32) -> Outline:
    """Look along the outline of a region.

    Args:
        mask: (h, w) bool inside its box.
        x0: Left edge of the box in the picture.
        y0: Upper edge.
        lab: (H, W, 3) float32 CIELAB of the picture, lightness already weighted.
    """
    import cv2

    height, width = lab.shape[:2]
    padded: U8 = np.pad(mask.astype(np.uint8), 1)
    contours, _ = cv2.findContours(padded, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return NOWHERE
    contour = max(contours, key=len)
    points = contour[:, 0].astype(np.float32)
    if len(points) < 8:
        return NOWHERE
    area = float(mask.sum())
    hull = cv2.convexHull(contour)
    # Pixel areas, not polygons through pixel centres, which shrink small regions.
    hull_area = cv2.contourArea(hull) + 0.5 * cv2.arcLength(hull, True) + 1.0
    whole = sum(cv2.contourArea(c) + 0.5 * cv2.arcLength(c, True) + 1.0 for c in contours)
    if len(contours) > 1:
        everything = cv2.convexHull(np.concatenate(contours))
        hull_area = cv2.contourArea(everything) + 0.5 * cv2.arcLength(everything, True) + 1.0
    indices = cv2.convexHull(contour, returnPoints=False)
    notch = 0.0
    if indices is not None and len(indices) > 3:
        indices[::-1].sort(axis=0)
        try:
            defects = cv2.convexityDefects(contour, indices)
        except cv2.error:  # a contour that touches itself
            defects = None
        if defects is not None:
            deepest = float(defects.reshape(-1, 4)[:, 3].max()) / 256.0
            notch = deepest / max(1.0, float(np.sqrt(area)))
    step = max(1, len(points) // SAMPLES)
    reach = 3
    places = np.arange(0, len(points), step)
    tangent = points[(places + reach) % len(points)] - points[places - reach]
    at = points[::step] + np.array([x0 - 1, y0 - 1], np.float32)
    length = np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-6)[:, None]
    # OpenCV gives outer contours counter-clockwise as seen on the screen: outside is to the right.
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / length
    outside = np.rint(at + OUTER * normal).astype(np.int32)
    inside = np.rint(at - INNER * normal).astype(np.int32)
    known = (
        (outside[:, 0] >= 0)
        & (outside[:, 1] >= 0)
        & (outside[:, 0] < width)
        & (outside[:, 1] < height)
    )
    cut = 1.0 - float(known.mean())
    outside, inside = outside[known], np.clip(inside[known], 0, [width - 1, height - 1])
    if not len(outside):
        return NOWHERE
    apart = lab[inside[:, 1], inside[:, 0]] - lab[outside[:, 1], outside[:, 0]]
    apart = np.sqrt((apart**2).sum(axis=1))
    return Outline(
        x=outside[:, 0],
        y=outside[:, 1],
        closed=float(np.minimum(apart / CLEAR_EDGE, 1.0).mean()),
        contrast=float(np.median(apart)),
        cut=cut,
        solid=float(min(1.0, whole / max(hull_area, 1.0))),
        notch=notch,
    )
