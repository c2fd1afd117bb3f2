"""Cells of a grid: found from its shape, with gaps between them and neighbours beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.backends.captioning.collage import grid_shape
from pipeline.model.recipe import PictureOptions
from tests.gui import caption_examples as examples
from viewers.sent_cells import cells_of, columns_of, neighbour

PRESENT = 3
"""Index of the grid of the present in the example."""


@pytest.mark.parametrize(
    ("width", "height", "count", "columns"),
    [
        (3 * 384 + 8, 2 * 288 + 4, 6, 3),
        (3 * 384 + 8, 2 * 216 + 4, 6, 3),
        (3 * 320, 2 * 240, 6, 3),
        (384, 288, 1, 1),
        (2 * 384 + 4, 288, 2, 2),
        (3 * 384 + 8, 2 * 288 + 4, 5, 3),
    ],
)
def test_columns_are_found_from_the_shape(
    width: int, height: int, count: int, columns: int
) -> None:
    part = replace(examples.grid("present", 0), width=width, height=height)
    assert columns_of(replace(part, frames=tuple(range(count)))) == columns


@pytest.mark.parametrize("aspect", [(640, 480), (1280, 720), (480, 640), (256, 256)])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("wanted", [2, 3, 4])
def test_columns_are_certain_where_the_camera_is_known(
    aspect: tuple[int, int], count: int, wanted: int
) -> None:
    shape = grid_shape(count, aspect, PictureOptions(columns=wanted))
    width, height = shape.size
    part = replace(
        examples.grid("present", 0), width=width, height=height, frames=tuple(range(count))
    )
    assert columns_of(part, aspect[0] / aspect[1]) == shape.columns
    for cell in cells_of(part, aspect[0] / aspect[1]):
        x, y = shape.corner(cell.index)
        assert cell.box == (x, y, x + shape.width, y + shape.height)


def test_squares_in_a_row_are_six_columns() -> None:
    cells = cells_of(examples.close_ups(100))
    assert [c.frame for c in cells] == [100, 110, 120, 130, 140, 150]
    assert cells[2].box == (128.0, 0.0, 192.0, 64.0)
    assert cells[2].seen == (20.0, 20.0, 100.0, 100.0)


def test_the_gap_between_cells_belongs_to_none() -> None:
    part = replace(examples.grid("present", 0), width=3 * 384 + 8, height=2 * 288 + 4)
    cells = cells_of(part)
    assert cells[0].box == (0.0, 0.0, 384.0, 288.0)
    assert cells[4].box == (388.0, 292.0, 772.0, 580.0)


def test_neighbours_end_at_the_edge() -> None:
    assert neighbour(2, 6, 3, 1, 0) == 3
    assert neighbour(2, 6, 3, 0, 1) == 5
    assert neighbour(2, 6, 3, 0, -1) is None
    assert neighbour(-1, 6, 3, 1, 0) == 0
    assert neighbour(-1, 6, 3, -1, 0) == 5
    assert neighbour(-1, 0, 1, 1, 0) is None
