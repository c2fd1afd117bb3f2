"""Pictures of an evaluation of caption recipes: rates with intervals, failures, verbs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from pipeline.evaluation.caption_figures import Change, RecipeComparison, RecipeFigures
from pipeline.evaluation.caption_rubric import PUBLISHED_SHARES, Failure
from pipeline.model.palette import BETTER, FAILURES, WORSE
from widgets.fields import tip
from widgets.theme import GRID, ROW_HEIGHT, colors, tabular

_BAR = 14.0
_DOT = 4.0
_MOST_NAME = 0.3
"""Share of the width that names take at most."""
_MIDDLE = Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | _MIDDLE
_CENTER = Qt.AlignmentFlag.AlignCenter


def percent(share: float) -> str:
    """A share for people, a dash for none."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else "–"


def paint_failure(painter: QPainter, rect: QRectF, failure: Failure) -> None:
    """Fill a part of a bar; hatched and outlined besides colour, which alone tells nothing."""
    color = QColor(*FAILURES[failure.value])
    painter.setPen(Qt.PenStyle.NoPen)
    if failure is Failure.WRONG_VERB:
        painter.fillRect(rect, color)
        return
    pale = QColor(color)
    pale.setAlpha(110)
    painter.fillRect(rect, pale)
    pattern = (
        Qt.BrushStyle.BDiagPattern
        if failure is Failure.WRONG_THING
        else Qt.BrushStyle.DiagCrossPattern
    )
    painter.fillRect(rect, QBrush(color, pattern))
    painter.setPen(color)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(rect.adjusted(0.5, 0.5, -0.5, -0.5))


class _Rows(QWidget):
    """Rows below a title row, with a tip each."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rows."""
        raise NotImplementedError

    def tip_of(self, row: int) -> str:
        """What a row says, in words; -1 for the title row."""
        raise NotImplementedError

    def sizeHint(self) -> QSize:
        """A title and all rows."""
        return QSize(640, ROW_HEIGHT * (len(self.names) + 1) + GRID)

    def minimumSizeHint(self) -> QSize:
        """Names, numbers and short bars."""
        return QSize(360, self.sizeHint().height())

    def row_rect(self, row: int) -> QRectF:
        """Where a row is; -1 for the title row."""
        return QRectF(0, (row + 1) * ROW_HEIGHT, self.width(), ROW_HEIGHT)

    def name_width(self) -> float:
        """Room of the names."""
        metrics = QFontMetricsF(self.font())
        longest = max((metrics.horizontalAdvance(n) for n in self.names), default=0.0)
        return min(longest, _MOST_NAME * self.width()) + 2 * GRID

    def number_width(self, example: str) -> float:
        """Room of a number as wide as the example."""
        return QFontMetricsF(tabular(self.font())).horizontalAdvance(example) + GRID

    def paint_name(self, painter: QPainter, row: int, name: str) -> None:
        """Write the name of a row, cut to its room."""
        width = self.name_width() - GRID
        shown = QFontMetricsF(painter.font()).elidedText(name, Qt.TextElideMode.ElideRight, width)
        box = QRectF(GRID, self.row_rect(row).top(), width, ROW_HEIGHT)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(box, _MIDDLE, shown)

    def quiet(self) -> QColor:
        """Colour of titles."""
        return self.palette().color(QPalette.ColorRole.PlaceholderText)

    def event(self, event: QEvent) -> bool:
        """Tool tips: what a row says."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            row = int(event.pos().y() // ROW_HEIGHT) - 1
            if row < len(self.names):
                QToolTip.showText(event.globalPos(), self.tip_of(row), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)


class RecipeRates(_Rows):
    """Per recipe: its acceptable rate with interval, and its failures by kind."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Acceptable captions per recipe")
        self._figures: tuple[RecipeFigures, ...] = ()

    def set_figures(self, figures: Sequence[RecipeFigures]) -> None:
        """Show recipes; emits nothing."""
        self._figures = tuple(figures)
        self.setAccessibleDescription(
            "; ".join(f"{f.recipe} {percent(f.rate)} of {f.count}" for f in self._figures)
        )
        self.updateGeometry()
        self.update()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the recipes."""
        return tuple(f.recipe for f in self._figures)

    def tip_of(self, row: int) -> str:
        """The figures of a recipe in words."""
        if row < 0:
            return tip(
                "Acceptable rate",
                "Captions whose verb, object and destination (or source) are all right, of those "
                "with a reference. The line is Wilson's 95 % interval; captions of one episode "
                "count less than independent ones.",
                "Failures: each has one kind, the gravest first. Published for comparison: "
                + ", ".join(f"{k.words} {100 * v:.0f} %" for k, v in PUBLISHED_SHARES.items())
                + ".",
            )
        f = self._figures[row]
        low, high = percent(f.interval.low), percent(f.interval.high)
        lines = [
            f"{f.acceptable:,} of {f.count:,} captions are acceptable: {percent(f.rate)}, 95 % "
            f"interval {low} to {high}.",
            *(
                f"{x.count:,} {x.failure.words} ({percent(x.share)} of failures)."
                for x in f.failures
            ),
            f"Verb wrong in {f.wrong_verbs:,}, object or place in {f.wrong_things:,}.",
            f"Text similarity {f.similarity:.2f} of 1, for diagnosis only.",
        ]
        if f.errors:
            lines.append(f"{f.errors:,} were not written; they count as egregious.")
        return tip(f.recipe, *lines)

    def axis(self) -> tuple[float, float]:
        """Left end and width of the axis from 0 to 100 %."""
        left = self.name_width() + self.number_width("100.0 %") + GRID
        return left, max((self.width() - left) * 0.55, 40.0)

    def failure_room(self) -> tuple[float, float]:
        """Left end and width of the bars of failures."""
        left, width = self.axis()
        start = left + width + 4 * GRID
        return start, max(self.width() - start - self.number_width("0,000"), 24.0)

    def segments(self, row: int) -> tuple[tuple[Failure, QRectF], ...]:
        """Parts of a bar of failures, as painted; all recipes have one scale."""
        start, width = self.failure_room()
        most = max((f.count - f.acceptable for f in self._figures), default=0) or 1
        top = self.row_rect(row).top() + (ROW_HEIGHT - _BAR) / 2
        found, x = [], start
        for part in self._figures[row].failures:
            length = width * part.count / most
            found.append((part.failure, QRectF(x, top, length, _BAR)))
            x += length
        return tuple(found)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Names, rates, intervals, failures."""
        if not self._figures:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(tabular(self.font()))
        self._paint_axis(painter)
        for row, figures in enumerate(self._figures):
            self._paint_row(painter, row, figures)
        painter.end()

    def _paint_axis(self, painter: QPainter) -> None:
        left, width = self.axis()
        line = QColor(colors(self.palette()).border)
        bottom = self.row_rect(len(self._figures) - 1).bottom()
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            x = left + width * share
            painter.setPen(line)
            painter.drawLine(QPointF(x, ROW_HEIGHT), QPointF(x, bottom))
            painter.setPen(self.quiet())
            label = f"{100 * share:.0f} %" if share == 1.0 else f"{100 * share:.0f}"
            painter.drawText(QRectF(x - 30, 0, 60, ROW_HEIGHT), _CENTER, label)
        start, room = self.failure_room()
        painter.drawText(QRectF(start, 0, room, ROW_HEIGHT), _MIDDLE, "failures")

    def _paint_row(self, painter: QPainter, row: int, figures: RecipeFigures) -> None:
        text = self.palette().color(QPalette.ColorRole.WindowText)
        self.paint_name(painter, row, figures.recipe)
        rect = self.row_rect(row)
        number = self.number_width("100.0 %")
        box = QRectF(self.name_width(), rect.top(), number - GRID / 2, ROW_HEIGHT)
        painter.drawText(box, _RIGHT, percent(figures.rate))
        left, width = self.axis()
        middle = rect.center().y()
        accent = QColor(colors(self.palette()).accent)
        if math.isfinite(figures.interval.low):
            painter.setPen(QPen(accent, 3.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
            ends = (left + width * v for v in (figures.interval.low, figures.interval.high))
            first, last = ends
            painter.drawLine(QPointF(first, middle), QPointF(last, middle))
        if math.isfinite(figures.rate):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(text)
            painter.drawEllipse(QPointF(left + width * figures.rate, middle), _DOT, _DOT)
        for failure, part in self.segments(row):
            if part.width() > 0:
                paint_failure(painter, part, failure)
        end = self.segments(row)[-1][1].right() + GRID / 2
        total = f"{figures.count - figures.acceptable:,}"
        painter.setPen(text)
        painter.drawText(QRectF(end, rect.top(), self.width() - end, ROW_HEIGHT), _MIDDLE, total)


_SHORT = {
    Failure.WRONG_VERB: "wrong verb",
    Failure.WRONG_THING: "wrong object or place",
    Failure.EGREGIOUS: "egregious",
}


class FailureLegend(QWidget):
    """What the fillings of failures mean."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Legend")
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            tip(
                "Failures",
                "Wrong verb: cured by rules and better sampling.",
                "Right verb, wrong object or destination: cured by better views of the things.",
                "Egregious: names what is not there; cured by a stronger model.",
            )
        )

    def sizeHint(self) -> QSize:
        """Three boxes with their names."""
        metrics = QFontMetricsF(self.font())
        names = sum(metrics.horizontalAdvance(name) for name in _SHORT.values())
        return QSize(round(names + len(_SHORT) * (20 + 2 * GRID)), ROW_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """All of it."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Boxes and names."""
        painter = QPainter(self)
        metrics, x = QFontMetricsF(self.font()), 1.0
        for failure, name in _SHORT.items():
            paint_failure(painter, QRectF(x, (self.height() - 10) / 2, 14, 10), failure)
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            width = metrics.horizontalAdvance(name)
            painter.drawText(QRectF(x + 20, 0, width + 2, self.height()), _MIDDLE, name)
            x += 20 + width + 2 * GRID
        painter.end()


class VerbChanges(_Rows):
    """Per verb: captions that a second recipe improves (right) and worsens (left)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Improvements and regressions per verb")
        self._comparison: RecipeComparison | None = None

    def set_comparison(self, comparison: RecipeComparison | None) -> None:
        """Show a comparison, None for none; emits nothing."""
        self._comparison = comparison
        self.setAccessibleDescription(
            "; ".join(f"{c.verb} {c.net:+d} of {c.count}" for c in self._changes)
        )
        self.updateGeometry()
        self.update()

    @property
    def _changes(self) -> tuple[Change, ...]:
        return self._comparison.verbs if self._comparison is not None else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Verbs of the references."""
        return tuple(c.verb or "no verb" for c in self._changes)

    def tip_of(self, row: int) -> str:
        """A change in words."""
        found = self._comparison
        if found is None:
            return ""
        if row < 0:
            return tip(
                "Verbs",
                f"Improved: {found.second} is acceptable where {found.first} is not; worsened: the "
                "other way round. Captions that both get right or wrong say nothing.",
            )
        change = found.verbs[row]
        return tip(
            change.verb or "no verb",
            f"{change.count:,} captions; acceptable by both: {change.both:,}.",
            f"Improved by {found.second}: {change.improvements:,}; worsened: "
            f"{change.regressions:,}; net {change.net:+d}, {100 * change.difference:+.1f} points.",
        )

    def _room(self) -> tuple[float, float]:
        left = self.name_width() + self.number_width("0,000") + GRID
        right = self.width() - 2 * self.number_width("+100.0") - GRID
        return left, max(right - left, 24.0)

    def bars(self, row: int) -> tuple[QRectF, QRectF]:
        """Bars of what worsened and what improved, as painted."""
        left, width = self._room()
        most = max((max(c.improvements, c.regressions) for c in self._changes), default=0) or 1
        change = self._changes[row]
        middle = left + width / 2
        half = max(width / 2 - self.number_width("0,000"), 8.0)  # numbers stand at the ends
        top = self.row_rect(row).top() + (ROW_HEIGHT - _BAR) / 2
        down, up = half * change.regressions / most, half * change.improvements / most
        return QRectF(middle - down, top, down, _BAR), QRectF(middle, top, up, _BAR)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Names, counts, bars, net changes."""
        if self._comparison is None:
            return
        painter = QPainter(self)
        painter.setFont(tabular(self.font()))
        left, width = self._room()
        number = self.number_width("+100.0")
        edge = self.width() - GRID
        painter.setPen(self.quiet())
        titles = (
            (QRectF(self.name_width(), 0, left - self.name_width() - GRID, ROW_HEIGHT), "of"),
            (QRectF(left, 0, width / 2 - GRID, ROW_HEIGHT), "worsened"),
            (QRectF(edge - 2 * number, 0, number, ROW_HEIGHT), "net"),
            (QRectF(edge - number, 0, number, ROW_HEIGHT), "points"),
        )
        for box, title in titles:
            painter.drawText(box, _RIGHT, title)
        improved = QRectF(left + width / 2 + GRID, 0, width / 2, ROW_HEIGHT)
        painter.drawText(improved, _MIDDLE, "improved")
        for row, change in enumerate(self._changes):
            self._paint_row(painter, row, change)
        painter.setPen(self.quiet())
        middle = left + width / 2
        bottom = self.row_rect(len(self._changes) - 1).bottom()
        painter.drawLine(QPointF(middle, ROW_HEIGHT), QPointF(middle, bottom))
        painter.end()

    def _paint_row(self, painter: QPainter, row: int, change: Change) -> None:
        self.paint_name(painter, row, self.names[row])
        rect, (left, _) = self.row_rect(row), self._room()
        number, edge = self.number_width("+100.0"), self.width() - GRID
        cells = (
            (self.name_width(), left - self.name_width() - GRID, f"{change.count:,}"),
            (edge - 2 * number, number, f"{change.net:+d}"),
            (edge - number, number, f"{100 * change.difference:+.1f}"),
        )
        for x, width, text in cells:
            painter.drawText(QRectF(x, rect.top(), width, ROW_HEIGHT), _RIGHT, text)
        worse, better = self.bars(row)
        painter.fillRect(better, QColor(*BETTER))
        if worse.width() > 0:
            painter.fillRect(worse, QBrush(QColor(*WORSE), Qt.BrushStyle.BDiagPattern))
            painter.setPen(QColor(*WORSE))
            painter.drawRect(worse.adjusted(0.5, 0.5, -0.5, -0.5))
        metrics = QFontMetricsF(painter.font())
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        for bar, count, outside in (
            (worse, change.regressions, -1),
            (better, change.improvements, 1),
        ):
            if not count:
                continue
            wide = metrics.horizontalAdvance(f"{count:,}") + 8
            x = bar.right() if outside > 0 else bar.left() - wide
            painter.drawText(QRectF(x, rect.top(), wide, ROW_HEIGHT), _CENTER, f"{count:,}")
