"""What the timeline says of phases when asked: closures, boundaries, repairs, d_min."""

from __future__ import annotations

from textwrap import wrap

from pipeline.model.phases import ArmPhases, Boundary, Closure, Phase, PhaseName, PhasesResult
from widgets.frame_axis import format_seconds

_VERDICTS = {
    "interact": "the object is held (interact)",
    "failure": "grasp failure",
    "closed_at_start": "no grasp: closed from the start",
    "too_short": "no closure: too short",
}


def closure_at(arm: ArmPhases, frame: int, reach: float = 0.0) -> Closure | None:
    """The closure at a frame, or the nearest one not further than `reach` frames from it."""
    near = [
        (max(c.start - frame, frame - (c.end - 1), 0), c.start, i)
        for i, c in enumerate(arm.closures)
    ]
    hit = min(near, default=None)
    return arm.closures[hit[2]] if hit is not None and hit[0] <= reach else None


def closure_tip(arm: ArmPhases, closure: Closure, fps: float) -> str:
    """A closure: where, how long, verdict and why, d_min."""
    lines = [
        f"Closure {closure.start}–{closure.end}: {_frames(closure.length, fps)}, "
        f"{_VERDICTS.get(closure.verdict, closure.verdict)}.",
        closure.reason,
    ]
    if arm.minimum is not None and closure.verdict != "too_short":
        lines.append(arm.minimum.formula)
    if arm.rule != "published":
        lines.append(f"The phases follow the rule {arm.rule}, not these closures.")
    return "\n".join(line for line in lines if line)


def d_min_tip(arm: ArmPhases) -> str:
    """How the shortest valid closure came about."""
    if arm.minimum is None:
        return arm.coarse_reason
    return (
        f"Bar: d_min, the shortest closure that counts as a grasp.\n{arm.minimum.formula}\n"
        "SPARC B.1.1; c and B are our choice."
    )


def phase_tip(arm: ArmPhases, phase: Phase, result: PhasesResult | None, fps: float) -> str:
    """A phase: as used and as measured, its place among all, its repairs."""
    lines = [f"{phase.name.words} {phase.start}–{phase.end}: {_frames(phase.length, fps)}."]
    if arm.coarse:
        lines += [f"The whole episode is one span. {arm.coarse_reason}", _BY_HAND]
        return "\n".join(lines)
    if (phase.measured_start, phase.measured_end) != (phase.start, phase.end):
        lines.append(f"As measured: {phase.measured_start}–{phase.measured_end} (strip on top).")
    place = f"Cycle {phase.cycle + 1} of {phase.arm}"
    if result is not None and len(result.arms) > 1:
        order = result.merged.index(phase) + 1 if phase in result.merged else 0
        place += f"; number {order} of {len(result.merged)} phases of both arms by time"
    lines.append(f"{place}.")
    lines += _repairs(arm, phase)
    return "\n".join(lines)


_BY_HAND = "Split it (right mouse button) to set phases by hand."


def boundary_tip(arm: ArmPhases, boundary: Boundary) -> str:
    """A boundary: as measured, by how much it was moved forward, by whom."""
    after = arm.phases[boundary.index + 1].name.words
    lines = [f"Start of {after} at frame {boundary.frame}."]
    if boundary.found is None:
        lines.append("Made by hand (split).")
    else:
        moved = boundary.found - boundary.measured
        if moved:
            lines.append(
                f"Measured at {boundary.measured}, moved forward by {moved} "
                f"frame{'' if moved == 1 else 's'}: a share of "
                f"{after}, so that keyframes show contact and first motion (phase start offset)."
            )
        if boundary.by_hand:
            lines.append(f"Moved by hand; the rules have it at {boundary.found}.")
    lines += [r.reason for r in arm.repairs if r.start <= boundary.measured <= r.end]
    lines.append("Drag to correct it; Esc gives up.")
    return "\n".join(lines)


def arm_tip(arm: ArmPhases, result: PhasesResult | None) -> str:
    """Words about an arm: activity, noise, why it is coarse or active."""
    lines = [
        f"Moves over {arm.activity:.0%} of its plausible range (activity); noise from frame to "
        f"frame: {arm.noise:.1%} of the range (one standard deviation)."
    ]
    if arm.coarse_reason:
        lines.append(arm.coarse_reason)
    if arm.minimum is not None:
        lines.append(arm.minimum.formula)
    if result is not None and result.active_reason:
        lines.append(result.active_reason)
    return "\n".join(lines)


def wrapped(text: str, width: int = 96) -> str:
    """Break lines that are too long for a tool tip beside the mouse."""
    return "\n".join(part for line in text.split("\n") for part in wrap(line, width) or [""])


def _repairs(arm: ArmPhases, phase: Phase) -> list[str]:
    """What was repaired at a release, and at the start of the grasp after it."""
    start, end = phase.measured_start, phase.measured_start
    if phase.name is PhaseName.RELEASE:
        after = [p for p in arm.phases if p.start >= phase.end]
        end = after[0].measured_end if after else phase.measured_end
        return [r.reason for r in arm.repairs if start <= r.start <= end]
    if phase.name is PhaseName.GRASP:
        return [r.reason for r in arm.repairs if r.kind == "borrowed" and r.start == start]
    return []


def _frames(count: int, fps: float) -> str:
    return f"{count} frame{'' if count == 1 else 's'} ({format_seconds(count / fps)})"
