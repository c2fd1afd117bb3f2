"""The picture with the results of the run before, beside the frame viewer."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from viewers.frame_header import HeaderText
from viewers.picking_canvas import PickingCanvas


class BeforeView(PickingCanvas):
    """Shows, can be zoomed, and lets candidates be clicked; nothing is edited here.

    Signals:
        candidateClicked: Candidate id *of the run before*, -1 for the ground.
        steered: The user zoomed or panned here: other views should follow.
        wheelStepped: Frames to go, positive forwards: Shift and the wheel.
    """

    steered = Signal()
    wheelStepped = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("The run before")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._press: QPointF | None = None
        self._what = ""

    def set_what(self, what: str) -> None:
        """Say how the run before differs, e.g. `proposals.backend regions → llmdet`."""
        self._what = what
        self.setAccessibleDescription(what)
        self.update()

    @property
    def header(self) -> HeaderText:
        """`before`, and what was changed since; frame and zoom are told by the frame viewer."""
        full = super().header
        return HeaderText(camera="before", badge=full.badge, hint=self._what or full.hint)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin panning or a click."""
        if self._picture is None:
            return
        if event.button() == Qt.MouseButton.MiddleButton:
            self._begin_pan(event.position())
        elif event.button() == Qt.MouseButton.LeftButton:
            self._press = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan; otherwise say what is under the mouse."""
        position = event.position()
        self._mouse = position
        if self._press is not None and self._is_far(position, self._press) and self._can_pan():
            self._begin_pan(self._press)
            self._press = None
        if self._go_on_panning(event):
            self.steered.emit()
        else:
            self._hover(position, modifiers=event.modifiers())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish panning or a click."""
        if self._pan_from is not None:
            self._pan_from = None
            self.unsetCursor()
            return
        press, self._press = self._press, None
        if press is not None and not self._is_far(event.position(), press):
            self._click(press)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole picture."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._press = None
            self.fit()
            self.steered.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor; with Shift step through the frames."""
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            delta = event.angleDelta().y() or event.angleDelta().x()
            if delta:
                self.wheelStepped.emit(-1 if delta > 0 else 1)
            event.accept()
        else:
            super().wheelEvent(event)
            self.steered.emit()
