"""The parts of a caption as switches: by digit, by letter or by mouse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from pipeline.model.caption_fields import CaptionField
from widgets.fields import keep_keys, quiet_button, tip
from widgets.theme import HALF_GRID, colors

FIELDS: tuple[tuple[CaptionField, str, str, str], ...] = (
    (CaptionField.VERB, "Verb", "V", "Action verb, from the fixed vocabulary."),
    (CaptionField.OBJECT, "Object", "O", "What is manipulated, with colour or material."),
    (CaptionField.RELATION, "Relation", "R", "Preposition before the destination."),
    (CaptionField.DESTINATION, "Destination", "D", "Where the object goes."),
    (CaptionField.SOURCE, "Source", "S", "Where the object comes from."),
    (CaptionField.ARM, "Arm", "A", "Arm that acts; empty where the robot has one."),
)
"""Field, title, letter and meaning, in the order of the sentence."""
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


def number_of(field: CaptionField) -> int:
    """Digit of a field, from 1."""
    return [f for f, *_ in FIELDS].index(field) + 1


def field_of(digit: int) -> CaptionField | None:
    """Field of a digit from 1, None for others."""
    return FIELDS[digit - 1][0] if 1 <= digit <= len(FIELDS) else None


_SHORT = {CaptionField.RELATION: "Rel.", CaptionField.DESTINATION: "Dest."}


def _label(field: CaptionField, title: str, on: bool) -> str:
    """Text of a switch: its digit, or a tick."""
    return f"{'✓' if on else number_of(field)} {_SHORT.get(field, title)}"


class FieldToggles(QWidget):
    """A row of switches; with the focus, digits and letters switch them.

    Signals:
        switched: A field was switched: field, on.
        textWanted: T or Enter: on to the text.
        committed: Ctrl+Enter.
        left: Esc.
    """

    switched = Signal(object, bool)
    textWanted = Signal()
    committed = Signal()
    left = Signal()

    def __init__(self, question: str, parent: QWidget | None = None) -> None:
        """Make the row.

        Args:
            question: What a switch that is on says, e.g. `What is wrong?`.
            parent: Owner.
        """
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(question)
        self._question = question
        self._letters = {letter: field for field, _, letter, _ in FIELDS}
        self._buttons: dict[CaptionField, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(HALF_GRID)
        for number, (field, title, letter, about) in enumerate(FIELDS, 1):
            text = tip(title, about, question, f"Keys: {number} or {letter}; anywhere Alt+{number}")
            button = quiet_button(_label(field, title, on=False), text, self)
            button.setAccessibleName(title)
            button.setCheckable(True)
            button.toggled.connect(partial(self._show_switch, field, title))
            button.clicked.connect(lambda on, f=field: self.switched.emit(f, on))
            button.setMinimumWidth(1)
            row.addWidget(button, 1)
            self._buttons[field] = button
        keep_keys(self)
        self._paint_switches()

    def _show_switch(self, field: CaptionField, title: str, on: bool) -> None:
        self._buttons[field].setText(_label(field, title, on))

    def fields(self) -> tuple[CaptionField, ...]:
        """Fields that are on, in the order of the sentence."""
        return tuple(f for f, b in self._buttons.items() if b.isChecked())

    def set_fields(self, fields: Iterable[CaptionField]) -> None:
        """Switch these on and all others off; emits nothing."""
        chosen = set(fields)
        for field, button in self._buttons.items():
            button.setChecked(field in chosen)

    def set_enabled_fields(self, fields: Iterable[CaptionField] | None, why: str = "") -> None:
        """Allow only some of them (None: all); the others say why."""
        allowed = set(self._buttons) if fields is None else set(fields)
        for field, title, letter, about in FIELDS:
            button, on = self._buttons[field], field in allowed
            keys = f"Keys: {number_of(field)} or {letter}"
            button.setEnabled(on)
            button.setToolTip(tip(title, about, self._question if on else why, keys if on else ""))

    def set_values(self, values: Mapping[CaptionField, str]) -> None:
        """Say in the tool tips what the caption has."""
        for field, title, letter, about in FIELDS:
            has = values.get(field, "")
            self._buttons[field].setToolTip(
                tip(
                    title,
                    about,
                    f"The caption says “{has}”." if has else "The caption names none.",
                    f"Keys: {number_of(field)} or {letter}; anywhere Alt+{number_of(field)}",
                )
            )

    def switch(self, field: CaptionField) -> None:
        """Turn a field's switch, as a key does."""
        button = self._buttons[field]
        if button.isEnabled():
            button.setChecked(not button.isChecked())
            self.switched.emit(field, button.isChecked())

    def changeEvent(self, event: QEvent) -> None:
        """Recolour what is on with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_buttons"):
            self._paint_switches()
        super().changeEvent(event)

    def _paint_switches(self) -> None:
        theme = colors(self.palette())
        sheet = (
            f"QPushButton:checked {{ background: {theme.highlight};"
            f" color: {theme.highlighted_text}; border: 1px solid {theme.accent};"
            " border-radius: 3px; padding: 3px 2px; }"
        )
        if sheet != self.styleSheet():
            self.setStyleSheet(sheet)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Digits and letters switch, T and Enter go on, Ctrl+Enter commits, Esc leaves."""
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        text = event.text().upper()
        field = self._letters.get(text) or (field_of(int(text)) if text.isdecimal() else None)
        event.accept()
        if event.key() in _ENTER:
            (self.committed if control else self.textWanted).emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        elif field is not None and not event.isAutoRepeat():
            self.switch(field)
        elif text == "T":
            self.textWanted.emit()
        else:
            event.ignore()
