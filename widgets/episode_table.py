"""The table of a dataset's episodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import (
    QByteArray,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QImage,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.demonstration import DatasetInfo
from pipeline.model.problem import Problem
from widgets.episode_model import THUMBNAIL, EpisodeModel, titles
from widgets.episode_rows import (
    FILTER_HELP,
    Column,
    EpisodeState,
    EpisodeStatus,
)
from widgets.episode_view import EpisodeView
from widgets.fields import EmptyHint, FilterLine, keep_keys, muted, tip
from widgets.theme import GRID, HALF_GRID, ROW_HEIGHT, colors, tabular

__all__ = ["EpisodeState", "EpisodeStatus", "EpisodeTable"]

Index = QModelIndex | QPersistentModelIndex
_SETTLE_MS = 150
"""Selection waits this long, so that holding an arrow key opens one episode, not forty."""
_FILTER_MS = 80
_REARRANGE_MS = 1000
_EMPTY = "Open a dataset to see its episodes.\n\nCtrl+O, or drop a folder here."

_WIDTHS = {
    Column.INDEX: 6 * GRID,
    Column.STATE: 12 * GRID,
    Column.SCORE: 6 * GRID,
    Column.LENGTH: 6 * GRID,
    Column.REASON: 15 * GRID,
    Column.NAME: 15 * GRID,
    Column.PICTURE: THUMBNAIL.width() + GRID,
}
_ORDER = (
    Column.INDEX,
    Column.PICTURE,
    Column.NAME,
    Column.STATE,
    Column.SCORE,
    Column.LENGTH,
    Column.REASON,
    Column.INSTRUCTION,
)
"""Columns from left to right, unless the user moves them."""
_OWN_KEYS = (
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_Escape,
)
"""Keys that move in the rows while these have the focus, whatever they do in the window."""
_HIDDEN = (Column.PICTURE, Column.NAME)
"""Columns that are shown only when asked for; names also appear where a dataset has some."""
_LONG_TITLES = {Column.INDEX: "Number", Column.SCORE: "R (reliability)", Column.LENGTH: "Length"}
_THUMBNAILS_MS = 60
_MARGIN_ROWS = 4
"""Rows beyond the visible ones whose pictures are made, too."""


class EpisodeTable(QWidget):
    """Lists the episodes of a dataset, 100,000 as well as ten; filter and sort are instant.

    Missing episodes are greyed and are neither selected for opening nor activated; the line
    below the table says why.

    Attributes:
        episodeSelected: Episode index; the selection settled on a present episode.
        episodeActivated: Episode index; Enter or a double click on a present episode.
        thumbnailsWanted: Indices of the visible episodes whose pictures are missing, top first;
            replaces what was wanted before. Empty if none are wanted any more.
        columnsChosen: The user showed or hid a column (`columns_state` is new).
    """

    episodeSelected = Signal(int)
    episodeActivated = Signal(int)
    thumbnailsWanted = Signal(list)
    columnsChosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._current = -1
        self._model = EpisodeModel(self)
        self._settle = self._timer(_SETTLE_MS, self._on_settled)
        self._filter_timer = self._timer(_FILTER_MS, self._apply_filter)
        self._rearrange = self._timer(_REARRANGE_MS, self._arrange_again)
        self._thumbnails = self._timer(_THUMBNAILS_MS, self._want_thumbnails)
        self._names_chosen = False
        self._filter = FilterLine("Filter", self)
        self._filter.setToolTip(tip("Filter episodes", *FILTER_HELP))
        self._filter.textChanged.connect(lambda: self._filter_timer.start())
        self._filter.returnPressed.connect(self._enter_table)
        self._count = muted(QLabel(self))
        self._count.setFont(tabular(self._count.font()))
        self._count.setToolTip("Episodes that pass the filter")
        self._view = self._make_view()
        self._empty = EmptyHint(_EMPTY, self)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._view)
        self._note = QLabel(self)
        self._note.setWordWrap(True)
        self._note.setTextFormat(Qt.TextFormat.PlainText)
        self._note.setContentsMargins(GRID, HALF_GRID, GRID, HALF_GRID)
        self._note.hide()
        top = QHBoxLayout()
        top.setContentsMargins(HALF_GRID, HALF_GRID, GRID, HALF_GRID)
        top.setSpacing(GRID)
        top.addWidget(self._filter, 1)
        top.addWidget(self._count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self._note)
        QWidget.setTabOrder(self._view, self._filter)
        self.setFocusProxy(self._view)
        self._set_row_height()
        self.set_dataset(None)

    def _make_view(self) -> EpisodeView:
        view = EpisodeView(self)
        view.setModel(self._model)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setFrameShape(QFrame.Shape.NoFrame)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.setCornerButtonEnabled(False)
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setAccessibleName("Episodes")
        rows = view.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = view.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        # The model writes the arrow into the title, where it cannot cover it.
        arrows = "QHeaderView::up-arrow, QHeaderView::down-arrow { width: 0; height: 0; }"
        header.setStyleSheet(arrows)
        header.setSectionsMovable(True)
        for column, width in _WIDTHS.items():
            header.resizeSection(column, width)
        header.setSortIndicator(Column.INDEX, Qt.SortOrder.AscendingOrder)
        view.setSortingEnabled(True)
        for place, column in enumerate(_ORDER):
            header.moveSection(header.visualIndex(column), place)
        for column in _HIDDEN:
            view.setColumnHidden(column, True)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(
            lambda at: self._choose_columns(header.mapToGlobal(at))
        )
        view.selectionModel().currentRowChanged.connect(self._on_current_changed)
        view.doubleClicked.connect(self._on_activated)
        view.enterPressed.connect(self._on_activated)
        view.filterWanted.connect(self.focus_filter)
        view.filterLeft.connect(lambda: self.set_filter(""))
        view.columnsWanted.connect(self._choose_columns_here)
        view.resized.connect(self._thumbnails.start)
        view.verticalScrollBar().valueChanged.connect(self._thumbnails.start)
        keep_keys(view, _OWN_KEYS)
        self._model.modelReset.connect(self._show_current)
        self._model.modelReset.connect(self._thumbnails.start)
        return view

    def _set_row_height(self) -> None:
        height = max(ROW_HEIGHT - 2, self._view.fontMetrics().height() + HALF_GRID)
        if self.column_shown(Column.PICTURE):
            height = max(height, THUMBNAIL.height() + HALF_GRID)
        self._view.verticalHeader().setDefaultSectionSize(height)

    def _timer(self, milliseconds: int, slot: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(slot)
        return timer

    # -- setters ---------------------------------------------------------------------------

    def set_dataset(self, info: DatasetInfo | None) -> None:
        """Show a dataset's episodes, or none; drops all statuses and emits nothing."""
        self._current = -1
        self._settle.stop()
        self._model.show(info)
        if not self._names_chosen:
            self._view.setColumnHidden(Column.NAME, not self._model.has_names)
        self._filter.setEnabled(info is not None)
        self._say("")
        self._show_count()

    def set_status(self, episode: int, status: EpisodeStatus) -> None:
        """Take over what is known about an episode; unknown episodes are ignored.

        Rows stay where they are while results come in; a sort or filter that depends on them is
        applied again once they have been quiet for a second.
        """
        self.set_statuses({episode: status})

    def set_statuses(self, statuses: Mapping[int, EpisodeStatus]) -> None:
        """Take over many statuses at once."""
        if self._model.set_statuses(statuses):
            self._rearrange.start()

    def set_findings(self, findings: Mapping[int, tuple[Problem, ...]]) -> None:
        """Take over what an examination of the data found, by episode.

        Findings are reasons like those of the stages, leave an episode's status as it is, and stay
        when its status changes; an empty tuple takes them back.
        """
        if self._model.set_findings(findings):
            self._rearrange.start()

    def set_thumbnail(self, episode: int, image: QImage | None) -> None:
        """Show an episode's picture; None says that there is none and asks no more."""
        self._model.set_thumbnail(episode, image)

    def set_current(self, episode: int) -> None:
        """Select and show an episode (-1: none); emits nothing."""
        self._settle.stop()
        self._current = episode
        self._show_current()
        self._say("")

    @property
    def current(self) -> int:
        """Episode that is selected, -1 if none."""
        return self._current

    @property
    def visible_episodes(self) -> int:
        """Number of episodes that pass the filter."""
        return self._model.rowCount()

    def set_filter(self, text: str) -> None:
        """Filter at once, as if typed."""
        self._filter.setText(text)
        self._filter_timer.stop()
        self._apply_filter()

    def focus_filter(self) -> None:
        """Put the cursor into the filter line."""
        self._filter.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._filter.selectAll()

    def neighbour(self, step: int) -> int | None:
        """Return the present episode `step` rows on in the order shown, or None at the end.

        Args:
            step: +1 or -1.
        """
        row = self._model.row_of(self._current) + step
        if self._model.row_of(self._current) < 0:
            row = 0 if step > 0 else self._model.rowCount() - 1
        while 0 <= row < self._model.rowCount():
            info = self._model.episode(row)
            if info.present:
                return info.index
            row += step
        return None

    def column_shown(self, column: Column) -> bool:
        """True if a column is visible."""
        return not self._view.isColumnHidden(column)

    def show_column(self, column: Column, shown: bool) -> None:
        """Show or hide a column; emits nothing but `thumbnailsWanted`."""
        self._view.setColumnHidden(column, not shown)
        self._names_chosen |= column is Column.NAME
        if shown and self._view.columnWidth(column) < GRID:
            self._view.setColumnWidth(column, _WIDTHS.get(column, 12 * GRID))
        self._set_row_height()
        if column is Column.PICTURE and not shown:
            self.thumbnailsWanted.emit([])
        self._thumbnails.start()
        self._show_current()

    def columns_menu(self) -> QMenu:
        """Make the menu that shows and hides columns; the last visible one cannot be hidden."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        shown = [c for c in _ORDER if self.column_shown(c)]
        for column in _ORDER:
            title, meaning = titles()[column]
            action = menu.addAction(_LONG_TITLES.get(column, title))
            action.setCheckable(True)
            action.setChecked(column in shown)
            action.setToolTip(meaning)
            if shown == [column]:
                action.setEnabled(False)
                action.setToolTip(f"{meaning} One column must stay.")
            action.toggled.connect(lambda on, c=column: self._on_column_chosen(c, on))
        return menu

    def columns_state(self) -> bytes:
        """Widths, order, choice and sort of the columns, to be remembered."""
        return bytes(self._view.horizontalHeader().saveState().data())

    def restore_columns(self, state: bytes) -> bool:
        """Restore what `columns_state` returned; False (and no change) if it does not fit."""
        header = self._view.horizontalHeader()
        before = header.saveState()
        if not header.restoreState(QByteArray(state)) or header.count() != len(Column):
            header.restoreState(before)
            return False
        if all(header.isSectionHidden(c) for c in Column):
            header.restoreState(before)
            return False
        self._names_chosen = True
        self._set_row_height()
        self._view.sortByColumn(header.sortIndicatorSection(), header.sortIndicatorOrder())
        return True

    # -- what happens ----------------------------------------------------------------------

    def _choose_columns_here(self) -> None:
        """Open the menu at the header, for the keyboard."""
        header = self._view.horizontalHeader()
        self._choose_columns(header.mapToGlobal(header.rect().bottomLeft()))

    def _choose_columns(self, at: QPoint) -> None:
        menu = self.columns_menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(at)

    def _on_column_chosen(self, column: Column, shown: bool) -> None:
        self.show_column(column, shown)
        self.columnsChosen.emit()

    def _want_thumbnails(self) -> None:
        """Ask for the pictures of the visible rows, and of a few above and below."""
        count = self._model.rowCount()
        if not self.column_shown(Column.PICTURE) or not count or not self.isVisible():
            return
        viewport = self._view.viewport()
        top, bottom = self._view.rowAt(0), self._view.rowAt(viewport.height() - 1)
        first = max(top, 0)
        last = bottom if bottom >= 0 else count - 1
        near = [
            *range(first, last + 1),
            *range(last + 1, min(last + 1 + _MARGIN_ROWS, count)),
            *range(first - 1, max(first - 1 - _MARGIN_ROWS, -1), -1),
        ]
        wanted = [self._model.episode(r).index for r in near if self._model.lacks_thumbnail(r)]
        self.thumbnailsWanted.emit(wanted)

    def _apply_filter(self) -> None:
        self._model.set_filter(self._filter.text().strip())
        self._show_count()

    def _arrange_again(self) -> None:
        top = self._view.verticalScrollBar().value()
        self._model.arrange()
        self._view.verticalScrollBar().setValue(top)
        self._show_count()

    def _show_count(self) -> None:
        shown, total = self._model.rowCount(), self._model.total
        filtered = bool(self._filter.text().strip())
        self._count.setText(f"{shown:,} of {total:,}" if filtered else f"{total:,}")
        self._count.setVisible(total > 0)
        if total and not shown:
            self._empty.setText(
                "No episode passes the filter.\n\nEsc in the filter line clears it."
            )
        else:
            self._empty.setText(_EMPTY if not total else "")
        self._stack.setCurrentWidget(self._view if shown else self._empty)

    def _show_current(self) -> None:
        row = self._model.row_of(self._current)
        selection = self._view.selectionModel()
        selection.blockSignals(True)
        if row < 0:
            selection.clear()
        else:
            flags = QItemSelectionModel.SelectionFlag
            index = self._model.index(row, 0)
            selection.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
            self._view.scrollTo(index)
        selection.blockSignals(False)
        self._view.viewport().update()

    def _enter_table(self) -> None:
        """Enter in the filter line moves on to the rows."""
        self._filter_timer.stop()
        self._apply_filter()
        self._view.setFocus(Qt.FocusReason.OtherFocusReason)
        if self._model.rowCount() and self._model.row_of(self._current) < 0:
            self._view.selectRow(0)

    def _on_current_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if not current.isValid():
            return
        info = self._model.episode(current.row())
        self._current = info.index
        reason = next((p.message for p in info.problems), "Its files are not on this disk.")
        self._say("" if info.present else f"Episode {info.index} cannot be opened. {reason}")
        self._settle.start()

    def _on_settled(self) -> None:
        row = self._model.row_of(self._current)
        if row >= 0 and self._model.episode(row).present:
            self.episodeSelected.emit(self._current)

    def _on_activated(self, index: QModelIndex) -> None:
        if index.isValid() and self._model.episode(index.row()).present:
            self.episodeActivated.emit(self._model.episode(index.row()).index)

    def _say(self, sentence: str) -> None:
        self._note.setText(sentence)
        self._note.setStyleSheet(f"color: {colors(self.palette()).warning};")
        self._note.setVisible(bool(sentence))
