"""Which frames of the present are shown (spec, captions, Samplers).

All of them are pure, deterministic and return rising frames without repeats: `count` of them, or
all frames of a span that is shorter. Where nothing tells frames apart (a still picture), they
return the uniform ones. In the study none of them beat uniform sampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, F64, I32, I64, expect_shape
from pipeline.model.recipe import Sampler

INNER = 0.2
"""Share of the span that `middle` leaves out at either end (the study: middle 60 %)."""
SKIPPED = 0.2
"""Share of the span that `late_last` leaves out at its start (the study: first 20 %)."""
DP_RATE = 2.0
"""Frames per second that `dp_fps` takes at most, where the span is long enough. *(our choice)*"""
MASS_POWER = 0.5
"""Power of the motion mass in `mg_rgb` and `mg_feature`: smooths it, as MGSampler does (µ)."""
STILL = 1e-9
"""Mass or distance below which nothing tells frames apart."""


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """What frames look like, for the samplers that look.

    Attributes:
        frames: (n,) int32, episode frames, ascending; the candidates.
        rgb: (n, d) float32, small pictures, 0..1.
        descriptor: (n, e) float32, colours and edges by place (see `features.py`).
    """

    frames: I32
    rgb: F32
    descriptor: F32

    def __post_init__(self) -> None:
        expect_shape("frames", self.frames, (len(self.frames),))
        expect_shape("rgb", self.rgb, (len(self.frames), None))
        expect_shape("descriptor", self.descriptor, (len(self.frames), None))


def needs_features(sampler: Sampler) -> bool:
    """Whether a sampler looks at the pictures."""
    return sampler in (Sampler.DP, Sampler.DP_FPS, Sampler.MG_RGB, Sampler.MG_FEATURE)


def sample(
    sampler: Sampler,
    span: tuple[int, int],
    count: int,
    features: FrameFeatures | None = None,
    fps: float = 30.0,
) -> tuple[int, ...]:
    """Choose frames.

    Args:
        sampler: How.
        span: First frame and one past the last one.
        count: How many are wanted.
        features: Of frames within the span, where `needs_features`.
        fps: Frames per second, for `dp_fps`.

    Returns:
        Rising frames of the span: `count`, or all if there are fewer.

    Raises:
        ValueError: The span is empty, `count` is below 1, or features are missing.
    """
    start, end = span
    if start >= end or count < 1:
        raise ValueError(f"expected frames to choose from, got {count} of {start}..{end}")
    if not needs_features(sampler):
        return _by_time(sampler, start, end, count)
    if features is None or not len(features.frames):
        raise ValueError(f"{sampler.value} needs features of the frames")
    frames = features.frames.astype(np.int64)
    if frames[0] < start or frames[-1] >= end or (np.diff(frames) < 1).any():
        raise ValueError(f"features of frames outside of {start}..{end}, or not ascending")
    if len(frames) < min(count, end - start):
        raise ValueError(f"{count} frames are wanted, {len(frames)} have features")
    if len(frames) <= count:
        return tuple(int(f) for f in frames)
    chosen = _by_looks(sampler, frames, count, features, fps)
    if chosen is None:
        return _by_time(Sampler.UNIFORM, start, end, count)
    return tuple(int(f) for f in frames[chosen])


def _by_time(sampler: Sampler, start: int, end: int, count: int) -> tuple[int, ...]:
    last = end - 1
    low, high = float(start), float(last)
    if sampler is Sampler.MIDDLE:
        low, high = start + INNER * (last - start), last - INNER * (last - start)
    elif sampler is Sampler.LATE_LAST:
        low = start + SKIPPED * (last - start)
    wanted = np.array([high]) if sampler is Sampler.LATE_LAST else np.array([(low + high) / 2])
    if count > 1:
        wanted = np.linspace(low, high, count)
    return tuple(start + int(i) for i in rising(wanted - start, end - start))


def rising(wanted: F64, size: int) -> I64:
    """Round places in 0..size-1 to whole ones that rise strictly, moving each as little as needed.

    Args:
        wanted: (k,) places in rising order.
        size: How many places there are; if fewer than k, all are returned.

    Returns:
        (min(k, size),) int64.
    """
    if size <= len(wanted):
        return np.arange(size)
    order = np.arange(len(wanted))
    spare = np.floor(wanted + 0.5).astype(np.int64) - order
    return np.clip(np.maximum.accumulate(spare), 0, size - len(wanted)) + order


def _by_looks(
    sampler: Sampler, frames: I64, count: int, features: FrameFeatures, fps: float
) -> I64 | None:
    """Rows of the features, None where nothing tells frames apart."""
    if sampler in (Sampler.MG_RGB, Sampler.MG_FEATURE):
        look = features.rgb if sampler is Sampler.MG_RGB else features.descriptor
        return by_mass(motion_mass(look), count)
    gap = 1
    if sampler is Sampler.DP_FPS:
        # As far apart as the rate asks, or as the span allows where it is short.
        gap = max(1, round(fps / DP_RATE))
        while gap > 1 and not _has_path(frames, count, gap):
            gap -= 1
    distances = pair_distances(features.descriptor)
    if distances.max() < STILL:
        return None
    return diverse_path(distances, count, frames, gap)


def _has_path(frames: I64, count: int, gap: int) -> bool:
    """Whether `count` of the frames lie `gap` apart: taking each as early as possible finds out."""
    found, last = 0, int(frames[0]) - gap
    for frame in frames:
        if frame - last >= gap:
            found, last = found + 1, int(frame)
    return found >= count


def motion_mass(look: F32) -> F64:
    """How much each frame differs from the one before, mean L1, (n,) float64; the first is 0."""
    mass = np.zeros(len(look))
    for k in range(1, len(look)):
        mass[k] = np.abs(look[k].astype(np.float64) - look[k - 1]).mean()
    return mass


def by_mass(mass: F64, count: int) -> I64 | None:
    """Frames at equal shares of the smoothed motion mass (MGSampler, Zhi et al. 2021).

    The mass is raised to `MASS_POWER` and summed up; the k-th frame is where the sum reaches
    (k + 1/2) / count of the whole.

    Args:
        mass: (n,) at least 0.
        count: Below n.

    Returns:
        (count,) rising rows, or None if nothing moves.
    """
    smoothed = mass**MASS_POWER
    total = float(smoothed.sum())
    if mass.max() < STILL:
        return None
    shares = np.cumsum(smoothed) / total
    wanted = np.searchsorted(shares, (np.arange(count) + 0.5) / count)
    return rising(wanted.astype(np.float64), len(mass))


def pair_distances(look: F32) -> F64:
    """Euclidean distance of all pairs of frames, (n, n) float64, symmetric with zeros."""
    values = look.astype(np.float64)
    distances = np.zeros((len(values), len(values)))
    for k in range(len(values)):
        row = np.sqrt(((values[k + 1 :] - values[k]) ** 2).sum(axis=1))
        distances[k, k + 1 :] = row
        distances[k + 1 :, k] = row
    return distances


def diverse_path(distances: F64, count: int, frames: I64, gap: int = 1) -> I64:
    """The path of `count` rising frames whose steps are longest in sum, by dynamic programming.

    Of equal paths that whose last frame, and then each one before it, is earliest.

    Args:
        distances: (n, n), at least 0.
        count: 1..n.
        frames: (n,) ascending episode frames.
        gap: Fewest episode frames from one to the next; a path must exist.

    Returns:
        (count,) rising rows.

    Raises:
        ValueError: No path keeps the gap.
    """
    size = len(frames)
    allowed = frames[None, :] - frames[:, None] >= max(gap, 1)
    steps = np.where(allowed, distances, -np.inf)
    best = np.zeros(size)
    came = np.zeros((count, size), np.int64)
    for k in range(1, count):
        reach = best[:, None] + steps
        came[k] = reach.argmax(axis=0)
        best = reach[came[k], np.arange(size)]
    if not np.isfinite(best).any():
        raise ValueError(f"no {count} of {size} frames lie {gap} apart")
    chosen = [int(best.argmax())]
    for k in range(count - 1, 0, -1):
        chosen.append(int(came[k, chosen[-1]]))
    return np.array(chosen[::-1], dtype=np.int64)
