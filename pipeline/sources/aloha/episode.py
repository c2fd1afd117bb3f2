"""One ALOHA or ACT episode file: what it says, and its signals."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import Array
from pipeline.model.demonstration import ClosedIs, GripperChannels
from pipeline.model.problem import DataError, Problem
from pipeline.sources.assembly import MOST_FRAMES, Signal, natural
from pipeline.sources.gripper_channels import guess_channels
from pipeline.sources.hdf5 import access as hdf5

DEFAULT_FPS = 50.0
"""Rate of ALOHA's control loop (DT = 0.02 s in its constants)."""
IMAGES = "observations/images"
"""Group of the pictures."""
_JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
_BOTH = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in _JOINTS)
_BASE = ("linear", "angular")
_LANGUAGE = ("instruction", "language_instruction", "language", "task", "task_description")
_NORMALISED = "ALOHA: the gripper is normalised, 0 closed, 1 open"


@dataclass(frozen=True, slots=True)
class AlohaFacts:
    """What a file says without reading its arrays.

    Attributes:
        path: Where it is.
        length: Frames, by the shape of `action` or `observations/qpos`.
        cameras: Names below `observations/images`.
        instruction: From an attribute or dataset, empty if there is none.
        fps: Frames per second.
        fps_said: True if the file says so.
        simulated: Its attribute `sim`.
        problem: Why it cannot be used, None if it can.
    """

    path: Path
    length: int = 0
    cameras: tuple[str, ...] = ()
    instruction: str = ""
    fps: float = DEFAULT_FPS
    fps_said: bool = False
    simulated: bool = False
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class AlohaSignals:
    """Signals of one episode, read.

    Attributes:
        length: Frames T.
        state: qpos, then qvel, effort and other measurements.
        action: Commands of the arms, then of the base.
        grippers: Channels, defined by the format where the arms have 7 channels each.
        unused: What was found and is not used, with why.
        problems: What is doubtful.
        identity: Hash of the signals.
    """

    length: int
    state: Signal
    action: Signal
    grippers: tuple[GripperChannels, ...]
    unused: tuple[str, ...]
    problems: tuple[Problem, ...]
    identity: str


def looks_like(path: Path) -> bool:
    """True if a file has the datasets of an ALOHA episode. Raises DataError if it is broken."""
    with hdf5.open_file(path) as file:
        observations = hdf5.keys(hdf5.child(file, "observations"))
        return "qpos" in observations or ("images" in observations and "action" in file)


def read_facts(path: Path) -> AlohaFacts:
    """Look at a file; a broken one comes back with its `problem`."""
    try:
        with hdf5.open_file(path) as file:
            length = _length(file)
            if not length:
                raise DataError("missing_data", f"{path}: no frames in action or observations/qpos")
            if length > MOST_FRAMES:
                raise DataError("too_long", f"{path}: {length} frames, more than can be open")
            rate = number(hdf5.attribute(file, "fps"))
            said = 0.1 <= rate <= 1000
            return AlohaFacts(
                path=path,
                length=length,
                cameras=tuple(sorted(hdf5.keys(hdf5.child(file, IMAGES)), key=natural)),
                instruction=_instruction(file),
                fps=rate if said else DEFAULT_FPS,
                fps_said=said,
                simulated=bool(number(hdf5.attribute(file, "sim")) == 1),
            )
    except DataError as error:
        return AlohaFacts(path, problem=error.as_problem())


def _length(file: Any) -> int:
    for name in ("action", "observations/qpos"):
        shape = getattr(hdf5.child(file, name), "shape", None)
        if shape and shape[0]:
            return int(shape[0])
    return 0


def number(value: Any) -> float:
    """A numeric attribute, NaN if it is none."""
    try:
        return float(np.asarray(value, np.float64).reshape(-1)[0])
    except (TypeError, ValueError, IndexError):
        return math.nan


def _instruction(file: Any) -> str:
    for name in _LANGUAGE:
        words = hdf5.text(hdf5.attribute(file, name))
        node = None if words else hdf5.child(file, name)
        if node is not None and getattr(node, "size", 0) == 1 and node.dtype.kind in "OS":
            words = hdf5.text(np.asarray(hdf5.part(node, (), name)).reshape(-1)[0])
        if words.strip():
            return " ".join(words.split())[:2000]
    return ""


# -- signals -----------------------------------------------------------------------------------


def read_signals(path: Path, file: Any) -> AlohaSignals:
    """Read an episode's signals.

    Args:
        path: The file, for sentences.
        file: The open file.

    Raises:
        DataError: With one sentence if the episode cannot be shown.
    """
    length = _length(file)
    if not length:
        raise DataError("missing_data", f"{path}: no frames in action or observations/qpos")
    if length > MOST_FRAMES:
        raise DataError("too_long", f"{path}: {length} frames, more than can be open")
    state, action = Signal(length), Signal(length)
    problems: list[Problem] = []
    digest = hashlib.blake2b(digest_size=16)
    observations = hdf5.child(file, "observations")
    others = [n for n in sorted(hdf5.keys(observations), key=natural) if n not in ("qpos", "qvel")]
    unused = []
    parts = [(state, observations, n) for n in ("qpos", "qvel", *others)]
    parts += [(action, file, n) for n in ("action", "base_action")]
    for signal, parent, name in parts:
        try:
            node = hdf5.child(parent, name)
            shape = getattr(node, "shape", None)
            if shape is None or name == "images" or "depth" in name:
                continue
            if not 1 <= len(shape) <= 2 or node.dtype.kind not in "biuf":
                unused.append(f"{name}: {node.dtype} of the shape {shape}, no signal")
                continue
            values = _fitted(name, hdf5.numbers(node, name), length, problems)
        except DataError as error:
            problems.append(Problem(error.code, str(error)))
            continue
        if values is not None:
            # qpos and action carry the same plain names: they are the same joints.
            plain = name in ("qpos", "action") and _names(name, values)
            signal.add("" if plain else name, values, _names(name, values))
            digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    if not action.names:
        problems.append(Problem("no_actions", f"{path.name} has no action that can be read"))
    known = {"observations", "action", "base_action", "compress_len", *_LANGUAGE}
    unused += [f"{n}: not part of an ALOHA file" for n in hdf5.keys(file) if n not in known]
    return AlohaSignals(
        length,
        state,
        action,
        _grippers(state, action),
        tuple(unused),
        tuple(problems),
        digest.hexdigest(),
    )


def _names(name: str, values: Array) -> tuple[str, ...]:
    width = values.reshape(len(values), -1).shape[1]
    if name == "base_action":
        return _BASE if width == 2 else ()
    if width == 16 and name == "action":  # ACT++ trains on 14 joints and the base in one array.
        return (*_BOTH, *(f"base_{n}" for n in _BASE))
    return {14: _BOTH, 7: _JOINTS}.get(width, ()) if name in _ARM_WIDE else ()


_ARM_WIDE = frozenset({"qpos", "qvel", "effort", "action"})


def _fitted(name: str, values: Array, length: int, problems: list[Problem]) -> Array | None:
    """Bring a signal to the episode's length, or leave it out, and say so."""
    have = len(values) if values.ndim else 1
    if have == length:
        return values
    text = f"{name} has {have} rows for {length} frames"
    if have > length:
        problems.append(Problem("length_differs", f"{text}; the rows behind are left out"))
        return values[:length]
    problems.append(Problem("length_differs", f"{text} and is left out"))
    return None


def _grippers(state: Signal, action: Signal) -> tuple[GripperChannels, ...]:
    for kind, names in (("state", state.names), ("action", action.names)):
        found = [
            GripperChannels(
                arm=name.removesuffix("gripper").rstrip("_") or "arm",
                signal=kind,
                indices=(names.index(name),),
                names=(name,),
                closed_is=ClosedIs.LOW,
                origin="format",
                reason=_NORMALISED,
            )
            for name in ("left_gripper", "right_gripper", "gripper")
            if name in names
        ]
        if found:
            return tuple(found)
    return guess_channels(state.names, action.names, "aloha")
