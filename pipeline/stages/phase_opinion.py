"""A second opinion on closures where the published rule is known to err (our choice).

The published rule compares the opening with thresholds of the whole trajectory. It takes a hand
that rests half closed for a grasp, and misses a thick object that stops the fingers early. Here a
closure is a drop from the opening just before it, whatever the rest of the trajectory does, and
the command may say that nothing is held.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32
from pipeline.model.demonstration import ClosedIs
from pipeline.model.phases import Closure
from pipeline.stages.phase_machine import FAILURE, INTERACT

_STEP = 0.02
"""Changes of the opening under this are noise."""
_HELD_GAP = 0.1
"""Share of a channel's range by which a stopped finger stays behind its command."""


@dataclass(frozen=True, slots=True)
class Swing:
    """A local extreme of the opening.

    Attributes:
        frame: Where.
        level: Opening there.
        is_top: True for a local opening, False for a local closing.
    """

    frame: int
    level: float
    is_top: bool


def swings(opening: F32, least: float) -> list[Swing]:
    """Alternating extremes of the opening that differ by `least` or more (zigzag).

    Args:
        opening: (T,) float32, 0..1.
        least: Smallest swing that counts.
    """
    # Only frames where the quantised signal changes can be extremes.
    coarse = np.round(opening / _STEP)
    change = np.flatnonzero(np.diff(coarse)) + 1
    kept = np.zeros(len(opening), np.bool_)
    kept[[0, -1]] = kept[change - 1] = kept[change] = True
    keep = np.flatnonzero(kept)
    frames, levels = keep.tolist(), opening[keep].astype(float).tolist()
    found: list[Swing] = []
    top = bottom = (frames[0], levels[0])
    direction = 0
    for frame, level in zip(frames, levels, strict=True):
        # Towards a top (direction 1) only a new top or a fall from it matters, and vice versa.
        if direction >= 0:
            if level > top[1]:
                top = (frame, level)
            elif top[1] - level >= least:
                found.append(Swing(*top, True))
                direction, bottom = -1, (frame, level)
                continue
        if direction <= 0:
            if level < bottom[1]:
                bottom = (frame, level)
            elif level - bottom[1] >= least:
                found.append(Swing(*bottom, False))
                direction, top = 1, (frame, level)
    if direction != 0:
        found.append(Swing(*top, True) if direction > 0 else Swing(*bottom, False))
    return found


def local_closures(opening: F32, least_drop: float) -> list[tuple[int, int]]:
    """Spans between a drop of at least `least_drop` and the rise after it.

    A span begins where the opening falls below the middle between the local opening before it and
    its own lowest value, and ends where it rises over the middle towards the next one.
    """
    found = swings(opening, least_drop)
    spans = []
    for i, low in enumerate(found):
        if low.is_top or i == 0:
            continue
        before = found[i - 1]
        # From the right: the last crossing of the fall, the first one of the rise.
        fall = opening[before.frame : low.frame + 1] >= (before.level + low.level) / 2
        start = before.frame + int(np.flatnonzero(fall)[-1]) + 1
        end = len(opening)
        if i + 1 < len(found):
            after = found[i + 1]
            rise = opening[low.frame : after.frame + 1] > (after.level + low.level) / 2
            end = low.frame + int(np.flatnonzero(rise)[0])
        spans.append((start, end))
    return spans


def squeezes(state: F32, command: F32, closed_is: ClosedIs) -> bool:
    """True if some finger stays behind its command on the closed side: something stops it.

    Args:
        state: (n, C) float32, measured channels of a span, scaled by the range of the channel.
        command: (n, C) float32, commands of the same channels on the same scale.
        closed_is: Which end of the channels is closed.
    """
    gap = np.nan_to_num(np.median(state - command, axis=0))
    return bool(((gap if closed_is is ClosedIs.LOW else -gap) > _HELD_GAP).any())


def second_opinion(
    opening: F32, is_held: Callable[[int, int], bool], least_drop: float, d_min: int
) -> tuple[Closure, ...]:
    """Closures by local drop, the last one checked against the command.

    A gripper that closes at the end and does not open again mostly goes back to rest. If there are
    other closures, it counts only where the command stays more closed than the state in some
    channel, which means that something stops the fingers.

    Args:
        opening: (T,) float32, 0..1.
        is_held: Whether the command says so for the frames [start, end); see `squeezes`.
        least_drop: Smallest drop that counts as a closure.
        d_min: Minimum valid duration of the published rule, frames.
    """
    spans = local_closures(opening, least_drop)
    closures = []
    for start, end in spans:
        if end == len(opening) and len(spans) > 1 and not is_held(start, end):
            continue
        held = end - start >= d_min
        reason = (
            f"By local drop: closed for {end - start} frames from the drop to the rise, d_min is "
            f"{d_min}."
        )
        closures.append(
            Closure(start, end, INTERACT if held else FAILURE, 0 if held else 2, reason)
        )
    return tuple(closures)


def disagreements(first: Sequence[Closure], second: Sequence[Closure]) -> tuple[Closure, ...]:
    """Interactions of either list that have no counterpart (span IoU of 0.5 or more)."""

    def alone(these: Sequence[Closure], those: Sequence[Closure]) -> list[Closure]:
        held = [o for o in those if o.verdict == INTERACT]
        ends = [o.end for o in held]  # rising: closures of one rule do not overlap
        odd = []
        for closure in these:
            if closure.verdict != INTERACT:
                continue
            k = bisect_right(ends, closure.start)
            while k < len(held) and held[k].start < closure.end:
                if _span_iou(closure, held[k]) >= 0.5:
                    break
                k += 1
            else:
                odd.append(closure)
        return odd

    return tuple(sorted((*alone(first, second), *alone(second, first)), key=lambda c: c.start))


def is_refuted(
    published: Sequence[Closure], second: Sequence[Closure], is_held: Callable[[int, int], bool]
) -> bool:
    """Whether the commands side with the second opinion against the published closures.

    That is so if something stops the fingers in every interaction of the second opinion and in
    none of those that only the published rule has. Without commands nothing is refuted.

    Args:
        published: Closures of the published rule.
        second: Closures of the second opinion.
        is_held: Whether something stops the fingers in the frames [start, end); see `squeezes`.
    """
    odd = disagreements(published, second)
    grasps = [c for c in second if c.verdict == INTERACT]
    if not odd or not grasps:
        return False
    only_published = [c for c in odd if c in published and c not in grasps]
    return all(is_held(c.start, c.end) for c in grasps) and not any(
        is_held(c.start, c.end) for c in only_published
    )


def _span_iou(a: Closure, b: Closure) -> float:
    inter = max(0, min(a.end, b.end) - max(a.start, b.start))
    return inter / max(max(a.end, b.end) - min(a.start, b.start), 1)
