"""One dataset in memory for every defect that health knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.model.demonstration import EpisodeInfo
from pipeline.model.problem import DataError, Problem
from tests.health_sources import FPS, GRIPPER, Dataset, commands, demonstration, signals, times_of

ROW_TIMES = np.arange(100) / FPS
"""(100,) times of the rows of a healthy episode, seconds."""


def one(**changes: object) -> Dataset:
    return Dataset({0: demonstration(**changes)})


def stamped(timestamps: np.ndarray) -> Dataset:
    return one(timestamps=timestamps, length=len(timestamps))


def filmed(times: np.ndarray, **more: object) -> Dataset:
    return Dataset({0: demonstration()}, times={0: times_of(times, ROW_TIMES, **more)})


def with_state(change: Callable[[np.ndarray], object], *, both: bool = False) -> Dataset:
    state = signals()
    change(state)
    return one(state=state, action=commands(state) if both else commands(signals()))


def many(odd: Dataset | None = None, count: int = 12) -> Dataset:
    episodes = {i: demonstration(i, 100 + i % 3) for i in range(1, count)}
    return Dataset({**episodes, 0: (odd or one()).episodes[0]})


def held(state: np.ndarray) -> None:
    state[:, 0] = 0.5


def short_of_ticks(state: np.ndarray) -> None:
    state[:, 4] = np.maximum(state[:, 4], 0.35 + np.float32(0.0))


def twitch(state: np.ndarray) -> None:
    state[20, 4] = 0.2


def leap(state: np.ndarray) -> None:
    state[60:, 1] += 1.5


def still(state: np.ndarray) -> None:
    state[:] = state[0]


def one_arm(state: np.ndarray) -> None:
    state[:, :2] = 0.3


def resting_gripper(state: np.ndarray) -> None:
    state[:, 4] = 1.0


def open_gripper(state: np.ndarray) -> None:
    state[:, 4] = 0.97 + 0.02 * np.sin(np.arange(len(state)))


def turned_gripper(state: np.ndarray) -> None:
    state[:, 4] = 1 - state[:, 4]


def turned() -> Dataset:
    state = signals()
    action = 1 - commands(state)
    turned_gripper(state)
    return one(state=state, action=action)


def unsure() -> Dataset:
    weak = replace(GRIPPER, reason="named; no evidence; low is the usual closed end")
    rests = with_state(resting_gripper, both=True)
    return Dataset(rests.episodes, meant={"grippers": (weak,)})


def no_pictures(index: int) -> np.ndarray:
    raise DataError("frame_not_decoded", f"frame {index} is broken")


UNEVEN = ROW_TIMES + np.random.default_rng(1).uniform(-0.02, 0.02, 100)
GONE = np.concatenate((ROW_TIMES[:50], ROW_TIMES[50:] + 0.3))
TWICE = np.concatenate((ROW_TIMES[:50], ROW_TIMES[49:99]))
DEFECTS: dict[str, Callable[[], Dataset]] = {
    "times_off": lambda: filmed(np.delete(ROW_TIMES, range(40, 44)) + 0.0),
    "times_drift": lambda: filmed(ROW_TIMES * 1.01),
    "timestamp_gap": lambda: stamped(GONE),
    "timestamp_repeat": lambda: stamped(TWICE),
    "timestamp_jitter": lambda: stamped(UNEVEN),
    "fps_differs": lambda: one(fps=12.0),
    "video_shorter": lambda: filmed(ROW_TIMES[:80]),
    "video_longer": lambda: filmed(np.arange(-3, 105) / FPS),
    "video_rate_differs": lambda: filmed(np.arange(200) / FPS / 2),
    "video_variable_rate": lambda: filmed(ROW_TIMES, variable=True),
    "video_truncated": lambda: filmed(ROW_TIMES, truncated="the index ends early"),
    "picture_repeated": lambda: filmed(np.delete(ROW_TIMES, 40)),
    "camera_missing": lambda: one(cameras=()),
    "video_unreadable": lambda: Dataset(
        {0: demonstration()}, times={0: DataError("bad_video", "front.mp4: is no video")}
    ),
    "picture_undecodable": lambda: Dataset({0: demonstration()}, pictures=no_pictures),
    "picture_black": lambda: Dataset(
        {0: demonstration()},
        pictures=lambda i: np.full((8, 8, 3), i % 3, np.uint8),
    ),
    "picture_frozen": lambda: Dataset(
        {0: demonstration()}, pictures=lambda i: np.full((8, 8, 3), 90, np.uint8)
    ),
    "length_differs": lambda: Dataset(
        {0: demonstration()}, listed={0: EpisodeInfo(0, 90, "Pick up the cube.", True)}
    ),
    "nan_in_signal": lambda: one(problems=(Problem("nan_in_signal", "3 frames hold NaN"),)),
    "signals_missing": lambda: one(
        state=np.zeros((100, 0), np.float32), state_names=(),
        action=np.zeros((100, 0), np.float32), action_names=(), grippers=(),
    ),
    "state_constant": lambda: with_state(still, both=True),
    "action_constant": lambda: one(action=np.full((100, 5), 0.5, np.float32)),
    "arm_constant": lambda: with_state(one_arm),
    "channel_constant": lambda: with_state(held),
    "state_jump": lambda: with_state(leap),
    "gripper_idle": lambda: with_state(resting_gripper),
    "gripper_never_closes": lambda: many(with_state(open_gripper)),
    "gripper_spike": lambda: with_state(twitch),
    "gripper_saturates": lambda: with_state(short_of_ticks),
    "gripper_direction_doubtful": unsure,
    "gripper_direction_contradicts": lambda: many(turned()),
    "instruction_empty": lambda: one(instruction="  "),
    "instruction_not_english": lambda: one(instruction="Nimm den roten Würfel und lege ihn ab."),
    "very_short": lambda: many(one(length=12)),
    "very_long": lambda: many(one(length=1500)),
    "duplicate_episode": lambda: Dataset({0: demonstration(0), 3: replace(demonstration(0))}),
}  # fmt: skip
"""One defect for every code that an episode or a dataset can get."""
ALONG: dict[str, set[str]] = {
    "times_off": {"picture_repeated", "video_shorter"},
    "video_shorter": set(),
    "timestamp_repeat": {"picture_repeated"},
    "picture_black": {"picture_frozen"},
    "picture_undecodable": set(),
    "fps_differs": set(),
    "instruction_empty": set(),
    "gripper_direction_doubtful": {"gripper_idle", "action_constant"},
    "timestamp_gap": set(),
    "state_constant": {"gripper_idle"},
    "action_constant": set(),
}
"""What a defect brings along by its nature."""
