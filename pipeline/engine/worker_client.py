"""The window's end of the worker: starts it, sends jobs, notices its death, keeps cancel short."""

from __future__ import annotations

import logging
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine import messages as say
from pipeline.engine import worker
from pipeline.engine.cache import StageOutcome, unpack
from pipeline.engine.codec import CodecError
from pipeline.engine.graph import Graph
from pipeline.model.problem import Problem

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

CANCEL_GRACE = 0.15
"""Seconds a job may take to stop by itself; then the process is killed (200 ms are promised)."""


class WorkerClient:
    """One worker process at a time, started on first use and again after it died.

    Events arrive through `on_event`, called from a thread of ours: the caller brings them to
    where it needs them.
    """

    def __init__(
        self,
        graph_factory: str,
        opener: str,
        cache_folder: Path | None,
        on_event: Callable[[say.Event], None],
    ) -> None:
        """Remember how to start the process; nothing is started yet.

        Args:
            graph_factory: `module:function` that makes the graph, in worker and window alike.
            opener: `module:function` that opens a dataset by path.
            cache_folder: Where the worker keeps results, None for nowhere.
            on_event: Called from a background thread.
        """
        self._factory = graph_factory
        self._opener = opener
        self._cache_folder = cache_folder
        self._on_event = on_event
        self._lock = threading.RLock()
        self._process: Any = None
        self._connection: Connection | None = None
        self._current: int | None = None
        self._next = 1
        self._ended = 0
        self._job: say.RunJob | None = None
        self._killed: dict[int, int] = {}
        self._closed = False
        self._graph: Graph | None = None

    @property
    def pid(self) -> int | None:
        """Process number of the worker, None if none runs."""
        with self._lock:
            return self._process.pid if self._process is not None else None

    @property
    def busy(self) -> bool:
        """True while a job runs."""
        return self._current is not None

    def start(self) -> None:
        """Start the process if none runs (a warm worker answers sooner)."""
        with self._lock:
            if self._process is not None or self._closed:
                return
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            folder = str(self._cache_folder) if self._cache_folder else None
            self._process = context.Process(
                target=worker.main,
                args=(theirs, self._factory, self._opener, folder),
                name="demoscope-worker",
                daemon=True,
            )
            self._process.start()
            theirs.close()
            self._connection = ours
            threading.Thread(
                target=self._read, args=(ours, self._process), name="worker-events", daemon=True
            ).start()

    def run(self, job: say.RunJob) -> int:
        """Send a job; its number replaces the one in `job` and is returned."""
        with self._lock:
            self.start()
            number = self._next
            self._next += 1
            self._current = number
            self._job = job.model_copy(update={"job": number})
            self._send(self._job)
            return number

    def cancel(self, *, left: bool = False) -> None:
        """Stop the job in progress; `Cancelled` arrives within 200 ms.

        Args:
            left: Something else is wanted: what was paid for may still be finished and kept.
        """
        with self._lock:
            number, process = self._current, self._process
            if number is None:
                return
            self._send(say.CancelJob(job=number, left=left))
        timer = threading.Timer(CANCEL_GRACE, self._kill_if_still, args=(number, process))
        timer.daemon = True
        timer.start()

    def _kill_if_still(self, number: int, process: Any) -> None:
        with self._lock:
            # Jobs end in the order in which they were sent.
            if self._ended >= number or self._process is not process or process is None:
                return
            log.info("job %d did not stop within %.2f s, killing the worker", number, CANCEL_GRACE)
            self._killed[process.pid] = number
            process.kill()
            # Its end is told by its own reader; a job that waits behind it goes to a new one.
            self._process = self._connection = None
            if self._job is not None and self._current == self._job.job != number:
                self.start()
                self._send(self._job)

    def close(self) -> None:
        """End the process and wait for it."""
        with self._lock:
            self._closed = True
            process, connection = self._process, self._connection
            self._process = self._connection = None
        if connection is not None:
            try:
                connection.send_bytes(say.Quit().model_dump_json().encode())
            except OSError:
                log.debug("the worker was gone already")
        if process is not None:
            process.join(1.0)
            if process.is_alive():
                process.kill()
                process.join(1.0)
        if connection is not None:
            connection.close()

    def _send(self, message: say.RunJob | say.CancelJob) -> None:
        assert self._connection is not None  # noqa: S101 - `start` came before
        try:
            self._connection.send_bytes(message.model_dump_json().encode())
        except OSError:
            log.info("the worker died before it got the message")

    def _read(self, connection: Connection, process: Any) -> None:
        ended = 0
        while True:
            try:
                event = self._next_event(connection)
            except (EOFError, OSError):
                break
            if isinstance(event, say.Failed | say.Cancelled | say.Done):
                ended = event.job
                with self._lock:
                    self._ended = max(self._ended, ended)
                    if self._current == event.job:
                        self._current = None
            self._on_event(event)
        process.join(2.0)
        with self._lock:
            if self._closed:
                return
            connection.close()
            killed = self._killed.pop(process.pid, None)
            job = self._current if killed is None else killed
            if self._current == job:
                self._current = None
            if self._process is process:
                self._process = self._connection = None
        if killed is not None:
            # It may have stopped by itself, and said so, while it was being killed.
            if ended != killed:
                self._on_event(say.Cancelled(job=killed))
        else:
            self._on_event(say.Died(job=job, message=_death_sentence(process.exitcode)))

    def _next_event(self, connection: Connection) -> say.Event:
        message = say.FROM_WORKER.validate_json(connection.recv_bytes())
        if not isinstance(message, say.Finished):
            return message
        data = connection.recv_bytes()
        if self._graph is None:
            self._graph = worker.load_object(self._factory)()
        try:
            result, seconds = unpack(data, self._graph.stage(message.stage).result_type)
        except CodecError as error:
            return say.Failed(
                job=message.job,
                stage=message.stage,
                subtask=message.subtask,
                code="internal",
                message=f"the result of {message.stage} could not be read: {error}",
            )
        problems = tuple(Problem(code, text) for code, text in message.problems)
        outcome = StageOutcome(
            message.stage, message.subtask, message.key, result, seconds, message.cached, problems
        )
        return say.Delivered(job=message.job, outcome=outcome)


def _death_sentence(exit_code: int | None) -> str:
    """Say how the worker ended, and what to do."""
    if exit_code is not None and exit_code < 0:
        if exit_code == -9:
            # Nobody else sends it: we know of our own kills, and torch raises on a full device.
            return (
                "The system killed the worker, most likely because memory ran out; finished stages "
                "and your edits are safe. Close other programs, choose a smaller model or lower "
                "the stage's sizes (points, frames, boxes), then run again."
            )
        return (
            f"The worker crashed (signal {-exit_code}); finished stages and your edits are safe. "
            "Run again, or choose another backend if it crashes again."
        )
    return (
        f"The worker ended unexpectedly (exit code {exit_code}); finished stages and your edits "
        "are safe. Run again."
    )
