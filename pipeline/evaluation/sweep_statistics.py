"""Noise of a sweep and what its best value is worth, from bootstrap resamples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.sweep_results import METRICS, Gain, MetricCurve
from pipeline.evaluation.tie_groups import ROUNDING
from pipeline.model.arrays import F64, Array


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of V settings, M metrics in their order.

    Attributes:
        values: (V, M) float64, on all judged annotations.
        inside: (V, B, M) float64, on B resamples.
        outside: (V, B, M) float64, on the annotations that each resample lacks.
        known: (V,) int, annotations whose winner is known to be right or wrong.
    """

    values: F64
    inside: F64
    outside: F64
    known: Array

    def part(self, own: slice) -> Figures:
        """Those of some settings."""
        return Figures(self.values[own], self.inside[own], self.outside[own], self.known[own])


def curves_of(
    figures: Figures, current: int, shape: tuple[int, int] | None = None
) -> tuple[MetricCurve, ...]:
    """One curve per metric.

    Args:
        figures: Of all settings.
        current: Place of the setting in force.
        shape: Of a map, whose cells have a distance in two directions.
    """
    count = len(figures.values)
    places = np.arange(count)
    far = np.abs(places - current).astype(np.float64)
    if shape is not None:
        far = np.hypot(
            places // shape[1] - current // shape[1], places % shape[1] - current % shape[1]
        )
    found = []
    for m, metric in enumerate(METRICS):
        sign = 1.0 if metric.higher_is_better else -1.0
        values = sign * figures.values[:, m]
        inside, outside = sign * figures.inside[..., m], sign * figures.outside[..., m]
        best = int(_best(values, far))
        change = _band(inside - inside[current])
        band = _band(sign * inside)
        found.append(
            MetricCurve(
                metric=metric,
                values=sign * values,
                low=band[0],
                high=band[1],
                change_low=np.minimum(*(sign * c for c in change)),
                change_high=np.maximum(*(sign * c for c in change)),
                best=best,
                flat=_flat(change, current),
                gain=_gain(values, inside, outside, current, best, far),
            )
        )
    return tuple(found)


def _best(values: F64, far: F64) -> Array:
    """Place of the largest value; of equal ones the one nearest to the value in force.

    Args:
        values: (V, ...) float64, NaN where there is none.
        far: (V,) float64, distance of each place to the value in force.
    """
    filled = np.where(np.isnan(values), -np.inf, values)
    ties = filled >= filled.max(axis=0) - ROUNDING
    distance = far.reshape(-1, *(1,) * (values.ndim - 1))
    places: Array = np.where(ties, distance, np.inf).argmin(axis=0)
    return places


def _band(samples: F64) -> tuple[F64, F64]:
    """95 % interval over the resamples, (V,) each; NaN where none has a value."""
    held = np.isfinite(samples).any(axis=1)
    low, high = np.full(len(samples), np.nan), np.full(len(samples), np.nan)
    if held.any():
        low[held], high[held] = np.nanpercentile(samples[held], (2.5, 97.5), axis=1)
    return low, high


def _flat(change: tuple[F64, F64], current: int) -> tuple[int, int]:
    within = (change[0] <= 0) & (change[1] >= 0)
    first = last = current
    while first > 0 and within[first - 1]:
        first -= 1
    while last < len(within) - 1 and within[last + 1]:
        last += 1
    return first, last


def _gain(values: F64, inside: F64, outside: F64, current: int, best: int, far: F64) -> Gain:
    """See `Gain`; all figures with their sign turned so that more is better."""
    chosen = _best(inside, far)
    gains = outside[chosen, np.arange(inside.shape[1])] - outside[current]
    known = gains[np.isfinite(gains)]
    apparent = float(values[best] - values[current])
    if not len(known):
        return Gain(apparent, np.nan, np.nan, np.nan)
    low, high = np.percentile(known, (2.5, 97.5))
    return Gain(apparent, float(known.mean()), float(low), float(high))
