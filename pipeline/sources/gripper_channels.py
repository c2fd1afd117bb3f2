"""Which channels are grippers, and which end of them is closed.

A preset of a known robot says both (`robot_presets`). Else they are guesses from names and values
(our choice; no dataset format says it): they are shown with their reason, can be changed, and are
remembered per dataset.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from pipeline.model.arrays import F32
from pipeline.model.demonstration import ClosedIs, Demonstration, GripperChannels

_GRIPPER = frozenset({"gripper", "grippers", "finger", "fingers", "claw", "jaw", "effector"})
_HAND = frozenset({"hand", "thumb", "pinky", "ring", "middle", "index", "little"})
# Quantities of a gripper that are not its opening.
_NOT_OPENING = frozenset(
    {"velocity", "vel", "effort", "force", "torque", "current", "rotation", "rot", "yaw", "roll"}
    | {"temperature", "camera", "x", "y", "z", "rx", "ry", "rz", "qx", "qy", "qz", "qw"}
)
ENOUGH_EPISODES = 3
"""Episodes per arm of which the best evidence counts, unless one of them settles it."""
_STRONGEST = 2
_TOKEN = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def tokens(name: str) -> tuple[str, ...]:
    """Split a channel name at separators, digits and camel case, lower case."""
    words = tuple(t.lower() for t in _TOKEN.findall(name))
    # Unitree and others prefix constants with a lone k: kLeftHandThumb.
    return words[1:] if words[:1] == ("k",) and len(words) > 1 else words


def arm_of(name: str) -> str:
    """Return `left`, `right` or `arm` from a channel name."""
    words = tokens(name)
    if "left" in words or words[:1] == ("l",):
        return "left"
    if "right" in words or words[:1] == ("r",):
        return "right"
    return "arm"


def is_opening(name: str) -> bool:
    """True if the name reads like the opening of a gripper or a finger joint of a hand."""
    words = set(tokens(name))
    if words & _NOT_OPENING:
        return False
    return (
        bool(words & _GRIPPER)
        or ("hand" in words and (len(words & _HAND) >= 2 or len(words) <= 3))
        or bool(words & {"thumb", "pinky"})
    )


def guess_channels(
    state_names: tuple[str, ...], action_names: tuple[str, ...], robot_type: str = ""
) -> tuple[GripperChannels, ...]:
    """Guess the gripper channels of every arm.

    A preset of the robot, found by its type or by the names of its channels, is taken first. Of
    names the measured state is preferred to the commanded action: a command says closed although
    an object stops the fingers.

    Args:
        state_names: Names of the state's channels.
        action_names: Names of the action's channels.
        robot_type: As in the metadata.

    Returns:
        One entry per arm, ordered by name; empty if nothing looks like a gripper.
    """
    known = _by_preset(state_names, action_names, robot_type)
    if known:
        return known
    for signal, names in (("state", state_names), ("action", action_names)):
        by_arm: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            if is_opening(name):
                by_arm.setdefault(arm_of(name), []).append(index)
        if by_arm:
            return tuple(
                GripperChannels(
                    arm=arm,
                    signal=signal,
                    indices=tuple(indices),
                    names=tuple(names[i] for i in indices),
                    closed_is=ClosedIs.LOW,
                    reason=f"{len(indices)} {signal} channel(s) named like a gripper or hand",
                )
                for arm, indices in sorted(by_arm.items())
            )
    return _guess_by_size(state_names, action_names, robot_type)


def _by_preset(
    state_names: tuple[str, ...], action_names: tuple[str, ...], robot_type: str
) -> tuple[GripperChannels, ...]:
    # lazy: pydantic models; most modules that import this one need only its words
    from pipeline.sources.robot_presets import grippers_by, load_presets, matching_presets

    fingers = tuple(n for n in state_names if is_opening(n))
    presets = load_presets().presets
    for preset, why in matching_presets(presets, state_names, action_names, robot_type, fingers):
        return tuple(
            replace(g, reason=f"{g.reason}: {why}")
            for g in grippers_by(preset, state_names, action_names)
        )
    return ()


def _guess_by_size(
    state_names: tuple[str, ...], action_names: tuple[str, ...], robot_type: str
) -> tuple[GripperChannels, ...]:
    """Names say nothing: 14 = two arms with the gripper last, 7 or 8 = one arm, gripper last."""
    for signal, names in (("state", state_names), ("action", action_names)):
        size = len(names)
        if size in (14, 16):
            half = size // 2
            arms: tuple[tuple[str, int], ...] = (("left", half - 1), ("right", size - 1))
        elif size in (7, 8):
            arms = (("arm", size - 1),)
        else:
            continue
        return tuple(
            GripperChannels(
                arm=arm,
                signal=signal,
                indices=(index,),
                names=(names[index],),
                closed_is=ClosedIs.LOW,
                reason=f"no telling names; {robot_type or 'robot'} with {size} {signal} channels: "
                "the last of each arm",
            )
            for arm, index in arms
        )
    return ()


def infer_direction(
    values: F32, commanded: F32 | None, names: tuple[str, ...]
) -> tuple[ClosedIs, str]:
    """Infer which end of a gripper signal is closed.

    Evidence in this order (our choice): the name; fingers that an object stops, seen as a lasting
    gap between command and state while nothing moves (the command is on the closed side); the
    episode's first value, because demonstrations mostly begin open.

    Args:
        values: (T, C) float32 measured channels.
        commanded: (T, C) float32 commands of the same channels, or None.
        names: C names.

    Returns:
        The end and the reason, one phrase.
    """
    words = {w for n in names for w in tokens(n)}
    if words & {"closed", "close", "closure", "closedness"}:
        return ClosedIs.HIGH, "the name says how far it is closed"
    if words & {"open", "opening", "width", "aperture"}:
        return ClosedIs.LOW, "the name says how far it is open"
    clean = np.nan_to_num(values.astype(np.float64))
    span = np.ptp(clean, axis=0)
    moving = span > 1e-6
    if not moving.any():
        return ClosedIs.LOW, "the signal never moves; low is the usual closed end"
    scaled = (clean[:, moving] - clean[:, moving].min(axis=0)) / span[moving]
    if commanded is not None and commanded.shape == values.shape:
        target = np.nan_to_num(commanded.astype(np.float64))[:, moving]
        gap = (target - clean[:, moving]) / span[moving]
        speed = np.abs(np.gradient(scaled, axis=0))
        held = (np.abs(gap) > 0.08) & (speed < 0.01)
        if held.sum() >= 10:
            sign = float(np.sign(gap[held]).mean())
            if abs(sign) > 0.4:
                closed = ClosedIs.LOW if sign < 0 else ClosedIs.HIGH
                return closed, f"the command stays {'below' if sign < 0 else 'above'} the state"
    start = float(scaled[: max(3, len(scaled) // 50)].mean())
    if start > 0.7:
        return ClosedIs.LOW, "the episode begins at the high end, taken as open"
    if start < 0.15 and float(scaled[-max(3, len(scaled) // 50) :].mean()) < 0.3:
        return ClosedIs.HIGH, "the episode begins and ends at the low end, taken as open"
    return ClosedIs.LOW, "no evidence; low is the usual closed end"


def with_directions(
    channels: tuple[GripperChannels, ...], demonstration: Demonstration
) -> tuple[GripperChannels, ...]:
    """Fill in `closed_is` of guessed channels from one demonstration's values."""
    return infer_directions(channels, (demonstration,))


def with_agreed(demonstration: Demonstration, agreed: tuple[GripperChannels, ...]) -> Demonstration:
    """Give an episode the dataset's channels where they are its own columns, else keep its own.

    Args:
        demonstration: With its own channels, directions not yet guessed.
        agreed: Channels of the dataset.
    """
    own = demonstration.grippers
    same = [(g.arm, g.signal, g.indices, g.names) for g in own] == [
        (g.arm, g.signal, g.indices, g.names) for g in agreed
    ]
    return replace(demonstration, grippers=agreed if same else with_directions(own, demonstration))


def infer_directions(
    channels: tuple[GripperChannels, ...], demonstrations: Iterable[Demonstration]
) -> tuple[GripperChannels, ...]:
    """Fill in `closed_is` of guessed channels from the episodes that have them.

    Episodes need not have all arms: each arm is judged by those in which its channels have values
    and move. The strongest evidence counts; no more episodes are taken than that needs: one whose
    commands tell is enough, of weaker ones `ENOUGH_EPISODES` per arm are looked at. What episodes
    show against a preset is said in its reason, but the preset stays.

    Args:
        channels: As guessed.
        demonstrations: Episodes, read lazily; the caller bounds their number.

    Returns:
        The channels in the same order.
    """
    best: dict[str, tuple[int, ClosedIs, str]] = {}
    seen = dict.fromkeys((c.arm for c in channels if c.origin in ("guessed", "preset")), 0)
    waiting = [c for c in channels if c.arm in seen]
    for demonstration in demonstrations if waiting else ():
        for entry in tuple(waiting):
            values, commanded = _values_of(entry, demonstration)
            if values is None:
                continue
            closed, why = infer_direction(values, commanded, entry.names)
            strength = _strength(why)
            if strength > best.get(entry.arm, (-1,))[0]:
                best[entry.arm] = (strength, closed, why)
            seen[entry.arm] += 1
            if strength == _STRONGEST or seen[entry.arm] >= ENOUGH_EPISODES:
                waiting.remove(entry)
        if not waiting:
            break
    return tuple(_directed(c, best.get(c.arm)) if c.arm in seen else c for c in channels)


def _directed(
    entry: GripperChannels, evidence: tuple[int, ClosedIs, str] | None
) -> GripperChannels:
    if entry.origin == "preset":
        if evidence is None or evidence[0] < _STRONGEST or evidence[1] is entry.closed_is:
            return entry
        against = f"but {evidence[2]}, as if {evidence[1].value} were closed"
        return replace(entry, reason=f"{entry.reason}; {against}")
    if evidence is None:
        return replace(entry, reason=f"{entry.reason}; no episode to infer from")
    return replace(entry, closed_is=evidence[1], reason=f"{entry.reason}; {evidence[2]}")


def _strength(why: str) -> int:
    """How much evidence of `infer_direction` weighs."""
    if why.startswith(("the command", "the name")):
        return _STRONGEST
    return 1 if why.startswith("the episode") else 0


def _values_of(
    entry: GripperChannels, demonstration: Demonstration
) -> tuple[F32 | None, F32 | None]:
    """Values and commands of an arm's channels; None where this episode lacks them."""
    table = demonstration.state if entry.signal == "state" else demonstration.action
    if not len(table) or not all(0 <= i < table.shape[1] for i in entry.indices):
        return None, None
    values = table[:, list(entry.indices)]
    if np.isnan(values).all():
        return None, None
    commanded = None
    if entry.signal == "state":
        names = demonstration.action_names
        columns = [names.index(n) for n in entry.names if n in names]
        if len(columns) == len(entry.indices):
            commanded = demonstration.action[:, columns]
    return values, commanded
