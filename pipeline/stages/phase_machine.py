"""The two-pass state machine of the gripper phases (SPARC B.1.1), pure NumPy.

Closures are found with hysteresis and debounce, judged by an adaptive minimum duration, laid out
as grasp / interact / release cycles, repaired, and moved forward by a share of the next phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, Bool
from pipeline.model.phases import Closure, Phase, PhaseName

INTERACT, FAILURE, CLOSED_AT_START, TOO_SHORT = (
    "interact",
    "failure",
    "closed_at_start",
    "too_short",
)
"""Verdicts of `Closure`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How open spans are shared between release and the next approach (our choice).

    Attributes:
        release: Nominal length of a release that another closure follows, frames.
        approach: Frames that a grasp keeps even if it must borrow them from the release.
    """

    release: int
    approach: int


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


def minimum_duration(
    durations: Sequence[int], length: int, floor: int, factor: float, budget: float
) -> int:
    """d_min = max(floor, factor * min(median(d), B / K)), with B = budget * T, in frames.

    The paper names the ingredients; this form and `factor`, `budget` are ours.

    Args:
        durations: d_k of the K candidate closures, frames.
        length: Length T of the trajectory, frames.
        floor: Smallest d_min, frames (SPARC table 5).
        factor: Share c of the typical duration.
        budget: Share of the trajectory in which contact is expected.
    """
    if not durations:
        return floor
    typical = min(float(np.median(durations)), budget * length / len(durations))
    return max(floor, round(factor * typical))


def judge_closures(
    opening: F32,
    close_below: float,
    open_above: float,
    debounce: int,
    floor: int,
    factor: float,
    budget: float,
) -> tuple[tuple[Closure, ...], int]:
    """Pass 1 collects closures and d_min, pass 2 says what each of them is.

    A closure that lasts from the first frame on has no approach: it is no grasp by itself
    (`closed_at_start`). If it is the only one of the trajectory, is long enough and the gripper
    opens after it, it is the interaction: such a recording was cut after the grasp and the object
    is put down in it (our choice). Dips shorter than the debounce are listed as `too_short`; they
    are no candidates and do not enter d_min.

    Returns:
        Closures by time, and d_min in frames.
    """
    spans = runs(closed_frames(opening, close_below, open_above, debounce))
    d_min = minimum_duration([b - a for a, b in spans], len(opening), floor, factor, budget)
    closures = []
    for start, end in spans:
        long_enough = end - start >= d_min
        at_start = start < debounce
        alone = len(spans) == 1 and long_enough and end < len(opening)
        if at_start and not alone:
            verdict = CLOSED_AT_START
        else:
            verdict = INTERACT if long_enough else FAILURE
        closures.append(Closure(start, end, verdict))
    inside = np.zeros(len(opening), np.bool_)
    for start, end in spans:
        inside[start:end] = True
    dips = runs((opening < close_below) & ~inside)
    closures += [Closure(a, b, TOO_SHORT) for a, b in dips]
    return tuple(sorted(closures, key=lambda c: c.start)), d_min


def split_open_span(length: int, layout: Layout) -> int:
    """Frames of an open span between two closures that belong to the release.

    The release has its nominal length but ends early when the gripper closes again (repair 2). A
    grasp that would keep fewer than `layout.approach` frames borrows from the release, up to half
    of the span (repair 1).
    """
    release = min(layout.release, length)
    if length - release < layout.approach:
        release = length - min(layout.approach, length // 2)
    return release


def lay_out(closures: Sequence[Closure], length: int, arm: str, layout: Layout) -> list[Phase]:
    """Turn judged closures into consecutive phases, no offset yet.

    Open spans before a closure are its approach (`grasp`); after an interaction `release` comes
    first. A failed closure keeps its cycle: grasp, grasp_failure, grasp, interact, release. The
    open span after the last closure is a release. A closure at the start belongs to no phase: the
    first approach begins where the gripper opens.
    """
    phases: list[Phase] = []

    def add(name: PhaseName, start: int, end: int, cycle: int) -> None:
        if end > start:
            phases.append(Phase(name, arm, start, end, cycle, start, end))

    cycle, position, before = 0, 0, ""
    for closure in closures:
        if closure.verdict == TOO_SHORT:
            continue
        if closure.verdict == CLOSED_AT_START:
            position = closure.end
            continue
        if before == INTERACT:
            released = position + split_open_span(closure.start - position, layout)
            add(PhaseName.RELEASE, position, released, cycle)
            position, cycle = released, cycle + 1
        add(PhaseName.GRASP, position, closure.start, cycle)
        held = closure.verdict == INTERACT
        name = PhaseName.INTERACT if held else PhaseName.GRASP_FAILURE
        add(name, closure.start, closure.end, cycle)
        position, before = closure.end, closure.verdict
    if before:
        add(PhaseName.RELEASE, position, length, cycle)
    return phases


def offset_forward(phases: Sequence[Phase], share: float) -> list[Phase]:
    """Move each boundary between two phases forward by `share` of the phase that follows it.

    The first start and the last end stay. `measured_start` and `measured_end` keep what was
    measured.
    """
    moved = list(phases)
    for i in range(len(phases) - 1):
        after = phases[i + 1]
        frame = after.start + min(round(share * after.length), after.length - 1)
        moved[i] = moved[i].moved(end=frame)
        moved[i + 1] = moved[i + 1].moved(start=frame)
    return moved


def move_boundaries(
    phases: Sequence[Phase], wanted: Sequence[tuple[int, int]], length: int
) -> tuple[list[Phase], tuple[int, ...]]:
    """Apply boundaries that a person moved.

    A moved boundary is clamped so that every phase keeps a frame and boundaries that nobody moved
    stay where they are; boundaries moved together are judged together, whatever their order.

    Args:
        phases: Consecutive phases of one arm.
        wanted: (index, frame): the boundary between phases `index` and `index + 1`; -1 is the
            first start.
        length: Length T of the trajectory, frames.

    Returns:
        The phases, and the indices for which there is no such boundary.
    """
    known = {i: frame for i, frame in wanted if -1 <= i < len(phases) - 1}
    unknown = tuple(i for i, _ in wanted if i not in known)
    if not phases or not known:
        return list(phases), unknown
    # cuts[j] is the boundary of index j - 1; the last end is fixed.
    cuts = [phases[0].start, *(p.end for p in phases)]
    moved = {i + 1 for i in known}
    for i, frame in known.items():
        cuts[i + 1] = frame
    for j in sorted(moved):
        below = next((k for k in range(j - 1, -1, -1) if k not in moved), None)
        above = next(k for k in range(j + 1, len(cuts)) if k not in moved)
        low = j if below is None else cuts[below] + (j - below)
        high = min(cuts[above], length) - (above - j)
        cuts[j] = min(max(cuts[j], low), high)
    for j in sorted(moved):
        if j > 0:
            cuts[j] = max(cuts[j], cuts[j - 1] + 1)
    return [p.moved(start=a, end=b) for p, a, b in zip(phases, cuts, cuts[1:], strict=False)], (
        unknown
    )
