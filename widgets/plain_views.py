"""Tables and lists that only show: nothing in them takes the focus or a key."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QListWidget,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from widgets.fields import RowHeight, tip
from widgets.theme import tabular

_NUMBER = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def plain_table(
    name: str, heads: Sequence[str], tips: Sequence[str], parent: QWidget
) -> QTableWidget:
    """Make a table whose first column takes what room is left.

    Args:
        name: What it shows, for people who do not see it.
        heads: Titles of the columns.
        tips: What each column is.
        parent: Owner.
    """
    table = QTableWidget(0, len(heads), parent)
    table.setAccessibleName(name)
    table.setHorizontalHeaderLabels(list(heads))
    for column, (head, text) in enumerate(zip(heads, tips, strict=True)):
        item = table.horizontalHeaderItem(column)
        if item is not None:
            item.setToolTip(tip(head, text))
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setFrameShape(QFrame.Shape.NoFrame)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.setAlternatingRowColors(True)
    table.setItemDelegate(RowHeight(table))
    table.setFont(tabular(table.font()))
    table.verticalHeader().hide()
    header = table.horizontalHeader()
    header.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return table


def fill_row(table: QTableWidget, row: int, cells: Sequence[str], tool_tip: str) -> None:
    """Write a row: a text, then numbers."""
    for column, text in enumerate(cells):
        cell = QTableWidgetItem(text)
        if column:
            cell.setTextAlignment(_NUMBER)
        cell.setToolTip(tool_tip)
        table.setItem(row, column, cell)


def plain_list(name: str, parent: QWidget) -> QListWidget:
    """Make a list of lines that can be clicked but not selected."""
    found = QListWidget(parent)
    found.setAccessibleName(name)
    found.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    found.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    found.setFrameShape(QFrame.Shape.NoFrame)
    found.setFont(tabular(found.font()))
    found.setItemDelegate(RowHeight(found))
    found.setTextElideMode(Qt.TextElideMode.ElideRight)
    found.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return found
