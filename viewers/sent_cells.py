"""Where the frames of a sent picture lie in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.model.candidate import Box
from pipeline.model.drafting import SentPart

_USUAL_ASPECT = 4 / 3
"""Width by height of a camera's frame, where nothing better is known (our choice)."""
_HOLE = 1.5
"""What a share of empty cells counts against a shape (our choice)."""
GAP = 4
"""Pixels between the cells of our grids (`pipeline/backends/captioning/collage.py`)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One frame in a picture.

    Attributes:
        index: In reading order.
        frame: Frame of the episode.
        box: Place in the picture as sent, pixels.
        seen: Part of the camera's frame that is seen, camera pixels; None for all of it.
    """

    index: int
    frame: int
    box: Box
    seen: Box | None = None


def columns_of(part: SentPart, aspect: float | None = None) -> int:
    """Columns of a part's grid.

    A part does not say them: they are those whose cells look most like a frame of the camera, or
    like a square where only a part of each frame is seen.

    Args:
        part: A picture.
        aspect: Width by height of the camera's frames. None: not known; then grids without holes
            are preferred, because all usual shapes look alike.
    """
    count = len(part.frames)
    if count == 0 or part.width <= 0 or part.height <= 0:
        return count
    wanted = 1.0 if part.boxes else (aspect or _USUAL_ASPECT)
    hole = 0.0 if part.boxes or aspect else _HOLE

    def miss(columns: int) -> float:
        rows = -(-count // columns)
        shape = (part.width / columns) / (part.height / rows)
        holes = 1 - count / (rows * columns)
        return abs(math.log(shape / wanted)) + hole * holes

    return min(range(1, count + 1), key=miss)


def cells_of(part: SentPart, aspect: float | None = None) -> tuple[Cell, ...]:
    """The frames of a picture with their places; none where it shows no frame.

    Args:
        part: A picture.
        aspect: As for `columns_of`.
    """
    columns = columns_of(part, aspect)
    if not columns or part.width <= 0 or part.height <= 0:
        return ()
    rows = -(-len(part.frames) // columns)
    # Grids that others made may have no gap; whole pixels tell.
    whole = not (part.width + GAP) % columns and not (part.height + GAP) % rows
    gap = GAP if whole else 0
    wide, high = (part.width + gap) / columns, (part.height + gap) / rows
    seen = part.boxes if len(part.boxes) == len(part.frames) else ()
    found = []
    for index, frame in enumerate(part.frames):
        row, column = divmod(index, columns)
        x, y = column * wide, row * high
        box = (x, y, x + wide - gap, y + high - gap)
        found.append(Cell(index, frame, box, seen[index] if seen else None))
    return tuple(found)


def cell_at(cells: tuple[Cell, ...], x: float, y: float) -> Cell | None:
    """The cell in which a point of the picture lies, pixels."""
    for cell in cells:
        x0, y0, x1, y1 = cell.box
        if x0 <= x < x1 and y0 <= y < y1:
            return cell
    return None


def neighbour(index: int, count: int, columns: int, across: int, down: int) -> int | None:
    """The cell beside another one, None beyond the edge.

    Args:
        index: Of the cell, -1 for none: then it is the first one, or the last if going back.
        count: Cells.
        columns: Of the grid.
        across: -1 for the one before, 1 for the next in reading order, 0.
        down: -1 for the row above, 1 for the one below, 0.
    """
    if index < 0:
        return (0 if across + down > 0 else count - 1) if count else None
    moved = index + across + down * columns
    return moved if 0 <= moved < count else None
