"""The frame viewer: one camera's frame with what the pipeline found in it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPalette,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from pipeline.model.candidate import Box
from viewers import tool_marks
from viewers.box_tool import BoxDrag, Handle, handle_at, is_inside, is_large_enough, is_on_edge
from viewers.brush_canvas import ERASE, PAINT, BrushCanvas
from viewers.marking_canvas import MARK
from viewers.overlays import OverlayData

SELECT = "select"
BOX = "box"
TOOLS = (SELECT, BOX, PAINT, ERASE, MARK)
_BRUSHES = (PAINT, ERASE)
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
NUDGE = 1.0
FAR_NUDGE = 10.0
"""Image pixels by which Ctrl and an arrow key move the selected box, and with Shift as well."""


class FrameViewer(BrushCanvas):
    """Shows a frame with overlays; candidates can be clicked, boxes drawn, masks painted.

    The selected candidate's box can be changed at the keyframe: by its handles, by its edge or
    with Ctrl and the mouse inside it, by Ctrl and the arrow keys. A plain drag inside it pans:
    people look far more often than they correct.

    Signals:
        boxDrawn: x0, y0, x1, y1 of a new box, image pixels.
        boxChanged: Candidate id and its new box, image pixels, when a drag or a row of key
            presses has ended.
        toolChanged: One of `TOOLS`, when the viewer itself changed it: after a box was drawn
            and when Escape was pressed.
        wheelStepped: Frames to go, positive forwards: Shift and the wheel.
        copyRequested: Ctrl+C was pressed.
    """

    boxDrawn = Signal(float, float, float, float)
    boxChanged = Signal(int, float, float, float, float)
    toolChanged = Signal(str)
    wheelStepped = Signal(int)
    copyRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Frame")
        self._tool = SELECT
        self._drag: BoxDrag | None = None
        self._pending: BoxDrag | None = None
        self._nudging = False
        self._press: QPointF | None = None

    # Setters; none of them emits.

    def set_overlays(self, data: OverlayData | None) -> None:
        """Show other results. The winner becomes that of their scores."""
        old = self._data
        if old is None or data is None or data.proposals is not old.proposals:
            self.settle()
            if self._drag is not None and self._drag.candidate >= 0:
                self._drag = None
        super().set_overlays(data)

    def settle(self) -> None:
        """Show the boxes of the results: no change of a box waits for new ones any more."""
        self._pending, self._nudging = None, False
        self.update()

    def set_selected(self, candidate: int) -> None:
        """Select a candidate, -1 for none."""
        if candidate != self._emphasis.selected:
            self._commit_nudge()
            self._pending = None
        super().set_selected(candidate)

    def set_tool(self, tool: str) -> None:
        """Choose the mouse tool, one of `TOOLS`. Raises ValueError."""
        if tool not in TOOLS:
            names = ", ".join(repr(name) for name in TOOLS)
            raise ValueError(f"tool: expected one of {names}, got {tool!r}")
        self._tool = tool
        self._drag = self._stroke = None
        self._set_cursor(None)
        self.update()

    @property
    def tool(self) -> str:
        """The mouse tool in force."""
        return self._tool

    def _brush(self) -> str:
        return self._tool if self._tool in _BRUSHES else ""

    # Painting.

    def _moved_boxes(self) -> tuple[tuple[int, Box], ...]:
        drag = self._drag if self._drag is not None and self._drag.candidate >= 0 else self._pending
        return ((drag.candidate, drag.box),) if drag is not None else ()

    def _tool_hint(self) -> str:
        if self._tool == MARK:
            return self._reason_not_to_mark() or "mark the robot"
        return self._brush_hint() if self._tool in _BRUSHES else ""

    def _paint_tool(self, painter: QPainter) -> None:
        """Paint the rubber band, the crosshair, the handles and the brush."""
        self._paint_robot_marks(painter)
        edited = self._editable_box()
        if self._tool == SELECT and edited is None:
            return
        painter.setClipRect(QRectF(*_sized(self._area())))
        on_picture = self._mouse is not None and self._is_on_picture(self._mouse)
        if self._tool == BOX:
            if self._mouse is not None and on_picture:
                tool_marks.paint_crosshair(painter, self._mouse, self.width(), self.height())
            if self._drag is not None:
                box = self._view.box_to_view(self._drag.box)
                accent = self.palette().color(QPalette.ColorRole.Highlight)
                tool_marks.paint_rubber_band(painter, box, accent)
        elif self._tool in _BRUSHES and self._mouse is not None and on_picture:
            self._paint_brush(painter, self._mouse)
        if edited is not None:
            tool_marks.paint_handles(painter, self._view.box_to_view(edited))
        painter.setClipping(False)

    # Mouse and keys.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a box, a stroke, a drag of a box, panning, or a click."""
        if self._picture is None:
            return
        position, button = event.position(), event.button()
        if button == Qt.MouseButton.MiddleButton:
            self._begin_pan(position)
        elif self._tool == MARK:
            self._mark(position, button)
        elif self._tool in _BRUSHES:
            if button in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
                self._begin_stroke(position, button == Qt.MouseButton.RightButton)
        elif button == Qt.MouseButton.LeftButton:
            self._commit_nudge()
            x, y = self._view.to_image(position.x(), position.y())
            handle = self._handle_at(position)
            edited = self._editable_box()
            if self._tool == BOX:
                if self._area()[1] <= position.y():
                    self._drag = BoxDrag.new(x, y, self.image_size)
            elif handle is not None and edited is not None:
                self._drag = BoxDrag.change(self._emphasis.selected, edited, handle)
            else:
                if edited is not None and self._is_grip(position, event.modifiers()):
                    self._drag = BoxDrag.move(self._emphasis.selected, edited, x, y)
                self._press = position
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow a drag; otherwise say what is under the mouse."""
        position = event.position()
        self._mouse = position
        if self._go_on_panning(event):
            return
        x, y = self._view.to_image(position.x(), position.y())
        if self._stroke is not None:
            self._stroke.go((x, y), self.brush_radius)
            self.update()
        elif self._drag is not None:
            if self._press is None or self._is_far(position, self._press):
                self._press = None
                self._drag = self._drag.moved(x, y, self.image_size)
                self.update()
        elif self._press is not None:
            if self._is_far(position, self._press) and self._can_pan():
                self._begin_pan(self._press)
                self._press = None
                self._go_on_panning(event)
            return
        self._hover(position, modifiers=event.modifiers())
        if self._tool != SELECT:
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish a drag, a stroke or a click."""
        if self._pan_from is not None:
            self._pan_from = None
            self._set_cursor(event.position())
            return
        if self._stroke is not None:
            self._finish_stroke(self._stroke)
            return
        if event.button() != Qt.MouseButton.LeftButton:
            return
        press, self._press = self._press, None
        if self._drag is not None and press is None:
            self._finish_drag(self._drag)
        elif press is not None:
            self._drag = None
            if not self._is_far(event.position(), press):
                self._click(press)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole picture; with another tool the second press is one of that tool."""
        if self._tool != SELECT or event.button() != Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)
        else:
            self._press = self._drag = None
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor; with Shift step through the frames, with Ctrl resize the brush."""
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            # Some platforms turn the wheel sideways while Shift is held.
            delta = event.angleDelta().y() or event.angleDelta().x()
            if delta:
                self.wheelStepped.emit(-1 if delta > 0 else 1)
            event.accept()
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            delta = event.angleDelta().y()
            if self._tool in _BRUSHES and delta:
                self.resize_brush(1 if delta > 0 else -1)
                event.accept()
            else:
                event.ignore()
        else:
            super().wheelEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take over a box that was moved by the keyboard."""
        self._commit_nudge()
        super().focusOutEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Escape cancel, Ctrl and the arrows move the box; other keys are the window's."""
        if not self._claims(event):
            event.ignore()
        elif event.key() == Qt.Key.Key_Escape:
            self.cancel()
        elif event.key() in _ARROWS:
            self._nudge(event)
        else:
            self.copyRequested.emit()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Take over the moved box when Ctrl is released: one edit for many presses."""
        if event.key() == Qt.Key.Key_Control and not event.isAutoRepeat():
            self._commit_nudge()
        super().keyReleaseEvent(event)

    def event(self, event: QEvent) -> bool:
        """Claim keys while they mean something here."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and self._claims(event)
        ):
            event.accept()
            return True
        return super().event(event)

    def _claims(self, event: QKeyEvent) -> bool:
        """True if a key means something here at the moment."""
        if event.key() == Qt.Key.Key_Escape:
            return self._can_cancel()
        if event.key() in _ARROWS:
            ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            return ctrl and self._editable_box() is not None
        return event.matches(QKeySequence.StandardKey.Copy) and self._picture is not None

    def _can_cancel(self) -> bool:
        busy = self._drag is not None or self._stroke is not None or self._nudging
        return busy or self._tool != SELECT or self.selected_point >= 0

    def cancel(self) -> bool:
        """Give up the box or stroke in the making, else tool or point; False if there is none."""
        if not self._can_cancel():
            return False
        if self._drag is not None or self._stroke is not None or self._nudging:
            if self._nudging:
                self._pending = None
            self._drag = self._stroke = self._press = None
            self._nudging = False
        elif self._tool != SELECT:
            self.set_tool(SELECT)
            self.toolChanged.emit(SELECT)
        else:
            self._drop_point()
        self.update()
        return True

    # Boxes.

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

    def _nudge(self, event: QKeyEvent) -> None:
        edited, candidate = self._editable_box(), self._emphasis.selected
        if edited is None:
            return
        far = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        step = FAR_NUDGE if far else NUDGE
        dx, dy = _ARROWS[Qt.Key(event.key())]
        start = self._pending if self._nudging and self._pending is not None else None
        start = start or BoxDrag(candidate, None, edited, edited)
        self._pending, self._nudging = start.nudged(dx * step, dy * step, self.image_size), True
        self.update()

    def _commit_nudge(self) -> None:
        drag, nudging = self._pending, self._nudging
        self._nudging = False
        if nudging and drag is not None and drag.box != drag.origin:
            self.boxChanged.emit(drag.candidate, *drag.box)

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
            or not self._visibility.selected
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

    def _is_grip(self, position: QPointF, modifiers: Qt.KeyboardModifier) -> bool:
        """True where a drag moves the selected box: on its edge, or inside with Ctrl."""
        edited = self._editable_box()
        if edited is None:
            return False
        box, x, y = self._view.box_to_view(edited), position.x(), position.y()
        with_ctrl = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        return is_on_edge(box, x, y) or (with_ctrl and is_inside(box, x, y))

    # The mouse over the picture.

    def _may_pick(self) -> bool:
        return self._drag is None and self._stroke is None and self._tool == SELECT

    def _set_cursor(
        self,
        position: QPointF | None,
        modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        handle = self._handle_at(position) if position is not None else None
        if self._tool in _BRUSHES and self._reason_not_to_paint():
            shape = Qt.CursorShape.ForbiddenCursor
        elif self._tool != SELECT:
            shape = Qt.CursorShape.CrossCursor
        elif handle is not None:
            shape = tool_marks.HANDLE_CURSORS[handle]
        elif position is not None and self._is_grip(position, modifiers):
            shape = Qt.CursorShape.SizeAllCursor
        elif self._emphasis.hovered >= 0:
            shape = Qt.CursorShape.PointingHandCursor
        else:
            shape = Qt.CursorShape.OpenHandCursor if self._can_pan() else Qt.CursorShape.ArrowCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)


def _sized(box: Box) -> tuple[float, float, float, float]:
    return box[0], box[1], box[2] - box[0], box[3] - box[1]
