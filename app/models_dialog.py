"""The window of backends and models; it fetches, verifies and accepts through `ModelWork`."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from app.model_work import ModelWork
from pipeline.backends.licences import accept
from pipeline.backends.process import Order
from pipeline.model.problem import DataError
from widgets.model_panel import ModelPanel

_VERBS = {"fetch": "Fetching", "verify": "Verifying"}


class ModelsDialog(QDialog):
    """Not modal: downloads go on while one works."""

    def __init__(self, work: ModelWork, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models")
        self._work = work
        self.panel = ModelPanel(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.panel)
        room = parent.screen().availableSize()
        self.resize(min(1120, room.width() - 64), min(680, room.height() - 64))
        self.panel.fetchRequested.connect(lambda c, n: work.start(Order("fetch", c, n)))
        self.panel.verifyRequested.connect(lambda c, n: work.start(Order("verify", c, n)))
        self.panel.cancelRequested.connect(work.cancel)
        self.panel.licenceAccepted.connect(self._accept)
        self.panel.lookRequested.connect(work.look)
        work.surveyed.connect(self.panel.set_survey)
        work.progressed.connect(self.panel.set_progress)
        work.busyChanged.connect(self._show_order)
        work.ended.connect(self._show_end)
        if work.survey is not None:
            self.panel.set_survey(work.survey)
        self._show_order(work.order)

    def show_backend(self, capability: str, name: str) -> None:
        """Select a backend, as soon as it is known."""
        self.panel.select(capability, name)

    def _show_order(self, order: Order | None) -> None:
        self.panel.set_busy(f"{_VERBS[order.task]} {order.name}" if order else "")

    def _show_end(self, order: Order, well: bool, sentence: str) -> None:
        text = sentence or f"{order.name}: cancelled; what came is continued the next time."
        self.panel.set_verdict(text, well=well or not sentence)

    def _accept(self, capability: str, name: str) -> None:
        survey = self._work.survey
        entry = survey.find(capability, name) if survey is not None else None
        if entry is None:
            return
        try:
            accept(name, entry.card.licence)
        except DataError as error:
            self.panel.set_verdict(str(error), well=False)
            return
        self.panel.set_verdict(f"{name}: {entry.card.licence} is accepted.", well=True)
        self._work.look(devices=False)
