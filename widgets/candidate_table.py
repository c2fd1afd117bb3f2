"""The candidates of the open subtask, by falling R, with what each cue adds as bars."""

from __future__ import annotations

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRectF,
    QSignalBlocker,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QFontMetricsF,
    QKeyEvent,
    QPainter,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QMenu,
    QStackedWidget,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from pipeline.evaluation.comparison import RunComparison
from pipeline.model.candidate import ProposalsResult
from pipeline.model.palette import candidate_color
from pipeline.model.score import ScoresResult
from widgets.candidate_model import (
    COMPARED,
    ROW_ROLE,
    SORT_ROLE,
    CandidateModel,
    CandidateRow,
    Column,
)
from widgets.contribution_bar import TermLegend, paint_bar
from widgets.fields import EmptyHint, keep_keys
from widgets.marks import star
from widgets.theme import GRID, HALF_GRID, ROW_HEIGHT, tabular

_HINT = "No candidates yet. Run the stages of this subtask to see what might be the object."
_BAR = 8
_ROOMY = 95 * GRID
"""Width from which a comparison and all cues fit side by side."""
Index = QModelIndex | QPersistentModelIndex


class _Delegate(QStyledItemDelegate):
    """Paints the name with its chip and marks, and R with its bar."""

    def __init__(self, model: CandidateModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Background and text by the style, the rest by us."""
        row = index.data(ROW_ROLE)
        column = Column(index.column())
        if not isinstance(row, CandidateRow) or column not in (Column.NAME, Column.SCORE):
            super().paint(painter, option, index)
            return
        plain = QStyleOptionViewItem(option)
        self.initStyleOption(plain, index)
        plain.text = ""
        style = plain.widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, plain, painter, plain.widget)
        chosen = bool(plain.state & QStyle.StateFlag.State_Selected)
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        box = QRectF(plain.rect).adjusted(HALF_GRID, 0, -HALF_GRID, 0)
        painter.save()
        painter.setClipRect(plain.rect)
        painter.setPen(plain.palette.color(role))
        if column is Column.NAME:
            self._paint_name(painter, box, row, chosen, plain)
        else:
            self._paint_score(painter, box, row, chosen, plain)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Wide enough for marks and bars."""
        size = super().sizeHint(option, index)
        return QSize(size.width() + 6 * GRID, ROW_HEIGHT)

    def _paint_name(
        self,
        painter: QPainter,
        box: QRectF,
        row: CandidateRow,
        chosen: bool,
        option: QStyleOptionViewItem,
    ) -> None:
        middle = box.center().y()
        text = painter.pen().color()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chip = QRectF(box.left(), middle - 5.5, 11, 11)
        painter.setBrush(QColor(*candidate_color(row.proposal.id)))
        painter.setPen(QPen(text, 1.0))
        painter.drawRoundedRect(chip, 2, 2)
        x = chip.right() + 6
        if row.wins:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(text)
            painter.drawPolygon(star(x + 6, middle, 6.5))
        # The column of the star stays free in other rows, so that labels line up.
        x += 17
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(text)
        font = option.font
        font.setBold(row.wins)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        label = ("✓ " if row.true else "") + (row.proposal.label or "unnamed")
        if row.gone and not chosen:
            painter.setPen(option.palette.color(QPalette.ColorRole.PlaceholderText))
        room = box.right() - x
        label = metrics.elidedText(label, Qt.TextElideMode.ElideRight, room)
        area = QRectF(x, box.top(), room, box.height())
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, label)
        area.setLeft(x + metrics.horizontalAdvance(label) + GRID)
        origin = "person's choice" if row.wins and row.by_person else row.proposal.origin
        font.setBold(False)
        painter.setFont(font)
        if not chosen:
            painter.setPen(option.palette.color(QPalette.ColorRole.PlaceholderText))
        if area.width() >= QFontMetricsF(font).horizontalAdvance("mmm"):
            origin = QFontMetricsF(font).elidedText(
                origin, Qt.TextElideMode.ElideRight, area.width()
            )
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, origin)

    def _paint_score(
        self,
        painter: QPainter,
        box: QRectF,
        row: CandidateRow,
        chosen: bool,
        option: QStyleOptionViewItem,
    ) -> None:
        number = QFontMetricsF(option.font).horizontalAdvance("−0.000") + GRID
        value = "–" if row.terms is None else f"{row.terms.score:.3f}".replace("-", "−")
        font = option.font
        font.setBold(row.wins)
        painter.setFont(font)
        figures = QRectF(box.left(), box.top(), number - GRID, box.height())
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(figures, flags, value)
        if row.terms is None or box.width() < number + 3 * GRID:
            return
        area = bar_box(box, number)
        palette = QPalette(option.palette)
        if chosen:
            # A thin edge of the usual ground: the parts look as they do in other rows.
            parts = self._model.scale.segments(row.terms.contributions, area.left(), area.width())
            ends = [p.left for p in parts] + [p.right for p in parts]
            if ends:
                edge = QRectF(min(ends), area.top(), max(ends) - min(ends), area.height())
                ground = palette.color(QPalette.ColorRole.Base)
                painter.fillRect(edge.adjusted(-2, -2, 2, 2), ground)
            marks = palette.color(QPalette.ColorRole.HighlightedText)
            palette.setColor(QPalette.ColorRole.Text, marks)
        paint_bar(painter, area, row.terms, self._model.scale, palette)


def bar_box(box: QRectF, number: float) -> QRectF:
    """Room of the bar right of the number, in a cell of R."""
    middle = box.center().y()
    return QRectF(box.left() + number, middle - _BAR / 2, box.width() - number - 2, _BAR)


class _View(QTableView):
    """A table in which Enter chooses and digits select a rank."""

    def __init__(self, owner: CandidateTable) -> None:
        super().__init__(owner)
        self._owner = owner

    def fit_columns(self, *, compared: bool) -> None:
        """Show the columns of a comparison; where the room is short, instead of single cues."""
        crowded = compared and self.viewport().width() < _ROOMY
        for column in COMPARED:
            self.setColumnHidden(column, not compared)
        for column in (Column.MOTION, Column.PROXIMITY, Column.OVERLAP):
            self.setColumnHidden(column, crowded)
        self.fit_names()

    def fit_names(self) -> None:
        """Give the names what they need, at most a third: the bars take the rest."""
        wanted = max(self.sizeHintForColumn(Column.NAME), 15 * GRID)
        room = max(self.viewport().width() // 3, 15 * GRID)
        self.horizontalHeader().resizeSection(Column.NAME, min(wanted, room))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the width anew."""
        self.fit_columns(compared=self._owner.is_comparing)
        super().resizeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter chooses, 1 to 9 select by rank; the rest is the table's."""
        key = event.key()
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._owner.choose_current()
        elif plain and Qt.Key.Key_1.value <= key <= Qt.Key.Key_9.value:
            self._owner.select_rank(key - Qt.Key.Key_0.value)
        elif key == Qt.Key.Key_Space:
            event.ignore()  # plays the video
        else:
            super().keyPressEvent(event)


class CandidateTable(QWidget):
    """Candidates with D, A, P, o and R.

    Signals:
        candidateSelected: Candidate id the user moved to.
        candidateChosen: Candidate id the user wants as the winner (double click, Enter, menu).
    """

    candidateSelected = Signal(int)
    candidateChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Candidates")
        self._proposals: ProposalsResult | None = None
        self._scores: ScoresResult | None = None
        self._true: frozenset[int] = frozenset()
        self._comparison: RunComparison | None = None
        self._selected = -1
        self._read_only = ""
        self._model = CandidateModel(self)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._model)
        self._sorted.setSortRole(SORT_ROLE)
        self._hint = EmptyHint(_HINT)
        self.view = self._make_view()
        self._pages = QStackedWidget()
        self._pages.addWidget(self._hint)
        self._pages.addWidget(self.view)
        self._legend = TermLegend()
        self._compared = QLabel(self)
        self._compared.setTextFormat(Qt.TextFormat.PlainText)
        self._compared.setContentsMargins(GRID, HALF_GRID, GRID, HALF_GRID)
        self._compared.setWordWrap(True)
        self._compared.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._compared)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self._legend)
        self._legend.hide()

    def _make_view(self) -> _View:
        view = _View(self)
        view.setModel(self._sorted)
        view.setItemDelegate(_Delegate(self._model, view))
        view.setFont(tabular(view.font()))
        view.setAccessibleName("Candidates by reliability")
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setAlternatingRowColors(True)
        view.setShowGrid(False)
        view.setTabKeyNavigation(False)
        view.setFrameShape(QTableView.Shape.NoFrame)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = view.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(3 * GRID)
        metrics = QFontMetrics(view.font())
        number = metrics.horizontalAdvance("00.00") + 3 * GRID
        header.resizeSection(Column.RANK, metrics.horizontalAdvance("00") + 3 * GRID)
        for column in (Column.DETECTOR, Column.MOTION, Column.PROXIMITY, Column.OVERLAP):
            header.resizeSection(column, number)
        for column in COMPARED:
            header.resizeSection(column, metrics.horizontalAdvance("+0.000") + 2 * GRID)
            view.hideColumn(column)
            header.moveSection(header.visualIndex(column), 1 + column - COMPARED[0])
        header.setSectionResizeMode(Column.SCORE, QHeaderView.ResizeMode.Stretch)
        view.setSortingEnabled(True)
        view.sortByColumn(Column.RANK, Qt.SortOrder.AscendingOrder)
        # Enter chooses here, although it accepts the caption elsewhere.
        keep_keys(view, (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Up, Qt.Key.Key_Down))
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._show_menu)
        view.doubleClicked.connect(lambda index: self._choose(self._candidate(index)))
        view.selectionModel().currentRowChanged.connect(self._on_current)
        return view

    # Values in -----------------------------------------------------------------------------

    def set_results(self, proposals: ProposalsResult | None, scores: ScoresResult | None) -> None:
        """Show candidates and, once there are any, their scores. Keeps the selection."""
        if proposals is self._proposals and scores is self._scores:
            return
        self._proposals, self._scores = proposals, scores
        self._refresh()

    def set_comparison(self, comparison: RunComparison | None, what: str = "") -> None:
        """Show what became of the candidates since the run before; None: only this run.

        Args:
            comparison: Of the run before with the results on show.
            what: How the runs were made differently, one line.
        """
        if comparison is None and self._comparison is None:
            return  # Told with every result of a stage.
        self._comparison = comparison
        self.view.fit_columns(compared=comparison is not None)
        if comparison is not None:
            self._compared.setText(
                f"{what}: {comparison.sentence}" if what else comparison.sentence
            )
            self._compared.setToolTip(
                "What differs between the results on show and the run before. Candidates of both "
                "are matched by their boxes (IoU ≥ 0.3)."
            )
        self._compared.setVisible(comparison is not None)
        self._refresh()

    @property
    def is_comparing(self) -> bool:
        """True while the run before is compared with."""
        return self._comparison is not None

    def set_ground_truth(self, candidate_ids: set[int]) -> None:
        """Mark the candidates that match the human box."""
        if candidate_ids != self._true:
            self._true = frozenset(candidate_ids)
            self._refresh()

    def set_selected(self, candidate: int) -> None:
        """Select a candidate; -1 selects none."""
        self._selected = candidate
        row = self._model.row_of(candidate)
        selection = self.view.selectionModel()
        with QSignalBlocker(self):
            if row < 0:
                selection.clear()
                return
            index = self._sorted.mapFromSource(self._model.index(row, Column.NAME))
            self.view.setCurrentIndex(index)
            self.view.scrollTo(index)

    def set_read_only(self, reason: str) -> None:
        """Let nobody choose a winner, for a reason that the menu gives; empty: let them."""
        self._read_only = reason

    def set_message(self, message: str) -> None:
        """What the empty table says; empty for the usual hint."""
        self._hint.setText(message or _HINT)

    # What the user does ---------------------------------------------------------------------

    @property
    def candidate(self) -> int:
        """Candidate of the current row, -1 if there is none."""
        return self._candidate(self.view.currentIndex())

    def select_rank(self, rank: int) -> None:
        """The user asks for the candidate of a rank, from 1; too high a rank does nothing."""
        if 1 <= rank <= len(self._model.rows):
            row = self._model.index(rank - 1, Column.NAME)
            self.view.setCurrentIndex(self._sorted.mapFromSource(row))

    def choose_current(self) -> None:
        """The user wants the current candidate as the winner."""
        self._choose(self.candidate)

    def menu(self) -> QMenu:
        """Context menu of the current row."""
        menu = QMenu(self)
        action = menu.addAction("Choose as the object")
        action.setEnabled(self.candidate >= 0 and not self._read_only)
        action.setToolTip(self._read_only)
        menu.setToolTipsVisible(bool(self._read_only))
        action.triggered.connect(self.choose_current)
        return menu

    def changeEvent(self, event: QEvent) -> None:
        """Keep figures of equal width when the font changes."""
        if event.type() is QEvent.Type.FontChange and hasattr(self, "view"):
            self.view.setFont(tabular(self.font()))
            self.view.fit_names()
        super().changeEvent(event)

    def _refresh(self) -> None:
        with QSignalBlocker(self):
            self._model.set_rows(self._proposals, self._scores, self._true, self._comparison)
            if self._selected >= 0:
                self.set_selected(self._selected)
        self.view.fit_names()
        filled = bool(self._model.rows)
        self._pages.setCurrentIndex(int(filled))
        self._legend.setVisible(filled and self._scores is not None)

    def _candidate(self, index: Index) -> int:
        row = index.data(ROW_ROLE) if index.isValid() else None
        return row.proposal.id if isinstance(row, CandidateRow) else -1

    def _on_current(self, index: QModelIndex) -> None:
        candidate = self._candidate(index)
        if candidate >= 0 and not self.signalsBlocked():
            self._selected = candidate
            self.candidateSelected.emit(candidate)

    def _choose(self, candidate: int) -> None:
        if candidate >= 0:
            self.candidateChosen.emit(candidate)

    def _show_menu(self, point: QPoint) -> None:
        if self.view.indexAt(point).isValid():
            menu = self.menu()
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.view.viewport().mapToGlobal(point))
