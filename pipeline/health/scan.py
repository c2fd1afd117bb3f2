"""Examines all episodes of a dataset in processes of its own, and outlives each of them."""

from __future__ import annotations

import json
import logging
import multiprocessing
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import connection as wire
from pathlib import Path
from typing import Any

from pipeline.health import process as health_process
from pipeline.health.codes import finding
from pipeline.health.options import HealthOptions
from pipeline.health.values import EpisodeHealth, problem_from
from pipeline.model.problem import DataError, Problem

log = logging.getLogger(__name__)

OPENER = "pipeline.sources.detect:open_dataset"
_OPENING = 120.0
"""Seconds without a sign of life while the dataset is opened."""
_MOMENT = 0.25
"""Seconds between two looks at what the processes are doing."""
_MOST_DEATHS = 50
"""Processes that may die before the scan gives up: each costs a start."""


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """How to scan.

    Attributes:
        options: Thresholds.
        jobs: Processes side by side.
        nice: How far they step back behind other processes (Unix).
        timeout: Seconds that one episode may take.
        episodes: Only these, None for all that are present.
        first: Episodes to begin with.
        cache: Folder of remembered examinations, None for none.
        opener: `module:function` that opens the dataset in the process.
        digest: Compare episodes in the (one) process and tell only findings that are new, so that
            the process that listens has next to nothing to do.
    """

    options: HealthOptions = field(default_factory=HealthOptions)
    jobs: int = 1
    nice: int = 0
    timeout: float = 10.0
    episodes: tuple[int, ...] | None = None
    first: tuple[int, ...] = ()
    cache: Path | None = None
    opener: str = OPENER
    digest: bool = False

    def __post_init__(self) -> None:
        if self.digest and self.jobs != 1:
            raise ValueError(f"a digest is made by one process, got jobs={self.jobs}")


@dataclass(frozen=True, slots=True)
class ScanStep:
    """News of a scan.

    Attributes:
        done: Episodes examined so far.
        total: Episodes to examine; grows until every process has opened the dataset.
        episodes: Examinations that are new; of a digest only those that failed.
        changed: Of a digest: all findings of an episode, where they are new.
        of_dataset: Of a digest: findings about the dataset as a whole.
    """

    done: int
    total: int
    episodes: tuple[EpisodeHealth, ...] = ()
    changed: Mapping[int, tuple[Problem, ...]] = field(default_factory=dict)
    of_dataset: tuple[Problem, ...] = ()


class _Worker:
    """One process and what is known about it."""

    def __init__(self, task: health_process.ScanTask) -> None:
        self.task = task
        self.total: int | None = None
        self.received = task.start
        self.heard = time.monotonic()
        self.ended = False
        self.timed_out = False
        self.board = health_process.Board()
        self.board.end(task.start)
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe(duplex=False)
        self.process = context.Process(
            target=health_process.main,
            args=(theirs, self.board, task),
            name=f"demoscope-health-{task.share}",
            daemon=True,
        )
        self.process.start()
        theirs.close()

    def stop_if_stuck(self, timeout: float) -> None:
        """End the process if an episode, or opening the dataset, takes too long."""
        opening = self.total is None and time.monotonic() - self.heard > _OPENING
        if not self.timed_out and (opening or self.board.seconds > timeout):
            # The end of its pipe tells the rest.
            self.timed_out = True
            self.process.kill()

    def close(self) -> None:
        """End the process."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join(5.0)
        self.connection.close()


class HealthScan:
    """Examines a dataset; `run` in one thread, `stop` from any."""

    def __init__(self, dataset: str, settings: ScanSettings | None = None) -> None:
        """Start nothing yet.

        Args:
            dataset: Path of the dataset.
            settings: How to scan.
        """
        self._dataset = dataset
        self._settings = settings or ScanSettings()
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self._stopped = False
        self._deaths = 0
        self._skip: set[int] = set()
        self._of_dataset: tuple[Problem, ...] = ()
        self._said = (-1, -1)

    def stop(self) -> None:
        """End the processes; `run` ends soon."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                if worker.process.is_alive():
                    worker.process.kill()

    def run(self) -> Iterator[ScanStep]:
        """Examine; an episode at which its process crashes or hangs gets a finding that says so.

        Yields:
            Steps, each with what is new; at least the progress.

        Raises:
            DataError: The dataset cannot be opened in the process, or too many processes died.
        """
        try:
            for share in range(self._settings.jobs):
                self._start(share, 0)
            while not self._stopped and not all(w.ended for w in self._workers):
                yield from self._listen()
        finally:
            for worker in self._workers:
                worker.close()

    def _start(self, share: int, start: int) -> None:
        settings = self._settings
        task = health_process.ScanTask(
            dataset=self._dataset,
            opener=settings.opener,
            options=settings.options,
            episodes=settings.episodes,
            first=settings.first,
            share=share,
            shares=settings.jobs,
            start=start,
            skip=frozenset(self._skip),
            nice=settings.nice,
            cache=None if settings.cache is None else str(settings.cache),
            digest=settings.digest,
        )
        with self._lock:
            if self._stopped:
                return
            worker = _Worker(task)
            if share < len(self._workers):
                worker.total = self._workers[share].total
                self._workers[share] = worker
            else:
                self._workers.append(worker)

    def _listen(self) -> Iterator[ScanStep]:
        """Wait for news of any process, at most for a moment."""
        running = {w.connection: w for w in self._workers if not w.ended}
        fresh: list[EpisodeHealth] = []
        changed: dict[int, tuple[Problem, ...]] = {}
        for connection in wire.wait(list(running), _MOMENT):
            worker = running[connection]  # type: ignore[index]
            try:
                message: Any = json.loads(worker.connection.recv_bytes())
            except (EOFError, OSError):
                if not self._stopped:
                    fresh += self._died(worker)
                continue
            self._take(worker, message, fresh, changed)
        for worker in running.values():
            if not worker.ended:
                worker.stop_if_stuck(self._settings.timeout)
        if self._settings.digest:
            changed.update((health.episode, health.problems) for health in fresh)
        done = sum(max(w.received, w.board.done) for w in self._workers)
        total = sum(w.total or 0 for w in self._workers)
        if fresh or changed or self._said != (done, total):
            self._said = done, total
            yield ScanStep(done, total, tuple(fresh), changed, self._of_dataset)

    def _take(
        self,
        worker: _Worker,
        message: dict[str, Any],
        fresh: list[EpisodeHealth],
        changed: dict[int, tuple[Problem, ...]],
    ) -> None:
        worker.heard = time.monotonic()
        match message:
            case {"total": total}:
                worker.total = int(total)
            case {"done": done, "examined": examined}:
                worker.received = int(done)
                fresh += [EpisodeHealth.from_dict(entry) for entry in examined]
            case {"done": done, "changed": found, "of_dataset": of_dataset}:
                worker.received = int(done)
                changed.update((int(e), tuple(map(problem_from, ps))) for e, ps in found)
                self._of_dataset = tuple(map(problem_from, of_dataset))
            case {"end": _}:
                worker.ended = True
                worker.process.join(5.0)
            case {"error": text}:
                raise DataError("scan_failed", str(text))

    def _died(self, worker: _Worker) -> list[EpisodeHealth]:
        """The process is gone: say so at the episode, and go on with the next."""
        worker.close()
        self._deaths += 1
        if worker.total is None:
            text = f"the examination could not open {self._dataset}: its process ended"
            raise DataError("scan_failed", text)
        if self._deaths > _MOST_DEATHS:
            raise DataError("scan_failed", f"the examination ended {self._deaths} times")
        episode = worker.board.episode
        # A digest is made anew from what is remembered, so that all are compared with all.
        again = self._settings.digest and self._settings.cache is not None
        if episode is None:
            self._start(worker.task.share, 0 if again else worker.received)
            return []
        self._skip.add(episode)
        self._start(worker.task.share, 0 if again else worker.received)
        if worker.timed_out:
            text = f"examining it took more than {self._settings.timeout:g} s and was stopped"
            problem = finding("scan_timed_out", text)
        else:
            code = worker.process.exitcode
            problem = finding("scan_crashed", f"examining it ended the process (exit code {code})")
        log.info("episode %d: %s", episode, problem.message)
        return [EpisodeHealth(episode, (problem,))]
