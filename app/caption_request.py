"""What would be sent for a caption, and what it would take: made beside the GUI thread."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Qt, Signal

from app.background import Background, sentence
from pipeline.document import Session
from pipeline.model.demonstration import DatasetSource
from pipeline.model.drafting import SentRequest
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.usage import Usage
from pipeline.stages.caption_online import OnlineDrafter
from pipeline.stages.caption_options import CaptionsOptions
from pipeline.stages.captions import CaptionsStage, online_drafter
from pipeline.stages.stage import StageContext, StageInputs
from viewers.exchange_facts import cost_text

_ANY_SERVER = "gemini"
"""Whose request is shown where none is chosen: all of them get the same parts."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request that was not sent.

    Attributes:
        request: All that the model would get.
        title: Of the recipe.
        backend: Who would be asked, empty if captions are drafted offline.
        model: Which model, empty if the server chooses.
        usage: Estimate.
        cost: US dollars, None where no price is known.
        pending: Whether it would be sent; False if an equal question was answered before.
        reason: Why it cannot be sent now, empty if it can.
    """

    request: SentRequest
    title: str
    backend: str
    model: str
    usage: Usage
    cost: float | None
    pending: bool
    reason: str

    @property
    def text(self) -> str:
        """The estimate for people."""
        if not self.backend:
            return "Offline: nothing is sent."
        if not self.pending:
            return "0 requests: an equal question was answered before, its answer is kept."
        usage = self.usage
        words = (
            f"{usage.requests} request{'' if usage.requests == 1 else 's'}, about"
            f" {usage.tokens_in:,} tokens in, {usage.tokens_out:,} out, {cost_text(self.cost)}"
        )
        reason = self.reason[:1].upper() + self.reason[1:]
        return f"{words}. {reason}" if reason else f"{words}."


class RequestPlanner(QObject):
    """Makes the request of the selected subtask; the newest wish wins.

    Signals:
        planned: `PlannedRequest`.
        failed: Why it cannot be made, one sentence.
        progressed: Share 0..1, and what is done.
    """

    planned = Signal(object)
    failed = Signal(str)
    progressed = Signal(float, str)
    _reported = Signal(int, float, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = Background(self)
        self._stop = threading.Event()
        self._number = 0
        self._reported.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    @property
    def idle(self) -> bool:
        """True if nothing is being made."""
        return self._background.idle

    def want(
        self, source: DatasetSource | None, session: Session, options: CaptionsOptions
    ) -> None:
        """Make the request of the selected subtask with these options."""
        self.stop()
        demonstration = session.demonstration
        results = {name: session.result(name) for name in CaptionsStage.inputs}
        missing = [name for name, result in results.items() if result is None]
        if source is None or demonstration is None or missing:
            which = f" ({', '.join(missing)})" if missing else ""
            self.failed.emit(f"Run the stages before the captions first{which}.")
            return
        stop = self._stop = threading.Event()
        self._number += 1
        number, edits = self._number, session.edits
        inputs = StageInputs(results, session.subtask)

        def report(share: float, what: str) -> None:
            self._reported.emit(number, share, what)

        def work() -> PlannedRequest:
            with closing(source.reader(demonstration)) as reader:
                context = StageContext(reader, report, stop.is_set)
                asked = replace(options, backend=_ANY_SERVER) if options.offline else options
                drafter = online_drafter(demonstration, inputs, asked, edits, context)
                request = drafter.request(context.progress)
            return _planned(drafter, request, options)

        def then(planned: PlannedRequest | None, error: Exception | None) -> None:
            if not stop.is_set():  # Else it belongs to another subtask or choice.
                self._made(planned, error)

        self._background.run("request", work, then)

    def stop(self) -> None:
        """Give up what is being made."""
        self._stop.set()

    def close(self) -> None:
        """Give up, and wait for the thread (at most a second)."""
        self.stop()
        self._background.close()

    def _tell(self, number: int, share: float, what: str) -> None:
        if number == self._number and not self._background.idle:
            self.progressed.emit(share, what)

    def _made(self, planned: PlannedRequest | None, error: Exception | None) -> None:
        if isinstance(error, Cancelled):
            return
        if error is not None or planned is None:
            self.failed.emit(sentence(error) if error else "The request could not be made.")
        else:
            self.planned.emit(planned)


def _planned(
    drafter: OnlineDrafter, request: SentRequest, options: CaptionsOptions
) -> PlannedRequest:
    title = drafter.recipe.title or drafter.recipe.name
    if options.offline:
        return PlannedRequest(request, title, "", "", Usage(), None, False, "")
    captioner, settings = drafter.captioner, drafter.settings
    model = captioner.model(settings)
    usage = captioner.estimate(request, settings)
    try:
        pending = drafter.pending(request)
    except DataError as error:
        return PlannedRequest(request, title, captioner.name, model, usage, None, True, str(error))
    cost = captioner.cost(usage, model)
    reason = (captioner.available() or "") if pending else ""
    return PlannedRequest(request, title, captioner.name, model, usage, cost, pending, reason)
