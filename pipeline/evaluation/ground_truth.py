"""Ground truth beside a dataset: `ground_truth/annotations.jsonl`, a line per subtask."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.model.candidate import Box

log = logging.getLogger(__name__)


class TrueSubtask(BaseModel):
    """What really happened in one subtask; unknown keys are ignored.

    Attributes:
        episode_index: Episode.
        subtask_index: Subtask, 0 if the line does not say.
        arm: `left`, `right` or another word where there is one arm.
        camera: Camera key of the boxes, empty if unknown.
        object_name: With its colour.
        keyframe: Frame of `start_box`, -1 if unknown.
        start_box: The object before contact, pixels.
        target_box: The destination at the end, pixels.
        last_frame: Frame of `target_box`, -1 if unknown.
        contact: Spans [first, last) in which the fingers hold the object.
        mid_hold_frame: Frame of `hold_box`, -1 if unknown.
        hold_box: The object in the hand, pixels.
        object_end_box: The object at `last_frame`, pixels.
        dataset: Name of the dataset's folder, empty where there is only one.
        task: Kind of action (`ActionType`), empty if unknown.
    """

    # Validators are made on first use, not while the window starts.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)
    episode_index: int
    subtask_index: int = 0
    arm: str = ""
    camera: str = ""
    object_name: str = ""
    keyframe: int = -1
    start_box: Box | None = None
    target_box: Box | None = None
    last_frame: int = -1
    contact: tuple[tuple[int, int], ...] = ()
    mid_hold_frame: int = -1
    hold_box: Box | None = None
    object_end_box: Box | None = None
    dataset: str = ""
    task: str = ""


def read_lines(path: Path) -> tuple[TrueSubtask, ...]:
    """Read a ground-truth file; lines that do not fit are skipped with a log entry."""
    found = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                found.append(TrueSubtask.model_validate_json(line))
            except ValidationError as error:
                log.warning("%s line %d is no ground truth: %s", path, number, error)
    return tuple(found)


def read_ground_truth(dataset: str | Path) -> tuple[TrueSubtask, ...]:
    """Ground truth that lies beside a dataset; empty if there is none."""
    path = Path(dataset) / "ground_truth" / "annotations.jsonl"
    return read_lines(path) if path.is_file() else ()


def matching_truth(
    truth: tuple[TrueSubtask, ...], episode: int, arm: str, start: int, end: int
) -> TrueSubtask | None:
    """The true subtask that a found one [start, end) means: same arm first, then most overlap.

    Subtask numbers are not compared: a missed or split grasp shifts them.
    """
    best, most = None, 0.0
    for entry in truth:
        if entry.episode_index != episode:
            continue
        both_known = entry.arm in ("left", "right") and arm in ("left", "right")
        if both_known and entry.arm != arm:
            continue
        spans = entry.contact or ((entry.keyframe, entry.keyframe + 1),)
        overlap = sum(max(0, min(end, b) - max(start, a)) for a, b in spans) + 1e-6
        if overlap > most:
            best, most = entry, overlap
    return best
