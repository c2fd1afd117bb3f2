"""Page “Sensitivity” of the curation window: what each option of the score does to the metrics."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSplitter,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from pipeline.curation.data import CurationData
from pipeline.evaluation.sweep_options import SWEPT, Cost, cost_of, info_of
from pipeline.evaluation.sweep_results import Metric, Sweep, SweepMap, Tornado
from pipeline.evaluation.sweep_text import (
    caution_text,
    evidence_text,
    map_verdict_text,
    verdict_text,
)
from pipeline.evaluation.sweeps import SweepRequest
from widgets.curation.sweep_heat_map import SweepHeatMap
from widgets.curation.sweep_plot import SweepPlot
from widgets.curation.sweep_tornado import SweepTornado
from widgets.fields import EmptyHint, guard_wheel, keep_keys, muted, quiet_button, thin_bar, tip
from widgets.theme import GRID, HALF_GRID

_NO_DATA = "Open annotations: annotate the dataset, or open a file of predictions."
_NOTHING_KNOWN = (
    "Nothing is known about these annotations: there is no ground truth and no verdict.\n"
    "Judge some (spot check, or accept and reject in the main window), or add ground truth."
)
_NO_CANDIDATES = (
    "These annotations hold only winners, so nothing can be scored again.\n"
    "Annotate the dataset again: all candidates are kept now."
)
_READY = (
    "Press “Sweep” to see what each option of the score does to the metrics.\n"
    "Nothing is tracked again."
)
_RUNNING = (
    "Finding out what each option of the score does to the metrics …\nNothing is tracked again."
)
_ALL, _NONE = "All options", "–"
_NO_CLIPS = "it shapes what is measured, which needs the dataset and its cached tracks"
_WHAT_METRICS = {
    Metric.ACCURACY: "Share of judged annotations whose winner is right.",
    Metric.AURC: "Area under the risk-coverage curve: mean risk over all coverages, by falling R. "
    "Lower is better.",
    Metric.COV_90: "Largest share that a threshold keeps with at least 90 % right.",
    Metric.COV_95: "Largest share that a threshold keeps with at least 95 % right.",
    Metric.COVERAGE: "Largest share that a threshold keeps with the wanted precision.",
}


class SweepView(QWidget):
    """Sensitivity of the metrics to one option, two options or all of them.

    It computes nothing: who listens to `sweepRequested` runs `pipeline.evaluation.sweeps.run_sweep`
    in a thread and hands the result to `set_sweep`.

    Signals:
        sweepRequested: `SweepRequest`.
        cancelRequested: The sweep that runs is to be stopped.
        annotationActivated: Never emitted here; every page has it.
    """

    sweepRequested = Signal(object)
    cancelRequested = Signal()
    annotationActivated = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Sensitivity")
        self._data: CurationData | None = None
        self._tornado: Tornado | None = None
        self._shown: Sweep | SweepMap | None = None
        self._running = False
        self._why_unmeasured = _NO_CLIPS
        self._make_controls()
        self._make_views()
        self._arrange()
        self.setFocusProxy(self._rows)
        self._refresh()

    # -- making ------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        self._metric = QComboBox(self)
        self._metric.setAccessibleName("Metric")
        for metric in Metric:
            text = "Cov@ …" if metric is Metric.COVERAGE else metric.title()
            self._metric.addItem(text, metric)
            place = self._metric.count() - 1
            self._metric.setItemData(place, _WHAT_METRICS[metric], Qt.ItemDataRole.ToolTipRole)
        self._metric.setCurrentIndex(list(Metric).index(Metric.COV_95))
        self._metric.setToolTip(
            tip("Metric", "What is drawn. All are computed, so this needs no new sweep.")
        )
        self._metric.currentIndexChanged.connect(self._show_results)
        self._metric.currentIndexChanged.connect(self._refresh)
        self._precision = QDoubleSpinBox(self)
        self._precision.setRange(1.0, 100.0)
        self._precision.setDecimals(1)
        self._precision.setValue(98.0)
        self._precision.setSuffix(" %")
        self._precision.setKeyboardTracking(False)
        self._precision.setAccessibleName("Wanted precision")
        keep_keys(self._precision)
        self._first, self._second = QComboBox(self), QComboBox(self)
        for combo, name, nothing in (
            (self._first, "Option", _ALL),
            (self._second, "Second option", _NONE),
        ):
            combo.setAccessibleName(name)
            combo.addItem(nothing, "")
            for option in SWEPT:
                combo.addItem(option, option)
            combo.currentIndexChanged.connect(self._refresh)
        self._first.setToolTip(
            tip("Option", "All options one at a time, or one: its values around the one in force.")
        )
        for field in (self._metric, self._precision, self._first, self._second):
            guard_wheel(field)
        self.button = quiet_button("Sweep", "", self)
        self.button.clicked.connect(self._ask)
        self._bar = thin_bar("Progress of the sweep", self)
        self._bar.setFixedWidth(15 * GRID)
        self._bar.hide()
        self._what = muted(QLabel(self))
        self._what.setTextFormat(Qt.TextFormat.PlainText)

    def _make_views(self) -> None:
        self._rows = SweepTornado(self)
        self._rows.optionChosen.connect(self._show_option)
        self._scroll = QScrollArea(self)
        self._scroll.setWidget(self._rows)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._skipped = muted(QLabel(self))
        self._skipped.setWordWrap(True)
        self._skipped.setTextFormat(Qt.TextFormat.PlainText)
        self._skipped.setContentsMargins(GRID, 0, GRID, 0)
        self._plot, self._map = SweepPlot(self), SweepHeatMap(self)
        self._verdict, self._caution = QLabel(self), muted(QLabel(self))
        for label in (self._verdict, self._caution):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._verdict.setAccessibleName("Best value")
        self._verdict.setToolTip(
            tip(
                "Best value and flat range",
                "Gain on other annotations: the value is chosen on a bootstrap resample of the "
                "episodes and judged on the annotations that the resample lacks (out of bag).",
                "Flat range: where the 95 % interval of the paired difference to the value in "
                "force holds 0. Both are our choice.",
            )
        )
        self._caution.setAccessibleName("Caution")
        self._empty = EmptyHint(_NO_DATA, self)

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(GRID)
        controls: tuple[QWidget, ...] = (
            self._metric,
            self._precision,
            self._first,
            QLabel("with", self),
            self._second,
            self.button,
        )
        for widget in controls:
            top.addWidget(widget)
        top.addStretch(1)
        reports: tuple[QWidget, ...] = (self._what, self._bar)
        for widget in reports:
            top.addWidget(widget)
        listed = QWidget(self)
        column = QVBoxLayout(listed)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(HALF_GRID)
        column.addWidget(self._scroll, 1)
        column.addWidget(self._skipped)
        self._listed = listed
        drawn = QWidget(self)
        self._drawings = QStackedLayout(drawn)
        self._drawings.addWidget(self._plot)
        self._drawings.addWidget(self._map)
        right = QWidget(self)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addWidget(drawn, 1)
        column.addWidget(self._verdict)
        column.addWidget(self._caution)
        both = QSplitter(Qt.Orientation.Horizontal, self)
        both.addWidget(listed)
        both.addWidget(right)
        both.setStretchFactor(0, 2)
        both.setStretchFactor(1, 3)
        both.setSizes([400, 600])
        both.setChildrenCollapsible(False)
        self._both = both
        body = QWidget(self)
        self._stack = QStackedLayout(body)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(both)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addLayout(top)
        layout.addWidget(body, 1)

    # -- what is shown -----------------------------------------------------------------------

    def set_data(self, data: CurationData | None) -> None:
        """Show a dataset's annotations; results of another file are dropped. Emits nothing."""
        if data is None or self._data is None or data.path != self._data.path:
            self._tornado = self._shown = None
            self._what.clear()
        self._data = data
        self._show_results()
        self._refresh()

    def set_measurable(self, reason: str = "") -> None:
        """Say whether options of the measurement can be swept.

        Args:
            reason: Why not, a clause; empty if they can.
        """
        self._why_unmeasured = reason
        self._refresh()

    def set_sweep(self, result: Sweep | SweepMap | Tornado) -> None:
        """Show a result; emits nothing."""
        if isinstance(result, Tornado):
            self._tornado = result
            ranked = result.ranked(self.chosen_metric)
            self._shown = ranked[0] if ranked else None
        else:
            self._shown = result
        self._running = False
        self._what.clear()
        self._show_results()
        self._refresh()

    def set_progress(self, share: float, what: str = "") -> None:
        """Show how far a sweep is, 0..1, and what it does."""
        started, self._running = not self._running, True
        if started:
            self._show_empty()
        self._bar.setValue(round(1000 * share))
        self._what.setText(what)
        self._refresh()

    def set_cancelled(self, what: str = "Cancelled; what was shown stays.") -> None:
        """Show that a sweep ended without a result, and why."""
        self._running = False
        self._show_empty()
        self._what.setText(what)
        self._refresh()

    @property
    def wants_sweep(self) -> bool:
        """True if there is nothing to see, although there is something to sweep."""
        return self._shown is None and not self._running and not self._why_not()

    @property
    def chosen_metric(self) -> Metric:
        """What is drawn."""
        return Metric(self._metric.currentData())

    @property
    def request(self) -> SweepRequest:
        """What the button asks for."""
        first, second = str(self._first.currentData()), str(self._second.currentData())
        names = tuple(name for name in (first, second) if name) if first else ()
        return SweepRequest(names, self.chosen_metric, self._precision.value() / 100)

    @property
    def shown(self) -> Sweep | SweepMap | None:
        """What is drawn on the right."""
        return self._shown

    def _show_option(self, name: str) -> None:
        if self._tornado is not None:
            self._shown = next(s for s in self._tornado.sweeps if s.parameter == name)
            self._show_results()

    def _show_results(self) -> None:
        metric, shown = self.chosen_metric, self._shown
        chosen = shown.parameter if isinstance(shown, Sweep) else ""
        self._rows.set_tornado(self._tornado, metric, chosen)
        self._listed.setVisible(self._tornado is not None)
        skipped = self._tornado.skipped if self._tornado is not None else ()
        self._skipped.setText(
            f"Not swept with the others: {', '.join(skipped)}. They measure the tracks of each "
            "clip again, from the cache; choose one above to sweep it."
        )
        self._skipped.setVisible(bool(skipped))
        self._plot.set_sweep(shown if isinstance(shown, Sweep) else None, metric)
        self._map.set_map(shown if isinstance(shown, SweepMap) else None, metric)
        if isinstance(shown, SweepMap):
            self._drawings.setCurrentWidget(self._map)
            self._verdict.setText(map_verdict_text(shown, metric))
        else:
            self._drawings.setCurrentWidget(self._plot)
            self._verdict.setText("" if shown is None else verdict_text(shown, metric))
        if shown is not None:
            evidence = shown.evidence
            self._caution.setText(f"{evidence_text(evidence)}. {caution_text(evidence)}")
        self._show_empty()

    def _show_empty(self) -> None:
        if self._shown is not None:
            self._stack.setCurrentWidget(self._both)
            return
        self._empty.setText(self._why_not() or (_RUNNING if self._running else _READY))
        self._stack.setCurrentWidget(self._empty)

    def _why_not(self) -> str:
        data = self._data
        if data is None:
            return _NO_DATA
        if not data.both.known.any():
            return _NOTHING_KNOWN
        return "" if len(data.table.candidates.id) else _NO_CANDIDATES

    # -- asking ------------------------------------------------------------------------------

    def _ask(self) -> None:
        if self._running:
            self.cancelRequested.emit()
        else:
            self.sweepRequested.emit(self.request)

    def _refresh(self) -> None:
        """Enabled where there is something to sweep; else tool tips say why not."""
        self._refresh_options()
        self._bar.setVisible(self._running)
        self._refresh_fields()
        if self._running:
            self.button.setText("Cancel")
            self.button.setEnabled(True)
            self.button.setToolTip(tip("Cancel", "What is shown stays."))
            return
        why = self._why_not() or self._why_not_these()
        self.button.setText("Sweep")
        self.button.setEnabled(not why)
        self.button.setToolTip(
            tip(
                "Sweep",
                why.replace("\n", " ")
                or "Scores all judged annotations again with each value. Nothing is tracked again.",
            )
        )

    def _refresh_fields(self) -> None:
        """Fields that mean nothing now are off and say why."""
        wanted = self.chosen_metric is Metric.COVERAGE
        self._precision.setEnabled(wanted)
        self._precision.setToolTip(
            tip(
                "Wanted precision",
                "Another one counts from the next sweep on."
                if wanted
                else "Only “Cov@ …” needs it: choose that as the metric.",
            )
        )
        single = bool(self._first.currentData())
        self._second.setEnabled(single)
        self._second.setToolTip(
            tip(
                "Second option",
                "Both together: a map with a cell for each pair of values."
                if single
                else "Choose one option on the left first; all options are swept one at a time.",
            )
        )

    def _why_not_these(self) -> str:
        names = self.request.parameters
        if len(names) == 2 and names[0] == names[1]:
            return "Choose two different options."
        need = [n for n in names if cost_of(n) is Cost.MEASUREMENT]
        if need and self._why_unmeasured:
            return f"{need[0]} cannot be swept: {self._why_unmeasured}."
        return ""

    def _refresh_options(self) -> None:
        """What each option is, and why it cannot be swept."""
        for combo in (self._first, self._second):
            for place in range(1, combo.count()):
                name = str(combo.itemData(place))
                blocked = cost_of(name) is Cost.MEASUREMENT and self._why_unmeasured
                info = info_of(name)
                lines = [info.help, f"Cannot be swept: {self._why_unmeasured}." if blocked else ""]
                combo.setItemData(place, tip(name, *lines), Qt.ItemDataRole.ToolTipRole)
