"""What the mouse tools paint over the picture: crosshair, rubber band, handles, brush."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from pipeline.model.candidate import Box
from viewers.box_tool import HANDLE_SIZE, Handle

_DARK = QColor(0, 0, 0, 150)
_LIGHT = QColor(255, 255, 255, 225)


def paint_crosshair(painter: QPainter, at: QPointF, width: int, height: int) -> None:
    """Lines through the mouse over the whole widget, to start a box on an edge of the thing."""
    x, y = round(at.x()), round(at.y())
    for pen in (QPen(_DARK, 3), QPen(_LIGHT, 1)):
        painter.setPen(pen)
        painter.drawLine(0, y, width, y)
        painter.drawLine(x, 0, x, height)


def paint_rubber_band(painter: QPainter, box: Box, accent: QColor) -> None:
    """The box in the making; `box` in widget coordinates."""
    rect = QRectF(box[0], box[1], box[2] - box[0], box[3] - box[1])
    veil = QColor(accent)
    veil.setAlpha(50)
    painter.setBrush(veil)
    painter.setPen(QPen(_DARK, 3))
    painter.drawRect(rect)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(accent.lighter(140), 1, Qt.PenStyle.SolidLine))
    painter.drawRect(rect)


def paint_handles(painter: QPainter, box: Box) -> None:
    """Eight squares around `box`, widget coordinates."""
    painter.setPen(QPen(QColor(20, 20, 20), 1))
    painter.setBrush(QColor(255, 255, 255))
    half = HANDLE_SIZE / 2
    for handle in Handle:
        x, y = handle.position(box)
        painter.drawRect(QRectF(round(x - half), round(y - half), 2 * half, 2 * half))


def paint_brush(painter: QPainter, at: QPointF, radius: float, erases: bool) -> None:
    """A circle of the brush's size; dashed, with a minus in it, while it erases.

    Args:
        painter: Of the widget.
        at: The mouse, logical pixels.
        radius: Logical pixels.
        erases: True for the eraser.
    """
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    reach = max(radius, 1.5)
    style = Qt.PenStyle.DashLine if erases else Qt.PenStyle.SolidLine
    arm = min(max(reach * 0.4, 3.0), 6.0)
    for pen in (QPen(_DARK, 3.5), QPen(_LIGHT, 1.5)):
        painter.setPen(pen)
        painter.drawLine(QPointF(at.x() - arm, at.y()), QPointF(at.x() + arm, at.y()))
        if not erases:
            painter.drawLine(QPointF(at.x(), at.y() - arm), QPointF(at.x(), at.y() + arm))
    painter.setPen(QPen(_DARK, 3))
    painter.drawEllipse(at, reach, reach)
    painter.setPen(QPen(_LIGHT, 1.5, style))
    painter.drawEllipse(at, reach, reach)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def paint_robot_mark(painter: QPainter, at: QPointF, inside: bool) -> None:
    """A plus in a disc where the robot was pointed at, a minus where what is not the robot was.

    Args:
        painter: Of the widget.
        at: Logical pixels.
        inside: True on the robot.
    """
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(_LIGHT, 1.5))
    painter.setBrush(QColor(20, 20, 20, 200))
    painter.drawEllipse(at, 6.5, 6.5)
    painter.drawLine(QPointF(at.x() - 3.5, at.y()), QPointF(at.x() + 3.5, at.y()))
    if inside:
        painter.drawLine(QPointF(at.x(), at.y() - 3.5), QPointF(at.x(), at.y() + 3.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


HANDLE_CURSORS = {
    Handle.TOP_LEFT: Qt.CursorShape.SizeFDiagCursor,
    Handle.BOTTOM_RIGHT: Qt.CursorShape.SizeFDiagCursor,
    Handle.TOP_RIGHT: Qt.CursorShape.SizeBDiagCursor,
    Handle.BOTTOM_LEFT: Qt.CursorShape.SizeBDiagCursor,
    Handle.LEFT: Qt.CursorShape.SizeHorCursor,
    Handle.RIGHT: Qt.CursorShape.SizeHorCursor,
    Handle.TOP: Qt.CursorShape.SizeVerCursor,
    Handle.BOTTOM: Qt.CursorShape.SizeVerCursor,
}
"""Mouse cursor over each handle."""
