"""Metadata of LeRobot datasets: what `meta/` says, checked and with its shapes straightened."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.model.arrays import F64
from pipeline.model.problem import DataError
from pipeline.sources.files import read_json
from pipeline.sources.lerobot.episodes import json_lines

log = logging.getLogger(__name__)

_NUMBERS = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
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
    def said(self) -> dict[str, Any]:
        """`info`, with what older versions wrote as `video_info` or beside it."""
        extra = self.model_extra or {}
        older = extra.get("video_info")
        return {**extra, **(older if isinstance(older, dict) else {}), **self.info}

    def is_depth(self, key: str) -> bool:
        """True for depth maps: by a flag however it is spelled, else by name and one channel."""
        said = self.said
        flags = [said[k] for k in ("video.is_depth_map", "is_depth_map") if k in said]
        if True in flags:
            return True
        return "depth" in key.lower().rsplit(".", 1)[-1] and self.channels == 1

    @property
    def channels(self) -> int:
        """Colour channels, 0 if the shape does not say."""
        if len(self.shape) == 2:
            return 1
        if len(self.shape) != 3:
            return 0
        first, last = self.shape[0], self.shape[-1]
        return first if first in (1, 3, 4) and last not in (1, 3, 4) else last

    @property
    def is_picture(self) -> bool:
        """True for video and image features."""
        return self.dtype in ("video", "image")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, (0, 0) if the shape does not say."""
        if len(self.shape) == 2:
            return (self.shape[1], self.shape[0])
        if len(self.shape) != 3:
            return (0, 0)
        # (H, W, C) or, in image datasets of PyTorch people, (C, H, W).
        a, b, c = self.shape
        return (c, b) if a in (1, 3, 4) and c not in (1, 3, 4) else (b, a)

    @property
    def codec(self) -> str:
        """Codec as declared, empty if it is not."""
        return str(self.said.get("video.codec") or self.said.get("codec") or "")

    @property
    def is_numeric(self) -> bool:
        """True if it is declared as numbers."""
        return self.dtype in _NUMBERS


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
    image_path: str | None = None
    features: dict[str, Feature]


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


def read_texts(root: Path, name: str) -> dict[int, str]:
    """Texts by their index, from `meta/<name>s.parquet` or `.jsonl`.

    Args:
        root: Dataset folder.
        name: `task` or `subtask`.

    Returns:
        Empty if there is no usable file.
    """
    lines, table = root / "meta" / f"{name}s.jsonl", root / "meta" / f"{name}s.parquet"
    rows: list[Any] = []
    if lines.is_file():
        rows = [row for _, row in json_lines(lines)]
    elif table.is_file():
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(table) as file:
                rows = file.read().to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            log.warning("%s cannot be read: %s", table, error)
    texts: dict[int, str] = {}
    bad = 0
    for row in rows:
        try:
            # pandas writes the text as its index: task or __index_level_0__.
            text = row.get(name, row.get("__index_level_0__"))
            if text is not None:
                texts[int(row[f"{name}_index"])] = str(text)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            bad += 1
    if bad:
        log.warning("%s: %d rows of meta/%ss are none", root, bad, name)
    return texts


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
