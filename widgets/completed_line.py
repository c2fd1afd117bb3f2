"""A line that proposes words: a closed vocabulary, or names that are known."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QFocusEvent, QHideEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QListWidget, QListWidgetItem, QWidget

from widgets.fields import keep_keys
from widgets.theme import HALF_GRID

_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_STEPS = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
_ROWS = 8
"""Proposals that are shown at once."""


class _Proposals(QListWidget):
    """A list over the other widgets of the window.

    No popup window: those take the keyboard, and give it back in ways of each platform.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.setAccessibleName("Proposals")
        self.hide()

    def show_at(self, line: QWidget, words: list[str]) -> None:
        """Show words below a line, or above it where there is no room."""
        self.clear()
        self.addItems(words)
        self.setCurrentRow(-1)
        row = self.sizeHintForRow(0)
        height = min(len(words), _ROWS) * row + 2 * self.frameWidth()
        width = max(line.width(), self.sizeHintForColumn(0) + 2 * self.frameWidth() + 16)
        window = line.window()
        top = line.mapTo(window, QPoint(0, 0))
        y = top.y() + line.height() + HALF_GRID // 2
        if y + height > window.height():
            y = top.y() - height - HALF_GRID // 2
        x = max(0, min(top.x(), window.width() - width))
        self.setGeometry(x, max(y, 0), width, height)
        self.show()
        self.raise_()


class CompletedLine(QLineEdit):
    """One value with proposals.

    Up and Down choose a proposal, Enter takes it over; Enter without a choice commits. In a closed
    vocabulary the beginning of a word is enough: it is completed when the line is left.

    Signals:
        committed: Enter (with Ctrl or not) was pressed and no proposal was taken over by it.
        left: Esc was pressed while no proposals were shown.
    """

    committed = Signal()
    left = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self._words: tuple[str, ...] = ()
        self._closed = False
        self._list: _Proposals | None = None
        self.textEdited.connect(self._propose)
        keep_keys(self)

    def set_words(self, words: Iterable[str], *, closed: bool) -> None:
        """Propose words; emits nothing.

        Args:
            words: What is proposed, in this order; each once.
            closed: Whether nothing else is usual, so that a beginning is completed.
        """
        self._words = tuple(dict.fromkeys(w for w in words if w))
        self._closed = closed

    @property
    def words(self) -> tuple[str, ...]:
        """What may be proposed."""
        return self._words

    @property
    def proposals(self) -> tuple[str, ...]:
        """What is proposed now."""
        shown = self._list if self._list is not None and self._list.isVisible() else None
        if shown is None:
            return ()
        return tuple(shown.item(i).text() for i in range(shown.count()))

    def setText(self, text: str | None) -> None:  # noqa: N802 - Qt's name
        """Show text from its beginning, unless the keyboard is here."""
        super().setText(text or "")
        if not self.hasFocus():
            self.setCursorPosition(0)

    def value(self) -> str:
        """The text with single spaces; in a closed vocabulary its first word that begins so."""
        text = " ".join(self.text().split())
        if not self._closed or not text:
            return text
        lower = text.casefold()
        known = [w for w in self._words if w.casefold().startswith(lower)]
        exact = next((w for w in known if w.casefold() == lower), None)
        return exact or (known[0] if known else text)

    # -- proposals -------------------------------------------------------------------------

    def _propose(self, text: str) -> None:
        wanted = " ".join(text.casefold().split())
        found = [w for w in self._words if wanted in w.casefold()]
        found.sort(key=lambda w: not w.casefold().startswith(wanted))
        if not wanted or not found or [w.casefold() for w in found] == [wanted]:
            self._hide()
        else:
            self._show(found)

    def _show(self, words: list[str]) -> None:
        if self._list is None:
            self._list = _Proposals(self.window())
            self._list.itemClicked.connect(self._take)
        self._list.show_at(self, words)

    def _hide(self) -> None:
        if self._list is not None:
            self._list.hide()

    def _step(self, step: int) -> None:
        if not self.proposals or self._list is None:
            if self._words:
                self._show(list(self._words))
            return
        row = self._list.currentRow() + step
        self._list.setCurrentRow(min(max(row, 0), self._list.count() - 1))
        self._write(self._list.currentItem().text())

    def _take(self, item: QListWidgetItem) -> None:
        self._write(item.text())
        self._hide()

    def _write(self, text: str) -> None:
        """Take text over as if it was typed, without proposing again."""
        self.setText(text)
        self.textEdited.disconnect(self._propose)
        self.textEdited.emit(text)
        self.textEdited.connect(self._propose)

    def _complete(self) -> None:
        value = self.value()
        if self._closed and value and value != self.text():
            self._write(value)

    # -- keys ------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows choose, Enter takes or commits, Esc leaves; all are kept from the window."""
        key, shown = Qt.Key(event.key()), bool(self.proposals)
        if key in _ENTER:
            event.accept()
            plain = not event.modifiers() & Qt.KeyboardModifier.ControlModifier
            chosen = shown and self._list is not None and self._list.currentRow() >= 0
            self._hide()
            self._complete()
            if not (chosen and plain):
                self.committed.emit()
        elif key in _STEPS:
            event.accept()
            self._step(_STEPS[key])
        elif key is Qt.Key.Key_Escape:
            event.accept()
            if shown:
                self._hide()
            else:
                self.left.emit()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Typing replaces what is there."""
        super().focusInEvent(event)
        self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Complete a beginning; what is longer than the line is seen from its beginning."""
        self._hide()
        self._complete()
        super().focusOutEvent(event)
        self.setCursorPosition(0)

    def hideEvent(self, event: QHideEvent) -> None:
        """No proposals for a line that is not there."""
        self._hide()
        super().hideEvent(event)
