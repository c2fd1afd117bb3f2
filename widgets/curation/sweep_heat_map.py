"""One metric over two options: a cell per pair of values."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QLinearGradient,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from pipeline.evaluation.sweep_options import Grid
from pipeline.evaluation.sweep_results import Metric, MetricMap, SweepMap
from pipeline.evaluation.sweep_text import figure_text, value_text
from widgets.fields import tip
from widgets.theme import GRID, HALF_GRID, colors, contrast, scaled, tabular

_NARROW, _LOW = 40.0, 18.0
_LEGEND = 12.0


class SweepHeatMap(QWidget):
    """Draws a map; stronger colour is better. Tool tips give the figures of a cell."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._map: SweepMap | None = None
        self._metric = Metric.COV_95
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Metric over two options")

    def set_map(self, result: SweepMap | None, metric: Metric) -> None:
        """Show a map; emits nothing."""
        self._map, self._metric = result, metric
        self.update()

    def sizeHint(self) -> QSize:
        """Cells that hold their figures."""
        return QSize(72 * GRID, 44 * GRID)

    def minimumSizeHint(self) -> QSize:
        """Still readable."""
        return QSize(34 * GRID, 24 * GRID)

    # -- layout ------------------------------------------------------------------------------

    def _shown(self) -> tuple[SweepMap, MetricMap]:
        assert self._map is not None  # noqa: S101 - only asked where there is one
        return self._map, self._map.of(self._metric)

    @property
    def area(self) -> QRectF:
        """Where the cells are."""
        result, _ = self._shown()
        metrics = QFontMetricsF(tabular(self.font()))
        labels = [metrics.horizontalAdvance(value_text(v)) for v in result.first.values]
        left = max(labels) + metrics.height() + 3 * GRID
        right = metrics.horizontalAdvance("0.000") + _LEGEND + 4 * GRID
        top, bottom = 2 * metrics.height() + GRID, 2 * metrics.height() + 2.5 * GRID
        return QRectF(self.rect()).adjusted(left, top, -right, -bottom)

    def cell(self, i: int, j: int) -> QRectF:
        """Where a pair of values is; values of the first option grow upwards."""
        result, _ = self._shown()
        rows, columns = len(result.first.values), len(result.second.values)
        area = self.area
        width, height = area.width() / columns, area.height() / rows
        return QRectF(area.left() + j * width, area.top() + (rows - 1 - i) * height, width, height)

    def color_of(self, figure: float) -> QColor:
        """From the background (worst) to the accent (best)."""
        _, own = self._shown()
        low, high = float(np.nanmin(own.values)), float(np.nanmax(own.values))
        share = (figure - low) / (high - low) if high > low else 0.5
        if not self._metric.higher_is_better:
            share = 1.0 - share
        return self._ramp(share)

    def _ramp(self, share: float) -> QColor:
        base, accent = self.palette().base().color(), QColor(colors(self.palette()).accent)
        share = 0.08 + 0.92 * share
        red, green, blue = (
            a + (b - a) * share
            for a, b in (
                (base.redF(), accent.redF()),
                (base.greenF(), accent.greenF()),
                (base.blueF(), accent.blueF()),
            )
        )
        return QColor.fromRgbF(red, green, blue)

    # -- painting ----------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Cells, labels, marks, legend."""
        if self._map is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(tabular(self.font()))
        painter.fillRect(self.rect(), self.palette().base())
        if np.isfinite(self._shown()[1].values).any():
            self._paint_cells(painter)
            self._paint_marks(painter)
            self._paint_legend(painter)
        self._paint_labels(painter)
        painter.end()

    def _paint_cells(self, painter: QPainter) -> None:
        _, own = self._shown()
        large = self.cell(0, 0)
        with_text = large.width() >= _NARROW and large.height() >= _LOW
        painter.setFont(scaled(painter.font(), 0.9))
        for i, j in np.ndindex(*own.values.shape):
            figure, cell = float(own.values[i, j]), self.cell(i, j)
            if not np.isfinite(figure):
                continue
            color = self.color_of(figure)
            painter.fillRect(cell.adjusted(0.5, 0.5, -0.5, -0.5), color)
            ink = max(
                (self.palette().text().color(), self.palette().base().color()),
                key=lambda c: contrast(c, color),
            )
            if with_text:
                painter.setPen(ink)
                painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, figure_text(figure))
            if own.is_clear[i, j]:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(ink)
                painter.drawEllipse(QPointF(cell.right() - 5, cell.top() + 5), 1.8, 1.8)
        painter.setFont(tabular(self.font()))

    def _paint_marks(self, painter: QPainter) -> None:
        result, own = self._shown()
        theme = colors(self.palette())
        now = self.cell(result.first.current, result.second.current)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.palette().base().color(), 4.5))
        painter.drawRect(now.adjusted(1.5, 1.5, -1.5, -1.5))
        painter.setPen(QPen(QColor(theme.warning), 2.2))
        painter.drawRect(now.adjusted(1, 1, -1, -1))
        if own.best == (result.first.current, result.second.current):
            return
        best = self.cell(*own.best)
        at, size = QPointF(best.left() + 7, best.top() + 7), 4.5
        painter.setPen(QPen(self.palette().base().color(), 1.2))
        painter.setBrush(QColor(theme.ok))
        corners = ((0, -size), (size, 0), (0, size), (-size, 0))
        painter.drawPolygon(QPolygonF([QPointF(at.x() + x, at.y() + y) for x, y in corners]))

    def _paint_legend(self, painter: QPainter) -> None:
        _, own = self._shown()
        area, metrics = self.area, QFontMetricsF(painter.font())
        bar = QRectF(area.right() + 1.5 * GRID, area.top(), _LEGEND, area.height())
        gradient = QLinearGradient(bar.topLeft(), bar.bottomLeft())
        gradient.setColorAt(0, self._ramp(1.0))
        gradient.setColorAt(1, self._ramp(0.0))
        painter.fillRect(bar, gradient)
        low, high = float(np.nanmin(own.values)), float(np.nanmax(own.values))
        best, worst = (high, low) if self._metric.higher_is_better else (low, high)
        painter.setPen(self.palette().placeholderText().color())
        x = bar.right() + HALF_GRID
        painter.drawText(QPointF(x, bar.top() + metrics.ascent()), figure_text(best))
        painter.drawText(QPointF(x, bar.bottom() - 2), figure_text(worst))

    def _paint_labels(self, painter: QPainter) -> None:
        result, _ = self._shown()
        area, metrics = self.area, QFontMetricsF(painter.font())
        muted, ink = self.palette().placeholderText().color(), self.palette().text().color()
        painter.setPen(muted)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for i, value in enumerate(result.first.values):
            cell = self.cell(i, 0)
            box = QRectF(0, cell.top(), area.left() - GRID, cell.height())
            painter.drawText(box, right, value_text(value))
        widest = max(metrics.horizontalAdvance(value_text(v)) for v in result.second.values)
        every = max(1, int(np.ceil((widest + GRID) / max(self.cell(0, 0).width(), 1.0))))
        for j, value in enumerate(result.second.values):
            if j % every:
                continue
            cell = self.cell(0, j)
            box = QRectF(cell.center().x() - 60, area.bottom() + HALF_GRID, 120, metrics.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, value_text(value))
        painter.setPen(ink)
        below = QRectF(
            area.left(), area.bottom() + metrics.height() + GRID, area.width(), metrics.height() + 2
        )
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, _title(result.second))
        painter.save()
        painter.translate(HALF_GRID, area.center().y())
        painter.rotate(-90)
        beside = QRectF(-area.height() / 2, 0, area.height(), metrics.height() + 2)
        painter.drawText(beside, Qt.AlignmentFlag.AlignHCenter, _title(result.first))
        painter.restore()
        title = self._metric.title(result.evidence.precision)
        better = "higher is better" if self._metric.higher_is_better else "lower is better"
        at = QPointF(GRID, metrics.ascent() + HALF_GRID)
        painter.drawText(at, title)
        painter.setPen(muted)
        text = f"{better}; frame: in force, diamond: best, dot: differs beyond noise"
        painter.drawText(at + QPointF(metrics.horizontalAdvance(title + "  "), 0), text)

    # -- mouse -------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Tool tips: the figures of a cell."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            text = self._tip_at(QPointF(event.pos()))
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def _tip_at(self, at: QPointF) -> str:
        if self._map is None:
            return ""
        _, own = self._shown()
        for i, j in np.ndindex(*own.values.shape):
            if self.cell(i, j).contains(at):
                return self.tip_of(i, j)
        return ""

    def tip_of(self, i: int, j: int) -> str:
        """The figures of a cell, and what they are."""
        result, own = self._shown()
        clear = "differs" if own.is_clear[i, j] else "does not differ"
        noise = f"It {clear} from the pair in force beyond its noise (95 % of resamples)."
        in_force = (i, j) == (result.first.current, result.second.current)
        return tip(
            f"{self._metric.title(result.evidence.precision)} {figure_text(own.values[i, j])}",
            f"{result.first.info.name} {value_text(result.first.values[i])}: "
            f"{result.first.info.help}",
            f"{result.second.info.name} {value_text(result.second.values[j])}: "
            f"{result.second.info.help}",
            "The pair in force." if in_force else noise,
        )


def _title(grid: Grid) -> str:
    return grid.info.name + (f", {grid.info.unit}" if grid.info.unit else "")
