"""The parts of a request and the words of its answer, one below the other."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.drafting import PartKind, SentPart, SentRequest
from viewers.cell_marks import CellChoice
from viewers.exchange_facts import card_title, file_name, part_title
from viewers.sent_gallery import SentGallery
from viewers.sent_picture import SentPictureView
from viewers.sent_pictures import DecodedPart
from viewers.sent_text import SentText

_NO_BYTES = np.zeros(0, np.uint8)
_UNSENT = "A note of Demoscope; it was not sent"


class SentParts(QWidget):
    """Shows a request once; another request gets another one of these.

    Attributes:
        views: Its pictures and videos, by the index of the part.
        texts: Its texts in their order: system, parts, and what was answered.

    Signals:
        cellChosen: Index of a part, and of a cell in it.
        zoomAsked: Index of the part that the user wants to see alone.
        saveAsked: `SentPart` whose bytes are to be saved, and a name for the file.
        said: One line for the status bar.
    """

    cellChosen = Signal(int, int)
    zoomAsked = Signal(int)
    saveAsked = Signal(object, str)
    said = Signal(str)

    def __init__(
        self,
        request: SentRequest | None,
        answers: tuple[tuple[str, str], ...],
        aspect: float | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """Make an empty list; `build` fills it.

        Args:
            request: What was sent, or would be; None shows only the answers.
            answers: (title, text) of what came back.
            aspect: Width by height of the camera's frames, None if not known.
            parent: Owner.
        """
        super().__init__(parent)
        self.views: dict[int, SentPictureView] = {}
        self.texts: list[SentText] = []
        self._aspect = aspect
        self._heads: dict[int, QLabel] = {}
        self._choice = (-1, -1, -1)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        # Long titles wrap; they must not hold the panel open.
        self._column.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        self._found: dict[int, DecodedPart] = {}
        self._pending = self._steps(request, answers)
        self._is_built = False

    @property
    def is_built(self) -> bool:
        """True if everything is in the list."""
        return self._is_built

    def build(self, seconds: float) -> bool:
        """Put more into the list; True if it is complete.

        Texts take milliseconds each: a long request is built in several turns of the event loop.

        Args:
            seconds: How long this may take, about.
        """
        until = time.monotonic() + seconds
        while not self._is_built:
            self._is_built = next(self._pending, True)
            if time.monotonic() > until:
                break
        return self._is_built

    def _steps(
        self, request: SentRequest | None, answers: tuple[tuple[str, str], ...]
    ) -> Iterator[bool]:
        if request is not None:
            if request.system:
                self._add_words("system", request.system)
                yield False
            for group in _grouped(request.parts):
                if len(group) > 1:
                    self._add_gallery(group)
                else:
                    self._add_part(*group[0])
                yield False
        for title, text in answers:
            self._add_words(title, text)
            yield False

    def set_decoded(self, index: int, found: DecodedPart) -> None:
        """Show a picture, or the first frame of a video, or why there is none."""
        self._found[index] = found
        view = self.views.get(index)
        if view is not None:
            view.set_decoded(found)
            if index in self._heads:
                self._heads[index].setText(part_title(view.part, index + 1, found))

    def set_choice(self, index: int, cell: int, frame: int) -> None:
        """Let a cell of a part stand out, and mark those that show a frame."""
        self._choice = (index, cell, frame)
        for number, view in self.views.items():
            view.set_choice(self._choice_of(number))

    def _choice_of(self, number: int) -> CellChoice:
        index, cell, frame = self._choice
        return CellChoice(cell if number == index else -1, -1, frame)

    def minimumSizeHint(self) -> QSize:
        """As narrow as the panel."""
        return QSize(120, super().minimumSizeHint().height())

    # Building.

    def _add_words(self, title: str, text: str) -> None:
        part = SentPart(PartKind.TEXT, title, text, _NO_BYTES)
        row, _ = self._head(f"{title} · {len(text):,} characters", part, 0)
        self._column.addLayout(row)
        self._column.addWidget(self.texts[-1])

    def _add_part(self, index: int, part: SentPart) -> None:
        row, self._heads[index] = self._head(part_title(part, index + 1), part, index + 1)
        self._column.addLayout(row)
        if part.note:
            self._add_note(f"⚠ {part.note}")
        if part.kind is PartKind.TEXT:
            self._column.addWidget(self.texts[-1])
        else:
            self._column.addWidget(self._picture(index, part))

    def _add_gallery(self, group: list[tuple[int, SentPart]]) -> None:
        """Pictures of one frame each, side by side; what is noted of them above."""
        first, last, role = group[0][0] + 1, group[-1][0] + 1, group[0][1].role
        size = f"{group[0][1].width} x {group[0][1].height}"
        head = f"{first} to {last} · {role} · {len(group)} pictures · {size}"
        title = _label(head, self)
        title.setForegroundRole(title.foregroundRole().PlaceholderText)
        self._column.addWidget(title)
        for note in dict.fromkeys(p.note for _, p in group if p.note):
            whose = [str(k + 1) for k, p in group if p.note == note]
            which = "" if len(whose) == len(group) else f" ({', '.join(whose)})"
            self._add_note(f"⚠ {note}{which}")
        cards = []
        for index, part in group:
            card = QWidget(self)
            column = QVBoxLayout(card)
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(2)
            row, _ = self._head(card_title(part, index + 1), part, index + 1, short=True)
            column.addLayout(row)
            column.addWidget(self._picture(index, part))
            cards.append(card)
        self._column.addWidget(SentGallery(cards, self))

    def _add_note(self, text: str) -> None:
        note = _label(text, self)
        note.setAccessibleName("Note")
        note.setToolTip(_UNSENT)
        self._column.addWidget(note)

    def _picture(self, index: int, part: SentPart) -> SentPictureView:
        view = SentPictureView(part, part_title(part, index + 1), self._aspect, self)
        view.cellChosen.connect(lambda cell, index=index: self.cellChosen.emit(index, cell))
        view.zoomAsked.connect(lambda index=index: self.zoomAsked.emit(index))
        self.views[index] = view
        view.set_choice(self._choice_of(index))
        if index in self._found:
            view.set_decoded(self._found[index])
        return view

    def _head(
        self, title: str, part: SentPart, number: int, *, short: bool = False
    ) -> tuple[QHBoxLayout, QLabel]:
        """The line above a part: what it is, and a button to get it out."""
        row = QHBoxLayout()
        row.setContentsMargins(0, 4, 0, 0)
        label = _label(title, self)
        label.setForegroundRole(label.foregroundRole().PlaceholderText)
        row.addWidget(label, 1)
        button = _quiet(self)
        if part.kind is PartKind.TEXT:
            button.setText("Copy the text")
            button.setToolTip(f"Put this text on the clipboard ({title})")
            button.clicked.connect(lambda: self._copy(part))
            row.addWidget(self._fold_button(part), 0, Qt.AlignmentFlag.AlignTop)
        else:
            full = part_title(part, number)
            label.setToolTip(full)
            button.setText("Save…" if short else "Save these bytes…")
            button.setToolTip(f"Write exactly what was sent to a file ({full})")
            button.clicked.connect(lambda: self.saveAsked.emit(part, file_name(part, number)))
        button.setAccessibleName(f"{button.text()} {title}")
        row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        return row, label

    def _fold_button(self, part: SentPart) -> QToolButton:
        """Make the text of a part, and the button that folds and unfolds it."""
        words = SentText(part.text, part.role or "text", self)
        words.set_folded(words.can_fold)
        self.texts.append(words)
        button = _quiet(self)
        button.setText("Show all")
        button.setToolTip("Show this text in full, or only its first lines")
        button.setAccessibleName(f"Show all of {part.role or 'the text'}")
        button.setVisible(words.can_fold)

        def turn() -> None:
            words.set_folded(not words.is_folded)
            button.setText("Show all" if words.is_folded else "Show less")

        button.clicked.connect(turn)
        return button

    def _copy(self, part: SentPart) -> None:
        QGuiApplication.clipboard().setText(part.text)
        self.said.emit(f"Copied: {part.role or 'text'}, {len(part.text):,} characters")


def _grouped(parts: tuple[SentPart, ...]) -> list[list[tuple[int, SentPart]]]:
    """Neighbouring pictures of at most one frame and the same role belong together."""
    groups: list[list[tuple[int, SentPart]]] = []
    for index, part in enumerate(parts):
        before = groups[-1][-1][1] if groups else None
        alike = before is not None and before.role == part.role and _is_small(before)
        if alike and _is_small(part):
            groups[-1].append((index, part))
        else:
            groups.append([(index, part)])
    return groups


def _is_small(part: SentPart) -> bool:
    return part.kind is PartKind.IMAGE and len(part.frames) <= 1


def _label(text: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def _quiet(parent: QWidget) -> QToolButton:
    button = QToolButton(parent)
    button.setAutoRaise(True)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button
