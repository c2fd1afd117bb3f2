"""Random annotation tables with ground truth, as the curation window gets them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import MEASURED, AnnotationTable, CandidateColumns, TextLists, Texts
from pipeline.curation.data import CurationData
from pipeline.evaluation.rescoring import Features, Rescorer, ScoreWeights
from pipeline.scoring.formula import ScoresOptions

TASKS, ARMS = ("pick_and_place", "push", "open"), ("left", "right")
OBJECTS = ("red cube", "blue cup", "bottle with a long name", "drawer")
CODES = ("near_tie", "flat_gripper")


def random_table(
    count: int, rng: np.random.Generator, fewest: int = 2, most: int = 6
) -> AnnotationTable:
    """Annotations with random terms; each has at least `fewest` candidates."""
    sizes = rng.integers(fewest, most + 1, count)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    total = int(offsets[-1])
    columns = {name: rng.random(total).astype(np.float32) for name in MEASURED}
    columns["motion_in"] *= 200
    columns["overlap"] **= 6
    ids = np.arange(total, dtype=np.int32) - np.repeat(offsets[:-1], sizes).astype(np.int32)
    corner = rng.uniform(0, 300, (total, 2))
    boxes = np.hstack([corner, corner + rng.uniform(20, 120, (total, 2))]).astype(np.float32)
    flags = rng.random((count, len(CODES))) < 0.2

    def texts(values: tuple[str, ...]) -> Texts:
        return Texts(rng.integers(0, len(values), count).astype(np.int32), values)

    def same(value: str) -> Texts:
        return Texts(np.zeros(count, np.int32), (value,))

    code_offsets = np.zeros(count + 1, np.int64)
    np.cumsum(flags.sum(axis=1), out=code_offsets[1:])
    nothing = np.full(count, np.nan)
    table = AnnotationTable(
        dataset=same("toy"),
        episode=np.arange(count, dtype=np.int32) // 2,
        subtask=np.arange(count, dtype=np.int32) % 2,
        arm=texts(ARMS),
        camera=same("front"),
        task=texts(TASKS),
        instruction=same(""),
        object=texts(OBJECTS),
        caption=same(""),
        warnings=TextLists(code_offsets, np.nonzero(flags)[1].astype(np.int32), CODES),
        score=nothing,
        runner_up=nothing,
        keyframe=np.full(count, 5, np.int32),
        start_box=np.zeros((count, 4), np.float32),
        target_box=np.full((count, 4), np.nan, np.float32),
        winner=np.zeros(count, np.int32),
        by_person=np.zeros(count, np.bool_),
        candidates=CandidateColumns(
            offsets=offsets,
            id=ids,
            box=boxes,
            points=np.full(total, 5, np.int32),
            label=Texts(np.zeros(total, np.int32), ("",)),
            **columns,
        ),
    )
    found = Rescorer(Features.of(table, ScoresOptions())).run(ScoreWeights.of(ScoresOptions()))
    best = offsets[:-1] + found.winner
    return replace(
        table,
        winner=found.winner.astype(np.int32),
        score=found.score.astype(np.float64),
        start_box=boxes[best],
    )


def random_data(count: int, folder: Path, seed: int = 3, judged: float = 0.7) -> CurationData:
    """A table with ground truth about some rows: good scores are mostly right.

    Args:
        count: Annotations.
        folder: Where operating points go; the file of the annotations would lie in it.
        seed: Of the random numbers.
        judged: Share of the rows that ground truth knows.
    """
    rng = np.random.default_rng(seed)
    table = random_table(count, rng)
    sizes = table.candidates.counts
    rank = np.argsort(np.argsort(table.score)) / max(count, 1)
    right = rng.random(count) < 0.6 + 0.4 * rank
    other = (table.winner + 1) % sizes
    true = np.where(right, table.winner, other).astype(np.uint32)
    there = rng.random(count) < judged
    known = np.where(there, (1 << sizes) - 1, 0).astype(np.uint32)
    truth = Judgements((np.uint32(1) << true) & known, known)
    return CurationData(
        table=table,
        path=folder / "annotations.jsonl",
        dataset=None,
        folder=folder,
        truth=truth,
        people=Judgements.nothing(count),
        options=ScoresOptions(),
    )
