"""What the journal of a spot check holds: the sample as it was drawn, answers, corrections."""

from __future__ import annotations

import hashlib
import logging
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.annotations.table import AnnotationTable
from pipeline.model.arrays import I32, Bool
from pipeline.model.candidate import Box
from pipeline.review.spot_plan import SpotPlan
from pipeline.review.spot_sampling import Sample, Stratum

log = logging.getLogger(__name__)

VERSION = 1


class Verdict(StrEnum):
    """What a person says: is the box around the object that is handled?"""

    RIGHT = "right"
    WRONG = "wrong"
    UNSURE = "unsure"


class SpotItem(BaseModel):
    """An annotation as it was when the sample was drawn.

    Attributes:
        number: Place in the order of review, from 0.
        stratum: Number of its stratum.
        dataset: Name of the dataset's folder.
        episode: Episode index.
        subtask: Subtask index.
        arm: Arm.
        camera: Camera key of the box.
        frame: Keyframe, -1 if unknown.
        box: The box to judge, pixels.
        object: Object name, may be empty.
        instruction: The subtask's instruction.
        task: Kind of action.
        score: R; None if there is none.
        rank: Place by R among all annotations of the file, 1 is the most reliable; 0 without R.
        of: Annotations of the file that have R.
        warnings: Codes.
        since: Keyframe of the subtask before it in the episode, 0 if it is the first.
        until: Keyframe of the subtask after it, -1 if it is the last.
    """

    model_config = ConfigDict(frozen=True)
    number: int
    stratum: int
    dataset: str
    episode: int
    subtask: int
    arm: str
    camera: str
    frame: int
    box: Box
    object: str
    instruction: str
    task: str
    score: float | None
    rank: int
    of: int
    warnings: tuple[str, ...]
    since: int = 0
    until: int = -1

    @property
    def key(self) -> tuple[str, int, int]:
        """What it is, apart from any file: dataset, episode, subtask."""
        return self.dataset, self.episode, self.subtask

    def kept(self, threshold: float | None) -> bool | None:
        """Whether R reaches a threshold; None without one."""
        return None if threshold is None else self.score is not None and self.score >= threshold


class AnnotationFile(BaseModel):
    """The file that was sampled.

    Attributes:
        name: File name.
        sha256: Of the SHA-256 of its content (of all its files by name for a folder).
        annotations: Number of annotations.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    sha256: str
    annotations: int


class Header(BaseModel):
    """First line of a journal.

    Attributes:
        version: Of the journal's layout.
        id: Name of the journal without its ending.
        who: Who drew the sample.
        at: When, UTC, ISO 8601.
        dataset: Names of the datasets.
        file: The annotations.
        plan: What was to be drawn.
        strata: Strata of the population.
        half_width: Expected half-width when all are judged.
        items: The sample, in the order of review.
    """

    model_config = ConfigDict(frozen=True)
    kind: Literal["spot_check"] = "spot_check"
    version: int = VERSION
    id: str
    who: str
    at: str
    dataset: str
    file: AnnotationFile
    plan: SpotPlan
    strata: tuple[Stratum, ...]
    half_width: float
    items: tuple[SpotItem, ...]


class Answer(BaseModel):
    """What one person said about one item.

    Attributes:
        number: Item.
        verdict: What they said.
        who: Name.
        at: UTC, ISO 8601.
        seconds: How long they looked.
        true_box: The right box, if they drew one, pixels.
        reason: In their words.
    """

    model_config = ConfigDict(frozen=True)
    kind: Literal["answer"] = "answer"
    number: int = Field(ge=0)
    verdict: Verdict
    who: str
    at: str
    seconds: float = 0.0
    true_box: Box | None = None
    reason: str = ""


class Undo(BaseModel):
    """The person took their answer to an item back."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["undo"] = "undo"
    number: int
    who: str
    at: str


class Extension(BaseModel):
    """More items were drawn from the same population."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["extension"] = "extension"
    who: str
    at: str
    strata: tuple[Stratum, ...]
    items: tuple[SpotItem, ...]


def identify(annotations: Path, count: int) -> AnnotationFile:
    """What the annotations are, by content.

    Args:
        annotations: A file, or a folder of Parquet files.
        count: Number of annotations.
    """
    digest = hashlib.sha256()
    try:
        files = sorted(annotations.glob("*.parquet")) if annotations.is_dir() else [annotations]
        for path in files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        log.warning("%s: %s", annotations, error)
    return AnnotationFile(name=annotations.name, sha256=digest.hexdigest(), annotations=count)


def items_of(table: AnnotationTable, sample: Sample, first: int) -> tuple[SpotItem, ...]:
    """What is kept of each sampled annotation.

    Args:
        table: Annotations.
        sample: Rows in the order of review.
        first: Number of the first item.
    """
    known = np.sort(table.score[np.isfinite(table.score)])
    found = []
    for i, (row, stratum) in enumerate(zip(sample.rows, sample.stratum, strict=True)):
        row = int(row)
        beside = table.keyframe[_same_episode(table, row)]
        frame = int(table.keyframe[row])
        score = float(table.score[row])
        has_score = bool(np.isfinite(score))
        better = len(known) - int(np.searchsorted(known, score, side="right"))
        box = table.box(row)
        if box is None:
            raise ValueError("an annotation without a box was drawn")
        found.append(
            SpotItem(
                number=first + i,
                stratum=int(stratum),
                dataset=table.dataset[row],
                episode=int(table.episode[row]),
                subtask=int(table.subtask[row]),
                arm=table.arm[row],
                camera=table.camera[row],
                frame=frame,
                since=int(beside[beside < frame].max(initial=0)),
                until=_first_after(beside, frame),
                box=box,
                object=table.object[row],
                instruction=table.instruction[row],
                task=table.task[row],
                score=score if has_score else None,
                rank=better + 1 if has_score else 0,
                of=len(known),
                warnings=table.warnings[row],
            )
        )
    return tuple(found)


def _same_episode(table: AnnotationTable, row: int) -> Bool:
    same: Bool = (table.episode == table.episode[row]) & (
        table.dataset.codes == table.dataset.codes[row]
    )
    return same


def _first_after(frames: I32, frame: int) -> int:
    later = frames[frames > frame]
    return int(later.min()) if len(later) else -1
