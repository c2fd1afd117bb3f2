"""Page “Threshold” of the curation window: where to put the threshold, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSplitter,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from pipeline.curation.data import CurationData
from pipeline.curation.draft import Draft
from pipeline.curation.operating_points import Basis, OperatingPoint
from pipeline.curation.population import PopulationFilter
from pipeline.curation.threshold import Kept, Mover, Movers, Target, ThresholdStudy
from pipeline.evaluation.intervals_of_curves import CurveBand
from pipeline.evaluation.rescoring import ScoreWeights
from pipeline.model.arrays import I64
from widgets.curation.histogram import ScoreHistogram
from widgets.curation.movers import MoverStrip
from widgets.curation.operating_points import OperatingPointsPanel
from widgets.curation.population_bar import PopulationBar
from widgets.curation.risk_curve import RiskCurve
from widgets.curation.still_label import StillLabel
from widgets.curation.threshold_controls import ThresholdControls
from widgets.curation.threshold_plot import ThresholdPlot
from widgets.curation.threshold_words import curve_hint, explanation, summary, target_words
from widgets.curation.verdict_ink import VerdictLegend
from widgets.curation.weight_sliders import WeightSliders
from widgets.fields import EmptyHint, quiet_button, scrolled
from widgets.theme import GRID, HALF_GRID, tabular

_BINS = (20, 60)
"""Bins of the histogram, fewest and most."""
_SETTLE = 250
"""Milliseconds without a change until the band is computed and the draft is kept."""
_NO_DATA = (
    "There are no annotations yet.\n"
    "Annotate the dataset (tab Annotate), or open a file of annotations."
)


class ThresholdPage(QWidget):
    """Histogram, curve, weights, operating points, and who enters and leaves.

    Signals:
        annotationActivated: Episode and subtask to open in the main window.
        settled: Threshold, weights or population stand still: compute the band, keep the draft.
        picturesWanted: The movers in sight, a list of `Mover`.
        saveRequested: An `OperatingPoint` without who and when.
        pointRetired: An `OperatingPoint`.
        exportRequested: What is kept is to be written.
        openRequested: There are no annotations; the user wants to choose a file of some.
        annotateRequested: There are no annotations; the user wants to make some.
    """

    annotationActivated = Signal(int, int)
    settled = Signal()
    picturesWanted = Signal(object)
    saveRequested = Signal(object)
    pointRetired = Signal(object)
    exportRequested = Signal()
    annotateRequested = Signal()
    openRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Threshold")
        self._study: ThresholdStudy | None = None
        self._threshold = 0.0
        self._target: float | None = None
        self._met: Target | None = None
        self._kept: Kept | None = None
        self._movers: Movers | None = None
        self.population = PopulationBar(self)
        self.histogram = ScoreHistogram(self)
        self.curve = RiskCurve(self)
        self.controls = ThresholdControls(self)
        self.weights = WeightSliders(self)
        self.points = OperatingPointsPanel(self)
        self.summary = StillLabel(2, self)
        self.entering = MoverStrip(
            "Enter",
            "Kept now, and not by what is compared with. Nearest to the threshold first.",
            "No annotation enters.",
        )
        self.leaving = MoverStrip(
            "Leave",
            "Kept by what is compared with, and not now. Nearest to the threshold first.",
            "No annotation leaves.",
        )
        self.changed = MoverStrip(
            "Other winner",
            "Kept by both, but with these weights another candidate wins.",
            "The same candidates win.",
        )
        self.strips = (self.entering, self.leaving, self.changed)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(_SETTLE)
        self._settling.timeout.connect(self.settled)
        self._lay_out()
        self.setFocusProxy(self.histogram)
        self._connect()
        self.set_study(None)

    # -- making ------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.summary.setFont(tabular(self.summary.font()))
        plots = QSplitter(Qt.Orientation.Vertical, self)
        plots.addWidget(self.histogram)
        plots.addWidget(self.curve)
        plots.setChildrenCollapsible(False)
        movers = QHBoxLayout()
        movers.setSpacing(GRID)
        for strip in self.strips:
            movers.addWidget(strip, 1)
        top = QHBoxLayout()
        top.setSpacing(2 * GRID)
        top.addWidget(self.population, 1)
        left = QWidget(self)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(HALF_GRID)
        legend = QHBoxLayout()
        legend.addStretch(1)
        legend.addWidget(VerdictLegend(self))
        column.addLayout(legend)
        column.addWidget(plots, 1)
        column.addWidget(self.summary)
        column.addLayout(movers)
        side = QWidget(self)
        rows = QVBoxLayout(side)
        rows.setContentsMargins(GRID, 0, GRID, 0)
        rows.setSpacing(GRID)
        for widget in (self.controls, _heading("Weights of the score", side), self.weights):
            policy = widget.sizePolicy()
            policy.setVerticalPolicy(QSizePolicy.Policy.Fixed)
            widget.setSizePolicy(policy)
            rows.addWidget(widget)
        rows.addWidget(self.points, 1)
        scroll = scrolled(side, self)
        scroll.setMinimumWidth(38 * GRID)
        body = QSplitter(Qt.Orientation.Horizontal, self)
        body.addWidget(left)
        body.addWidget(scroll)
        body.setStretchFactor(0, 1)
        body.setStretchFactor(1, 0)
        body.setChildrenCollapsible(False)
        full = QWidget(self)
        whole = QVBoxLayout(full)
        whole.setContentsMargins(GRID, GRID, GRID, GRID)
        whole.setSpacing(HALF_GRID)
        whole.addLayout(top)
        whole.addWidget(body, 1)
        self._empty = QWidget(self)
        empty = QVBoxLayout(self._empty)
        self.hint = EmptyHint(_NO_DATA, self._empty)
        self.annotate = quiet_button("Annotate the dataset…", "Go to the tab Annotate", self)
        self.annotate.clicked.connect(self.annotateRequested)
        empty.addStretch(1)
        empty.addWidget(self.hint)
        self.open = quiet_button(
            "Open a file…", "Annotations: .jsonl or .parquet, of demoscope annotate", self
        )
        self.open.clicked.connect(self.openRequested)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        buttons.addStretch(1)
        buttons.addWidget(self.annotate)
        buttons.addWidget(self.open)
        buttons.addStretch(1)
        empty.addLayout(buttons)
        empty.addStretch(1)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(full)
        self._full = full

    def _connect(self) -> None:
        plots: tuple[ThresholdPlot, ...] = (self.histogram, self.curve)
        for plot in plots:
            plot.thresholdChosen.connect(self._choose_threshold)
            plot.stepWanted.connect(self._step)
            plot.endWanted.connect(self._to_end)
        self.controls.thresholdChosen.connect(self._choose_threshold)
        self.controls.targetChosen.connect(self._choose_target)
        self.controls.referenceChosen.connect(self._compare_with)
        self.controls.pinRequested.connect(self._pin)
        self.weights.weightsChanged.connect(self._choose_weights)
        self.population.filterChanged.connect(self._choose_filter)
        self.population.basisChanged.connect(self._choose_basis)
        self.points.pointApplied.connect(self.apply_point)
        self.points.pointRetired.connect(self.pointRetired)
        self.points.saveRequested.connect(self._save)
        self.points.exportRequested.connect(self.exportRequested)
        for strip in self.strips:
            strip.moverActivated.connect(self.annotationActivated)
            strip.picturesWanted.connect(lambda: self.picturesWanted.emit(self.shown_movers()))

    # -- setters -----------------------------------------------------------------------------

    def set_data(self, data: CurationData | None) -> None:
        """Without data: say what to do. With data: `set_study` follows when it is ready."""
        if data is None:
            self.set_study(None)

    def set_waiting(self, text: str) -> None:
        """Say what is being done, or why there is nothing; empty for the usual hint."""
        self.hint.setText(text or _NO_DATA)
        self.annotate.setVisible(not text)
        self.open.setVisible(not text.endswith("…"))

    def set_study(self, study: ThresholdStudy | None, draft: Draft | None = None) -> None:
        """Show annotations; the draft says where threshold and weights stood. Emits nothing now.

        Args:
            study: The annotations, None for none.
            draft: Setting to begin with; None for the last saved point, or one that keeps all.
        """
        self._study = study
        self._target, self._met = None, None
        self.points.set_usable(study is not None)
        self.curve.set_band(None)
        if study is None:
            self._stack.setCurrentWidget(self._empty)
            self.population.set_table(None)
            for strip in self.strips:
                strip.set_movers(_nothing(), 0, None)
            return
        self._stack.setCurrentWidget(self._full)
        self.population.set_table(study.data.table)
        self.weights.set_annotated(study.annotated)
        self._show_judged()
        study.set_filter(self.population.filter)
        if draft is None:
            newest = next(iter(self.points.points), None)
            draft = (
                Draft(study.span[0], study.annotated)
                if newest is None
                else Draft(newest.threshold, newest.weights, None, newest.basis)
            )
        self.set_draft(draft)
        self.controls.set_opened(draft.threshold, draft.weights, study.annotated)
        study.set_reference(self.controls.reference)
        self._refresh()

    def set_points(self, points: Sequence[OperatingPoint]) -> None:
        """Show saved points, oldest first; the newest is what is compared with."""
        self.points.set_points(points)
        self.controls.set_points(points)
        if self._study is not None:
            self._compare_with(self.controls.reference)

    def set_draft(self, draft: Draft) -> None:
        """Take a setting over."""
        study = self._study
        if study is None:
            return
        self._threshold, self._target = draft.threshold, draft.target
        self.population.set_basis(draft.basis)
        self.weights.set_weights(draft.weights)
        study.set_basis(draft.basis)
        study.set_weights(draft.weights)
        self._after_scores()

    def set_threshold(self, threshold: float) -> None:
        """Put the threshold somewhere; there is no target then."""
        self._choose_threshold(threshold)

    def refresh_judgements(self, data: CurationData) -> None:
        """People judged more of the same annotations."""
        if self._study is not None and data.table is self._study.data.table:
            self._study.set_judgements(data)
            self._show_judged()
            self._after_scores()

    def set_band(self, band: CurveBand | None, resamples: int) -> None:
        """Show the band of the present curve."""
        self.curve.set_band(band, resamples)

    def set_pictures(self, possible: bool) -> None:
        """Say whether pictures of movers can come: the dataset is known."""
        for strip in self.strips:
            strip.model.missing = "…" if possible else "no picture"

    def set_picture(self, mover: Mover, image: QImage) -> None:
        """Show the picture of a mover wherever it is listed."""
        for strip in self.strips:
            strip.set_picture(mover, image)

    # -- what is there -----------------------------------------------------------------------

    @property
    def study(self) -> ThresholdStudy | None:
        """The annotations."""
        return self._study

    @property
    def threshold(self) -> float:
        """Threshold in force."""
        return self._threshold

    @property
    def kept(self) -> Kept | None:
        """What it keeps."""
        return self._kept

    @property
    def movers(self) -> Movers | None:
        """Who enters and leaves."""
        return self._movers

    @property
    def draft(self) -> Draft | None:
        """The setting, to be kept."""
        if self._study is None:
            return None
        return Draft(self._threshold, self._study.weights, self._target, self._study.basis)

    def shown_movers(self) -> list[Mover]:
        """Movers in sight, of all strips."""
        return [m for strip in self.strips if strip.isVisible() for m in strip.shown()]

    def operating_point(self, name: str = "", reason: str = "") -> OperatingPoint | None:
        """The present setting as a point."""
        study, kept = self._study, self._kept
        if study is None or kept is None:
            return None
        of = study.filter.text()
        known = kept.judged > 0
        return OperatingPoint(
            name=name,
            threshold=self._threshold,
            weights=study.weights,
            target=self._target,
            kept=kept.kept,
            total=kept.total,
            precision=kept.precision if known else None,
            low=kept.interval.low if known else None,
            high=kept.interval.high if known else None,
            basis=study.basis,
            reason=f"{reason} [only {of}]".strip() if of else reason,
        )

    # -- what the user does ------------------------------------------------------------------

    def apply_point(self, point: OperatingPoint) -> None:
        """Use the threshold and the weights of a saved point, and compare with it."""
        self.set_draft(Draft(point.threshold, point.weights, None, point.basis))
        self.controls.choose_point(point)
        self._compare_with(self.controls.reference)

    def _choose_threshold(self, threshold: float) -> None:
        if self._study is not None:
            self._threshold, self._target, self._met = threshold, None, None
            self._refresh()

    def _choose_target(self, precision: float | None) -> None:
        if self._study is not None:
            self._target = precision
            self._follow_target()
            self._refresh()

    def _follow_target(self) -> None:
        study = self._study
        self._met = None
        if study is not None and self._target is not None:
            self._met = study.target(self._target)
            if self._met.threshold is not None:
                self._threshold = self._met.threshold

    def _step(self, items: int, per_cent: bool) -> None:
        study = self._study
        if study is not None:
            size = max(1, round(study.total / 100)) if per_cent else 1
            self._choose_threshold(study.stepped(self._threshold, items * size))

    def _to_end(self, everything: bool) -> None:
        study = self._study
        if study is not None:
            self._choose_threshold(study.keeping(study.scored if everything else 0))

    def _choose_weights(self, weights: ScoreWeights) -> None:
        if self._study is not None:
            held = None if self._kept is None else self._kept.kept
            self._study.set_weights(weights)
            if held is not None and self._target is None and self.controls.hold.isChecked():
                self._threshold = self._study.keeping(held)
            self._after_scores()

    def _choose_filter(self, wanted: PopulationFilter) -> None:
        if self._study is not None:
            self._study.set_filter(wanted)
            self._show_judged()
            self._after_scores()

    def _choose_basis(self, basis: Basis) -> None:
        if self._study is not None:
            self._study.set_basis(basis)
            self._after_scores()

    def _compare_with(self, reference: object) -> None:
        if self._study is not None:
            self._study.set_reference(self.controls.reference)
            self._refresh()

    def _pin(self) -> None:
        if self._study is not None:
            self.controls.set_pinned(self._threshold, self._study.weights)
            self._compare_with(None)

    def _save(self, name: str, reason: str) -> None:
        point = self.operating_point(name, reason)
        if point is not None:
            self.saveRequested.emit(replace(point, name=name))

    # -- showing -----------------------------------------------------------------------------

    def _show_judged(self) -> None:
        if self._study is not None:
            self.population.set_judged({b: self._study.judged(b) for b in Basis})

    def _after_scores(self) -> None:
        """Scores, judgements or population changed: everything but the threshold is new."""
        self._follow_target()
        study = self._study
        if study is not None:
            self.curve.set_curve(study.curve, curve_hint(True, study.curve.known))
            low, high = study.span
            room = 0.02 * (high - low) or 0.05
            bins = min(max(2 * math.isqrt(study.total), _BINS[0]), _BINS[1])
            self.histogram.set_histogram(study.histogram(low - room, high + room, bins))
        self._refresh()

    def _refresh(self) -> None:
        """Show what the threshold gives now."""
        study = self._study
        if study is None:
            return
        kept = self._kept = study.keeps(self._threshold)
        movers = self._movers = study.movers(self._threshold)
        reference = study.reference
        compared = reference.threshold if math.isfinite(reference.threshold) else None
        for plot in (self.histogram, self.curve):
            plot.set_threshold(self._threshold)
            plot.set_compared(compared)
        self.curve.set_target(self._target)
        self.controls.set_threshold(self._threshold, study.span)
        self.controls.set_target(self._target, study.curve.known > 0)
        self.controls.set_note(target_words(self._met, study.curve.known))
        self.summary.set_text(summary(kept, movers, reference, study.filter.text()))
        self.summary.setToolTip(explanation(kept))
        self.entering.set_movers(movers.entering, movers.enter, study.mover)
        self.leaving.set_movers(movers.leaving, movers.leave, study.mover)
        self.changed.set_movers(movers.changed, movers.change, study.mover)
        self.changed.setVisible(study.weights != reference.weights)
        self._settling.start()


def _heading(text: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label


def _nothing() -> I64:
    return np.zeros(0, np.int64)
