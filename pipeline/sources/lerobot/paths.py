"""Where the files of a LeRobot dataset lie: by the templates of info.json, or as they are named."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Mapping
from enum import IntEnum
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.model.arrays import I64
from pipeline.model.problem import DataError
from pipeline.sources.files import fill_template, is_lfs_pointer
from pipeline.sources.lerobot.episodes import EpisodeMetadata
from pipeline.sources.lerobot.search import FileSearch, Placement

_NUMBER_SPEC = re.compile(r"0?\d{0,2}d?")
_POINTER_BYTES = 1024
_POINTERS_READ = 16
"""Small files of a folder that are opened to see whether they are Git-LFS pointers; in a clone
without LFS all are, so that the others are taken to be like these (our choice)."""
_MOST_FOLDERS = 300_000
_NONE = -1
_LATEST = 1e8
"""Seconds of video in one file beyond which a start is no start: three years."""


class FileState(IntEnum):
    """What is where an episode's file should be."""

    UNUSED = 0  # The episode was recorded without this camera.
    UNKNOWN = 1  # The metadata does not say which file.
    MISSING = 2
    POINTER = 3
    THERE = 4


class Folders:
    """Names of files by folder, each folder read once: 100,000 presence checks must not cost
    100,000 questions to the disk.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, bool]] = {}

    def files(self, folder: str) -> dict[str, bool]:
        """Files of a folder by name: True if one is as small as a Git-LFS pointer.

        Of more than 64 files every sixteenth is measured, and all only if one of these is small:
        sizes take most of the time (our choice; opening a pointer that was overlooked says so).
        """
        known = self._known.get(folder)
        if known is None:
            try:
                with os.scandir(folder) as entries:
                    files = [e for e in entries if e.is_file()]
                few = files[::16] if len(files) > 64 else files
                if any(e.stat().st_size <= _POINTER_BYTES for e in few):
                    known = {e.name: e.stat().st_size <= _POINTER_BYTES for e in files}
                else:
                    known = dict.fromkeys((e.name for e in files), False)
            except OSError:
                known = {}
            self._known[folder] = known
        return known


class PathTemplate:
    """A path template of info.json, checked once so that filling it is cheap."""

    def __init__(self, root: Path, text: str, fixed: Mapping[str, str]) -> None:
        """Check the template.

        Args:
            root: Dataset folder.
            text: E.g. `data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet`.
            fixed: Values of fields that are texts (`video_key`).

        Raises:
            DataError: `bad_template` for unknown fields or formats, `path_escape` if it leads
                outside.
        """
        numbers = ("episode_index", "episode_chunk", "chunk_index", "file_index")
        fill_template(root, text, dict.fromkeys(numbers, 0) | dict(fixed))
        parts = list(string.Formatter().parse(text))
        for _, name, spec, _ in parts:
            if name in numbers and not _NUMBER_SPEC.fullmatch(spec or ""):
                raise DataError(
                    "bad_template",
                    f"path template “{text}” in info.json: {{{name}:{spec}}} is no plain number",
                )
        self.text = text
        self.fields = frozenset(name for _, name, _, _ in parts if name)
        self._fixed = dict(fixed)
        self._root = os.fspath(root)
        folder, _, name = text.rpartition("/")
        self._folder, self._name = folder, name
        self.name_fields = frozenset(f for _, f, _, _ in string.Formatter().parse(name) if f)

    @property
    def shared(self) -> bool:
        """True if several episodes share a file: decided by the template, not by the version."""
        return "episode_index" not in self.fields

    def folder(self, chunk: int, file: int, episode: int) -> str:
        """Folder of a file."""
        return os.path.join(self._root, self._fill(self._folder, chunk, file, episode))

    def name(self, chunk: int, file: int, episode: int) -> str:
        """Name of a file."""
        return self._fill(self._name, chunk, file, episode)

    def path(self, chunk: int, file: int, episode: int) -> Path:
        """Path of a file; it need not exist."""
        filled = self._fill(self.text, chunk, file, episode)
        return Path(os.path.normpath(os.path.join(self._root, filled)))

    def _fill(self, text: str, chunk: int, file: int, episode: int) -> str:
        return text.format(
            episode_index=episode,
            episode_chunk=chunk,
            chunk_index=chunk,
            file_index=file,
            **self._fixed,
        )

    def episode_pattern(self) -> re.Pattern[str]:
        """Matches file names; the group is the episode."""
        made = ""
        for literal, name, _, _ in string.Formatter().parse(self._name):
            made += re.escape(literal)
            if name in self._fixed:
                made += re.escape(self._fixed[name])
            elif name == "episode_index":
                made += r"(-?\d+)" if "(" not in made else r"-?\d+"
            elif name:
                made += r"-?\d+"
        return re.compile(made)


class FileGroup:
    """The tables, or the videos of one camera: which file holds each episode."""

    def __init__(
        self,
        root: Path,
        key: str | None,
        template: str | None,
        episodes: EpisodeMetadata,
        chunks_size: int,
        folders: Folders,
        search: FileSearch,
    ) -> None:
        """Ask nothing of the disk yet.

        Args:
            root: Dataset folder.
            key: Video feature, None for the tables.
            template: Path template, None if info.json has none.
            episodes: The declared episodes.
            chunks_size: Episodes per chunk of v2.
            folders: Listings, shared by the groups.
            search: Files as they are named, shared by the groups.
        """
        self._root, self._key, self._episodes = root, key, episodes
        self._text, self._chunks_size = template, min(chunks_size, 2**62)
        self._folders, self._search = folders, search
        self._prefix = "data" if key is None else f"videos/{key}"

    @cached_property
    def template(self) -> PathTemplate:
        """The template. Raises DataError if it cannot be used."""
        if self._text is None:
            raise DataError("missing_metadata", "info.json has video features but no video_path")
        fixed = {} if self._key is None else {"video_key": self._key, "image_key": self._key}
        return PathTemplate(self._root, self._text, fixed)

    @property
    def shared(self) -> bool:
        """True if a file holds several episodes."""
        placed = self.placement
        return self.template.shared if placed is None else placed.shared

    @cached_property
    def _chunk(self) -> I64:
        """(N,) chunk of each episode, -1 where unknown."""
        own = self._column("chunk_index")
        if own is None:
            own = np.full(len(self._episodes), _NONE, np.int64)
        if not self.template.shared or not {"chunk_index", "episode_chunk"} & self.template.fields:
            own = np.where(own == _NONE, self._episodes.index // self._chunks_size, own)
        return np.asarray(own, np.int64)

    @cached_property
    def _file(self) -> I64:
        """(N,) file of each episode, -1 where unknown or not needed."""
        own = self._column("file_index")
        return np.full(len(self._episodes), _NONE, np.int64) if own is None else own

    def _column(self, name: str) -> I64 | None:
        column = self._episodes.numbers.get(f"{self._prefix}/{name}")
        if column is None:
            return None
        usable = np.isfinite(column) & (np.abs(column) < 2**53)
        return np.where(usable, column, _NONE).astype(np.int64)

    def _known_file(self) -> NDArray[np.bool_]:
        """(N,) bool: the metadata says which file."""
        return np.asarray((self._file != _NONE) & (self._chunk != _NONE), np.bool_)

    # -- single episodes -------------------------------------------------------------------

    def path(self, position: int) -> Path | None:
        """File of an episode, None if it was recorded without this camera.

        Raises:
            DataError: If the metadata does not say, or the template is not usable.
        """
        expected = self._by_template(position)
        if expected is not None and expected.is_file():
            return expected
        placed = self.placement
        if placed is not None:
            return placed.path(self._episodes, position, self._prefix)
        state = self.states[position]
        if state == FileState.UNUSED:
            return None
        if state == FileState.UNKNOWN:
            raise DataError("missing_metadata", self.unknown(position))
        return expected

    def expected(self, position: int) -> Path | None:
        """File that an episode should have, whether or not it is there."""
        placed = self.placement
        if placed is not None:
            return placed.path(self._episodes, position, self._prefix)
        return self._by_template(position)

    def _by_template(self, position: int) -> Path | None:
        template = self.template
        if template.shared and not self._known_file()[position]:
            return None
        episode = int(self._episodes.index[position])
        return template.path(int(self._chunk[position]), int(self._file[position]), episode)

    def unknown(self, position: int) -> str:
        """Why the file of an episode is unknown, one sentence."""
        episode = int(self._episodes.index[position])
        for name in ("chunk_index", "file_index"):
            if f"{self._prefix}/{name}" in self._episodes.unusable:
                return f"episode {episode}: meta/episodes: {self._prefix}/{name} is no number"
        return f"episode {episode}: meta/episodes has no file for {self._prefix}"

    @property
    def is_data(self) -> bool:
        """True for the tables."""
        return self._key is None

    def following(self, path: Path) -> Path | None:
        """The shared file after one, for episodes that go on there; None if there is none."""
        placed = self.placement
        if placed is not None:
            return placed.following(path)
        template = self.template
        if not template.shared:
            return None
        pairs = np.unique(np.stack([self._chunk, self._file], axis=1)[self._known_file()], axis=0)
        paths = [template.path(int(c), int(f), 0) for c, f in pairs]
        if path in paths:
            chunk, file = (int(v) for v in pairs[paths.index(path)])
            for other in (template.path(chunk, file + 1, 0), template.path(chunk + 1, 0, 0)):
                if other != path and other.is_file():
                    return other
        return None

    def start(self, position: int, fps: float) -> float:
        """Where the episode starts in its video, seconds. Raises DataError."""
        start = self._episodes.number(position, f"{self._prefix}/from_timestamp")
        if start is not None:
            if not 0 <= start <= _LATEST:
                name = f"{self._prefix}/from_timestamp"
                raise DataError("bad_metadata", f"meta/episodes: {name} is {start:g} s")
            return start
        if self.shared and f"{self._prefix}/from_timestamp" not in self._episodes.numbers:
            # One video of all episodes in their order.
            return float(self._episodes.length[:position].sum()) / fps
        return 0.0

    def goes_on(self, position: int) -> bool:
        """True if the metadata lets an episode end in the next file: that file begins with
        something that belongs to no episode.
        """
        if not self.shared or self.placement is not None or self._key is None:
            return False
        starts = self._episodes.numbers.get(f"{self._prefix}/from_timestamp")
        if starts is None or not self._known_file()[position]:
            return False
        file, chunk = self._file[position], self._chunk[position]
        same_chunk = (self._chunk == chunk) & (self._file == file + 1)
        later = same_chunk | ((self._chunk == chunk + 1) & (self._file == 0))
        last = starts[position] >= np.nanmax(
            starts[(self._file == file) & (self._chunk == chunk)], initial=-np.inf
        )
        return bool(last and later.any() and np.nanmin(starts[later], initial=np.inf) > 0)

    # -- all episodes ----------------------------------------------------------------------

    @cached_property
    def _template_states(self) -> NDArray[np.int8]:
        template, count = self.template, len(self._episodes)
        if template.shared:
            states = np.full(count, FileState.UNKNOWN, np.int8)
            known = self._known_file()
            declared = self._key is not None and f"{self._prefix}/file_index" in (
                self._episodes.numbers.keys() | self._episodes.unusable
            )
            if declared and f"{self._prefix}/file_index" not in self._episodes.unusable:
                states[self._file == _NONE] = FileState.UNUSED
            pairs, back = np.unique(
                np.stack([self._chunk, self._file], axis=1)[known], axis=0, return_inverse=True
            )
            each = [self._one(template, int(c), int(f)) for c, f in pairs]
            states[known] = np.array(each, np.int8)[back.reshape(-1)] if each else states[known]
            return states
        states = np.full(count, FileState.MISSING, np.int8)
        if "episode_index" not in template.name_fields:
            return self._by_folder(template, states)
        chunks, back = np.unique(self._chunk, return_inverse=True)
        order = np.argsort(back, kind="stable")
        bounds = np.searchsorted(back[order], np.arange(len(chunks) + 1))
        pattern = template.episode_pattern()
        for i, chunk in enumerate(chunks):
            rows = order[bounds[i] : bounds[i + 1]]
            self._in_folder(template, pattern, int(chunk), rows, states)
        return states

    def _one(self, template: PathTemplate, chunk: int, file: int) -> FileState:
        folder = template.folder(chunk, file, 0)
        name = template.name(chunk, file, 0)
        small = self._folders.files(folder).get(name)
        if small is None:
            return FileState.MISSING
        pointer = small and is_lfs_pointer(Path(folder, name))
        return FileState.POINTER if pointer else FileState.THERE

    def _in_folder(
        self,
        template: PathTemplate,
        pattern: re.Pattern[str],
        chunk: int,
        rows: I64,
        states: NDArray[np.int8],
    ) -> None:
        """Mark the episodes of one folder by the names in it."""
        folder = template.folder(chunk, 0, 0)
        episodes, sizes = [], []
        for name, is_small in self._folders.files(folder).items():
            match = pattern.fullmatch(name)
            if match and len(match[1]) < 18:
                episode = int(match[1])
                if template.name(chunk, 0, episode) == name:
                    episodes.append(episode)
                    sizes.append(is_small)
        if not episodes:
            return
        here = np.array(episodes, np.int64)
        small = np.flatnonzero(np.array(sizes))
        kinds = np.full(len(here), FileState.THERE, np.int8)
        kinds[small] = self._pointers([template.path(chunk, 0, int(here[i])) for i in small])
        known = self._episodes.index[rows]
        place = np.minimum(np.searchsorted(known, here), len(known) - 1)
        fits = known[place] == here
        states[rows[place[fits]]] = kinds[fits]

    @staticmethod
    def _pointers(paths: list[Path]) -> NDArray[np.int8]:
        read = [is_lfs_pointer(path) for path in paths[:_POINTERS_READ]]
        rest = bool(read) and all(read)
        if len(paths) > _POINTERS_READ and any(read) and not rest:
            read, rest = [is_lfs_pointer(path) for path in paths], False
        read += [rest] * (len(paths) - len(read))
        return np.where(read, FileState.POINTER, FileState.THERE).astype(np.int8)

    def _by_folder(self, template: PathTemplate, states: NDArray[np.int8]) -> NDArray[np.int8]:
        """Templates with a folder per episode."""
        if len(states) > _MOST_FOLDERS:
            raise DataError(
                "bad_template", f"“{template.text}”: {len(states)} folders are too many to look at"
            )
        for position in range(len(states)):
            path = template.path(int(self._chunk[position]), 0, int(self._episodes.index[position]))
            if path.is_file():
                states[position] = FileState.POINTER if is_lfs_pointer(path) else FileState.THERE
        return states

    @cached_property
    def placement(self) -> Placement | None:
        """How the files are really named, if the template gives none of them; None otherwise."""
        wanted = self._template_states
        wanted = wanted[wanted != FileState.UNUSED]
        if not len(wanted) or (wanted >= FileState.POINTER).any():
            return None
        return self._search.place(self._key, self.template.shared, self._episodes, self._prefix)

    @cached_property
    def states(self) -> NDArray[np.int8]:
        """(N,) int8 `FileState` of every episode's file. Raises DataError."""
        placed = self.placement
        if placed is None:
            return self._template_states
        states = np.full(len(self._episodes), FileState.MISSING, np.int8)
        kinds: dict[Path, FileState] = {}
        for position in range(len(states)):
            path = placed.path(self._episodes, position, self._prefix)
            if path is not None:
                if path not in kinds:
                    pointer = is_lfs_pointer(path)
                    kinds[path] = FileState.POINTER if pointer else FileState.THERE
                states[position] = kinds[path]
        return states
