"""A plot with the threshold in it: dragged by the mouse, moved by the arrow keys."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from widgets.fields import keep_keys
from widgets.theme import GRID, HALF_GRID, colors, tabular

_KEYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End)
_GRIP = 6.0


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two ends: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


class ThresholdPlot(QWidget):
    """Base of the two plots.

    Signals:
        thresholdChosen: R; the user dragged the marker or clicked.
        stepWanted: Number of items to keep more (negative: fewer), and whether it is per cent of
            the population instead of items.
        endWanted: True: keep everything that has a score; False: keep nothing.
        dragEnded: The button was let go.
    """

    thresholdChosen = Signal(float)
    stepWanted = Signal(int, bool)
    endWanted = Signal(bool)
    dragEnded = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFont(tabular(self.font()))
        keep_keys(self, _KEYS)
        self._threshold: float | None = None
        self._compared: float | None = None
        self._dragging = False
        self._name_end = 0.0
        self._layer: QPixmap | None = None

    def data_changed(self) -> None:
        """Paint the data again; the marker alone costs less."""
        self._layer = None
        self.update()

    # -- setters -----------------------------------------------------------------------------

    def set_threshold(self, threshold: float | None) -> None:
        """Put the marker; None for none."""
        self._threshold = threshold
        self.update()

    def set_compared(self, threshold: float | None) -> None:
        """Put the faint marker of what is compared with; None for none."""
        self._compared = threshold
        self.update()

    @property
    def threshold(self) -> float | None:
        """Where the marker is."""
        return self._threshold

    # -- geometry ----------------------------------------------------------------------------

    def minimumSizeHint(self) -> QSize:
        """Room for a few ticks."""
        return QSize(30 * GRID, 14 * GRID)

    def plot_rect(self) -> QRectF:
        """Where data is drawn, pixels."""
        metrics = QFontMetricsF(self.font())
        left = metrics.horizontalAdvance("100,000") + GRID
        bottom = 2 * metrics.height() + GRID
        top = metrics.height() + HALF_GRID
        return QRectF(self.rect()).adjusted(left, top, -2 * GRID, -bottom)

    @abstractmethod
    def x_of(self, threshold: float) -> float:
        """Pixel of a threshold."""

    @abstractmethod
    def threshold_at(self, x: float) -> float | None:
        """Threshold at a pixel, None if there is none."""

    @abstractmethod
    def explain(self, where: QPointF) -> str:
        """Tool tip at a point."""

    def threshold_name(self) -> str:
        """What stands at the marker."""
        return "" if self._threshold is None else f"R ≥ {self._threshold:.4g}"

    # -- events ------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the marker to the pointer."""
        if event.button() is Qt.MouseButton.LeftButton and self._threshold is not None:
            self._dragging = True
            self._drag_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag; else show that one can."""
        if self._dragging:
            self._drag_to(event.position().x())
        near = self._threshold is not None and self.plot_rect().contains(event.position())
        self.setCursor(Qt.CursorShape.SplitHCursor if near else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the drag."""
        if self._dragging and event.button() is Qt.MouseButton.LeftButton:
            self._dragging = False
            self.dragEnded.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows by one item, with Shift by one per cent; Home and End to the ends."""
        per_cent = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        keys = {Qt.Key.Key_Left: self.toward_left(), Qt.Key.Key_Right: -self.toward_left()}
        key = Qt.Key(event.key())
        if self._threshold is None or key not in _KEYS:
            super().keyPressEvent(event)
        elif key in keys:
            self.stepWanted.emit(keys[key], per_cent)
        else:
            all_kept = (key is Qt.Key.Key_Home) == (self.toward_left() > 0)
            self.endWanted.emit(all_kept)

    def toward_left(self) -> int:
        """1 if what lies left of the marker is kept less easily (R falls to the left), else -1."""
        return 1

    def _drag_to(self, x: float) -> None:
        rect = self.plot_rect()
        found = self.threshold_at(min(max(x, rect.left()), rect.right()))
        if found is not None:
            self.thresholdChosen.emit(found)

    def event(self, event: QEvent) -> bool:
        """Tool tips follow the pointer."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            text = self.explain(QPointF(event.pos()))
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def changeEvent(self, event: QEvent) -> None:
        """Paint again in the colours of another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self.data_changed()

    # -- painting ----------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Background, data, axes, marker."""
        rect, ratio = self.plot_rect(), self.devicePixelRatioF()
        layer = self._layer
        if layer is None or layer.deviceIndependentSize().toSize() != self.size():
            layer = self._layer = QPixmap(self.size() * ratio)
            layer.setDevicePixelRatio(ratio)
            layer.fill(self.palette().color(QPalette.ColorRole.Window))
            below = QPainter(layer)
            below.setFont(self.font())
            below.fillRect(rect, self.palette().color(QPalette.ColorRole.Base))
            self.paint_data(below, rect)
            below.end()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, layer)
        self.paint_over(painter, rect)
        self.paint_markers(painter, rect)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colors(self.palette()).accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(rect.adjusted(-0.5, -0.5, 0.5, 0.5))
        painter.end()

    @abstractmethod
    def paint_data(self, painter: QPainter, rect: QRectF) -> None:
        """Axes and what is plotted; nothing that depends on the threshold."""

    def paint_over(self, painter: QPainter, rect: QRectF) -> None:
        """What depends on the threshold and lies below its marker."""

    def paint_markers(self, painter: QPainter, rect: QRectF) -> None:
        """The threshold, and faintly the one that is compared with."""
        theme = colors(self.palette())
        if self._compared is not None and math.isfinite(self._compared):
            x = self.x_of(self._compared)
            if rect.left() - 1 <= x <= rect.right() + 1:
                pen = QPen(QColor(theme.muted), 1, Qt.PenStyle.DashLine)
                painter.setPen(pen)
                painter.drawLine(QPointF(x, rect.top()), QPointF(x, rect.bottom()))
        if self._threshold is None:
            return
        x = min(max(self.x_of(self._threshold), rect.left()), rect.right())
        accent = QColor(theme.accent)
        painter.setPen(QPen(accent, 2))
        painter.drawLine(QPointF(x, rect.top() - 2), QPointF(x, rect.bottom()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(accent)
        painter.setPen(Qt.PenStyle.NoPen)
        grip = [QPointF(x - _GRIP, rect.bottom() + _GRIP + 2), QPointF(x, rect.bottom()),
                QPointF(x + _GRIP, rect.bottom() + _GRIP + 2)]  # fmt: skip
        painter.drawPolygon(QPolygonF(grip))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        metrics, text = QFontMetricsF(self.font()), self.threshold_name()
        width = metrics.horizontalAdvance(text)
        left = x + GRID if x + GRID + width < rect.right() else x - GRID - width
        left = max(left, self._name_end + GRID)  # not over the name of the axis
        painter.setPen(accent)
        painter.drawText(QPointF(left, rect.top() - HALF_GRID), text)

    def paint_axes(
        self,
        painter: QPainter,
        rect: QRectF,
        xs: Sequence[tuple[float, str]],
        ys: Sequence[tuple[float, str]],
        names: tuple[str, str],
    ) -> None:
        """Ticks at pixels with their texts, and what the axes are."""
        theme, metrics = colors(self.palette()), QFontMetricsF(self.font())
        line, text = QColor(theme.border), QColor(theme.muted)
        for y, label in ys:
            painter.setPen(line)
            painter.drawLine(QPointF(rect.left(), y), QPointF(rect.right(), y))
            painter.setPen(text)
            where = QRectF(0, y - metrics.height() / 2, rect.left() - HALF_GRID, metrics.height())
            flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(where, flags, label)
        painter.setPen(line)
        painter.drawLine(rect.bottomLeft(), rect.bottomRight())
        painter.setPen(text)
        for x, label in xs:
            width = metrics.horizontalAdvance(label)
            place = min(max(x - width / 2, 0.0), self.width() - width)
            painter.drawText(QPointF(place, rect.bottom() + metrics.ascent() + GRID), label)
        bottom = QRectF(
            rect.left(), self.height() - metrics.height(), rect.width(), metrics.height()
        )
        painter.drawText(bottom, Qt.AlignmentFlag.AlignRight, names[0])
        painter.drawText(QPointF(HALF_GRID, rect.top() - HALF_GRID), names[1])
        self._name_end = HALF_GRID + metrics.horizontalAdvance(names[1])

    def paint_hint(self, painter: QPainter, rect: QRectF, text: str) -> None:
        """What is missing, in the middle."""
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(rect.adjusted(GRID, GRID, -GRID, -GRID), int(flags), text)
