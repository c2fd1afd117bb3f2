"""Looks at backends, fetches and verifies weights, in processes of their own."""

from __future__ import annotations

import logging
import multiprocessing
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from pipeline.backends.process import Order, main

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from pipeline.backends.catalogue import Survey

log = logging.getLogger(__name__)

_SURVEY, _TASK = "survey", "task"


class ModelWork(QObject):
    """One survey and one task (fetch or verify) at a time; cancelling kills the process.

    What a killed download has fetched is continued the next time.

    Signals:
        surveyed: A new `Survey`, first without devices.
        progressed: Share 0..1, what.
        ended: The `Order`, whether it went well, one sentence (empty if it was cancelled).
        busyChanged: The `Order` that is under way, or None.
    """

    surveyed = Signal(object)
    progressed = Signal(float, str)
    ended = Signal(object, bool, str)
    busyChanged = Signal(object)
    _arrived = Signal(str, int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._processes: dict[str, Any] = {}
        self._numbers = {_SURVEY: 0, _TASK: 0}
        self._order: Order | None = None
        self._survey: Survey | None = None
        self._again = ""

    @property
    def survey(self) -> Survey | None:
        """The newest survey, None before the first."""
        return self._survey

    @property
    def order(self) -> Order | None:
        """The task that is under way."""
        return self._order

    def look(self, *, devices: bool = True) -> None:
        """Make a survey; if one is under way, another follows it.

        Args:
            devices: Look for devices, too: that imports torch and takes seconds. Without it those
                of the survey before stay.
        """
        if _SURVEY in self._processes:
            self._again = "survey" if devices else self._again or "entries"
            return
        self._start(_SURVEY, Order("survey" if devices else "entries"))

    def start(self, order: Order) -> None:
        """Fetch or verify; refused while another task is under way."""
        if self._order is not None:
            return
        self._order = order
        self._start(_TASK, order)
        self.busyChanged.emit(order)

    def cancel(self) -> None:
        """Stop the task."""
        order = self._order
        if order is None:
            return
        self._kill(_TASK)
        self._end_task(order, well=False, sentence="")

    def close(self) -> None:
        """Stop everything; nothing is told any more."""
        self._again = ""
        for kind in list(self._processes):
            self._kill(kind)
        self._order = None

    # -- processes -------------------------------------------------------------------------

    def _start(self, kind: str, order: Order) -> None:
        self._numbers[kind] += 1
        number = self._numbers[kind]
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=main, args=(theirs, order), name=f"demoscope-{order.task}", daemon=True
        )
        self._processes[kind] = process

        def run() -> None:
            # Starting takes some 10 ms, more than the GUI thread has.
            try:
                process.start()
            except OSError as error:
                self._tell(kind, number, ("failed", f"no process: {error.strerror or error}."))
                return
            finally:
                theirs.close()
            self._listen(kind, number, ours, process)

        threading.Thread(target=run, name=f"models-{kind}", daemon=True).start()

    def _listen(self, kind: str, number: int, connection: Connection, process: Any) -> None:
        last: tuple[Any, ...] = ()
        with connection:
            while last[:1] not in (("done",), ("failed",)):
                if number != self._numbers[kind]:
                    process.kill()
                    break
                try:
                    if not connection.poll(0.1):
                        continue
                    last = connection.recv()
                except (EOFError, OSError):
                    last = ("failed", "")
                self._tell(kind, number, last)
        process.join()

    def _tell(self, kind: str, number: int, message: tuple[Any, ...]) -> None:
        try:
            self._arrived.emit(kind, number, message)
        except RuntimeError:
            log.debug("news of models came after the window closed")

    def _kill(self, kind: str) -> None:
        """Let the thread end the process, and hear nothing more of it."""
        self._numbers[kind] += 1
        self._processes.pop(kind, None)

    # -- on the GUI thread -----------------------------------------------------------------

    @Slot(str, int, object)
    def _deliver(self, kind: str, number: int, message: tuple[Any, ...]) -> None:
        if number != self._numbers[kind]:
            return
        match message:
            case ("survey", survey):
                if self._survey is not None and not survey.complete:
                    before = self._survey
                    survey = replace(survey, devices=before.devices, complete=before.complete)
                self._survey = survey
                self.surveyed.emit(survey)
            case ("progress", share, what):
                self.progressed.emit(share, what)
            case (outcome, sentence):
                self._processes.pop(kind, None)
                if kind == _SURVEY:
                    self._end_survey(str(sentence) if outcome == "failed" else "")
                elif self._order is not None:
                    text = str(sentence) or "the process was killed, perhaps for memory."
                    self._end_task(self._order, well=outcome == "done", sentence=text)

    def _end_survey(self, failure: str) -> None:
        if failure:
            log.warning("looking at the backends failed: %s", failure)
        if self._again:
            devices, self._again = self._again == "survey", ""
            self.look(devices=devices)

    def _end_task(self, order: Order, *, well: bool, sentence: str) -> None:
        self._order = None
        self.busyChanged.emit(None)
        self.ended.emit(order, well, sentence)
        self.look(devices=False)
