"""What is known about an annotation: right or wrong, the stage at fault, how that was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pipeline.model.candidate import Box


class Outcome(StrEnum):
    """Whether the pipeline's own choice is right (matching rule of SPARC table 5)."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """Nobody knows: no ground truth and no correction."""


class How(StrEnum):
    """How the stage was found, from the strongest evidence to the weakest."""

    SUBSTITUTION = "substitution"
    """With the truth in its place the winner is right."""
    RECALL = "recall"
    """The right answer is not among what the stage passed on, so no later stage could choose it."""
    FAILURE = "failure"
    """The stage, or opening the recording, failed."""
    CODES = "codes"
    """Only its codes point at it: a suspect."""


@dataclass(frozen=True, slots=True)
class Step:
    """One substitution.

    Attributes:
        stage: Whose output was replaced.
        what: What was put in, a phrase.
        before: Candidate id of the winner before, -1 if there was none.
        after: Winner afterwards, by the ids of that run; -1 if there is none.
        right: Whether the winner is right afterwards; None if nothing could be put in.
        seconds: How long it took.
        together: Stages whose truth was in at the same time.
    """

    stage: str
    what: str
    before: int
    after: int
    right: bool | None
    seconds: float
    together: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One annotation, or one true subtask that was missed.

    Attributes:
        episode: Episode index.
        subtask: Subtask as the pipeline numbers it, -1 if it did not find it (or failed).
        outcome: Whether the choice is right.
        stage: Stage at fault (a suspect if `how` is `codes`), one of `STAGE_ORDER`; None if the
            choice is right or nothing points anywhere.
        how: How it was found, None without a stage.
        steps: What was tried, in order.
        sentence: For people.
        together: Stages that had to be right, too, before the truth in `stage` helped.
        code: Code of that stage that says so itself, empty if it said nothing.
        dataset: Name of the dataset's folder.
        task: Kind of action, empty if unknown.
        number: Number of the true subtask, -1 if it is not known.
        box: Box of the winner that was diagnosed, None if there is none.
    """

    episode: int
    subtask: int
    outcome: Outcome
    stage: str | None
    how: How | None
    steps: tuple[Step, ...]
    sentence: str
    together: tuple[str, ...] = ()
    code: str = ""
    dataset: str = ""
    task: str = ""
    number: int = -1
    box: Box | None = None

    @property
    def is_fault(self) -> bool:
        """True if the stage is known to be at fault, not merely suspected."""
        return self.stage is not None and self.how is not How.CODES

    @property
    def seconds(self) -> float:
        """How long all steps took."""
        return sum(s.seconds for s in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
