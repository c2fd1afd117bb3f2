"""One task in a process of its own: the window goes on, and a crash costs nothing else."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pipeline.engine.child_process import begin
from pipeline.model.problem import Cancelled, DataError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

TaskT = TypeVar("TaskT")
NewsT = TypeVar("NewsT")

_EVERY = 0.1
"""Seconds between two messages about progress."""
_WAIT = 0.05
"""Seconds between two looks at whether it was cancelled."""


@dataclass(frozen=True, slots=True)
class TaskManner:
    """How a task is run and spoken of.

    Attributes:
        name: Of the process.
        who: Subject of the sentence that tells its unexpected end, e.g. `the diagnosis`.
        advice: End of that sentence: what to do then.
        grace: Seconds that a cancelled process has to finish before it is killed.
        nice: How far it steps back behind other processes (Unix).
    """

    name: str
    who: str
    advice: str
    grace: float
    nice: int = 0


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why the process cannot go on."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class _Done:
    """The work is over; the answer is the last of the news, None for none."""

    answer: Any


class TaskLink(Generic[NewsT]):
    """What the work in the process knows of the one who asked."""

    def __init__(self, connection: Connection) -> None:
        """Talk through a connection."""
        self._connection = connection
        self._told = 0.0

    def tell(self, news: NewsT) -> None:
        """Send news. Raises Cancelled if nobody is there any more."""
        try:
            self._connection.send(news)
        except OSError as error:
            raise Cancelled from error

    def tell_sometimes(self, news: NewsT) -> None:
        """Send news that the next will outdate, unless there was such a moment ago; likewise."""
        if time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            self.tell(news)

    def is_cancelled(self) -> bool:
        """Whether the work should stop; ask often, from any thread."""
        try:
            return self._connection.poll()
        except OSError:  # on Windows: they are gone
            return True


Work = Callable[[TaskT, TaskLink[NewsT]], NewsT | None]
"""Does the task, tells news, returns the last of it. Raises DataError, Cancelled."""


class TaskProcess(Generic[TaskT, NewsT]):
    """Runs one task; `run` in one thread, `cancel` from any."""

    def __init__(self, work: Work[TaskT, NewsT], task: TaskT, manner: TaskManner) -> None:
        """Start nothing yet.

        Args:
            work: A function of a module: the process imports it.
            task: It crosses to the process, and so does all that `work` tells.
            manner: How to run it.
        """
        context = multiprocessing.get_context("spawn")
        # Both ways: that this end was closed, or said anything, means stop. A lock that both
        # processes share would stay locked for ever if this one were killed while it holds it.
        self._connection, self._theirs = context.Pipe()
        self._process = context.Process(
            target=main,
            args=(self._theirs, work, task, os.getpid(), manner.nice),
            name=manner.name,
            daemon=True,
        )
        self._manner = manner
        self._cancelled_at: float | None = None

    @property
    def pid(self) -> int | None:
        """Number of the process, None before it was started."""
        return self._process.pid

    def cancel(self) -> None:
        """Ask it to stop, from any thread; `run` ends soon after."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()

    def run(self) -> Iterator[NewsT]:
        """Start the process and yield what it tells; its answer, if it has one, is the last.

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

    def _news(self) -> Iterator[NewsT]:
        told = False
        while True:
            if self._cancelled_at is not None:
                if not told:
                    told = True
                    self._tell_to_stop()
                if time.monotonic() > self._cancelled_at + self._manner.grace:
                    raise Cancelled
            if not self._connection.poll(_WAIT):
                continue
            try:
                message: Any = self._connection.recv()
            except (EOFError, OSError) as error:
                if self._cancelled_at is not None:
                    raise Cancelled from error
                self._process.join()
                raise DataError("internal", self._ended()) from error
            if isinstance(message, _Refusal):
                if self._cancelled_at is not None:
                    raise Cancelled
                raise DataError(message.code, message.text)
            if isinstance(message, _Done):
                if message.answer is not None:
                    yield message.answer
                return
            yield message

    def _tell_to_stop(self) -> None:
        try:
            self._connection.send(None)
        except OSError:
            log.debug("the process was gone before it could be stopped")

    def _ended(self) -> str:
        who, code, advice = self._manner.who, self._process.exitcode, self._manner.advice
        return f"{who} ended unexpectedly (exit code {code}); {advice}"


def main(
    connection: Connection, work: Work[TaskT, NewsT], task: TaskT, parent: int, nice: int
) -> None:
    """Do the work and tell; the body of the process.

    Sends news, then `_Done` or `_Refusal`.
    """
    begin(parent, nice=nice)
    end: _Done | _Refusal
    try:
        end = _Done(work(task, TaskLink(connection)))
    except Cancelled:
        end = _Refusal("cancelled", "cancelled")
    except DataError as error:
        end = _Refusal(error.code, str(error))
    except Exception as error:
        # The last resort: a defect of ours is a sentence, too.
        log.debug("%s", multiprocessing.current_process().name, exc_info=True)
        end = _Refusal("internal", f"internal error: {type(error).__name__}: {error}")
    with connection, suppress(OSError):  # nobody listens if the one who asked is gone
        connection.send(end)
