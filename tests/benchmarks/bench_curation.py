"""Scoring a dataset again at every tick of a slider: `python -m tests.benchmarks curation`.

All arms of a size take turns in one process, on one thread: one read of the float32 features (the
limit), ours (scores, winners, judging, risk-coverage curve), and NumPy on the same features in one
(K, N) array per cue. Ratios inside one run are comparable, times of different runs are not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import MEASURED, AnnotationTable, CandidateColumns, TextLists, Texts
from pipeline.evaluation.rescoring import FastCurve, Features, Rescorer, ScoreWeights, warm_up
from pipeline.evaluation.sweeps import SweepData, SweepRequest, run_sweep
from pipeline.model.arrays import F32, I64, Array
from pipeline.scoring.formula import MeasuredTerms, ScoresOptions, compute
from tests.benchmarks.table import header, row, write

OPTIONS = ScoresOptions()
SMALL, LARGE = 100_000, 1_000_000
FEWEST, MOST = 9, 15
READ_GOAL, NUMPY_GOAL, TICK_GOAL = 2.0, 5.0, {SMALL: 16.0, LARGE: 100.0}  # times, times, ms


def table_of(count: int, rng: np.random.Generator) -> AnnotationTable:
    """Random annotations with 12 candidates on average."""
    sizes = rng.integers(FEWEST, MOST + 1, count)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    total = int(offsets[-1])
    columns = {name: rng.random(total, np.float32) for name in MEASURED}
    columns["motion_in"] *= 200
    columns["motion_out"] *= 50
    columns["overlap"] **= 4
    numbers = np.arange(total, dtype=np.int32) - np.repeat(offsets[:-1], sizes).astype(np.int32)
    empty, nothing = np.zeros(count, np.int32), np.full(count, np.nan)
    texts, boxes = Texts(empty, ("",)), np.zeros((count, 4), np.float32)
    return AnnotationTable(
        **dict.fromkeys(
            ("dataset", "arm", "camera", "task", "instruction", "object", "caption"), texts
        ),
        episode=np.arange(count, dtype=np.int32),
        subtask=empty,
        warnings=TextLists(np.zeros(count + 1, np.int64), empty[:0], ()),
        score=nothing,
        runner_up=nothing,
        keyframe=empty,
        start_box=boxes,
        target_box=boxes,
        winner=empty,
        by_person=np.zeros(count, np.bool_),
        candidates=CandidateColumns(
            offsets=offsets,
            id=numbers,
            box=np.zeros((total, 4), np.float32),
            points=np.full(total, 5, np.int32),
            label=Texts(np.zeros(total, np.int32), ("",)),
            **columns,
        ),
    )


def judgements_of(table: AnnotationTable, rng: np.random.Generator) -> Judgements:
    """One candidate of each annotation is right, mostly the one that wins."""
    sizes = table.candidates.counts
    known = ((1 << sizes) - 1).astype(np.uint32)
    best = Rescorer(Features.of(table, OPTIONS)).run(ScoreWeights.of(OPTIONS)).winner
    lucky = rng.random(len(table)) < 0.8
    true = np.where(lucky, best, rng.integers(0, sizes))
    return Judgements(np.uint32(1) << true.astype(np.uint32), known)


class NumpyArm:
    """The same work on the same features, candidate by candidate, as NumPy does it best."""

    def __init__(self, features: Features) -> None:
        blocks, size = len(features.starts) - 1, features.values.shape[2]
        wide = np.full((4, MOST, blocks * size), np.nan, np.float32)
        order = np.zeros((MOST, blocks * size), np.uint8)
        for b in range(blocks):
            rows = slice(int(features.starts[b]), int(features.starts[b + 1]))
            own = features.values[rows].transpose(1, 0, 2)
            wide[:, : own.shape[1], b * size : (b + 1) * size] = own
            order[: own.shape[1], b * size : (b + 1) * size] = features.order[rows]
        motion, *rest = wide[:, :, : features.count]
        motion = np.where(np.isnan(motion), -np.inf, motion)
        detector, proximity, penalty = np.nan_to_num(rest)
        self.cues = tuple(np.ascontiguousarray(c) for c in (motion, detector, proximity))
        self.penalty, self.spike = np.abs(penalty), penalty < 0
        self.order = np.ascontiguousarray(order[:, : features.count])
        self.columns = np.arange(features.count)

    def tick(self, weights: ScoreWeights, judgements: Judgements) -> tuple[Array, Array, float]:
        """Winners, scores, AURC."""
        w = weights.as_array()
        motion, detector, proximity = self.cues
        score = w[0] * motion
        score += (w[1] - w[2] * proximity) * detector
        score += w[3] * proximity
        score -= w[4] * self.penalty
        score -= w[5] * self.spike
        rank = score.argmax(axis=0)
        best = score[rank, self.columns]
        winner = self.order[rank, self.columns]
        right, _ = judgements.of(winner.astype(np.int64))
        return winner, best, _aurc(best, right)


def _aurc(score: F32, right: Array) -> float:
    """With one sort of scores and flags together, as ours; ties kept together."""
    bits = score.view(np.uint32)
    monotone = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.uint64)
    keys = np.sort(monotone << np.uint64(1) | right)[::-1]
    wrong = np.cumsum(1 - (keys & np.uint64(1)).astype(np.int64))
    last = np.flatnonzero(np.append(keys[1:] >> np.uint64(1) != keys[:-1] >> np.uint64(1), True))
    kept, errors = last + 1, wrong[last]
    sizes = np.diff(kept, prepend=0)
    if (sizes == 1).all():
        return float((errors / kept).mean())
    share = np.diff(errors, prepend=0) / sizes
    start = np.repeat(kept - sizes, sizes)
    before = np.repeat(errors - np.diff(errors, prepend=0), sizes)
    place = np.arange(1, len(keys) + 1)
    return float(((before + np.repeat(share, sizes) * (place - start)) / place).mean())


def timed(work: Callable[[], object], times: list[float]) -> None:
    """Do it and note how long it took, s."""
    start = time.perf_counter()
    work()
    times.append(time.perf_counter() - start)


def measure(count: int, repeats: int) -> None:
    """One size: all arms in turns."""
    rng = np.random.default_rng(1)
    table = table_of(count, rng)
    judgements = judgements_of(table, rng)
    making: list[float] = []
    timed(lambda: Features.of(table, OPTIONS), making)
    features = Features.of(table, OPTIONS)
    arm, rescorer = NumpyArm(features), Rescorer(features)
    ours: list[float] = []
    limit: list[float] = []
    plain: list[float] = []
    parts: dict[str, list[float]] = {"scores and winners": [], "judging and curve": []}

    def tick(weights: ScoreWeights) -> FastCurve:
        rescorer.run(weights)
        return rescorer.curve(judgements)

    for number in range(repeats):
        weights = ScoreWeights(0.4 + 0.2 * number / repeats, 0.75, 0.15, 0.3, 1.45, 0.2)
        timed(lambda w=weights: tick(w), ours)
        timed(features.values.sum, limit)
        if number % 4 == 0:
            timed(lambda w=weights: arm.tick(w, judgements), plain)
        timed(lambda w=weights: rescorer.run(w), parts["scores and winners"])
        timed(lambda: rescorer.curve(judgements), parts["judging and curve"])
    size = f"{features.bytes / 1e6:.0f} MB"
    header(f"{count:,} x {FEWEST}-{MOST} candidates, {size}", "numpy", "numba")
    row("one read of the features (sum)", limit)
    row("ours: a slider tick", ours[1:], TICK_GOAL[count])
    for name, times in parts.items():
        row(f"  {name}", times)
    row("NumPy, same features", plain)
    row("features again (an exponent changed)", making)
    middle = statistics.median
    ratio = middle(ours[1:]) / middle(limit)
    verdict("ours / one read", ratio, READ_GOAL if count == SMALL else None, most=True)
    verdict("NumPy / ours", middle(plain) / middle(ours[1:]), NUMPY_GOAL, most=False)
    slowest = max(ours[1:])
    write(f"  first tick {1e3 * ours[0]:.1f} ms, slowest of the later ones {1e3 * slowest:.1f} ms")
    check(table, judgements, rescorer, arm, rng)


def sweeps(count: int) -> None:
    """Sweeps of a weight and of an exponent, with one thread and with two."""
    rng = np.random.default_rng(2)
    table = table_of(count, rng)
    data = SweepData(table, judgements_of(table, rng), OPTIONS)
    header(f"sweeps of one option, {count:,} annotations", "numpy", "numba")
    for name in ("motion_weight", "interact_exponent"):
        times: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(3):
            for workers, own in times.items():
                request = SweepRequest((name,))
                timed(lambda r=request, w=workers: run_sweep(r, data, workers=w), own)
        for workers, own in times.items():
            row(f"{name}, {workers} thread{'s' if workers > 1 else ''}", own)


def verdict(name: str, ratio: float, goal: float | None, *, most: bool) -> None:
    """One ratio against its goal."""
    if goal is None:
        write(f"  {name} {ratio:.1f}")
        return
    met = ratio <= goal if most else ratio >= goal
    write(f"  {name} {ratio:.1f}  goal {goal:g}: {'met' if met else 'MISSED'}")


def check(
    table: AnnotationTable,
    judgements: Judgements,
    rescorer: Rescorer,
    arm: NumpyArm,
    rng: np.random.Generator,
) -> None:
    """Equal results: with NumPy on all rows, with the float64 reference on a thousand."""
    weights = ScoreWeights.of(OPTIONS)
    found = rescorer.run(weights)
    curve = rescorer.curve(judgements)
    winner, score, aurc = arm.tick(weights, judgements)
    apart = float(np.abs(score - found.score).max())
    others = int((winner != found.winner).sum())
    write(f"  NumPy: {others} other winners, R within {apart:.1e}, AURC {aurc - curve.aurc:+.1e}")
    worst = 0.0
    for n in rng.integers(0, len(table), 1000):
        terms = compute(_terms(table, int(n)), OPTIONS).score
        worst = max(worst, float(terms.max()) - float(terms[found.winner[n]]))
        worst = max(worst, abs(float(terms[found.winner[n]]) - float(found.score[n])))
    verdict("float64 reference, 1,000 rows: apart by 1e-6 times", worst / 1e-6, 1.0, most=True)


def _terms(table: AnnotationTable, n: int) -> MeasuredTerms:
    columns, own = table.candidates, table.candidates.rows_of(n)
    names = ("detector", "motion_in", "motion_out", "proximity", "overlap", "relief")
    values = {name: getattr(columns, name)[own].astype(np.float64) for name in names}
    rows: I64 = columns.points[own].astype(np.int64)
    return MeasuredTerms(**values, tracked=rows > 0)


def main() -> None:
    """Measure and print a table for each size."""
    start = time.perf_counter()
    warm_up()
    write(f"warm-up {time.perf_counter() - start:.2f} s")
    measure(SMALL, 60)
    measure(LARGE, 20)
    sweeps(20_000)


if __name__ == "__main__":
    main()
