"""Files that are not where info.json says: found by their names, once and within bounds."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.model.arrays import I64
from pipeline.sources.arrow_numbers import numbers_of
from pipeline.sources.lerobot.episodes import EpisodeMetadata

log = logging.getLogger(__name__)

_MOST_FILES = 300_000
_DEEPEST = 6
_MOST_TABLES_READ = 2_000
_VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov")
_LAST_NUMBER = re.compile(r"(\d{1,15})(?!.*\d)")
_SKIPPED = frozenset({"meta", "images", "logs", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Placement:
    """Files by what their names say.

    Attributes:
        shared: True if a file holds several episodes.
        files: All files of the group, in their order.
        by_episode: File of each episode, if the names or the tables say so.
        by_number: File by its chunk and number, otherwise.
        said: What was found, a phrase.
    """

    shared: bool
    files: tuple[Path, ...]
    by_episode: dict[int, Path] = field(default_factory=dict)
    by_number: dict[tuple[int, int], Path] = field(default_factory=dict)
    said: str = ""

    def path(self, episodes: EpisodeMetadata, position: int, prefix: str) -> Path | None:
        """File of an episode, None if there is none.

        Args:
            episodes: The declared episodes.
            position: Row in them.
            prefix: `data` or `videos/<key>`, where meta/episodes has the file's number.
        """
        if self.by_episode or not self.by_number:
            return self.by_episode.get(int(episodes.index[position]))
        chunk = episodes.number(position, f"{prefix}/chunk_index")
        file = episodes.number(position, f"{prefix}/file_index")
        if file is None:
            return self.files[0] if len(self.files) == 1 else None
        return self.by_number.get((int(chunk or 0), int(file)))

    def following(self, path: Path) -> Path | None:
        """The file after one."""
        if path not in self.files:
            return None
        place = self.files.index(path) + 1
        return self.files[place] if place < len(self.files) else None


class FileSearch:
    """Walks the dataset's folder when a template gives no file."""

    def __init__(self, root: Path, cameras: tuple[str, ...]) -> None:
        """Walk nothing yet.

        Args:
            root: Dataset folder.
            cameras: Keys of the features that are pictures.
        """
        self._root, self._cameras = root, cameras

    @cached_property
    def _files(self) -> list[Path]:
        """Tables and videos below the root, within bounds, without meta/."""
        found: list[Path] = []
        seen = 0
        for folder, folders, names in os.walk(self._root):
            depth = len(Path(folder).relative_to(self._root).parts)
            folders[:] = sorted(
                f for f in folders if f not in _SKIPPED and not f.startswith(".")
            ) if depth < _DEEPEST else []  # fmt: skip
            found.extend(
                Path(folder, n)
                for n in sorted(names)
                if n.endswith((".parquet", *_VIDEOS)) and not n.startswith(".")
            )
            seen += len(names) + 1
            if seen > _MOST_FILES:
                log.warning("%s: more than %d files, not all looked at", self._root, seen)
                break
        return found

    @property
    def tables(self) -> list[Path]:
        """All Parquet files outside meta/."""
        return [p for p in self._files if p.suffix == ".parquet"]

    def _videos(self, key: str) -> list[Path]:
        """Videos whose path names a camera; all videos if there is only one camera."""
        videos = [p for p in self._files if p.suffix != ".parquet"]
        short = key.rsplit(".", 1)[-1]
        for names in ({key, key.replace(".", "_")}, {short}):
            named = [p for p in videos if names & _names(p.relative_to(self._root))]
            if named:
                return named
        return videos if len(self._cameras) == 1 else []

    def place(
        self, key: str | None, shared: bool, episodes: EpisodeMetadata, prefix: str
    ) -> Placement | None:
        """Find out how the files of a group are named.

        Args:
            key: Video feature, None for the tables.
            shared: What the template says.
            episodes: The declared episodes.
            prefix: `data` or `videos/<key>`.

        Returns:
            None if there are no such files.
        """
        files = self.tables if key is None else self._videos(key)
        if not files:
            return None
        first = files[0].relative_to(self._root).as_posix()
        what = "the tables" if key is None else key
        said = (
            f"files of {what} by their names, e.g. {first} (the template in info.json gives none)"
        )
        stems = [p.stem.lower() for p in files]
        per_episode = any("episode" in s for s in stems) or (
            not shared and not any(s.startswith("file") for s in stems)
        )
        if per_episode:
            named: dict[int, Path] = {}
            for path in files:
                number = _episode_number(path.relative_to(self._root))
                if number is not None:
                    named.setdefault(number, path)
            return Placement(False, tuple(files), by_episode=named, said=said) if named else None
        if key is None and f"{prefix}/file_index" not in episodes.numbers:
            ranges = episodes_in(files)
            known: dict[int, Path] = {}
            for path, (indices, _) in ranges.items():
                for episode in indices.tolist():
                    known.setdefault(episode, path)
            return Placement(True, tuple(files), by_episode=known, said=said)
        numbers: dict[tuple[int, int], Path] = {}
        for path in files:
            match, parent = _LAST_NUMBER.search(path.stem), _LAST_NUMBER.search(path.parent.name)
            if match:
                numbers.setdefault((int(parent[1]) if parent else 0, int(match[1])), path)
        return Placement(True, tuple(files), by_number=numbers, said=said)


def episodes_in(
    files: list[Path],
) -> dict[Path, tuple[I64, I64]]:
    """Episode indices in tables with the rows of each: by file two (E,) int64 arrays.

    At most the first 2,000 files are read, of which only the column `episode_index`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = {}
    for path in files[:_MOST_TABLES_READ]:
        try:
            with pq.ParquetFile(path) as file:
                column = file.read(columns=["episode_index"])["episode_index"]
            values = numbers_of(column.drop_null().cast(pa.int64(), safe=False))
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            log.warning("%s: its episodes are unknown: %s", path, error)
            continue
        episodes, rows = np.unique(np.asarray(values, np.int64), return_counts=True)
        found[path] = (episodes, rows.astype(np.int64))
    return found


def _names(path: Path) -> set[str]:
    """Folder names and the stem, and the stem without its number."""
    return {*path.parts[:-1], path.stem, _LAST_NUMBER.sub("", path.stem).rstrip("_-")}


def _episode_number(path: Path) -> int | None:
    """The number nearest to the end of a path that can be an episode."""
    for part in (path.stem, *reversed(path.parts[:-1])):
        match = _LAST_NUMBER.search(part)
        if match and not part.lower().startswith("chunk"):
            return int(match[1])
    return None
