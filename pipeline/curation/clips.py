"""Clips of annotations from the results cache, to measure them again with other options.

Only reads: nothing is detected, tracked or computed, no video is opened. What is not in the cache
(any more) is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotations.table import AnnotationTable
from pipeline.engine.cache import ResultCache
from pipeline.engine.graph import Graph, Plan
from pipeline.engine.options_file import options_of_values
from pipeline.evaluation.remeasuring import RowClip
from pipeline.model.candidate import MasksResult, ProposalsResult, TracksResult
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.edits import Edit
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.subtask import SubtasksResult
from pipeline.review.saved import saved_edits
from pipeline.scoring.measurement import Clip

log = logging.getLogger(__name__)

_SCORES = "scores"


@dataclass(frozen=True)
class CachedClips:
    """Loads clips of rows of a table: a `sweeps.ClipLoader`.

    Attributes:
        table: Annotations.
        source: Their dataset.
        graph: Stages.
        options: Stage name -> options instance, as the annotations were made; defaults where
            missing.
        cache: Where results are kept.
        edits: People's corrections of an episode that are in force; results without them are
            taken where there are none with them.
        dataset: Only rows of this dataset; empty: all.
        is_cancelled: Asked between rows, also where nothing is found.
    """

    table: AnnotationTable
    source: DatasetSource
    graph: Graph
    options: Mapping[str, Any]
    cache: ResultCache
    edits: Callable[[int], tuple[Edit, ...]] = lambda _episode: ()
    dataset: str = ""
    is_cancelled: Callable[[], bool] = lambda: False

    def __call__(self, rows: Sequence[int]) -> Iterator[RowClip]:
        """Clips of these rows, episode by episode. Raises Cancelled if `is_cancelled` says so."""
        demonstration: Demonstration | None = None
        opened = -1
        for row in sorted(rows, key=lambda r: (int(self.table.episode[r]), r)):
            if self.is_cancelled():
                raise Cancelled
            if self.dataset and self.table.dataset[row] != self.dataset:
                continue
            episode = int(self.table.episode[row])
            if episode != opened:
                demonstration, opened = self._open(episode), episode
            if demonstration is None:
                continue
            found = self._clip(demonstration, episode, row)
            if found is not None:
                yield found

    def _open(self, episode: int) -> Demonstration | None:
        try:
            return self.source.open(episode)
        except (DataError, OSError) as error:
            log.info("episode %d is left out: %s", episode, error)
            return None

    def _clip(self, demonstration: Demonstration, episode: int, row: int) -> RowClip | None:
        edits = self.edits(episode)
        subtask = int(self.table.subtask[row])
        for own in (edits, ()) if edits else ((),):
            results = self._results(demonstration, own, subtask)
            if results is not None:
                return _row_clip(row, subtask, results, demonstration.fps)
        return None

    def _results(
        self, demonstration: Demonstration, edits: tuple[Edit, ...], subtask: int
    ) -> dict[type[Any], Any] | None:
        """Results that the score reads, by type; None if one is missing."""
        options = self.graph.default_options() | dict(self.options)
        keys = self.graph.keys(Plan(demonstration, options, edits), subtask)
        found: dict[type[Any], Any] = {}
        for name in self.graph.stage(_SCORES).inputs:
            stage = self.graph.stage(name)
            loaded = self.cache.load(keys[name], stage.result_type)
            if loaded is None:
                return None
            found[stage.result_type] = loaded[0]
        return found


def cached_clips(
    table: AnnotationTable,
    dataset: Path,
    stage_options: Mapping[str, Any],
    cache: Path,
    *,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> CachedClips:
    """Clips of annotations of a dataset that lies on this machine.

    Args:
        table: Annotations.
        dataset: Root of the dataset.
        stage_options: Stage name -> option name -> value, as the annotations were made; defaults
            where missing.
        cache: Folder of results.
        is_cancelled: As in `CachedClips`.

    Raises:
        DataError: One sentence: the dataset cannot be opened, people's corrections cannot be read,
            or the options are not those of this version, so that nothing could be found.
    """
    # lazy: it loads the stages, which most of what reads clips does not need
    from pipeline.annotate import standard_graph
    from pipeline.sources.detect import open_dataset

    graph = standard_graph()
    try:
        options = options_of_values(stage_options, graph)
    except ValueError as error:
        raise DataError(
            "options_not_read",
            f"The options with which these annotations were made are not all known here ({error}), "
            "so their cached tracks cannot be found.",
        ) from error
    source = open_dataset(dataset)
    several = len([name for name in table.dataset.values if name]) > 1
    name = source.info.name if several else ""
    episodes = np.unique(table.episode[table.dataset.rows(name)] if name else table.episode)
    edits = saved_edits(dataset, episodes.tolist())
    return CachedClips(
        table=table,
        source=source,
        graph=graph,
        options=options,
        cache=ResultCache(cache),
        edits=lambda episode: edits.get(episode, ()),
        dataset=name,
        is_cancelled=is_cancelled,
    )


def _row_clip(row: int, subtask: int, results: dict[type[Any], Any], fps: float) -> RowClip | None:
    subtasks: SubtasksResult = results[SubtasksResult]
    if subtask >= len(subtasks.subtasks):
        return None
    masks: MasksResult = results[MasksResult]
    clip = Clip(
        subtask=subtasks.subtasks[subtask],
        proposals=results[ProposalsResult],
        tracks=results[TracksResult],
        lifting=results[LiftingResult],
        robot=results[RobotResult],
        fps=fps,
    )
    return RowClip(row, clip, masks.height, masks.width)
