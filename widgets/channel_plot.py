"""The selected channels, larger: one strip each, all with the same frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from pipeline.model.arrays import F32
from widgets.signal_plot import FramePlot, draw_cursor, polylines_of
from widgets.theme import GRID, HALF_GRID, Status, colors

MOST_STRIPS = 6
"""More would be too low to read."""
_NAME_SHARE = 0.4
"""Of a strip's width that its name may take."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One channel.

    Attributes:
        name: For people.
        values: (T,) float32, NaN where unknown.
    """

    name: str
    values: F32


class ChannelPlot(FramePlot):
    """Draws up to six channels below each other, each over its own range."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._strips: tuple[Strip, ...] = ()
        self._ends: tuple[tuple[float, float] | None, ...] = ()
        self._more = 0
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
        known = [s.values[np.isfinite(s.values)] for s in self._strips]
        self._ends = tuple((float(v.min()), float(v.max())) if v.size else None for v in known)
        self.renew()

    def sizeHint(self) -> QSize:
        """Wide, and high enough for three strips."""
        return QSize(40 * GRID, 24 * GRID)

    def draw_still(self, painter: QPainter) -> None:
        """Draw names and lines."""
        palette, metrics = self.palette(), painter.fontMetrics()
        if not self._strips:
            painter.setPen(palette.placeholderText().color())
            hint = "Select channels in the table to see them larger."
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, hint)
            return
        for row, strip in enumerate(self._strips):
            head, area = self._places(row, metrics)
            painter.setPen(palette.text().color())
            name = metrics.elidedText(
                strip.name, Qt.TextElideMode.ElideMiddle, int(head.width() * _NAME_SHARE)
            )
            painter.drawText(head, Qt.AlignmentFlag.AlignLeft, name)
            painter.setPen(QPen(palette.mid().color(), 1, Qt.PenStyle.DotLine))
            painter.drawLine(area.bottomLeft(), area.bottomRight())
            ends = self._ends[row]
            if ends is None or area.height() < 2:
                continue
            margin = 0.5 if ends[1] <= ends[0] else 0.0
            painter.setPen(QPen(colors(palette).status(Status.RUNNING), 1.4))
            span = (ends[0] - margin, ends[1] + margin)
            for line in polylines_of(strip.values, area, span):
                painter.drawPolyline(line)
        if self._more:
            painter.setPen(palette.placeholderText().color())
            place = QRectF(self.rect()).adjusted(GRID, 0, -GRID, 0)
            place.setTop(place.bottom() - metrics.height() - HALF_GRID)
            text = f"and {self._more} more selected"
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, text)

    def draw_cursor(self, painter: QPainter) -> None:
        """Draw the cursor's line and what the channels are there."""
        metrics = painter.fontMetrics()
        for row, strip in enumerate(self._strips):
            head, area = self._places(row, metrics)
            ends = self._ends[row]
            text = f"{ends[0]:.4g} … {ends[1]:.4g}" if ends else "no values"
            if ends and 0 <= self._frame < len(strip.values):
                text = f"{float(strip.values[self._frame]):.4g} at the cursor, {text}"
            painter.setPen(self.palette().placeholderText().color())
            room = int(head.width() * (1 - _NAME_SHARE))
            text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
            painter.drawText(head, Qt.AlignmentFlag.AlignRight, text)
            if ends:
                draw_cursor(painter, area, self._frame, len(strip.values), self)

    def _places(self, row: int, metrics: QFontMetrics) -> tuple[QRectF, QRectF]:
        """Where a strip's text and its line are."""
        bottom = metrics.height() + HALF_GRID if self._more else 0
        each = (self.height() - bottom) / len(self._strips)
        head = QRectF(GRID, row * each + HALF_GRID, self.width() - 2 * GRID, metrics.height())
        area = QRectF(head.left(), head.bottom() + HALF_GRID, head.width(), 0)
        area.setBottom(max((row + 1) * each - HALF_GRID, area.top()))
        return head, area
