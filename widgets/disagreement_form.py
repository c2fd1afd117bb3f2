"""A reviewer disagrees: which parts are wrong after all, and which alarms were false."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from pipeline.model.caption import CaptionResult
from pipeline.model.caption_fields import CaptionField
from widgets.caption_card import CaptionCard
from widgets.elided_label import QuotedTitle
from widgets.field_toggles import FIELDS, FieldToggles, field_of
from widgets.fields import muted, quiet_button
from widgets.sentence_edit import SentenceEdit
from widgets.theme import GRID, HALF_GRID

_NOT_FLAGGED = "The annotator did not flag this part."
_EMPTY = "Mark a part that is wrong, or an alarm that was false."
_HINT = "1–6 or letters mark; Tab: next row"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What a reviewer holds against a caption.

    Attributes:
        errors: Parts that are wrong.
        alarms: Parts that were flagged although they are right.
        note: For the annotator.
    """

    errors: tuple[CaptionField, ...] = ()
    alarms: tuple[CaptionField, ...] = ()
    note: str = ""


class DisagreementForm(QWidget):
    """Two rows of switches and a note.

    Signals:
        sent: Fields that are wrong, fields flagged although right, and a note.
        left: Esc, or the button.
    """

    sent = Signal(object, object, str)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = QuotedTitle(self)
        self.errors = FieldToggles("Wrong in the caption", self)
        self.alarms = FieldToggles("Flagged, but right", self)
        self._alarms_title = muted(QLabel("Flagged although right:", self))
        self.note = SentenceEdit("Note", 1, self)
        self.note.setPlaceholderText("Note for the annotator (optional)")
        for row in (self.errors, self.alarms):
            row.left.connect(self.left)
            row.committed.connect(self._send)
        self.errors.textWanted.connect(self._send)
        self.alarms.textWanted.connect(self._send)
        self.note.committed.connect(self._send)
        self.note.left.connect(self.left)
        self.note.installEventFilter(self)
        self._message = muted(QLabel(_HINT, self))
        self._message.setWordWrap(True)
        send = quiet_button("Disagree  ⏎", "Save the judgement", self)
        leave = quiet_button("Leave  Esc", "What you marked waits here", self)
        send.clicked.connect(self._send)
        leave.clicked.connect(self.left)
        foot = QHBoxLayout()
        foot.setSpacing(HALF_GRID)
        foot.addWidget(self._message, 1)
        foot.addWidget(send)
        foot.addWidget(leave)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, HALF_GRID // 2, GRID, 0)
        column.setSpacing(HALF_GRID // 2)
        column.addWidget(self._title)
        column.addWidget(self.errors)
        column.addWidget(self._alarms_title)
        column.addWidget(self.alarms)
        column.addWidget(self.note)
        column.addLayout(foot)
        column.addStretch(1)
        self.setFocusProxy(self.errors)

    def set_caption(self, caption: CaptionResult, card: CaptionCard) -> None:
        """Begin with a caption that an annotator left; emits nothing."""
        who = card.annotator or "the annotator"
        self._title.set_quote("Wrong in", caption.text, f", as {who} left it:")
        values = {f: str(getattr(caption.fields, f.value)) for f, *_ in FIELDS}
        self.errors.set_values(values)
        self.errors.set_fields(())
        self.alarms.set_fields(())
        self.alarms.set_enabled_fields(card.flagged, _NOT_FLAGGED)
        self.alarms.setVisible(bool(card.flagged))
        self._alarms_title.setVisible(bool(card.flagged))
        self.note.clear()
        self._message.setText(_HINT)

    def state(self) -> Disagreement:
        """What is marked and written."""
        return Disagreement(self.errors.fields(), self.alarms.fields(), self.note.toPlainText())

    def restore(self, state: Disagreement) -> None:
        """Go on with what was marked and written."""
        self.errors.set_fields(state.errors)
        self.alarms.set_fields(state.alarms)
        self.note.setPlainText(state.note)

    def _send(self) -> None:
        errors, alarms, note = self.errors.fields(), self.alarms.fields(), self.note.sentence()
        if not errors and not alarms and not note:
            self._message.setText(_EMPTY)
            return
        self.sent.emit(errors, alarms, note)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Alt with a digit marks a part while the note is written."""
        if event.type() is QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            field = field_of(event.key() - Qt.Key.Key_0.value)
            if event.modifiers() == Qt.KeyboardModifier.AltModifier and field is not None:
                self.errors.switch(field)
                return True
        return super().eventFilter(watched, event)
