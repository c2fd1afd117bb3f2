"""One batch run that was asked for in the window; the body of its thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.arguments import parse_episodes
from app.language_cost import LanguageCost
from app.settings import paths
from pipeline.batch.capacity import default_jobs
from pipeline.batch.folder import TABLE, default_folder
from pipeline.batch.outlook import Outlook, look
from pipeline.batch.run import BatchRequest, BatchRun, BatchStep
from pipeline.engine.cache import ResultCache
from pipeline.engine.graph import Graph
from pipeline.engine.worker import load_object
from pipeline.model.demonstration import DatasetInfo
from pipeline.model.edits import Edit
from pipeline.model.episodes import present_indices
from pipeline.model.problem import Cancelled, DataError
from pipeline.review.saved import saved_edits
from widgets.batch_panel import BatchWish

_MOST_SHOWN = 4
"""Episodes at work that are named."""
_TELL_EVERY = 0.2
"""Seconds between two reports of progress: cached episodes come by the hundred a second."""


@dataclass(frozen=True)
class BatchListener:
    """Who is told during a run; called in the run's thread.

    Attributes:
        said: A sentence about the run.
        progressed: Episodes through, failed, wanted; seconds left (negative: not known yet); what
            is at work.
        episode_failed: Episode and reason.
    """

    said: Callable[[str], None]
    progressed: Callable[[int, int, int, float, str], None]
    episode_failed: Callable[[int, str], None]


class BatchWork:
    """A run; `run` in one thread, `stop` from any."""

    def __init__(
        self,
        info: DatasetInfo,
        options: Mapping[str, Any],
        wish: BatchWish,
        *,
        graph: str,
        opener: str,
    ) -> None:
        """Do nothing yet.

        Args:
            info: The dataset.
            options: Stage name -> options instance; defaults where missing.
            wish: What the user asked for.
            graph: `module:function` that makes the graph.
            opener: `module:function` that opens a dataset.
        """
        self._info = info
        self._options = dict(options)
        self._wish = wish
        self._graph = graph
        self._opener = opener
        self._run: BatchRun | None = None
        self._stopped = False

    def stop(self) -> None:
        """End `run` at once."""
        self._stopped = True
        run = self._run
        if run is not None:
            run.stop()

    def outlook(self) -> Outlook:
        """What a run would find in its folder.

        Raises:
            DataError: What is there cannot be read.
            ValueError: The episodes were not understood; one sentence.
        """
        graph, options = self._stages()
        return look(self._folder, self._info, graph, options, self._episodes())

    def run(self, listener: BatchListener) -> Path:
        """Compute what is missing; returns the file of the merged results.

        Raises:
            Cancelled: By `stop`; its text says what is kept.
            DataError: One sentence.
            ValueError: One sentence.
            OSError: The folder cannot be written.
        """
        graph, options = self._stages()
        episodes = self._episodes()
        if not episodes:
            raise DataError("no_episodes", f"{self._info.name}: none of its episodes is on disk")
        request = BatchRequest(
            dataset=self._info.path,
            folder=self._folder,
            episodes=episodes,
            options=options,
            edits=self._edits(episodes, listener),
            cache=paths().results,
            jobs=self._wish.jobs or default_jobs(options).jobs,
            fresh=self._wish.fresh,
            retry_failed=self._wish.retry_failed,
            graph=self._graph,
            opener=self._opener,
        )
        with BatchRun(request, self._info) as run:
            self._run = run
            if self._stopped:
                raise Cancelled("Cancelled before anything was computed.")
            self._watch(run, request, graph, listener)
            return run.folder.path / TABLE

    def _watch(
        self, run: BatchRun, request: BatchRequest, graph: Graph, listener: BatchListener
    ) -> None:
        cost = LanguageCost(graph, request.options)
        if cost.asks:
            source = load_object(self._opener)(request.dataset)
            cache = None if request.cache is None else ResultCache(request.cache)
            planned = cost.planned(source, run.todo, request.edits, cache)
            listener.said(f"{cost.title}: will take {planned.text}.")
        told = 0.0
        with closing(run.run(cost.questions)) as steps:
            for step in steps:
                report = step.report
                if report is not None:
                    cost.add(report.usage)
                    if not report.finished:
                        listener.episode_failed(report.episode, report.reason)
                if time.monotonic() - told >= _TELL_EVERY or step.done == step.total:
                    told = time.monotonic()
                    listener.progressed(*_progress(step))
        spent = f"{cost.title}: took {cost.spent.text}." if cost.asks else ""
        if run.rows is None:
            total = len(set(request.episodes))
            text = f"Cancelled: {run.kept:,} of {total:,} episodes are kept. {spent}"
            raise Cancelled(text.strip())
        if spent:
            listener.said(spent)

    @property
    def _folder(self) -> Path:
        if self._wish.folder:
            return Path(self._wish.folder).expanduser()
        return default_folder(Path(self._info.path))

    def _stages(self) -> tuple[Graph, dict[str, Any]]:
        graph: Graph = load_object(self._graph)()
        return graph, graph.default_options() | self._options

    def _episodes(self) -> tuple[int, ...]:
        """Wanted episodes; ValueError with one sentence."""
        if not self._wish.episodes:
            return tuple(int(i) for i in present_indices(self._info.episodes))
        try:
            return tuple(
                parse_episodes(self._wish.episodes, [e.index for e in self._info.episodes])
            )
        except ValueError as error:
            raise ValueError(str(error).replace("--episodes: ", "Episodes: ")) from error

    def _edits(
        self, episodes: tuple[int, ...], listener: BatchListener
    ) -> dict[int, tuple[Edit, ...]]:
        """Corrections by episode; empty, and told, when they cannot be read."""
        try:
            return saved_edits(self._info.path, episodes)
        except DataError as error:
            listener.said(f"Human corrections are not used: {error}")
            return {}


def _progress(step: BatchStep) -> tuple[int, int, int, float, str]:
    """Values of `progressed`."""
    busy = [f"{a.episode} {a.stage} {a.share:.0%}" for a in step.at_work if a.stage]
    eta = -1.0 if step.eta is None else step.eta
    return step.done, step.failed, step.total, eta, ", ".join(busy[:_MOST_SHOWN])
