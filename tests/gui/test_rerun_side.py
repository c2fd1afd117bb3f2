"""The 3D panel and the selected point in the whole window; the real viewer has its own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.window_run import make_window
from pipeline.document import Session
from tests.gui.recording_panel import put_results
from tests.gui.viewer_hands import GREY
from tests.rerun_scenes import scene
from viewers.rerun_inputs import RerunInputs

POINTS = 40

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def inputs() -> RerunInputs:
    return scene(points=POINTS, side=True)


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, inputs: RerunInputs) -> Iterator[MainWindow]:
    """The window with made-up results; nothing is computed."""
    made = make_window("dark", settings_file=tmp_path / "settings.ini")
    made.control.auto_run = False
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow, timeout=5000)
    made.control.document.open_episode(inputs.demonstration, (), "open")
    put_results(made.control, inputs)
    made.panels.frame.viewer.set_image(GREY, 0)
    made.panels.frame.viewer.setFocus()
    yield made
    made.close()


def session(window: MainWindow) -> Session:
    return window.control.document.session


def test_what_is_selected_in_the_viewer_is_selected_everywhere(window: MainWindow) -> None:
    rerun, panels = window.panels.rerun, window.panels
    rerun.entitySelected.emit("/world/candidates/2/box", -1)
    assert session(window).candidate == 2
    assert panels.candidates.candidate == 2
    assert panels.breakdown.candidate == 2
    rerun.entitySelected.emit("/world/candidates/1/points", 7)
    assert (session(window).candidate, session(window).point) == (1, POINTS + 7)
    assert panels.frame.viewer.selected_point == POINTS + 7
    assert "Point 47 of candidate 1" in window.statusBar().currentMessage()
    rerun.frameChanged.emit(33)
    assert session(window).frame == panels.timeline.frame == 33
    assert session(window).point == POINTS + 7


def test_space_stops_the_viewer_and_the_action_is_that_of_both(
    qtbot: QtBot, window: MainWindow
) -> None:
    viewer = window.panels.frame.viewer
    for key in (Qt.Key.Key_Space, Qt.Key.Key_K):
        window.panels.rerun.playingChanged.emit(True)
        assert session(window).playing
        qtbot.keyClick(viewer, key)
        assert not session(window).playing
        assert not window.control.playback.playing
    qtbot.keyClick(viewer, Qt.Key.Key_Space)
    assert window.control.playback.playing
    window.panels.rerun.playingChanged.emit(True)
    assert not window.control.playback.playing
    assert session(window).playing


def test_the_loop_of_the_viewer_is_marked_on_the_timeline(window: MainWindow) -> None:
    window.panels.rerun.loopChanged.emit(20, 40)
    assert window.panels.timeline.loop_range == (20, 41)
    window.table.actions["loop_clear"].trigger()
    assert window.panels.timeline.loop_range is None


def test_points_by_keys(qtbot: QtBot, window: MainWindow) -> None:
    viewer = window.panels.frame.viewer
    window.control.document.select_candidate(1, "test")
    seen = []
    for key, modifier in (
        (Qt.Key.Key_Z, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Z, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Z, Qt.KeyboardModifier.ShiftModifier),
        (Qt.Key.Key_Z, Qt.KeyboardModifier.ShiftModifier),
    ):
        qtbot.keyClick(viewer, key, modifier)
        seen.append(session(window).point - POINTS)
    assert seen == [0, 1, 0, POINTS - 1]
    qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    assert (session(window).candidate, session(window).point) == (1, -1)
    qtbot.keyClick(viewer, Qt.Key.Key_Z)
    window.table.actions["no_point"].trigger()
    assert session(window).point == -1


def test_another_candidate_has_no_point(window: MainWindow) -> None:
    window.control.document.select_point(POINTS + 3, "test")
    assert window.panels.frame.viewer.selected_point == POINTS + 3
    window.panels.candidates.candidateSelected.emit(2)
    assert session(window).point == window.panels.frame.viewer.selected_point == -1


def test_the_residuals_reach_the_point(qtbot: QtBot, window: MainWindow) -> None:
    viewer = window.panels.frame.viewer
    qtbot.waitUntil(lambda: window.consistency.consistency is not None, timeout=5000)
    viewer.set_camera(session(window).camera)
    window.control.document.select_point(POINTS + 3, "test")
    assert "rigid" in viewer.header.hint


def test_actions_of_the_3d_view(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    panel = window.panels.rerun
    monkeypatch.setattr(panel, "open_native", lambda: done.append("native"))
    monkeypatch.setattr(panel, "reload", lambda: done.append("reload"))
    monkeypatch.setattr(panel, "set_layout", lambda layout: done.append(f"layout {layout!r}"))
    window.table.actions["rerun_native"].trigger()
    assert done == []
    assert "no 3D view" in window.statusBar().currentMessage()
    window.table.actions["rerun_reload"].trigger()
    assert done == ["reload"]
    for name in ("rerun_layout", "reset_layout"):  # without a dataset there is none to forget
        window.table.actions[name].trigger()
    assert done == ["reload"]
