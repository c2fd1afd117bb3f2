"""The frame viewer: what the mouse and the keys mean, what is emitted."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from pipeline.model.palette import candidate_color
from tests.gui.overlay_examples import BOXES, GREY, HEIGHT, KEYFRAME, WIDTH, overlays
from tests.gui.viewer_hands import (
    LEFT,
    at,
    count,
    drag,
    only,
    patch,
    picture,
    press_arrow,
    release_ctrl,
    show_frame,
    shown_viewer,
    wheel,
)
from viewers.frame_header import HEADER_HEIGHT
from viewers.frame_viewer import FrameViewer
from viewers.overlays import OverlayData, TruthBox
from viewers.pixel_probe import PixelProbe


@pytest.fixture
def viewer(qtbot: QtBot) -> FrameViewer:
    return shown_viewer(qtbot)


# The mouse.


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (35, 40, 1),  # inside the mask of 1, which lies on that of 0
        (25, 25, 0),
        (45, 40, 0),  # the box of 1 is here, but only 0 has mask pixels
        (115, 80, 2),
        (150, 110, -1),
    ],
)
def test_click_finds_masks_first(
    qtbot: QtBot, viewer: FrameViewer, x: float, y: float, expected: int
) -> None:
    with qtbot.waitSignal(viewer.candidateClicked) as clicked:
        qtbot.mouseClick(viewer, LEFT, pos=at(viewer, x, y))
    assert clicked.args == [expected]


def test_click_finds_the_smallest_box_away_from_the_keyframe(
    qtbot: QtBot, viewer: FrameViewer
) -> None:
    show_frame(viewer, 30)
    with qtbot.waitSignal(viewer.candidateClicked) as clicked:
        qtbot.mouseClick(viewer, LEFT, pos=at(viewer, 45, 40))
    assert clicked.args == [1]


def test_second_click_goes_on_to_the_candidate_below(qtbot: QtBot, viewer: FrameViewer) -> None:
    clicked: list[int] = []
    viewer.candidateClicked.connect(clicked.append)
    viewer.candidateClicked.connect(viewer.set_selected)
    show_frame(viewer, 30)  # no handles there
    for _ in range(3):
        qtbot.mousePress(viewer, LEFT, pos=at(viewer, 37, 40))
        qtbot.mouseRelease(viewer, LEFT, pos=at(viewer, 37, 40))
    assert clicked == [1, 0, 1]


def test_hover_tells_the_pixel(qtbot: QtBot, viewer: FrameViewer) -> None:
    image = GREY.copy()
    image[40, 35] = (1, 2, 3)
    viewer.set_image(image, KEYFRAME)
    with qtbot.waitSignal(viewer.pixelHovered) as hovered:
        qtbot.mouseMove(viewer, at(viewer, 35.5, 40.5))
    assert hovered.args == [PixelProbe(35, 40, (1, 2, 3), (1, 0), False, (1, 0))]
    with qtbot.waitSignal(viewer.pixelHovered) as hovered:
        qtbot.mouseMove(viewer, at(viewer, 10.5, 110.5))
    assert hovered.args is not None
    assert hovered.args[0].robot
    with qtbot.waitSignal(viewer.pixelHovered) as hovered:
        qtbot.mouseMove(viewer, QPoint(5, 5))
    assert hovered.args == [None]


def test_a_new_picture_under_a_resting_mouse_is_told(qtbot: QtBot, viewer: FrameViewer) -> None:
    qtbot.mouseMove(viewer, at(viewer, 35.5, 40.5))
    changed = GREY.copy()
    changed[40, 35] = (9, 8, 7)
    with qtbot.waitSignal(viewer.pixelHovered, timeout=2000) as hovered:
        viewer.set_image(changed, KEYFRAME + 1)
    assert hovered.args is not None
    assert hovered.args[0].rgb == (9, 8, 7)


def test_box_is_drawn_in_image_pixels_under_zoom_and_pan(qtbot: QtBot, viewer: FrameViewer) -> None:
    wheel(viewer, at(viewer, 80, 60), 240)
    assert viewer.view_transform.scale == pytest.approx(4 * 1.44)
    before = viewer.view_transform
    start = at(viewer, 90, 20)
    drag(qtbot, viewer, start, start + QPoint(-40, -30))
    assert viewer.view_transform.dx == pytest.approx(before.dx - 40, abs=12)
    assert viewer.view_transform.dx != before.dx
    viewer.set_tool("box")
    tools: list[str] = []
    viewer.toolChanged.connect(tools.append)
    with qtbot.waitSignal(viewer.boxDrawn) as drawn:
        drag(qtbot, viewer, at(viewer, 110, 80), at(viewer, 70, 50))
    assert drawn.args == pytest.approx([70, 50, 110, 80], abs=0.2)
    assert tools == ["select"]
    assert viewer.tool == "select"


def test_box_is_clipped_and_slips_are_ignored(qtbot: QtBot, viewer: FrameViewer) -> None:
    drawn: list[tuple[float, ...]] = []
    viewer.boxDrawn.connect(lambda *box: drawn.append(box))
    viewer.set_tool("box")
    drag(qtbot, viewer, at(viewer, 50, 50), at(viewer, 53, 90))
    assert drawn == []
    assert viewer.tool == "box"
    drag(qtbot, viewer, at(viewer, 140, 100), at(viewer, 200, 170))
    assert drawn == [pytest.approx((140, 100, WIDTH, HEIGHT))]


def test_escape_cancels_the_box_then_the_tool(qtbot: QtBot, viewer: FrameViewer) -> None:
    drawn: list[object] = []
    viewer.boxDrawn.connect(lambda *box: drawn.append(box))
    viewer.set_tool("box")
    qtbot.mousePress(viewer, LEFT, pos=at(viewer, 20, 20))
    qtbot.mouseMove(viewer, at(viewer, 60, 60))
    override = QKeyEvent(
        QKeyEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier
    )
    override.ignore()
    QApplication.sendEvent(viewer, override)
    assert override.isAccepted()
    qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    qtbot.mouseRelease(viewer, LEFT, pos=at(viewer, 60, 60))
    assert drawn == []
    assert viewer.tool == "box"
    with qtbot.waitSignal(viewer.toolChanged) as changed:
        qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    assert changed.args == ["select"]


def test_handles_change_the_selected_box(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected(2)
    with qtbot.waitSignal(viewer.boxChanged) as changed:
        drag(qtbot, viewer, at(viewer, 130, 100), at(viewer, 140, 110))
    assert changed.args == pytest.approx([2, 100, 60, 140, 110], abs=0.2)
    viewer.set_visibility(only("boxes"))
    assert count(patch(viewer, (139, 70, 141, 100), 2), candidate_color(2)) > 100
    viewer.set_overlays(overlays())
    assert count(patch(viewer, (139, 70, 141, 100), 2), candidate_color(2)) == 0


def test_handles_keep_a_smallest_size(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected(2)
    with qtbot.waitSignal(viewer.boxChanged) as changed:
        drag(qtbot, viewer, at(viewer, 100, 60), at(viewer, 150, 119))
    assert changed.args == pytest.approx([2, 126, 96, 130, 100])


def test_wheel_zooms_at_the_cursor_and_fit_returns(qtbot: QtBot, viewer: FrameViewer) -> None:
    anchor = at(viewer, 40, 30)
    wheel(viewer, anchor, 360)
    image = viewer.view_transform.to_image(anchor.x(), anchor.y())
    assert image == pytest.approx((40, 30), abs=0.3)
    assert not viewer.is_fitted
    qtbot.mouseDClick(viewer, LEFT, pos=anchor)
    assert viewer.is_fitted
    assert viewer.view_transform.scale == pytest.approx(4.0)
    viewer.one_to_one()
    assert viewer.view_transform.scale == pytest.approx(1 / viewer.devicePixelRatioF())


def test_shift_and_wheel_step_through_frames(viewer: FrameViewer) -> None:
    steps: list[int] = []
    viewer.wheelStepped.connect(steps.append)
    before = viewer.view_transform
    wheel(viewer, QPoint(100, 100), -120, Qt.KeyboardModifier.ShiftModifier)
    wheel(viewer, QPoint(100, 100), 120, Qt.KeyboardModifier.ShiftModifier)
    assert steps == [1, -1]
    assert viewer.view_transform == before


def test_setters_emit_nothing(viewer: FrameViewer) -> None:
    said: list[object] = []
    for signal in (
        viewer.candidateClicked,
        viewer.boxDrawn,
        viewer.boxChanged,
        viewer.pixelHovered,
        viewer.toolChanged,
        viewer.wheelStepped,
    ):
        signal.connect(lambda *args: said.append(args))
    viewer.set_tool("box")
    viewer.set_selected(1)
    viewer.set_winner(0)
    viewer.set_overlays(overlays(truth=(TruthBox(1, BOXES[0], "cube"),)))
    show_frame(viewer, 30)
    viewer.fit()
    viewer.set_overlays(None)
    picture(viewer)
    assert said == []
    with pytest.raises(ValueError, match="select"):
        viewer.set_tool("lasso")


# Moving boxes.


def test_the_edge_moves_the_selected_box(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected(2)
    start = at(viewer, 107, 60)  # on the upper edge, between two handles
    qtbot.mouseMove(viewer, start)
    assert viewer.cursor().shape() is Qt.CursorShape.SizeAllCursor
    with qtbot.waitSignal(viewer.boxChanged) as changed:
        drag(qtbot, viewer, start, at(viewer, 97, 80))
    assert changed.args == pytest.approx([2, 90, 80, 120, 120], abs=0.3)


def test_a_moved_box_keeps_its_size_at_the_border(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected(2)
    with qtbot.waitSignal(viewer.boxChanged) as changed:
        drag(qtbot, viewer, at(viewer, 107, 60), at(viewer, 157, 20))
    assert changed.args == pytest.approx([2, 130, 20, 160, 60], abs=0.3)


def test_inside_the_box_only_ctrl_moves_it(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected(2)
    with qtbot.assertNotEmitted(viewer.boxChanged):
        drag(qtbot, viewer, at(viewer, 108, 75), at(viewer, 128, 75))
    ctrl = Qt.KeyboardModifier.ControlModifier
    with qtbot.waitSignal(viewer.boxChanged) as changed:
        qtbot.mousePress(viewer, LEFT, ctrl, at(viewer, 108, 75))
        qtbot.mouseMove(viewer, at(viewer, 118, 75))
        qtbot.mouseRelease(viewer, LEFT, ctrl, at(viewer, 118, 75))
    assert changed.args == pytest.approx([2, 110, 60, 140, 100], abs=0.3)


def test_a_click_on_the_edge_selects_and_moves_nothing(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected(2)
    with (
        qtbot.assertNotEmitted(viewer.boxChanged),
        qtbot.waitSignal(viewer.candidateClicked) as clicked,
    ):
        qtbot.mouseClick(viewer, LEFT, pos=at(viewer, 107, 60))
    assert clicked.args == [2]


def test_escape_puts_a_dragged_or_nudged_box_back(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected(2)
    viewer.set_visibility(only("boxes"))
    plain = picture(viewer)
    with qtbot.assertNotEmitted(viewer.boxChanged):
        qtbot.mousePress(viewer, LEFT, pos=at(viewer, 107, 60))
        qtbot.mouseMove(viewer, at(viewer, 80, 30))
        qtbot.keyClick(viewer, Qt.Key.Key_Escape)
        qtbot.mouseRelease(viewer, LEFT, pos=at(viewer, 80, 30))
        press_arrow(viewer, Qt.Key.Key_Left)
        assert (picture(viewer) != plain).any()
        qtbot.keyClick(viewer, Qt.Key.Key_Escape)
        release_ctrl(viewer)
    qtbot.mouseMove(viewer, QPoint(2, 2))
    assert (picture(viewer)[HEADER_HEIGHT:] == plain[HEADER_HEIGHT:]).all()


def test_ctrl_and_arrows_nudge_and_tell_once(viewer: FrameViewer) -> None:
    told: list[tuple[float, ...]] = []
    viewer.boxChanged.connect(lambda *args: told.append(args))
    assert not press_arrow(viewer, Qt.Key.Key_Left)  # nothing is selected
    viewer.set_selected(2)
    far = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    assert press_arrow(viewer, Qt.Key.Key_Left)
    assert press_arrow(viewer, Qt.Key.Key_Up, far)
    assert told == []
    release_ctrl(viewer)
    assert told == [(2, 99, 50, 129, 90)]
    assert not press_arrow(viewer, Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier)
    show_frame(viewer, KEYFRAME + 1)
    assert not press_arrow(viewer, Qt.Key.Key_Left)


def test_a_changed_box_waits_for_new_results_only(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_selected(2)
    viewer.set_visibility(only("boxes"))
    data = overlays()
    viewer.set_overlays(data)
    drag(qtbot, viewer, at(viewer, 130, 100), at(viewer, 140, 110))
    moved = count(patch(viewer, (139, 70, 141, 100), 2), candidate_color(2))
    assert moved > 100
    # The same proposals with other masks: the box has still not arrived.
    viewer.set_overlays(OverlayData(data.proposals, scores=data.scores))
    assert count(patch(viewer, (139, 70, 141, 100), 2), candidate_color(2)) == moved
    viewer.settle()
    assert count(patch(viewer, (139, 70, 141, 100), 2), candidate_color(2)) == 0
