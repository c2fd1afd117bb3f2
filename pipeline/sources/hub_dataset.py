"""A LeRobot dataset of the Hub: metadata at once, an episode's files when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import overload

from pipeline.model.demonstration import (
    CACHE_BYTES,
    DatasetInfo,
    DatasetSource,
    Demonstration,
    EpisodeInfo,
    FrameReader,
)
from pipeline.sources import hub
from pipeline.sources.detect import open_dataset
from pipeline.sources.lerobot import LeRobotDataset

_NOT_HERE = frozenset({"missing_data", "missing_video"})


class RemoteEpisodes(Sequence[EpisodeInfo]):
    """Episodes of which those that are not here yet can be opened all the same."""

    def __init__(self, here: Sequence[EpisodeInfo]) -> None:
        self._here = here

    def __len__(self) -> int:
        return len(self._here)

    @overload
    def __getitem__(self, place: int) -> EpisodeInfo: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[EpisodeInfo]: ...

    def __getitem__(self, place: int | slice) -> EpisodeInfo | Sequence[EpisodeInfo]:
        if isinstance(place, slice):
            return [self._reachable(e) for e in self._here[place]]
        return self._reachable(self._here[place])

    @staticmethod
    def _reachable(episode: EpisodeInfo) -> EpisodeInfo:
        if episode.present:
            return episode
        problems = tuple(p for p in episode.problems if p.code not in _NOT_HERE)
        return replace(episode, present=True, problems=problems)


class HubDataset:
    """DatasetSource over a snapshot in the Hub's cache."""

    def __init__(
        self,
        snapshot: hub.Snapshot,
        inner: LeRobotDataset,
        report: hub.Report,
        cancelled: Callable[[], bool],
    ) -> None:
        """Wrap the dataset in the cache.

        Args:
            snapshot: What `hub.fetch_metadata` returned.
            inner: The dataset in its folder.
            report: Told how far a download is.
            cancelled: Asked during a download.
        """
        self._snapshot, self._inner = snapshot, inner
        self._report, self._cancelled = report, cancelled

    @cached_property
    def info(self) -> DatasetInfo:
        """The metadata; every episode that the Hub has counts as present."""
        info = self._inner.info
        name = self._snapshot.name
        problems = tuple(p for p in info.problems if p.code != "partial_dataset")
        text = f"episodes of {name} come from the Hub when they are opened"
        return replace(
            info,
            reason=f"{name} on the Hub; {info.reason}",
            episodes=RemoteEpisodes(info.episodes),
            problems=problems,
            found=(text, *info.found),
        )

    def open(self, episode: int) -> Demonstration:
        """Fetch the episode's files, then read it. Raises DataError or Cancelled."""
        files = self._inner.files_of(episode)
        hub.fetch_files(self._snapshot, files, self._report, self._cancelled)
        return self._inner.open(episode)

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> FrameReader:
        """Open a frame reader; the files came with `open`."""
        return self._inner.reader(demonstration, cache_bytes)


def open_anything(
    text: str,
    report: hub.Report = lambda _share, _what: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DatasetSource:
    """Open a path, or a dataset of the Hub by its id.

    Args:
        text: A path, `owner/name`, `owner/name@revision`, `hf://datasets/…` or a web address.
        report: Told how far a download is: share 0..1 and what.
        cancelled: Asked during a download.

    Raises:
        DataError: One sentence.
        Cancelled: By `cancelled`.
    """
    name = hub.hub_name(text)
    if name is None:
        return open_dataset(text)
    snapshot = hub.fetch_metadata(name, report, cancelled)
    source = open_dataset(Path(snapshot.folder))
    if isinstance(source, LeRobotDataset) and snapshot.sizes:
        return HubDataset(snapshot, source, report, cancelled)
    return source
