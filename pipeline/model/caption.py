"""Captions: one sentence per subtask with a strict schema (spec, captions)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.caption_fields import CaptionFields
from pipeline.model.drafting import CaptionVersion
from pipeline.model.problem import Problem


class Verdict(StrEnum):
    """What a person said about a caption."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class CaptionResult:
    """The caption of one subtask.

    Attributes:
        text: The sentence in force (a person's correction wins).
        draft: What the drafter wrote.
        fields: The parts of the draft.
        evidence: (field, why) pairs: what each field of the draft rests on.
        verdict: What a person said, or None.
        drafter: `offline` or a model name.
        problems: `caption_color_differs`, ...
        versions: What drafters wrote, the draft first, then one revision per critique; empty in
            results of version 1.
    """

    text: str
    draft: str
    fields: CaptionFields
    evidence: tuple[tuple[str, str], ...]
    verdict: Verdict | None
    drafter: str
    problems: tuple[Problem, ...] = ()
    versions: tuple[CaptionVersion, ...] = ()


__all__ = ["CaptionFields", "CaptionResult", "Verdict"]
