"""A critique: which parts are wrong, what is right instead, and words; with live advice."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from pipeline.model.caption import CaptionResult
from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.review.critique import CritiqueDraft, compose, examine, own_words
from widgets.caption_card import CaptionCard
from widgets.caption_text import field_of_problem
from widgets.completed_line import CompletedLine
from widgets.elided_label import QuotedTitle
from widgets.field_toggles import FIELDS, FieldToggles, field_of
from widgets.fields import quiet_button, tip
from widgets.sentence_edit import SentenceEdit
from widgets.theme import GRID, HALF_GRID, colors

_SEND_TIP = "Save the critique; the drafter answers it with a revision (Ctrl+Enter)"
_GOOD = "✓ accurate, complete, constructive"
_BUTTON_HEIGHT = 20
"""Two of them are as high as the text, so that two lines of advice fit into 145 pixels (ours)."""


@dataclass(frozen=True, slots=True)
class CritiqueText:
    """What a person wrote.

    Attributes:
        fields: Parts that are wrong.
        text: What is wrong and what to do, as written.
        corrections: Right values that were given.
        refines: `uid` of the critique that it replaces, or empty.
    """

    fields: tuple[CaptionField, ...] = ()
    text: str = ""
    corrections: tuple[tuple[CaptionField, str], ...] = ()
    refines: str = ""


class CritiqueForm(QWidget):
    """Switches for the parts, a line for the right value of each, and text.

    Signals:
        sent: `CritiqueText`; its text is made of the right values where the person wrote none.
        left: Esc, or the button.
    """

    sent = Signal(object)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._about = ""
        self._parts = CaptionFields("", "")
        self._refines = ""
        self._verbs: tuple[str, ...] = ()
        self._doubted: dict[CaptionField, str] = {}
        self._title = QuotedTitle(self)
        self.toggles = FieldToggles("What is wrong?", self)
        self.toggles.switched.connect(self._switched)
        self.toggles.textWanted.connect(self._go_on)
        self.toggles.committed.connect(self._send)
        self.toggles.left.connect(self.left)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(GRID)
        self._grid.setVerticalSpacing(HALF_GRID)
        self._rows: dict[CaptionField, tuple[QLabel, CompletedLine]] = {}
        for field, title, _, about in FIELDS:
            line = CompletedLine(f"Right {title.lower()}", self)
            line.setPlaceholderText("what is right?")
            line.setToolTip(tip(f"Right {title.lower()}", about))
            line.committed.connect(self._send)
            line.left.connect(self.left)
            line.textChanged.connect(self._advise)
            line.installEventFilter(self)
            label = QLabel(title, self)
            label.setBuddy(line)
            self._rows[field] = (label, line)
        self.text = SentenceEdit("Critique", 2, self)
        self.text.setPlaceholderText("In words: what is wrong, what to write instead (optional)")
        self.text.committed.connect(self._send)
        self.text.left.connect(self.left)
        self.text.textChanged.connect(self._advise)
        self.text.installEventFilter(self)
        self._advice = QLabel(self)
        self._advice.setTextFormat(Qt.TextFormat.PlainText)
        self._advice.setWordWrap(True)
        self._advice.setAccessibleName("Advice on the critique")
        send = quiet_button("Send  Ctrl+⏎", _SEND_TIP, self)
        leave = quiet_button("Leave  Esc", "What you typed waits here", self)
        send.clicked.connect(self._send)
        leave.clicked.connect(self.left)
        # Beside the text, so that the advice has the whole width: it is worth reading.
        keys = QVBoxLayout()
        keys.setSpacing(0)
        for button in (send, leave):
            button.setFixedHeight(_BUTTON_HEIGHT)
            keys.addWidget(button)
        keys.addStretch(1)
        words = QHBoxLayout()
        words.setSpacing(HALF_GRID)
        words.addWidget(self.text, 1)
        words.addLayout(keys)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, HALF_GRID // 2, GRID, 0)
        column.setSpacing(HALF_GRID - 1)
        column.addWidget(self._title)
        column.addWidget(self.toggles)
        column.addLayout(self._grid)
        column.addLayout(words)
        column.addWidget(self._advice)
        column.addStretch(1)
        self.setFocusProxy(self.toggles)
        self._place()

    # -- setters ---------------------------------------------------------------------------

    def set_caption(self, caption: CaptionResult, card: CaptionCard, *, refine: bool) -> None:
        """Begin a critique of a caption, or refine the one that is answered; emits nothing.

        Args:
            caption: What is criticised.
            card: What was said before; its critique is filled in to be refined.
            refine: Whether to refine it.
        """
        refine = refine and bool(card.refines)
        self._refines = card.refines if refine else ""
        self._about = card.before if refine and card.before else caption.text
        draft = caption.versions[0] if refine and caption.versions else None
        self._parts = draft.fields if draft is not None else caption.fields
        self._verbs = card.verbs
        self._doubted = {}
        for problem in caption.problems:
            field = field_of_problem(problem)
            if field is not None:
                self._doubted[field] = problem.code.removeprefix("caption_").replace("_", " ")
        what = "Refine the critique of" if refine else "What is wrong with"
        self._title.set_quote(what, self._about)
        self.toggles.set_values({f: str(getattr(self._parts, f.value)) for f, *_ in FIELDS})
        self._set_proposals(card)
        if not refine:
            self._fill(CritiqueText())
            return
        old = CritiqueDraft(self._about, self._parts, card.flagged, card.critique, card.corrections)
        self._fill(CritiqueText(card.flagged, own_words(old), card.corrections, card.refines))

    def _set_proposals(self, card: CaptionCard) -> None:
        words = {
            CaptionField.VERB: (card.verbs, True),
            CaptionField.RELATION: (card.relations, False),
            CaptionField.ARM: (("left", "right", "both"), True),
        }
        for field, (_, line) in self._rows.items():
            proposals, closed = words.get(field, (card.names, False))
            line.set_words(proposals, closed=closed)

    def state(self) -> CritiqueText:
        """What is typed."""
        given = tuple((f, line.value()) for f, (_, line) in self._rows.items() if line.text())
        return CritiqueText(
            self.toggles.fields(), self.text.toPlainText(), given, refines=self._refines
        )

    def restore(self, state: CritiqueText) -> None:
        """Go on with what was typed."""
        self._refines = state.refines
        self._fill(state)

    def _fill(self, state: CritiqueText) -> None:
        given = dict(state.corrections)
        self.toggles.set_fields({*state.fields, *given})
        for field, (_, line) in self._rows.items():
            line.setText(given.get(field, ""))
        self.text.setPlainText(state.text)
        self._place()
        self._advise()

    def asked_field(self) -> tuple[CaptionField, str] | None:
        """The part whose right value has the keyboard, and that value or the caption's."""
        for field, (_, line) in self._rows.items():
            if line.hasFocus():
                return field, line.value() or str(getattr(self._parts, field.value))
        return None

    # -- what the user does ----------------------------------------------------------------

    def _switched(self, field: CaptionField, on: bool) -> None:
        self._place()
        self._advise()
        if on:
            self._rows[field][1].setFocus(Qt.FocusReason.ShortcutFocusReason)
        else:
            self._rows[field][1].clear()
            self.toggles.setFocus(Qt.FocusReason.OtherFocusReason)

    def _go_on(self) -> None:
        self.text.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _place(self) -> None:
        """Lines of the marked parts, two in a row."""
        chosen = self.toggles.fields()
        before: QWidget = self.toggles
        for field, (label, line) in self._rows.items():
            self._grid.removeWidget(label)
            self._grid.removeWidget(line)
            if field in chosen:
                row, column = divmod(chosen.index(field), 2)
                self._grid.addWidget(label, row, 2 * column)
                self._grid.addWidget(line, row, 2 * column + 1)
                self._grid.setColumnStretch(2 * column + 1, 1)
                self.setTabOrder(before, line)
                before = line
            label.setVisible(field in chosen)
            line.setVisible(field in chosen)
        self.setTabOrder(before, self.text)

    def _draft(self) -> CritiqueDraft:
        state = self.state()
        marked = set(state.fields)
        given = tuple((f, v) for f, v in state.corrections if f in marked)
        return CritiqueDraft(self._about, self._parts, state.fields, state.text, given)

    def _advise(self) -> None:
        """Say what the critique lacks; sending is never held back."""
        draft = self._draft()
        hints = examine(draft, self._verbs, self._doubted)
        theme = colors(self.palette())
        if not draft.fields and not draft.text.strip():
            text, color = "1–6 or letters: what is wrong; T: text", theme.muted
        elif hints:
            text, color = f"⚠ {hints[0].quality.value}? {hints[0].message}", theme.warning
        else:
            text, color = _GOOD, theme.ok
        self._advice.setText(text)
        self._advice.setStyleSheet(f"color: {color};")
        about = [f"{h.quality.value.capitalize()}: {h.message}" for h in hints] or [text]
        why = "Critiques that are accurate, complete and constructive train far better drafters."
        self._advice.setToolTip(tip("Advice, by rules", *about, why))

    def _send(self) -> None:
        draft = self._draft()
        if not draft.fields and not draft.text.strip():
            self._advice.setText("⚠ Mark a part or write a word: an empty critique says nothing.")
            return
        self.sent.emit(CritiqueText(draft.fields, compose(draft), draft.corrections, self._refines))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Alt with a digit marks a part from anywhere in the form."""
        if event.type() is QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            digit = event.key() - Qt.Key.Key_0.value
            field = field_of(digit)
            if event.modifiers() == Qt.KeyboardModifier.AltModifier and field is not None:
                self.toggles.switch(field)
                return True
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:
        """Recolour the advice with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_advice"):
            self._advise()
        super().changeEvent(event)
