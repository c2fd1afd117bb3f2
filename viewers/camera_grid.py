"""Every camera of an episode side by side, around the frame viewer."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from pipeline.model.picture import Picture
from viewers.camera_frame import CameraFrame
from viewers.frame_header import HEADER_HEIGHT, HeaderText
from viewers.frame_viewer import FrameViewer
from viewers.overlay_canvas import OverlayCanvas
from viewers.tile_layout import tile_boxes

_GAP = 4
"""Logical pixels between tiles; the mark around the chosen one is drawn in it."""
_MARK = 2


class CameraTile(OverlayCanvas):
    """A small view of a camera that is not the chosen one.

    Signals:
        clicked: The user wants this camera.
        wheelStepped: Frames to go, positive forwards: Shift and the wheel.
    """

    clicked = Signal(str)
    wheelStepped = Signal(int)

    def __init__(self, camera: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.camera = camera
        self.set_camera(camera)
        name = camera.removeprefix("observation.images.")
        self.setAccessibleName(f"Camera {name}")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMinimumSize(48, 48)

    @property
    def header(self) -> HeaderText:
        """The camera, and what is wrong; frame and zoom are told by the chosen one."""
        full = super().header
        return HeaderText(camera=full.camera, note=full.note)

    def set_picture(self, picture: Picture | None, frame: int) -> None:
        """Show a picture as it was decoded; what is wrong with it is in the tooltip, too."""
        super().set_picture(picture, frame)
        note = picture.note if picture is not None else ""
        text = f"{self.camera}: click to work on this camera"
        if note:
            text += f"\n{note}"
        if text != self.toolTip():
            self.setToolTip(text)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Ask for this camera."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(self.camera)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Nothing to drag."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Step through the frames with Shift; the tile itself is not zoomed."""
        delta = event.angleDelta().y() or event.angleDelta().x()
        if delta and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.wheelStepped.emit(-1 if delta > 0 else 1)
        event.accept()


class CameraGrid(QWidget):
    """The frame viewer alone, or among a tile for each other camera.

    Each camera keeps its place; the viewer with its overlays and tools moves to that of the
    chosen camera.

    Attributes:
        viewer: The frame viewer of the chosen camera.

    Signals:
        cameraClicked: Key of the camera whose tile was clicked.
        wheelStepped: Frames to go, turned on a tile.
    """

    cameraClicked = Signal(str)
    wheelStepped = Signal(int)

    def __init__(self, viewer: FrameViewer, parent: QWidget | None = None) -> None:
        """Show the viewer alone.

        Args:
            viewer: Becomes a child of the grid.
            parent: Owner.
        """
        super().__init__(parent)
        self.viewer = viewer
        viewer.setParent(self)
        viewer.setMinimumSize(48, 48)
        self.setMinimumSize(160, 120)
        self.setAccessibleName("Cameras")
        self._cameras: tuple[str, ...] = ()
        self._current = ""
        self._all = False
        self._shown: tuple[CameraFrame, ...] = ()
        self._tiles: tuple[CameraTile, ...] = ()

    def sizeHint(self) -> QSize:
        """As the viewer's."""
        return self.viewer.sizeHint()

    # Setters; none of them emits.

    def set_cameras(self, keys: tuple[str, ...], current: str) -> None:
        """Show the cameras of another episode; old pictures stay until there are new ones."""
        self._cameras = keys
        self._shown = ()
        self.set_camera(current)

    def set_camera(self, key: str) -> None:
        """Choose a camera; the viewer goes to its place."""
        self._current = key
        self.viewer.set_camera(key)
        self._make_tiles(self._wanted_tiles())
        self._show(self._shown)
        self._arrange()

    def set_all(self, on: bool) -> None:
        """Show all cameras or only the chosen one."""
        self._all = on
        self.set_camera(self._current)

    def set_frames(self, frames: tuple[CameraFrame, ...]) -> None:
        """Show the pictures of one instant."""
        sizes = self._sizes()
        self._shown = frames
        self._show(frames)
        if sizes != self._sizes():
            self._arrange()

    @property
    def camera(self) -> str:
        """Key of the chosen camera, empty without any."""
        return self._current if self._current in self._cameras else ""

    @property
    def all_cameras(self) -> bool:
        """True while all cameras are wanted."""
        return self._all

    @property
    def tiles(self) -> tuple[CameraTile, ...]:
        """The tiles of the cameras that are not chosen, in the order of the cameras."""
        return self._tiles

    def _wanted_tiles(self) -> tuple[str, ...]:
        if not self._all or self._current not in self._cameras:
            return ()
        return tuple(key for key in self._cameras if key != self._current)

    def _make_tiles(self, keys: tuple[str, ...]) -> None:
        """Have a tile for each of `keys`, keeping those there are."""
        old = {tile.camera: tile for tile in self._tiles}
        self._tiles = tuple(old[key] if key in old else self._tile(key) for key in keys)
        for key, tile in old.items():
            if key not in keys:
                tile.hide()
                tile.deleteLater()

    def _tile(self, key: str) -> CameraTile:
        tile = CameraTile(key, self)
        tile.set_message("…")
        tile.clicked.connect(self.cameraClicked)
        tile.wheelStepped.connect(self.wheelStepped)
        tile.show()
        return tile

    def _show(self, frames: tuple[CameraFrame, ...]) -> None:
        for each in frames:
            if each.camera == self._current:
                _show_in(self.viewer, each)
        for tile in self._tiles:
            for each in frames:
                if each.camera == tile.camera:
                    tile.set_frame(each.frame)
                    _show_in(tile, each)

    # Places.

    def _sizes(self) -> tuple[tuple[int, int], ...]:
        """Size of each camera's picture, in order; (0, 0) where there is none."""
        known = {tile.camera: tile.image_size for tile in self._tiles}
        known[self._current] = self.viewer.image_size
        return tuple(known.get(key, (0, 0)) for key in self._cameras)

    def _arrange(self) -> None:
        if not self._tiles:
            self.viewer.setGeometry(self.rect())
            self.update()
            return
        room = self.width() - 2.0 * _MARK, self.height() - 2.0 * _MARK
        boxes = tile_boxes(self._sizes(), room, HEADER_HEIGHT, _GAP)
        tiles = {tile.camera: tile for tile in self._tiles}
        for key, (x0, y0, x1, y1) in zip(self._cameras, boxes, strict=True):
            place = QRect(round(x0) + _MARK, round(y0) + _MARK, 0, 0)
            place.setRight(round(x1) + _MARK - 1)
            place.setBottom(round(y1) + _MARK - 1)
            tiles.get(key, self.viewer).setGeometry(place)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fill the new size."""
        super().resizeEvent(event)
        self._arrange()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Mark the chosen camera."""
        if self._tiles:
            painter = QPainter(self)
            accent = self.palette().color(QPalette.ColorRole.Highlight)
            mark = self.viewer.geometry().adjusted(-_MARK, -_MARK, _MARK, _MARK)
            painter.fillRect(mark, accent)
            painter.end()


def _show_in(canvas: OverlayCanvas, shown: CameraFrame) -> None:
    canvas.set_message(shown.message)
    canvas.set_picture(shown.picture, shown.frame)
