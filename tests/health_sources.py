"""Datasets in memory, healthy or not, that a process of its own can open, too."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.model.demonstration import (
    CACHE_BYTES,
    Camera,
    ClosedIs,
    DatasetInfo,
    Demonstration,
    EpisodeInfo,
    EpisodeRef,
    GripperChannels,
)
from pipeline.model.picture import ArrayPicture, PictureTimes
from pipeline.model.problem import DataError

FPS = 10.0
NAMES = ("left_shoulder", "left_elbow", "right_shoulder", "right_elbow", "gripper")
FRONT = "observation.images.front"
GRIPPER = GripperChannels("arm", "state", (4,), ("gripper",), ClosedIs.LOW, reason="named; evident")
TEXT = "Pick up the red cube and put it in the bowl."


def signals(length: int = 100, seed: int = 0) -> np.ndarray:
    """(T, 5): four joints that swing, a noisy gripper that closes and opens."""
    t = np.linspace(0, 1, length)
    noise = np.random.default_rng(seed).normal(0, 0.002, (length, 5))
    inside = (t > 0.35) & (t < 0.7)
    ramp = np.convolve(inside, np.ones(5) / 5, "same")[:length]
    joints = [np.sin((3 + k) * t + seed) for k in range(4)]
    return (np.stack([*joints, 1 - 0.8 * ramp], axis=1) + noise).astype(np.float32)


def commands(state: np.ndarray) -> np.ndarray:
    """(T, 5): the same, the gripper's command beyond what the fingers reach."""
    action = state.copy()
    action[:, 4] = np.where(state[:, 4] < 0.6, 0.0, 1.0)
    return action


def times_of(
    times: np.ndarray, table: np.ndarray, *, variable: bool = False, truncated: str = ""
) -> PictureTimes:
    """Picture times with the nearest picture of every row."""
    if not len(times):
        nearest = np.zeros(len(table), np.int64)
        return PictureTimes(times, nearest, np.zeros(len(table), np.bool_), variable, truncated)
    nearest = np.abs(times[None, :] - table[:, None]).argmin(axis=1).astype(np.int64)
    exact = np.concatenate(([True], nearest[1:] != nearest[:-1])).astype(np.bool_)
    return PictureTimes(times, nearest, exact, variable, truncated)


def demonstration(index: int = 0, length: int = 100, **changes: Any) -> Demonstration:
    """A healthy episode; `changes` replaces fields."""
    state = signals(length, index)
    healthy = Demonstration(
        ref=EpisodeRef("memory", index),
        fingerprint=str(index),
        fps=FPS,
        length=length,
        instruction=TEXT,
        robot_type="toy",
        cameras=(Camera(FRONT, 64, 48),),
        timestamps=np.arange(length) / FPS,
        state=state,
        state_names=NAMES,
        action=commands(state),
        action_names=NAMES,
        grippers=(GRIPPER,),
    )
    return replace(healthy, **changes)


def lively(frame: int) -> np.ndarray:
    """A picture that differs at every frame."""
    return np.random.default_rng(frame).integers(20, 200, (12, 16, 3)).astype(np.uint8)


@dataclass
class Reader:
    """Pictures from a function, times as given."""

    pictures: Callable[[int], np.ndarray]
    picture_times: PictureTimes | DataError | None
    note: str = ""

    def picture(self, camera: str, index: int) -> ArrayPicture:
        return ArrayPicture(self.pictures(index), self.note)

    def cached(self, camera: str, index: int) -> None:
        return None

    def frame(self, camera: str, index: int) -> np.ndarray:
        return self.pictures(index)

    def depth(self, camera: str, index: int) -> None:
        return None

    def times(self, camera: str) -> PictureTimes | None:
        if isinstance(self.picture_times, DataError):
            raise self.picture_times
        return self.picture_times

    def close(self) -> None:
        pass


@dataclass
class Dataset:
    """A dataset of demonstrations in memory.

    Attributes:
        episodes: By index.
        times: Picture times by episode; those of the table where absent.
        listed: What the metadata says about an episode, if not the truth.
        meant: Fields of the DatasetInfo that are replaced.
    """

    episodes: dict[int, Demonstration]
    times: Mapping[int, PictureTimes | DataError | None] = field(default_factory=dict)
    listed: Mapping[int, EpisodeInfo] = field(default_factory=dict)
    meant: Mapping[str, Any] = field(default_factory=dict)
    pictures: Callable[[int], np.ndarray] = lively
    note: str = ""

    @property
    def info(self) -> DatasetInfo:
        known = {
            i: EpisodeInfo(i, d.length, d.instruction, True) for i, d in self.episodes.items()
        } | dict(self.listed)
        return replace(
            DatasetInfo(
                "memory", "toy", "1", "made", FPS, "toy", (FRONT,), (GRIPPER,),
                tuple(known[i] for i in sorted(known)),
            ),
            **self.meant,
        )  # fmt: skip

    def open(self, episode: int) -> Demonstration:
        return self.episodes[episode]

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> Reader:
        table = demonstration.timestamps
        default = times_of(table, table)
        times = self.times.get(demonstration.ref.episode, default)
        return Reader(self.pictures, times, self.note)


class Fragile(Dataset):
    """Some of its episodes end the process, never return, raise, or are the same."""

    def __init__(self, count: int, faults: Mapping[str, set[int]]) -> None:
        super().__init__({i: demonstration(i, 40, files=(__file__,)) for i in range(count)})
        self._faults = faults
        for episode in faults.get("same", ()):
            copied = demonstration(0, 40)
            self.episodes[episode] = replace(
                self.episodes[episode], state=copied.state, action=copied.action
            )

    def open(self, episode: int) -> Demonstration:
        if episode in self._faults.get("crash", ()):
            os._exit(11)
        if episode in self._faults.get("hang", ()):
            time.sleep(1000)
        if episode in self._faults.get("raise", ()):
            raise RuntimeError("a defect\nof ours")
        return super().open(episode)


def open_fragile(path: str) -> Fragile:
    """Open `COUNT crash=1,2 hang=3 raise=4 same=5,6` in any process."""
    count, *faults = path.split()
    named = (fault.split("=") for fault in faults)
    return Fragile(int(count), {k: {int(n) for n in v.split(",")} for k, v in named})


OPEN_FRAGILE = f"{__name__}:open_fragile"
