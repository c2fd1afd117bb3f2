"""Toy datasets with one thing wrong each, and the files of a toy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.datasets import FRONT, V2_DATA, V2_VIDEO

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def video_of(root: Path, episode: int) -> Path:
    """Video of an episode of `write_v2`."""
    return root / V2_VIDEO.format(episode_chunk=0, episode_index=episode, video_key=FRONT)


def table_of(root: Path, episode: int) -> Path:
    """Table of an episode of `write_v2`."""
    return root / V2_DATA.format(episode_chunk=0, episode_index=episode)


def truncate(path: Path, size: int = 300) -> None:
    path.write_bytes(path.read_bytes()[:size])


def put_nan_into_gripper(root: Path, episode: int = 0) -> None:
    path = table_of(root, episode)
    rows = pq.read_table(path)
    state = np.array(rows["observation.state"].to_pylist(), np.float32)
    state[5:8, 2] = np.nan
    column = pa.array(state.tolist(), pa.list_(pa.float32(), 3))
    pq.write_table(rows.set_column(0, "observation.state", column), path)


Breaking = Callable[[Path], object]

EPISODE_BREAKS: dict[str, tuple[Breaking, str]] = {
    "missing_video": (lambda root: video_of(root, 0).unlink(), "is not on disk"),
    "lfs_pointer": (lambda root: video_of(root, 0).write_text(POINTER), "git lfs pull"),
    "no_video": (lambda root: truncate(video_of(root, 0), 40), "no video that can be opened"),
    "missing_data": (lambda root: table_of(root, 0).unlink(), "is not on disk"),
    "truncated_table": (lambda root: truncate(table_of(root, 0)), "truncated or no Parquet"),
    "table_pointer": (lambda root: table_of(root, 0).write_text(POINTER), "git lfs pull"),
}
"""What breaks episode 0 alone, and what must be said about it."""


def snapshot(root: Path) -> dict[Path, tuple[int, int]]:
    """Every path below `root` with size and time of change."""
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in root.rglob("*")}
