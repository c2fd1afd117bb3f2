"""The selected channels, larger: one strip each, all with the same frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from pipeline.model.arrays import F32
from widgets.signal_plot import draw_cursor, polylines_of
from widgets.theme import GRID, HALF_GRID, Status, colors, tabular

MOST_STRIPS = 6
"""More would be too low to read."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One channel.

    Attributes:
        name: For people.
        values: (T,) float32, NaN where unknown.
    """

    name: str
    values: F32


class ChannelPlot(QWidget):
    """Draws up to six channels below each other, each over its own range."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._strips: tuple[Strip, ...] = ()
        self._more = 0
        self._frame = -1
        self.setMinimumHeight(12 * GRID)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Selected channels")

    @property
    def strips(self) -> tuple[Strip, ...]:
        """What is drawn."""
        return self._strips

    def set_strips(self, strips: tuple[Strip, ...]) -> None:
        """Show channels; those beyond the sixth are counted in words."""
        self._strips, self._more = strips[:MOST_STRIPS], max(len(strips) - MOST_STRIPS, 0)
        self.update()

    def set_frame(self, frame: int) -> None:
        """Mark a frame; negative for none."""
        if frame != self._frame:
            self._frame = frame
            self.update()

    def sizeHint(self) -> QSize:
        """Wide, and high enough for three strips."""
        return QSize(40 * GRID, 24 * GRID)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the strips."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(tabular(self.font()))
        palette = self.palette()
        painter.fillRect(self.rect(), palette.base())
        if not self._strips:
            painter.setPen(palette.placeholderText().color())
            hint = "Select channels in the table to see them larger."
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, hint)
            return
        bottom = painter.fontMetrics().height() + HALF_GRID if self._more else 0
        each = (self.height() - bottom) / len(self._strips)
        for row, strip in enumerate(self._strips):
            self._draw(painter, strip, QRectF(0, row * each, self.width(), each))
        if self._more:
            painter.setPen(palette.placeholderText().color())
            place = QRectF(GRID, self.height() - bottom, self.width() - 2 * GRID, bottom)
            text = f"and {self._more} more selected"
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, text)

    def _draw(self, painter: QPainter, strip: Strip, place: QRectF) -> None:
        """One strip: a line with the name and the value at the cursor, the plot below."""
        palette, metrics = self.palette(), painter.fontMetrics()
        head = place.adjusted(GRID, HALF_GRID, -GRID, 0)
        head.setHeight(metrics.height())
        known = strip.values[np.isfinite(strip.values)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
        ends = f"{low:.4g} … {high:.4g}" if known.size else "no values"
        if 0 <= self._frame < len(strip.values):
            ends = f"{float(strip.values[self._frame]):.4g} at the cursor, {ends}"
        painter.setPen(palette.placeholderText().color())
        painter.drawText(head, Qt.AlignmentFlag.AlignRight, ends)
        painter.setPen(palette.text().color())
        room = int(head.width() - metrics.horizontalAdvance(ends) - GRID)
        name = metrics.elidedText(strip.name, Qt.TextElideMode.ElideMiddle, max(room, 0))
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft, name)
        area = QRectF(place.left() + GRID, head.bottom() + HALF_GRID, place.width() - 2 * GRID, 0)
        area.setBottom(place.bottom() - HALF_GRID)
        painter.setPen(QPen(palette.mid().color(), 1, Qt.PenStyle.DotLine))
        painter.drawLine(area.bottomLeft(), QPointF(area.right(), area.bottom()))
        if not known.size or area.height() < 2:
            return
        draw_cursor(painter, area, self._frame, len(strip.values), self)
        margin = 0.5 if high <= low else 0.0
        painter.setPen(QPen(colors(palette).status(Status.RUNNING), 1.4))
        for line in polylines_of(strip.values, area, (low - margin, high + margin)):
            painter.drawPolyline(line)
