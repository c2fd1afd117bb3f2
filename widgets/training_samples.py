"""Training samples to export, and the figures of the people who made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QDate, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDateEdit,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from widgets.fields import guard_wheel, keep_keys, muted, quiet_button, thin_bar, tip
from widgets.theme import GRID, HALF_GRID, tabular

_FORMATS = (
    ("captions", "Captions: one line per caption"),
    ("preferences", "Preferences: rejected and chosen caption"),
    ("critiques", "Critiques: draft and what to do about it"),
    ("yes-no", "Yes / no: is this caption right?"),
)
_COLUMNS = (
    ("Person", "Name as in the reviews."),
    ("Judged", "Captions whose newest verdict is theirs."),
    ("Reviewed", "Of their captions, those that a reviewer looked at."),
    ("Accuracy", "Share of their reviewed captions that the newest reviewer agrees with."),
    (
        "Flags: prec.",
        "Of the fields they flagged, the share that no reviewer called a false alarm.",
    ),
    ("recall", "Of the fields that were wrong, the share that they flagged."),
    ("Reviews", "Reviews they wrote."),
    ("Caught: prec.", "Of their objections, the share after which the caption was changed."),
    (
        "recall",
        "Of the captions they reviewed that were changed later, the share they objected to.",
    ),
)


@dataclass(frozen=True, slots=True)
class SampleChoice:
    """What shall be exported.

    Attributes:
        form: `captions`, `preferences`, `critiques` or `yes-no`.
        everything: Also drafts and rejected captions.
        agreed: Only what a reviewer agreed with.
        least_score: R at least, None for any.
        person: Whose verdict, empty for all.
        since: First day, `YYYY-MM-DD`, or empty.
        until: Last day, `YYYY-MM-DD`, or empty.
        recipe: Recipe of the draft, or empty.
    """

    form: str = "captions"
    everything: bool = False
    agreed: bool = False
    least_score: float | None = None
    person: str = ""
    since: str = ""
    until: str = ""
    recipe: str = ""


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person's figures as they are shown.

    Attributes:
        cells: One text per column.
    """

    cells: tuple[str, ...]


class TrainingSamples(QWidget):
    """Choose what is exported, see how many captions that is, and who made them.

    Signals:
        choiceChanged: (SampleChoice) Something else was chosen.
        exportAsked: (SampleChoice)
        cancelAsked: The export in progress shall end.
    """

    choiceChanged = Signal(object)
    exportAsked = Signal(object)
    cancelAsked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reason = ""
        self._running = False
        form = QFormLayout()
        form.setHorizontalSpacing(GRID)
        form.setVerticalSpacing(HALF_GRID)
        self.format = QComboBox(self)
        for name, title in _FORMATS:
            self.format.addItem(title, name)
        form.addRow("Format", self.format)
        self.everything = QCheckBox("Also drafts and rejected captions", self)
        self.agreed = QCheckBox("Only what a reviewer agreed with", self)
        row = QHBoxLayout()
        row.addWidget(self.everything)
        row.addWidget(self.agreed)
        row.addStretch(1)
        form.addRow("Captions", row)
        self.limits_score = QCheckBox("R at least", self)
        self.score = QDoubleSpinBox(self)
        self.score.setRange(-10.0, 10.0)
        self.score.setSingleStep(0.05)
        self.score.setValue(0.8)
        self.score.setEnabled(False)
        self.score.setToolTip(tip("R", "Reliability of the chosen candidate (formula: Why score)"))
        self.limits_score.toggled.connect(self.score.setEnabled)
        score = QHBoxLayout()
        score.addWidget(self.limits_score)
        score.addWidget(self.score)
        score.addStretch(1)
        form.addRow("Reliability", score)
        self.person = QComboBox(self)
        self.person.addItem("everybody", "")
        form.addRow("Judged by", self.person)
        self.since_on, self.since = self._day("from")
        self.until_on, self.until = self._day("to")
        days = QHBoxLayout()
        for switch, day in ((self.since_on, self.since), (self.until_on, self.until)):
            days.addWidget(switch)
            days.addWidget(day)
            days.addSpacing(2 * GRID)
        days.addStretch(1)
        form.addRow("Day (UTC)", days)
        self.recipe = QLineEdit(self)
        self.recipe.setPlaceholderText("any; e.g. hand-collage")
        form.addRow("Recipe", self.recipe)
        for field in (self.format, self.score, self.person, self.since, self.until, self.recipe):
            keep_keys(field)
            guard_wheel(field)
        self.counts = QLabel(self)
        self.counts.setWordWrap(True)
        self.counts.setTextFormat(Qt.TextFormat.PlainText)
        self.export = quiet_button("Export…", "Write one JSON object per line", self)
        self.cancel = quiet_button("Cancel", "End the export; no file is written", self)
        self.cancel.setEnabled(False)
        self.bar = thin_bar("Export", self, keeps_room=True)
        self.message = muted(QLabel(self))
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        buttons = QHBoxLayout()
        buttons.addWidget(self.counts, 1)
        buttons.addWidget(self.export)
        buttons.addWidget(self.cancel)
        self.people = self._table()
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(form)
        column.addLayout(buttons)
        column.addWidget(self.bar)
        column.addWidget(self.message)
        column.addWidget(self.people, 1)
        self._connect()

    # -- what the window sets

    @property
    def choice(self) -> SampleChoice:
        """What is chosen now."""
        return SampleChoice(
            form=self.format.currentData(),
            everything=self.everything.isChecked(),
            agreed=self.agreed.isChecked(),
            least_score=self.score.value() if self.limits_score.isChecked() else None,
            person=self.person.currentData(),
            since=self.since.date().toString(Qt.DateFormat.ISODate)
            if self.since_on.isChecked()
            else "",
            until=self.until.date().toString(Qt.DateFormat.ISODate)
            if self.until_on.isChecked()
            else "",
            recipe=self.recipe.text().strip(),
        )

    def set_counts(self, text: str, why_not: str = "") -> None:
        """Say how much the choice is, and why nothing can be exported; emits nothing."""
        self.counts.setText(text)
        self._reason = why_not
        self._enable()

    def set_people(self, rows: Sequence[PersonRow], names: Sequence[str]) -> None:
        """Show figures, and offer these names; what is chosen stays. Emits nothing."""
        self.people.setRowCount(len(rows))
        for y, row in enumerate(rows):
            for x, text in enumerate(row.cells):
                item = QTableWidgetItem(text)
                item.setToolTip(_COLUMNS[x][1])
                if x:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.people.setItem(y, x, item)
        chosen = self.person.currentData()
        self.person.blockSignals(True)
        self.person.clear()
        self.person.addItem("everybody", "")
        for name in names:
            self.person.addItem(name, name)
        self.person.setCurrentIndex(max(self.person.findData(chosen), 0))
        self.person.blockSignals(False)

    def set_running(self, running: bool) -> None:
        """Show that an export is under way; emits nothing."""
        self._running = running
        # How long it takes is not known beforehand.
        self.bar.setRange(0, 0 if running else 1)
        self.bar.setVisible(running)
        self._enable()

    def set_message(self, text: str) -> None:
        """Say what became of the export."""
        self.message.setText(text)

    # -- building

    def _day(self, text: str) -> tuple[QCheckBox, QDateEdit]:
        switch, field = QCheckBox(text, self), QDateEdit(QDate.currentDate(), self)
        field.setDisplayFormat("yyyy-MM-dd")
        field.setCalendarPopup(True)
        field.setEnabled(False)
        switch.toggled.connect(field.setEnabled)
        return switch, field

    def _table(self) -> QTableWidget:
        table = QTableWidget(0, len(_COLUMNS), self)
        table.setAccessibleName("People")
        table.setHorizontalHeaderLabels([title for title, _ in _COLUMNS])
        for x, (title, about) in enumerate(_COLUMNS):
            item = table.horizontalHeaderItem(x)
            if item is not None:
                item.setToolTip(tip(title, about, "Our definition: docs/caption-training.md"))
        table.verticalHeader().hide()
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setFont(tabular(table.font()))
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        return table

    def _connect(self) -> None:
        def changed(*_: object) -> None:
            self.choiceChanged.emit(self.choice)

        for switch in (
            *(self.everything, self.agreed, self.limits_score, self.since_on, self.until_on),
        ):
            switch.toggled.connect(changed)
        self.format.currentIndexChanged.connect(changed)
        self.person.currentIndexChanged.connect(changed)
        self.score.valueChanged.connect(changed)
        self.since.dateChanged.connect(changed)
        self.until.dateChanged.connect(changed)
        self.recipe.textChanged.connect(changed)
        self.export.clicked.connect(lambda: self.exportAsked.emit(self.choice))
        self.cancel.clicked.connect(self.cancelAsked)

    def _enable(self) -> None:
        self.export.setEnabled(not self._running and not self._reason)
        reason = "An export is under way" if self._running else self._reason
        self.export.setToolTip(reason or "Write one JSON object per line")
        self.cancel.setEnabled(self._running)
