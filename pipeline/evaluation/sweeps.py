"""How sensitive the metrics are to the options of the score, without tracking anything again.

Weights act on features that are made once, exponents and thresholds make the features again, and
options of the measurement measure the clips of the cache again (`remeasuring`). Noise is estimated
by a bootstrap over episodes: the annotations of one episode are not independent.

**Who chooses the best value by these figures chooses on the data that judges it.** The gain looks
better than it is; `Gain.expected` says what is left of it on other annotations.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation.features import FEATURE_OPTIONS, Features, ScoreWeights
from pipeline.evaluation.remeasuring import RowClip, remeasure
from pipeline.evaluation.rescoring import Rescorer
from pipeline.evaluation.sweep_options import (
    COUNT,
    MAP_COUNT,
    SWEPT,
    Cost,
    Grid,
    cost_of,
    grid_of,
)
from pipeline.evaluation.sweep_results import (
    METRICS,
    Evidence,
    Metric,
    MetricMap,
    Sweep,
    SweepMap,
    Tornado,
)
from pipeline.evaluation.sweep_statistics import Figures, curves_of
from pipeline.evaluation.tie_groups import ROUNDING, harmonic
from pipeline.model.arrays import F64, U8, Array
from pipeline.model.problem import Cancelled, DataError
from pipeline.scoring.formula import ScoresOptions

Progress = Callable[[float, str], None]
Result = Sweep | SweepMap | Tornado
ClipLoader = Callable[[Sequence[int]], Iterable[RowClip]]
"""Loads the clips of rows of the table, one after the other; rows without one are left out."""
_SEED = 0
_NO_CLIPS = "no_clips"
_WORK = 4_000_000
_FEWEST = 50
_MOST_BYTES = 200_000_000
"""Of the table of resamples; large sets have little noise anyway."""


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What to sweep.

    Attributes:
        parameters: Two options for a map, one for a curve, none for all options (tornado).
        metric: What is looked at first; all metrics are computed.
        precision: Of `Metric.COVERAGE`, 0..1.
    """

    parameters: tuple[str, ...] = ()
    metric: Metric = Metric.COV_95
    precision: float = 0.95


@dataclass(frozen=True, slots=True)
class SweepData:
    """What is swept on.

    Attributes:
        table: Annotations.
        judgements: Which of their candidates are right.
        options: Options in force.
        clips: Loads clips for options of the measurement; None: they cannot be swept.
    """

    table: AnnotationTable
    judgements: Judgements
    options: ScoresOptions
    clips: ClipLoader | None = None


def run_sweep(
    request: SweepRequest,
    data: SweepData,
    *,
    progress: Progress = lambda _share, _what: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    resamples: int = 0,
    workers: int = 0,
) -> Result:
    """Sweep one option, two, or all.

    Args:
        request: What to sweep.
        data: What to sweep on.
        progress: Told the share that is done and what is done.
        is_cancelled: Asked between values.
        resamples: Of the bootstrap; 0: as many as are quick, 50 to 400. Fewer where
            their table would take more than 200 MB.
        workers: Threads; 0: one per core, at most four. They wait for nothing: the loops hold no
            GIL.

    Raises:
        DataError: One sentence: nothing is known about the annotations, they have no candidates, or
            an option needs clips that are not there.
        Cancelled: `is_cancelled` said so.
        ValueError: An option cannot be swept.
    """
    if len(request.parameters) > 2:
        raise ValueError(f"parameters: expected at most two, got {len(request.parameters)}")
    names = request.parameters or SWEPT
    _check(names if request.parameters else (), data)
    judged = np.flatnonzero(data.judgements.known)
    skipped: tuple[str, ...] = ()
    if not request.parameters and data.clips is None:
        skipped = tuple(n for n in names if cost_of(n) is Cost.MEASUREMENT)
        names = tuple(n for n in names if n not in skipped)
    count = MAP_COUNT if len(request.parameters) == 2 else COUNT
    grids = [grid_of(name, data.options, count) for name in names]
    run = _Run(data, judged, request.precision, progress, is_cancelled, resamples, workers)
    if len(request.parameters) == 2:
        return run.map(*grids)
    if request.parameters:
        return run.curves(grids)[0]
    sweeps = run.curves(grids, may_skip=True)
    there = {s.parameter for s in sweeps}
    return Tornado(sweeps, skipped + tuple(n for n in names if n not in there))


def _check(names: Sequence[str], data: SweepData) -> None:
    if not data.judgements.known.any():
        raise DataError(
            "nothing_known",
            "Nothing is known about these annotations: sweeps need ground truth or verdicts.",
        )
    if not len(data.table.candidates.id):
        raise DataError(
            "no_candidates",
            "These annotations hold only winners: annotate again to keep all candidates.",
        )
    need = [n for n in names if cost_of(n) is Cost.MEASUREMENT]
    if need and data.clips is None:
        raise DataError(
            _NO_CLIPS,
            f"{need[0]} shapes what is measured: its sweep needs the dataset and its cached "
            "tracks.",
        )


@dataclass(frozen=True, slots=True)
class _Setting:
    options: ScoresOptions
    table: AnnotationTable
    shared: Features | None


class _Run:
    """One request: settings are evaluated side by side."""

    def __init__(
        self,
        data: SweepData,
        judged: Array,
        precision: float,
        progress: Progress,
        is_cancelled: Callable[[], bool],
        resamples: int,
        workers: int,
    ) -> None:
        self._data = data
        self._judged = judged
        self._precision = precision
        self._progress = progress
        self._is_cancelled = is_cancelled
        self._resamples = resamples
        self._workers = workers or min(4, os.cpu_count() or 1)

    def curves(self, grids: Sequence[Grid], *, may_skip: bool = False) -> tuple[Sweep, ...]:
        """One sweep per grid.

        Args:
            grids: Options and their values.
            may_skip: Leave out options of the measurement if the cache holds no clip at all.
        """
        cheap = [g for g in grids if cost_of(g.info.name) is not Cost.MEASUREMENT]
        costly = [g for g in grids if cost_of(g.info.name) is Cost.MEASUREMENT]
        share = len(cheap) / len(grids)
        found: dict[str, Sweep] = {}
        for part, span in ((cheap, (0.0, share)), (costly, (share, 1.0))):
            if not part:
                continue
            settings = [self._changed({g.info.name: v}) for g in part for v in g.values]
            try:
                figures, evidence = self._figures(settings, span, measured=part is costly)
            except DataError as error:
                if may_skip and error.code == _NO_CLIPS:
                    continue
                raise
            start = 0
            for grid in part:
                own = slice(start, start + len(grid.values))
                found[grid.info.name] = Sweep(
                    grid, curves_of(figures.part(own), grid.current), _of(evidence, figures, own)
                )
                start = own.stop
        return tuple(found[g.info.name] for g in grids if g.info.name in found)

    def map(self, first: Grid, second: Grid) -> SweepMap:
        """Both options together."""
        if first.info.name == second.info.name:
            raise ValueError(f"parameters: expected two different options, got {first.info.name}")
        pairs = list(product(first.values, second.values))
        settings = [self._changed({first.info.name: a, second.info.name: b}) for a, b in pairs]
        costs = {cost_of(first.info.name), cost_of(second.info.name)}
        figures, evidence = self._figures(settings, (0.0, 1.0), measured=Cost.MEASUREMENT in costs)
        shape = (len(first.values), len(second.values))
        current = first.current * shape[1] + second.current
        maps = tuple(
            MetricMap(
                metric=curve.metric,
                values=curve.values.reshape(shape),
                is_clear=((curve.change_low > 0) | (curve.change_high < 0)).reshape(shape),
                best=(curve.best // shape[1], curve.best % shape[1]),
                gain=curve.gain,
            )
            for curve in curves_of(figures, current, shape)
        )
        return SweepMap(first, second, maps, _of(evidence, figures, slice(None)))

    def _changed(self, values: dict[str, object]) -> ScoresOptions:
        return replace(self._data.options, **values)  # type: ignore[arg-type]

    def _figures(
        self, options: Sequence[ScoresOptions], span: tuple[float, float], *, measured: bool
    ) -> tuple[Figures, Evidence]:
        """All metrics with each options, and what they were made of."""
        rows, left_out = self._judged, 0
        table = self._data.table.take(rows)
        begin, end = span
        if measured:
            assert self._data.clips is not None  # noqa: S101 - checked before
            middle = begin + 0.8 * (end - begin)
            found = remeasure(
                table,
                _renumbered(self._data.clips([int(r) for r in rows]), rows),
                options,
                progress=lambda share, what: self._progress(begin + share * (middle - begin), what),
                is_cancelled=self._is_cancelled,
            )
            if not len(found.rows):
                raise DataError(
                    _NO_CLIPS,
                    "The cache holds the tracks of none of these annotations: annotate them again "
                    "with the same options, then sweep.",
                )
            left_out = len(rows) - len(found.rows)
            rows, begin = rows[found.rows], middle
            settings = [_Setting(o, t, None) for o, t in zip(options, found.tables, strict=True)]
        else:
            settings = _sharing(options, table, self._data.options)
        judgements = self._data.judgements.take(rows)
        own = self._data.table.take(rows)
        counts, episodes = self._counts(own)
        work = _Evaluation(judgements, counts, self._precision)
        figures = self._evaluated(work, settings, (begin, end))
        evidence = Evidence(len(rows), (0, 0), episodes, len(counts), self._precision, left_out)
        return figures, evidence

    def _evaluated(
        self, work: _Evaluation, settings: Sequence[_Setting], span: tuple[float, float]
    ) -> Figures:
        results: list[tuple[F64, F64, F64, int] | None] = [None] * len(settings)
        begin, end = span
        with ThreadPoolExecutor(self._workers, "sweep") as pool:
            futures = {pool.submit(work.of, s): k for k, s in enumerate(settings)}
            for done, future in enumerate(as_completed(futures), 1):
                if self._is_cancelled():
                    for other in futures:
                        other.cancel()
                    raise Cancelled
                results[futures[future]] = future.result()
                share = begin + (end - begin) * done / len(settings)
                self._progress(share, f"{done} of {len(settings)} settings")
        found = [r for r in results if r is not None]
        values, inside, outside, known = zip(*found, strict=True)
        return Figures(np.stack(values), np.stack(inside), np.stack(outside), np.array(known))

    def _counts(self, table: AnnotationTable) -> tuple[U8, int]:
        """(B, N) how often each resample holds each annotation; and how many episodes there are."""
        keys = table.dataset.codes.astype(np.int64) << 32 | table.episode
        _, owner = np.unique(keys, return_inverse=True)
        episodes = int(owner.max(initial=-1)) + 1
        items = max(len(table), 1)
        count = self._resamples or int(np.clip(_WORK // items, _FEWEST, 400))
        count = min(count, max(_FEWEST, _MOST_BYTES // items))
        rng = np.random.default_rng(_SEED)
        counts = np.empty((count, len(table)), np.uint8)
        for b in range(count):
            drawn = np.bincount(rng.integers(0, episodes, episodes), minlength=episodes)
            counts[b] = np.minimum(drawn, 255).astype(np.uint8)[owner]
        return counts, episodes


class _Evaluation:
    """Figures of one setting; used by several threads at a time."""

    def __init__(self, judgements: Judgements, counts: U8, precision: float) -> None:
        from pipeline.evaluation import resampling_kernels

        self._figures_of = resampling_kernels.resampled_figures
        self._judgements = judgements
        self._counts = counts
        self._once = np.ones((1, counts.shape[1]), np.uint8)
        most = int(counts.sum(axis=1, dtype=np.int64).max(initial=counts.shape[1]))
        self._harmonic = harmonic(most)
        self._precisions = np.array([0.90, 0.95, precision]) - ROUNDING

    def of(self, setting: _Setting) -> tuple[F64, F64, F64, int]:
        """(M,) values, (B, M) in the resamples and out of them, and how many winners are known."""
        features = setting.shared or Features.of(setting.table, setting.options)
        rescorer = Rescorer(features)
        score = rescorer.run(ScoreWeights.of(setting.options)).score
        right, known = rescorer.judge(self._judgements)
        rows = np.flatnonzero(known)
        order = rows[np.argsort(-score[rows], kind="stable")]
        ordered = score[order]
        scored = int((~np.isnan(ordered)).sum())
        ends = np.ones(len(order), np.bool_)
        ends[:-1] = (ordered[1:] != ordered[:-1]) & ~np.isnan(ordered[:-1])
        if scored:
            ends[scored - 1] = True
        flags = right[order]

        def figures(counts: U8, out_of_bag: bool) -> F64:
            found = np.empty((len(counts), len(METRICS)))
            self._figures_of(
                order,
                ends,
                scored,
                flags,
                counts,
                out_of_bag,
                self._harmonic,
                self._precisions,
                found,
            )
            return found

        return (
            figures(self._once, False)[0],
            figures(self._counts, False),
            figures(self._counts, True),
            len(rows),
        )


def _sharing(
    options: Sequence[ScoresOptions], table: AnnotationTable, now: ScoresOptions
) -> list[_Setting]:
    """Settings that differ in weights only share their features."""

    def shape(of: ScoresOptions) -> tuple[float, ...]:
        return tuple(getattr(of, name) for name in FEATURE_OPTIONS)

    common = Features.of(table, now)
    return [_Setting(o, table, common if shape(o) == shape(now) else None) for o in options]


def _renumbered(clips: Iterable[RowClip], rows: Array) -> Iterable[RowClip]:
    """Clips of rows of the whole table as clips of the chosen rows."""
    places = {int(row): place for place, row in enumerate(rows)}
    for entry in clips:
        if entry.row in places:
            yield replace(entry, row=places[entry.row])


def _of(evidence: Evidence, figures: Figures, own: slice) -> Evidence:
    known = figures.known[own]
    return replace(evidence, known=(int(known.min()), int(known.max())))
