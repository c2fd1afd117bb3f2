"""Every camera side by side: places, the chosen one, failures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTabBar
from pytestqt.qtbot import QtBot

from pipeline.model.picture import ArrayPicture
from viewers.camera_frame import CameraFrame
from viewers.frame_panel import FramePanel
from viewers.tile_layout import tile_boxes

TOP, WRIST, SIDE = (f"observation.images.{name}" for name in ("top", "wrist", "side"))
CAMERAS = (TOP, WRIST, SIDE)
COLORS = {TOP: (200, 0, 0), WRIST: (0, 200, 0), SIDE: (0, 0, 200)}


def picture(camera: str, note: str = "") -> ArrayPicture:
    return ArrayPicture(np.full((48, 64, 3), COLORS[camera], np.uint8), note)


def frames(frame: int = 5, cameras: tuple[str, ...] = CAMERAS) -> tuple[CameraFrame, ...]:
    return tuple(CameraFrame(camera, frame, picture(camera)) for camera in cameras)


@pytest.fixture
def panel(qtbot: QtBot) -> FramePanel:
    widget = FramePanel()
    qtbot.addWidget(widget)
    widget.resize(800, 600)
    widget.show()
    qtbot.waitExposed(widget)
    widget.set_cameras(CAMERAS, TOP)
    return widget


def color_at(panel: FramePanel, widget) -> tuple[int, int, int]:
    """Colour of the grid's pixels in the middle of a camera's picture."""
    shown = panel.grid.grab().toImage()
    center = widget.geometry().center()
    color = shown.pixelColor(center)
    return color.red(), color.green(), color.blue()


def tabs(panel: FramePanel) -> QTabBar:
    found = panel.findChild(QTabBar)
    assert found is not None
    return found


def test_one_camera_needs_no_tabs_and_no_tiles(panel: FramePanel) -> None:
    panel.set_cameras((TOP,), TOP)
    panel.set_all_cameras(True)
    panel.set_frames(frames(cameras=(TOP,)))
    assert not tabs(panel).isVisible()
    assert panel.grid.tiles == ()
    assert panel.viewer.size() == panel.grid.size()
    assert color_at(panel, panel.viewer) == COLORS[TOP]


def test_all_cameras_are_shown_in_step(qtbot: QtBot, panel: FramePanel) -> None:
    with qtbot.waitSignal(panel.allCamerasChosen) as chosen:
        qtbot.mouseClick(
            tabs(panel), Qt.MouseButton.LeftButton, pos=tabs(panel).tabRect(0).center()
        )
    assert chosen.args == [True]
    panel.set_frames(frames(5))
    assert [tile.camera for tile in panel.grid.tiles] == [WRIST, SIDE]
    assert [tile.image_frame for tile in panel.grid.tiles] == [5, 5]
    assert color_at(panel, panel.viewer) == COLORS[TOP]
    for tile in panel.grid.tiles:
        assert color_at(panel, tile) == COLORS[tile.camera]
        assert tile.header.camera in ("wrist", "side")
    boxes = [w.geometry() for w in (panel.viewer, *panel.grid.tiles)]
    assert not any(a.intersects(b) for a, b in itertools.combinations(boxes, 2))


def test_a_click_chooses_a_camera_and_each_keeps_its_place(qtbot: QtBot, panel: FramePanel) -> None:
    panel.set_all_cameras(True)
    panel.set_frames(frames())
    side = panel.grid.tiles[1]
    before, place = panel.viewer.geometry(), side.geometry()
    with qtbot.waitSignal(panel.cameraChanged) as changed:
        qtbot.mouseClick(side, Qt.MouseButton.LeftButton)
    assert changed.args == [SIDE]
    assert panel.camera == SIDE
    assert panel.viewer.geometry() == place
    assert [tile.camera for tile in panel.grid.tiles] == [TOP, WRIST]
    assert panel.grid.tiles[0].geometry() == before
    assert color_at(panel, panel.viewer) == COLORS[SIDE]  # At once, nothing is decoded again.
    assert color_at(panel, panel.grid.tiles[0]) == COLORS[TOP]
    assert tabs(panel).tabText(tabs(panel).currentIndex()) == "All"


def test_a_tab_leaves_the_grid(qtbot: QtBot, panel: FramePanel) -> None:
    panel.set_all_cameras(True)
    panel.set_frames(frames())
    told: list[object] = []
    panel.allCamerasChosen.connect(told.append)
    panel.cameraChanged.connect(told.append)
    qtbot.mouseClick(tabs(panel), Qt.MouseButton.LeftButton, pos=tabs(panel).tabRect(2).center())
    assert told == [False, WRIST]
    assert panel.grid.tiles == ()
    assert panel.viewer.size() == panel.grid.size()
    assert color_at(panel, panel.viewer) == COLORS[WRIST]


def test_setters_tell_nobody(qtbot: QtBot, panel: FramePanel) -> None:
    with (
        qtbot.assertNotEmitted(panel.allCamerasChosen),
        qtbot.assertNotEmitted(panel.cameraChanged),
    ):
        panel.set_all_cameras(True)
        panel.set_camera(WRIST)
        panel.set_frames(frames())
        panel.set_all_cameras(False)


def test_a_camera_without_picture_says_why(panel: FramePanel) -> None:
    panel.set_all_cameras(True)
    panel.set_frames(
        (*frames(cameras=(TOP, SIDE)), CameraFrame(WRIST, 5, None, "wrist.mp4 is missing"))
    )
    panel.grid.grab()
    assert panel.grid.tiles[0].image_size == (0, 0)
    assert color_at(panel, panel.grid.tiles[1]) == COLORS[SIDE]
    assert color_at(panel, panel.grid.tiles[0]) != COLORS[TOP]


def test_the_header_tells_what_is_wrong_with_a_picture(panel: FramePanel) -> None:
    note = "frame 121 is damaged; 120 is shown"
    panel.set_all_cameras(True)
    panel.set_frames(tuple(CameraFrame(camera, 121, picture(camera, note)) for camera in CAMERAS))
    assert panel.viewer.header.note == note
    assert panel.grid.tiles[0].header.note == note
    shown = panel.grid.grab().toImage()
    pixels = {shown.pixelColor(x, 14).getRgb()[:3] for x in range(panel.viewer.geometry().right())}
    assert (230, 159, 0) in pixels


class CountedPicture(ArrayPicture):
    """Tells how often it was converted."""

    conversions = 0

    def bgrx(self):
        CountedPicture.conversions += 1
        return super().bgrx()


def test_pictures_are_converted_when_painted_and_once(panel: FramePanel) -> None:
    CountedPicture.conversions = 0
    made = [CountedPicture(np.full((48, 64, 3), 10 * i, np.uint8)) for i in range(5)]
    for frame, each in enumerate(made):
        panel.set_frames((CameraFrame(TOP, frame, each),))
    assert CountedPicture.conversions == 0
    assert color_at(panel, panel.viewer) == (40, 40, 40)
    panel.viewer.grab()
    assert CountedPicture.conversions == 1


class OddPicture(ArrayPicture):
    """Cannot be converted."""

    def bgrx(self):
        raise ValueError("a format that nobody knows")


def test_a_picture_that_cannot_be_converted_is_grey(
    panel: FramePanel, caplog: pytest.LogCaptureFixture
) -> None:
    panel.set_frames((CameraFrame(TOP, 0, OddPicture(np.zeros((48, 64, 3), np.uint8))),))
    assert color_at(panel, panel.viewer) == (64, 64, 64)
    assert "cannot be converted" in caplog.text


@pytest.mark.parametrize("count", range(1, 10))
@pytest.mark.parametrize("room", [(560.0, 330.0), (1400.0, 900.0), (330.0, 560.0)])
def test_tiles_fill_the_room_in_order(count: int, room: tuple[float, float]) -> None:
    boxes = tile_boxes([(640, 480)] * count, room, 24, 4)
    assert len(boxes) == count
    for x0, y0, x1, y1 in boxes:
        assert -0.01 <= x0 < x1 <= room[0] + 0.01
        assert -0.01 <= y0 < y1 <= room[1] + 0.01
    for a, b in itertools.pairwise(boxes):
        assert b[0] >= a[2] or b[1] >= a[3]
    assert max(box[3] for box in boxes) == pytest.approx(room[1])


def test_wide_rooms_get_one_row_and_tall_ones_one_column() -> None:
    wide = tile_boxes([(640, 480)] * 2, (1200, 400), 24, 4)
    assert wide[0][1] == wide[1][1]
    tall = tile_boxes([(640, 480)] * 2, (400, 900), 24, 4)
    assert tall[0][0] == tall[1][0]


def test_pictures_of_other_shapes_get_room_by_their_shape() -> None:
    boxes = tile_boxes([(1280, 720), (480, 480)], (1000, 400), 24, 4)
    widths = [x1 - x0 for x0, _, x1, _ in boxes]
    assert widths[0] / widths[1] == pytest.approx(16 / 9, rel=0.01)


def test_small_tiles_are_equal_rather_than_some_large() -> None:
    boxes = tile_boxes([(640, 480)] * 9, (570, 300), 24, 4)
    widths = [round(x1 - x0) for x0, _, x1, _ in boxes]
    assert max(widths) <= 1.3 * min(widths)


def test_many_cameras_keep_legible_tabs(panel: FramePanel) -> None:
    keys = tuple(f"observation.images.robot_{i}_wrist_camera" for i in range(9))
    panel.set_cameras(keys, keys[0])
    assert panel.width() == 800
    assert all(tabs(panel).tabRect(i).width() >= 80 for i in range(1, 10))
