"""What is known to be right, beside what was chosen."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.evaluation.matching import is_match
from pipeline.model.candidate import Box, ProposalsResult
from pipeline.model.score import box_iou

GROUND_TRUTH, PERSON = "ground truth", "a person"


@dataclass(frozen=True, slots=True)
class ChoiceTruth:
    """Candidates of a clip compared with the right box, by the published matching rule.

    Attributes:
        source: `ground truth` or `a person`.
        box: The right box, pixels.
        ious: (candidate id, IoU with the right box), the best first.
        right: Candidates that match.
        missing: Why they cannot be compared, one sentence; else empty.
    """

    source: str
    box: Box
    ious: tuple[tuple[int, float], ...] = ()
    right: frozenset[int] = frozenset()
    missing: str = ""

    @classmethod
    def of(cls, proposals: ProposalsResult, box: Box, source: str, camera: str = "") -> ChoiceTruth:
        """Compare all candidates with a box.

        Args:
            proposals: The candidates.
            box: The right box, pixels of the original frame.
            source: `ground truth` or `a person`.
            camera: Camera of the box, empty if unknown.
        """
        if camera and camera != proposals.camera:
            names = (c.removeprefix("observation.images.") for c in (camera, proposals.camera))
            return cls(source, box, missing="It is of camera {}, candidates of {}.".format(*names))
        ious = sorted(
            ((p.id, box_iou(p.box, box)) for p in proposals.candidates), key=lambda i: -i[1]
        )
        right = frozenset(p.id for p in proposals.candidates if is_match(p.box, box))
        return cls(source, box, tuple(ious), right)

    @property
    def best(self) -> tuple[int, float]:
        """The right candidate with the largest IoU, else the one that comes nearest; (-1, 0)."""
        matching = [i for i in self.ious if i[0] in self.right]
        return (matching or list(self.ious) or [(-1, 0.0)])[0]

    def iou(self, candidate: int) -> float:
        """IoU of a candidate with the right box, 0 if it is unknown."""
        return dict(self.ious).get(candidate, 0.0)

    def is_right(self, candidate: int) -> bool | None:
        """Whether a candidate is right; None if that cannot be said."""
        return None if self.missing else candidate in self.right

    def verdict(self, candidate: int) -> str:
        """In a few words: `right`, `wrong: #3 is right`, `not among the candidates`."""
        if self.missing:
            return f"{self.source}: other camera"
        if candidate in self.right:
            return "right"
        return f"wrong: #{self.best[0]} is right" if self.right else "not among the candidates"

    def sentence(self, candidate: int) -> str:
        """What the truth says about a choice."""
        if self.missing:
            return f"This choice cannot be compared with {self.source}. {self.missing}"
        best, most = self.best
        said = "the ground truth" if self.source == GROUND_TRUTH else "what a person chose"
        if candidate in self.right:
            return f"#{candidate} matches {said} (IoU {self.iou(candidate):.2f})."
        if self.right:
            return (
                f"By {said} #{best} is right (IoU {most:.2f}); #{candidate} overlaps it with "
                f"IoU {self.iou(candidate):.2f}."
            )
        return (
            f"None of {len(self.ious)} candidates matches {said}; the nearest is #{best} with "
            f"IoU {most:.2f}. The proposals missed it: no weight can put that right."
        )
