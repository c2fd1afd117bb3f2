"""The signals of one DROID trajectory: robot state, commands, clock, camera poses."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F64, Array
from pipeline.model.demonstration import ClosedIs, GripperChannels
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import MOST_FRAMES, Signal
from pipeline.sources.droid import layout
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.hdf5.arrays import arrays_at, read_array, within_reason
from pipeline.sources.table_rows import (
    common_length,
    fit_rows,
    row_times,
    rows_differ,
)

log = logging.getLogger(__name__)

FPS = 15.0
"""Control rate of every DROID robot (droid/robot_env.py: control_hz)."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One array of trajectory.h5.

    Attributes:
        path: Where it is in the file.
        name: Prefix of its columns.
        columns: Columns; an episode without the array has as many of NaN, so that a column means
            the same in all episodes.
        labels: Names of the columns, none for numbers.
    """

    path: str
    name: str
    columns: int
    labels: tuple[str, ...] = ()


_POSE = ("x", "y", "z", "roll", "pitch", "yaw")
_STATE = tuple(
    _Part(f"observation/robot_state/{name}", name, columns, labels)
    for name, columns, labels in (
        ("cartesian_position", 6, _POSE),
        ("gripper_position", 1, ()),
        ("joint_positions", 7, ()),
        ("joint_velocities", 7, ()),
    )
)
_ACTION = tuple(
    _Part(f"action/{name}", name, columns, labels)
    for name, columns, labels in (
        ("cartesian_position", 6, _POSE),
        ("gripper_position", 1, ()),
        ("joint_position", 7, ()),
        ("cartesian_velocity", 6, _POSE),
        ("gripper_velocity", 1, ()),
        ("joint_velocity", 7, ()),
        ("target_cartesian_position", 6, _POSE),
        ("target_gripper_position", 1, ()),
    )
)
GRIPPER = GripperChannels(
    arm="arm",
    signal="state",
    indices=(_STATE[0].columns,),
    names=("gripper_position",),
    closed_is=ClosedIs.HIGH,
    origin="format",
    reason="DROID defines gripper_position as 0 open … 1 closed",
)
_CLOCKS = (
    "observation/timestamp/control/step_start",
    "observation/timestamp/robot_state/read_start",
)
_PAUSED = "observation/timestamp/skip_action"
_ENABLED = "observation/controller_info/movement_enabled"


def read_signals(file: Any, path: Path, problems: list[Problem]) -> tuple[int, Signal, Signal]:
    """Read state and action. Raises DataError if neither can be read."""
    nodes = arrays_at(file, tuple(part.path for part in (*_STATE, *_ACTION)), problems)
    length = common_length(node.shape[0] for node in nodes.values())
    if not length:
        raise DataError("bad_table", f"{path}: holds no robot state and no action")
    if length > MOST_FRAMES:
        raise DataError("too_long", f"{path}: {length} frames, more than can be open")
    nodes = within_reason(nodes, length, problems)
    values: dict[str, Array] = {}
    for name, node in nodes.items():
        try:
            values[name] = hdf5.numbers(node, name)
        except DataError as error:
            problems.append(Problem(error.code, str(error)))
    if not values:
        raise DataError("bad_table", f"{path}: none of its signals can be read")
    problems += rows_differ({name: len(v) for name, v in values.items()}, length)
    signals = []
    for parts in (_STATE, _ACTION):
        signal = Signal(length)
        for part in parts:
            table = _columns(values.get(part.path), part, length, problems)
            signal.add(part.name, table, part.labels)
        signals.append(signal)
    return length, signals[0], signals[1]


def _columns(values: Array | None, part: _Part, length: int, problems: list[Problem]) -> Array:
    """Bring an array to the rows of the episode and the columns of the format."""
    shape = (length, part.columns) if part.columns > 1 else (length,)
    if values is None:
        return np.full(shape, np.nan)
    fitting = fit_rows(values, length)
    if fitting.size != length * part.columns:
        text = f"{part.path} has the shape {values.shape}, DROID has {part.columns} columns"
        problems.append(Problem("columns_differ", f"{text}; it is left empty"))
        return np.full(shape, np.nan)
    return fitting.reshape(shape)


def read_times(file: Any, length: int, problems: list[Problem]) -> F64:
    """Seconds of each row by the control loop's clock, evenly spaced if there is none."""
    clocks = ((name, read_array(file, name)) for name in _CLOCKS)
    return row_times(clocks, length, FPS, "trajectory.h5 has no time stamps", problems)


def paused_rows(file: Any, length: int) -> list[Problem]:
    """Say how many rows were recorded while the operator did not steer."""
    for name, paused_is in ((_PAUSED, True), (_ENABLED, False)):
        flags = read_array(file, name)
        if flags is None or flags.size != length:
            continue
        paused = flags.reshape(-1).astype(bool) == paused_is
        if paused.any():
            first = int(np.flatnonzero(paused)[0])
            text = f"{int(paused.sum())} of {length} rows while the operator did not steer ({name})"
            return [Problem("paused_rows", text, Severity.INFO, frame=first)]
        return []
    return []


def wrist_serials(file: Any) -> frozenset[str] | None:
    """Serials that the trajectory calls wrist cameras (0), None if it does not say."""
    try:
        group = hdf5.child(file, "observation/camera_type")
        serials = hdf5.keys(group)[:16]
    except DataError as error:
        log.info("%s", error)
        return None
    kinds = {serial: read_array(group, serial) for serial in serials}
    return frozenset(s for s, k in kinds.items() if k is not None and k.flat[0] == 0) or None


def camera_pose(file: Any, metadata: dict[str, Any], role: str, serial: str) -> F64 | None:
    """Pose of an external camera: from metadata if it names this camera, else of the first row."""
    if layout.text_of(metadata, f"{role}_cam_serial") == serial:
        pose = layout.pose_matrix(metadata.get(f"{role}_cam_extrinsics"))
        if pose is not None:
            return pose
    name = f"observation/camera_extrinsics/{serial}_left"
    rows = read_array(file, name)
    return None if rows is None else layout.pose_matrix(rows[:1])
