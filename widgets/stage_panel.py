"""The stages of the pipeline: state, duration, findings, options, run and cancel."""

from __future__ import annotations

import time
from collections.abc import Mapping

from PySide6.QtCore import QEvent, QItemSelectionModel, QModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.backends.catalogue import Survey
from widgets.fields import EmptyHint, IconButton, muted, quiet_button, scrolled, thin_bar, tip
from widgets.icons import Glyph
from widgets.options_form import OptionsForm
from widgets.problem_list import ProblemList
from widgets.stage_table import (
    StageModel,
    StageRow,
    StageState,
    StageTable,
    duration_text,
    made_by,
)
from widgets.theme import GRID, HALF_GRID, Status, colors, tabular

__all__ = ["StagePanel", "StageRow", "StageState"]

_NO_STAGES = "Open an episode first (Ctrl+O opens a dataset)"
_NO_SELECTION = "Select a stage first"
_BUSY = "Something is running: wait for it, or cancel it first"
_OPTIONS_TAB, _FINDINGS_TAB = 0, 1
_MODEL_CODES = frozenset({"no_backend", "no_weights", "bad_weights", "no_device", "no_code"})
"""Codes of failures about which the list of models says more."""


class StagePanel(QWidget):
    """Lists the stages in order and lets the user change options, run and cancel.

    Attributes:
        runRequested: Stage name; run what is needed up to and including it.
        runFromRequested: Stage name; run it and all after it again.
        cancelRequested: Stop what is running.
        optionsChanged: Stage name and the new options instance.
        stageSelected: Stage name, selected by the user.
        problemActivated: A finding of the selected stage was clicked; carries the `Problem`.
        modelsWanted: The list of models is wanted; capability and backend, may be empty.
    """

    runRequested = Signal(str)
    runFromRequested = Signal(str)
    cancelRequested = Signal()
    optionsChanged = Signal(str, object)
    stageSelected = Signal(str)
    problemActivated = Signal(object)
    modelsWanted = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._options: dict[str, object] = {}
        self._unavailable: dict[tuple[str, str], dict[str, str]] = {}
        self._busy = False
        self._read_only = ""
        self._selected = ""
        self._progress: tuple[str, float, str] | None = None
        self._started = 0.0
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._show_progress)
        self._model = StageModel(self)
        self._table = StageTable(self._model, self)
        self._table.selectionModel().currentChanged.connect(self._on_current_changed)
        self._table.activated.connect(lambda index: self._on_activated(index.row()))
        self._list = QStackedWidget(self)
        self._list.addWidget(EmptyHint("Open an episode to see its stages.", self))
        self._list.addWidget(self._table)
        self._build_progress()
        self._build_details()
        self._build_layout()
        self.setMinimumSize(35 * GRID, 40 * GRID)
        self._refresh()

    # -- building --------------------------------------------------------------------------

    def _build_progress(self) -> None:
        self._summary = QLabel(self)
        self._summary.setFont(tabular(self._summary.font()))
        self._summary.setTextFormat(Qt.TextFormat.PlainText)
        self._summary.setMinimumWidth(1)
        self._bar = thin_bar("Progress of the running stage", self, keeps_room=True)
        self._bar.hide()
        self._run = quiet_button("Run", "", self)
        self._run_from = quiet_button("Run from here", "", self)
        self._cancel = quiet_button("Cancel", "", self)
        self._run.clicked.connect(lambda: self.runRequested.emit(self._selected))
        self._run_from.clicked.connect(lambda: self.runFromRequested.emit(self._selected))
        self._cancel.clicked.connect(self.cancelRequested)

    def _build_details(self) -> None:
        self._ran = muted(QLabel(self))
        self._ran.setWordWrap(True)
        self._ran.setTextFormat(Qt.TextFormat.PlainText)
        self._ran.setContentsMargins(GRID, 0, GRID, HALF_GRID)
        self._ran.setAccessibleName("What made the result of the selected stage")
        self._error = QLabel(self)
        self._error.setWordWrap(True)
        self._error.setTextFormat(Qt.TextFormat.PlainText)
        self._error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._error.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._copy = IconButton(Glyph.COPY, "Copy details", self)
        self._copy.setText("Copy details")
        self._copy.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._copy.clicked.connect(self._copy_details)
        self._models = quiet_button("Models…", "What is missing, and how to get it", self)
        self._models.clicked.connect(self._ask_for_models)
        self._failure = QWidget(self)
        layout = QVBoxLayout(self._failure)
        layout.setContentsMargins(GRID, HALF_GRID, GRID, HALF_GRID)
        layout.setSpacing(HALF_GRID)
        layout.addWidget(self._error)
        ways = QHBoxLayout()
        ways.setSpacing(HALF_GRID)
        ways.addStretch(1)
        ways.addWidget(self._models)
        ways.addWidget(self._copy)
        layout.addLayout(ways)
        self._form = OptionsForm(self)
        self._form.optionsChanged.connect(self._on_options_changed)
        self._form.modelsWanted.connect(self.modelsWanted)
        scroll = scrolled(self._form, self)
        self._findings = ProblemList(self)
        self._findings.problemActivated.connect(self.problemActivated)
        self._tabs = QTabWidget(self)
        self._tabs.setDocumentMode(True)
        self._tabs.tabBar().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._tabs.addTab(scroll, "Options")
        self._tabs.addTab(self._findings, "Findings")

    def _build_layout(self) -> None:
        buttons = QHBoxLayout()
        buttons.setContentsMargins(HALF_GRID, 0, HALF_GRID, HALF_GRID)
        buttons.setSpacing(HALF_GRID)
        for button in (self._run, self._run_from, self._cancel):
            buttons.addWidget(button)
        buttons.addStretch(1)
        status = QVBoxLayout()
        status.setContentsMargins(GRID, HALF_GRID, GRID, HALF_GRID)
        status.setSpacing(HALF_GRID)
        status.addWidget(self._summary)
        status.addWidget(self._bar)
        below = QWidget(self)
        details = QVBoxLayout(below)
        details.setContentsMargins(0, 0, 0, 0)
        details.setSpacing(0)
        details.addLayout(status)
        details.addLayout(buttons)
        details.addWidget(self._ran)
        details.addWidget(self._failure)
        details.addWidget(self._tabs, 1)
        splitter = QSplitter(Qt.Orientation.Vertical, self)
        splitter.addWidget(self._list)
        splitter.addWidget(below)
        splitter.setObjectName("stage_splitter")
        splitter.setChildrenCollapsible(False)
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)

    # -- setters ---------------------------------------------------------------------------

    @property
    def selected(self) -> str:
        """Name of the selected stage, or empty."""
        return self._selected

    @property
    def rows(self) -> tuple[StageRow, ...]:
        """What is shown."""
        return self._model.rows

    def set_rows(self, rows: tuple[StageRow, ...]) -> None:
        """Show the stages in order; keeps the selection by name and emits nothing."""
        self._model.show(rows)
        self._list.setCurrentIndex(1 if rows else 0)
        if all(row.name != self._selected for row in rows):
            self._selected = rows[0].name if rows else ""
        self._select_in_table()
        running = {row.name for row in rows if row.state is StageState.RUNNING}
        if self._progress is not None and self._progress[0] not in running:
            self._stop_progress()
        self._refresh()

    def set_progress(self, stage: str, share: float, what: str) -> None:
        """Show how far a stage is.

        Args:
            stage: Name of the running stage.
            share: 0..1.
            what: What it is doing, a short phrase.
        """
        if self._progress is None or self._progress[0] != stage:
            self._started = time.monotonic()
            self._clock.start()
        self._progress = (stage, min(max(share, 0.0), 1.0), what)
        self._model.set_running(stage)
        self._show_progress()

    def set_options(self, stage: str, instance: object) -> None:
        """Give a stage its options instance; emits nothing."""
        self._options[stage] = instance
        if stage == self._selected:
            self._show_options()
            self._refresh_tabs()

    @property
    def capability(self) -> str:
        """Of the selected stage's backend, empty if it has none."""
        return self._form.capability

    @property
    def placement(self) -> str:
        """What is said about where the selected stage's backend runs."""
        return self._form.placement

    def set_survey(self, survey: Survey) -> None:
        """Offer the backends and devices that were found; emits nothing."""
        self._form.set_survey(survey)

    def set_unavailable(self, stage: str, option: str, reasons: Mapping[str, str]) -> None:
        """Grey out choices of a stage's option and say why (`OptionsForm.set_unavailable`)."""
        self._unavailable[(stage, option)] = dict(reasons)
        self._show_options()

    def set_busy(self, busy: bool) -> None:
        """Say whether the worker is running something."""
        self._busy = busy
        if not busy:
            self._stop_progress()
        self._refresh()

    def set_read_only(self, reason: str) -> None:
        """Disable running and the options, for a reason that tooltips give; empty: enable them."""
        self._read_only = reason
        self._form.setEnabled(not reason)
        self._form.setToolTip(reason)
        self._refresh()

    def select(self, stage: str) -> None:
        """Select a stage by name; emits nothing. LookupError if it is not shown."""
        if all(row.name != stage for row in self._model.rows):
            raise LookupError(f"no stage {stage}")
        self._selected = stage
        self._select_in_table()
        self._refresh()

    # -- refreshing ------------------------------------------------------------------------

    def _row(self) -> StageRow | None:
        return next((r for r in self._model.rows if r.name == self._selected), None)

    def _select_in_table(self) -> None:
        for i, row in enumerate(self._model.rows):
            if row.name == self._selected:
                index = self._model.index(i, 0)
                flags = QItemSelectionModel.SelectionFlag
                model = self._table.selectionModel()
                model.blockSignals(True)
                model.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
                model.blockSignals(False)
                self._table.viewport().update()

    def _refresh(self) -> None:
        row = self._row()
        self._show_options()
        self._findings.set_problems(row.problems if row else ())
        failed = row is not None and row.state is StageState.FAILED
        self._failure.setVisible(failed)
        self._show_ran(row)
        self._error.setText(row.error if row else "")
        look = f"color: {colors(self.palette()).status(Status.ERROR).name()};"
        if look != self._error.styleSheet():  # Qt reads the same one again.
            self._error.setStyleSheet(look)
        self._copy.setVisible(row is not None and bool(row.details or row.error))
        self._models.setVisible(row is not None and row.code in _MODEL_CODES)
        self._refresh_buttons(row)
        self._refresh_tabs()
        self._show_progress()

    def _show_ran(self, row: StageRow | None) -> None:
        """Say where a model ran and what asking it took; embedded backends have nothing to say."""
        is_model = row is not None and bool(row.placement or row.model or row.usage)
        self._ran.setVisible(is_model)
        if row is not None and is_model:
            self._ran.setText("\n".join(line for line in (row.ran, row.usage) if line))
            self._ran.setToolTip(tip(f"{row.title}: what made it", *made_by(row)))

    def _show_options(self) -> None:
        self._form.set_options(self._options.get(self._selected) if self._row() else None)
        for (stage, option), reasons in self._unavailable.items():
            if stage == self._selected and self._form.options is not None:
                self._form.set_unavailable(option, reasons)

    def _refresh_buttons(self, row: StageRow | None) -> None:
        blocked = _BUSY if self._busy else "" if row else _NO_SELECTION
        if not self._model.rows:
            blocked = _NO_STAGES
        blocked = self._read_only or blocked
        title = row.title if row else ""
        fresh = row is not None and row.state is StageState.FRESH
        _allow(
            self._run,
            blocked or (f"{title} is fresh: nothing to run" if fresh else ""),
            f"Run what is needed up to {title}",
        )
        _allow(self._run_from, blocked, f"Run {title} and all stages after it again")
        _allow(self._cancel, "" if self._busy else "Nothing is running", "Stop the running stage")

    def _refresh_tabs(self) -> None:
        changed = len(self._form.changed)
        self._name_tab(_OPTIONS_TAB, f"Options ({changed} changed)" if changed else "Options")
        count = len(self._findings.problems)
        self._name_tab(_FINDINGS_TAB, f"Findings ({count})" if count else "Findings")

    def _name_tab(self, tab: int, text: str) -> None:
        # Qt lays the bar out again even for the same text.
        if text != self._tabs.tabText(tab):
            self._tabs.setTabText(tab, text)

    def _show_progress(self) -> None:
        if self._progress is None:
            self._bar.hide()
            self._summary.setText(self._model.summary())
            self._summary.setToolTip(self._model.summary(most=6))
            muted(self._summary)
            return
        stage, share, what = self._progress
        title = next((r.title for r in self._model.rows if r.name == stage), stage)
        elapsed = time.monotonic() - self._started
        times = duration_text(elapsed)
        # An estimate from the first moments is noise.
        if share >= 0.05 and elapsed >= 1.0 and share < 1.0:
            times += f", {duration_text(elapsed * (1 - share) / share)} left"
        text = f"{share:.0%}  {times}  {what}"
        self._summary.setForegroundRole(self.foregroundRole())
        self._summary.setText(text)
        self._summary.setToolTip(
            f"{title}: {what}\n{share:.1%} done, running for {duration_text(elapsed)}.\n"
            "The time left assumes that the rest runs as fast as what is done."
        )
        self._bar.setValue(round(share * 1000))
        self._bar.show()

    def _stop_progress(self) -> None:
        self._progress = None
        self._clock.stop()
        self._show_progress()

    # -- what the user does ----------------------------------------------------------------

    def _on_current_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if not current.isValid():
            return
        self._selected = self._model.rows[current.row()].name
        self._refresh()
        self.stageSelected.emit(self._selected)

    def _on_activated(self, row: int) -> None:
        if self._run.isEnabled() and 0 <= row < len(self._model.rows):
            self.runRequested.emit(self._model.rows[row].name)

    def _on_options_changed(self, options: object) -> None:
        self._options[self._selected] = options
        self._refresh_tabs()
        self.optionsChanged.emit(self._selected, options)

    def _ask_for_models(self) -> None:
        backend = getattr(self._options.get(self._selected), "backend", "")
        self.modelsWanted.emit(self.capability, str(backend))

    def _copy_details(self) -> None:
        row = self._row()
        if row is not None:
            text = f"{row.title}: {row.error}\n\n{row.details}".strip()
            QGuiApplication.clipboard().setText(text)

    def changeEvent(self, event: QEvent) -> None:
        """Recolour the sentence of a failure with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_tabs"):
            self._refresh()
        super().changeEvent(event)


def _allow(button: QPushButton, reason: str, tip: str) -> None:
    """Enable a button, or disable it and say why."""
    button.setEnabled(not reason)
    button.setToolTip(reason or tip)
