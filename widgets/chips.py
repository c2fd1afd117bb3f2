"""Short words in a frame that explain themselves, in rows as wide as the panel."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QMargins, QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLabel, QLayout, QLayoutItem, QWidget

from widgets.theme import HALF_GRID


def chip(text: str, explanation: str, color: str, kind: str = "") -> QLabel:
    """Make a chip.

    Args:
        text: One to four words.
        explanation: Sentence for the tool tip and for screen readers.
        color: `#rrggbb` of text and frame.
        kind: Put before the explanation for screen readers, e.g. `warning`.
    """
    label = QLabel(text)
    label.setObjectName("chip")
    label.setToolTip(f"<qt>{escape(explanation)}</qt>")
    label.setAccessibleName(f"{kind}: {explanation}" if kind else explanation)
    label.setStyleSheet(
        f"QLabel#chip {{ color: {color}; border: 1px solid {color};"
        " border-radius: 7px; padding: 0 6px; }"
    )
    return label


class ChipRow(QWidget):
    """Chips side by side, in as many rows as they need."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._flow = _Flow(self)

    def set_chips(self, chips: list[QLabel]) -> None:
        """Show these in place of those before."""
        while (item := self._flow.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for label in chips:
            self._flow.addWidget(label)
            label.show()  # Else a turn of the event loop later.
        self.setVisible(bool(chips))


class _Flow(QLayout):
    """Left to right, then the next row."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(QMargins())
        self.setSpacing(HALF_GRID)

    def addItem(self, item: QLayoutItem) -> None:  # noqa: N802 - Qt's name
        """Take an item in."""
        self._items.append(item)

    def count(self) -> int:
        """Items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # noqa: N802
        """An item, None beyond the last."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # noqa: N802
        """Remove an item, None beyond the last."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802 - Qt's name
        """None."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Narrow rows are more rows."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Height of all rows."""
        return self._place(QRect(0, 0, width, 0), apply=False)

    def setGeometry(self, rect: QRect) -> None:  # noqa: N802 - Qt's name
        """Place the items."""
        super().setGeometry(rect)
        self._place(rect, apply=True)

    def sizeHint(self) -> QSize:
        """One row."""
        sizes = [item.sizeHint() for item in self._items]
        gaps = max(len(sizes) - 1, 0) * self.spacing()
        return QSize(
            sum(s.width() for s in sizes) + gaps, max((s.height() for s in sizes), default=0)
        )

    def minimumSize(self) -> QSize:  # noqa: N802 - Qt's name
        """The widest item."""
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _place(self, rect: QRect, *, apply: bool) -> int:
        x, y, height = rect.left(), rect.top(), 0
        for item in self._items:
            size = item.sizeHint()
            if x > rect.left() and x + size.width() > rect.right() + 1:
                x, y, height = rect.left(), y + height + self.spacing(), 0
            if apply:
                item.setGeometry(QRect(QPoint(x, y), size))
            x += size.width() + self.spacing()
            height = max(height, size.height())
        return y + height - rect.top()
