"""Rows that each say one sentence: icon and a first line, the sentence wrapped below."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from widgets.fields import keep_keys
from widgets.icons import SIZE, Glyph, icon
from widgets.theme import GRID, HALF_GRID, Status, Theme, colors

Index = QModelIndex | QPersistentModelIndex
_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True)
class SentenceRow:
    """What one row shows and says.

    Attributes:
        glyph: Its icon.
        status: Colour of the icon and of `word`; None: the quiet colour of the text.
        title: First line, elided where it is too long.
        sentence: Below it, wrapped.
        word: Bold before the title, in a column of its own; empty for none.
        aside: At the right end of the first line, quiet; empty for none.
        copied: What Ctrl+C copies.
        tip: Tooltip, rich text.
        spoken: For screen readers.
    """

    glyph: Glyph
    status: Status | None
    title: str
    sentence: str
    word: str = ""
    aside: str = ""
    copied: str = ""
    tip: str = ""
    spoken: str = ""


class _Model(QAbstractListModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows: tuple[SentenceRow, ...] = ()

    def show(self, rows: tuple[SentenceRow, ...]) -> None:
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.copied
        if role == _ROLE:
            return row
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.tip
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return row.spoken
        return None


class _Delegate(QStyledItemDelegate):
    def __init__(self, parent: QListView, words: tuple[str, ...], quiet_sentence: bool) -> None:
        super().__init__(parent)
        self._words = words
        self._quiet_sentence = quiet_sentence

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: SentenceRow = index.data(_ROLE)
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
        ink = palette.highlightedText().color() if selected else palette.text().color()
        quiet = ink if selected else palette.placeholderText().color()
        mark = ink if selected else quiet if row.status is None else theme.status(row.status)
        square = QRect(rect.x() + GRID, rect.y() + HALF_GRID, SIZE, SIZE)
        icon(row.glyph, mark).paint(painter, square)
        area = rect.adjusted(2 * GRID + SIZE, HALF_GRID, -GRID, -HALF_GRID)
        line = QRect(area.x(), area.y(), area.width(), metrics.height())
        middle = Qt.AlignmentFlag.AlignVCenter
        if self._words:
            bold = QFont(option.font)
            bold.setBold(True)
            painter.setFont(bold)
            painter.setPen(mark)
            painter.drawText(line, middle, row.word)
            painter.setFont(option.font)
            line.setLeft(line.left() + self._width_of_words(bold))
        # Of title and sentence, one is quiet: the eye finds the other.
        painter.setPen(ink if self._quiet_sentence else quiet)
        room = line.width()
        if row.aside:
            painter.drawText(line, Qt.AlignmentFlag.AlignRight | middle, row.aside)
            room -= metrics.horizontalAdvance(row.aside) + GRID
        title = metrics.elidedText(row.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(line, middle, title)
        painter.setPen(quiet if self._quiet_sentence else ink)
        wrapped = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignTop
        painter.drawText(area.adjusted(0, metrics.height(), 0, 0), wrapped, row.sentence)
        painter.restore()

    def _width_of_words(self, font: QFont) -> int:
        """Room of the longest word, so that the titles stand below each other."""
        metrics = QFontMetrics(font)
        return max(metrics.horizontalAdvance(word) for word in self._words) + GRID

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        metrics: QFontMetrics = option.fontMetrics
        view = self.parent()
        width = view.viewport().width() if isinstance(view, QListView) else 240
        inner = QRect(0, 0, max(width - 3 * GRID - SIZE, 40), 10_000)
        row: SentenceRow = index.data(_ROLE)
        text = metrics.boundingRect(inner, Qt.TextFlag.TextWordWrap, row.sentence)
        return QSize(width, metrics.height() + text.height() + 2 * HALF_GRID)


class SentenceView(QListView):
    """A list whose rows are as high as their wrapped sentences."""

    def __init__(
        self,
        name: str,
        keys: Iterable[Qt.Key],
        parent: QWidget | None = None,
        *,
        words: tuple[str, ...] = (),
        quiet_sentence: bool = False,
    ) -> None:
        """Show nothing yet.

        Args:
            name: Accessible name.
            keys: Keys that reach the list and no shortcut of the window.
            parent: Owner.
            words: All that `SentenceRow.word` may be; none: the rows have no such column.
            quiet_sentence: The sentence is quiet and the title is not, instead of the other way.
        """
        super().__init__(parent)
        self._model = _Model(self)
        self.setModel(self._model)
        self.setItemDelegate(_Delegate(self, words, quiet_sentence))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setAccessibleName(name)
        keep_keys(self, keys)

    def show_rows(self, rows: Iterable[SentenceRow]) -> None:
        """Show these rows; none is selected then, and no signal of the selection tells so."""
        selection = self.selectionModel()
        blocked = selection.blockSignals(True)
        self._model.show(tuple(rows))
        selection.blockSignals(blocked)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Measure the rows again with a new width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.scheduleDelayedItemsLayout()

    def keyboardSearch(self, search: str) -> None:  # noqa: N802 - Qt's name
        """Letters are shortcuts of the window, not a search."""
