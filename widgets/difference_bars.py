"""Two candidates term by term: their values and the difference as a bar."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from pipeline.model.palette import TERMS
from pipeline.model.score import ScoreTerms
from widgets.score_formula import TERM_NAMES, number, shown_contributions, signed
from widgets.theme import GRID, tabular

_ROW = 22
_BAR = 9


class DifferenceBars(QWidget):
    """What each cue adds to R for two candidates; bars to the right favour the first.

    Signals:
        termHovered: `motion`, `detector`, `proximity`, `overlap`, or empty.
    """

    termHovered = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Comparison with the rival")
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "What each cue adds to R for both candidates, and the difference: "
            "a bar to the right favours the first."
        )
        self._first: ScoreTerms | None = None
        self._second: ScoreTerms | None = None
        self._titles = ("", "")
        self._hovered = ""

    def set_pair(
        self, first: ScoreTerms | None, second: ScoreTerms | None, titles: tuple[str, str]
    ) -> None:
        """Compare two candidates; None clears."""
        self._first, self._second, self._titles = first, second, titles
        self.update()

    def rows(self) -> list[tuple[str, float, float]]:
        """Term (`R` for the sum), value of the first, value of the second."""
        if self._first is None or self._second is None:
            return []
        pairs = zip(
            shown_contributions(self._first), shown_contributions(self._second), strict=True
        )
        found = [(name, mine, theirs) for (name, mine), (_, theirs) in pairs]
        return [*found, ("R", round(self._first.score, 3), round(self._second.score, 3))]

    def bars(self) -> dict[str, tuple[float, float]]:
        """Term -> left and right pixel of its bar, as painted."""
        rows = self.rows()
        most = max((abs(a - b) for _, a, b in rows), default=0.0) or 1.0
        left, width = self._room()
        middle, half = left + width / 2, width / 2
        found = {}
        for name, mine, theirs in rows:
            end = middle + (mine - theirs) / most * half
            found[name] = (min(middle, end), max(middle, end))
        return found

    def sizeHint(self) -> QSize:
        """A title, four terms and the sum."""
        return QSize(440, 6 * _ROW + GRID)

    def minimumSizeHint(self) -> QSize:
        """Numbers and a short bar."""
        return QSize(240, 6 * _ROW + GRID)

    def _columns(self) -> tuple[float, float, float]:
        """Right ends of the first value, the second value and the difference."""
        metrics = QFontMetricsF(tabular(self.font()))
        name = metrics.horizontalAdvance("robot overlap") + 20
        value = metrics.horizontalAdvance("difference") + GRID
        return name + value, name + 2 * value, name + 3 * value

    def _room(self) -> tuple[float, float]:
        left = self._columns()[2] + 1.5 * GRID
        return left, max(self.width() - left - GRID, 10.0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A small table with bars."""
        rows = self.rows()
        if not rows:
            return
        painter = QPainter(self)
        painter.setFont(tabular(self.font()))
        palette = self.palette()
        text = palette.color(QPalette.ColorRole.WindowText)
        quiet = palette.color(QPalette.ColorRole.PlaceholderText)
        ends = self._columns()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        metrics = QFontMetricsF(painter.font())
        value_width = ends[1] - ends[0]
        painter.setPen(quiet)
        for title, end in zip((*self._titles, "difference"), ends, strict=True):
            box = QRectF(end - value_width + 4, 0, value_width - 4, _ROW)
            elide = Qt.TextElideMode.ElideRight
            painter.drawText(box, right, metrics.elidedText(title, elide, box.width()))
        bars = self.bars()
        left, width = self._room()
        for i, (name, mine, theirs) in enumerate(rows):
            top = (i + 1) * _ROW + (GRID / 2 if name == "R" else 0)
            if name == "R":
                painter.fillRect(QRectF(0, top - 2, self.width(), 1), quiet)
                font = painter.font()
                font.setBold(True)
                painter.setFont(font)
            elif TERM_NAMES[name] == self._hovered:
                wash = QColor(*TERMS[name])
                wash.setAlpha(40)
                painter.fillRect(QRectF(0, top, self.width(), _ROW), wash)
            color = QColor(*TERMS[name]) if name in TERMS else text
            middle = top + _ROW / 2
            if name in TERMS:
                painter.fillRect(QRectF(2, middle - 5, 10, 10), color)
            painter.setPen(text)
            painter.drawText(QRectF(18, top, ends[0], _ROW), Qt.AlignmentFlag.AlignVCenter, name)
            shown = (number(mine), number(theirs), signed(mine - theirs))
            for value, end in zip(shown, ends, strict=True):
                painter.drawText(QRectF(end - 90, top, 90, _ROW), right, value)
            start, end = bars[name]
            painter.fillRect(QRectF(start, middle - _BAR / 2, end - start, _BAR), color)
            painter.fillRect(QRectF(left + width / 2 - 0.5, top + 3, 1, _ROW - 6), text)
        painter.end()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell which term lies under the mouse."""
        self._hover(self._term_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        """No term."""
        self._hover("")
        super().leaveEvent(event)

    def _term_at(self, point: QPointF) -> str:
        row = int(point.y() // _ROW) - 1
        rows = self.rows()
        return TERM_NAMES.get(rows[row][0], "") if 0 <= row < len(rows) else ""

    def set_hovered(self, term: str) -> None:
        """Highlight a term's row."""
        if term != self._hovered:
            self._hovered = term
            self.update()

    def _hover(self, term: str) -> None:
        if term != self._hovered:
            self.set_hovered(term)
            self.termHovered.emit(term)
