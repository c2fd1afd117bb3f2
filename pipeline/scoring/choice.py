"""Who wins a scored clip: the best R, or whom a person chose."""

from __future__ import annotations

from pipeline.model.edits import ChooseCandidate, Edit
from pipeline.model.problem import Problem
from pipeline.model.score import ScoresResult, box_iou
from pipeline.scoring.doubts import doubts, doubts_about_winner
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip

_CHOSEN_IOU = 0.5


def choose(
    measured: ScoresResult, clip: Clip, options: ScoresOptions, edits: tuple[Edit, ...]
) -> ScoresResult:
    """Name the winner (best R, or whom a person chose) and what is doubtful about it."""
    problems = doubts(measured, options)
    winner = measured.ranking[0] if measured.terms else -1
    chosen_by = "score"
    for edit in edits:
        if not isinstance(edit, ChooseCandidate):
            continue
        best = max(clip.proposals.candidates, key=lambda p: box_iou(p.box, edit.box), default=None)
        if best is None or box_iou(best.box, edit.box) < _CHOSEN_IOU:
            problems.append(
                Problem(
                    "edit_not_applicable",
                    "A person chose a candidate that is not among the proposals any more; the "
                    "best score counts. Choose again or draw the box.",
                )
            )
            continue
        winner, chosen_by = best.id, "person"
    if chosen_by == "score" and measured.terms:
        problems += doubts_about_winner(measured, options)
    return ScoresResult(
        terms=measured.terms,
        winner=winner,
        chosen_by=chosen_by,
        frames=measured.frames,
        motion=measured.motion,
        proximity=measured.proximity,
        overlap=measured.overlap,
        interaction=measured.interaction,
        radius=measured.radius,
        form=measured.form,
        problems=tuple(problems),
    )
