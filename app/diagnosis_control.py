"""Finds stages at fault while the window goes on: a process of its own, results one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.background import sentence
from app.task_run import TaskRun

if TYPE_CHECKING:
    from pipeline.diagnosis.process import DiagnosisNews
    from pipeline.diagnosis.task import DiagnosisTask


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

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._run = TaskRun("diagnosis", 1.0, self)
        self._run.arrived.connect(self._deliver)
        self._run.ended.connect(self._finish)

    @property
    def running(self) -> bool:
        """True from `start` until `ended`."""
        return self._run.running

    def start(self, task: DiagnosisTask) -> None:
        """Diagnose; one that runs is cancelled and tells nothing more."""
        # lazy: it loads the stages, which the window does not need
        from pipeline.diagnosis.process import DiagnosisProcess

        self._run.start(DiagnosisProcess(task))
        self.progressed.emit(0.0, "starting")

    def cancel(self) -> None:
        """Stop; what was found stays. `ended` follows."""
        self._run.cancel()

    def close(self) -> None:
        """Stop without a word, and wait for the thread (at most a second)."""
        self._run.close()

    @Slot(object)
    def _deliver(self, news: DiagnosisNews) -> None:
        if news.found:
            self.found.emit(news.found)
        self.progressed.emit(news.share, news.what)

    @Slot(object)
    def _finish(self, failure: Exception | None) -> None:
        self.ended.emit("" if failure is None else sentence(failure))
