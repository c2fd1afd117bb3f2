"""A process that does one task, followed from the GUI thread: what it tells arrives there."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal, SignalInstance, Slot

from pipeline.model.problem import Cancelled, DataError

if TYPE_CHECKING:
    from pipeline.engine.task_process import TaskProcess

log = logging.getLogger(__name__)


class TaskRun(QObject):
    """Runs one task at a time, off the GUI thread and out of its process.

    Signals:
        arrived: What the process told: its news, and its answer, if it has one, as the last.
        ended: Why it ended early, an exception; None if it is complete.
    """

    arrived = Signal(object)
    ended = Signal(object)
    _told = Signal(int, object)
    _over = Signal(int, object)

    def __init__(self, name: str, patience: float, parent: QObject | None = None) -> None:
        """Start nothing yet.

        Args:
            name: Of the threads.
            patience: Seconds that the end of a process may take when the window closes.
            parent: Owner.
        """
        super().__init__(parent)
        self._name = name
        self._patience = patience
        self._number = 0
        self._process: TaskProcess[Any, Any] | None = None
        self._threads: set[threading.Thread] = set()
        self._told.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._over.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    @property
    def running(self) -> bool:
        """True from `start` until `ended`."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Number of the process at work, None if there is none."""
        return None if self._process is None else self._process.pid

    def start(self, process: TaskProcess[Any, Any]) -> None:
        """Run a process; one that runs is stopped and tells nothing more."""
        self.drop()
        self._process = process
        thread = threading.Thread(
            target=self._run, args=(self._number, process), name=self._name, daemon=True
        )
        self._threads.add(thread)
        thread.start()

    def cancel(self) -> None:
        """Stop; `ended` follows, with `Cancelled`."""
        if self._process is not None:
            self._process.cancel()

    def drop(self) -> None:
        """Stop what runs without a word."""
        self._number += 1
        self.cancel()
        self._process = None

    def close(self) -> None:
        """Stop without a word and wait for the threads, each for as long as `patience`."""
        self.drop()
        for thread in list(self._threads):
            thread.join(self._patience)

    # -- in the thread ---------------------------------------------------------------------

    def _run(self, number: int, process: TaskProcess[Any, Any]) -> None:
        """The body of the thread; stays in it, for the process dies with it."""
        failure: Exception | None = None
        try:
            for news in process.run():
                self._tell(self._told, number, news)
        except (Cancelled, DataError, OSError) as error:
            failure = error
        except Exception as error:
            # The last resort: a defect of ours must not leave a page running for ever.
            log.exception("the run of %s failed", self._name)
            failure = error
        self._threads.discard(threading.current_thread())
        self._tell(self._over, number, failure)

    def _tell(self, signal: SignalInstance, number: int, what: object) -> None:
        try:
            signal.emit(number, what)
        except RuntimeError:
            log.debug("news of %s came after the window closed", self._name)

    # -- on the GUI thread -----------------------------------------------------------------

    @Slot(int, object)
    def _deliver(self, number: int, news: object) -> None:
        if number == self._number:
            self.arrived.emit(news)

    @Slot(int, object)
    def _finish(self, number: int, failure: Exception | None) -> None:
        if number == self._number:
            self._process = None
            self.ended.emit(failure)
