"""Manners of input fields: keys stay inside, the wheel needs focus, Space presses no button."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QWidget,
)

from widgets.icons import Glyph, icon
from widgets.theme import HALF_GRID, ROW_HEIGHT, colors

_CHORD = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class _KeyKeeper(QObject):
    """Takes plain keys before the window's shortcuts see them."""

    def __init__(self, parent: QWidget, keys: frozenset[Qt.Key] | None) -> None:
        super().__init__(parent)
        self._keys = keys

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Accept the key as the field's own."""
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            key = Qt.Key(event.key())
            plain = not event.modifiers() & _CHORD
            own = key in self._keys if self._keys is not None else not _is_function_key(key)
            if own and (plain or key in _ENTER):
                event.accept()
                return True
        return super().eventFilter(watched, event)


def _is_function_key(key: Qt.Key) -> bool:
    return Qt.Key.Key_F1.value <= key.value <= Qt.Key.Key_F35.value


def keep_keys(field: QWidget, keys: Iterable[Qt.Key] | None = None) -> None:
    """Make sure that keys reach a field and not a shortcut of the window.

    Args:
        field: The widget with the focus.
        keys: Which keys; None means all without Ctrl or Alt (and Enter with them), except F1..F35.
    """
    field.installEventFilter(_KeyKeeper(field, None if keys is None else frozenset(keys)))


class _WheelGuard(QObject):
    """Hands the wheel on to the scroll area unless the field has the focus."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Ignore the wheel over a field without focus."""
        if (
            event.type() is QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return super().eventFilter(watched, event)


def guard_wheel(field: QWidget) -> None:
    """Scrolling a form must not change a value under the pointer."""
    field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    field.installEventFilter(_WheelGuard(field))


class RowHeight(QStyledItemDelegate):
    """Rows of the grid's height, or of the font's where that is larger."""

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        """Size of a cell."""
        return super().sizeHint(option, index).expandedTo(QSize(0, ROW_HEIGHT - 2))


def thin_bar(name: str, parent: QWidget, *, keeps_room: bool = False) -> QProgressBar:
    """Make a line that shows how far something is, in thousandths and without a text.

    Args:
        name: What it shows, for people who do not see it.
        parent: Owner.
        keeps_room: Nothing moves when it is hidden.
    """
    bar = QProgressBar(parent)
    bar.setObjectName("thin")
    bar.setTextVisible(False)
    bar.setFixedHeight(HALF_GRID)
    bar.setRange(0, 1000)
    bar.setAccessibleName(name)
    policy = bar.sizePolicy()
    policy.setRetainSizeWhenHidden(keeps_room)
    bar.setSizePolicy(policy)
    return bar


class FilterLine(QLineEdit):
    """A line to filter by: magnifier, clear button, Esc clears."""

    def __init__(self, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText(hint)
        self.setAccessibleName(hint)
        self.setClearButtonEnabled(True)
        self._magnifier = self.addAction(
            icon(Glyph.SEARCH, self.palette().placeholderText().color()),
            QLineEdit.ActionPosition.LeadingPosition,
        )
        keep_keys(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc clears the filter."""
        if event.key() == Qt.Key.Key_Escape:
            self.clear()
            return
        super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Recolour the magnifier with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_magnifier"):
            color = self.palette().placeholderText().color()
            self._magnifier.setIcon(icon(Glyph.SEARCH, color))
        super().changeEvent(event)


def scrolled(page: QWidget, parent: QWidget) -> QScrollArea:
    """Put a page of fields where it is scrolled up and down, and only its fields get the focus."""
    area = QScrollArea(parent)
    area.setWidget(page)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return area


class EmptyHint(QLabel):
    """What an empty panel says: what to do next."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)
        self.setMargin(16)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setForegroundRole(self.foregroundRole().PlaceholderText)


class IconButton(QToolButton):
    """A flat button with a glyph that follows the theme; never takes the focus."""

    def __init__(self, glyph: Glyph, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._glyph = glyph
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setToolTip(tip)
        self.setAccessibleName(tip)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw the glyph in the theme that is in force by now."""
        self._draw()
        super().showEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Recolour with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_glyph"):
            self._draw()
        super().changeEvent(event)

    def _draw(self) -> None:
        self.setIcon(icon(self._glyph, self.palette().buttonText().color()))


def quiet_button(text: str, tip: str, parent: QWidget | None = None) -> QPushButton:
    """Make a push button that no key presses: it takes no focus, and no dialog's Enter."""
    button = QPushButton(text, parent)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setAutoDefault(False)  # Else Enter anywhere in a dialog would press the first of them.
    button.setToolTip(tip)
    button.setAccessibleName(text)
    return button


def tip(title: str, *lines: str) -> str:
    """Build a tool tip that wraps: a title and plain lines; empty lines are left out."""
    body = "".join(f"<br>{escape(line)}" for line in lines if line)
    return f"<qt><b>{escape(title)}</b>{body}</qt>"


def muted(label: QLabel) -> QLabel:
    """Paint a label in the secondary colour of the palette."""
    label.setForegroundRole(label.foregroundRole().PlaceholderText)
    return label


def hairline(widget: QWidget) -> str:
    """Colour of thin lines in the widget's theme, `#rrggbb`."""
    return colors(widget.palette()).border
