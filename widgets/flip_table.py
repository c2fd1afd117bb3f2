"""The table of flips: one row a change, more columns where there is room."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from widgets.fields import keep_keys
from widgets.flip_model import Column, FlipModel
from widgets.theme import GRID, ROW_HEIGHT, tabular

_ROOMY = 62 * GRID
"""Width from which the kind of the search has a column of its own."""
_TIGHT = 48 * GRID
"""Width under which only what, values and winner are shown; tips tell the rest."""
_CHIP = 9
Index = QModelIndex | QPersistentModelIndex


class _Chips(QStyledItemDelegate):
    """Small squares in the colour of a term or a candidate before the text."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:  # noqa: N802
        """Chips are smaller than icons."""
        super().initStyleOption(option, index)
        option.decorationSize = QSize(_CHIP, _CHIP)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint the cell without a frame around single cells: rows are what is chosen."""
        plain = QStyleOptionViewItem(option)
        plain.state &= ~QStyle.StateFlag.State_HasFocus
        super().paint(painter, plain, index)


class FlipTable(QTableView):
    """The list; Enter tries a row, the space bar is not its affair.

    Signals:
        rowHovered: Row under the mouse, -1 for none.
        rowTried: Row that Enter or a double click asked for.
    """

    rowHovered = Signal(int)
    rowTried = Signal(int)

    def __init__(self, model: FlipModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._hovered = -1
        self._rows = model
        self.setModel(model)
        self.setItemDelegate(_Chips(self))
        self.setAccessibleName("Changes that would flip the choice")
        self.setFont(tabular(self.font()))
        self.setMouseTracking(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setFrameShape(QTableView.Shape.NoFrame)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT - 2)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsMovable(False)
        header.setMinimumSectionSize(3 * GRID)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(Column.WHAT, QHeaderView.ResizeMode.Stretch)
        self.doubleClicked.connect(lambda index: self.rowTried.emit(index.row()))
        self.clicked.connect(self._on_click)
        keep_keys(self, (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Up, Qt.Key.Key_Down))
        self._fit()

    def _fit(self) -> None:
        """Give figures what they need and the rest to the words."""
        metrics = QFontMetrics(self.font())
        roomy = self.width() >= _ROOMY
        widths = {
            Column.VALUES: "valid → interaction" if roomy else "0.75 → 0.0983",
            Column.FAR: "−100 frames" if roomy else "−12 frames",
            Column.WINNER: "■ #00",
            Column.KIND: "searched",
        }
        for column, sample in widths.items():
            self.setColumnWidth(column, metrics.horizontalAdvance(sample) + 2 * GRID)
        self.setColumnHidden(Column.KIND, not roomy)
        self.setColumnHidden(Column.FAR, self.width() < _TIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More columns where there is room."""
        self._fit()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Widths follow the font."""
        if event.type() is QEvent.Type.FontChange and hasattr(self, "_hovered"):
            self._fit()
        super().changeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter tries the current row; the space bar plays the video."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.rowTried.emit(self.currentIndex().row())
        elif event.key() == Qt.Key.Key_Space:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def _on_click(self, index: QModelIndex) -> None:
        """One click is enough for the row that shows others."""
        if self._rows.rows[index.row()].more:
            self.rowTried.emit(index.row())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell which row lies under the mouse."""
        self._hover(self.indexAt(event.position().toPoint()).row())
        super().mouseMoveEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """No row."""
        self._hover(-1)
        super().leaveEvent(event)

    def keyboardSearch(self, search: str) -> None:  # noqa: N802 - Qt's name
        """Letters are shortcuts of the window, not a search."""

    def _hover(self, row: int) -> None:
        if row != self._hovered:
            self._hovered = row
            self.rowHovered.emit(row)
