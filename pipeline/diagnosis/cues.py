"""Substitutions that need no new tracks: the cues of a scored clip with one of them put right.

Everything is measured from results that are there already, and scored by the same `rescore` that
the stage uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.diagnosis.known import Place
from pipeline.evaluation.matching import containment
from pipeline.model.arrays import F64
from pipeline.model.candidate import Box
from pipeline.model.phases import Phase, PhaseName
from pipeline.model.score import ScoresResult, ScoreTerms, box_iou
from pipeline.scoring.formula import ScoresOptions, rescore
from pipeline.scoring.measurement import Clip, measure
from pipeline.scoring.signals import interaction_transitions, mean_known, smooth

_ON_ROBOT = 0.3
"""Overlap from which a candidate may be the robot, which moves without being held (the onset of
the published penalty)."""
_PART_OF_OBJECT = 0.1
"""IoU, and share of the smaller box, under which a candidate has nothing of the object in it."""

Change = Callable[[ScoreTerms], ScoreTerms]
"""What becomes of one candidate's measured terms."""


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """A clip with its scores, as the stages left it.

    Attributes:
        clip: What the scores were measured from.
        height: Height of the picture, pixels.
        width: Width of the picture, pixels.
        options: Options of the scores stage.
        scores: The scores.
    """

    clip: Clip
    height: int
    width: int
    options: ScoresOptions
    scores: ScoresResult

    @property
    def winner(self) -> int:
        """Candidate with the best R, -1 if there is none; never a person's choice."""
        return best(self.scores.terms)

    def box(self, candidate: int) -> Box | None:
        """Box of a candidate, None if there is none."""
        for proposal in self.clip.proposals.candidates:
            if proposal.id == candidate:
                return proposal.box
        return None


def best(terms: Sequence[ScoreTerms]) -> int:
    """Candidate with the highest R, ties by D, then by id; -1 without candidates."""
    first = min(terms, key=lambda t: (-t.score, -t.detector, t.candidate), default=None)
    return -1 if first is None else first.candidate


def winner_with_phases(scored: ScoredClip, phases: Sequence[Phase]) -> int:
    """Winner if the interaction were that of other phases; candidates and tracks stay.

    Args:
        scored: The clip.
        phases: Phases of the subtask.
    """
    task = replace(scored.clip.subtask, phases=tuple(phases))
    clip = replace(scored.clip, subtask=task)
    return best(measure(clip, scored.height, scored.width, scored.options).terms)


def phases_between(phases: Sequence[Phase], start: int, end: int) -> tuple[Phase, ...]:
    """Phases that belong to what is held in [start, end): its cycles, with their approach."""
    cycles = {
        p.cycle
        for p in phases
        if p.name is PhaseName.INTERACT and p.measured_start < end and p.measured_end > start
    }
    return tuple(p for p in phases if p.cycle in cycles)


def true_motion(path: Sequence[Place], scored: ScoredClip) -> tuple[float, float]:
    """m_in and m_out of an object that moves along its true path, px/s.

    Between the known places it moves evenly in a straight line: no more than it really moved.

    Args:
        path: Where the object is, by time; before the first and after the last it stands still.
        scored: The clip; its interaction counts as found.
    """
    frames = scored.clip.tracks.frames.astype(np.float64)
    seconds = np.maximum(np.diff(frames) / scored.clip.fps, 1e-9)
    at = [p.frame for p in path]
    x, y = np.interp(frames, at, [p.x for p in path]), np.interp(frames, at, [p.y for p in path])
    speed: F64 = np.hypot(np.diff(x), np.diff(y)) / seconds
    curve = smooth(speed[:, None], scored.options.smoothing_window).T
    inside = interaction_transitions(scored.clip.tracks.frames, scored.clip.subtask.interaction)
    return float(mean_known(curve, inside)[0]), float(mean_known(curve, ~inside)[0])


def moves_along(path: Sequence[Place], scored: ScoredClip, candidate: int) -> Change:
    """The tracks of the true candidate follow its true path.

    Only its motion changes; proximity stays as measured, as its points are not known in 3D.
    """
    motion_in, motion_out = true_motion(path, scored)

    def change(terms: ScoreTerms) -> ScoreTerms:
        if terms.candidate != candidate:
            return terms
        points = max(terms.points, 1)
        return replace(terms, motion_in=motion_in, motion_out=motion_out, points=points)

    return change


def the_rest_rests(scored: ScoredClip, true_box: Box) -> Change:
    """Whatever is neither held nor on the robot stands still, as it must have.

    Args:
        scored: The clip.
        true_box: The object; candidates that have a part of it in them keep their motion.
    """

    def change(terms: ScoreTerms) -> ScoreTerms:
        if terms.overlap >= _ON_ROBOT or not is_apart(scored.box(terms.candidate), true_box):
            return terms
        return replace(terms, motion_in=0.0, motion_out=0.0)

    return change


def the_robot_is_robot(scored: ScoredClip, true_box: Box) -> Change:
    """Whatever is not held and lies on the robot in part is the robot, wholly.

    What moves is the object, or the robot: a candidate that has nothing of the object in it and is
    seen on the robot in part can only be the robot, whose mask has a hole there.

    Args:
        scored: The clip.
        true_box: The object.
    """

    def change(terms: ScoreTerms) -> ScoreTerms:
        if terms.overlap < _ON_ROBOT or not is_apart(scored.box(terms.candidate), true_box):
            return terms
        return replace(terms, overlap=1.0, relief=0.0)

    return change


def is_apart(box: Box | None, true_box: Box) -> bool:
    """Whether a candidate has nothing of the object in it."""
    return box is not None and (
        max(box_iou(box, true_box), containment(box, true_box)) < _PART_OF_OBJECT
    )


def off_robot(candidate: int) -> Change:
    """Nothing of the true candidate is taken for the robot: it is not the robot."""

    def change(terms: ScoreTerms) -> ScoreTerms:
        return replace(terms, overlap=0.0) if terms.candidate == candidate else terms

    return change


def winner_after(
    scored: ScoredClip, changes: Sequence[Change] = (), options: ScoresOptions | None = None
) -> int:
    """Winner with changed terms or other options.

    Args:
        scored: The clip.
        changes: Applied to each candidate's terms, in this order.
        options: Instead of those of the clip.
    """
    terms: Sequence[ScoreTerms] = scored.scores.terms
    for change in changes:
        terms = [change(t) for t in terms]
    return best(rescore(terms, options or scored.options))


def left_out(scored: ScoredClip) -> dict[str, int]:
    """Winner with one cue left out, by name of the cue: hints at what misled the score.

    That is no substitution: a cue that is left out is not a cue that is right.
    """
    options, clip = scored.options, scored.clip
    winners = {
        "motion": winner_after(scored, (), replace(options, motion_weight=0.0)),
        "proximity": winner_after(
            scored, (), replace(options, proximity_weight=0.0, adaptive_slope=0.0)
        ),
        "the robot penalty": winner_after(
            scored, (), replace(options, penalty_scale=0.0, full_overlap_spike=0.0)
        ),
        "the detector": winner_after(
            scored, (), replace(options, detector_base_weight=0.0, adaptive_slope=0.0)
        ),
    }
    if clip.has_geometry:
        flat = replace(clip, lifting=replace(clip.lifting, available=False))
        terms = measure(flat, scored.height, scored.width, options).terms
        winners["3D"] = best(terms)
    return winners


def detector_alone(scored: ScoredClip) -> int:
    """Candidate with the highest D, -1 without candidates."""
    first = max(scored.clip.proposals.candidates, key=lambda p: (p.score, -p.id), default=None)
    return -1 if first is None else first.id
