"""A test set evaluated: every method, every group, the curve and what R is worth as a probability.

docs/evaluation.md has the definitions; `pipeline.evaluation.report` makes text and JSON of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation.figures import (
    GOOD_IOU,
    MethodFigures,
    Outcome,
    baseline_outcomes,
    candidate_ious,
    deviating_scores,
    full_outcome,
    method_figures,
    target_flags,
)
from pipeline.evaluation.groups import COLUMNS, group_figures, group_names
from pipeline.evaluation.intervals_of_curves import (
    DEFAULTS,
    Bootstrap,
    CurveBand,
    Interval,
    curve_band,
    share_interval,
)
from pipeline.evaluation.matching import PUBLISHED, MatchOptions
from pipeline.evaluation.pairing import Pairing
from pipeline.evaluation.reliability import (
    BINS,
    CrossValidated,
    ReliabilityBins,
    cross_validated,
    reliability_bins,
)
from pipeline.evaluation.selective import RiskCoverage, risk_coverage_curve
from pipeline.model.arrays import F64, Array, Bool
from pipeline.scoring.formula import ScoresOptions

CURVE_POINTS = 1001
"""Most points of a curve with a band (our choice)."""
_LEAST_IN_BIN = 5
"""Bins of the reliability diagram have at least about this many items (our choice)."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How to evaluate.

    Attributes:
        match: When a box is right.
        bootstrap: How to resample.
        by_episode: Resample whole episodes, as subtasks of one are not independent; else single
            subtasks. The same where every episode has one.
        precisions: Target accuracies beside 0.90 and 0.95.
        columns: Columns to group by, beside the usual ones.
    """

    match: MatchOptions = PUBLISHED
    bootstrap: Bootstrap = DEFAULTS
    by_episode: bool = True
    precisions: tuple[float, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShareFigures:
    """How often something is right.

    Attributes:
        count: Number of items.
        right: Number of right ones.
        interval: Wilson.
    """

    count: int
    right: int
    interval: Interval

    @property
    def share(self) -> float:
        """NaN without items."""
        return self.right / self.count if self.count else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """Everything that is measured.

    Attributes:
        settings: How it was evaluated.
        predictions: Number of predictions.
        pairing: Which of them is about which true subtask.
        methods: The table: baselines, the ladder, and the full score last; only the full score if
            the predictions hold no candidates.
        groups: By column, figures of the full score by group.
        outcome: What the full score did, item by item.
        curve: Its risk-coverage curve.
        band: The same at most `CURVE_POINTS` points, with the band.
        reliability: Accuracy by R.
        calibration: R as a probability, cross-validated.
        recall: Subtasks with a candidate of IoU 0.5 or more; None without candidates.
        best_iou: Mean IoU of the best candidate; NaN without candidates.
        target: Destinations, of the true subtasks that have a target box.
        by_person: Predictions in use whose winner a person chose.
        deviating: Predictions whose R is not what their terms give, see `deviating_scores`.
    """

    settings: EvaluationSettings
    predictions: int
    pairing: Pairing
    methods: tuple[MethodFigures, ...]
    groups: dict[str, tuple[MethodFigures, ...]]
    outcome: Outcome
    curve: RiskCoverage
    band: CurveBand
    reliability: ReliabilityBins
    calibration: CrossValidated
    recall: ShareFigures | None
    best_iou: float
    target: ShareFigures
    by_person: int
    deviating: int

    @property
    def full(self) -> MethodFigures:
        """The line of the full score."""
        return self.methods[-1]


def evaluate(
    table: AnnotationTable,
    pairing: Pairing,
    options: ScoresOptions,
    settings: EvaluationSettings = EvaluationSettings(),
) -> Evaluation:
    """Evaluate predictions. Every true subtask counts, predicted or not.

    Args:
        table: Predictions.
        pairing: Which is about which true subtask.
        options: Options of the score with which they were made.
        settings: How to evaluate.

    Raises:
        DataError: A column to group by is none.
    """
    clusters = pairing.episodes if settings.by_episode else None
    outcome = full_outcome(table, pairing, settings.match)
    outcomes = (*baseline_outcomes(table, pairing, options, settings.match), outcome)
    columns = tuple(dict.fromkeys((*COLUMNS, *settings.columns)))
    names = {column: group_names(table, pairing, column) for column in columns}

    def figures(one: Outcome) -> MethodFigures:
        return method_figures(
            one,
            settings=settings.bootstrap,
            clusters=clusters,
            precisions=settings.precisions,
        )

    curve = risk_coverage_curve(outcome.score, outcome.right)
    bins = min(BINS, max(1, int((~np.isnan(outcome.score)).sum()) // _LEAST_IN_BIN))
    flags, rows = target_flags(table, pairing, settings.match)
    has_candidates = bool(len(table.candidates.id))
    best = candidate_ious(table, pairing) if has_candidates else np.zeros(0)
    level = settings.bootstrap.level
    return Evaluation(
        settings=settings,
        predictions=len(table),
        pairing=pairing,
        methods=tuple(figures(one) for one in outcomes),
        groups={
            column: group_figures(
                outcome,
                own,
                settings=settings.bootstrap,
                clusters=clusters,
                precisions=settings.precisions,
            )
            for column, own in names.items()
        },
        outcome=outcome,
        curve=curve,
        band=curve_band(
            outcome.score, outcome.right, _thinned(curve), settings.bootstrap, clusters
        ),
        reliability=reliability_bins(outcome.score, outcome.right, bins),
        calibration=cross_validated(
            outcome.score,
            outcome.right,
            seed=settings.bootstrap.seed,
            clusters=clusters,
            bins=bins,
        ),
        recall=_share(best >= GOOD_IOU, clusters, level) if has_candidates else None,
        best_iou=float(best.mean()) if len(best) else float("nan"),
        target=_share(flags, None if clusters is None else clusters[rows], level),
        by_person=int(table.by_person[pairing.row[pairing.row >= 0]].sum()),
        deviating=deviating_scores(table, pairing, options) if has_candidates else 0,
    )


def _share(flags: Bool, clusters: Array | None, level: float) -> ShareFigures:
    interval = share_interval(flags, clusters, level)
    return ShareFigures(len(flags), int(flags.sum()), interval)


def _thinned(curve: RiskCoverage) -> F64:
    """Coverages of the curve's points, at most `CURVE_POINTS` of them, the last one included."""
    count = len(curve.coverage)
    if count <= CURVE_POINTS:
        return curve.coverage
    chosen = np.unique(np.linspace(0, count - 1, CURVE_POINTS).round().astype(np.int64))
    return curve.coverage[chosen]
