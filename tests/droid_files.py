"""Small raw DROID trajectories, written with h5py and PyAV in the layout of DROID's own scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np

WRIST, EXT1, EXT2 = "14013996", "22246076", "26405488"
SERIALS = {"wrist": WRIST, "ext1": EXT1, "ext2": EXT2}
EXT1_POSE = [0.36, -0.62, 0.51, -2.1, 0.02, 0.31]
EXT2_POSE = [0.29, 0.55, 0.44, -1.9, -0.05, 2.7]
TASK = "Move the red block to the right"


def scene(row: int, rows: int, seed: int = 0, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A table with a red block that moves right between a third and two thirds, on grey of a level
    that tells the row through lossy video.
    """
    width, height = size
    rgb = np.full((height, width, 3), 40 + (row * 6) % 180, np.uint8)
    rgb[:, :, 1] = np.minimum(255, rgb[:, :, 1] + 15 * seed)
    share = min(max(row / max(rows - 1, 1) * 3 - 1, 0), 1)
    left = int((0.2 + 0.5 * share) * width)
    rgb[height // 2 : height // 2 + height // 6, left : left + width // 8] = (220, 30, 30)
    return rgb


def write_video(path: Path, pictures: Sequence[np.ndarray], fps: int = 60) -> None:
    """Encode as DROID's converter does: MPEG-4 part 2, stamped with the camera's 60 fps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height = pictures[0].shape[1], pictures[0].shape[0]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        for rgb in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())


def gripper(rows: int) -> np.ndarray:
    """(T,) 0 open .. 1 closed: closes at a third, opens at two thirds."""
    t = np.linspace(0, 1, rows)
    return np.clip((t - 0.3) * 12, 0, 1) * np.clip((0.75 - t) * 12, 0, 1) * 0.8


def write_table(
    path: Path, rows: int, change: Callable[[h5py.File], None] | None = None, seed: int = 0
) -> None:
    """A trajectory.h5 with the groups and types that DROID's TrajectoryWriter writes."""
    t = np.linspace(0, 1, rows)
    closed = gripper(rows)
    pose = np.stack([0.4 + 0.1 * t, 0.2 * t, 0.3 - 0.1 * closed, 3.1 + 0 * t, 0 * t, 0.1 * t], 1)
    joints = np.stack([np.sin(t + i + seed) for i in range(7)], axis=1)
    start = 1_688_713_343_000 + (np.arange(rows) * 1000 / 15).astype(np.int64)
    with h5py.File(path, "w") as file:
        state = file.create_group("observation/robot_state")
        state["cartesian_position"] = pose
        state["gripper_position"] = closed
        state["joint_positions"] = joints
        state["joint_velocities"] = np.gradient(joints, axis=0)
        state["motor_torques_measured"] = joints * 3
        state["prev_command_successful"] = np.ones(rows, bool)
        action = file.create_group("action")
        for name in ("cartesian_position", "target_cartesian_position", "cartesian_velocity"):
            action[name] = pose
        for name in ("gripper_position", "target_gripper_position", "gripper_velocity"):
            action[name] = closed
        for name in ("joint_position", "joint_velocity"):
            action[name] = joints
        stamps = file.create_group("observation/timestamp")
        stamps["control/step_start"] = start
        stamps["robot_state/read_start"] = start + 1
        stamps["skip_action"] = np.arange(rows) < 2
        file["observation/controller_info/movement_enabled"] = np.arange(rows) >= 2
        for role, serial in SERIALS.items():
            stamps[f"cameras/{serial}_estimated_capture"] = start + 5
            file[f"observation/camera_type/{serial}"] = np.full(rows, int(role != "wrist"))
        for serial, extrinsics in ((EXT1, EXT1_POSE), (EXT2, EXT2_POSE)):
            file[f"observation/camera_extrinsics/{serial}_left"] = np.tile(extrinsics, (rows, 1))
        file.attrs["current_task"] = TASK
        if change is not None:
            change(file)


def uuid_of(lab: str, number: int) -> str:
    """An identifier in DROID's form."""
    return f"{lab}+50aee79f+2023-07-07-09h-42m-{number:02d}s"


def write_episode(
    day: Path,
    number: int = 23,
    *,
    rows: int = 30,
    pictures: int | None = None,
    colon: bool = True,
    metadata: Mapping[str, Any] | None = None,
    with_metadata: bool = True,
    videos: Sequence[str] = (WRIST, EXT1, EXT2),
    size: tuple[int, int] = (64, 48),
    change: Callable[[h5py.File], None] | None = None,
) -> Path:
    """One trajectory folder.

    Args:
        day: Folder `<lab>/<success>/<date>`.
        number: Second of its time; tells trajectories apart.
        rows: Rows of the table.
        pictures: Pictures of each video, as many as rows by default.
        colon: `:` in the folder's name, `_` otherwise.
        metadata: Fields that replace those of the metadata.
        with_metadata: False for an incomplete trajectory.
        videos: Names of video files without `.mp4`; `-stereo` makes them two views wide.
        size: Width and height of one view.
        change: Changes the table.
    """
    mark = ":" if colon else "_"
    folder = day / f"Fri_Jul__7_09{mark}42{mark}{number:02d}_2023"
    folder.mkdir(parents=True)
    write_table(folder / "trajectory.h5", rows, change, number)
    lab = day.parent.parent.name or "TOY"
    count = rows if pictures is None else pictures
    for place, name in enumerate(videos):
        shown = [scene(i, rows, place, size) for i in range(count)]
        if name.endswith("-stereo"):
            shown = [np.concatenate([s, 255 - s], axis=1) for s in shown]
        write_video(folder / "recordings" / "MP4" / f"{name}.mp4", shown)
    relative = f"success/2023-07-07/{folder.name}/recordings"
    fields: dict[str, Any] = {
        "uuid": uuid_of(lab, number),
        "lab": lab,
        "success": day.parent.name != "failure",
        "current_task": TASK,
        "trajectory_length": rows,
        "ext1_cam_extrinsics": EXT1_POSE,
        "ext2_cam_extrinsics": EXT2_POSE,
        "wrist_cam_extrinsics": [0.4, 0.0, 0.5, 3.1, 0.0, 0.0],
    }
    for role, serial in SERIALS.items():
        fields[f"{role}_cam_serial"] = serial
        fields[f"{role}_mp4_path"] = f"{relative}/MP4/{serial}.mp4"
        fields[f"{role}_svo_path"] = f"{relative}/SVO/{serial}.svo"
    fields.update(metadata or {})
    if with_metadata:
        (folder / f"metadata_{uuid_of(lab, number)}.json").write_text(json.dumps(fields))
    return folder


def write_release(root: Path) -> Path:
    """Two labs: three complete trajectories, one of them a failure, and one incomplete."""
    write_episode(root / "AUTOLab" / "success" / "2023-07-07", 23, rows=30)
    write_episode(root / "AUTOLab" / "success" / "2023-07-07", 41, rows=24, with_metadata=False)
    write_episode(root / "AUTOLab" / "failure" / "2023-07-08", 11, rows=24, colon=False)
    write_episode(root / "IRIS" / "success" / "2023-07-07", 55, rows=24, colon=False)
    return root
