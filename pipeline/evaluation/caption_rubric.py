"""The rubric of a caption: all fields right, or nothing.

From the ablations of manipulation captioning (spec, captions, Checking): a caption is *acceptable*
(score 1) if its verb, its object and its destination or source are right, *not acceptable* (0) if
one of them is wrong, and *egregious* (0) if it names things that are not there or describes another
scene altogether. Failures fall into three kinds of about equal size, which ask for different cures:
rules for the verb, better views for the things, a stronger model for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rubric(StrEnum):
    """What a caption is worth."""

    ACCEPTABLE = "acceptable"
    NOT_ACCEPTABLE = "not_acceptable"
    EGREGIOUS = "egregious"

    @property
    def words(self) -> str:
        """For people."""
        return self.value.replace("_", " ")


class Failure(StrEnum):
    """Why a caption is not acceptable; each has one kind, the gravest first."""

    EGREGIOUS = "egregious"
    """Names things that are not there, or another scene."""
    WRONG_VERB = "wrong_verb"
    """Not egregious, and the verb is wrong, whatever else is."""
    WRONG_THING = "wrong_thing"
    """The verb is right, the object or the destination (source) is wrong."""

    @property
    def words(self) -> str:
        """For people."""
        return _WORDS[self]


_WORDS = {
    Failure.EGREGIOUS: "egregious",
    Failure.WRONG_VERB: "wrong verb",
    Failure.WRONG_THING: "right verb, wrong object or destination",
}
FAILURES = (Failure.WRONG_VERB, Failure.WRONG_THING, Failure.EGREGIOUS)
"""In the order of the publication."""
PUBLISHED_SHARES = {
    Failure.WRONG_VERB: 0.37,
    Failure.WRONG_THING: 0.37,
    Failure.EGREGIOUS: 0.26,
}
"""Shares of 890 failures of the published ablations (one model, two rules): for comparison."""


@dataclass(frozen=True, slots=True)
class FieldJudgement:
    """What a judge says about a caption, field by field.

    Attributes:
        verb: The verb is right.
        object_name: The object is right, its colour and material included.
        place: Destination or source are right, or none is needed.
        egregious: The caption describes something else altogether; wins over the fields.
        reason: Why, one or two phrases; may be empty.
    """

    verb: bool
    object_name: bool
    place: bool
    egregious: bool = False
    reason: str = ""

    @property
    def rubric(self) -> Rubric:
        """What the caption is worth."""
        if self.egregious:
            return Rubric.EGREGIOUS
        right = self.verb and self.object_name and self.place
        return Rubric.ACCEPTABLE if right else Rubric.NOT_ACCEPTABLE

    @property
    def score(self) -> float:
        """1.0 if acceptable, else 0.0."""
        return 1.0 if self.rubric is Rubric.ACCEPTABLE else 0.0

    @property
    def failure(self) -> Failure | None:
        """Why it is not acceptable; None if it is."""
        if self.egregious:
            return Failure.EGREGIOUS
        if not self.verb:
            return Failure.WRONG_VERB
        return None if self.object_name and self.place else Failure.WRONG_THING
