"""The record that leaves the tool: one line per subtask."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pipeline.model.candidate import Box

_LATE = ConfigDict(frozen=True, defer_build=True)
"""Validators are made on first use, not while the window starts."""


class PhaseRecord(BaseModel):
    """One phase, frames of the original video, end exclusive."""

    model_config = _LATE
    name: str
    arm: str
    start: int
    end: int


class CandidateRecord(BaseModel):
    """One candidate with its measured terms: enough to score it again with other weights.

    What follows from the terms (A, both normalisations, Pi, R) is not kept: `rescore` makes it.

    Attributes:
        id: Candidate id.
        box: At the keyframe, pixels of the original frame.
        label: Phrase it was grounded to.
        detector: D, 0..1.
        motion_in: m_in, px/s.
        motion_out: m_out, px/s.
        mean_motion: Mean displacement over the whole clip, px/s (a baseline's cue).
        path_length: Length of its path as a share of the picture's diagonal (a baseline's cue).
        proximity: P, 0..1.
        overlap: o, 0..1.
        relief: Depth relief, 0..1.
        points: Number of points that were scored.
    """

    model_config = _LATE
    id: int
    box: Box
    label: str = ""
    detector: float
    motion_in: float
    motion_out: float
    mean_motion: float = 0.0
    path_length: float = 0.0
    proximity: float
    overlap: float
    relief: float
    points: int


class Annotation(BaseModel):
    """A prediction line (`demoscope annotate --predictions`).

    Attributes:
        episode_index: Episode.
        subtask_index: Subtask within it.
        arm: Arm that acts.
        camera: Camera key of the boxes.
        instruction: The subtask's instruction.
        object: Object name, may be empty.
        start_box: Winner's box at the keyframe, pixels of the original frame; None if no candidate.
        target_box: Target's box, or None.
        score: R of the winner; None if there is none.
        phases: Phases of the subtask.
        caption: Caption in force.
        warnings: Problem codes of all its stages.
        terms: Terms behind R of the winner.
        keyframe: Frame of `start_box`.
        runner_up: R of the second best, or None.
        dataset: Name of the dataset's folder.
        task: Kind of action (`ActionType`), e.g. `pick_and_place`; empty if unknown.
        winner: Candidate id of the winner, -1 if there is none.
        chosen_by: `score` or `person`.
        candidates: All candidates by id; empty in files of before this field.
        checks_passed: Constraints of the caption that the evidence supports.
        checks_failed: Constraints that it contradicts.
        checks_unknown: Constraints of which nothing can be said; all three are 0 where the caption
            was not checked.
        contradicted: Claims of the caption that failed, e.g. `the object is green`.
    """

    model_config = _LATE
    episode_index: int
    subtask_index: int
    arm: str
    camera: str
    instruction: str
    object: str
    start_box: Box | None
    target_box: Box | None
    score: float | None
    phases: tuple[PhaseRecord, ...]
    caption: str
    warnings: tuple[str, ...]
    terms: dict[str, float]
    keyframe: int
    runner_up: float | None = None
    dataset: str = ""
    task: str = ""
    winner: int = -1
    chosen_by: str = "score"
    candidates: tuple[CandidateRecord, ...] = ()
    checks_passed: int = 0
    checks_failed: int = 0
    checks_unknown: int = 0
    contradicted: tuple[str, ...] = ()
