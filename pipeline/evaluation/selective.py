"""Selective prediction: what a reliability score is worth for filtering (SPARC section 4).

Items are sorted by falling score. Everywhere: equal scores are kept or dropped together; items
without a score (None or NaN) are never kept, but they count in the number of all items, and for
AURC they come last. Without any item every metric is NaN. docs/evaluation.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.tie_groups import ROUNDING, TieGroups, perfect_areas
from pipeline.model.arrays import F64, Array, Bool


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
class OperatingPoint:
    """What a threshold keeps.

    Attributes:
        threshold: Keep items with score >= threshold; NaN if nothing is kept.
        kept: Number of items kept.
        correct: Number of correct ones among them.
        coverage: Share of all items kept.
        precision: Share of correct ones among those kept, NaN if nothing is kept.
    """

    threshold: float
    kept: int
    correct: int
    coverage: float
    precision: float


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
    if isinstance(scores, np.ndarray):
        return scores.astype(np.float64, copy=False)
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
    groups = TieGroups.of(values)
    counts = groups.count(right)
    kept = counts.kept[0, : groups.scored].astype(np.int64)
    return RiskCoverage(
        threshold=values[groups.order[groups.starts[: groups.scored]]],
        kept=kept,
        coverage=kept / max(len(values), 1),
        risk=counts.lost[0, : groups.scored] / np.maximum(kept, 1),
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
    return operating_point(scores, correct, accuracy).coverage


def operating_point(
    scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool, accuracy: float
) -> OperatingPoint:
    """Where to put the threshold: the point of Cov@p.

    A threshold that is chosen on the same items whose accuracy it is judged by looks a little
    better than it is on new ones.

    Args:
        scores: N scores, None or NaN where there is none.
        correct: N flags.
        accuracy: p, 0..1.

    Returns:
        The point that keeps most; if none has this accuracy, one that keeps nothing.
    """
    curve = risk_coverage_curve(scores, correct)
    good = np.flatnonzero(_reaches(curve, accuracy))
    if not len(good):
        coverage = 0.0 if len(correct) else np.nan
        return OperatingPoint(np.nan, 0, 0, coverage, np.nan)
    last = good[-1]
    kept = int(curve.kept[last])
    return OperatingPoint(
        threshold=float(curve.threshold[last]),
        kept=kept,
        correct=kept - round(float(curve.risk[last]) * kept),
        coverage=float(curve.coverage[last]),
        precision=1.0 - float(curve.risk[last]),
    )


def risk_at(
    scores: Sequence[float | None] | F64,
    correct: Sequence[bool] | Bool,
    coverages: Sequence[float] | F64,
) -> F64:
    """Risk where a given share of all items is kept: the curve between its points.

    Where the share ends inside a group of equal scores, the risk is the one that is expected if
    members of the group are drawn by lot, as for AURC.

    Args:
        scores: N scores, None or NaN where there is none.
        correct: N flags.
        coverages: C shares in 0..1.

    Returns:
        (C,) float64; NaN at 0 and where more is wanted than has a score.
    """
    values, right = _checked(scores, correct)
    counts = TieGroups.of(values).count(right)
    risks: F64 = counts.risks_at(np.asarray(coverages, np.float64))[0]
    return risks


def precision_at(
    scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool, coverage: float
) -> float:
    """Accuracy of what is kept where a given share of all items is kept; see `risk_at`.

    Args:
        scores: N scores, None or NaN where there is none.
        correct: N flags.
        coverage: Share in 0..1.
    """
    return 1.0 - float(risk_at(scores, correct, [coverage])[0])


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
    return float(TieGroups.of(values).count(right).areas()[0])


def perfect_aurc(count: int, errors: int) -> float:
    """AURC of a ranking that puts all errors last.

    Args:
        count: Number of items N.
        errors: Number of wrong ones.
    """
    return float(perfect_areas(np.array([count]), np.array([errors]))[0])


def e_aurc(scores: Sequence[float | None] | F64, correct: Sequence[bool] | Bool) -> float:
    """E-AURC: AURC minus that of a perfect ranking with as many errors; 0 is perfect."""
    _, right = _checked(scores, correct)
    excess = aurc(scores, correct) - perfect_aurc(len(right), int((~right).sum()))
    return float(np.maximum(excess, 0.0))  # no ranking beats a perfect one but by rounding


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


def _reaches(curve: RiskCoverage, accuracy: float) -> Bool:
    good: Bool = 1.0 - curve.risk >= accuracy - ROUNDING
    return good
