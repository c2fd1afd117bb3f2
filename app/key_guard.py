"""Keys that type stay in text fields; Enter in a list belongs to the list."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_COMMAND = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier


class KeyGuard(QObject):
    """Application event filter that gives text fields the keys they need.

    Qt asks the focused widget with a ShortcutOverride event before it fires a shortcut; accepting
    it sends the key to the widget instead.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        QApplication.instance().installEventFilter(self)  # type: ignore[union-attr]

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Accept overrides for keys that belong to the focused widget."""
        if event.type() is not QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        focus = QApplication.focusWidget()
        if focus is None:
            return False
        plain = not event.modifiers() & _COMMAND
        editor = isinstance(focus, QLineEdit | QPlainTextEdit | QTextEdit | QAbstractSpinBox) or (
            isinstance(focus, QComboBox) and focus.isEditable()
        )
        enter_in_list = isinstance(focus, QAbstractItemView) and event.key() in _ENTER
        if (plain and editor and event.key() != Qt.Key.Key_Escape) or (
            enter_in_list and not event.modifiers()
        ):
            event.accept()
            return True
        return False
