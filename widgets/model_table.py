"""All backends: what they are, whether they can be used, and what to do if not."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtWidgets import QFrame, QHeaderView, QTreeView, QWidget

from pipeline.backends.catalogue import CatalogueEntry, State, Survey
from widgets.fields import RowHeight, keep_keys, tip
from widgets.icons import Glyph, icon
from widgets.theme import GRID, Status, colors, tabular

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()

_LOOK: dict[State, tuple[Glyph, Status | None]] = {
    State.READY: (Glyph.TICK, Status.OK),
    State.PACKAGE: (Glyph.RING, None),
    State.WEIGHTS: (Glyph.RING, None),
    State.LICENCE: (Glyph.TRIANGLE, Status.WARNING),
    State.UNAVAILABLE: (Glyph.RING, None),
    State.BROKEN: (Glyph.CROSS, Status.ERROR),
}


class Column(IntEnum):
    """Columns of the table."""

    CAPABILITY = 0
    NAME = 1
    TITLE = 2
    STATE = 3
    KIND = 4
    LICENCE = 5
    SIZE = 6
    DEVICE = 7


_HEADERS = {
    Column.CAPABILITY: ("For", "What it does; the stage of that work has it as its backend."),
    Column.NAME: ("Backend", "As chosen in the options of its stage, and written into results."),
    Column.TITLE: ("Model", "What it is."),
    Column.STATE: ("State", "Whether it can be used now; select it to read what it lacks."),
    Column.KIND: (
        "Kind",
        "embedded: needs nothing but Demoscope; model: needs packages, weights or a server; "
        "plug-in: installed by a package of somebody else.",
    ),
    Column.LICENCE: ("Licence", "Of code and weights, the strictest one first."),
    Column.SIZE: ("MB", "Size of its weights, 10⁶ bytes; a rough one until they are fetched."),
    Column.DEVICE: (
        "Runs on",
        "Device and precision with the options at auto: CUDA before MPS before the CPU; bfloat16 "
        "on a CUDA device that computes in it, else float32.",
    ),
}


def megabytes(entry: CatalogueEntry) -> int:
    """Size of all weights of a backend, 0 if it has none."""
    return sum(place.megabytes for place in entry.weights)


def weights_lines(entry: CatalogueEntry) -> list[str]:
    """Where the weights of a backend are, a line each."""
    return [f"{w.repo}: {w.path or 'not on this machine'}" for w in entry.weights]


class ModelModel(QAbstractTableModel):
    """Backends as rows."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._widget = parent
        self._survey = Survey(())
        self._figures = tabular(parent.font())

    @property
    def entries(self) -> tuple[CatalogueEntry, ...]:
        """What is shown."""
        return self._survey.entries

    def show(self, survey: Survey) -> None:
        """Show another survey; the rows keep their places if they are the same backends."""
        before, self._survey = self._survey, survey
        if _names(before) == _names(survey):
            if survey.entries:
                last = self.index(len(survey.entries) - 1, len(Column) - 1)
                self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        self.endResetModel()

    def row_of(self, capability: str, name: str) -> int:
        """Row of a backend, -1 if it is not there."""
        names = _names(self._survey)
        return names.index((capability, name)) if (capability, name) in names else -1

    # -- Qt ----------------------------------------------------------------------------------

    def rowCount(self, parent: Index = _ROOT) -> int:
        """Number of backends."""
        return 0 if parent.isValid() else len(self.entries)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles and what they mean."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        title, about = _HEADERS[Column(section)]
        if role == Qt.ItemDataRole.DisplayRole:
            return title
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(title, about)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, icon, colour and tool tip of a cell."""
        entry, column = self.entries[index.row()], Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(entry, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            card = entry.card
            return tip(card.title, f"{card.capability}/{card.name}", card.reason or "ready")
        if role == Qt.ItemDataRole.DecorationRole and column is Column.STATE:
            glyph, status = _LOOK[entry.state]
            theme = colors(self._widget.palette())
            muted = self._widget.palette().placeholderText().color()
            return icon(glyph, theme.status(status) if status else muted)
        if column is Column.SIZE and role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if column is Column.SIZE and role == Qt.ItemDataRole.FontRole:
            return self._figures
        muted_columns = (Column.CAPABILITY, Column.KIND, Column.DEVICE)
        if role == Qt.ItemDataRole.ForegroundRole and column in muted_columns:
            return self._widget.palette().placeholderText().color()
        return None

    def _text(self, entry: CatalogueEntry, column: Column) -> str:
        card = entry.card
        match column:
            case Column.CAPABILITY:
                return card.capability
            case Column.NAME:
                return card.name
            case Column.TITLE:
                return card.title if card.title != card.name else ""
            case Column.STATE:
                return entry.state.value
            case Column.KIND:
                return card.kind
            case Column.LICENCE:
                return card.licence
            case Column.SIZE:
                return f"{megabytes(entry):,}" if megabytes(entry) else ""
            case _:
                return self.device(entry)

    def device(self, entry: CatalogueEntry) -> str:
        """Where a backend runs, with the options at auto."""
        if entry.card.kind == "embedded":
            return "cpu"
        if not entry.runs_on_device:
            return ""
        return self._survey.placement() or ("…" if not self._survey.complete else "torch missing")


def _names(survey: Survey) -> list[tuple[str, str]]:
    return [(e.card.capability, e.card.name) for e in survey.entries]


class ModelTable(QTreeView):
    """The table itself; selecting is all it does.

    Attributes:
        backendSelected: Capability and name, selected by the user.
    """

    backendSelected = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = ModelModel(self)
        self.setModel(self._model)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName("Backends and models")
        self.setItemDelegate(RowHeight(self))
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        header = self.header()
        header.setSectionsMovable(False)
        header.setHighlightSections(False)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(5 * GRID)
        for column in Column:
            stretch = column in (Column.TITLE, Column.LICENCE)
            mode = QHeaderView.ResizeMode
            header.setSectionResizeMode(column, mode.Stretch if stretch else mode.Interactive)
        self.selectionModel().currentChanged.connect(self._on_current_changed)
        keep_keys(self, (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Up, Qt.Key.Key_Down))

    @property
    def shown(self) -> ModelModel:
        """What is shown."""
        return self._model

    def set_survey(self, survey: Survey) -> None:
        """Show backends; keeps the selection by name and emits nothing."""
        selected = self.selected
        self._model.show(survey)
        # By hand: headers that fit their contents measure them at every change.
        for column in Column:
            if column not in (Column.TITLE, Column.LICENCE):
                self.resizeColumnToContents(column)
        if selected is not None:
            self.select(selected.card.capability, selected.card.name)
        elif survey.entries:
            first = survey.entries[0].card
            self.select(first.capability, first.name)

    @property
    def selected(self) -> CatalogueEntry | None:
        """The backend that is selected."""
        row = self.currentIndex().row()
        entries = self._model.entries
        return entries[row] if 0 <= row < len(entries) else None

    def select(self, capability: str, name: str) -> bool:
        """Select a backend; emits nothing. False if it is not there."""
        row = self._model.row_of(capability, name)
        if row < 0:
            return False
        model, flags = self.selectionModel(), QItemSelectionModel.SelectionFlag
        model.blockSignals(True)
        index = self._model.index(row, 0)
        model.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        model.blockSignals(False)
        self.scrollTo(index)
        self.viewport().update()
        return True

    def _on_current_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            card = self._model.entries[current.row()].card
            self.backendSelected.emit(card.capability, card.name)

    def keyboardSearch(self, search: str) -> None:  # noqa: N802 - Qt's name
        """Letters are shortcuts of the window, not a search."""

    def changeEvent(self, event: QEvent) -> None:
        """Recolour the icons with the theme."""
        if event.type() is QEvent.Type.PaletteChange:
            self.viewport().update()
        super().changeEvent(event)
