"""The timeline: signals, phases, subtasks and candidates of an episode over one frame axis."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QRegion, QWheelEvent
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from widgets.timeline_edits import EditableTimeline
from widgets.timeline_gestures import (
    BoundaryGrab,
    RangeGrab,
    ScrubGrab,
    SubtaskGrab,
    ThresholdGrab,
    grab_at,
)
from widgets.timeline_lanes import GUTTER
from widgets.timeline_tips import wrapped
from widgets.timeline_view import RULER

_ZOOM = 0.8
_NOTCH = 120


class Timeline(EditableTimeline):
    """Lanes of one episode over a shared axis in frames.

    Click seeks, drag scrubs, the wheel steps, Ctrl + wheel zooms at the mouse, Shift + wheel
    moves along, a double click shows everything, Shift + drag selects a loop range. Thresholds
    and phase boundaries are dragged in place; Esc gives a drag up. The right button on a phase
    splits, merges and names.

    Signals:
        frameChosen: Frame the user went to (also while a boundary is dragged).
        rangeSelected: Loop range [start, end); start == end means that it was cleared.
        thresholdsChanged: tau and delta while a threshold is dragged.
        thresholdsCommitted: tau and delta when the drag ended.
        subtaskClicked: Index of a subtask.
    """

    frameChosen = Signal(int)
    rangeSelected = Signal(int, int)
    thresholdsChanged = Signal(float, float)
    thresholdsCommitted = Signal(float, float)
    subtaskClicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._pressed = QPointF()
        self._moved = False
        self._wheel = 0

    # Mouse ----------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a drag, or seek."""
        if event.button() is not Qt.MouseButton.LeftButton or self._content.length <= 0:
            super().mousePressEvent(event)
            return
        self._pressed, self._moved = event.position(), False
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._grab = RangeGrab(self._axis.frame_at(event.position().x()))
            return
        self._grab = grab_at(event.position(), self._lanes, self._axis, self._thresholds)
        if self._grab is None:
            self._grab = ScrubGrab()
            if event.position().x() >= self._axis.left:
                self._go_to(self._axis.frame_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag, or tell what lies under the mouse."""
        point = event.position()
        if self._grab is None:
            self._hover_at(point)
            return
        far = (point - self._pressed).manhattanLength() >= QApplication.startDragDistance() // 3
        if not self._moved and not far:
            return
        self._moved = True
        frame = self._axis.frame_at(point.x())
        if isinstance(self._grab, ThresholdGrab):
            together = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            now = self._grab.dragged(point.y(), together)
            if now != (self._thresholds or self._grab.start):
                self._thresholds = now
                self.update()
                self.thresholdsChanged.emit(now.tau, now.delta)
        elif isinstance(self._grab, BoundaryGrab):
            moved = self._grab.dragged(point.x(), self._axis)
            if moved != self._boundary:
                self._boundary = moved
                self.update()
                self._go_to(min(moved.frame, self._content.length - 1))
        elif isinstance(self._grab, RangeGrab):
            low, high = sorted((self._grab.anchor, frame))
            self.set_range((low, high + 1))
        else:
            self._go_to(frame)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish a drag; a press without one is a click."""
        grab, self._grab = self._grab, None
        if grab is None or event.button() is not Qt.MouseButton.LeftButton:
            super().mouseReleaseEvent(event)
            return
        if isinstance(grab, ThresholdGrab) and self._moved and self._thresholds is not None:
            self.thresholdsCommitted.emit(self._thresholds.tau, self._thresholds.delta)
        elif isinstance(grab, BoundaryGrab) and self._moved and self._boundary is not None:
            moved = self._boundary
            if moved.frame != grab.frame:
                self.boundaryMoved.emit(moved.lane.arm.arm, moved.index, moved.frame)
        elif isinstance(grab, RangeGrab):
            if not self._moved:
                self.set_range(None)
            self.rangeSelected.emit(*(self._range or (grab.anchor, grab.anchor)))
        elif isinstance(grab, SubtaskGrab) and not self._moved:
            self.subtaskClicked.emit(grab.index)
        elif isinstance(grab, ThresholdGrab | BoundaryGrab):
            self._go_to(self._axis.frame_at(event.position().x()))
        self._hover_at(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole episode."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.reset_view()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Step through frames, zoom with Ctrl, move along with Shift or sideways."""
        delta = event.angleDelta()
        if self._content.length <= 0 or delta.isNull():
            super().wheelEvent(event)
            return
        modifiers = event.modifiers()
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            factor = _ZOOM ** (delta.y() / _NOTCH)
            self._show(self._axis.zoomed(factor, event.position().x()))
        elif modifiers & Qt.KeyboardModifier.ShiftModifier or abs(delta.x()) > abs(delta.y()):
            turned = delta.x() if abs(delta.x()) > abs(delta.y()) else delta.y()
            shown = self._axis.last - self._axis.first
            self._show(self._axis.panned(-turned / _NOTCH * shown / 10))
        else:
            self._wheel -= delta.y()
            # Touch pads turn in small parts of a notch.
            notches = int(self._wheel / _NOTCH)
            self._wheel -= notches * _NOTCH
            if notches:
                self._go_to(self._frame + notches)
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """The bottom line tells of the cursor again."""
        self._hover = None
        self.update()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows step, Home and End jump, +, - and 0 zoom, Esc gives a drag up."""
        key, length = Qt.Key(event.key()), self._content.length
        step = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        if key is Qt.Key.Key_Escape and self._grab is not None:
            self._drop_grab()
            self.update()
        elif length <= 0:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._go_to(self._frame + (step if key is Qt.Key.Key_Right else -step))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self._go_to(0 if key is Qt.Key.Key_Home else length - 1)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self.zoom(1 / _ZOOM if key is Qt.Key.Key_Minus else _ZOOM)
        elif key is Qt.Key.Key_0:
            self.reset_view()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Explain what lies under the mouse."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            text = self.tip_at(event.pos())
            if text:
                QToolTip.showText(event.globalPos(), wrapped(text), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def tip_at(self, point: QPoint) -> str:
        """Explanation of a lane (over its title), of a marker or of what can be dragged."""
        if point.y() < RULER:
            near = [
                m.text
                for m in self._content.markers()
                if abs(self._axis.middle(m.frame) - point.x()) <= 7
            ]
            axis = "Frames of the episode and seconds from its start."
            return "\n".join(near) or (axis if self._content.length else "")
        lane = next((lane for lane in self._lanes if lane.rect.contains(QPointF(point))), None)
        if lane is not None and point.x() < GUTTER:
            return lane.tip
        grab = grab_at(QPointF(point), self._lanes, self._axis, self._thresholds)
        if isinstance(grab, ThresholdGrab):
            now = grab.start
            text = (
                f"τ = {now.tau:.3g}, δ = {now.delta:.3g}: closed below {now.close:.2f}, open above "
                f"{now.opened:.2f}. Drag to change; with Ctrl both lines move."
            )
            below = grab.lane.tip_over(QPointF(point), self._axis)
            return f"{text}\n{below}" if below else text
        if isinstance(grab, BoundaryGrab):
            return grab.lane.boundary_tip(grab.index)
        return "" if lane is None else lane.tip_over(QPointF(point), self._axis)

    def _hover_at(self, point: QPointF) -> None:
        inside = point.x() >= self._axis.left and self._content.length > 0
        hover = self._axis.frame_at(point.x()) if inside else None
        grab = grab_at(point, self._lanes, self._axis, self._thresholds)
        shape = Qt.CursorShape.ArrowCursor
        if isinstance(grab, ThresholdGrab):
            shape = Qt.CursorShape.SizeVerCursor
        elif isinstance(grab, BoundaryGrab):
            shape = Qt.CursorShape.SizeHorCursor
        elif isinstance(grab, SubtaskGrab):
            shape = Qt.CursorShape.PointingHandCursor
        if self.cursor().shape() is not shape:
            self.setCursor(shape)
        if hover != self._hover:
            dirty = QRegion(self._readout_rect())
            for frame in (self._hover, hover):
                if frame is not None:
                    dirty |= self._cursor_region(frame)
            self._hover = hover
            self.update(dirty)

    def _go_to(self, frame: int) -> None:
        before = self._frame
        self.set_frame(frame)
        if self._frame != before:
            self.frameChosen.emit(self._frame)

    def _drop_grab(self) -> None:
        grab, self._grab = self._grab, None
        if isinstance(grab, ThresholdGrab):
            self._thresholds = None
            if self._moved:
                self.thresholdsChanged.emit(grab.start.tau, grab.start.delta)
        self._boundary = None
