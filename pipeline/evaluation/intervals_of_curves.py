"""How sure the figures of a test set are: bootstrap over its items, Wilson for shares.

What the intervals are about: the pipeline, its weights and the scores stay as they are; the items
(or the episodes) are one draw of many that could have been made. They do not tell how the figures
change with other training data, other cameras or another matching rule. Each holds for its own
figure; bands hold at one given coverage, not for the whole curve at once, and at a coverage, not at
a threshold. The bootstrap cannot see errors that never happened: where all items are right, or all
are wrong, every resample gives the same figure. Then what depends on the order is unknown, and
shares get Wilson's interval in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.evaluation.selective import as_scores, risk_at
from pipeline.evaluation.tie_groups import TieGroups
from pipeline.model.arrays import F64, I32, I64, Array, Bool
from pipeline.model.problem import Cancelled

LEVEL = 0.95
_AT_ONCE = 1_500_000
"""Numbers that are resampled at once: some dozen MiB."""
_LEAST_SHARE = 0.5
"""A band is drawn where at least this share of the resamples reaches the coverage (our choice)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A range that holds the true value in `LEVEL` of all test sets, or so one hopes.

    Attributes:
        low: Lower end, NaN if not known.
        high: Upper end, NaN if not known.
    """

    low: float
    high: float


UNKNOWN = Interval(float("nan"), float("nan"))


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How to resample.

    Attributes:
        resamples: Number of resamples B; 0 for none.
        seed: Of the random numbers; the same seed draws the same items for every method, so that
            methods are compared on equal resamples.
        level: Share of the resamples that an interval holds (percentile bootstrap).
    """

    resamples: int = 1000
    seed: int = 0
    level: float = LEVEL


DEFAULTS = Bootstrap()


@dataclass(frozen=True, slots=True)
class CurveBand:
    """The risk-coverage curve at given coverages, with a pointwise band.

    Attributes:
        coverage: (C,) float64.
        risk: (C,) float64, see `risk_at`.
        low: (C,) float64; NaN where less than half of the resamples reach the coverage.
        high: (C,) float64.
    """

    coverage: F64
    risk: F64
    low: F64
    high: F64


@dataclass(frozen=True, slots=True)
class SelectiveIntervals:
    """Intervals of the figures of one method.

    Attributes:
        cov: By target accuracy p, of Cov@p.
        aurc: Of AURC.
        e_aurc: Of E-AURC.
        means: By name, of the means that were asked for.
        band: Of the curve; None unless coverages were given.
    """

    cov: dict[float, Interval] = field(default_factory=dict)
    aurc: Interval = UNKNOWN
    e_aurc: Interval = UNKNOWN
    means: dict[str, Interval] = field(default_factory=dict)
    band: CurveBand | None = None


def wilson(right: int, count: int, level: float = LEVEL) -> Interval:
    """Wilson's interval of a share; unknown without items.

    Args:
        right: Number of items that count.
        count: Number of items.
        level: Confidence.
    """
    if count < 1:
        return UNKNOWN
    # lazy: scipy.stats takes half a second
    from scipy.stats import binomtest

    found = binomtest(right, count).proportion_ci(level, method="wilson")
    return Interval(float(found.low), float(found.high))


def share_interval(
    flags: Sequence[bool] | Bool, clusters: Array | None = None, level: float = LEVEL
) -> Interval:
    """Wilson's interval of a share of items that may hang together.

    With clusters, the number of items is divided by the design effect (variance of the mean over
    clusters / variance of the mean over independent items; at least 1), rounded down to a whole
    number of items. Where all items are equal it cannot be estimated; then a cluster counts as one
    item (our choice, on the safe side).

    Args:
        flags: N flags.
        clusters: (N,) int, number of the cluster of each item; None if items are independent.
        level: Confidence.
    """
    values = np.asarray(flags, np.float64)
    count = len(values)
    if not count:
        return UNKNOWN
    share = float(values.mean())
    effective = count if clusters is None else _effective_count(values, clusters)
    return wilson(round(share * effective), effective, level)


def _effective_count(values: F64, clusters: Array) -> int:
    _, number = np.unique(clusters, return_inverse=True)
    groups, count = int(number.max()) + 1, len(values)
    if groups in (1, count):
        return groups
    share = values.mean()
    if share in (0.0, 1.0):
        return groups
    sums = np.bincount(number, values - share)
    between = groups / (groups - 1) * float((sums**2).sum()) / count**2
    effect = max(1.0, between / (share * (1 - share) / count))
    return max(1, int(count / effect))


def resampled_weights(
    count: int, settings: Bootstrap = DEFAULTS, clusters: Array | None = None
) -> Iterator[I32]:
    """How often each item is in each resample, some resamples at a time.

    Args:
        count: Number of items N.
        settings: How many, and the seed.
        clusters: (N,) int; if given, whole clusters are drawn with replacement, as many as there
            are, so that the number of items of a resample varies.

    Yields:
        (b, N) int32.
    """
    if not count:
        return
    random = np.random.default_rng(settings.seed)
    number: I64 | None = None
    units = count
    if clusters is not None:
        number = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
        units = int(number.max()) + 1
    step = max(1, _AT_ONCE // count)
    for first in range(0, settings.resamples, step):
        rows = min(step, settings.resamples - first)
        drawn = random.integers(0, units, (rows, units))
        drawn += np.arange(rows)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=rows * units)
        weights = counts.reshape(rows, units).astype(np.int32)
        yield weights if number is None else weights[:, number]


def selective_intervals(
    scores: Sequence[float | None] | F64,
    correct: Sequence[bool] | Bool,
    *,
    settings: Bootstrap = DEFAULTS,
    clusters: Array | None = None,
    precisions: Sequence[float] = (0.90, 0.95),
    coverages: Sequence[float] | F64 = (),
    means: dict[str, F64] | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> SelectiveIntervals:
    """Bootstrap everything that selective prediction measures.

    Args:
        scores: N scores, None or NaN where there is none.
        correct: N flags.
        settings: How to resample.
        clusters: (N,) int, e.g. the episode of each item, as subtasks of one episode are not
            independent; None to draw single items.
        precisions: Target accuracies p of Cov@p.
        coverages: C coverages of the band; none if empty.
        means: By name (N,) float64, values whose mean gets an interval, e.g. the IoU.
        is_cancelled: Asked between resamples.

    Returns:
        Unknown without resamples or with a single item or cluster, as nothing varies then; all but
        `means` where all items are right or all wrong.

    Raises:
        Cancelled: `is_cancelled` said so.
    """
    values, right = as_scores(scores), np.asarray(correct, np.bool_)
    if len(values) != len(right):
        raise ValueError(f"correct: expected {len(values)} flags, got {len(right)}")
    wanted = np.asarray(coverages, np.float64)
    columns = means or {}
    units = len(values) if clusters is None else len(np.unique(clusters))
    if units < 2 or not settings.resamples:
        return SelectiveIntervals(
            cov=dict.fromkeys(precisions, UNKNOWN),
            means=dict.fromkeys(columns, UNKNOWN),
            band=_without_band(values, right, wanted),
        )
    one_class = bool(right.all() or not right.any())
    groups = TieGroups.of(values)
    found: dict[str, list[F64]] = {}
    risks: list[F64] = []
    for weights in resampled_weights(len(values), settings, clusters):
        if is_cancelled():
            raise Cancelled
        counts = groups.count(right, weights)
        area = counts.areas()
        found.setdefault("aurc", []).append(area)
        found.setdefault("e_aurc", []).append(np.maximum(area - counts.perfect_areas(), 0.0))
        for p in precisions:
            found.setdefault(f"cov {p}", []).append(counts.coverages_at(p))
        for name, column in columns.items():
            found.setdefault(f"mean {name}", []).append(weights @ column / counts.totals)
        if len(wanted):
            risks.append(counts.risks_at(wanted))

    def interval(name: str) -> Interval:
        low, high = _limits(np.concatenate(found[name])[:, None], settings.level)
        return Interval(float(low[0]), float(high[0]))

    return SelectiveIntervals(
        cov={p: UNKNOWN if one_class else interval(f"cov {p}") for p in precisions},
        aurc=UNKNOWN if one_class else interval("aurc"),
        e_aurc=UNKNOWN if one_class else interval("e_aurc"),
        means={name: interval(f"mean {name}") for name in columns},
        band=_without_band(values, right, wanted)
        if one_class
        else _band(values, right, wanted, risks, settings.level),
    )


def curve_band(
    scores: Sequence[float | None] | F64,
    correct: Sequence[bool] | Bool,
    coverages: Sequence[float] | F64,
    settings: Bootstrap = DEFAULTS,
    clusters: Array | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> CurveBand:
    """The curve with its band alone, e.g. for a plot; see `selective_intervals`."""
    found = selective_intervals(
        scores,
        correct,
        settings=settings,
        clusters=clusters,
        precisions=(),
        coverages=coverages,
        is_cancelled=is_cancelled,
    ).band
    nothing = np.zeros(0)
    return found or CurveBand(nothing, nothing, nothing, nothing)


def _limits(samples: F64, level: float) -> tuple[F64, F64]:
    """Percentiles of each column (B, C); NaN where too few resamples say anything."""
    known = np.isfinite(samples)
    enough = known.mean(axis=0) >= _LEAST_SHARE
    low = np.full(samples.shape[1], np.nan)
    high = low.copy()
    ends = [(1 - level) / 2, (1 + level) / 2]
    whole = known.all(axis=0)
    low[whole], high[whole] = np.quantile(samples[:, whole], ends, axis=0)
    for column in np.flatnonzero(enough & ~whole):
        own = samples[known[:, column], column]
        low[column], high[column] = np.quantile(own, ends)
    return low, high


def _band(
    values: F64, right: Bool, wanted: F64, risks: list[F64], level: float
) -> CurveBand | None:
    if not len(wanted):
        return None
    low, high = _limits(np.concatenate(risks), level)
    return CurveBand(wanted, risk_at(values, right, wanted), low, high)


def _without_band(values: F64, right: Bool, wanted: F64) -> CurveBand | None:
    if not len(wanted):
        return None
    unknown = np.full(len(wanted), np.nan)
    risk = risk_at(values, right, wanted) if len(values) else unknown
    return CurveBand(wanted, risk, unknown, unknown)
