"""Where the episodes of an RLDS dataset are: numbered over splits and shards, read one by one."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.model.arrays import Bool
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.rlds.tfds_metadata import MOST_EPISODES, Card, Shard, find_shards, shard_name
from pipeline.sources.rlds.tfrecord import RecordIndex, index_records, read_record

_FRAMING = 16
"""Bytes that TFRecord adds to a record."""


class EpisodeShards:
    """The shards of one dataset, present or not.

    Episodes keep their numbers whatever is downloaded: declared shards count although they are
    not on disk. A shard is indexed when one of its records is asked for first.
    """

    def __init__(self, root: Path, card: Card) -> None:
        """List the folder; shards whose length nobody declares are counted.

        Args:
            root: Version folder.
            card: What dataset_info.json declares.

        Raises:
            DataError: `missing_data` if there is no shard, `bad_metadata` if there are too many
                episodes.
        """
        self._root = root
        self._card = card
        self.shards: Sequence[Shard] = find_shards(root, card)
        if not self.shards:
            raise DataError("missing_data", f"{root} has features.json but no .tfrecord files")
        self._indices: dict[int, RecordIndex] = {}
        self._problems: list[Problem] = []
        self._counts = [self._count(i) for i in range(len(self.shards))]
        self._starts = [0, *itertools.accumulate(self._counts)]
        if len(self) > MOST_EPISODES:
            raise DataError("bad_metadata", f"{root}: {len(self):,} episodes")
        # Number of a split's first episode, for names such as val/3.
        self._first: dict[str, int] = {}
        for shard, start in zip(self.shards, self._starts, strict=False):
            self._first.setdefault(shard.split, start)

    def __len__(self) -> int:
        return self._starts[-1]

    def _count(self, number: int) -> int:
        shard = self.shards[number]
        if shard.length is not None:
            return shard.length
        if not shard.present:
            return 0
        try:
            index = self._index(number)
        except DataError as error:
            self._problems.append(error.as_problem())
            return 0
        if index.broken:
            self._problems.append(Problem("bad_record", f"{shard.path.name}: {index.broken}"))
        return len(index)

    def _index(self, number: int) -> RecordIndex:
        if number not in self._indices:
            self._indices[number] = index_records(self.shards[number].path)
        return self._indices[number]

    def _place(self, episode: int) -> tuple[int, int]:
        """Shard and record of an episode."""
        shard = bisect.bisect_right(self._starts, episode) - 1
        return shard, episode - self._starts[shard]

    def shard_of(self, episode: int) -> Shard:
        """The shard that holds an episode."""
        return self.shards[self._place(episode)[0]]

    def name_of(self, episode: int) -> str:
        """Split and number in it, e.g. `val/3`."""
        split = self.shard_of(episode).split
        return f"{split}/{episode - self._first[split]}"

    def names(self) -> tuple[str, ...]:
        """Names of all episodes."""
        return tuple(
            f"{shard.split}/{start + i - self._first[shard.split]}"
            for shard, start, n in zip(self.shards, self._starts, self._counts, strict=False)
            for i in range(n)
        )

    def present(self) -> Bool:
        """(N,) bool, True for each episode whose shard is on disk."""
        return np.repeat(np.array([s.present for s in self.shards], np.bool_), self._counts)

    def dataset_name(self) -> str:
        """Name of the dataset in the names of its files, empty if none is on disk."""
        for shard in self.shards:
            parts = shard_name(shard.path.name)
            if shard.present and parts is not None:
                return parts[0]
        return ""

    def size(self) -> int:
        """Bytes on disk."""
        return sum(_size(shard.path) for shard in self.shards if shard.present)

    def where(self, episode: int) -> str:
        """Name an episode in sentences.

        Raises:
            DataError: `no_such_episode` or `missing_data` if it cannot be opened.
        """
        if not 0 <= episode < len(self):
            text = f"{self._root.name} has no episode {episode}; it has 0 to {len(self) - 1}"
            raise DataError("no_such_episode", text)
        where = f"episode {episode} ({self.name_of(episode)})"
        shard = self.shard_of(episode)
        if not shard.present:
            raise DataError("missing_data", f"{where}: {shard.path.name} is not on disk")
        return where

    def content(self, episode: int) -> bytes:
        """Read an episode's record. Raises DataError."""
        number, record = self._place(episode)
        return read_record(self.shards[number].path, self._index(number), record)

    def problems(self) -> Iterator[Problem]:
        """Shards that cannot be read, are missing or cut off."""
        yield from self._problems
        absent = len(self) - int(self.present().sum())
        if absent:
            text = f"{absent} of {len(self)} episodes are not on disk (partial download)"
            yield Problem("partial_dataset", text, Severity.INFO)
        for split in self._card.splits:
            shards = [s for s in self.shards if s.split == split.name]
            if split.size is None or not all(s.present and s.length is not None for s in shards):
                continue
            expected = split.size + _FRAMING * sum(s.length or 0 for s in shards)
            have = sum(_size(s.path) for s in shards)
            if have < expected:
                text = f"split {split.name}: {have:,} of {expected:,} bytes are on disk"
                yield Problem("partial_dataset", f"{text}; a shard is cut off")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
