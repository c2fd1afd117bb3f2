"""What a worker process does: annotates the episodes it is told, and says how far it is."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from pydantic import BaseModel

from pipeline.batch import messages as say
from pipeline.batch.episode_work import EpisodeWork
from pipeline.engine.cache import ResultCache, StageOutcome
from pipeline.engine.graph import NodeId, SilentObserver
from pipeline.engine.worker import load_object, options_from
from pipeline.model.edits import EPISODE_SCOPE
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from pipeline.batch.process import WorkerTask

log = logging.getLogger(__name__)

_PROGRESS_EVERY = 0.5
"""Seconds between two messages about progress: a batch is glanced at, not watched."""


class _Teller(SilentObserver):
    """Tells the batch which stage is at work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = 0.0

    def tell(self, message: BaseModel) -> None:
        self._connection.send_bytes(message.model_dump_json().encode())

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        now = time.monotonic()
        if now - self._last >= _PROGRESS_EVERY:
            self._last = now
            self.tell(say.At(stage=node[0], share=min(max(share, 0.0), 1.0)))

    def finished(self, outcome: StageOutcome, data: bytes | None) -> None:
        if outcome.subtask == EPISODE_SCOPE:
            self.tell(say.Passed(stage=outcome.stage))


def serve(connection: Connection, task: WorkerTask) -> None:
    """Work until the batch is gone."""
    jobs: SimpleQueue[say.DoEpisode] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, jobs), name="listen", daemon=True).start()
    teller = _Teller(connection)
    try:
        try:
            graph = load_object(task.graph)()
            options = options_from(graph, task.options)
            source = load_object(task.opener)(task.dataset)
        except (DataError, ValueError) as error:
            code = error.code if isinstance(error, DataError) else "bad_options"
            teller.tell(say.Unusable(code=code, reason=str(error)))
            return
        cache = None if task.cache is None else ResultCache(Path(task.cache))
        work = EpisodeWork(source, graph, options, cache)
        teller.tell(say.Ready(pid=os.getpid()))
        while True:
            job = jobs.get()
            report = work.annotate(job.episode, job.edits, teller)
            teller.tell(say.Reported(report=report))
    except (BrokenPipeError, ConnectionError):
        log.info("the batch is gone")


def _listen(connection: Connection, jobs: SimpleQueue[say.DoEpisode]) -> None:
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            # Nobody will read what comes of the episode at work. What its finished stages left is
            # in the cache, whole: files take their place when they are complete.
            os._exit(0)
        jobs.put(say.DoEpisode.model_validate_json(message))
