"""Numbers of the threshold: R itself, a target precision, and what is compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QWidget,
)

from pipeline.curation.operating_points import OperatingPoint
from pipeline.curation.threshold import Reference
from pipeline.evaluation.rescoring import ScoreWeights
from widgets.curation.threshold_words import reference_words
from widgets.curation.weight_sliders import PUBLISHED
from widgets.fields import guard_wheel, keep_keys, quiet_button, tip
from widgets.theme import GRID, HALF_GRID, Status, colors, tabular

_NAME_WIDTH = 31 * GRID
"""Pixels of a name in the list of what is compared with; its tool tip has the rest."""
_EVERYTHING, _OPENED, _PINNED = "everything", "opened", "pinned"


class ThresholdControls(QWidget):
    """Threshold, target and comparison as fields.

    Signals:
        thresholdChosen: R.
        targetChosen: Precision 0..1, or None for no target.
        referenceChosen: A `Reference`.
        pinRequested: Compare with the present setting from now on.
    """

    thresholdChosen = Signal(float)
    targetChosen = Signal(object)
    referenceChosen = Signal(object)
    pinRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Threshold and target")
        self._references: dict[str, Reference] = {
            _EVERYTHING: Reference("everything kept", -math.inf, PUBLISHED)
        }
        self.threshold = QDoubleSpinBox(self)
        self.threshold.setDecimals(5)
        self.threshold.setRange(-1000.0, 1000.0)
        self.threshold.setSingleStep(0.001)
        self.threshold.setAccessibleName("Threshold of R")
        self.threshold.setToolTip(
            tip(
                "Threshold",
                "Annotations with reliability R at least this are kept. No unit. R depends on the "
                "weights, so that a threshold means nothing without them.",
            )
        )
        self.target = QDoubleSpinBox(self)
        self.target.setDecimals(3)
        self.target.setRange(0.0, 1.0)
        self.target.setSingleStep(0.005)
        self.target.setSpecialValueText("none")
        self.target.setAccessibleName("Target precision")
        for field in (self.threshold, self.target):
            field.setKeyboardTracking(False)
            field.setFont(tabular(field.font()))
            guard_wheel(field)
            keep_keys(field)
        self.threshold.valueChanged.connect(self.thresholdChosen)
        self.target.valueChanged.connect(lambda v: self.targetChosen.emit(v if v > 0 else None))
        self.compared = QComboBox(self)
        self.compared.setAccessibleName("Compared with")
        self.compared.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.compared.setMinimumContentsLength(24)
        guard_wheel(self.compared)
        self.compared.currentIndexChanged.connect(self._tell_reference)
        self.pin = quiet_button("Pin", "Compare with threshold and weights as they are now", self)
        self.pin.setFixedWidth(self.pin.fontMetrics().horizontalAdvance("Pin") + 3 * GRID)
        self.pin.clicked.connect(self.pinRequested)
        self.hold = QCheckBox("Keep as many while weights move", self)
        self.hold.setChecked(True)
        self.hold.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hold.setToolTip(
            tip(
                "Keep as many while weights move",
                "Weights move all scores, so that the same R means something else. On: the "
                "threshold follows, so that as many are kept and rankings are compared at equal "
                "coverage. Off: the number stays. A target precision goes before both.",
            )
        )
        self.note = QLabel(self)
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setAccessibleName("About the target")
        self.note.hide()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(GRID)
        form.setVerticalSpacing(HALF_GRID)
        form.addRow("Threshold  R ≥", self.threshold)
        form.addRow("Target precision", self.target)
        form.addRow(self.note)
        form.addRow(self.hold)
        line = QHBoxLayout()
        line.setSpacing(HALF_GRID)
        about = QLabel("Compared with", self)
        about.setBuddy(self.compared)
        line.addWidget(about, 1)
        line.addWidget(self.pin)
        form.addRow(line)
        form.addRow(self.compared)  # names of points are long
        self.set_target(None, False)
        self._fill(_EVERYTHING)

    # -- setters -----------------------------------------------------------------------------

    def set_threshold(self, threshold: float, ends: tuple[float, float]) -> None:
        """Show R; emits nothing."""
        self.threshold.blockSignals(True)
        self.threshold.setValue(threshold)
        self.threshold.blockSignals(False)
        step = (ends[1] - ends[0]) / 1000
        if step > 0:
            self.threshold.setSingleStep(10 ** math.floor(math.log10(step * 2)))

    def set_target(self, precision: float | None, known: bool) -> None:
        """Show the target; emits nothing. Without judgements there can be none."""
        self.target.blockSignals(True)
        self.target.setValue(precision or 0.0)
        self.target.blockSignals(False)
        self.target.setEnabled(known)
        self.target.setToolTip(
            tip(
                "Target precision",
                "The threshold that keeps most with at least this share of right ones among the "
                "judged ones kept (the point of Cov@p), while weights move, too. Chosen on the "
                "items that judge it: on new ones it is a little lower.",
                "" if known else "Nothing is judged yet: run a spot check, or add ground truth.",
            )
        )

    def set_note(self, text: str) -> None:
        """Say that the target cannot be met; empty if all is well."""
        self.note.setText(text)
        self.note.setVisible(bool(text))
        palette = self.palette()
        palette.setColor(self.note.foregroundRole(), colors(self.palette()).status(Status.WARNING))
        self.note.setPalette(palette)

    def set_opened(self, threshold: float, weights: ScoreWeights, annotated: ScoreWeights) -> None:
        """Say how the window was opened. The newest saved point is compared with, else this.

        Args:
            threshold: R.
            weights: Its weights.
            annotated: Weights with which the annotations were made.
        """
        self._references[_OPENED] = Reference("opening threshold", threshold, weights)
        saved = next((k for k in self._references if k not in _FIXED), _OPENED)
        self._references[_EVERYTHING] = Reference("everything kept", -math.inf, annotated)
        self._references.pop(_PINNED, None)
        self._fill(saved)

    def set_points(self, points: Sequence[OperatingPoint]) -> None:
        """Offer saved points, oldest first, to compare with; a new one is chosen."""
        before = set(self._references)
        fixed = {k: v for k, v in self._references.items() if k in _FIXED}
        saved = {
            p.uuid: Reference(f"“{p.name}” (R ≥ {p.threshold:.4g})", p.threshold, p.weights, p.at)
            for p in reversed(points)
        }
        self._references = saved | fixed
        new = next((k for k in saved if k not in before), None)
        self._fill(new or self._chosen())

    def set_pinned(self, threshold: float, weights: ScoreWeights) -> None:
        """Compare with this setting."""
        self._references[_PINNED] = Reference(f"the pinned R ≥ {threshold:.4g}", threshold, weights)
        self._fill(_PINNED)

    def choose_point(self, point: OperatingPoint) -> None:
        """Compare with a saved point; emits nothing."""
        if point.uuid in self._references:
            self._fill(point.uuid)

    @property
    def reference(self) -> Reference:
        """What is compared with."""
        return self._references[self._chosen()]

    # -- inside ------------------------------------------------------------------------------

    def _chosen(self) -> str:
        key = self.compared.currentData()
        return key if key in self._references else _EVERYTHING

    def _fill(self, chosen: str) -> None:
        self.compared.blockSignals(True)
        self.compared.clear()
        for key, reference in self._references.items():
            name = self.fontMetrics().elidedText(
                reference.name, Qt.TextElideMode.ElideMiddle, _NAME_WIDTH
            )
            self.compared.addItem(name, key)
            place = self.compared.count() - 1
            self.compared.setItemData(place, reference.name, Qt.ItemDataRole.ToolTipRole)
        self.compared.setCurrentIndex(max(self.compared.findData(chosen), 0))
        self.compared.blockSignals(False)
        self._explain()

    def _tell_reference(self) -> None:
        self._explain()
        self.referenceChosen.emit(self.reference)

    def _explain(self) -> None:
        self.compared.setToolTip(
            tip(
                "Compared with",
                "Who enters and who leaves is told against this setting.",
                f"{self.reference.name}: {reference_words(self.reference)}",
            )
        )


_FIXED = (_EVERYTHING, _OPENED, _PINNED)
