"""The timeline, driven by mouse, wheel and keys."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from pipeline.model.palette import PHASES, TRUTH
from pipeline.model.phases import PhaseName, PhasesResult
from tests.gui import example_clip as clip
from widgets.frame_axis import FrameAxis
from widgets.polylines import envelope, lines_of, polygon, runs
from widgets.timeline import Timeline
from widgets.timeline_ink import Ink
from widgets.timeline_lanes import GripperLane, PhaseLane, TruthLane
from widgets.timeline_task_lanes import CandidateLane, SubtaskLane

# The offscreen platform says so about every window with a minimum size.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
NO = Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier


class Heard:
    """Records every signal of a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self.calls: list[tuple[Any, ...]] = []
        for name in (
            "frameChosen",
            "rangeSelected",
            "thresholdsChanged",
            "thresholdsCommitted",
            "boundaryMoved",
            "subtaskClicked",
        ):
            getattr(timeline, name).connect(self._recorder(name))

    def _recorder(self, name: str) -> Callable[..., None]:
        return lambda *args: self.calls.append((name, *args))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.fixture
def timeline(qtbot: QtBot) -> Timeline:
    widget = Timeline()
    qtbot.addWidget(widget)
    widget.resize(1014, 340)
    widget.set_episode(clip.LENGTH, clip.FPS)
    widget.set_phases(clip.phases())
    widget.set_subtasks(clip.subtasks())
    widget.set_subtask(0)
    widget.set_scores(clip.scores(), 53)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def send(
    widget: Timeline,
    kind: QEvent.Type,
    x: float,
    y: float,
    modifiers: Qt.KeyboardModifier = NO,
    held: bool = True,
) -> None:
    left = Qt.MouseButton.LeftButton
    button = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseMove else left
    buttons = left if held else Qt.MouseButton.NoButton
    point = QPointF(x, y)
    QApplication.sendEvent(
        widget, QMouseEvent(kind, point, widget.mapToGlobal(point), button, buttons, modifiers)
    )


def drag(
    widget: Timeline,
    start: tuple[float, float],
    end: tuple[float, float],
    modifiers: Qt.KeyboardModifier = NO,
    release: bool = True,
) -> None:
    send(widget, QEvent.Type.MouseButtonPress, *start, modifiers)
    for share in (0.25, 0.5, 0.75, 1.0):
        x, y = (a + (b - a) * share for a, b in zip(start, end, strict=True))
        send(widget, QEvent.Type.MouseMove, x, y, modifiers)
    if release:
        send(widget, QEvent.Type.MouseButtonRelease, *end, modifiers, held=False)


def wheel(
    widget: Timeline, notches: float, x: float = 500, modifiers: Qt.KeyboardModifier = NO
) -> None:
    point = QPointF(x, 100)
    QApplication.sendEvent(
        widget,
        QWheelEvent(
            point,
            widget.mapToGlobal(point),
            QPoint(),
            QPoint(0, int(120 * notches)),
            Qt.MouseButton.NoButton,
            modifiers,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        ),
    )


def lane_of(widget: Timeline, kind: type) -> Any:
    return next(lane for lane in widget.lanes if isinstance(lane, kind))


def grab_image(widget: Timeline) -> QImage:
    return widget.grab().toImage()


def near(a: QColor, b: QColor, reach: int = 6) -> bool:
    pairs = zip(a.getRgb()[:3], b.getRgb()[:3], strict=True)  # type: ignore[index]
    return all(abs(p - q) <= reach for p, q in pairs)


# Setters and lanes --------------------------------------------------------------------------


def test_setters_emit_nothing(timeline: Timeline) -> None:
    heard = Heard(timeline)
    timeline.set_frame(77)
    timeline.set_selected(4)
    timeline.set_subtask(1)
    timeline.set_truth([(1, 5)])
    timeline.set_range((10, 20))
    timeline.set_message("Computing")
    timeline.set_phases(clip.phases(two_arms=True))
    timeline.set_scores(None, None)
    timeline.set_subtasks(None)
    timeline.set_phases(None)
    timeline.set_episode(100, 10)
    assert heard.calls == []


def test_lanes_follow_the_data(timeline: Timeline) -> None:
    kinds = [type(lane) for lane in timeline.lanes]
    assert kinds == [GripperLane, PhaseLane, SubtaskLane, CandidateLane, CandidateLane]
    timeline.set_truth([(90, 180)])
    assert TruthLane in [type(lane) for lane in timeline.lanes]
    timeline.set_scores(None, None)
    assert CandidateLane not in [type(lane) for lane in timeline.lanes]
    timeline.set_phases(clip.phases(two_arms=True))
    titles = [lane.title for lane in timeline.lanes]
    assert titles[:3] == ["left", "right", "right phases"]
    assert [lane.strong for lane in timeline.lanes[:2]] == [False, True]
    timeline.set_episode(0, 30)
    assert timeline.lanes == ()


def test_lanes_fill_the_height_without_overlap(timeline: Timeline) -> None:
    for height in (200, 340, 700):
        timeline.resize(900, height)
        rects = [lane.rect for lane in timeline.lanes]
        for above, below in pairwise(rects):
            assert below.top() >= above.bottom()
        assert rects[-1].bottom() <= height
        assert rects[-1].bottom() >= height - 40


def test_empty_says_what_to_do(timeline: Timeline) -> None:
    timeline.set_episode(0, 30)
    assert "Open a dataset" in timeline.hint
    timeline.set_episode(100, 30)
    assert "Run the phases stage" in timeline.hint
    timeline.set_phases(PhasesResult((), "", ()))
    assert "no gripper signal" in timeline.hint
    timeline.set_message("Phases are being computed")
    assert timeline.hint == "Phases are being computed"


def test_every_lane_explains_itself(timeline: Timeline) -> None:
    for lane in timeline.lanes:
        tip = timeline.tip_at(QPoint(10, int(lane.rect.center().y())))
        assert len(tip) > 40
    assert "keyframe 53" in timeline.tip_at(QPoint(int(timeline.axis.middle(53)), 12))


def test_readout_names_values_and_gaps(timeline: Timeline) -> None:
    timeline.set_frame(120)
    text = timeline.readout(120)
    assert "frame 120" in text
    assert "4 s" in text
    assert "interact" in text
    assert "px/s" in text
    assert "opening unknown" in timeline.readout(215)  # NaN in the signal
    assert "px/s" not in timeline.readout(400)  # outside the clip of the subtask


# Painting -----------------------------------------------------------------------------------


def test_phases_are_painted_in_their_colours(timeline: Timeline) -> None:
    lane, image = lane_of(timeline, PhaseLane), grab_image(timeline)
    y = int(lane.rect.bottom()) - 4
    for phase in lane.arm.phases:
        if phase.name is PhaseName.GRASP_FAILURE:
            continue
        x = int(timeline.axis.x(phase.end) - 4)
        assert near(image.pixelColor(x, y), QColor(*PHASES[phase.name]))


def test_a_gap_in_the_signal_is_no_line(timeline: Timeline) -> None:
    lane, image = lane_of(timeline, GripperLane), grab_image(timeline)
    x = int(timeline.axis.middle(216))
    base = timeline.palette().base().color()
    top, bottom = int(lane.rect.top()) + 1, int(lane.rect.bottom()) - 1
    column = [image.pixelColor(x, y) for y in range(top, bottom)]
    background = sum(near(c, base) for c in column)
    with_line = int(timeline.axis.middle(230))
    filled = [image.pixelColor(with_line, y) for y in range(top, bottom)]
    assert background > 0.6 * len(column)
    assert sum(near(c, base) for c in filled) < 0.4 * len(column)


def test_truth_is_painted_where_it_is(timeline: Timeline) -> None:
    timeline.set_truth([(100, 200)])
    lane, image = lane_of(timeline, TruthLane), grab_image(timeline)
    y = int(lane.rect.top()) + 6
    assert near(image.pixelColor(int(timeline.axis.x(150)), y), QColor(*TRUTH))
    assert not near(image.pixelColor(int(timeline.axis.x(250)), y), QColor(*TRUTH))


def test_set_frame_repaints_the_cursor_only(timeline: Timeline) -> None:
    before = grab_image(timeline)
    kept = timeline.kept_picture
    timeline.set_frame(300)
    after = grab_image(timeline)
    assert timeline.kept_picture is kept
    timeline.set_selected(3)
    grab_image(timeline)
    assert timeline.kept_picture is not kept
    x = round(timeline.axis.middle(300))
    accent = Ink.of(timeline.palette(), timeline.font()).accent
    lane = lane_of(timeline, SubtaskLane)
    y = int(lane.rect.bottom()) + 1
    assert near(after.pixelColor(x, y), accent, 60)
    assert not near(before.pixelColor(x, y), accent, 60)


def test_palette_change_repaints(timeline: Timeline) -> None:
    light = grab_image(timeline).pixelColor(4, 150)
    palette = timeline.palette()
    palette.setColor(palette.ColorRole.Window, QColor("#202020"))
    timeline.setPalette(palette)
    assert grab_image(timeline).pixelColor(4, 150).lightness() < light.lightness()


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


# Axis and curves ----------------------------------------------------------------------------


def test_axis_turns_pixels_into_frames_and_back() -> None:
    axis = FrameAxis(450, 30.0, 100.0, 900.0).whole()
    for frame in (0, 1, 224, 449):
        assert axis.frame_at(axis.middle(frame)) == frame
        assert axis.edge_at(axis.x(frame)) == frame
    near_end = axis.zoomed(0.25, axis.middle(440))
    assert near_end.last <= 450
    assert near_end.panned(1000).last == pytest.approx(450)


@pytest.mark.parametrize(("length", "fps"), [(30, 30.0), (450, 29.97), (100_000, 60.0), (7, 5.0)])
def test_ticks_are_readable(length: int, fps: float) -> None:
    axis = FrameAxis(length, fps, 100.0, 900.0).whole()
    ticks = axis.ticks()
    assert ticks
    gaps = np.diff([axis.x(t.frame) for t in ticks])
    assert (gaps > 80).all()


def test_envelope_keeps_spikes_and_gaps() -> None:
    values = np.zeros(100_000, np.float32)
    values[50_000] = 1.0
    values[60_000:70_000] = np.nan
    x = np.arange(100_000) / 100.0
    curve = envelope(x, values, 1000)
    assert curve.dense
    assert len(curve.x) == 1000
    assert np.nanmax(curve.high) == 1.0
    lines = lines_of(curve, 0.0, 100.0, (0.0, 1.0))
    assert len(lines) == 2
    assert min(line[:, 1].min() for line in lines) == 0.0


def test_short_curves_stay_as_they_are() -> None:
    values = np.array([0.0, np.nan, 1.0, 0.5], np.float32)
    lines = lines_of(envelope(np.arange(4) * 10.0, values, 900), 0.0, 10.0, (0.0, 1.0))
    assert len(lines) == 2
    assert lines[1].tolist() == [[20.0, 0.0], [30.0, 5.0]]
    assert runs(np.array([True, False, True, True])) == [(0, 1), (2, 4)]


def test_polygon_copies_points() -> None:
    points = np.array([[1.0, 2.0], [3.5, 4.5]])
    shape = polygon(points)
    points[:] = 0
    assert [(p.x(), p.y()) for p in shape] == [(1.0, 2.0), (3.5, 4.5)]
    assert polygon(np.zeros((0, 2))).isEmpty()
