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
        groups: dict[str, QTreeWidgetItem] = {}
        for line in lines:
            heading = groups.get(line.group)
            if heading is None:
                heading = groups[line.group] = QTreeWidgetItem(self._tree, [line.group])
                font = heading.font(0)
                font.setBold(True)
                heading.setFont(0, font)
            item = QTreeWidgetItem(heading, [line.text, line.keys or "–"])
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._tree.expandAll()
        self._apply_filter()

    def visible_lines(self) -> tuple[tuple[str, str], ...]:
        """(text, keys) of the actions that pass the filter."""
        return tuple(
            (item.text(0), item.text(1))
            for item in self._items()
            if not item.isHidden() and not item.parent().isHidden()
        )

    def set_filter(self, text: str) -> None:
        """Filter as if typed."""
        self._filter.setText(text)

    def _items(self) -> list[QTreeWidgetItem]:
        groups = [self._tree.topLevelItem(i) for i in range(self._tree.topLevelItemCount())]
        return [g.child(k) for g in groups if g is not None for k in range(g.childCount())]

    def _apply_filter(self) -> None:
        words = self._filter.text().lower().split()
        for item in self._items():
            text = " ".join((item.parent().text(0), item.text(0), item.text(1))).lower()
            item.setHidden(not all(word in text for word in words))
        for i in range(self._tree.topLevelItemCount()):
            group = self._tree.topLevelItem(i)
            if group is not None:
                group.setHidden(all(group.child(k).isHidden() for k in range(group.childCount())))
        empty = not self.visible_lines()
        self._tree.setVisible(not empty)
        self._nothing.setVisible(empty)
