"""The process that examines episodes: it may crash or hang without anybody waiting for it."""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.health.cache import HealthCache, dataset_key, episode_key
from pipeline.health.dataset import DatasetHealth
from pipeline.health.examination import examine_episode
from pipeline.health.options import HealthOptions
from pipeline.health.values import EpisodeHealth, plain
from pipeline.model.demonstration import DatasetInfo, DatasetSource, EpisodeInfo
from pipeline.model.episodes import position_of
from pipeline.model.problem import DataError, Problem

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_EVERY = 0.25
"""Seconds between two messages: often enough to watch, too seldom to be felt."""
_COMPARE_EVERY = 2.0
"""Least seconds between two comparisons of all episodes ..."""
_COMPARE_SHARE = 0.1
"""... and the largest share of the time that they may take."""
_NOBODY = -1.0


class Board:
    """What the process is doing, in memory that survives its death.

    A message for each episode would wake the window a thousand times a second.
    """

    def __init__(self) -> None:
        """Share three numbers: the episode under examination, since when, episodes done."""
        self._cells = multiprocessing.get_context("spawn").RawArray("d", [_NOBODY, 0.0, 0.0])

    def begin(self, episode: int) -> None:
        """An examination begins."""
        self._cells[1] = time.monotonic()
        self._cells[0] = episode

    def end(self, done: int) -> None:
        """No examination is under way; `done` episodes are behind."""
        self._cells[0] = _NOBODY
        self._cells[2] = done

    @property
    def episode(self) -> int | None:
        """Episode under examination."""
        episode = self._cells[0]
        return None if episode == _NOBODY else int(episode)

    @property
    def seconds(self) -> float:
        """For how long, 0 if none is."""
        return 0.0 if self.episode is None else time.monotonic() - float(self._cells[1])

    @property
    def done(self) -> int:
        """Episodes of this process that are behind."""
        return int(self._cells[2])


@dataclass(frozen=True, slots=True)
class ScanTask:
    """What one process does. Plain values: they cross to the process.

    Attributes:
        dataset: Path of the dataset.
        opener: `module:function` that opens it.
        options: Thresholds.
        episodes: Only these, None for all that are present.
        first: Episodes to begin with.
        share: This process takes every `shares`-th episode, beginning with this one.
        shares: Number of processes.
        start: Number of its episodes that are done already (by a process that died).
        skip: Episodes at which processes died.
        nice: How far it steps back behind other processes (Unix).
        cache: Folder of remembered examinations, None for none.
        digest: Compare the episodes here and tell only findings that are new.
    """

    dataset: str
    opener: str
    options: HealthOptions
    episodes: tuple[int, ...] | None
    first: tuple[int, ...]
    share: int
    shares: int
    start: int
    skip: frozenset[int]
    nice: int
    cache: str | None
    digest: bool


def order_of(
    episodes: Sequence[EpisodeInfo], wanted: tuple[int, ...] | None, first: tuple[int, ...]
) -> Iterator[EpisodeInfo]:
    """Present episodes in the order in which they are examined; the same at every call."""
    chosen = None if wanted is None else frozenset(wanted)
    leading = frozenset(first)
    if leading:
        yield from (e for e in _few(episodes, first) if e.present and _in(e, chosen))
    for episode in episodes:
        if episode.present and episode.index not in leading and _in(episode, chosen):
            yield episode


def _in(episode: EpisodeInfo, chosen: frozenset[int] | None) -> bool:
    return chosen is None or episode.index in chosen


def _few(episodes: Sequence[EpisodeInfo], wanted: tuple[int, ...]) -> Iterator[EpisodeInfo]:
    """Episodes by their index."""
    for index in dict.fromkeys(wanted):
        place = position_of(episodes, index)
        if place >= 0:
            yield episodes[place]


def main(connection: Connection, board: Board, task: ScanTask) -> None:
    """Examine and tell; the body of the process.

    Messages are JSON objects: `listed` (episodes so far), `total` (episodes of this process),
    `done` (how many are behind) with `examined` or with `changed` and `of_dataset`, `error` (a
    sentence; the dataset could not be opened), `end`.
    """
    # What concerns people is among the findings; this process has no one to read its log.
    logging.basicConfig(level=logging.CRITICAL)
    # What a dataset of the Hub has not fetched yet is not examined, and never fetched for it.
    os.environ["HF_HUB_OFFLINE"] = "1"
    if task.nice and hasattr(os, "nice"):
        os.nice(task.nice)
    try:
        _examine_all(connection, board, task)
    except (BrokenPipeError, ConnectionError, KeyboardInterrupt):
        return  # The one who asked is gone.
    finally:
        connection.close()


def _examine_all(connection: Connection, board: Board, task: ScanTask) -> None:
    module, _, name = task.opener.partition(":")
    try:
        source: DatasetSource = getattr(importlib.import_module(module), name)(task.dataset)
        info = source.info
        order = _listed(connection, info.episodes, task)
    except DataError as error:
        _send(connection, error=str(error))
        return
    except Exception as error:
        _send(connection, error=f"{type(error).__name__}: {error}")
        return
    _send(connection, total=len(order))
    cache = None if task.cache is None else HealthCache(Path(task.cache), info.path)
    key = dataset_key(info, task.options)
    report = _Digest(info, task.options) if task.digest else _Everything()
    sent = time.monotonic()
    for number, episode in enumerate(order[task.start :], task.start + 1):
        if episode.index not in task.skip:
            report.add(_one(source, episode, board, task, cache, episode_key(key, episode)))
        board.end(number)
        if time.monotonic() - sent > _EVERY:
            _send(connection, done=number, **report.news())
            sent = time.monotonic()
    _send(connection, done=len(order), **report.news(last=True))
    if cache is not None:
        cache.close()
    _send(connection, end=True)


def _one(
    source: DatasetSource,
    episode: EpisodeInfo,
    board: Board,
    task: ScanTask,
    cache: HealthCache | None,
    key: str,
) -> EpisodeHealth:
    """Examine an episode, or remember it."""
    known = cache.get(episode.index, key) if cache is not None else None
    if known is None:
        board.begin(episode.index)
        known = examine_episode(source, episode, task.options)
        if cache is not None:
            cache.put(key, known)
    return known


def _listed(
    connection: Connection, episodes: Sequence[EpisodeInfo], task: ScanTask
) -> list[EpisodeInfo]:
    """This process's episodes. Some formats read a file for each, which may take minutes."""
    order, told = [], time.monotonic()
    for number, episode in enumerate(order_of(episodes, task.episodes, task.first)):
        if number % task.shares == task.share:
            order.append(episode)
        if time.monotonic() - told > 1.0:
            told = time.monotonic()
            _send(connection, listed=number)
    return order


def _send(connection: Connection, **message: Any) -> None:
    connection.send_bytes(json.dumps(message).encode())


class _Everything:
    """Tells every examination."""

    def __init__(self) -> None:
        self._waiting: list[dict[str, Any]] = []

    def add(self, health: EpisodeHealth) -> None:
        self._waiting.append(health.as_dict())

    def news(self, *, last: bool = False) -> dict[str, Any]:
        waiting, self._waiting = self._waiting, []
        return {"examined": waiting}


class _Digest:
    """Tells findings, alone and compared, where they are new."""

    def __init__(self, info: DatasetInfo, options: HealthOptions) -> None:
        self._health = DatasetHealth(info, options)
        self._changed: set[int] = set()
        self._told: dict[int, tuple[Problem, ...]] = {}
        self._compare_at = time.monotonic() + _COMPARE_EVERY

    def add(self, health: EpisodeHealth) -> None:
        self._health.add(health)
        if health.problems:
            self._changed.add(health.episode)

    def news(self, *, last: bool = False) -> dict[str, Any]:
        began = time.monotonic()
        if last or began > self._compare_at:
            self._changed |= self._health.compare()
            now = time.monotonic()
            self._compare_at = now + max(_COMPARE_EVERY, (now - began) / _COMPARE_SHARE)
        changed = []
        for episode in self._changed:
            found = self._health.problems_of(episode)
            if found != self._told.get(episode, ()):
                self._told[episode] = found
                changed.append([episode, [plain(p) for p in found]])
        self._changed.clear()
        return {"changed": changed, "of_dataset": [plain(p) for p in self._health.problems]}
