"""What the score of a dataset needs beside the weights: made once, read at every slider tick."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations.table import AnnotationTable
from pipeline.model.arrays import F32, I64, U8, Bool
from pipeline.scoring.formula import ScoresOptions

I16 = NDArray[np.int16]
MOST = 256
"""Candidates of an annotation."""


@dataclass(frozen=True, slots=True)
class ScoreWeights:
    """Options of the score that act on A~, D, P~ and o as they are: the sliders.

    Attributes:
        motion: Weight of A~ (`motion_weight`).
        detector: Weight of D where proximity is 0 (`detector_base_weight`).
        slope: Weight that D loses as P~ goes to 1 (`adaptive_slope`).
        proximity: Weight of P~ (`proximity_weight`).
        penalty: Penalty of full overlap without relief (`penalty_scale`).
        spike: Extra penalty of (nearly) full overlap (`full_overlap_spike`).
    """

    motion: float
    detector: float
    slope: float
    proximity: float
    penalty: float
    spike: float

    @classmethod
    def of(cls, options: ScoresOptions) -> ScoreWeights:
        """Take them from the options of the scores stage."""
        return cls(*(getattr(options, name) for name in WEIGHT_OPTIONS))

    def applied_to(self, options: ScoresOptions) -> ScoresOptions:
        """The same options with these weights."""
        values = (getattr(self, item.name) for item in fields(self))
        return replace(options, **dict(zip(WEIGHT_OPTIONS, values, strict=True)))

    def as_array(self) -> F32:
        """(6,) float32, in the order of the attributes."""
        return np.array([getattr(self, item.name) for item in fields(self)], np.float32)


WEIGHT_OPTIONS = (
    "motion_weight",
    "detector_base_weight",
    "adaptive_slope",
    "proximity_weight",
    "penalty_scale",
    "full_overlap_spike",
)
"""Options behind `ScoreWeights`, in its order: changing one costs one pass over the features."""
FEATURE_OPTIONS = (
    "interact_exponent",
    "non_interact_exponent",
    "noise_floor",
    "neutral_motion",
    "overlap_onset",
    "depth_attenuation",
    "full_overlap_threshold",
)
"""Options that shape the features: changing one makes them again from the measured terms."""


@cache
def kernels() -> ModuleType:
    """The compiled loops; the first call takes seconds, or a second where they were kept."""
    from pipeline.evaluation import rescoring_kernels

    return rescoring_kernels


@dataclass(frozen=True, slots=True)
class Features:
    """What the score needs of N annotations beside the weights; see `rescoring_kernels`.

    Attributes:
        count: N.
        starts: (B + 1,) int64, first row of each block of annotations.
        values: (rows, 4, 1024) float32: A~, D, P~ and the penalty without its scale.
        order: (rows, 1024) uint8, number of the candidate within its annotation.
        chosen: (C,) int64, annotations whose winner a person chose.
        chosen_rows: (C,) int64, their rows in `values`.
        stored: (S,) int64, annotations that cannot be scored again: rows without candidates (old
            files), or whose chosen winner is not among them. They keep winner and score.
        stored_winner: (S,) int16: 0 where a row without candidates has a box (the place of its
            winner in `Judgements`), else -1.
        stored_score: (S,) float32, NaN if there is none.
    """

    count: int
    starts: I64
    values: F32
    order: U8
    chosen: I64
    chosen_rows: I64
    stored: I64
    stored_winner: I16
    stored_score: F32

    @classmethod
    def of(cls, table: AnnotationTable, options: ScoresOptions) -> Features:
        """Normalise A and P within each annotation and order its candidates; see `compute`.

        Args:
            table: Annotations. Measured terms must be finite, overlap and relief within 0..1.
            options: Exponents, noise floor, onset, ...; the weights have no effect.

        Raises:
            ValueError: An annotation has more than 256 candidates (readers leave such out).
        """
        compiled = kernels()
        block = compiled.BLOCK
        columns = table.candidates
        offsets = np.ascontiguousarray(columns.offsets, np.int64)
        count = len(table)
        blocks = -(-count // block)
        sizes = np.zeros(blocks * block, np.int64)
        sizes[:count] = np.diff(offsets)
        if sizes.max(initial=0) > MOST:
            raise ValueError(f"candidates: expected at most {MOST}, got {sizes.max()}")
        starts = np.zeros(blocks + 1, np.int64)
        np.cumsum(sizes.reshape(blocks, block).max(axis=1, initial=0), out=starts[1:])
        rows = int(starts[-1])
        values = np.empty((rows, 4, block), np.float32)
        order = np.empty((rows, block), np.uint8)
        names = ("detector", "motion_in", "motion_out", "proximity", "overlap", "relief")
        compiled.fill_features(
            offsets,
            *(np.ascontiguousarray(getattr(columns, name), np.float32) for name in names),
            np.ascontiguousarray(columns.points, np.int32),
            np.array([getattr(options, name) for name in FEATURE_OPTIONS], np.float64),
            starts,
            values,
            order,
        )
        chosen, chosen_rows, lost = _chosen(table, starts, order)
        stored = np.flatnonzero((sizes[:count] == 0) | lost)
        has_box = np.isfinite(table.start_box[stored]).all(axis=1) & (sizes[stored] == 0)
        return cls(
            count=count,
            starts=starts,
            values=values,
            order=order,
            chosen=chosen,
            chosen_rows=chosen_rows,
            stored=stored,
            stored_winner=np.where(has_box, 0, -1).astype(np.int16),
            stored_score=table.score[stored].astype(np.float32),
        )

    @property
    def bytes(self) -> int:
        """Bytes that one pass reads."""
        return self.values.nbytes


def _chosen(table: AnnotationTable, starts: I64, order: U8) -> tuple[I64, I64, Bool]:
    """Annotations with a person's choice, the rows of their winners, and (N,) bool without one."""
    columns, block = table.candidates, order.shape[1]
    lost = np.zeros(len(table), np.bool_)
    chosen, rows = [], []
    for n in np.flatnonzero(table.by_person):
        own = columns.rows_of(int(n))
        place = np.flatnonzero(columns.id[own] == table.winner[n])
        if not len(place):
            lost[n] = True
            continue
        first, i = int(starts[n // block]), int(n % block)
        ranks = order[first : first + own.stop - own.start, i]
        chosen.append(int(n))
        rows.append(first + int(np.flatnonzero(ranks == place[0])[0]))
    return np.array(chosen, np.int64), np.array(rows, np.int64), lost
