"""A widget that shows a picture and can be zoomed and panned; knows nothing of overlays."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
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
from pipeline.model.picture import Picture
from viewers.frame_header import HEADER_HEIGHT
from viewers.raster_layers import NEAREST_FROM
from viewers.scaled_picture import ScaledPicture
from viewers.view_transform import ViewTransform

log = logging.getLogger(__name__)

WHEEL_BASE = 1.2
"""Zoom factor of one notch of the wheel (120 units)."""


class FrameCanvas(QWidget):
    """Base of the frame viewer: one picture under a header line, a view transform, panning.

    The whole picture is shown until the user zooms; then the view stays where it is, also when
    the picture changes to another of the same size. A picture stays as it was decoded until it
    is painted or looked into: those that are replaced before cost nothing.

    Signals:
        picturePainted: A new picture, or that there is none, is being painted for the first time.
        viewChanged: The picture lies elsewhere in the widget: zoomed, panned, resized.
    """

    picturePainted = Signal()
    viewChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(160, 120)
        self._picture: Picture | None = None
        self._converted: QImage | None = None
        self._pixels: U8 | None = None
        self._scaled = ScaledPicture()
        self._placement: _Placement | None = None
        self._is_new = False
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
        return self._picture.size if self._picture is not None else (0, 0)

    @property
    def picture(self) -> Picture | None:
        """The picture on show, as it was decoded."""
        return self._picture

    @property
    def _image(self) -> QImage | None:
        """The picture in the format that is painted fastest; made when it is first needed."""
        if self._converted is None and self._picture is not None:
            self._convert(self._picture)
        return self._converted

    def _convert(self, picture: Picture) -> None:
        width, height = picture.size
        try:
            pixels = picture.bgrx()
            expect_shape("bgrx", pixels, (height, width, 4))
        except Exception:  # Foreign formats: a picture less is no reason to end the program.
            log.exception("a picture cannot be converted")
            pixels = np.full((height, width, 4), 64, np.uint8)
            pixels[:, :, 3] = 255
        # The image does not copy: its pixels live as long as it does.
        self._pixels = pixels
        self._converted = QImage(
            pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB32
        )

    def fit(self) -> None:
        """Show the whole picture, centred, and keep doing so when the widget changes its size."""
        self._is_fitted = True
        self._view = ViewTransform.fitted(self.image_size, self._area())
        self._view_changed()

    def one_to_one(self) -> None:
        """Show one image pixel on one pixel of the screen, keeping the centre."""
        self.zoom_by(1 / (self.devicePixelRatioF() * self._view.scale))

    def follow(self, other: FrameCanvas) -> None:
        """Show the same part of the picture as another canvas, its middle in the middle here."""
        if other.is_fitted or other.image_size != self.image_size:
            if not self._is_fitted:
                self.fit()
            return
        a, b = other._area(), self._area()
        shift = ((b[0] + b[2] - a[0] - a[2]) / 2, (b[1] + b[3] - a[1] - a[3]) / 2)
        view = other.view_transform.panned(*shift)
        if view != self._view:
            self._is_fitted = False
            self._view = view
            self._view_changed()

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

    def _set_picture(self, picture: Picture | None) -> None:
        """Take a picture; it is converted when it is painted."""
        self._is_new = True
        if picture is self._picture:
            return
        before = self.image_size
        self._picture = picture
        self._converted = self._pixels = None
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
        self.viewChanged.emit()

    def _paint_picture(self, painter: QPainter) -> None:
        """Paint the letterbox and the visible part of the picture."""
        if self._is_new:
            self._is_new = False
            self.picturePainted.emit()
        image, ratio = self._image, self.devicePixelRatioF()
        if image is None or self._pixels is None:
            painter.fillRect(_rect(self._area()), self._ground())
            return
        key = (self._view, self.image_size, self._area(), ratio)
        if self._placement is None or self._placement.key != key:
            self._placement = _Placement.of(*key)
        placed = self._placement
        if placed.strips:
            ground = self._ground()
            for strip in placed.strips:
                painter.fillRect(strip, ground)
        if placed.is_cut:
            # Clipping costs; it is needed only where pixels are cut by the edge.
            painter.setClipRect(placed.room)
        scaled = None
        if placed.whole is not None:
            scaled = self._scaled.image(self._pixels, *placed.whole, ratio)
        if placed.is_copy:
            painter.drawImage(placed.target.topLeft(), image, placed.source)
        elif scaled is not None:
            painter.drawImage(placed.target.topLeft(), scaled)
        else:
            smooth = placed.is_smooth
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
            painter.drawImage(placed.target, image, placed.source)
        if placed.is_cut:
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


@dataclass(frozen=True, slots=True)
class _Placement:
    """Where a picture is painted; the same for all pictures until the view changes.

    Attributes:
        key: What it was computed from.
        room: Area of the picture, logical pixels.
        strips: What is left of the area around the picture.
        source: Visible part of the picture, image pixels.
        target: Where that lies, logical pixels.
        is_cut: True if pixels reach beyond the area.
        is_copy: True if an image pixel is a pixel of the screen.
        is_smooth: True if pixels are blended, not shown as squares.
        whole: Device pixels of the picture if all of it is seen, blended; else None.
    """

    key: tuple[ViewTransform, tuple[int, int], Box, float]
    room: QRectF
    strips: tuple[QRect, ...]
    source: QRectF
    target: QRectF
    is_cut: bool
    is_copy: bool
    is_smooth: bool
    whole: tuple[int, int] | None

    @classmethod
    def of(cls, view: ViewTransform, image: tuple[int, int], area: Box, ratio: float) -> _Placement:
        """Place a picture of `image` (width, height) in `area` of the widget."""
        width, height = image
        box = view.box_to_view((0, 0, width, height))
        inside = (
            max(box[0], area[0]),
            max(box[1], area[1]),
            min(box[2], area[2]),
            min(box[3], area[3]),
        )
        around = (
            (area[0], area[1], area[2], inside[1]),
            (area[0], inside[3], area[2], area[3]),
            (area[0], inside[1], inside[0], inside[3]),
            (inside[2], inside[1], area[2], inside[3]),
        )
        # The strips overlap the picture by the pixel that may be covered only in part.
        strips = [_rect(s).toAlignedRect() for s in around if s[2] > s[0] and s[3] > s[1]]
        # Whole image pixels: a fractional source would be resampled with another phase.
        left, top = view.to_image(inside[0], inside[1])
        right, bottom = view.to_image(inside[2], inside[3])
        x0, y0 = max(int(left) - 1, 0), max(int(top) - 1, 0)
        x1, y1 = min(int(right) + 2, width), min(int(bottom) + 2, height)
        target = _rect(view.box_to_view((x0, y0, x1, y1)))
        is_smooth = view.scale * ratio < NEAREST_FROM
        is_copy = view.scale == 1.0 and ratio == 1.0
        whole = None
        if is_smooth and not is_copy and (x0, y0, x1, y1) == (0, 0, width, height):
            whole = max(round(target.width() * ratio), 1), max(round(target.height() * ratio), 1)
        return cls(
            (view, image, area, ratio),
            _rect(area),
            tuple(strips),
            QRectF(x0, y0, x1 - x0, y1 - y0),
            target,
            box[0] < area[0] or box[1] < area[1] or box[2] > area[2] or box[3] > area[3],
            is_copy,
            is_smooth,
            whole,
        )


def _rect(box: Box) -> QRectF:
    return QRectF(box[0], box[1], box[2] - box[0], box[3] - box[1])
