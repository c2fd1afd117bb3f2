"""Metadata of LeRobot datasets: what `meta/` says, checked and with its shapes straightened."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.model.arrays import F64
from pipeline.model.problem import DataError
from pipeline.sources.files import read_json

log = logging.getLogger(__name__)

_DATA_V2 = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
_MAX_EPISODES = 5_000_000


class Feature(BaseModel):
    """One entry of `features` in info.json; unknown keys are kept in `info`."""

    model_config = ConfigDict(extra="allow")
    dtype: str = ""
    shape: list[int] = Field(default_factory=list)
    names: Any = None
    info: dict[str, Any] = Field(default_factory=dict)

    @property
    def is_depth(self) -> bool:
        """True for depth maps, however the flag is spelled."""
        return any(self.info.get(k) is True for k in ("video.is_depth_map", "is_depth_map"))

    @property
    def is_picture(self) -> bool:
        """True for video and image features."""
        return self.dtype in ("video", "image")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, (0, 0) if the shape does not say."""
        if len(self.shape) != 3:
            return (0, 0)
        # (H, W, C) or, in image datasets of PyTorch people, (C, H, W).
        a, b, c = self.shape
        return (c, b) if a in (1, 3, 4) and c not in (1, 3, 4) else (b, a)

    @property
    def codec(self) -> str:
        """Codec as declared, empty if it is not."""
        return str(self.info.get("video.codec") or self.info.get("codec") or "")


class Info(BaseModel):
    """info.json. Only what is needed is required; the rest has a usable default."""

    model_config = ConfigDict(extra="ignore")
    codebase_version: str = ""
    robot_type: str | None = None
    fps: float = Field(gt=0, le=10_000)
    total_episodes: int = Field(default=0, ge=0, le=_MAX_EPISODES)
    chunks_size: int = Field(default=1000, gt=0)
    data_path: str = _DATA_V2
    video_path: str | None = None
    features: dict[str, Feature]

    @property
    def many_per_file(self) -> bool:
        """True if several episodes share a file: decided by the template, not by the version."""
        return "episode_index" not in self.data_path


@dataclass(slots=True)
class EpisodeEntry:
    """One episode as the metadata has it.

    Attributes:
        index: Episode index.
        length: Frames.
        instruction: Tasks, joined by `; `.
        fields: Chunk and file numbers and offsets of v3, by their column names.
    """

    index: int
    length: int
    instruction: str
    fields: dict[str, Any] = field(default_factory=dict)


def read_info(root: Path) -> Info:
    """Read meta/info.json; DataError with one sentence if it can't be used."""
    path = root / "meta" / "info.json"
    data = read_json(path)
    try:
        return Info.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError("bad_metadata", f"{path}: {where}: {first['msg']}") from error


def flat_names(names: Any, size: int, prefix: str) -> tuple[str, ...]:
    """Bring the `names` of a feature, in all their shapes, to one name per column.

    Args:
        names: List, nested list, dict (name -> list, or name -> index) or None.
        size: Number of columns.
        prefix: Used where there are no names: `prefix_0`, ...

    Returns:
        `size` names.
    """
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            if value and all(isinstance(v, int) for v in value.values()):
                found.extend(str(k) for k, _ in sorted(value.items(), key=lambda kv: kv[1]))
            else:
                for item in value.values():
                    walk(item)

    walk(names)
    if len(found) == size:
        return tuple(found)
    return tuple(f"{prefix}_{i}" for i in range(size))


def read_episodes(root: Path, info: Info) -> list[EpisodeEntry]:
    """List the declared episodes, by index.

    Raises:
        DataError: If neither meta/episodes.jsonl nor meta/episodes/ can be read.
    """
    lines = root / "meta" / "episodes.jsonl"
    folder = root / "meta" / "episodes"
    if lines.is_file():
        entries = _from_lines(lines)
    elif folder.is_dir():
        entries = _from_parquet(folder)
    elif not info.many_per_file:
        entries = [EpisodeEntry(i, 0, "") for i in range(min(info.total_episodes, _MAX_EPISODES))]
    else:
        raise DataError(
            "bad_metadata", f"{root / 'meta'}: neither episodes.jsonl nor episodes/ is there"
        )
    return sorted(entries, key=lambda e: e.index)


def _joined(tasks: Any) -> str:
    if isinstance(tasks, str):
        return tasks
    if isinstance(tasks, list | tuple | np.ndarray):
        return "; ".join(str(t) for t in tasks)
    return ""


def _from_lines(path: Path) -> list[EpisodeEntry]:
    entries = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                entries.append(
                    EpisodeEntry(
                        int(row["episode_index"]), int(row["length"]), _joined(row.get("tasks"))
                    )
                )
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
                log.warning("%s line %d is not an episode: %s", path, number, error)
    return entries


def _from_parquet(folder: Path) -> list[EpisodeEntry]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    entries: list[EpisodeEntry] = []
    for path in sorted(folder.rglob("*.parquet")):
        try:
            names = pq.read_schema(path).names
            columns = [c for c in names if not c.startswith("stats/")]
            rows = pq.read_table(path, columns=columns).to_pylist()
            for row in rows:
                if row.get("episode_index") is None:
                    continue
                entries.append(
                    EpisodeEntry(
                        int(row["episode_index"]),
                        int(row.get("length") or 0),
                        _joined(row.get("tasks")),
                        {k: v for k, v in row.items() if "/" in k or k.startswith("dataset_")},
                    )
                )
        except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
            raise DataError("bad_metadata", f"{path}: cannot be read ({error})") from error
    return entries


def read_tasks(root: Path) -> dict[int, str]:
    """Task texts by task index, from tasks.parquet or tasks.jsonl; empty if there are none."""
    lines = root / "meta" / "tasks.jsonl"
    table_path = root / "meta" / "tasks.parquet"
    tasks: dict[int, str] = {}
    if lines.is_file():
        for line in lines.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                tasks[int(row["task_index"])] = str(row["task"])
            except (ValueError, KeyError, TypeError):
                log.warning("%s: not a task: %.80s", lines, line)
    elif table_path.is_file():
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(table_path).to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            log.warning("%s cannot be read: %s", table_path, error)
            rows = []
        for row in rows:
            # pandas writes the text as its index: task or __index_level_0__.
            text = row.get("task", row.get("__index_level_0__"))
            try:
                if text is not None:
                    tasks[int(row["task_index"])] = str(text)
            except (ValueError, KeyError, TypeError, OverflowError):
                log.warning("%s: not a task: %.80s", table_path, row)
    return tasks


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of one camera in one episode.

    Attributes:
        intrinsics: (3, 3) float64 pixels.
        camera_to_world: (4, 4) float64 metres, OpenCV axes, or None.
    """

    intrinsics: F64
    camera_to_world: F64 | None


def read_calibration(root: Path, episode: int) -> dict[str, Calibration]:
    """Read meta/cameras.json (our own addition to the layout, see the sample's README).

    Returns:
        Calibration by camera key; empty if there is no usable file.
    """
    path = root / "meta" / "cameras.json"
    if not path.is_file():
        return {}
    result: dict[str, Calibration] = {}
    try:
        for key, entry in read_json(path).get(str(episode), {}).items():
            matrix = np.asarray(entry["intrinsics"], dtype=np.float64)
            pose = entry.get("camera_to_world")
            pose = None if pose is None else np.asarray(pose, dtype=np.float64)
            if matrix.shape == (3, 3) and (pose is None or pose.shape == (4, 4)):
                result[key] = Calibration(matrix, pose)
    except (DataError, KeyError, ValueError, TypeError, AttributeError) as error:
        log.warning("%s is not usable: %s", path, error)
    return result
