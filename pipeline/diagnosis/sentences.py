"""What a diagnosis says to people."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.model.candidate import Box, ProposalsResult
from pipeline.model.score import box_iou

STAGE_TITLES = {
    "data": "Recording",
    "phases": "Phases",
    "subtasks": "Subtasks",
    "proposals": "Proposals",
    "masks": "Masks",
    "tracks": "Tracks",
    "lifting": "Lifting",
    "robot": "Robot",
    "scores": "Scores",
    "target": "Target",
    "captions": "Captions",
    "checks": "Caption checks",
    "run": "Run",
}
"""Names of what may be at fault, for people."""


def title_of(stage: str) -> str:
    """Name of a stage for people; its own name if it is a plug-in's."""
    return STAGE_TITLES.get(stage, stage)


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = parts or [""]
    return f"{', '.join(first)} and {last}" if first else last


def best_candidate(proposals: ProposalsResult, box: Box) -> str:
    """How near the candidates come to a box."""
    count = len(proposals.candidates)
    if not count:
        return "there is none at all"
    best = max(box_iou(p.box, box) for p in proposals.candidates)
    return f"best IoU {best:.2f} of {count}"


def still_wrong(put_in: Sequence[str], better: Sequence[str], *, alone: bool) -> str:
    """Why only the scores are left.

    Args:
        put_in: Stages whose truth was tried.
        better: Cues without which the choice would be right.
        alone: Whether the detector's own choice is right.
    """
    names = listed([title_of(s).lower() for s in put_in])
    first = (
        f"the object is among the candidates and loses, also with the truth put in for {names}"
        if put_in
        else "the object is among the candidates and loses, and nothing before could be put right"
    )
    hints = []
    if better:
        hints.append(f"without {listed_or(better)} the choice is right")
    if alone:
        hints.append("the detector alone is right")
    return "; ".join([first, *hints])


def listed_or(parts: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *first, last = parts or [""]
    return f"{', '.join(first)} or {last}" if first else last


def of_fault(stage: str, reason: str, together: Sequence[str], *, suspected: bool) -> str:
    """The sentence of a wrong annotation."""
    with_others = (
        f", together with {listed([title_of(s).lower() for s in together])}" if together else ""
    )
    name = title_of(stage) + (" (suspected)" if suspected else "")
    return f"{name}{with_others}: {reason}."
