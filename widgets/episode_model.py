"""The model behind the episode table: rows in the order of filter and sort."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QWidget

from pipeline.model.arrays import I64
from pipeline.model.demonstration import DatasetInfo, EpisodeInfo
from pipeline.model.episodes import Columnar, position_of
from pipeline.model.problem import Problem
from widgets.episode_rows import (
    NO_STATUS,
    Column,
    EpisodeColumns,
    EpisodeState,
    EpisodeStatus,
    gravest_first,
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
    Column.LENGTH: (
        "s",
        "Length in seconds: frames / frames per second; empty if only reading can tell.",
    ),
    Column.REASON: ("Reason", "Code of the gravest finding; the tool tip lists all of them."),
    Column.INSTRUCTION: ("Instruction", "What the robot was told."),
    Column.NAME: ("Name", "What the dataset itself calls the episode."),
    Column.PICTURE: ("Picture", "First frame of the episode's first camera."),
}
_LOOK: dict[EpisodeState, tuple[Glyph, Status | None]] = {
    EpisodeState.MISSING: (Glyph.ABSENT, None),
    EpisodeState.PRESENT: (Glyph.RING, None),
    EpisodeState.ANNOTATED: (Glyph.DOT, Status.RUNNING),
    EpisodeState.REVIEWED: (Glyph.DISC_TICK, Status.OK),
}
_RIGHT = (Column.INDEX, Column.SCORE, Column.LENGTH)
_LOOKED_AT = 100
"""Episodes whose names are looked at to see whether a dataset names its episodes."""
THUMBNAIL = QSize(64, 48)
"""Size of a row's picture, device-independent pixels."""
_THUMBNAILS = 1024
"""Pictures in memory: 12 MiB, at 200 % scaling 48."""


def titles() -> dict[Column, tuple[str, str]]:
    """Title of every column, and what it means."""
    return dict(_HEADERS)


class EpisodeModel(QAbstractTableModel):
    """Rows are positions in `DatasetInfo.episodes`, in the order of the filter and the sort."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._widget = parent
        self._info: DatasetInfo | None = None
        self._statuses: dict[int, EpisodeStatus] = {}
        self._findings: dict[int, tuple[Problem, ...]] = {}
        self._columns: EpisodeColumns | None = None
        self._thumbnails: OrderedDict[int, QPixmap | None] = OrderedDict()
        self._positions: I64 = np.zeros(0, np.int64)
        self._rows: I64 = np.zeros(0, np.int64)
        self._filter = ""
        self._column = Column.INDEX
        self._descending = False
        self._figures = tabular(parent.font())
        self._painted: tuple[int, EpisodeInfo] | None = None

    # -- content ---------------------------------------------------------------------------

    def show(self, info: DatasetInfo | None) -> None:
        """Show another dataset's episodes, without statuses."""
        self._info, self._statuses, self._findings = info, {}, {}
        self._columns = None
        self._thumbnails.clear()
        self.arrange()

    def set_statuses(self, statuses: Mapping[int, EpisodeStatus]) -> bool:
        """Take over statuses; True if the order or the filter may depend on them."""
        changed = []
        for episode, status in statuses.items():
            position = self.position_of(episode)
            if position < 0 or self._statuses.get(episode, NO_STATUS) == status:
                continue
            if status == NO_STATUS:
                del self._statuses[episode]
            else:
                self._statuses[episode] = status
            changed.append(position)
        return self._take_over(changed)

    def set_findings(self, findings: Mapping[int, tuple[Problem, ...]]) -> bool:
        """Take over what an examination of the data found; True as for `set_statuses`."""
        changed = []
        for episode, problems in findings.items():
            position = self.position_of(episode)
            if position < 0 or self._findings.get(episode, ()) == problems:
                continue
            self._findings[episode] = problems
            changed.append(position)
        return self._take_over(changed)

    def _take_over(self, positions: list[int]) -> bool:
        if not positions or self._info is None:
            return False
        if self._columns is not None:
            self._update(self._columns, positions)
        rows = self._rows[np.array(positions)]
        rows = rows[rows >= 0]
        if rows.size:
            self.dataChanged.emit(
                self.index(int(rows.min()), 0), self.index(int(rows.max()), len(Column) - 1)
            )
        sorts = self._column in (Column.STATE, Column.SCORE, Column.REASON)
        return sorts or bool(self._filter)

    def _update(self, columns: EpisodeColumns, positions: Iterable[int]) -> None:
        assert self._info is not None  # noqa: S101 - there are no columns without a dataset
        for position in positions:
            episode = int(columns.index[position])
            status = self.status(episode)
            # The dataset's own findings are made into objects only where there are some.
            own = self._info.episodes[position].problems if columns.doubted[position] else ()
            found = gravest_first(own, self._findings.get(episode, ()), status.problems)
            columns.update(position, status, tuple(p.code for p in found))

    def _all_columns(self, info: DatasetInfo) -> EpisodeColumns:
        """The columns, made when they are first needed: other formats list objects."""
        if self._columns is None:
            self._columns = columns = EpisodeColumns(info)
            places = (self.position_of(e) for e in self._statuses.keys() | self._findings.keys())
            self._update(columns, [p for p in places if p >= 0])
        return self._columns

    def set_thumbnail(self, episode: int, image: QImage | None) -> None:
        """Take over a row's picture; None says that there is none."""
        if self.position_of(episode) < 0:
            return
        ratio = self._widget.devicePixelRatioF()
        pixmap = None
        if image is not None and not image.isNull():
            size = THUMBNAIL * ratio
            pixmap = QPixmap.fromImage(
                image.scaled(
                    size,
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )
            pixmap.setDevicePixelRatio(ratio)
        self._thumbnails[episode] = pixmap
        self._thumbnails.move_to_end(episode)
        while len(self._thumbnails) > _THUMBNAILS:
            self._thumbnails.popitem(last=False)
        row = self.row_of(episode)
        if row >= 0:
            index = self.index(row, Column.PICTURE)
            self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])

    def lacks_thumbnail(self, row: int) -> bool:
        """True if a row's picture is neither there nor known not to exist."""
        info = self.episode(row)
        return info.present and info.index not in self._thumbnails

    @property
    def has_names(self) -> bool:
        """True if the dataset calls its episodes by names of its own."""
        if self._info is None:
            return False
        episodes = self._info.episodes
        if isinstance(episodes, Columnar):
            return bool(episodes.columns.names)
        return any(e.name for e in episodes[:_LOOKED_AT])

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
        self._painted = None
        n = 0 if self._info is None else len(self._info.episodes)
        if self._info is None or (
            not self._filter and self._column is Column.INDEX and not self._descending
        ):
            self._positions = np.arange(n, dtype=np.int64)
        else:
            columns = self._all_columns(self._info)
            self._positions = columns.arrange(self._filter, self._column, self._descending)
        self._rows = np.full(n, -1, np.int64)
        self._rows[self._positions] = np.arange(len(self._positions))
        self.endResetModel()

    @property
    def total(self) -> int:
        """Episodes of the dataset, shown or not."""
        return 0 if self._info is None else len(self._info.episodes)

    def position_of(self, episode: int) -> int:
        """Position of an episode in the dataset, -1 if there is none."""
        return -1 if self._info is None else position_of(self._info.episodes, episode)

    def row_of(self, episode: int) -> int:
        """Row of an episode, -1 if it is not shown."""
        position = self.position_of(episode)
        return -1 if position < 0 else int(self._rows[position])

    def episode(self, row: int) -> EpisodeInfo:
        """Episode in a row."""
        assert self._info is not None  # noqa: S101 - rows exist only with a dataset
        position = int(self._positions[row])
        # Qt asks a dozen times for each cell of a row.
        if self._painted is None or self._painted[0] != position:
            self._painted = position, self._info.episodes[position]
        return self._painted[1]

    def status(self, episode: int) -> EpisodeStatus:
        """Status of an episode by its index."""
        return self._statuses.get(episode, NO_STATUS)

    def problems(self, info: EpisodeInfo) -> tuple[Problem, ...]:
        """All findings about an episode, the gravest first."""
        found = self._findings.get(info.index, ())
        return gravest_first(info.problems, found, self.status(info.index).problems)

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
        if role == Qt.ItemDataRole.DecorationRole and column is Column.PICTURE:
            return self._thumbnails.get(info.index)
        if role == Qt.ItemDataRole.DecorationRole and column is Column.STATE:
            glyph, look = _LOOK[state_of(info.present, status)]
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
                return state_of(info.present, status).value
            case Column.SCORE:
                return "" if status.score is None else f"{status.score:.2f}"
            case Column.LENGTH:
                # Some formats know it only when the episode was read.
                return f"{info.length / self._fps:.1f}" if info.length else ""
            case Column.REASON:
                problems = self.problems(info)
                return problems[0].code if problems else ""
            case Column.NAME:
                return info.name
            case Column.PICTURE:
                return ""
            case _:
                return info.instruction

    @property
    def _fps(self) -> float:
        return self._info.fps if self._info else 1.0

    def _tip(self, info: EpisodeInfo, status: EpisodeStatus) -> str:
        said = f"Reviewed: {status.reviewed}" if status.reviewed else ""
        score = f"R = {status.score:.4f}" if status.score is not None else ""
        findings = (f"{p.code}: {p.message}" for p in self.problems(info)[:12])
        missing = "" if info.present else "Its files are not on this disk; it cannot be opened."
        size = f"{info.length} frames, {info.length / self._fps:.1f} s"
        name = f"Episode {info.index}" + (f", {info.name}" if info.name else "")
        return tip(name, missing, size, score, said, info.instruction, *findings)
