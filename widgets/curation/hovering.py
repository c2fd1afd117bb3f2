"""A painted widget that marks the item under the mouse."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QWidget


class Hovering(QWidget):
    """Knows which of its items lies under the mouse, and paints again when that is another."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hovered = -1
        self.setMouseTracking(True)

    def item_at(self, point: QPointF) -> int:
        """Number of the item under a point, -1 for none."""
        raise NotImplementedError

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Mark the item under the mouse."""
        item = self.item_at(event.position())
        if item != self._hovered:
            self._hovered = item
            self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """No item."""
        self._hovered = -1
        self.update()
        super().leaveEvent(event)
