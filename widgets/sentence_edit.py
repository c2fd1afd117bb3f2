"""A field for one or two sentences: Enter commits, Esc leaves, no line breaks."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from widgets.fields import keep_keys
from widgets.theme import GRID

_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class SentenceEdit(QPlainTextEdit):
    """Wrapped text without line breaks.

    Signals:
        committed: Enter, with Ctrl or without.
        left: Esc.
    """

    committed = Signal()
    left = Signal()

    def __init__(self, name: str, lines: int, parent: QWidget | None = None) -> None:
        """Make a field.

        Args:
            name: For people who do not see it.
            lines: Height in lines; more are scrolled.
            parent: Owner.
        """
        super().__init__(parent)
        self._lines = lines
        self.setTabChangesFocus(True)
        self.setAccessibleName(name)
        self.document().setDocumentMargin(GRID // 4)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        keep_keys(self)

    def sizeHint(self) -> QSize:
        """As high as the lines."""
        return QSize(super().sizeHint().width(), self._height())

    def minimumSizeHint(self) -> QSize:
        """The same height: layouts must not squeeze the text away."""
        return QSize(10 * GRID, self._height())

    def _height(self) -> int:
        return self._lines * self.fontMetrics().lineSpacing() + GRID

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter and Ctrl+Enter commit, Esc leaves."""
        if event.key() in _ENTER:
            event.accept()
            self.committed.emit()
        elif event.key() == Qt.Key.Key_Escape:
            event.accept()
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def insertFromMimeData(self, source: QMimeData) -> None:  # noqa: N802 - Qt's name
        """Paste as one line."""
        self.insertPlainText(" ".join(source.text().split()))

    def sentence(self) -> str:
        """The text with single spaces."""
        return " ".join(self.toPlainText().split())
