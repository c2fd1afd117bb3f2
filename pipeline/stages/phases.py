"""Stage 1a: gripper phases of each arm (SPARC 3.1 and B.1.1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.model.arrays import F32
from pipeline.model.demonstration import ClosedIs, Demonstration, GripperChannels
from pipeline.model.edits import Edit, MoveBoundary, SetChannels
from pipeline.model.phases import ArmPhases, Closure, Phase, PhaseName, PhasesResult
from pipeline.model.problem import Problem, Severity
from pipeline.stages.phase_machine import (
    CLOSED_AT_START,
    FAILURE,
    INTERACT,
    Layout,
    judge_closures,
    lay_out,
    move_boundaries,
    offset_forward,
)
from pipeline.stages.phase_opinion import disagreements, is_refuted, second_opinion, squeezes
from pipeline.stages.phase_options import PhasesOptions
from pipeline.stages.phase_signal import OpeningSignal, opening_signal
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

__all__ = ["PhasesOptions", "PhasesStage", "channels_in_force", "detect_arm", "merge_arms"]


class PhasesStage(Stage[PhasesOptions, PhasesResult]):
    """Finds grasp, interact and release of every arm in its gripper signal."""

    name = "phases"
    title = "Gripper phases"
    version = 2
    scope = Scope.EPISODE
    inputs = ()
    options_type = PhasesOptions
    result_type = PhasesResult

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: PhasesOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> PhasesResult:
        """Compute phases per arm and merge them by time.

        Never fails for want of a signal: without channels, or if no arm moves its gripper, the
        whole episode is one `interact` span and a problem says so.
        """
        context.progress(0.0, "reading gripper signals")
        problems: list[Problem] = []
        channels = channels_in_force(demonstration, edits, problems)
        arms = []
        for i, entry in enumerate(channels):
            context.progress(i / len(channels), f"phases of {entry.arm}")
            arms.append(detect_arm(demonstration, entry, options, problems))
        result = merge_arms(tuple(arms), demonstration.length, options, edits, problems)
        context.progress(1.0, "phases found")
        return result


def channels_in_force(
    demonstration: Demonstration, edits: tuple[Edit, ...], problems: list[Problem]
) -> tuple[GripperChannels, ...]:
    """Gripper channels with those that a person set; adds problems for unusable ones."""
    entries = {g.arm: g for g in demonstration.grippers}
    for edit in edits:
        if not isinstance(edit, SetChannels):
            continue
        if edit.removed:
            entries.pop(edit.arm, None)
            continue
        names = demonstration.state_names if edit.signal == "state" else demonstration.action_names
        if not all(0 <= i < len(names) for i in edit.indices):
            problems.append(
                _not_applicable(
                    f"Channels {edit.indices} of {edit.arm} were set by hand, but {edit.signal} "
                    f"has {len(names)} channels; set them again."
                )
            )
            continue
        table = demonstration.state if edit.signal == "state" else demonstration.action
        if edit.arm not in entries and np.isnan(table[:, list(edit.indices)]).all():
            continue  # the choice holds for the whole dataset, and this episode lacks the arm
        entries[edit.arm] = GripperChannels(
            arm=edit.arm,
            signal=edit.signal,
            indices=edit.indices,
            names=tuple(names[i] for i in edit.indices),
            closed_is=ClosedIs(edit.closed_is),
            origin="user",
            reason="set by a person",
            combine=edit.combine,
            percentiles=edit.percentiles,
        )
    usable = []
    for entry in entries.values():
        table = demonstration.state if entry.signal == "state" else demonstration.action
        if entry.indices and all(0 <= i < table.shape[1] for i in entry.indices) and len(table):
            usable.append(entry)
    return tuple(usable)


def detect_arm(
    demonstration: Demonstration,
    channels: GripperChannels,
    options: PhasesOptions,
    problems: list[Problem],
) -> ArmPhases:
    """Detect the phases of one arm; adds what is doubtful to `problems`.

    An arm whose signal is nearly flat gets no phases and `coarse` set.
    """
    arm = channels.arm
    table = demonstration.state if channels.signal == "state" else demonstration.action
    low, high = channels.percentiles or (options.low_percentile, options.high_percentile)
    chosen = table[:, list(channels.indices)]
    signal = opening_signal(chosen, channels.closed_is, low, high, channels.combine)
    close_below = options.closure_threshold - options.hysteresis_offset
    open_above = options.closure_threshold + options.hysteresis_offset
    if signal.missing:
        problems.append(
            Problem(
                "nan_in_signal",
                f"The gripper signal of {arm} lacks values in {signal.missing} of "
                f"{demonstration.length} frames; they were interpolated.",
            )
        )
    found = ArmPhases(
        arm=arm,
        opening=signal.opening,
        raw_low=signal.raw_low,
        raw_high=signal.raw_high,
        close_below=close_below,
        open_above=open_above,
        closures=(),
        d_min=options.min_phase_frames,
        coarse=signal.activity < options.min_activity,
        activity=signal.activity,
        phases=(),
    )
    if found.coarse:
        return found
    closures, d_min = judge_closures(
        signal.opening,
        close_below,
        open_above,
        options.debounce_frames,
        options.min_phase_frames,
        options.duration_factor,
        options.interaction_budget,
    )

    def is_held(start: int, end: int) -> bool:
        return _is_held(demonstration, channels, start, end)

    second = second_opinion(signal.opening, is_held, options.local_drop, d_min)
    rule = options.rule
    if rule == "checked":
        rule = "local_drop" if is_refuted(closures, second, is_held) else "published"
    used = closures if rule == "published" else second
    layout = Layout(
        release=max(round(options.release_seconds * demonstration.fps), 1),
        approach=options.approach_frames,
    )
    measured = lay_out(used, demonstration.length, arm, layout)
    problems += _doubts(arm, used, d_min)
    problems += _disagreement(arm, closures, second, rule)
    return replace(
        found,
        closures=closures,
        d_min=d_min,
        phases=tuple(offset_forward(measured, options.phase_start_offset)),
        rule=rule,
        second_opinion=second,
    )


def merge_arms(
    arms: tuple[ArmPhases, ...],
    length: int,
    options: PhasesOptions,
    edits: tuple[Edit, ...],
    problems: list[Problem],
) -> PhasesResult:
    """Choose the active arm, fall back to one coarse span, apply edits, merge by time."""
    if not arms:
        problems.append(
            Problem(
                "no_gripper",
                "Nothing looks like a gripper signal, so the whole episode counts as one "
                "interaction. Choose the gripper channels if there are some.",
            )
        )
        idle = OpeningSignal(np.ones(length, np.float32), 0.0, 1.0, 0.0, 0)
        arms = (_coarse_arm(idle, options),)
    active = max(arms, key=lambda a: (not a.coarse and bool(a.phases), a.activity)).arm
    if not any(a.phases for a in arms):
        if all(a.coarse for a in arms) and not any(p.code == "no_gripper" for p in problems):
            problems.append(
                Problem(
                    "flat_gripper",
                    f"The gripper moves over {max(a.activity for a in arms):.0%} of its plausible "
                    f"range, expected at least {options.min_activity:.0%}; the whole episode "
                    "counts as one interaction. Check the gripper channels.",
                )
            )
        elif not all(a.coarse for a in arms):
            problems.append(
                Problem(
                    "no_closure",
                    "The gripper moves but never closes long enough; the whole episode counts as "
                    "one interaction. Check the gripper channels and which end is closed.",
                )
            )
        span = (Phase(PhaseName.INTERACT, active, 0, length, 0, 0, length),) if length else ()
        arms = tuple(replace(a, coarse=True, phases=span) if a.arm == active else a for a in arms)
    arms = _with_moves(arms, length, edits, problems)
    merged = sorted((p for a in arms for p in a.phases), key=lambda p: (p.start, p.end, p.arm))
    return PhasesResult(arms, active, tuple(merged), tuple(problems))


def _coarse_arm(signal: OpeningSignal, options: PhasesOptions) -> ArmPhases:
    """Stand-in for a robot whose gripper is unknown."""
    return ArmPhases(
        arm="arm",
        opening=signal.opening,
        raw_low=signal.raw_low,
        raw_high=signal.raw_high,
        close_below=options.closure_threshold - options.hysteresis_offset,
        open_above=options.closure_threshold + options.hysteresis_offset,
        closures=(),
        d_min=options.min_phase_frames,
        coarse=True,
        activity=0.0,
        phases=(),
    )


def _with_moves(
    arms: tuple[ArmPhases, ...], length: int, edits: tuple[Edit, ...], problems: list[Problem]
) -> tuple[ArmPhases, ...]:
    moves = [e for e in edits if isinstance(e, MoveBoundary)]
    lost = [(e.arm, e.index) for e in moves if e.arm not in {a.arm for a in arms}]
    moved = []
    for arm in arms:
        wanted = [(e.index, e.frame) for e in moves if e.arm == arm.arm]
        phases, unknown = move_boundaries(arm.phases, wanted, length)
        lost += [(arm.arm, i) for i in unknown]
        moved.append(replace(arm, phases=tuple(phases)))
    problems += [
        _not_applicable(
            f"Phase boundary {index + 1} of {name} was moved by hand, but there is no such "
            "boundary any more; the move was ignored."
        )
        for name, index in lost
    ]
    return tuple(moved)


def _not_applicable(message: str) -> Problem:
    return Problem("edit_not_applicable", message)


def _doubts(arm: str, closures: tuple[Closure, ...], d_min: int) -> list[Problem]:
    problems = []
    for closure in closures:
        length = closure.end - closure.start
        if closure.verdict == FAILURE:
            problems.append(
                Problem(
                    "grasp_failure",
                    f"The gripper of {arm} closed for {length} frames only, a grasp needs "
                    f"{d_min}; taken for a failed grasp.",
                    Severity.INFO,
                    closure.start,
                )
            )
        elif closure.start == 0 or closure.verdict == CLOSED_AT_START:
            counted = "taken for a grasp" if closure.verdict == INTERACT else "not a grasp"
            problems.append(
                Problem(
                    "closed_at_start",
                    f"The gripper of {arm} is closed from the first frame on, without an approach: "
                    f"{counted}.",
                    Severity.INFO if closure.verdict == CLOSED_AT_START else Severity.WARNING,
                    closure.start,
                )
            )
    if closures and not any(c.verdict == INTERACT for c in closures):
        problems.append(
            Problem("no_interaction", f"No closure of the gripper of {arm} counts as a grasp.")
        )
    return problems


def _disagreement(
    arm: str, first: tuple[Closure, ...], second: tuple[Closure, ...], rule: str
) -> list[Problem]:
    odd = disagreements(first, second)
    if not odd:
        return []
    spans = ", ".join(f"{c.start}-{c.end}" for c in odd[:3]) + (", ..." if len(odd) > 3 else "")
    return [
        Problem(
            "phases_disagree",
            f"The published rule and the local-drop rule disagree about {arm} at frames {spans}; "
            f"{rule} was used. Look at the signal there; the option “rule” decides.",
            Severity.INFO,
            odd[0].start,
        )
    ]


def _is_held(demonstration: Demonstration, channels: GripperChannels, start: int, end: int) -> bool:
    """Whether the commands say that something stops the fingers in frames [start, end)."""
    columns = [
        demonstration.action_names.index(n)
        for n in channels.names
        if n in demonstration.action_names
    ]
    if channels.signal != "state" or len(columns) != len(channels.indices):
        return False
    state: F32 = demonstration.state[:, list(channels.indices)]
    width = np.maximum(np.ptp(np.nan_to_num(state), axis=0), 1e-9)
    command: F32 = demonstration.action[start:end, columns]
    return squeezes(state[start:end] / width, command / width, channels.closed_is)
