"""The frame viewer: what is painted and exported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtGui import QColor, QPalette
from pytestqt.qtbot import QtBot

from pipeline.model.candidate import Proposal
from pipeline.model.palette import ROBOT, TARGET, TRUTH, candidate_color
from tests.gui.overlay_examples import BOXES, HEIGHT, KEYFRAME, WIDTH, overlays
from tests.gui.viewer_hands import (
    LEFT,
    array_of,
    at,
    count,
    only,
    patch,
    picture,
    show_frame,
    shown_viewer,
)
from viewers.frame_header import HEADER_HEIGHT
from viewers.frame_viewer import FrameViewer
from viewers.overlays import OverlayVisibility


@pytest.fixture
def viewer(qtbot: QtBot) -> FrameViewer:
    return shown_viewer(qtbot)


# Painting.


def test_picture_fills_the_room_and_is_not_altered(viewer: FrameViewer) -> None:
    viewer.set_visibility(only())
    pixels = picture(viewer)[HEADER_HEIGHT:]
    assert viewer.view_transform.scale == pytest.approx(4.0)
    assert (pixels == 90).all()


@pytest.mark.parametrize("candidate", [0, 1, 2])
def test_box_has_the_color_of_its_candidate_and_goes_when_hidden(
    viewer: FrameViewer, candidate: int
) -> None:
    color = candidate_color(candidate)
    viewer.set_visibility(only("boxes"))
    shown = count(patch(viewer, BOXES[candidate]), color)
    box = BOXES[candidate]
    assert shown >= 4 * 2 * (box[2] - box[0])
    viewer.set_visibility(only())
    assert count(patch(viewer, BOXES[candidate]), color) == 0


def test_mask_fills_exactly_its_pixels(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("masks"))
    x0, y0, x1, y1 = (int(v) for v in viewer.view_transform.box_to_view(BOXES[2]))
    changed = (picture(viewer)[HEADER_HEIGHT:] != 90).any(axis=2)
    rows, columns = np.nonzero(changed[:, 4 * 80 :])
    # The winner's outline is two pixels wide and may stick out by one.
    assert rows.min() == pytest.approx(y0 - HEADER_HEIGHT, abs=2)
    assert rows.max() == pytest.approx(y1 - HEADER_HEIGHT - 1, abs=2)
    assert columns.min() + 320 == pytest.approx(x0, abs=2)
    assert columns.max() + 320 == pytest.approx(x1 - 1, abs=2)
    assert changed[rows.min() + 4 : rows.max() - 4, 324 + columns.min() : x1 - 6].all()


def test_opacity_of_masks(viewer: FrameViewer) -> None:
    x, y = at(viewer, 115, 80).toTuple()
    color = np.array(candidate_color(2))
    distance = []
    for opacity in (0.0, 0.5, 1.0):
        viewer.set_visibility(only("masks", opacity=opacity))
        distance.append(int(np.abs(picture(viewer)[y, x] - color).sum()))
    assert distance[0] == np.abs(90 - color).sum()
    assert distance[0] > distance[1] > distance[2]


def test_masks_are_shown_around_the_keyframe_only(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("masks"))
    for frame, is_shown in ((KEYFRAME - 2, True), (KEYFRAME + 2, True), (KEYFRAME + 3, False)):
        show_frame(viewer, frame)
        assert (patch(viewer, BOXES[2]) != 90).any() == is_shown, frame


def test_winner_is_told_by_more_than_color(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("boxes"))
    color = candidate_color(2)
    as_winner = count(patch(viewer, BOXES[2]), color)
    viewer.set_winner(0)
    assert count(patch(viewer, BOXES[2]), color) < 0.8 * as_winner


def test_selection_adds_a_white_frame_and_handles_at_the_keyframe(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("boxes"))
    before = count(patch(viewer, BOXES[0], 8), (255, 255, 255))
    viewer.set_selected(0)
    with_handles = count(patch(viewer, BOXES[0], 8), (255, 255, 255))
    show_frame(viewer, KEYFRAME + 1)
    without = count(patch(viewer, BOXES[0], 8), (255, 255, 255))
    assert before == 0
    assert with_handles > without > 300


def test_boxes_are_carried_between_tracked_frames(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("boxes"))
    show_frame(viewer, 35)
    moved = (115.0, 60.0, 145.0, 100.0)
    assert count(patch(viewer, moved), candidate_color(2)) > 4 * 100
    assert count(patch(viewer, (98, 60, 104, 100), 0), candidate_color(2)) == 0


def test_tails_follow_the_visible_points(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("tracks"))
    show_frame(viewer, 40)
    path = (107, 79, 134, 82)
    assert count(patch(viewer, path), candidate_color(2)) > 4 * 25
    # Candidate 1 is not visible in the last row: no dot, its tail rests on one point.
    show_frame(viewer, 10)
    early = count(patch(viewer, path), candidate_color(2))
    assert early < 30


def test_target_truth_gripper_and_robot(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("target"))
    assert count(picture(viewer), TARGET) > 200
    viewer.set_visibility(only("truth"))
    assert count(picture(viewer), TRUTH) > 200
    show_frame(viewer, 35)
    assert count(picture(viewer), TRUTH) == 0
    viewer.set_visibility(only("gripper"))
    show_frame(viewer, KEYFRAME)
    ring = patch(viewer, (72.5 - 15, 5.5, 72.5 + 15, 35.5))
    assert count(ring, (255, 255, 255), 40) > 150
    assert count(ring[40:80, 40:80], (255, 255, 255), 40) > 20
    viewer.set_visibility(only("robot"))
    hatched = patch(viewer, (2, 102, 38, 118), 0)
    assert len(np.unique(hatched.reshape(-1, 3), axis=0)) >= 3
    assert (patch(viewer, (45, 102, 150, 118), 0) == 90).all()


def test_gripper_is_not_invented_where_it_is_unknown(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("gripper"))
    show_frame(viewer, 40)
    assert (picture(viewer)[HEADER_HEIGHT:] == 90).all()


def test_labels_stay_inside_the_picture(viewer: FrameViewer) -> None:
    viewer.resize(700, 600)
    viewer.set_visibility(only("boxes", "labels", "truth", "target"))
    x0, y0, x1, y1 = viewer.view_transform.box_to_view((0, 0, WIDTH, HEIGHT))
    plain = FrameViewer()
    plain.resize(viewer.size())
    show_frame(plain, KEYFRAME)
    outside = np.ones((600, 700), np.bool_)
    outside[max(int(y0) - 1, 0) : int(y1) + 1, max(int(x0) - 1, 0) : int(x1) + 1] = False
    outside[:HEADER_HEIGHT] = False
    assert outside.any()
    assert (picture(viewer)[outside] == picture(plain)[outside]).all()
    plain.deleteLater()


def test_header_says_keyframe_hidden_overlays_and_late_pictures(viewer: FrameViewer) -> None:
    accent = viewer.palette().color(QPalette.ColorRole.Highlight)
    rgb = (accent.red(), accent.green(), accent.blue())
    assert viewer.header.badge == "keyframe"
    assert count(picture(viewer)[:HEADER_HEIGHT], rgb) > 100
    show_frame(viewer, KEYFRAME + 1)
    assert viewer.header.badge == ""
    assert count(picture(viewer)[:HEADER_HEIGHT], rgb) == 0
    viewer.set_frame(KEYFRAME + 9)
    assert "29" in viewer.header.frame
    assert "showing 21" in viewer.header.frame
    viewer.set_visibility(only("labels"))
    assert "hidden" in viewer.header.hint
    viewer.set_visibility(OverlayVisibility())
    show_frame(viewer, 90)
    assert str(KEYFRAME) in viewer.header.hint


def test_overlays_of_another_camera_are_not_drawn(viewer: FrameViewer) -> None:
    viewer.set_camera("observation.images.wrist")
    assert (picture(viewer)[HEADER_HEIGHT:] == 90).all()
    assert "top" in viewer.header.hint


def test_message_replaces_the_picture(viewer: FrameViewer) -> None:
    viewer.set_image(None, 0)
    viewer.set_message("video missing: top/episode_000003.mp4")
    with_message = picture(viewer)[HEADER_HEIGHT:]
    assert len(np.unique(with_message.reshape(-1, 3), axis=0)) > 1
    assert viewer.grab_picture().isNull()


@pytest.mark.parametrize("window", [QColor(245, 245, 247), QColor(32, 34, 38)])
def test_light_and_dark(viewer: FrameViewer, window: QColor) -> None:
    viewer.setPalette(QPalette(window))
    viewer.resize(700, 600)
    pixels = picture(viewer)
    header, border = pixels[2, 2].mean(), pixels[HEADER_HEIGHT + 3, 3].mean()
    light = window.lightness() > 127
    assert (header > 200) == light
    assert border < header
    assert (border > 150) == light
    text = np.abs(pixels[:HEADER_HEIGHT] - pixels[2, 2]).max()
    assert text > 150


def test_export_has_the_size_of_the_picture(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("boxes"))
    viewer.zoom_by(5)
    image = viewer.grab_picture()
    assert (image.width(), image.height()) == (WIDTH, HEIGHT)
    pixels = array_of(image)
    assert count(pixels[55:105, 95:135], candidate_color(2)) > 100
    assert count(pixels, candidate_color(0)) > 60


def test_the_view_is_exported_as_it_is_seen(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("boxes"))
    viewer.zoom_by(2)
    seen = array_of(viewer.grab_view())
    shown = picture(viewer)[HEADER_HEIGHT:]
    assert seen.shape == shown.shape
    assert (np.abs(seen - shown).max(axis=2) <= 2).mean() > 0.999


def test_high_dpi_layers_are_made_for_the_screen() -> None:
    from viewers.raster_layers import DeviceView, mask_layer
    from viewers.view_transform import ViewTransform

    area = (0.0, 0.0, 160.0, 120.0)
    view = DeviceView.of(ViewTransform(1.0, 0, 0), area, (WIDTH, HEIGHT), 2.0)
    layer = mask_layer(overlays(), view, 1.0, -1)
    assert layer is not None
    assert layer.image.devicePixelRatio() == 2.0
    rows, columns = np.nonzero(layer.pixels)
    # Twice as wide and high as in the picture; outlines may stick out by one logical pixel.
    assert columns.min() + layer.x == pytest.approx(2 * BOXES[0][0], abs=2)
    assert columns.max() + layer.x + 1 == pytest.approx(2 * BOXES[2][2], abs=2)
    assert rows.min() + layer.y == pytest.approx(2 * BOXES[0][1], abs=2)
    assert rows.max() + layer.y + 1 == pytest.approx(2 * BOXES[2][3], abs=2)


# Isolation.


def test_isolation_draws_only_the_selected(qtbot: QtBot, viewer: FrameViewer) -> None:
    def seen() -> list[bool]:
        pixels = picture(viewer)[HEADER_HEIGHT:]
        return [count(pixels, candidate_color(k)) > 60 for k in range(3)]

    parts = only("masks", "boxes", "tracks")
    viewer.set_visibility(parts)
    assert seen() == [True, True, True]
    viewer.set_visibility(replace(parts, others=False))
    assert seen() == [True, True, True]  # nothing is selected
    assert "select a candidate" in viewer.header.hint
    viewer.set_selected(0)
    assert seen() == [True, False, False]
    assert viewer.header.hint == "only #0 shown"
    viewer.set_visibility(replace(parts, selected=False))
    assert seen() == [False, True, True]
    assert viewer.header.hint == "#0 hidden"
    show_frame(viewer, 40)
    viewer.set_visibility(replace(only("tracks"), others=False))
    assert count(picture(viewer), candidate_color(2)) == 0
    viewer.set_visibility(only("tracks"))
    assert count(picture(viewer), candidate_color(2)) > 50


def test_what_is_hidden_cannot_be_clicked(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected(0)
    viewer.set_visibility(OverlayVisibility(others=False))
    with qtbot.waitSignal(viewer.candidateClicked) as clicked:
        qtbot.mouseClick(viewer, LEFT, pos=at(viewer, 35, 40))
    assert clicked.args == [0]
    # A miss keeps the isolated candidate.
    with qtbot.assertNotEmitted(viewer.candidateClicked):
        qtbot.mouseClick(viewer, LEFT, pos=at(viewer, 115, 80))


def test_the_detector_s_boxes_of_the_robot_are_dashed_in_its_layer(viewer: FrameViewer) -> None:
    part = (60.0, 70.0, 90.0, 110.0)
    boxes = (Proposal(0, part, KEYFRAME, 0.6, "robot gripper", "phrase"),)
    data = overlays(robot=None)
    viewer.set_overlays(replace(data, proposals=replace(data.proposals, robot=boxes)))
    viewer.set_visibility(only("robot"))
    left = patch(viewer, (59, 72, 61, 108), 0)
    inked = (left == ROBOT).all(axis=2).any(axis=1)
    assert 0.4 < inked.mean() < 0.95  # gaps: it is dashed
    assert np.count_nonzero(np.diff(inked.astype(int))) > 10
    wide = (left == ROBOT).all(axis=2).sum(axis=1)
    assert wide.max() == 1
    above = patch(viewer, (56, 58, 110, 69), 0)
    assert (above != 90).any()  # its label
    show_frame(viewer, KEYFRAME + 3)
    assert (picture(viewer)[HEADER_HEIGHT:] == 90).all()
    show_frame(viewer, KEYFRAME)
    viewer.set_visibility(only("boxes", "masks", "target"))
    assert count(patch(viewer, (59, 72, 61, 108), 0), ROBOT) == 0
