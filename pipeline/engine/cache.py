"""Results on disk, one file per key, written atomically; a full disk loses nothing but time."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine.codec import CodecError, decode, encode
from pipeline.model.kept_files import (
    RECENTLY,
    STALE_AFTER,
    kept_files,
    remove_stale,
    touch_used,
)
from pipeline.model.problem import Problem
from pipeline.model.whole_file import write_whole

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """What one run of a stage left: its result and how it went.

    Attributes:
        stage: Stage name.
        subtask: Index, -1 for the whole episode.
        key: Key of the result.
        result: The stage's result dataclass.
        seconds: How long computing took (when it was computed).
        cached: True if it was read instead of computed.
        problems: Findings about running it (not those in the result).
    """

    stage: str
    subtask: int
    key: str
    result: Any
    seconds: float
    cached: bool = False
    problems: tuple[Problem, ...] = ()


class ResultCache:
    """Keyed results in a folder, bounded in size."""

    def __init__(self, folder: Path, limit_bytes: int = 4 << 30) -> None:
        """Use `folder`, which need not exist yet.

        Args:
            folder: Where the files go.
            limit_bytes: Oldest files (by last use) are removed beyond this by `trim`.
        """
        self.folder = folder
        self._limit = limit_bytes

    def _path(self, key: str) -> Path:
        if not key.isalnum():
            raise ValueError(f"no key: {key!r}")
        return self.folder / key[:2] / f"{key}.result"

    def load_bytes(self, key: str) -> bytes | None:
        """The stored bytes of a key, or None."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        touch_used(path)  # For `trim`.
        return data

    def load(self, key: str, result_type: type) -> tuple[Any, float] | None:
        """Result and its computing time in seconds, or None. A broken file counts as absent."""
        data = self.load_bytes(key)
        if data is None:
            return None
        try:
            return unpack(data, result_type)
        except CodecError as error:
            log.warning("cached result %s is broken, computing again: %s", key, error)
            return None

    def store_bytes(self, key: str, data: bytes) -> Problem | None:
        """Write atomically. A failure (disk full, read-only) comes back as a problem."""
        try:
            write_whole(self._path(key), data)
        except OSError as error:
            text = f"the result could not be kept in {self.folder} ({error.strerror}); it will be"
            return Problem("cache_not_written", f"{text} computed again next time")
        return None

    def trim(self, in_use_since: float | None = None) -> int:
        """Remove the results used longest ago beyond the limit, and what killed writers left.

        Safe while others read and write. What was used lately is kept even beyond the limit:
        another run may need it.

        Args:
            in_use_since: Results used since then (seconds since the epoch) are kept, too: when the
                run in progress began.

        Returns:
            Bytes removed.
        """
        now = time.time()
        removed = remove_stale(self.folder, "*/*.part", now - STALE_AFTER)
        kept_since = now - RECENTLY
        if in_use_since is not None:
            kept_since = min(kept_since, in_use_since)
        files = kept_files(self.folder, "*/*.result")
        excess = sum(file.size for file in files) - self._limit
        freed = 0
        for file in sorted(files):
            if freed >= excess or file.used >= kept_since:
                break
            if file.remove():
                freed += file.size
        return removed + freed


class ResultMemory:
    """The newest results as objects, so that a small correction reads nothing from disk."""

    def __init__(self, count: int = 40) -> None:
        """Keep `count` results (four subtasks of ten stages: tens of megabytes)."""
        self._count = count
        self._outcomes: OrderedDict[str, StageOutcome] = OrderedDict()

    def get(self, key: str) -> StageOutcome | None:
        """The outcome with this key, or None."""
        if key in self._outcomes:
            self._outcomes.move_to_end(key)
        return self._outcomes.get(key)

    def put(self, outcome: StageOutcome) -> None:
        """Remember an outcome."""
        self._outcomes[outcome.key] = outcome
        self._outcomes.move_to_end(outcome.key)
        while len(self._outcomes) > self._count:
            self._outcomes.popitem(last=False)


def pack(result: Any, seconds: float) -> bytes:
    """Bytes of a result with its computing time (8 bytes, microseconds, in front)."""
    return int(seconds * 1e6).to_bytes(8, "little") + encode(result)


def unpack(data: bytes, result_type: type) -> tuple[Any, float]:
    """Undo `pack`. Raises CodecError."""
    return decode(data[8:], result_type), int.from_bytes(data[:8], "little") / 1e6
