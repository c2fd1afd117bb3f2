"""Operating points of a dataset: save one with a name and a reason, apply or retire one."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from pipeline.curation.operating_points import OperatingPoint
from widgets.fields import RowHeight, keep_keys, muted, quiet_button, tip
from widgets.theme import HALF_GRID, ROW_HEIGHT, tabular

_EXPORT = (
    "Writes what is kept and what is dropped (prediction lines and lists), the episodes to train "
    "on, and the options file that reproduces it with demoscope annotate."
)
_EXPORTING = "One is being written: its progress and Cancel are in the status bar."


class OperatingPointsPanel(QWidget):
    """Saved points, newest first, and the line to save one.

    Signals:
        saveRequested: Name and reason.
        pointApplied: An `OperatingPoint` whose threshold and weights are to be used.
        pointRetired: An `OperatingPoint` that is to be taken out of use.
        exportRequested: What is kept and dropped is to be written.
    """

    saveRequested = Signal(str, str)
    pointApplied = Signal(object)
    pointRetired = Signal(object)
    exportRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Operating points")
        self._points: tuple[OperatingPoint, ...] = ()
        self.list = _List(self)
        self.list.setFont(tabular(self.list.font()))
        self.list.setAccessibleName("Saved operating points")
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setMinimumHeight(2 * ROW_HEIGHT)
        self.list.setUniformItemSizes(True)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # names may be long
        self.list.setItemDelegate(RowHeight(self.list))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        keep_keys(self.list, (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter))
        self.list.itemDoubleClicked.connect(lambda _i: self._apply())
        self.list.returnPressed.connect(self._apply)
        self.list.currentRowChanged.connect(lambda _r: self._refresh())
        self.none = muted(QLabel("None saved yet.", self))
        self.name = QLineEdit(self)
        self.name.setPlaceholderText("Name of this point")
        self.name.setAccessibleName("Name of the operating point")
        self.reason = QLineEdit(self)
        self.reason.setPlaceholderText("Why this one (optional)")
        self.reason.setAccessibleName("Reason")
        for line in (self.name, self.reason):
            keep_keys(line)
            line.returnPressed.connect(self._save)
        self.name.textChanged.connect(lambda _t: self._refresh())
        self.save = quiet_button("Save", "", self)
        self.save.clicked.connect(self._save)
        self.apply = quiet_button("Apply", "", self)
        self.apply.clicked.connect(self._apply)
        self.retire = quiet_button("Retire", "", self)
        self.retire.clicked.connect(self._retire)
        self.export = quiet_button("Export…", "", self)
        self.export.clicked.connect(self.exportRequested)
        self._lay_out()
        self._usable, self._exporting = False, False
        self.set_points(())

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(HALF_GRID)
        heading = QLabel("Operating points", self)
        font = heading.font()
        font.setBold(True)
        heading.setFont(font)
        column.addWidget(heading)
        column.addWidget(self.none, 1, Qt.AlignmentFlag.AlignTop)
        column.addWidget(self.list, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(HALF_GRID)
        for button in (self.apply, self.retire):
            buttons.addWidget(button)
        buttons.addStretch(1)
        column.addLayout(buttons)
        column.addWidget(self.name)
        column.addWidget(self.reason)
        last = QHBoxLayout()
        last.setSpacing(HALF_GRID)
        last.addWidget(self.save)
        last.addStretch(1)
        last.addWidget(self.export)
        column.addLayout(last)

    # -- values ------------------------------------------------------------------------------

    def set_points(self, points: Sequence[OperatingPoint]) -> None:
        """Show points in force, oldest first as the file has them. Emits nothing."""
        self._points = tuple(reversed(points))
        self.list.blockSignals(True)
        self.list.clear()
        for point in self._points:
            item = QListWidgetItem(_line(point))
            item.setToolTip(_tool_tip(point))
            self.list.addItem(item)
        self.list.blockSignals(False)
        self.none.setVisible(not self._points)
        self.list.setVisible(bool(self._points))
        self._refresh()

    def set_usable(self, usable: bool) -> None:
        """Say whether there are annotations."""
        self._usable = usable
        self._refresh()

    def set_exporting(self, exporting: bool) -> None:
        """Say whether an export is being written: there is one at a time."""
        self._exporting = exporting
        self._refresh()

    def clear_form(self) -> None:
        """Empty name and reason: the point is saved."""
        self.name.clear()
        self.reason.clear()

    @property
    def points(self) -> tuple[OperatingPoint, ...]:
        """Points on show, newest first."""
        return self._points

    def _current(self) -> OperatingPoint | None:
        row = self.list.currentRow()
        return self._points[row] if 0 <= row < len(self._points) else None

    def _refresh(self) -> None:
        named, chosen = bool(self.name.text().strip()), self._current() is not None
        self.save.setEnabled(self._usable and named)
        self.save.setToolTip(
            "Keep threshold and weights, with what is expected of them, who and when"
            if named
            else "Give it a name first"
        )
        for button, what in (
            (self.apply, "Use its threshold and weights (Return, double click)"),
            (self.retire, "Take it out of use; it stays in the history"),
        ):
            button.setEnabled(self._usable and chosen)
            button.setToolTip(what if chosen else "Choose a saved point first")
        self.export.setEnabled(self._usable and not self._exporting)
        self.export.setToolTip(tip("Export", _EXPORTING if self._exporting else _EXPORT))

    def _save(self) -> None:
        if self.save.isEnabled():
            self.saveRequested.emit(self.name.text().strip(), self.reason.text().strip())

    def _apply(self) -> None:
        point = self._current()
        if point is not None:
            self.pointApplied.emit(point)

    def _retire(self) -> None:
        point = self._current()
        if point is not None:
            self.pointRetired.emit(point)


class _List(QListWidget):
    """Return applies the current point."""

    returnPressed = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Tell Return apart from clicks."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.returnPressed.emit()
        else:
            super().keyPressEvent(event)


def _line(point: OperatingPoint) -> str:
    share = f"{100 * point.kept / point.total:.0f} %" if point.total else "–"
    precision = "" if point.precision is None else f" · {point.precision:.3f}"
    return f"{point.name} · R ≥ {point.threshold:.4g} · {share}{precision}"


def _tool_tip(point: OperatingPoint) -> str:
    weights = point.weights
    interval = (
        f" [{point.low:.3f}, {point.high:.3f}]"
        if point.low is not None and point.high is not None
        else ""
    )
    precision = (
        "Precision was not known."
        if point.precision is None
        else f"Expected precision {point.precision:.3f}{interval}, by {point.basis}."
    )
    return tip(
        point.name,
        point.reason,
        f"Keeps R ≥ {point.threshold:.6g}: {point.kept:,} of {point.total:,} when it was saved.",
        precision,
        f"It was chosen for a precision of {point.target:g}." if point.target is not None else "",
        f"Weights: motion {weights.motion:g}, detector {weights.detector:g}, slope "
        f"{weights.slope:g}, proximity {weights.proximity:g}, penalty {weights.penalty:g}, spike "
        f"{weights.spike:g}.",
        f"Saved by {point.who}, {point.at[:16].replace('T', ' ')} UTC.",
    )
