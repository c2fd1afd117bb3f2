"""The timeline: its lanes, what is painted, its axis and curves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from pipeline.model.palette import PHASES, TRUTH
from pipeline.model.phases import PhaseName, PhasesResult
from tests.gui import example_clip as clip
from tests.gui.timeline_hands import Heard, lane_of, shown_timeline
from widgets.frame_axis import FrameAxis
from widgets.polylines import envelope, lines_of, polygon, runs
from widgets.timeline import Timeline
from widgets.timeline_ink import Ink
from widgets.timeline_lanes import TruthLane
from widgets.timeline_phase_lanes import GripperLane, PhaseLane
from widgets.timeline_task_lanes import CandidateLane, SubtaskLane

# The offscreen platform says so about every window with a minimum size.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def timeline(qtbot: QtBot) -> Timeline:
    return shown_timeline(qtbot)


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
