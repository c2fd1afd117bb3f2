"""Sliders of the score's weights; what differs from the published values is marked."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QHBoxLayout, QLabel, QSlider, QWidget

from pipeline.evaluation.features import WEIGHT_OPTIONS, ScoreWeights
from pipeline.model.options import describe
from pipeline.scoring.formula import ScoresOptions
from widgets.fields import guard_wheel, keep_keys, quiet_button, tip
from widgets.theme import GRID, HALF_GRID, colors, tabular

_STEPS = 100
"""Slider steps per 1.0."""
PUBLISHED = ScoreWeights.of(ScoresOptions())
_KEYS = (
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
)


@dataclass(frozen=True, slots=True)
class _Weight:
    title: str
    most: float
    formula: str


_WEIGHTS = {
    "motion": _Weight("Motion", 1.5, "multiplies the normalised motion A~"),
    "detector": _Weight("Detector", 1.5, "multiplies the detector score D where proximity is 0"),
    "slope": _Weight("Slope", 0.75, "what D's weight loses as P~ goes to 1"),
    "proximity": _Weight("Proximity", 1.0, "multiplies the normalised proximity P~"),
    "penalty": _Weight("Penalty", 3.0, "scales the penalty of the overlap with the robot"),
    "spike": _Weight("Spike", 1.0, "extra penalty of (nearly) full overlap"),
}


class WeightSliders(QWidget):
    """One slider and one number for each weight.

    Signals:
        weightsChanged: `ScoreWeights` while the user moves a slider or types.
        editingFinished: The user let go.
    """

    weightsChanged = Signal(object)
    editingFinished = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Weights of the score")
        self._weights = PUBLISHED
        self._annotated = PUBLISHED
        self.sliders: dict[str, QSlider] = {}
        self.numbers: dict[str, QDoubleSpinBox] = {}
        self._names: dict[str, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(HALF_GRID)
        for row, item in enumerate(fields(ScoreWeights)):
            self._add_row(grid, row, item.name)
        self.as_annotated = quiet_button("As annotated", "", self)
        self.as_annotated.clicked.connect(lambda: self._choose(self._annotated))
        self.published = quiet_button("Published", "Back to the weights of the paper", self)
        self.published.clicked.connect(lambda: self._choose(PUBLISHED))
        line = QHBoxLayout()
        line.setSpacing(GRID)
        line.addStretch(1)
        line.addWidget(self.as_annotated)
        line.addWidget(self.published)
        grid.addLayout(line, len(_WEIGHTS), 0, 1, 3)
        self._show()

    def _add_row(self, grid: QGridLayout, row: int, name: str) -> None:
        weight, published = _WEIGHTS[name], getattr(PUBLISHED, name)
        info = _OPTIONS[name]
        words = tip(
            f"{weight.title} ({info.name})",
            info.help,
            f"In R: {weight.formula}. No unit. Published value: {published:g} ({info.source}).",
        )
        label = QLabel(weight.title, self)
        label.setToolTip(words)
        slider = QSlider(Qt.Orientation.Horizontal, self)
        slider.setRange(0, round(weight.most * _STEPS))
        slider.setPageStep(10)
        slider.setAccessibleName(f"{weight.title} weight")
        slider.setToolTip(words)
        slider.setMinimumWidth(10 * GRID)
        guard_wheel(slider)
        keep_keys(slider, _KEYS)
        number = QDoubleSpinBox(self)
        number.setDecimals(3)
        number.setSingleStep(0.01)
        number.setRange(
            0.0 if info.low is None else info.low, 10.0 if info.high is None else info.high
        )
        number.setFont(tabular(number.font()))
        number.setAccessibleName(f"{weight.title} weight, number")
        number.setToolTip(words)
        number.setKeyboardTracking(False)
        guard_wheel(number)
        keep_keys(number)
        slider.valueChanged.connect(lambda v, n=name: self._move(n, v / _STEPS))
        slider.sliderReleased.connect(self.editingFinished)
        number.valueChanged.connect(lambda v, n=name: self._move(n, v))
        for column, widget in enumerate((label, slider, number)):
            grid.addWidget(widget, row, column)
        self._names[name], self.sliders[name], self.numbers[name] = label, slider, number

    # -- values ------------------------------------------------------------------------------

    @property
    def weights(self) -> ScoreWeights:
        """Weights on show."""
        return self._weights

    def set_weights(self, weights: ScoreWeights) -> None:
        """Show weights; emits nothing."""
        self._weights = weights
        self._show()

    def set_annotated(self, weights: ScoreWeights) -> None:
        """Say with which weights the annotations were made."""
        self._annotated = weights
        self._show()

    def _move(self, name: str, value: float) -> None:
        if abs(value - getattr(self._weights, name)) > 1e-9:
            self._choose(replace(self._weights, **{name: value}))

    def _choose(self, weights: ScoreWeights) -> None:
        if weights != self._weights:
            self.set_weights(weights)
            self.weightsChanged.emit(weights)

    def _show(self) -> None:
        accent = colors(self.palette()).accent
        for name in _WEIGHTS:
            value, published = getattr(self._weights, name), getattr(PUBLISHED, name)
            slider, number, label = self.sliders[name], self.numbers[name], self._names[name]
            for widget in (slider, number):
                widget.blockSignals(True)
            slider.setValue(round(value * _STEPS))
            number.setValue(value)
            for widget in (slider, number):
                widget.blockSignals(False)
            differs = abs(value - published) > 1e-9
            text = f"● {_WEIGHTS[name].title}" if differs else _WEIGHTS[name].title
            if label.text() != text:
                label.setText(text)
                label.setAccessibleName(
                    f"{_WEIGHTS[name].title}: differs from the published {published:g}"
                    if differs
                    else _WEIGHTS[name].title
                )
                palette = self.palette()
                if differs:
                    palette.setColor(label.foregroundRole(), accent)
                label.setPalette(palette)
        self.as_annotated.setEnabled(self._weights != self._annotated)
        self.published.setEnabled(self._weights != PUBLISHED)
        self.as_annotated.setToolTip(
            "Back to the weights that the annotations were made with"
            if self._weights != self._annotated
            else "These are the weights that the annotations were made with"
        )
        self.published.setToolTip(
            "Back to the weights of the paper"
            if self._weights != PUBLISHED
            else "These are the weights of the paper"
        )


_OPTIONS = {
    field.name: info
    for field, option in zip(fields(ScoreWeights), WEIGHT_OPTIONS, strict=True)
    for info in describe(ScoresOptions)
    if info.name == option
}
