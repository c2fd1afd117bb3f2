"""A picture that keeps its aspect, on which the right box can be drawn."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from pipeline.model.candidate import Box
from widgets.theme import colors

_LEAST_DRAG = 4.0
"""Pixels on the screen: less is a click."""


class SpotPicture(QWidget):
    """Shows one image; a drag draws a box where that is allowed.

    Signals:
        boxDrawn: The box, pixels of the original frame, or None if it was taken away by a click.
        resized: The widget has another size: pictures should be made for it.
    """

    boxDrawn = Signal(object)
    resized = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        """Show nothing yet.

        Args:
            name: What is shown, for people who do not see it.
            parent: Owner.
        """
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._image: QImage | None = None
        self._hint = ""
        self._scale = 0.0
        self._corner = (0.0, 0.0)
        self._drawable = False
        self._drag: tuple[QPointF, QPointF] | None = None
        self._box: Box | None = None
        self._framed = False

    @property
    def image(self) -> QImage | None:
        """What is shown."""
        return self._image

    @property
    def wanted_size(self) -> QSize:
        """Device pixels that a picture may fill."""
        ratio = self.devicePixelRatioF()
        return QSize(max(round(self.width() * ratio), 1), max(round(self.height() * ratio), 1))

    def set_image(
        self,
        image: QImage | None,
        hint: str = "",
        *,
        scale: float = 0.0,
        corner: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Show an image, or a hint without one.

        Args:
            image: Made for `wanted_size`.
            hint: Shown while there is none.
            scale: Pixels of the image per pixel of the frame; 0 if unknown (nothing can be drawn).
            corner: x and y of the frame at the image's corner.
        """
        self._image, self._hint = image, hint
        self._scale, self._corner = scale, corner
        self.update()

    def set_drawable(self, drawable: bool) -> None:
        """Allow the right box to be drawn."""
        self._drawable = drawable
        self.setCursor(Qt.CursorShape.CrossCursor if drawable else Qt.CursorShape.ArrowCursor)

    def set_box(self, box: Box | None) -> None:
        """Show a box that the person drew."""
        self._box = box
        self.update()

    def set_framed(self, framed: bool) -> None:
        """Mark the picture as the one that is shown large."""
        self._framed = framed
        self.update()

    def picture_rect(self) -> QRectF:
        """Where the image is painted."""
        if self._image is None:
            return QRectF()
        room = QRectF(self.rect())
        size = QSize(self._image.size()).scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        # At the top, so that pictures beside each other begin at one line.
        return QRectF(room.center().x() - size.width() / 2, 0.0, size.width(), size.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Image, the person's box, the frame of the chosen one."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        theme = colors(self.palette())
        if self._image is None:
            painter.setPen(self.palette().placeholderText().color())
            flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
            painter.drawText(self.rect().adjusted(8, 8, -8, -8), flags, self._hint)
            return
        where = self.picture_rect()
        painter.drawImage(where, self._image)
        drawn = self._dragged() if self._drag is not None else self._on_screen(self._box)
        if drawn is not None:
            for width, color in ((4.0, Qt.GlobalColor.black), (2.0, Qt.GlobalColor.white)):
                pen = QPen(color, width)
                if width < 3:
                    pen.setStyle(Qt.PenStyle.DashLine)
                painter.setPen(pen)
                painter.drawRect(drawn)
        if self._framed:
            painter.setPen(QPen(QColor(theme.accent), 2.0))
            painter.drawRect(where.adjusted(1, 1, -1, -1))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Pictures of another size are needed."""
        super().resizeEvent(event)
        self.resized.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a box."""
        if self._drawable and self._scale > 0 and event.button() is Qt.MouseButton.LeftButton:
            self._drag = (event.position(), event.position())
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Stretch it."""
        if self._drag is not None:
            self._drag = (self._drag[0], event.position())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End it: a box, or a click that takes it away."""
        if self._drag is None:
            super().mouseReleaseEvent(event)
            return
        rect, self._drag = self._dragged(), None
        large = rect is not None and min(rect.width(), rect.height()) >= _LEAST_DRAG
        self._box = self._in_frame(rect) if large and rect is not None else None
        self.update()
        self.boxDrawn.emit(self._box)

    def _dragged(self) -> QRectF | None:
        if self._drag is None:
            return None
        return QRectF(*self._drag).normalized().intersected(self.picture_rect())

    def _ratio(self) -> float:
        """Pixels on the screen per pixel of the frame."""
        if self._image is None or not self._image.width():
            return 0.0
        return self._scale * self.picture_rect().width() / self._image.width()

    def _in_frame(self, rect: QRectF) -> Box:
        ratio, where = self._ratio(), self.picture_rect()
        x, y = self._corner
        return (
            x + (rect.left() - where.left()) / ratio,
            y + (rect.top() - where.top()) / ratio,
            x + (rect.right() - where.left()) / ratio,
            y + (rect.bottom() - where.top()) / ratio,
        )

    def _on_screen(self, box: Box | None) -> QRectF | None:
        ratio, where = self._ratio(), self.picture_rect()
        if box is None or ratio <= 0:
            return None
        x, y = self._corner
        return QRectF(
            where.left() + (box[0] - x) * ratio,
            where.top() + (box[1] - y) * ratio,
            (box[2] - box[0]) * ratio,
            (box[3] - box[1]) * ratio,
        )
