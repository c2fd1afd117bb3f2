"""The whole road, through real widgets: annotate, choose a threshold, save, export, look."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from pipeline.curation.operating_points import OperatingPoints
from pipeline.model.annotation import Annotation
from pipeline.scoring.formula import ScoresOptions
from tests.datasets import SAMPLE

LEFT = Qt.MouseButton.LeftButton
EPISODES = (0, 4)
"""Episode 4 has two subtasks."""
MINUTE = 60_000


@pytest.fixture
def own_sample(tmp_path: Path) -> Path:
    """A copy beside which nothing lies yet: what other tests save would change the results."""
    root = tmp_path / "sample"
    shutil.copytree(SAMPLE, root)
    return root


def test_from_a_dataset_to_the_annotation_behind_a_number(
    qtbot: QtBot, window: MainWindow, own_sample: Path, tmp_path: Path
) -> None:
    window.control.auto_run = False
    with qtbot.waitSignal(window.control.episodeOpened, timeout=MINUTE):
        window.control.open_dataset(str(own_sample), EPISODES[0])

    # Annotate two episodes, in a process of their own.
    window.table.actions["annotate_dataset"].trigger()
    curation = window.handlers.dataset.window
    assert curation is not None
    panel = curation.annotate
    assert curation.tabs.currentWidget() is panel
    assert "sample, 8 episodes" in panel.dataset_label.text()
    folder = own_sample.with_name("sample.demoscope") / "annotations"
    qtbot.waitUntil(lambda: panel.folder.placeholderText() == str(folder), timeout=MINUTE)
    qtbot.keyClicks(panel.episodes, ",".join(map(str, EPISODES)))
    panel.jobs.setValue(1)
    with qtbot.waitSignal(curation.batch.finished, timeout=3 * MINUTE):
        qtbot.mouseClick(panel.start, LEFT)
    assert panel.verdict_label.text() == f"Done: {folder / 'annotations.parquet'}"

    # Open them; ground truth lies beside the dataset.
    with qtbot.waitSignal(curation.control.dataRead, timeout=MINUTE):
        qtbot.mouseClick(panel.curate, LEFT)
    page = curation.threshold
    assert curation.tabs.currentWidget() is page
    study = page.study
    assert study is not None, curation.banner.text
    assert study.total == 3
    assert page.kept is not None
    assert (page.kept.kept, page.kept.judged) == (3, 3)

    # The threshold by key: two steps drop two.
    page.histogram.setFocus()
    for _ in range(2):
        qtbot.keyClick(page.histogram, Qt.Key.Key_Right)
    assert page.kept.kept == 1
    kept = float(study.rescored.score.max())
    assert page.threshold == pytest.approx(kept)
    assert page.leaving.model.rowCount() == 2

    # Save an operating point.
    qtbot.keyClicks(page.points.name, "strict")
    qtbot.keyClick(page.points.name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(page.points.points) == 1, timeout=MINUTE)
    assert curation.data is not None
    (point,) = OperatingPoints(curation.data.folder).in_force()
    assert (point.name, point.kept, point.total) == ("strict", 1, 3)

    # Export.
    out = tmp_path / "out"
    shares: list[float] = []
    curation.control.exportProgressed.connect(shares.append)
    with qtbot.waitSignal(curation.control.exported, timeout=MINUTE):
        curation.export(out)
        assert not page.points.export.isEnabled()
        assert curation.export_cancel.isVisible()
    assert shares
    assert page.points.export.isEnabled()
    assert not curation.export_cancel.isVisible()
    line = Annotation.model_validate_json((out / "kept.jsonl").read_text())
    assert line.score == pytest.approx(kept, abs=1e-5)
    assert line.phases
    with (out / "dropped.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2
    assert json.loads((out / "options.json").read_text())["threshold"] == pytest.approx(kept)

    # The second subtask of the other episode, in the main window, which has other options by now.
    window.control.auto_run = True
    window.control.set_options("scores", ScoresOptions(motion_weight=0.4))
    page.controls.compared.setCurrentIndex(page.controls.compared.findData("everything"))
    page.set_threshold(study.keeping(0))
    strip = page.leaving
    place = next(
        k
        for k in range(3)
        if (m := strip.model.mover(k)) is not None and (m.episode, m.subtask) == (EPISODES[1], 1)
    )
    index = strip.model.index(place)
    strip.view.scrollTo(index)
    with qtbot.waitSignal(window.control.jobEnded, timeout=MINUTE):
        qtbot.mouseClick(strip.view.viewport(), LEFT, pos=strip.view.visualRect(index).center())
    qtbot.waitUntil(lambda: session_place(window) == (EPISODES[1], 1), timeout=MINUTE)
    assert (
        window.statusBar().currentMessage()
        == "The annotations were made with other options: scores.motion_weight 0.5, not 0.4"
    )


def session_place(window: MainWindow) -> tuple[int, int]:
    """Episode and subtask that are open."""
    session = window.control.document.session
    episode = -1 if session.demonstration is None else session.demonstration.ref.episode
    return episode, session.subtask
