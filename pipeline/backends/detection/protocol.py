"""What a detector is asked, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pipeline.backends.backend import Backend, Progress
from pipeline.model.arrays import U8
from pipeline.model.candidate import Box


@dataclass(frozen=True, slots=True)
class DetectionRequest:
    """What a detector is asked.

    Attributes:
        image: (H, W, 3) uint8 RGB, the frame in which boxes are wanted.
        phrase: Noun phrase, may be empty.
        colors: Colour words of the phrase, names of the colour vocabulary.
        still: Frames of the same camera before `image` (H, W, 3); may be empty. What equals them
            was at rest.
        later: Frames of the same camera after `image`; may be empty. What differs from them has
            gone or come.
        limit: Largest number of boxes.
        threshold: Smallest score of a box, 0..1.
        nms_iou: Boxes that overlap more than this are the same.
        min_area: Smallest box, share of the picture.
        max_area: Largest box, share of the picture.
    """

    image: U8
    phrase: str
    colors: tuple[str, ...]
    still: tuple[U8, ...]
    later: tuple[U8, ...]
    limit: int
    threshold: float
    nms_iou: float
    min_area: float
    max_area: float


@dataclass(frozen=True, slots=True)
class Detection:
    """One box.

    Attributes:
        box: Pixels of the image, x1 and y1 exclusive.
        score: Confidence of appearance against the language, 0..1. Never motion.
        origin: `region`, `color`, `motion` or `arrival`; how the box was found.
        evidence: What the score is made of, one short line for people.
    """

    box: Box
    score: float
    origin: str
    evidence: str


class Detector(Backend, Protocol):
    """Finds boxes that might show what a phrase names."""

    def detect(self, request: DetectionRequest, progress: Progress) -> tuple[Detection, ...]:
        """Return boxes by falling score; raises Cancelled through `progress`."""
        ...
