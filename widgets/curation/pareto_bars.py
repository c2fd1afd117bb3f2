"""Bars by falling length with their running share: the picture of a Pareto."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from pipeline.diagnosis.codes import CODES
from pipeline.diagnosis.pareto import NO_CODE, NO_STAGE, Bar, Certainty, Pareto
from pipeline.diagnosis.sentences import STAGE_TITLES
from widgets.curation.hovering import Hovering
from widgets.fields import keep_keys, tip
from widgets.theme import GRID, ROW_HEIGHT, colors, tabular

_BAR = 14.0
_LEGEND = {
    Certainty.FAULT: ("stage at fault", "wrong; putting the truth in there made it right"),
    Certainty.SUSPECT: ("wrong, suspected", "wrong; its codes point there, which proves nothing"),
    Certainty.UNJUDGED: ("not judged", "nobody knows whether it is wrong; its codes point there"),
}


def label_of(name: str) -> str:
    """What stands beside a bar."""
    if name == NO_STAGE:
        return "No code is grave"
    return STAGE_TITLES.get(name, name)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the picture.

    Attributes:
        top: Its top, pixels.
        group: Index of its Pareto.
        bar: Index of its bar, -1 for the title of the group.
    """

    top: float
    group: int
    bar: int


class ParetoBars(Hovering):
    """Bars of one or more Paretos, one below the other.

    Signals:
        barChosen: Index of the Pareto and of its bar, by mouse or keys.
        barActivated: The same, by Return or a double click.
    """

    barChosen = Signal(int, int)
    barActivated = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Failures by stage")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        keep_keys(self, (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter))
        self._groups: tuple[Pareto, ...] = ()
        self._rows: tuple[Row, ...] = ()
        self._chosen = (-1, -1)

    # -- what is shown -----------------------------------------------------------------------

    def set_groups(self, groups: Sequence[Pareto], chosen: tuple[int, int]) -> None:
        """Show Paretos; emits nothing.

        Args:
            groups: One or more.
            chosen: Index of Pareto and bar that is chosen, (-1, -1) for none.
        """
        self._groups = tuple(groups)
        self._chosen = chosen
        rows, top = [], float(ROW_HEIGHT)
        for g, group in enumerate(self._groups):
            if len(self._groups) > 1:
                rows.append(Row(top, g, -1))
                top += ROW_HEIGHT
            for b in range(len(group.bars)):
                rows.append(Row(top, g, b))
                top += ROW_HEIGHT
        self._rows = tuple(rows)
        self._hovered = -1
        self.updateGeometry()
        self.update()

    @property
    def chosen(self) -> tuple[int, int]:
        """Index of Pareto and bar, (-1, -1) for none."""
        return self._chosen

    def bar(self, row: Row) -> Bar:
        """The bar of a row."""
        return self._groups[row.group].bars[row.bar]

    def row_rect(self, group: int, bar: int) -> QRectF:
        """Where the row of a bar is; empty if there is none."""
        for row in self._rows:
            if (row.group, row.bar) == (group, bar):
                return QRectF(0, row.top, self.width(), ROW_HEIGHT)
        return QRectF()

    def segments(self, group: int, bar: int) -> tuple[QRectF, ...]:
        """Parts of a bar by `Certainty`, as painted."""
        row = self.row_rect(group, bar)
        left, width = self._room()
        most = max((b.total for g in self._groups for b in g.bars), default=1)
        parts, x = [], left
        for count in self._groups[group].bars[bar].counts:
            length = width * count / most
            parts.append(QRectF(x, row.top() + (ROW_HEIGHT - _BAR) / 2, length, _BAR))
            x += length
        return tuple(parts)

    def sizeHint(self) -> QSize:
        """A title and all rows."""
        return QSize(440, ROW_HEIGHT * (len(self._rows) + 1) + GRID)

    def minimumSizeHint(self) -> QSize:
        """Labels, numbers and short bars."""
        return QSize(300, self.sizeHint().height())

    # -- layout ------------------------------------------------------------------------------

    def _label_width(self) -> float:
        metrics = QFontMetricsF(self.font())
        names = [label_of(b.label) for g in self._groups for b in g.bars]
        longest = max((metrics.horizontalAdvance(n) for n in names), default=80.0)
        return float(min(longest, 0.4 * self.width())) + 2 * GRID

    def _numbers_width(self) -> float:
        return QFontMetricsF(tabular(self.font())).horizontalAdvance("000,000") + GRID

    def _room(self) -> tuple[float, float]:
        """Left end and width of the bars."""
        left = self._label_width()
        right = self.width() - 2 * self._numbers_width() - GRID
        return left, max(right - left, 24.0)

    # -- painting ----------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Titles, bars, numbers, and the running share as a line."""
        if not self._groups:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(tabular(self.font()))
        self._paint_titles(painter)
        visible = event.rect()
        for row in self._rows:
            if row.top + ROW_HEIGHT < visible.top() or row.top > visible.bottom():
                continue
            if row.bar < 0:
                self._paint_group(painter, row)
            else:
                self._paint_row(painter, row)
        for g in range(len(self._groups)):
            self._paint_line(painter, g)
        painter.end()

    def _paint_titles(self, painter: QPainter) -> None:
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        width = self._numbers_width()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        edge = self.width() - GRID
        painter.drawText(QRectF(edge - width, 0, width, ROW_HEIGHT), right, "so far")
        painter.drawText(QRectF(edge - 2 * width, 0, width, ROW_HEIGHT), right, "number")

    def _paint_group(self, painter: QPainter, row: Row) -> None:
        group = self._groups[row.group]
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        box = QRectF(GRID, row.top, self.width() - 2 * GRID, ROW_HEIGHT)
        text = f"{group.name.replace('_', ' ')} ({group.total:,})"
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
        width = QFontMetricsF(painter.font()).horizontalAdvance(text)
        line = QColor(colors(self.palette()).border)
        y = row.top + ROW_HEIGHT / 2
        painter.setPen(line)
        painter.drawLine(QPointF(width + 2 * GRID, y), QPointF(self.width() - GRID, y))

    def _paint_row(self, painter: QPainter, row: Row) -> None:
        bar, palette, theme = self.bar(row), self.palette(), colors(self.palette())
        is_chosen = (row.group, row.bar) == self._chosen
        rect = QRectF(0, row.top, self.width(), ROW_HEIGHT)
        text = palette.color(QPalette.ColorRole.WindowText)
        if is_chosen:
            wash = QColor(theme.accent)
            wash.setAlpha(48)
            painter.fillRect(rect, wash)
            painter.fillRect(QRectF(0, row.top, 3, ROW_HEIGHT), QColor(theme.accent))
        elif self._rows.index(row) == self._hovered:
            wash = QColor(text)
            wash.setAlpha(16)
            painter.fillRect(rect, wash)
        metrics = QFontMetricsF(painter.font())
        width = self._label_width() - 2 * GRID
        elide = Qt.TextElideMode.ElideRight
        name = metrics.elidedText(label_of(bar.label), elide, width + 1)
        painter.setPen(text)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(GRID, row.top, width + GRID, ROW_HEIGHT), middle, name)
        for part, certainty in zip(self.segments(row.group, row.bar), Certainty, strict=True):
            if part.width() > 0:
                paint_certainty(painter, part, certainty, palette)
        number, edge = self._numbers_width(), self.width() - GRID
        right = Qt.AlignmentFlag.AlignRight | middle
        painter.setPen(text)
        painter.drawText(
            QRectF(edge - 2 * number, row.top, number, ROW_HEIGHT), right, f"{bar.total:,}"
        )
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        share = f"{bar.cumulative:.0%}"
        painter.drawText(QRectF(edge - number, row.top, number, ROW_HEIGHT), right, share)

    def _paint_line(self, painter: QPainter, group: int) -> None:
        left, width = self._room()
        points: list[QPointF] = []
        for b, bar in enumerate(self._groups[group].bars):
            middle = self.row_rect(group, b).center().y()
            points.append(QPointF(left + width * bar.cumulative, middle))
        ink = QColor(self.palette().color(QPalette.ColorRole.WindowText))
        ink.setAlpha(150)
        painter.setPen(QPen(ink, 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(QBrush(self.palette().color(QPalette.ColorRole.Window)))
        for point in points:
            painter.drawEllipse(point, 3.0, 3.0)

    # -- mouse and keys ----------------------------------------------------------------------

    def item_at(self, point: QPointF) -> int:
        """Number of the row under a point, -1 for none."""
        for i, row in enumerate(self._rows):
            if row.bar >= 0 and row.top <= point.y() < row.top + ROW_HEIGHT:
                return i
        return -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the row under the mouse."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._choose(self.item_at(event.position()))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Go on to its annotations."""
        if self.item_at(event.position()) >= 0:
            self.barActivated.emit(*self._chosen)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down choose, Return goes on."""
        bars = [i for i, row in enumerate(self._rows) if row.bar >= 0]
        now = [(self._rows[i].group, self._rows[i].bar) for i in bars]
        place = now.index(self._chosen) if self._chosen in now else -1
        key = event.key()
        if key == Qt.Key.Key_Down and place + 1 < len(bars):
            self._choose(bars[place + 1])
        elif key == Qt.Key.Key_Up and place > 0:
            self._choose(bars[place - 1])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and place >= 0:
            self.barActivated.emit(*self._chosen)
        else:
            super().keyPressEvent(event)

    def _choose(self, index: int) -> None:
        if index < 0:
            return
        row = self._rows[index]
        if (row.group, row.bar) != self._chosen:
            self._chosen = (row.group, row.bar)
            self.update()
            self.barChosen.emit(row.group, row.bar)

    def event(self, event: QEvent) -> bool:
        """Tool tips: what a bar counts."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self.item_at(QPointF(event.pos()))
            if index >= 0:
                QToolTip.showText(event.globalPos(), self.tip_of(self._rows[index]), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def tip_of(self, row: Row) -> str:
        """What a bar counts, in words."""
        bar, group = self.bar(row), self._groups[row.group]
        lines = [_meaning(bar.label)]
        for certainty, count in zip(Certainty, bar.counts, strict=True):
            if count:
                name, what = _LEGEND[certainty]
                lines.append(f"{count:,} {name}: {what}.")
        lines.append(
            f"So far: {bar.cumulative:.1%} of {group.total:,} stand in this bar and those above. "
            "Each annotation stands in one bar."
        )
        return tip(label_of(bar.label), *lines)


def _meaning(label: str) -> str:
    if label in CODES:
        code = CODES[label]
        return f"{code.meaning[:1].upper()}{code.meaning[1:]} ({STAGE_TITLES[code.stage].lower()})."
    if label == NO_CODE:
        return "The stage at fault gave no code: nothing warned of it."
    if label == NO_STAGE:
        return "Wrong, and no code points at a stage."
    return "The first stage at fault, or the one that codes point at."


def paint_certainty(
    painter: QPainter, rect: QRectF, certainty: Certainty, palette: QPalette
) -> None:
    """Fill a part of a bar: solid, hatched or outlined, so that it does not hang on colour."""
    accent = QColor(colors(palette).accent)
    painter.setPen(Qt.PenStyle.NoPen)
    if certainty is Certainty.FAULT:
        painter.setBrush(accent)
        painter.drawRect(rect)
        return
    inner = rect.adjusted(0.5, 0.5, -0.5, -0.5)
    if certainty is Certainty.SUSPECT:
        pale = QColor(accent)
        pale.setAlpha(60)
        painter.setBrush(pale)
        painter.drawRect(rect)
        painter.setBrush(QBrush(accent, Qt.BrushStyle.BDiagPattern))
        painter.setPen(accent)
        painter.drawRect(inner)
        return
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
    painter.drawRect(inner)


class CertaintyLegend(QWidget):
    """What the fillings mean."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Legend")
        self.setToolTip(tip("Fillings", *(f"{n}: {what}." for n, what in _LEGEND.values())))
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Three boxes with their names."""
        metrics = QFontMetricsF(self.font())
        names = sum(metrics.horizontalAdvance(n) for n, _ in _LEGEND.values())
        return QSize(round(names + 3 * (GRID * 4 + 4)), ROW_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """All of it."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Boxes and names."""
        painter = QPainter(self)
        metrics, x = QFontMetricsF(self.font()), 1.0
        for certainty, (name, _) in _LEGEND.items():
            box = QRectF(x, (self.height() - 10) / 2, 14, 10)
            paint_certainty(painter, box, certainty, self.palette())
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            width = metrics.horizontalAdvance(name)
            where = QRectF(x + 14 + 6, 0, width + 2, self.height())
            painter.drawText(where, Qt.AlignmentFlag.AlignVCenter, name)
            x += 14 + 6 + width + 2 * GRID
        painter.end()
