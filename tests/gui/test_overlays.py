"""The data behind the overlays, label places and the geometry of boxes and views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from pipeline.model.candidate import Box, Proposal, ProposalsResult, TracksResult
from tests.gui.overlay_examples import BOXES, KEYFRAME, overlays, tracks
from viewers.box_tool import BoxDrag, Handle, handle_at
from viewers.frame_viewer import FrameViewer
from viewers.label_layout import LabelRequest, placed
from viewers.overlay_tips import tip_of
from viewers.overlays import OverlayData, interpolated
from viewers.raster_layers import DeviceView
from viewers.tails import TailCanvas, TailTable
from viewers.view_transform import ViewTransform

finite = st.floats(-500, 500)


def test_carried_boxes_are_interpolated() -> None:
    data = overlays()
    assert data.boxes_at(KEYFRAME)[2] == BOXES[2]
    assert data.boxes_at(25)[2] == pytest.approx((105, 60, 135, 100))
    assert data.boxes_at(36)[2] == pytest.approx((116, 60, 146, 100))
    assert data.boxes_at(30)[0] == pytest.approx(BOXES[0])


def test_lost_boxes_are_absent() -> None:
    data = overlays()
    assert 1 in data.boxes_at(34)  # nearer to the last row in which it was known
    assert 1 not in data.boxes_at(36)
    assert 1 not in data.boxes_at(40)
    assert data.boxes_at(50)  # within one step after the clip
    assert data.boxes_at(51) == {}


def test_without_tracks_boxes_are_known_around_the_keyframe_only() -> None:
    data = overlays(tracks=None)
    assert len(data.boxes_at(KEYFRAME + 2)) == 3
    assert data.boxes_at(KEYFRAME + 3) == {}


def test_names_ranks_and_tips() -> None:
    data = overlays()
    assert data.label_of(2) == "1  blue cup  R 0.93"
    assert data.label_of(0) == "2  red cube  R 0.20"
    assert overlays(scores=None).label_of(0) == "red cube  D 0.80"
    tip = tip_of(data, 2)
    assert "R = 0.93" in tip
    assert "detector" in tip


def test_reference_and_radius() -> None:
    data = overlays()
    assert data.reference_at(25) == pytest.approx((73, 20))
    assert data.reference_at(40) is None
    assert data.radius_at(25) == pytest.approx(15)
    assert data.is_on_robot(20, 39, 100)
    assert not data.is_on_robot(20, 40, 100)
    assert not data.is_on_robot(20, 39, 99)
    assert not data.is_on_robot(90, 39, 100)


@given(st.integers(0, 60))
def test_interpolation_stays_between_its_neighbors(frame: int) -> None:
    frames = np.array([10, 20, 40], np.int32)
    values = np.array([1.0, 5.0, -3.0], np.float32)
    value = float(interpolated(frames, values, frame, 10.0))
    if frame in range(50 + 1):
        assert -3 <= value <= 5
    else:
        assert np.isnan(value)


def test_tails_end_at_the_frame_and_skip_hidden_points() -> None:
    table = TailTable.of(tracks(), 10)
    rows = table.rows(35, 2)
    assert list(table.frames[rows]) == [20, 30]
    # Pixel centres lie half a pixel from the corners from which images are measured.
    assert table.points[2, rows, 0] == pytest.approx([115.5, 125.5])
    head, seen = table.head(35, rows, table.points)
    assert head[2, 0] == pytest.approx(130.5)
    assert list(seen) == [True, False, True]
    assert table.rows(80, 5) == slice(0, 0)
    assert list(table.frames[table.rows(5, 5)]) == [10]


def test_tails_do_not_depend_on_what_was_drawn_before() -> None:
    view = DeviceView(2.0, 0.0, 0.0, (0, 0, 320, 240), 1.0)
    table = TailTable.of(tracks(), 10)
    used = TailCanvas(table)
    for frame in (12, 35, 40, 31, 33, 33, 20):
        made, fresh = used.tails(frame, 2, view), TailCanvas(table).tails(frame, 2, view)
        assert made.layer is not None
        assert fresh.layer is not None
        assert made.parts == fresh.parts
        for x0, y0, x1, y1 in made.parts:
            part = made.layer.pixels[y0:y1, x0:x1]
            assert part.any()
            assert (part == fresh.layer.pixels[y0:y1, x0:x1]).all(), frame


def test_tails_that_overlap_share_a_part() -> None:
    view = DeviceView(1.0, 0.0, 0.0, (0, 0, 160, 120), 1.0)
    # Candidates 0 and 1 share their centre, candidate 2 is elsewhere.
    assert len(TailCanvas(TailTable.of(tracks(), 10)).tails(20, 2, view).parts) == 2


def test_tails_drop_points_that_are_not_scored() -> None:
    kept = tracks()
    kept.kept[0] = False
    assert list(TailTable.of(kept, 10).candidate) == [1, 2]


def test_labels_keep_apart_and_inside() -> None:
    area = (0.0, 0.0, 300.0, 200.0)
    requests = [LabelRequest((x, 0, x + 30, 20), 80, 16, x == 0) for x in (0, 10, 20, 250, 280)]
    spots = [spot for spot in placed(requests, area) if spot is not None]
    assert len(spots) == 5
    for i, a in enumerate(spots):
        assert a[0] >= 0
        assert a[1] >= 0
        assert a[2] <= 300
        assert a[3] <= 200
        for b in spots[:i]:
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]


def test_label_without_a_place_is_left_out_unless_required() -> None:
    area = (0.0, 0.0, 100.0, 20.0)
    same = (10.0, 5.0, 20.0, 10.0)
    spots = placed(
        [LabelRequest(same, 90, 18), LabelRequest(same, 90, 18), LabelRequest(same, 90, 18, True)],
        area,
    )
    assert spots[0] is not None
    assert spots[1] is None
    assert spots[2] is not None


@given(finite, finite, finite, finite, st.sampled_from(list(Handle)))
def test_dragged_boxes_stay_valid(x: float, y: float, x2: float, y2: float, handle: Handle) -> None:
    image = (160, 120)
    new = BoxDrag.new(x, y, image).moved(x2, y2, image).box
    changed = BoxDrag.change(0, (20, 20, 60, 60), handle).moved(x, y, image).box
    for box in (new, changed):
        assert 0 <= box[0] <= box[2] <= 160
        assert 0 <= box[1] <= box[3] <= 120
    assert changed[2] - changed[0] >= 4
    assert changed[3] - changed[1] >= 4


def test_corners_of_a_small_box_win() -> None:
    assert handle_at((10, 10, 16, 16), 16, 16) is Handle.BOTTOM_RIGHT
    assert handle_at((10, 10, 90, 90), 50, 11) is Handle.TOP
    assert handle_at((10, 10, 90, 90), 50, 50) is None


@given(st.floats(0.1, 20), finite, finite, finite, finite, st.floats(0.2, 5))
def test_zoom_keeps_the_point_under_the_cursor(
    scale: float, dx: float, dy: float, x: float, y: float, factor: float
) -> None:
    view = ViewTransform(scale, dx, dy)
    before = view.to_image(x, y)
    assert view.zoomed_at(x, y, factor).to_image(x, y) == pytest.approx(before, abs=1e-6)
    assert view.to_view(*before) == pytest.approx((x, y), abs=1e-6)


def test_no_candidates_and_no_points_draw_nothing(qtbot: QtBot) -> None:
    tracks = TracksResult(
        frames=np.arange(3, dtype=np.int32),
        fps=6.0,
        points=np.zeros((3, 0, 2), np.float32),
        visible=np.zeros((3, 0), np.bool_),
        candidate=np.zeros(0, np.int32),
        kept=np.zeros(0, np.bool_),
        boxes=np.zeros((3, 0, 4), np.float32),
        backend="none",
    )
    proposals = ProposalsResult("cam", 1, (), (), "none")
    viewer = FrameViewer()
    qtbot.addWidget(viewer)
    viewer.set_image(np.full((40, 60, 3), 90, np.uint8), 1)
    plain = viewer.grab_picture()
    viewer.set_overlays(OverlayData(proposals, tracks=tracks))
    assert viewer.grab_picture() == plain


def test_the_tip_counts_frames_on_which_it_was_detected_again() -> None:
    def again(frame: int, box: Box, label: str = "blue cup") -> Proposal:
        return Proposal(0, box, frame, 0.5, label, "phrase")

    there = tracks().boxes[2, 2]  # of candidate 2 at frame 30, which moved by 10 px
    found = replace(
        overlays().proposals,
        again=(
            again(30, tuple(there.tolist())),
            again(30, tuple((there + 1).tolist())),  # the same frame counts once
            again(40, (0, 0, 20, 20)),  # elsewhere
            again(40, tuple(tracks().boxes[3, 2].tolist()), "red cube"),  # another phrase
        ),
    )
    data = replace(overlays(), proposals=found)
    assert data.again == {0: (), 1: (), 2: (30,)}
    assert "again near its track on 1 further frame (30)" in tip_of(data, 2)
    assert "again" not in tip_of(data, 0)
    assert "again" not in tip_of(overlays(), 2)
