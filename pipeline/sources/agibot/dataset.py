"""AgiBot World: Alpha and Beta, and the newer layout by job, robot and episode.

Any folder or file of a dataset may be opened. There is no light reader to prefer: AgiBot publishes
none, converters (any4lerobot) rewrite whole tasks.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

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
from pipeline.sources.agibot import cameras, layout, table
from pipeline.sources.agibot.layout import Place
from pipeline.sources.assembly import assemble
from pipeline.sources.files import is_lfs_pointer, lfs_sentence, read_json
from pipeline.sources.formats import Recognition
from pipeline.sources.lazy_episodes import LazyEpisodes
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.reader import (
    DepthStream,
    EpisodeReader,
    OpenDepth,
    OpenPictures,
    PictureStream,
)
from pipeline.sources.video.rows import RowVideo, count_problem, video_facts

log = logging.getLogger(__name__)

_EXAMINE = 3
"""Episodes that are opened for what the dataset holds."""
_COUNT_ALL = 2000
"""Up to this many episodes are looked into at once to say how many are there."""
_COUNT_ROWS = 300
"""Up to this many tables are opened for their number of rows."""


def recognise(path: Path) -> Recognition | None:
    """Say whether `path` is a dataset of AgiBot World or a part of one."""
    if layout.is_alpha(path):
        return Recognition(path, "task_info, proprio_stats and observations")
    part = layout.alpha_part(path)
    if part is not None:
        return Recognition(part[0], "a part of task_info, proprio_stats, observations", part[1])
    if path.is_file():
        if layout.is_job_episode(path.parent) and path.suffix in (".h5", ".json", ".mp4"):
            episode = layout.number_of(path.parent.name)
            return Recognition(
                path.parent, f"{path.name} of an AgiBot episode", 0 if episode is None else episode
            )
        return None
    kind = layout.job_level(path)
    reasons = {
        "episode": "aligned_joints.h5 of AgiBot",
        "robot": "episodes with aligned_joints.h5",
        "job": "robots over episodes with aligned_joints.h5",
        "task": "jobs over robots over episodes with aligned_joints.h5",
        "tasks": "tasks over jobs over episodes with aligned_joints.h5",
    }
    return Recognition(path, reasons[kind]) if kind else None


def open_recognised(found: Recognition) -> AgiBotDataset:
    """Open a dataset. Raises DataError."""
    return AgiBotDataset(found.root, found.reason)


@dataclass(frozen=True, slots=True)
class _Contents:
    """What the first episodes hold.

    Attributes:
        cameras: Camera keys.
        grippers: Channels of the first task.
        found: What is used, a phrase each.
        ignored: What is not, a phrase each.
    """

    cameras: tuple[str, ...]
    grippers: tuple[GripperChannels, ...]
    found: tuple[str, ...]
    ignored: tuple[str, ...]


class AgiBotDataset:
    """One dataset of AgiBot World. Cheap to make: it reads task_info and lists folders."""

    def __init__(self, root: Path, reason: str = "") -> None:
        """List the episodes.

        Args:
            root: Folder of Alpha's layout, or an episode of the job layout or a folder above.
            reason: Why it was taken for AgiBot.

        Raises:
            DataError: `not_a_dataset` if there is no episode.
        """
        self.root = root.resolve()
        self._reason = reason
        self._alpha = layout.AlphaLayout(self.root) if layout.is_alpha(self.root) else None
        places = self._alpha.places if self._alpha else layout.job_places(self.root)
        if not places:
            raise DataError("not_a_dataset", f"{root} declares no AgiBot episode")
        self._places = places
        self._by_index = {place.index: place for place in places}

    @cached_property
    def info(self) -> DatasetInfo:
        """What task_info and the folders say; each episode is examined when it is looked at."""
        episodes = self._episodes
        problems = list(self._alpha.problems) if self._alpha else []
        if len(episodes) <= _COUNT_ALL:
            missing = sum(not e.present for e in episodes)
            if missing:
                text = f"{missing} of {len(episodes)} episodes are not on disk (partial download)"
                problems.append(Problem("partial_dataset", text, Severity.INFO))
        contents = self._contents
        return DatasetInfo(
            path=str(self.root),
            format="agibot",
            version="Alpha or Beta" if self._alpha else "jobs",
            reason=self._reason,
            fps=table.FPS,
            robot_type="a2d",
            cameras=contents.cameras,
            grippers=contents.grippers,
            episodes=episodes,
            problems=tuple(problems),
            found=contents.found,
            ignored=contents.ignored,
        )

    @cached_property
    def _episodes(self) -> LazyEpisodes:
        return LazyEpisodes(len(self._places), self._describe)

    # -- listing ---------------------------------------------------------------------------

    def _describe(self, position: int) -> EpisodeInfo:
        place = self._places[position]
        problems = self._missing(place)
        try:
            instruction = self._label(place).instruction
        except DataError as error:
            problems.append(Problem(error.code, str(error)))
            instruction = ""
        present = not any(p.severity is Severity.ERROR for p in problems)
        if not instruction:
            problems.append(Problem("instruction_empty", "the episode has no task text"))
        length = 0
        if present and len(self._places) <= _COUNT_ROWS:
            length = table.count_rows(Path(place.table))
        return EpisodeInfo(place.index, length, instruction, present, tuple(problems), place.name)

    def _label(self, place: Place) -> layout.Label:
        """What people wrote about an episode. Raises DataError."""
        path = place.label_file
        if place.label is not None or path is None or not path.is_file():
            return place.label or layout.Label("", 0)
        return layout.label_of(read_json(path))

    def _missing(self, place: Place) -> list[Problem]:
        """Why an episode cannot be opened, from names; tables and videos are not opened."""
        problems = []
        try:
            size = os.stat(place.table).st_size
        except OSError:
            size = -1
        if size < 0:
            text = self._absent(
                f"{self._short(place.table)} is not on disk", "proprio_stats", place
            )
            problems.append(Problem("missing_data", text, Severity.ERROR))
        elif size <= 1024 and is_lfs_pointer(Path(place.table)):
            text = lfs_sentence(self._short(place.table))
            problems.append(Problem("lfs_pointer", text, Severity.ERROR))
        if not any(
            name.lower().endswith((".mp4", ".mkv"))
            for folder in place.videos
            for name in layout.names_in(folder)
        ):
            text = f"{self._short(place.videos[0])} holds no video"
            text = self._absent(text, "observations", place)
            problems.append(Problem("missing_video", text, Severity.ERROR))
        return problems

    def _absent(self, text: str, part: str, place: Place) -> str:
        """Why a part is absent: packed, if there is a shard that should have it."""
        shard = self._alpha.packed(part, place) if self._alpha else ""
        return f"packed in {shard}: unpack it there" if shard else text

    def _short(self, path: Path | str) -> str:
        """A path for sentences, relative to the dataset."""
        return str(path)[len(str(self.root)) + 1 :] or self.root.name

    @cached_property
    def _contents(self) -> _Contents:
        """Cameras, grippers, what is used and what is not, from the first present episodes."""
        keys: dict[str, None] = {}
        grippers: tuple[GripperChannels, ...] = ()
        ignored: dict[str, None] = {}
        depth: dict[str, None] = {}
        steps = 0
        for position in _first_present(self._episodes):
            place = self._places[position]
            files, unused = cameras.camera_files(place)
            keys.update((f.key, None) for f in files)
            depth.update((f.key, None) for f in files if f.depth)
            ignored.update((text, None) for text in unused)
            try:
                steps += self._label(place).steps
                signals = table.read_signals(Path(place.table), self._short(place.table), [])
            except DataError as error:
                log.info("what the dataset holds: %s", error)
                continue
            ignored.update((name, None) for name in signals.unused[:6])
            if not grippers:
                grippers = table.gripper_channels(signals.state, signals.action)
        found = [f"{len(self._places)} episodes"]
        if keys:
            found.append(f"{len(keys)} cameras, one picture per row")
        if depth:
            found.append(f"depth of {', '.join(depth)} (16-bit millimetres)")
        if grippers:
            hands = any(len(g.indices) > 1 for g in grippers)
            arms = " and ".join(g.arm for g in grippers)
            found.append(f"{'hands' if hands else 'grippers'} of {arms}")
        if steps:
            ignored["action_config: steps marked by people; only the task name is used"] = None
        if self._alpha and self._alpha.tasks[1]:
            tasks = self._alpha.tasks[1]
            shown = ", ".join(tasks[:5]) + (", …" if len(tasks) > 5 else "")
            ignored[f"{len(tasks)} tasks of task_info with nothing on disk: {shown}"] = None
        ignored["lens distortion: pictures are shown as recorded"] = None
        return _Contents(tuple(keys), grippers, tuple(found), tuple(ignored))

    # -- opening ---------------------------------------------------------------------------

    def open(self, episode: int) -> Demonstration:
        """Read one episode's signals.

        Raises:
            DataError: With one sentence: unknown episode, missing or broken table.
        """
        place = self._place(episode)
        for problem in self._missing(place):
            if problem.code != "missing_video":
                raise DataError(problem.code, f"episode {episode}: {problem.message}")
        problems: list[Problem] = []
        signals = table.read_signals(Path(place.table), self._short(place.table), problems)
        try:
            instruction = self._label(place).instruction
        except DataError as error:
            problems.append(error.as_problem())
            instruction = ""
        files, _ = cameras.camera_files(place)
        if not files:
            problems.append(Problem("missing_video", "there is no video", Severity.ERROR))
        return assemble(
            dataset=self.root,
            episode=episode,
            files=[Path(place.table), *(f.video for f in files)],
            fps=table.FPS,
            instruction=instruction,
            robot_type="a2d",
            cameras=self._cameras(place, files, signals.length, problems),
            timestamps=signals.times,
            state=signals.state,
            action=signals.action,
            grippers=self._grippers(signals),
            problems=problems,
            identity=place.name,
        )

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> EpisodeReader:
        """Open a frame reader on one of this dataset's demonstrations."""
        place = self._place(demonstration.ref.episode)
        known = {camera.key: camera for camera in demonstration.cameras}
        pictures: dict[str, OpenPictures] = {}
        depths: dict[str, OpenDepth] = {}
        for files in cameras.camera_files(place)[0]:
            camera = known.get(files.key)
            if camera is None:
                continue
            pictures[files.key] = partial(_open_video, files, demonstration.timestamps)
            if files.depth:
                depths[files.key] = partial(_open_depth, files, camera)
        return EpisodeReader(pictures, depths, cache_bytes=cache_bytes)

    def _place(self, episode: int) -> Place:
        place = self._by_index.get(episode)
        if place is None:
            first, last = min(self._by_index), max(self._by_index)
            text = f"{self.root.name} has no episode {episode}; they are from {first} to {last}"
            raise DataError("no_such_episode", text)
        return place

    def _grippers(self, signals: table.Signals) -> tuple[GripperChannels, ...]:
        """The dataset's channels where this episode has them; tasks differ in their effectors."""
        own = table.gripper_channels(signals.state, signals.action)
        shared = {(g.arm, g.signal, g.names): g for g in self._contents.grippers}
        return tuple(
            replace(known, indices=g.indices)
            if (known := shared.get((g.arm, g.signal, g.names))) is not None
            else g
            for g in own
        )

    def _cameras(
        self,
        place: Place,
        files: Sequence[cameras.CameraFiles],
        length: int,
        problems: list[Problem],
    ) -> tuple[Camera, ...]:
        result = []
        for entry in files:
            shown = self._short(entry.video)
            try:
                facts = video_facts(entry.video, shown)
            except DataError as error:
                problems.append(error.as_problem())
                continue
            differs = count_problem(facts, length, shown)
            if differs is not None:
                problems.append(differs)
            intrinsics, why = cameras.read_intrinsics(place, entry.key, facts.width, facts.height)
            if why:
                problems.append(Problem("bad_calibration", why, Severity.INFO))
            pose, why = cameras.read_pose(place, entry.key)
            if why:
                problems.append(Problem("no_camera_pose", why, Severity.INFO))
            result.append(
                Camera(
                    key=entry.key,
                    width=facts.width,
                    height=facts.height,
                    codec=facts.codec,
                    depth_key=f"{entry.key}_depth" if entry.depth else None,
                    intrinsics=intrinsics,
                    camera_to_world=pose,
                )
            )
        return tuple(result)


def _open_video(files: cameras.CameraFiles, timestamps: F64, cache: PictureCache) -> PictureStream:
    return RowVideo(files.video, timestamps, cache=cache, name=files.key)


def _open_depth(files: cameras.CameraFiles, camera: Camera, cache: PictureCache) -> DepthStream:
    return cameras.DepthImages(files.depth, camera.width, camera.height)


def _first_present(episodes: Sequence[EpisodeInfo]) -> Iterator[int]:
    """Positions of the first present episodes; stops looking after a hundred."""
    left = _EXAMINE
    for position in range(min(len(episodes), 100)):
        if left and episodes[position].present:
            left -= 1
            yield position
