"""Everything that was written and said about a caption: nothing is overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from widgets.caption_diff import CaptionDiff
from widgets.fields import EmptyHint, keep_keys, muted, tip
from widgets.icons import Glyph, icon
from widgets.theme import GRID, HALF_GRID, Status, colors, tabular

_EMPTY = "Nothing was written yet.\n\nRun the stages; every version and every word is kept here."


class HistoryKind(StrEnum):
    """What an entry is."""

    VERSION = "version"
    CRITIQUE = "critique"
    VERDICT = "verdict"
    REVIEW = "review"
    TAGS = "tags"
    OTHER = "other"
    UNDO = "undo"


_GLYPHS = {
    HistoryKind.VERSION: Glyph.PENCIL,
    HistoryKind.CRITIQUE: Glyph.TRIANGLE,
    HistoryKind.VERDICT: Glyph.DISC_TICK,
    HistoryKind.REVIEW: Glyph.SEARCH,
    HistoryKind.TAGS: Glyph.INFO,
    HistoryKind.OTHER: Glyph.DOT,
    HistoryKind.UNDO: Glyph.RESET,
}


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One entry.

    Attributes:
        at: When, as it is to be read; empty if nobody noted it.
        who: Person or drafter.
        what: In a few words.
        kind: What it is.
        text: All of it: a sentence, a critique, a note.
        before: Sentence that a version or a correction came from; empty for none.
        written_by: Model and recipe of a version, for people; empty for others.
        in_force: False if it was undone.
        about: Sentence that was criticised or judged; empty for others.
    """

    at: str
    who: str
    what: str
    kind: HistoryKind = HistoryKind.OTHER
    text: str = ""
    before: str = ""
    written_by: str = ""
    in_force: bool = True
    about: str = ""


class CaptionHistory(QWidget):
    """A list, the newest on top, and what the chosen entry changed.

    Signals:
        left: Esc: back to the caption.
    """

    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[HistoryEntry, ...] = ()
        self._list = QTreeWidget(self)
        self._list.setHeaderLabels(["When", "Who", "What"])
        self._list.setRootIsDecorated(False)
        self._list.setUniformRowHeights(True)
        self._list.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._list.setAccessibleName("History of the caption")
        self._list.setFont(tabular(self._list.font()))
        header = self._list.header()
        header.setStretchLastSection(True)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self._list.currentItemChanged.connect(self._show_entry)
        keep_keys(self._list, (Qt.Key.Key_Escape, Qt.Key.Key_Home, Qt.Key.Key_End))
        self._list.installEventFilter(self)
        self._sentence = CaptionDiff(self)
        self._sentence.setAccessibleName("Chosen version")
        self._note = muted(QLabel(self))
        self._note.setWordWrap(True)
        self._note.setTextFormat(Qt.TextFormat.PlainText)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, HALF_GRID)
        column.setSpacing(HALF_GRID)
        column.addWidget(self._list, 1)
        foot = QVBoxLayout()
        foot.setContentsMargins(GRID, 0, GRID, 0)
        foot.setSpacing(0)
        foot.addWidget(self._sentence)
        foot.addWidget(self._note)
        column.addLayout(foot)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(EmptyHint(_EMPTY, self))
        self._stack.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)
        self.setFocusProxy(self._list)

    @property
    def entries(self) -> tuple[HistoryEntry, ...]:
        """What is shown, the newest first."""
        return self._entries

    @property
    def shown(self) -> CaptionDiff:
        """The chosen entry's sentence with its changes."""
        return self._sentence

    @property
    def note(self) -> str:
        """What is said below it."""
        return self._note.text()

    def set_entries(self, entries: tuple[HistoryEntry, ...]) -> None:
        """Show other entries, the newest first; emits nothing."""
        if entries == self._entries:
            return
        self._entries = entries
        self._fill()

    def choose(self, row: int) -> None:
        """Show what an entry changed."""
        item = self._list.topLevelItem(row)
        if item is not None:
            self._list.setCurrentItem(item)

    def _fill(self) -> None:
        self._stack.setCurrentIndex(1 if self._entries else 0)
        self._list.blockSignals(True)
        self._list.clear()
        theme = colors(self.palette())
        muted_color = self.palette().placeholderText()
        for entry in self._entries:
            item = QTreeWidgetItem([entry.at, entry.who, entry.what])
            color = theme.status(Status.WARNING) if entry.kind is HistoryKind.CRITIQUE else None
            glyph = _GLYPHS[entry.kind]
            item.setIcon(2, icon(glyph, color or self.palette().text().color()))
            item.setToolTip(2, tip(entry.what, *entry.text.splitlines()))
            if not entry.in_force:
                font = self._list.font()
                font.setStrikeOut(True)
                item.setFont(2, font)
                for column in range(3):
                    item.setForeground(column, muted_color)
            self._list.addTopLevelItem(item)
        self._list.blockSignals(False)
        if self._entries:
            self.choose(0)
            self._show_entry()

    def _show_entry(self) -> None:
        item = self._list.currentItem()
        row = self._list.indexOfTopLevelItem(item) if item is not None else -1
        if not 0 <= row < len(self._entries):
            self._sentence.set_sentence("")
            self._note.clear()
            return
        entry = self._entries[row]
        self._sentence.set_change(entry.before, entry.text)
        notes = [] if entry.in_force else ["Undone."]
        notes += [entry.written_by] if entry.written_by else []
        self._note.setText(" ".join(notes))
        self._note.setVisible(bool(notes))

    def eventFilter(self, watched: object, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Esc leaves the list."""
        if (
            event.type() is QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            self.left.emit()
            return True
        return False

    def changeEvent(self, event: QEvent) -> None:
        """Recolour the list with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_stack"):
            self._fill()
        super().changeEvent(event)
