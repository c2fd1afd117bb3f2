"""Arms together: the active one, the coarse span if nothing was found, a person's edits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.model.edits import Edit
from pipeline.model.phases import ArmPhases, Phase, PhaseName, PhasesResult
from pipeline.model.problem import Problem, Severity
from pipeline.stages.phase_edits import apply_edits, phase_edits
from pipeline.stages.phase_options import PhasesOptions
from pipeline.stages.phase_signal import OpeningSignal


def merge_arms(
    arms: tuple[ArmPhases, ...],
    length: int,
    options: PhasesOptions,
    edits: tuple[Edit, ...],
    problems: list[Problem],
) -> PhasesResult:
    """Choose the active arm, fall back to one coarse span, apply edits, merge by time."""
    doubt: Problem | None = None
    if not arms:
        doubt = Problem(
            "no_gripper",
            "Nothing looks like a gripper signal, so the whole episode counts as one "
            "interaction. Choose the gripper channels if there are some.",
        )
        idle = OpeningSignal(np.ones(length, np.float32), 0.0, 1.0, 0.0, 0)
        arms = (undetected("arm", idle, options, "There is no gripper signal."),)
    active = max(arms, key=lambda a: (not a.coarse and bool(a.phases), a.activity)).arm
    if not any(a.phases for a in arms):
        doubt = doubt or _nothing_found(arms, active)
        span = (Phase(PhaseName.INTERACT, active, 0, length, 0, 0, length),) if length else ()
        arms = tuple(
            replace(
                a,
                coarse=True,
                phases=span,
                found=span,
                coarse_reason=a.coarse_reason or "No closure of the gripper counts as a grasp.",
            )
            if a.arm == active
            else a
            for a in arms
        )
    arms, refused, reshaped = _edited(arms, length, edits)
    if doubt is not None:
        if active in reshaped:  # a person has answered what the signal did not
            message = doubt.message.split(",")[0].split(";")[0] + "; the phases were set by hand."
            doubt = replace(doubt, message=message, severity=Severity.INFO)
        problems.append(doubt)
    problems += refused
    merged = sorted((p for a in arms for p in a.phases), key=lambda p: (p.start, p.end, p.arm))
    return PhasesResult(arms, active, tuple(merged), tuple(problems), _active_because(arms, active))


def _nothing_found(arms: tuple[ArmPhases, ...], active: str) -> Problem:
    if all(a.coarse for a in arms):
        reason = next(a.coarse_reason for a in arms if a.arm == active).rstrip(".")
        return Problem(
            "flat_gripper",
            f"{reason}; the whole episode counts as one interaction. Check the gripper channels.",
        )
    return Problem(
        "no_closure",
        "The gripper moves but never closes long enough; the whole episode counts as one "
        "interaction. Check the gripper channels and which end is closed.",
    )


def _active_because(arms: tuple[ArmPhases, ...], active: str) -> str:
    """Why an arm is the active one, one sentence."""
    if len(arms) < 2:
        return ""
    moves = [
        f"{a.arm} over {a.activity:.0%}{'' if a.phases else ' (flat)' if a.coarse else ' (idle)'}"
        for a in sorted(arms, key=lambda a: a.arm != active)
    ]
    return f"Active arm: {active}, the gripper that moves most of its range ({', '.join(moves)})."


def undetected(arm: str, signal: OpeningSignal, options: PhasesOptions, flat: str) -> ArmPhases:
    """What is known of an arm before closures are looked for.

    Args:
        arm: Which arm.
        signal: Its opening.
        options: Thresholds.
        flat: Why the signal is flat, one sentence; empty if it is not.
    """
    return ArmPhases(
        arm=arm,
        opening=signal.opening,
        raw_low=signal.raw_low,
        raw_high=signal.raw_high,
        close_below=options.closure_threshold - options.hysteresis_offset,
        open_above=options.closure_threshold + options.hysteresis_offset,
        closures=(),
        d_min=options.min_phase_frames,
        coarse=bool(flat),
        activity=signal.activity,
        phases=(),
        noise=signal.noise,
        coarse_reason=flat,
    )


def _edited(
    arms: tuple[ArmPhases, ...], length: int, edits: tuple[Edit, ...]
) -> tuple[tuple[ArmPhases, ...], list[Problem], set[str]]:
    """Arms with a person's edits, what could not be applied, and the arms that were reshaped."""
    wanted = phase_edits(edits)
    known = {a.arm for a in arms}
    refused = [
        f"Phases of {e.arm} were edited by hand ({e.title}), but there is no such arm any more; "
        "that was ignored."
        for e in wanted
        if e.arm not in known
    ]
    edited, reshaped = [], set()
    for arm in arms:
        done = apply_edits(arm.phases, wanted, arm.arm, length)
        refused += done.refused
        if done.reshaped:
            reshaped.add(arm.arm)
        edited.append(replace(arm, phases=done.phases, coarse=arm.coarse and not done.reshaped))
    return tuple(edited), [not_applicable(r) for r in refused], reshaped


def not_applicable(message: str) -> Problem:
    """An edit that has nothing to apply to."""
    return Problem("edit_not_applicable", message)
