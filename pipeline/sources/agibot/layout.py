"""Folders of AgiBot World, in both layouts, and where each part of an episode lies.

    Alpha, Beta:  task_info/task_<task>.json
                  observations/<task>/<episode>/{videos,depth}
                  proprio_stats/<task>/<episode>/proprio_stats.h5
                  parameters/<task>/<episode>/[parameters/]camera/<camera>_*_params*.json
                  (on the Hub as shards, e.g. observations/761/903510-908852.tar)
    jobs:         <job>/<robot>/<episode>/{aligned_joints.h5, data_info.json, <camera>.mp4}

`aligned_joints.h5` alone proves nothing, other robots' recorders write that name too. Source: the
dataset cards, and the detection rule of any4lerobot.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import natural
from pipeline.sources.files import read_json
from pipeline.sources.hdf5 import access as hdf5

log = logging.getLogger(__name__)

ALPHA_TABLE = "proprio_stats.h5"
JOB_TABLE = "aligned_joints.h5"
JOB_INFO = "data_info.json"
_PARTS = ("observations", "proprio_stats", "parameters")
_TASK_FILE = re.compile(r"task_(\w+)\.json")
_SHARD = re.compile(r"(\d+)-(\d+)\.(tar|tar\.gz|tgz)")
_PACKED = (".tar", ".tar.gz", ".tgz")
_MOST_NUMBER = 10**16
_MOST_NAMES = 2_000_000
_MOST_FOLDERS = 500_000
_MOST_LISTED = 200_000
"""Episodes of task_info that are listed although nothing of them is on disk."""
_LOOK_AT = 50
_JOB_DEPTH = 4
"""Levels above an episode that may be opened: robot, job, task, all tasks."""


@dataclass(frozen=True, slots=True)
class Label:
    """What people wrote about an episode.

    Attributes:
        instruction: Task name, else the texts of its steps; English is preferred.
        steps: Number of steps (action_config) that people marked.
    """

    instruction: str
    steps: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where one episode lies. Nothing of it need exist.

    Paths are made when they are asked for: of a hundred thousand episodes few are.

    Attributes:
        index: Its number in the dataset, or its position.
        base: Root of Alpha's layout, or the episode's folder of the job layout.
        name: Folders that lead to it, for people.
        episode: Name of its folder.
        task: Task folder in Alpha's layout, empty for the job layout.
        label: What people wrote, None if a file of its own may say it.
    """

    index: int
    base: str
    name: str
    episode: str
    task: str = ""
    label: Label | None = None

    def inside(self, part: str) -> str:
        """The folder of a part of this episode: one of Alpha's three, or the episode itself."""
        return f"{self.base}/{part}/{self.task}/{self.episode}" if self.task else self.base

    @property
    def table(self) -> str:
        """HDF5 file of state and action."""
        return f"{self.inside('proprio_stats')}/{ALPHA_TABLE if self.task else JOB_TABLE}"

    @property
    def videos(self) -> tuple[str, ...]:
        """Folders that may hold its videos."""
        folder = self.inside("observations")
        own = f"{folder}/videos"
        return (own,) if self.task else (folder, own, f"{folder}/camera")

    @property
    def depth(self) -> Path:
        """Folder of depth images."""
        return Path(self.inside("observations"), "depth")

    @property
    def tactile(self) -> Path:
        """Folder of tactile videos."""
        return Path(self.inside("observations"), "tactile")

    @property
    def cameras(self) -> tuple[Path, ...]:
        """Folders that may hold calibrations."""
        folder = Path(self.inside("parameters"))
        return folder / "parameters" / "camera", folder / "camera", folder / "parameters"

    @property
    def label_file(self) -> Path | None:
        """The file of its own that may hold the label."""
        return None if self.task else Path(self.base, JOB_INFO)


def label_of(entry: Any) -> Label:
    """Read the label from an entry of task_info or from data_info.json, of whatever types."""
    if not isinstance(entry, Mapping):
        return Label("", 0)
    info = entry.get("label_info")
    steps = info.get("action_config") if isinstance(info, Mapping) else None
    steps = steps if isinstance(steps, list) else []
    instruction = _text(entry, "english_task_name") or _text(entry, "task_name")
    if not instruction:
        texts = [
            _text(step, "english_action_text") or _text(step, "action_text")
            for step in steps[:100]
            if isinstance(step, Mapping)
        ]
        instruction = "; ".join(text for text in texts if text)
    return Label(instruction, len(steps))


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value.strip() if isinstance(value, str) else ""


# -- Alpha and Beta ------------------------------------------------------------------------


def is_alpha(path: Path) -> bool:
    """True if a folder has at least two of the three folders that Alpha and Beta consist of."""
    parts = ("task_info", "proprio_stats", "observations")
    return sum((path / part).is_dir() for part in parts) >= 2


def alpha_part(path: Path) -> tuple[Path, int | None] | None:
    """Root and episode number of a file or folder inside Alpha's layout, by its parents' names."""
    for above in list(path.parents)[:6]:
        if above.name in _PARTS and is_alpha(above.parent):
            below = path.relative_to(above).parts
            number = below[1] if len(below) > 1 else ""
            return above.parent, number_of(number)
    return None


@dataclass
class AlphaLayout:
    """Episodes of Alpha and Beta: what task_info declares and what is on disk.

    Attributes:
        root: Folder with task_info.
    """

    root: Path
    _folders: dict[Path, frozenset[str]] = field(default_factory=dict)
    _shards: dict[tuple[str, str], tuple[tuple[int, int, str], ...]] = field(default_factory=dict)

    @cached_property
    def tasks(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Tasks with anything on disk, and tasks that only task_info knows."""
        declared = set(self._task_files)
        present = {
            name
            for part in ("observations", "proprio_stats")
            for name in self._names(self.root / part)
            if (self.root / part / name).is_dir()
        }
        if not present:
            return tuple(sorted(declared, key=natural)), ()
        return (
            tuple(sorted(present, key=natural)),
            tuple(sorted(declared - present, key=natural)),
        )

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Task files that cannot be used. Known after `places` was asked for."""
        self.places  # noqa: B018 - reads them
        return tuple(self._problems)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """All episodes, by task and number."""
        self._problems: list[Problem] = []
        listed: list[tuple[str, str, Label | None]] = []
        for task in self.tasks[0]:
            labels = self._labels(task)
            on_disk = {
                name
                for part in ("observations", "proprio_stats")
                for name in self._names(self.root / part / task)
                if number_of(name) is not None
            }
            room = max(0, _MOST_LISTED - len(listed))
            names = on_disk | set(islice(labels, room))
            listed += [(task, n, labels.get(n)) for n in sorted(names, key=natural)]
        numbers = [int(name) for _, name, _ in listed]
        unique = len(set(numbers)) == len(numbers)
        return tuple(
            Place(
                number if unique else position, str(self.root), f"{task}/{name}", name, task, label
            )
            for position, (number, (task, name, label)) in enumerate(
                zip(numbers, listed, strict=True)
            )
        )

    def packed(self, part: str, place: Place) -> str:
        """The shard that holds a part of an episode, relative to the root; empty if none."""
        key = (part, place.task)
        if key not in self._shards:
            self._shards[key] = self._find_shards(part, place.task)
        number = number_of(place.episode)
        for low, high, name in self._shards[key]:
            if number is not None and low <= number <= high:
                return name
        return ""

    def _find_shards(self, part: str, task: str) -> tuple[tuple[int, int, str], ...]:
        """Packed files of a part of a task, with the first and last episode of each."""
        inside, beside = f"{part}/{task}", part
        ranges, whole = [], []
        for where in (inside, beside):
            for name in sorted(self._names(self.root / where)):
                shard = _SHARD.fullmatch(name) if where == inside else None
                if shard is not None:
                    ranges.append((int(shard[1]), int(shard[2]), f"{where}/{name}"))
                elif name.endswith(_PACKED) and name.split(".")[0] in (task, part):
                    whole.append((0, _MOST_NUMBER, f"{where}/{name}"))
        return (*ranges, *whole)

    @cached_property
    def _task_files(self) -> dict[str, Path]:
        folder = self.root / "task_info"
        matches = ((name, _TASK_FILE.fullmatch(name)) for name in self._names(folder))
        return {match[1]: folder / name for name, match in matches if match is not None}

    def _labels(self, task: str) -> dict[str, Label]:
        path = self._task_files.get(task)
        if path is None:
            return {}
        try:
            entries = read_json(path, 128 << 20)
            if not isinstance(entries, list):
                raise DataError("bad_metadata", f"{path.name}: is no list of episodes")
        except DataError as error:
            self._problems.append(Problem(error.code, str(error), Severity.WARNING))
            return {}
        labels = {}
        for entry in entries:
            number = entry.get("episode_id") if isinstance(entry, dict) else None
            if isinstance(number, int | str) and number_of(str(number)) is not None:
                labels[str(int(number))] = label_of(entry)
        return labels

    def _names(self, folder: Path) -> frozenset[str]:
        if folder not in self._folders:
            self._folders[folder] = frozenset(names_in(folder))
        return self._folders[folder]


# -- Jobs ----------------------------------------------------------------------------------


def is_job_episode(path: Path) -> bool:
    """True for a folder with aligned_joints.h5 that is AgiBot's: by data_info.json or content."""
    if not (path / JOB_TABLE).is_file():
        return False
    return (path / JOB_INFO).is_file() or _is_agibot_table(path / JOB_TABLE)


def _is_agibot_table(path: Path) -> bool:
    if not hdf5.is_hdf5(path):
        return False
    try:
        with hdf5.open_file(path) as file:
            state = set(hdf5.keys(hdf5.child(file, "state")))
            action = set(hdf5.keys(hdf5.child(file, "action")))
    except DataError as error:
        log.info("%s", error)
        return False
    effectors = {"effector", "left_effector", "right_effector"}
    return "joint" in state and bool(effectors & state) and bool(action)


def job_level(path: Path) -> str:
    """What a folder of the job layout is: `episode`, `robot`, `job`, `task`, `tasks` or empty.

    Above the robot only folders named by a number are looked into, and few of them: recognition
    is asked for every parent of a dropped path.
    """
    if is_job_episode(path):
        return "episode"
    folders = _subfolders(path)
    episodes = [f for f in folders if is_job_episode(path / f)]
    # One such folder among others does not make their parent a dataset.
    if any(f.isdecimal() for f in episodes) or 2 * len(episodes) > len(folders):
        return "robot"
    for depth, kind in ((1, "job"), (2, "task"), (3, "tasks")):
        if _has_episode(path, depth):
            return kind
    return ""


def _has_episode(path: Path, depth: int) -> bool:
    """True if a numbered folder `depth` levels below a child of `path` is an episode."""
    folders = _subfolders(path)
    if depth == 0:
        return any(is_job_episode(path / f) for f in folders if f.isdecimal())
    # Jobs and tasks are numbers; the robot above the episodes has a serial number.
    inside = folders if depth == 1 else [f for f in folders if f.isdecimal()][:3]
    return any(_has_episode(path / f, depth - 1) for f in inside)


def job_places(root: Path) -> tuple[Place, ...]:
    """All episode folders at or below a folder of the job layout, sorted by path."""
    found: list[Path] = []
    seen = 0

    def walk(folder: Path, depth: int) -> None:
        nonlocal seen
        names = names_in(folder)
        seen += len(names)
        if JOB_TABLE in names or (JOB_INFO in names and depth):
            found.append(folder)
        elif depth < _JOB_DEPTH and seen < _MOST_FOLDERS:
            for name in sorted(names, key=natural):
                inner = folder / name
                if not name.startswith(".") and inner.is_dir() and not is_loop(inner):
                    walk(folder / name, depth + 1)

    walk(root, 0)
    numbers = [number_of(folder.name) for folder in found]
    unique = None not in numbers and len(set(numbers)) == len(numbers)
    return tuple(
        Place(
            index=number if unique and number is not None else position,
            base=str(folder),
            name=folder.name if folder == root else folder.relative_to(root).as_posix(),
            episode=folder.name,
        )
        for position, (number, folder) in enumerate(zip(numbers, found, strict=True))
    )


def is_loop(folder: Path) -> bool:
    """True for a link to a folder that it lies in: walking it would find everything again."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def number_of(name: str) -> int | None:
    """An episode's number from the name of its folder, None if that is no number."""
    return int(name) if name.isdecimal() and len(name) <= 16 else None


def names_in(folder: Path | str, most: int = _MOST_NAMES) -> list[str]:
    """Names in a folder, empty if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, most)]
    except OSError:
        return []


def _subfolders(path: Path) -> Sequence[str]:
    try:
        with os.scandir(path) as entries:
            folders: Iterable[str] = (
                e.name for e in islice(entries, 5000) if not e.name.startswith(".") and e.is_dir()
            )
            return sorted(folders)[:_LOOK_AT]
    except OSError:
        return []
