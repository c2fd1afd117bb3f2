"""Estimates and measures caption recipes while the window goes on: a process of its own."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, SignalInstance, Slot

from app.background import sentence
from pipeline.model.problem import Cancelled, DataError

if TYPE_CHECKING:
    from app.caption_evaluation_process import EvaluationProcess, EvaluationTask

log = logging.getLogger(__name__)

_PATIENCE = 2.0
"""Seconds that the end of a process may take when the window closes."""


class CaptionEvaluationRun(QObject):
    """Runs one task at a time, off the GUI thread and out of its process.

    Signals:
        answered: An `EvaluationOutlook` or a `RecipeEvaluation`; `ended` follows.
        progressed: Share 0..1 and what is being done.
        ended: One sentence why it ended early, empty if it is complete; and whether it was
            cancelled.
    """

    answered = Signal(object)
    progressed = Signal(float, str)
    ended = Signal(str, bool)
    _arrived = Signal(int, object)
    _over = Signal(int, str, bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._process: EvaluationProcess | None = None
        self._threads: set[threading.Thread] = set()
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._over.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    @property
    def running(self) -> bool:
        """True from `start` until `ended`."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Number of the process at work, None if there is none."""
        return None if self._process is None else self._process.pid

    def start(self, task: EvaluationTask) -> None:
        """Begin; what runs is stopped and tells nothing more."""
        # lazy: most curation windows never measure captions
        from app.caption_evaluation_process import EvaluationProcess

        self.drop()
        self._process = EvaluationProcess(task)
        thread = threading.Thread(
            target=self._run,
            args=(self._number, self._process),
            name="caption-evaluation",
            daemon=True,
        )
        self._threads.add(thread)
        thread.start()

    def cancel(self) -> None:
        """Stop; what servers answered is kept. `ended` follows."""
        if self._process is not None:
            self._process.cancel()

    def drop(self) -> None:
        """Stop what runs without a word."""
        self._number += 1
        if self._process is not None:
            self._process.cancel()
            self._process = None

    def close(self) -> None:
        """Stop without a word and wait for the threads, a few seconds at most."""
        self.drop()
        for thread in list(self._threads):
            thread.join(_PATIENCE)

    # -- in the thread ---------------------------------------------------------------------

    def _run(self, number: int, process: EvaluationProcess) -> None:
        """The body of the thread; stays in it, for the process dies with it."""
        failure, cancelled = "", False
        try:
            for message in process.run():
                self._tell(self._arrived, number, message)
        except Cancelled:
            cancelled = True
        except (DataError, OSError) as error:
            failure = sentence(error)
        except Exception as error:
            # The last resort: a defect of ours must not leave the page running for ever.
            log.exception("the evaluation of captions failed")
            failure = sentence(error)
        self._threads.discard(threading.current_thread())
        self._tell(self._over, number, failure, cancelled)

    def _tell(self, signal: SignalInstance, *values: object) -> None:
        try:
            signal.emit(*values)
        except RuntimeError:
            log.debug("news of an evaluation came after the window closed")

    # -- on the GUI thread -----------------------------------------------------------------

    @Slot(int, object)
    def _deliver(self, number: int, message: object) -> None:
        # lazy: as above
        from app.caption_evaluation_process import EvaluationNews

        if number != self._number:
            return
        if isinstance(message, EvaluationNews):
            self.progressed.emit(message.share, message.what)
        else:
            self.answered.emit(message)

    @Slot(int, str, bool)
    def _finish(self, number: int, failure: str, cancelled: bool) -> None:
        if number == self._number:
            self._process = None
            self.ended.emit(failure, cancelled)
