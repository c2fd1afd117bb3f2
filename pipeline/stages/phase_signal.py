"""From raw gripper channels to one opening signal per arm (SPARC B.1.1).

The paper normalises "the raw gripper trace per trajectory"; how several channels of a hand become
one trace, how outliers are kept out of the range and when a gripper counts as idle is our choice.
Signals may be openings, widths, angles or ticks, but also forces or currents, in any unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, F64, Bool
from pipeline.model.demonstration import ClosedIs, Combine

_CONVENTIONS: tuple[tuple[float, float], ...] = (
    (0.0, 0.12),  # finger width in metres
    (0.0, 1.0),  # share
    (-1.0, 1.0),  # command
    (-np.pi, np.pi),  # joint angle in rad
    (0.0, 100.0),  # per cent, or width in millimetres
    (0.0, 255.0),  # byte
    (0.0, 1000.0),  # per mille
    (0.0, 4096.0),  # encoder ticks of one turn
)
_LOADS = frozenset(
    {"force", "forces", "effort", "efforts", "torque", "torques", "current", "currents", "load"}
    | {"pressure", "tactile", "wrench"}
)
_POSITIONS = frozenset({"position", "pos", "angle", "width", "opening", "aperture"})
_SIDES = frozenset({"left", "right", "l", "r"})
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_WEAK_CHANNEL = 0.1
_TINY = 1e-9
_GAUSSIAN_MEDIAN = 0.6745
"""Median size of a standard normal value."""
_COMBINE: dict[Combine, Callable[[F64], F64]] = {
    Combine.MEAN: lambda scaled: scaled.mean(axis=1, keepdims=True),
    Combine.MIN: lambda scaled: scaled.min(axis=1, keepdims=True),
    Combine.MAX: lambda scaled: scaled.max(axis=1, keepdims=True),
}


@dataclass(frozen=True, slots=True)
class OpeningSignal:
    """Opening of one gripper.

    Attributes:
        opening: (T,) float32, 0 closed .. 1 open; all 1 if the signal never changes.
        raw_low: Value of the combined channel that maps to 0. For one channel in its own unit, for
            several channels the mean of their scaled values (0..1, 1 open).
        raw_high: Value of the combined channel that maps to 1.
        activity: Range of the signal relative to the plausible range of its channels, 0..1.
        missing: Number of frames in which a channel was NaN or infinite.
        noise: Standard deviation of the noise from frame to frame, as a share of the range.
    """

    opening: F32
    raw_low: float
    raw_high: float
    activity: float
    missing: int
    noise: float = 0.0


def fill_gaps(values: F64) -> tuple[F64, Bool]:
    """Interpolate over frames that are not finite, channel by channel.

    Gaps at the ends repeat the nearest known value; a channel without any becomes 0.

    Args:
        values: (T, C) float64.

    Returns:
        The filled values and (T,) bool, True where something was missing.
    """
    bad = ~np.isfinite(values)
    gaps = np.asarray(bad.any(axis=1))
    if not gaps.any():
        return values, gaps
    filled = values.copy()
    frames = np.arange(len(values))
    for channel in np.flatnonzero(bad.any(axis=0)):
        good = ~bad[:, channel]
        if good.any():
            filled[~good, channel] = np.interp(frames[~good], frames[good], values[good, channel])
        else:
            filled[:, channel] = 0.0
    return filled, gaps


def despike(values: F64) -> F64:
    """Median of three neighbours along the first axis: single-frame spikes vanish, steps stay."""
    if len(values) < 3:
        return values
    padded = np.concatenate((values[:1], values, values[-1:]))
    before, here, after = padded[:-2], padded[1:-1], padded[2:]
    # Median of three without a sort.
    low, high = np.minimum(before, here), np.maximum(before, here)
    median: F64 = np.maximum(low, np.minimum(high, after))
    return median


def robust_range(values: F64, low: float, high: float) -> tuple[F64, F64]:
    """Ends of the range of each column, spikes and outliers ignored.

    Args:
        values: (T, C) float64, finite.
        low: Percentile of the low end.
        high: Percentile of the high end.
    """
    # Contiguous columns: twice as fast.
    columns = np.ascontiguousarray(despike(values).T)
    ends = np.percentile(columns, (low, high), axis=1, overwrite_input=True)
    return ends[0], ends[1]


def plausible_range(low: float, high: float) -> float:
    """Width of the smallest usual range (share, metres, rad, ticks, ...) that holds both values.

    Datasets do not say how far a gripper can move; an arm that rests shows it only through the
    convention that its values follow. 5 % beyond a range are taken as calibration error. Values
    outside of all conventions are measured against their own magnitude.
    """
    for start, end in _CONVENTIONS:
        margin = 0.05 * (end - start)
        if low >= start - margin and high <= end + margin:
            return end - start
    return max(high - low, abs(low), abs(high), _TINY)


def is_load(names: Sequence[str]) -> bool:
    """True if channels measure forces, torques, currents or pressures rather than a position."""
    words = {word.lower() for name in names for word in _WORD.findall(name)}
    return bool(words & _LOADS) and not words & _POSITIONS


def alike(names: Sequence[str], others: Sequence[str]) -> bool:
    """True if two arms have the same channels: their names differ in the side or a number only."""

    def kind(name: str) -> tuple[str, ...]:
        words = (w.lower() for w in _WORD.findall(name))
        return tuple(w for w in words if w not in _SIDES)

    return [kind(n) for n in names] == [kind(n) for n in others]


def frame_noise(values: F64) -> float:
    """Standard deviation of what changes from frame to frame without a course, in their unit.

    From the median size of second differences, so that slopes and steps do not count. Exact for
    white Gaussian noise; 0 for fewer than eight values.

    Args:
        values: (T,) float64, finite.
    """
    if len(values) < 8:
        return 0.0
    bends = np.abs(values[2:] - 2.0 * values[1:-1] + values[:-2])
    return float(np.median(bends) / (_GAUSSIAN_MEDIAN * np.sqrt(6.0)))


def channel_ends(values: F32, low_percentile: float, high_percentile: float) -> tuple[F64, F64]:
    """Ends of the robust range of each channel; gaps are filled.

    Args:
        values: (T, C) float32, NaN where unknown.
        low_percentile: Percentile of the low end.
        high_percentile: Percentile of the high end.
    """
    filled, _ = fill_gaps(values.astype(np.float64))
    return robust_range(filled, low_percentile, high_percentile)


def _plausible(low: F64, high: F64, peers: Sequence[tuple[F64, F64]], load: bool) -> F64:
    """(C,) float64, width of the range that each channel could plausibly use."""
    least = np.min([low, *(p[0] for p in peers)], axis=0)
    most = np.max([high, *(p[1] for p in peers)], axis=0)
    if load:
        # A load has no end stops: the largest one that was ever reached is the scale.
        largest = max(float(np.abs([least, most]).max()), float((high - low).max()), _TINY)
        return np.full(len(low), largest)
    return np.array([plausible_range(a, b) for a, b in zip(least, most, strict=True)])


def opening_signal(
    values: F32,
    closed_is: ClosedIs,
    low_percentile: float,
    high_percentile: float,
    combine: Combine = Combine.MEAN,
    *,
    load: bool = False,
    peers: Sequence[tuple[F64, F64]] = (),
) -> OpeningSignal:
    """Combine channels and normalise them per trajectory.

    Each channel is scaled by its own robust range and turned so that 1 is open; their mean (or the
    most closed or most open of them) is scaled once more. Channels that move less than a tenth as
    much as the strongest one (a thumb that rests) carry noise only and are left out.

    Args:
        values: (T, C) float32, at least one frame and channel, NaN where unknown.
        closed_is: Which end of the channels is closed.
        low_percentile: Percentile of the robust minimum, 0..100.
        high_percentile: Percentile of the robust maximum, 0..100.
        combine: How the scaled channels become one: MIN takes the most closed, MAX the most open.
        load: True for forces, torques and currents, see `is_load`.
        peers: (C,) low and high ends of the same channels of other arms: an idle arm is measured
            against what they show of its unit and range, see `channel_ends`.
    """
    filled, gaps = fill_gaps(values.astype(np.float64))
    low, high = robust_range(filled, low_percentile, high_percentile)
    width = high - low
    plausible = _plausible(low, high, peers, load)
    share = width / plausible
    used = share >= max(_WEAK_CHANNEL * share.max(), _TINY)
    missing = int(gaps.sum())
    if not used.any():
        level = float(filled[0].mean())
        return OpeningSignal(np.ones(len(values), np.float32), level, level, 0.0, missing)
    filled, low, width, plausible = filled[:, used], low[used], width[used], plausible[used]
    common = (filled / plausible).mean(axis=1, keepdims=True)
    ends = robust_range(common, low_percentile, high_percentile)
    activity = float(np.clip(ends[1][0] - ends[0][0], 0.0, 1.0))

    scaled = (filled - low) / width
    if closed_is is ClosedIs.HIGH:
        scaled = 1.0 - scaled
    combined = _COMBINE[combine](scaled)
    start, end = (float(e[0]) for e in robust_range(combined, low_percentile, high_percentile))
    if end - start < _TINY:  # channels that cancel each other
        return OpeningSignal(np.ones(len(values), np.float32), start, end, 0.0, missing)
    share_open = (combined[:, 0] - start) / (end - start)
    noise = frame_noise(share_open)
    opening = np.clip(share_open, 0.0, 1.0).astype(np.float32)
    if filled.shape[1] == 1:
        sign, origin = (1.0, low[0]) if closed_is is ClosedIs.LOW else (-1.0, low[0] + width[0])
        start, end = (float(origin + sign * e * width[0]) for e in (start, end))
    return OpeningSignal(opening, start, end, activity, missing, noise)
