"""Where the pictures of several cameras go so that they are shown as large as possible."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.model.candidate import Box


def tile_boxes(
    sizes: Sequence[tuple[int, int]], room: tuple[float, float], header: float, gap: float
) -> tuple[Box, ...]:
    """Lay tiles out in rows, in order, and fill the room.

    Of all ways to break the order into rows, that is taken which shows pictures largest in the
    geometric mean of their areas: large ones do not pay for small ones.

    Args:
        sizes: Width and height of each picture; what is not known counts as 4:3.
        room: Width and height to fill.
        header: Height of the line above each picture.
        gap: Room between tiles.

    Returns:
        x0, y0, x1, y1 of each tile, header included.
    """
    aspects = [w / h if w > 0 and h > 0 else 4 / 3 for w, h in sizes]
    count = len(aspects)
    best = -math.inf
    boxes: tuple[Box, ...] = ()
    # Each bit says whether a row ends behind a tile; nine cameras make 256 ways.
    for breaks in range(1 << max(count - 1, 0)):
        rows = _rows(count, breaks)
        tried = _boxes(rows, aspects, room, header, gap)
        value = math.fsum(
            math.log(max(_shown(box, a, header), 1.0))
            for box, a in zip(tried, aspects, strict=True)
        )
        # Among equals the first, which has fewest rows.
        if value > best + 1e-6:
            best, boxes = value, tried
    return boxes


def _rows(count: int, breaks: int) -> list[range]:
    rows, first = [], 0
    for index in range(count):
        if index == count - 1 or breaks >> index & 1:
            rows.append(range(first, index + 1))
            first = index + 1
    return rows


def _boxes(
    rows: list[range], aspects: list[float], room: tuple[float, float], header: float, gap: float
) -> tuple[Box, ...]:
    """Rows as high as their pictures need at full width, then scaled to the room's height."""
    width, height = room
    wide = [width - gap * (len(row) - 1) for row in rows]
    natural = [w / sum(aspects[i] for i in row) for w, row in zip(wide, rows, strict=True)]
    free = height - gap * (len(rows) - 1) - header * len(rows)
    scale = max(free, 1.0) / sum(natural)
    boxes: list[Box] = []
    y = 0.0
    for row, w, high in zip(rows, wide, natural, strict=True):
        x, bottom = 0.0, y + header + high * scale
        share = w / sum(aspects[i] for i in row)
        for i in row:
            boxes.append((x, y, x + share * aspects[i], bottom))
            x += share * aspects[i] + gap
        y = bottom + gap
    return tuple(boxes)


def _shown(box: Box, aspect: float, header: float) -> float:
    """Area of a picture fitted into a tile."""
    width, height = box[2] - box[0], max(box[3] - box[1] - header, 0.0)
    return min(width, height * aspect) ** 2 / aspect
