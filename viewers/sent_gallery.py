"""Small pictures side by side, as many in a row as fit."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

_CARD_WIDTH = 150
"""Least width of a picture with its buttons, logical pixels (our choice)."""


class SentGallery(QWidget):
    """Puts widgets into a grid whose columns follow the width."""

    def __init__(self, cards: Sequence[QWidget], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards = tuple(cards)
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(8)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._place(min(3, max(len(self._cards), 1)))

    @property
    def columns(self) -> int:
        """Cards in a row."""
        return self._columns

    def minimumSizeHint(self) -> QSize:
        """One card wide: the others go below it."""
        return QSize(_CARD_WIDTH - 30, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take as many columns as fit."""
        super().resizeEvent(event)
        fit = max(event.size().width() // _CARD_WIDTH, 1)
        self._place(min(fit, max(len(self._cards), 1)))

    def _place(self, columns: int) -> None:
        if columns == self._columns:
            return
        for column in range(max(columns, self._columns)):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        self._columns = columns
        for number, card in enumerate(self._cards):
            self._grid.removeWidget(card)
            row, column = divmod(number, columns)
            self._grid.addWidget(card, row, column, Qt.AlignmentFlag.AlignTop)
        self.updateGeometry()
