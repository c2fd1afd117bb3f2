"""What a segmenter is asked, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from pipeline.backends.backend import Backend, FrameAt, Progress
from pipeline.model.arrays import F32, U8, Bool
from pipeline.model.candidate import Box


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Masks of boxes.

    Attributes:
        masks: (K, H, W) bool.
        collapsed: Indices whose mask is the inscribed ellipse because segmentation failed.
        skipped: Those of them that were not tried because the time for a picture was over.
        quality: (K,) float32, IoU with the true mask that the segmenter expects, NaN where it
            cannot tell; None if it never can.
        placement: Device and precision it ran with, e.g. `cuda:0, bfloat16`; empty if it has no
            choice.
    """

    masks: Bool
    collapsed: tuple[int, ...]
    quality: F32 | None = None
    placement: str = ""
    skipped: tuple[int, ...] = ()


class Segmenter(Backend, Protocol):
    """Turns boxes into masks."""

    def segment(self, image: U8, boxes: tuple[Box, ...], progress: Progress) -> Segmentation:
        """Segment each box of `image` (H, W, 3) uint8 RGB."""
        ...


@runtime_checkable
class Refiner(Protocol):
    """What a segmenter may have besides: it looks at other frames to better its own masks."""

    def refine(
        self,
        frame_at: FrameAt,
        keyframe: int,
        length: int,
        boxes: tuple[Box, ...],
        found: Segmentation,
        progress: Progress,
    ) -> Segmentation:
        """Better what `segment` found, by how the picture moves around the keyframe.

        Args:
            frame_at: Gives frames of the episode.
            keyframe: Frame of the boxes.
            length: Frames of the episode.
            boxes: As given to `segment`.
            found: What `segment` returned.
            progress: As for `segment`.
        """
        ...


@runtime_checkable
class Ambiguous(Protocol):
    """What a segmenter may have besides: it can propose several masks per box.

    Attributes:
        best_of_three: Take the best of three masks instead of the only one.
    """

    best_of_three: bool


def inscribed_ellipse(box: Box, height: int, width: int) -> Bool:
    """The ellipse in a box, (height, width) bool: the mask where segmentation fails."""
    x0, y0, x1, y1 = box
    y, x = np.ogrid[0:height, 0:width]
    u = (x + 0.5 - (x0 + x1) / 2) / max((x1 - x0) / 2, 0.5)
    v = (y + 0.5 - (y0 + y1) / 2) / max((y1 - y0) / 2, 0.5)
    return np.asarray(u * u + v * v <= 1.0)
