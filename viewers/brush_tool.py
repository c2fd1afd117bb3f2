"""Painting and erasing a mask: the geometry of the brush, free of painting on screen and events."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np

from pipeline.model.arrays import F32, F64, Bool

MIN_RADIUS = 0.5
"""Smallest brush in image pixels: one pixel."""
MAX_RADIUS = 256.0
"""Largest brush in image pixels."""
START_SHARE = 0.012
"""Radius at first as a share of the picture's longer side (our choice: 8 px at 640)."""
STEP = 1.25
"""Factor of one step of the radius, and at least half a pixel."""


_REVISIONS = count(1)


def start_radius(image: tuple[int, int]) -> float:
    """Radius that suits a picture (width, height) at first."""
    return min(max(round(2 * START_SHARE * max(image)) / 2, 2.0), MAX_RADIUS)


def stepped(radius: float, steps: int) -> float:
    """Make a radius larger (`steps` > 0) or smaller; half pixels, within the limits."""
    for _ in range(abs(steps)):
        grown = radius * STEP if steps > 0 else radius / STEP
        change = max(abs(grown - radius), 0.5)
        radius += change if steps > 0 else -change
    return min(max(round(2 * radius) / 2, MIN_RADIUS), MAX_RADIUS)


def drag_brush(
    mask: Bool, start: tuple[float, float], end: tuple[float, float], radius: float, value: bool
) -> bool:
    """Set the pixels whose centres a round brush touches on its straight way.

    The pixel under each end is always touched, however small the brush.

    Args:
        mask: (H, W) bool, changed in place.
        start: Image point, pixel corners are whole numbers.
        end: Image point.
        radius: Image pixels.
        value: True paints, False erases.

    Returns:
        True if a pixel changed.
    """
    height, width = mask.shape
    (ax, ay), (bx, by) = start, end
    x0, x1 = max(int(min(ax, bx) - radius), 0), min(int(max(ax, bx) + radius) + 1, width)
    y0, y1 = max(int(min(ay, by) - radius), 0), min(int(max(ay, by) + radius) + 1, height)
    if x0 >= x1 or y0 >= y1:
        return False
    low, high = _reach(np.arange(y0, y1) + 0.5, start, end, radius)
    x = np.arange(x0, x1, dtype=np.float32) + np.float32(0.5)
    touched = (x >= low[:, None]) & (x <= high[:, None])
    for px, py in (start, end):
        column, row = int(np.floor(px)) - x0, int(np.floor(py)) - y0
        if 0 <= column < x1 - x0 and 0 <= row < y1 - y0:
            touched[row, column] = True
    room = mask[y0:y1, x0:x1]
    changes = bool((touched & (room != value)).any())
    if value:
        np.logical_or(room, touched, out=room)
    else:
        np.greater(room, touched, out=room)
    return changes


def _reach(
    y: F64, start: tuple[float, float], end: tuple[float, float], radius: float
) -> tuple[F32, F32]:
    """Least and greatest x in each line `y` that lie within `radius` of the way.

    The way with its round ends is convex, so one span a line says it all; a line that it does
    not meet has a span from inf to -inf.
    """
    (ax, ay), (bx, by) = start, end
    low, high = np.full(y.shape, np.inf), np.full(y.shape, -np.inf)

    def widen(x: F64, inside: Bool) -> None:
        np.minimum(low, x, out=low, where=inside)
        np.maximum(high, x, out=high, where=inside)

    for cx, cy in (start, end):
        square = radius * radius - (y - cy) ** 2
        half = np.sqrt(np.maximum(square, 0))
        widen(cx - half, square >= 0)
        widen(cx + half, square >= 0)
    length = float(np.hypot(bx - ax, by - ay))
    if length > 0:
        # Corners of the straight part, round about.
        nx, ny = -(by - ay) / length * radius, (bx - ax) / length * radius
        corners = ((ax + nx, ay + ny), (bx + nx, by + ny), (bx - nx, by - ny), (ax - nx, ay - ny))
        for (px, py), (qx, qy) in zip(corners, (*corners[1:], corners[0]), strict=True):
            if py != qy:
                inside = (y >= min(py, qy)) & (y <= max(py, qy))
                widen(px + (y - py) * ((qx - px) / (qy - py)), inside)
    return low.astype(np.float32), high.astype(np.float32)


@dataclass(slots=True, eq=False)
class Stroke:
    """A mask while it is painted, from press to release.

    Attributes:
        candidate: Whose mask it is.
        mask: (H, W) bool, the stroke's own copy.
        erases: True if it takes pixels away.
        last: Image point where the brush is.
        revision: Rises when pixels change, never the same for two strokes; 0 while none did.
    """

    candidate: int
    mask: Bool
    erases: bool
    last: tuple[float, float]
    revision: int = 0

    @classmethod
    def begin(
        cls, candidate: int, mask: Bool, erases: bool, at: tuple[float, float], radius: float
    ) -> Stroke:
        """Put the brush down on a copy of `mask`."""
        stroke = cls(candidate, mask.copy(), erases, at)
        stroke.go(at, radius)
        return stroke

    def go(self, to: tuple[float, float], radius: float) -> None:
        """Follow the mouse to an image point."""
        if drag_brush(self.mask, self.last, to, radius, not self.erases):
            self.revision = next(_REVISIONS)
        self.last = to
