"""One table from parts that were recorded apart: unequal row counts, clocks of unknown unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from pipeline.model.arrays import F64, Array
from pipeline.model.problem import Problem, Severity

_UNITS = (1.0, 1e-3, 1e-6, 1e-9)


def common_length(lengths: Iterable[int]) -> int:
    """Rows that most parts have; of two equally common counts the larger, 0 if there is none."""
    counts = Counter(length for length in lengths if length > 0)
    return max(counts, key=lambda length: (counts[length], length)) if counts else 0


def fit_rows(values: Array, length: int) -> Array:
    """Cut a part at the end, or continue it with NaN, so that it has `length` rows.

    Args:
        values: (R, ...) numeric.
        length: Rows T wanted.

    Returns:
        (T, ...), the same array if it fits; float64 where NaN had to be added.
    """
    if len(values) >= length:
        return values[:length]
    result = np.full((length, *values.shape[1:]), np.nan)
    result[: len(values)] = values
    return result


def rows_differ(parts: dict[str, int], length: int) -> list[Problem]:
    """One problem that lists all parts whose row count is not the episode's.

    Args:
        parts: Row count of each part, by its name in the file.
        length: Rows T of the episode.
    """
    odd = [f"{name} has {rows}" for name, rows in parts.items() if rows != length]
    if not odd:
        return []
    more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
    text = f"the episode has {length} rows, but {', '.join(odd[:3])}{more}; ends are cut or empty"
    return [Problem("rows_differ", text)]


def seconds_from_start(stamps: Array, fps: float) -> F64 | None:
    """Bring time stamps of unknown unit to seconds from the first.

    The unit (s, ms, µs or ns) is the one under which the median step comes nearest to the
    declared rate (our choice: files do not say it, and writers differ).

    Args:
        stamps: (T,) integer or float.
        fps: Declared rows per second.

    Returns:
        (T,) float64, or None if these are no usable stamps: not finite, not rising, or no unit
        brings the median step within a factor of three of the declared rate.
    """
    stamps = stamps.reshape(-1)
    if len(stamps) < 2 or not np.isfinite(stamps).all():
        return None
    # Nanoseconds since 1970 do not fit a float64: subtract first.
    since: F64 = (stamps - stamps[0]).astype(np.float64)
    step = float(np.median(np.diff(since)))
    if step <= 0:
        return None
    unit = min(_UNITS, key=lambda u: abs(np.log(step * u * fps)))
    if not 1 / 3 < step * unit * fps < 3:
        return None
    seconds: F64 = since * unit
    return seconds


def row_times(
    clocks: Iterable[tuple[str, Array | None]],
    length: int,
    fps: float,
    none: str,
    problems: list[Problem],
) -> F64:
    """Seconds of each row by the first usable clock, evenly spaced if there is none.

    Args:
        clocks: Name and time stamps, the best first; None where the file lacks one.
        length: Rows T.
        fps: Declared rows per second.
        none: What is said if there is no clock at all.
        problems: Gets `bad_timestamps` if no clock can be used.

    Returns:
        (T,) float64, never falling.
    """
    why = none
    for name, stamps in clocks:
        if stamps is None:
            continue
        times = seconds_from_start(stamps, fps) if stamps.size == length else None
        if times is not None and not (np.diff(times) < 0).any():
            return times
        why = f"{name} does not rise with the rows"
    problems.append(no_clock(why))
    return np.arange(length, dtype=np.float64) / fps


def no_clock(why: str) -> Problem:
    """The problem of an episode without usable time stamps."""
    text = f"{why}; the declared rate is used instead"
    return Problem("bad_timestamps", text, Severity.INFO)
