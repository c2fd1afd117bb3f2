"""Set-up of a spot check: population, strata, size; with what it would draw, live."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtGui import QDoubleValidator, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidgetItem,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from pipeline.review.spot_plan import Allocation, Cut, Keep, Population, SpotPlan
from pipeline.review.spot_sampling import Preview
from widgets.fields import guard_wheel, keep_keys, muted, quiet_button, scrolled, tip
from widgets.plain_views import fill_row, plain_list, plain_table
from widgets.spot_choices import SessionLine, SpotChoices
from widgets.theme import GRID

_HEADS = ("Stratum", "Annotations", "Drawn")
_HEAD_TIPS = (
    "Part of the population that is sampled on its own.",
    "Annotations of the population in it.",
    "Of these, to be judged.",
)


class SpotSetup(QWidget):
    """The form, the strata that it would make, and the spot checks that were begun.

    Signals:
        planChanged: A `SpotPlan`, or None if the form makes none.
        started: A `SpotPlan` and the person's name.
        continued: Path of a journal, and the person's name.
    """

    planChanged = Signal(object)
    started = Signal(object, str)
    continued = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Set-up of a spot check")
        self._quiet = False
        self._filters = {
            name: self._combo(f"Only one {name}") for name in ("dataset", "task", "camera", "arm")
        }
        self.codes = self._combo("Annotations with or without a warning")
        self.keep = self._combo("Side of the threshold")
        self.threshold = self._number("Threshold of R", "none")
        self.least = self._number("R at least", "no limit")
        self.most = self._number("R below", "no limit")
        self.cuts = {cut: QCheckBox(text, self) for cut, text in _CUTS.items()}
        self.bins = self._count("Reliability bins", 2, 20, 4)
        self.allocation = self._combo("Allocation")
        self.by_size = QRadioButton("items", self)
        self.by_width = QRadioButton("half-width, ± points", self)
        self.items = self._count("Items to draw", 1, 100_000, 100)
        self.width_wanted = self._share("Wanted half-width, percentage points", 0.5, 40.0, 5.0)
        self.expected = self._share("Expected precision, %", 1.0, 99.9, 90.0)
        self.seed = self._count("Seed", 0, 2_000_000_000, 0)
        self.who = QLineEdit(self)
        self.begin = quiet_button("Draw the sample and begin  (Ctrl+Enter)", "", self)
        self.summary = QLabel(self)
        self.strata = plain_table("Strata", _HEADS, _HEAD_TIPS, self)
        self.sessions = plain_list("Spot checks begun", self)
        self._fill()
        self._lay_out()
        self._connect()
        self.set_choices(None)

    # -- what it shows ---------------------------------------------------------------------

    def set_choices(self, choices: SpotChoices | None) -> None:
        """Offer what a table has; None for no annotations."""
        self._quiet = True
        known = choices or SpotChoices((), (), (), (), (), False, False)
        for name, values in (
            ("dataset", known.datasets),
            ("task", known.tasks),
            ("camera", known.cameras),
            ("arm", known.arms),
        ):
            combo = self._filters[name]
            combo.clear()
            combo.addItem("all", "")
            for value in values:
                combo.addItem(value.removeprefix("observation.images."), value)
            combo.setEnabled(len(values) > 1)
            why = "" if len(values) > 1 else f"There is only one {name}."
            combo.setToolTip(tip(f"Only one {name}", why))
        self.codes.clear()
        self.codes.addItem("with or without warnings", "")
        for code in known.codes:
            self.codes.addItem(f"with {code}", code)
        for code in known.codes:
            self.codes.addItem(f"without {code}", f"-{code}")
        self.codes.setEnabled(bool(known.codes))
        several = {
            Cut.RELIABILITY: known.scored,
            Cut.TASK: len(known.tasks) > 1,
            Cut.CAMERA: len(known.cameras) > 1,
            Cut.ARM: len(known.arms) > 1,
            Cut.DATASET: len(known.datasets) > 1,
            Cut.REVIEWER: known.people,
        }
        for cut, box in self.cuts.items():
            box.setEnabled(several[cut])
            box.setChecked(several[cut] and cut is Cut.RELIABILITY)
            why = "" if several[cut] else "All annotations are the same in this."
            box.setToolTip(tip(f"Strata by {_CUTS[cut]}", why))
        self.setEnabled(choices is not None)
        self._quiet = False
        self._tell()

    def set_threshold(self, threshold: float | None) -> None:
        """Take over the threshold of the curation window."""
        self._quiet = True
        self.threshold.setText("" if threshold is None else f"{threshold:.6g}")
        self._quiet = False
        self._tell()

    def set_who(self, who: str) -> None:
        """Name of the person."""
        self.who.setText(who)

    def set_preview(self, preview: Preview | None, reason: str = "") -> None:
        """Show what the plan would draw, or why nothing.

        Args:
            preview: None while it is not known, or if the plan is impossible.
            reason: Why it is impossible, one sentence.
        """
        self.begin.setEnabled(preview is not None)
        why = reason or ("" if preview is not None else "The strata are not known yet.")
        self.begin.setToolTip(
            tip("Draw the sample (Ctrl+Enter)", why or "The same seed draws the same sample.")
        )
        if preview is None:
            self.summary.setText(reason or "…")
            if reason:
                self.strata.setRowCount(0)
            return
        count = sum(s.population for s in preview.strata)
        self.summary.setText(
            f"{preview.size:,} of {count:,} annotations, "
            f"± {100 * preview.half_width:.1f} points expected at "
            f"{self.expected.value():g} % precision"
        )
        self.strata.setRowCount(len(preview.strata))
        for row, stratum in enumerate(preview.strata):
            cells = (stratum.name, f"{stratum.population:,}", f"{stratum.sampled:,}")
            told = tip(
                stratum.name,
                f"{stratum.population:,} annotations in the stratum, "
                f"{stratum.sampled:,} of them are drawn at random, without replacement.",
            )
            fill_row(self.strata, row, cells, told)

    def set_sessions(self, sessions: Sequence[SessionLine]) -> None:
        """Offer the spot checks that were begun."""
        self.sessions.clear()
        for session in sessions:
            line = QListWidgetItem(session.text)
            line.setData(Qt.ItemDataRole.UserRole, session.path)
            line.setToolTip(tip("Go on with it", session.text, "Click to continue or to look."))
            self.sessions.addItem(line)
        if not sessions:
            self.sessions.addItem("none yet")

    # -- what the person means -------------------------------------------------------------

    def plan(self) -> SpotPlan:
        """What the form says."""
        code = str(self.codes.currentData() or "")
        chosen = {n: str(c.currentData() or "") for n, c in self._filters.items()}
        by_width = self.by_width.isChecked()
        return SpotPlan(
            population=Population(
                datasets=_one(chosen["dataset"]),
                tasks=_one(chosen["task"]),
                cameras=_one(chosen["camera"]),
                arms=_one(chosen["arm"]),
                with_codes=_one("" if code.startswith("-") else code),
                without_codes=_one(code[1:] if code.startswith("-") else ""),
                least=_limit(self.least),
                most=_limit(self.most),
                keep=Keep(self.keep.currentData() or Keep.ALL),
                threshold=_limit(self.threshold),
            ),
            cuts=tuple(c for c, box in self.cuts.items() if box.isChecked() and box.isEnabled()),
            bins=self.bins.value(),
            allocation=Allocation(self.allocation.currentData() or Allocation.PROPORTIONAL),
            size=None if by_width else self.items.value(),
            half_width=self.width_wanted.value() / 100 if by_width else None,
            expected=self.expected.value() / 100,
            seed=self.seed.value(),
        )

    def _tell(self) -> None:
        if self._quiet:
            return
        self.items.setEnabled(self.by_size.isChecked())
        self.width_wanted.setEnabled(self.by_width.isChecked())
        self.bins.setEnabled(self.cuts[Cut.RELIABILITY].isChecked())
        self.planChanged.emit(self.plan() if self.isEnabled() else None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Enter begins, from any field."""
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            if self.begin.isEnabled():
                self._start()
        else:
            super().keyPressEvent(event)

    def _start(self) -> None:
        self.started.emit(self.plan(), self.who.text().strip())

    def _continue(self, line: QListWidgetItem) -> None:
        path = line.data(Qt.ItemDataRole.UserRole)
        if path is not None:
            self.continued.emit(path, self.who.text().strip())

    # -- making ----------------------------------------------------------------------------

    def _fill(self) -> None:
        for keep, text in (
            (Keep.ALL, "kept and dropped"),
            (Keep.KEPT, "kept"),
            (Keep.DROPPED, "dropped"),
        ):
            self.keep.addItem(text, keep)
        for allocation, text in (
            (Allocation.PROPORTIONAL, "in proportion to the stratum"),
            (Allocation.EQUAL, "the same for each stratum"),
            (Allocation.NEYMAN, "more where R is low (Neyman)"),
        ):
            self.allocation.addItem(text, allocation)
        self.allocation.setToolTip(
            tip("Allocation", "How the sample is spread; at least two of each stratum.")
        )
        self.by_size.setChecked(True)
        self.by_width.setToolTip(
            tip(
                "Half-width",
                "Draws what is expected to be needed, and tells when it is reached. Intervals are "
                "then computed at 96 %, since they are looked at after every answer.",
            )
        )
        self.expected.setToolTip(
            tip("Expected precision", "Only for planning: how many items a half-width needs.")
        )
        self.seed.setToolTip(tip("Seed", "The same seed draws the same sample on any machine."))
        self.who.setPlaceholderText("your name")
        self.who.setAccessibleName("Your name")
        self.who.setToolTip(tip("Your name", "Several people may judge the same sample."))
        keep_keys(self.who)
        self.sessions.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.sessions.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        keep_keys(self.sessions, (Qt.Key.Key_Return, Qt.Key.Key_Enter))
        self.summary.setWordWrap(True)
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setAccessibleName("What would be drawn")

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(_title("Population", self))
        for name, combo in self._filters.items():
            form.addRow(name.capitalize(), combo)
        form.addRow("Warnings", self.codes)
        form.addRow("R", _row(self.least, QLabel("to", self), self.most))
        form.addRow("Threshold of R", _row(self.threshold, self.keep))
        form.addRow(_title("Strata", self))
        cuts = QGridLayout()
        cuts.setSpacing(GRID)
        for place, box in enumerate(self.cuts.values()):
            cuts.addWidget(box, place // 2, place % 2)
        form.addRow("Cut by", cuts)
        form.addRow("Reliability bins", self.bins)
        form.addRow("Allocation", self.allocation)
        form.addRow(_title("Size", self))
        form.addRow("Draw", _row(self.items, self.by_size))
        form.addRow("", _row(self.width_wanted, self.by_width))
        form.addRow("Expected precision, %", self.expected)
        form.addRow("Seed", self.seed)
        form.addRow("Reviewer", self.who)
        body = QWidget(self)
        body.setLayout(form)
        scroll = scrolled(body, self)
        scroll.setMaximumWidth(90 * GRID)
        beside = QWidget(self)
        beside.setMaximumWidth(110 * GRID)
        right = QVBoxLayout(beside)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(GRID)
        right.addWidget(_title("What would be drawn", self))
        right.addWidget(self.summary)
        right.addWidget(self.strata, 2)
        right.addWidget(self.begin)
        right.addSpacing(GRID)
        right.addWidget(_title("Begun before", self))
        right.addWidget(
            muted(QLabel("Click one, or press Enter, to go on or to see its result.", self))
        )
        right.addWidget(self.sessions, 1)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(GRID, GRID, GRID, GRID)
        whole.setSpacing(3 * GRID)
        # What is left of a wide window stays empty: long lines of fields are hard to read.
        whole.addWidget(scroll, 100)
        whole.addWidget(beside, 100)
        whole.addStretch(1)

    def _connect(self) -> None:
        for combo in (*self._filters.values(), self.codes, self.keep, self.allocation):
            combo.currentIndexChanged.connect(self._tell)
        for spin in (self.bins, self.items, self.seed):
            spin.valueChanged.connect(self._tell)
        for line in (self.threshold, self.least, self.most):
            line.textChanged.connect(self._tell)
        for share in (self.width_wanted, self.expected):
            share.valueChanged.connect(self._tell)
        for box in self.cuts.values():
            box.toggled.connect(self._tell)
        self.by_size.toggled.connect(self._tell)
        self.begin.clicked.connect(self._start)
        self.sessions.itemClicked.connect(self._continue)
        self.sessions.itemActivated.connect(self._continue)

    def _combo(self, name: str) -> QComboBox:
        combo = QComboBox(self)
        combo.setAccessibleName(name)
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(12)
        guard_wheel(combo)
        return combo

    def _count(self, name: str, least: int, most: int, value: int) -> QSpinBox:
        spin = QSpinBox(self)
        spin.setRange(least, most)
        spin.setValue(value)
        spin.setAccessibleName(name)
        spin.setKeyboardTracking(False)
        guard_wheel(spin)
        keep_keys(spin)
        return spin

    def _share(self, name: str, least: float, most: float, value: float) -> QDoubleSpinBox:
        spin = QDoubleSpinBox(self)
        spin.setDecimals(1)
        spin.setRange(least, most)
        spin.setSingleStep(0.5)
        spin.setValue(value)
        spin.setAccessibleName(name)
        spin.setKeyboardTracking(False)
        guard_wheel(spin)
        keep_keys(spin)
        return spin

    def _number(self, name: str, nothing: str) -> QLineEdit:
        line = QLineEdit(self)
        line.setPlaceholderText(nothing)
        line.setAccessibleName(name)
        line.setToolTip(tip(name, "R is the reliability of an annotation; empty for none."))
        validator = QDoubleValidator(-1e6, 1e6, 6, line)
        validator.setLocale(QLocale.c())
        line.setValidator(validator)
        line.setMinimumWidth(9 * GRID)
        keep_keys(line)
        return line


_CUTS = {
    Cut.RELIABILITY: "reliability R",
    Cut.TASK: "task",
    Cut.CAMERA: "camera",
    Cut.ARM: "arm",
    Cut.DATASET: "dataset",
    Cut.REVIEWER: "chosen by score or person",
}


def _one(value: str) -> tuple[str, ...]:
    return (value,) if value else ()


def _limit(line: QLineEdit) -> float | None:
    try:
        return float(line.text())
    except ValueError:
        return None


def _title(text: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    label.setContentsMargins(0, GRID // 2, 0, 0)
    return label


def _row(*parts: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(GRID)
    for part in parts:
        row.addWidget(part, 0 if isinstance(part, QLabel | QRadioButton) else 1)
    return row
