"""What a person chooses in the channel mapping, and the edits that say it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.model.arrays import F32
from pipeline.model.demonstration import (
    ClosedIs,
    Combine,
    Demonstration,
    GripperChannels,
    MotionChannels,
    MotionKind,
)
from pipeline.model.edits import Edit, SetChannels, SetMotion
from pipeline.sources.gripper_channels import guess_channels, with_directions
from pipeline.sources.robot_presets import RobotPreset, grippers_by
from pipeline.stages.motion_channels import guess_motion, motion_in_force
from pipeline.stages.phase_options import PhasesOptions
from pipeline.stages.phase_signal import OpeningSignal, is_load, opening_signal
from pipeline.stages.phases import channels_in_force

SIGNALS = ("state", "action")


@dataclass(frozen=True, slots=True)
class ArmChoice:
    """Channels of one arm.

    Attributes:
        arm: Its name.
        signal: Signal of the gripper channels.
        gripper: Columns that say how far the gripper is open, ascending.
        closed_is: Which end is closed.
        combine: How several columns become one.
        percentiles: Percentiles (low, high) of the ends; None: those of the stage's options.
        motion_signal: Signal of the motion channels.
        motion: Columns by whose rate the arm counts as moving, ascending.
        kind: What the motion channels measure.
        reason: Where this is from, one sentence.
        gripper_by: `guessed`, `preset`, `format` or `user`.
        motion_by: `guessed` or `user`.
    """

    arm: str
    signal: str = SIGNALS[0]
    gripper: tuple[int, ...] = ()
    closed_is: ClosedIs = ClosedIs.LOW
    combine: Combine = Combine.MEAN
    percentiles: tuple[float, float] | None = None
    motion_signal: str = SIGNALS[0]
    motion: tuple[int, ...] = ()
    kind: MotionKind = MotionKind.JOINT
    reason: str = ""
    gripper_by: str = "guessed"
    motion_by: str = "guessed"

    @property
    def of_gripper(self) -> tuple[object, ...]:
        """What `SetChannels` says."""
        return (self.signal, self.gripper, self.closed_is, self.combine, self.percentiles)

    @property
    def of_motion(self) -> tuple[object, ...]:
        """What `SetMotion` says."""
        return (self.motion_signal, self.motion, self.kind)

    def channels(self, demonstration: Demonstration) -> GripperChannels:
        """The gripper channels as the stages take them."""
        names = names_of(demonstration, self.signal)
        return GripperChannels(
            self.arm,
            self.signal,
            self.gripper,
            tuple(names[i] for i in self.gripper),
            self.closed_is,
            self.gripper_by,
            self.reason,
            self.combine,
            self.percentiles,
        )

    def moves(self, demonstration: Demonstration) -> MotionChannels:
        """The motion channels as the stages take them."""
        names = names_of(demonstration, self.motion_signal)
        chosen = tuple(names[i] for i in self.motion)
        return MotionChannels(
            self.arm, self.motion_signal, self.motion, chosen, self.kind, self.motion_by
        )


def names_of(demonstration: Demonstration, signal: str) -> tuple[str, ...]:
    """Names of a signal's columns."""
    return demonstration.state_names if signal == "state" else demonstration.action_names


def values_of(demonstration: Demonstration, signal: str) -> F32:
    """(T, C) float32 of a signal."""
    return demonstration.state if signal == "state" else demonstration.action


def in_force(demonstration: Demonstration, edits: tuple[Edit, ...]) -> tuple[ArmChoice, ...]:
    """What holds now: guessed, defined by the format, or chosen by a person."""
    grippers = channels_in_force(demonstration, edits, [])
    return tuple(_choice(g, motion_in_force(demonstration, g.arm, edits)) for g in grippers)


def guessed(demonstration: Demonstration) -> tuple[ArmChoice, ...]:
    """What Demoscope makes of names and values of this episode, without people's corrections."""
    names = demonstration.state_names, demonstration.action_names
    channels = guess_channels(*names, demonstration.robot_type)
    return tuple(
        _choice(g, guess_motion(demonstration, g.arm))
        for g in with_directions(channels, demonstration)
    )


def by_preset(demonstration: Demonstration, preset: RobotPreset) -> tuple[ArmChoice, ...]:
    """What a preset makes of this episode; ends it leaves open are inferred from the values."""
    found = grippers_by(preset, demonstration.state_names, demonstration.action_names)
    motions = {a.arm: a.motion for a in preset.arms}
    result = []
    for gripper in with_directions(found, demonstration):
        moves = guess_motion(demonstration, gripper.arm)
        motion = motions.get(gripper.arm)
        columns = motion.columns(names_of(demonstration, motion.signal)) if motion else ()
        if motion is not None and columns:
            names = names_of(demonstration, motion.signal)
            chosen = tuple(names[i] for i in columns)
            moves = MotionChannels(gripper.arm, motion.signal, columns, chosen, motion.kind)
        result.append(_choice(gripper, moves))
    return tuple(result)


def _choice(gripper: GripperChannels, motion: MotionChannels) -> ArmChoice:
    return ArmChoice(
        arm=gripper.arm,
        signal=gripper.signal,
        gripper=tuple(sorted(gripper.indices)),
        closed_is=gripper.closed_is,
        combine=gripper.combine,
        percentiles=gripper.percentiles,
        motion_signal=motion.signal,
        motion=tuple(sorted(motion.indices)),
        kind=motion.kind,
        reason=gripper.reason,
        gripper_by=gripper.origin,
        motion_by=motion.origin,
    )


def edits_between(before: Sequence[ArmChoice], after: Sequence[ArmChoice]) -> tuple[Edit, ...]:
    """Edits that turn one mapping into another; empty if they are the same."""
    old, new = {c.arm: c for c in before}, {c.arm: c for c in after}
    edits: list[Edit] = [
        SetChannels(
            arm=c.arm, signal="state", indices=(), closed_is=c.closed_is.value, removed=True
        )
        for c in before
        if c.arm not in new
    ]
    for choice in after:
        known = old.get(choice.arm)
        if known is None or known.of_gripper != choice.of_gripper:
            edits.append(
                SetChannels(
                    arm=choice.arm,
                    signal="action" if choice.signal == "action" else "state",
                    indices=choice.gripper,
                    closed_is=choice.closed_is.value,
                    combine=choice.combine,
                    percentiles=choice.percentiles,
                )
            )
        if choice.motion and (known is None or known.of_motion != choice.of_motion):
            edits.append(
                SetMotion(
                    arm=choice.arm,
                    signal="action" if choice.motion_signal == "action" else "state",
                    indices=choice.motion,
                    motion=choice.kind,
                )
            )
    return tuple(edits)


def missing(choices: Iterable[ArmChoice]) -> str:
    """Why a mapping cannot be used, empty if it can."""
    for choice in choices:
        if not choice.gripper:
            return f"Check at least one gripper channel of “{choice.arm}”, or remove that arm"
        if not choice.motion:
            return f"Check at least one motion channel of “{choice.arm}”"
    return ""


def preview(
    demonstration: Demonstration, choice: ArmChoice, options: PhasesOptions
) -> OpeningSignal | None:
    """Compute the opening as the phase stage does; None without frames or columns."""
    values = values_of(demonstration, choice.signal)
    if not choice.gripper or not len(values):
        return None
    low, high = choice.percentiles or (options.low_percentile, options.high_percentile)
    chosen = values[:, list(choice.gripper)]
    load = is_load(choice.channels(demonstration).names)
    return opening_signal(chosen, choice.closed_is, low, high, choice.combine, load=load)
