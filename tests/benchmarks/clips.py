"""A generated dataset of one 20 s clip at 640x480, seen by one to four cameras."""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("SVT_LOG", "0")

import cv2
import numpy as np
import pyarrow.parquet as pq

from tests.datasets import FRONT, NAMES, V2_DATA, V2_VIDEO, info_json, table, write_video

LENGTH, FPS, SIZE = 600, 30, (640, 480)
KEYS = (FRONT, *(f"observation.images.{name}" for name in ("side", "left", "right")))


def moving_picture(length: int, seed: int) -> list[np.ndarray]:
    """A window that wanders over a blurred texture, with noise, like a real camera's."""
    dice = np.random.default_rng(seed)
    width, height = SIZE
    ground = dice.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    ground = cv2.resize(ground, (1280, 960), interpolation=cv2.INTER_CUBIC)
    grain = dice.integers(0, 8, (height, width, 3), dtype=np.uint8)
    frames = []
    for t in np.linspace(0, 4 * np.pi, length):
        x, y = int(320 + 300 * np.sin(t)), int(240 + 220 * np.cos(1.3 * t))
        frames.append(np.clip(ground[y : y + height, x : x + width] // 2 + 60, 0, 247) + grain)
    return frames


def write_clip(root: Path, cameras: int, *, codec: str = "libx264", gop: int = 250) -> Path:
    """Write a LeRobot v2.1 dataset with one episode of `LENGTH` frames.

    Args:
        root: New folder.
        cameras: 1 to 4.
        codec: Encoder of PyAV's FFmpeg.
        gop: Frames from one key frame to the next.
    """
    keys = KEYS[:cameras]
    shape = [SIZE[1], SIZE[0], 3]
    info = info_json("v2.1", 1, FPS, NAMES)
    for key in keys:
        names = ["height", "width", "c"]
        info["features"][key] = {"dtype": "video", "shape": shape, "names": names}
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info))
    row = {"episode_index": 0, "tasks": ["Pick up the cube."], "length": LENGTH}
    (root / "meta/episodes.jsonl").write_text(json.dumps(row) + "\n")
    task = {"task_index": 0, "task": "Pick up the cube."}
    (root / "meta/tasks.jsonl").write_text(json.dumps(task) + "\n")
    path = root / V2_DATA.format(episode_chunk=0, episode_index=0)
    path.parent.mkdir(parents=True)
    pq.write_table(table(LENGTH, 0, FPS), path)
    for seed, key in enumerate(keys):
        video = root / V2_VIDEO.format(episode_chunk=0, episode_index=0, video_key=key)
        write_video(video, moving_picture(LENGTH, seed), FPS, codec, gop)
    return root
