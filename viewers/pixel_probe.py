"""What lies under the mouse."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PixelProbe:
    """One pixel of the frame and what the results say about it.

    Attributes:
        x: Column of the pixel.
        y: Row of the pixel.
        rgb: Its colour, 0..255 each.
        candidates: Ids of the candidates drawn there, the one a click means first.
        robot: True if it belongs to the robot mask.
        masks: Ids of the candidates whose mask covers it, drawn or not.
    """

    x: int
    y: int
    rgb: tuple[int, int, int]
    candidates: tuple[int, ...]
    robot: bool
    masks: tuple[int, ...] = ()
