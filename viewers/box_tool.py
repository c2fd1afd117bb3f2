"""Drawing and adjusting a box: the geometry, free of painting and of events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pipeline.model.candidate import Box

MIN_SIDE = 4.0
"""Shortest side of a drawn box in image pixels; smaller ones are slips of the mouse."""
HANDLE_SIZE = 8.0
"""Side of a handle in logical pixels."""


class Handle(Enum):
    """The eight handles of a box; the value says which edges move: (x edge, y edge).

    -1 is the left or top edge, 1 the right or bottom edge, 0 none.
    """

    TOP_LEFT = (-1, -1)
    TOP = (0, -1)
    TOP_RIGHT = (1, -1)
    RIGHT = (1, 0)
    BOTTOM_RIGHT = (1, 1)
    BOTTOM = (0, 1)
    BOTTOM_LEFT = (-1, 1)
    LEFT = (-1, 0)

    def position(self, box: Box) -> tuple[float, float]:
        """Where the handle's centre lies on `box`."""
        x, y = self.value
        return (
            (box[0] + box[2]) / 2 if x == 0 else box[0 if x < 0 else 2],
            (box[1] + box[3]) / 2 if y == 0 else box[1 if y < 0 else 3],
        )


def handle_at(box: Box, x: float, y: float, reach: float = HANDLE_SIZE * 0.75) -> Handle | None:
    """Return the handle of `box` nearest to (x, y) within `reach`; all in widget coordinates.

    Corners win over edges, so that a small box can still be resized both ways.
    """
    best: tuple[float, int, Handle] | None = None
    for handle in Handle:
        hx, hy = handle.position(box)
        distance = max(abs(hx - x), abs(hy - y))
        if distance > reach:
            continue
        rank = (distance, 0 if 0 not in handle.value else 1, handle)
        if best is None or rank[:2] < best[:2]:
            best = rank
    return best[2] if best else None


def clipped(box: Box, image: tuple[int, int]) -> Box:
    """Order the corners and clip to the image (width, height); the result may be empty."""
    x0, x1 = sorted((box[0], box[2]))
    y0, y1 = sorted((box[1], box[3]))
    width, height = image
    return (
        min(max(x0, 0.0), width),
        min(max(y0, 0.0), height),
        min(max(x1, 0.0), width),
        min(max(y1, 0.0), height),
    )


def is_large_enough(box: Box) -> bool:
    """True unless a side is shorter than `MIN_SIDE`."""
    return box[2] - box[0] >= MIN_SIDE and box[3] - box[1] >= MIN_SIDE


def resized(box: Box, handle: Handle, x: float, y: float, image: tuple[int, int]) -> Box:
    """Move the edges of `handle` to image point (x, y), clipped, never under `MIN_SIDE`."""
    x0, y0, x1, y1 = box
    edge_x, edge_y = handle.value
    x, y = min(max(x, 0.0), image[0]), min(max(y, 0.0), image[1])
    if edge_x < 0:
        x0 = max(min(x, x1 - MIN_SIDE), 0.0)
    elif edge_x > 0:
        x1 = min(max(x, x0 + MIN_SIDE), float(image[0]))
    if edge_y < 0:
        y0 = max(min(y, y1 - MIN_SIDE), 0.0)
    elif edge_y > 0:
        y1 = min(max(y, y0 + MIN_SIDE), float(image[1]))
    return x0, y0, x1, y1


@dataclass(frozen=True, slots=True)
class BoxDrag:
    """A box in the making.

    Attributes:
        candidate: Candidate whose box changes, -1 for a new box.
        handle: Handle that is dragged, None for a new box.
        origin: The box before, or (x, y, x, y) where the new box began; image pixels.
        box: The box now, clipped to the image; image pixels.
    """

    candidate: int
    handle: Handle | None
    origin: Box
    box: Box

    @classmethod
    def new(cls, x: float, y: float, image: tuple[int, int]) -> BoxDrag:
        """Begin a new box at image point (x, y)."""
        start = clipped((x, y, x, y), image)
        return cls(-1, None, start, start)

    @classmethod
    def change(cls, candidate: int, box: Box, handle: Handle) -> BoxDrag:
        """Begin to drag a handle of a candidate's box."""
        return cls(candidate, handle, box, box)

    def moved(self, x: float, y: float, image: tuple[int, int]) -> BoxDrag:
        """Follow the mouse to image point (x, y)."""
        if self.handle is None:
            box = clipped((self.origin[0], self.origin[1], x, y), image)
        else:
            box = resized(self.origin, self.handle, x, y, image)
        return BoxDrag(self.candidate, self.handle, self.origin, box)
