"""The selected point on the picture: a ring, and where it came from."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from pipeline.model.candidate import TracksResult
from pipeline.model.palette import candidate_color
from viewers.track_points import heads_at
from viewers.view_transform import ViewTransform

RADIUS = 7.0
"""Logical pixels from the point to the middle of its ring."""
_CASING = QColor(0, 0, 0, 190)
_RING = QColor(255, 255, 255)


def paint_point(
    painter: QPainter,
    tracks: TracksResult,
    point: int,
    frame: int,
    step: float,
    tail: int,
    view: ViewTransform,
) -> None:
    """Paint a point in widget coordinates; where it is not seen its ring is dashed.

    Args:
        painter: Its state is kept.
        tracks: The tracks.
        point: Column of the tracks; one that is not there paints nothing.
        frame: Frame of the episode.
        step: Usual distance of two tracked frames.
        tail: Length of the tail in tracked frames.
        view: Where the picture lies.
    """
    if not 0 <= point < len(tracks.candidate):
        return
    heads, seen = heads_at(tracks, frame, step)
    x, y = heads[point].tolist()
    if not np.isfinite((x, y)).all():
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    color = QColor(*candidate_color(int(tracks.candidate[point])))
    for piece in _pieces(tracks, point, frame, tail, (x, y) if seen[point] else None):
        line = QPolygonF([QPointF(*view.to_view(*place)) for place in piece])
        for pen in (QPen(_CASING, 7.0), QPen(color, 4.0)):
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawPolyline(line)
    place = QPointF(*view.to_view(x, y))
    style = Qt.PenStyle.SolidLine if seen[point] else Qt.PenStyle.DotLine
    painter.setPen(QPen(_CASING, 5.0))
    painter.drawEllipse(place, RADIUS, RADIUS)
    painter.setPen(QPen(_RING, 2.5, style))
    painter.drawEllipse(place, RADIUS, RADIUS)
    painter.restore()


def _pieces(
    tracks: TracksResult, point: int, frame: int, tail: int, head: tuple[float, float] | None
) -> list[list[tuple[float, float]]]:
    """Places of the point during the last `tail` tracked frames, in unbroken pieces."""
    after = bisect_right(tracks.frames, frame)
    rows = slice(max(0, after - tail), after)
    points = tracks.points[rows, point] + np.float32(0.5)
    seen = tracks.visible[rows, point] & np.isfinite(points).all(axis=1)
    pieces: list[list[tuple[float, float]]] = [[]]
    for (x, y), there in zip(points.tolist(), seen.tolist(), strict=True):
        if there:
            pieces[-1].append((x, y))
        elif pieces[-1]:
            pieces.append([])
    if head is not None:
        pieces[-1].append(head)
    return [piece for piece in pieces if len(piece) > 1]
