"""The worker as a Qt object: events of its thread arrive on the GUI thread."""

from __future__ import annotations

import dataclasses
from collections import deque
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from pipeline.engine import messages as say
from pipeline.engine.graph import Plan
from pipeline.engine.worker_client import WorkerClient

GRAPH = "pipeline.annotate:standard_graph"
OPENER = "pipeline.sources.detect:open_dataset"


class Jobs(QObject):
    """Runs stages in the worker process.

    Signals:
        told: Any `pipeline.engine.messages` event of the newest job, on the GUI thread.
        busyChanged: True while a job is in progress.
    """

    told = Signal(object)
    busyChanged = Signal(bool)
    _arrived = Signal(object)

    def __init__(
        self, cache: Path | None, parent: QObject | None = None, *, graph: str = GRAPH
    ) -> None:
        super().__init__(parent)
        self._client = WorkerClient(graph, OPENER, cache, self._from_thread)
        self._arrived.connect(self._queue, Qt.ConnectionType.QueuedConnection)
        # One event for each turn of the event loop: results from the cache come all at once, and
        # showing ten of them in a row would hold up paint events and keys.
        self._waiting: deque[say.Event] = deque()
        self._turn = QTimer(self)
        self._turn.timeout.connect(self._deliver_next)
        self._job = 0
        self._busy = False
        self._closed = False

    @property
    def busy(self) -> bool:
        """True while a job is in progress."""
        return self._busy

    @property
    def pid(self) -> int | None:
        """Process number of the worker, None if none runs."""
        return self._client.pid

    def warm_up(self) -> None:
        """Start the process before it is needed."""
        self._client.start()

    def run(
        self,
        plan: Plan,
        *,
        up_to: str | None = None,
        subtask: int | None = None,
        fresh: tuple[str, ...] = (),
        known: tuple[str, ...] = (),
    ) -> None:
        """Start computing; a job in progress is cancelled first and its events are dropped.

        Args:
            plan: What decides the results.
            up_to: Last stage wanted, None for all.
            subtask: Only this one, None for all.
            fresh: Stages to compute even if results exist.
            known: Keys of results that are here already and need not be delivered again.
        """
        if self._busy:
            self._client.cancel(left=True)
        options = {name: dataclasses.asdict(value) for name, value in plan.options.items()}
        job = say.RunJob(
            job=0,
            dataset=plan.demonstration.ref.dataset,
            episode=plan.demonstration.ref.episode,
            options=options,
            edits=plan.edits,
            up_to=up_to,
            subtask=subtask,
            fresh=fresh,
            known=known,
        )
        self._job = self._client.run(job)
        self._set_busy(True)

    def cancel(self) -> None:
        """Stop the job in progress; a `Cancelled` event follows within 200 ms."""
        self._client.cancel()

    def abandon(self) -> None:
        """Stop the job in progress and deliver nothing of it: another episode is on show."""
        if self._busy:
            self._client.cancel(left=True)
            self._job = 0
            self._set_busy(False)

    def close(self) -> None:
        """End the worker."""
        self._closed = True
        self._turn.stop()
        self._waiting.clear()
        self._client.close()

    def _from_thread(self, event: say.Event) -> None:
        if not self._closed:
            self._arrived.emit(event)

    @Slot(object)
    def _queue(self, event: say.Event) -> None:
        self._waiting.append(event)
        if not self._turn.isActive():
            self._turn.start(0)

    @Slot()
    def _deliver_next(self) -> None:
        if self._waiting:
            self._deliver(self._waiting.popleft())
        else:
            self._turn.stop()

    def _deliver(self, event: say.Event) -> None:
        if isinstance(event, say.Ready):
            return
        if event.job is not None and event.job != self._job:
            return  # An older job: its answers belong to a state that is gone.
        if isinstance(event, say.Done | say.Failed | say.Cancelled | say.Died):
            self._set_busy(False)
        self.told.emit(event)

    def _set_busy(self, busy: bool) -> None:
        if busy != self._busy:
            self._busy = busy
            self.busyChanged.emit(busy)
