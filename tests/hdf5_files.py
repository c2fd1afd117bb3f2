"""Small valid robomimic, LIBERO and ALOHA files, written by h5py as their recorders write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

SIZE = 48
"""Width and height of all pictures."""


def scene(frame: int, length: int, size: int = SIZE) -> np.ndarray:
    """A red square that moves right over grey, and a blue bar at the top edge: (H, W, 3) uint8.

    The bar tells up from down, its colour tells RGB from BGR, the square's place tells the frame.
    """
    rgb = np.full((size, size, 3), 90, np.uint8)
    rgb[: size // 8] = (20, 20, 220)
    x = round(frame / max(length - 1, 1) * (size - size // 4))
    rgb[size // 2 : size // 2 + size // 4, x : x + size // 4] = (220, 20, 20)
    return rgb


def scenes(length: int, size: int = SIZE) -> np.ndarray:
    """(T, H, W, 3) uint8."""
    return np.stack([scene(i, length, size) for i in range(length)])


def square_column(rgb: np.ndarray) -> float:
    """Mean x of the red square."""
    red = (rgb[..., 0].astype(int) - rgb[..., 2] > 80) & (rgb[..., 0] > 120)
    return float(np.nonzero(red)[1].mean())


def is_upright_rgb(rgb: np.ndarray) -> bool:
    """True if the blue bar is at the top and blue."""
    edge = rgb.shape[0] // 16
    top, bottom = rgb[edge].mean(axis=0), rgb[-1 - edge].mean(axis=0)
    return bool(top[2] > 150 and top[0] < 80 and abs(bottom[2] - bottom[0]) < 40)


def opening(length: int) -> np.ndarray:
    """(T,) 1 open, 0 closed from 35 % to 70 %."""
    t = np.linspace(0, 1, length)
    return np.where((t > 0.35) & (t < 0.7), 0.1, 1.0)


def arm(length: int, joints: int = 7) -> np.ndarray:
    """(T, joints) of smooth motion."""
    t = np.linspace(0, 3, length)[:, None]
    return np.sin(t + np.arange(joints))


# -- robomimic and LIBERO ----------------------------------------------------------------------


def write_robomimic(
    path: Path,
    lengths: tuple[int, ...] = (20, 24, 18),
    *,
    pictures: bool = True,
    depth: np.ndarray | None = None,
    env_args: Any = None,
    chunks: Any = None,
) -> Path:
    """As robomimic's dataset_states_to_obs.py writes: upright pictures, robosuite's Panda."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if env_args is None:
        env_args = {
            "env_name": "PickPlaceCan",
            "env_version": "1.4.1",
            "type": 1,
            "env_kwargs": {"robots": ["Panda"], "control_freq": 25},
        }
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = env_args if isinstance(env_args, str) else json.dumps(env_args)
        data.attrs["total"] = sum(lengths)
        for index, length in enumerate(lengths):
            demo = data.create_group(f"demo_{index}")
            demo.attrs["num_samples"] = length
            demo.attrs["model_file"] = "<mujoco/>"
            demo["states"] = np.zeros((length, 71))
            demo["rewards"] = np.zeros(length)
            demo["dones"] = np.zeros(length)
            wide = opening(length)
            demo["actions"] = np.concatenate(
                [0.1 * arm(length, 6), np.where(wide < 0.5, 1.0, -1.0)[:, None]], axis=1
            )
            obs = demo.create_group("obs")
            obs["robot0_eef_pos"] = arm(length, 3) + index
            obs["robot0_eef_quat"] = np.tile([0.0, 0.0, 0.0, 1.0], (length, 1))
            obs["robot0_joint_pos"] = arm(length)
            obs["robot0_joint_vel"] = arm(length)
            obs["robot0_gripper_qpos"] = np.stack([0.04 * wide, -0.04 * wide], axis=1)
            obs["object"] = np.zeros((length, 10))
            if pictures:
                for camera in ("agentview_image", "robot0_eye_in_hand_image"):
                    obs.create_dataset(camera, data=scenes(length), chunks=chunks)
            if depth is not None:
                obs["agentview_depth"] = np.tile(
                    depth.astype(np.float32)[None, :, :, None], (length, 1, 1, 1)
                )
        mask = file.create_group("mask")
        mask["train"] = np.array([b"demo_0", b"demo_1"])
    return path


def write_libero(
    path: Path,
    lengths: tuple[int, ...] = (20, 16),
    *,
    instruction: str | None = "pick up the red cube",
    convention: str | None = "opengl",
) -> Path:
    """As LIBERO's create_dataset.py writes; `opengl` pictures are stored bottom row first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_name"] = "Libero_Tabletop_Manipulation"
        if instruction is not None:
            info = {"problem_name": "libero", "language_instruction": instruction}
            data.attrs["problem_info"] = json.dumps(info)
        if convention is not None:
            data.attrs["macros_image_convention"] = convention
        data.attrs["bddl_file_name"] = "bddl_files/task.bddl"
        kwargs = {"robots": ["Panda"], "control_freq": 20}
        data.attrs["env_args"] = json.dumps({"type": 1, "env_kwargs": kwargs})
        data.attrs["num_demos"], data.attrs["total"] = len(lengths), sum(lengths)
        for index, length in enumerate(lengths):
            demo = data.create_group(f"demo_{index}")
            demo.attrs["num_samples"] = str(length)
            demo.attrs["init_state"] = np.zeros(92)
            wide = opening(length)
            demo["states"] = np.zeros((length, 92))
            demo["robot_states"] = np.zeros((length, 9))
            demo["actions"] = np.concatenate(
                [0.1 * arm(length, 6), np.where(wide < 0.5, 1.0, -1.0)[:, None]], axis=1
            )
            obs = demo.create_group("obs")
            obs["gripper_states"] = np.stack([0.04 * wide, -0.04 * wide], axis=1)
            obs["joint_states"] = arm(length)
            obs["ee_states"] = arm(length, 6)
            obs["ee_pos"], obs["ee_ori"] = arm(length, 3), arm(length, 3)
            stored = scenes(length)
            if convention != "opencv":
                stored = stored[:, ::-1]
            obs["agentview_rgb"] = stored
            obs["eye_in_hand_rgb"] = stored
    return path


# -- ALOHA -------------------------------------------------------------------------------------


def write_aloha(
    folder: Path,
    lengths: tuple[int, ...] = (30, 26),
    *,
    suffix: str = ".hdf5",
    compress: bool = False,
    attrs: dict[str, Any] | None = None,
    base: bool = False,
    first: int = 0,
) -> Path:
    """As ACT's record_episodes.py writes: raw RGB, or padded JPEG made by cv2 from RGB arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, length in enumerate(lengths, start=first):
        with h5py.File(folder / f"episode_{index}{suffix}", "w") as file:
            file.attrs["sim"] = not compress
            for name, value in (attrs or {}).items():
                file.attrs[name] = value
            qpos = arm(length, 14) + index
            # The right hand works; the left one stays open.
            qpos[:, 6], qpos[:, 13] = 1.0, opening(length)
            obs = file.create_group("observations")
            obs["qpos"], obs["qvel"] = qpos, np.gradient(qpos, axis=0)
            obs["effort"] = np.zeros((length, 14))
            file["action"] = qpos
            if base:
                file["base_action"] = np.zeros((length, 2))
            images = obs.create_group("images")
            cameras = ("cam_high", "cam_right_wrist")
            if compress:
                file.attrs["compress"] = True
                _write_compressed(file, images, cameras, length)
            else:
                for camera in cameras:
                    images.create_dataset(camera, data=scenes(length), chunks=(1, SIZE, SIZE, 3))
    return folder


def _write_compressed(
    file: h5py.File, images: h5py.Group, cameras: tuple[str, ...], length: int
) -> None:
    # imencode takes the channels for BGR; ALOHA gives it RGB, and undoes it by imdecode.
    rows = [cv2.imencode(".jpg", scene(i, length))[1].reshape(-1) for i in range(length)]
    width = max(map(len, rows))
    padded = np.zeros((length, width), np.uint8)
    for row, data in zip(padded, rows, strict=True):
        row[: len(data)] = data
    for camera in cameras:
        images.create_dataset(camera, data=padded, chunks=(1, width))
    file["compress_len"] = np.tile([len(r) for r in rows], (len(cameras), 1))
