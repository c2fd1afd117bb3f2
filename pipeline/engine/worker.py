"""The worker process: owns heavy stages, may die without taking the window with it."""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pipeline.engine import messages as say
from pipeline.engine.cache import ResultCache, ResultMemory, StageOutcome, pack
from pipeline.engine.graph import Graph, NodeId, Plan, Run, StageFailed
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.problem import Cancelled, DataError, Left

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

_PROGRESS_EVERY = 0.05  # seconds


def load_object(path: str) -> Any:
    """Import `package.module:name`."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def options_from(graph: Graph, values: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Make options instances of all stages from plain values; ValueError with one sentence."""
    from pipeline.model.options import with_option

    result = graph.default_options()
    for stage, pairs in values.items():
        if stage not in result:
            raise ValueError(f"no stage {stage}; there are: {', '.join(result)}")
        for name, value in pairs.items():
            try:
                result[stage] = with_option(result[stage], name, value)
            except ValueError as error:
                raise ValueError(f"stage {stage}: {error}") from error
    return result


class _Sender:
    """Sends messages from the job's thread; header and bytes stay together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: BaseModel, data: bytes | None = None) -> None:
        with self._lock:
            self._connection.send_bytes(message.model_dump_json().encode())
            if data is not None:
                self._connection.send_bytes(data)


class _Reporter:
    """Observer of one job."""

    def __init__(self, sender: _Sender, job: int, known: frozenset[str]) -> None:
        self._sender = sender
        self._job = job
        self._known = known
        self._last = 0.0

    def started(self, node: NodeId) -> None:
        self._last = 0.0
        self._sender.send(say.Started(job=self._job, stage=node[0], subtask=node[1]))

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        now = time.monotonic()
        if now - self._last >= _PROGRESS_EVERY:
            self._last = now
            message = say.Progress(
                job=self._job, stage=node[0], subtask=node[1], share=share, what=what
            )
            self._sender.send(message)

    def finished(self, outcome: StageOutcome, data: bytes | None) -> None:
        if outcome.cached and outcome.key in self._known:
            return
        if data is None:
            data = pack(outcome.result, outcome.seconds)
        header = say.Finished(
            job=self._job,
            stage=outcome.stage,
            subtask=outcome.subtask,
            key=outcome.key,
            seconds=outcome.seconds,
            cached=outcome.cached,
            problems=tuple((p.code, p.message) for p in outcome.problems),
        )
        self._sender.send(header, data)


class Worker:
    """Runs jobs one after the other; a second thread listens, so that cancel gets through."""

    def __init__(
        self,
        connection: Connection,
        graph: Graph,
        open_dataset: Callable[[str], DatasetSource],
        cache: ResultCache | None,
    ) -> None:
        self._connection = connection
        self._sender = _Sender(connection)
        self._graph = graph
        self._open_dataset = open_dataset
        self._cache = cache
        self._memory = ResultMemory()
        self._cancelled: dict[int, say.CancelJob] = {}
        self._jobs: list[say.RunJob] = []
        self._wake = threading.Condition()
        self._quit = False
        self._source: tuple[str, DatasetSource] | None = None
        self._demonstration: Demonstration | None = None

    def serve(self) -> None:
        """Work until told to quit or the window is gone."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        self._sender.send(say.Ready(pid=os.getpid()))
        while True:
            with self._wake:
                while not self._jobs and not self._quit:
                    self._wake.wait()
                if self._quit:
                    return
                job = self._jobs.pop(0)
            try:
                self._run(job)
            except (BrokenPipeError, ConnectionError):
                return

    def _listen(self) -> None:
        while True:
            try:
                message = say.TO_WORKER.validate_json(self._connection.recv_bytes())
            except (EOFError, OSError):
                message = say.Quit()
            with self._wake:
                if isinstance(message, say.RunJob):
                    self._jobs.append(message)
                elif isinstance(message, say.CancelJob):
                    self._cancelled[message.job] = message
                else:
                    self._quit = True
                    # The job in progress must stop too: nobody will read its results.
                    os._exit(0)
                self._wake.notify_all()

    def _demonstration_of(self, job: say.RunJob) -> tuple[DatasetSource, Demonstration]:
        if self._source is None or self._source[0] != job.dataset:
            self._source = (job.dataset, self._open_dataset(job.dataset))
            self._demonstration = None
        source = self._source[1]
        if self._demonstration is None or self._demonstration.ref.episode != job.episode:
            self._demonstration = source.open(job.episode)
        return source, self._demonstration

    def _run(self, job: say.RunJob) -> None:
        # lazy: the process says that it is ready before it loads what stages need
        from pipeline.backends.language.refusals import forget_refusals

        start = time.perf_counter()
        first = self._graph.stages[0].name
        forget_refusals()  # the user wants it tried again
        try:
            source, demonstration = self._demonstration_of(job)
            run = Run(
                self._graph,
                Plan(demonstration, options_from(self._graph, job.options), job.edits),
                self._cache,
                lambda: source.reader(demonstration),
                _Reporter(self._sender, job.job, frozenset(job.known)),
                lambda: self._is_cancelled(job.job),
                self._memory,
                frozenset(job.fresh),
            )
            for _ in run.episode(job.up_to, job.subtask):
                pass
        except Cancelled:
            self._sender.send(say.Cancelled(job=job.job))
        except StageFailed as error:
            stage, subtask = error.node
            self._fail(job, stage, subtask, error.code, str(error), error.details)
        except (DataError, ValueError) as error:
            code = error.code if isinstance(error, DataError) else "bad_options"
            self._fail(job, first, -1, code, str(error), "")
        else:
            self._sender.send(say.Done(job=job.job, seconds=time.perf_counter() - start))

    def _is_cancelled(self, job: int) -> bool:
        """Whether the user cancelled a job; raises Left if they went on to something else."""
        message = self._cancelled.get(job)
        if message is not None and message.left:
            raise Left
        return message is not None

    def _fail(
        self, job: say.RunJob, stage: str, subtask: int, code: str, text: str, details: str
    ) -> None:
        message = say.Failed(
            job=job.job, stage=stage, subtask=subtask, code=code, message=text, details=details
        )
        self._sender.send(message)


def _trim(cache: ResultCache) -> None:
    """Bound what is kept on disk."""
    cache.trim()
    # lazy: the process says that it is ready before it loads what stages need
    from pipeline.backends.captioning.reply_store import ReplyStore

    ReplyStore().trim()


def main(connection: Connection, graph: str, opener: str, cache_folder: str | None) -> None:
    """Entry point of the process.

    Args:
        connection: Duplex pipe to the window.
        graph: `module:function` that makes the graph.
        opener: `module:function` that opens a dataset.
        cache_folder: Where results are kept, None for nowhere.
    """
    import signal

    # Ctrl+C in the terminal is for the window; it tells us to quit by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(5)  # Decoding for the cursor goes before computing.
    cache = ResultCache(Path(cache_folder)) if cache_folder else None
    if cache is not None:
        # Beside the work: looking through a full cache takes a second.
        threading.Thread(target=_trim, args=(cache,), name="trim", daemon=True).start()
    Worker(connection, load_object(graph)(), load_object(opener), cache).serve()
