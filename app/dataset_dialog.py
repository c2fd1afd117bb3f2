"""The window that says what the open dataset is; it follows the document."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from app.session_control import SessionControl
from pipeline.document import Changes, Part
from widgets.dataset_card import DatasetCard


class DatasetDialog(QDialog):
    """Not modal; shows the next dataset when one is opened."""

    def __init__(self, control: SessionControl, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("About this dataset")
        self._control = control
        self.card = DatasetCard(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.card)
        self.resize(720, 560)
        control.bridge.changed.connect(self._on_changes)
        self._show()

    def _on_changes(self, changes: Changes) -> None:
        if changes.parts & Part.DATASET:
            self._show()

    def _show(self) -> None:
        dataset = self._control.document.session.dataset
        self.card.set_info(dataset, self._control.present_episodes)
