"""A LeRobot dataset of the Hub: metadata at once, an episode's files when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from pipeline.model.demonstration import (
    CACHE_BYTES,
    DatasetInfo,
    DatasetSource,
    Demonstration,
    EpisodeInfo,
    FrameReader,
)
from pipeline.model.episodes import Episodes, columns_of
from pipeline.model.picture import Picture
from pipeline.model.problem import DataError, Problem
from pipeline.sources.detect import open_dataset
from pipeline.sources.hub import download as hub
from pipeline.sources.lerobot.dataset import LeRobotDataset

_NOT_HERE = frozenset({"missing_data", "missing_video"})


def _reachable(here: Sequence[EpisodeInfo]) -> Episodes:
    """The same episodes; those that are not here yet can be opened all the same."""

    def problems(place: int) -> tuple[Problem, ...]:
        return tuple(p for p in here[place].problems if p.code not in _NOT_HERE)

    return Episodes(columns_of(here).as_present(_NOT_HERE), problems)


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
            episodes=_reachable(info.episodes),
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

    def first_picture(self, episode: int) -> Picture | None:
        """First frame of an episode whose files are here: a thumbnail fetches nothing."""
        return self._inner.first_picture(episode)


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
    snapshot = _fetch(text, name, report, cancelled)
    source = open_dataset(Path(snapshot.folder))
    if isinstance(source, LeRobotDataset) and snapshot.sizes:
        return HubDataset(snapshot, source, report, cancelled)
    return source


def local_place(text: str, report: hub.Report = lambda _share, _what: None) -> str:
    """Path of what is on this machine: of a Hub's dataset its metadata and what was opened before.

    Args:
        text: As `open_anything`.
        report: Told how far a download is.

    Raises:
        DataError: One sentence.
    """
    name = hub.hub_name(text)
    return text if name is None else str(_fetch(text, name, report, lambda: False).folder)


def _fetch(
    text: str, name: hub.HubName, report: hub.Report, cancelled: Callable[[], bool]
) -> hub.Snapshot:
    try:
        return hub.fetch_metadata(name, report, cancelled)
    except DataError as error:
        # A path with a slip of the finger looks like an id.
        here = f"{text} does not exist here; " if str(name) == text else ""
        raise DataError(error.code, f"{here}{error}") from error
