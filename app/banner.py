"""A failure that stays until it is read."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget


class Banner(QWidget):
    """One sentence with the details one click away."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        # Sentences carry words of servers and files.
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._copy = QPushButton("Copy details", self)
        self._close = QToolButton(self)
        self._close.setText("✕")
        self._close.setToolTip("Dismiss this message")
        for button in (self._copy, self._close):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(self._text, 1)
        row.addWidget(self._copy)
        row.addWidget(self._close)
        self._details = ""
        self._copy.clicked.connect(self._copy_details)
        self._close.clicked.connect(self.hide)
        self.hide()

    @property
    def text(self) -> str:
        """The sentence on show, empty if there is none."""
        return "" if self.isHidden() else self._text.text()

    def show_failure(self, text: str, details: str) -> None:
        """Show a sentence until it is dismissed or replaced."""
        self._details = details or text
        self._text.setText("⚠ " + text[:1].upper() + text[1:])
        self.setAccessibleName(text)
        self.show()

    def _copy_details(self) -> None:
        QGuiApplication.clipboard().setText(self._details)
