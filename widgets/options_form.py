"""A form made from an options dataclass (`pipeline.model.options`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from pipeline.backends.catalogue import Survey
from pipeline.model.options import OptionInfo, describe, with_option
from widgets.backend_choice import (
    MORE,
    backend_choices,
    device_choices,
    fill,
    placement_hint,
)
from widgets.fields import (
    EmptyHint,
    IconButton,
    guard_wheel,
    keep_keys,
    muted,
    quiet_button,
    tip,
)
from widgets.icons import Glyph
from widgets.theme import GRID, HALF_GRID, Status, colors, tabular

_INT_LIMIT = 2**31 - 1
_FLOAT_LIMIT = 1e9

Editor = QSpinBox | QDoubleSpinBox | QComboBox | QCheckBox | QLineEdit


def words(name: str) -> str:
    """Turn a field name into a label: `noise_floor` -> `Noise floor`."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def number_text(value: object, unit: str = "") -> str:
    """Write a value as people do: no `.0`, `on` and `off`, with its unit."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text} {unit}" if unit else text


def decimals_of(value: float) -> int:
    """Number of decimals that write `value` exactly, at most 6."""
    text = f"{value:.6f}".rstrip("0")
    return len(text.split(".")[1])


def step_of(default: float) -> float:
    """Step of an arrow: a tenth of the default's order of magnitude (0.6 -> 0.01... 8 -> 0.1)."""
    if default == 0:
        return 0.01
    return float(10.0 ** (math.floor(math.log10(abs(default))) - 1))


def describe_option(info: OptionInfo) -> str:
    """Tool tip of an option: what it does, its default, range and source."""
    allowed = ""
    if info.low is not None or info.high is not None:
        low = "no lower limit" if info.low is None else number_text(float(info.low))
        high = "no upper limit" if info.high is None else number_text(float(info.high))
        allowed = f"Range: {low} to {high}{f' {info.unit}' if info.unit else ''}"
    return tip(
        words(info.name),
        info.help,
        f"Default: {number_text(info.default, info.unit) or 'empty'}",
        allowed,
        f"Source: {info.source}",
    )


@dataclass(frozen=True)
class _Row:
    """Widgets of one option."""

    info: OptionInfo
    label: QLabel
    editor: Editor
    reset: IconButton


class OptionsForm(QWidget):
    """Shows and edits one options instance.

    A value that differs from its default has an accented label and a button that resets it.

    Attributes:
        optionsChanged: The user changed something; carries the new frozen instance.
        modelsWanted: The user wants the list of models; carries capability and backend.
    """

    optionsChanged = Signal(object)
    modelsWanted = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._options: Any = None
        self._rows: tuple[_Row, ...] = ()
        self._survey: Survey | None = None
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(GRID, HALF_GRID, HALF_GRID, HALF_GRID)
        self._grid.setHorizontalSpacing(HALF_GRID)
        self._grid.setVerticalSpacing(HALF_GRID)
        self._grid.setColumnStretch(0, 3)
        self._grid.setColumnStretch(1, 2)
        self._empty = EmptyHint("This stage has no options.", self)
        self._placement = muted(QLabel(self))
        self._placement.setTextFormat(Qt.TextFormat.PlainText)
        self._placement.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._placement.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        self._placement.hide()
        self._error = QLabel(self)
        self._error.setWordWrap(True)
        self._error.hide()
        self._reset_all = quiet_button("Reset to defaults", "", self)
        self._reset_all.clicked.connect(self._reset_everything)
        self._place()

    @property
    def options(self) -> Any:
        """The instance that is shown, or None."""
        return self._options

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the options that differ from their defaults."""
        if self._options is None:
            return ()
        return tuple(
            r.info.name for r in self._rows if getattr(self._options, r.info.name) != r.info.default
        )

    @property
    def capability(self) -> str:
        """Of the stage's backend, empty if it has none."""
        return next((r.info.capability for r in self._rows if r.info.capability), "")

    @property
    def placement(self) -> str:
        """What is said about where the backend runs."""
        return self._placement.text()

    def editor(self, name: str) -> Editor:
        """Return the editor of an option; KeyError if there is none."""
        for row in self._rows:
            if row.info.name == name:
                return row.editor
        raise KeyError(name)

    def set_options(self, options: Any) -> None:
        """Show an instance of an options dataclass, or None; emits nothing."""
        self._error.hide()
        if options is self._options and options is not None:
            return
        rebuild = type(options) is not type(self._options)
        self._options = options
        if rebuild:
            self._rebuild()
        self._refresh()

    def set_survey(self, survey: Survey) -> None:
        """Offer the backends and devices that were found; emits nothing."""
        self._survey = survey
        self._fill_choices()

    def set_unavailable(self, name: str, reasons: Mapping[str, str]) -> None:
        """Grey out choices of an option and say why (a backend without its weights).

        Args:
            name: Option with choices.
            reasons: Choice -> one sentence; choices that are not named are available.
        """
        box = self.editor(name)
        model = box.model() if isinstance(box, QComboBox) else None
        if not isinstance(box, QComboBox) or not isinstance(model, QStandardItemModel):
            raise KeyError(f"{name}: this option has no choices")
        for i in range(box.count()):
            item = model.item(i)
            reason = reasons.get(box.itemText(i), "")
            item.setEnabled(not reason)
            item.setToolTip(reason)

    # -- building --------------------------------------------------------------------------

    def _rebuild(self) -> None:
        for row in self._rows:
            for widget in (row.label, row.editor, row.reset):
                self._grid.removeWidget(widget)
                widget.hide()
                widget.deleteLater()
        infos = () if self._options is None else describe(self._options)
        self._rows = tuple(self._make_row(info) for info in infos)
        self._place()

    def _place(self) -> None:
        for widget in (self._empty, self._error, self._reset_all, self._placement):
            self._grid.removeWidget(widget)
        last = 0
        for row in self._rows:
            self._grid.addWidget(row.label, last, 0)
            self._grid.addWidget(row.editor, last, 1)
            self._grid.addWidget(row.reset, last, 2)
            last += 1
            if self._is_last_of_placement(row.info):
                self._grid.addWidget(self._placement, last, 0, 1, 2)
                last += 1
        self._grid.addWidget(self._empty, last, 0, 1, 3)
        self._grid.addWidget(self._error, last + 1, 0, 1, 3)
        self._grid.addWidget(self._reset_all, last + 2, 1, 1, 2, Qt.AlignmentFlag.AlignRight)
        for i in range(self._grid.rowCount()):
            self._grid.setRowStretch(i, 0)
        self._grid.setRowStretch(last + 3, 1)

    def _is_last_of_placement(self, info: OptionInfo) -> bool:
        return info.name == "precision" and bool(self.capability)

    def _is_device(self, info: OptionInfo) -> bool:
        return info.name == "device" and info.type is str

    def _fill_choices(self) -> None:
        """Offer what was found where the choices depend on the machine."""
        chosen = str(getattr(self._options, "backend", ""))
        weights = str(getattr(self._options, "weights", ""))
        for row in self._rows:
            value = str(getattr(self._options, row.info.name))
            if not isinstance(row.editor, QComboBox):
                continue
            if row.info.capability:
                found = backend_choices(row.info.capability, self._survey, value, weights)
                fill(row.editor, found, value, more=True)
            elif self._is_device(row.info):
                fill(row.editor, device_choices(self._survey, value), value)
        text = ""
        if self.capability and hasattr(self._options, "device"):
            text = placement_hint(
                self.capability,
                self._survey,
                chosen,
                str(self._options.device),
                str(getattr(self._options, "precision", "auto")),
            )
        self._placement.setText(text)
        self._placement.setToolTip(
            tip("Runs on", "Device and precision that the options above mean on this machine.")
        )
        self._placement.setVisible(bool(text))

    def _make_row(self, info: OptionInfo) -> _Row:
        label = QLabel(words(info.name), self)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        label.setMinimumWidth(10 * GRID)
        editor = self._make_editor(info)
        about = describe_option(info)
        label.setToolTip(about)
        editor.setToolTip(about)
        editor.setAccessibleName(words(info.name))
        editor.setAccessibleDescription(info.help)
        editor.setObjectName(info.name)
        editor.setMinimumWidth(11 * GRID)
        label.setBuddy(editor)
        default = number_text(info.default, info.unit)
        reset = IconButton(Glyph.RESET, f"Reset to {default or 'empty'}", self)
        policy = reset.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        reset.setSizePolicy(policy)
        reset.setMaximumHeight(editor.sizeHint().height())
        reset.clicked.connect(lambda: self._change(info.name, info.default))
        return _Row(info, label, editor, reset)

    def _make_editor(self, info: OptionInfo) -> Editor:
        name = info.name
        editor: Editor
        if info.type is bool:
            editor = QCheckBox(self)
            editor.toggled.connect(lambda on: self._change(name, bool(on)))
            # Space belongs to the player; Enter and clicks toggle nothing by accident.
            editor.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            return editor
        if info.choices or info.capability or self._is_device(info):
            editor = QComboBox(self)
            editor.addItems(list(info.choices))
            editor.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            editor.textActivated.connect(lambda text: self._choose(info, text))
        elif info.type is int:
            editor = QSpinBox(self)
            editor.setRange(
                -_INT_LIMIT if info.low is None else int(info.low),
                _INT_LIMIT if info.high is None else int(info.high),
            )
            editor.setSingleStep(max(1, round(step_of(float(info.default)))))
            editor.valueChanged.connect(lambda value: self._change(name, int(value)))
        elif info.type is float:
            editor = self._make_float(info)
            editor.valueChanged.connect(lambda value: self._change(name, float(value)))
        else:
            editor = QLineEdit(self)
            if name == "weights":
                editor.setPlaceholderText("its own")
            editor.editingFinished.connect(lambda: self._change_text(name))
        if isinstance(editor, QSpinBox | QDoubleSpinBox):
            editor.setKeyboardTracking(False)
            editor.setSuffix(f" {info.unit}" if info.unit else "")
            editor.setFont(tabular(editor.font()))
            editor.setAlignment(Qt.AlignmentFlag.AlignRight)
        guard_wheel(editor)
        keep_keys(editor)
        return editor

    def _make_float(self, info: OptionInfo) -> QDoubleSpinBox:
        box = QDoubleSpinBox(self)
        step = step_of(float(info.default))
        numbers = [float(info.default), float(getattr(self._options, info.name)), step]
        numbers += [float(v) for v in (info.low, info.high) if v is not None]
        box.setDecimals(max(map(decimals_of, numbers)))
        box.setRange(
            -_FLOAT_LIMIT if info.low is None else float(info.low),
            _FLOAT_LIMIT if info.high is None else float(info.high),
        )
        box.setSingleStep(step)
        return box

    # -- values ----------------------------------------------------------------------------

    def _refresh(self) -> None:
        self._fill_choices()
        changed = set(self.changed)
        accent = colors(self.palette()).accent
        for row in self._rows:
            self._show_value(row, getattr(self._options, row.info.name))
            differs = row.info.name in changed
            row.reset.setVisible(differs)
            row.label.setText(("• " if differs else "") + words(row.info.name))
            row.label.setStyleSheet(f"color: {accent};" if differs else "")
        self._empty.setVisible(not self._rows)
        self._empty.setText(
            "Select a stage to see its options."
            if self._options is None
            else "This stage has no options."
        )
        self._reset_all.setVisible(bool(self._rows))
        self._reset_all.setEnabled(bool(changed))
        self._reset_all.setToolTip(
            f"Reset {len(changed)} changed option{'s' if len(changed) > 1 else ''}"
            if changed
            else "All options are at their defaults"
        )

    @staticmethod
    def _show_value(row: _Row, value: Any) -> None:
        editor = row.editor
        blocker = QSignalBlocker(editor)
        if isinstance(editor, QCheckBox):
            editor.setChecked(bool(value))
            editor.setText("on" if value else "off")
        elif isinstance(editor, QComboBox):
            if editor.findText(str(value)) >= 0:
                editor.setCurrentText(str(value))
        elif isinstance(editor, QDoubleSpinBox):
            if editor.decimals() < decimals_of(value):
                editor.setDecimals(decimals_of(value))
            if editor.value() != value:
                editor.setValue(value)
        elif isinstance(editor, QSpinBox):
            if editor.value() != value:
                editor.setValue(value)
        elif editor.text() != str(value):
            editor.setText(str(value))
        del blocker

    def _choose(self, info: OptionInfo, text: str) -> None:
        if info.capability and text == MORE:
            self._fill_choices()
            self.modelsWanted.emit(info.capability, str(getattr(self._options, info.name)))
            return
        self._change(info.name, text)

    def _change_text(self, name: str) -> None:
        editor = self.editor(name)
        if isinstance(editor, QLineEdit):
            self._change(name, editor.text())

    def _change(self, name: str, value: Any) -> None:
        if self._options is None or getattr(self._options, name) == value:
            return
        try:
            options = with_option(self._options, name, value)
        except ValueError as error:
            self._refuse(str(error))
            return
        self._adopt(options)

    def _reset_everything(self) -> None:
        if self._options is not None:
            self._adopt(type(self._options)())

    def _adopt(self, options: Any) -> None:
        self._options = options
        self._error.hide()
        self._refresh()
        self.optionsChanged.emit(options)

    def _refuse(self, sentence: str) -> None:
        """Say why a value was not taken, and show the old one again."""
        self._refresh()
        self._error.setStyleSheet(f"color: {colors(self.palette()).status(Status.ERROR).name()};")
        self._error.setText(sentence)
        self._error.show()

    def changeEvent(self, event: QEvent) -> None:
        """Recolour the marks with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_reset_all"):
            self._refresh()
        super().changeEvent(event)
