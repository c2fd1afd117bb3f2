"""Scores a whole dataset again while a slider moves: 100,000 annotations in a few milliseconds.

Gives what `pipeline.scoring.formula.rescore` and the ranking (ties in R by falling D, then by id)
give, in float32: R differs by less than 1e-6 of the largest term (at least 1), and where another
candidate wins than in float64, the two are that close to each other.

A~ and P~ do not depend on the weights and are made once (`Features`). Layout and costs:
`rescoring_kernels`. Numba is only imported when something is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.annotations.judgements import Judgements
from pipeline.evaluation.features import (
    FEATURE_OPTIONS,
    I16,
    WEIGHT_OPTIONS,
    Features,
    ScoreWeights,
    kernels,
)
from pipeline.evaluation.selective import perfect_aurc
from pipeline.evaluation.tie_groups import ROUNDING
from pipeline.model.arrays import F32, F64, I32, I64, Bool

__all__ = [
    "FEATURE_OPTIONS",
    "WEIGHT_OPTIONS",
    "CurveMaker",
    "FastCurve",
    "Features",
    "Rescored",
    "Rescorer",
    "ScoreWeights",
    "fast_curve",
    "warm_up",
]


@dataclass(frozen=True, slots=True)
class Rescored:
    """Who wins with some weights; the arrays belong to the `Rescorer` and are reused.

    Attributes:
        winner: (N,) int16, number of the candidate within its annotation, -1 for none.
        score: (N,) float32, its R, NaN if there is none.
        stored: (S,) int64, annotations that could not be scored again (see `Features`).
    """

    winner: I16
    score: F32
    stored: I64


class Rescorer:
    """Scores the same annotations again and again. Not for several threads at a time."""

    def __init__(self, features: Features) -> None:
        """Begin.

        Args:
            features: Several rescorers may share them.
        """
        self._features = features
        self._winner = np.full(features.count, -1, np.int16)
        self._score = np.full(features.count, np.nan, np.float32)
        self._right = np.zeros(features.count, np.bool_)
        self._known = np.zeros(features.count, np.bool_)
        self._curves = CurveMaker()
        # Memory is touched for the first time now, not at the first tick; the second time reuses
        # what the first gave back.
        for _ in range(2):
            self.run(ScoreWeights(0, 0, 0, 0, 0, 0))
            self.curve(Judgements.nothing(features.count))

    def run(self, weights: ScoreWeights) -> Rescored:
        """Find the winners; copy what you keep beyond the next call."""
        own = self._features
        kernels().rescore_blocks(
            own.values,
            own.order,
            own.starts,
            weights.as_array(),
            own.chosen,
            own.chosen_rows,
            own.stored,
            own.stored_winner,
            own.stored_score,
            self._winner,
            self._score,
        )
        return Rescored(self._winner, self._score, own.stored)

    def judge(self, judgements: Judgements) -> tuple[Bool, Bool]:
        """`judgements.of` the winners of the last run, quicker.

        Returns:
            (N,) bool right, (N,) bool known; reused by the next call.
        """
        kernels().judge_winners(
            self._winner, judgements.right, judgements.known, self._right, self._known
        )
        return self._right, self._known

    def curve(self, judgements: Judgements) -> FastCurve:
        """Risk and coverage of the last run."""
        return self._curves.make(self._score, *self.judge(judgements))


@dataclass(frozen=True, slots=True)
class FastCurve:
    """`selective.RiskCoverage` of the items that are known, one point per distinct score.

    Attributes:
        thresholds: (M,) float32, falling; keep items with score >= threshold.
        kept: (M,) int32, known items kept.
        errors: (M,) int32, wrong ones among them.
        kept_unknown: (M,) int32, items kept of which nobody knows whether they are right.
        known: Number of known items, with or without a score.
        right: Right ones among them.
        unknown: Number of unknown items.
        aurc: AURC of the known items, NaN without any.
    """

    thresholds: F32
    kept: I32
    errors: I32
    kept_unknown: I32
    known: int
    right: int
    unknown: int
    aurc: float

    @property
    def coverage(self) -> F64:
        """(M,) float64, share of all known items kept."""
        return self.kept / max(self.known, 1)

    @property
    def risk(self) -> F64:
        """(M,) float64, share of wrong items among the known ones kept."""
        return self.errors / np.maximum(self.kept, 1)

    @property
    def accuracy(self) -> float:
        """Share of right items among the known ones, NaN without any."""
        return self.right / self.known if self.known else float("nan")

    @property
    def e_aurc(self) -> float:
        """AURC minus that of a perfect ranking with as many errors."""
        return self.aurc - perfect_aurc(self.known, self.known - self.right)

    def coverage_at(self, precision: float) -> float:
        """Cov@p: largest share of the known items kept with at least this precision; 0 if none."""
        point = self.point_at(precision)
        if not self.known:
            return float("nan")
        return 0.0 if point < 0 else int(self.kept[point]) / self.known

    def point_at(self, precision: float) -> int:
        """Number of the point that keeps most with at least this precision, -1 if none does."""
        return int(kernels().last_reaching(self.kept, self.errors, precision - ROUNDING))


class CurveMaker:
    """Makes curves with a buffer that is kept. Not for several threads at a time."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint64)
        self._unscored = np.zeros(3, np.int64)

    def make(self, score: F32, right: Bool, known: Bool) -> FastCurve:
        """Sort and count; see `fast_curve`. The curve's arrays are its own."""
        compiled = kernels()
        if len(self._keys) < len(score):
            self._keys = np.empty(len(score), np.uint64)
        bits = score.view(np.uint32)
        shift = 1 if known.all() else 2
        low, high = _span(score)
        # Half as long keys sort twice as fast; scores of -1.9 to 1.9 fit, if all are known.
        fit = high - low < 1 << (32 - shift)
        keys = self._keys.view(np.uint32) if fit else self._keys
        scored = compiled.pack_scores(bits, score, right, known, low, shift, keys, self._unscored)
        keys = keys[:scored]
        keys.sort()
        thresholds = np.empty(scored + 1, np.uint32)
        kept, errors, kept_unknown = (np.empty(scored + 1, np.int32) for _ in range(3))
        points = compiled.count_curve(keys, low, shift, thresholds, kept, errors, kept_unknown)
        area = compiled.area_of(kept[:points], errors[:points], self._unscored)
        good, bad, _ = self._unscored.tolist()
        all_known, all_wrong = good + bad, bad
        if points:
            all_known, all_wrong = all_known + int(kept[points - 1]), bad + int(errors[points - 1])
        return FastCurve(
            thresholds=thresholds[:points].view(np.float32),
            kept=kept[:points],
            errors=errors[:points],
            kept_unknown=kept_unknown[:points],
            known=all_known,
            right=all_known - all_wrong,
            unknown=len(score) - all_known,
            aurc=area / all_known if all_known else float("nan"),
        )


def _span(score: F32) -> tuple[int, int]:
    """Smallest and largest score as `monotone` integers."""
    # fmin and fmax leave NaN out; without any score the span does not matter.
    ends = np.zeros(2, np.float32)
    if len(score):
        ends[:] = np.fmin.reduce(score), np.fmax.reduce(score)
    ends[np.isnan(ends)] = 0.0
    low, high = (kernels().monotone(b, e) for b, e in zip(ends.view(np.uint32), ends, strict=True))
    return int(low), int(high)


def fast_curve(score: F32, right: Bool, known: Bool) -> FastCurve:
    """Risk and coverage at every threshold, as `selective` has it, of the items that are known.

    Items whose correctness is unknown do not count in coverage, risk and AURC; how many of them a
    threshold keeps is counted apart. Equal scores are kept or dropped together; for AURC each place
    of such a group counts the risk that is expected over all orders; no score comes last.

    Args:
        score: (N,) float32, NaN where there is none.
        right: (N,) bool.
        known: (N,) bool; False: `right` says nothing.
    """
    if not len(score) == len(right) == len(known):
        raise ValueError(f"right: expected {len(score)} flags, got {len(right)} and {len(known)}")
    return CurveMaker().make(
        np.ascontiguousarray(score, np.float32),
        np.ascontiguousarray(right, np.bool_),
        np.ascontiguousarray(known, np.bool_),
    )


def warm_up() -> None:
    """Compile or load everything that a slider needs.

    Takes seconds the first time, less than one later; call it in a thread when a window opens.
    """
    kernels()
