"""Labels that give way: names and captions end in … where there is no room."""

from __future__ import annotations

import unicodedata

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QWidget

from widgets.fields import muted, tip
from widgets.theme import GRID

_LEAST = 6 * GRID
"""Pixels that it keeps where it is longer than that (our choice)."""
_LINES = 1.8
"""Lines of a title; none is filled to its end (our choice)."""
_RIGHT_TO_LEFT = frozenset({"R", "AL"})
_ISOLATE, _END = "\u2068", "\u2069"
"""Between these, the direction of a text does not touch what is around it (Unicode, UAX 9)."""


def isolated(text: str) -> str:
    """A text as it may stand inside a sentence of ours, also if it is written right to left."""
    turned = any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)
    return f"{_ISOLATE}{text}{_END}" if turned else text


class ElidedLabel(QLabel):
    """One line of plain text; names of people and models are as long as they like."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)

    def minimumSizeHint(self) -> QSize:
        """A few letters."""
        hint = self.sizeHint()
        return QSize(min(hint.width(), _LEAST), hint.height())

    @property
    def shown(self) -> str:
        """The text as far as there is room."""
        return self.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideRight, self.contentsRect().width()
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what fits."""
        painter = QPainter(self)
        self.style().drawItemText(
            painter,
            self.contentsRect(),
            self.alignment(),
            self.palette(),
            self.isEnabled(),
            self.shown,
            self.foregroundRole(),
        )


class QuotedTitle(QLabel):
    """What a form asks about a caption, in at most two lines: what is typed must stay in sight."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = ("", "", "")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        muted(self)

    def set_quote(self, before: str, caption: str, after: str = "") -> None:
        """Show a caption with words of ours around it."""
        self._words = (before, caption, after)
        self._show_quote()

    def _show_quote(self) -> None:
        before, caption, after = self._words
        measure = self.fontMetrics()
        room = self.width() * _LINES - measure.horizontalAdvance(f"{before} “”{after}")
        shown = measure.elidedText(caption, Qt.TextElideMode.ElideRight, max(round(room), 0))
        self.setText(f"{before} “{isolated(shown)}”{after}")
        self.setToolTip("" if shown == caption else tip("Caption", caption))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other widths show more or less of the caption."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._show_quote()
