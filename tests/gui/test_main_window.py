"""The whole window on the sample dataset: the real worker, the real widgets, no display."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.actions import ACTIONS
from app.main_window import MainWindow
from pipeline.document import Part
from tests.datasets import SAMPLE, write_v2

SECONDS = 1000
EPISODE_TIME = 180 * SECONDS
"""One episode takes 10 to 30 s on two cores; results are kept for the tests that follow."""


def open_episode(qtbot: QtBot, window: MainWindow, root: Path, episode: int) -> None:
    """Open an episode and wait until all of its stages are done."""
    with qtbot.waitSignal(window.control.jobEnded, timeout=EPISODE_TIME) as blocker:
        window.control.open_dataset(str(root), episode)
    assert blocker.args == ["done"], window.panels.banner.text


def session(window: MainWindow):
    return window.control.document.session


def wait_done(qtbot: QtBot, window: MainWindow, act) -> None:
    with qtbot.waitSignal(window.control.jobEnded, timeout=EPISODE_TIME) as blocker:
        act()
    assert blocker.args == ["done"]


def test_the_main_job(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    now = session(window)
    for stage in window.control.document.graph.stages:
        assert window.control.document.is_fresh(stage.name), stage.name
    scores = now.result("scores")
    assert scores.winner >= 0
    assert now.candidate == scores.winner
    assert window.panels.candidates.candidate == scores.winner
    assert "cube" in now.result("captions").text
    assert f"{scores.of(scores.winner).score:.3f}" in window.panels.breakdown.text()
    viewer = window.panels.frame.viewer
    window.control.seek(now.result("proposals").keyframe)
    qtbot.waitUntil(lambda: viewer.image_frame == session(window).frame, timeout=5000)
    assert not viewer.grab_picture().isNull()
    # Again: nothing is computed and nothing is delivered twice.
    told: list[object] = []
    window.control.jobs.told.connect(told.append)
    wait_done(qtbot, window, window.control.run)
    assert [type(event).__name__ for event in told] == ["Done"]


def test_one_cursor_for_all_views(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    viewer = window.panels.frame.viewer
    viewer.setFocus()
    window.control.seek(10)
    for key, modifier, frame in (
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, 11),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier, 10),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier, 30),
        (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier, 0),
        (Qt.Key.Key_End, Qt.KeyboardModifier.NoModifier, 179),
    ):
        qtbot.keyClick(viewer, key, modifier)
        assert session(window).frame == frame
        assert window.panels.timeline.frame == frame
        assert window.panels.rerun.frame == frame
        qtbot.waitUntil(lambda f=frame: viewer.image_frame == f, timeout=5000)
    window.panels.timeline.frameChosen.emit(42)
    assert session(window).frame == 42
    qtbot.waitUntil(lambda: viewer.image_frame == 42, timeout=5000)


def test_playing_moves_and_stops(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    viewer = window.panels.frame.viewer
    viewer.setFocus()
    qtbot.keyClick(viewer, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: session(window).frame >= 3, timeout=5000)
    qtbot.keyClick(viewer, Qt.Key.Key_Space)
    assert not session(window).playing
    assert not window.control.playback.playing


def test_choosing_is_kept_undone_and_survives_reopening(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    scores = session(window).result("scores")
    winner, second = scores.ranking[:2]
    tracks = session(window).outcome("tracks")
    qtbot.keyClick(window.panels.frame.viewer, Qt.Key.Key_2)
    assert session(window).candidate == second
    wait_done(
        qtbot,
        window,
        lambda: qtbot.keyClick(
            window.panels.frame.viewer, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier
        ),
    )
    assert session(window).result("scores").winner == second
    assert session(window).result("scores").chosen_by == "person"
    # The stages before the choice were not computed again.
    assert session(window).outcome("tracks") is tracks
    wait_done(qtbot, window, lambda: window.control.open_dataset(str(sample), 0))
    assert session(window).result("scores").winner == second
    wait_done(qtbot, window, lambda: window.table.actions["undo"].trigger())
    assert session(window).result("scores").winner == winner


def test_captions_by_keyboard(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    viewer = window.panels.frame.viewer
    viewer.setFocus()
    window.table.actions["go_on"].setChecked(False)  # Going on: test_caption_review.
    wait_done(qtbot, window, lambda: qtbot.keyClick(viewer, Qt.Key.Key_Return))
    assert session(window).result("captions").verdict == "accepted"
    wait_done(qtbot, window, lambda: window.panels.caption.corrected.emit("Drop the red cube."))
    assert session(window).result("captions").text == "Drop the red cube."
    wait_done(qtbot, window, lambda: qtbot.keyClick(viewer, Qt.Key.Key_X))
    assert session(window).result("captions").verdict == "rejected"
    for _ in range(3):
        wait_done(qtbot, window, lambda: window.table.actions["undo"].trigger())
    assert session(window).result("captions").verdict is None


def test_boundary_box_and_name_enter_their_stages(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    phases = session(window).result("phases").arms[0].phases
    before = phases[0].end
    wait_done(
        qtbot,
        window,
        lambda: window.panels.timeline.boundaryMoved.emit(phases[0].arm, 0, before - 5),
    )
    assert session(window).result("phases").arms[0].phases[0].end == before - 5
    wait_done(qtbot, window, lambda: window.panels.caption.renamed.emit("crimson die", "bowl"))
    assert session(window).result("subtasks").subtasks[0].object_name == "crimson die"
    wait_done(qtbot, window, lambda: window.panels.frame.boxDrawn.emit(20.0, 300.0, 90.0, 370.0))
    drawn = [p for p in session(window).result("proposals").candidates if p.origin == "user"]
    assert [p.box for p in drawn] == [(20.0, 300.0, 90.0, 370.0)]
    for _ in range(3):
        wait_done(qtbot, window, lambda: window.table.actions["undo"].trigger())
    assert session(window).edits == ()


def test_drawing_a_box_goes_to_the_keyframe(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    window.control.seek(3)
    viewer = window.panels.frame.viewer
    viewer.setFocus()
    qtbot.keyClick(viewer, Qt.Key.Key_B)
    assert viewer.tool == "box"
    assert session(window).frame == session(window).result("proposals").keyframe
    qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    assert viewer.tool == "select"
    assert session(window).edits == ()


def test_leaving_an_episode_drops_its_results(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    window.control.run(fresh=("tracks",))
    qtbot.waitUntil(lambda: session(window).running == ("tracks", 0), timeout=20 * SECONDS)
    window.control.auto_run = False
    with qtbot.waitSignal(window.control.episodeOpened, timeout=10 * SECONDS):
        window.control.open_episode(1)
    # Events of the old job may still be on their way; none may land in the new episode.
    with qtbot.assertNotEmitted(window.control.jobs.told, wait=600):
        pass
    assert session(window).demonstration.ref.episode == 1
    assert session(window).results == {}


def test_options_turn_stale_what_follows(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    options = session(window).options["scores"]
    from pipeline.model.options import with_option

    window.panels.stages.optionsChanged.emit("scores", with_option(options, "motion_weight", 0.7))
    states = {row.name: row.state.value for row in window.panels.stages.rows}
    assert states["tracks"] == "fresh"
    assert states["scores"] == states["target"] == states["captions"] == "stale"
    wait_done(qtbot, window, lambda: window.table.actions["run"].trigger())
    assert all(row.state.value == "fresh" for row in window.panels.stages.rows)


def test_killed_worker_leaves_the_window_alive(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    window.control.run(fresh=("tracks",))
    qtbot.waitUntil(lambda: session(window).running == ("tracks", 0), timeout=20 * SECONDS)
    with qtbot.waitSignal(window.control.jobEnded, timeout=20 * SECONDS) as blocker:
        os.kill(window.control.jobs.pid, signal.SIGKILL)
    assert blocker.args == ["died"]
    assert "killed" in window.panels.banner.text
    states = {row.name: row.state.value for row in window.panels.stages.rows}
    assert states["tracks"] == "failed"
    wait_done(qtbot, window, window.control.run)
    assert all(row.state.value == "fresh" for row in window.panels.stages.rows)


def test_cancel(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    window.control.run(fresh=("tracks",))
    qtbot.waitUntil(lambda: session(window).running == ("tracks", 0), timeout=20 * SECONDS)
    with qtbot.waitSignal(window.control.jobEnded, timeout=20 * SECONDS) as blocker:
        window.panels.stages.cancelRequested.emit()
    assert blocker.args == ["cancelled"]
    assert session(window).running is None


def test_read_only_dataset_saves_elsewhere(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = tmp_path / "locked"
    root = write_v2(parent / "toy", (20,))
    # Root may write everywhere: the check itself is replaced, not the file mode.
    real = os.access
    monkeypatch.setattr(
        "os.access",
        lambda p, mode, **k: False if Path(p) == parent and mode & os.W_OK else real(p, mode, **k),
    )
    before = {p: p.stat().st_mtime_ns for p in parent.rglob("*")}
    open_episode(qtbot, window, root, 0)
    wait_done(qtbot, window, lambda: window.review.judge("accepted"))
    assert window.control.commands.store is not None
    assert parent not in window.control.commands.store.location.parents
    assert {p: p.stat().st_mtime_ns for p in parent.rglob("*")} == before


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: p, "no dataset that Demoscope can open"),
        (lambda p: p / "nowhere", "does not exist"),
    ],
)
def test_bad_paths_are_one_sentence(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, make, sentence: str
) -> None:
    with qtbot.waitSignal(window.control.failed, timeout=10 * SECONDS):
        window.control.open_dataset(str(make(tmp_path)))
    assert sentence in window.panels.banner.text
    assert session(window).dataset is None


def test_a_broken_episode_keeps_the_open_one(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    root = write_v2(tmp_path / "toy", (20, 24))
    table = next(root.glob("data/*/episode_000001.parquet"))
    table.write_bytes(table.read_bytes()[:200])
    open_episode(qtbot, window, root, 0)
    with qtbot.waitSignal(window.control.failed, timeout=10 * SECONDS):
        window.control.open_episode(1)
    assert "truncated" in window.panels.banner.text
    assert session(window).demonstration.ref.episode == 0


def test_every_action_says_why_it_is_disabled(window: MainWindow) -> None:
    for spec in ACTIONS:
        action = window.table.actions[spec.id]
        if not action.isEnabled():
            assert ": " in action.toolTip(), spec.id


def test_shortcuts_are_unique() -> None:
    keys = [key for spec in ACTIONS for key in spec.keys]
    assert len(keys) == len(set(keys))


def test_keys_stay_in_text_fields(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    window.activateWindow()
    window.panels.episodes.focus_filter()
    field = window.focusWidget()
    frame = session(window).frame
    qtbot.keyClicks(field, "x 2a")
    assert field.text() == "x 2a"
    assert session(window).frame == frame
    assert session(window).result("captions").verdict is None


def test_the_document_speaks_once_per_change(window: MainWindow) -> None:
    heard: list[Part] = []
    window.control.bridge.changed.connect(lambda c: heard.append(c.parts))
    window.control.document.set_frame(0)
    assert heard == []


def test_info_command_has_the_promised_shape(capsys: pytest.CaptureFixture[str]) -> None:
    from app.main import main

    assert main(["info", str(SAMPLE), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {"format", "version", "fps", "robot_type", "cameras", "gripper", "episodes"} <= set(data)
    assert data["gripper"]["arm"]["closed_is"] == "low"
    promised = {"index", "length", "instruction", "present", "problems"}
    assert promised <= set(data["episodes"][0])
