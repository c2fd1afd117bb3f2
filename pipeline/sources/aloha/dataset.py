"""ALOHA and ACT: a folder of HDF5 files, one episode each, with `observations/qpos`.

h5py is the library that the format is defined by; no library of readers exists for it.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
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
from pipeline.sources.aloha.episode import AlohaFacts, looks_like, read_facts, read_signals
from pipeline.sources.aloha.pictures import AlohaPictures, find_pictures
from pipeline.sources.assembly import assemble, natural
from pipeline.sources.formats import Recognition
from pipeline.sources.gripper_channels import with_agreed, with_directions
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.hdf5.pictures import pictures_reader
from pipeline.sources.name_words import words_of_name
from pipeline.sources.reader import EpisodeReader

log = logging.getLogger(__name__)

_EPISODE = re.compile(r"^episode_?(\d{1,9})\.(hdf5|h5)$", re.IGNORECASE)
_SUFFIXES = (".hdf5", ".h5")
_FILES_TRIED = 3
_MOST_FILES = 100_000


def recognise(path: Path) -> Recognition | None:
    """Say whether `path` is a folder of ALOHA episodes, or one of their files."""
    try:
        if path.is_dir():
            return _recognise_folder(path)
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            return None
    except OSError:
        return None
    match = _EPISODE.match(path.name)
    try:
        fits = hdf5.is_hdf5(path) and looks_like(path)
        damaged = not hdf5.is_hdf5(path)
    except DataError:
        fits, damaged = False, True
    if fits and match is None:
        return Recognition(path, "HDF5 with observations/qpos")
    if match is None or not (fits or damaged):
        return None
    # A damaged file is listed among its neighbours, with what is wrong with it.
    folder = _recognise_folder(path.parent)
    return None if folder is None else replace(folder, episode=int(match[1]))


def _recognise_folder(path: Path) -> Recognition | None:
    damaged = 0
    files = list(_episode_files(path).values())[:_FILES_TRIED]
    for file in files:
        try:
            if looks_like(file):
                return Recognition(path, "episode files with observations/qpos")
        except DataError:
            damaged += 1
    if files and damaged == len(files):
        return Recognition(path, "files named episode_<n>.hdf5")
    return None


def _episode_files(folder: Path) -> dict[int, Path]:
    """Episode files by their number, in that order; of two of one number the first by name."""
    found: dict[int, Path] = {}
    try:
        for index, path in enumerate(folder.iterdir()):
            match = _EPISODE.match(path.name)
            if match is None or not path.is_file():
                continue
            number = int(match[1])
            if number not in found or path.name < found[number].name:
                found[number] = path
            if index >= _MOST_FILES:
                break
    except OSError:
        return {}
    return dict(sorted(found.items()))


def open_recognised(found: Recognition) -> AlohaDataset:
    """Open a folder, or a file of another name as a dataset of one episode. Raises DataError."""
    return AlohaDataset(found.root, found.reason)


@dataclass(frozen=True, slots=True)
class _Read:
    """An episode that was read."""

    demonstration: Demonstration
    stored: AlohaPictures
    unused: tuple[str, ...]


class AlohaDataset:
    """A folder of episode files. Holds no file open."""

    def __init__(self, root: Path, reason: str = "") -> None:
        """List the episodes; reads attributes and shapes only.

        Args:
            root: Folder, or one file.
            reason: Why it was taken for this format.

        Raises:
            DataError: With one sentence if no file can be read.
        """
        self.root = root.resolve()
        self._reason = reason or "episode files with observations/qpos"
        is_folder = self.root.is_dir()
        self._files = _episode_files(self.root) if is_folder else {0: self.root}
        self._facts = {number: read_facts(path) for number, path in self._files.items()}
        good = [f for f in self._facts.values() if f.problem is None]
        if not good:
            problem = next((f.problem for f in self._facts.values() if f.problem), None)
            if problem is None:
                raise DataError("no_episodes", f"{self.root}: no episode files")
            raise DataError(problem.code, problem.message)
        self._main = good[0]
        self._cameras = tuple(
            sorted({c for f in self._facts.values() for c in f.cameras}, key=natural)
        )
        place = self.root if is_folder else self.root.parent
        self._words = words_of_name(self.root.stem if not is_folder else "") or next(
            (w for p in (place, place.parent) if (w := words_of_name(p.name))), ""
        )

    @cached_property
    def info(self) -> DatasetInfo:
        """What the files say."""
        first = self._first()
        return DatasetInfo(
            path=str(self.root),
            format="aloha",
            version="simulated" if self._main.simulated else "",
            reason=self._reason,
            fps=self._main.fps,
            robot_type="aloha",
            cameras=self._cameras,
            grippers=with_directions(first.demonstration.grippers, first.demonstration)
            if first
            else (),
            episodes=tuple(self._episode_info(n, f) for n, f in self._facts.items()),
            problems=tuple(self._problems()),
            found=tuple(self._found(first)),
            ignored=first.unused if first else (),
        )

    def open(self, episode: int) -> Demonstration:
        """Read one episode's signals.

        Raises:
            DataError: With one sentence: unknown episode, broken file.
        """
        return with_agreed(self._read(episode).demonstration, self.info.grippers)

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> EpisodeReader:
        """Open a frame reader on one of this dataset's episodes."""
        path = self._path(demonstration.ref.episode)
        with hdf5.open_file(path) as file:
            stored = find_pictures(file, demonstration.length)
        return pictures_reader(path, stored.pictures, stored.depths, cache_bytes)

    # -- episodes --------------------------------------------------------------------------

    def _path(self, episode: int) -> Path:
        if episode not in self._files:
            numbers = list(self._files)
            raise DataError(
                "no_such_episode",
                f"{self.root.name} has no episode {episode}; it has {numbers[0]} to {numbers[-1]}",
            )
        return self._files[episode]

    def _read(self, episode: int) -> _Read:
        """Read an episode with its own gripper channels, directions not yet guessed."""
        path = self._path(episode)
        facts = self._facts[episode]
        with hdf5.open_file(path) as file:
            signals = read_signals(path, file)
            stored = find_pictures(file, signals.length)
        problems = [*signals.problems, *stored.problems]
        if self._cameras and not stored.cameras:
            problems.append(Problem("missing_pictures", f"{path.name} has no pictures"))
        demonstration = assemble(
            dataset=self.root,
            episode=episode,
            files=[path],
            fps=facts.fps,
            instruction=facts.instruction or self._words,
            robot_type="aloha",
            cameras=stored.cameras,
            timestamps=np.arange(signals.length, dtype=np.float64) / facts.fps,
            state=signals.state,
            action=signals.action,
            grippers=signals.grippers,
            problems=problems,
            identity=signals.identity,
        )
        return _Read(demonstration, stored, (*signals.unused, *stored.unused))

    def _first(self) -> _Read | None:
        for episode in [n for n, f in self._facts.items() if f.problem is None][:3]:
            try:
                return self._read(episode)
            except DataError as error:
                log.info("first episode: %s", error)
        return None

    def _episode_info(self, number: int, facts: AlohaFacts) -> EpisodeInfo:
        name = facts.path.stem
        if facts.problem is not None:
            return EpisodeInfo(number, 0, "", False, (facts.problem,), name)
        problems = []
        if self._cameras and not facts.cameras:
            text = f"{facts.path.name} has no pictures"
            problems.append(Problem("missing_pictures", text, Severity.ERROR))
        instruction = facts.instruction or self._words
        if not instruction:
            problems.append(Problem("instruction_empty", "the episode has no task text"))
        present = not any(p.severity is Severity.ERROR for p in problems)
        return EpisodeInfo(number, facts.length, instruction, present, tuple(problems), name)

    # -- what was found --------------------------------------------------------------------

    def _found(self, first: _Read | None) -> list[str]:
        lines = [f"{len(self._files)} episode files"]
        if first is not None:
            for camera in first.demonstration.cameras:
                how = f", {camera.codec.upper()}" if camera.codec == "jpeg" else ""
                lines.append(f"{camera.key}, {camera.width} x {camera.height}{how}")
            lines += first.stored.found
            lines.append(
                f"state of {len(first.demonstration.state_names)} channels, "
                f"action of {len(first.demonstration.action_names)}"
            )
        said = "as the file says" if self._main.fps_said else "as ALOHA records"
        lines.append(f"{self._main.fps:g} Hz, {said}")
        return lines

    def _problems(self) -> list[Problem]:
        problems = []
        broken = [f for f in self._facts.values() if f.problem is not None]
        if broken:
            text = f"{len(broken)} of {len(self._facts)} episode files cannot be read"
            problems.append(Problem("partial_dataset", text))
        if not self._cameras:
            text = "no episode has pictures; only signals can be shown"
            problems.append(Problem("no_pictures", text))
        if self._words and not all(f.instruction for f in self._facts.values() if not f.problem):
            text = f"no instruction in the files; “{self._words}” comes from the folder's name"
            problems.append(Problem("instruction_from_name", text, Severity.INFO))
        rates = {f.fps for f in self._facts.values() if f.problem is None}
        if len(rates) > 1:
            text = "the files differ in their rate; each episode has its own"
            problems.append(Problem("rates_differ", text, Severity.INFO))
        return problems
