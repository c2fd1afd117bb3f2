"""The signals of one AgiBot episode: joints, effectors, head, waist, ends, base, and the clock.

Shapes by the dataset card; `state` and `action` have the same groups. Arrays that are missing or
empty (older recorders leave many so) give no columns.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F32, F64, Array
from pipeline.model.demonstration import ClosedIs, Combine, GripperChannels
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import MOST_FRAMES, Signal
from pipeline.sources.gripper_channels import infer_direction
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.hdf5.arrays import array_at, arrays_at, read_array, within_reason
from pipeline.sources.table_rows import (
    common_length,
    fit_rows,
    row_times,
    rows_differ,
)

log = logging.getLogger(__name__)

FPS = 30.0
"""Rate of all AgiBot World recordings (dataset card)."""
_SIDES = ("left", "right")
_QUATERNION = ("qx", "qy", "qz", "qw")
_COMMAND_OPEN, _COMMAND_CLOSED = -0.05, 1.05
_CLEAR = 0.5
"""Correlation from which state and command are taken to move together (our choice)."""
_CLOCKS = ("timestamp", "timestamps")


@dataclass(frozen=True, slots=True)
class _Part:
    """One array below `state` or `action`.

    Attributes:
        path: Below the group.
        name: Prefix of its columns.
    """

    path: str
    name: str


_PARTS = (
    _Part("joint/position", "joint"),
    _Part("effector/position", "effector"),
    _Part("left_effector/position", "effector.left"),
    _Part("right_effector/position", "effector.right"),
    _Part("head/position", "head"),
    _Part("waist/position", "waist"),
    _Part("end/position", "end"),
    _Part("end/orientation", "end"),
    _Part("end/arm_position", "end.arm"),
    _Part("end/arm_orientation", "end.arm"),
    _Part("robot/position", "robot"),
    _Part("robot/orientation", "robot"),
    _Part("robot/velocity", "robot"),
)


@dataclass(frozen=True, slots=True)
class Signals:
    """What was read from one file.

    Attributes:
        length: Rows T.
        times: (T,) seconds.
        state: Columns of the state.
        action: Columns of the action.
        unused: Arrays that are there and not used, by their paths.
    """

    length: int
    times: F64
    state: Signal
    action: Signal
    unused: tuple[str, ...]


def count_rows(path: Path) -> int:
    """Rows of an episode by the shape of its clock, 0 if it does not say. Reads no data."""
    try:
        with hdf5.open_file(path) as file:
            node = array_at(file, _CLOCKS[0]) or array_at(file, _CLOCKS[1])
            rows = 0 if node is None else int(node.shape[0])
            return rows if rows <= MOST_FRAMES else 0
    except DataError as error:
        log.info("%s", error)
        return 0


def read_signals(path: Path, shown: str, problems: list[Problem]) -> Signals:
    """Read state, action and clock.

    Args:
        path: `proprio_stats.h5` or `aligned_joints.h5`.
        shown: Its name for sentences.
        problems: Gets what is doubtful.

    Raises:
        DataError: One sentence if there is no signal that can be read.
    """
    with hdf5.open_file(path) as file:
        groups = {kind: _nodes(file, kind, problems) for kind in ("state", "action")}
        lengths = [n.shape[0] for nodes in groups.values() for n in nodes.values()]
        # Commands may be sparse; what was measured says how long the episode is.
        measured = [node.shape[0] for node in groups["state"].values()]
        length = common_length(measured) or common_length(lengths)
        if not length:
            raise DataError("bad_table", f"{shown}: holds neither state nor action")
        if length > MOST_FRAMES:
            raise DataError("too_long", f"{shown}: {length} frames, more than can be open")
        groups = {k: within_reason(nodes, length, problems) for k, nodes in groups.items()}
        state = _signal(file, "state", groups["state"], length, problems)
        action = _signal(file, "action", groups["action"], length, problems)
        if not state.names and not action.names:
            raise DataError("bad_table", f"{shown}: none of its signals can be read")
        return Signals(length, _times(file, length, problems), state, action, _unused(file, groups))


def _nodes(file: Any, kind: str, problems: list[Problem]) -> dict[str, Any]:
    """The arrays of a group that are there and not empty, by their path below it."""
    paths = tuple(f"{kind}/{part.path}" for part in _PARTS)
    found = arrays_at(file, paths, problems)
    return {path.removeprefix(f"{kind}/"): n for path, n in found.items() if n.ndim <= 3}


def _unused(file: Any, groups: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Non-empty arrays that we do not read, e.g. `state/effector/force`."""
    left = []
    try:
        for kind, nodes in groups.items():
            group = hdf5.child(file, kind)
            for part in hdf5.keys(group)[:50]:
                for name in hdf5.keys(hdf5.child(group, part))[:50]:
                    path = f"{part}/{name}"
                    used = path in nodes or name == "index"
                    if not used and array_at(group, path) is not None:
                        left.append(f"{kind}/{path}")
    except DataError as error:
        log.info("%s", error)
    return tuple(left)


def _signal(
    file: Any, kind: str, nodes: dict[str, Any], length: int, problems: list[Problem]
) -> Signal:
    signal = Signal(length)
    odd: dict[str, int] = {}
    for part in _PARTS:
        node = nodes.get(part.path)
        if node is None:
            continue
        where = f"{kind}/{part.path}"
        try:
            values = hdf5.numbers(node, where)
        except DataError as error:
            problems.append(Problem(error.code, str(error)))
            continue
        if len(values) < length and kind == "action":
            values = _held(file, part, values, length, problems)
        if len(values) != length:
            odd[where] = len(values)
        table = fit_rows(values, length)
        table = table.reshape(length, -1)
        effectors_in_joints = (
            part.name == "joint"
            and table.shape[1] == 16
            and not any("effector" in path for path in nodes)
        )
        if effectors_in_joints:  # One recorder appends them to the joints of the arms.
            signal.add("joint", table[:, :14], _labels(part, values.shape, 14))
            signal.add("effector", table[:, 14:], _SIDES)
        elif part.name.startswith("effector.") and table.shape[1] == 1:
            signal.add(part.name, table[:, 0])
        else:
            signal.add(part.name, table, _labels(part, values.shape, table.shape[1]))
    problems += rows_differ(odd, length)
    return signal


def _labels(part: _Part, shape: tuple[int, ...], columns: int) -> tuple[str, ...]:
    """Names of columns by the dataset card, none where the shape is another."""
    group, quantity = part.path.split("/")
    if group == "end" and columns == 2 * (3 if quantity.endswith("position") else 4):
        axes = ("x", "y", "z") if quantity.endswith("position") else _QUATERNION
        return tuple(f"{part.name}.{side}.{axis}" for side in _SIDES for axis in axes)
    if group == "joint" and columns == 14:
        return tuple(f"{side}.{i}" for side in _SIDES for i in range(7))
    if group == "effector" and columns >= 2 and columns % 2 == 0:
        if columns == 2:
            return _SIDES
        return tuple(f"{side}.{i}" for side in _SIDES for i in range(columns // 2))
    known = {
        ("head/position", 2): ("yaw", "pitch"),
        ("waist/position", 2): ("pitch", "lift"),
        ("robot/position", 3): ("x", "y", "z"),
        ("robot/orientation", 4): _QUATERNION,
        ("robot/velocity", 2): ("forward", "yaw_rate"),
        ("robot/velocity", 1): ("forward",),
    }
    return known.get((part.path, columns), tuple(f"{quantity}.{i}" for i in range(columns)))


def _held(file: Any, part: _Part, values: Array, length: int, problems: list[Problem]) -> Array:
    """Spread commands that were recorded only while they were sent: the last one holds.

    `action/<group>/index` says at which rows; some files leave `end` without and mean the joints'.
    """
    group = part.path.split("/")[0]
    for name in dict.fromkeys((group, "joint" if group == "end" else group)):
        rows = read_array(file, f"action/{name}/index")
        if rows is None or rows.size != len(values) or not np.isfinite(rows).all():
            continue
        rows = rows.reshape(-1).astype(np.int64)
        if len(rows) and rows[0] >= 0 and rows[-1] < length and (np.diff(rows) > 0).all():
            last = np.maximum(np.searchsorted(rows, np.arange(length), side="right") - 1, 0)
            text = (
                f"action/{part.path} was recorded in {len(rows)} of {length} rows; "
                "in the others the last command holds"
            )
            problems.append(Problem("sparse_commands", text, Severity.INFO))
            held: Array = values[last]
            return held
    return values


def _times(file: Any, length: int, problems: list[Problem]) -> F64:
    """Seconds of each row, evenly spaced if there is no usable clock."""
    clocks = ((name, read_array(file, name)) for name in _CLOCKS)
    return row_times(clocks, length, FPS, "there are no time stamps", problems)


# -- grippers ------------------------------------------------------------------------------


def gripper_channels(state: Signal, action: Signal) -> tuple[GripperChannels, ...]:
    """The effector columns of each arm, and which end is closed.

    A gripper's command is documented: 0 open, 1 closed. The measured value is documented as the
    opening in millimetres, but runs from 35 open to 120 closed (issue 133 of
    OpenDriveLab/AgiBot-World), so its direction is taken from the command where both move, else
    from that observation. Hands have joint angles whose direction is guessed as everywhere.
    """
    values, commands = state.values, action.values
    signal, names = ("state", state.names) if _arms(state.names) else ("action", action.names)
    table = values if signal == "state" else commands
    result = []
    for arm, indices in _arms(names).items():
        own = tuple(names[i] for i in indices)
        places = [action.names.index(n) for n in own if n in action.names]
        commanded = commands[:, places] if len(places) == len(own) else None
        measured = table[:, list(indices)]
        if len(indices) > 1:
            closed, why = infer_direction(measured, commanded, own)
            origin, reason = "guessed", f"{len(indices)} joints of a hand; {why}"
        elif signal == "action":
            closed, origin = ClosedIs.HIGH, "format"
            reason = "AgiBot defines the command as 0 open, 1 closed"
        else:
            closed, origin, reason = _direction(measured[:, 0], commanded)
        result.append(
            GripperChannels(arm, signal, indices, own, closed, origin, reason, Combine.MEAN)
        )
    return _agreed(result)


def _agreed(channels: list[GripperChannels]) -> tuple[GripperChannels, ...]:
    """Let a gripper that shows no direction take that of the other: they are of one kind."""
    shown = next((c for c in channels if c.origin == "format" and len(c.indices) == 1), None)
    if shown is None:
        return tuple(channels)
    return tuple(
        replace(
            c,
            closed_is=shown.closed_is,
            origin="format",
            reason=f"as the {shown.arm} gripper; this one's command does not tell",
        )
        if c.origin == "guessed" and len(c.indices) == 1
        else c
        for c in channels
    )


def _arms(names: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Indices of the effector columns of each arm."""
    return {
        side: indices
        for side in _SIDES
        if (
            indices := tuple(
                i
                for i, name in enumerate(names)
                if name == f"effector.{side}" or name.startswith(f"effector.{side}.")
            )
        )
    }


def _direction(measured: F32, commanded: F32 | None) -> tuple[ClosedIs, str, str]:
    """Closed end of one gripper's measured value, where it is from, and why."""
    observed = "measured as 35 open … 120 closed, against the dataset card (its issue 133)"
    if commanded is None:
        return ClosedIs.HIGH, "guessed", observed
    command = commanded[:, 0].astype(np.float64)
    both = np.isfinite(measured) & np.isfinite(command)
    if both.sum() < 10:
        return ClosedIs.HIGH, "guessed", observed
    a, b = measured[both].astype(np.float64), command[both]
    defined = b.min() >= _COMMAND_OPEN and b.max() <= _COMMAND_CLOSED
    if not defined or np.ptp(a) < 1e-6 or np.ptp(b) < 0.2:
        return ClosedIs.HIGH, "guessed", observed
    together = float(np.corrcoef(a, b)[0, 1])
    if abs(together) < _CLEAR:
        return ClosedIs.HIGH, "guessed", observed
    closed = ClosedIs.HIGH if together > 0 else ClosedIs.LOW
    moves = "rises" if together > 0 else "falls"
    reason = f"the command is defined as 0 open, 1 closed, and the state {moves} with it"
    return closed, "format", f"{reason} (r = {together:.2f})"
