"""Keys that type stay in text fields; Enter in a list belongs to the list."""

from __future__ import annotations

import shiboken6
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

_EDITORS = (QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox)
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_COMMAND = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier


class KeyGuard(QObject):
    """Gives the focused text field or list the keys it needs, whatever the shortcuts are.

    Qt asks the focused widget with a ShortcutOverride event before it fires a shortcut; accepting
    it sends the key to the widget instead. The filter sits on the focused widget only: one written
    in Python on the whole application would see, and wrap, objects in the middle of their
    destruction, which crashes.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._watched: QWidget | None = None
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._on_focus)

    def _on_focus(self, old: QWidget | None, new: QWidget | None) -> None:
        if self._watched is not None and shiboken6.isValid(self._watched):
            self._watched.removeEventFilter(self)
        self._watched = None
        if isinstance(new, (*_EDITORS, QComboBox, QAbstractItemView)):
            new.installEventFilter(self)
            self._watched = new

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Accept overrides for keys that belong to the focused widget."""
        if event.type() is not QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        editor = isinstance(watched, _EDITORS) or (
            isinstance(watched, QComboBox) and watched.isEditable()
        )
        plain = not event.modifiers() & _COMMAND
        types = plain and editor and event.key() != Qt.Key.Key_Escape
        enters = isinstance(watched, QAbstractItemView) and event.key() in _ENTER
        if types or (enters and not event.modifiers()):
            event.accept()
            return True
        return False
