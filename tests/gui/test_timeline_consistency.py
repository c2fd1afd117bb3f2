"""The lane of 3D residuals: what is painted for which numbers, and what it says of them."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from pipeline.model.consistency import Consistency
from pipeline.model.palette import candidate_color
from pipeline.scoring.consistency import WORTH_A_LOOK
from tests.gui import example_clip as clip
from tests.gui.timeline_hands import Heard, lane_of, shown_timeline
from widgets.theme import ThemeMode, apply_theme
from widgets.timeline import Timeline
from widgets.timeline_consistency import ConsistencyLane
from widgets.timeline_ink import Ink, mixed
from widgets.timeline_task_lanes import CandidateLane

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

FRAMES = np.arange(100, 300, 5, dtype=np.int32)
CALM, LOUD, UNKNOWN, EDGY = slice(0, 10), slice(10, 20), slice(20, 30), slice(30, 40)
"""Rows with a residual of 0.5 px, of 8 px, with none, and with half of the points on edges."""


@pytest.fixture
def timeline(qtbot: QtBot) -> Timeline:
    return shown_timeline(qtbot)


def residuals(selected: int = 0, other: int = 1) -> Consistency:
    """Ten points each of two candidates; the other has no residual at all."""
    owner = np.repeat(np.array([selected, other], np.int32), 10)
    rigid = np.zeros((len(FRAMES), 20), np.float32)
    rigid[CALM, :10] = 0.5
    rigid[LOUD, :10] = 8.0
    rigid[LOUD, :2] = 9.5  # the 90th percentile
    rigid[UNKNOWN, :10] = np.nan
    edge = np.zeros(rigid.shape, np.bool_)
    edge[EDGY, :5] = True
    return Consistency(FRAMES, owner, np.zeros_like(rigid), rigid, edge)


def column(timeline: Timeline, rows: slice) -> int:
    """x in the middle of some rows."""
    return round(timeline.axis.middle(int(FRAMES[rows].mean())))


def inks(image: QImage, x: int, top: float, bottom: float) -> list[QColor]:
    return [image.pixelColor(x, y) for y in range(round(top), round(bottom))]


def near(a: QColor, b: QColor, reach: int = 8) -> bool:
    pairs = zip(a.getRgb()[:3], b.getRgb()[:3], strict=True)  # type: ignore[index]
    return all(abs(p - q) <= reach for p, q in pairs)


def test_the_lane_is_there_only_with_geometry(timeline: Timeline) -> None:
    heard = Heard(timeline)
    timeline.set_consistency(residuals())
    assert [type(lane) for lane in timeline.lanes][-3:] == [
        CandidateLane,
        CandidateLane,
        ConsistencyLane,
    ]
    lane = lane_of(timeline, ConsistencyLane)
    assert lane.title == "3D residual, px"
    timeline.set_consistency(None)
    assert ConsistencyLane not in [type(lane) for lane in timeline.lanes]
    timeline.set_consistency(residuals())
    timeline.set_episode(clip.LENGTH, clip.FPS)
    assert timeline.lanes == ()
    assert heard.calls == []


@pytest.mark.parametrize("mode", [ThemeMode.LIGHT, ThemeMode.DARK])
def test_height_tells_the_residual_and_hatching_its_absence(
    timeline: Timeline, mode: ThemeMode, qapp: QApplication
) -> None:
    apply_theme(qapp, mode)
    timeline.set_scores(None, None)
    timeline.set_selected(0)
    timeline.set_consistency(residuals())
    timeline.set_frame(10)
    lane = lane_of(timeline, ConsistencyLane)
    image = timeline.grab().toImage()
    ink = Ink.of(timeline.palette(), timeline.font())
    color = ink.curve(candidate_color(0))
    pale = mixed(color, ink.base, 0.35)
    top, bottom = lane.y(1e9), lane.y(0.0)

    def count(rows: slice, wanted: QColor) -> int:
        found = inks(image, column(timeline, rows), top, bottom)
        return sum(near(c, wanted) for c in found)

    assert bottom - top == 12
    # 0.5 px of 10: 0.6 of 12 pixels, one at least; 8 px: 9.6, the line takes one of them.
    assert count(CALM, color) == 1
    assert 8 <= count(LOUD, color) <= 10
    assert 1 <= count(LOUD, pale) <= 3
    assert count(UNKNOWN, color) == 0
    span = range(column(timeline, UNKNOWN) - 12, column(timeline, UNKNOWN) + 12)
    hatched = [near(c, ink.muted) for x in span for c in inks(image, x, top, bottom)]
    assert 0.05 < np.mean(hatched) < 0.5
    # The line is where it is worth a look.
    level = round(lane.y(WORTH_A_LOOK))
    dashes = [near(image.pixelColor(x, level), ink.muted) for x in span]
    assert any(dashes)
    # Half of the points on edges fill the row below, and only there.
    tone = mixed(ink.text, ink.base, 0.6)
    below = [near(c, tone) for c in inks(image, column(timeline, EDGY), bottom + 1, bottom + 8)]
    assert sum(below) == 4
    assert not any(
        near(c, tone) for c in inks(image, column(timeline, CALM), bottom + 1, bottom + 8)
    )
    # Outside of the clip nothing is painted.
    outside = round(timeline.axis.middle(50))
    assert all(near(c, ink.base) for c in inks(image, outside, top, bottom))


def test_it_follows_the_selection_and_else_shows_the_winner(timeline: Timeline) -> None:
    winner = clip.scores().winner
    timeline.set_consistency(residuals(winner, 4))
    lane = lane_of(timeline, ConsistencyLane)
    assert lane.candidate == winner
    assert lane.value_at(int(FRAMES[15])) == pytest.approx(8.0)
    timeline.set_selected(4)
    assert lane_of(timeline, ConsistencyLane).candidate == 4
    assert lane.value_at(int(FRAMES[15])) == 0.0
    timeline.set_selected(-1)
    assert lane.candidate == winner
    assert np.isnan([lane.value_at(40), lane.value_at(310), lane.value_at(int(FRAMES[25]))]).all()
    assert f"3D residual #{winner} 8.0 px" in timeline.readout(int(FRAMES[15]))
    assert "3D residual" not in timeline.readout(40)


def test_tips_define_the_number_and_say_what_to_look_at(timeline: Timeline) -> None:
    timeline.set_selected(0)
    timeline.set_consistency(residuals())
    lane = lane_of(timeline, ConsistencyLane)
    y = int(lane.rect.center().y())
    title = timeline.tip_at(QPoint(40, y))
    for word in ("px", "one piece", "keyframe", "our choice", "edges", "score"):
        assert word in title
    loud = timeline.tip_at(QPoint(column(timeline, LOUD), y))
    assert "10 points are within 8.0 px" in loud
    assert "drifting tracks" in loud
    assert "50% of its points" in timeline.tip_at(QPoint(column(timeline, EDGY), y))
    unknown = timeline.tip_at(QPoint(column(timeline, UNKNOWN), y))
    assert "no residual" in unknown
    assert timeline.tip_at(QPoint(round(timeline.axis.middle(20)), y)) == ""


def test_it_stays_readable_in_a_low_timeline(timeline: Timeline) -> None:
    timeline.set_truth([(100, 200)])
    timeline.set_consistency(residuals())
    timeline.resize(640, timeline.minimumSizeHint().height())
    lane = lane_of(timeline, ConsistencyLane)
    assert lane.rect.height() == 20
    assert lane.rect.bottom() <= timeline.height() - 18
    assert all(other.rect.height() >= 14 for other in timeline.lanes)


def test_many_frames_in_a_pixel_show_the_worst(timeline: Timeline) -> None:
    frames = np.arange(0, 90_000, 3, dtype=np.int32)
    rigid = np.zeros((len(frames), 6), np.float32)
    rigid[15_000] = 10.0
    owner = np.zeros(6, np.int32)
    timeline.set_episode(90_000, 30.0)
    timeline.set_selected(0)
    timeline.set_consistency(Consistency(frames, owner, rigid, rigid))
    lane = lane_of(timeline, ConsistencyLane)
    image = timeline.grab().toImage()
    color = Ink.of(timeline.palette(), timeline.font()).curve(candidate_color(0))
    spot = round(timeline.axis.middle(45_000))
    high = [
        x for x in range(spot - 30, spot + 30) if near(image.pixelColor(x, round(lane.y(8))), color)
    ]
    assert len(high) == 1
    assert abs(high[0] - spot) <= 1


def test_one_frame_and_no_points_do_no_harm(timeline: Timeline) -> None:
    one = np.array([120], np.int32)
    timeline.set_consistency(
        Consistency(one, np.zeros(0, np.int32), *(np.zeros((1, 0), np.float32),) * 2)
    )
    timeline.set_selected(3)
    timeline.grab()
    lane = lane_of(timeline, ConsistencyLane)
    assert np.isnan(lane.value_at(120))
    none = np.zeros(0, np.int32)
    timeline.set_consistency(Consistency(none, none, *(np.zeros((0, 0), np.float32),) * 2))
    assert ConsistencyLane not in [type(lane) for lane in timeline.lanes]


def test_a_colour_that_is_made_transparent_stays_whole_for_others(timeline: Timeline) -> None:
    ink = Ink.of(timeline.palette(), timeline.font())
    ink.curve(candidate_color(0)).setAlpha(10)
    assert ink.curve(candidate_color(0)).alpha() == 255
