"""A demonstration: what a dataset holds of one episode, with frames read on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pipeline.model.arrays import F32, F64, U8, expect_shape
from pipeline.model.picture import Picture, PictureTimes
from pipeline.model.problem import Problem

CACHE_BYTES = 64 << 20
"""Decoded pictures that a reader keeps unless told otherwise; the window takes its setting."""


class ClosedIs(StrEnum):
    """Which end of a gripper channel means closed."""

    LOW = "low"
    HIGH = "high"


class Combine(StrEnum):
    """How several gripper channels become one opening, after each was scaled to 0..1."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class GripperChannels:
    """Which channels say how far one arm's gripper is open.

    Attributes:
        arm: `left`, `right` or `arm` when there is only one.
        signal: `state` or `action`, the array the indices point into.
        indices: Columns that together give the opening (several for a hand).
        names: Their names, same length.
        closed_is: Which end is closed.
        origin: `guessed`, `preset` (a preset of a known robot), `format` (the dataset's format
            defines it) or `user`.
        reason: Why this was guessed, one sentence.
        combine: How several columns become one.
        percentiles: Percentiles (low, high) taken as closed and open ends, 0..100; None leaves
            them to the options of the phases.
    """

    arm: str
    signal: str
    indices: tuple[int, ...]
    names: tuple[str, ...]
    closed_is: ClosedIs
    origin: str = "guessed"
    reason: str = ""
    combine: Combine = Combine.MEAN
    percentiles: tuple[float, float] | None = None


class MotionKind(StrEnum):
    """What the channels that tell a moving arm from a resting one measure."""

    JOINT = "joint"
    END_EFFECTOR = "end_effector"


@dataclass(frozen=True, slots=True)
class MotionChannels:
    """Which channels say how fast one arm moves: the cue by which the robot is found.

    All of them have one unit (rad, degrees, metres): their rates are added as one norm.

    Attributes:
        arm: As in `GripperChannels`.
        signal: `state` or `action`, the array the indices point into.
        indices: Columns; empty if nothing tells.
        names: Their names, same length.
        kind: What they measure.
        origin: `guessed` or `user`.
        reason: Why these, one phrase.
    """

    arm: str
    signal: str
    indices: tuple[int, ...]
    names: tuple[str, ...]
    kind: MotionKind
    origin: str = "guessed"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera of an episode.

    Attributes:
        key: Feature name, e.g. `observation.images.cam_high`.
        width: Pixels.
        height: Pixels.
        codec: Codec name as stored, empty if unknown.
        depth_key: Feature that holds this camera's depth, or None.
        intrinsics: (3, 3) float64 in pixels, or None if the dataset has none.
        camera_to_world: (4, 4) float64, OpenCV axes, metres, or None.
        video: Absolute path of the video file whose times are those of the table; empty where
            pictures are kept otherwise.
        video_start: Seconds in that file which are 0 s in the table: a file may hold many episodes.
    """

    key: str
    width: int
    height: int
    codec: str = ""
    depth_key: str | None = None
    intrinsics: F64 | None = field(default=None, compare=False)
    camera_to_world: F64 | None = field(default=None, compare=False)
    video: str = field(default="", compare=False)
    video_start: float = field(default=0.0, compare=False)

    @property
    def short_name(self) -> str:
        """The key without `observation.images.`."""
        return self.key.removeprefix("observation.images.")


class FrameReader(Protocol):
    """Random access to the pictures of one episode.

    One reader per thread; only `cached` may be called from any thread.
    """

    def picture(self, camera: str, index: int) -> Picture:
        """Return the picture of frame `index`, from the cache or decoded. Raises DataError.

        Where the file is damaged it is the nearest good one, and its `note` says so.
        """
        ...

    def cached(self, camera: str, index: int) -> Picture | None:
        """Return the picture if it is in memory, else None; any thread, never decodes."""
        ...

    def frame(self, camera: str, index: int) -> U8:
        """Return RGB (H, W, 3) uint8 of frame `index`. Raises DataError."""
        ...

    def depth(self, camera: str, index: int) -> F32 | None:
        """Return depth along the optical axis (H, W) float32 in metres; 0 = unknown."""
        ...

    def times(self, camera: str) -> PictureTimes | None:
        """When the camera's pictures were taken; None if they carry no times. Raises DataError."""
        ...

    def close(self) -> None:
        """Release decoders and pictures."""
        ...


@dataclass(frozen=True, slots=True)
class EpisodeRef:
    """Names an episode so that another process can open it.

    Attributes:
        dataset: Absolute path of the dataset's root folder or file.
        episode: Episode index.
    """

    dataset: str
    episode: int


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One episode, ready for the pipeline.

    Attributes:
        ref: Where it comes from.
        fingerprint: Hash of the episode's own data and pictures, equal on any machine.
        fps: Frames per second of the table.
        length: Number of frames T.
        instruction: What the robot was told, may be empty.
        robot_type: As in the metadata, may be empty.
        cameras: Colour cameras that are present.
        timestamps: (T,) float64 seconds from the episode's start.
        state: (T, S) float32; S may be 0.
        state_names: S names.
        action: (T, A) float32; A may be 0.
        action_names: A names.
        grippers: One entry per arm, empty if nothing looks like a gripper.
        problems: What is doubtful about this episode.
        files: Absolute paths of the files that hold it, so that one can tell whether it changed;
            empty if the source does not say.
    """

    ref: EpisodeRef
    fingerprint: str
    fps: float
    length: int
    instruction: str
    robot_type: str
    cameras: tuple[Camera, ...]
    timestamps: F64
    state: F32
    state_names: tuple[str, ...]
    action: F32
    action_names: tuple[str, ...]
    grippers: tuple[GripperChannels, ...]
    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expect_shape("timestamps", self.timestamps, (self.length,))
        expect_shape("state", self.state, (self.length, len(self.state_names)))
        expect_shape("action", self.action, (self.length, len(self.action_names)))

    def camera(self, key: str) -> Camera:
        """Return the camera named `key`; KeyError if it is not present."""
        for camera in self.cameras:
            if camera.key == key:
                return camera
        raise KeyError(key)

    @property
    def size_of_text(self) -> str:
        """Length for people, e.g. `393 frames, 13.1 s`."""
        return f"{self.length} frames, {self.length / self.fps:.1f} s"


@dataclass(frozen=True, slots=True)
class EpisodeInfo:
    """What the dataset's metadata says about an episode, before it is opened.

    Attributes:
        index: Episode index.
        length: Frames according to the metadata, 0 if it does not say.
        instruction: Task text.
        present: True if its table and at least one of its videos are on disk.
        problems: Findings that need no decoding.
        name: What the dataset itself calls it (`demo_12`, a folder), empty if just the index.
    """

    index: int
    length: int
    instruction: str
    present: bool
    problems: tuple[Problem, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a dataset says about itself.

    Attributes:
        path: Absolute root folder or file; `open_dataset` on it gives the same dataset again.
        format: Short name of the format, e.g. `lerobot`.
        version: As declared, e.g. `v2.1`.
        reason: Why it was taken for this format.
        fps: Frames per second.
        robot_type: May be empty.
        cameras: Keys of the colour cameras that the metadata declares.
        grippers: The mapping in force (guessed or remembered).
        episodes: All declared episodes, present or not, by index. May be a lazy sequence.
        problems: Findings about the dataset as a whole.
        found: What was found and is used, a phrase each (`3 cameras, AV1`, `depth of front`).
        ignored: What was found and is not used, with why, a phrase each.
    """

    path: str
    format: str
    version: str
    reason: str
    fps: float
    robot_type: str
    cameras: tuple[str, ...]
    grippers: tuple[GripperChannels, ...]
    episodes: Sequence[EpisodeInfo]
    problems: tuple[Problem, ...] = ()
    found: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Folder name, for titles."""
        return self.path.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]


class DatasetSource(Protocol):
    """A dataset on disk."""

    @property
    def info(self) -> DatasetInfo:
        """Metadata, read once."""
        ...

    def open(self, episode: int) -> Demonstration:
        """Read one episode's signals. Raises DataError with one sentence."""
        ...

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> FrameReader:
        """Open a frame reader on a demonstration of this dataset.

        Args:
            demonstration: What `open` returned, here or in another process.
            cache_bytes: Budget of decoded pictures, all cameras together.
        """
        ...
