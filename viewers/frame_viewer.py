"""The frame viewer: one camera's frame with what the pipeline found in it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPalette,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from pipeline.model.arrays import U8
from pipeline.model.candidate import Box
from viewers.box_tool import HANDLE_SIZE, BoxDrag, Handle, handle_at, is_large_enough
from viewers.overlay_canvas import OverlayCanvas
from viewers.overlay_tips import tip_of
from viewers.overlays import OverlayData

SELECT = "select"
BOX = "box"
_SLACK = 3.0
"""Logical pixels by which a box can be missed and is still hit."""


@dataclass(frozen=True, slots=True)
class PixelProbe:
    """What lies under the mouse.

    Attributes:
        x: Column of the pixel.
        y: Row of the pixel.
        rgb: Its colour, 0..255 each.
        candidates: Ids of the candidates there, the one a click means first.
        robot: True if it belongs to the robot mask.
    """

    x: int
    y: int
    rgb: tuple[int, int, int]
    candidates: tuple[int, ...]
    robot: bool


class FrameViewer(OverlayCanvas):
    """Shows a frame with overlays; candidates can be clicked, boxes drawn and adjusted.

    Signals:
        candidateClicked: Id of the clicked candidate; -1 for the ground. A second click at the
            same place goes on to the candidate below.
        boxDrawn: x0, y0, x1, y1 of a new box, image pixels.
        boxChanged: Candidate id and its new box, image pixels, after a handle was dragged.
        pixelHovered: `PixelProbe`, or None when the mouse left the picture.
        toolChanged: `select` or `box`, when the viewer itself changed it: after a box was drawn
            and when Escape was pressed.
        wheelStepped: Frames to go, positive forwards: Shift and the wheel.
    """

    candidateClicked = Signal(int)
    boxDrawn = Signal(float, float, float, float)
    boxChanged = Signal(int, float, float, float, float)
    pixelHovered = Signal(object)
    toolChanged = Signal(str)
    wheelStepped = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Frame")
        self._tool = SELECT
        self._drag: BoxDrag | None = None
        self._pending: BoxDrag | None = None
        self._press: QPointF | None = None
        self._mouse: QPointF | None = None
        self._last_click: QPointF | None = None

    # Setters; none of them emits.

    def set_image(self, rgb: U8 | None, frame: int) -> None:
        """Show a picture.

        Args:
            rgb: (H, W, 3) uint8 RGB, copied; None shows the message instead.
            frame: Frame of the episode that it is.
        """
        super().set_image(rgb, frame)
        if self._mouse is not None:
            self._hover(self._mouse, tell=False)

    def set_overlays(self, data: OverlayData | None) -> None:
        """Show other results. The winner becomes that of their scores."""
        self._pending = None
        if self._drag is not None and self._drag.candidate >= 0:
            self._drag = None
        super().set_overlays(data)

    def set_selected(self, candidate: int) -> None:
        """Select a candidate, -1 for none."""
        self._pending = None
        super().set_selected(candidate)

    def set_tool(self, tool: str) -> None:
        """Choose the mouse tool, `select` or `box`. Raises ValueError."""
        if tool not in (SELECT, BOX):
            raise ValueError(f"tool: expected 'select' or 'box', got {tool!r}")
        self._tool = tool
        self._drag = None
        self._set_cursor(None)
        self.update()

    @property
    def tool(self) -> str:
        """The mouse tool in force."""
        return self._tool

    # Painting.

    def _moved_boxes(self) -> tuple[tuple[int, Box], ...]:
        drag = self._drag if self._drag is not None and self._drag.candidate >= 0 else self._pending
        return ((drag.candidate, drag.box),) if drag is not None else ()

    def _paint_tool(self, painter: QPainter) -> None:
        """Paint the rubber band, the crosshair and the handles."""
        edited = self._editable_box()
        if self._tool != BOX and edited is None:
            return
        painter.setClipRect(QRectF(*_sized(self._area())))
        drag = self._drag
        if self._tool == BOX:
            if self._mouse is not None and self._is_on_picture(self._mouse):
                x, y = round(self._mouse.x()), round(self._mouse.y())
                for pen in (
                    QPen(QColor(0, 0, 0, 140), 3),
                    QPen(QColor(255, 255, 255, 220), 1),
                ):
                    painter.setPen(pen)
                    painter.drawLine(0, y, self.width(), y)
                    painter.drawLine(x, 0, x, self.height())
            if drag is not None:
                box = QRectF(*_sized(self._view.box_to_view(drag.box)))
                accent = self.palette().color(QPalette.ColorRole.Highlight)
                veil = QColor(accent)
                veil.setAlpha(50)
                painter.setBrush(veil)
                painter.setPen(QPen(QColor(0, 0, 0, 160), 3))
                painter.drawRect(box)
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(accent.lighter(140), 1, Qt.PenStyle.SolidLine))
                painter.drawRect(box)
        if edited is not None:
            view = self._view.box_to_view(edited)
            painter.setPen(QPen(QColor(20, 20, 20), 1))
            painter.setBrush(QColor(255, 255, 255))
            for handle in Handle:
                x_, y_ = handle.position(view)
                half = HANDLE_SIZE / 2
                painter.drawRect(QRectF(round(x_ - half), round(y_ - half), 2 * half, 2 * half))
        painter.setClipping(False)

    # Mouse and keys.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a box, a drag of a handle, panning, or a click."""
        if self._image is None:
            return
        position = event.position()
        if event.button() == Qt.MouseButton.MiddleButton:
            self._begin_pan(position)
        elif event.button() == Qt.MouseButton.LeftButton:
            x, y = self._view.to_image(position.x(), position.y())
            handle = self._handle_at(position)
            edited = self._editable_box()
            if self._tool == BOX:
                if self._area()[1] <= position.y():
                    self._drag = BoxDrag.new(x, y, self.image_size)
            elif handle is not None and edited is not None:
                self._drag = BoxDrag.change(self._emphasis.selected, edited, handle)
            else:
                self._press = position
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow a drag; otherwise say what is under the mouse."""
        position = event.position()
        self._mouse = position
        if self._go_on_panning(event):
            return
        if self._drag is not None:
            x, y = self._view.to_image(position.x(), position.y())
            self._drag = self._drag.moved(x, y, self.image_size)
            self.update()
        elif self._press is not None:
            far = (position - self._press).manhattanLength()
            if far >= QGuiApplication.styleHints().startDragDistance() and self._can_pan():
                self._begin_pan(self._press)
                self._press = None
                self._go_on_panning(event)
            return
        self._hover(position)
        if self._tool == BOX:
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish a drag or a click."""
        if self._pan_from is not None:
            self._pan_from = None
            self._set_cursor(event.position())
            return
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if self._drag is not None:
            self._finish_drag(self._drag)
        elif self._press is not None:
            press, self._press = self._press, None
            distance = (event.position() - press).manhattanLength()
            if distance < QGuiApplication.styleHints().startDragDistance():
                self._click(press)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole picture; with the box tool the second press begins another box."""
        if self._tool == BOX or event.button() != Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)
        else:
            self._press = None
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor; with Shift step through the frames."""
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            # Some platforms turn the wheel sideways while Shift is held.
            delta = event.angleDelta().y() or event.angleDelta().x()
            if delta:
                self.wheelStepped.emit(-1 if delta > 0 else 1)
            event.accept()
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.ignore()
        else:
            super().wheelEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Forget the mouse."""
        self._mouse = None
        self._emphasize(hovered=-1)
        self.pixelHovered.emit(None)
        self.update()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Escape cancel; all other keys belong to the window."""
        if event.key() != Qt.Key.Key_Escape or not self.cancel():
            event.ignore()

    def event(self, event: QEvent) -> bool:
        """Claim Escape while there is something to cancel; answer tooltips."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
            and (self._drag is not None or self._tool == BOX)
        ):
            event.accept()
            return True
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            text = self._tip_at(QPointF(event.pos()))
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def cancel(self) -> bool:
        """Give up the box in the making, else the box tool; False if there was neither."""
        if self._drag is not None:
            self._drag = None
        elif self._tool == BOX:
            self.set_tool(SELECT)
            self.toolChanged.emit(SELECT)
        else:
            return False
        self.update()
        return True

    def _finish_drag(self, drag: BoxDrag) -> None:
        self._drag = None
        self.update()
        if drag.candidate < 0:
            if is_large_enough(drag.box):
                self.set_tool(SELECT)
                self.boxDrawn.emit(*drag.box)
                self.toolChanged.emit(SELECT)
        elif drag.box != drag.origin:
            # The new box stays in sight until the results that contain it arrive.
            self._pending = drag
            self.boxChanged.emit(drag.candidate, *drag.box)

    def _click(self, position: QPointF) -> None:
        hits = self._candidates_at(position)
        chosen = hits[0] if hits else -1
        last, self._last_click = self._last_click, position
        again = last is not None and (position - last).manhattanLength() <= _SLACK
        if again and self._emphasis.selected in hits:
            chosen = hits[(hits.index(self._emphasis.selected) + 1) % len(hits)]
        self.candidateClicked.emit(chosen)

    def _candidates_at(self, position: QPointF) -> tuple[int, ...]:
        shown = self._visibility
        if (
            self._data is None
            or not self._is_own_camera()
            or not (shown.masks or shown.boxes)
            or position.y() < self._area()[1]
        ):
            return ()
        x, y = self._view.to_image(position.x(), position.y())
        return self._data.candidates_at(
            self._image_frame, x, y, _SLACK / self._view.scale, shown.masks, shown.boxes
        )

    def _hover(self, position: QPointF, tell: bool = True) -> None:
        hits = self._candidates_at(position) if self._drag is None else ()
        self._emphasize(hovered=hits[0] if hits and self._tool == SELECT else -1)
        self._set_cursor(position)
        if tell:
            self.pixelHovered.emit(self._probe(position, hits))

    def _probe(self, position: QPointF, hits: tuple[int, ...]) -> PixelProbe | None:
        if self._image is None or not self._is_on_picture(position):
            return None
        x, y = (int(v) for v in self._view.to_image(position.x(), position.y()))
        color = self._image.pixelColor(x, y)
        robot = (
            self._data is not None
            and self._is_own_camera()
            and self._data.is_on_robot(self._image_frame, x, y)
        )
        return PixelProbe(x, y, (color.red(), color.green(), color.blue()), hits, robot)

    def _tip_at(self, position: QPointF) -> str:
        hits = self._candidates_at(position)
        if position.y() < self._area()[1]:
            return "Camera, frame number of the episode, zoom in screen pixels per image pixel."
        return tip_of(self._data, hits[0]) if hits and self._data is not None else ""

    def _is_on_picture(self, position: QPointF) -> bool:
        x, y = self._view.to_image(position.x(), position.y())
        width, height = self.image_size
        return 0 <= x < width and 0 <= y < height and position.y() >= self._area()[1]

    def _editable_box(self) -> Box | None:
        """Box of the selected candidate where it may be adjusted: at the keyframe."""
        data, candidate = self._data, self._emphasis.selected
        if self._drag is not None and self._drag.candidate >= 0:
            return self._drag.box
        if (
            data is None
            or self._tool != SELECT
            or candidate not in data.by_id
            or self._image_frame != data.keyframe
            or not self._visibility.boxes
            or not self._is_own_camera()
        ):
            return None
        if self._pending is not None and self._pending.candidate == candidate:
            return self._pending.box
        return data.by_id[candidate].box

    def _handle_at(self, position: QPointF) -> Handle | None:
        edited = self._editable_box()
        if edited is None:
            return None
        return handle_at(self._view.box_to_view(edited), position.x(), position.y())

    def _set_cursor(self, position: QPointF | None) -> None:
        handle = self._handle_at(position) if position is not None else None
        if self._tool == BOX:
            shape = Qt.CursorShape.CrossCursor
        elif handle is not None:
            shape = _HANDLE_CURSORS[handle]
        elif self._emphasis.hovered >= 0:
            shape = Qt.CursorShape.PointingHandCursor
        else:
            shape = Qt.CursorShape.OpenHandCursor if self._can_pan() else Qt.CursorShape.ArrowCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)


def _sized(box: Box) -> tuple[float, float, float, float]:
    return box[0], box[1], box[2] - box[0], box[3] - box[1]


_HANDLE_CURSORS = {
    Handle.TOP_LEFT: Qt.CursorShape.SizeFDiagCursor,
    Handle.BOTTOM_RIGHT: Qt.CursorShape.SizeFDiagCursor,
    Handle.TOP_RIGHT: Qt.CursorShape.SizeBDiagCursor,
    Handle.BOTTOM_LEFT: Qt.CursorShape.SizeBDiagCursor,
    Handle.LEFT: Qt.CursorShape.SizeHorCursor,
    Handle.RIGHT: Qt.CursorShape.SizeHorCursor,
    Handle.TOP: Qt.CursorShape.SizeVerCursor,
    Handle.BOTTOM: Qt.CursorShape.SizeVerCursor,
}
