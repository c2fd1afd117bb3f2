"""Annotating a dataset from the window: the panel alone, and with runs in real processes."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.batch_control import BatchControl
from pipeline.batch.lock import FolderLock
from pipeline.batch.outlook import Outlook
from pipeline.sources.detect import open_dataset
from tests.pipeline.batch_toys import FAULTS, ToilOptions, graph, many_episodes
from widgets.batch_panel import BatchPanel, BatchWish

GRAPH = "tests.pipeline.batch_toys:graph"
NOTHING = Outlook(Path("/data/d.demoscope/annotations"), 8, 0, (), "", False, None, 2, "because")


@pytest.fixture
def panel(qtbot: QtBot) -> BatchPanel:
    made = BatchPanel()
    qtbot.addWidget(made)
    made.resize(760, 620)
    made.set_dataset("d", 8, 10)
    made.set_outlook(NOTHING)
    made.show()
    return made


def texts(panel: BatchPanel) -> str:
    return "\n".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def test_without_a_dataset_it_says_what_to_do(panel: BatchPanel) -> None:
    assert "8 of 10 episodes on disk" in texts(panel)
    panel.set_dataset("", 0, 0)
    assert "Open a dataset" in texts(panel)
    assert not panel.start.isEnabled()
    assert not panel.start.isVisible()


def test_what_the_buttons_allow_and_why_not(panel: BatchPanel) -> None:
    assert panel.start.isEnabled()
    assert panel.start.text() == "Start"
    assert not panel.fresh.isEnabled()
    assert "no earlier run" in panel.fresh.toolTip()
    assert "Nothing is running" in panel.cancel.toolTip()
    assert "no results yet" in panel.curate.toolTip()

    panel.set_outlook(dataclasses.replace(NOTHING, finished=3, failed=((5, "broken"),)))
    assert panel.start.text() == "Continue"
    assert panel.fresh.isEnabled()
    assert "3 of 8 episodes are through, 1 failed; 4 left" in texts(panel)
    assert panel.failures.table.item(0, 1).text() == "broken"

    panel.set_outlook(dataclasses.replace(NOTHING, finished=7, failed=((5, "broken"),)))
    assert not panel.start.isEnabled()
    panel.retry.setChecked(True)
    assert panel.start.isEnabled()
    panel.retry.setChecked(False)

    panel.set_outlook(dataclasses.replace(NOTHING, finished=8, table=Path("a.parquet")))
    assert "All episodes are through" in panel.start.toolTip()
    assert panel.curate.isEnabled()

    panel.set_outlook(dataclasses.replace(NOTHING, difference="it holds something else"))
    assert not panel.start.isEnabled()
    assert "it holds something else" in panel.start.toolTip()
    assert panel.fresh.isEnabled()

    panel.set_outlook(dataclasses.replace(NOTHING, in_use=True))
    assert "Another run" in panel.start.toolTip()
    assert not panel.fresh.isEnabled()


def test_what_the_user_asks_for(panel: BatchPanel, qtbot: QtBot) -> None:
    qtbot.keyClicks(panel.episodes, "0,2-5")
    panel.set_folder("/somewhere")
    panel.jobs.setValue(3)
    panel.retry.setChecked(True)
    with qtbot.waitSignal(panel.startRequested) as caught:
        panel.start.click()
    assert caught.args == [BatchWish("0,2-5", "/somewhere", 3, False, True)]
    panel.set_outlook(dataclasses.replace(NOTHING, finished=1))
    with qtbot.waitSignal(panel.startRequested) as caught:
        panel.fresh.click()
    assert caught.args[0].fresh


def test_writing_looks_into_the_folder_once(panel: BatchPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.wishChanged) as caught:
        qtbot.keyClicks(panel.folder, "/there")
    assert caught.args[0].folder == "/there"
    with qtbot.assertNotEmitted(panel.wishChanged, wait=50):
        panel.set_folder("/elsewhere")  # a setter tells nobody


def test_space_and_enter_press_no_button(panel: BatchPanel, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(panel.startRequested):
        for key in (Qt.Key.Key_Space, Qt.Key.Key_Return):
            qtbot.keyClick(panel, key)
            qtbot.keyClick(panel.episodes, key)
    assert panel.episodes.text() == " "


def test_progress_and_failures(panel: BatchPanel, qtbot: QtBot) -> None:
    panel.set_running(True)
    assert not panel.start.isEnabled()
    assert panel.cancel.isEnabled()
    assert not panel.episodes.isEnabled()
    panel.set_progress(5, 1, 8, 754.0, "6 tracks 45%")
    assert panel.bar.value() == 5
    assert "5 of 8 episodes, 1 failed, 13 min left" in texts(panel)
    assert "6 tracks 45%" in texts(panel)
    panel.set_progress(0, 0, 8, -1.0, "")
    assert "left" not in panel.progress_label.text()
    for episode in (3, 4, 3):
        panel.add_failure(episode, f"<b>broken</b> {episode}")
    assert panel.failures.table.rowCount() == panel.failures.failure_count == 2
    panel.failures.table.setCurrentCell(1, 0)
    with qtbot.waitSignal(panel.episodeActivated) as caught:
        qtbot.keyClick(panel.failures.table, Qt.Key.Key_Return)
    assert caught.args == [4]
    assert "&lt;b&gt;" in panel.failures.table.item(0, 1).toolTip()


def test_very_many_failures_are_counted_not_listed(panel: BatchPanel) -> None:
    panel.set_failures([(i, "broken") for i in range(700)])
    assert panel.failures.table.rowCount() == 200
    assert "500 more" in panel.failures.table.horizontalHeaderItem(1).text()
    panel.set_failures([])
    assert "more" not in panel.failures.table.horizontalHeaderItem(1).text()


def test_options_in_force_are_named(panel: BatchPanel) -> None:
    panel.set_options([])
    assert "all defaults" in texts(panel)
    panel.set_options([f"scores.o{i} 1" for i in range(5)], "gemini is asked.")
    assert "scores.o2 1 and 2 more; defaults elsewhere. gemini is asked." in texts(panel)
    assert "scores.o4 1" in panel.options_label.toolTip()


def test_long_words_do_not_widen_the_panel(panel: BatchPanel) -> None:
    width = panel.minimumSizeHint().width()
    panel.set_outlook(dataclasses.replace(NOTHING, difference="x" * 900))
    panel.set_verdict("y" * 900, well=False)
    assert panel.minimumSizeHint().width() == width < 640


# -- with runs in real processes -------------------------------------------------------------


@pytest.fixture
def control(qtbot: QtBot, panel: BatchPanel, tmp_path: Path):
    source = open_dataset(many_episodes(tmp_path / "d", [16, 18, 20, 22]))
    made = BatchControl(graph=GRAPH)
    made.serve(panel)
    made.set_dataset(source.info)
    made.set_options(graph().default_options())
    yield made
    made.close()


def test_a_run_from_start_to_results(
    control: BatchControl, panel: BatchPanel, qtbot: QtBot, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv(FAULTS, json.dumps({"2": "raise"}))
    with qtbot.waitSignal(control.lookedAhead):
        control.look(panel.wish())
    assert "4 episodes are to be annotated" in texts(panel)
    seen: list[tuple] = []
    control.progressed.connect(lambda *values: seen.append(values))
    with qtbot.waitSignal(control.finished, timeout=30_000) as caught:
        panel.start.click()
        assert control.running
        assert panel.cancel.isEnabled()
    table = tmp_path / "d.demoscope" / "annotations" / "annotations.parquet"
    assert caught.args == [str(table)]
    assert table.is_file()
    assert [values[:3] for values in seen][-1] == (4, 1, 4)
    assert not control.running
    assert "IndexError" in panel.failures.table.item(0, 1).text()
    with qtbot.waitSignal(panel.curationRequested) as caught:
        panel.curate.click()
    assert caught.args == [str(table)]
    qtbot.waitUntil(lambda: "3 of 4 episodes are through, 1 failed" in texts(panel))


def test_cancel_and_continue(control: BatchControl, panel: BatchPanel, qtbot: QtBot) -> None:
    control.set_options({"toil": ToilOptions(seconds=0.3)})
    panel.jobs.setValue(1)
    control.progressed.connect(lambda done, *_: control.cancel() if done else None)
    with qtbot.waitSignal(control.stopped, timeout=30_000) as caught:
        panel.start.click()
    kept = re.fullmatch(r"Cancelled: (\d) of 4 episodes are kept\.", caught.args[0])
    assert kept is not None
    assert 1 <= int(kept[1]) < 4
    qtbot.waitUntil(lambda: panel.start.text() == "Continue")
    control.progressed.disconnect()
    control.progressed.connect(panel.set_progress)
    with qtbot.waitSignal(control.finished, timeout=30_000):
        panel.start.click()


def test_a_folder_in_use_is_said(
    control: BatchControl, panel: BatchPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    panel.set_folder(str(tmp_path / "run"))
    with FolderLock(tmp_path / "run"), qtbot.waitSignal(control.failed) as caught:
        control.start(panel.wish())
    assert "another run is at work there" in caught.args[0]
    assert caught.args[0] in texts(panel)
    assert not control.running


def test_wrong_episodes_are_one_sentence(
    control: BatchControl, panel: BatchPanel, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(control.failed) as caught:
        control.start(BatchWish(episodes="7"))
    assert caught.args == ["Episodes: the dataset has no episode 7"]


def test_closing_the_window_ends_the_run(
    control: BatchControl, panel: BatchPanel, qtbot: QtBot
) -> None:
    control.set_options({"toil": ToilOptions(seconds=20)})
    with qtbot.waitSignal(control.progressed, timeout=20_000):
        control.start(panel.wish())
    with qtbot.assertNotEmitted(control.stopped, wait=50):
        control.close()
    assert not control.running


def test_a_language_model_in_the_options_is_announced(
    control: BatchControl, panel: BatchPanel
) -> None:
    options = graph().default_options()
    language = dataclasses.replace(options["subtasks"], backend="gemini")
    control.set_options(options | {"subtasks": language})
    assert "subtasks.backend gemini; defaults elsewhere. gemini is asked" in texts(panel)
