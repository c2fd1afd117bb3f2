"""The model behind the episode table: rows in the order of filter and sort."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QWidget

from pipeline.model.demonstration import DatasetInfo, EpisodeInfo
from widgets.episode_rows import (
    I64,
    NO_STATUS,
    Column,
    EpisodeColumns,
    EpisodeState,
    EpisodeStatus,
    problems_of,
    state_of,
)
from widgets.fields import tip
from widgets.icons import Glyph, icon
from widgets.theme import Status, colors, tabular

Index = QModelIndex | QPersistentModelIndex

_HEADERS: dict[Column, tuple[str, str]] = {
    Column.INDEX: ("#", "Episode index in the dataset."),
    Column.STATE: ("Status", "missing, present, annotated or reviewed by a person."),
    Column.SCORE: (
        "R",
        "Reliability score of the winning candidate, no unit; of several subtasks the lowest. "
        "R = 0.5 A + w(P) D + 0.3 P − penalty (SPARC, stage 3).",
    ),
    Column.LENGTH: ("s", "Length in seconds: frames / frames per second."),
    Column.REASON: ("Reason", "Code of the gravest finding; the tool tip lists all of them."),
    Column.INSTRUCTION: ("Instruction", "What the robot was told."),
}
_LOOK: dict[EpisodeState, tuple[Glyph, Status | None]] = {
    EpisodeState.MISSING: (Glyph.ABSENT, None),
    EpisodeState.PRESENT: (Glyph.RING, None),
    EpisodeState.ANNOTATED: (Glyph.DOT, Status.RUNNING),
    EpisodeState.REVIEWED: (Glyph.DISC_TICK, Status.OK),
}
_RIGHT = (Column.INDEX, Column.SCORE, Column.LENGTH)


class EpisodeModel(QAbstractTableModel):
    """Rows are positions in `DatasetInfo.episodes`, in the order of the filter and the sort."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._widget = parent
        self._info: DatasetInfo | None = None
        self._statuses: dict[int, EpisodeStatus] = {}
        self._columns: EpisodeColumns | None = None
        self._positions: I64 = np.zeros(0, np.int64)
        self._rows: I64 = np.zeros(0, np.int64)
        self._filter = ""
        self._column = Column.INDEX
        self._descending = False
        self._figures = tabular(parent.font())

    # -- content ---------------------------------------------------------------------------

    def show(self, info: DatasetInfo | None) -> None:
        """Show another dataset's episodes, without statuses."""
        self._info, self._statuses, self._columns = info, {}, None
        self.arrange()

    def set_status(self, episode: int, status: EpisodeStatus) -> bool:
        """Take over a status; True if the order or the filter may depend on it."""
        position = self.position_of(episode)
        if self._info is None or position < 0:
            return False
        if self._statuses.get(episode, NO_STATUS) == status:
            return False
        if status == NO_STATUS:
            del self._statuses[episode]
        else:
            self._statuses[episode] = status
        if self._columns is not None:
            self._columns.update(position, self._info.episodes[position], status)
        row = int(self._rows[position])
        if row >= 0:
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(Column) - 1))
        sorts = self._column in (Column.STATE, Column.SCORE, Column.REASON)
        return sorts or bool(self._filter)

    def set_filter(self, text: str) -> None:
        """Keep the episodes that pass; see FILTER_HELP."""
        self._filter = text
        self.arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column."""
        self._column, self._descending = Column(column), order is Qt.SortOrder.DescendingOrder
        self.arrange()

    def arrange(self) -> None:
        """Filter and sort again."""
        self.beginResetModel()
        n = 0 if self._info is None else len(self._info.episodes)
        if self._info is None or (
            not self._filter and self._column is Column.INDEX and not self._descending
        ):
            self._positions = np.arange(n, dtype=np.int64)
        else:
            if self._columns is None:
                self._columns = EpisodeColumns(self._info, self._statuses)
            self._positions = self._columns.arrange(self._filter, self._column, self._descending)
        self._rows = np.full(n, -1, np.int64)
        self._rows[self._positions] = np.arange(len(self._positions))
        self.endResetModel()

    @property
    def total(self) -> int:
        """Episodes of the dataset, shown or not."""
        return 0 if self._info is None else len(self._info.episodes)

    def position_of(self, episode: int) -> int:
        """Position of an episode in the dataset, -1 if there is none."""
        if self._info is None:
            return -1
        episodes = self._info.episodes
        if 0 <= episode < len(episodes) and episodes[episode].index == episode:
            return episode
        return next((i for i, e in enumerate(episodes) if e.index == episode), -1)

    def row_of(self, episode: int) -> int:
        """Row of an episode, -1 if it is not shown."""
        position = self.position_of(episode)
        return -1 if position < 0 else int(self._rows[position])

    def episode(self, row: int) -> EpisodeInfo:
        """Episode in a row."""
        assert self._info is not None  # noqa: S101 - rows exist only with a dataset
        return self._info.episodes[int(self._positions[row])]

    def status(self, episode: int) -> EpisodeStatus:
        """Status of an episode by its index."""
        return self._statuses.get(episode, NO_STATUS)

    # -- what Qt asks ----------------------------------------------------------------------

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Episodes that pass the filter."""
        return 0 if parent.isValid() else len(self._positions)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Number of columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Titles and what they mean."""
        if orientation is Qt.Orientation.Vertical:
            return None
        column = Column(section)
        if role == Qt.ItemDataRole.DisplayRole:
            arrow = (" ▾" if self._descending else " ▴") if column is self._column else ""
            return _HEADERS[column][0] + arrow
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(*_HEADERS[column])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, picture, colour and tool tip of a cell."""
        info, column = self.episode(index.row()), Column(index.column())
        status = self.status(info.index)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(info, status, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(info, status)
        if role == Qt.ItemDataRole.DecorationRole and column is Column.STATE:
            glyph, look = _LOOK[state_of(info, status)]
            if status.reviewed == "rejected":
                glyph, look = Glyph.CROSS, Status.ERROR
            theme, palette = colors(self._widget.palette()), self._widget.palette()
            return icon(glyph, theme.status(look) if look else palette.placeholderText().color())
        if role == Qt.ItemDataRole.ForegroundRole and (not info.present or column is Column.REASON):
            return self._widget.palette().placeholderText().color()
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _RIGHT:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.FontRole and column in _RIGHT:
            return self._figures
        return None

    def _text(self, info: EpisodeInfo, status: EpisodeStatus, column: Column) -> str:
        match column:
            case Column.INDEX:
                return str(info.index)
            case Column.STATE:
                return state_of(info, status).value
            case Column.SCORE:
                return "" if status.score is None else f"{status.score:.2f}"
            case Column.LENGTH:
                return f"{info.length / self._fps:.1f}"
            case Column.REASON:
                problems = problems_of(info, status)
                return problems[0].code if problems else ""
            case _:
                return info.instruction

    @property
    def _fps(self) -> float:
        return self._info.fps if self._info else 1.0

    def _tip(self, info: EpisodeInfo, status: EpisodeStatus) -> str:
        said = f"Reviewed: {status.reviewed}" if status.reviewed else ""
        score = f"R = {status.score:.4f}" if status.score is not None else ""
        findings = (f"{p.code}: {p.message}" for p in problems_of(info, status)[:12])
        missing = "" if info.present else "Its files are not on this disk; it cannot be opened."
        size = f"{info.length} frames, {info.length / self._fps:.1f} s"
        return tip(f"Episode {info.index}", missing, size, score, said, info.instruction, *findings)
