"""The signals of one robomimic or LIBERO demonstration, with their names and grippers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.model.arrays import Array
from pipeline.model.demonstration import Camera, ClosedIs, GripperChannels
from pipeline.model.problem import DataError, Problem
from pipeline.sources.assembly import MOST_FRAMES, Signal
from pipeline.sources.gripper_channels import guess_channels
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.hdf5.pictures import (
    StoredDepth,
    StoredPictures,
    depth_scale,
    is_depth,
    is_pixels,
    size_of,
)
from pipeline.sources.robomimic.file import Demo, TaskFile

_GRIPPER = re.compile(r"^(robot(?P<robot>\d)_)?((?P<side>left|right)_)?gripper_(qpos|states?)$")
_AXES = ("x", "y", "z")
_TURN = ("rx", "ry", "rz")
_FINGERS_CLOSE = (
    "robosuite's parallel grippers: two fingers that move mirrored, the first is used; it is "
    "furthest from 0 when open"
)
_ACTION_CLOSES = "robosuite: the action's gripper channel is -1 to open, 1 to close"


@dataclass(frozen=True, slots=True)
class DemoSignals:
    """Signals of one demonstration, read.

    Attributes:
        length: Frames T.
        state: Measurements.
        action: Commands.
        grippers: Channels among this demonstration's own columns.
        problems: What is doubtful.
        identity: Hash of the signals.
    """

    length: int
    state: Signal
    action: Signal
    grippers: tuple[GripperChannels, ...]
    problems: tuple[Problem, ...]
    identity: str


@dataclass(frozen=True, slots=True)
class DemoPictures:
    """Where the pictures of one demonstration are.

    Attributes:
        cameras: Colour cameras.
        pictures: Where their pictures are, by camera key.
        depths: Where depth is, by the key of its colour camera.
        depth_notes: What was found about each depth dataset: name, whether it is used, a phrase.
        problems: What is doubtful.
    """

    cameras: tuple[Camera, ...]
    pictures: dict[str, StoredPictures]
    depths: dict[str, StoredDepth]
    depth_notes: tuple[tuple[str, bool, str], ...]
    problems: tuple[Problem, ...]


def read_signals(task: TaskFile, demo: Demo, file: Any) -> DemoSignals:
    """Read a demonstration's signals.

    Args:
        task: The file's facts.
        demo: Which demonstration.
        file: The open file.

    Raises:
        DataError: With one sentence if the demonstration cannot be shown.
    """
    place = f"data/{demo.name}"
    group = hdf5.child(file, place)
    obs = hdf5.child(group, "obs") if group is not None else None
    problems: list[Problem] = []
    actions = _optional(group, "actions", f"{place}/actions", problems)
    length = len(actions) if actions is not None and actions.ndim else demo.length
    if not length:
        raise DataError("missing_data", f"{demo.name} holds no frames")
    if length > MOST_FRAMES:
        raise DataError("too_long", f"{demo.name}: {length} frames, more than can be open")
    said = _whole(hdf5.attribute(group, "num_samples"))
    if said is not None and said != length:
        text = f"num_samples says {said} frames, the actions have {length}; the actions count"
        problems.append(Problem("length_differs", text))
    state, action = Signal(length), Signal(length)
    digest = hashlib.blake2b(digest_size=16)
    for name in demo.layout.signals:
        values = _optional(obs, name, f"{place}/obs/{name}", problems)
        values = _fitted(name, values, length, problems)
        if values is not None:
            state.add(name, values, _column_names(name, values))
            digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    actions = _fitted("actions", actions, length, problems)
    if actions is not None:
        action.add("action", actions, _action_names(task, actions))
        digest.update(np.ascontiguousarray(actions).tobytes())
    grippers = _grippers(task, state, action)
    return DemoSignals(length, state, action, grippers, tuple(problems), digest.hexdigest())


def find_pictures(task: TaskFile, demo: Demo, file: Any, length: int) -> DemoPictures:
    """Look at the shapes of a demonstration's pictures, and at three frames of its depth.

    Args:
        task: The file's facts.
        demo: Which demonstration.
        file: The open file.
        length: Frames of its signals.
    """
    place = f"data/{demo.name}/obs"
    obs = hdf5.child(file, place)
    cameras: list[Camera] = []
    pictures: dict[str, StoredPictures] = {}
    depths: dict[str, StoredDepth] = {}
    notes: list[tuple[str, bool, str]] = []
    problems: list[Problem] = []
    for key in demo.layout.cameras:
        try:
            node = hdf5.child(obs, key)
            # Demonstrations of one file share a layout by names; shapes are each one's own.
            if not is_pixels(node) or not node.shape[0]:
                raise DataError("missing_pictures", f"{demo.name}: {key} holds no pictures")
        except DataError as error:
            problems.append(Problem(error.code, str(error)))
            continue
        if node.shape[0] < length:
            text = f"{key} has {node.shape[0]} pictures for {length} frames; where it has none, "
            problems.append(Problem("video_shorter", text + "its last is shown", frame=len(node)))
        pictures[key] = StoredPictures(f"{place}/{key}", upside_down=task.upside_down)
        depth_key = demo.layout.depths.get(key)
        if depth_key is not None:
            scale, why = _scale(obs, depth_key, f"{place}/{depth_key}")
            notes.append((depth_key, scale > 0, why))
            if scale > 0:
                depths[key] = StoredDepth(f"{place}/{depth_key}", scale, task.upside_down)
        width, height = size_of(node, key)
        cameras.append(Camera(key, width, height, "raw", depth_key if key in depths else None))
    return DemoPictures(tuple(cameras), pictures, depths, tuple(notes), tuple(problems))


def _optional(parent: Any, name: str, where: str, problems: list[Problem]) -> Array | None:
    """Read numbers; what cannot be read is a problem, and the rest is shown without it."""
    try:
        return hdf5.numbers(hdf5.child(parent, name), where)
    except DataError as error:
        problems.append(Problem(error.code, str(error)))
        return None


def _fitted(name: str, values: Array | None, length: int, problems: list[Problem]) -> Array | None:
    """Bring a signal to the demonstration's length, or leave it out, and say so."""
    if values is None or (values.ndim and len(values) == length):
        return values
    have = len(values) if values.ndim else 1
    if have > length:
        text = f"{name} has {have} rows for {length} frames; the rows behind are left out"
        problems.append(Problem("length_differs", text))
        return values[:length]
    text = f"{name} has {have} rows for {length} frames and is left out"
    problems.append(Problem("length_differs", text))
    return None


def _scale(obs: Any, name: str, where: str) -> tuple[float, str]:
    try:
        node = hdf5.child(obs, name)
        return depth_scale(node, where) if is_depth(node) else (0.0, "no depth of a known shape")
    except DataError as error:
        return 0.0, str(error)


def _whole(value: Any) -> int | None:
    """A count kept as a number or as text, None if it is neither."""
    try:
        return int(hdf5.text(value) or value)
    except (TypeError, ValueError, OverflowError):
        return None


# -- names -------------------------------------------------------------------------------------


def _column_names(name: str, values: Array) -> tuple[str, ...]:
    width = values.reshape(len(values), -1).shape[1]
    if name.endswith("quat") and width == 4:
        return ("x", "y", "z", "w")
    if name == "ee_states" and width == 6:
        return _AXES + _TURN
    if name == "ee_ori" and width == 3:
        return _TURN
    return _AXES if name.endswith("_pos") and width == 3 else ()


def _action_names(task: TaskFile, actions: Array) -> tuple[str, ...]:
    """Names of robosuite's actions: a pose and a gripper for each arm."""
    width = actions.reshape(len(actions), -1).shape[1]
    arm = (*_AXES, *_TURN, "gripper")
    if not task.robosuite or width not in (7, 14):
        return ()
    return arm if width == 7 else tuple(f"robot{r}.{n}" for r in (0, 1) for n in arm)


def _grippers(task: TaskFile, state: Signal, action: Signal) -> tuple[GripperChannels, ...]:
    """Gripper channels, defined by the format where robosuite recorded them.

    Of the two fingers of a robosuite gripper only the first is used: they move mirrored (0.04 and
    -0.04 open, 0 closed), so their mean would say nothing. Hands of more joints have no common
    direction; there the action's channel is used, which always closes at 1.
    """
    if not task.robosuite:
        return guess_channels(state.names, action.names, task.robot)
    fingers: dict[str, list[int]] = {}
    for column, name in enumerate(state.names):
        stem = name.rsplit(".", 1)[0]
        if _GRIPPER.match(stem):
            fingers.setdefault(stem, []).append(column)
    if fingers and all(len(columns) == 2 for columns in fingers.values()):
        return tuple(
            _channel(_arm(stem, len(fingers)), "state", state, columns[0])
            for stem, columns in fingers.items()
        )
    commanded = [i for i, n in enumerate(action.names) if n.endswith(".gripper")]
    if not commanded:
        return guess_channels(state.names, action.names, task.robot)
    arms = ("arm",) if len(commanded) == 1 else ("right", "left")
    return tuple(
        _channel(arm, "action", action, column) for arm, column in zip(arms, commanded, strict=True)
    )


def _channel(arm: str, kind: str, signal: Signal, column: int) -> GripperChannels:
    measured = kind == "state"
    return GripperChannels(
        arm=arm,
        signal=kind,
        indices=(column,),
        names=(signal.names[column],),
        closed_is=ClosedIs.LOW if measured else ClosedIs.HIGH,
        origin="format",
        reason=_FINGERS_CLOSE if measured else _ACTION_CLOSES,
    )


def _arm(stem: str, count: int) -> str:
    match = _GRIPPER.match(stem)
    if match is None or count == 1:
        return "arm"
    if match["side"]:
        return str(match["side"])
    # Of robosuite's two parallel robots robot0 stands on the right (at y = -0.25, facing x).
    return {"0": "right", "1": "left"}.get(match["robot"] or "", "arm")
