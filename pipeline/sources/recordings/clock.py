"""Which row of a signal belongs to which frame of a video."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F64, I64
from pipeline.model.problem import Severity
from pipeline.sources.gripper_channels import tokens
from pipeline.sources.recordings.table import SignalTable

_TIME = frozenset({"timestamp", "timestamps", "time", "times", "t", "stamp", "elapsed", "clock"})
_UNITS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3, "millis": 1e-3,
    "us": 1e-6, "usec": 1e-6, "microseconds": 1e-6, "micros": 1e-6,
    "ns": 1e-9, "nsec": 1e-9, "nanoseconds": 1e-9, "nanos": 1e-9, "nanosec": 1e-9,
}  # fmt: skip
_FRAME = re.compile(r"(video_?)?frame(_?(index|idx|id|number|nr|no))?", re.IGNORECASE)
_COUNTERS = frozenset({"index", "unnamed: 0", "column", "episode_index", "task_index", "row"})


@dataclass(frozen=True, slots=True)
class Clock:
    """How rows and frames meet.

    Attributes:
        rows: (T,) int64, the row that belongs to each frame, -1 where there is none.
        used: Columns that are clock or counter and no signal.
        said: How it was done, one phrase.
    """

    rows: I64
    used: frozenset[str]
    said: str


def align(table: SignalTable, times: F64) -> Clock:
    """Find the nearest row for every frame; no values are made up between rows.

    A frame that is further than one and a half row spacings from any row has none. Doubts are
    noted in the table.

    Args:
        table: The signal; at least one row.
        times: (T,) seconds of the video's frames, from its first.
    """
    used = frozenset(
        n for n, v in table.columns.items() if n.strip().lower() in _COUNTERS and _counts(v)
    )
    frame = next((n for n in table.columns if _FRAME.fullmatch(n.strip())), None)
    time = next((n for n in table.columns if _unit_of(n) is not None), None)
    duration = float(times[-1]) if len(times) else 0.0
    if time is not None:
        stamps, said = _seconds(table, time, duration)
        rows = _nearest(table, time, stamps, times)
        return Clock(rows, used | {time} | ({frame} if frame else set()), said)
    counts = np.arange(len(times), dtype=np.float64)
    if frame is not None:
        places = table.columns[frame]
        finite = places[np.isfinite(places)]
        if finite.size and finite.min() == 1 and finite.max() == len(times):
            table.doubt("frames_from_one", f"{frame} counts from 1", Severity.INFO)
            places = places - 1
        return Clock(_nearest(table, frame, places, counts), used | {frame}, f"by {frame}")
    if abs(table.rows - len(times)) <= 1:
        rows = np.minimum(np.arange(len(times)), table.rows - 1)
        return Clock(rows, used, "one row per frame, it has no time column")
    text = f"no time column: {table.rows} rows for {len(times)} frames, spread evenly"
    table.doubt("signal_spread", text)
    rows = np.rint(np.linspace(0, table.rows - 1, len(times))).astype(np.int64)
    return Clock(rows, used, "rows spread evenly over the video, it has no time column")


def _counts(values: F64) -> bool:
    """True for 0, 1, 2, ... and for constants: a table's own numbering."""
    steps = np.diff(values)
    return bool((steps == 1).all() or (steps == 0).all())


def _unit_of(name: str) -> float | None:
    """Seconds per unit of a time column by its name, 0 if the name has none; None if it is none."""
    words = [w for w in tokens(name) if w != "unix" and w != "epoch" and w != "ros"]
    units = [_UNITS[w] for w in words if w in _UNITS]
    rest = [w for w in words if w not in _UNITS]
    if not rest or not set(rest) <= _TIME:
        return None
    return units[-1] if units else 0.0


def _seconds(table: SignalTable, name: str, duration: float) -> tuple[F64, str]:
    """Time stamps in seconds from the video's first frame."""
    stamps = table.columns[name]
    finite = stamps[np.isfinite(stamps)]
    if not finite.size:
        return stamps, f"by {name}, which holds no numbers"
    first, span = float(finite.min()), float(np.ptp(finite))
    unit = _unit_of(name) or _likely_unit(span, duration)
    first, span = first * unit, span * unit
    stamps = stamps * unit
    said = f"by {name}"
    if unit != 1.0:
        said += f" in {({1e-3: 'ms', 1e-6: 'µs', 1e-9: 'ns'})[unit]}"
    # A clock that began elsewhere (boot, 1970) tells nothing about the video's beginning.
    if not -0.5 <= first < max(duration, 0.1):
        stamps = stamps - first
        said += ", its first row at the first frame"
        text = f"{name} begins at {first:.10g} s; its first row is put at the first frame"
        table.doubt("clock_shifted", text, Severity.INFO)
    if duration and abs(span - duration) > max(0.5, 0.05 * duration):
        text = f"{name} spans {span:.2f} s, the video {duration:.2f} s"
        table.doubt("signal_span_differs", text)
    return stamps, said


def _likely_unit(span: float, duration: float) -> float:
    """The unit in which a span comes nearest to the video's duration."""
    if span <= 0 or duration <= 0:
        return 1.0
    return min((1.0, 1e-3, 1e-6, 1e-9), key=lambda u: abs(np.log(span * u / duration)))


def _nearest(table: SignalTable, name: str, places: F64, wanted: F64) -> I64:
    """Row nearest to each wanted place, -1 where none is near."""
    usable = np.flatnonzero(np.isfinite(places))
    if len(usable) < len(places):
        missing = len(places) - len(usable)
        table.doubt("bad_timestamps", f"{name}: {missing} rows without a number are left out")
    if not len(usable):
        return np.full(len(wanted), -1, np.int64)
    if (np.diff(places[usable]) < 0).any():
        table.doubt("bad_timestamps", f"{name} goes back; the rows were put in order")
    order = usable[np.argsort(places[usable], kind="stable")]
    sorted_places = places[order]
    after = np.clip(np.searchsorted(sorted_places, wanted), 0, len(order) - 1)
    before = np.maximum(after - 1, 0)
    earlier = wanted - sorted_places[before] <= sorted_places[after] - wanted
    chosen = np.where(earlier, before, after)
    gaps = np.diff(sorted_places)
    spacing = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 0.0
    own = float(np.median(np.diff(wanted))) if len(wanted) > 1 else 0.0
    reach = 1.5 * max(spacing, own) + 1e-9
    near = np.abs(sorted_places[chosen] - wanted) <= reach
    if not near.all():
        text = f"{int((~near).sum())} of {len(wanted)} frames have no row near them"
        table.doubt("signal_gaps", text)
    return np.where(near, order[chosen], -1).astype(np.int64)
