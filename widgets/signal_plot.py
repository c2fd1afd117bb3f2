"""A small plot of one signal, drawn with QPainter."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from pipeline.model.arrays import F32
from widgets.theme import GRID, HALF_GRID, Status, colors, tabular


class SignalPlot(QWidget):
    """Draws an opening signal over the frames: 1 (open) on top, 0 (closed) below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._signal: F32 = np.zeros(0, np.float32)
        self._labels = ("open", "closed")
        self._hint = "No channel is chosen."
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumHeight(10 * GRID)
        self.setAccessibleName("Opening of the gripper")

    @property
    def signal(self) -> F32:
        """What is drawn, (T,) float32."""
        return self._signal

    def set_signal(self, opening: F32, labels: tuple[str, str], hint: str = "") -> None:
        """Show a signal.

        Args:
            opening: (T,) float32, 0 closed .. 1 open; empty shows `hint` instead.
            labels: What stands at the open and at the closed end.
            hint: What to say without a signal.
        """
        self._signal, self._labels = opening, labels
        self._hint = hint or "No channel is chosen."
        self.update()

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(40 * GRID, 14 * GRID)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the two ends and the line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(tabular(self.font()))
        palette, metrics = self.palette(), painter.fontMetrics()
        painter.fillRect(self.rect(), palette.base())
        painter.setPen(palette.placeholderText().color())
        if not self._signal.size:
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._hint)
            return
        left = max(metrics.horizontalAdvance(label) for label in self._labels) + 2 * GRID
        area = QRectF(self.rect()).adjusted(left, GRID, -GRID, -GRID)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        height = metrics.height()
        for y, label in zip((area.top(), area.bottom()), self._labels, strict=True):
            # Labels stay inside the widget.
            top = min(max(y - height / 2, 0.0), self.height() - float(height))
            painter.setPen(palette.placeholderText().color())
            painter.drawText(QRectF(HALF_GRID, top, left - GRID, height), right, label)
            painter.setPen(QPen(palette.mid().color(), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(QPen(colors(palette).status(Status.RUNNING), 1.4))
        painter.drawPolyline(self._line(area))

    def _line(self, area: QRectF) -> QPolygonF:
        """The signal in pixels; long ones as minimum and maximum per pixel column."""
        signal = self._signal
        columns = max(int(area.width()), 1)
        if len(signal) > 4 * columns:
            edges = np.linspace(0, len(signal), columns + 1).astype(np.int64)[:-1]
            ends = (np.minimum.reduceat(signal, edges), np.maximum.reduceat(signal, edges))
            signal = np.stack(ends, axis=1).ravel()
        x = np.linspace(area.left(), area.right(), len(signal))
        y = area.bottom() - np.clip(signal, 0.0, 1.0) * area.height()
        return QPolygonF([QPointF(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)])
