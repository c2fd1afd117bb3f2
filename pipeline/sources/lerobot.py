"""LeRobot datasets, v2.x and v3.0, found by the path templates of info.json."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pipeline.model.arrays import F32, F64
from pipeline.model.demonstration import (
    CACHE_BYTES,
    Camera,
    DatasetInfo,
    Demonstration,
    EpisodeInfo,
    EpisodeRef,
    GripperChannels,
)
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources import lerobot_metadata as metadata
from pipeline.sources.assembly import is_there, nan_problems, usable_times
from pipeline.sources.files import FolderListing, fill_template, fingerprint, is_lfs_pointer
from pipeline.sources.formats import Recognition
from pipeline.sources.gripper_channels import guess_channels, with_directions
from pipeline.sources.lerobot_reader import VideoPart, episode_reader
from pipeline.sources.reader import EpisodeReader
from pipeline.sources.video import VideoClip

log = logging.getLogger(__name__)

_INDEX_COLUMNS = frozenset({"timestamp", "frame_index", "episode_index", "index", "task_index"})
_NUMBERS = ("float32", "float64", "float16", "int64", "int32", "int16", "uint8", "bool")
_MAX_FRAMES = 2_000_000
_N = TypeVar("_N", int, float)


def recognise(path: Path) -> Recognition | None:
    """Say whether `path` is the root of a LeRobot dataset."""
    if not (path / "meta" / "info.json").is_file():
        return None
    return Recognition(path, "meta/info.json")


def open_recognised(found: Recognition) -> LeRobotDataset:
    """Open a dataset. Raises DataError."""
    return LeRobotDataset(found.root)


class LeRobotDataset:
    """One LeRobot dataset on disk. Cheap to make: it reads meta/ and lists folders."""

    def __init__(self, root: Path) -> None:
        """Read the metadata.

        Args:
            root: Folder that holds `meta/info.json`.

        Raises:
            DataError: With one sentence if the metadata cannot be used.
        """
        self.root = root.resolve()
        self._meta = metadata.read_info(self.root)
        self._entries = {e.index: e for e in metadata.read_episodes(self.root, self._meta)}
        self._tasks = metadata.read_tasks(self.root)
        self._listing = FolderListing()
        features = self._meta.features
        self._colour = tuple(k for k, f in features.items() if f.is_picture and not f.is_depth)
        self._depth = tuple(k for k, f in features.items() if f.is_picture and f.is_depth)

    @cached_property
    def info(self) -> DatasetInfo:
        """What the metadata says, with the presence of each episode's files."""
        episodes = tuple(self._episode_info(e) for e in self._entries.values())
        problems: list[Problem] = []
        missing = sum(not e.present for e in episodes)
        if missing:
            text = f"{missing} of {len(episodes)} episodes are not on disk (partial download)"
            problems.append(Problem("partial_dataset", text, Severity.INFO))
        if self._meta.total_episodes != len(episodes):
            text = (
                f"info.json declares {self._meta.total_episodes} episodes, {len(episodes)} listed"
            )
            problems.append(Problem("episode_count_differs", text))
        return DatasetInfo(
            path=str(self.root),
            format="lerobot",
            version=self._meta.codebase_version or "unknown",
            reason="meta/info.json with features; "
            + ("several episodes" if self._meta.many_per_file else "one episode")
            + " per file, by its data_path",
            fps=self._meta.fps,
            robot_type=self._meta.robot_type or "",
            cameras=self._colour,
            grippers=self._grippers(episodes),
            episodes=episodes,
            problems=tuple(problems),
        )

    # -- paths -----------------------------------------------------------------------------

    def _values(self, entry: metadata.EpisodeEntry, group: str) -> dict[str, Any]:
        """Fields that path templates may use. `group` is `data` or `videos/<key>`."""
        chunk = entry.fields.get(f"{group}/chunk_index")
        file = entry.fields.get(f"{group}/file_index")
        if self._meta.many_per_file and (chunk is None or file is None):
            raise DataError(
                "missing_metadata", f"episode {entry.index}: meta/episodes has no file for {group}"
            )
        return {
            "episode_index": entry.index,
            "episode_chunk": entry.index // self._meta.chunks_size,
            "chunk_index": _number(entry, f"{group}/chunk_index", int),
            "file_index": _number(entry, f"{group}/file_index", int),
        }

    def _data_path(self, entry: metadata.EpisodeEntry) -> Path:
        return fill_template(self.root, self._meta.data_path, self._values(entry, "data"))

    def _video_path(self, entry: metadata.EpisodeEntry, key: str) -> Path:
        if self._meta.video_path is None:
            raise DataError("missing_metadata", "info.json has video features but no video_path")
        values = self._values(entry, f"videos/{key}") | {"video_key": key}
        return fill_template(self.root, self._meta.video_path, values)

    def _has_camera(self, entry: metadata.EpisodeEntry, key: str) -> bool:
        """False if v3 metadata says that this episode was recorded without this camera."""
        return not (
            self._meta.many_per_file
            and self._meta.features[key].dtype == "video"
            and entry.fields.get(f"videos/{key}/file_index") is None
        )

    # -- presence --------------------------------------------------------------------------

    def _episode_info(self, entry: metadata.EpisodeEntry) -> EpisodeInfo:
        problems: list[Problem] = []
        try:
            table = self._data_path(entry)
            have_table = self._listing.size(table) is not None
            if not have_table:
                problems.append(_error("missing_data", f"{self._short(table)} is not on disk"))
            have_picture = not self._colour
            for key in self._colour:
                if not self._has_camera(entry, key):
                    continue
                if self._meta.features[key].dtype == "image":
                    have_picture = True  # They are inside the table.
                    continue
                path = self._video_path(entry, key)
                size = self._listing.size(path)
                if size is None:
                    problems.append(_error("missing_video", f"{self._short(path)} is not on disk"))
                elif size <= 1024 and is_lfs_pointer(path):
                    problems.append(_error("lfs_pointer", _lfs_text(self._short(path))))
                else:
                    have_picture = True
        except DataError as error:
            problems.append(error.as_problem())
            have_table = have_picture = False
        if not entry.instruction.strip():
            problems.append(Problem("instruction_empty", "the episode has no task text"))
        return EpisodeInfo(
            entry.index,
            entry.length,
            entry.instruction,
            have_table and have_picture,
            tuple(problems),
        )

    def _short(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    # -- opening ---------------------------------------------------------------------------

    def open(self, episode: int) -> Demonstration:
        """Read one episode's signals.

        Raises:
            DataError: With one sentence: unknown episode, missing or broken table.
        """
        entry = self._entries.get(episode)
        if entry is None:
            raise DataError(
                "no_such_episode",
                f"{self.root.name} has no episode {episode}; it has {self._range()}",
            )
        path = self._data_path(entry)
        if not path.is_file():
            raise DataError(
                "missing_data", f"episode {episode}: {self._short(path)} is not on disk"
            )
        if is_lfs_pointer(path):
            raise DataError("lfs_pointer", f"episode {episode}: {_lfs_text(self._short(path))}")
        columns = self._read_table(path, entry)
        length = len(next(iter(columns.values())))
        problems = []
        if entry.length and entry.length != length:
            text = (
                f"the metadata says {entry.length} frames, the table has {length}; the table counts"
            )
            problems.append(Problem("length_differs", text))
        state, state_names = self._stack(columns, "observation.")
        action, action_names = self._stack(columns, "action")
        problems.extend(nan_problems((("state", state), ("action", action))))
        timestamps = usable_times(columns.get("timestamp"), length, self._meta.fps, problems)
        cameras, files = self._cameras(entry, timestamps, problems)
        instruction = entry.instruction or self._task_of(columns)
        return Demonstration(
            ref=EpisodeRef(str(self.root), episode),
            fingerprint=fingerprint([path, *files], str(episode), instruction),
            fps=self._meta.fps,
            length=length,
            instruction=instruction,
            robot_type=self._meta.robot_type or "",
            cameras=cameras,
            timestamps=timestamps,
            state=state,
            state_names=state_names,
            action=action,
            action_names=action_names,
            grippers=tuple(
                g
                for g in self.info.grippers
                if is_there(state if g.signal == "state" else action, g)
            ),
            problems=tuple(problems),
        )

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> EpisodeReader:
        """Open a frame reader on one of this dataset's demonstrations."""
        entry = self._entries[demonstration.ref.episode]
        parts: dict[str, VideoPart] = {}
        for key in (*self._colour, *self._depth):
            feature = self._meta.features[key]
            if not self._has_camera(entry, key):
                continue
            if feature.dtype == "image":
                parts[key] = VideoPart(self._data_path(entry), 0.0, feature, in_table=True)
            else:
                start = _number(entry, f"videos/{key}/from_timestamp", float)
                parts[key] = VideoPart(self._video_path(entry, key), start, feature)
        return episode_reader(demonstration, parts, cache_bytes)

    def _range(self) -> str:
        indices = sorted(self._entries)
        return f"{indices[0]} to {indices[-1]}" if indices else "none"

    def _read_table(self, path: Path, entry: metadata.EpisodeEntry) -> dict[str, Any]:
        """Read the numeric columns of one episode as arrays (T,) or (T, n)."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            have = pq.read_schema(path).names
            wanted = [
                c
                for c in have
                if c in _INDEX_COLUMNS
                or (c in self._meta.features and self._meta.features[c].dtype in _NUMBERS)
            ]
            filters = None
            if self._meta.many_per_file and "episode_index" in have:
                filters = [("episode_index", "==", entry.index)]
            table = pq.read_table(path, columns=wanted, filters=filters)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise DataError(
                "bad_table",
                f"episode {entry.index}: {self._short(path)} is truncated or no Parquet ({error})",
            ) from error
        if not table.num_rows:
            raise DataError("bad_table", f"episode {entry.index}: {self._short(path)} has no rows")
        if table.num_rows > _MAX_FRAMES:
            raise DataError(
                "too_long", f"episode {entry.index}: {table.num_rows} frames, more than can be open"
            )
        return {name: _as_array(table.column(name), name, path) for name in table.column_names}

    def _stack(self, columns: dict[str, Any], prefix: str) -> tuple[F32, tuple[str, ...]]:
        """Join all numeric features of a kind; the primary one (`observation.state`) first."""
        primary = "observation.state" if prefix == "observation." else "action"
        keys = [k for k in columns if k.startswith(prefix) and k not in _INDEX_COLUMNS]
        keys.sort(key=lambda k: (k != primary, k))
        parts: list[F32] = []
        names: list[str] = []
        length = len(next(iter(columns.values())))
        for key in keys:
            with np.errstate(over="ignore"):
                values = columns[key].reshape(length, -1).astype(np.float32)
            values[np.isinf(values)] = np.nan
            short = key.removeprefix(prefix).lstrip(".") or "action"
            feature = self._meta.features[key]
            own = metadata.flat_names(feature.names, values.shape[1], short)
            if key != primary:
                own = tuple(n if n.startswith(short) else f"{short}.{n}" for n in own)
            names.extend(own)
            parts.append(values)
        if not parts:
            return np.zeros((length, 0), np.float32), ()
        return np.concatenate(parts, axis=1), tuple(names)

    def _task_of(self, columns: dict[str, Any]) -> str:
        index = columns.get("task_index")
        first = np.nan if index is None or not index.size else float(index.reshape(-1)[0])
        return self._tasks.get(int(first), "") if np.isfinite(first) else ""

    def _cameras(
        self, entry: metadata.EpisodeEntry, timestamps: F64, problems: list[Problem]
    ) -> tuple[tuple[Camera, ...], list[Path]]:
        calibration = metadata.read_calibration(self.root, entry.index)
        cameras: list[Camera] = []
        files: list[Path] = []
        for key in self._colour:
            feature = self._meta.features[key]
            if not self._has_camera(entry, key):
                continue
            if feature.dtype == "video":
                path = self._video_path(entry, key)
                files.append(path)
                if not path.is_file():
                    text = f"{self._short(path)} is not on disk"
                    problems.append(_error("missing_video", text))
                    continue
                if is_lfs_pointer(path):
                    problems.append(_error("lfs_pointer", _lfs_text(self._short(path))))
                    continue
                problem = self._video_problem(entry, key, path, timestamps)
                if problem is not None:
                    problems.append(problem)
                    if problem.severity is Severity.ERROR:
                        continue
            width, height = feature.size
            known = calibration.get(key)
            cameras.append(
                Camera(
                    key=key,
                    width=width,
                    height=height,
                    codec=feature.codec,
                    depth_key=self._depth_of(entry, key),
                    intrinsics=known.intrinsics if known else None,
                    camera_to_world=known.camera_to_world if known else None,
                )
            )
        return tuple(cameras), files

    def _video_problem(
        self, entry: metadata.EpisodeEntry, key: str, path: Path, timestamps: F64
    ) -> Problem | None:
        """Open the file, decode nothing, and compare its frames with the table."""
        start = _number(entry, f"videos/{key}/from_timestamp", float)
        try:
            clip = VideoClip(path, timestamps, start=start)
        except DataError as error:
            return error.as_problem()
        have, want = clip.frame_count, len(timestamps)
        clip.close()
        # One frame more or less is common: encoders drop or repeat the last.
        if have >= want - 1:
            return None
        text = (
            f"{self._short(path)} has {have} frames for {want} rows of the table; where it has "
            "none, its nearest frame is shown"
        )
        return Problem("video_shorter", text, frame=have)

    def _depth_of(self, entry: metadata.EpisodeEntry, camera: str) -> str | None:
        """The depth feature that belongs to a colour camera, by name (`front` - `front_depth`)."""
        own = camera.rsplit(".", 1)[-1].replace("_rgb", "").replace("_color", "")
        for key in self._depth:
            name = key.rsplit(".", 1)[-1]
            stem = name.replace("_depth", "").replace("depth_", "")
            if stem == own and self._has_camera(entry, key):
                return key
        return None

    def _grippers(self, episodes: tuple[EpisodeInfo, ...]) -> tuple[GripperChannels, ...]:
        features = self._meta.features
        tables = {k: f for k, f in features.items() if f.dtype in _NUMBERS}
        sizes = {k: int(np.prod(f.shape)) if f.shape else 1 for k, f in tables.items()}
        blank = {k: np.zeros((1, min(max(n, 0), 4096)), np.float32) for k, n in sizes.items()}
        if not blank:
            return ()
        _, state_names = self._stack(blank, "observation.")
        _, action_names = self._stack(blank, "action")
        channels = guess_channels(state_names, action_names, self._meta.robot_type or "")
        return self._directed(channels, episodes)

    def _directed(
        self, channels: tuple[GripperChannels, ...], episodes: tuple[EpisodeInfo, ...]
    ) -> tuple[GripperChannels, ...]:
        for episode in [e for e in episodes if e.present][:3]:
            try:
                columns = self._read_table(
                    self._data_path(self._entries[episode.index]), self._entries[episode.index]
                )
            except DataError as error:
                log.info("gripper direction: %s", error)
                continue
            length = len(next(iter(columns.values())))
            state, state_names = self._stack(columns, "observation.")
            action, action_names = self._stack(columns, "action")
            if not all(is_there(state if c.signal == "state" else action, c) for c in channels):
                continue
            signals = Demonstration(
                EpisodeRef(str(self.root), episode.index), "", self._meta.fps, length, "", "", (),
                np.arange(length) / self._meta.fps, state, state_names, action, action_names, (),
            )  # fmt: skip
            return with_directions(channels, signals)
        return tuple(replace(c, reason=c.reason + "; no episode to infer from") for c in channels)


def _as_array(column: Any, name: str, path: Path) -> Any:
    """Bring a column to (T,) or (T, n); lists of unequal length are an error."""
    import pyarrow as pa

    combined = column.combine_chunks()
    kind = combined.type
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind):
        flat = combined.flatten().to_numpy(zero_copy_only=False)
        if len(flat) % len(combined):
            raise DataError("bad_table", f"{path}: column {name} has rows of unequal length")
        return _as_numbers(flat.reshape(len(combined), -1), name, path)
    return _as_numbers(combined.to_numpy(zero_copy_only=False), name, path)


def _as_numbers(values: Any, name: str, path: Path) -> Any:
    """Numbers stay as they are; missing values become NaN, anything else is an error."""
    if values.dtype.kind in "biuf":
        return values
    try:
        return values.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise DataError("bad_table", f"{path}: column {name} holds no numbers") from error


def _number(entry: metadata.EpisodeEntry, name: str, kind: type[_N]) -> _N:
    """A field of v3 metadata as a number, 0 if there is none."""
    try:
        return kind(entry.fields.get(name) or 0)
    except (ValueError, TypeError, OverflowError) as error:
        text = f"episode {entry.index}: meta/episodes: {name} is no number"
        raise DataError("bad_metadata", text) from error


def _error(code: str, text: str) -> Problem:
    return Problem(code, text, Severity.ERROR)


def _lfs_text(path: str) -> str:
    return f"{path} is a Git-LFS pointer, not the file itself: run “git lfs pull” in the dataset"
