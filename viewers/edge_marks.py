"""Points on depth edges, marked in the picture: hollow dots, told by shape and not by colour."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from pipeline.model.arrays import Bool
from pipeline.model.candidate import TracksResult
from pipeline.model.palette import candidate_color
from viewers.rerun_points import row_shown
from viewers.track_points import heads_at
from viewers.view_transform import ViewTransform

RADIUS = 3.0
"""Logical pixels: a little more than the head of a tail."""
_CASING = QColor(0, 0, 0, 190)


def paint_edge_marks(
    painter: QPainter,
    tracks: TracksResult,
    on_edge: Bool,
    frame: int,
    step: float,
    view: ViewTransform,
    candidate: int,
) -> None:
    """Paint the seen points of one candidate that lie on depth edges, in widget coordinates.

    Args:
        painter: Its state is kept.
        tracks: The tracks; only what they kept is drawn.
        on_edge: (F, N) bool of the lifting; (0, 0) paints nothing.
        frame: Frame of the episode.
        step: Usual distance of two tracked frames.
        view: Where the picture lies.
        candidate: Whose points; of all candidates they would hide the picture.
    """
    row = row_shown(tracks, frame)
    if row < 0 or on_edge.shape != tracks.visible.shape:
        return
    heads, seen = heads_at(tracks, frame, step)
    own = seen & tracks.kept & on_edge[row] & (tracks.candidate == candidate)
    places = [QPointF(*view.to_view(x, y)) for x, y in heads[np.flatnonzero(own)].tolist()]
    if not places:
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(_CASING, 3.5), QPen(QColor(*candidate_color(candidate)), 1.5)):
        painter.setPen(pen)
        for place in places:
            painter.drawEllipse(place, RADIUS, RADIUS)
    painter.restore()
