"""The frame viewer: what is painted, what the mouse means, what is emitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPalette, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from pipeline.model.palette import TARGET, TRUTH, candidate_color
from tests.gui.overlay_examples import BOXES, GREY, HEIGHT, KEYFRAME, WIDTH, overlays
from viewers.frame_header import HEADER_HEIGHT
from viewers.frame_viewer import FrameViewer
from viewers.overlays import OverlayData, OverlayVisibility, TruthBox
from viewers.pixel_probe import PixelProbe

LEFT = Qt.MouseButton.LeftButton


def only(*names: str, opacity: float = 1.0) -> OverlayVisibility:
    fields = ("masks", "boxes", "tracks", "labels", "gripper", "robot", "target", "truth")
    return OverlayVisibility(*[field in names for field in fields], opacity=opacity)


@pytest.fixture
def viewer(qtbot: QtBot) -> FrameViewer:
    widget = FrameViewer()
    qtbot.addWidget(widget)
    widget.resize(4 * WIDTH, 4 * HEIGHT + HEADER_HEIGHT)
    widget.set_camera("observation.images.top")
    show_frame(widget, KEYFRAME)
    widget.set_overlays(overlays())
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def show_frame(widget: FrameViewer, frame: int) -> None:
    widget.set_frame(frame)
    widget.set_image(GREY, frame)


def array_of(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    data = np.frombuffer(image.constBits(), np.uint8)
    return data.reshape(image.height(), image.width(), 4)[:, :, 2::-1].astype(int)


def picture(widget: FrameViewer) -> np.ndarray:
    return array_of(widget.grab().toImage())


def count(pixels: np.ndarray, color: tuple[int, int, int], slack: int = 3) -> int:
    return int((np.abs(pixels - np.array(color)).max(axis=2) <= slack).sum())


def patch(widget: FrameViewer, box: tuple[float, ...], margin: int = 4) -> np.ndarray:
    x0, y0, x1, y1 = widget.view_transform.box_to_view(box)  # type: ignore[arg-type]
    pixels = picture(widget)
    return pixels[
        max(int(y0) - margin, 0) : int(y1) + margin, max(int(x0) - margin, 0) : int(x1) + margin
    ]


def at(widget: FrameViewer, x: float, y: float) -> QPoint:
    return QPointF(*widget.view_transform.to_view(x, y)).toPoint()


def drag(qtbot: QtBot, widget: FrameViewer, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(widget, LEFT, pos=start)
    qtbot.mouseMove(widget, (start + end) / 2)
    qtbot.mouseMove(widget, end)
    qtbot.mouseRelease(widget, LEFT, pos=end)


def wheel(
    widget: FrameViewer,
    position: QPoint,
    delta: int,
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    event = QWheelEvent(
        QPointF(position),
        widget.mapToGlobal(QPointF(position)),
        QPoint(),
        QPoint(0, delta),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


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


def press_arrow(
    widget: FrameViewer,
    key: Qt.Key,
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.ControlModifier,
) -> bool:
    """Press an arrow with Ctrl held, as the window system does; True if the viewer takes it."""
    override = QKeyEvent(QKeyEvent.Type.ShortcutOverride, key, modifiers)
    override.ignore()
    QApplication.sendEvent(widget, override)
    QApplication.sendEvent(widget, QKeyEvent(QKeyEvent.Type.KeyPress, key, modifiers))
    return override.isAccepted()


def release_ctrl(widget: FrameViewer) -> None:
    none = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(widget, QKeyEvent(QKeyEvent.Type.KeyRelease, Qt.Key.Key_Control, none))


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


def test_a_new_picture_under_a_resting_mouse_is_told(qtbot: QtBot, viewer: FrameViewer) -> None:
    qtbot.mouseMove(viewer, at(viewer, 35.5, 40.5))
    changed = GREY.copy()
    changed[40, 35] = (9, 8, 7)
    with qtbot.waitSignal(viewer.pixelHovered, timeout=2000) as hovered:
        viewer.set_image(changed, KEYFRAME + 1)
    assert hovered.args is not None
    assert hovered.args[0].rgb == (9, 8, 7)


def test_the_view_is_exported_as_it_is_seen(viewer: FrameViewer) -> None:
    viewer.set_visibility(only("boxes"))
    viewer.zoom_by(2)
    seen = array_of(viewer.grab_view())
    shown = picture(viewer)[HEADER_HEIGHT:]
    assert seen.shape == shown.shape
    assert (np.abs(seen - shown).max(axis=2) <= 2).mean() > 0.999
