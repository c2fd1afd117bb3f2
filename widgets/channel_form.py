"""How one arm's channels are taken: closed end, combination, normalisation, kind of motion."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QWidget,
)

from pipeline.model.demonstration import ClosedIs, Combine, MotionKind
from pipeline.stages.phase_options import PhasesOptions
from widgets.channel_choice import ArmChoice
from widgets.fields import guard_wheel, muted, tip
from widgets.theme import GRID, HALF_GRID, tabular

_CLOSED = {ClosedIs.LOW: "Low values", ClosedIs.HIGH: "High values (inverted)"}
_COMBINE = {
    Combine.MEAN: "Mean of them",
    Combine.MIN: "The most closed",
    Combine.MAX: "The most open",
}
_KIND = {MotionKind.JOINT: "Joints", MotionKind.END_EFFECTOR: "End effector"}


class ChannelForm(QWidget):
    """Shows and edits how the channels of one arm are taken.

    Attributes:
        choiceChanged: The `ArmChoice` with what the user changed.
        kindChosen: The user wants channels of this `MotionKind`; which ones, the parent decides.
    """

    choiceChanged = Signal(object)
    kindChosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choice = ArmChoice("")
        self._options = PhasesOptions()
        self._closed = _combo(
            self, "Closed is", "Which end of the channels means closed.", list(_CLOSED.values())
        )
        self._combine = _combo(
            self,
            "Combine",
            "How several channels become one opening, after each was scaled to 0 closed … 1 open.",
            list(_COMBINE.values()),
        )
        self._own = QCheckBox("Own percentiles", self)
        self._low = _percentile(self, "Low percentile", "taken as the low end of each channel")
        self._low.setMaximum(99.0)
        self._high = _percentile(self, "High percentile", "taken as the high end of each channel")
        self._high.setMinimum(1.0)
        self._kind = _combo(
            self,
            "Motion from",
            "What tells a moving arm from a resting one. Choosing takes the channels that are "
            "named like it; their rates are added as one norm, so they should have one unit.",
            list(_KIND.values()),
        )
        self._own.setToolTip(
            tip("Own percentiles", "Off: the percentiles of the stage's options are taken.")
        )
        self._own.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._closed.activated.connect(self._tell)
        self._combine.activated.connect(self._tell)
        self._own.toggled.connect(self._tell)
        self._low.valueChanged.connect(self._tell)
        self._high.valueChanged.connect(self._tell)
        kinds = list(_KIND)
        self._kind.activated.connect(lambda row: self.kindChosen.emit(kinds[row]))
        self._build_layout()

    def _build_layout(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(HALF_GRID)
        ends = QHBoxLayout()
        ends.setSpacing(HALF_GRID)
        ends.addWidget(self._own)
        ends.addStretch(1)
        ends.addWidget(self._low)
        ends.addWidget(muted(QLabel("to", self)))
        ends.addWidget(self._high)
        rows = (("Closed is", self._closed), ("Combine", self._combine))
        for row, (label, field) in enumerate(rows):
            grid.addWidget(QLabel(label, self), row, 0)
            grid.addWidget(field, row, 1)
        grid.addWidget(QLabel("Normalise", self), 2, 0)
        grid.addLayout(ends, 2, 1)
        grid.addWidget(QLabel("Motion from", self), 3, 0)
        grid.addWidget(self._kind, 3, 1)
        grid.setColumnStretch(1, 1)

    def set_choice(self, choice: ArmChoice, options: PhasesOptions) -> None:
        """Show a choice; emits nothing.

        Args:
            choice: Of one arm.
            options: Of the phases: their percentiles are shown where the arm has no own.
        """
        self._choice, self._options = choice, options
        blockers = [QSignalBlocker(w) for w in (self._own, self._low, self._high)]
        self._closed.setCurrentText(_CLOSED[choice.closed_is])
        self._combine.setCurrentText(_COMBINE[choice.combine])
        self._kind.setCurrentText(_KIND[choice.kind])
        own = choice.percentiles is not None
        low, high = choice.percentiles or (options.low_percentile, options.high_percentile)
        self._own.setChecked(own)
        self._low.setValue(low)
        self._high.setValue(high)
        for field in (self._low, self._high):
            field.setEnabled(own)
        several = len(choice.gripper) > 1
        self._combine.setEnabled(several)
        about = "How several channels become one opening, after each was scaled to 0 … 1."
        self._combine.setToolTip(
            tip("Combine", about if several else "One channel needs no combining.")
        )
        del blockers

    def _tell(self) -> None:
        percentiles = None
        if self._own.isChecked():
            low, high = self._low.value(), self._high.value()
            percentiles = (min(low, high - 1.0), high)
        closed = next(k for k, v in _CLOSED.items() if v == self._closed.currentText())
        combine = next(k for k, v in _COMBINE.items() if v == self._combine.currentText())
        self.choiceChanged.emit(
            replace(self._choice, closed_is=closed, combine=combine, percentiles=percentiles)
        )


def _combo(parent: QWidget, name: str, about: str, items: list[str]) -> QComboBox:
    box = QComboBox(parent)
    box.addItems(items)
    box.setAccessibleName(name)
    box.setToolTip(tip(name, about))
    guard_wheel(box)
    return box


def _percentile(parent: QWidget, name: str, about: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox(parent)
    box.setRange(0.0, 100.0)
    box.setDecimals(1)
    box.setSuffix(" %")
    box.setFont(tabular(box.font()))
    box.setAccessibleName(name)
    box.setToolTip(tip(name, f"Percentile of the values {about}; spikes are left out before."))
    guard_wheel(box)
    return box
