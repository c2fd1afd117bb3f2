"""Page “Failures” of the curation window: where a dataset's annotations go wrong, and which."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QScrollArea,
    QSplitter,
    QStackedLayout,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from pipeline.curation.data import CurationData
from pipeline.diagnosis.diagnosis import Diagnosis
from pipeline.diagnosis.pareto import (
    By,
    Certainty,
    Failures,
    Grouping,
    Pareto,
    Suspicions,
    key_of,
    paretos,
)
from pipeline.model.arrays import I64
from widgets.curation.failure_list import (
    EPISODE,
    KNOWN,
    SUBTASK,
    TASK,
    WHY,
    FailureModel,
    steps_text,
)
from widgets.curation.pareto_bars import CertaintyLegend, ParetoBars, label_of
from widgets.fields import (
    EmptyHint,
    RowHeight,
    guard_wheel,
    keep_keys,
    muted,
    quiet_button,
    thin_bar,
    tip,
)
from widgets.theme import GRID, HALF_GRID, ROW_HEIGHT, tabular

_WIDEST = ("Episode", "Subtask", "pick and place", "not judged")
"""Texts that the columns must hold."""
_LOOKED_AT = 100
"""Reasons that are measured to find the height of a row."""
_NO_DATA = "Open annotations: annotate the dataset, or open a file of predictions."
_NOTHING = (
    "No annotation is known to be wrong, and no code is grave.\n"
    "Judge some (spot check, or choose candidates in the main window), or add ground truth."
)
_ONLY_UNJUDGED = "Nothing is known to be wrong. Tick “Not judged, too” to see what codes suspect."


class FailurePareto(QWidget):
    """Failures by stage or code, most first, and the annotations behind each bar.

    Signals:
        annotationActivated: Episode and subtask to open in the main window.
        diagnosisRequested: Tuple of episodes whose stage at fault is to be found.
        cancelRequested: The diagnosis that runs is to be stopped.
    """

    annotationActivated = Signal(int, int)
    diagnosisRequested = Signal(object)
    cancelRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Failures")
        self._data: CurationData | None = None
        self._suspicions: Suspicions | None = None
        self._failures: Failures | None = None
        self._groups: tuple[Pareto, ...] = ()
        self._diagnoses: dict[tuple[str, int, int, int], Diagnosis] = {}
        self._stale = False
        self._running = False
        self._make_controls()
        self._make_views()
        self._arrange()
        self.setFocusProxy(self._bars)
        self._refresh_button()

    # -- making ------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        self._by = self._choice(
            "Count by",
            {"Stages": By.STAGE, "Codes": By.CODE},
            "Stages: where it went wrong first. Codes: what the stage at fault said about it "
            "(“no code”: nothing).",
        )
        self._grouping = self._choice(
            "Group by",
            {"All": Grouping.NOTHING, "Dataset": Grouping.DATASET, "Task": Grouping.TASK},
            "One count for all annotations, or one for each dataset or kind of task.",
        )
        self._unjudged = QCheckBox("Not judged, too", self)
        self._unjudged.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._unjudged.setToolTip(
            tip(
                "Not judged, too",
                "Counts annotations of which nobody knows whether they are wrong, at the stage "
                "that their codes point at. Codes prove nothing.",
            )
        )
        self._unjudged.toggled.connect(self._count)
        self.button = quiet_button("Find the stage at fault", "", self)
        self.button.clicked.connect(self._ask)
        self._bar = thin_bar("Progress of the diagnosis", self)
        self._bar.setFixedWidth(15 * GRID)
        self._bar.hide()
        self._what = muted(QLabel(self))
        self._what.setTextFormat(Qt.TextFormat.PlainText)

    def _choice(
        self, name: str, entries: dict[str, By] | dict[str, Grouping], what: str
    ) -> QComboBox:
        combo = QComboBox(self)
        combo.setAccessibleName(name)
        combo.setToolTip(tip(name, what))
        guard_wheel(combo)
        for text, value in entries.items():
            combo.addItem(text, value)
        combo.currentIndexChanged.connect(self._count)
        return combo

    def _make_views(self) -> None:
        self._bars = ParetoBars(self)
        self._bars.barChosen.connect(self._list_bar)
        self._scroll = QScrollArea(self)
        self._scroll.setWidget(self._bars)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._model = FailureModel(self)
        self._list = QTableView(self)
        self._list.setModel(self._model)
        self._list.setItemDelegate(RowHeight(self._list))
        self._list.setFont(tabular(self._list.font()))
        self._list.setAccessibleName("Annotations behind the bar")
        self._list.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._list.setFrameShape(QFrame.Shape.NoFrame)
        self._list.setShowGrid(False)
        self._list.setAlternatingRowColors(True)
        self._list.setWordWrap(True)
        self._list.setTabKeyNavigation(False)
        keep_keys(self._list, (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Up, Qt.Key.Key_Down))
        self._list.verticalHeader().hide()
        header = self._list.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        metrics = self._list.fontMetrics()
        widest = dict(zip((EPISODE, SUBTASK, TASK, KNOWN), _WIDEST, strict=True))
        for column, text in widest.items():
            header.resizeSection(column, metrics.horizontalAdvance(text) + 3 * GRID)
        header.setMinimumSectionSize(5 * GRID)
        header.sectionResized.connect(lambda *_: self._fit_rows())
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._bars.barActivated.connect(self._list.setFocus)
        self._list.activated.connect(self._open)
        self._list.selectionModel().currentRowChanged.connect(self._explain)
        self._title = muted(QLabel(self))
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._detail = QLabel(self)
        self._detail.setTextFormat(Qt.TextFormat.PlainText)
        self._detail.setWordWrap(True)
        self._detail.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._detail.setMargin(GRID)
        self._detail.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._detail.setAccessibleName("What was tried")
        self._empty = EmptyHint(_NO_DATA, self)

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(GRID)
        controls: tuple[QWidget, ...] = (self._by, self._grouping, self._unjudged)
        for widget in (*controls, CertaintyLegend(self)):
            top.addWidget(widget)
        top.addStretch(1)
        reports: tuple[QWidget, ...] = (self._what, self._bar, self.button)
        for widget in reports:
            top.addWidget(widget)
        detail = QScrollArea(self)
        detail.setWidget(self._detail)
        detail.setWidgetResizable(True)
        detail.setFrameShape(QFrame.Shape.NoFrame)
        right = QSplitter(Qt.Orientation.Vertical, self)
        listed = QWidget(right)
        column = QVBoxLayout(listed)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(HALF_GRID)
        column.addWidget(self._title)
        column.addWidget(self._list)
        right.addWidget(listed)
        right.addWidget(detail)
        right.setStretchFactor(0, 2)
        right.setStretchFactor(1, 1)
        right.setSizes([500, 250])  # shares; what was tried takes some lines
        right.setChildrenCollapsible(False)
        both = QSplitter(Qt.Orientation.Horizontal, self)
        both.addWidget(self._scroll)
        both.addWidget(right)
        both.setStretchFactor(0, 2)
        both.setStretchFactor(1, 3)
        both.setSizes([400, 600])  # shares; the bars' own hint would take half
        both.setChildrenCollapsible(False)
        body = QWidget(self)
        self._stack = QStackedLayout(body)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(both)
        self._both = both
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addLayout(top)
        layout.addWidget(body, 1)

    # -- what is shown -----------------------------------------------------------------------

    def set_data(self, data: CurationData | None) -> None:
        """Show a dataset's annotations; diagnoses of another file are dropped. Emits nothing."""
        if data is None or self._data is None or data.path != self._data.path:
            self._diagnoses.clear()
        same = data is not None and self._data is not None and data.table is self._data.table
        if not same:
            self._suspicions = None
        elif data is not None and self._suspicions is not None:
            self._suspicions = self._suspicions.judged(data.both)
        self._data = data
        self._stale = True
        if self.isVisible():
            self._recount()

    def set_diagnoses(self, diagnoses: Iterable[Diagnosis]) -> None:
        """Add what substitution found, replacing what was known of the same subtasks."""
        for found in diagnoses:
            self._diagnoses[(*key_of(found), found.number if found.subtask < 0 else -1)] = found
        self._failures = None
        self._stale = True
        if self.isVisible():
            self._recount()

    def set_progress(self, share: float | None, what: str = "") -> None:
        """Show how far a diagnosis is.

        Args:
            share: 0..1; None if none runs.
            what: What it does, or how it ended.
        """
        self._running = share is not None
        self._bar.setVisible(self._running)
        if share is not None:
            self._bar.setValue(round(1000 * share))
        self._what.setText(what)
        self._refresh_button()

    @property
    def groups(self) -> tuple[Pareto, ...]:
        """What the bars show."""
        return self._groups

    def showEvent(self, event: QShowEvent) -> None:
        """Count what came while the page was hidden."""
        if self._stale:
            self._recount()
        super().showEvent(event)

    def _recount(self) -> None:
        """Read codes and diagnoses again."""
        self._stale = False
        data = self._data
        if data is None:
            self._failures = None
        else:
            if self._suspicions is None:
                self._suspicions = Suspicions.of(data.table, data.both)
                known = bool(self._suspicions.wrong.any())
                self._unjudged.blockSignals(True)
                # Where faults are known, guesses would only hide them.
                self._unjudged.setChecked(not known)
                self._unjudged.blockSignals(False)
            self._failures = self._suspicions.failures(tuple(self._diagnoses.values()))
        self._count()
        self._refresh_button()

    def _count(self) -> None:
        """Make the bars, keeping what is chosen."""
        before = self._chosen_names()
        failures = self._failures
        if failures is None:
            self._groups = ()
        else:
            by, grouping = By(self._by.currentData()), Grouping(self._grouping.currentData())
            unjudged = self._unjudged.isChecked()
            self._groups = paretos(failures, by, grouping, unjudged=unjudged)
        places = {
            (group.name, bar.label): (g, b)
            for g, group in enumerate(self._groups)
            for b, bar in enumerate(group.bars)
        }
        chosen = places.get(before, (0, 0) if self._groups else (-1, -1))
        self._bars.set_groups(self._groups, chosen)
        self._show_empty()
        self._list_bar(*chosen)

    def _chosen_names(self) -> tuple[str, str]:
        g, b = self._bars.chosen
        if 0 <= g < len(self._groups) and 0 <= b < len(self._groups[g].bars):
            return self._groups[g].name, self._groups[g].bars[b].label
        return "", ""

    def _show_empty(self) -> None:
        if self._groups:
            self._stack.setCurrentWidget(self._both)
            return
        text = _NO_DATA
        if self._failures is not None:
            text = _ONLY_UNJUDGED if len(self._failures) else _NOTHING
        self._empty.setText(text)
        self._stack.setCurrentWidget(self._empty)

    def _list_bar(self, group: int, bar: int) -> None:
        """List the annotations of a bar."""
        if not 0 <= group < len(self._groups):
            self._model.show(None, None)
            self._title.clear()
            self._detail.clear()
            return
        chosen = self._groups[group].bars[bar]
        kept = self._selected_key()
        self._model.show(self._failures, chosen.places)
        count = "1 annotation" if chosen.total == 1 else f"{chosen.total:,} annotations"
        self._title.setText(f"{label_of(chosen.label)}: {count}")
        self._fit_rows()
        self._list.selectRow(self._row_of(kept, chosen.places))

    def _fit_rows(self) -> None:
        """Two lines to a row where the first reasons need them; all alike, so that it is cheap."""
        failures, metrics = self._failures, self._list.fontMetrics()
        room = self._list.columnWidth(WHY) - GRID
        count = min(self._model.rowCount(), _LOOKED_AT) if failures is not None else 0
        texts = (failures.sentence(self._model.place(k)) for k in range(count) if failures)
        two = any(metrics.horizontalAdvance(text) > room for text in texts)
        height = max(ROW_HEIGHT, 2 * metrics.lineSpacing() + GRID) if two else ROW_HEIGHT
        self._list.verticalHeader().setDefaultSectionSize(height)

    def _selected_key(self) -> tuple[int, int]:
        """Episode and subtask of the selected row."""
        row = self._list.currentIndex().row()
        failures = self._failures
        if failures is None or not 0 <= row < self._model.rowCount():
            return (-1, -1)
        place = self._model.place(row)
        if place >= len(failures):
            return (-1, -1)
        return int(failures.episode[place]), int(failures.subtask[place])

    def _row_of(self, key: tuple[int, int], places: I64) -> int:
        """Row of the annotation that was selected, else the first."""
        failures = self._failures
        if failures is None:
            return 0
        same = (failures.episode[places] == key[0]) & (failures.subtask[places] == key[1])
        return int(np.argmax(same)) if same.any() else 0

    def _explain(self, index: QModelIndex) -> None:
        """Say what was tried for the selected annotation."""
        failures = self._failures
        if failures is None or not index.isValid():
            self._detail.clear()
            return
        place = self._model.place(index.row())
        diagnosis = self._diagnosis_at(failures, place)
        steps = steps_text(diagnosis) if diagnosis is not None else ""
        self._detail.setText("\n\n".join(t for t in (failures.sentence(place), steps) if t))

    def _diagnosis_at(self, failures: Failures, place: int) -> Diagnosis | None:
        episode, subtask = int(failures.episode[place]), int(failures.subtask[place])
        sentence = failures.sentence(place)
        for found in self._diagnoses.values():
            if (found.episode, found.subtask, found.sentence) == (episode, subtask, sentence):
                return found
        return None

    # -- asking ------------------------------------------------------------------------------

    def _open(self, index: QModelIndex) -> None:
        failures = self._failures
        if failures is None or not index.isValid():
            return
        place = self._model.place(index.row())
        self.annotationActivated.emit(
            int(failures.episode[place]), max(int(failures.subtask[place]), 0)
        )

    def wrong_episodes(self) -> tuple[int, ...]:
        """Episodes that are known to be wrong and were not diagnosed yet."""
        failures = self._failures
        if failures is None:
            return ()
        open_ones = failures.certainty == Certainty.SUSPECT
        done = {d.episode for d in self._diagnoses.values()}
        return tuple(e for e in np.unique(failures.episode[open_ones]).tolist() if e not in done)

    def _ask(self) -> None:
        if self._running:
            self.cancelRequested.emit()
        else:
            self.diagnosisRequested.emit(self.wrong_episodes())

    def _refresh_button(self) -> None:
        """Enabled where there is something to find; else its tool tip says why not."""
        button, data = self.button, self._data
        if self._running:
            button.setText("Cancel")
            button.setEnabled(True)
            button.setToolTip(tip("Cancel", "What was found stays."))
            return
        count = len(self.wrong_episodes())
        button.setText("Find the stage at fault")
        why = self._why_not(data, count)
        button.setEnabled(not why)
        button.setToolTip(
            tip(
                "Find the stage at fault",
                why
                or f"Puts the truth in, stage by stage, for {count:,} wrong episodes, and sees "
                "when the winner turns right. Takes some 10 s per stage that has to run again.",
            )
        )

    def _why_not(self, data: CurationData | None, count: int) -> str:
        checks: tuple[tuple[Callable[[], bool], str], ...] = (
            (lambda: data is None, "There are no annotations."),
            (
                lambda: data is not None and data.dataset is None,
                "The dataset of these annotations is not on this machine.",
            ),
            (
                lambda: count == 0 and bool(self._diagnoses),
                "All wrong annotations were diagnosed; where one is still only suspected, nobody "
                "has said which box is right.",
            ),
            (lambda: count == 0, "No annotation is known to be wrong."),
        )
        return next((text for check, text in checks if check()), "")
