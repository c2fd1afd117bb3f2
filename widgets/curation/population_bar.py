"""Which annotations are looked at, and whose word counts."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QRadioButton, QWidget

from pipeline.annotations.table import AnnotationTable
from pipeline.curation.operating_points import Basis
from pipeline.curation.population import ALL, PopulationFilter
from widgets.fields import guard_wheel, muted, tip
from widgets.theme import GRID, HALF_GRID

_COLUMNS = ("task", "dataset", "arm", "camera")
_BASES = {
    Basis.TRUTH: ("Ground truth", "Boxes of the ground truth file beside the dataset."),
    Basis.PEOPLE: ("People", "Verdicts of reviews and spot checks."),
    Basis.BOTH: ("Both", "People where they said something, ground truth elsewhere."),
}


class PopulationBar(QWidget):
    """A choice per column, and the basis of right and wrong.

    Signals:
        filterChanged: A `PopulationFilter`.
        basisChanged: A `Basis`.
    """

    filterChanged = Signal(object)
    basisChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Population")
        self.choices: dict[str, QComboBox] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(muted(QLabel("Only", self)))
        for name in (*_COLUMNS, "code"):
            combo = QComboBox(self)
            combo.setAccessibleName(f"Only {name}")
            combo.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            combo.setMinimumContentsLength(9)
            guard_wheel(combo)
            combo.currentIndexChanged.connect(lambda _i: self.filterChanged.emit(self.filter))
            self.choices[name] = combo
            row.addWidget(combo)
        row.addStretch(1)
        row.addWidget(muted(QLabel("Right by", self)))
        self.bases: dict[Basis, QRadioButton] = {}
        for basis, (text, _) in _BASES.items():
            button = QRadioButton(text, self)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setAccessibleName(f"Right by: {text}")
            button.clicked.connect(lambda _c=False, b=basis: self.basisChanged.emit(b))
            row.addWidget(button)
            self.bases[basis] = button
        row.setContentsMargins(0, 0, 0, HALF_GRID)
        self.bases[Basis.BOTH].setChecked(True)
        self.set_table(None)

    # -- values ------------------------------------------------------------------------------

    def set_table(self, table: AnnotationTable | None) -> None:
        """Offer what a table holds; emits nothing. What was chosen stays where it is offered."""
        for name in _COLUMNS:
            values = sorted(v for v in getattr(table, name).values if v) if table else []
            self._fill(name, [(f"All {name}s", None), *((v, v) for v in values)])
        codes = sorted(table.warnings.values) if table else []
        entries: list[tuple[str, str | None]] = [("All codes", None)]
        entries += [(f"with {c}", f"+{c}") for c in codes]
        entries += [(f"without {c}", f"-{c}") for c in codes]
        self._fill("code", entries)

    def _fill(self, name: str, entries: list[tuple[str, str | None]]) -> None:
        combo = self.choices[name]
        chosen = combo.currentText()
        combo.blockSignals(True)
        combo.clear()
        for text, value in entries:
            combo.addItem(text, value)
        combo.setCurrentIndex(max(combo.findText(chosen), 0))
        combo.blockSignals(False)
        several = len(entries) > 2 or (name == "code" and len(entries) > 1)
        combo.setEnabled(several)
        combo.setVisible(several or name in ("task", "camera"))
        what = "warning code of the stages" if name == "code" else name
        combo.setToolTip(
            tip(f"Only one {what}", "Everything in this window is about these annotations then.")
            if several
            else f"There is only one {what}"
        )

    @property
    def filter(self) -> PopulationFilter:
        """What is chosen."""
        code = self.choices["code"].currentData()
        wanted: dict[str, str | None] = {n: self.choices[n].currentData() for n in _COLUMNS}
        if code:
            wanted["with_code" if code[0] == "+" else "without_code"] = code[1:]
        return PopulationFilter(**wanted)

    def clear(self) -> None:
        """Look at all; emits `filterChanged` if that is a change."""
        if self.filter == ALL:
            return
        for combo in self.choices.values():
            combo.blockSignals(True)
            combo.setCurrentIndex(0)
            combo.blockSignals(False)
        self.filterChanged.emit(self.filter)

    def set_basis(self, basis: Basis) -> None:
        """Show whose word counts; emits nothing."""
        self.bases[basis].setChecked(True)

    def set_judged(self, counts: dict[Basis, int]) -> None:
        """Say how many annotations each basis knows anything about."""
        for basis, button in self.bases.items():
            text, what = _BASES[basis]
            count = counts.get(basis, 0)
            button.setToolTip(
                tip(text, what, f"Says something about {count:,} of the annotations.")
            )
