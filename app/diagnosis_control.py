"""Finds stages at fault while the window goes on: a process of its own, results one by one."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot

from app.background import sentence
from pipeline.model.problem import Cancelled, DataError

if TYPE_CHECKING:
    from pipeline.diagnosis.process import DiagnosisNews, DiagnosisProcess
    from pipeline.diagnosis.task import DiagnosisTask

log = logging.getLogger(__name__)


class DiagnosisControl(QObject):
    """Runs one diagnosis at a time, off the GUI thread and out of its process.

    Signals:
        found: Diagnoses of one episode, a tuple of `Diagnosis`.
        progressed: Share 0..1 and what is being done.
        ended: One sentence why it ended early, empty if it is complete.
    """

    found = Signal(object)
    progressed = Signal(float, str)
    ended = Signal(str)
    _arrived = Signal(int, object)
    _over = Signal(int, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._process: DiagnosisProcess | None = None
        self._thread: threading.Thread | None = None
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._over.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    @property
    def running(self) -> bool:
        """True from `start` until `ended`."""
        return self._process is not None

    def start(self, task: DiagnosisTask) -> None:
        """Diagnose; one that runs is cancelled and tells nothing more."""
        # lazy: it loads the stages, which the window does not need
        from pipeline.diagnosis.process import DiagnosisProcess

        self._drop()
        self._process = DiagnosisProcess(task)
        self._thread = threading.Thread(
            target=self._run, args=(self._number, self._process), name="diagnosis", daemon=True
        )
        self._thread.start()
        self.progressed.emit(0.0, "starting")

    def cancel(self) -> None:
        """Stop; what was found stays. `ended` follows."""
        if self._process is not None:
            self._process.cancel()

    def close(self) -> None:
        """Stop without a word, and wait for the thread (at most a second)."""
        self._drop()
        if self._thread is not None:
            self._thread.join(1.0)

    def _drop(self) -> None:
        self._number += 1
        if self._process is not None:
            self._process.cancel()
            self._process = None

    # -- in the thread ---------------------------------------------------------------------

    def _run(self, number: int, process: DiagnosisProcess) -> None:
        failure = ""
        try:
            for news in process.run():
                self._tell(number, news)
        except (Cancelled, DataError, OSError) as error:
            failure = sentence(error)
        try:
            self._over.emit(number, failure)
        except RuntimeError:
            log.debug("a diagnosis ended after the window closed")

    def _tell(self, number: int, news: DiagnosisNews) -> None:
        try:
            self._arrived.emit(number, news)
        except RuntimeError:
            log.debug("a diagnosis came after the window closed")

    # -- on the GUI thread -----------------------------------------------------------------

    @Slot(int, object)
    def _deliver(self, number: int, news: DiagnosisNews) -> None:
        if number != self._number:
            return
        if news.found:
            self.found.emit(news.found)
        self.progressed.emit(news.share, news.what)

    @Slot(int, str)
    def _finish(self, number: int, failure: str) -> None:
        if number == self._number:
            self._process = None
            self.ended.emit(failure)
