"""Episodes of a batch run that failed, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHeaderView, QStackedWidget, QTableWidget, QTableWidgetItem, QWidget

from widgets.fields import EmptyHint, RowHeight, tip
from widgets.theme import GRID, ROW_HEIGHT, tabular

_NO_FAILURES = "Episodes that fail are listed here, with the reason; they never stop the others."
_MOST_SHOWN = 200
"""Failures that are listed; the journal of the run has them all."""
_TITLE = "Why it failed"


class BatchFailures(QStackedWidget):
    """Lists failures, or says that there are none.

    Attributes:
        episodeActivated: Episode index; the user wants to see it.
    """

    episodeActivated = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[int, int] = {}
        self._hidden: set[int] = set()
        self.table = QTableWidget(0, 2, self)
        self.table.setHorizontalHeaderLabels(["Episode", _TITLE])
        self.table.setAccessibleName("Episodes that failed")
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setItemDelegate(RowHeight(self.table))
        self.table.setTabKeyNavigation(False)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.table.horizontalHeader()
        # Not to contents: measuring all rows at each new one takes half a second for 500.
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(0, 10 * GRID)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        self.table.cellActivated.connect(self._activate)
        self.addWidget(EmptyHint(_NO_FAILURES, self))
        self.addWidget(self.table)

    @property
    def failure_count(self) -> int:
        """Number of episodes that failed, listed or not."""
        return len(self._rows) + len(self._hidden)

    def set_failures(self, failures: Sequence[tuple[int, str]]) -> None:
        """List these and no others; emits nothing.

        Args:
            failures: Episode index and reason.
        """
        self.table.setRowCount(0)
        self._rows.clear()
        self._hidden.clear()
        self._show_title()
        self.setCurrentIndex(0)
        for episode, reason in failures:
            self.add_failure(episode, reason)

    def add_failure(self, episode: int, reason: str) -> None:
        """Add an episode, or change its reason; emits nothing."""
        self.setCurrentIndex(1)
        row = self._rows.get(episode, self.table.rowCount())
        if row >= _MOST_SHOWN:
            self._hidden.add(episode)
            self._show_title()
            return
        if episode not in self._rows:
            self._rows[episode] = row
            self.table.insertRow(row)
        number, why = QTableWidgetItem(str(episode)), QTableWidgetItem(reason)
        number.setData(Qt.ItemDataRole.UserRole, episode)
        number.setFont(tabular(self.table.font()))
        for column, item in enumerate((number, why)):
            item.setToolTip(tip(f"Episode {episode}", reason, "Enter opens it in the window"))
            self.table.setItem(row, column, item)

    def _show_title(self) -> None:
        item = self.table.horizontalHeaderItem(1)
        if item is not None:
            hidden = len(self._hidden)
            item.setText(f"{_TITLE} ({hidden:,} more in the run’s journal)" if hidden else _TITLE)

    def _activate(self, row: int, _column: int) -> None:
        item = self.table.item(row, 0)
        if item is not None:
            self.episodeActivated.emit(int(item.data(Qt.ItemDataRole.UserRole)))
