"""LeRobot datasets with very many episodes: real metadata and folders, hardly any content."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.datasets import V2_DATA, V2_VIDEO, V3_DATA, V3_VIDEO

FPS = 30
CAMERAS = ("observation.images.front", "observation.images.wrist")
VERBS = ("Pick up", "Push", "Put away", "Hand over", "Turn")
THINGS = ("the red cube", "the blue cup", "the yellow bottle", "the drawer", "a towel", "the pan")
STATISTICS = ("min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99")
_EPISODES_PER_FILE = 1000


def lengths(count: int) -> np.ndarray:
    """Frames of each episode, 60 to 900."""
    return np.random.default_rng(3).integers(60, 900, count)


def tasks(count: int) -> list[str]:
    """One of thirty tasks each."""
    texts = [f"{verb} {thing}." for verb in VERBS for thing in THINGS]
    return [texts[i] for i in np.random.default_rng(4).integers(0, len(texts), count)]


def info(version: str, count: int) -> dict[str, object]:
    """Content of meta/info.json."""
    v3 = version == "v3.0"
    names = [f"joint_{i}.pos" for i in range(6)] + ["gripper.pos"]
    vector = {"dtype": "float32", "shape": [7], "names": names}
    camera = {"dtype": "video", "shape": [480, 640, 3], "names": ["height", "width", "channels"]}
    scalar = {"dtype": "int64", "shape": [1], "names": None}
    return {
        "codebase_version": version,
        "robot_type": "so100",
        "total_episodes": count,
        "total_frames": int(lengths(count).sum()),
        "chunks_size": 1000,
        "fps": FPS,
        "data_path": V3_DATA if v3 else V2_DATA,
        "video_path": V3_VIDEO if v3 else V2_VIDEO,
        "features": {
            "action": vector,
            "observation.state": vector,
            **dict.fromkeys(CAMERAS, camera),
            "timestamp": {"dtype": "float32", "shape": [1], "names": None},
            **dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), scalar),
        },
    }


def _statistics(count: int) -> dict[str, pa.Array]:
    """Per-feature statistics of every episode, as LeRobot v3 flattens them: 90 columns."""
    rng = np.random.default_rng(5)
    columns = {}
    sizes = {"action": 7, "observation.state": 7, "timestamp": 1, "frame_index": 1, "index": 1}
    sizes |= {"episode_index": 1, "task_index": 1, **dict.fromkeys(CAMERAS, 3)}
    for feature, size in sizes.items():
        for name in STATISTICS:
            values = pa.array(rng.normal(size=count * size))
            columns[f"stats/{feature}/{name}"] = pa.FixedSizeListArray.from_arrays(
                values, size
            ).cast(pa.list_(pa.float64()))
    return columns


def write_v3_metadata(root: Path, count: int, row_group: int = 1000) -> Path:
    """A v3.0 dataset: metadata of all episodes, files in place, rows only of the first file.

    Args:
        root: Folder to make.
        count: Episodes.
        row_group: Episodes per row group of meta/episodes.
    """
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info("v3.0", count)))
    frames, said = lengths(count), tasks(count)
    index = np.arange(count)
    file, within = index // _EPISODES_PER_FILE, index % _EPISODES_PER_FILE
    ends = np.cumsum(frames)
    starts = ends - frames
    begin = (starts - starts[index - within]) / FPS
    columns: dict[str, object] = {
        "episode_index": index,
        "tasks": pa.array([[t] for t in said]),
        "length": frames,
        "data/chunk_index": np.zeros(count, np.int64),
        "data/file_index": file,
        "dataset_from_index": starts,
        "dataset_to_index": ends,
    }
    for key in CAMERAS:
        columns[f"videos/{key}/chunk_index"] = np.zeros(count, np.int64)
        columns[f"videos/{key}/file_index"] = file
        columns[f"videos/{key}/from_timestamp"] = begin
        columns[f"videos/{key}/to_timestamp"] = begin + frames / FPS
    table = pa.table({**columns, **_statistics(count)})
    half = (count + 1) // 2
    for number, part in enumerate((table.slice(0, half), table.slice(half))):
        path = root / f"meta/episodes/chunk-000/file-{number:03d}.parquet"
        pq.write_table(part, path, row_group_size=row_group)
    texts = sorted(set(said))
    pq.write_table(
        pa.table({"task_index": np.arange(len(texts)), "task": texts}), root / "meta/tasks.parquet"
    )
    for number in range(int(file[-1]) + 1):
        path = root / V3_DATA.format(chunk_index=0, file_index=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if number == 0:
            _write_rows(path, frames[: min(count, 20)])
        else:
            path.write_bytes(b"\0" * 2000)
        for key in CAMERAS:
            video = root / V3_VIDEO.format(video_key=key, chunk_index=0, file_index=number)
            video.parent.mkdir(parents=True, exist_ok=True)
            video.write_bytes(b"\0" * 2000)
    return root


def _write_rows(path: Path, frames: np.ndarray) -> None:
    """Rows of the first episodes of a file."""
    episodes = np.repeat(np.arange(len(frames)), frames)
    place = np.concatenate([np.arange(n) for n in frames])
    state = np.zeros((len(episodes), 7), np.float32)
    state[:, 6] = np.where(place < 20, 1.0, 0.2)
    column = pa.FixedSizeListArray.from_arrays(state.reshape(-1), 7)
    pq.write_table(
        pa.table(
            {
                "observation.state": column,
                "action": column,
                "timestamp": (place / FPS).astype(np.float32),
                "frame_index": place,
                "episode_index": episodes,
                "index": np.arange(len(episodes)),
                "task_index": np.zeros(len(episodes), np.int64),
            }
        ),
        path,
    )


def write_v2_metadata(root: Path, count: int) -> Path:
    """A v2.1 dataset: one table and two videos per episode, rows only in the first."""
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info("v2.1", count)))
    frames, said = lengths(count), tasks(count)
    with (root / "meta/episodes.jsonl").open("w") as file:
        for i, (length, task) in enumerate(zip(frames.tolist(), said, strict=True)):
            row = {"episode_index": i, "tasks": [task], "length": length}
            file.write(json.dumps(row) + "\n")
    texts = sorted(set(said))
    lines = [json.dumps({"task_index": i, "task": t}) for i, t in enumerate(texts)]
    (root / "meta/tasks.jsonl").write_text("\n".join(lines))
    content = b"\0" * 1100
    for i in range(count):
        paths = [V2_DATA.format(episode_chunk=i // 1000, episode_index=i)]
        paths += [
            V2_VIDEO.format(episode_chunk=i // 1000, episode_index=i, video_key=key)
            for key in CAMERAS
        ]
        for relative in paths:
            path = root / relative
            if i % 1000 == 0:
                path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    _write_rows(root / V2_DATA.format(episode_chunk=0, episode_index=0), frames[:1])
    return root
