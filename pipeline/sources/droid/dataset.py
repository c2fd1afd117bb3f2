"""Raw DROID: one folder per trajectory, HDF5 signals and one video per ZED camera.

Any level may be opened: an episode, a day, success or failure, a lab, the whole release. There is
no light reader to prefer: DROID's own needs the ZED SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from pipeline.model.arrays import F64
from pipeline.model.demonstration import (
    CACHE_BYTES,
    Camera,
    DatasetInfo,
    Demonstration,
    EpisodeInfo,
)
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import MOST_FRAMES, assemble
from pipeline.sources.droid import layout, table
from pipeline.sources.formats import Recognition
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.lazy_episodes import LazyEpisodes
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.reader import EpisodeReader, OpenPictures, PictureStream
from pipeline.sources.video.rows import RowVideo, count_problem, video_facts

_EXAMINE = 3
"""Episodes that are looked into for what the dataset holds."""
_COUNT_ALL = 2000
"""Up to this many episodes are looked into at once to say how many are complete."""


def recognise(path: Path) -> Recognition | None:
    """Say whether `path` is a folder of DROID, of any level, or a file of an episode."""
    if path.is_file():
        folder = layout.episode_of_file(path)
        if folder is None:
            return None
        return Recognition(folder, f"{path.name} of a DROID trajectory", episode=0)
    kind = layout.level(path)
    reasons = {
        "episode": "trajectory.h5 with metadata_*.json or recordings",
        "day": "trajectories with metadata_*.json and trajectory.h5",
        "outcome": "days of trajectories",
        "lab": "success or failure over days of trajectories",
        "root": "labs with success or failure over days of trajectories",
        "release": "a release folder over labs",
    }
    return Recognition(path, reasons[kind]) if kind else None


def open_recognised(found: Recognition) -> DroidDataset:
    """Open a dataset. Raises DataError."""
    return DroidDataset(found.root, found.reason)


class DroidDataset:
    """Raw DROID trajectories below one folder. Cheap to make: it lists folders."""

    def __init__(self, root: Path, reason: str = "") -> None:
        """List the episode folders.

        Args:
            root: An episode folder or one above.
            reason: Why it was taken for DROID.

        Raises:
            DataError: `not_a_dataset` if there is no episode below.
        """
        self.root = root.resolve()
        self._reason = reason
        self._folders, self._cut = layout.find_episodes(self.root)
        if not self._folders:
            raise DataError("not_a_dataset", f"{root} holds no DROID trajectory")

    @cached_property
    def info(self) -> DatasetInfo:
        """What the folders say; each episode is examined when it is looked at."""
        episodes = LazyEpisodes(len(self._folders), self._describe)
        problems = []
        if self._cut:
            text = f"only the first {len(episodes)} episodes are listed, there are too many folders"
            problems.append(Problem("list_cut", text))
        if len(episodes) <= _COUNT_ALL:
            missing = sum(not e.present for e in episodes)
            if missing:
                text = f"{missing} of {len(episodes)} trajectories cannot be opened"
                problems.append(Problem("partial_dataset", text, Severity.INFO))
        found, ignored = self._inventory(episodes)
        return DatasetInfo(
            path=str(self.root),
            format="droid",
            version="raw",
            reason=self._reason,
            fps=table.FPS,
            robot_type="franka",
            cameras=layout.ROLES,
            grippers=(table.GRIPPER,),
            episodes=episodes,
            problems=tuple(problems),
            found=found,
            ignored=ignored,
        )

    @cached_property
    def _annotations_file(self) -> Path | None:
        return layout.annotations_near(self.root)

    @cached_property
    def _annotations(self) -> dict[str, str]:
        path = self._annotations_file
        return layout.read_annotations(path) if path is not None else {}

    # -- listing ---------------------------------------------------------------------------

    def _name(self, position: int) -> str:
        path = self._folders[position]
        return str(path)[len(str(self.root)) + 1 :] or path.name

    def _describe(self, position: int) -> EpisodeInfo:
        folder = layout.episode_folder(self._folders[position])
        problems = _missing(folder)
        length, instruction = 0, ""
        if folder.uuid:
            try:
                metadata = layout.read_metadata(folder.metadata)
            except DataError as error:
                problems.append(error.as_problem())
            else:
                count = metadata.get("trajectory_length")
                length = count if isinstance(count, int) and 0 < count <= MOST_FRAMES else 0
                instruction = self._instruction(folder, metadata)
                if layout.succeeded(metadata, folder.path) is False:
                    text = "the operator marked this attempt as a failure"
                    problems.append(Problem("marked_failure", text, Severity.INFO))
                if not instruction:
                    problems.append(Problem("instruction_empty", "the episode has no task text"))
        present = not any(p.severity is Severity.ERROR for p in problems)
        return EpisodeInfo(
            position, length, instruction, present, tuple(problems), self._name(position)
        )

    def _instruction(self, folder: layout.EpisodeFolder, metadata: dict[str, Any]) -> str:
        return self._annotations.get(folder.uuid) or layout.text_of(metadata, "current_task")

    def _inventory(
        self, episodes: Sequence[EpisodeInfo]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is used and what is not, from the first present episodes."""
        found = [f"{len(episodes)} trajectories"]
        ignored = []
        names: set[str] = set()
        stereo = mono = svo = False
        for episode in _first_present(episodes):
            folder = layout.episode_folder(self._folders[episode.index])
            names |= folder.names
            svo |= folder.has_svo
            stereo |= any(r.stereo for r in folder.recordings)
            mono |= any(not r.stereo for r in folder.recordings)
        if mono:
            found.append("cameras ext1, ext2 and wrist: left view of each, one picture per row")
        if stereo:
            found.append("stereo videos where there is no mono video: their left half")
        elif any(n.endswith("-stereo.mp4") for n in names):
            ignored.append("stereo videos: the mono video of the same camera is used")
        found += [
            "joints, pose and gripper as state; commands as action",
            "poses of ext1 and ext2 as calibrated (DROID says that some are off)",
        ]
        if self._annotations:
            assert self._annotations_file is not None  # noqa: S101 - that is where they are from
            found.append(f"instructions of {self._annotations_file.name}")
            ignored.append("further wordings of an instruction: the first is used")
        else:
            found.append("current_task as instruction (no aggregated-annotations file found)")
        if svo:
            ignored.append("SVO recordings (stereo, depth, intrinsics): need the ZED SDK")
        if any(n.startswith("trajectory_im") and n.endswith(".h5") for n in names):
            ignored.append("trajectory_im*.h5: small pictures that the videos show in full size")
        ignored += [
            "pose of the wrist camera: it moves with the gripper",
            "torques and controller states of trajectory.h5",
        ]
        return tuple(found), tuple(ignored)

    # -- opening ---------------------------------------------------------------------------

    def open(self, episode: int) -> Demonstration:
        """Read one trajectory's signals.

        Raises:
            DataError: With one sentence: unknown, incomplete or broken trajectory.
        """
        folder, metadata = self._episode(episode)
        problems: list[Problem] = []
        with hdf5.open_file(folder.table) as file:
            length, state, action = table.read_signals(file, folder.table, problems)
            times = table.read_times(file, length, problems)
            problems += table.paused_rows(file, length)
            roles, concluded = layout.assign_cameras(folder, metadata, table.wrist_serials(file))
            poses = {
                role: table.camera_pose(file, metadata, role, recording.serial)
                for role, recording in roles.items()
                if role != "wrist"
            }
        if concluded:
            text = (
                f"metadata does not name camera {', '.join(concluded)}; "
                "which view it is was concluded from what is left"
            )
            problems.append(Problem("camera_serial_differs", text))
        declared = metadata.get("trajectory_length")
        if isinstance(declared, int) and declared != length:
            text = f"the metadata says {declared} frames, the table has {length}; the table counts"
            problems.append(Problem("length_differs", text))
        cameras = self._cameras(roles, poses, length, problems)
        return assemble(
            dataset=self.root,
            episode=episode,
            files=[folder.table, folder.metadata, *(r.path for r in roles.values())],
            fps=table.FPS,
            instruction=self._instruction(folder, metadata),
            robot_type="franka",
            cameras=cameras,
            timestamps=times,
            state=state,
            action=action,
            grippers=(table.GRIPPER,),
            problems=problems,
            identity=folder.uuid,
        )

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> EpisodeReader:
        """Open a frame reader on one of this dataset's demonstrations."""
        folder, metadata = self._episode(demonstration.ref.episode)
        named = {layout.text_of(metadata, f"{role}_cam_serial") for role in layout.ROLES}
        wrist = None
        if any(r.serial not in named for r in folder.recordings):
            with hdf5.open_file(folder.table) as file:
                wrist = table.wrist_serials(file)
        roles, _ = layout.assign_cameras(folder, metadata, wrist)
        cameras: dict[str, OpenPictures] = {
            role: partial(_open_video, recording, demonstration.timestamps, role)
            for role, recording in roles.items()
        }
        return EpisodeReader(cameras, cache_bytes=cache_bytes)

    def _episode(self, episode: int) -> tuple[layout.EpisodeFolder, dict[str, Any]]:
        if not 0 <= episode < len(self._folders):
            count = len(self._folders)
            text = f"{self.root.name} has no episode {episode}; it has 0 to {count - 1}"
            raise DataError("no_such_episode", text)
        folder = layout.episode_folder(self._folders[episode])
        for problem in _missing(folder):
            if problem.code != "missing_video":
                raise DataError(problem.code, f"{self._name(episode)}: {problem.message}")
        return folder, layout.read_metadata(folder.metadata)

    def _cameras(
        self,
        roles: dict[str, layout.Recording],
        poses: dict[str, F64 | None],
        length: int,
        problems: list[Problem],
    ) -> tuple[Camera, ...]:
        cameras = []
        for role, recording in roles.items():
            shown = recording.path.relative_to(self.root).as_posix()
            try:
                facts = video_facts(recording.path, shown)
            except DataError as error:
                problems.append(error.as_problem())
                continue
            differs = count_problem(facts, length, shown)
            if differs is not None:
                problems.append(differs)
            width = facts.width // 2 if recording.stereo else facts.width
            cameras.append(
                Camera(
                    key=role,
                    width=width,
                    height=facts.height,
                    codec=facts.codec,
                    camera_to_world=poses.get(role),
                )
            )
        absent = [role for role in layout.ROLES if role not in roles]
        if absent:
            text = f"there is no video of {' and '.join(absent)}"
            problems.append(Problem("missing_video", text))
        return tuple(cameras)


def _open_video(
    recording: layout.Recording, timestamps: F64, role: str, cache: PictureCache
) -> PictureStream:
    return RowVideo(recording.path, timestamps, cache=cache, name=role, left_half=recording.stereo)


def _first_present(episodes: Sequence[EpisodeInfo]) -> Iterator[EpisodeInfo]:
    """The first present episodes; stops looking after a hundred."""
    left = _EXAMINE
    for position in range(min(len(episodes), 100)):
        if left and episodes[position].present:
            left -= 1
            yield episodes[position]


def _missing(folder: layout.EpisodeFolder) -> list[Problem]:
    """Why an episode cannot be opened, from the names in its folder."""
    problems = []
    if not folder.uuid:
        text = "no metadata_*.json: DROID writes it only for complete trajectories"
        problems.append(Problem("incomplete", text, Severity.ERROR))
    if not folder.has_table:
        mcap = any(n.endswith(".mcap") for n in folder.names)
        text = f"{layout.TABLE} is not on disk" + (
            "; recordings as MCAP are not read" if mcap else ""
        )
        problems.append(Problem("missing_data", text, Severity.ERROR))
    if not folder.recordings:
        text = "recordings/MP4 holds no video" + (
            "; the SVO recordings there need the ZED SDK" if folder.has_svo else ""
        )
        problems.append(Problem("missing_video", text, Severity.ERROR))
    return problems
