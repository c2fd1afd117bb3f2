"""The record that leaves the tool: one line per subtask."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pipeline.model.candidate import Box


class PhaseRecord(BaseModel):
    """One phase, frames of the original video, end exclusive."""

    model_config = ConfigDict(frozen=True)
    name: str
    arm: str
    start: int
    end: int


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
    """

    model_config = ConfigDict(frozen=True)
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
