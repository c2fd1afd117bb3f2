"""What a threshold keeps, while threshold and weights move: counts, precision, who comes and goes.

A change of the threshold costs a few binary searches on the sorted scores and one pass over two
columns of flags; a change of the weights one pass over the features (`pipeline.evaluation
.rescoring`). Nothing here is a Python loop over annotations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from pipeline.annotations.judgements import Judgements
from pipeline.curation.data import CurationData
from pipeline.curation.operating_points import Basis
from pipeline.curation.population import ALL, PopulationFilter
from pipeline.evaluation.intervals_of_curves import UNKNOWN, Interval, wilson
from pipeline.evaluation.rescoring import (
    CurveMaker,
    FastCurve,
    Features,
    Rescored,
    Rescorer,
    ScoreWeights,
)
from pipeline.model.arrays import F32, F64, I64, Array, Bool
from pipeline.model.candidate import Box

MOST_MOVERS = 48
"""Movers that are listed: those nearest to the threshold (our choice)."""


class Verdict(StrEnum):
    """What is known about an annotation."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a threshold keeps.

    Attributes:
        threshold: Annotations with R >= this are kept.
        kept: Their number.
        total: Annotations of the population, with or without a score.
        judged: Kept ones of which somebody knows whether they are right.
        right: Right ones among these.
        interval: Wilson's 95 % interval of the precision, unknown if none is judged.
    """

    threshold: float
    kept: int
    total: int
    judged: int
    right: int
    interval: Interval

    @property
    def share(self) -> float:
        """Share of the population that is kept, NaN without any."""
        return self.kept / self.total if self.total else math.nan

    @property
    def precision(self) -> float:
        """Share of right ones among the judged ones kept, NaN if none is judged."""
        return self.right / self.judged if self.judged else math.nan


@dataclass(frozen=True, slots=True)
class Target:
    """What a wanted precision leads to.

    Attributes:
        precision: The wanted one.
        threshold: The one that keeps most with at least this precision; None if none does.
        best: Highest precision that any threshold has, NaN if nothing is judged.
        best_threshold: A threshold that has it (the one that keeps most), NaN likewise.
    """

    precision: float
    threshold: float | None
    best: float
    best_threshold: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Scores of the population by what is known about them.

    Attributes:
        edges: (B + 1,) float64, ascending; a bin holds edges[i] <= R < edges[i + 1].
        right: (B,) int64.
        wrong: (B,) int64.
        unknown: (B,) int64.
        unscored: Annotations without a score.
    """

    edges: F64
    right: I64
    wrong: I64
    unknown: I64
    unscored: int


@dataclass(frozen=True, slots=True)
class Reference:
    """What the present setting is compared with.

    Attributes:
        name: What to call it.
        threshold: Its threshold; -inf keeps everything that has a score.
        weights: Its weights.
        at: UTC, ISO 8601, of a saved point; else empty.
    """

    name: str
    threshold: float
    weights: ScoreWeights
    at: str = ""


@dataclass(frozen=True, slots=True)
class Movers:
    """Annotations that the reference treats differently, nearest to the threshold first.

    Attributes:
        entering: Kept now and not by the reference: at most `MOST_MOVERS` row numbers.
        leaving: Kept by the reference and not now.
        changed: Kept by both, with another winner.
        enter: Number of all that enter.
        leave: Number of all that leave.
        change: Number of all that stay with another winner.
    """

    entering: I64
    leaving: I64
    changed: I64
    enter: int
    leave: int
    change: int


@dataclass(frozen=True, slots=True)
class Mover:
    """One annotation as a list shows it.

    Attributes:
        row: Row of the table.
        dataset: Its dataset.
        episode: Episode index.
        subtask: Subtask index.
        object: Name of the object.
        camera: Camera key.
        frame: Keyframe, -1 if unknown.
        box: Box of the winner with the present weights, None if there is none.
        score: R now, NaN if there is none.
        before: R of the reference, NaN if there is none.
        verdict: What is known about the present winner.
        winner_changed: The reference has another winner.
    """

    row: int
    dataset: str
    episode: int
    subtask: int
    object: str
    camera: str
    frame: int
    box: Box | None
    score: float
    before: float
    verdict: Verdict
    winner_changed: bool


class ThresholdStudy:
    """The annotations of a dataset under weights and thresholds. For one thread at a time."""

    def __init__(self, data: CurationData) -> None:
        """Make what is needed once; takes a second for a million annotations.

        Args:
            data: Annotations.
        """
        self.data = data
        self.annotated = ScoreWeights.of(data.options)
        self._rescorer = Rescorer(Features.of(data.table, data.options))
        self._curves = CurveMaker()
        self._weights = self.annotated
        self._filter = ALL
        self._rows: I64 | None = None
        self._basis = Basis.BOTH
        self._judgements = data.both
        self._rescored = self._rescorer.run(self._weights)
        self.reference = Reference("everything", -math.inf, self.annotated)
        self._old_kept: Bool = np.zeros(0, np.bool_)
        self._old_winner: Array = np.zeros(0, np.int16)
        self._old_score: F32 = np.zeros(0, np.float32)
        self._renew_curve()
        self.set_reference(self.reference)

    # -- what it is about --------------------------------------------------------------------

    @property
    def weights(self) -> ScoreWeights:
        """Weights in force."""
        return self._weights

    @property
    def basis(self) -> Basis:
        """Whose word counts."""
        return self._basis

    @property
    def filter(self) -> PopulationFilter:
        """Which annotations are looked at."""
        return self._filter

    @property
    def rescored(self) -> Rescored:
        """Winners and scores of all annotations; reused, copy what you keep."""
        return self._rescored

    @property
    def curve(self) -> FastCurve:
        """Risk and coverage of the population."""
        return self._curve

    @property
    def total(self) -> int:
        """Annotations of the population."""
        return len(self.data.table) if self._rows is None else len(self._rows)

    def set_weights(self, weights: ScoreWeights) -> None:
        """Score everything again."""
        self._weights = weights
        self._rescored = self._rescorer.run(weights)
        self._renew_curve()

    def set_basis(self, basis: Basis) -> None:
        """Say whose word counts."""
        self._basis = basis
        self._judgements = {
            Basis.TRUTH: self.data.truth,
            Basis.PEOPLE: self.data.people,
            Basis.BOTH: self.data.both,
        }[basis]
        self._renew_curve()

    def set_filter(self, wanted: PopulationFilter) -> None:
        """Look at some of the annotations only."""
        self._filter = wanted
        rows = wanted.rows(self.data.table)
        self._rows = None if rows is None else np.flatnonzero(rows)
        self._renew_curve()

    def set_judgements(self, data: CurationData) -> None:
        """Take over what is known by now about the same annotations."""
        if data.table is not self.data.table:
            raise ValueError("table: expected the same annotations")
        self.data = data
        self.set_basis(self._basis)

    def judged(self, basis: Basis) -> int:
        """Number of annotations about which somebody of this basis knows anything."""
        chosen = {
            Basis.TRUTH: self.data.truth,
            Basis.PEOPLE: self.data.people,
            Basis.BOTH: self.data.both,
        }[basis]
        return int(np.count_nonzero(self._taken(chosen.known)))

    # -- the threshold -----------------------------------------------------------------------

    def keeps(self, threshold: float) -> Kept:
        """Count what a threshold keeps of the population, and how right that is."""
        place, curve = self._place(threshold), self._curve
        judged = int(curve.kept[place]) if place >= 0 else 0
        right = judged - (int(curve.errors[place]) if place >= 0 else 0)
        interval = wilson(right, judged) if judged else UNKNOWN
        return Kept(threshold, self._count(threshold), self.total, judged, right, interval)

    def target(self, precision: float) -> Target:
        """Find the threshold that keeps most with at least this precision (point of Cov@p).

        It is chosen on the items it is judged by, so that it looks a little better than it is.
        """
        curve = self._curve
        if not len(curve.kept):
            return Target(precision, None, math.nan, math.nan)
        risk = curve.risk
        last = len(risk) - 1 - int(risk[::-1].argmin())
        best, where = 1.0 - float(risk[last]), float(curve.thresholds[last])
        point = curve.point_at(precision)
        found = float(curve.thresholds[point]) if point >= 0 else None
        return Target(precision, found, best, where)

    def stepped(self, threshold: float, items: int) -> float:
        """The threshold that keeps more (items > 0) or fewer by a number of items.

        Equal scores go together, so that a step may be a larger one.
        """
        scores = self._scores
        if not len(scores):
            return threshold
        wanted = min(max(self._count(threshold) + items, 0), len(scores))
        found = self.keeping(wanted)
        if items < 0 and self._count(found) > wanted:  # equal scores: drop all of them
            above = int(np.searchsorted(scores, np.float32(found), side="right"))
            found = self.keeping(len(scores) - above)
        return found

    def keeping(self, count: int) -> float:
        """The highest threshold that keeps so many or, where scores are equal, a little more.

        Args:
            count: Annotations to keep; 0 for a threshold above all scores.
        """
        scores = self._scores
        if not len(scores):
            return 0.0
        if count <= 0:
            return float(np.nextafter(scores[-1], np.float32(np.inf)))
        return float(scores[-min(count, len(scores))])

    @property
    def scored(self) -> int:
        """Annotations of the population that have a score."""
        return len(self._scores)

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest score of the population; (0, 1) without any."""
        scores = self._scores
        return (float(scores[0]), float(scores[-1])) if len(scores) else (0.0, 1.0)

    def histogram(self, low: float, high: float, bins: int) -> Histogram:
        """Count scores in equal bins; the first and the last hold what is beyond them, too."""
        edges = np.linspace(low, high, bins + 1)
        inner = edges[1:-1].astype(np.float32)
        curve, scores = self._curve, self._scores
        # how many lie at or above each edge, from the lowest edge (all) to above the highest (none)
        above = len(scores) - np.searchsorted(scores, inner)
        total: I64 = np.negative(np.diff(np.concatenate(([len(scores)], above, [0]))))
        points = len(curve.thresholds) - np.searchsorted(self._ascending, inner)
        points = np.concatenate(([len(curve.thresholds)], points, [0]))

        def counted(column: Array) -> I64:
            padded = np.append(column, 0)  # the last stands for point -1: nothing is kept
            found: I64 = np.negative(np.diff(padded[points - 1])).astype(np.int64)
            return found

        known, wrong = counted(curve.kept), counted(curve.errors)
        return Histogram(edges, known - wrong, wrong, total - known, self.total - len(scores))

    # -- against what ------------------------------------------------------------------------

    def set_reference(self, reference: Reference) -> None:
        """Compare with another setting."""
        self.reference = reference
        found = self._rescorer.run(reference.weights)
        self._old_winner, self._old_score = found.winner.copy(), found.score.copy()
        with np.errstate(invalid="ignore"):
            self._old_kept = self._old_score >= np.float32(reference.threshold)
        self._rescored = self._rescorer.run(self._weights)

    def movers(self, threshold: float, most: int = MOST_MOVERS) -> Movers:
        """Find what the present setting keeps and the reference does not, and the reverse."""
        score, winner = self._rescored.score, self._rescored.winner
        with np.errstate(invalid="ignore"):
            kept = score >= np.float32(threshold)
        before = self._old_kept
        entering = self._numbers(kept & ~before)
        leaving = self._numbers(before & ~kept)
        changed = self._numbers(kept & before & (winner != self._old_winner))
        return Movers(
            self._nearest(entering, threshold, most),
            self._nearest(leaving, threshold, most),
            self._nearest(changed, threshold, most),
            len(entering),
            len(leaving),
            len(changed),
        )

    def mover(self, row: int) -> Mover:
        """One annotation as a list shows it."""
        table = self.data.table
        winner = int(self._rescored.winner[row])
        right, known = self._judge(row, winner)
        verdict = (Verdict.RIGHT if right else Verdict.WRONG) if known else Verdict.UNKNOWN
        return Mover(
            row=row,
            dataset=table.dataset[row],
            episode=int(table.episode[row]),
            subtask=int(table.subtask[row]),
            object=table.object[row],
            camera=table.camera[row],
            frame=int(table.keyframe[row]),
            box=self.box(row),
            score=float(self._rescored.score[row]),
            before=float(self._old_score[row]),
            verdict=verdict,
            winner_changed=winner != int(self._old_winner[row]),
        )

    def box(self, row: int) -> Box | None:
        """Box of the present winner of a row."""
        table, winner = self.data.table, int(self._rescored.winner[row])
        own = table.candidates.rows_of(row)
        if winner < 0:
            return None
        if own.start == own.stop:
            return table.box(row)
        x0, y0, x1, y1 = (float(v) for v in table.candidates.box[own.start + winner])
        return (x0, y0, x1, y1) if all(map(math.isfinite, (x0, y0, x1, y1))) else None

    def judged_items(self) -> tuple[F64, Bool, I64]:
        """Items of the curve for a bootstrap: those of which somebody knows.

        Returns:
            (K,) float64 scores, (K,) bool right, (K,) int64 number of the episode; copies.
        """
        right, known = self._rescorer.judge(self._judgements)
        rows = np.flatnonzero(known) if self._rows is None else self._rows[known[self._rows]]
        table = self.data.table
        episode = table.dataset.codes[rows].astype(np.int64) << 32 | table.episode[rows]
        return self._rescored.score[rows].astype(np.float64), right[rows], episode

    def population_rows(self) -> I64:
        """(M,) int64, rows of the population; a copy."""
        return np.arange(len(self.data.table)) if self._rows is None else self._rows.copy()

    def restricted(self, data: CurationData) -> CurationData:
        """Data with the rows of the population only, e.g. for an export."""
        if self._rows is None:
            return data
        return replace(
            data,
            table=data.table.take(self._rows),
            truth=data.truth.take(self._rows),
            people=data.people.take(self._rows),
            lines=None if data.lines is None else data.lines[self._rows],
        )

    # -- inside ------------------------------------------------------------------------------

    def _taken(self, column: Array) -> Array:
        return column if self._rows is None else column[self._rows]

    def _renew_curve(self) -> None:
        right, known = self._rescorer.judge(self._judgements)
        score = self._rescored.score
        if self._rows is not None:
            score, right, known = score[self._rows], right[self._rows], known[self._rows]
        self._curve = self._curves.make(score, right, known)
        self._ascending = np.ascontiguousarray(self._curve.thresholds[::-1])
        scores = np.sort(score)  # NaN last
        self._scores: F32 = scores[: np.searchsorted(scores, np.float32(np.nan))]

    def _place(self, threshold: float) -> int:
        below = int(np.searchsorted(self._ascending, np.float32(threshold)))
        return len(self._ascending) - below - 1

    def _count(self, threshold: float) -> int:
        return len(self._scores) - int(np.searchsorted(self._scores, np.float32(threshold)))

    def _numbers(self, rows: Bool) -> I64:
        if self._rows is None:
            return np.flatnonzero(rows)
        return self._rows[rows[self._rows]]

    def _nearest(self, rows: I64, threshold: float, most: int) -> I64:
        score = np.nan_to_num(self._rescored.score[rows], nan=-np.inf)
        distance = np.abs(score - np.float32(threshold))
        if len(rows) > most:
            chosen = np.argpartition(distance, most)[:most]
            rows, distance = rows[chosen], distance[chosen]
        return rows[np.argsort(distance, kind="stable")]

    def _judge(self, row: int, winner: int) -> tuple[bool, bool]:
        one = Judgements(
            self._judgements.right[row : row + 1], self._judgements.known[row : row + 1]
        )
        right, known = one.of(np.array([winner]))
        return bool(right[0]), bool(known[0])
