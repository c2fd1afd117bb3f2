"""Worker processes that annotate episodes; each may die, hang or be killed alone."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import connection as wire
from typing import Any

from pipeline.batch import messages as say
from pipeline.batch import process as worker_process
from pipeline.batch.episode_work import LANGUAGE_STAGE
from pipeline.batch.order import EpisodeQueue
from pipeline.batch.process import WorkerTask
from pipeline.batch.report import EpisodeReport
from pipeline.model.edits import Edit
from pipeline.model.problem import DataError

log = logging.getLogger(__name__)

_MOMENT = 0.5
"""Seconds between two looks at what the processes are doing."""
_ATTEMPTS = 2
"""Processes that an episode may take with it before it counts as failed."""
_FAILED_STARTS = 3
"""Processes in a row that may die before they are ready: none will ever be."""
_KILLED = -9


@dataclass(frozen=True, slots=True)
class AtWork:
    """An episode that a process is busy with.

    Attributes:
        episode: Index.
        stage: Stage at work, empty before the first one says something.
        share: How far it is, 0..1.
        seconds: Since the episode was handed out.
    """

    episode: int
    stage: str
    share: float
    seconds: float


class _Worker:
    """One process and what is known about it."""

    def __init__(self, task: WorkerTask) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=worker_process.main, args=(theirs, task), name="demoscope-batch", daemon=True
        )
        self.process.start()
        theirs.close()
        self.ready = False
        self.timed_out = False
        self.episode: int | None = None
        self.since = 0.0
        self.stage = ""
        self.share = 0.0

    def give(self, episode: int, edits: tuple[Edit, ...]) -> None:
        self.episode, self.since = episode, time.monotonic()
        self.stage, self.share = "", 0.0
        try:
            message = say.DoEpisode(episode=episode, edits=edits)
            self.connection.send_bytes(message.model_dump_json().encode())
        except OSError:
            log.info(
                "the process died before it got episode %d", episode
            )  # its pipe tells the rest

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since

    def close(self) -> None:
        """End the process and wait for it."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join(5.0)
        self.connection.close()


class WorkerPool:
    """Annotates the episodes of a queue; `run` in one thread, `stop` from any.

    `run` must stay in the thread that began it: on Linux the processes die with that thread.
    """

    def __init__(
        self,
        task: WorkerTask,
        queue: EpisodeQueue,
        edits: Mapping[int, tuple[Edit, ...]],
        *,
        jobs: int,
        timeout: float | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            task: What each process needs to know.
            queue: Episodes.
            edits: Human corrections in force, by episode.
            jobs: Processes side by side.
            timeout: Seconds that one episode may take, None for no limit.
        """
        self._task = task
        self._queue = queue
        self._edits = edits
        self._jobs = jobs
        self._timeout = timeout
        self._workers: list[_Worker] = []
        self._deaths: Counter[int] = Counter()
        self._failed_starts = 0
        self._lock = threading.Lock()
        self._stopped = False

    @property
    def at_work(self) -> tuple[AtWork, ...]:
        """Episodes that processes are busy with."""
        return tuple(
            AtWork(w.episode, w.stage, w.share, w.seconds)
            for w in self._workers
            if w.episode is not None
        )

    @property
    def pids(self) -> tuple[int, ...]:
        """Numbers of the processes."""
        return tuple(w.process.pid for w in self._workers if w.process.pid is not None)

    def stop(self) -> None:
        """Kill the processes; `run` ends at once."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                if worker.process.is_alive():
                    worker.process.kill()

    def run(self) -> Generator[EpisodeReport | None, None, None]:
        """Work until the queue is empty or `stop` is called.

        Yields:
            Reports as episodes end; None at least twice a second, so that time can be shown.

        Raises:
            DataError: The processes cannot work at all.
        """
        try:
            while not self._stopped and (len(self._queue) or self.at_work):
                self._fill()
                yield from self._listen()
        finally:
            self.stop()
            for worker in self._workers:
                worker.close()
            self._workers.clear()

    def _fill(self) -> None:
        """Start processes that are missing, and give those that are idle an episode."""
        for worker in self._workers:
            if worker.ready and worker.episode is None:
                self._give(worker)
        wanted = min(self._jobs, len(self._queue) + len(self.at_work))
        with self._lock:
            while len(self._workers) < wanted and not self._stopped:
                self._workers.append(_Worker(self._task))

    def _give(self, worker: _Worker) -> None:
        episode = self._queue.next()
        if episode is not None:
            worker.give(episode, self._edits.get(episode, ()))

    def _listen(self) -> Iterator[EpisodeReport | None]:
        """Wait for news of any process, at most for a moment."""
        by_connection: dict[Any, _Worker] = {w.connection: w for w in self._workers}
        for connection in wire.wait(list(by_connection), _MOMENT):
            worker = by_connection[connection]
            try:
                message = say.TO_BATCH.validate_json(worker.connection.recv_bytes())
            except (EOFError, OSError):
                if not self._stopped:
                    yield from self._died(worker)
                continue
            report = self._take(worker, message)
            if report is not None:
                yield report
        self._stop_hanging()
        yield None

    def _stop_hanging(self) -> None:
        """End the processes whose episode takes too long."""
        if self._timeout is None:
            return
        for worker in self._workers:
            busy = worker.episode is not None and not worker.timed_out
            if busy and worker.seconds > self._timeout:
                # The end of its pipe tells the rest.
                worker.timed_out = True
                worker.process.kill()

    def _take(self, worker: _Worker, message: Any) -> EpisodeReport | None:
        match message:
            case say.Ready():
                worker.ready = True
                self._failed_starts = 0
            case say.Unusable():
                raise DataError(message.code, message.reason)
            case say.At():
                worker.stage, worker.share = message.stage, message.share
            case say.Passed():
                worker.stage, worker.share = message.stage, 1.0
                if message.stage == LANGUAGE_STAGE and worker.episode is not None:
                    self._queue.answered(worker.episode)
            case say.Reported():
                worker.episode = None
                self._queue.answered(message.report.episode)
                if not worker.timed_out:  # else it was finished just before it was killed
                    self._give(worker)  # before the report is written: it need not wait
                return message.report
        return None

    def _died(self, worker: _Worker) -> list[EpisodeReport]:
        """The process is gone: try its episode once more, or give the episode up."""
        with self._lock:
            self._workers.remove(worker)
        worker.close()
        code = worker.process.exitcode
        episode, seconds = worker.episode, worker.seconds
        if episode is None:
            self._failed_starts += not worker.ready
            if self._failed_starts >= _FAILED_STARTS:
                raise DataError(
                    "no_workers",
                    f"{_FAILED_STARTS} worker processes ended before they could begin "
                    f"({_ending(code)}); “demoscope doctor” says what is wrong",
                )
            return []
        self._deaths[episode] += 1
        log.info("episode %d: its process ended (%s)", episode, _ending(code))
        if worker.timed_out:
            reason = f"it took more than {self._timeout:g} s and was stopped"
            return [self._given_up(worker, episode, seconds, "timed_out", reason)]
        if self._deaths[episode] < _ATTEMPTS:
            self._queue.put_back(episode)
            return []
        reason = f"its process ended {_ATTEMPTS} times ({_ending(code)})"
        return [self._given_up(worker, episode, seconds, "worker_died", reason)]

    def _given_up(
        self, worker: _Worker, episode: int, seconds: float, code: str, reason: str
    ) -> EpisodeReport:
        self._queue.answered(episode)
        return EpisodeReport(
            episode=episode,
            finished=False,
            code=code,
            reason=f"{reason}, in the stage {worker.stage}" if worker.stage else reason,
            stage=worker.stage,
            seconds=seconds,
        )


def worker_task(
    dataset: str,
    options: Mapping[str, Mapping[str, Any]],
    *,
    graph: str,
    opener: str,
    cache: str | None,
    threads: int,
) -> WorkerTask:
    """Describe the work of processes that this one starts."""
    values = {stage: dict(pairs) for stage, pairs in options.items()}
    return WorkerTask(dataset, graph, opener, values, cache, os.getpid(), threads)


def _ending(code: int | None) -> str:
    """How a process ended."""
    if code == _KILLED:
        return "it was killed, most likely because memory ran out: --jobs 1 takes less"
    if code is not None and code < 0:
        return f"it crashed with signal {-code}"
    return f"exit code {code}"
