"""Selective prediction: what a reliability score is worth for filtering (SPARC section 4).

Items are sorted by falling score. Everywhere: equal scores are kept or dropped together; items
without a score (None or NaN) are never kept, but they count in the number of all items, and for
AURC they come last. Without any item every metric is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F64, Array, Bool

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The risk-coverage curve, one point per distinct score, by growing coverage.

    Attributes:
        threshold: (M,) float64, keep items with score >= threshold.
        kept: (M,) int64, number of items kept.
        coverage: (M,) float64, share of all items kept.
        risk: (M,) float64, share of wrong items among those kept.
    """

    threshold: F64
    kept: Array
    coverage: F64
    risk: F64


@dataclass(frozen=True, slots=True)
class SelectiveSummary:
    """All metrics of one scoring rule; NaN without items.

    Attributes:
        count: Number of items N.
        scored: Items that have a score.
        accuracy: Share of correct items among all.
        cov_90: Cov@90.
        cov_95: Cov@95.
        aurc: Area under the risk-coverage curve, lower is better.
        e_aurc: AURC minus that of a perfect ranking with as many errors.
    """

    count: int
    scored: int
    accuracy: float
    cov_90: float
    cov_95: float
    aurc: float
    e_aurc: float


def as_scores(scores: Sequence[float | None] | F64) -> F64:
    """Scores as (N,) float64 with NaN where there is none; infinities stay."""
    return np.array([np.nan if s is None else float(s) for s in scores], np.float64)


def risk_coverage_curve(
    scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool
) -> RiskCoverage:
    """Risk and coverage at every threshold.

    Args:
        scores: N scores, None or NaN where there is none.
        correct: N flags.
    """
    values, right = _checked(scores, correct)
    has_score = ~np.isnan(values)
    order = np.argsort(-values[has_score], kind="stable")
    ordered, wrong = values[has_score][order], ~right[has_score][order]
    # The last item of each group of equal scores.
    ends = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    last = np.flatnonzero(ends)
    kept = last + 1
    return RiskCoverage(
        threshold=ordered[last],
        kept=kept,
        coverage=kept / max(len(values), 1),
        risk=np.cumsum(wrong)[last] / np.maximum(kept, 1),
    )


def coverage_at(
    scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool, accuracy: float
) -> float:
    """Cov@p: largest share of all items kept by `R >= t` with at least this accuracy; 0 if none.

    Args:
        scores: N scores, None or NaN where there is none.
        correct: N flags.
        accuracy: p, 0..1.
    """
    curve = risk_coverage_curve(scores, correct)
    if not len(correct):
        return float("nan")
    # 1 - 0.9 is a little less than 0.1 in floating point.
    good = 1.0 - curve.risk >= accuracy - _ROUNDING
    return float(curve.coverage[good].max()) if good.any() else 0.0


def aurc(scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool) -> float:
    """AURC: mean risk over coverages 1/N .. 1 by falling score.

    Items with equal scores stand in no order: each place in their group counts the risk that is
    expected over all orders, with the group's errors spread evenly. Items without a score are one
    group at the end.

    Args:
        scores: N scores, None or NaN where there is none.
        correct: N flags.
    """
    values, right = _checked(scores, correct)
    if not len(values):
        return float("nan")
    order = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    # -inf is a score, worse than any other but better than none.
    order = order[np.argsort(np.isnan(values[order]), kind="stable")]
    ordered, wrong = values[order], (~right[order]).astype(np.float64)
    same = (ordered[1:] == ordered[:-1]) | (np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    group = np.concatenate(([0], np.cumsum(~same)))
    expected = (np.bincount(group, wrong) / np.bincount(group))[group]
    return float((np.cumsum(expected) / np.arange(1, len(values) + 1)).mean())


def perfect_aurc(count: int, errors: int) -> float:
    """AURC of a ranking that puts all errors last.

    Args:
        count: Number of items N.
        errors: Number of wrong ones.
    """
    if not count:
        return float("nan")
    place = np.arange(1, count + 1)
    return float((np.maximum(0, place - (count - errors)) / place).mean())


def e_aurc(scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool) -> float:
    """E-AURC: AURC minus that of a perfect ranking with as many errors; 0 is perfect."""
    _, right = _checked(scores, correct)
    return aurc(scores, correct) - perfect_aurc(len(right), int((~right).sum()))


def summarise_selective(
    scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool
) -> SelectiveSummary:
    """Compute all metrics of one scoring rule.

    Args:
        scores: N scores, None or NaN where there is none.
        correct: N flags; an abstention counts as wrong.
    """
    values, right = _checked(scores, correct)
    return SelectiveSummary(
        count=len(values),
        scored=int((~np.isnan(values)).sum()),
        accuracy=float(right.mean()) if len(right) else float("nan"),
        cov_90=coverage_at(values, right, 0.90),
        cov_95=coverage_at(values, right, 0.95),
        aurc=aurc(values, right),
        e_aurc=e_aurc(values, right),
    )


def _checked(
    scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool
) -> tuple[F64, Bool]:
    values, right = as_scores(scores), np.asarray(correct, np.bool_)
    if len(values) != len(right):
        raise ValueError(f"correct: expected {len(values)} flags, got {len(right)}")
    return values, right
