"""All options by their effect on a metric: what a sweep of each alone can make of it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from pipeline.evaluation.sweep_results import Metric, Sweep, Tornado
from pipeline.evaluation.sweep_text import figure_text, gain_text, value_text
from widgets.curation.hovering import Hovering
from widgets.fields import keep_keys, tip
from widgets.theme import GRID, ROW_HEIGHT, colors, tabular

_BAR = 12.0


class SweepTornado(Hovering):
    """A row per option: a bar from the lowest to the highest figure, through the one in force.

    Signals:
        optionChosen: Name of the option, by mouse or keys.
    """

    optionChosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Options by effect")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        keep_keys(self, (Qt.Key.Key_Up, Qt.Key.Key_Down))
        self._sweeps: tuple[Sweep, ...] = ()
        self._metric = Metric.COV_95
        self._chosen = ""

    def set_tornado(self, tornado: Tornado | None, metric: Metric, chosen: str) -> None:
        """Show all options, the largest effect first; emits nothing.

        Args:
            tornado: None for nothing.
            metric: Whose figures.
            chosen: Name of the option that is chosen, may be empty.
        """
        self._sweeps = tornado.ranked(metric) if tornado is not None else ()
        self._metric, self._chosen, self._hovered = metric, chosen, -1
        self.updateGeometry()
        self.update()

    @property
    def options(self) -> tuple[str, ...]:
        """Names from the top down."""
        return tuple(s.parameter for s in self._sweeps)

    def row_rect(self, name: str) -> QRectF:
        """Where the row of an option is; empty if there is none."""
        if name not in self.options:
            return QRectF()
        top = ROW_HEIGHT * (self.options.index(name) + 1)
        return QRectF(0, top, self.width(), ROW_HEIGHT)

    def bar_rect(self, name: str) -> QRectF:
        """Where its bar is."""
        row, sweep = self.row_rect(name), self._sweeps[self.options.index(name)]
        values = sweep.of(self._metric).values
        if not np.isfinite(values).any():
            return QRectF(self._x(0.0), row.center().y(), 0, 0)
        left, right = self._x(float(np.nanmin(values))), self._x(float(np.nanmax(values)))
        return QRectF(left, row.center().y() - _BAR / 2, right - left, _BAR)

    def sizeHint(self) -> QSize:
        """A title and all rows."""
        return QSize(54 * GRID, ROW_HEIGHT * (len(self._sweeps) + 1) + GRID)

    def minimumSizeHint(self) -> QSize:
        """Names, short bars and figures."""
        return QSize(42 * GRID, self.sizeHint().height())

    # -- layout ------------------------------------------------------------------------------

    def _figure_width(self) -> float:
        return QFontMetricsF(tabular(self.font())).horizontalAdvance("highest") + GRID

    def _room(self) -> tuple[float, float]:
        """Left and right end of the bars."""
        metrics = QFontMetricsF(tabular(self.font()))
        longest = max((metrics.horizontalAdvance(n) for n in self.options), default=80.0)
        left = min(longest, 0.45 * self.width()) + 2 * GRID
        right = self.width() - 2 * self._figure_width() - 2 * GRID
        return left, max(right, left + 24.0)

    def _span(self) -> tuple[float, float]:
        found = [s.of(self._metric).values for s in self._sweeps]
        known = np.concatenate(found) if found else np.zeros(0)
        known = known[np.isfinite(known)]
        if not len(known):
            return 0.0, 1.0
        low, high = float(known.min()), float(known.max())
        return (low, high) if high > low else (low - 0.005, high + 0.005)

    def _x(self, figure: float) -> float:
        left, right = self._room()
        low, high = self._span()
        return left + (figure - low) / (high - low) * (right - left)

    # -- painting ----------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Titles and rows."""
        if not self._sweeps:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(tabular(self.font()))
        self._paint_titles(painter)
        for k, sweep in enumerate(self._sweeps):
            self._paint_row(painter, sweep, hovered=k == self._hovered)
        painter.end()

    def _paint_titles(self, painter: QPainter) -> None:
        painter.setPen(self.palette().placeholderText().color())
        width, edge = self._figure_width(), self.width() - GRID
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(edge - width, 0, width, ROW_HEIGHT), right, "highest")
        painter.drawText(QRectF(edge - 2 * width, 0, width, ROW_HEIGHT), right, "lowest")
        precision = self._sweeps[0].evidence.precision
        title = f"{self._metric.title(precision)} over the range of each option"
        shown = QFontMetricsF(painter.font()).elidedText(
            title, Qt.TextElideMode.ElideRight, edge - 2 * width - 2 * GRID
        )
        painter.drawText(QRectF(GRID, 0, edge, ROW_HEIGHT), Qt.AlignmentFlag.AlignVCenter, shown)

    def _paint_row(self, painter: QPainter, sweep: Sweep, *, hovered: bool) -> None:
        row, theme = self.row_rect(sweep.parameter), colors(self.palette())
        text = self.palette().windowText().color()
        if sweep.parameter == self._chosen:
            wash = QColor(theme.accent)
            wash.setAlpha(48)
            painter.fillRect(row, wash)
            painter.fillRect(QRectF(0, row.top(), 3, row.height()), QColor(theme.accent))
        elif hovered:
            wash = QColor(text)
            wash.setAlpha(16)
            painter.fillRect(row, wash)
        left, _ = self._room()
        metrics = QFontMetricsF(painter.font())
        middle = Qt.AlignmentFlag.AlignVCenter
        name = metrics.elidedText(sweep.parameter, Qt.TextElideMode.ElideRight, left - 2 * GRID + 1)
        painter.setPen(text)
        painter.drawText(QRectF(GRID, row.top(), left, row.height()), middle, name)
        curve = sweep.of(self._metric)
        if not np.isfinite(curve.values).any():
            return
        self._paint_bar(painter, sweep)
        width, edge = self._figure_width(), self.width() - GRID
        right = Qt.AlignmentFlag.AlignRight | middle
        muted = self.palette().placeholderText().color()
        painter.setPen(text if curve.effect > 0 else muted)
        for place, figure in ((1, np.nanmax(curve.values)), (2, np.nanmin(curve.values))):
            box = QRectF(edge - place * width, row.top(), width, row.height())
            painter.drawText(box, right, figure_text(float(figure)))

    def _paint_bar(self, painter: QPainter, sweep: Sweep) -> None:
        """What is better than now in the accent, what is worse in grey."""
        curve, theme = sweep.of(self._metric), colors(self.palette())
        bar = self.bar_rect(sweep.parameter)
        now = self._x(float(curve.values[sweep.grid.current]))
        below = QRectF(bar.left(), bar.top(), now - bar.left(), bar.height())
        above = QRectF(now, bar.top(), bar.right() - now, bar.height())
        better, worse = (above, below) if self._metric.higher_is_better else (below, above)
        grey = QColor(theme.muted)
        grey.setAlpha(120)
        painter.fillRect(worse, grey)
        painter.fillRect(better, QColor(theme.accent))
        row = self.row_rect(sweep.parameter)
        painter.setPen(QPen(QColor(theme.warning), 1.6))
        painter.drawLine(QPointF(now, row.top() + 3), QPointF(now, row.bottom() - 3))

    # -- mouse and keys ----------------------------------------------------------------------

    def item_at(self, point: QPointF) -> int:
        """Number of the row under a point, -1 for none."""
        index = int(point.y() // ROW_HEIGHT) - 1
        return index if 0 <= index < len(self._sweeps) else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the row under the mouse."""
        index = self.item_at(event.position())
        if event.button() is Qt.MouseButton.LeftButton and index >= 0:
            self._choose(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down choose."""
        place = self.options.index(self._chosen) if self._chosen in self.options else -1
        if event.key() == Qt.Key.Key_Down and place + 1 < len(self._sweeps):
            self._choose(place + 1)
        elif event.key() == Qt.Key.Key_Up and place > 0:
            self._choose(place - 1)
        else:
            super().keyPressEvent(event)

    def _choose(self, index: int) -> None:
        name = self.options[index]
        if name != self._chosen:
            self._chosen = name
            self.update()
            self.optionChosen.emit(name)

    def event(self, event: QEvent) -> bool:
        """Tool tips: what an option does and what it could gain."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self.item_at(QPointF(event.pos()))
            if index >= 0:
                QToolTip.showText(event.globalPos(), self.tip_of(self.options[index]), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def tip_of(self, name: str) -> str:
        """What an option does, its range and what its best value gains."""
        sweep = self._sweeps[self.options.index(name)]
        low, high = value_text(sweep.values[0]), value_text(sweep.values[-1])
        unit = f" {sweep.grid.info.unit}" if sweep.grid.info.unit else ""
        return tip(
            name,
            sweep.grid.info.help,
            f"Swept from {low} to {high}{unit}; in force {value_text(sweep.current_value)}{unit}.",
            f"Best at {value_text(sweep.best_value(self._metric))}{unit}. "
            + gain_text(sweep.of(self._metric).gain),
            "The bar goes from the lowest to the highest figure; the line marks the value in "
            "force, the accent what is better.",
        )
