"""The brush: which pixels it touches, and painting and erasing in the viewer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from pipeline.model.palette import candidate_color
from tests.gui.overlay_examples import BOXES, GREY, HEIGHT, KEYFRAME, WIDTH, masks, overlays
from tests.gui.viewer_hands import array_of, at, count, only, picture, show_frame, wheel
from viewers.brush_tool import MAX_RADIUS, MIN_RADIUS, Stroke, drag_brush, start_radius, stepped
from viewers.frame_header import HEADER_HEIGHT
from viewers.frame_viewer import FrameViewer

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
coordinate = st.floats(-20, 60)
point = st.tuples(coordinate, coordinate)


def distances(start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Distance of each pixel centre of a 40x32 picture from the way, by its definition."""
    y, x = np.mgrid[:32, :40] + 0.5
    way = np.subtract(end, start)
    length = max(float(way @ way), 1e-12)
    share = np.clip(((x - start[0]) * way[0] + (y - start[1]) * way[1]) / length, 0, 1)
    return np.asarray(np.hypot(x - start[0] - share * way[0], y - start[1] - share * way[1]))


@given(point, point, st.floats(0.5, 30), st.booleans())
def test_the_brush_touches_what_lies_within_its_radius(
    start: tuple[float, float], end: tuple[float, float], radius: float, value: bool
) -> None:
    mask = np.full((32, 40), not value)
    changed = drag_brush(mask, start, end, radius, value)
    away = distances(start, end)
    assert (mask[away < radius - 1e-3] == value).all()
    far = away > radius + 1e-3
    for x, y in (start, end):
        if 0 <= x < 40 and 0 <= y < 32:
            assert mask[int(y), int(x)] == value
            far[int(y), int(x)] = False
    assert (mask[far] != value).all()
    assert changed == bool((mask == value).any())
    assert not drag_brush(mask, start, end, radius, value)


def test_the_smallest_brush_sets_one_pixel() -> None:
    mask = np.zeros((8, 8), np.bool_)
    drag_brush(mask, (3.9, 5.1), (3.9, 5.1), MIN_RADIUS, True)
    assert list(zip(*np.nonzero(mask), strict=True)) == [(5, 3)]


def test_radius_steps_both_ways_and_stays_within_limits() -> None:
    radius = MIN_RADIUS
    seen = [radius]
    while radius < MAX_RADIUS:
        radius = stepped(radius, 1)
        assert radius > seen[-1]
        seen.append(radius)
    assert len(seen) < 40
    assert stepped(MAX_RADIUS, 1) == MAX_RADIUS
    assert stepped(8, -100) == MIN_RADIUS
    assert start_radius((640, 480)) == 7.5
    assert start_radius((64, 48)) == 2.0


def test_a_stroke_leaves_the_mask_it_began_with() -> None:
    mask = np.zeros((20, 20), np.bool_)
    stroke = Stroke.begin(0, mask, False, (5, 5), 2)
    first = stroke.revision
    stroke.go((15, 5), 2)
    assert stroke.revision > first > 0
    assert not mask.any()
    # Nothing to erase: nothing changed.
    assert Stroke.begin(0, mask, True, (5, 5), 2).revision == 0


@pytest.fixture
def viewer(qtbot: QtBot) -> FrameViewer:
    widget = FrameViewer()
    qtbot.addWidget(widget)
    widget.resize(4 * WIDTH, 4 * HEIGHT + HEADER_HEIGHT)
    widget.set_camera("observation.images.top")
    show_frame(widget, KEYFRAME)
    widget.set_overlays(overlays())
    widget.set_selected(1)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def test_painting_adds_pixels_and_tells_once(qtbot: QtBot, viewer: FrameViewer) -> None:
    told: list[tuple[int, np.ndarray]] = []
    viewer.maskPainted.connect(lambda k, mask: told.append((k, mask)))
    viewer.set_tool("paint")
    viewer.set_visibility(only("masks", opacity=1.0))
    color = candidate_color(1)
    before = count(picture(viewer), color, 12)
    qtbot.mousePress(viewer, LEFT, pos=at(viewer, 70, 90))
    qtbot.mouseMove(viewer, at(viewer, 85, 90))
    # The preview is there while the button is down.
    during = picture(viewer)
    x, y = at(viewer, 78, 90).toTuple()
    assert np.abs(during[y, x] - 90).sum() > 30
    assert told == []
    qtbot.mouseRelease(viewer, LEFT, pos=at(viewer, 85, 90))
    ((candidate, mask),) = told
    old = masks().masks[1]
    assert candidate == 1
    assert mask[90, 70:85].all()
    assert (mask & old).sum() == old.sum()
    assert not overlays().unpacked_masks[1][90, 78]
    # It stays in sight until overlays come that contain it.
    assert count(picture(viewer), color, 12) >= before
    assert np.abs(picture(viewer)[y, x] - 90).sum() > 30
    viewer.set_overlays(overlays())
    viewer.set_tool("select")
    assert (picture(viewer)[y, x] == 90).all()


def test_the_right_button_does_the_opposite(qtbot: QtBot, viewer: FrameViewer) -> None:
    told: list[np.ndarray] = []
    viewer.maskPainted.connect(lambda _, mask: told.append(mask))
    spot = at(viewer, 35, 40)
    for tool, button in (("paint", RIGHT), ("erase", LEFT)):
        viewer.set_overlays(overlays())
        viewer.set_tool(tool)
        qtbot.mousePress(viewer, button, pos=spot)
        qtbot.mouseRelease(viewer, button, pos=spot)
        assert not told[-1][40, 35]
    viewer.set_overlays(overlays())
    qtbot.mousePress(viewer, RIGHT, pos=at(viewer, 100, 20))
    qtbot.mouseRelease(viewer, RIGHT, pos=at(viewer, 100, 20))
    assert told[-1][20, 100]


def test_a_stroke_that_changes_nothing_is_no_edit(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_tool("erase")
    with qtbot.assertNotEmitted(viewer.maskPainted):
        qtbot.mousePress(viewer, LEFT, pos=at(viewer, 150, 110))
        qtbot.mouseRelease(viewer, LEFT, pos=at(viewer, 150, 110))


def test_escape_gives_up_the_stroke_then_the_tool(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_tool("paint")
    viewer.set_visibility(only("masks"))
    with qtbot.assertNotEmitted(viewer.maskPainted):
        qtbot.mousePress(viewer, LEFT, pos=at(viewer, 100, 20))
        qtbot.keyClick(viewer, Qt.Key.Key_Escape)
        qtbot.mouseRelease(viewer, LEFT, pos=at(viewer, 100, 20))
    assert viewer.tool == "paint"
    with qtbot.waitSignal(viewer.toolChanged) as changed:
        qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    assert changed.args == ["select"]


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda v: show_frame(v, KEYFRAME + 1), f"keyframe {KEYFRAME}"),
        (lambda v: v.set_camera("observation.images.wrist"), "top"),
        (lambda v: v.set_selected(-1), "select a candidate"),
        (lambda v: v.set_overlays(overlays(masks=None)), "no masks"),
        (lambda v: v.set_image(GREY[:60], KEYFRAME), "160x120"),
    ],
)
def test_where_the_brush_cannot_work_the_header_says_why(
    qtbot: QtBot, viewer: FrameViewer, prepare: object, words: str
) -> None:
    viewer.set_tool("paint")
    assert viewer.header.hint == f"paint #1, radius {viewer.brush_radius:g} px"
    prepare(viewer)  # type: ignore[operator]
    assert words in viewer.header.hint
    with qtbot.assertNotEmitted(viewer.maskPainted):
        qtbot.mousePress(viewer, LEFT, pos=at(viewer, 70, 30))
        qtbot.mouseRelease(viewer, LEFT, pos=at(viewer, 70, 30))


def test_results_of_an_earlier_stroke_do_not_disturb_the_next(
    qtbot: QtBot, viewer: FrameViewer
) -> None:
    told: list[np.ndarray] = []
    viewer.maskPainted.connect(lambda _, mask: told.append(mask))
    viewer.set_tool("paint")
    qtbot.mousePress(viewer, LEFT, pos=at(viewer, 70, 90))
    viewer.set_overlays(overlays())  # new results, the same candidates
    qtbot.mouseMove(viewer, at(viewer, 80, 90))
    qtbot.mouseRelease(viewer, LEFT, pos=at(viewer, 80, 90))
    assert told[0][90, 70:80].all()
    # A second stroke before overlays come builds on the first.
    qtbot.mousePress(viewer, LEFT, pos=at(viewer, 70, 10))
    qtbot.mouseRelease(viewer, LEFT, pos=at(viewer, 70, 10))
    assert told[1][90, 70:80].all()
    assert told[1][10, 70]


def test_ctrl_and_wheel_change_the_size_and_show_it(viewer: FrameViewer) -> None:
    viewer.set_tool("paint")
    before, view = viewer.brush_radius, viewer.view_transform
    ctrl = Qt.KeyboardModifier.ControlModifier
    wheel(viewer, at(viewer, 80, 60), 120, ctrl)
    assert viewer.brush_radius > before
    assert f"{viewer.brush_radius:g} px" in viewer.header.hint
    wheel(viewer, at(viewer, 80, 60), -120, ctrl)
    wheel(viewer, at(viewer, 80, 60), -120, ctrl)
    assert viewer.brush_radius < before
    assert viewer.view_transform == view


def test_the_circle_has_the_size_of_the_brush(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_tool("paint")
    viewer.set_visibility(only())
    while viewer.brush_radius < 12:
        viewer.resize_brush(1)
    plain = picture(viewer)
    qtbot.mouseMove(viewer, at(viewer, 110, 30))
    changed = np.abs(picture(viewer) - plain).sum(axis=2) > 40
    rows, columns = np.nonzero(changed)
    reach = 2 * viewer.brush_radius * viewer.view_transform.scale
    assert columns.max() - columns.min() == pytest.approx(reach, abs=4)
    assert rows.max() - rows.min() == pytest.approx(reach, abs=4)


def test_painting_shows_the_mask_even_where_masks_are_hidden(viewer: FrameViewer) -> None:
    viewer.set_visibility(only())
    viewer.set_tool("paint")
    shown = array_of(viewer.grab_picture())
    assert (shown[40, 35] != 90).any()
    # Nothing else may cover what is painted, even if it is shown otherwise.
    viewer.set_visibility(only("masks", "tracks", "labels", "robot", "target", "gripper"))
    shown = array_of(viewer.grab_picture())
    assert (shown[40, 35] != 90).any()
    box = BOXES[2]
    assert (shown[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] == 90).all()
