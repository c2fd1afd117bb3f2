"""One batch run: what is asked for, the processes, the folder, and how far it all is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.batch.capacity import cpu_count
from pipeline.batch.folder import JOURNAL, RunFolder, newest_entries
from pipeline.batch.order import EpisodeQueue, long_first
from pipeline.batch.pool import AtWork, WorkerPool, worker_task
from pipeline.batch.progress import Eta
from pipeline.batch.report import EpisodeReport
from pipeline.batch.run_record import INTERRUPTED, RUNNING, RunRecord
from pipeline.engine.cache import ResultCache
from pipeline.engine.options_file import values_of
from pipeline.engine.worker import load_object
from pipeline.model.authorship import utc_now
from pipeline.model.demonstration import DatasetInfo
from pipeline.model.edits import Edit

log = logging.getLogger(__name__)

GRAPH = "pipeline.annotate:standard_graph"
OPENER = "pipeline.sources.hub.dataset:open_anything"


@dataclass(frozen=True)
class BatchRequest:
    """What is asked for.

    Attributes:
        dataset: What the opener takes: a path or the Hub's id.
        folder: Where the results go.
        episodes: Episode indices, in the order of the user.
        options: Stage name -> options instance, one for every stage.
        edits: Human corrections in force, by episode.
        cache: Folder of stage results, None for none.
        jobs: Processes side by side.
        timeout: Seconds that one episode may take, None for no limit.
        fresh: Begin anew; an earlier run in the folder is kept under a dated name.
        retry_failed: Try episodes again that failed.
        graph: `module:function` that makes the graph.
        opener: `module:function` that opens the dataset.
    """

    dataset: str
    folder: Path
    episodes: tuple[int, ...]
    options: Mapping[str, Any]
    edits: Mapping[int, tuple[Edit, ...]] = field(default_factory=dict)
    cache: Path | None = None
    jobs: int = 1
    timeout: float | None = None
    fresh: bool = False
    retry_failed: bool = False
    graph: str = GRAPH
    opener: str = OPENER


@dataclass(frozen=True, slots=True)
class BatchStep:
    """News of a run.

    Attributes:
        finished: Episodes that came through, those of earlier runs included.
        failed: Episodes that failed, those of earlier runs included.
        total: Episodes that are wanted.
        eta: Seconds until all are through, None if not known yet.
        at_work: Episodes that are being computed.
        report: The episode that ended now, if one did.
    """

    finished: int
    failed: int
    total: int
    eta: float | None
    at_work: tuple[AtWork, ...] = ()
    report: EpisodeReport | None = None

    @property
    def done(self) -> int:
        """Episodes that are through, one way or the other."""
        return self.finished + self.failed


class BatchRun:
    """Annotates many episodes; `run` in one thread, `stop` from any.

    Attributes:
        folder: The run's folder, held until `close`.
        todo: Episodes that are still to be computed, in the order of the user.
        rows: Number of records in the merged table, None until it is written.
    """

    def __init__(self, request: BatchRequest, info: DatasetInfo) -> None:
        """Take the folder, begin a run there or continue the one that is there.

        Args:
            request: What is asked for.
            info: The dataset.

        Raises:
            DataError: The folder is in use, or holds a run about something else.
            OSError: The folder cannot be written.
        """
        self._request = request
        self._info = info
        self._begun = time.time()
        graph = load_object(request.graph)()
        record = RunRecord.of(info, graph, request.options, request.episodes, utc_now("seconds"))
        self.folder = RunFolder(request.folder, record, fresh=request.fresh)
        self.todo = self.folder.todo(request.episodes, request.edits, request.retry_failed)
        self.rows: int | None = None
        self._pool: WorkerPool | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def __enter__(self) -> BatchRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def failures(self) -> tuple[tuple[int, str], ...]:
        """Wanted episodes that failed, with the reason."""
        known = self.folder.entries
        found = ((e, known[e]) for e in sorted(set(self._request.episodes)) if e in known)
        return tuple((e, entry.reason) for e, entry in found if not entry.finished)

    def stop(self) -> None:
        """Kill the processes; `run` ends at once. What is finished is kept."""
        with self._lock:
            self._stopped = True
            if self._pool is not None:
                self._pool.stop()

    @property
    def kept(self) -> int:
        """Wanted episodes that are through by what is on the disk: true also after Ctrl+C."""
        known = newest_entries(self.folder.path / JOURNAL)
        return sum(e in known for e in set(self._request.episodes))

    def close(self) -> None:
        """Stop, and give the folder back."""
        self.stop()
        self.folder.close()

    def run(self, questions: Mapping[int, str] | None = None) -> Generator[BatchStep, None, None]:
        """Compute what is missing, then write the merged table.

        Whoever leaves early closes the generator (`contextlib.closing`): that ends the processes.

        Args:
            questions: Key of the question to a language model, by episode, where one would be
                asked: equal questions are asked once.

        Yields:
            Steps; at least two a second while processes work.

        Raises:
            DataError: The processes cannot work at all, or results cannot be written.
            OSError: The journal cannot be written.
        """
        frames = self._frames()
        eta = self._eta(frames)
        tally = _Tally(self._request.episodes, self.todo, self.folder)
        yield tally.step(eta.left())
        if self.todo:
            self.folder.set_state(RUNNING)
            try:
                yield from self._compute(frames, eta, tally, questions or {})
            except BaseException:
                self._interrupted()
                raise
            if self._stopped:
                self._interrupted()
                return
        self.rows = self.folder.complete()
        if self._request.cache is not None:
            ResultCache(self._request.cache).trim(in_use_since=self._begun)
        yield tally.step(0.0)

    def _compute(
        self,
        frames: Mapping[int, int],
        eta: Eta,
        tally: _Tally,
        questions: Mapping[int, str],
    ) -> Iterator[BatchStep]:
        request = self._request
        queue = EpisodeQueue(long_first(self.todo, frames), questions)
        jobs = min(request.jobs, len(self.todo))
        task = worker_task(
            request.dataset,
            values_of(request.options),
            graph=request.graph,
            opener=request.opener,
            cache=None if request.cache is None else str(request.cache),
            threads=max(1, cpu_count() // jobs),
        )
        with self._lock:
            if self._stopped:
                return
            pool = WorkerPool(task, queue, request.edits, jobs=jobs, timeout=request.timeout)
            self._pool = pool
        with closing(pool.run()) as reports:
            for report in reports:
                if report is not None:
                    self.folder.add(report, request.edits.get(report.episode, ()))
                    eta.add(report.episode, report.seconds, report.stages_computed > 0)
                    tally.add(report)
                at_work = pool.at_work
                left = eta.left({a.episode: a.seconds for a in at_work})
                yield tally.step(left, at_work, report)

    def _interrupted(self) -> None:
        try:
            self.folder.set_state(INTERRUPTED)
        except OSError:
            log.info("the state of the run could not be written")

    def _frames(self) -> dict[int, int]:
        """Length of each wanted episode, where the metadata say it."""
        wanted = set(self.todo)
        return {e.index: e.length for e in self._info.episodes if e.index in wanted}

    def _eta(self, frames: Mapping[int, int]) -> Eta:
        """What earlier sessions of this run took is known already."""
        eta = Eta(self.todo, frames, self._request.jobs)
        for entry in self.folder.entries.values():
            if entry.finished and entry.frames and entry.computed:
                eta.learn(entry.frames, entry.seconds)
        return eta


class _Tally:
    """Counts episodes."""

    def __init__(self, episodes: Sequence[int], todo: Sequence[int], folder: RunFolder) -> None:
        self._total = len(set(episodes))
        kept = set(episodes) - set(todo)
        self._finished = sum(folder.entries[e].finished for e in kept)
        self._failed = len(kept) - self._finished

    def add(self, report: EpisodeReport) -> None:
        if report.finished:
            self._finished += 1
        else:
            self._failed += 1

    def step(
        self,
        eta: float | None,
        at_work: tuple[AtWork, ...] = (),
        report: EpisodeReport | None = None,
    ) -> BatchStep:
        return BatchStep(self._finished, self._failed, self._total, eta, at_work, report)
