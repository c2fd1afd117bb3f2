"""Drawing and adjusting a box: the geometry, free of painting and of events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from pipeline.model.candidate import Box

MIN_SIDE = 4.0
"""Shortest side of a drawn box in image pixels; smaller ones are slips of the mouse."""
HANDLE_SIZE = 8.0
"""Side of a handle in logical pixels."""
EDGE_REACH = 4.0
"""How near to its outline a box can be gripped to move it, logical pixels."""


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


def is_on_edge(box: Box, x: float, y: float, reach: float = EDGE_REACH) -> bool:
    """True if (x, y) lies on the outline of `box`; all in widget coordinates."""
    x0, y0, x1, y1 = box
    outside = x < x0 - reach or x > x1 + reach or y < y0 - reach or y > y1 + reach
    inside = x0 + reach < x < x1 - reach and y0 + reach < y < y1 - reach
    return not outside and not inside


def is_inside(box: Box, x: float, y: float) -> bool:
    """True if (x, y) lies in `box`."""
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def shifted(box: Box, dx: float, dy: float, image: tuple[int, int]) -> Box:
    """Move a box of the image, keeping its size; it stops at the border of the image."""
    x0, y0, x1, y1 = box
    dx = min(max(dx, -x0), image[0] - x1)
    dy = min(max(dy, -y0), image[1] - y1)
    return x0 + dx, y0 + dy, x1 + dx, y1 + dy


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
        handle: Handle that is dragged, None for a new box and for one that is moved as a whole.
        origin: The box before, or (x, y, x, y) where the new box began; image pixels.
        box: The box now, clipped to the image; image pixels.
        grip: Image point at which a box is moved as a whole, else None.
    """

    candidate: int
    handle: Handle | None
    origin: Box
    box: Box
    grip: tuple[float, float] | None = None

    @classmethod
    def new(cls, x: float, y: float, image: tuple[int, int]) -> BoxDrag:
        """Begin a new box at image point (x, y)."""
        start = clipped((x, y, x, y), image)
        return cls(-1, None, start, start)

    @classmethod
    def change(cls, candidate: int, box: Box, handle: Handle) -> BoxDrag:
        """Begin to drag a handle of a candidate's box."""
        return cls(candidate, handle, box, box)

    @classmethod
    def move(cls, candidate: int, box: Box, x: float, y: float) -> BoxDrag:
        """Grip a candidate's box at image point (x, y) to move it."""
        return cls(candidate, None, box, box, (x, y))

    def moved(self, x: float, y: float, image: tuple[int, int]) -> BoxDrag:
        """Follow the mouse to image point (x, y)."""
        if self.grip is not None:
            box = shifted(self.origin, x - self.grip[0], y - self.grip[1], image)
        elif self.handle is not None:
            box = resized(self.origin, self.handle, x, y, image)
        else:
            box = clipped((self.origin[0], self.origin[1], x, y), image)
        return replace(self, box=box)

    def nudged(self, dx: float, dy: float, image: tuple[int, int]) -> BoxDrag:
        """Move the box by whole steps, from the keyboard."""
        return replace(self, box=shifted(self.box, dx, dy, image))
