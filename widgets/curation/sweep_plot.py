"""One metric against one option: line, noise band, the value in force and the best one."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from pipeline.evaluation.sweep_results import Metric, MetricCurve, Sweep
from pipeline.evaluation.sweep_text import figure_text, value_text
from widgets.curation.hovering import Hovering
from widgets.curation.sweep_axes import ValueAxis, nice_ticks
from widgets.fields import tip
from widgets.theme import GRID, HALF_GRID, Status, colors, tabular

_TICK_WIDTH, _TICK_HEIGHT = 72.0, 36.0


class SweepPlot(Hovering):
    """Draws one sweep; tool tips give the figures of the value under the mouse."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sweep: Sweep | None = None
        self._metric = Metric.COV_95
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Metric against the option")

    def set_sweep(self, sweep: Sweep | None, metric: Metric) -> None:
        """Show a sweep; emits nothing."""
        self._sweep, self._metric, self._hovered = sweep, metric, -1
        self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for twenty values."""
        return QSize(60 * GRID, 36 * GRID)

    def minimumSizeHint(self) -> QSize:
        """Still readable."""
        return QSize(34 * GRID, 22 * GRID)

    @property
    def area(self) -> QRectF:
        """Where the line is drawn: inside of the labels."""
        metrics = QFontMetricsF(tabular(self.font()))
        left = metrics.horizontalAdvance("0.000") + 2.5 * GRID
        top = 2 * metrics.height() + 2 * GRID
        bottom = 2 * metrics.height() + 2.5 * GRID
        return QRectF(self.rect()).adjusted(left, top, -2.5 * GRID, -bottom)

    def point_of(self, place: int) -> QPointF:
        """Where a value of the sweep is drawn."""
        curve = self._curve()
        axis = self._axis()
        return QPointF(axis.x(place), self._y(float(curve.values[place])))

    # -- layout ------------------------------------------------------------------------------

    def _curve(self) -> MetricCurve:
        assert self._sweep is not None  # noqa: S101 - only asked where there is one
        return self._sweep.of(self._metric)

    def _axis(self) -> ValueAxis:
        assert self._sweep is not None  # noqa: S101 - only asked where there is one
        area = self.area
        return ValueAxis(self._sweep.grid, area.left(), area.right())

    def _span(self) -> tuple[float, float]:
        """Lowest and highest figure that is drawn, with some room."""
        curve = self._curve()
        known = np.concatenate([curve.low, curve.high, curve.values])
        known = known[np.isfinite(known)]
        if not len(known):
            return 0.0, 1.0
        low, high = float(known.min()), float(known.max())
        room = max(0.06 * (high - low), 0.01)
        return max(low - room, 0.0), min(high + room, 1.0)

    def _y(self, figure: float) -> float:
        low, high = self._span()
        area = self.area
        return area.bottom() - (figure - low) / max(high - low, 1e-9) * area.height()

    # -- painting ----------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Axes, flat range, band, line, marks."""
        if self._sweep is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(tabular(self.font()))
        painter.fillRect(self.rect(), self.palette().base())
        self._paint_flat(painter)
        self._paint_axes(painter)
        self._paint_line(painter)
        self._paint_marks(painter)
        painter.end()

    def _paint_flat(self, painter: QPainter) -> None:
        """The range around the value in force that noise cannot tell from it."""
        axis, area = self._axis(), self.area
        first, last = self._curve().flat
        left, right = axis.x(first), axis.x(last)
        if isinstance(axis.grid.values[0], str) or right - left < 1:
            return
        wash = QColor(colors(self.palette()).muted)
        wash.setAlpha(28)
        painter.fillRect(QRectF(left, area.top(), right - left, area.height()), wash)
        text = "within noise of the value in force"
        metrics = QFontMetricsF(painter.font())
        room = right - left - GRID
        painter.setPen(self.palette().placeholderText().color())
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
        if len(shown) > 8:
            box = QRectF(left + HALF_GRID, area.bottom() - metrics.height() - 2, room, 20)
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, shown)

    def _paint_axes(self, painter: QPainter) -> None:
        area, palette = self.area, self.palette()
        metrics = QFontMetricsF(painter.font())
        low, high = self._span()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        hair = QPen(QColor(colors(palette).border), 1)
        for figure in nice_ticks(low, high, max(2, int(area.height() / _TICK_HEIGHT))):
            y = self._y(figure)
            painter.setPen(hair)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(palette.placeholderText().color())
            box = QRectF(0, y - 10, area.left() - GRID, 20)
            painter.drawText(box, right, f"{figure:g}")
        axis = self._axis()
        for x, label in axis.ticks(max(2, int(area.width() / _TICK_WIDTH))):
            painter.setPen(hair)
            painter.drawLine(QPointF(x, area.bottom()), QPointF(x, area.bottom() + HALF_GRID))
            painter.setPen(palette.placeholderText().color())
            box = QRectF(x - 60, area.bottom() + HALF_GRID, 120, metrics.height() + 2)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, label)
        painter.setPen(palette.text().color())
        info = axis.grid.info
        title = info.name + (f", {info.unit}" if info.unit else "")
        top = area.bottom() + metrics.height() + GRID
        painter.drawText(
            QRectF(area.left(), top, area.width(), metrics.height() + 2),
            Qt.AlignmentFlag.AlignHCenter,
            title,
        )
        sweep = self._sweep
        precision = sweep.evidence.precision if sweep is not None else 0.95
        better = "higher is better" if self._metric.higher_is_better else "lower is better"
        painter.drawText(QPointF(GRID, metrics.ascent() + HALF_GRID), self._metric.title(precision))
        width = metrics.horizontalAdvance(self._metric.title(precision) + "  ")
        painter.setPen(palette.placeholderText().color())
        painter.drawText(
            QPointF(GRID + width, metrics.ascent() + HALF_GRID),
            f"{better}; band: 95 % bootstrap interval",
        )

    def _paint_line(self, painter: QPainter) -> None:
        curve, axis = self._curve(), self._axis()
        accent = colors(self.palette()).status(Status.RUNNING)
        places = [k for k, v in enumerate(curve.values) if np.isfinite(v)]
        if not places:
            return
        band = [k for k in places if np.isfinite(curve.low[k]) and np.isfinite(curve.high[k])]
        upper = [QPointF(axis.x(k), self._y(float(curve.high[k]))) for k in band]
        lower = [QPointF(axis.x(k), self._y(float(curve.low[k]))) for k in band]
        wash = QColor(accent)
        wash.setAlpha(52)
        painter.setBrush(wash)
        painter.setPen(Qt.PenStyle.NoPen)
        is_choice = isinstance(axis.grid.values[0], str)
        if is_choice:
            for a, b in zip(upper, lower, strict=True):
                painter.drawRect(QRectF(a.x() - 6, a.y(), 12, b.y() - a.y()))
        else:
            painter.drawPolygon(QPolygonF([*upper, *reversed(lower)]))
        points = [self.point_of(k) for k in places]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(accent, 1.8))
        if not is_choice:
            painter.drawPolyline(QPolygonF(points))
        painter.setBrush(accent)
        painter.setPen(Qt.PenStyle.NoPen)
        for k, point in zip(places, points, strict=True):
            size = 4.5 if k == self._hovered else 2.4
            painter.drawEllipse(point, size, size)

    def _paint_marks(self, painter: QPainter) -> None:
        """Value in force, published value, best value: by line, shape and word."""
        curve, axis, area = self._curve(), self._axis(), self.area
        theme = colors(self.palette())
        grid = axis.grid
        metrics = QFontMetricsF(painter.font())
        first_line = area.top() - metrics.height() - HALF_GRID
        taken: list[QRectF] = []
        marks = [(grid.current, "now", QColor(theme.warning), Qt.PenStyle.DashLine)]
        if grid.published != grid.current:
            muted = QColor(theme.muted)
            marks.append((grid.published, "published", muted, Qt.PenStyle.DotLine))
        if curve.best != grid.current and curve.effect > 0:
            marks.append((curve.best, "best", QColor(theme.ok), Qt.PenStyle.NoPen))
        for place, word, color, style in marks:
            x = axis.x(place)
            if style is not Qt.PenStyle.NoPen:
                painter.setPen(QPen(color, 2.0, style))
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            else:
                self._paint_diamond(painter, self.point_of(place), color)
            text = f"{word} {value_text(grid.values[place])}"
            width = metrics.horizontalAdvance(text) + 2
            left = min(max(x - width / 2, area.left()), area.right() - width)
            box = QRectF(left, first_line, width, metrics.height())
            while any(box.adjusted(-GRID, 0, GRID, 0).intersects(t) for t in taken):
                box.translate(0, metrics.height())
            taken.append(box)
            painter.setPen(color)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_diamond(self, painter: QPainter, at: QPointF, color: QColor) -> None:
        size = 6.5
        painter.setPen(QPen(self.palette().base().color(), 1.5))
        painter.setBrush(color)
        corners = ((0, -size), (size, 0), (0, size), (-size, 0))
        painter.drawPolygon(QPolygonF([QPointF(at.x() + x, at.y() + y) for x, y in corners]))

    # -- mouse -------------------------------------------------------------------------------

    def item_at(self, point: QPointF) -> int:
        """Number of the value under a point, -1 for none."""
        if self._sweep is None or not self.area.adjusted(-GRID, 0, GRID, 0).left() <= point.x():
            return -1
        return self._axis().nearest(point.x())

    def event(self, event: QEvent) -> bool:
        """Tool tips: the figures of a value."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place = self.item_at(QPointF(event.pos()))
            if place >= 0:
                QToolTip.showText(event.globalPos(), self.tip_of(place), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def tip_of(self, place: int) -> str:
        """The figures of a value, and what they are."""
        assert self._sweep is not None  # noqa: S101 - only asked where there is one
        curve, grid = self._curve(), self._sweep.grid
        title = self._metric.title(self._sweep.evidence.precision)
        figures = [float(a[place]) for a in (curve.values, curve.low, curve.high)]
        change = [float(a[place]) for a in (curve.change_low, curve.change_high)]
        own = f"{title} {figure_text(figures[0])}, 95 % interval {figure_text(figures[1])} to "
        against = (
            f"Against the value in force: {figure_text(change[0], signed=True)} to "
            f"{figure_text(change[1], signed=True)} (95 %, the same resamples of episodes)."
        )
        return tip(
            f"{grid.info.name} {value_text(grid.values[place])}",
            own + figure_text(figures[2]) + ".",
            against if place != grid.current else "The value in force.",
            grid.info.help,
            f"Source of the published value {value_text(grid.info.default)}: {grid.info.source}.",
        )
