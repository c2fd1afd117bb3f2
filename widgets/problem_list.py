"""Problems as a list: code, sentence, frame; a click asks to see it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFontMetrics, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QStackedLayout,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from pipeline.model.problem import Problem, Severity
from widgets.fields import EmptyHint, keep_keys, tip
from widgets.icons import SIZE, Glyph, icon
from widgets.theme import GRID, HALF_GRID, Status, Theme, colors

Index = QModelIndex | QPersistentModelIndex
PROBLEM_ROLE = Qt.ItemDataRole.UserRole

_LOOK: dict[Severity, tuple[Glyph, Status]] = {
    Severity.INFO: (Glyph.INFO, Status.RUNNING),
    Severity.WARNING: (Glyph.TRIANGLE, Status.WARNING),
    Severity.ERROR: (Glyph.CROSS, Status.ERROR),
}
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def severity_look(severity: Severity) -> tuple[Glyph, Status]:
    """Return glyph and status colour of a severity."""
    return _LOOK[severity]


def worst(problems: tuple[Problem, ...]) -> Severity | None:
    """Return the gravest severity, or None without problems."""
    return min((p.severity for p in problems), key=_ORDER.__getitem__, default=None)


class _Model(QAbstractListModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.problems: tuple[Problem, ...] = ()

    def show(self, problems: tuple[Problem, ...]) -> None:
        self.beginResetModel()
        self.problems = problems
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.problems)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        problem = self.problems[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return problem.message
        if role == PROBLEM_ROLE:
            return problem
        if role == Qt.ItemDataRole.ToolTipRole:
            where = "" if problem.frame is None else f"Frame {problem.frame}. Click to go there."
            return tip(f"{problem.code} ({problem.severity.value})", problem.message, where)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{problem.severity.value}, {problem.code}: {problem.message}"
        return None


class _Delegate(QStyledItemDelegate):
    """Icon, code and frame on the first line, the sentence wrapped below."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        problem: Problem = index.data(PROBLEM_ROLE)
        rect: QRect = option.rect
        palette = option.palette
        state: QStyle.StateFlag = option.state
        metrics: QFontMetrics = option.fontMetrics
        theme: Theme = colors(palette)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        if selected:
            painter.fillRect(rect, palette.highlight())
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, palette.alternateBase())
        glyph, status = _LOOK[problem.severity]
        text_color = palette.highlightedText().color() if selected else palette.text().color()
        mark = text_color if selected else theme.status(status)
        icon(glyph, mark).paint(painter, QRect(rect.x() + GRID, rect.y() + HALF_GRID, SIZE, SIZE))
        area = rect.adjusted(2 * GRID + SIZE, HALF_GRID, -GRID, -HALF_GRID)
        line = QRect(area.x(), area.y(), area.width(), metrics.height())
        painter.setPen(text_color if selected else palette.placeholderText().color())
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        where = "" if problem.frame is None else f"frame {problem.frame}"
        painter.drawText(line, right, where)
        code_width = line.width() - metrics.horizontalAdvance(where) - GRID
        code = metrics.elidedText(problem.code, Qt.TextElideMode.ElideRight, code_width)
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, code)
        painter.setPen(text_color)
        painter.drawText(
            area.adjusted(0, metrics.height(), 0, 0),
            Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignTop,
            problem.message,
        )
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        metrics: QFontMetrics = option.fontMetrics
        view = self.parent()
        width = view.viewport().width() if isinstance(view, QListView) else 240
        inner = QRect(0, 0, max(width - 3 * GRID - SIZE, 40), 10_000)
        message = index.data(PROBLEM_ROLE).message
        text = metrics.boundingRect(inner, Qt.TextFlag.TextWordWrap, message)
        return QSize(width, metrics.height() + text.height() + 2 * HALF_GRID)


class _View(QListView):
    """A list whose rows are as high as their wrapped text."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.scheduleDelayedItemsLayout()

    def keyboardSearch(self, search: str) -> None:  # noqa: N802 - Qt's name
        """Letters are shortcuts of the window, not a search."""


class ProblemList(QWidget):
    """Problems of an episode or a stage, the gravest first.

    Attributes:
        problemActivated: A problem was clicked or Enter was pressed on it; carries the `Problem`.
    """

    problemActivated = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = _Model(self)
        self._view = _View(self)
        self._view.setModel(self._model)
        self._view.setItemDelegate(_Delegate(self._view))
        self._view.setFrameShape(QFrame.Shape.NoFrame)
        self._view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._view.setMouseTracking(True)
        self._view.setAccessibleName("Problems")
        keep_keys(self._view, (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Up, Qt.Key.Key_Down))
        self._empty = EmptyHint("No problems found.", self)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._view)
        self._view.clicked.connect(self._activate)
        self._view.activated.connect(self._activate)
        self._last: Problem | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is shown, in this order."""
        return self._model.problems

    def set_problems(self, problems: tuple[Problem, ...]) -> None:
        """Show problems; emits nothing."""
        ordered = tuple(sorted(problems, key=lambda p: _ORDER[p.severity]))
        if ordered != self._model.problems:
            self._model.show(ordered)
        self._stack.setCurrentWidget(self._view if ordered else self._empty)

    def set_empty_text(self, text: str) -> None:
        """Say something else where there are none."""
        self._empty.setText(text)

    def _activate(self, index: QModelIndex) -> None:
        problem = index.data(PROBLEM_ROLE)
        # Styles that activate by a single click send both signals for one click.
        if problem is self._last:
            return
        self._last = problem
        self.problemActivated.emit(problem)
        self._last = None

    def changeEvent(self, event: QEvent) -> None:
        """Measure the rows again with a new font."""
        if event.type() is QEvent.Type.FontChange and hasattr(self, "_view"):
            self._view.scheduleDelayedItemsLayout()
        super().changeEvent(event)
