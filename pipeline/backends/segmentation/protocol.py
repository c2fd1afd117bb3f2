"""What a segmenter is asked, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pipeline.backends.backend import Backend, Progress
from pipeline.model.arrays import U8, Bool
from pipeline.model.candidate import Box


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Masks of boxes.

    Attributes:
        masks: (K, H, W) bool.
        collapsed: Indices whose mask is the inscribed ellipse because segmentation failed.
    """

    masks: Bool
    collapsed: tuple[int, ...]


class Segmenter(Backend, Protocol):
    """Turns boxes into masks."""

    def segment(self, image: U8, boxes: tuple[Box, ...], progress: Progress) -> Segmentation:
        """Segment each box of `image` (H, W, 3) uint8 RGB."""
        ...
