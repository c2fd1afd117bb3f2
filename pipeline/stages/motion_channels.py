"""Which channels tell a moving arm from a resting one, for the robot's cue. *(our choice)*

A state often holds positions, velocities, efforts and poses side by side. One norm over all of
them mixes rad, rad/s, N m and metres, and the largest numbers win (efforts, mostly). So only
channels of one kind and unit are taken: joint positions, else the place of the end effector.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.model.demonstration import Demonstration, MotionChannels, MotionKind
from pipeline.model.edits import Edit, SetMotion
from pipeline.sources.gripper_channels import arm_of, tokens

# fmt: off
_NOT_POSITION = frozenset(
    {"vel", "vels", "velocity", "velocities", "speed", "qvel", "dq", "qd", "acc", "accel",
     "acceleration", "effort", "efforts", "torque", "torques", "tau", "force", "forces", "wrench",
     "current", "currents", "load", "voltage", "temperature", "temp", "pwm", "status", "error",
     "timestamp", "time", "reward", "done"}
)
_NOT_ARM = frozenset(
    {"head", "neck", "hip", "knee", "ankle", "leg", "legs", "torso", "chassis", "wheel", "mobile",
     "camera", "imu", "base"}
)
_POSE = frozenset(
    {"eef", "ee", "tcp", "cartesian", "pose", "endeffector", "tool", "flange", "xyz", "quat",
     "quaternion", "euler", "rpy", "orientation", "rotation", "ori"}
)
# fmt: on
_AXES = ("x", "y", "z")
_TURNS = frozenset({"quat", "quaternion", "euler", "rpy", "orientation", "rotation", "ori", "rot"})
_FINGER_WORDS = ("gripper", "hand")


def motion_in_force(
    demonstration: Demonstration, arm: str, edits: Iterable[Edit] = ()
) -> MotionChannels:
    """Motion channels of an arm: those that a person set, else the guess.

    Args:
        demonstration: For names and values.
        arm: `left`, `right` or another; an arm without a side takes the channels of no side.
        edits: Corrections; one that does not fit this episode's columns is passed over.
    """
    for edit in edits:
        if not isinstance(edit, SetMotion) or edit.arm != arm:
            continue
        names = demonstration.state_names if edit.signal == "state" else demonstration.action_names
        if all(0 <= i < len(names) for i in edit.indices):
            chosen = tuple(names[i] for i in edit.indices)
            return MotionChannels(
                arm, edit.signal, edit.indices, chosen, edit.motion, "user", "set by a person"
            )
    return guess_motion(demonstration, arm)


def guess_motion(
    demonstration: Demonstration, arm: str, kind: MotionKind | None = None
) -> MotionChannels:
    """Choose motion channels by their names.

    The measured state is preferred to the action. Of the channels of this arm (by `left` and
    `right` in the names; without such names of all channels) joint positions are taken, then
    positions of the end effector; channels of the gripper only where there is nothing else.
    Channels with a gap are left out, they have no rate there.

    Args:
        demonstration: For names and values.
        arm: As in `motion_in_force`.
        kind: Only channels that measure this; None lets the names decide.
    """
    signal = "state" if demonstration.state.shape[1] else "action"
    values = demonstration.state if signal == "state" else demonstration.action
    names = demonstration.state_names if signal == "state" else demonstration.action_names
    usable = np.flatnonzero(np.isfinite(values).all(axis=0)).tolist()
    own = of_arm(usable, names, arm)
    fingers = finger_columns(demonstration, signal)
    joints = [i for i in own if i not in fingers] or own
    found, measured, reason = _of_one_kind(joints, names, kind)
    chosen = tuple(names[i] for i in found)
    return MotionChannels(arm, signal, tuple(found), chosen, measured, "guessed", reason)


def other_arms(
    demonstration: Demonstration, own: MotionChannels, edits: Iterable[Edit]
) -> list[int]:
    """Columns that say how fast the other arm moves, of the same signal and kind.

    Args:
        demonstration: For names and values.
        own: The motion channels of the active arm.
        edits: Corrections.
    """
    rival = {"left": "right", "right": "left"}.get(own.arm.lower(), "")
    values = demonstration.state if own.signal == "state" else demonstration.action
    names = demonstration.state_names if own.signal == "state" else demonstration.action_names
    chosen = motion_in_force(demonstration, rival, edits) if rival else None
    if chosen is not None and chosen.origin == "user" and chosen.signal == own.signal:
        return [i for i in chosen.indices if i not in own.indices]
    usable = np.flatnonzero(np.isfinite(values).all(axis=0)).tolist()
    sided = [i for i in usable if _side(names[i])]
    if not rival or not any(_side(names[i]) == own.arm.lower() for i in sided):
        return []
    fingers = finger_columns(demonstration, own.signal)
    rest = [i for i in sided if _side(names[i]) == rival and i not in own.indices]
    return _of_one_kind([i for i in rest if i not in fingers], names, own.kind)[0]


def of_arm(columns: list[int], names: tuple[str, ...], arm: str) -> list[int]:
    """Columns of one arm: by side, where the arm and the names have one; else all of them."""
    side = arm.lower() if arm.lower() in ("left", "right") else ""
    named = [i for i in columns if _side(names[i])]
    if not side or not named:
        return columns
    return [i for i in named if _side(names[i]) == side]


def finger_columns(demonstration: Demonstration, signal: str) -> set[int]:
    """Columns of a signal that move fingers."""
    names = demonstration.state_names if signal == "state" else demonstration.action_names
    mapped = {i for g in demonstration.grippers if g.signal == signal for i in g.indices}
    return mapped | {i for i, n in enumerate(names) if any(w in n.lower() for w in _FINGER_WORDS)}


def _side(name: str) -> str:
    """`left`, `right` or empty."""
    low = name.lower()
    if "left" in low or "right" in low:
        return "left" if "left" in low else "right"
    side = arm_of(name)
    return "" if side == "arm" else side


def _of_one_kind(
    columns: list[int], names: tuple[str, ...], kind: MotionKind | None
) -> tuple[list[int], MotionKind, str]:
    """Columns of one unit, what they measure and why."""
    words = {i: frozenset(tokens(names[i])) for i in columns}
    positions = [i for i in columns if not words[i] & _NOT_POSITION]
    arms = [i for i in positions if not words[i] & _NOT_ARM]
    positions = arms if len(arms) >= 3 else positions  # an arm's first joint may be its base
    poses = [i for i in positions if _is_pose(words[i])]
    joints = [i for i in positions if i not in poses]
    if joints and kind is not MotionKind.END_EFFECTOR:
        return joints, MotionKind.JOINT, "channels named or placed like joint positions"
    places = _places(poses, names, words)
    if places and kind is not MotionKind.JOINT:
        return places, MotionKind.END_EFFECTOR, "the place of the end effector, without its turns"
    if kind is not None:
        return [], kind, "no channel is named like that"
    return columns, MotionKind.JOINT, "no channel is named like a position; all of them"


def _is_pose(words: frozenset[str]) -> bool:
    axes = frozenset({*_AXES, "roll", "pitch", "yaw", "rx", "ry", "rz", "qx", "qy", "qz", "qw"})
    return bool(words & _POSE) or {"end", "effector"} <= words or (bool(words) and words <= axes)


def _places(
    poses: list[int], names: tuple[str, ...], words: dict[int, frozenset[str]]
) -> list[int]:
    """Of the columns of poses those in metres: x, y, z, or the first three of each vector."""
    upright = [i for i in poses if not words[i] & _TURNS]
    axes = [i for i in upright if words[i] & frozenset(_AXES)]
    if axes:
        return axes
    vectors: dict[str, list[int]] = {}
    for i in upright:
        vectors.setdefault(names[i].rstrip("0123456789"), []).append(i)
    return sorted(i for columns in vectors.values() for i in columns[:3])
