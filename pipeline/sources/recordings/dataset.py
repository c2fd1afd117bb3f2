"""Plain videos, each with a table of the robot's signals beside it, if there is one.

The last format that is asked: it needs no metadata. What belongs together is told by names
(`video_pairs`), what belongs to which frame by clocks (`signal_clock`); both are said.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from pipeline.model.arrays import F64
from pipeline.model.demonstration import (
    CACHE_BYTES,
    Camera,
    DatasetInfo,
    Demonstration,
    EpisodeInfo,
    GripperChannels,
)
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import MOST_FRAMES, Signal, assemble
from pipeline.sources.files import refuse_lfs_pointer
from pipeline.sources.formats import Recognition
from pipeline.sources.gripper_channels import guess_channels, with_directions
from pipeline.sources.lazy_episodes import LazyEpisodes
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.reader import EpisodeReader, PictureStream
from pipeline.sources.recordings.clock import align
from pipeline.sources.recordings.pairs import (
    MOST_FILES,
    Recording,
    instruction_beside,
    is_signal,
    is_video,
    look_into,
    recording_of,
    recordings,
)
from pipeline.sources.recordings.table import SignalTable, read_signal
from pipeline.sources.video.clip import VideoClip
from pipeline.sources.video.file import open_video
from pipeline.sources.video.index import video_index

log = logging.getLogger(__name__)

_FAR = 1e7
"""Seconds; a video that is longer (115 days) is cut there."""
_LENGTHS_READ = 100
"""Recordings whose headers are read for the table; opening one takes 2 ms."""


def recognise(path: Path) -> Recognition | None:
    """Say whether `path` is a video, a table beside one, or a folder with videos in it."""
    if is_video(path) or is_signal(path):
        recording = recording_of(path) if path.is_file() else None
        if recording is None:
            return None
        beside = recording.signal.name if recording.signal else "no signal"
        root = path if is_video(path) else recording.videos[0][1]
        return Recognition(root, f"a video with {beside} beside it", 0)
    if not path.is_dir():
        return None
    content = look_into(path)
    if not content.videos:
        return None
    tables = f" and {_many(len(content.signals), 'table')}" if content.signals else ""
    return Recognition(path, f"a folder with {_many(len(content.videos), 'video')}{tables}")


def open_recognised(found: Recognition) -> VideoFolder:
    """Open it. Raises DataError."""
    return VideoFolder(found.root, found.reason)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A recording's videos, looked at without decoding.

    Attributes:
        times: (T,) seconds of the main camera's frames from its first.
        fps: Frames per second, on average.
        cameras: Cameras that can be read.
        problems: Why others cannot.
    """

    times: F64
    fps: float
    cameras: tuple[Camera, ...]
    problems: tuple[Problem, ...]


class VideoFolder:
    """Recordings of one folder, or the one that a video file belongs to."""

    def __init__(self, root: Path, reason: str = "") -> None:
        """List the folder.

        Args:
            root: A folder, or a video file.
            reason: Why it was taken for this format.

        Raises:
            DataError: `not_a_dataset` if there is no video.
        """
        self.root = root.resolve()
        self._reason = reason
        self._complete = True
        if self.root.is_dir():
            content = look_into(self.root)
            self._recordings = recordings(content, self.root.name)
            self._complete = content.complete
        else:
            own = recording_of(self.root)
            self._recordings = (own,) if own is not None else ()
        if not self._recordings:
            raise DataError("not_a_dataset", f"{self.root} holds no video")

    @cached_property
    def info(self) -> DatasetInfo:
        """What the names say, and the first recording."""
        first = self._first_opened
        cameras = dict.fromkeys(key for r in self._recordings for key, _ in r.videos)
        with_signal = sum(r.signal is not None for r in self._recordings)
        found = [f"{_many(len(self._recordings), 'recording')}, {with_signal} with a signal"]
        if first is not None:
            found.append(f"{first.state.shape[1]} state and {first.action.shape[1]} action columns")
        problems = []
        if not self._complete:
            text = f"only the first {MOST_FILES} files of the folder were looked at"
            problems.append(Problem("partial_dataset", text))
        count = len(self._recordings)
        listed = tuple(self._describe(i) for i in range(min(count, _LENGTHS_READ)))
        return DatasetInfo(
            path=str(self.root),
            format="video",
            version="",
            reason=self._reason,
            fps=first.fps if first is not None else 30.0,
            robot_type="",
            cameras=tuple(cameras),
            grippers=first.grippers if first is not None else (),
            episodes=listed if count == len(listed) else LazyEpisodes(count, self._describe),
            problems=tuple(problems),
            found=tuple(found),
            ignored=tuple(self._ignored),
        )

    def _describe(self, episode: int) -> EpisodeInfo:
        """An episode from its names; the first hundred from their headers, too."""
        recording = self._recordings[episode]
        problems: list[Problem] = []
        length = 0
        path = recording.videos[0][1]
        if episode < _LENGTHS_READ:
            try:
                length = _frames_declared(path)
            except DataError as error:
                problems.append(error.as_problem())
        said = instruction_beside(recording)
        if not said:
            text = f"no {recording.name}.txt or .json says what was done"
            problems.append(Problem("instruction_empty", text))
        if recording.signal is None:
            problems.append(_no_signal(recording))
        there = not any(p.severity is Severity.ERROR for p in problems)
        return EpisodeInfo(episode, length, said, there, tuple(problems), recording.name)

    @cached_property
    def _ignored(self) -> list[str]:
        """Columns of the first table that are not used."""
        for recording in self._recordings:
            if recording.signal is not None:
                try:
                    return read_signal(recording.signal).ignored
                except DataError:
                    return []
        return []

    @cached_property
    def _first_opened(self) -> Demonstration | None:
        """The first of the first few recordings that opens, preferably with a signal."""
        some = sorted(range(len(self._recordings)), key=lambda i: not self._recordings[i].signal)
        for episode in some[:3]:
            try:
                return self._open(episode)
            except DataError as error:
                log.info("recording %d: %s", episode, error)
        return None

    # -- opening -----------------------------------------------------------------------------

    def open(self, episode: int) -> Demonstration:
        """Read one recording's signals. Raises DataError with one sentence."""
        first = self._first_opened
        if first is not None and first.ref.episode == episode:
            return first
        return self._open(episode, first)

    def _open(self, episode: int, like: Demonstration | None = None) -> Demonstration:
        recording = self._recording(episode)
        opened = _open_videos(recording)
        problems = list(opened.problems)
        state, action = Signal(len(opened.times)), Signal(len(opened.times))
        instruction = instruction_beside(recording)
        table = None
        if recording.signal is None:
            problems.append(_no_signal(recording))
        else:
            try:
                table = read_signal(recording.signal)
            except DataError as error:
                # The pictures are still worth looking at.
                problems.append(error.as_problem())
        if table is not None:
            _fill(table, opened.times, state, action)
            problems += table.problems
            instruction = instruction or table.instruction
        files = [path for _, path in recording.videos]
        files += [recording.signal] if recording.signal is not None else []
        demonstration = assemble(
            dataset=self.root,
            # A dropped file is its own dataset with the one episode 0.
            episode=episode,
            files=files,
            fps=opened.fps,
            instruction=instruction,
            robot_type="",
            cameras=opened.cameras,
            timestamps=opened.times,
            state=state,
            action=action,
            grippers=(),
            problems=problems,
        )
        return replace(
            demonstration,
            grippers=_grippers(demonstration, like),
            files=tuple(str(path) for path in files),
        )

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> EpisodeReader:
        """Open a frame reader on one of these recordings."""
        recording = self._recording(demonstration.ref.episode)
        return EpisodeReader(
            {
                key: partial(_stream, path, demonstration.timestamps, key)
                for key, path in recording.videos
            },
            cache_bytes=cache_bytes,
        )

    def _recording(self, episode: int) -> Recording:
        if not 0 <= episode < len(self._recordings):
            last = len(self._recordings) - 1
            text = f"{self.root.name} has no episode {episode}; it has 0 to {last}"
            raise DataError("no_such_episode", text)
        return self._recordings[episode]


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _no_signal(recording: Recording) -> Problem:
    name = recording.videos[0][1].stem
    text = f"no {name}.csv, .parquet or .npz beside the video: there is no gripper to find phases"
    return Problem("signals_missing", text, Severity.INFO)


def _frames_declared(path: Path) -> int:
    """Frames according to the file's header. Raises DataError `bad_video` or `lfs_pointer`."""
    refuse_lfs_pointer(path)
    video = open_video(path)
    try:
        count = int(video.stream.frames)
        if not count:  # Matroska declares none.
            rate = float(video.stream.average_rate or video.stream.base_rate or 0)
            count = round((video.container.duration or 0) / 1e6 * rate)
    finally:
        video.container.close()
    return min(max(count, 0), MOST_FRAMES)


def _all_times(path: Path) -> tuple[F64, str]:
    """Seconds of all frames of a video file, and why there may be more that are lost.

    Raises:
        DataError: `bad_video`, `lfs_pointer` or `too_long`.
    """
    refuse_lfs_pointer(path)
    index = video_index(path, 0.0, _FAR)
    if len(index.pts) > MOST_FRAMES:
        raise DataError("too_long", f"{path}: {len(index.pts)} frames, more than can be open")
    return np.asarray(index.pts * index.base, np.float64), index.truncated


def _stream(path: Path, timestamps: F64, key: str, cache: PictureCache) -> PictureStream:
    """Open a camera whose first frame is the recording's first."""
    start = float(_all_times(path)[0][0])
    return VideoClip(path, timestamps, start=start, cache=cache, name=key)


def _open_videos(recording: Recording) -> _Opened:
    """Open the cameras of a recording; the first that can be read gives the times.

    Raises:
        DataError: `bad_video` if no video can be read, `too_long`.
    """
    times: F64 | None = None
    cameras: list[Camera] = []
    problems: list[Problem] = []
    failed: DataError | None = None
    for key, path in recording.videos:
        try:
            own, lost = _all_times(path)
            camera = _camera(path, key, own[:1] - own[0], float(own[0]))
        except DataError as error:
            problems.append(error.as_problem())
            failed = error
            continue
        cameras.append(camera)
        if lost:
            problems.append(Problem("video_truncated", f"{path.name}: {lost}"))
        if times is None:
            times = own - own[0]
        elif abs(float(own[-1] - own[0]) - float(times[-1])) > max(0.5, 0.05 * float(times[-1])):
            text = (
                f"{path.name} lasts {own[-1] - own[0]:.2f} s, {recording.videos[0][1].name} "
                f"{times[-1]:.2f} s; both are taken to start together"
            )
            problems.append(Problem("video_shorter", text))
    if times is None:
        raise failed or DataError("bad_video", f"{recording.name} has no video")
    # One frame has no rate; any will do.
    fps = (len(times) - 1) / float(times[-1]) if len(times) > 1 and times[-1] > 0 else 30.0
    return _Opened(times, fps, tuple(cameras), tuple(problems))


def _camera(path: Path, key: str, first: F64, start: float) -> Camera:
    """Decode the first frame for its size as shown. Raises DataError."""
    clip = VideoClip(path, first, start=start)
    try:
        width, height = clip.picture(0).size
    finally:
        clip.close()
    video = open_video(path)
    codec = video.stream.codec_context.codec.name
    video.container.close()
    return Camera(key, width, height, codec, video=str(path), video_start=start)


def _fill(table: SignalTable, times: F64, state: Signal, action: Signal) -> None:
    """Put the table's rows at their frames."""
    if not table.rows:
        table.doubt("no_signal", "no column of numbers")
        return
    clock = align(table, times)
    near = clock.rows >= 0
    for name, values in table.columns.items():
        if name in clock.used:
            continue
        column = np.where(near, values[np.maximum(clock.rows, 0)], np.nan)
        is_action = name.lower() == "action" or name.lower().startswith(("action.", "action_"))
        (action if is_action else state).add(name, column)


def _grippers(
    demonstration: Demonstration, like: Demonstration | None
) -> tuple[GripperChannels, ...]:
    """The channels of the first recording if this one has the same columns, else its own."""
    if like is not None and (like.state_names, like.action_names) == (
        demonstration.state_names,
        demonstration.action_names,
    ):
        return like.grippers
    guessed = guess_channels(demonstration.state_names, demonstration.action_names)
    return with_directions(guessed, demonstration)
