"""The window on an export: everything is there as it was, and nothing can be changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QUrl
from pytestqt.qtbot import QtBot

from app.actions import CHANGING
from app.main_window import MainWindow
from pipeline.model.edits import ChooseCandidate
from tests.datasets import write_v2
from tests.export_scenes import CAPTION, EDITS, GRAPH, session, write_export

SECONDS = 1000
REASON = "an export is read-only: open the dataset kitchen to correct it"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    return write_export(folder)


def open_export(qtbot: QtBot, window: MainWindow, path: Path) -> None:
    with qtbot.waitSignal(window.control.jobEnded, timeout=30 * SECONDS):
        window.control.open_dataset(str(path))
    qtbot.waitUntil(lambda: window.control.background.idle, timeout=30 * SECONDS)


def failures(window: MainWindow) -> list[str]:
    told: list[str] = []
    window.control.failed.connect(lambda text, _: told.append(text))
    return told


def test_everything_is_shown_as_it_was(qtbot: QtBot, window: MainWindow, export: Path) -> None:
    told = failures(window)
    open_export(qtbot, window, export)
    was, now = session(), window.control.document.session
    assert not told
    assert window.windowTitle().startswith(export.name)
    assert now.demonstration is not None
    assert now.demonstration.ref.episode == 3
    assert now.demonstration.instruction == "put the red cube in the bowl"
    for stage in GRAPH.stages:
        assert window.control.document.is_fresh(stage.name)
        assert now.outcome(stage.name).key == was.outcome(stage.name).key
    scores = was.result("scores")
    assert now.result("scores").winner == scores.winner == now.candidate
    assert now.result("scores").ranking == scores.ranking
    assert now.result("phases").merged == was.result("phases").merged
    assert now.result("captions").text == CAPTION
    assert now.edits == EDITS
    assert now.options["phases"].closure_threshold == 0.37
    panels = window.panels
    assert panels.candidates.candidate == scores.winner
    assert f"{scores.of(scores.winner).score:.3f}" in panels.breakdown.text()
    assert {row.state.value for row in panels.stages.rows} == {"fresh"}
    assert panels.episodes.neighbour(1) is None


def test_pictures_are_those_of_the_recording(
    qtbot: QtBot, window: MainWindow, export: Path
) -> None:
    open_export(qtbot, window, export)
    viewer = window.panels.frame.viewer
    window.control.seek(57)
    qtbot.waitUntil(lambda: viewer.image_frame == 57, timeout=10 * SECONDS)
    picture = viewer.picture
    assert picture is not None
    assert picture.size == (320, 240)
    assert picture.note == "The export has no picture of frame 57: this is frame 55."


def test_the_3d_panel_gets_the_very_file(qtbot: QtBot, window: MainWindow, export: Path) -> None:
    given: list[bytes] = []
    window.panels.rerun.set_recording = lambda data, **_: given.append(bytes(data))  # type: ignore[method-assign]
    open_export(qtbot, window, export)
    assert given == [export.read_bytes()]


def test_corrections_runs_and_options_are_refused(
    qtbot: QtBot, window: MainWindow, export: Path
) -> None:
    open_export(qtbot, window, export)
    told = failures(window)
    control, before = window.control, window.control.document.session
    box = before.result("proposals").candidates[0].box
    window.panels.frame.boxChanged.emit(0, 1.0, 1.0, 30.0, 30.0)
    control.decide(ChooseCandidate(subtask=0, box=box))
    window.review.judge("rejected")
    control.run()
    control.set_options("phases", GRAPH.default_options()["phases"])
    control.document.set_options("phases", GRAPH.default_options()["phases"])
    window.panels.timeline.boundaryMoved.emit("right", 0, 50)
    window.panels.timeline.thresholdsChanged.emit(0.6, 0.05)
    window.panels.timeline.thresholdsCommitted.emit(0.6, 0.05)
    assert set(told) == {"An export is read-only: open the dataset kitchen to correct it."}
    assert control.document.session == before
    assert not control.jobs.busy


def test_what_changes_is_disabled_and_says_why(
    qtbot: QtBot, window: MainWindow, export: Path, tmp_path: Path
) -> None:
    open_export(qtbot, window, export)
    for name in CHANGING:
        action = window.table.actions[name]
        assert not action.isEnabled(), name
        assert action.toolTip().endswith(REASON), name
    for name in ("export_recording", "export_predictions", "play", "keyframe", "about_dataset"):
        assert window.table.actions[name].isEnabled(), name
    panels = window.panels
    for button in (
        *(panels.caption._buttons[n] for n in ("accept", "correct", "critique")),
        panels.stages._run,
    ):
        assert not button.isEnabled()
        assert button.toolTip() == REASON
    assert not panels.stages._form.isEnabled()
    panels.caption.begin_edit()
    assert not panels.caption.editing
    # A dataset opened afterwards can be corrected again, with the options of before.
    with qtbot.waitSignal(window.control.jobEnded, timeout=120 * SECONDS):
        window.control.open_dataset(str(write_v2(tmp_path / "v2")))
    defaults = GRAPH.default_options()
    assert dict(window.control.document.session.options) == defaults
    assert window.control.document.session.read_only == ""
    assert window.table.actions["run"].isEnabled()
    assert panels.stages._form.isEnabled()
    assert panels.caption._buttons["correct"].isEnabled() == (
        window.control.document.session.result("captions") is not None
    )


def test_nothing_is_written_beside_it(
    qtbot: QtBot, window: MainWindow, export: Path, tmp_path: Path
) -> None:
    before, content = set(export.parent.iterdir()), export.read_bytes()
    open_export(qtbot, window, export)
    window.review.judge("accepted")
    window.control._examine.stop()
    assert not window.control._examine.isActive()
    assert window.control.commands.store is None
    window.close()
    assert set(export.parent.iterdir()) == before
    assert export.read_bytes() == content
    assert not list(tmp_path.glob("*.demoscope"))


def test_dropped_like_a_dataset(qtbot: QtBot, window: MainWindow, export: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(export))])
    with qtbot.waitSignal(window.control.jobEnded, timeout=30 * SECONDS):
        assert window.opening.drop(data) == ""
    assert window.control.document.session.read_only == REASON


def test_a_damaged_one_is_one_sentence_and_what_was_open_stays(
    qtbot: QtBot, window: MainWindow, export: Path, tmp_path: Path
) -> None:
    open_export(qtbot, window, export)
    broken = tmp_path / "broken.rrd"
    broken.write_bytes(export.read_bytes()[:-4000])
    with qtbot.waitSignal(window.control.failed, timeout=30 * SECONDS) as blocker:
        window.control.open_dataset(str(broken))
    assert blocker.args[0] == "broken.rrd is cut short: its last part is missing"
    assert window.control.document.session.demonstration is not None


def test_the_window_exports_what_it_shows(
    qtbot: QtBot, window: MainWindow, export: Path, tmp_path: Path, monkeypatch
) -> None:
    open_export(qtbot, window, export)
    target = tmp_path / "again"
    monkeypatch.setattr(
        "app.export_actions.QFileDialog.getSaveFileName", lambda *_: (str(target), "")
    )
    exports = window.handlers.exports
    with qtbot.waitSignal(exports.finished, timeout=30 * SECONDS) as blocker:
        window.table.actions["export_recording"].trigger()
    assert blocker.args == [f"{target}.rrd"]
    assert (tmp_path / "again.rrd").read_bytes() == export.read_bytes()


def test_another_subtask_has_no_results_here(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    open_export(qtbot, window, write_export(tmp_path, subtasks=2))
    candidates = window.panels.candidates
    hint = "This export holds the results of another subtask."
    assert candidates._hint.text() != hint
    window.panels.timeline.subtaskClicked.emit(1)
    assert window.control.document.session.subtask == 1
    assert candidates._hint.text() == hint
    window.panels.timeline.subtaskClicked.emit(0)
    assert candidates._hint.text() != hint
    assert candidates.candidate == session().result("scores").winner
