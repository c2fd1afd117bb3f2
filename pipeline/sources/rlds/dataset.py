"""RLDS datasets (Open X-Embodiment, BridgeData, ...): TFDS folders of TFRecords, no TensorFlow.

`tensorflow-datasets` would read them, too, but needs TensorFlow: 600 MB and seconds to import.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np

from pipeline.model.demonstration import (
    CACHE_BYTES,
    ClosedIs,
    DatasetInfo,
    Demonstration,
    EpisodeInfo,
    GripperChannels,
)
from pipeline.model.episodes import EpisodeArrays
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import assemble, natural
from pipeline.sources.formats import Recognition
from pipeline.sources.gripper_channels import guess_channels, is_opening, with_directions
from pipeline.sources.reader import EpisodeReader
from pipeline.sources.rlds.catalogue import DEFAULT_FPS, look_up
from pipeline.sources.rlds.episode import instruction_of, read_episode, step_count
from pipeline.sources.rlds.example import Example
from pipeline.sources.rlds.layout import layout_of
from pipeline.sources.rlds.pictures import episode_reader
from pipeline.sources.rlds.shards import EpisodeShards
from pipeline.sources.rlds.tfds_metadata import (
    FEATURES,
    INFO,
    read_card,
    read_features,
    shard_name,
)

log = logging.getLogger(__name__)

_READ_WHOLE = 64 << 20
"""Up to so many bytes all records are read at once, so that the table shows their lengths."""
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_MOST_ENTRIES = 256
"""Entries of a folder that are looked at for versions."""


def recognise(path: Path) -> Recognition | None:
    """Say whether `path` is a TFDS version folder, or holds one (`<name>[/<config>]/<version>`)."""
    if _is_version_folder(path):
        return Recognition(path, "features.json beside .tfrecord files")
    versions = _versions(path)
    if not versions:
        versions = [v for config in _folders(path) for v in _versions(config)]
        # Several configurations are several datasets; who drops their parent must choose.
        if len({v.parent for v in versions}) > 1:
            return None
    if not versions:
        return None
    best = max(versions, key=lambda v: natural(v.name))
    more = f", the newest of {len(versions)} versions" if len(versions) > 1 else ""
    return Recognition(best, f"features.json in {best.relative_to(path)}{more}")


def open_recognised(found: Recognition) -> RldsDataset:
    """Open a dataset. Raises DataError."""
    return RldsDataset(found.root, found.reason)


def _is_version_folder(path: Path) -> bool:
    if not (path / FEATURES).is_file():
        return False
    if (path / INFO).is_file():
        return True
    try:
        with os.scandir(path) as entries:
            return any(shard_name(entry.name) for entry in entries)
    except OSError:
        return False


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            first = itertools.islice(entries, _MOST_ENTRIES)
            return [Path(e.path) for e in first if e.is_dir() and not e.name.startswith(".")]
    except OSError:
        return []


def _versions(path: Path) -> list[Path]:
    return [f for f in _folders(path) if _VERSION.fullmatch(f.name) and _is_version_folder(f)]


@dataclass(frozen=True, slots=True)
class _Known:
    """What reading an episode's record taught: its length, instruction, or why it is broken."""

    length: int = 0
    instruction: str = ""
    problems: tuple[Problem, ...] = ()


class RldsDataset:
    """One version of a TFDS dataset of robot episodes.

    Cheap to make: it reads two JSON files and lists the folder. Records are found shard by shard
    when an episode is opened, unless the whole dataset is small.
    """

    def __init__(self, root: Path, reason: str = "features.json beside .tfrecord files") -> None:
        """Read the metadata.

        Args:
            root: Folder that holds `features.json`.
            reason: Why it was taken for RLDS.

        Raises:
            DataError: `bad_metadata`, `not_rlds`, `unsupported_file_format`, one sentence.
        """
        self.root = root.resolve()
        self._reason = reason
        self._card = read_card(self.root)
        if self._card.file_format != "tfrecord":
            text = (
                f"{self.root} is stored as {self._card.file_format}; only tfrecord can be opened: "
                "convert it with “tfds convert_format”"
            )
            raise DataError("unsupported_file_format", text)
        self._shards = EpisodeShards(self.root, self._card)
        self._dataset = self._card.name or self._shards.dataset_name() or self.root.parent.name
        self._catalogued = look_up(self._dataset)
        self.layout = layout_of(read_features(self.root), self._catalogued, str(self.root))
        self._fps = self._catalogued.fps if self._catalogued else DEFAULT_FPS
        self._known: dict[int, _Known] = {}
        self._columns: tuple[int, EpisodeArrays] | None = None

    # -- what is known before opening --------------------------------------------------------

    @cached_property
    def info(self) -> DatasetInfo:
        """What the metadata says; the episodes of a small dataset are read, too."""
        if self._shards.size() <= _READ_WHOLE:
            for episode in np.flatnonzero(self._shards.present()):
                self.learn(int(episode))
        return DatasetInfo(
            path=str(self.root),
            format="rlds",
            version=self._card.version,
            reason=self._reason,
            fps=self._fps,
            robot_type=self._catalogued.robot if self._catalogued else "",
            cameras=tuple(self.layout.cameras),
            grippers=self._grippers(),
            episodes=_Episodes(self),
            problems=tuple(self._problems()),
            found=self.layout.found,
            ignored=self.layout.ignored,
        )

    def learn(self, episode: int) -> EpisodeInfo:
        """Read an episode's record for its length and instruction; never raises.

        For the table's background work; `info.episodes` shows what was learned from then on.
        """
        if episode not in self._known and self._shards.shard_of(episode).present:
            where = self._shards.where(episode)
            try:
                example = self._example(episode)
                length = step_count(example, self.layout, where)
                text, _ = instruction_of(example, self.layout, length)
                self._remember(episode, length, text)
            except DataError as error:
                self._known[episode] = _Known(problems=(error.as_problem(),))
        return self.episode_info(episode)

    def _remember(self, episode: int, length: int, instruction: str) -> None:
        empty = Problem("instruction_empty", "the episode has no task text")
        self._known[episode] = _Known(length, instruction, () if instruction else (empty,))

    def episode_info(self, episode: int) -> EpisodeInfo:
        """What is known of an episode now; its length is 0 until its record was read."""
        shard = self._shards.shard_of(episode)
        name = self._shards.name_of(episode)
        if not shard.present:
            missing = Problem("missing_data", f"{shard.path.name} is not on disk", Severity.ERROR)
            return EpisodeInfo(episode, 0, "", False, (missing,), name)
        known = self._known.get(episode, _Known())
        broken = any(p.severity is Severity.ERROR for p in known.problems)
        return EpisodeInfo(
            episode, known.length, known.instruction, not broken, known.problems, name
        )

    def episode_columns(self) -> EpisodeArrays:
        """What is known of all episodes now, as columns."""
        taught = len(self._known)
        if self._columns is not None and self._columns[0] == taught:
            return self._columns[1]
        count = len(self._shards)
        known = {place: self.episode_info(place) for place in tuple(self._known)}
        texts = {"": 0}
        codes: dict[tuple[str, ...], int] = {(): 0, ("missing_data",): 1}
        length, text = np.zeros((2, count), np.int64)
        present = self._shards.present()
        code = np.where(present, 0, 1).astype(np.int64)
        for place, info in known.items():
            length[place], present[place] = info.length, info.present
            text[place] = texts.setdefault(info.instruction, len(texts))
            code[place] = codes.setdefault(tuple(p.code for p in info.problems), len(codes))
        columns = EpisodeArrays(
            np.arange(count),
            length,
            present,
            tuple(texts),
            text,
            tuple(codes),
            code,
            self._shards.names(),
        )
        self._columns = taught, columns
        return columns

    @property
    def episode_count(self) -> int:
        """Episodes of all splits, on disk or not."""
        return len(self._shards)

    def _problems(self) -> Iterator[Problem]:
        if self._catalogued is None:
            text = f"the format does not say the rate; {self._fps:g} steps per second assumed"
            yield Problem("rate_assumed", text)
        yield from self._shards.problems()

    # -- gripper -----------------------------------------------------------------------------

    def _grippers(self) -> tuple[GripperChannels, ...]:
        names = self.layout.state_names
        known = self._catalogued.gripper if self._catalogued else None
        if known is not None:
            place = 0
            for part in self.layout.state:
                if part.name == known.key and known.index < len(part.columns):
                    index = place + known.index
                    return (
                        GripperChannels(
                            "arm", "state", (index,), (names[index],), known.closed_is,
                            origin="format", reason=known.reason,
                        ),
                    )  # fmt: skip
                place += len(part.columns)
        guessed = self._guessed()
        if not guessed:
            return ()
        for episode in np.flatnonzero(self._shards.present())[:3]:
            try:
                return with_directions(guessed, self._open(int(episode), ()))
            except DataError as error:
                log.info("gripper direction: %s", error)
        return guessed

    def _guessed(self) -> tuple[GripperChannels, ...]:
        """By name, else the last of seven action channels: seven states may all be joints."""
        state, action = self.layout.state_names, self.layout.action_names
        if len(action) != 7 or any(is_opening(n) for n in (*state, *action)):
            return guess_channels(state, action, self._dataset)
        reason = "no telling names; an RLDS action of 7 usually ends with the gripper"
        return (GripperChannels("arm", "action", (6,), action[6:], ClosedIs.LOW, reason=reason),)

    # -- opening -----------------------------------------------------------------------------

    def open(self, episode: int) -> Demonstration:
        """Read one episode's signals. Raises DataError with one sentence."""
        return self._open(episode, self.info.grippers)

    def _open(self, episode: int, grippers: Sequence[GripperChannels]) -> Demonstration:
        where = self._shards.where(episode)
        content = self._shards.content(episode)
        read = read_episode(Example(content, where), self.layout, where)
        self._remember(episode, read.length, read.instruction)
        demonstration = assemble(
            dataset=self.root,
            episode=episode,
            # Of its record, not of a shard of hundreds of megabytes.
            files=(),
            identity=hashlib.blake2b(content, digest_size=16).hexdigest(),
            fps=self._fps,
            instruction=read.instruction,
            robot_type=self._catalogued.robot if self._catalogued else "",
            cameras=read.cameras,
            timestamps=np.arange(read.length, dtype=np.float64) / self._fps,
            state=read.state,
            action=read.action,
            grippers=grippers,
            problems=read.problems,
        )
        return replace(demonstration, files=(str(self._shards.shard_of(episode).path),))

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> EpisodeReader:
        """Open a frame reader on one of this dataset's demonstrations."""
        episode = demonstration.ref.episode
        where = self._shards.where(episode)
        return episode_reader(
            demonstration, self.layout, lambda: self._example(episode), where, cache_bytes
        )

    def _example(self, episode: int) -> Example:
        return Example(self._shards.content(episode), self._shards.where(episode))


class _Episodes(Sequence[EpisodeInfo]):
    """Infos of all episodes, made when looked at: what is learned later shows.

    Also `Columnar`: 60,000 episodes need no objects to be listed.
    """

    def __init__(self, dataset: RldsDataset) -> None:
        self._dataset = dataset

    @property
    def columns(self) -> EpisodeArrays:
        """What is known now, as columns."""
        return self._dataset.episode_columns()

    def __len__(self) -> int:
        return self._dataset.episode_count

    @overload
    def __getitem__(self, index: int) -> EpisodeInfo: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[EpisodeInfo, ...]: ...

    def __getitem__(self, index: int | slice) -> EpisodeInfo | tuple[EpisodeInfo, ...]:
        if isinstance(index, slice):
            return tuple(self._dataset.episode_info(i) for i in range(len(self))[index])
        return self._dataset.episode_info(range(len(self))[index])
