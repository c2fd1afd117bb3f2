"""The two-pass state machine of the gripper phases (SPARC B.1.1), pure NumPy.

Pass 1 collects candidate closures with hysteresis and debounce; from their durations comes an
adaptive minimum; pass 2 judges each of them by it. `phase_layout` makes phases of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, Bool
from pipeline.model.phases import Closure, MinimumDuration

INTERACT, FAILURE, CLOSED_AT_START, TOO_SHORT = (
    "interact",
    "failure",
    "closed_at_start",
    "too_short",
)
"""Verdicts of `Closure`."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What pass 1 found; all spans are [start, end) by time.

    Attributes:
        closed: Candidate closures.
        dips: Spans under the closing threshold that were too short for a transition.
        reopenings: Spans over the opening threshold inside closures, too short for a transition.
        debounce: Consecutive frames that a transition needed.
    """

    closed: tuple[tuple[int, int], ...]
    dips: tuple[tuple[int, int], ...]
    reopenings: tuple[tuple[int, int], ...]
    debounce: int

    @property
    def durations(self) -> tuple[int, ...]:
        """d_k of the candidate closures, frames."""
        return tuple(end - start for start, end in self.closed)


def runs(mask: Bool) -> list[tuple[int, int]]:
    """Spans [start, end) of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _held(mask: Bool, count: int) -> Bool:
    """True where `mask` is True in this and the next `count - 1` frames."""
    if count <= 1:
        return mask
    held = np.zeros(len(mask), np.bool_)
    if len(mask) >= count:
        held[: len(mask) - count + 1] = np.lib.stride_tricks.sliding_window_view(mask, count).all(
            axis=1
        )
    return held


def closed_frames(opening: F32, close_below: float, open_above: float, debounce: int) -> Bool:
    """Hysteresis: frames in which the gripper counts as closed.

    The state changes to closed at the first of `debounce` consecutive frames under `close_below`,
    and back at the first of as many frames over `open_above`. As in the paper the machine starts
    in `grasp`, hence open, unless the first frames are closed.

    Args:
        opening: (T,) float32, 0..1.
        close_below: tau - delta.
        open_above: tau + delta.
        debounce: Consecutive frames that a change needs.

    Returns:
        (T,) bool.
    """
    # +1 closes, -1 opens; between two events the last one holds.
    event = _held(opening < close_below, debounce).astype(np.int8)
    event[_held(opening > open_above, debounce)] = -1
    last = np.where(event != 0, np.arange(len(opening)), -1)
    np.maximum.accumulate(last, out=last)
    closed: Bool = np.where(last >= 0, event[last], -1) > 0
    return closed


def collect_candidates(
    opening: F32, close_below: float, open_above: float, debounce: int
) -> Candidates:
    """Pass 1: record closed spans without a word on whether they are valid.

    Args:
        opening: (T,) float32, 0..1.
        close_below: tau - delta.
        open_above: tau + delta.
        debounce: Consecutive frames that a change needs.
    """
    closed = closed_frames(opening, close_below, open_above, debounce)
    return Candidates(
        closed=tuple(runs(closed)),
        dips=tuple(runs((opening < close_below) & ~closed)),
        reopenings=tuple(runs((opening > open_above) & closed)),
        debounce=debounce,
    )


def minimum_duration(
    durations: Sequence[int], length: int, floor: int, factor: float, budget: float
) -> MinimumDuration:
    """d_min = max(floor, factor * min(median(d), B / K)), with B = budget * T, in frames.

    The paper names the ingredients; this form and `factor`, `budget` are ours.

    Args:
        durations: d_k of the K candidate closures, frames.
        length: Length T of the trajectory, frames.
        floor: Smallest d_min, frames (SPARC table 5).
        factor: Share c of the typical duration.
        budget: Share of the trajectory in which contact is expected.
    """
    attempts, frames = len(durations), budget * length
    if not attempts:
        return MinimumDuration(floor, "floor", 0.0, frames, 0, factor, floor)
    median = float(np.median(durations))
    term = "median" if median <= frames / attempts else "budget"
    adaptive = round(factor * min(median, frames / attempts))
    if adaptive <= floor:
        term = "floor"
    return MinimumDuration(max(floor, adaptive), term, median, frames, attempts, factor, floor)


def judge_candidates(candidates: Candidates, d_min: int, length: int) -> tuple[Closure, ...]:
    """Pass 2: say of each closure what it is, and why.

    A closure that lasts from the first frame on has no approach: it is no grasp by itself
    (`closed_at_start`). If it is the only one of the trajectory, is long enough and the gripper
    opens after it, it is the interaction: such a recording was cut after the grasp and the object
    is put down in it (our choice). Dips that pass 1 did not take are listed as `too_short`; they
    do not enter d_min.

    Args:
        candidates: Of pass 1.
        d_min: Minimum valid duration, frames.
        length: Length T of the trajectory, frames.

    Returns:
        Closures by time.
    """
    closures = []
    for start, end in candidates.closed:
        alone = len(candidates.closed) == 1 and end - start >= d_min and end < length
        verdict, dropped, reason = _judged(end - start, d_min, start < candidates.debounce, alone)
        inside = tuple(r for r in candidates.reopenings if start <= r[0] < end)
        if inside:
            reason += f" {_reopened(inside, candidates.debounce)}"
        closures.append(Closure(start, end, verdict, dropped, reason, inside))
    closures += [
        Closure(
            a,
            b,
            TOO_SHORT,
            1,
            f"Dropped by pass 1: below the closing threshold for {_frames(b - a)} only, a "
            f"transition needs {candidates.debounce}.",
        )
        for a, b in candidates.dips
    ]
    return tuple(sorted(closures, key=lambda c: c.start))


def _judged(duration: int, d_min: int, at_start: bool, alone: bool) -> tuple[str, int, str]:
    """Verdict, pass that drops it (0: kept), and why."""
    if at_start and not alone:
        why = "closed from the first frame on, so there is no approach: no grasp by itself."
        return CLOSED_AT_START, 2, f"Dropped by pass 2: {why}"
    if at_start:
        why = f"the only closure, {_frames(duration)} long (d_min {d_min}), and it opens again."
        return INTERACT, 0, f"Kept although closed from the first frame on: {why}"
    if duration >= d_min:
        return INTERACT, 0, f"Kept by pass 2: closed for {_frames(duration)}, d_min is {d_min}."
    why = f"closed for {_frames(duration)}, d_min is {d_min}."
    return FAILURE, 2, f"Dropped by pass 2 as a failed grasp: {why}"


def _reopened(spans: Sequence[tuple[int, int]], debounce: int) -> str:
    many = f"{len(spans)} re-openings" if len(spans) > 1 else "A re-opening"
    longest = _frames(max(b - a for a, b in spans))
    least = "were" if len(spans) > 1 else "was"
    return f"{many} of up to {longest} {least} ignored, a transition needs {debounce}."


def _frames(count: int) -> str:
    return f"{count} frame" if count == 1 else f"{count} frames"
