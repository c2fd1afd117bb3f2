"""A sentence, or what changed from one to the next: by colour, strike and underline."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QLabel, QWidget

from pipeline.review.word_diff import DiffPart, WordChange, word_diff
from widgets.theme import Theme, colors

_WORDS = {WordChange.REMOVED: "removed", WordChange.ADDED: "added"}


class CaptionDiff(QLabel):
    """Shows a caption; words that came or went are marked in it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before = self._after = ""
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setAccessibleName("Caption")

    @property
    def sentence(self) -> str:
        """The sentence without marks."""
        return self._after

    @property
    def before(self) -> str:
        """What it is compared with; empty for nothing."""
        return self._before

    def set_sentence(self, text: str) -> None:
        """Show a sentence without marks."""
        self.set_change("", text)

    def set_change(self, before: str, after: str) -> None:
        """Show `after` with the words that `before` had else; an empty `before` marks nothing."""
        self._before, self._after = before, after
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        """Recolour with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_after"):
            self._draw()
        super().changeEvent(event)

    def _draw(self) -> None:
        if not self._before or self._before == self._after:
            self.setText(escape(self._after))
            self.setAccessibleDescription("")
            return
        parts = word_diff(self._before, self._after)
        self.setText(diff_html(parts, colors(self.palette())))
        self.setAccessibleDescription(diff_words(parts))


def diff_html(parts: tuple[DiffPart, ...], theme: Theme) -> str:
    """Rich text: removed words in red and struck, added ones in green and underlined."""
    styles = {
        WordChange.REMOVED: f"color:{theme.error};text-decoration:line-through",
        WordChange.ADDED: f"color:{theme.ok};text-decoration:underline;font-weight:600",
    }
    text = ""
    for part in parts:
        style = styles.get(part.change)
        word = escape(part.text)
        gap = "" if part.close or not text else " "
        text += gap + (f'<span style="{style}">{word}</span>' if style else word)
    return text


def diff_words(parts: tuple[DiffPart, ...]) -> str:
    """The same for people who hear it: `removed put, added stack`."""
    said = [f"{_WORDS[p.change]} {p.text}" for p in parts if p.change in _WORDS]
    return ", ".join(said) or "nothing changed"
