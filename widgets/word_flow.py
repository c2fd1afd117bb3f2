"""Words in rows, each with numbers below it and a ground that says how sure a model was."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from pipeline.model.palette import DOUBT
from widgets.fields import keep_keys
from widgets.theme import GRID, HALF_GRID, scaled, tabular

STEPS: tuple[tuple[float, int], ...] = ((0.95, 0), (0.8, 72), (0.5, 130), (0.0, 200))
"""Least probability of a step, and how full its colour is, 0..255 (steps: our choice)."""
_KEYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down,
         Qt.Key.Key_Home, Qt.Key.Key_End)  # fmt: skip


def ground(probability: float) -> QColor:
    """Ground of a word; one hue, fuller for what is less sure, so that its lightness tells it."""
    color = QColor(*DOUBT)
    color.setAlpha(next(alpha for least, alpha in STEPS if probability >= least or least == 0.0))
    return color


@dataclass(frozen=True, slots=True)
class WordCell:
    """A word as it is shown.

    Attributes:
        text: The word.
        probability: 0..1.
        lines: Below it: numbers, the word of another captioner.
        differs: Whether the other captioner wrote another word.
        tip: About its numbers.
    """

    text: str
    probability: float
    lines: tuple[str, ...] = ()
    differs: bool = False
    tip: str = ""


class WordFlow(QWidget):
    """Shows words; the mouse or the arrow keys choose one.

    Signals:
        wordChosen: Number of the word under the mouse or the keys.
    """

    wordChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cells: tuple[WordCell, ...] = ()
        self._rects: list[QRectF] = []
        self._current = -1
        self.setAccessibleName("Words of the answer")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        keep_keys(self, _KEYS)

    # Setters; none of them emits.

    def set_cells(self, cells: tuple[WordCell, ...]) -> None:
        """Show other words; none of them is chosen."""
        self._cells, self._current = cells, -1
        self._place()
        self.updateGeometry()
        self.update()

    def set_current(self, number: int) -> None:
        """Choose a word, -1 for none."""
        if number == self._current:
            return
        self._current = number
        if 0 <= number < len(self._cells):
            cell = self._cells[number]
            self.setAccessibleDescription(f"{cell.text}: {cell.tip}")
        self.update()

    @property
    def cells(self) -> tuple[WordCell, ...]:
        """The words on show."""
        return self._cells

    @property
    def current(self) -> int:
        """The chosen word, -1 for none."""
        return self._current

    def rect_of(self, number: int) -> QRectF:
        """Where a word lies in the widget."""
        return QRectF(self._rects[number])

    # Geometry.

    def _fonts(self) -> tuple[QFont, QFont]:
        return scaled(self.font(), 1.2), tabular(scaled(self.font(), 0.85))

    def _place(self) -> None:
        self._rects = self._rects_for(max(self.width(), 1))

    def _rects_for(self, width: int) -> list[QRectF]:
        big, small = (QFontMetricsF(f) for f in self._fonts())
        below = max((len(c.lines) for c in self._cells), default=0)
        high = big.height() + below * small.height() + HALF_GRID
        x, y, found = 0.0, 0.0, []
        for cell in self._cells:
            wide = max(
                big.horizontalAdvance(cell.text),
                *(small.horizontalAdvance(line) for line in cell.lines),
                GRID,
            )
            wide = min(wide + GRID, float(width))
            if x > 0 and x + wide > width:
                x, y = 0.0, y + high + HALF_GRID
            found.append(QRectF(x, y, wide, high))
            x += wide + HALF_GRID
        return found

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Narrow rows are more rows."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Height of all rows."""
        rects = self._rects_for(max(width, 1))
        return round(rects[-1].bottom()) + 2 if rects else 0

    def sizeHint(self) -> QSize:
        """Some words side by side."""
        return QSize(320, self.heightForWidth(320))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the rows elsewhere."""
        super().resizeEvent(event)
        self._place()

    # Painting.

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        big, small = self._fonts()
        palette = self.palette()
        text = palette.color(QPalette.ColorRole.WindowText)
        center = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        line_high = QFontMetricsF(small).height()
        word_high = QFontMetricsF(big).height()
        for number, (cell, rect) in enumerate(zip(self._cells, self._rects, strict=True)):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(ground(cell.probability))
            painter.drawRoundedRect(rect, 3, 3)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            if number == self._current:
                width = 2.0 if self.hasFocus() else 1.0
                painter.setPen(QPen(palette.color(QPalette.ColorRole.Accent), width))
                painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 3, 3)
            painter.setPen(text)
            painter.setFont(big)
            word = QFontMetricsF(big).elidedText(
                cell.text, Qt.TextElideMode.ElideRight, rect.width()
            )
            painter.drawText(rect, center, word)
            for k, line in enumerate(cell.lines):
                font = QFont(small)
                font.setBold(cell.differs and k > 0)
                painter.setFont(font)
                top = rect.top() + word_high + k * line_high
                place = QRectF(rect.left(), top, rect.width(), line_high)
                painter.drawText(place, center, line)

    # Choosing.

    def _at(self, point: QPointF) -> int:
        return next((k for k, rect in enumerate(self._rects) if rect.contains(point)), -1)

    def _choose(self, number: int) -> None:
        if number != self._current and 0 <= number < len(self._cells):
            self.set_current(number)
            self.wordChosen.emit(number)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Choose the word under the mouse."""
        self._choose(self._at(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the word under the mouse."""
        self._choose(self._at(event.position()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go through the words."""
        count, key = len(self._cells), Qt.Key(event.key())
        if not count or key not in _KEYS:
            super().keyPressEvent(event)
            return
        here = self._current
        if key == Qt.Key.Key_Home:
            goal = 0
        elif key == Qt.Key.Key_End:
            goal = count - 1
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            goal = here + (1 if key == Qt.Key.Key_Right else -1)
            goal = min(max(goal, 0), count - 1)
        else:
            goal = self._in_next_row(max(here, 0), 1 if key == Qt.Key.Key_Down else -1)
        self._choose(goal)

    def _in_next_row(self, number: int, down: int) -> int:
        """The nearest word in the row below or above; the same one if there is no such row."""
        here = self._rects[number]
        tops = sorted({rect.top() for rect in self._rects})
        row = tops.index(here.top()) + down
        if not 0 <= row < len(tops):
            return number
        middle = here.center().x()
        own = [k for k, rect in enumerate(self._rects) if rect.top() == tops[row]]
        return min(own, key=lambda k: abs(self._rects[k].center().x() - middle))

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Somewhere the keys must begin."""
        super().focusInEvent(event)
        if self._current < 0:
            self._choose(0)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The frame of the chosen word becomes thinner."""
        super().focusOutEvent(event)
        self.update()

    def event(self, event: QEvent) -> bool:
        """Tell what the numbers of a word are."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            number = self._at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self._cells[number].tip if number >= 0 else "")
            return True
        return super().event(event)


class ConfidenceLegend(QWidget):
    """The steps of the colour with their numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Legend of the probabilities")
        self.setToolTip(
            "Probability of a word after the words before it: product over its tokens of"
            " exp(log-probability), as the server gives them. The fuller the colour, the less sure."
        )
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def _labels(self) -> list[str]:
        found, above = [], None
        for least, _ in STEPS:
            found.append(f"≥ {least:g}" if least else f"< {above:g}")
            above = least
        return found

    def sizeHint(self) -> QSize:
        """One row."""
        metrics = QFontMetricsF(self.font())
        wide = sum(metrics.horizontalAdvance(t) + 3.5 * GRID for t in self._labels())
        return QSize(round(wide), round(metrics.height()) + 2)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a swatch and a number per step."""
        painter = QPainter(self)
        metrics, x = QFontMetricsF(self.font()), 0.5
        border = self.palette().color(QPalette.ColorRole.Mid)
        for (least, _), label in zip(STEPS, self._labels(), strict=True):
            swatch = QRectF(x, (self.height() - 12) / 2, 12, 12)
            painter.fillRect(swatch, ground(least))
            painter.setPen(border)
            painter.drawRect(swatch)
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            wide = metrics.horizontalAdvance(label)
            place = QRectF(x + 16, 0, wide + 2, self.height())
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, label)
            x += wide + 3.5 * GRID
