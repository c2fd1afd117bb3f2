"""Measuring caption recipes in a process of its own: a crash costs nothing that was answered."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.batch.process import die_with
from pipeline.captioning.evaluation_values import (
    EvaluationOutlook,
    EvaluationRequest,
    RecipeEvaluation,
)
from pipeline.model.problem import Cancelled, DataError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

_EVERY = 0.1
"""Seconds between two messages about progress."""
_GRACE = 1.0
"""Seconds that a cancelled process has to finish before it is killed."""
_WAIT = 0.05
_NICE = 5
"""How far it steps back behind the window."""


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """What the process is to do. It crosses to it.

    Attributes:
        request: What is to be measured.
        results: Folder of kept stage results, None for none.
        estimate: Only say what it would take; nothing is sent.
    """

    request: EvaluationRequest
    results: Path | None
    estimate: bool = False


@dataclass(frozen=True, slots=True)
class EvaluationNews:
    """How far it is.

    Attributes:
        share: 0..1.
        what: What is being done, a phrase.
    """

    share: float
    what: str


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why the process cannot go on."""

    code: str
    text: str


Message = EvaluationNews | EvaluationOutlook | RecipeEvaluation


class EvaluationProcess:
    """Runs one task. What servers answer is kept as it comes, so that another run goes on there."""

    def __init__(self, task: EvaluationTask) -> None:
        """Start nothing yet."""
        context = multiprocessing.get_context("spawn")
        # Both ways: that this end was closed, or said anything, means stop. A lock that both
        # processes share would stay locked for ever if this one were killed while it holds it.
        self._connection, self._theirs = context.Pipe()
        self._process = context.Process(
            target=main,
            args=(self._theirs, task, os.getpid()),
            name="caption evaluation",
            daemon=True,
        )
        self._cancelled_at: float | None = None

    @property
    def pid(self) -> int | None:
        """Number of the process, None before it was started."""
        return self._process.pid

    def cancel(self) -> None:
        """Ask it to stop, from any thread; `run` ends soon after."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()

    def run(self) -> Iterator[Message]:
        """Start the process and yield what it tells; the answer is the last of it.

        Raises:
            DataError: It could not begin, or ended unexpectedly; one sentence.
            Cancelled: After `cancel`.
        """
        if self._cancelled_at is not None:
            raise Cancelled
        self._process.start()
        self._theirs.close()
        try:
            yield from self._news()
        finally:
            if self._process.is_alive():
                self._process.kill()
            self._process.join()
            self._connection.close()

    def _news(self) -> Iterator[Message]:
        told = False
        while True:
            if self._cancelled_at is not None:
                if not told:
                    told = True
                    self._tell_to_stop()
                if time.monotonic() > self._cancelled_at + _GRACE:
                    raise Cancelled
            if not self._connection.poll(_WAIT):
                continue
            try:
                message: Any = self._connection.recv()
            except (EOFError, OSError) as error:
                if self._cancelled_at is not None:
                    raise Cancelled from error
                self._process.join()
                raise DataError("internal", _ended(self._process.exitcode)) from error
            if isinstance(message, _Refusal):
                if self._cancelled_at is not None:
                    raise Cancelled
                raise DataError(message.code, message.text)
            yield message
            if not isinstance(message, EvaluationNews):
                return

    def _tell_to_stop(self) -> None:
        try:
            self._connection.send(None)
        except OSError:
            log.debug("the process was gone before it could be stopped")


def _ended(code: int | None) -> str:
    return (
        f"the process that measured ended unexpectedly (exit code {code}); measure again: what was "
        "answered is kept, and it goes on from there"
    )


def main(connection: Connection, task: EvaluationTask, parent: int) -> None:
    """Measure and tell; the body of the process.

    Sends `EvaluationNews`, then the answer, or `_Refusal`.
    """
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the window, which tells us
    die_with(parent)
    if hasattr(os, "nice"):
        os.nice(_NICE)
    # What concerns people is told; this process has no one to read its log.
    logging.basicConfig(level=logging.CRITICAL)
    try:
        connection.send(_answer(connection, task))
    except (BrokenPipeError, ConnectionError):
        return  # the one who asked is gone
    except Cancelled:
        connection.send(_Refusal("cancelled", "cancelled"))
    except (DataError, ValueError) as error:
        connection.send(_Refusal(getattr(error, "code", "bad_evaluation"), str(error)))
    except Exception as error:
        log.debug("caption evaluation", exc_info=True)
        text = f"internal error: {type(error).__name__}: {error}"
        connection.send(_Refusal("internal", text))
    finally:
        connection.close()


def _answer(connection: Connection, task: EvaluationTask) -> EvaluationOutlook | RecipeEvaluation:
    from pipeline.captioning.evaluate import evaluate_recipes, evaluation_outlook

    told = 0.0

    def report(share: float, what: str) -> None:
        nonlocal told
        if time.monotonic() - told >= _EVERY:
            told = time.monotonic()
            connection.send(EvaluationNews(share, what))

    do = evaluation_outlook if task.estimate else evaluate_recipes
    return do(task.request, results=task.results, progress=report, is_cancelled=connection.poll)
