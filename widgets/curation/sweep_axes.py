"""Axes of the plots of sweeps: where a value stands, and which values are labelled."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.evaluation.sweep_options import Grid

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def nice_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """At most about `most` round numbers from low to high."""
    if not high > low or most < 1:
        return (low,)
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * s for s in _STEPS if unit * s >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(round(k * step, 12) for k in range(first, last + 1))


def log_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """1, 2 and 5 times powers of ten from low to high, fewer if that is too many."""
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = tuple(
            float(f"{f}e{p}")
            for p in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for f in factors
            if low * (1 - 1e-9) <= f * 10.0**p <= high * (1 + 1e-9)
        )
        if len(found) <= max(most, 2):
            break
    return found


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """Values of an option from left to right: even, by factors, or choices side by side.

    Attributes:
        grid: The option.
        left: Pixel of the first value.
        right: Pixel of the last value.
    """

    grid: Grid
    left: float
    right: float

    def x(self, place: int) -> float:
        """Pixel of the value at a place of the grid."""
        value = self.grid.values[place]
        if isinstance(value, str):
            return self.left + (self.right - self.left) * (place + 0.5) / len(self.grid.values)
        return self.x_of(float(value))

    def x_of(self, value: float) -> float:
        """Pixel of a number."""
        first, last = (float(v) for v in (self.grid.values[0], self.grid.values[-1]))
        if self.grid.is_log:
            first, last, value = math.log(first), math.log(last), math.log(value)
        share = (value - first) / (last - first) if last > first else 0.5
        return self.left + share * (self.right - self.left)

    def nearest(self, x: float) -> int:
        """Place of the value nearest to a pixel."""
        return min(range(len(self.grid.values)), key=lambda k: abs(self.x(k) - x))

    def ticks(self, most: int) -> tuple[tuple[float, str], ...]:
        """Pixels and labels."""
        values = self.grid.values
        if isinstance(values[0], str):
            return tuple((self.x(k), str(v)) for k, v in enumerate(values))
        first, last = float(values[0]), float(values[-1])
        found = (log_ticks if self.grid.is_log else nice_ticks)(first, last, most)
        return tuple((self.x_of(v), f"{v:g}") for v in found)
