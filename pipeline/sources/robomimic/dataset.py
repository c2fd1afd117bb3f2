"""robomimic and LIBERO: HDF5 files with demonstrations below `data`, one file or a folder of them.

h5py is the library these formats are defined by; robomimic's own reader needs torch.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.model.demonstration import (
    CACHE_BYTES,
    DatasetInfo,
    Demonstration,
    EpisodeInfo,
)
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import assemble, natural
from pipeline.sources.formats import Recognition
from pipeline.sources.gripper_channels import with_agreed, with_directions
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.hdf5.pictures import pictures_reader
from pipeline.sources.reader import EpisodeReader
from pipeline.sources.robomimic.episode import find_pictures, read_signals
from pipeline.sources.robomimic.file import Demo, TaskFile, looks_like, read_file
from pipeline.sources.robomimic.report import (
    ReadDemo,
    found_in,
    ignored_in,
    problems_of,
    version_of,
)

log = logging.getLogger(__name__)

_SUFFIXES = (".hdf5", ".h5", ".hdf")
_OTHERS = ("episode", "trajectory", "aligned_joints", "proprio_stats")
"""Beginnings of names that other formats give their HDF5 files."""
_FILES_TRIED = 3
_MOST_FILES = 10_000


def recognise(path: Path) -> Recognition | None:
    """Say whether `path` is a file with demonstrations, or a folder of such files."""
    try:
        if path.is_dir():
            return _recognise_folder(path)
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            return None
    except OSError:
        return None
    own_name = path.suffix.lower() == ".hdf5" and not path.name.lower().startswith(_OTHERS)
    if not hdf5.is_hdf5(path):
        # It is named like one; opening it says in a sentence what is wrong with it.
        return Recognition(path, "named .hdf5") if own_name else None
    try:
        if looks_like(path):
            return Recognition(path, "HDF5 with demonstrations below “data”")
    except DataError:
        return Recognition(path, "an HDF5 file") if own_name else None
    return None


def _recognise_folder(path: Path) -> Recognition | None:
    files = _files_of(path)
    damaged = 0
    for file in files[:_FILES_TRIED]:
        try:
            if looks_like(file):
                text = f"{len(files)} HDF5 files" if len(files) > 1 else "an HDF5 file"
                return Recognition(path, f"{text} with demonstrations below “data”")
        except DataError:
            damaged += file.stem.endswith("_demo")
    if damaged and damaged == len(files[:_FILES_TRIED]):
        return Recognition(path, "files named _demo.hdf5")
    return None


def _files_of(folder: Path) -> list[Path]:
    """HDF5 files of a folder whose names no other format uses, in natural order."""
    found = []
    try:
        for index, entry in enumerate(folder.iterdir()):
            if index >= _MOST_FILES:
                break
            name = entry.name.lower()
            if name.endswith(_SUFFIXES) and not name.startswith((".", *_OTHERS)):
                found.append(entry)
        return sorted((p for p in found if p.is_file()), key=lambda p: natural(p.name))
    except OSError:
        return []


def open_recognised(found: Recognition) -> RobomimicDataset:
    """Open a file or a folder. Raises DataError."""
    return RobomimicDataset(found.root, found.reason)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One episode: a demonstration of a file; none if the file is broken."""

    task: TaskFile
    demo: Demo | None
    name: str

    @property
    def instruction(self) -> str:
        return (self.demo.instruction if self.demo else "") or self.task.instruction


class RobomimicDataset:
    """One file, or a folder whose files are tasks. Holds no file open."""

    def __init__(self, root: Path, reason: str = "") -> None:
        """List the demonstrations; reads names, attributes and shapes only.

        Args:
            root: File or folder.
            reason: Why it was taken for this format.

        Raises:
            DataError: With one sentence if there is no file that can be read.
        """
        self.root = root.resolve()
        self._reason = reason or "HDF5 with demonstrations below “data”"
        self._folder = self.root.is_dir()
        files = _files_of(self.root) if self._folder else [self.root]
        tasks = [read_file(path) for path in files]
        self._foreign = tuple(
            t.path.name for t in tasks if t.problem is not None and t.problem.code == "no_episodes"
        )
        self._tasks = tuple(t for t in tasks if t.path.name not in self._foreign)
        if not any(t.demos for t in self._tasks):
            broken = next((t.problem for t in tasks if t.problem is not None), None)
            if broken is None:
                raise DataError("no_episodes", f"{self.root}: no HDF5 files")
            raise DataError(broken.code, broken.message)
        self._entries = tuple(
            entry for task in self._tasks for entry in _entries(task, self._folder)
        )
        self._cameras = tuple(
            dict.fromkeys(c for t in self._tasks for d in t.demos for c in d.layout.cameras)
        )

    @cached_property
    def info(self) -> DatasetInfo:
        """What the files say."""
        first = self._first()
        main = next(t for t in self._tasks if t.demos)
        return DatasetInfo(
            path=str(self.root),
            format="robomimic",
            version=version_of(main),
            reason=self._reason,
            fps=main.fps,
            robot_type=main.robot,
            cameras=self._cameras,
            grippers=with_directions(first.demonstration.grippers, first.demonstration)
            if first
            else (),
            episodes=tuple(self._episode_info(i) for i in range(len(self._entries))),
            problems=problems_of(self._tasks),
            found=found_in(self._tasks, first),
            ignored=ignored_in(self._tasks, self._foreign, first),
        )

    def open(self, episode: int) -> Demonstration:
        """Read one demonstration's signals.

        Raises:
            DataError: With one sentence: unknown episode, broken file or demonstration.
        """
        return with_agreed(self._read(episode).demonstration, self.info.grippers)

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> EpisodeReader:
        """Open a frame reader on one of this dataset's demonstrations."""
        task, demo = self._demo(demonstration.ref.episode)
        with hdf5.open_file(task.path) as file:
            stored = find_pictures(task, demo, file, demonstration.length)
        return pictures_reader(task.path, stored.pictures, stored.depths, cache_bytes)

    def _read(self, episode: int) -> ReadDemo:
        """Read a demonstration with its own gripper channels, directions not yet guessed."""
        task, demo = self._demo(episode)
        with hdf5.open_file(task.path) as file:
            signals = read_signals(task, demo, file)
            stored = find_pictures(task, demo, file, signals.length)
        problems = [*signals.problems, *stored.problems]
        if self._cameras and not stored.cameras:
            problems.append(Problem("missing_pictures", f"{demo.name} has no pictures"))
        demonstration = assemble(
            dataset=self.root,
            episode=episode,
            files=[task.path],
            fps=task.fps,
            instruction=self._entries[episode].instruction,
            robot_type=task.robot,
            cameras=stored.cameras,
            timestamps=np.arange(signals.length, dtype=np.float64) / task.fps,
            state=signals.state,
            action=signals.action,
            grippers=signals.grippers,
            problems=problems,
            identity=f"{task.path.name}/{demo.name}/{signals.identity}",
        )
        return ReadDemo(demo, demonstration, stored)

    # -- listing ---------------------------------------------------------------------------

    def _demo(self, episode: int) -> tuple[TaskFile, Demo]:
        if not 0 <= episode < len(self._entries):
            raise DataError(
                "no_such_episode",
                f"{self.root.name} has no episode {episode}; it has 0 to {len(self._entries) - 1}",
            )
        entry = self._entries[episode]
        if entry.demo is None:
            problem = entry.task.problem
            code, text = (problem.code, problem.message) if problem else ("bad_hdf5", entry.name)
            raise DataError(code, f"episode {episode}: {text}")
        return entry.task, entry.demo

    def _episode_info(self, index: int) -> EpisodeInfo:
        entry = self._entries[index]
        task, demo = entry.task, entry.demo
        if demo is None:
            problems = (task.problem,) if task.problem is not None else ()
            return EpisodeInfo(index, 0, "", False, problems, entry.name)
        found = list(demo.problems)
        if self._cameras and not demo.layout.cameras:
            text = f"{demo.name} has no pictures"
            found.append(Problem("missing_pictures", text, Severity.ERROR))
        if not entry.instruction:
            found.append(Problem("instruction_empty", "the file has no task text"))
        present = not any(p.severity is Severity.ERROR for p in found)
        return EpisodeInfo(index, demo.length, entry.instruction, present, tuple(found), entry.name)

    def _first(self) -> ReadDemo | None:
        """The first demonstration that can be read, of three."""
        present = [i for i, e in enumerate(self._entries) if e.demo is not None and e.demo.length]
        for index in present[:3]:
            try:
                return self._read(index)
            except DataError as error:
                log.info("first demonstration: %s", error)
        return None


def _entries(task: TaskFile, in_folder: bool) -> list[_Entry]:
    if not task.demos:
        return [_Entry(task, None, task.task)]
    return [_Entry(task, d, f"{task.task}/{d.name}" if in_folder else d.name) for d in task.demos]
