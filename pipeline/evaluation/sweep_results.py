"""What a sweep found: a metric against one option, two options, or every option."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.evaluation.sweep_options import Grid, Value
from pipeline.model.arrays import F64, Bool


class Metric(StrEnum):
    """What is swept; the order in which figures stand."""

    ACCURACY = "accuracy"
    AURC = "aurc"
    COV_90 = "cov_90"
    COV_95 = "cov_95"
    COVERAGE = "coverage"

    @property
    def higher_is_better(self) -> bool:
        """False for AURC only."""
        return self is not Metric.AURC

    def title(self, precision: float = 0.95) -> str:
        """As people call it; the precision matters for `COVERAGE` only."""
        return {
            Metric.ACCURACY: "Accuracy",
            Metric.AURC: "AURC",
            Metric.COV_90: "Cov@90",
            Metric.COV_95: "Cov@95",
            Metric.COVERAGE: f"Cov@{100 * precision:.4g}",
        }[self]


METRICS = tuple(Metric)


@dataclass(frozen=True, slots=True)
class Gain:
    """What the best value is worth beyond the one in force; positive is better.

    A value that is chosen on the same annotations that judge it looks better than it is. Expected
    is therefore the mean over bootstrap resamples of: choose the best value on the resample, judge
    it against the value in force on the annotations that the resample lacks (out of bag, our
    choice; a little pessimistic, as a resample holds 63 % of the annotations).

    Attributes:
        apparent: On the annotations that chose it.
        expected: On others, the out-of-bag mean; NaN if it cannot be estimated.
        low: 2.5 % quantile over resamples.
        high: 97.5 % quantile.
    """

    apparent: float
    expected: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """True if the gain on other annotations is above 0 in at least 97.5 % of resamples."""
        return bool(self.low > 0)


@dataclass(frozen=True, slots=True)
class MetricCurve:
    """One metric over the values of an option.

    Attributes:
        metric: Which.
        values: (V,) float64, on all judged annotations.
        low: (V,) float64, lower end of the 95 % bootstrap interval.
        high: (V,) float64, its upper end.
        change_low: (V,) float64, 95 % interval of the paired difference to the value in force.
        change_high: (V,) float64, its upper end.
        best: Place of the best value; of equal ones the nearest to the one in force.
        flat: First and last place of the range around the value in force in which the difference
            to it is within its noise: its 95 % interval holds 0.
        gain: Best value against the one in force.
    """

    metric: Metric
    values: F64
    low: F64
    high: F64
    change_low: F64
    change_high: F64
    best: int
    flat: tuple[int, int]
    gain: Gain

    @property
    def effect(self) -> float:
        """Largest minus smallest value; NaN without any."""
        return float(np.ptp(self.values)) if np.isfinite(self.values).any() else float("nan")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a sweep was made of.

    Attributes:
        annotations: Judged annotations that took part.
        known: (V,) smallest and largest number of those whose winner is known to be right or wrong
            over the values: people may not have judged the candidate that another value chooses.
        episodes: Episodes they are from; resamples draw whole episodes.
        resamples: B.
        precision: Of `Metric.COVERAGE`.
        left_out: Judged annotations that took no part: an option of the measurement was swept, and
            their tracks are not in the cache, or are of other candidates.
    """

    annotations: int
    known: tuple[int, int]
    episodes: int
    resamples: int
    precision: float
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Sweep:
    """Sensitivity to one option.

    Attributes:
        grid: The option and its values; `current` is the value in force.
        curves: One per metric, in their order.
        evidence: What it was made of.
    """

    grid: Grid
    curves: tuple[MetricCurve, ...]
    evidence: Evidence

    @property
    def parameter(self) -> str:
        """Name of the option."""
        return self.grid.info.name

    @property
    def values(self) -> tuple[Value, ...]:
        """Values of the option."""
        return self.grid.values

    @property
    def current_value(self) -> Value:
        """The value in force (the default of the comparison)."""
        return self.grid.values[self.grid.current]

    def of(self, metric: Metric) -> MetricCurve:
        """One metric."""
        return self.curves[METRICS.index(metric)]

    def best_value(self, metric: Metric) -> Value:
        """The value at which a metric is best."""
        return self.grid.values[self.of(metric).best]

    def flat_range(self, metric: Metric) -> tuple[Value, Value]:
        """First and last value of the range in which a metric stays within its noise."""
        first, last = self.of(metric).flat
        return self.grid.values[first], self.grid.values[last]


@dataclass(frozen=True, slots=True)
class MetricMap:
    """One metric over the values of two options.

    Attributes:
        metric: Which.
        values: (V1, V2) float64.
        is_clear: (V1, V2) bool, the paired difference to the values in force is beyond its noise.
        best: Places of the best pair.
        gain: Best pair against the pair in force.
    """

    metric: Metric
    values: F64
    is_clear: Bool
    best: tuple[int, int]
    gain: Gain


@dataclass(frozen=True, slots=True)
class SweepMap:
    """Sensitivity to two options together.

    Attributes:
        first: Option and values of the rows.
        second: Option and values of the columns.
        maps: One per metric, in their order.
        evidence: What it was made of.
    """

    first: Grid
    second: Grid
    maps: tuple[MetricMap, ...]
    evidence: Evidence

    def of(self, metric: Metric) -> MetricMap:
        """One metric."""
        return self.maps[METRICS.index(metric)]


@dataclass(frozen=True, slots=True)
class Tornado:
    """Sensitivity to every option alone.

    Attributes:
        sweeps: One per option.
        skipped: Options that were not swept: what they measure needs clips, and none was there.
    """

    sweeps: tuple[Sweep, ...]
    skipped: tuple[str, ...] = ()

    def ranked(self, metric: Metric) -> tuple[Sweep, ...]:
        """The sweeps, the largest effect on a metric first."""
        return tuple(sorted(self.sweeps, key=lambda s: -np.nan_to_num(s.of(metric).effect)))
