"""The timeline, driven by mouse, wheel and keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, Qt
from pytestqt.qtbot import QtBot

from tests.gui import example_clip as clip
from tests.gui.timeline_hands import (
    CTRL,
    SHIFT,
    Heard,
    drag,
    lane_of,
    send,
    shown_timeline,
    wheel,
)
from widgets.timeline import Timeline
from widgets.timeline_phase_lanes import GripperLane, PhaseLane
from widgets.timeline_task_lanes import SubtaskLane

# The offscreen platform says so about every window with a minimum size.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def timeline(qtbot: QtBot) -> Timeline:
    return shown_timeline(qtbot)


# Cursor, range, zoom ------------------------------------------------------------------------


def test_click_seeks(timeline: Timeline) -> None:
    heard = Heard(timeline)
    x = timeline.axis.middle(321)
    send(timeline, QEvent.Type.MouseButtonPress, x, 10)
    send(timeline, QEvent.Type.MouseButtonRelease, x, 10, held=False)
    assert heard.calls == [("frameChosen", 321)]
    assert timeline.frame == 321


def test_drag_scrubs_and_stays_inside(timeline: Timeline) -> None:
    heard = Heard(timeline)
    drag(timeline, (timeline.axis.middle(200), 10), (2000, 10))
    frames = [f for (f,) in heard.of("frameChosen")]
    assert frames == sorted(frames)
    assert frames[0] == 200
    assert frames[-1] == clip.LENGTH - 1


def test_click_in_the_gutter_does_nothing(timeline: Timeline) -> None:
    timeline.set_frame(50)
    heard = Heard(timeline)
    send(timeline, QEvent.Type.MouseButtonPress, 20, 60)
    send(timeline, QEvent.Type.MouseButtonRelease, 20, 60, held=False)
    assert heard.calls == []


def test_wheel_steps_frames(timeline: Timeline) -> None:
    timeline.set_frame(100)
    heard = Heard(timeline)
    wheel(timeline, -1)
    wheel(timeline, 2)
    wheel(timeline, -0.5)
    wheel(timeline, -0.5)  # two halves of a touch pad make one
    assert heard.of("frameChosen") == [(101,), (99,), (100,)]


def test_ctrl_wheel_zooms_at_the_mouse_and_double_click_resets(timeline: Timeline) -> None:
    heard = Heard(timeline)
    x = timeline.axis.middle(300)
    wheel(timeline, 4, x, CTRL)
    assert timeline.axis.zoomed_in
    assert timeline.axis.frame_at(x) == 300
    for _ in range(200):
        wheel(timeline, 1, x, CTRL)
    assert timeline.axis.last - timeline.axis.first >= 7.9
    assert heard.calls == []
    send(timeline, QEvent.Type.MouseButtonDblClick, x, 10)
    assert not timeline.axis.zoomed_in


def test_cursor_outside_the_view_turns_the_page(timeline: Timeline) -> None:
    wheel(timeline, 6, timeline.axis.middle(20), CTRL)
    timeline.set_frame(400)
    assert timeline.axis.first <= 400 < timeline.axis.last


def test_shift_drag_selects_a_range_and_shift_click_clears(timeline: Timeline) -> None:
    heard = Heard(timeline)
    axis = timeline.axis
    drag(timeline, (axis.middle(200), 10), (axis.middle(150), 10), SHIFT)
    assert heard.of("rangeSelected") == [(150, 201)]
    assert heard.of("frameChosen") == []
    send(timeline, QEvent.Type.MouseButtonPress, axis.middle(50), 10, SHIFT)
    send(timeline, QEvent.Type.MouseButtonRelease, axis.middle(50), 10, SHIFT, held=False)
    assert heard.of("rangeSelected")[-1] == (50, 50)


def test_keys(timeline: Timeline, qtbot: QtBot) -> None:
    timeline.set_frame(100)
    heard = Heard(timeline)
    qtbot.keyClick(timeline, Qt.Key.Key_Right)
    qtbot.keyClick(timeline, Qt.Key.Key_Left, SHIFT)
    qtbot.keyClick(timeline, Qt.Key.Key_End)
    qtbot.keyClick(timeline, Qt.Key.Key_Home)
    assert heard.of("frameChosen") == [(101,), (91,), (449,), (0,)]
    qtbot.keyClick(timeline, Qt.Key.Key_Plus)
    assert timeline.axis.zoomed_in
    qtbot.keyClick(timeline, Qt.Key.Key_0)
    assert not timeline.axis.zoomed_in


# Editing in place ---------------------------------------------------------------------------


def test_dragged_boundary_emits_arm_index_and_frame_once(timeline: Timeline) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, PhaseLane), timeline.axis
    y = lane.rect.center().y()
    assert lane.boundaries[1] == (0, 95)
    drag(timeline, (axis.x(95), y), (axis.x(110), y))
    assert heard.of("boundaryMoved") == [("arm", 0, 110)]
    assert heard.of("frameChosen")[-1] == (110,)  # the picture follows the boundary


def test_first_start_has_index_minus_one(timeline: Timeline) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, PhaseLane), timeline.axis
    y = lane.rect.center().y()
    drag(timeline, (axis.x(12), y), (axis.x(0) - 50, y))
    assert heard.of("boundaryMoved") == [("arm", -1, 0)]


def test_boundary_stays_between_its_neighbours(timeline: Timeline) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, PhaseLane), timeline.axis
    y = lane.rect.center().y()
    drag(timeline, (axis.x(184), y), (axis.x(20), y))
    assert heard.of("boundaryMoved") == [("arm", 1, 96)]


def test_escape_gives_a_boundary_up(timeline: Timeline, qtbot: QtBot) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, PhaseLane), timeline.axis
    y = lane.rect.center().y()
    drag(timeline, (axis.x(95), y), (axis.x(110), y), release=False)
    qtbot.keyClick(timeline, Qt.Key.Key_Escape)
    send(timeline, QEvent.Type.MouseButtonRelease, axis.x(110), y, held=False)
    assert heard.of("boundaryMoved") == []


def test_boundary_can_be_moved_without_a_mouse(timeline: Timeline) -> None:
    heard = Heard(timeline)
    timeline.set_frame(90)
    timeline.move_nearest_boundary()
    assert heard.calls == [("boundaryMoved", "arm", 0, 90)]


def test_dragged_threshold_moves_one_line(timeline: Timeline) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, GripperLane), timeline.axis
    x = axis.middle(400)
    drag(timeline, (x, lane.y(0.55)), (x, lane.y(0.35)))
    changed = heard.of("thresholdsChanged")
    assert len(changed) >= 2
    tau, delta = heard.of("thresholdsCommitted")[0]
    assert (tau, delta) == changed[-1]
    assert tau + delta == pytest.approx(0.65)
    assert tau - delta == pytest.approx(0.35, abs=0.02)
    assert heard.of("frameChosen") == []


def test_ctrl_moves_both_thresholds(timeline: Timeline) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, GripperLane), timeline.axis
    x = axis.middle(400)
    drag(timeline, (x, lane.y(0.65)), (x, lane.y(0.45)), CTRL)
    tau, delta = heard.of("thresholdsCommitted")[0]
    assert delta == pytest.approx(0.05)
    assert tau == pytest.approx(0.40, abs=0.02)


def test_thresholds_never_cross_nor_leave_the_range(timeline: Timeline) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, GripperLane), timeline.axis
    x = axis.middle(400)
    drag(timeline, (x, lane.y(0.65)), (x, lane.y(0.0)))
    drag(timeline, (x, lane.y(0.57)), (x, -200))
    for tau, delta in heard.of("thresholdsChanged"):
        assert delta >= 0.01
        assert 0 < tau - delta < tau + delta < 1


def test_phases_arriving_during_a_drag_do_not_end_it(timeline: Timeline) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, GripperLane), timeline.axis
    x, end = axis.middle(400), lane.y(0.4)
    drag(timeline, (x, lane.y(0.55)), (x, end), release=False)
    timeline.set_phases(clip.phases())
    send(timeline, QEvent.Type.MouseButtonRelease, x, end, held=False)
    assert len(heard.of("thresholdsCommitted")) == 1


def test_click_on_a_threshold_only_seeks(timeline: Timeline) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, GripperLane), timeline.axis
    send(timeline, QEvent.Type.MouseButtonPress, axis.middle(400), lane.y(0.55))
    send(timeline, QEvent.Type.MouseButtonRelease, axis.middle(400), lane.y(0.55), held=False)
    assert heard.calls == [("frameChosen", 400)]


def test_subtask_click(timeline: Timeline) -> None:
    heard = Heard(timeline)
    lane, axis = lane_of(timeline, SubtaskLane), timeline.axis
    point = (axis.middle(350), lane.rect.center().y())
    send(timeline, QEvent.Type.MouseButtonPress, *point)
    send(timeline, QEvent.Type.MouseButtonRelease, *point, held=False)
    assert heard.calls == [("subtaskClicked", 1)]
