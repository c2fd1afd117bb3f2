"""How far something has to be varied until another candidate wins, along one axis.

R of K candidates is a function of the varied value. Where it is linear, or constant between known
values, or defined for whole numbers only, the answer is exact; elsewhere a grid is scanned and the
found change of winner is bisected. A winner that comes and goes between two neighbouring points of
the grid is missed: `Axis.resolution` says how fine the grid is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from pipeline.model.arrays import F64, Array

_TOLERANCE = 1e-4
"""A bisected value is off by at most this share of its distance from the start (our choice)."""
_EXACT_TOLERANCE = 1e-9
"""The same where the value of a jump is looked for."""
_NEAR = 5
"""The grid is refined this many times by halves next to the start (our choice)."""
_DIGITS = 3
"""Significant digits of a value that people read and type."""

Scores = Callable[[float], F64]
"""R (K,) of all candidates at a value."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One value that is varied alone.

    Attributes:
        start: Value now.
        low: Smallest value that is tried.
        high: Largest.
        scores: R (K,) of all candidates at a value.
        points: Values that are tried, ascending; `start` need not be among them.
        exact: True if no winner can hide between the points.
        linear: True if R of each candidate is a linear function of the value.
        whole: True if only whole numbers are allowed, and `points` are all of them.
        resolution: How fine the points lie, in words.
    """

    start: float
    low: float
    high: float
    scores: Scores
    points: tuple[float, ...] = ()
    exact: bool = False
    linear: bool = False
    whole: bool = False
    resolution: str = ""


@dataclass(frozen=True, slots=True)
class Crossing:
    """The nearest value on one side at which a candidate wins.

    Attributes:
        row: Row of the candidate.
        value: Where it wins for the first time, to the search's tolerance.
        short: A value with few digits that is hardly farther away and at which it wins, too.
    """

    row: int
    value: float
    short: float


@dataclass(frozen=True)
class Contest:
    """Who wins: the largest R, ties by the larger D, then by the smaller id.

    Attributes:
        detector: (K,) D by row; rows are in the order of the ids.
    """

    detector: F64
    _kept: dict[int, int] = field(default_factory=dict, repr=False)

    def winner(self, scores: F64) -> int:
        """Row of the winner."""
        best = np.flatnonzero(scores == scores.max())
        if len(best) == 1:
            return int(best[0])
        return int(min(best, key=lambda k: (-self.detector[k], k)))


def crossings(axis: Axis, contest: Contest) -> tuple[Crossing, ...]:
    """The nearest value below and above the start at which each other candidate wins.

    Args:
        axis: What is varied.
        contest: Who wins.

    Returns:
        At most two per candidate (one below, one above); none for who wins at the start.
    """
    now = contest.winner(axis.scores(axis.start))
    found = _linear(axis, contest, now) if axis.linear else _scanned(axis, contest, now)
    return tuple(Crossing(k, v, _short(axis, contest, k, v)) for k, v in found)


def _linear(axis: Axis, contest: Contest, now: int) -> list[tuple[int, float]]:
    """Each candidate wins on one interval of the values: lines have a convex upper envelope."""
    low, high = axis.low, axis.high
    at_low, at_high = axis.scores(low), axis.scores(high)
    slope = (at_high - at_low) / (high - low)
    found = []
    for k in range(len(slope)):
        if k == now:
            continue
        rise = slope[k] - slope
        lead = at_low[k] - at_low
        with np.errstate(divide="ignore", invalid="ignore"):
            even = low - lead / rise
        first = float(np.max(even[rise > 0], initial=low))
        last = float(np.min(even[rise < 0], initial=high))
        if first > last or bool(np.any((rise == 0) & (lead < 0))):
            continue
        if first > axis.start:
            sides = [(first, last)]
        elif last < axis.start:
            sides = [(last, first)]
        else:  # Even with the winner now: ties decide.
            sides = [(axis.start, last), (axis.start, first)]
        for edge, far in sides:
            value = _first_true(axis, contest, k, edge, far)
            if value is not None:
                found.append((k, value))
    return found


def _first_true(axis: Axis, contest: Contest, row: int, edge: float, far: float) -> float | None:
    """From the computed edge of an interval, the first number at which the row really wins.

    At the edge two candidates are even but for rounding.
    """
    span = axis.high - axis.low
    step = 0.0
    for power in range(40):
        value = edge + math.copysign(step, far - edge)
        if abs(value - edge) > abs(far - edge) or not axis.low <= value <= axis.high:
            return None
        if contest.winner(axis.scores(value)) == row:
            return value
        step = span * 2.0 ** (power - 50)
    return None


def _scanned(axis: Axis, contest: Contest, now: int) -> list[tuple[int, float]]:
    found = []
    for sign in (-1, 1):
        side = sorted(
            (p for p in axis.points if (p - axis.start) * sign > 0), key=lambda p: p * sign
        )
        seen, before = {now}, axis.start
        for point in side:
            row = contest.winner(axis.scores(point))
            if row not in seen:
                seen.add(row)
                value = point if axis.whole else _bisected(axis, contest, row, before, point)
                found.append((row, value))
                if not axis.whole:
                    found += _passing(axis, contest, before, value, seen)
            before = point
    return found


def _passing(
    axis: Axis, contest: Contest, before: float, value: float, seen: set[int]
) -> list[tuple[int, float]]:
    """A third candidate that wins between two points of the grid, just before the found value."""
    near = value - (value - before) * _TOLERANCE
    row = contest.winner(axis.scores(near))
    if row in seen:
        return []
    seen.add(row)
    return [(row, _bisected(axis, contest, row, before, near))]


def _bisected(axis: Axis, contest: Contest, row: int, outside: float, inside: float) -> float:
    """The value between two at which `row` begins to win, on its winning side."""
    tolerance = _EXACT_TOLERANCE if axis.exact else _TOLERANCE
    while abs(inside - outside) > tolerance * abs(inside - axis.start):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if contest.winner(axis.scores(middle)) == row:
            inside = middle
        else:
            outside = middle
    return inside


def _short(axis: Axis, contest: Contest, row: int, value: float) -> float:
    """Round away from the start to as few digits as the winner allows."""
    if axis.whole:
        return value
    for digits in range(_DIGITS, 12):
        rounded = _rounded(value, digits, up=value > axis.start)
        if axis.low <= rounded <= axis.high and contest.winner(axis.scores(rounded)) == row:
            return rounded
    return value


def _rounded(value: float, digits: int, *, up: bool) -> float:
    if value == 0.0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)
    steps = math.ceil(value / unit - 1e-9) if up else math.floor(value / unit + 1e-9)
    return float(f"{steps * unit:.12g}")


def even_points(start: float, low: float, high: float, count: int) -> tuple[tuple[float, ...], str]:
    """`count` even steps from low to high, finer next to the start; and the step in words."""
    step = (high - low) / count
    grid = np.linspace(low, high, count + 1)
    return _refined(grid, start, low, high, step), f"steps of {step:.2g}"


def factor_points(
    start: float, low: float, high: float, count: int
) -> tuple[tuple[float, ...], str]:
    """`count` steps from low to high by an equal factor, finer next to the start."""
    factor = (high / low) ** (1 / count)
    grid = np.geomspace(low, high, count + 1)
    # Rounding must not leave the documented range.
    grid[0], grid[-1] = low, high
    words = f"steps of {factor - 1:.2g} times the value"
    return _refined(grid, start, low, high, start * (factor - 1)), words


def _refined(grid: Array, start: float, low: float, high: float, step: float) -> tuple[float, ...]:
    near = [start + s * step * 2.0**-n for n in range(1, _NEAR + 1) for s in (-1, 1)]
    return tuple(sorted({*(float(v) for v in grid), *(v for v in near if low <= v <= high)}))


def between(low: float, high: float, edges: Sequence[float]) -> tuple[float, ...]:
    """One point in each piece between edges at which something jumps, and both ends."""
    inner = sorted({e for e in edges if low < e < high})
    bounds = [low, *inner, high]
    middles = [(a + b) / 2 for a, b in pairwise(bounds)]
    return (low, *middles, high)
