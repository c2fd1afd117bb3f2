"""What a spot check says up to now: precision, intervals, what is left, disagreements."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QTableWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.review.spot_intervals import Interval
from pipeline.review.spot_plan import LEAST_ANSWERS
from pipeline.review.spot_records import SpotItem, Verdict
from pipeline.review.spot_result import SpotResult, StopState, StratumResult
from widgets.fields import muted, quiet_button, thin_bar, tip
from widgets.plain_views import fill_row, plain_list, plain_table
from widgets.theme import GRID, ROW_HEIGHT, Status, colors, scaled, tabular

_HEADS = ("Stratum", "Judged", "Right, %", "Wilson c.c., %", "Cl.-P., %")
_HEAD_TIPS = (
    "Part of the population that was sampled on its own.",
    "Items judged right or wrong, of those drawn.",
    "Right ones among the judged, %.",
    "Wilson's score interval with continuity correction, %; conservative.",
    "Clopper and Pearson's interval, %: conservative at every precision.",
)
_SAID = {Verdict.RIGHT: "right", Verdict.WRONG: "wrong", Verdict.UNSURE: "cannot tell"}
_LAST = 5
"""Answers whose machine's verdict is told."""


def percent(share: float) -> str:
    """A share as percent with one decimal, a dash for none."""
    return f"{100 * share:.1f}" if math.isfinite(share) else "–"


def percents(interval: Interval) -> str:
    """An interval as percents."""
    return f"{100 * interval.low:.1f}–{100 * interval.high:.1f}"


def machine_text(item: SpotItem, threshold: float | None) -> str:
    """What the machine thought of an item, one line."""
    parts = ["no R" if item.score is None else f"R {item.score:.3f}"]
    if item.rank:
        parts.append(f"rank {item.rank:,} of {item.of:,}")
    kept = item.kept(threshold)
    if kept is not None:
        parts.append("kept" if kept else "dropped")
    parts += item.warnings
    return " · ".join(parts)


class SpotResultView(QWidget):
    """Live result beside the review.

    Signals:
        itemChosen: A `SpotItem` of the lists was clicked.
        reportWanted: The report is to be written.
        dataWanted: The JSON is to be written.
        moreWanted: More items are to be drawn; how many are expected to be needed.
    """

    itemChosen = Signal(object)
    reportWanted = Signal()
    dataWanted = Signal()
    moreWanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Result of the spot check")
        self._more = 0
        self.precision = QLabel(self)
        self.precision.setFont(tabular(scaled(self.font(), 2.0)))
        self.precision.setAccessibleName("Precision")
        self.intervals = QLabel(self)
        self.unsure = muted(QLabel(self))
        self._whose = muted(QLabel(self))
        self._whose.hide()
        self.banner = QLabel(self)
        self.banner.setAccessibleName("Stopping rule")
        self.bar = thin_bar("Way to the wanted half-width", self)
        self.bar.setToolTip(
            tip(
                "Way to the end",
                "Answers given, of those that are expected to be needed: to reach the wanted "
                "half-width, or to go through the sample.",
            )
        )
        self.table = plain_table("Precision per stratum", _HEADS, _HEAD_TIPS, self)
        self.last = plain_list("Just answered", self)
        self.last.setFixedHeight(_LAST * (ROW_HEIGHT - 2) + GRID // 2)
        self.differing = plain_list("Disagreements", self)
        self._differing_title = QLabel(self)
        self.report = quiet_button(
            "Report …", tip("Report", "One page of HTML with pictures, to print or to send."), self
        )
        self.data = quiet_button(
            "JSON …", tip("JSON", "Sample, seed, answers and intervals for programs."), self
        )
        self.more = quiet_button("Draw more", "", self)
        self._lay_out()
        self.report.clicked.connect(self.reportWanted)
        self.data.clicked.connect(self.dataWanted)
        self.more.clicked.connect(lambda: self.moreWanted.emit(self._more))
        for one in (self.last, self.differing):
            one.itemClicked.connect(self._choose)
        self.set_result(None, None)

    def _lay_out(self) -> None:
        for label in (self.intervals, self.unsure, self.banner, self._whose):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.intervals.setFont(tabular(self.font()))
        top = QHBoxLayout()
        top.setSpacing(2 * GRID)
        top.addWidget(self.precision)
        top.addWidget(self.intervals, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        buttons.addWidget(self.report)
        buttons.addWidget(self.data)
        buttons.addStretch(1)
        buttons.addWidget(self.more)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(GRID, GRID, GRID, GRID)
        whole.setSpacing(GRID)
        whole.addLayout(top)
        whole.addWidget(self.unsure)
        whole.addWidget(self._whose)
        whole.addWidget(self.bar)
        whole.addWidget(self.banner)
        whole.addWidget(self.table, 3)
        whole.addWidget(QLabel("Just answered, with what the machine thought", self))
        whole.addWidget(self.last)
        whole.addWidget(self._differing_title)
        whole.addWidget(self.differing, 2)
        whole.addLayout(buttons)

    def set_result(self, result: SpotResult | None, threshold: float | None) -> None:
        """Show a result.

        Args:
            result: None before there is a sample.
            threshold: R from which on annotations are kept, None without one.
        """
        usable = result is not None
        for button in (self.report, self.data):
            button.setEnabled(usable)
        if result is None:
            self.precision.setText("–")
            self.intervals.setText("Draw a sample to begin.")
            self.unsure.hide()
            self.banner.clear()
            self.bar.setValue(0)
            self.table.setRowCount(0)
            self.differing.clear()
            self.more.hide()
            self._differing_title.setText("Disagreements")
            return
        self._show_overall(result)
        self._show_stop(result)
        self._show_table(result)
        self._show_differing(result, threshold)

    def set_last(
        self, answered: Sequence[tuple[SpotItem, Verdict]], threshold: float | None
    ) -> None:
        """Tell what the machine thought of the items just answered.

        Args:
            answered: Items with their answers, the newest first.
            threshold: R from which on annotations are kept, None without one.
        """
        _write_lines(
            self.last,
            [
                (f"{item.number + 1}  {_SAID[verdict]} — {machine_text(item, threshold)}", item)
                for item, verdict in answered[:_LAST]
            ],
        )

    def set_whose(self, others: Sequence[str], *, hidden: bool) -> None:
        """Say whose answers count.

        Args:
            others: Other people who answered.
            hidden: Their answers are left out until this person is through.
        """
        self._whose.setVisible(bool(others))
        names = ", ".join(others)
        self._whose.setText(
            f"Your answers alone; those of {names} count when you are through."
            if hidden
            else f"Your answers with those of {names}, by majority."
        )

    def _show_overall(self, result: SpotResult) -> None:
        overall, level = result.overall, f"{100 * result.level:.0f} %"
        known = math.isfinite(overall.precision)
        self.precision.setText(f"{percent(overall.precision)} %" if known else "–")
        self.precision.setToolTip(
            tip(
                "Precision",
                "Share of right boxes among those that could be told, weighted by the sizes of "
                "the strata: sum of N_h / N × right_h / judged_h.",
                f"{result.counts.right} right, {result.counts.wrong} wrong, "
                f"{result.counts.unsure} could not be told.",
            )
        )
        self.intervals.setText(
            f"Clopper-Pearson {percents(overall.exact)} %\n"
            f"Wilson, continuity-corrected {percents(overall.wilson)} %"
        )
        looks = (
            "Computed at 96 % because the rule looks at it after every answer: at 95 % it would "
            "cover a little less (Frey 2010)."
            if result.stop.wanted is not None
            else ""
        )
        self.intervals.setToolTip(
            tip(
                f"Confidence intervals ({level})",
                "Clopper-Pearson: conservative, in force for the stopping rule; over strata by "
                "the effective sample size (Korn & Graubard 1998).",
                "Wilson, continuity-corrected: the score test with half an item taken off "
                "(Newcombe 1998); over strata with the strata at their constrained maximum "
                "likelihood.",
                "Nominal 95 % covers at least 93 % in all simulations with up to a tenth that "
                "cannot be told (docs/spot-check.md).",
                "Both know that the population is finite.",
                looks,
            )
        )
        bounds = result.bounds
        self.unsure.setToolTip(
            tip(
                "Could not be told",
                "Left out of the precision, which is that of annotations that can be told. The "
                "interval spans both extremes (Clopper-Pearson).",
            )
        )
        self.unsure.setVisible(result.counts.unsure > 0)
        self.unsure.setText(
            f"{result.counts.unsure} could not be told, left out: {percent(bounds.all_wrong)} % if "
            f"all are wrong, {percent(bounds.all_right)} % if all are right "
            f"(interval {percents(bounds.interval)} %)"
        )

    def _show_stop(self, result: SpotResult) -> None:
        stop, theme = result.stop, colors(self.palette())
        answered = result.counts.answered
        drawn = sum(s.sampled for s in result.strata)
        to_do = max(drawn - answered, 0) if stop.wanted is None else stop.more
        share = answered / max(answered + (to_do or 0), 1) if to_do is not None else 0.0
        self.bar.setValue(round(1000 * share))
        text = stop.text()
        if stop.wanted is not None:
            half = 100 * result.overall.exact.half_width
            text = f"± {half:.1f} points now, ± {100 * stop.wanted:.1f} wanted. {text}"
        elif stop.state is StopState.NO_RULE:
            text = f"{answered} of {drawn} answered."
        else:
            text = "The whole sample is answered."
        if to_do and math.isfinite(result.seconds):
            text += f" {_minutes(to_do * result.seconds)}"
        self.banner.setText(text)
        self.banner.setToolTip(
            tip(
                "Stopping rule",
                "Stop when the overall Clopper-Pearson interval is as short as wanted, after at "
                f"least {LEAST_ANSWERS} answers. What is left is a guess from the shares so far.",
            )
        )
        done = stop.state in (StopState.REACHED, StopState.SAMPLE_ENDED)
        color = theme.status(Status.OK) if done else self.palette().windowText().color()
        palette = self.banner.palette()
        palette.setColor(self.banner.foregroundRole(), color)
        self.banner.setPalette(palette)
        self._more = max(stop.beyond, 10)
        self.more.setVisible(stop.state is StopState.SAMPLE_ENDED)
        self.more.setText(f"Draw {self._more} more")
        self.more.setToolTip(
            tip("Draw more", "The next ones of the same strata and seed; nothing is drawn again.")
        )

    def _show_table(self, result: SpotResult) -> None:
        self.table.setRowCount(len(result.strata))
        for row, stratum in enumerate(result.strata):
            counts = stratum.counts
            own = stratum.estimate
            some = counts.judged > 0
            cells = (
                stratum.name,
                f"{counts.judged}/{stratum.sampled}",
                percent(own.precision),
                percents(own.wilson) if some else "–",
                percents(own.exact) if some else "–",
            )
            _write_row(self.table, row, cells, _stratum_tip(stratum))

    def _show_differing(self, result: SpotResult, threshold: float | None) -> None:
        found: list[tuple[str, SpotItem]]
        if threshold is None:
            self._differing_title.setText(f"Wrong ({len(result.wrong)})")
            found = [("wrong", i) for i in result.wrong]
        else:
            self._differing_title.setText(
                f"Disagreements at R ≥ {threshold:g}: {len(result.kept_wrong)} kept but wrong, "
                f"{len(result.dropped_right)} dropped but right"
            )
            found = [("kept but wrong", i) for i in result.kept_wrong]
            found += [("dropped but right", i) for i in result.dropped_right]
        lines: list[tuple[str, SpotItem | None]] = [
            (
                f"episode {item.episode}, subtask {item.subtask}: {why} — "
                f"{machine_text(item, threshold)}",
                item,
            )
            for why, item in found
        ]
        _write_lines(self.differing, lines or [("none up to now", None)])

    def _choose(self, line: QListWidgetItem) -> None:
        item = line.data(Qt.ItemDataRole.UserRole)
        if isinstance(item, SpotItem):
            self.itemChosen.emit(item)


def _stratum_tip(stratum: StratumResult) -> str:
    counts = stratum.counts
    return tip(
        stratum.name,
        f"{stratum.population:,} annotations, {stratum.sampled} drawn.",
        f"{counts.right} right, {counts.wrong} wrong, {counts.unsure} could not be told.",
        "Intervals by scipy.stats.binomtest (wilsoncc, exact) where the population is large; a "
        "finite one counts "
        "as n (N - 1) / (N - n) answers, a stratum judged completely is known exactly.",
    )


def _minutes(seconds: float) -> str:
    return f"({max(round(seconds), 1)} s)" if seconds < 90 else f"({round(seconds / 60)} min)"


def _write_row(table: QTableWidget, row: int, cells: Sequence[str], tool_tip: str) -> None:
    """Write what is new in a row: making all cells again after each answer takes 10 ms."""
    old = [table.item(row, column) for column in range(len(cells))]
    for cell, text in zip(old, cells, strict=True):
        if cell is None:
            fill_row(table, row, cells, tool_tip)
            return
        if cell.text() != text:
            cell.setText(text)
        if cell.toolTip() != tool_tip:
            cell.setToolTip(tool_tip)


def _write_lines(where: QListWidget, lines: Sequence[tuple[str, SpotItem | None]]) -> None:
    """Write what is new in a list."""
    while where.count() > len(lines):
        where.takeItem(where.count() - 1)
    for row, (text, item) in enumerate(lines):
        if row == where.count():
            where.addItem(QListWidgetItem())
        line = where.item(row)
        if line.text() == text and line.data(Qt.ItemDataRole.UserRole) is item:
            continue
        line.setText(text)
        line.setData(Qt.ItemDataRole.UserRole, item)
        hint = tip(text, item.instruction, "Click opens it in the main window.") if item else ""
        line.setToolTip(hint)
