"""A correction: each part of the caption with proposals, or the sentence as free text."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from pipeline.model.caption import CaptionResult
from pipeline.model.caption_fields import CaptionField, CaptionFields
from widgets.caption_card import CaptionCard
from widgets.completed_line import CompletedLine
from widgets.field_toggles import FIELDS
from widgets.fields import muted, quiet_button, tip
from widgets.sentence_edit import SentenceEdit
from widgets.theme import GRID, HALF_GRID

_ARMS = ("left", "right", "both")
_COLUMNS = 3
_HINT = "Tab: next part, then the sentence"


class CaptionFieldsForm(QWidget):
    """Parts and sentence; the sentence follows the parts until a person writes it.

    Signals:
        committed: The sentence.
        left: Esc, or the button.
    """

    committed = Signal(str)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._own_words = False
        self._lines: dict[CaptionField, CompletedLine] = {}
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(0)
        for place, (field, title, _, about) in enumerate(FIELDS):
            line = CompletedLine(title, self)
            line.setToolTip(tip(title, about))
            line.setPlaceholderText(title)
            line.textEdited.connect(self._rebuild)
            line.committed.connect(self._commit)
            line.left.connect(self.left)
            label = muted(QLabel(title, self))
            label.setBuddy(line)
            row, column = divmod(place, _COLUMNS)
            grid.addWidget(label, 2 * row, column)
            grid.addWidget(line, 2 * row + 1, column)
            grid.setColumnStretch(column, 1)
            self._lines[field] = line
        self._sentence = SentenceEdit("Corrected caption", 2, self)
        self._sentence.committed.connect(self._commit)
        self._sentence.left.connect(self.left)
        self._sentence.textChanged.connect(self._written)
        self._message = muted(QLabel(_HINT, self))
        self._message.setTextFormat(Qt.TextFormat.PlainText)
        self._message.setWordWrap(True)
        take = quiet_button("Take over  ⏎", "Use this sentence as the caption", self)
        leave = quiet_button("Leave  Esc", "Keep the caption; what you typed waits here", self)
        take.clicked.connect(self._commit)
        leave.clicked.connect(self.left)
        foot = QHBoxLayout()
        foot.setSpacing(HALF_GRID)
        foot.addWidget(self._message, 1)
        foot.addWidget(take)
        foot.addWidget(leave)
        column_ = QVBoxLayout(self)
        column_.setContentsMargins(GRID, HALF_GRID // 2, GRID, 0)
        column_.setSpacing(HALF_GRID)
        column_.addLayout(grid)
        column_.addWidget(self._sentence)
        column_.addLayout(foot)
        column_.addStretch(1)
        self.setFocusProxy(self._lines[CaptionField.VERB])

    # -- setters ---------------------------------------------------------------------------

    def set_caption(self, caption: CaptionResult, card: CaptionCard) -> None:
        """Begin with a caption; emits nothing."""
        self.set_proposals(card)
        for field, line in self._lines.items():
            line.setText(str(getattr(caption.fields, field.value)))
        self._write(caption.text)
        self._own_words = caption.text != self._made()
        self.set_message("")

    def set_proposals(self, card: CaptionCard) -> None:
        """Propose words; emits nothing."""
        things = (CaptionField.OBJECT, CaptionField.DESTINATION, CaptionField.SOURCE)
        self._lines[CaptionField.VERB].set_words(card.verbs, closed=True)
        self._lines[CaptionField.RELATION].set_words(card.relations, closed=False)
        self._lines[CaptionField.ARM].set_words(_ARMS, closed=True)
        for field in things:
            self._lines[field].set_words(card.names, closed=False)

    def set_message(self, message: str) -> None:
        """Say what is missing; empty: how to go on."""
        self._message.setText(message or _HINT)

    def state(self) -> tuple[str, ...]:
        """What is typed: the parts, then the sentence."""
        return (*(line.text() for line in self._lines.values()), self._sentence.toPlainText())

    def restore(self, state: tuple[str, ...]) -> None:
        """Go on with what was typed (`state`)."""
        for line, text in zip(self._lines.values(), state, strict=False):
            line.setText(text)
        self._write(state[-1])
        self._own_words = " ".join(state[-1].split()) != self._made()

    def parts(self) -> CaptionFields:
        """The parts as typed."""
        return CaptionFields(**{f.value: line.value() for f, line in self._lines.items()})

    def asked_field(self) -> tuple[CaptionField, str] | None:
        """The part that has the keyboard, and what is typed for it."""
        return next(((f, x.value()) for f, x in self._lines.items() if x.hasFocus()), None)

    # -- what the user does ----------------------------------------------------------------

    def _made(self) -> str:
        # Lazy: reads the vocabulary, and most windows never correct by field.
        from pipeline.backends.language.sentences import sentence

        parts = self.parts()
        if not parts.object_name and not parts.destination:
            return ""
        return sentence(
            parts.verb, parts.object_name, parts.relation, parts.destination, parts.source
        )

    def _rebuild(self) -> None:
        if not self._own_words:
            self._write(self._made())

    def _write(self, text: str) -> None:
        self._sentence.blockSignals(True)
        self._sentence.setPlainText(text)
        self._sentence.blockSignals(False)

    def _written(self) -> None:
        text = self._sentence.sentence()
        self._own_words = bool(text) and text != self._made()

    def _commit(self) -> None:
        text = self._sentence.sentence()
        if not text:
            self.set_message("A correction needs a sentence. To refuse the caption, reject it.")
            return
        self.set_message("")
        self.committed.emit(text)
