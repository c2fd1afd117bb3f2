"""Remembers examinations, so that a dataset that was looked at before need not be again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.health.examination import RULES_VERSION
from pipeline.health.options import HealthOptions
from pipeline.health.values import EpisodeHealth
from pipeline.model.demonstration import DatasetInfo, EpisodeInfo

log = logging.getLogger(__name__)

_MOST_FILES = 64
_MOST_BYTES = 512 << 20
_TABLE = """
CREATE TABLE IF NOT EXISTS health (
    episode INTEGER PRIMARY KEY, key TEXT NOT NULL, stamp TEXT NOT NULL, data TEXT NOT NULL
)
"""


class FileStamps:
    """Sizes and times of change; a file that many episodes share is asked for once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, files: Sequence[str]) -> str:
        """Hash of the state of these files; a missing file has a state, too."""
        digest = hashlib.blake2b(digest_size=16)
        for file in files:
            digest.update(self._one(file).encode())
        return digest.hexdigest()

    def _one(self, file: str) -> str:
        if file not in self._known:
            try:
                status = os.stat(file)
                self._known[file] = f"{file}:{status.st_size}:{status.st_mtime_ns};"
            except (OSError, ValueError):
                self._known[file] = f"{file}:-;"
        return self._known[file]


def dataset_key(info: DatasetInfo, options: HealthOptions) -> str:
    """What an examination depends on beside the episode's own data."""
    parts = (
        RULES_VERSION,
        dataclasses.astuple(options),
        info.format,
        info.fps,
        info.cameras,
        info.grippers,
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def episode_key(dataset: str, episode: EpisodeInfo) -> str:
    """Key of one episode's examination; `dataset` is `dataset_key`."""
    parts = (dataset, episode.length, episode.instruction, [p.code for p in episode.problems])
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


class HealthCache:
    """Examinations of one dataset in an SQLite file. A damaged file counts as empty.

    The folder keeps the 64 datasets that were examined last, within 512 MiB.
    """

    def __init__(self, folder: Path, dataset: str) -> None:
        """Open or make the file; if that fails, nothing is remembered.

        Args:
            folder: Where files are kept; made if absent.
            dataset: Path of the dataset.
        """
        name = hashlib.blake2b(dataset.encode(), digest_size=12).hexdigest()
        self._file = folder / f"{name}.sqlite"
        self._stamps = FileStamps()
        self._base: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _prune(folder, self._file)
            self._base = self._open()
        except (OSError, sqlite3.Error) as error:
            log.info("health of %s is not remembered: %s", dataset, error)

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self._file)
        except sqlite3.DatabaseError:
            if not self._file.is_file():
                raise
            self._file.unlink()
            return _connect(self._file)

    def get(self, episode: int, key: str) -> EpisodeHealth | None:
        """Return what is remembered, None if there is nothing or a file has changed since."""
        if self._base is None:
            return None
        try:
            row = self._base.execute(
                "SELECT stamp, data FROM health WHERE episode = ? AND key = ?", (episode, key)
            ).fetchone()
            if row is None:
                return None
            data: Any = json.loads(row[1])
            health = EpisodeHealth.from_dict(data)
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            log.info("remembered health of episode %d is not used: %s", episode, error)
            return None
        if health.episode != episode or self._stamps.of(health.files) != row[0]:
            return None
        return health

    def put(self, key: str, health: EpisodeHealth) -> None:
        """Remember an examination, unless nobody could tell when it has become stale."""
        if self._base is None or not health.files:
            return
        row = (health.episode, key, self._stamps.of(health.files), json.dumps(health.as_dict()))
        try:
            self._base.execute("INSERT OR REPLACE INTO health VALUES (?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            log.info("health of episode %d is not remembered: %s", health.episode, error)

    def close(self) -> None:
        """Release the file."""
        if self._base is not None:
            self._base.close()
            self._base = None


def _connect(file: Path) -> sqlite3.Connection:
    base = sqlite3.connect(file, timeout=2.0, isolation_level=None)
    try:
        # Losing it costs a scan: not worth waiting for the disk at each episode.
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = OFF")
        base.execute(_TABLE)
        base.execute("SELECT episode, key, stamp, data FROM health LIMIT 1").fetchone()
    except sqlite3.Error:
        base.close()
        raise
    os.utime(file)
    return base


def _prune(folder: Path, keep: Path) -> None:
    """Delete what was used longest ago."""
    found = []
    for file in folder.glob("*.sqlite"):
        try:
            found.append((file.stat().st_mtime, file.stat().st_size, file))
        except OSError:
            continue
    found.sort(reverse=True)
    total = 0
    for number, (_, size, file) in enumerate(found):
        total += size
        if file != keep and (number >= _MOST_FILES or total > _MOST_BYTES):
            for victim in (
                file,
                file.with_name(file.name + "-wal"),
                file.with_name(file.name + "-shm"),
            ):
                try:
                    victim.unlink(missing_ok=True)
                except OSError as error:
                    log.info("%s stays: %s", victim, error)
