"""LeRobot datasets, v2.x and v3.0, found by the path templates of info.json."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.model.arrays import F64
from pipeline.model.demonstration import (
    CACHE_BYTES,
    Camera,
    DatasetInfo,
    Demonstration,
    GripperChannels,
)
from pipeline.model.episodes import Episodes, present_count
from pipeline.model.picture import ArrayPicture, Picture
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import Signal, assemble, usable_times
from pipeline.sources.files import is_lfs_pointer
from pipeline.sources.formats import Recognition
from pipeline.sources.images import decode_image, image_size
from pipeline.sources.lerobot import metadata
from pipeline.sources.lerobot.episodes import EpisodeMetadata, counted, read_episodes
from pipeline.sources.lerobot.grippers import find_grippers
from pipeline.sources.lerobot.images import FolderPictures, TablePictures, picture_folder
from pipeline.sources.lerobot.language import instruction_of
from pipeline.sources.lerobot.paths import FileGroup, Folders
from pipeline.sources.lerobot.presence import Presence, lfs_text, short_path
from pipeline.sources.lerobot.reader import Part, PicturesPart, VideoPart, episode_reader
from pipeline.sources.lerobot.search import FileSearch, episodes_in
from pipeline.sources.lerobot.survey import survey
from pipeline.sources.lerobot.tables import EpisodeTable, TablePart, find_rows, parquet
from pipeline.sources.reader import EpisodeReader
from pipeline.sources.video.clip import VideoClip


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
        self._tasks = metadata.read_texts(self.root, "task")
        self._subtasks = metadata.read_texts(self.root, "subtask")
        features = self._meta.features
        pictures = {k: f for k, f in features.items() if f.is_picture}
        self._colour = tuple(k for k, f in pictures.items() if not f.is_depth(k))
        self._depth = tuple(k for k, f in pictures.items() if f.is_depth(k))
        self._search = FileSearch(self.root, self._colour)
        only = next(iter(self._tasks.values())) if len(self._tasks) == 1 else ""
        self._episodes = read_episodes(self.root, only) or self._unlisted(only)
        folders = Folders()
        self._data = self._group(None, self._meta.data_path, folders)
        self._videos = {
            key: self._group(key, self._meta.video_path, folders)
            for key, feature in pictures.items()
            if feature.dtype == "video"
        }

    def _group(self, key: str | None, template: str | None, folders: Folders) -> FileGroup:
        return FileGroup(
            self.root, key, template, self._episodes, self._meta.chunks_size, folders, self._search
        )

    def _unlisted(self, text: str) -> EpisodeMetadata:
        """Episodes of a dataset whose metadata lists none."""
        if "episode_index" in self._meta.data_path:
            index = np.arange(self._meta.total_episodes)
            origin = "info.json, by their number: meta/ lists none"
            return counted(index, np.zeros(len(index), np.int64), origin, text)
        found = episodes_in(self._search.tables)
        if not found:
            raise DataError(
                "bad_metadata",
                f"{self.root / 'meta'}: neither episodes.jsonl nor episodes/ is there, and no "
                "table names its episodes",
            )
        rows = np.concatenate([np.stack(pair) for pair in found.values()], axis=1)
        index, back = np.unique(rows[0], return_inverse=True)
        length = np.bincount(back.reshape(-1), rows[1]).astype(np.int64)
        return counted(index, length, "the tables: meta/ lists none", text)

    @cached_property
    def info(self) -> DatasetInfo:
        """What the metadata says, with the presence of each episode's files."""
        episodes = self._presence.episodes()
        problems: list[Problem] = []
        count = len(episodes)
        missing = count - present_count(episodes)
        if missing:
            text = f"{missing} of {count} episodes are not on disk (partial download)"
            problems.append(Problem("partial_dataset", text, Severity.INFO))
        if self._meta.total_episodes != count:
            text = f"info.json declares {self._meta.total_episodes} episodes, {count} listed"
            problems.append(Problem("episode_count_differs", text))
        words = survey(
            self.root,
            self._meta,
            origin=self._episodes.origin,
            depth_of={c: d for c in self._colour if (d := self._depth_of(c)) is not None},
            searched=list(self._searched()),
            tasks=len(self._tasks),
            subtasks=len(self._subtasks),
        )
        shared = "episode_index" not in self._meta.data_path
        return DatasetInfo(
            path=str(self.root),
            format="lerobot",
            version=self._meta.codebase_version or "unknown",
            reason="meta/info.json with features; "
            + ("several episodes" if shared else "one episode")
            + " per file, by its data_path",
            fps=self._meta.fps,
            robot_type=self._meta.robot_type or "",
            cameras=self._colour,
            grippers=self._grippers(episodes),
            episodes=episodes,
            problems=tuple(problems),
            found=words.found,
            ignored=words.ignored,
        )

    @cached_property
    def _presence(self) -> Presence:
        videos = {k: g for k, g in self._videos.items() if k in self._colour}
        always = len(videos) < len(self._colour) or not self._colour
        return Presence(self.root, self._episodes, self._data, videos, always)

    def _searched(self) -> Iterator[str]:
        for group in (self._data, *self._videos.values()):
            try:
                placed = group.placement
            except DataError:
                continue
            if placed is not None:
                yield placed.said

    def _grippers(self, episodes: Episodes) -> tuple[GripperChannels, ...]:
        columns = episodes.columns
        present = (int(columns.index[p]) for p in np.flatnonzero(columns.present))

        def read(episode: int) -> EpisodeTable:
            return EpisodeTable.read(self._rows(self._position(episode)), self._meta.features)

        return find_grippers(self._meta, present, read)

    # -- one episode -----------------------------------------------------------------------

    def _position(self, episode: int) -> int:
        position = self._episodes.position(episode)
        if position is None:
            known = self._episodes.index
            range_ = f"{known[0]} to {known[-1]}" if len(known) else "none"
            raise DataError(
                "no_such_episode", f"{self.root.name} has no episode {episode}; it has {range_}"
            )
        return position

    def _rows(self, position: int) -> tuple[TablePart, ...]:
        """Where the episode's rows are. Raises DataError."""
        episode = int(self._episodes.index[position])
        path = self._data.path(position)
        if path is None or not path.is_file():
            named = "its table" if path is None else short_path(self.root, path)
            raise DataError("missing_data", f"episode {episode}: {named} is not on disk")
        if is_lfs_pointer(path):
            text = lfs_text(short_path(self.root, path))
            raise DataError("lfs_pointer", f"episode {episode}: {text}")
        wanted = self._episodes.declared(position)
        return find_rows(path, episode, self._data.shared, wanted, self._data.following)

    def files_of(self, episode: int) -> list[str]:
        """Paths of an episode's files below the dataset, whether or not they are there.

        Raises:
            DataError: If the metadata does not say.
        """
        position = self._position(episode)
        groups = [self._data, *self._videos.values()]
        paths = [group.expected(position) for group in groups]
        return list(dict.fromkeys(short_path(self.root, p) for p in paths if p is not None))

    def open(self, episode: int) -> Demonstration:
        """Read one episode's signals.

        Raises:
            DataError: With one sentence: unknown episode, missing or broken table.
        """
        position = self._position(episode)
        rows = self._rows(position)
        table = EpisodeTable.read(rows, self._meta.features)
        problems = list(table.problems)
        declared = int(self._episodes.length[position])
        if declared and declared != table.length:
            have = f"the table has {table.length}; the table counts"
            text = f"the metadata says {declared} frames, {have}"
            problems.append(Problem("length_differs", text))
        state = Signal.joined(*table.stacked("observation.", self._meta.features))
        action = Signal.joined(*table.stacked("action", self._meta.features))
        stored = table.columns.get("timestamp")
        timestamps = usable_times(stored, table.length, self._meta.fps, problems)
        timestamps = _from_start(timestamps, self._meta.fps, problems)
        cameras, files = self._cameras(position, rows, timestamps, problems)
        instruction = self._episodes.instruction(position) or instruction_of(
            table.columns, rows, self._tasks, self._subtasks
        )
        return assemble(
            dataset=self.root,
            episode=episode,
            files=[*(p.path for p in rows), *files],
            fps=self._meta.fps,
            instruction=instruction,
            robot_type=self._meta.robot_type or "",
            cameras=cameras,
            timestamps=timestamps,
            state=state,
            action=action,
            grippers=self.info.grippers,
            problems=problems,
        )

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> EpisodeReader:
        """Open a frame reader on one of this dataset's demonstrations."""
        position = self._position(demonstration.ref.episode)
        shown = [c.key for c in demonstration.cameras]
        depth = [c.depth_key for c in demonstration.cameras if c.depth_key is not None]
        parts: dict[str, Part] = {}
        rows: tuple[TablePart, ...] | None = None
        for key in (*shown, *depth):
            feature = self._meta.features.get(key)
            if feature is None:
                continue
            if feature.dtype == "video":
                video = self._video_part(position, key)
                if video is not None:
                    parts[key] = video
            else:
                rows = self._rows(position) if rows is None else rows
                pictures = self._pictures(position, key, rows)
                if pictures is not None:
                    parts[key] = PicturesPart(pictures, feature.said)
        return episode_reader(demonstration, parts, cache_bytes)

    def first_picture(self, episode: int) -> Picture | None:
        """First frame of the first camera whose file is here, without reading the episode.

        Raises:
            DataError: If it cannot be decoded.
        """
        position = self._position(episode)
        for key in self._colour:
            if key in self._videos:
                video = self._video_part(position, key)
                if video is None or not video.path.is_file():
                    continue
                clip = VideoClip(video.path, np.zeros(1), start=video.start)
                try:
                    return clip.picture(0)
                finally:
                    clip.close()
            pictures = self._pictures(position, key, self._rows(position))
            if pictures is not None:
                return ArrayPicture(decode_image(pictures.data(0), pictures.place(0)))
        return None

    # -- cameras ---------------------------------------------------------------------------

    def _video_part(self, position: int, key: str) -> VideoPart | None:
        """Video of a camera, None if the episode was recorded without it. Raises DataError."""
        group = self._videos[key]
        path = group.path(position)
        if path is None:
            return None
        start = group.start(position, self._meta.fps)
        following = group.following(path) if group.goes_on(position) else None
        return VideoPart(path, start, self._meta.features[key].said, following)

    def _pictures(
        self, position: int, key: str, rows: tuple[TablePart, ...]
    ) -> TablePictures | FolderPictures | None:
        """Single pictures of a camera, None if there are none."""
        with parquet(rows[0].path) as file:
            in_table = key in file.schema_arrow.names
        if in_table:
            return TablePictures(self.root, key, rows)
        episode = int(self._episodes.index[position])
        files = picture_folder(self.root, self._meta.image_path, key, episode)
        return FolderPictures(files) if files else None

    def _cameras(
        self,
        position: int,
        rows: tuple[TablePart, ...],
        timestamps: F64,
        problems: list[Problem],
    ) -> tuple[tuple[Camera, ...], list[Path]]:
        calibration = metadata.read_calibration(self.root, int(self._episodes.index[position]))
        cameras: list[Camera] = []
        files: list[Path] = []
        for key in self._colour:
            feature = self._meta.features[key]
            size = feature.size
            video: VideoPart | None = None
            try:
                if feature.dtype == "video":
                    video = self._video_part(position, key)
                    if video is None:
                        continue
                    files.append(video.path)
                    problems.extend(self._check_video(video, timestamps))
                else:
                    pictures = self._pictures(position, key, rows)
                    if pictures is None:
                        text = (
                            f"{key}: neither a column of the table nor images/ holds its pictures"
                        )
                        raise DataError("missing_pictures", text)
                    size = size if all(size) else image_size(pictures.data(0))
            except DataError as error:
                problems.append(error.as_problem())
                continue
            known = calibration.get(key)
            depth = self._depth_of(key)
            cameras.append(
                Camera(
                    key=key,
                    width=size[0],
                    height=size[1],
                    codec=feature.codec,
                    depth_key=depth if depth and self._has_depth(position, depth) else None,
                    intrinsics=known.intrinsics if known else None,
                    camera_to_world=known.camera_to_world if known else None,
                    # One that goes on in the next file is in no single one.
                    video=str(video.path) if video and not video.following else "",
                    video_start=video.start if video else 0.0,
                )
            )
        return tuple(cameras), files

    def _check_video(self, video: VideoPart, timestamps: F64) -> list[Problem]:
        """Read the file's index, decode nothing, and compare its frames with the table.

        Raises:
            DataError: If the camera cannot be shown.
        """
        short = short_path(self.root, video.path)
        if not video.path.is_file():
            raise DataError("missing_video", f"{short} is not on disk")
        if is_lfs_pointer(video.path):
            raise DataError("lfs_pointer", lfs_text(short))
        clip = VideoClip(video.path, timestamps, start=video.start)
        have, want = clip.frame_count, len(timestamps)
        clip.close()
        # One frame more or less is common: encoders drop or repeat the last.
        if have >= want - 1 or video.following is not None:
            return []
        text = (
            f"{short} has {have} frames for {want} rows of the table; where it has "
            "none, its nearest frame is shown"
        )
        return [Problem("video_shorter", text, frame=have)]

    def _depth_of(self, camera: str) -> str | None:
        """The depth feature that belongs to a colour camera, by name (`front` - `front_depth`)."""
        own = camera.rsplit(".", 1)[-1].replace("_rgb", "").replace("_color", "")
        for key in self._depth:
            name = key.rsplit(".", 1)[-1]
            if own in (name.replace("_depth", "").replace("depth_", ""), name):
                return key
            if name == "depth" and key.rsplit(".", 2)[-2:-1] == [own]:
                return key
        return self._depth[0] if len(self._depth) == len(self._colour) == 1 else None

    def _has_depth(self, position: int, key: str) -> bool:
        if key not in self._videos:
            return True
        try:
            return self._videos[key].path(position) is not None
        except DataError:
            return False


def _from_start(timestamps: F64, fps: float, problems: list[Problem]) -> F64:
    """Bring clock times to seconds from the first frame.

    Older datasets begin a recording's later episodes at their place in the video, so that only
    times beyond what the episode could hold are taken for a clock (our choice).
    """
    first = float(timestamps[0])
    if -1e-6 <= first <= len(timestamps) / fps + 1.0:
        return timestamps
    text = f"timestamps begin at {first:.3f} s; they are counted from the first frame"
    problems.append(Problem("timestamps_shifted", text, Severity.INFO))
    return timestamps - first
