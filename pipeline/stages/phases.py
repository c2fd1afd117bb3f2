"""Stage 1a: gripper phases of each arm (SPARC 3.1 and B.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.model.arrays import F32
from pipeline.model.demonstration import ClosedIs, Demonstration, GripperChannels
from pipeline.model.edits import Edit, SetChannels
from pipeline.model.phases import ArmPhases, Closure, PhasesResult
from pipeline.model.problem import Problem, Severity
from pipeline.stages.phase_layout import Layout, lay_out, offset_forward
from pipeline.stages.phase_machine import (
    CLOSED_AT_START,
    FAILURE,
    INTERACT,
    collect_candidates,
    judge_candidates,
    minimum_duration,
)
from pipeline.stages.phase_merge import merge_arms, not_applicable, undetected
from pipeline.stages.phase_opinion import disagreements, is_refuted, second_opinion, squeezes
from pipeline.stages.phase_options import PhasesOptions
from pipeline.stages.phase_signal import (
    OpeningSignal,
    alike,
    channel_ends,
    is_load,
    opening_signal,
)
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

__all__ = [
    "PhasesOptions",
    "PhasesStage",
    "arm_signal",
    "channels_in_force",
    "detect_arm",
    "merge_arms",
]


class PhasesStage(Stage[PhasesOptions, PhasesResult]):
    """Finds grasp, interact and release of every arm in its gripper signal."""

    name = "phases"
    title = "Gripper phases"
    version = 3
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
            arms.append(detect_arm(demonstration, entry, options, problems, channels))
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
                not_applicable(
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


def arm_signal(
    demonstration: Demonstration,
    channels: GripperChannels,
    options: PhasesOptions,
    others: Sequence[GripperChannels] = (),
) -> OpeningSignal:
    """Opening of one arm.

    Args:
        demonstration: The episode.
        channels: Of the arm.
        options: Their percentiles hold where the channels have none.
        others: Channels of all arms; those that are alike show what unit and range to expect.
    """
    low, high = _percentiles(channels, options)
    peers = [
        channel_ends(_values(demonstration, o), low, high)
        for o in others
        if o.arm != channels.arm and o.signal == channels.signal and alike(o.names, channels.names)
    ]
    return opening_signal(
        _values(demonstration, channels),
        channels.closed_is,
        low,
        high,
        channels.combine,
        load=is_load(channels.names),
        peers=peers,
    )


def _values(demonstration: Demonstration, channels: GripperChannels) -> F32:
    table = demonstration.state if channels.signal == "state" else demonstration.action
    return table[:, list(channels.indices)]


def _percentiles(channels: GripperChannels, options: PhasesOptions) -> tuple[float, float]:
    return channels.percentiles or (options.low_percentile, options.high_percentile)


def flat_because(signal: OpeningSignal, options: PhasesOptions) -> str:
    """Why a signal counts as flat, one sentence; empty if it does not."""
    if signal.activity < options.min_activity:
        return (
            f"The gripper moves over {signal.activity:.0%} of its plausible range, expected at "
            f"least {options.min_activity:.0%}."
        )
    if signal.noise * options.min_signal_to_noise > 1.0:
        return (
            f"The gripper signal is noise: its range is {1 / signal.noise:.1f} times what changes "
            f"from frame to frame, expected at least {options.min_signal_to_noise:g} times."
        )
    return ""


def detect_arm(
    demonstration: Demonstration,
    channels: GripperChannels,
    options: PhasesOptions,
    problems: list[Problem],
    others: Sequence[GripperChannels] = (),
) -> ArmPhases:
    """Detect the phases of one arm; adds what is doubtful to `problems`.

    An arm whose signal is nearly flat gets no phases and `coarse` set.
    """
    arm, length = channels.arm, demonstration.length
    signal = arm_signal(demonstration, channels, options, others)
    if signal.missing:
        problems.append(
            Problem(
                "nan_in_signal",
                f"The gripper signal of {arm} lacks values in {signal.missing} of "
                f"{length} frames; they were interpolated.",
            )
        )
    flat = flat_because(signal, options)
    found = undetected(arm, signal, options, flat)
    if flat:
        return found
    candidates = collect_candidates(
        signal.opening, found.close_below, found.open_above, options.debounce_frames
    )
    minimum = minimum_duration(
        candidates.durations,
        length,
        options.min_phase_frames,
        options.duration_factor,
        options.interaction_budget,
    )
    closures = judge_candidates(candidates, minimum.frames, length)

    def is_held(start: int, end: int) -> bool:
        return _is_held(demonstration, channels, start, end)

    second = second_opinion(signal.opening, is_held, options.local_drop, minimum.frames)
    rule = options.rule
    if rule == "checked":
        rule = "local_drop" if is_refuted(closures, second, is_held) else "published"
    used = closures if rule == "published" else second
    layout = Layout(
        release=max(round(options.release_seconds * demonstration.fps), 1),
        approach=options.approach_frames,
    )
    measured, repairs = lay_out(used, length, arm, layout)
    problems += _doubts(arm, used, minimum.frames)
    problems += _disagreement(arm, closures, second, rule)
    phases = tuple(offset_forward(measured, options.phase_start_offset))
    return replace(
        found,
        closures=closures,
        d_min=minimum.frames,
        phases=phases,
        rule=rule,
        second_opinion=second,
        minimum=minimum,
        repairs=tuple(repairs),
        found=phases,
    )


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
