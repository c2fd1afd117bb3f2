"""Machine checks of a caption: constraints, each tested on evidence that we hold."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.candidate import Box
from pipeline.model.problem import Problem


class Outcome(StrEnum):
    """What a test said. A failed constraint never changes a caption by itself."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNKNOWN = "unknown"


class ConstraintKind(StrEnum):
    """What a constraint is about (spec, captions, Checking; `arm` is our addition)."""

    PRESENT = "present"
    COUNT = "count"
    COLOR = "color"
    RELATION = "relation"
    DIRECTION = "direction"
    VERB = "verb"
    ARM = "arm"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where to look.

    Attributes:
        frame: Episode frame, -1 for none.
        candidates: Ids of candidates whose masks are the evidence.
        boxes: Further places in that frame, pixels.
        span: First frame and one past the last one that the test looked at, (-1, -1) for none.
    """

    frame: int = -1
    candidates: tuple[int, ...] = ()
    boxes: tuple[Box, ...] = ()
    span: tuple[int, int] = (-1, -1)


@dataclass(frozen=True, slots=True)
class Constraint:
    """One thing that the caption claims, and what the evidence says.

    Attributes:
        kind: What it is about.
        claim: For people, e.g. `the object is green`.
        words: Part of the caption that claims it, as written there; may be empty.
        outcome: Of the test.
        why: One sentence with the numbers, or why nothing can be said.
        evidence: Where to look.
    """

    kind: ConstraintKind
    claim: str
    words: str
    outcome: Outcome
    why: str
    evidence: Evidence = Evidence()


@dataclass(frozen=True, slots=True)
class ChecksResult:
    """The stage `checks`.

    Attributes:
        text: The caption that was checked.
        constraints: In the order of the caption.
        problems: `caption_contradicted`, `caption_not_understood`, ...
    """

    text: str
    constraints: tuple[Constraint, ...]
    problems: tuple[Problem, ...] = ()

    def count(self, outcome: Outcome) -> int:
        """How many constraints have this outcome."""
        return sum(c.outcome is outcome for c in self.constraints)

    @property
    def contradicted(self) -> tuple[str, ...]:
        """Claims that failed, in the order of the caption."""
        return tuple(c.claim for c in self.constraints if c.outcome is Outcome.FAIL)
