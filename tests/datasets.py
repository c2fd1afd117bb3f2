"""Small valid LeRobot datasets, written with pyarrow and PyAV for tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

# The AV1 encoder writes pages of configuration to standard error otherwise.
os.environ.setdefault("SVT_LOG", "0")

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.model.problem import Problem

FRONT = "observation.images.front"
V2_DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
V3_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
V3_VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLE = REPOSITORY / "resources" / "sample"


def shared_data(name: str) -> Path | None:
    """A real dataset of the development machines, None where it is absent."""
    root = Path(os.environ.get("DEMOSCOPE_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    path = root / name
    return path if path.is_dir() else None


def codes(problems: Iterable[Problem]) -> set[str]:
    """What is wrong, without the words."""
    return {p.code for p in problems}


def picture(frame: int, episode: int = 0, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A frame whose grey level tells frame and episode apart through lossy video."""
    width, height = size
    rgb = np.full((height, width, 3), (frame * 8) % 250, np.uint8)
    rgb[:, :, 2] = (40 * episode) % 250
    return rgb


def write_video(
    path: Path, frames: Sequence[np.ndarray], fps: int = 10, codec: str = "libsvtav1", gop: int = 4
) -> None:
    """Encode RGB frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = frames[0].shape[1], frames[0].shape[0]
        stream.pix_fmt = "yuv420p"
        stream.gop_size = gop
        stream.options = {"preset": "12", "crf": "10"} if codec == "libsvtav1" else {}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def signals(length: int, grasps: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """State and action (T, 3): two joints that move and a gripper, 1 open .. 0 closed."""
    t = np.linspace(0, 1, length)
    share = t * grasps % 1
    gripper = np.where((share > 0.35) & (share < 0.7), 0.1, 1.0)
    state = np.stack([np.sin(6 * t), np.cos(4 * t), gripper], axis=1).astype(np.float32)
    action = state.copy()
    action[:, 2] = np.where(gripper < 0.5, 0.0, 1.0)
    return state, action


NAMES: Any = ["shoulder", "elbow", "gripper"]


def info_json(version: str, episodes: int, fps: int, names: Any, **extra: Any) -> dict[str, Any]:
    """Content of meta/info.json."""
    v3 = version.startswith("v3")
    vector = {"dtype": "float32", "shape": [3], "names": names}
    return {
        "codebase_version": version,
        "robot_type": "toy",
        "fps": fps,
        "total_episodes": episodes,
        "chunks_size": 1000,
        "data_path": V3_DATA if v3 else V2_DATA,
        "video_path": V3_VIDEO if v3 else V2_VIDEO,
        "features": {
            "observation.state": vector,
            "action": vector,
            FRONT: {"dtype": "video", "shape": [48, 64, 3], "names": ["height", "width", "c"]},
            **{
                k: {"dtype": "int64", "shape": [1], "names": None}
                for k in ("frame_index", "episode_index", "index", "task_index")
            },
            "timestamp": {"dtype": "float32", "shape": [1], "names": None},
        },
        **extra,
    }


def table(length: int, episode: int, fps: int, grasps: int = 1) -> pa.Table:
    """Rows of one episode."""
    state, action = signals(length, grasps)
    return pa.table(
        {
            "observation.state": pa.array(state.tolist(), pa.list_(pa.float32(), 3)),
            "action": pa.array(action.tolist(), pa.list_(pa.float32(), 3)),
            "timestamp": np.arange(length, dtype=np.float32) / np.float32(fps),
            "frame_index": np.arange(length),
            "episode_index": np.full(length, episode),
            "index": np.arange(length),
            "task_index": np.zeros(length, np.int64),
        }
    )


def write_v2(
    root: Path,
    lengths: Sequence[int] = (20, 24),
    *,
    names: Any = NAMES,
    fps: int = 10,
    grasps: int = 1,
) -> Path:
    """A LeRobot v2.1 dataset, one file per episode."""
    (root / "meta").mkdir(parents=True)
    info = info_json("v2.1", len(lengths), fps, names)
    (root / "meta/info.json").write_text(json.dumps(info))
    task = "Pick up the red cube."
    lines = [
        json.dumps({"episode_index": i, "tasks": [task], "length": n})
        for i, n in enumerate(lengths)
    ]
    (root / "meta/episodes.jsonl").write_text("\n".join(lines) + "\n")
    (root / "meta/tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": task}) + "\n")
    for i, n in enumerate(lengths):
        path = root / V2_DATA.format(episode_chunk=0, episode_index=i)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(n, i, fps, grasps), path)
        video = root / V2_VIDEO.format(episode_chunk=0, episode_index=i, video_key=FRONT)
        write_video(video, [picture(f, i) for f in range(n)], fps)
    return root


def write_v3(root: Path, lengths: Sequence[int] = (20, 24, 18), *, fps: int = 10) -> Path:
    """A LeRobot v3.0 dataset: all episodes share one table and one video."""
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    info = info_json("v3.0", len(lengths), fps, NAMES)
    (root / "meta/info.json").write_text(json.dumps(info))
    frames, rows, tables, start = [], [], [], 0
    for i, n in enumerate(lengths):
        tables.append(table(n, i, fps))
        frames += [picture(f, i) for f in range(n)]
        rows.append(
            {
                "episode_index": i,
                "tasks": ["Put the blue cube in the bowl."],
                "length": n,
                "data/chunk_index": 0,
                "data/file_index": 0,
                f"videos/{FRONT}/chunk_index": 0,
                f"videos/{FRONT}/file_index": 0,
                f"videos/{FRONT}/from_timestamp": start / fps,
                f"videos/{FRONT}/to_timestamp": (start + n) / fps,
                "dataset_from_index": start,
                "dataset_to_index": start + n,
            }
        )
        start += n
    pq.write_table(pa.Table.from_pylist(rows), root / "meta/episodes/chunk-000/file-000.parquet")
    tasks = pa.table({"task_index": [0], "task": ["Put the blue cube in the bowl."]})
    pq.write_table(tasks, root / "meta/tasks.parquet")
    path = root / V3_DATA.format(chunk_index=0, file_index=0)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.concat_tables(tables), path)
    write_video(root / V3_VIDEO.format(video_key=FRONT, chunk_index=0, file_index=0), frames, fps)
    return root
