"""The rows of the stage panel: model and view."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHeaderView,
    QStyleOptionViewItem,
    QTreeView,
    QWidget,
)

from pipeline.model.problem import Problem
from widgets.fields import RowHeight, keep_keys, tip
from widgets.icons import Glyph, icon
from widgets.problem_list import severity_look, worst
from widgets.theme import GRID, Status, colors, tabular

Index = QModelIndex | QPersistentModelIndex


class StageState(StrEnum):
    """What is known about a stage's result."""

    FRESH = "fresh"
    STALE = "stale"
    MISSING = "missing"
    RUNNING = "running"
    FAILED = "failed"
    QUEUED = "queued"


@dataclass(frozen=True, slots=True)
class StageRow:
    """What the panel shows of one stage.

    Attributes:
        name: As stored, e.g. `phases`.
        title: For people.
        state: What is known about its result.
        seconds: How long the last run took, or None.
        backend: Backend that was or will be used, may be empty.
        problems: Findings of the result.
        error: One sentence if it failed, else empty.
        details: What "Copy details" copies (a traceback), may be empty.
        code: Code of the failure, else empty.
        placement: Device and precision that a model ran with, empty if it has no choice.
        model: Which language model answered, empty for other backends.
        usage: What asking it took, for people; empty if nobody was asked.
    """

    name: str
    title: str
    state: StageState
    seconds: float | None = None
    backend: str = ""
    problems: tuple[Problem, ...] = ()
    error: str = ""
    details: str = ""
    code: str = ""
    placement: str = ""
    model: str = ""
    usage: str = ""

    @property
    def ran(self) -> str:
        """What ran and where, e.g. `sam2 · cuda:0, bfloat16`."""
        return " · ".join(part for part in (self.backend, self.model, self.placement) if part)


_LOOK: dict[StageState, tuple[Glyph, Status | None]] = {
    StageState.FRESH: (Glyph.TICK, Status.OK),
    StageState.STALE: (Glyph.HALF, Status.STALE),
    StageState.MISSING: (Glyph.RING, None),
    StageState.RUNNING: (Glyph.PLAY, Status.RUNNING),
    StageState.FAILED: (Glyph.CROSS, Status.ERROR),
    StageState.QUEUED: (Glyph.DOTS, None),
}
_MEANING: dict[StageState, str] = {
    StageState.FRESH: "The result belongs to the present options, edits and inputs.",
    StageState.STALE: "Options, edits or inputs changed since; the old result is still shown.",
    StageState.MISSING: "It has not run yet.",
    StageState.RUNNING: "It is running now.",
    StageState.FAILED: "It stopped with an error; select it to read why.",
    StageState.QUEUED: "It runs when the stages before it are done.",
}


def duration_text(seconds: float) -> str:
    """Write a duration: `40 ms`, `1.2 s`, `48 s`, `3 min 05 s`."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


_STAGE, _STATE, _TIME, _FINDINGS, _BACKEND = range(5)
_ROOM_FOR_BACKENDS = 45 * GRID
_LEAST_BACKEND = 12 * GRID
_HEADERS = (
    ("Stage", "In the order in which they run."),
    ("State", "Whether the result belongs to the present options, edits and inputs."),
    ("Time", "Wall-clock duration of the last run."),
    ("⚠", "Number of findings (information, warnings and errors) of the result."),
    (
        "Backend",
        "Model or algorithm that made the result; for models, the device and the precision of the "
        "numbers it ran with, or the language model that answered.",
    ),
)


class StageModel(QAbstractTableModel):
    """Stages as rows."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._widget = parent
        self._rows: tuple[StageRow, ...] = ()
        self._figures = tabular(parent.font())

    @property
    def rows(self) -> tuple[StageRow, ...]:
        """What is shown."""
        return self._rows

    def show(self, rows: tuple[StageRow, ...]) -> None:
        """Show other rows; the selection survives if the names are the same."""
        if [r.name for r in rows] == [r.name for r in self._rows]:
            before, self._rows = self._rows, rows
            self._touch([i for i, row in enumerate(rows) if row != before[i]])
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def set_running(self, name: str) -> None:
        """Mark a stage as running if its row does not say so yet."""
        for i, row in enumerate(self._rows):
            if row.name == name and row.state is not StageState.RUNNING:
                running = replace(row, state=StageState.RUNNING)
                self._rows = (*self._rows[:i], running, *self._rows[i + 1 :])
                self._touch([i])

    def summary(self, most: int = 3) -> str:
        """One line about all stages, the `most` pressing states of them."""
        counts = Counter(row.state for row in self._rows)
        if not self._rows:
            return "No episode is open."
        if counts[StageState.FRESH] == len(self._rows):
            return "All stages are fresh."
        order = (
            StageState.FAILED,
            StageState.RUNNING,
            StageState.QUEUED,
            StageState.STALE,
            StageState.MISSING,
        )
        parts = [f"{counts[s]} {s.value}" for s in order if counts[s]]
        return ", ".join(parts[:most]) + (" …" if len(parts) > most else "")

    def _touch(self, places: list[int]) -> None:
        """Tell of changed rows only: columns that fit their contents measure all they are told."""
        if places:
            self.dataChanged.emit(self.index(places[0], 0), self.index(places[-1], _BACKEND))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Number of stages."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Number of columns."""
        return 0 if parent.isValid() else len(_HEADERS)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Titles and what they mean."""
        if orientation is Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return _HEADERS[section][0]
            if role == Qt.ItemDataRole.ToolTipRole:
                return tip(*_HEADERS[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, icon, colour and tool tip of a cell."""
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row, column)
        if role == Qt.ItemDataRole.DecorationRole:
            theme = colors(self._widget.palette())
            if column == _STATE:
                glyph, status = _LOOK[row.state]
                return icon(glyph, theme.status(status) if status else _muted(self._widget))
            gravest = worst(row.problems)
            if column == _FINDINGS and gravest is not None:
                glyph, problem_status = severity_look(gravest)
                return icon(glyph, theme.status(problem_status))
        if role == Qt.ItemDataRole.TextAlignmentRole and column == _TIME:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.FontRole and column in (_TIME, _FINDINGS):
            return self._figures
        if role == Qt.ItemDataRole.ForegroundRole and column in (_TIME, _BACKEND):
            return _muted(self._widget)
        return None

    @staticmethod
    def text(row: StageRow, column: int) -> str:
        """What a cell says."""
        match column:
            case 0:
                return row.title
            case 1:
                return row.state.value
            case 2:
                return "" if row.seconds is None else duration_text(row.seconds)
            case 3:
                return str(len(row.problems)) if row.problems else ""
            case _:
                return row.ran

    @staticmethod
    def _tip(row: StageRow, column: int) -> str:
        if column == _FINDINGS and row.problems:
            return tip(
                f"Findings of {row.title}", *(f"{p.code}: {p.message}" for p in row.problems)
            )
        time = "" if row.seconds is None else f"Last run: {duration_text(row.seconds)}"
        state = f"{row.state.value}: {_MEANING[row.state]}"
        return tip(row.title, state, row.error, time, *made_by(row))


def made_by(row: StageRow) -> tuple[str, ...]:
    """Who made a result, where, and what it took; one line each, nothing where there is nothing."""
    device, _, precision = row.placement.partition(", ")
    lines = (
        ("Backend", row.backend),
        ("Device", device),
        ("Precision", precision),
        ("Language model", row.model),
        ("Asking it took", row.usage),
    )
    return tuple(f"{name}: {text}" for name, text in lines if text)


def _muted(widget: QWidget) -> Any:
    return widget.palette().placeholderText().color()


class StageTable(QTreeView):
    """A flat list with columns that fits 280 pixels; wider, it shows the backends too."""

    def __init__(self, model: StageModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._stages = model
        self._widths: dict[tuple[int, str], int] = {}
        self.setModel(model)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Stages")
        self.setMinimumHeight(12 * GRID)
        header = self.header()
        header.setMinimumSectionSize(3 * GRID)
        header.setSectionsMovable(False)
        header.setHighlightSections(False)
        for column in (_STATE, _TIME, _FINDINGS):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
        header.setStretchLastSection(False)
        header.setSectionResizeMode(_STAGE, QHeaderView.ResizeMode.Stretch)
        self.setItemDelegate(RowHeight(self))
        model.dataChanged.connect(self._fit)
        model.modelReset.connect(self._fit)
        self._fit()
        keep_keys(self, (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Up, Qt.Key.Key_Down))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the backends to the tool tips where there is no room."""
        self.setColumnHidden(_BACKEND, event.size().width() < _ROOM_FOR_BACKENDS)
        super().resizeEvent(event)
        self._fit_backends()

    def changeEvent(self, event: QEvent) -> None:
        """Measure again in another font or style."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._widths.clear()
            self._fit()

    def _fit(self) -> None:
        """Give each column what its widest cell needs.

        Qt's own resizing asks every cell of every row at every change, several milliseconds when
        another caption is shown; here only a text that was not measured before is.
        """
        for column in (_STATE, _TIME, _FINDINGS):
            width = self._needed(column)
            if width != self.columnWidth(column):
                self.header().resizeSection(column, width)
        self._fit_backends()

    def _needed(self, column: int) -> int:
        """Room of the widest cell and of the title, in pixels."""
        widest = self.header().sectionSizeHint(column)
        for number, row in enumerate(self._stages.rows):
            key = column, StageModel.text(row, column)
            if key not in self._widths:
                look = QStyleOptionViewItem()
                self.initViewItemOption(look)
                index = self._stages.index(number, column)
                self._widths[key] = self.itemDelegate().sizeHint(look, index).width()
            widest = max(widest, self._widths[key])
        return widest

    def _fit_backends(self) -> None:
        """Give the backends the room they need, after what the other columns need."""
        if self.isColumnHidden(_BACKEND):
            return
        others = sum(self.columnWidth(c) for c in (_STATE, _TIME, _FINDINGS))
        room = self.viewport().width() - others - self._needed(_STAGE) - GRID
        needed = self._needed(_BACKEND) + GRID
        self.header().resizeSection(_BACKEND, max(_LEAST_BACKEND, min(needed, room)))

    def keyboardSearch(self, search: str) -> None:  # noqa: N802 - Qt's name
        """Letters are shortcuts of the window, not a search."""
