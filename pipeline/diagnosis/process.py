"""A diagnosis in a process of its own: the window goes on, and a crash costs nothing else."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.diagnosis.diagnosis import Diagnosis
from pipeline.diagnosis.task import DiagnosisTask
from pipeline.model.problem import Cancelled, DataError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

_EVERY = 0.1
"""Seconds between two messages about progress."""
_GRACE = 5.0
"""Seconds that a cancelled process has to finish before it is killed."""
_WAIT = 0.1


@dataclass(frozen=True, slots=True)
class DiagnosisNews:
    """What the process has to tell.

    Attributes:
        share: How much is done, 0..1.
        what: What it does, a phrase.
        episode: Episode that was finished, -1 if none was.
        found: Its diagnoses.
    """

    share: float
    what: str
    episode: int = -1
    found: tuple[Diagnosis, ...] = ()


class DiagnosisProcess:
    """Runs one task; results arrive one by one."""

    def __init__(self, task: DiagnosisTask) -> None:
        """Start nothing yet."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe(duplex=False)
        self._stop = context.Event()
        self._process = context.Process(
            target=main, args=(theirs, self._stop, task), name="diagnosis", daemon=True
        )
        self._theirs = theirs
        self._cancelled_at: float | None = None

    def cancel(self) -> None:
        """Ask it to stop, from any thread; `run` ends soon after."""
        self._cancelled_at = time.monotonic()
        self._stop.set()

    def run(self) -> Iterator[DiagnosisNews]:
        """Start the process and yield what it tells, until it ends.

        Raises:
            DataError: It could not begin, or ended unexpectedly; one sentence.
            Cancelled: After `cancel`.
        """
        self._process.start()
        self._theirs.close()
        try:
            yield from self._news()
        finally:
            if self._process.is_alive():
                self._process.kill()
            self._process.join()
            self._connection.close()

    def _news(self) -> Iterator[DiagnosisNews]:
        while True:
            late = self._cancelled_at is not None and time.monotonic() > self._cancelled_at + _GRACE
            if late:
                raise Cancelled
            if not self._connection.poll(_WAIT):
                continue
            try:
                message: Any = self._connection.recv()
            except (EOFError, OSError) as error:
                if self._cancelled_at is not None:
                    raise Cancelled from error
                self._process.join()
                code = self._process.exitcode
                text = f"the diagnosis ended unexpectedly (exit code {code}); run it again"
                raise DataError("internal", text) from error
            if message is None:
                return
            if isinstance(message, str):
                if self._cancelled_at is not None:
                    raise Cancelled
                raise DataError("internal", message)
            yield message


def main(connection: Connection, stop: Any, task: DiagnosisTask) -> None:
    """Diagnose and tell; the body of the process.

    Sends `DiagnosisNews`, a sentence if it cannot go on, None at the end.
    """
    logging.basicConfig(level=logging.CRITICAL)
    try:
        _diagnose(connection, stop, task)
        connection.send(None)
    except (BrokenPipeError, ConnectionError, KeyboardInterrupt):
        return  # The one who asked is gone.
    except Cancelled:
        connection.send("cancelled")
    except (DataError, ValueError) as error:
        connection.send(str(error))
    except Exception as error:
        log.debug("diagnosis", exc_info=True)
        connection.send(f"internal error: {type(error).__name__}: {error}")
    finally:
        connection.close()


def _diagnose(connection: Connection, stop: Any, task: DiagnosisTask) -> None:
    from pipeline.diagnosis.episode import diagnose_episodes
    from pipeline.diagnosis.task import setting_of

    told = 0.0

    def report(share: float, what: str) -> None:
        nonlocal told
        if time.monotonic() - told >= _EVERY:
            told = time.monotonic()
            connection.send(DiagnosisNews(share, what))

    setting = setting_of(task)
    for done, (episode, found) in enumerate(
        diagnose_episodes(setting, task.episodes, report, stop.is_set), 1
    ):
        share = done / len(task.episodes)
        connection.send(DiagnosisNews(share, f"episode {episode} is done", episode, found))
