"""Estimates and measures caption recipes while the window goes on: a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.background import sentence
from app.task_run import TaskRun
from pipeline.model.problem import Cancelled

if TYPE_CHECKING:
    from app.caption_evaluation_process import EvaluationTask, Message


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

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._run = TaskRun("caption-evaluation", 2.0, self)
        self._run.arrived.connect(self._deliver)
        self._run.ended.connect(self._finish)

    @property
    def running(self) -> bool:
        """True from `start` until `ended`."""
        return self._run.running

    @property
    def pid(self) -> int | None:
        """Number of the process at work, None if there is none."""
        return self._run.pid

    def start(self, task: EvaluationTask) -> None:
        """Begin; what runs is stopped and tells nothing more."""
        # lazy: most curation windows never measure captions
        from app.caption_evaluation_process import EvaluationProcess

        self._run.start(EvaluationProcess(task))

    def cancel(self) -> None:
        """Stop; what servers answered is kept. `ended` follows."""
        self._run.cancel()

    def drop(self) -> None:
        """Stop what runs without a word."""
        self._run.drop()

    def close(self) -> None:
        """Stop without a word and wait for the threads, a few seconds at most."""
        self._run.close()

    @Slot(object)
    def _deliver(self, message: Message) -> None:
        # lazy: as above
        from app.caption_evaluation_process import EvaluationNews

        if isinstance(message, EvaluationNews):
            self.progressed.emit(message.share, message.what)
        else:
            self.answered.emit(message)

    @Slot(object)
    def _finish(self, failure: Exception | None) -> None:
        cancelled = isinstance(failure, Cancelled)
        self.ended.emit("" if failure is None or cancelled else sentence(failure), cancelled)
