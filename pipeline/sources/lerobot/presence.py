"""Which episodes of a LeRobot dataset are on disk, and why others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.model.episodes import EpisodeArrays, Episodes
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.lerobot.episodes import EpisodeMetadata
from pipeline.sources.lerobot.paths import FileGroup, FileState

_EMPTY_TEXT = Problem("instruction_empty", "the episode has no task text")


class Presence:
    """State of every episode's files, group by group, asked of the disk once per folder."""

    def __init__(
        self,
        root: Path,
        episodes: EpisodeMetadata,
        data: FileGroup,
        videos: Mapping[str, FileGroup],
        always: bool,
    ) -> None:
        """Look at the folders.

        Args:
            root: Dataset folder, for short paths.
            episodes: The declared episodes.
            data: The tables.
            videos: The videos of the colour cameras by their keys.
            always: True if pictures need no video: there is no camera, or they are images.
        """
        self._root, self._episodes = root, episodes
        self._groups: tuple[FileGroup, ...] = (data, *videos.values())
        self._errors: list[DataError] = []
        states: list[NDArray[np.int8]] = []
        for group in self._groups:
            try:
                states.append(group.states)
            except DataError as error:
                self._errors.append(error)
                states.append(np.full(len(episodes), FileState.UNUSED, np.int8))
        self._states = np.stack(states, axis=1)
        self._always = always

    def episodes(self) -> Episodes:
        """The episodes as a lazy sequence."""
        meta, states = self._episodes, self._states
        there = states == FileState.THERE
        present = there[:, 0] & (there[:, 1:].any(axis=1) | self._always)
        if self._errors:
            present[:] = False
        empty = np.array([not t.strip() for t in meta.texts], np.bool_)[meta.text]
        # Few combinations of states exist, however many episodes there are.
        rows, codes = _distinct(np.column_stack([states, empty.astype(np.int8)]))
        sets = tuple(self._codes(row[:-1], bool(row[-1])) for row in rows)
        columns = EpisodeArrays(
            meta.index, meta.length, present, meta.texts, meta.text, sets, codes
        )
        return Episodes(columns, self._problems)

    def _codes(self, states: Sequence[int], empty: bool) -> tuple[str, ...]:
        codes = [e.code for e in self._errors]
        for group, state in zip(self._groups, states, strict=True):
            code = _code(group, FileState(int(state)))
            if code:
                codes.append(code)
        return (*codes, _EMPTY_TEXT.code) if empty else tuple(codes)

    def _problems(self, position: int) -> tuple[Problem, ...]:
        problems = [e.as_problem() for e in self._errors]
        for group, state in zip(self._groups, self._states[position], strict=True):
            code = _code(group, FileState(int(state)))
            if code:
                text = self._sentence(group, FileState(int(state)), position)
                problems.append(Problem(code, text, Severity.ERROR))
        if not self._episodes.instruction(position).strip():
            problems.append(_EMPTY_TEXT)
        return tuple(problems)

    def _sentence(self, group: FileGroup, state: FileState, position: int) -> str:
        if state is FileState.UNKNOWN:
            return group.unknown(position)
        path = group.expected(position)
        short = "its file" if path is None else short_path(self._root, path)
        return lfs_text(short) if state is FileState.POINTER else f"{short} is not on disk"


def _code(group: FileGroup, state: FileState) -> str:
    match state:
        case FileState.UNKNOWN:
            return "missing_metadata"
        case FileState.MISSING:
            return "missing_data" if group.is_data else "missing_video"
        case FileState.POINTER:
            return "lfs_pointer"
    return ""


def _distinct(
    rows: NDArray[np.int8],
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Distinct rows, and the place of each row in them.

    `np.unique` along an axis sorts rows as bytes, which takes 60 ms for 100,000; small numbers
    packed into one integer take 5.
    """
    if rows.shape[1] > 20:
        found, back = np.unique(rows, axis=0, return_inverse=True)
        return found, back.reshape(-1).astype(np.int64)
    packed = np.zeros(len(rows), np.int64)
    for column in rows.T:
        packed = packed * 8 + column
    _, first, back = np.unique(packed, return_index=True, return_inverse=True)
    return rows[first], back.reshape(-1).astype(np.int64)


def short_path(root: Path, path: Path) -> str:
    """Path below the dataset's folder, for sentences."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def lfs_text(path: str) -> str:
    """What to do about a Git-LFS pointer."""
    return f"{path} is a Git-LFS pointer, not the file itself: run “git lfs pull” in the dataset"
