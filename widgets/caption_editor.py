"""The caption of a subtask: read it, accept, correct, criticise or reject it, by keyboard alone."""

from __future__ import annotations

import sys
from enum import IntEnum
from importlib import import_module
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.caption import CaptionResult
from pipeline.model.caption_fields import CaptionField
from pipeline.model.subtask import Subtask
from widgets.caption_acts import ANNOTATOR, REVIEWER
from widgets.caption_card import CaptionCard
from widgets.caption_text import CaptionText
from widgets.fields import EmptyHint, keep_keys, muted, quiet_button, tip
from widgets.theme import GRID, HALF_GRID

if TYPE_CHECKING:
    from widgets.caption_fields_form import CaptionFieldsForm
    from widgets.critique_form import CritiqueForm, CritiqueText
    from widgets.disagreement_form import Disagreement, DisagreementForm

_EMPTY = (
    "No caption yet.\n\nRun the stages of this subtask; the caption is drafted by the last ones."
)
_NO_CAPTION = "There is no caption yet: run the stages first"
_PENDING = "A revision is on its way; it can be judged when it is here"
_NOT_JUDGED = "Nobody judged this caption yet: N leads to the next that waits for your review"
_KEPT = "What you typed is kept: {key} goes on with it."
_Place = tuple[int, int, int, int]


class _Page(IntEnum):
    EMPTY = 0
    TEXT = 1
    CORRECTION = 2
    CRITIQUE = 3
    DISAGREEMENT = 4


_IDLE_MS = 400
"""Without another caption or key for so long, a form is made that the next key may ask for."""
_FORMS = {
    _Page.CORRECTION: "widgets.caption_fields_form",
    _Page.CRITIQUE: "widgets.critique_form",
    _Page.DISAGREEMENT: "widgets.disagreement_form",
}
_KEYS = {_Page.CORRECTION: "E", _Page.CRITIQUE: "C", _Page.DISAGREEMENT: "X"}


class CaptionEditor(QWidget):
    """Shows a caption and takes what a person says about it.

    The keys Enter, E, C, X and S are the window's actions; the buttons only name them. What is
    typed in a form and left with Esc, or by going to another caption, waits there.

    Attributes:
        text: The caption as it is read.

    Signals:
        accepted: The caption is right.
        corrected: The sentence that the person wrote instead.
        rejected: The caption is wrong.
        criticised: `CritiqueText`.
        skipped: On to the next one.
        agreed: The reviewer agrees.
        disagreed: Fields that are wrong, fields flagged although right, note.
        clipWanted: The subtask is to be played.
        renamed: New names of object and target; they run again from the proposals on.
    """

    accepted = Signal()
    corrected = Signal(str)
    rejected = Signal()
    criticised = Signal(object)
    skipped = Signal()
    agreed = Signal()
    disagreed = Signal(object, object, str)
    clipWanted = Signal()
    renamed = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._caption: CaptionResult | None = None
        self._subtask: Subtask | None = None
        self._card = CaptionCard()
        self._read_only = ""
        self._typed: dict[tuple[_Page, _Place], tuple[str, ...] | CritiqueText | Disagreement] = {}
        self.text = CaptionText(self)
        # Forms are made when nobody waits, or when they are asked for: the start needs none.
        self._idle = QTimer(self, singleShot=True, interval=_IDLE_MS)
        self._idle.timeout.connect(self._make_ready)
        self._correction: CaptionFieldsForm | None = None
        self._critique: CritiqueForm | None = None
        self._disagreement: DisagreementForm | None = None
        self._message = QLabel(self)
        self._message.setWordWrap(True)
        self._message.setTextFormat(Qt.TextFormat.PlainText)
        self._message.hide()
        self._build_buttons()
        self._build_names()
        self._build_layout()
        self._refresh()

    # -- building --------------------------------------------------------------------------

    def _build_buttons(self) -> None:
        does = {
            "accept": self.accepted,
            "reject": self.rejected,
            "skip": self.skipped,
            "agree": self.agreed,
            "clip": self.clipWanted,
            "skip_review": self.skipped,
        }
        self._buttons: dict[str, QPushButton] = {}
        for name, text, about in (*ANNOTATOR, *REVIEWER):
            button = quiet_button(text, about, self)
            button.setMinimumWidth(1)
            if name in does:
                button.clicked.connect(does[name])
            self._buttons[name] = button
        self._buttons["correct"].clicked.connect(self.begin_edit)
        self._buttons["critique"].clicked.connect(lambda: self.begin_critique())
        self._buttons["disagree"].clicked.connect(self.begin_disagreement)

    def _build_names(self) -> None:
        about = (
            "What the detector searches for. Enter renames; proposals and all stages after them "
            "then run again. Esc restores the name."
        )
        self._names = QWidget(self)
        row = QHBoxLayout(self._names)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        self._name_edits: tuple[QLineEdit, QLineEdit] = (QLineEdit(self), QLineEdit(self))
        for edit, title in zip(self._name_edits, ("Object name", "Target name"), strict=True):
            edit.setAccessibleName(title)
            edit.setToolTip(tip(title, about))
            edit.returnPressed.connect(self._rename)
            edit.installEventFilter(self)
            keep_keys(edit)
            label = muted(QLabel(title, self))
            label.setBuddy(edit)
            label.setToolTip(tip(title, about))
            edit.setMinimumWidth(6 * GRID)
            row.addWidget(label)
            row.addWidget(edit, 1)

    def _build_layout(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(HALF_GRID)
        for button in self._buttons.values():
            buttons.addWidget(button, 1)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, HALF_GRID // 2, GRID, 0)
        column.setSpacing(HALF_GRID)
        column.addWidget(self.text)
        column.addWidget(self._message)
        column.addLayout(buttons)
        column.addWidget(self._names)
        column.addStretch(1)
        self._stack = QStackedWidget(self)
        self._hint = EmptyHint(_EMPTY, self)
        self._stack.addWidget(self._hint)
        self._scrolls: dict[_Page, QScrollArea] = {
            p: self._make_scroll() for p in _Page if p is not _Page.EMPTY
        }
        for scroll in self._scrolls.values():
            self._stack.addWidget(scroll)
        self._scrolls[_Page.TEXT].setWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)

    @property
    def correction(self) -> CaptionFieldsForm:
        """Form of a correction."""
        if self._correction is None:
            from widgets.caption_fields_form import CaptionFieldsForm

            self._correction = CaptionFieldsForm(self)
            self._correction.set_proposals(self._card)
            self._correction.committed.connect(self._take_correction)
            self._correction.left.connect(self.leave_edit)
            self._scrolls[_Page.CORRECTION].setWidget(self._correction)
        return self._correction

    @property
    def critique(self) -> CritiqueForm:
        """Form of a critique."""
        if self._critique is None:
            from widgets.critique_form import CritiqueForm

            self._critique = CritiqueForm(self)
            self._critique.sent.connect(self._take_critique)
            self._critique.left.connect(self.leave_edit)
            self._scrolls[_Page.CRITIQUE].setWidget(self._critique)
        return self._critique

    @property
    def disagreement(self) -> DisagreementForm:
        """Form of a reviewer."""
        if self._disagreement is None:
            from widgets.disagreement_form import DisagreementForm

            self._disagreement = DisagreementForm(self)
            self._disagreement.sent.connect(self._take_disagreement)
            self._disagreement.left.connect(self.leave_edit)
            self._scrolls[_Page.DISAGREEMENT].setWidget(self._disagreement)
        return self._disagreement

    def _form(self, page: _Page) -> QWidget:
        if page is _Page.CORRECTION:
            return self.correction
        return self.critique if page is _Page.CRITIQUE else self.disagreement

    def _make_ready(self) -> None:
        """Import or make one form in this turn, the next in a later one."""
        forms = (
            (_Page.DISAGREEMENT,) if self._card.reviewing else (_Page.CORRECTION, _Page.CRITIQUE)
        )
        for page in forms:
            if _FORMS[page] not in sys.modules:
                import_module(_FORMS[page])
            elif self._scrolls[page].widget() is None:
                self._form(page)
            else:
                continue
            self._idle.start()
            return

    def _make_scroll(self) -> QScrollArea:
        scroll = QScrollArea(self)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return scroll

    # -- setters ---------------------------------------------------------------------------

    @property
    def editing(self) -> bool:
        """True while a form is open."""
        return self._page > _Page.TEXT

    @property
    def caption(self) -> CaptionResult | None:
        """What is shown."""
        return self._caption

    @property
    def message(self) -> str:
        """The sentence above the buttons."""
        return self._message.text()

    @property
    def _page(self) -> _Page:
        return _Page(self._stack.currentIndex())

    def set_caption(
        self,
        caption: CaptionResult | None,
        subtask: Subtask | None,
        card: CaptionCard | None = None,
    ) -> None:
        """Show a caption; emits nothing.

        A form that is open stays if the caption's place is the same; what was typed is kept for
        later if it is another one.
        """
        card = card or CaptionCard()
        was = self._place
        names_differ = self._names_of(subtask) != self._names_of(self._subtask)
        moved = self._key(subtask, card) != was
        if moved:
            self.set_message("")
        if self.editing and moved:
            self._park()
            self._give_focus_back()
            self._stack.setCurrentIndex(_Page.TEXT)
        self._caption, self._subtask, self._card = caption, subtask, card
        if names_differ or not any(e.isModified() for e in self._name_edits):
            self._show_names()
        self._refresh()
        if caption is not None and self.isVisible():
            self._idle.start()

    def set_read_only(self, reason: str) -> None:
        """Disable what judges and corrects, for a reason that tooltips give; empty: enable it."""
        self._read_only = reason
        if reason:
            self.leave_edit()
        self._show_names()
        self._refresh()

    def set_hint(self, text: str, about: str = "") -> None:
        """Say why there is no caption, with a tooltip; an empty text: run the stages."""
        self._hint.setText(text or _EMPTY)
        self._hint.setToolTip(about)

    def set_message(self, message: str) -> None:
        """Show a sentence above the buttons; an empty one hides it."""
        self._message.setText(message)
        self._message.setVisible(bool(message))

    # -- forms -----------------------------------------------------------------------------

    def begin_edit(self) -> None:
        """Start a correction with the caption in force, or go on with one that was left."""
        if self._caption is not None and self._may_begin():
            self.correction.set_caption(self._caption, self._card)
            typed = self._typed.pop((_Page.CORRECTION, self._place), None)
            if typed is not None:
                self.correction.restore(cast("tuple[str, ...]", typed))
            self._open(_Page.CORRECTION)

    def begin_critique(self, *, again: bool = False) -> None:
        """Start a critique, or refine the one that the shown revision answers.

        Args:
            again: Criticise the revision anew instead.
        """
        if self._caption is not None and self._may_begin():
            self.critique.set_caption(self._caption, self._card, refine=not again)
            typed = self._typed.pop((_Page.CRITIQUE, self._place), None)
            if typed is not None:
                self.critique.restore(cast("CritiqueText", typed))
            self._open(_Page.CRITIQUE)

    def begin_disagreement(self) -> None:
        """Say what is wrong with an annotator's work."""
        if self._caption is not None and self._card.reviewing and not self._read_only:
            self.disagreement.set_caption(self._caption, self._card)
            typed = self._typed.pop((_Page.DISAGREEMENT, self._place), None)
            if typed is not None:
                self.disagreement.restore(cast("Disagreement", typed))
            self._open(_Page.DISAGREEMENT)

    def asked_field(self) -> tuple[CaptionField | None, str]:
        """The part that the keyboard is at in a form, and what it says; else the verb."""
        for form in (self._correction, self._critique):
            found = form.asked_field() if form is not None and form.isVisible() else None
            if found is not None:
                return found
        return CaptionField.VERB, self._caption.fields.verb if self._caption is not None else ""

    def leave_edit(self) -> None:
        """Leave the form; the caption stays as it is, and what was typed waits."""
        if self.editing:
            self._park()
            self._close()

    def _may_begin(self) -> bool:
        return not (self.editing or self._read_only or self._card.reviewing)

    def _open(self, page: _Page) -> None:
        self.set_message("")
        self._stack.setCurrentIndex(page)
        self._refresh()
        self._form(page).setFocus(Qt.FocusReason.TabFocusReason)

    def _close(self) -> None:
        self._give_focus_back()  # First: a page that is hidden hands the focus to a field.
        self._stack.setCurrentIndex(_Page.TEXT if self._caption is not None else _Page.EMPTY)
        self._refresh()

    def _give_focus_back(self) -> None:
        """The next key is meant for the window's actions again."""
        self.window().setFocus(Qt.FocusReason.OtherFocusReason)

    def _park(self) -> None:
        """Keep what is typed in the open form under its caption."""
        page = self._page
        if self._caption is None:
            return
        if page is _Page.CORRECTION:
            typed = self.correction.state()
            if " ".join(typed[-1].split()) in ("", self._caption.text):
                return
            self._typed[(page, self._place)] = typed
        elif page is _Page.CRITIQUE:
            state = self.critique.state()
            if not (state.fields or state.text.strip()):
                return
            self._typed[(page, self._place)] = state
        elif page is _Page.DISAGREEMENT:
            marked = self.disagreement.state()
            if not (marked.errors or marked.alarms or marked.note.strip()):
                return
            self._typed[(page, self._place)] = marked
        else:
            return
        self.set_message(_KEPT.format(key=_KEYS[page]))

    # -- refreshing ------------------------------------------------------------------------

    def _refresh(self) -> None:
        caption, card = self._caption, self._card
        if caption is None:
            self._stack.setCurrentIndex(_Page.EMPTY)
        elif self._page is _Page.EMPTY:
            self._stack.setCurrentIndex(_Page.TEXT)
        reviewer = {name for name, *_ in REVIEWER}
        for name, _, about in (*ANNOTATOR, *REVIEWER):
            button = self._buttons[name]
            reason = _NO_CAPTION if caption is None else self._read_only
            if name in ("accept", "reject") and card.pending and not reason:
                reason = _PENDING
            if name in ("agree", "disagree") and not card.annotator and not reason:
                reason = _NOT_JUDGED
            button.setEnabled(not reason)
            button.setToolTip(reason or about)
            button.setVisible((name in reviewer) is card.reviewing)
        refining = bool(card.refines)
        self._buttons["critique"].setText("Refine  C" if refining else "Critique  C")
        # While a critique is answered there is more to read; names are no part of that.
        self._names.setVisible(not card.critique and not card.reviewing)
        self.text.set_caption(caption, card)
        if self._correction is not None:
            self._correction.set_proposals(card)

    def _show_names(self) -> None:
        for edit, name in zip(self._name_edits, self._names_of(self._subtask), strict=True):
            edit.setText(name)
            edit.setModified(False)
            edit.setEnabled(self._subtask is not None and not self._read_only)

    # -- what the user does ----------------------------------------------------------------

    def _take_correction(self, sentence: str) -> None:
        unchanged = self._caption is not None and sentence == self._caption.text
        self._close()
        if not unchanged:
            self.corrected.emit(sentence)

    def _take_critique(self, critique: CritiqueText) -> None:
        self._close()
        self.criticised.emit(critique)

    def _take_disagreement(self, errors: object, alarms: object, note: str) -> None:
        self._close()
        self.disagreed.emit(errors, alarms, note)

    def _rename(self) -> None:
        object_name, target_name = (" ".join(e.text().split()) for e in self._name_edits)
        if not object_name:
            self.set_message("The object needs a name: the detector searches for it.")
            return
        if (object_name, target_name) != self._names_of(self._subtask):
            self.set_message("")
            self.renamed.emit(object_name, target_name)
        for edit in self._name_edits:
            edit.setModified(False)

    @property
    def _place(self) -> _Place:
        return self._key(self._subtask, self._card)

    @staticmethod
    def _key(subtask: Subtask | None, card: CaptionCard) -> _Place:
        if subtask is None:
            return (card.episode, -1, -1, -1)
        return (card.episode, subtask.index, subtask.start, subtask.end)

    @staticmethod
    def _names_of(subtask: Subtask | None) -> tuple[str, str]:
        return ("", "") if subtask is None else (subtask.object_name, subtask.target_name)

    def eventFilter(self, watched: object, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Esc in a name field restores the name."""
        if (
            event.type() is QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
        ):
            self._show_names()
            return True
        return False
