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
        least: So many of the best boxes are wanted even under the threshold. Detectors that find
            things without a score for language need not heed it.
        further: Phrases to look for in the same picture beside `phrase`; only detectors that read
            phrases can.
        further_threshold: Smallest score of their boxes, 0..1.
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
    least: int = 0
    further: tuple[str, ...] = ()
    further_threshold: float = 0.2


@dataclass(frozen=True, slots=True)
class Detection:
    """One box.

    Attributes:
        box: Pixels of the image, x1 and y1 exclusive.
        score: Confidence of appearance against the language, 0..1. Never motion.
        origin: `region`, `color`, `motion`, `arrival` or `phrase`; how the box was found.
        evidence: What the score is made of, one short line for people.
        label: Phrase it was grounded to, if that is not the request's own.
        is_further: True for boxes of the request's further phrases.
        is_below: True if it is under the threshold and kept only for the least number.
    """

    box: Box
    score: float
    origin: str
    evidence: str
    label: str = ""
    is_further: bool = False
    is_below: bool = False


class Detector(Backend, Protocol):
    """Finds boxes that might show what a phrase names.

    Two attributes are optional. `reads_phrases` (bool): it grounds any phrase, so it is also asked
    for the robot and at further frames, and needs no frames beside the picture. `placement` (str):
    device and precision, for people.
    """

    def detect(self, request: DetectionRequest, progress: Progress) -> tuple[Detection, ...]:
        """Return boxes by falling score, those of further phrases after the others.

        Raises Cancelled through `progress`.
        """
        ...
