"""A widget that shows a picture and can be zoomed and panned; knows nothing of overlays."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPalette,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from pipeline.model.arrays import U8, expect_shape
from pipeline.model.candidate import Box
from viewers.frame_header import HEADER_HEIGHT
from viewers.raster_layers import NEAREST_FROM
from viewers.view_transform import ViewTransform

WHEEL_BASE = 1.2
"""Zoom factor of one notch of the wheel (120 units)."""


class FrameCanvas(QWidget):
    """Base of the frame viewer: one picture under a header line, a view transform, panning.

    The whole picture is shown until the user zooms; then the view stays where it is, also when
    the picture changes to another of the same size.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(160, 120)
        self._image: QImage | None = None
        self._view = ViewTransform()
        self._is_fitted = True
        self._pan_from: QPointF | None = None

    def sizeHint(self) -> QSize:
        """Prefer a VGA frame."""
        return QSize(640, 480 + HEADER_HEIGHT)

    @property
    def view_transform(self) -> ViewTransform:
        """Where the picture lies in the widget."""
        return self._view

    @property
    def is_fitted(self) -> bool:
        """True while the whole picture is kept in sight."""
        return self._is_fitted

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels, (0, 0) without one."""
        return (self._image.width(), self._image.height()) if self._image is not None else (0, 0)

    def fit(self) -> None:
        """Show the whole picture, centred, and keep doing so when the widget changes its size."""
        self._is_fitted = True
        self._view = ViewTransform.fitted(self.image_size, self._area())
        self._view_changed()

    def one_to_one(self) -> None:
        """Show one image pixel on one pixel of the screen, keeping the centre."""
        self.zoom_by(1 / (self.devicePixelRatioF() * self._view.scale))

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom around a widget point, the centre by default."""
        if self._image is None:
            return
        x0, y0, x1, y1 = self._area()
        point = at if at is not None else QPointF((x0 + x1) / 2, (y0 + y1) / 2)
        zoomed = self._view.zoomed_at(point.x(), point.y(), factor)
        self._is_fitted = False
        self._view = zoomed.clamped(self.image_size, self._area())
        self._view_changed()

    def _set_pixels(self, rgb: U8 | None) -> None:
        """Take a picture (H, W, 3) uint8 RGB; it is copied."""
        before = self.image_size
        if rgb is None:
            self._image = None
        else:
            expect_shape("rgb", rgb, (None, None, 3))
            height, width = rgb.shape[:2]
            pixels = np.ascontiguousarray(rgb).data
            picture = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
            # The format that is painted fastest; Qt converts with vector instructions.
            self._image = picture.convertToFormat(QImage.Format.Format_RGB32)
        if self.image_size != before:
            self.fit()

    def _area(self) -> Box:
        """Room of the picture: the widget below its header, logical pixels."""
        return 0.0, float(HEADER_HEIGHT), float(self.width()), float(self.height())

    def _can_pan(self) -> bool:
        x0, y0, x1, y1 = self._area()
        width, height = self.image_size
        scale = self._view.scale
        return width * scale > x1 - x0 + 0.5 or height * scale > y1 - y0 + 0.5

    def _view_changed(self) -> None:
        self.update()

    def _paint_picture(self, painter: QPainter) -> None:
        """Paint the letterbox and the visible part of the picture."""
        area = self._area()
        room = QRectF(area[0], area[1], area[2] - area[0], area[3] - area[1])
        ground = self._ground()
        if self._image is None:
            painter.fillRect(room, ground)
            return
        width, height = self.image_size
        box = self._view.box_to_view((0, 0, width, height))
        inside = (
            max(box[0], area[0]),
            max(box[1], area[1]),
            min(box[2], area[2]),
            min(box[3], area[3]),
        )
        for x0, y0, x1, y1 in (
            (area[0], area[1], area[2], inside[1]),
            (area[0], inside[3], area[2], area[3]),
            (area[0], inside[1], inside[0], inside[3]),
            (inside[2], inside[1], area[2], inside[3]),
        ):
            # The strips overlap the picture by the pixel that may be covered only in part.
            if x1 > x0 and y1 > y0:
                painter.fillRect(QRectF(x0, y0, x1 - x0, y1 - y0).toAlignedRect(), ground)
        # Whole image pixels: a fractional source would be resampled with another phase.
        left, top = self._view.to_image(inside[0], inside[1])
        right, bottom = self._view.to_image(inside[2], inside[3])
        x0, y0 = max(int(left) - 1, 0), max(int(top) - 1, 0)
        x1, y1 = min(int(right) + 2, width), min(int(bottom) + 2, height)
        view = self._view.box_to_view((x0, y0, x1, y1))
        smooth = self._view.scale * self.devicePixelRatioF() < NEAREST_FROM
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        # Clipping costs; it is needed only where pixels are cut by the edge.
        is_cut = box[0] < area[0] or box[1] < area[1] or box[2] > area[2] or box[3] > area[3]
        if is_cut:
            painter.setClipRect(room)
        painter.drawImage(
            QRectF(view[0], view[1], view[2] - view[0], view[3] - view[1]),
            self._image,
            QRectF(x0, y0, x1 - x0, y1 - y0),
        )
        if is_cut:
            painter.setClipping(False)

    def _ground(self) -> QColor:
        """Colour around the picture: the window's, set back a little."""
        window = self.palette().color(QPalette.ColorRole.Window)
        return window.darker(112) if window.lightness() > 127 else window.darker(140)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the picture fitted, or in sight."""
        super().resizeEvent(event)
        if self._is_fitted:
            self._view = ViewTransform.fitted(self.image_size, self._area())
        else:
            self._view = self._view.clamped(self.image_size, self._area())
        self._view_changed()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor."""
        delta = event.angleDelta().y()
        if delta and self._image is not None:
            self.zoom_by(WHEEL_BASE ** (delta / 120), event.position())
        event.accept()

    def _begin_pan(self, position: QPointF) -> None:
        self._pan_from = position
        self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def _go_on_panning(self, event: QMouseEvent) -> bool:
        """Move the picture with the mouse; False unless it is being panned."""
        if self._pan_from is None:
            return False
        moved = event.position() - self._pan_from
        self._pan_from = event.position()
        panned = self._view.panned(moved.x(), moved.y())
        self._view = panned.clamped(self.image_size, self._area())
        self._view_changed()
        return True
