"""From judged closures to phases: cycles, repairs between them, forward offset (SPARC B.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model.phases import Closure, Phase, PhaseName, Repair
from pipeline.stages.phase_machine import CLOSED_AT_START, INTERACT, TOO_SHORT

BORROWED, EARLY_RELEASE = "borrowed", "early_release"
"""Kinds of `Repair`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How open spans are shared between release and the next approach (our choice).

    Attributes:
        release: Nominal length of a release that another closure follows, frames.
        approach: Frames that a grasp keeps even if it must borrow them from the release.
    """

    release: int
    approach: int


def release_frames(length: int, layout: Layout) -> int:
    """Frames of an open span between two closures that the release takes at first.

    That is its nominal length, or less when the gripper closes again before (early release).
    """
    return min(layout.release, length)


def borrowed_frames(length: int, release: int, layout: Layout) -> int:
    """Frames that the grasp borrows from the release so that it keeps an approach.

    It never gets more than half of the open span in this way.

    Args:
        length: Of the open span, frames.
        release: Frames that the release has taken of it.
        layout: How many frames the grasp should have.
    """
    return max(min(layout.approach, length // 2) - (length - release), 0)


def lay_out(
    closures: Sequence[Closure], length: int, arm: str, layout: Layout
) -> tuple[list[Phase], list[Repair]]:
    """Turn judged closures into consecutive phases, no offset yet.

    Open spans before a closure are its approach (`grasp`); after an interaction `release` comes
    first. A failed closure keeps its cycle: grasp, grasp_failure, grasp, interact, release. The
    open span after the last closure is a release. A closure at the start belongs to no phase: the
    first approach begins where the gripper opens.

    Args:
        closures: Judged, by time.
        length: Length T of the trajectory, frames.
        arm: Which arm.
        layout: How open spans are shared.

    Returns:
        Phases, and what was repaired between closures, both by time.
    """
    phases: list[Phase] = []
    repairs: list[Repair] = []

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
            between = closure.start - position
            released = position + release_frames(between, layout)
            early = position + layout.release
            if released < early:
                repairs.append(_early(released, early, cycle, layout))
            borrowed = borrowed_frames(between, released - position, layout)
            if borrowed:
                repairs.append(_borrowed(released - borrowed, released, cycle, layout))
            released -= borrowed
            add(PhaseName.RELEASE, position, released, cycle)
            position, cycle = released, cycle + 1
        add(PhaseName.GRASP, position, closure.start, cycle)
        held = closure.verdict == INTERACT
        name = PhaseName.INTERACT if held else PhaseName.GRASP_FAILURE
        add(name, closure.start, closure.end, cycle)
        position, before = closure.end, closure.verdict
    if before:
        add(PhaseName.RELEASE, position, length, cycle)
    return phases, repairs


def _early(start: int, end: int, cycle: int, layout: Layout) -> Repair:
    reason = (
        f"The release ends {end - start} frames before its nominal {layout.release}, because the "
        f"gripper closes again at frame {start}."
    )
    return Repair(EARLY_RELEASE, start, end, cycle, reason)


def _borrowed(start: int, end: int, cycle: int, layout: Layout) -> Repair:
    reason = (
        f"The grasp borrowed {end - start} frames from the release before it, so that it keeps an "
        f"approach (wanted: {layout.approach} frames, at most half of the open span)."
    )
    return Repair(BORROWED, start, end, cycle, reason)


def offset_forward(phases: Sequence[Phase], share: float) -> list[Phase]:
    """Move each boundary between two phases forward by `share` of the phase that follows it.

    The first start and the last end stay. `measured_start` and `measured_end` keep what was
    measured.
    """
    if not phases:
        return []
    cuts = [
        p.start + min(round(share * (p.end - p.start)), p.end - p.start - 1) for p in phases[1:]
    ]
    starts, ends = (phases[0].start, *cuts), (*cuts, phases[-1].end)
    return [
        Phase(p.name, p.arm, a, b, p.cycle, p.measured_start, p.measured_end)
        for p, a, b in zip(phases, starts, ends, strict=True)
    ]
