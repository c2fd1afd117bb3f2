"""All actions and their keys, filterable."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFrame,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from widgets.fields import EmptyHint, FilterLine, RowHeight
from widgets.theme import GRID


@dataclass(frozen=True, slots=True)
class ShortcutLine:
    """One action of the help.

    Attributes:
        group: Heading it stands under.
        text: What it does.
        keys: Its keys as text, e.g. `Ctrl+O`; several separated by a comma.
    """

    group: str
    text: str
    keys: str


class ShortcutHelp(QDialog):
    """A window that stays beside the work: groups of actions with their keys."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self.setModal(False)
        self._groups: list[tuple[QTreeWidgetItem, list[QTreeWidgetItem]]] = []
        self._filter = FilterLine("Filter by action or key", self)
        self._filter.textChanged.connect(self._apply_filter)
        self._tree = QTreeWidget(self)
        self._tree.setHeaderLabels(["Action", "Keys"])
        self._tree.setFrameShape(QFrame.Shape.NoFrame)
        self._tree.setRootIsDecorated(False)
        self._tree.setItemsExpandable(False)
        self._tree.setIndentation(2 * GRID)
        self._tree.setUniformRowHeights(True)
        self._tree.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self._tree.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._tree.setAccessibleName("Shortcuts")
        self._tree.setItemDelegate(RowHeight(self._tree))
        self._tree.headerItem().setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
        header = self._tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self._nothing = EmptyHint("No action matches. Esc clears the filter.", self)
        self._nothing.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(self._filter)
        layout.addWidget(self._tree, 1)
        layout.addWidget(self._nothing, 1)
        self.resize(60 * GRID, 70 * GRID)

    def set_lines(self, lines: tuple[ShortcutLine, ...]) -> None:
        """Show actions; groups stay in the order in which they first appear."""
        self._tree.clear()
        self._groups.clear()
        names = dict.fromkeys(line.group for line in lines)
        for name in names:
            heading = QTreeWidgetItem(self._tree, [name])
            font = heading.font(0)
            font.setBold(True)
            heading.setFont(0, font)
            items = [
                QTreeWidgetItem(heading, [line.text, line.keys or "–"])
                for line in lines
                if line.group == name
            ]
            for item in items:
                item.setTextAlignment(
                    1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                )
            self._groups.append((heading, items))
        self._tree.expandAll()
        self._apply_filter()

    def visible_lines(self) -> tuple[tuple[str, str], ...]:
        """(text, keys) of the actions that pass the filter."""
        return tuple(
            (item.text(0), item.text(1))
            for group, items in self._groups
            for item in items
            if not item.isHidden() and not group.isHidden()
        )

    def set_filter(self, text: str) -> None:
        """Filter as if typed."""
        self._filter.setText(text)

    def _apply_filter(self) -> None:
        words = self._filter.text().lower().split()
        for group, items in self._groups:
            for item in items:
                text = " ".join((group.text(0), item.text(0), item.text(1))).lower()
                item.setHidden(not all(word in text for word in words))
            group.setHidden(all(item.isHidden() for item in items))
        empty = not self.visible_lines()
        self._tree.setVisible(not empty)
        self._nothing.setVisible(empty)
