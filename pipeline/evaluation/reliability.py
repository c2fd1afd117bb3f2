"""What R says about being right: reliability diagram and calibration.

R is no probability: it ranks. Binning it shows how often items of about the same R are right, and
isotonic regression turns R into a probability that only assumes that more R is never worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.intervals_of_curves import wilson
from pipeline.evaluation.selective import as_scores
from pipeline.model.arrays import F64, I64, Array, Bool

BINS = 10
"""Bins of a reliability diagram (our choice)."""
FOLDS = 5
"""Parts of cross-validation (our choice)."""


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """A reliability diagram: B bins by growing score, as equal in number as ties allow.

    Attributes:
        low: (B,) float64, smallest score in the bin.
        high: (B,) float64, largest score in the bin.
        mean: (B,) float64, mean score.
        count: (B,) int64, items.
        right: (B,) int64, correct ones.
        accuracy: (B,) float64, right / count.
        lower: (B,) float64, lower end of Wilson's 95 % interval of the accuracy.
        upper: (B,) float64, upper end.
        unscored: Items without a score, which are in no bin.
    """

    low: F64
    high: F64
    mean: F64
    count: I64
    right: I64
    accuracy: F64
    lower: F64
    upper: F64
    unscored: int

    def __len__(self) -> int:
        return len(self.count)


def equal_count_bins(values: F64, bins: int = BINS) -> I64:
    """Bin of each value; equal values share one, so there may be fewer bins than wanted.

    Args:
        values: (N,) float64 without NaN.
        bins: Number of bins.

    Returns:
        (N,) int64: floor(bins * smaller ones / N), renumbered without gaps from 0.
    """
    if bins < 1:
        raise ValueError(f"bins: expected at least 1, got {bins}")
    if not len(values):
        return np.zeros(0, np.int64)
    smaller = np.searchsorted(np.sort(values), values, side="left")
    return np.unique(bins * smaller // len(values), return_inverse=True)[1].astype(np.int64)


def reliability_bins(
    scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool, bins: int = BINS
) -> ReliabilityBins:
    """Accuracy by score.

    Args:
        scores: N scores, None or NaN where there is none (left out and counted).
        correct: N flags.
        bins: Number of bins, at most as many as there are different scores.
    """
    values, right = _scored(scores, correct)
    number = equal_count_bins(values, bins)
    total = int(number.max(initial=-1)) + 1
    count = np.bincount(number, minlength=total)
    hits = np.bincount(number, right, minlength=total).astype(np.int64)
    low, high = np.full(total, np.inf), np.full(total, -np.inf)
    np.minimum.at(low, number, values)
    np.maximum.at(high, number, values)
    intervals = [wilson(int(k), int(n)) for k, n in zip(hits, count, strict=True)]
    return ReliabilityBins(
        low=low,
        high=high,
        mean=np.bincount(number, values, minlength=total) / np.maximum(count, 1),
        count=count,
        right=hits,
        accuracy=hits / np.maximum(count, 1),
        lower=np.array([i.low for i in intervals], np.float64),
        upper=np.array([i.high for i in intervals], np.float64),
        unscored=len(correct) - len(values),
    )


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising curve from scores to probabilities of being right.

    Attributes:
        scores: (D,) float64, different scores, rising.
        probabilities: (D,) float64, never falling.
    """

    scores: F64
    probabilities: F64

    @classmethod
    def fit(
        cls, scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool
    ) -> Calibration:
        """Isotonic regression; items with equal scores are one point with their weight.

        Args:
            scores: N scores, None or NaN where there is none (left out).
            correct: N flags.

        Returns:
            A curve; empty without a scored item.
        """
        values, right = _scored(scores, correct)
        if not len(values):
            return cls(np.zeros(0), np.zeros(0))
        # lazy: scipy
        from scipy.optimize import isotonic_regression

        points, number = np.unique(values, return_inverse=True)
        weights = np.bincount(number).astype(np.float64)
        shares = np.bincount(number, right) / weights
        fitted = isotonic_regression(shares, weights=weights).x
        return cls(points, np.clip(np.asarray(fitted, np.float64), 0.0, 1.0))

    def probability(self, scores: Sequence[float | None] | F64) -> F64:
        """(N,) float64: on the curve, straight between its points, level beyond its ends.

        NaN where there is no score, or where the curve is empty.
        """
        values = as_scores(scores)
        if not len(self.scores):
            return np.full(len(values), np.nan)
        found: F64 = np.interp(values, self.scores, self.probabilities)
        return found


def calibration_error(
    probabilities: F64, correct: Sequence[bool] | Bool, bins: int = BINS
) -> float:
    """ECE: mean over items of |accuracy - mean probability| of their bin of equal count.

    It is never negative and grows with few items per bin even for a perfect calibration.

    Args:
        probabilities: (N,) float64, NaN where unknown (left out).
        correct: N flags.
        bins: Number of bins.

    Returns:
        NaN if no probability is known.
    """
    values, right = _scored(probabilities, correct)
    if not len(values):
        return float("nan")
    number = equal_count_bins(values, bins)
    gaps = np.bincount(number, right) - np.bincount(number, values)
    return float(np.abs(gaps).sum() / len(values))


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """How well isotonic calibration does on items that it was not fitted to.

    Attributes:
        probability: (N,) float64, from a curve fitted without the item's part; NaN without a score.
        ece: Expected calibration error of these.
        brier: Mean squared difference between probability and being right.
        folds: Number of parts; 0 if there are too few items.
    """

    probability: F64
    ece: float
    brier: float
    folds: int


def cross_validated(
    scores: Sequence[float | None] | F64,
    correct: Sequence[bool] | Bool,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    clusters: Array | None = None,
    bins: int = BINS,
) -> CrossValidated:
    """Calibrate each part of the items with a curve that was fitted to the others.

    Args:
        scores: N scores, None or NaN where there is none.
        correct: N flags.
        folds: Number of parts, at most as many as there are clusters.
        seed: Of the random split.
        clusters: (N,) int, items with equal numbers stay together (episodes); None if independent.
        bins: Bins of the calibration error.
    """
    values, right = as_scores(scores), np.asarray(correct, np.bool_)
    known = np.flatnonzero(~np.isnan(values))
    found = np.full(len(values), np.nan)
    own = known if clusters is None else np.asarray(clusters)[known]
    _, number = np.unique(own, return_inverse=True)
    units = int(number.max(initial=-1)) + 1
    parts = min(folds, units)
    if parts < 2:
        return CrossValidated(found, float("nan"), float("nan"), 0)
    part = (np.random.default_rng(seed).permutation(units) % parts)[number]
    for k in range(parts):
        inside, outside = known[part == k], known[part != k]
        found[inside] = Calibration.fit(values[outside], right[outside]).probability(values[inside])
    brier = float(np.mean((found[known] - right[known]) ** 2))
    return CrossValidated(found, calibration_error(found, right, bins), brier, parts)


def _scored(
    scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool
) -> tuple[F64, Bool]:
    values, right = as_scores(scores), np.asarray(correct, np.bool_)
    if len(values) != len(right):
        raise ValueError(f"correct: expected {len(values)} flags, got {len(right)}")
    known = ~np.isnan(values)
    return values[known], right[known]
