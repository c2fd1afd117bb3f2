"""Close-ups of the present that follow the gripper.

Where the crop goes, per frame, the first that is known:
1. our gripper reference (stage 2e), smoothed, its side from the local gripper scale; around
   the reference it grows until the winner's box is seen, too, unless that is far away;
2. the box of the winner's mask, carried along by its tracks;
3. the box in which the detector found the object;
4. the middle of the picture.
`SentPart.note` says which of them was taken where it was not the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.captioning.marks import drawn
from pipeline.backends.captioning.material import CaptionMaterial
from pipeline.backends.captioning.pictures import jpeg, scaled, shown_frame
from pipeline.model.arrays import F32, F64, U8
from pipeline.model.candidate import Box
from pipeline.model.drafting import PartKind, SentPart
from pipeline.model.recipe import PictureOptions, PromptParts

SMOOTH_SECONDS = 0.5
"""Over which the reference is smoothed. *(our choice)*"""
SCALE_SECONDS = 2.0
"""Over which the scale is smoothed: a crop that breathes hides what moves. *(our choice)*"""
GAP_SECONDS = 0.5
"""How long the reference may be missing before the crop falls back."""
SMALLEST = 0.25
"""Side of the smallest crop, as a share of the picture's shorter side. At this size a close-up of
640 x 480 pixels is enlarged three times: a smaller one shows no more, only less around it."""
LARGEST = 0.6
"""Side up to which a crop grows so that the object is seen in it, the same share."""
MARGIN = 0.15
"""Room around the object, as a share of the crop's side."""
PLAIN = 0.5
"""Side of a crop of which only the place is known, as a share of the picture's shorter side."""
BOX_SIDES = 2.5
"""Side of a crop around a box, in the box's longer sides, where no gripper scale is known."""


class Follows(StrEnum):
    """What a close-up follows."""

    GRIPPER = "gripper"
    MASK = "mask"
    DETECTION = "detection"
    CENTER = "center"

    @property
    def note(self) -> str:
        """For people; empty for the gripper."""
        return _NOTES[self]


_NOTES = {
    Follows.GRIPPER: "",
    Follows.MASK: "The gripper is not seen here: the close-up follows the mask of the winner.",
    Follows.DETECTION: "Neither gripper nor mask is known here: the close-up shows the box in "
    "which the detector found the object.",
    Follows.CENTER: "Nothing is known here: the close-up shows the middle of the picture.",
}


@dataclass(frozen=True, slots=True)
class Crop:
    """A square part of a frame.

    Attributes:
        left: Pixels of the camera, whole.
        top: The same.
        side: The same.
        follows: What it follows.
    """

    left: int
    top: int
    side: int
    follows: Follows

    @property
    def box(self) -> Box:
        """x0, y0, x1, y1 in pixels of the camera."""
        return (
            float(self.left),
            float(self.top),
            float(self.left + self.side),
            float(self.top + self.side),
        )


class HandCrop:
    """Where the close-ups of a subtask go."""

    def __init__(self, material: CaptionMaterial, options: PictureOptions) -> None:
        """Smooth the reference and its scale once for the clip."""
        self._material = material
        frames = material.frames.astype(np.float64)
        self._frames = frames
        self._reference = smoothed(frames, material.reference, SMOOTH_SECONDS * material.fps)
        known = np.isfinite(material.reference).all(axis=1) if len(frames) else np.zeros(0, bool)
        self._known = frames[known]
        self._scale: F64 = np.zeros(0)
        if len(material.scale):
            scale = np.where(material.scale > 0, material.scale, np.nan).astype(np.float32)
            self._scale = smoothed(frames, scale[:, None], SCALE_SECONDS * material.fps)[:, 0]
        seen = self._scale[np.isfinite(self._scale)]
        self._usual = float(np.median(seen)) if len(seen) else None
        self._sides = options.crop_scale

    def at(self, frame: int, size: tuple[int, int]) -> Crop:
        """The crop of a frame; it lies inside the picture, so at its border it is off centre.

        Args:
            frame: Of the episode.
            size: Width and height of the picture, pixels.
        """
        shorter = min(size)
        side = self._side(frame)
        center = self._hand(frame)
        follows = Follows.GRIPPER
        if center is None:
            box = self._mask_box(frame)
            follows = Follows.MASK
            if box is None:
                box, follows = self._material.start_box, Follows.DETECTION
            if box is None or not np.isfinite(box).all():
                center, follows = (size[0] / 2, size[1] / 2), Follows.CENTER
            else:
                center = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
                longer = max(box[2] - box[0], box[3] - box[1])
                # A box must fit, whatever the gripper's scale is.
                side = max(side or 0.0, (1.2 if side else BOX_SIDES) * longer)
        side = side if side is not None else PLAIN * shorter
        low, high = SMALLEST * shorter, LARGEST * shorter
        if follows is Follows.GRIPPER:
            side = self._with_object(frame, center, min(max(side, low), high), high)
        whole = max(1, round(min(max(side, low), shorter)))
        left = int(min(max(round(center[0] - whole / 2), 0), size[0] - whole))
        top = int(min(max(round(center[1] - whole / 2), 0), size[1] - whole))
        return Crop(left, top, whole, follows)

    def _hand(self, frame: int) -> tuple[float, float] | None:
        """The smoothed reference, between tracked frames by a straight line."""
        most = GAP_SECONDS * self._material.fps
        if not len(self._known) or float(np.abs(self._known - frame).min()) > most:
            return None
        rows = np.isfinite(self._reference).all(axis=1)
        x, y = (
            float(np.interp(frame, self._frames[rows], self._reference[rows, axis]))
            for axis in (0, 1)
        )
        return x, y

    def _side(self, frame: int) -> float | None:
        if self._usual is None:
            return None
        rows = np.isfinite(self._scale)
        scale = float(np.interp(frame, self._frames[rows], self._scale[rows]))
        return self._sides * min(max(scale, self._usual / 2), self._usual * 2)

    def _with_object(
        self, frame: int, center: tuple[float, float], side: float, most: float
    ) -> float:
        """Side of a crop around the reference that shows the object, too.

        A reference can lie beside the gripper, on its shadow or its housing; a close-up of a held
        object must show it. Beyond `most` the hand is still on its way, or one of the two is
        wrong, and which one cannot be told: the crop stays as it is.
        """
        box = self._mask_box(frame)
        if box is None:
            return side
        reach = max(center[0] - box[0], box[2] - center[0], center[1] - box[1], box[3] - center[1])
        wanted = 2 * reach / (1 - MARGIN)
        return wanted if side < wanted <= most else side

    def _mask_box(self, frame: int) -> Box | None:
        boxes = self._material.mask_box
        if boxes is None or not len(boxes):
            return None
        rows = np.flatnonzero(np.isfinite(boxes).all(axis=1))
        if not len(rows):
            return None
        row = rows[np.abs(self._frames[rows] - frame).argmin()]
        if abs(self._frames[row] - frame) > GAP_SECONDS * self._material.fps:
            return None
        x0, y0, x1, y1 = (float(v) for v in boxes[row])
        return x0, y0, x1, y1


def smoothed(frames: F64, values: F32, width: float) -> F64:
    """Smooth over time: a median against jumps, then a mean.

    Windows are symmetric and shrink at the ends, so that steady motion stays where it is.

    Args:
        frames: (F,) ascending.
        values: (F, D), rows with NaN are unknown.
        width: Of the window, in frames.

    Returns:
        (F, D) float64; NaN where the row is unknown.
    """
    result = values.astype(np.float64)
    for reduce in (np.median, np.mean):
        before = result.copy()
        known = np.isfinite(before).all(axis=1)
        for row in np.flatnonzero(known):
            reach = min(width / 2, frames[row] - frames[0], frames[-1] - frames[row])
            near = known & (np.abs(frames - frames[row]) <= reach + 1e-6)
            result[row] = reduce(before[near], axis=0)
    return result


def close_up_parts(
    material: CaptionMaterial,
    frames: tuple[int, ...],
    options: PictureOptions,
    parts: PromptParts,
    progress: Progress,
) -> tuple[SentPart, ...]:
    """Make the close-ups, one square picture per frame, in order of time.

    Args:
        material: Of the subtask.
        frames: Of the episode.
        options: Of the recipe.
        parts: Of the recipe: whether marks are drawn.
        progress: Called before every frame; may raise Cancelled.

    Raises:
        DataError: The frames cannot be read.
    """
    crops = HandCrop(material, options)
    found = []
    for number, frame in enumerate(frames):
        progress(number / len(frames), f"close-ups: frame {frame}")
        shown = shown_frame(material, frame)
        crop = crops.at(frame, (shown.rgb.shape[1], shown.rgb.shape[0]))
        picture = cut(shown.rgb, crop, options.crop_side)
        if parts.marks or parts.hand_trace:
            factor = options.crop_side / crop.side
            origin = (float(crop.left), float(crop.top))
            picture = drawn(picture, material, frame, parts, (factor, factor), origin)
        found.append(
            SentPart(
                kind=PartKind.IMAGE,
                role="close-ups",
                text="",
                data=jpeg(picture, options.jpeg_quality),
                mime="image/jpeg",
                width=options.crop_side,
                height=options.crop_side,
                frames=(frame,),
                boxes=(crop.box,),
                note=" ".join(n for n in (crop.follows.note, shown.note) if n),
            )
        )
    return tuple(found)


def cut(rgb: U8, crop: Crop, side: int) -> U8:
    """Cut a crop out of a frame and scale it to (side, side, 3) uint8."""
    part = rgb[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
    return scaled(np.ascontiguousarray(part), side, side)
