from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QHelpEvent
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QPushButton,
    QToolTip,
    QWidget,
)
from pytestqt.qtbot import QtBot

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.curation.data import CurationData
from pipeline.evaluation.sweep_options import SWEPT
from pipeline.evaluation.sweep_results import Metric, Sweep, SweepMap, Tornado
from pipeline.evaluation.sweeps import SweepData, SweepRequest, run_sweep
from pipeline.scoring.formula import ScoresOptions
from tests.pipeline.scored_tables import annotation, random_record
from widgets.curation.sweep_axes import log_ticks, nice_ticks
from widgets.curation.sweep_heat_map import SweepHeatMap
from widgets.curation.sweep_plot import SweepPlot
from widgets.curation.sweep_tornado import SweepTornado
from widgets.curation.sweep_view import SweepView
from widgets.theme import DARK, LIGHT, Theme, apply_theme

MODES = (("dark", DARK), ("light", LIGHT))


def curation(*, judged: bool = True) -> CurationData:
    rng = np.random.default_rng(4)
    records = [r for r in (random_record(rng) for _ in range(60)) if r.candidates][:40]
    records = [r.model_copy(update={"episode_index": n}) for n, r in enumerate(records)]
    table = AnnotationTable.of(records)
    counts = table.candidates.counts
    known = ((1 << counts) - 1).astype(np.uint32) * np.uint32(judged)
    right = (1 << rng.integers(0, counts)).astype(np.uint32) & known
    nothing = Judgements.nothing(len(table))
    path = Path("annotations.parquet")
    return CurationData(
        table, path, None, Path("curation"), Judgements(right, known), nothing, ScoresOptions()
    )


@pytest.fixture(scope="module")
def data() -> CurationData:
    return curation()


@pytest.fixture(scope="module")
def swept(data: CurationData) -> SweepData:
    return SweepData(data.table, data.both, data.options)


@pytest.fixture(scope="module")
def tornado(swept: SweepData) -> Tornado:
    found = run_sweep(SweepRequest(), swept, resamples=20)
    assert isinstance(found, Tornado)
    return found


@pytest.fixture(scope="module")
def both(swept: SweepData) -> SweepMap:
    found = run_sweep(SweepRequest(("motion_weight", "noise_floor")), swept, resamples=20)
    assert isinstance(found, SweepMap)
    return found


@pytest.fixture
def view(qtbot: QtBot, data: CurationData) -> SweepView:
    made = SweepView()
    made.resize(1180, 640)
    qtbot.addWidget(made)
    made.set_data(data)
    made.show()
    return made


def texts(widget: QWidget) -> str:
    """All visible words."""
    return "\n".join(x.text() for x in widget.findChildren(QLabel) if x.isVisible())


def choose(view: SweepView, name: str, value: object) -> None:
    combo = next(c for c in view.findChildren(QComboBox) if c.accessibleName() == name)
    combo.setCurrentIndex(combo.findData(value))


def button(view: SweepView) -> QPushButton:
    return view.findChildren(QPushButton)[0]


def test_empty_page_says_what_to_do(view: SweepView) -> None:
    assert "Press “Sweep”" in texts(view)
    assert button(view).isEnabled()
    view.set_data(None)
    assert "Open annotations" in texts(view)
    assert not button(view).isEnabled()
    view.set_data(curation(judged=False))
    assert "no ground truth and no verdict" in texts(view)
    assert "no ground truth" in button(view).toolTip()
    bare = curation()
    table = AnnotationTable.of([annotation([], score=0.5, start_box=(0, 0, 1, 1))])
    one = Judgements(np.ones(1, np.uint32), np.ones(1, np.uint32))
    view.set_data(replace(bare, table=table, truth=one, people=Judgements.nothing(1)))
    assert "hold only winners" in texts(view)


def test_asks_for_what_is_chosen(qtbot: QtBot, view: SweepView) -> None:
    with qtbot.waitSignal(view.sweepRequested) as asked:
        qtbot.mouseClick(button(view), Qt.MouseButton.LeftButton)
    assert asked.args == [SweepRequest((), Metric.COV_95, 0.98)]
    choose(view, "Option", "motion_weight")
    choose(view, "Second option", "noise_floor")
    choose(view, "Metric", Metric.COVERAGE)
    view.findChildren(QDoubleSpinBox)[0].setValue(80)
    with qtbot.waitSignal(view.sweepRequested) as asked:
        button(view).click()
    assert asked.args == [SweepRequest(("motion_weight", "noise_floor"), Metric.COVERAGE, 0.8)]


def test_what_cannot_be_swept_says_why(view: SweepView) -> None:
    second = next(c for c in view.findChildren(QComboBox) if "Second" in c.accessibleName())
    assert not second.isEnabled()
    assert "first" in second.toolTip()
    choose(view, "Option", "motion_weight")
    assert second.isEnabled()
    choose(view, "Second option", "motion_weight")
    assert "two different" in button(view).toolTip()
    assert not button(view).isEnabled()
    choose(view, "Second option", "")
    choose(view, "Option", "overlap_share")
    assert "cached tracks" in button(view).toolTip()
    assert not button(view).isEnabled()
    view.set_measurable()
    assert button(view).isEnabled()


def test_shows_progress_and_cancels(qtbot: QtBot, view: SweepView) -> None:
    view.set_progress(0.25, "5 of 20 settings")
    assert "5 of 20" in texts(view)
    assert button(view).text() == "Cancel"
    with qtbot.waitSignal(view.cancelRequested):
        button(view).click()
    view.set_cancelled()
    assert button(view).text() == "Sweep"
    assert "Cancelled" in texts(view)


def test_all_options_stand_by_effect_and_open_their_curve(
    qtbot: QtBot, view: SweepView, tornado: Tornado
) -> None:
    view.set_sweep(tornado)
    rows = view.findChildren(SweepTornado)[0]
    ranked = [s.parameter for s in tornado.ranked(Metric.COV_95)]
    assert list(rows.options) == ranked
    assert isinstance(view.shown, Sweep)
    assert view.shown.parameter == ranked[0]
    at = rows.row_rect(ranked[2]).center().toPoint()
    qtbot.mouseClick(rows, Qt.MouseButton.LeftButton, pos=at)
    assert view.shown.parameter == ranked[2]
    qtbot.keyClick(rows, Qt.Key.Key_Up)
    assert view.shown.parameter == ranked[1]
    choose(view, "Metric", Metric.AURC)
    assert list(rows.options) == [s.parameter for s in tornado.ranked(Metric.AURC)]
    assert view.shown.parameter == ranked[1]
    assert "sphere_radius_scale" in texts(view)
    assert "looks better than it is" in texts(view)


def test_setters_emit_nothing(view: SweepView, tornado: Tornado, both: SweepMap) -> None:
    heard: list[object] = []
    view.sweepRequested.connect(heard.append)
    view.findChildren(SweepTornado)[0].optionChosen.connect(heard.append)
    view.set_sweep(tornado)
    view.set_sweep(both)
    view.set_data(None)
    assert heard == []


def test_results_of_another_file_go(view: SweepView, data: CurationData, both: SweepMap) -> None:
    view.set_sweep(both)
    view.set_data(data)
    assert view.shown is both
    view.set_data(replace(data, path=Path("other.parquet")))
    assert view.shown is None


def near(a: QColor, b: QColor) -> bool:
    parts = ((a.red(), b.red()), (a.green(), b.green()), (a.blue(), b.blue()))
    return max(abs(x - y) for x, y in parts) < 40


def has_color(widget: QWidget, at: QPointF, color: QColor, radius: int = 3) -> bool:
    picture = widget.grab().toImage()
    x0, y0 = round(at.x()), round(at.y())
    return any(
        near(picture.pixelColor(x, y), color)
        for x in range(max(x0 - radius, 0), min(x0 + radius + 1, picture.width()))
        for y in range(max(y0 - radius, 0), min(y0 + radius + 1, picture.height()))
    )


@pytest.mark.parametrize(("mode", "theme"), MODES)
def test_plot_draws_line_value_in_force_and_best(
    qtbot: QtBot, qapp: QApplication, tornado: Tornado, mode: str, theme: Theme
) -> None:
    apply_theme(qapp, mode)
    plot = SweepPlot()
    plot.resize(640, 400)
    qtbot.addWidget(plot)
    sweep = tornado.ranked(Metric.ACCURACY)[0]
    curve = sweep.of(Metric.ACCURACY)
    plot.set_sweep(sweep, Metric.ACCURACY)
    for place in (0, len(sweep.values) - 1):
        assert has_color(plot, plot.point_of(place), QColor(theme.accent))
    now = QPointF(plot.point_of(sweep.grid.current).x(), plot.area.top() + 20)
    assert has_color(plot, now, QColor(theme.warning), 6)
    assert curve.best != sweep.grid.current
    assert has_color(plot, plot.point_of(curve.best), QColor(theme.ok))
    assert "95 % interval" in plot.tip_of(0)


def test_plot_of_choices_and_of_factors(qtbot: QtBot, tornado: Tornado) -> None:
    plot = SweepPlot()
    plot.resize(640, 400)
    qtbot.addWidget(plot)
    factors = next(s for s in tornado.sweeps if s.grid.is_log)
    plot.set_sweep(factors, Metric.AURC)
    steps = np.diff([plot.point_of(k).x() for k in range(3)])
    assert steps[0] == pytest.approx(steps[1], rel=0.05)
    text = replace(factors.grid, values=("a", "b"), current=0, published=1, is_log=False)
    shorter = replace(
        factors,
        grid=text,
        curves=tuple(
            replace(
                c,
                **{
                    n: getattr(c, n)[:2]
                    for n in ("values", "low", "high", "change_low", "change_high")
                },
                best=1,
                flat=(0, 1),
            )
            for c in factors.curves
        ),
    )
    plot.set_sweep(shorter, Metric.AURC)
    assert not plot.grab().isNull()
    assert plot.point_of(0).x() < plot.area.center().x() < plot.point_of(1).x()


def test_plot_without_any_figure_is_drawn(qtbot: QtBot, tornado: Tornado) -> None:
    sweep = tornado.sweeps[0]
    nothing = np.full(len(sweep.values), np.nan)
    names = ("values", "low", "high", "change_low", "change_high")
    empty = replace(
        sweep, curves=tuple(replace(c, **dict.fromkeys(names, nothing)) for c in sweep.curves)
    )
    plot, rows = SweepPlot(), SweepTornado()
    for widget in (plot, rows):
        qtbot.addWidget(widget)
    plot.set_sweep(empty, Metric.AURC)
    rows.set_tornado(Tornado((empty,)), Metric.AURC, "")
    assert not plot.grab().isNull()
    assert not rows.grab().isNull()


@pytest.mark.parametrize(("mode", "theme"), MODES)
def test_map_is_stronger_where_it_is_better(
    qtbot: QtBot, qapp: QApplication, both: SweepMap, mode: str, theme: Theme
) -> None:
    apply_theme(qapp, mode)
    drawn = SweepHeatMap()
    drawn.resize(820, 520)
    qtbot.addWidget(drawn)
    for metric in (Metric.ACCURACY, Metric.AURC):
        drawn.set_map(both, metric)
        own = both.of(metric).values
        best, worst = float(own.max()), float(own.min())
        if not metric.higher_is_better:
            best, worst = worst, best
        assert drawn.color_of(best) == QColor(theme.accent)
        assert near(drawn.color_of(worst), QColor(theme.base))
        i, j = both.of(metric).best
        corner = drawn.cell(i, j).bottomLeft() + QPointF(6, -6)
        assert has_color(drawn, corner, QColor(theme.accent))
    frame = drawn.cell(both.first.current, both.second.current).topLeft()
    assert has_color(drawn, frame, QColor(theme.warning))
    assert "The pair in force" in drawn.tip_of(both.first.current, both.second.current)


def test_view_shows_the_map(view: SweepView, both: SweepMap) -> None:
    view.set_sweep(both)
    assert view.findChildren(SweepHeatMap)[0].isVisible()
    assert not view.findChildren(SweepTornado)[0].isVisible()
    assert "motion_weight" in texts(view) or "in force are the best" in texts(view)


def test_bars_go_from_the_lowest_to_the_highest(qtbot: QtBot, tornado: Tornado) -> None:
    rows = SweepTornado()
    rows.resize(520, 400)
    qtbot.addWidget(rows)
    rows.set_tornado(tornado, Metric.AURC, "")
    lengths = [rows.bar_rect(name).width() for name in rows.options]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 0
    assert "Swept from" in rows.tip_of(rows.options[0])


def test_tool_tips_come_where_the_mouse_is(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tornado: Tornado, both: SweepMap
) -> None:
    said: list[str] = []
    # The offscreen platform cannot raise a window, and says so.
    monkeypatch.setattr(QToolTip, "showText", lambda _at, text, _widget: said.append(text))
    plot, drawn, rows = SweepPlot(), SweepHeatMap(), SweepTornado()
    plot.set_sweep(tornado.sweeps[0], Metric.AURC)
    drawn.set_map(both, Metric.AURC)
    rows.set_tornado(tornado, Metric.AURC, "")
    for widget in (plot, drawn, rows):
        widget.resize(640, 400)
        qtbot.addWidget(widget)
        for point in (QPoint(320, 150), QPoint(1, 1)):
            event = QHelpEvent(QEvent.Type.ToolTip, point, widget.mapToGlobal(point))
            assert widget.event(event)
    assert [text.count("<b>") for text in said] == [1, 1, 1]
    assert "motion_weight" in said[0]
    assert "noise_floor" in said[1]
    assert "Swept from" in said[2]


def test_every_option_is_offered_and_explained(view: SweepView) -> None:
    combo = next(c for c in view.findChildren(QComboBox) if c.accessibleName() == "Option")
    assert [combo.itemData(k) for k in range(1, combo.count())] == list(SWEPT)
    for k in range(1, combo.count()):
        assert len(combo.itemData(k, Qt.ItemDataRole.ToolTipRole)) > 30


def test_ticks_are_round_numbers() -> None:
    assert nice_ticks(0.0, 1.5, 6) == (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
    assert nice_ticks(0.583, 0.917, 4) == (0.6, 0.7, 0.8, 0.9)
    assert nice_ticks(0.5, 0.5, 4) == (0.5,)
    assert log_ticks(0.125, 8.0, 8) == (0.2, 0.5, 1.0, 2.0, 5.0)
    assert log_ticks(0.125, 8.0, 3) == (0.3, 1.0, 3.0)
