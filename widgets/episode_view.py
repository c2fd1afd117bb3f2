"""The view of the episode table: its keys, and when it leaves the choice alone."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QTableView


class EpisodeView(QTableView):
    """Tells keys that mean something to the table around it.

    Signals:
        enterPressed: Index of the current row.
        filterWanted: The filter line should get the cursor.
        filterLeft: The filter should be cleared.
        columnsWanted: The columns should be chosen.
        resized: More or fewer rows are visible.
    """

    enterPressed = Signal(QModelIndex)
    filterWanted = Signal()
    filterLeft = Signal()
    columnsWanted = Signal()
    resized = Signal()
    _entering = False

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Choose no row by itself: it would be opened instead of the one that is on its way."""
        self._entering = True
        super().focusInEvent(event)
        self._entering = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter activates the current row on every platform, and only once."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.enterPressed.emit(self.currentIndex())
        elif event.matches(QKeySequence.StandardKey.Find):
            self.filterWanted.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.filterLeft.emit()
        else:
            super().keyPressEvent(event)

    def moveCursor(  # noqa: N802 - Qt's name
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        """Home and End go to the first and last row; within a row there is nothing to select."""
        if self._entering:
            return QModelIndex()
        ends = {
            QAbstractItemView.CursorAction.MoveHome: 0,
            QAbstractItemView.CursorAction.MoveEnd: self.model().rowCount() - 1,
        }
        if action in ends and ends[action] >= 0:
            return self.model().index(ends[action], max(self.currentIndex().column(), 0))
        return super().moveCursor(action, modifiers)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The menu key chooses columns, as a right click on the header does."""
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            self.columnsWanted.emit()
        else:
            super().contextMenuEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More or fewer rows are visible now."""
        super().resizeEvent(event)
        self.resized.emit()

    def keyboardSearch(self, search: str) -> None:  # noqa: N802 - Qt's name
        """Letters are shortcuts of the window, not a search through every row."""
