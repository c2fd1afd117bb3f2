"""Places for labels: near their box, inside the picture, apart from each other."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.candidate import Box

GAP = 3.0
"""Distance between a box and its label, logical pixels."""


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A label that wants a place.

    Attributes:
        anchor: Box it names, widget coordinates.
        width: Logical pixels.
        height: Logical pixels.
        required: False lets the label be left out where there is no free place.
    """

    anchor: Box
    width: float
    height: float
    required: bool = False


def placed(
    requests: list[LabelRequest], area: Box, avoid: tuple[Box, ...] = ()
) -> list[Box | None]:
    """Place labels in the order given; earlier ones choose first.

    A label goes above its box, below, right or left of it, or inside at the top; always inside
    `area`. A required label without a free place is laid over the others.

    Args:
        requests: Most important first.
        area: Where labels may lie, widget coordinates.
        avoid: Rectangles that labels leave free while they can.

    Returns:
        For each request its rectangle, or None if it was left out.
    """
    taken: list[Box] = list(avoid)
    places: list[Box | None] = []
    for request in requests:
        fitting = [_inside(spot, area) for spot in _spots(request)]
        spots = [spot for spot in fitting if spot is not None]
        free = next((s for s in spots if not any(_overlap(s, other) for other in taken)), None)
        if free is None and request.required and spots:
            free = spots[0]
        if free is not None:
            taken.append(free)
        places.append(free)
    return places


def _spots(request: LabelRequest) -> list[Box]:
    x0, y0, x1, y1 = request.anchor
    width, height = request.width, request.height
    corners = (
        (x0, y0 - GAP - height),
        (x0, y1 + GAP),
        (x1 - width, y0 - GAP - height),
        (x1 - width, y1 + GAP),
        (x1 + GAP, y0),
        (x0 - GAP - width, y0),
        (x1 + GAP, y1 - height),
        (x0 - GAP - width, y1 - height),
        (x0 + GAP, y0 + GAP),
        # The same again, one line further out: boxes often share an edge.
        (x0, y0 - 2 * (GAP + height)),
        (x0, y1 + 2 * GAP + height),
    )
    return [(x, y, x + width, y + height) for x, y in corners]


def _inside(box: Box, area: Box) -> Box | None:
    width, height = box[2] - box[0], box[3] - box[1]
    if width > area[2] - area[0] or height > area[3] - area[1]:
        return None
    x = min(max(box[0], area[0]), area[2] - width)
    y = min(max(box[1], area[1]), area[3] - height)
    return x, y, x + width, y + height


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
