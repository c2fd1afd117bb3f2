"""What all formats have in common on the way from raw arrays to a demonstration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pipeline.model.arrays import F32, F64, Array
from pipeline.model.demonstration import (
    Camera,
    Demonstration,
    EpisodeRef,
    GripperChannels,
)
from pipeline.model.problem import DataError, Problem
from pipeline.sources.files import fingerprint

MOST_FRAMES = 2_000_000
"""Longer episodes are refused; at 30 fps this is 18 hours."""


def as_columns(values: Array, length: int) -> F32:
    """Bring an array (T, ...) to (T, C) float32 with NaN for what is not finite."""
    with np.errstate(over="ignore"):
        table = values.reshape(length, -1).astype(np.float32)
    table[np.isinf(table)] = np.nan
    return table


class Signal:
    """Columns of state or action, joined from named parts."""

    def __init__(self, length: int) -> None:
        """Start with no columns.

        Args:
            length: Frames T that every part must have.
        """
        self._length = length
        self._parts: list[F32] = []
        self._names: list[str] = []

    def add(self, name: str, values: Array, names: Sequence[str] = ()) -> None:
        """Add a part.

        Args:
            name: Prefix of its columns: `name` for one, else `name.0`, `name.1`, ...
            values: (T,) or (T, ...) of any numeric type; more axes are flattened.
            names: Names of the columns, if the dataset has them.

        Raises:
            DataError: `bad_table` if it has another length than the episode.
        """
        if values.ndim == 0 or len(values) != self._length:
            have = "one value" if values.ndim == 0 else f"{len(values)} rows"
            raise DataError("bad_table", f"{name}: {have}, the episode has {self._length} frames")
        table = as_columns(values, self._length)
        count = table.shape[1]
        if len(names) == count:
            own = [n if n.startswith(name) else f"{name}.{n}" for n in names]
        else:
            own = [name] if count == 1 else [f"{name}.{i}" for i in range(count)]
        self._parts.append(table)
        self._names.extend(own)

    @classmethod
    def joined(cls, values: F32, names: Sequence[str]) -> Signal:
        """Take columns that were joined already: (T, C) float32 and C names."""
        signal = cls(len(values))
        signal._parts.append(values)
        signal._names.extend(names)
        return signal

    @property
    def values(self) -> F32:
        """(T, C) float32, NaN where the dataset holds no finite number."""
        if not self._parts:
            return np.zeros((self._length, 0), np.float32)
        return np.concatenate(self._parts, axis=1)

    @property
    def names(self) -> tuple[str, ...]:
        """C names."""
        return tuple(self._names)


def nan_problems(signals: Iterable[tuple[str, F32]]) -> list[Problem]:
    """Say where signals hold NaN. A channel that is NaN throughout belongs to a robot part that
    this episode lacks, and is not reported.
    """
    problems = []
    for name, values in signals:
        partly = np.isnan(values) & ~np.isnan(values).all(axis=0)
        if partly.any():
            frames = np.flatnonzero(partly.any(axis=1))
            text = f"{len(frames)} frames of the {name} hold NaN, the first is {frames[0]}"
            problems.append(Problem("nan_in_signal", text, frame=int(frames[0])))
    return problems


def usable_times(stored: Array | None, length: int, fps: float, problems: list[Problem]) -> F64:
    """Bring stored time stamps to seconds from the first frame.

    Args:
        stored: (T,) seconds, or None.
        length: Frames T.
        fps: Declared rate, used where there are no usable time stamps.
        problems: Gets `bad_timestamps` if they cannot be used.

    Returns:
        (T,) float64, never falling.
    """
    even = np.arange(length, dtype=np.float64) / fps
    if stored is None:
        return even
    times = np.asarray(stored).reshape(-1).astype(np.float64)
    if len(times) != length or not np.isfinite(times).all() or (np.diff(times) < 0).any():
        text = "timestamps go back or are not numbers; the declared rate is used instead"
        problems.append(Problem("bad_timestamps", text))
        return even
    return times


def is_there(values: F32, channels: GripperChannels) -> bool:
    """False if an episode lacks these channels: too few columns, or NaN throughout."""
    if not all(0 <= i < values.shape[1] for i in channels.indices):
        return False
    return not bool(np.isnan(values[:, list(channels.indices)]).all())


def assemble(
    *,
    dataset: Path,
    episode: int,
    files: Sequence[Path],
    fps: float,
    instruction: str,
    robot_type: str,
    cameras: Sequence[Camera],
    timestamps: F64,
    state: Signal,
    action: Signal,
    grippers: Sequence[GripperChannels],
    problems: Sequence[Problem] = (),
    identity: str = "",
) -> Demonstration:
    """Build a demonstration, with what is doubtful about its signals.

    Args:
        dataset: Root folder or file.
        episode: Episode index.
        files: Files that hold this episode; their content enters the fingerprint.
        fps: Frames per second.
        instruction: May be empty.
        robot_type: May be empty.
        cameras: Colour cameras that can be read.
        timestamps: (T,) seconds from the first frame.
        state: Columns of the state.
        action: Columns of the action.
        grippers: Channels of the dataset; those that this episode lacks are left out.
        problems: Found while reading.
        identity: Further text that tells this episode from others in the same files.

    Raises:
        DataError: `too_long`.
    """
    length = len(timestamps)
    if length > MOST_FRAMES:
        raise DataError("too_long", f"episode {episode}: {length} frames, more than can be open")
    measured, commanded = state.values, action.values
    found = [*problems, *nan_problems((("state", measured), ("action", commanded)))]
    names = (str(episode), identity) if identity else (str(episode),)
    return Demonstration(
        ref=EpisodeRef(str(dataset), episode),
        fingerprint=fingerprint(list(files), *names, instruction),
        fps=fps,
        length=length,
        instruction=instruction,
        robot_type=robot_type,
        cameras=tuple(cameras),
        timestamps=timestamps,
        state=measured,
        state_names=state.names,
        action=commanded,
        action_names=action.names,
        grippers=tuple(
            g for g in grippers if is_there(measured if g.signal == "state" else commanded, g)
        ),
        problems=tuple(found),
        files=tuple(str(file) for file in files),
    )


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key under which `demo_2` comes before `demo_10`."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(p)) if p.isdecimal() and len(p) < 19 else (1, p) for p in parts if p)
