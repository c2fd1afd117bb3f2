"""What a caption is shown with: where it is, what was said about it, who looks at it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.caption_fields import CaptionField


@dataclass(frozen=True, slots=True)
class CaptionCard:
    """Everything about a caption that its result does not hold.

    Attributes:
        episode: Episode index; with the subtask it is the place of what is typed.
        before: Sentence to compare with; empty: the draft, if that differs.
        critique: Text of the newest critique in force, or empty.
        critic: Who wrote it.
        refines: `uid` of a critique that is answered and may be refined, or empty.
        flagged: Fields that critiques in force call wrong.
        corrections: Right values that the newest critique gives.
        pending: Whether a revision is on its way.
        annotator: Whose work is looked at by a reviewer; empty for an annotator's own view.
        reviewing: Whether Enter and X judge the annotator's work and not the caption.
        review: What a reviewer said, for people; empty if none did.
        verbs: Proposals for verbs.
        relations: Proposals for relations.
        names: Proposals for things: candidates and names of the subtask.
    """

    episode: int = -1
    before: str = ""
    critique: str = ""
    critic: str = ""
    refines: str = ""
    flagged: tuple[CaptionField, ...] = ()
    corrections: tuple[tuple[CaptionField, str], ...] = ()
    pending: bool = False
    annotator: str = ""
    reviewing: bool = False
    review: str = ""
    verbs: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
