"""A picture on which the robot is pointed at: clicks on it and beside it, and where they were."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from viewers import tool_marks
from viewers.point_canvas import PointCanvas

MARK = "mark"
"""Name of the tool that points at the robot."""


@dataclass(frozen=True, slots=True)
class RobotMark:
    """A click on the robot or beside it.

    Attributes:
        frame: Frame of the episode.
        x: Image pixels.
        y: Image pixels.
        inside: True on the robot.
    """

    frame: int
    x: float
    y: float
    inside: bool


class MarkingCanvas(PointCanvas):
    """Shows where the robot was pointed at, and tells of new clicks.

    Signals:
        robotMarked: `RobotMark` that the user made.
    """

    robotMarked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._robot_marks: tuple[RobotMark, ...] = ()

    def set_robot_marks(self, marks: tuple[RobotMark, ...]) -> None:
        """Show where the robot was pointed at; each at its own frame. Emits nothing."""
        self._robot_marks = marks
        self.update()

    def _reason_not_to_mark(self) -> str:
        """Why the robot cannot be pointed at here, empty if it can."""
        if self._data is not None and not self._is_own_camera():
            camera = self._data.proposals.camera.removeprefix("observation.images.")
            return f"the robot is looked for on {camera}"
        return ""

    def _mark(self, position: QPointF, button: Qt.MouseButton) -> None:
        """Tell of a click: the left button is on the robot, the right one beside it."""
        inside = button == Qt.MouseButton.LeftButton
        if not inside and button != Qt.MouseButton.RightButton:
            return
        if self._reason_not_to_mark() or not self._is_on_picture(position):
            return
        x, y = self._view.to_image(position.x(), position.y())
        self.robotMarked.emit(RobotMark(self._image_frame, x, y, inside))

    def _paint_robot_marks(self, painter: QPainter) -> None:
        if self._reason_not_to_mark() or not self._visibility.robot:
            return
        for mark in self._robot_marks:
            if mark.frame == self._image_frame:
                at = QPointF(*self._view.to_view(mark.x, mark.y))
                tool_marks.paint_robot_mark(painter, at, mark.inside)
