"""The caption of a subtask: read it, see what it rests on, accept, correct or reject it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QMimeData, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.caption import CaptionResult, Verdict
from pipeline.model.problem import Problem
from pipeline.model.subtask import Subtask
from widgets.fields import EmptyHint, keep_keys, muted, quiet_button, tip
from widgets.icons import Glyph, pixmap
from widgets.theme import GRID, HALF_GRID, Status, colors, scaled, tabular

_EMPTY = (
    "No caption yet.\n\nRun the stages of this subtask; the caption is drafted by the last ones."
)
_NO_CAPTION = "There is no caption yet: run the stages first"
_EDITING = "Finish the correction first: Enter takes it over, Esc leaves"
_VERDICTS: dict[Verdict, tuple[Glyph, Status]] = {
    Verdict.ACCEPTED: (Glyph.DISC_TICK, Status.OK),
    Verdict.CORRECTED: (Glyph.PENCIL, Status.RUNNING),
    Verdict.REJECTED: (Glyph.CROSS, Status.ERROR),
}
_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("verb", "Verb", "Action verb, from the fixed vocabulary."),
    ("object_name", "Object", "What is manipulated, with colour or material."),
    ("relation", "Relation", "Preposition before the destination."),
    ("destination", "Destination", "Where the object goes, or comes from."),
    ("arm", "Arm", "Arm that acts; empty where the robot has one."),
)
_FIELD_OF_PROBLEM = {
    "verb": "verb",
    "color": "object_name",
    "object": "object_name",
    "relation": "relation",
    "destination": "destination",
    "target": "destination",
    "arm": "arm",
}


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One entry of a caption's history.

    Attributes:
        at: When, as it is to be read.
        who: Who said it, or the drafter.
        what: What was said.
    """

    at: str
    who: str
    what: str


class _SentenceEdit(QPlainTextEdit):
    """One sentence, wrapped: Enter commits, Esc leaves, no line breaks."""

    committed = Signal()
    left = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self.setAccessibleName("Corrected caption")
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        keep_keys(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter and Ctrl+Enter commit, Esc leaves."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.committed.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def insertFromMimeData(self, source: QMimeData) -> None:  # noqa: N802 - Qt's name
        """Paste as one line."""
        self.insertPlainText(" ".join(source.text().split()))

    def sentence(self) -> str:
        """The text with single spaces."""
        return " ".join(self.toPlainText().split())


class CaptionEditor(QWidget):
    """Shows a caption, its fields and history, and takes a person's verdict.

    The keys Enter, E and X are the window's actions; the buttons only name them.

    Attributes:
        accepted: The caption is right.
        corrected: The sentence that the person wrote instead.
        rejected: The caption is wrong.
        renamed: New names of object and target; they run again from the proposals on.
    """

    accepted = Signal()
    corrected = Signal(str)
    rejected = Signal()
    renamed = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._caption: CaptionResult | None = None
        self._subtask: Subtask | None = None
        self._parked: dict[tuple[int, int, int], str] = {}
        self._read_only = ""
        self._build_sentence()
        self._build_fields()
        self._build_names()
        self._build_buttons()
        self._message = QLabel(self)
        self._message.setWordWrap(True)
        self._message.setTextFormat(Qt.TextFormat.PlainText)
        self._message.hide()
        self._history = QLabel(self)
        self._history.setWordWrap(True)
        self._history.setTextFormat(Qt.TextFormat.PlainText)
        self._history.setFont(tabular(self._history.font()))
        self._history.setAccessibleName("History of the caption")
        self._history.setAlignment(Qt.AlignmentFlag.AlignTop)
        muted(self._history)
        self._build_layout()
        self._show_editing(False)

    # -- building --------------------------------------------------------------------------

    def _build_sentence(self) -> None:
        large = scaled(self.font(), 1.3)
        self._text = QLabel(self)
        self._text.setFont(large)
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._text.setAccessibleName("Caption")
        self._edit = _SentenceEdit(self)
        self._edit.setFont(large)
        self._edit.setFixedHeight(3 * self._edit.fontMetrics().lineSpacing() + 2 * GRID)
        self._edit.committed.connect(self._commit)
        self._edit.left.connect(self.leave_edit)
        self._edit.hide()
        self._badge_icon = QLabel(self)
        self._badge = QLabel(self)
        self._drafter = muted(QLabel(self))
        self._draft = muted(QLabel(self))
        self._draft.setWordWrap(True)
        self._draft.setTextFormat(Qt.TextFormat.PlainText)

    def _build_fields(self) -> None:
        self._values: dict[str, QLabel] = {}
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GRID)
        self._grid.setVerticalSpacing(0)
        for column, (name, title, _about) in enumerate(_FIELDS):
            value = QLabel(self)
            value.setTextFormat(Qt.TextFormat.PlainText)
            value.setWordWrap(True)
            value.setAlignment(Qt.AlignmentFlag.AlignTop)
            value.setAccessibleName(title)
            self._grid.addWidget(muted(QLabel(title, self)), 0, column)
            self._grid.addWidget(value, 1, column)
            self._grid.setColumnStretch(column, 2 if name in ("object_name", "destination") else 1)
            self._values[name] = value

    def _build_names(self) -> None:
        about = (
            "What the detector searches for. Enter renames; proposals and all stages after them "
            "then run again. Esc restores the name."
        )
        self._names = QHBoxLayout()
        self._names.setSpacing(GRID)
        self._name_edits: tuple[QLineEdit, QLineEdit] = (QLineEdit(self), QLineEdit(self))
        titles = ("Object name", "Target name")
        for edit, title in zip(self._name_edits, titles, strict=True):
            edit.setAccessibleName(title)
            edit.setToolTip(tip(title, about))
            edit.returnPressed.connect(self._rename)
            edit.installEventFilter(self)
            keep_keys(edit)
            label = muted(QLabel(title, self))
            label.setBuddy(edit)
            label.setToolTip(tip(title, about))
            self._names.addWidget(label)
            self._names.addWidget(edit, 1)

    def _build_buttons(self) -> None:
        self._accept = quiet_button("Accept  (Enter)", "", self)
        self._correct = quiet_button("Correct  (E)", "", self)
        self._reject = quiet_button("Reject  (X)", "", self)
        self._accept.clicked.connect(self.accepted)
        self._correct.clicked.connect(self.begin_edit)
        self._reject.clicked.connect(self.rejected)
        self._take = quiet_button("Take over  (Enter)", "Use this sentence as the caption", self)
        self._leave = quiet_button("Leave  (Esc)", "Keep the caption as it is", self)
        self._take.clicked.connect(self._commit)
        self._leave.clicked.connect(self.leave_edit)

    def _build_layout(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(HALF_GRID)
        head.addWidget(self._badge_icon)
        head.addWidget(self._badge)
        head.addStretch(1)
        head.addWidget(self._drafter)
        buttons = QHBoxLayout()
        buttons.setSpacing(HALF_GRID)
        for button in (self._accept, self._correct, self._reject, self._take, self._leave):
            buttons.addWidget(button)
        buttons.addStretch(1)
        page = QWidget(self)
        page.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(head)
        column.addWidget(self._text)
        column.addWidget(self._edit)
        column.addWidget(self._draft)
        column.addLayout(self._grid)
        column.addLayout(buttons)
        column.addWidget(self._message)
        column.addLayout(self._names)
        column.addWidget(self._history, 1)
        scroll = QScrollArea(self)
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(EmptyHint(_EMPTY, self))
        self._stack.addWidget(scroll)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)

    # -- setters ---------------------------------------------------------------------------

    @property
    def editing(self) -> bool:
        """True while the person writes a correction."""
        return not self._edit.isHidden()

    def set_caption(self, caption: CaptionResult | None, subtask: Subtask | None) -> None:
        """Show a caption; emits nothing.

        A correction that is being written stays if the subtask is the same, and is kept for later
        if it is another one.
        """
        if self.editing and self._key(subtask) != self._key(self._subtask):
            self._park()
            self._show_editing(False)
        names_differ = self._names_of(subtask) != self._names_of(self._subtask)
        self._caption, self._subtask = caption, subtask
        if names_differ or not any(e.isModified() for e in self._name_edits):
            self._show_names()
        self._refresh()

    def set_history(self, lines: tuple[HistoryLine, ...]) -> None:
        """Show who said what when, the newest first as given."""
        self._history.setText("\n".join(f"{x.at}  {x.who}  {x.what}" for x in lines))
        self._history.setVisible(bool(lines))

    def set_read_only(self, reason: str) -> None:
        """Disable what judges and corrects, for a reason that tooltips give; empty: enable it."""
        self._read_only = reason
        if reason:
            self.leave_edit()
        self._show_names()
        self._refresh()

    def set_message(self, message: str) -> None:
        """Show a sentence below the buttons; an empty one hides it."""
        self._message.setText(message)
        self._message.setVisible(bool(message))

    def begin_edit(self) -> None:
        """Start a correction with the sentence in force, or go on with one that was left open."""
        if self._caption is None or self.editing or self._read_only:
            return
        parked = self._parked.pop(self._key(self._subtask), None)
        self._edit.setPlainText(self._caption.text if parked is None else parked)
        self._show_editing(True)
        self._edit.selectAll()
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def leave_edit(self) -> None:
        """Leave the correction; the caption stays as it is."""
        if self.editing:
            self._show_editing(False)

    # -- refreshing ------------------------------------------------------------------------

    def _refresh(self) -> None:
        caption = self._caption
        self._stack.setCurrentIndex(0 if caption is None else 1)
        for button in (self._accept, self._correct, self._reject):
            button.setEnabled(caption is not None and not self.editing and not self._read_only)
        reason = _NO_CAPTION if caption is None else _EDITING if self.editing else self._read_only
        self._accept.setToolTip(reason or "The caption is right: verb, object and destination")
        self._correct.setToolTip(reason or "Write what is right instead")
        self._reject.setToolTip(reason or "The caption is wrong; it stays without a correction")
        if caption is None:
            return
        self._text.setText(caption.text)
        self._draft.setText(f"Draft: {caption.draft}")
        self._draft.setVisible(caption.draft != caption.text)
        self._drafter.setText(f"drafted by {caption.drafter}")
        self._show_verdict(caption.verdict)
        self._show_fields(caption)

    def _show_verdict(self, verdict: Verdict | None) -> None:
        theme = colors(self.palette())
        if verdict is None:
            color, glyph, word = (
                self.palette().placeholderText().color(),
                Glyph.RING,
                "not reviewed",
            )
        else:
            glyph, status = _VERDICTS[verdict]
            color, word = theme.status(status), verdict.value
        self._badge_icon.setPixmap(pixmap(glyph, color, self.devicePixelRatioF()))
        self._badge.setText(word)
        self._badge.setStyleSheet(f"color: {color.name()};")
        self._badge.setToolTip("What a person said about this caption")

    def _show_fields(self, caption: CaptionResult) -> None:
        evidence: dict[str, list[str]] = {}
        for name, why in caption.evidence:
            evidence.setdefault(_field_name(name), []).append(why)
        warning = colors(self.palette()).warning
        for name, title, about in _FIELDS:
            label = self._values[name]
            doubts = [p for p in caption.problems if _field_of(p) == name]
            value = str(getattr(caption.fields, name)) or "–"
            label.setText(f"⚠ {value}" if doubts else value)
            label.setStyleSheet(f"color: {warning};" if doubts else "")
            found = [f"Evidence: {why}" for why in evidence.get(name, ())] or ["No evidence."]
            label.setToolTip(tip(title, about, *found, *(f"{p.code}: {p.message}" for p in doubts)))

    def _show_names(self) -> None:
        for edit, name in zip(self._name_edits, self._names_of(self._subtask), strict=True):
            edit.setText(name)
            edit.setModified(False)
            edit.setEnabled(self._subtask is not None and not self._read_only)

    def _show_editing(self, editing: bool) -> None:
        had_focus = self._edit.hasFocus()
        self._edit.setVisible(editing)
        self._text.setVisible(not editing)
        for button in (self._accept, self._correct, self._reject):
            button.setVisible(not editing)
        for button in (self._take, self._leave):
            button.setVisible(editing)
        if had_focus and not editing:
            # The next key is meant for the window's actions again.
            self.window().setFocus(Qt.FocusReason.OtherFocusReason)
        self._refresh()

    # -- what the user does ----------------------------------------------------------------

    def _commit(self) -> None:
        sentence = self._edit.sentence()
        if not sentence:
            self.set_message("A correction needs a sentence. To refuse the caption, reject it.")
            return
        self.set_message("")
        unchanged = self._caption is not None and sentence == self._caption.text
        self._show_editing(False)
        if not unchanged:
            self.corrected.emit(sentence)

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

    def _park(self) -> None:
        """Keep a correction whose subtask is no longer shown."""
        sentence = self._edit.sentence()
        if self._caption is not None and sentence and sentence != self._caption.text:
            self._parked[self._key(self._subtask)] = sentence
            number = self._subtask.index + 1 if self._subtask else 1
            self.set_message(f"The correction of subtask {number} is kept: go back and press E.")

    @staticmethod
    def _key(subtask: Subtask | None) -> tuple[int, int, int]:
        return (-1, -1, -1) if subtask is None else (subtask.index, subtask.start, subtask.end)

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

    def changeEvent(self, event: QEvent) -> None:
        """Recolour badge and marks with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_stack"):
            self._refresh()
        super().changeEvent(event)


def _field_name(name: str) -> str:
    """Name of the field that a piece of evidence is about."""
    return {"object": "object_name", "target": "destination"}.get(name, name)


def _field_of(problem: Problem) -> str:
    """Field that a problem's code is about (`caption_color_differs` -> the object), or empty."""
    words = problem.code.split("_")
    return next((field for word, field in _FIELD_OF_PROBLEM.items() if word in words), "")
