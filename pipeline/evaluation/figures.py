"""What a method is worth on a test set: a line of the paper's table, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation.baselines import ALONE, LADDER, BaselineOptions, Cues
from pipeline.evaluation.intervals_of_curves import (
    DEFAULTS,
    UNKNOWN,
    Bootstrap,
    Interval,
    selective_intervals,
    share_interval,
)
from pipeline.evaluation.judging import box_ious, boxes_match, judge_by_truth
from pipeline.evaluation.matching import PUBLISHED, MatchOptions, MatchSummary
from pipeline.evaluation.pairing import Pairing
from pipeline.evaluation.selective import (
    OperatingPoint,
    SelectiveSummary,
    operating_point,
    summarise_selective,
)
from pipeline.model.arrays import F64, Array, Bool
from pipeline.scoring.formula import ScoresOptions

FULL = "full"
"""The score R and the winner that the predictions hold, a person's choice included."""
DETECTOR = "detector"
GOOD_IOU = 0.5
"""IoU from which a box does more than match."""


SCORE_TOLERANCE = 1e-3
"""R computed again from terms in float32 is within this of the one in the file."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one method did on N true subtasks.

    Attributes:
        method: Name.
        score: (N,) float64, NaN where it has none.
        right: (N,) bool, the box matches the true one; no box is wrong.
        iou: (N,) float64, with the true box; 0 without a box.
    """

    method: str
    score: F64
    right: Bool
    iou: F64

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def of_boxes(
        cls,
        method: str,
        boxes: F64,
        truth: F64,
        score: F64,
        match: MatchOptions = PUBLISHED,
    ) -> Outcome:
        """Judge boxes.

        Args:
            method: Name.
            boxes: (N, 4) float64 pixels, NaN where there is none.
            truth: (N, 4) float64 pixels.
            score: (N,) float64, NaN where there is none.
            match: When a box is right.
        """
        return cls(method, score, boxes_match(boxes, truth, match), box_ious(boxes, truth))

    def take(self, rows: Array, method: str | None = None) -> Outcome:
        """Some of the items, under another name if wanted."""
        return Outcome(method or self.method, self.score[rows], self.right[rows], self.iou[rows])


@dataclass(frozen=True, slots=True)
class MethodFigures:
    """A line of the table.

    Attributes:
        method: Name.
        matches: How well its boxes fit.
        ranking: What its score is worth for filtering.
        points: By target accuracy p, the threshold of Cov@p and what it keeps.
        point_intervals: By target accuracy p, of the precision of what is kept, as if the threshold
            had been chosen on other items; see `share_interval`.
        accuracy_interval: Wilson, see `share_interval`.
        share_interval: The same of the share with IoU >= 0.5.
        mean_iou_interval: Bootstrap.
        cov_intervals: By target accuracy p, bootstrap of Cov@p.
        aurc_interval: Bootstrap.
        e_aurc_interval: Bootstrap.
    """

    method: str
    matches: MatchSummary
    ranking: SelectiveSummary
    points: dict[float, OperatingPoint] = field(default_factory=dict)
    point_intervals: dict[float, Interval] = field(default_factory=dict)
    accuracy_interval: Interval = UNKNOWN
    share_interval: Interval = UNKNOWN
    mean_iou_interval: Interval = UNKNOWN
    cov_intervals: dict[float, Interval] = field(default_factory=dict)
    aurc_interval: Interval = UNKNOWN
    e_aurc_interval: Interval = UNKNOWN

    @property
    def accuracy(self) -> float:
        """Share of correct boxes, NaN without items."""
        return self.matches.accuracy


def method_figures(
    outcome: Outcome,
    *,
    settings: Bootstrap = DEFAULTS,
    clusters: Array | None = None,
    precisions: Sequence[float] = (),
) -> MethodFigures:
    """Measure a method.

    Args:
        outcome: What it did.
        settings: How to resample; without resamples only Wilson's intervals are given.
        clusters: (N,) int, items with equal numbers hang together (subtasks of an episode); None
            if all are independent.
        precisions: Target accuracies beside 0.90 and 0.95.
    """
    right, iou = outcome.right, outcome.iou
    count = len(outcome)
    wanted = tuple(dict.fromkeys((0.90, 0.95, *precisions)))
    intervals = selective_intervals(
        outcome.score,
        right,
        settings=settings,
        clusters=clusters,
        precisions=wanted,
        means={"iou": iou},
    )
    good = iou >= GOOD_IOU
    points = {p: operating_point(outcome.score, right, p) for p in wanted}

    def kept_interval(point: OperatingPoint) -> Interval:
        kept = outcome.score >= point.threshold
        own = None if clusters is None else clusters[kept]
        return share_interval(right[kept], own, settings.level)

    return MethodFigures(
        method=outcome.method,
        matches=MatchSummary(
            count=count,
            correct=int(right.sum()),
            accuracy=float(right.mean()) if count else float("nan"),
            mean_iou=float(iou.mean()) if count else float("nan"),
            share_iou_50=float(good.mean()) if count else float("nan"),
        ),
        ranking=summarise_selective(outcome.score, right),
        points=points,
        point_intervals={p: kept_interval(point) for p, point in points.items()},
        accuracy_interval=share_interval(right, clusters, settings.level),
        share_interval=share_interval(good, clusters, settings.level),
        mean_iou_interval=intervals.means["iou"],
        cov_intervals=intervals.cov,
        aurc_interval=intervals.aurc,
        e_aurc_interval=intervals.e_aurc,
    )


def true_boxes(pairing: Pairing) -> F64:
    """(N, 4) float64, start box of each true subtask, pixels."""
    return np.array([t.start_box for t in pairing.truth], np.float64).reshape(-1, 4)


def full_outcome(
    table: AnnotationTable, pairing: Pairing, match: MatchOptions = PUBLISHED
) -> Outcome:
    """What the predictions themselves say; a subtask without one is wrong and has no score."""
    score = np.append(table.score, np.nan)[pairing.row]
    boxes = _boxes(table.start_box, pairing.row)
    return Outcome.of_boxes(FULL, boxes, true_boxes(pairing), score, match)


def baseline_outcomes(
    table: AnnotationTable,
    pairing: Pairing,
    options: ScoresOptions,
    match: MatchOptions = PUBLISHED,
) -> tuple[Outcome, ...]:
    """What simpler rules choose among the same candidates, in the order of the paper's table.

    Args:
        table: Predictions.
        pairing: Which is about which true subtask.
        options: Options of the score with which they were made; the rungs use its weights.
        match: When a box is right.

    Returns:
        Baselines, then the rungs of the ladder but for the last, which is `full_outcome`; nothing
        if the predictions hold no candidates.
    """
    own = table.take(pairing.row[pairing.row >= 0])
    if not len(own.candidates.id):
        return ()
    cues = Cues.of_candidates(own.candidates, options)
    weights = BaselineOptions.of(options)
    truth = true_boxes(pairing)
    place = np.full(len(pairing), -1, np.int64)
    place[pairing.row >= 0] = np.arange(len(own))
    found = []
    for name, rule in (*ALONE, *LADDER[:-1]):
        choices = rule(cues, weights)
        row = np.append(choices.row, -1)[place]
        score = np.append(choices.score, np.nan)[place]
        boxes = _boxes(own.candidates.box, row)
        found.append(Outcome.of_boxes(name, boxes, truth, score, match))
    return tuple(found)


def deviating_scores(table: AnnotationTable, pairing: Pairing, options: ScoresOptions) -> int:
    """Predictions whose R is not what their terms give: made with other options, or edited.

    Baselines and sweeps would then be about another score than the one in the predictions. Winners
    that a person chose do not count.
    """
    own = table.take(pairing.row[pairing.row >= 0])
    cues = Cues.of_candidates(own.candidates, options)
    best = cues.best(cues.full).score
    differs = np.abs(best - own.score) > SCORE_TOLERANCE
    return int((differs & ~own.by_person).sum())


def candidate_ious(table: AnnotationTable, pairing: Pairing) -> F64:
    """(N,) float64, largest IoU of any candidate with the true box; 0 without candidates."""
    best = np.zeros(len(pairing))
    item = np.flatnonzero(pairing.row >= 0)
    own = table.candidates.take(pairing.row[item])
    owner = item[np.repeat(np.arange(len(item)), own.counts)]
    ious = box_ious(own.box.astype(np.float64), true_boxes(pairing)[owner])
    np.maximum.at(best, owner, ious)
    return best


def judge_pairing(
    table: AnnotationTable, pairing: Pairing, match: MatchOptions = PUBLISHED
) -> tuple[AnnotationTable, Judgements]:
    """The predictions that are about a true subtask, and which of their candidates are right.

    Returns:
        Table of P predictions in the order of the pairing, and judgements of their rows.
    """
    item = np.flatnonzero(pairing.row >= 0)
    own = table.take(pairing.row[item])
    # Numbers of their own, as the pairing may be by time or over several datasets.
    number = np.arange(len(item), dtype=np.int32)
    truth = [
        pairing.truth[i].model_copy(update={"episode_index": k, "subtask_index": 0, "dataset": ""})
        for k, i in enumerate(item.tolist())
    ]
    renumbered = replace(own, episode=number, subtask=np.zeros_like(number))
    return own, judge_by_truth(renumbered, truth, match)


def target_flags(
    table: AnnotationTable, pairing: Pairing, match: MatchOptions = PUBLISHED
) -> tuple[Bool, Array]:
    """Whether the destination is right, of the true subtasks that have a target box.

    Returns:
        (T,) bool, and (T,) int64 numbers of these true subtasks.
    """
    rows = np.array([i for i, t in enumerate(pairing.truth) if t.target_box is not None], np.int64)
    truth = np.array([pairing.truth[i].target_box for i in rows.tolist()], np.float64)
    boxes = _boxes(table.target_box, pairing.row[rows])
    return boxes_match(boxes, truth.reshape(-1, 4), match), rows


def _boxes(boxes: Array, row: Array) -> F64:
    """(N, 4) float64, NaN where the row is -1."""
    none = np.full((1, 4), np.nan)
    found: F64 = np.concatenate([boxes.astype(np.float64), none])[row]
    return found
