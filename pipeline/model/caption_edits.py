"""What people say about captions: verdicts, critiques, tags, reviews."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.model.caption import Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.edit_base import EditBase


class JudgeCaption(EditBase):
    """Accept, correct or reject a caption."""

    kind: Literal["judge_caption"] = "judge_caption"
    stage: ClassVar[str] = "captions"
    verdict: Verdict
    draft: str
    text: str

    @property
    def slot(self) -> str:
        return f"captions/{self.subtask}"

    @property
    def title(self) -> str:
        return f"caption {self.verdict.value}"


class CritiqueCaption(EditBase):
    """Say what is wrong with a caption, and what to do about it; the drafter then revises it.

    A critique is never superseded. One that refines another takes its place in the loop.

    Attributes:
        uid: Of this critique, unique.
        about: The caption that is criticised, as it was written.
        fields: Parts that are wrong.
        text: What is wrong and what to do.
        corrections: (field, right value) pairs that the person gave, so that the offline drafter
            can revise, too.
        refines: `uid` of the critique that this one replaces, or empty.
    """

    kind: Literal["critique_caption"] = "critique_caption"
    stage: ClassVar[str] = "captions"
    uid: str = Field(min_length=1, max_length=64)
    about: str = Field(max_length=4000)
    fields: tuple[CaptionField, ...] = ()
    text: str = Field(max_length=4000)
    corrections: tuple[tuple[CaptionField, str], ...] = ()
    refines: str = ""

    @property
    def slot(self) -> str:
        return f"captions/{self.subtask}/critique/{self.uid}"

    @property
    def title(self) -> str:
        return "refine the critique" if self.refines else "critique the caption"


class TagCaption(EditBase):
    """Tag which primitives are present (spec, captions: primitives first).

    Attributes:
        tags: (primitive, value) pairs, e.g. (`verb`, `stack`); all that hold, a value may be empty.
    """

    kind: Literal["tag_caption"] = "tag_caption"
    stage: ClassVar[str] = "captions"
    tags: tuple[tuple[str, str], ...]

    @property
    def slot(self) -> str:
        return f"captions/{self.subtask}/tags"

    @property
    def title(self) -> str:
        return "tag primitives"


class ReviewCaption(EditBase):
    """A reviewer's judgement of an annotator's work on a caption.

    Attributes:
        of: Name of the annotator.
        caption: The caption as the annotator left it.
        critique: `uid` of the annotator's last critique, or empty.
        agrees: Whether caption and critique hold against the video.
        errors: Fields that are wrong in the caption, if it does not hold.
        false_alarms: Fields that the annotator flagged although they were right.
        note: Free text.
    """

    kind: Literal["review_caption"] = "review_caption"
    stage: ClassVar[str] = "captions"
    of: str = Field(max_length=200)
    caption: str = Field(max_length=4000)
    critique: str = ""
    agrees: bool
    errors: tuple[CaptionField, ...] = ()
    false_alarms: tuple[CaptionField, ...] = ()
    note: str = Field(default="", max_length=4000)

    @property
    def slot(self) -> str:
        return f"captions/{self.subtask}/review"

    @property
    def title(self) -> str:
        return "agree with the caption" if self.agrees else "disagree with the caption"
