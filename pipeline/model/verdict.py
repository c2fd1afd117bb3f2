"""What a person said about the box of an annotation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.candidate import Box


class VerdictSource(StrEnum):
    """How the person said it."""

    SPOT_CHECK = "spot_check"
    CHOICE = "choice"
    """Chose a candidate, or drew the box, in the main window."""
    CAPTION = "caption"
    """Accepted or rejected the caption, which names the object in the box (our reading)."""


@dataclass(frozen=True, slots=True)
class HumanVerdict:
    """A person's answer to: is this box the object that is handled?

    Attributes:
        episode: Episode index.
        subtask: Subtask index.
        right: True, False, or None if the person could not tell.
        box: The box that was judged, pixels; None if not known any more.
        true_box: The right box, if the person gave one.
        source: How they said it.
        who: Name.
        at: UTC, ISO 8601.
        dataset: Name of the dataset's folder, empty if there is only one.
        reason: Why, in their words; may be empty.
    """

    episode: int
    subtask: int
    right: bool | None
    box: Box | None
    true_box: Box | None
    source: VerdictSource
    who: str
    at: str
    dataset: str = ""
    reason: str = ""
