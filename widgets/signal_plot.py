"""A small plot of an opening with its two thresholds and the cursor, drawn with QPainter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QFont,
    QPaintDevice,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from pipeline.model.arrays import F32
from widgets.polylines import Envelope, envelope, lines_of, polygon
from widgets.theme import GRID, HALF_GRID, Status, colors, tabular


class FramePlot(QWidget):
    """A plot over the frames that is drawn once and kept; only the cursor moves over it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._frame = -1
        self._kept = QPixmap()
        self._kept_for: tuple[object, ...] = ()

    def set_frame(self, frame: int) -> None:
        """Mark a frame; negative for none."""
        if frame != self._frame:
            self._frame = frame
            self.update()

    def renew(self) -> None:
        """Draw all of it again."""
        self._kept_for = ()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the kept picture, and the cursor over it."""
        ratio = self.devicePixelRatioF()
        wanted = (self.size(), ratio, self.palette().cacheKey(), self.font().key())
        if wanted != self._kept_for:
            self._kept = QPixmap(self.size() * ratio)
            self._kept.setDevicePixelRatio(ratio)
            self._kept.fill(self.palette().base().color())
            with _painting(self._kept, self.font()) as painter:
                self.draw_still(painter)
            self._kept_for = wanted
        with _painting(self, self.font()) as painter:
            painter.drawPixmap(0, 0, self._kept)
            self.draw_cursor(painter)

    def draw_still(self, painter: QPainter) -> None:
        """Draw what does not depend on the cursor."""
        raise NotImplementedError

    def draw_cursor(self, painter: QPainter) -> None:
        """Draw what depends on the cursor."""
        raise NotImplementedError


@contextmanager
def _painting(device: QPaintDevice, font: QFont) -> Iterator[QPainter]:
    """A painter that ends before its device does."""
    painter = QPainter(device)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(tabular(font))
    try:
        yield painter
    finally:
        painter.end()


class SignalPlot(FramePlot):
    """Draws an opening signal over the frames: 1 (open) on top, 0 (closed) below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._signal: F32 = np.zeros(0, np.float32)
        self._labels = ("open", "closed")
        self._hint = "No channel is chosen."
        self._thresholds: tuple[float, float] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumHeight(10 * GRID)
        self.setAccessibleName("Opening of the gripper")

    @property
    def signal(self) -> F32:
        """What is drawn, (T,) float32."""
        return self._signal

    @property
    def thresholds(self) -> tuple[float, float] | None:
        """Openings under which it is closed and over which it is open again; None: not drawn."""
        return self._thresholds

    def set_signal(self, opening: F32, labels: tuple[str, str], hint: str = "") -> None:
        """Show a signal.

        Args:
            opening: (T,) float32, 0 closed .. 1 open; empty shows `hint` instead.
            labels: What stands at the open and at the closed end.
            hint: What to say without a signal.
        """
        self._signal, self._labels = opening, labels
        self._hint = hint or "No channel is chosen."
        self.renew()

    def set_thresholds(self, close_below: float, open_above: float) -> None:
        """Draw the two thresholds of the phases, as openings 0..1."""
        if self._thresholds != (close_below, open_above):
            self._thresholds = (close_below, open_above)
            self.renew()

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(40 * GRID, 14 * GRID)

    def draw_still(self, painter: QPainter) -> None:
        """Draw the two ends, the thresholds and the line."""
        palette, metrics = self.palette(), painter.fontMetrics()
        painter.setPen(palette.placeholderText().color())
        if not self._signal.size:
            text = self.rect().adjusted(GRID, 0, -GRID, 0)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(text, flags, self._hint)
            return
        area = self._area(painter)
        left = area.left()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        height = metrics.height()
        for y, label in zip((area.top(), area.bottom()), self._labels, strict=True):
            # Labels stay inside the widget.
            top = min(max(y - height / 2, 0.0), self.height() - float(height))
            painter.setPen(palette.placeholderText().color())
            painter.drawText(QRectF(HALF_GRID, top, left - GRID, height), right, label)
            painter.setPen(QPen(palette.mid().color(), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        theme = colors(palette)
        for level in self._thresholds or ():
            y = area.bottom() - level * area.height()
            painter.setPen(QPen(theme.status(Status.STALE), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(QPen(theme.status(Status.RUNNING), 1.4))
        for line in self._lines(area):
            painter.drawPolyline(line)

    def draw_cursor(self, painter: QPainter) -> None:
        """Draw the line of the cursor's frame."""
        draw_cursor(painter, self._area(painter), self._frame, len(self._signal), self)

    def _area(self, painter: QPainter) -> QRectF:
        """Where the line is drawn: right of the labels."""
        metrics = painter.fontMetrics()
        left = max(metrics.horizontalAdvance(label) for label in self._labels) + 2 * GRID
        return QRectF(self.rect()).adjusted(left, GRID, -GRID, -GRID)

    def _lines(self, area: QRectF) -> list[QPolygonF]:
        """The signal in pixels; long ones as minimum and maximum per pixel column."""
        return polylines_of(self._signal, area, (0.0, 1.0))


def polylines_of(values: F32, area: QRectF, span: tuple[float, float]) -> list[QPolygonF]:
    """Polylines of a signal over an area, one per stretch without a gap.

    Args:
        values: (T,) float32, NaN where unknown.
        area: Where to draw, pixels.
        span: Values at the bottom and at the top.
    """
    x = np.linspace(0.0, max(area.width() - 1e-6, 0.0), len(values))
    curve = envelope(x, values, area.width())
    curve = Envelope(curve.x + area.left(), curve.low, curve.high, curve.dense)
    return [polygon(line) for line in lines_of(curve, area.top(), area.bottom(), span)]


def draw_cursor(painter: QPainter, area: QRectF, frame: int, length: int, widget: QWidget) -> None:
    """Draw the line of the cursor's frame, if it is inside."""
    if not 0 <= frame < length:
        return
    x = area.left() + frame / max(length - 1, 1) * area.width()
    painter.setPen(QPen(colors(widget.palette()).status(Status.WARNING), 1))
    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
