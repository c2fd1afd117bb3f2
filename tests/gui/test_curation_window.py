"""The curation window on real tables: dragging, sliding, saving, exporting, opening."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from pytestqt.qtbot import QtBot

from app.curation_window import CurationWindow
from app.main_window import MainWindow
from app.settings import paths
from pipeline.annotations.table import AnnotationTable
from pipeline.curation.operating_points import Basis, OperatingPoints
from pipeline.curation.population import PopulationFilter
from pipeline.curation.threshold import ThresholdStudy
from pipeline.evaluation.rescoring import ScoreWeights
from pipeline.evaluation.sweeps import SweepRequest
from pipeline.model.annotation import Annotation
from pipeline.scoring.formula import ScoresOptions
from tests.pipeline.curation_tables import random_data
from widgets.curation.threshold_page import ThresholdPage
from widgets.curation.weight_sliders import PUBLISHED
from widgets.shortcut_help import ShortcutHelp

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def page(qtbot: QtBot, tmp_path: Path) -> ThresholdPage:
    made = ThresholdPage()
    qtbot.addWidget(made)
    made.resize(1280, 740)
    made.set_study(ThresholdStudy(random_data(500, tmp_path)))
    made.show()
    return made


def lines_of(table: AnnotationTable) -> str:
    """A table as prediction lines."""
    lines = []
    for n in range(len(table)):
        found = Annotation(
            dataset=table.dataset[n],
            episode_index=int(table.episode[n]),
            subtask_index=int(table.subtask[n]),
            arm=table.arm[n],
            camera=table.camera[n],
            task=table.task[n],
            object=table.object[n],
            warnings=table.warnings[n],
            start_box=table.box(n),
            score=float(table.score[n]),
            winner=int(table.winner[n]),
            keyframe=5,
            instruction="",
            caption="",
            target_box=None,
            phases=(),
            terms={},
            candidates=tuple(table.records_of(n)),
        )
        lines.append(found.model_dump_json())
    return "\n".join(lines) + "\n"


def truth_of(table: AnnotationTable, wrong: set[int]) -> str:
    """Ground truth lines: the winner is the object but in some rows."""
    lines = []
    for n in range(len(table)):
        box = [600.0, 400.0, 620.0, 420.0] if n in wrong else list(table.box(n) or ())
        place = {"episode_index": int(table.episode[n]), "subtask_index": int(table.subtask[n])}
        lines.append(json.dumps(place | {"start_box": box}))
    return "\n".join(lines) + "\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, AnnotationTable]:
    table = random_data(40, tmp_path).table
    annotations, truth = tmp_path / "annotations.jsonl", tmp_path / "truth.jsonl"
    annotations.write_text(lines_of(table))
    truth.write_text(truth_of(table, {3, 7, 8, 20}))
    return annotations, truth, table


@pytest.fixture
def curation(qtbot: QtBot, tmp_path: Path) -> Iterator[CurationWindow]:
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    made = CurationWindow(settings, paths())
    qtbot.addWidget(made)
    made.show()
    yield made
    made.shutdown()


def read(qtbot: QtBot, window: CurationWindow, path: Path, truth: Path | None) -> None:
    with qtbot.waitSignal(window.control.dataRead, timeout=60_000):
        window.open(path, None, truth)
    assert window.data is not None, window.banner.text


def kept_by(page: ThresholdPage) -> int:
    """Counted one by one."""
    assert page.study is not None
    scores = page.study.rescored.score
    return sum(bool(s >= np.float32(page.threshold)) for s in scores)


# -- the page ----------------------------------------------------------------------------------


def test_dragging_moves_the_one_threshold(qtbot: QtBot, page: ThresholdPage) -> None:
    rect = page.histogram.plot_rect()
    middle = int(rect.center().y())
    qtbot.mousePress(page.histogram, LEFT, pos=QPoint(int(rect.left() + 50), middle))
    seen = []
    for share in (0.3, 0.6, 0.8):
        where = QPoint(int(rect.left() + share * rect.width()), middle)
        qtbot.mouseMove(page.histogram, where)
        seen.append(page.threshold)
        assert page.histogram.x_of(page.threshold) == pytest.approx(where.x(), abs=1)
        assert page.curve.threshold == page.threshold
        assert page.kept is not None
        assert page.kept.kept == kept_by(page)
    qtbot.mouseRelease(page.histogram, LEFT, pos=QPoint(int(rect.center().x()), middle))
    assert seen == sorted(seen)
    assert f"Keeps {page.kept.kept} of 500" in page.summary.text()
    rect = page.curve.plot_rect()
    where = QPoint(int(rect.left() + 0.5 * rect.width()), int(rect.center().y()))
    qtbot.mouseClick(page.curve, LEFT, pos=where)
    study = page.study
    assert study is not None
    assert page.kept.judged == pytest.approx(0.5 * study.curve.known, abs=2)


def test_arrow_keys_move_by_one_and_by_one_per_cent(qtbot: QtBot, page: ThresholdPage) -> None:
    study = page.study
    assert study is not None
    page.set_threshold(study.keeping(300))
    page.histogram.setFocus()
    counts = []
    for key, modifier in (
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier),
        (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_End, Qt.KeyboardModifier.NoModifier),
    ):
        qtbot.keyClick(page.histogram, key, modifier)
        assert page.kept is not None
        counts.append(page.kept.kept)
    assert counts == [299, 300, 295, 500, 0]


def test_sliders_rank_again_and_show_other_winners(qtbot: QtBot, page: ThresholdPage) -> None:
    study = page.study
    assert study is not None
    before = study.rescored.winner.copy()
    page.set_threshold(study.keeping(250))
    assert not page.changed.isVisible()
    page.weights.sliders["motion"].setValue(0)
    assert page.kept is not None
    assert page.kept.kept == 250
    page.controls.hold.setChecked(False)
    held = page.threshold
    page.weights.sliders["motion"].setValue(1)
    assert page.threshold == held
    page.weights.sliders["motion"].setValue(0)
    wanted = ThresholdStudy(study.data)
    wanted.set_weights(replace(PUBLISHED, motion=0.0))
    assert np.array_equal(study.rescored.score, wanted.rescored.score)
    assert page.kept is not None
    assert page.kept.kept == kept_by(page)
    assert page.movers is not None
    assert page.movers.change > 0
    assert page.changed.isVisible()
    shown = page.changed.model.mover(0)
    assert shown is not None
    assert study.rescored.winner[shown.row] != before[shown.row]
    assert "other" in page.changed.title.text().lower()
    assert page.weights._names["motion"].text() == "● Motion"
    qtbot.mouseClick(page.weights.published, LEFT)
    assert page.weights.weights == PUBLISHED
    assert page.movers is not None
    assert page.movers.change == 0


def test_target_precision_is_followed_or_refused(page: ThresholdPage) -> None:
    page.controls.target.setValue(0.85)
    assert page.kept is not None
    assert page.kept.precision >= 0.85
    first = page.threshold
    page.weights.sliders["proximity"].setValue(80)
    assert page.threshold != first
    assert page.kept.precision >= 0.85
    study = page.study
    assert study is not None
    page.population.bases[Basis.PEOPLE].click()
    assert "No target without judgements" in page.controls.note.text()
    assert not page.controls.target.isEnabled()
    page.population.bases[Basis.TRUTH].click()
    everything_wrong = replace(
        study.data, truth=replace(study.data.truth, right=0 * study.data.truth.right)
    )
    page.refresh_judgements(everything_wrong)
    assert "No threshold reaches 0.85; the best is 0.000" in page.controls.note.text()


def test_without_judgements_the_page_works_and_says_what_is_missing(
    qtbot: QtBot, tmp_path: Path
) -> None:
    page = ThresholdPage()
    qtbot.addWidget(page)
    page.set_study(ThresholdStudy(random_data(50, tmp_path, judged=0.0)))
    study = page.study
    assert study is not None
    page.set_threshold(study.keeping(20))
    assert page.kept is not None
    assert page.kept.kept == 20
    assert "precision unknown" in page.summary.text()
    assert page.leaving.model.rowCount() == 30
    assert not page.curve.has_curve
    assert "Spot check" in page.curve._hint
    assert page.histogram.histogram is not None
    assert int(page.histogram.histogram.unknown.sum()) == 50


def test_filters_restrict_everything(page: ThresholdPage) -> None:
    combo = page.population.choices["task"]
    combo.setCurrentIndex(combo.findText("push"))
    study = page.study
    assert study is not None
    rows = study.data.table.task.rows("push")
    assert study.filter == PopulationFilter(task="push")
    assert page.kept is not None
    assert page.kept.total == int(rows.sum())
    assert "(task push)" in page.summary.text()
    page.population.clear()
    assert page.kept.total == 500


def test_comparison_is_explicit(qtbot: QtBot, page: ThresholdPage) -> None:
    study = page.study
    assert study is not None
    page.set_threshold(study.keeping(300))
    qtbot.mouseClick(page.controls.pin, LEFT)
    assert page.movers is not None
    assert (page.movers.enter, page.movers.leave) == (0, 0)
    page.set_threshold(study.keeping(320))
    assert (page.movers.enter, page.movers.leave) == (20, 0)
    assert page.controls.reference.name in page.summary.text()
    page.controls.compared.setCurrentIndex(page.controls.compared.findData("everything"))
    assert (page.movers.enter, page.movers.leave) == (0, 180)


def test_empty_page_says_what_to_do(qtbot: QtBot) -> None:
    page = ThresholdPage()
    qtbot.addWidget(page)
    page.show()
    assert "Annotate the dataset" in page.hint.text()
    with qtbot.waitSignal(page.annotateRequested):
        qtbot.mouseClick(page.annotate, LEFT)


def test_dropped_bars_are_dimmed_and_the_marker_is_painted(page: ThresholdPage) -> None:
    study = page.study
    assert study is not None
    page.set_threshold(study.keeping(250))
    with_marker = page.histogram.grab().toImage()
    x = round(page.histogram.x_of(page.threshold))
    y = int(page.histogram.plot_rect().top()) + 4
    accent = with_marker.pixelColor(x, y)
    page.set_threshold(study.keeping(400))
    without = page.histogram.grab().toImage()
    assert without.pixelColor(x, y) != accent


# -- the window --------------------------------------------------------------------------------


def test_points_are_saved_and_there_after_reopening(
    qtbot: QtBot, curation: CurationWindow, files: tuple[Path, Path, AnnotationTable]
) -> None:
    annotations, truth, _ = files
    read(qtbot, curation, annotations, truth)
    page = curation.threshold
    study = page.study
    assert study is not None
    page.set_threshold(study.keeping(30))
    page.weights.sliders["spike"].setValue(7)
    assert not page.points.save.isEnabled()
    page.points.name.setText("first try")
    page.points.reason.setText("looks fine")
    qtbot.mouseClick(page.points.save, LEFT)
    qtbot.waitUntil(lambda: len(page.points.points) == 1)
    assert curation.data is not None
    (point,) = OperatingPoints(curation.data.folder).in_force()
    assert (point.name, point.reason, point.threshold) == (
        "first try",
        "looks fine",
        page.threshold,
    )
    assert point.weights.spike == pytest.approx(0.07)
    assert page.kept is not None
    assert (point.kept, point.precision) == (page.kept.kept, page.kept.precision)
    assert point.who
    assert point.at
    assert "first try" in page.controls.reference.name
    # Something else, not saved: it is there again, too.
    page.set_threshold(study.keeping(12))
    left = page.threshold
    read(qtbot, curation, annotations, truth)
    assert page.threshold == left
    assert [p.name for p in page.points.points] == ["first try"]
    page.points.list.setCurrentRow(0)
    qtbot.mouseClick(page.points.apply, LEFT)
    assert page.threshold == point.threshold
    qtbot.mouseClick(page.points.retire, LEFT)
    qtbot.waitUntil(lambda: not page.points.points)


def test_export_is_what_the_page_keeps(
    qtbot: QtBot,
    curation: CurationWindow,
    files: tuple[Path, Path, AnnotationTable],
    tmp_path: Path,
) -> None:
    annotations, truth, table = files
    read(qtbot, curation, annotations, truth)
    page = curation.threshold
    study = page.study
    assert study is not None
    page.weights.sliders["motion"].setValue(20)
    page.set_threshold(study.keeping(15))
    with qtbot.waitSignal(curation.control.exported, timeout=20_000):
        curation.export(tmp_path / "out")
    with (tmp_path / "out" / "kept.csv").open() as file:
        kept = {(int(r["episode_index"]), int(r["subtask_index"])) for r in csv.DictReader(file)}
    rows = np.flatnonzero(study.rescored.score >= np.float32(page.threshold))
    assert kept == {(int(table.episode[n]), int(table.subtask[n])) for n in rows}
    options = json.loads((tmp_path / "out" / "options.json").read_text())
    assert options["threshold"] == pytest.approx(page.threshold)
    assert options["stages"]["scores"]["motion_weight"] == pytest.approx(0.2)


def test_an_export_can_be_cancelled_and_leaves_nothing(
    qtbot: QtBot,
    curation: CurationWindow,
    files: tuple[Path, Path, AnnotationTable],
    tmp_path: Path,
) -> None:
    annotations, truth, _ = files
    read(qtbot, curation, annotations, truth)
    assert not curation.export_bar.isVisible()
    curation.show_page("threshold")
    with qtbot.waitSignal(curation.control.exportEnded, timeout=20_000):
        curation.control.exportProgressed.connect(lambda _share: curation.export_cancel.click())
        curation.export(tmp_path / "out")
        assert curation.export_bar.isVisible()
        assert "status bar" in curation.threshold.points.export.toolTip()
    assert "cancelled" in curation.statusBar().currentMessage()
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
    assert not curation.export_bar.isVisible()
    assert curation.threshold.points.export.isEnabled()


def test_sensitivity_sweeps_by_itself_once(
    qtbot: QtBot, curation: CurationWindow, files: tuple[Path, Path, AnnotationTable]
) -> None:
    annotations, truth, _ = files
    read(qtbot, curation, annotations, truth)
    asked: list[object] = []
    curation.sensitivity.sweepRequested.connect(asked.append)
    assert curation.sensitivity.wants_sweep
    qtbot.keyClick(curation, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    assert curation.tabs.currentWidget() is curation.sensitivity
    assert curation.sensitivity.button.text() == "Cancel"
    curation.sensitivity.button.click()
    qtbot.waitUntil(lambda: curation.sensitivity.button.text() == "Sweep", timeout=60_000)
    curation.show_page("threshold")
    curation.show_page("sensitivity")
    assert curation.sensitivity.button.text() == "Sweep"
    qtbot.keyClick(curation, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert asked
    qtbot.waitUntil(lambda: curation.sensitivity.shown is not None, timeout=60_000)


def test_help_lists_the_keys(qtbot: QtBot, curation: CurationWindow) -> None:
    qtbot.keyClick(curation, Qt.Key.Key_F1)
    (shown,) = curation.findChildren(ShortcutHelp)
    assert shown.isVisible()
    shown.close()


def test_truth_gives_precision_and_a_band(
    qtbot: QtBot, curation: CurationWindow, files: tuple[Path, Path, AnnotationTable]
) -> None:
    annotations, truth, _ = files
    read(qtbot, curation, annotations, truth)
    page = curation.threshold
    study = page.study
    assert study is not None
    page.set_threshold(study.keeping(40))
    assert page.kept is not None
    assert (page.kept.judged, page.kept.right) == (40, 36)
    qtbot.waitUntil(lambda: page.curve.band is not None, timeout=20_000)
    assert "expected precision 0.900 [" in page.summary.text()


def test_a_sweep_and_new_verdicts_arrive(
    qtbot: QtBot, curation: CurationWindow, files: tuple[Path, Path, AnnotationTable]
) -> None:
    annotations, truth, _ = files
    read(qtbot, curation, annotations, truth)
    curation.show_page("sensitivity")
    curation.sensitivity.sweepRequested.emit(SweepRequest(("motion_weight",)))
    qtbot.waitUntil(lambda: curation.sensitivity.shown is not None, timeout=60_000)
    with qtbot.waitSignal(curation.control.judgementsChanged, timeout=20_000):
        curation.spot_check.answersChanged.emit()


def test_what_cannot_be_read_is_said(
    qtbot: QtBot, curation: CurationWindow, tmp_path: Path
) -> None:
    broken = tmp_path / "nothing.jsonl"
    broken.write_text("no json\n")
    with qtbot.waitSignal(curation.control.dataRead, timeout=60_000):
        curation.open(broken, None)
    assert curation.data is None
    assert curation.banner.text
    curation.open(None, None)
    assert "Open a dataset first" in curation.threshold.hint.text()


def test_an_annotation_opens_in_the_main_window(
    qtbot: QtBot, window: MainWindow, sample: Path, tmp_path: Path
) -> None:
    window.control.auto_run = False
    with qtbot.waitSignal(window.control.episodeOpened, timeout=30_000):
        window.control.open_dataset(str(sample), 0)
    table = random_data(6, tmp_path).table
    annotations = tmp_path / "annotations.jsonl"
    annotations.write_text(lines_of(table))
    actions = window.handlers.dataset
    curation = actions.open_curation(annotations, sample)
    qtbot.waitUntil(lambda: curation.data is not None, timeout=60_000)
    page = curation.threshold
    study = page.study
    assert study is not None
    page.set_threshold(study.keeping(0))
    strip = page.leaving
    place = next(k for k in range(6) if strip.model.mover(k).episode == 2)
    strip.view.scrollTo(strip.model.index(place))
    where = strip.view.visualRect(strip.model.index(place)).center()
    with qtbot.waitSignal(window.control.episodeOpened, timeout=30_000):
        qtbot.mouseClick(strip.view.viewport(), LEFT, pos=where)
    demonstration = window.control.document.session.demonstration
    assert demonstration is not None
    assert demonstration.ref.episode == 2


def test_a_dataset_without_annotations_can_be_annotated(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    curation = window.handlers.dataset.open_curation(None, sample)
    with qtbot.waitSignal(curation.control.dataRead, timeout=60_000):
        pass
    assert not curation.banner.text
    assert "There are no annotations yet" in curation.threshold.hint.text()
    qtbot.waitUntil(lambda: sample.name in curation.annotate.dataset_label.text(), timeout=20_000)
    qtbot.mouseClick(curation.threshold.annotate, LEFT)
    assert curation.tabs.currentWidget() is curation.annotate


def test_menu_opens_one_window_on_the_wanted_page(qtbot: QtBot, window: MainWindow) -> None:
    window.table.actions["curation"].trigger()
    curation = window.handlers.dataset.window
    assert curation is not None
    assert curation.isVisible()
    assert "Open a dataset first" in curation.threshold.hint.text()
    window.table.actions["spot_check"].trigger()
    assert window.handlers.dataset.window is curation
    assert curation.tabs.currentWidget() is curation.spot_check
    assert not window.table.actions["annotate_dataset"].isEnabled()
    assert ScoreWeights.of(ScoresOptions()) == PUBLISHED
