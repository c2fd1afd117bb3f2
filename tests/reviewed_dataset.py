"""A dataset with what two people said about its captions."""

from __future__ import annotations

from pathlib import Path

from pipeline.model.caption import Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.edits import CritiqueCaption, JudgeCaption, ReviewCaption
from pipeline.review.store import ReviewStore
from tests.datasets import write_v2

BLUE, GREEN = "Put the blue block down.", "Put the green block down."


def write_reviewed(root: Path) -> Path:
    """Two episodes: the first one's caption criticised and accepted, the other's rejected."""
    write_v2(root)
    ann = ReviewStore.open(root, who="ann")
    critique = CritiqueCaption(
        subtask=0,
        uid="c1",
        about=BLUE,
        fields=(CaptionField.OBJECT,),
        text="The block is green, not blue.",
    )
    ann.append(0, critique)
    ann.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=BLUE, text=GREEN))
    ann.append(1, JudgeCaption(subtask=0, verdict=Verdict.REJECTED, draft=BLUE, text=BLUE))
    ann.close()
    eve = ReviewStore.open(root, who="eve")
    eve.append(0, ReviewCaption(subtask=0, of="ann", caption=GREEN, critique="c1", agrees=True))
    eve.close()
    return root
