"""Rules about time: the table's timestamps, and the pictures' times against them."""

from __future__ import annotations

import numpy as np

from pipeline.health.codes import finding
from pipeline.health.options import HealthOptions
from pipeline.health.values import CameraTiming, Exactness
from pipeline.model.arrays import F64
from pipeline.model.picture import PictureTimes
from pipeline.model.problem import Problem

_FEW = 5
"""Fewer steps say nothing about a rate."""


def period_of(timestamps: F64, fps: float) -> float:
    """Usual step between rows in seconds: the median, or 1 / `fps` if there is none.

    Args:
        timestamps: (T,) seconds.
        fps: Declared rate.
    """
    steps = np.diff(timestamps[np.isfinite(timestamps)])
    steps = steps[steps > 0]
    if len(steps):
        return float(np.median(steps))
    return 1.0 / fps if np.isfinite(fps) and fps > 0 else 1.0


def real_rate(timestamps: F64) -> float:
    """Rows per second, 0 if there are too few to say."""
    steps = np.diff(timestamps[np.isfinite(timestamps)])
    steps = steps[steps > 0]
    if len(steps) < _FEW:
        return 0.0
    # The mean of the middle half: exact where float32 rounds each step, blind to gaps.
    low, high = np.percentile(steps, (25, 75))
    return float(1.0 / steps[(steps >= low) & (steps <= high)].mean())


def timestamp_problems(timestamps: F64, fps: float, options: HealthOptions) -> list[Problem]:
    """Gaps, repeats, uneven steps, and a declared rate that is not the real one.

    Args:
        timestamps: (T,) seconds from the episode's start, never falling.
        fps: Declared rate.
        options: Thresholds.
    """
    steps = np.diff(timestamps)
    if not len(steps) or not np.isfinite(steps).all():
        return []
    problems = []
    period = period_of(timestamps, fps)
    repeats = np.flatnonzero(steps <= 1e-3 * period)
    if len(repeats):
        text = f"{_count(len(repeats), 'row')} with the timestamp of the row before"
        problems.append(finding("timestamp_repeat", text, int(repeats[0]) + 1))
    gaps = np.flatnonzero(steps > options.gap_periods * period)
    if len(gaps):
        worst = int(gaps[np.argmax(steps[gaps])])
        text = (
            f"{_count(len(gaps), 'gap')} in the timestamps, the longest of {steps[worst]:.3f} s "
            f"at frame {worst + 1} where {period:.3f} s are usual"
        )
        problems.append(finding("timestamp_gap", text, worst + 1))
    rate = real_rate(timestamps)
    if rate and fps > 0 and abs(rate / fps - 1) > options.fps_tolerance:
        text = f"the metadata says {fps:g} fps, the timestamps {rate:.2f}"
        problems.append(finding("fps_differs", text))
    regular = steps[(steps > 1e-3 * period) & (steps <= options.gap_periods * period)]
    if len(regular) >= _FEW:
        spread = float(np.percentile(np.abs(regular - period), 95)) / period
        if spread > options.jitter_share:
            text = f"steps between timestamps vary by {spread:.0%} of a frame"
            problems.append(finding("timestamp_jitter", text))
    return problems


def camera_timing(
    camera: str, timestamps: F64, fps: float, pictures: PictureTimes, options: HealthOptions
) -> CameraTiming:
    """Compare the times of a camera's pictures with the rows they are shown for.

    Two questions are asked. How far is each row from the picture nearest to it? That is what is
    seen, and it never exceeds half a frame as long as pictures are dense. And how far is picture
    i from row i? If that grows steadily, the video runs at another speed.

    Args:
        camera: Its key.
        timestamps: (T,) seconds.
        fps: Declared rate.
        pictures: Their times; `nearest` has T entries.
        options: Thresholds.
    """
    count, length = len(pictures.times), len(timestamps)
    if not count or not length or len(pictures.nearest) != length:
        return CameraTiming(camera, Exactness.UNKNOWN, pictures=count)
    period = period_of(timestamps, fps)
    shown = pictures.times[np.clip(pictures.nearest, 0, count - 1)]
    # One picture more or less is common: encoders drop or repeat the last.
    rows = length - 1 if count == length - 1 else length
    distance = np.abs(shown - timestamps)[:rows]
    distance = np.where(np.isfinite(distance), distance, 0.0)
    worst = float(distance.max())
    frame = int(np.argmax(distance >= worst - 1e-6))  # The first, whatever the rounding.
    grown = _drift(timestamps, pictures.times, period, options)
    if grown:
        return CameraTiming(camera, Exactness.DRIFT, 1e3 * grown, length - 1, count)
    if worst * 1e3 <= options.exact_milliseconds:
        exactness = Exactness.EXACT
    elif worst <= 0.501 * period:
        exactness = Exactness.HALF_FRAME
    else:
        exactness = Exactness.OFF
    return CameraTiming(camera, exactness, 1e3 * worst, frame, count)


def _drift(timestamps: F64, times: F64, period: float, options: HealthOptions) -> float:
    """Seconds by which pictures fall behind (or run ahead) steadily; 0 if they do not."""
    count = min(len(timestamps), len(times))
    if count < 2 * _FEW:
        return 0.0
    offset = times[:count] - timestamps[:count]
    if not np.isfinite(offset).all():
        return 0.0
    along = np.linspace(0.0, 1.0, count)
    slope, start = np.polyfit(along, offset, 1)
    bend = float(np.abs(offset - (start + slope * along)).max())
    grown = float(slope)
    # A video at twice the rate of the table is no drift: it says so by its rate.
    per_row = abs(grown) / (period * count)
    if abs(grown) <= 0.5 * period or per_row > 0.05:
        return 0.0
    return grown if bend <= options.drift_linearity * abs(grown) else 0.0


def picture_problems(
    timing: CameraTiming, timestamps: F64, pictures: PictureTimes, options: HealthOptions
) -> list[Problem]:
    """What is wrong between the pictures of a camera and the table.

    Args:
        timing: Of this camera.
        timestamps: (T,) seconds.
        pictures: Their times.
        options: Thresholds.
    """
    name, problems = timing.camera.removeprefix("observation.images."), []
    count, length = len(pictures.times), len(timestamps)
    if pictures.truncated:
        text = f"{name}: {pictures.truncated}; {count} pictures are known"
        problems.append(finding("video_truncated", text, min(count, max(length - 1, 0))))
    if pictures.variable:
        problems.append(finding("video_variable_rate", f"{name}: the frame rate varies"))
    if timing.exactness is Exactness.UNKNOWN:
        return problems
    if timing.exactness is Exactness.DRIFT:
        way = "late" if timing.worst_ms > 0 else "early"
        text = f"{name}: by the end, pictures are {abs(timing.worst_ms):.0f} ms too {way}"
        problems.append(finding("times_drift", text))
    table, video = real_rate(timestamps), real_rate(pictures.times)
    other_rate = bool(table and video and abs(video / table - 1) > 0.05)
    if other_rate:
        text = f"{name}: the video has {video:.4g} pictures a second, the table {table:.4g} rows"
        problems.append(finding("video_rate_differs", text))
        return problems
    if count < length - 1:
        text = f"{name}: {count} pictures for {length} rows of the table"
        problems.append(finding("video_shorter", text, count))
    elif count > length + 1:
        text = f"{name}: {count} pictures for {length} rows of the table"
        problems.append(finding("video_longer", text))
    covered = timestamps <= pictures.times[-1] + 0.5 * period_of(timestamps, table)
    covered &= timestamps >= pictures.times[0] - 0.5 * period_of(timestamps, table)
    # One dropped picture leaves its row a whole frame away: that is told below.
    far = timing.worst_ms > 1.1e3 * period_of(timestamps, table)
    if timing.exactness is Exactness.OFF and covered[timing.frame] and far:
        text = (
            f"{name}: the picture nearest to frame {timing.frame} is {timing.worst_ms:.0f} ms off"
        )
        problems.append(finding("times_off", text, timing.frame))
    repeated = ~pictures.exact[:length] & covered[: len(pictures.exact)]
    if len(repeated):
        repeated[-1] = False
    where = np.flatnonzero(repeated)
    if len(where) and timing.exactness is not Exactness.DRIFT:
        text = f"{name}: {_count(len(where), 'row')} without a picture of their own"
        problems.append(finding("picture_repeated", text, int(where[0])))
    return problems


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
