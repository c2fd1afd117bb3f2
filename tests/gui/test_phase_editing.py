"""Phases corrected in the whole window: keys, preview, undo, thresholds; the worker rests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from app.actions import ACTIONS
from app.main_window import MainWindow
from app.window_run import make_window
from pipeline.engine.cache import StageOutcome
from pipeline.model.edits import EPISODE_SCOPE, MergePhases, MoveBoundary, NamePhase, SplitPhase
from pipeline.model.phases import PhaseName
from pipeline.stages.phases import PhasesOptions
from tests.gui.timeline_hands import lane_of, send
from tests.pipeline.phase_signals import C, G, R, demo, run, signal
from widgets.timeline_phase_lanes import GripperLane, PhaseLane

# The offscreen platform says so about windows with a minimum size and about menus.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", "This plugin does not support")

RAMP = signal((1, 50), (0.3, 10), (0, 30), (1, 60))
EPISODE = demo(RAMP)


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    made = make_window("dark", settings_file=tmp_path / "settings.ini")
    made.resize(1280, 800)
    made.arrange()
    qtbot.addWidget(made)
    made.show()
    # The worker would only confirm what is on show already.
    monkeypatch.setattr(made.control, "run", lambda *args, **kwargs: None)
    document = made.control.document
    document.open_episode(EPISODE, ())
    result = run(EPISODE, PhasesOptions())
    key = document.key("phases", EPISODE_SCOPE)
    document.put_result(StageOutcome("phases", EPISODE_SCOPE, key, result, 0.0))
    yield made
    made.close()


def names(window: MainWindow) -> list[tuple[PhaseName, int]]:
    return [(p.name, p.start) for p in lane_of(window.panels.timeline, PhaseLane).arm.phases]


def press(qtbot: QtBot, window: MainWindow, key: Qt.Key, frame: int, shift: bool = False) -> None:
    window.control.seek(frame)
    mods = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    qtbot.keyClick(window.panels.timeline, key, mods)


def test_keys_split_merge_and_move_and_undo_takes_each_back(
    qtbot: QtBot, window: MainWindow
) -> None:
    start = names(window)
    assert start == [(G, 0), (C, 62), (R, 108)]
    seen = [start]
    press(qtbot, window, Qt.Key.Key_R, 80)
    seen.append(names(window))
    assert seen[-1] == [(G, 0), (C, 62), (R, 80), (R, 108)]
    press(qtbot, window, Qt.Key.Key_U, 90)
    seen.append(names(window))
    assert seen[-1] == [(G, 0), (C, 62), (R, 80)]
    press(qtbot, window, Qt.Key.Key_U, 90, shift=True)
    seen.append(names(window))
    assert seen[-1] == [(G, 0), (R, 62)]
    press(qtbot, window, Qt.Key.Key_Y, 55)
    seen.append(names(window))
    assert seen[-1] == [(G, 0), (R, 55)]
    edits = window.control.document.session.edits
    assert [type(e) for e in edits] == [SplitPhase, MergePhases, MergePhases, MoveBoundary]
    for state in seen[-2::-1]:
        window.control.undo()
        assert names(window) == state
    window.control.undo(back=False)
    assert names(window) == seen[1]


def test_a_phase_is_named_by_keys(qtbot: QtBot, window: MainWindow) -> None:
    press(qtbot, window, Qt.Key.Key_Q, 90)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    qtbot.keyClick(menu, Qt.Key.Key_F)
    assert names(window)[1] == (PhaseName.GRASP_FAILURE, 62)
    assert isinstance(window.control.document.session.edits[0], NamePhase)


def test_what_cannot_be_done_is_said(qtbot: QtBot, window: MainWindow) -> None:
    with qtbot.waitSignal(window.control.said) as said:
        press(qtbot, window, Qt.Key.Key_R, 62)
    assert "A phase begins at frame 62 already" in said.args[0]
    assert window.control.document.session.edits == ()


def test_dragging_a_threshold_runs_the_phases_at_once(window: MainWindow) -> None:
    timeline = window.panels.timeline
    lane = lane_of(timeline, GripperLane)
    x = timeline.axis.middle(20)
    before = lane_of(timeline, PhaseLane).arm.phases[1].measured_start
    assert before == 50
    send(timeline, QEvent.Type.MouseButtonPress, x, lane.y(0.55))
    for level in (0.5, 0.4, 0.2):
        y = lane_of(timeline, GripperLane).y(level)
        send(timeline, QEvent.Type.MouseMove, x, y)
    after = lane_of(timeline, PhaseLane).arm
    assert after.phases[1].measured_start == 60  # the first ten frames at 0.3 are open now
    assert window.control.document.session.options["phases"] == PhasesOptions()
    send(timeline, QEvent.Type.MouseButtonRelease, x, lane.y(0.2), held=False)
    options = window.control.document.session.options["phases"]
    assert options.closure_threshold - options.hysteresis_offset == pytest.approx(after.close_below)


def test_the_help_lists_what_can_be_done_with_phases() -> None:
    listed = {s.id: s for s in ACTIONS}
    for name in ("split_phase", "merge_next", "merge_previous", "name_phase", "boundary_here"):
        assert listed[name].keys
        assert listed[name].needs == "phases"
    keys = [k for s in ACTIONS for k in s.keys]
    assert len(keys) == len(set(keys))
