"""Shapes that mark winners, drawn so that no font has to have them."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPolygonF


def star(x: float, y: float, radius: float) -> QPolygonF:
    """A five-pointed star around (x, y), pixels."""
    points = []
    for i in range(10):
        length = radius if i % 2 == 0 else radius * 0.42
        angle = math.pi * (i / 5 - 0.5)
        points.append(QPointF(x + length * math.cos(angle), y + length * math.sin(angle)))
    return QPolygonF(points)
