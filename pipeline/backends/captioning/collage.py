"""Grids of frames: the past, the present and the future of a subtask, one picture each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.captioning.marks import drawn
from pipeline.backends.captioning.material import CaptionMaterial
from pipeline.backends.captioning.pictures import jpeg, scaled, shown_frame
from pipeline.model.arrays import U8
from pipeline.model.drafting import PartKind, SentPart
from pipeline.model.recipe import PictureOptions, PromptParts

GAP = 4
"""Pixels between the frames of a grid, so that two frames do not read as one scene."""
_GAP_COLOR = 24
_MOST_HEIGHT = 4096


@dataclass(frozen=True, slots=True)
class GridShape:
    """Where the frames of a grid are.

    Attributes:
        columns: In a row.
        rows: At least 1.
        width: Of a cell, pixels.
        height: Of a cell, pixels.
    """

    columns: int
    rows: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the grid, pixels."""
        return (
            self.columns * (self.width + GAP) - GAP,
            self.rows * (self.height + GAP) - GAP,
        )

    def corner(self, place: int) -> tuple[int, int]:
        """Left and top pixel of cell `place`, in reading order from 0."""
        row, column = divmod(place, self.columns)
        return column * (self.width + GAP), row * (self.height + GAP)


def grid_shape(count: int, picture: tuple[int, int], options: PictureOptions) -> GridShape:
    """The shape of a grid of `count` frames.

    A span with fewer frames than the recipe wants makes a smaller grid, not one with holes where
    that can be helped.

    Args:
        count: At least 1.
        picture: Width and height of the camera, pixels.
        options: Of the recipe.
    """
    columns = min(options.columns, count)
    rows = -(-count // columns)
    width = options.cell_width
    height = max(1, round(width * picture[1] / picture[0]))
    # An upright camera must not make a picture that no server takes.
    most = (_MOST_HEIGHT + GAP) // rows - GAP
    if height > most:
        width, height = max(1, round(width * most / height)), most
    return GridShape(columns, rows, width, height)


def grid_part(
    material: CaptionMaterial,
    role: str,
    frames: tuple[int, ...],
    options: PictureOptions,
    parts: PromptParts,
    progress: Progress,
) -> SentPart:
    """Make a grid: frames left to right, top to bottom in order of time.

    Args:
        material: Of the subtask.
        role: `past`, `present` or `future`.
        frames: Of the episode, at least one.
        options: Of the recipe.
        parts: Of the recipe: whether marks are drawn.
        progress: Called before every frame; may raise Cancelled.

    Raises:
        DataError: The frames cannot be read.
    """
    grid: U8 | None = None
    shape: GridShape | None = None
    notes: list[str] = []
    for place, frame in enumerate(frames):
        progress(place / len(frames), f"{role}: frame {frame}")
        shown = shown_frame(material, frame)
        notes.append(shown.note)
        if grid is None or shape is None:
            shape = grid_shape(len(frames), (shown.rgb.shape[1], shown.rgb.shape[0]), options)
            width, height = shape.size
            grid = np.full((height, width, 3), _GAP_COLOR, np.uint8)
        cell = scaled(shown.rgb, shape.width, shape.height)
        if parts.marks or parts.hand_trace:
            factor = (shape.width / shown.rgb.shape[1], shape.height / shown.rgb.shape[0])
            cell = drawn(cell, material, frame, parts, factor)
        x, y = shape.corner(place)
        grid[y : y + shape.height, x : x + shape.width] = cell
    if grid is None:
        raise ValueError("a grid needs at least one frame")
    return SentPart(
        kind=PartKind.IMAGE,
        role=role,
        text="",
        data=jpeg(grid, options.jpeg_quality),
        mime="image/jpeg",
        width=int(grid.shape[1]),
        height=int(grid.shape[0]),
        frames=frames,
        note=" ".join(dict.fromkeys(n for n in notes if n)),
    )
