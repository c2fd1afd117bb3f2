"""Small drawn icons of the overlays, in the colour of the palette's text."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap

SIDE = 16


def overlay_icon(name: str, color: QColor, disabled: QColor, ratio: float) -> QIcon:
    """Return the icon of an overlay.

    Args:
        name: A field of `OverlayVisibility`, `only`, or a tool (`box`, `paint`, `erase`, `mark`).
        color: Lines.
        disabled: Lines while the button is disabled.
        ratio: Device pixels per logical pixel.
    """
    icon = QIcon()
    for ink, mode in ((color, QIcon.Mode.Normal), (disabled, QIcon.Mode.Disabled)):
        pixmap = QPixmap(round(SIDE * ratio), round(SIDE * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(
            QPen(
                ink, 1.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
            )
        )
        _draw(painter, name, ink)
        painter.end()
        icon.addPixmap(pixmap, mode)
    return icon


def _draw(painter: QPainter, name: str, ink: QColor) -> None:
    frame = QRectF(2.5, 3.5, 11, 9)
    if name == "masks":
        blob = QPainterPath(QPointF(3, 9))
        blob.cubicTo(2, 3, 8, 1, 10, 4)
        blob.cubicTo(15, 5, 14, 12, 10, 12)
        blob.cubicTo(7, 15, 3, 13, 3, 9)
        veil = QColor(ink)
        veil.setAlpha(110)
        painter.setBrush(veil)
        painter.drawPath(blob)
    elif name == "boxes":
        painter.drawRect(frame)
    elif name == "tracks":
        path = QPainterPath(QPointF(2, 13))
        path.cubicTo(4, 4, 9, 13, 12, 5)
        painter.drawPath(path)
        painter.setBrush(ink)
        painter.drawEllipse(QPointF(12, 4.5), 1.8, 1.8)
    elif name == "labels":
        tag = QPainterPath(QPointF(2.5, 5))
        for x, y in ((9.5, 5), (13.5, 8.5), (9.5, 12), (2.5, 12)):
            tag.lineTo(x, y)
        tag.closeSubpath()
        painter.drawPath(tag)
        painter.drawPoint(QPointF(9, 8.5))
    elif name == "gripper":
        painter.drawEllipse(QPointF(8, 8), 4.2, 4.2)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(
                QPointF(8 + 2.5 * dx, 8 + 2.5 * dy), QPointF(8 + 6.5 * dx, 8 + 6.5 * dy)
            )
    elif name == "robot":
        painter.drawRoundedRect(frame, 2, 2)
        for x in (3.5, 7.5):
            painter.drawLine(QPointF(x, 12), QPointF(x + 5, 4))
    elif name == "target":
        painter.setPen(QPen(ink, 1.5, Qt.PenStyle.DotLine))
        painter.drawRect(frame)
        painter.setBrush(ink)
        painter.drawEllipse(QPointF(8, 8), 1, 1)
    elif name == "truth":
        painter.drawEllipse(QPointF(8, 4.5), 2.4, 2.4)
        body = QPainterPath(QPointF(3, 14))
        body.cubicTo(3, 7, 13, 7, 13, 14)
        painter.drawPath(body)
    elif name == "only":
        painter.drawEllipse(QPointF(8, 8), 6, 6)
        painter.setBrush(ink)
        painter.drawEllipse(QPointF(8, 8), 2.4, 2.4)
    elif name == "paint":
        painter.drawLine(QPointF(13.5, 2.5), QPointF(8, 8))
        tip = QPainterPath(QPointF(8.5, 9.5))
        tip.cubicTo(8, 13, 5, 14, 2, 13.5)
        tip.cubicTo(4, 12, 3, 8.5, 6.5, 7.5)
        tip.closeSubpath()
        painter.setBrush(ink)
        painter.drawPath(tip)
    elif name == "erase":
        block = QPainterPath(QPointF(2.5, 10))
        for x, y in ((8.5, 3), (13.5, 7), (8, 13.5), (5, 13.5)):
            block.lineTo(x, y)
        block.closeSubpath()
        painter.drawPath(block)
        painter.drawLine(QPointF(5.5, 6.5), QPointF(10.8, 10.5))
        painter.drawLine(QPointF(8, 13.7), QPointF(13.5, 13.7))
    elif name == "mark":
        painter.drawRoundedRect(QRectF(2, 5.5, 8.5, 8), 2, 2)
        painter.drawLine(QPointF(12.5, 1.5), QPointF(12.5, 7.5))
        painter.drawLine(QPointF(9.5, 4.5), QPointF(15.5, 4.5))
    elif name == "box":
        painter.drawRect(QRectF(2, 2.5, 8.5, 8.5))
        painter.drawLine(QPointF(12.5, 9.5), QPointF(12.5, 15))
        painter.drawLine(QPointF(9.8, 12.2), QPointF(15.2, 12.2))
