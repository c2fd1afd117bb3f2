"""Writes tables and metadata in LeRobot's v3.0 layout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tools.sample.arms import CHANNELS
from tools.sample.frames import DEPTH_MAX, DEPTH_MIN, DEPTH_SHIFT
from tools.sample.motion import FPS, Motion
from tools.sample.plan import Episode
from tools.sample.scene import HEIGHT, WIDTH

DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_FILE = "meta/episodes/chunk-000/file-000.parquet"
PER_FRAME = (
    ("timestamp", "float32"),
    ("frame_index", "int64"),
    ("episode_index", "int64"),
    ("index", "int64"),
    ("task_index", "int64"),
)


@dataclass(frozen=True)
class Clip:
    """Where an episode lies in a camera's videos.

    Attributes:
        key: Feature name of the camera.
        file_index: Number of the file in chunk 0.
        start: ``from_timestamp`` in seconds.
        end: ``to_timestamp`` in seconds.
        mean: Mean per channel, 0 to 1 (depth: metres).
        std: Standard deviation per channel.
        low: Minimum per channel.
        high: Maximum per channel.
    """

    key: str
    file_index: int
    start: float
    end: float
    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def all_channels(motion: Motion, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Spreads a robot's channels over those of the dataset.

    Args:
        motion: Whose channels they are.
        values: Shape (t, channels of the robot).

    Returns:
        Shape (t, all channels); NaN for channels of the other robot.
    """
    out = np.full((len(values), len(CHANNELS)), np.nan, dtype=np.float32)
    out[:, [CHANNELS.index(name) for name in motion.channels]] = values
    return out


def episode_columns(
    episode: Episode, motion: Motion, first: int, task: int
) -> dict[str, npt.NDArray[Any]]:
    """The rows of an episode.

    Args:
        episode: The plan.
        motion: What happened.
        first: Index of its first row in the dataset.
        task: Task index.

    Returns:
        Column by name.
    """
    count = len(motion.state)
    return {
        "observation.state": all_channels(motion, motion.state),
        "action": all_channels(motion, motion.action),
        "timestamp": (np.arange(count) / FPS).astype(np.float32),
        "frame_index": np.arange(count),
        "episode_index": np.full(count, episode.index),
        "index": np.arange(first, first + count),
        "task_index": np.full(count, task),
    }


def write_data(path: Path, episodes: list[dict[str, npt.NDArray[Any]]]) -> None:
    """Writes the frames of all episodes into one parquet file, one row group per episode.

    Args:
        path: The file.
        episodes: Columns by name, per episode.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    vector = pa.list_(pa.float32(), len(CHANNELS))
    types = {"float32": pa.float32(), "int64": pa.int64()}
    schema = pa.schema(
        [("observation.state", vector), ("action", vector)]
        + [(name, types[kind]) for name, kind in PER_FRAME]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for columns in episodes:
            arrays = [
                pa.FixedSizeListArray.from_arrays(pa.array(columns[f.name].ravel()), len(CHANNELS))
                if pa.types.is_fixed_size_list(f.type)
                else pa.array(columns[f.name], type=f.type)
                for f in schema
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def table_stats(columns: dict[str, npt.NDArray[Any]]) -> dict[str, dict[str, Any]]:
    """Statistics of the numeric features; NaN values are left out.

    Args:
        columns: Column by name, first axis time.

    Returns:
        min, max, mean, std, count by feature; NaN where a channel has no values.
    """
    stats: dict[str, dict[str, Any]] = {}
    for name, column in columns.items():
        values = column.reshape(len(column), -1).astype(np.float64)
        kept = [values[~np.isnan(values[:, i]), i] for i in range(values.shape[1])]
        empty = np.array([np.nan])
        kept = [k if len(k) else empty for k in kept]
        stats[name] = {
            "min": [float(k.min()) for k in kept],
            "max": [float(k.max()) for k in kept],
            "mean": [float(k.mean()) for k in kept],
            "std": [float(k.std()) for k in kept],
            "count": [len(values)],
        }
    return stats


def clip_stats(clips: list[Clip]) -> dict[str, Any]:
    """Statistics of a camera over some episodes.

    Args:
        clips: At least one.

    Returns:
        min, max, mean, std of shape (channels, 1, 1) and count, as lists.
    """
    mean = np.mean([c.mean for c in clips], axis=0)
    square = np.mean([c.std**2 + c.mean**2 for c in clips], axis=0)
    parts = {
        "min": np.min([c.low for c in clips], axis=0),
        "max": np.max([c.high for c in clips], axis=0),
        "mean": mean,
        "std": np.sqrt(np.maximum(square - mean**2, 0.0)),
    }
    shaped: dict[str, Any] = {k: [[[round(float(x), 6)]] for x in v] for k, v in parts.items()}
    shaped["count"] = [sum(round((c.end - c.start) * FPS) for c in clips)]
    return shaped


def write_tasks(path: Path, tasks: list[str]) -> None:
    """Writes the task table with the task as pandas index, as LeRobot does.

    Args:
        path: The file.
        tasks: Texts by task index.
    """
    column = {
        "field_name": "task",
        "metadata": None,
        "name": "task",
        "numpy_type": "object",
        "pandas_type": "unicode",
    }
    number = column | {
        "field_name": "task_index",
        "name": "task_index",
        "numpy_type": "int64",
        "pandas_type": "int64",
    }
    pandas = {"index_columns": ["task"], "column_indexes": [], "columns": [number, column]}
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": tasks})
    table = table.replace_schema_metadata({"pandas": json.dumps(pandas)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def write_episodes(path: Path, rows: list[dict[str, Any]], video_keys: list[str]) -> None:
    """Writes the episode table; cameras that an episode lacks get null columns.

    Args:
        path: The file.
        rows: Values by column, per episode.
        video_keys: All cameras.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, pa.Array] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        whole = name.endswith(("chunk_index", "file_index"))
        columns[name] = pa.array(values, type=pa.int64() if whole else None)
    missing = [k for k in video_keys if f"videos/{k}/chunk_index" not in columns]
    if missing:
        raise ValueError(f"no episode has the cameras {missing}")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def _video_feature(depth: bool) -> dict[str, Any]:
    channels = 1 if depth else 3
    info: dict[str, Any] = {
        "video.height": HEIGHT,
        "video.width": WIDTH,
        "video.codec": "hevc" if depth else "av1",
        "video.pix_fmt": "gray12le" if depth else "yuv420p",
        "video.fps": FPS,
        "video.channels": channels,
        "has_audio": False,
        "is_depth_map": depth,
        "video.is_depth_map": depth,
    }
    if depth:
        info |= {
            "video.depth_min": DEPTH_MIN,
            "video.depth_max": DEPTH_MAX,
            "video.shift": DEPTH_SHIFT,
            "video.use_log": True,
            "video.depth_encoding": "log_12bit",
            "video.depth_unit": "m",
        }
    return {
        "dtype": "video",
        "shape": [HEIGHT, WIDTH, channels],
        "names": ["height", "width", "channels"],
        "info": info,
    }


def write_info(path: Path, video_keys: list[str], episodes: int, frames: int, tasks: int) -> None:
    """Writes ``meta/info.json``.

    Args:
        path: The file.
        video_keys: All cameras; those ending in ``_depth`` are depth.
        episodes: Number of episodes.
        frames: Number of frames.
        tasks: Number of tasks.
    """
    vector = {"dtype": "float32", "shape": [len(CHANNELS)], "names": list(CHANNELS)}
    features: dict[str, Any] = {"action": vector, "observation.state": vector}
    features |= {key: _video_feature(key.endswith("_depth")) for key in video_keys}
    features |= {n: {"dtype": k, "shape": [1], "names": None} for n, k in PER_FRAME}
    info = {
        "codebase_version": "v3.0",
        "robot_type": "panda_and_aloha",
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": FPS,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": features,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
