"""All channels of an episode with small plots, and checks that say what they are used for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QFrame,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from pipeline.model.arrays import F32, F64, Bool
from pipeline.model.demonstration import Demonstration
from widgets.channel_choice import SIGNALS, names_of, values_of
from widgets.fields import tip
from widgets.polylines import polygon, runs
from widgets.theme import GRID, HALF_GRID, ROW_HEIGHT, Status, colors, tabular

Index = QModelIndex | QPersistentModelIndex
Place = tuple[str, int]
"""Signal and column of a channel."""
SPARK_COLUMNS = 160
"""Points of a small plot: more would share pixels."""
_ROOT = QModelIndex()


class Column(IntEnum):
    """Columns of the table."""

    PLACE = 0
    NAME = 1
    SPARK = 2
    GRIPPER = 3
    MOTION = 4
    USED = 5


_TITLES = {
    Column.PLACE: ("Signal", "state: measured by the robot; action: commanded. Then the column."),
    Column.NAME: ("Channel", "Name in the dataset."),
    Column.SPARK: ("Over the episode", "Each plot fills its own range; the line is the cursor."),
    Column.GRIPPER: ("Gripper", "Together these channels say how far this arm's gripper is open."),
    Column.MOTION: ("Motion", "By the rate of these channels this arm counts as moving."),
    Column.USED: ("Used by", "All arms that use the channel."),
}


@dataclass(frozen=True, slots=True)
class Spark:
    """A small plot: lowest and highest value per pixel column, 0..1, NaN where unknown.

    Attributes:
        low: (K,) float64.
        high: (K,) float64.
        bottom: Lowest value in the episode, NaN if there is none.
        top: Highest value.
    """

    low: F64
    high: F64
    bottom: float
    top: float


def sparks(values: F32, columns: int = SPARK_COLUMNS) -> list[Spark]:
    """Make the small plots of all channels at once.

    Args:
        values: (T, C) float32.
        columns: Most points K of a plot.
    """
    length, count = values.shape
    if not length:
        nothing = np.zeros(0)
        return [Spark(nothing, nothing, np.nan, np.nan)] * count
    starts = np.unique(np.linspace(0, length, min(columns, length) + 1).astype(np.int64)[:-1])
    clean = np.where(np.isfinite(values), values, np.nan)
    low = np.fmin.reduceat(clean, starts, axis=0).astype(np.float64)
    high = np.fmax.reduceat(clean, starts, axis=0).astype(np.float64)
    bottom, top = np.fmin.reduce(low, axis=0), np.fmax.reduce(high, axis=0)
    width = np.where(top > bottom, top - bottom, 1.0)
    shift = np.where(top > bottom, 0.0, 0.5)  # a constant channel is a line in the middle
    low, high = (low - bottom) / width + shift, (high - bottom) / width + shift
    return [
        Spark(low[:, i].copy(), high[:, i].copy(), float(bottom[i]), float(top[i]))
        for i in range(count)
    ]


class ChannelModel(QAbstractTableModel):
    """Channels of state and action, in this order.

    Attributes:
        checked: Signal, column and on/off of a gripper check, and the same of a motion check.
    """

    gripperChecked = Signal(str, int, bool)
    motionChecked = Signal(str, int, bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._places: tuple[Place, ...] = ()
        self._names: tuple[str, ...] = ()
        self._sparks: list[Spark] = []
        self._gripper: frozenset[Place] = frozenset()
        self._motion: frozenset[Place] = frozenset()
        self._used: Mapping[Place, str] = {}

    def set_demonstration(self, demonstration: Demonstration | None) -> None:
        """List the channels of an episode."""
        self.beginResetModel()
        self._places, self._names, self._sparks = (), (), []
        if demonstration is not None:
            for signal in SIGNALS:
                names = names_of(demonstration, signal)
                self._places += tuple((signal, i) for i in range(len(names)))
                self._names += names
                self._sparks += sparks(values_of(demonstration, signal))
        self.endResetModel()

    def set_marks(
        self, gripper: frozenset[Place], motion: frozenset[Place], used: Mapping[Place, str]
    ) -> None:
        """Show what the channels are used for.

        Args:
            gripper: Checked for the gripper of the arm that is shown.
            motion: Checked for its motion.
            used: What the arms use a channel for, in words.
        """
        self._gripper, self._motion, self._used = gripper, motion, used
        if self._places:
            last = self.index(len(self._places) - 1, Column.USED)
            self.dataChanged.emit(self.index(0, Column.GRIPPER), last)

    def place(self, row: int) -> Place:
        """Signal and column of a row."""
        return self._places[row]

    def spark(self, row: int) -> Spark:
        """Small plot of a row."""
        return self._sparks[row]

    # -- Qt ----------------------------------------------------------------------------------

    def rowCount(self, parent: Index = _ROOT) -> int:
        """Number of channels."""
        return 0 if parent.isValid() else len(self._places)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles and what they mean."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        title, about = _TITLES[Column(section)]
        if role == Qt.ItemDataRole.DisplayRole:
            return title
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(title, about)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """The two columns of checks can be checked."""
        base = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if index.column() in (Column.GRIPPER, Column.MOTION):
            return base | Qt.ItemFlag.ItemIsUserCheckable
        return base

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, check or tool tip of a cell."""
        row, column = index.row(), Column(index.column())
        place = self._places[row]
        if role == Qt.ItemDataRole.CheckStateRole and column in (Column.GRIPPER, Column.MOTION):
            marked = self._gripper if column is Column.GRIPPER else self._motion
            return Qt.CheckState.Checked if place in marked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.DisplayRole:
            texts = {
                Column.PLACE: f"{place[0]} {place[1]}",
                Column.NAME: self._names[row],
                Column.USED: self._used.get(place, ""),
            }
            return texts.get(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            spark = self._sparks[row]
            ends = f"{spark.bottom:.4g} to {spark.top:.4g}" if spark.top >= spark.bottom else "none"
            where = f"Column {place[1]} of the {place[0]}"
            return tip(self._names[row], where, f"Values: {ends}", self._used.get(place, ""))
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tell of a check; it shows when it is in force."""
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        on = Qt.CheckState(value) is Qt.CheckState.Checked
        told = self.gripperChecked if index.column() == Column.GRIPPER else self.motionChecked
        told.emit(*self._places[index.row()], on)
        return True


class _Words(QSortFilterProxyModel):
    """Rows that have all words in their name, signal or use."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._words: tuple[str, ...] = ()

    def set_words(self, text: str) -> None:
        """Filter by words."""
        self._words = tuple(text.lower().split())
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        """True if the row has all words."""
        model = self.sourceModel()
        cells = (Column.PLACE, Column.NAME, Column.USED)
        text = " ".join(str(model.index(source_row, c).data() or "") for c in cells).lower()
        return all(word in text for word in self._words)


class _SparkPainter(QStyledItemDelegate):
    """Draws small plots and the cursor."""

    def __init__(self, table: ChannelTable) -> None:
        super().__init__(table)
        self._table = table
        self._kept: dict[str, QPixmap] = {}

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the cell's background, the plot, the cursor."""
        super().paint(painter, option, index)
        spark = self._table.spark_at(index)
        area = QRectF(option.rect).adjusted(HALF_GRID, HALF_GRID, -HALF_GRID, -HALF_GRID)
        palette = option.palette
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        ink = palette.highlightedText().color() if selected else colors(palette).status(
            Status.RUNNING
        )  # fmt: skip
        known = np.isfinite(spark.low)
        if not known.any():
            painter.setPen(ink if selected else palette.placeholderText().color())
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, "no values")
            return
        share = self._table.cursor_share
        if share is not None:
            x = int(area.left() + share * area.width())
            painter.setPen(QPen(colors(palette).status(Status.WARNING), 1))
            painter.drawLine(x, int(area.top()), x, int(area.bottom()))
        ratio = self._table.devicePixelRatioF()
        size = area.size().toSize() + QSize(1, 1)
        key = f"spark/{id(spark)}/{size.width()}x{size.height()}/{ratio}/{ink.rgb()}"
        picture = self._kept.get(key)
        if picture is None:
            picture = self._kept[key] = _picture(spark, known, size, ratio, ink)
        painter.drawPixmap(area.topLeft(), picture)

    def forget(self) -> None:
        """Other channels: drop the pictures of the old ones."""
        self._kept.clear()


def _picture(spark: Spark, known: Bool, size: QSize, ratio: float, ink: QColor) -> QPixmap:
    """A small plot drawn once: the cursor moves over it with every frame."""
    picture = QPixmap(size * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(ink, 1))
    area = QRectF(0.0, 0.5, size.width() - 1.0, size.height() - 2.0)
    for start, end in runs(known):
        painter.drawPolyline(polygon(_line(spark, area, start, end)))
    painter.end()
    return picture


def _line(spark: Spark, area: QRectF, start: int, end: int) -> F64:
    """(2N, 2) float64 pixels of a stretch of a small plot."""
    count = max(len(spark.low) - 1, 1)
    x = area.left() + np.arange(start, end) / count * area.width()
    points = np.empty((2 * (end - start), 2))
    points[:, 0] = np.repeat(x, 2)
    points[0::2, 1] = area.bottom() - spark.low[start:end] * area.height()
    points[1::2, 1] = area.bottom() - spark.high[start:end] * area.height()
    # Up in one column, down in the next: joins stay short.
    points[2::4, 1], points[3::4, 1] = points[3::4, 1].copy(), points[2::4, 1].copy()
    return points


class ChannelTable(QTableView):
    """The table of channels.

    Attributes:
        channelsSelected: Places (signal, column) of the selected rows, in the table's order.
    """

    channelsSelected = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model_of_channels = ChannelModel(self)
        self._words = _Words(self)
        self._words.setSourceModel(self.model_of_channels)
        self.setModel(self._words)
        self._length = 0
        self._frame = 0
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setFont(tabular(self.font()))
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.ExtendedSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAccessibleName("Channels")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT + HALF_GRID)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        self._painter = _SparkPainter(self)
        self.setItemDelegateForColumn(Column.SPARK, self._painter)
        self.selectionModel().selectionChanged.connect(self._tell_selection)

    def set_demonstration(self, demonstration: Demonstration | None) -> None:
        """List the channels of an episode."""
        self._length = demonstration.length if demonstration is not None else 0
        self._painter.forget()
        self.model_of_channels.set_demonstration(demonstration)
        self._fit_columns()

    def set_frame(self, frame: int) -> None:
        """Move the cursor."""
        if frame != self._frame:
            self._frame = frame
            left = self.columnViewportPosition(Column.SPARK)
            width = self.columnWidth(Column.SPARK)
            self.viewport().update(left, 0, width, self.viewport().height())

    def set_filter(self, text: str) -> None:
        """Show rows that have all words."""
        self._words.set_words(text)

    def select_places(self, places: frozenset[Place]) -> None:
        """Select rows and show the first of them."""
        flags = self.selectionModel().SelectionFlag
        self.clearSelection()
        first = None
        for row in range(self._words.rowCount()):
            index = self._words.index(row, 0)
            if self.model_of_channels.place(self._words.mapToSource(index).row()) in places:
                self.selectionModel().select(index, flags.Select | flags.Rows)
                first = first if first is not None else index
        if first is not None:
            self.scrollTo(first, QTableView.ScrollHint.PositionAtCenter)

    @property
    def cursor_share(self) -> float | None:
        """Where the cursor is, 0..1; None without frames."""
        return self._frame / (self._length - 1) if self._length > 1 else None

    def spark_at(self, index: Index) -> Spark:
        """Small plot of a cell of the filtered table."""
        return self.model_of_channels.spark(self._words.mapToSource(index).row())

    def _fit_columns(self) -> None:
        for column in (Column.PLACE, Column.NAME, Column.GRIPPER, Column.MOTION):
            self.resizeColumnToContents(column)
        self.setColumnWidth(Column.NAME, min(self.columnWidth(Column.NAME) + GRID, 28 * GRID))
        self.setColumnWidth(Column.SPARK, 18 * GRID)

    def _tell_selection(self) -> None:
        rows = sorted(i.row() for i in self.selectionModel().selectedRows())
        found = (self._words.mapToSource(self._words.index(r, 0)).row() for r in rows)
        self.channelsSelected.emit(tuple(self.model_of_channels.place(r) for r in found))
