"""Small AgiBot World datasets in both layouts, written with h5py, PyAV and OpenCV's PNG."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

from tests.droid_files import scene, write_video

TASK_NAME = "Pick the red block and place it on the right"
FIRST = 648642
"""The episode that most tests open."""

CAMERAS = ("head", "hand_left", "hand_right")
STEPS = [
    {"start_frame": 0, "end_frame": 12, "action_text": "pick up the block", "skill": "Pick"},
    {"start_frame": 12, "end_frame": 30, "action_text": "place the block", "skill": "Place"},
]


def closing(rows: int) -> np.ndarray:
    """(T, 2) commands, 0 open .. 1 closed: the right hand closes for a while."""
    t = np.linspace(0, 1, rows)
    right = ((t > 0.33) & (t < 0.7)).astype(float)
    return np.stack([np.zeros(rows), right], axis=1)


def write_table(
    path: Path,
    rows: int,
    *,
    split_effectors: bool = False,
    change: Callable[[h5py.File], None] | None = None,
    seed: int = 0,
) -> None:
    """A proprio_stats.h5 or aligned_joints.h5 with the groups of the dataset card.

    Args:
        path: File to write.
        rows: Rows T.
        split_effectors: True for left_effector and right_effector of the newer layout.
        change: Changes the table.
        seed: Tells episodes apart.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.linspace(0, 1, rows)
    command = closing(rows)
    smooth = np.stack([np.convolve(c, np.ones(3) / 3, "same") for c in command.T], axis=1)
    joints = np.stack([np.sin(t + i + seed) for i in range(14)], axis=1)
    ends = np.zeros((rows, 2, 3))
    ends[:, 0, 1], ends[:, 1, 1], ends[:, 1, 0] = 0.3, -0.3, t * 0.2
    turned = np.tile([0.0, 0.0, 0.0, 1.0], (rows, 2, 1))
    with h5py.File(path, "w") as file:
        file["timestamp"] = 1_730_000_000_000_000_000 + (np.arange(rows) * 1e9 / 30).astype(
            np.int64
        )
        for kind, effector in (("state", 35 + 85 * smooth), ("action", command)):
            group = file.create_group(kind)
            if split_effectors:
                group["left_effector/position"] = effector[:, :1]
                group["right_effector/position"] = effector[:, 1:]
            else:
                group["effector/position"] = effector
            group["joint/position"] = joints
            group["head/position"] = np.zeros((rows, 2))
            group["waist/position"] = np.zeros((rows, 2))
            group["end/position"] = ends
            group["end/orientation"] = turned
            group["joint/velocity"] = np.zeros((0,))
        file["state/effector/force"] = np.ones((rows, 2))
        file["state/robot/position"] = np.zeros((rows, 3))
        file["action/robot/velocity"] = np.zeros((rows, 2))
        file["action/joint/index"] = np.arange(rows)
        if change is not None:
            change(file)


def write_videos(
    folder: Path, rows: int, cameras: Sequence[str] = CAMERAS, size: tuple[int, int] = (64, 48)
) -> None:
    """One video per camera, `<camera>_color.mp4`."""
    for place, camera in enumerate(cameras):
        shown = [scene(i, rows, place, size) for i in range(rows)]
        write_video(folder / f"{camera}_color.mp4", shown, fps=30)


def write_depth(folder: Path, rows: int, size: tuple[int, int] = (64, 48)) -> None:
    """16-bit PNG of millimetres: row i is 1000 + i mm, the left half unknown."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in range(rows):
        depth = np.full((size[1], size[0]), 1000 + row, np.uint16)
        depth[:, : size[0] // 2] = 0
        cv2.imwrite(str(folder / f"head_depth_{row:06d}.png"), depth)


def turned_down() -> np.ndarray:
    """(3, 3) rotation of a head camera that looks forward and down, OpenCV axes in base axes."""
    down = np.deg2rad(40)
    z = np.array([np.cos(down), 0, -np.sin(down)])
    x = np.array([0.0, -1.0, 0.0])
    return np.stack([x, np.cross(z, x), z], axis=1)


def write_calibration(
    folder: Path, rows: int, *, size: tuple[int, int] = (64, 48), moves: bool = False
) -> None:
    """Intrinsics and per-frame camera-to-base poses of the head camera."""
    folder.mkdir(parents=True, exist_ok=True)
    width, height = size
    intrinsic = {"fx": width * 0.9, "fy": width * 0.9, "ppx": width / 2, "ppy": height / 2}
    (folder / "head_intrinsic_params.json").write_text(
        json.dumps({"intrinsic": {**intrinsic, "k1": 0.1}})
    )
    poses = [
        {
            "extrinsic": {
                "rotation_matrix": turned_down().tolist(),
                "translation_vector": [0.1, 0.0, 1.2 + (0.01 * i if moves else 0.0)],
            }
        }
        for i in range(rows)
    ]
    (folder / "head_extrinsic_params_aligned.json").write_text(json.dumps(poses))


def entry(number: int, **fields: Any) -> dict[str, Any]:
    """An entry of task_info."""
    return {
        "episode_id": number,
        "task_id": 327,
        "task_name": TASK_NAME,
        "init_scene_text": "A block lies on the table.",
        "label_info": {"action_config": STEPS},
        **fields,
    }


def write_alpha(
    root: Path,
    *,
    task: int = 327,
    episodes: Sequence[int] = (FIRST, 648649),
    declared: Sequence[dict[str, Any]] | None = None,
    rows: int = 30,
    depth: bool = True,
    size: tuple[int, int] = (64, 48),
    change: Callable[[h5py.File], None] | None = None,
) -> Path:
    """A dataset in the layout of Alpha and Beta.

    Args:
        root: Folder to make.
        task: Task number.
        episodes: Episodes with all parts on disk.
        declared: Entries of task_info, one per episode on disk by default.
        rows: Rows of each.
        depth: False for no depth images.
        size: Width and height of the pictures.
        change: Changes the tables.
    """
    info = [entry(n) for n in episodes] if declared is None else list(declared)
    (root / "task_info").mkdir(parents=True, exist_ok=True)
    (root / "task_info" / f"task_{task}.json").write_text(json.dumps(info))
    for part in ("observations", "proprio_stats", "parameters"):
        (root / part).mkdir(exist_ok=True)
    for number in episodes:
        observed = root / "observations" / str(task) / str(number)
        write_videos(observed / "videos", rows, size=size)
        if depth:
            write_depth(observed / "depth", rows, size)
        parameters = root / "parameters" / str(task) / str(number) / "parameters" / "camera"
        write_calibration(parameters, rows, size=size)
        table = root / "proprio_stats" / str(task) / str(number) / "proprio_stats.h5"
        write_table(table, rows, change=change, seed=number)
    return root


def with_change(root: Path, change: Callable[[h5py.File], None], rows: int = 30) -> Path:
    """The dataset, the table of its first episode written anew with a change."""
    path = root / "proprio_stats" / "327" / str(FIRST) / "proprio_stats.h5"
    write_table(path, rows, change=change)
    return root


def write_job_episode(
    robot: Path,
    number: int = 12052353,
    *,
    rows: int = 30,
    info: Any = None,
    change: Callable[[h5py.File], None] | None = None,
) -> Path:
    """An episode of the newer layout, `<job>/<robot>/<episode>`."""
    folder = robot / str(number)
    table = folder / "aligned_joints.h5"
    write_table(table, rows, split_effectors=True, change=change, seed=number)
    write_videos(folder, rows)
    written = (
        {"task_name": "拿起积木", "english_task_name": TASK_NAME, "label_info": {}}
        if info is None
        else info
    )
    (folder / "data_info.json").write_text(json.dumps(written))
    return folder


def write_jobs(root: Path) -> Path:
    """Two jobs of one episode each, in the newer layout."""
    write_job_episode(root / "3335477" / "A2D0015AB00061", 12052353)
    write_job_episode(root / "3335478" / "A2D0015AB00061", 12052354)
    return root
