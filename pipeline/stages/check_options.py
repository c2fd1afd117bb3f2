"""Limits of the caption checks: between two limits of a test nothing is said."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.options import option

_SIZES = "object sizes"
"""Unit: the square root of the area of the object's box before contact."""


@dataclass(frozen=True, slots=True)
class ChecksOptions:
    """Options of the stage; each pair of limits leaves a middle in which nothing is said."""

    color_fits: float = option(
        12.0,
        "Largest difference between mask and colour word (CIEDE2000, k_L = 2, nearest prototype) "
        "at which the word holds; a mask's nearest word always holds.",
        unit="ΔE",
        low=0.0,
        high=100.0,
    )
    color_differs: float = option(
        18.0,
        "Difference from which the word is contradicted, if another word fits better by "
        "`color_margin`. The gap to `color_fits` is what shade and exposure do.",
        unit="ΔE",
        low=0.0,
        high=100.0,
    )
    color_margin: float = option(
        8.0,
        "A contradicted word must fit worse than the nearest one by this much: a thin or shaded "
        "mask is far from every word.",
        unit="ΔE",
        low=0.0,
        high=100.0,
    )
    color_cast: float = option(
        4.0,
        "Shift of a mask's colour, in any direction of the a*b* plane, under which another word "
        "must still fit better by `color_margin`. Automatic white balance leaves some degrees "
        "between true and assumed light; 3 to 4° move a mid gray by so much. It matters where "
        "colours are dull.",
        unit="a*b*",
        low=0.0,
        high=100.0,
    )
    color_share: float = option(
        0.15,
        "Least share of the mask's pixels that must have a colour for it to be one of the thing's "
        "colours. The keyframe is read only where the mask's median does not have the colour.",
        low=0.0,
        high=1.0,
    )
    moved: float = option(
        0.8,
        "Distance between start and end from which a thing counts as moved to another place.",
        unit=_SIZES,
        low=0.0,
        high=100.0,
    )
    still: float = option(
        0.3,
        "Distance up to which it counts as not moved; tracked boxes drift by some tenths.",
        unit=_SIZES,
        low=0.0,
        high=100.0,
    )
    lifted: float = option(
        0.5,
        "Height above the higher of start and end, in the picture, from which it was lifted.",
        unit="object heights",
        low=0.0,
        high=100.0,
    )
    flat: float = option(
        0.15,
        "Height up to which a thing that ends where it started was not lifted. A flat path to "
        "another place says nothing: a camera that looks straight down sees no lift.",
        unit="object heights",
        low=0.0,
        high=100.0,
    )
    lifted_m: float = option(
        0.03,
        "The same with 3D that does not drift: up, and not away from the camera.",
        unit="m",
        low=0.0,
        high=10.0,
    )
    bears: float = option(
        0.6,
        "Share of the lower 40 % of the object's end box that the mask of another candidate covers "
        "before contact, from which the object ends in or on that thing.",
        low=0.0,
        high=1.0,
    )
    largest_thing: float = option(
        0.25,
        "A candidate that covers more of the picture is ground (table, floor), not a destination.",
        low=0.0,
        high=1.0,
    )
    near: float = option(
        1.5,
        "Gap between two boxes up to which one is next to the other.",
        unit=_SIZES,
        low=0.0,
        high=100.0,
    )
    far: float = option(
        4.0,
        "Gap from which it is not.",
        unit=_SIZES,
        low=0.0,
        high=100.0,
    )
    side: float = option(
        0.5,
        "Offset from which something is left, right, above or below.",
        unit=_SIZES,
        low=0.0,
        high=100.0,
    )
    left_is: str = option(
        "picture",
        "Whose left captions mean: the picture's, or that of somebody who faces the camera.",
        choices=("picture", "facing"),
    )
    tilted: float = option(
        30.0,
        "Turn of the object's points in the picture from which something could be poured.",
        unit="°",
        low=0.0,
        high=180.0,
    )
    one_trip: float = option(
        0.5,
        "Way back along the line from start to end, as a share of the distance, up to which a path "
        "has no back and forth: no wiping, stirring or shaking. Plain trips in rendered scenes "
        "have 0.1 to 0.5.",
        low=0.0,
        high=100.0,
    )
    strokes: int = option(
        4,
        "Moves to and fro from which something is wiped, stirred or shaken: to lift it and set it "
        "down takes two, and one may be a correction.",
        unit="strokes",
        low=1,
        high=1000,
    )
    named: float = option(
        0.3,
        "Confidence D from which a box of a detector that reads phrases says that the named thing "
        "is there. It proposes far below that, so that something is always found.",
        low=0.0,
        high=1.0,
    )
    while_held: float = option(
        0.6,
        "Least share of the object's path that lies in closed gripper spans; below it the phases "
        "are not those of this object, and they prove nothing.",
        low=0.0,
        high=1.0,
    )
