"""Lanes of the timeline: what each shows, how it is painted and what can be grabbed in it.

A lane paints its static content between `axis.left` and `axis.right` and its title and scale in
the gutter left of it. It knows nothing of the mouse; `widgets.timeline_gestures` asks it what
lies at a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from pipeline.model.palette import TRUTH
from widgets.frame_axis import FrameAxis
from widgets.polylines import envelope, lines_of, polygon
from widgets.timeline_ink import Ink

GUTTER = 104
"""Pixels left of the lanes, for titles and scales."""
LEAST_HEIGHT = 20.0
"""Pixels of a signal lane in which its course can still be told."""
_PAD = 3.0
_SMOOTH = 240
_PIECE = 16
_ANTIALIASING = QPainter.RenderHint.Antialiasing


class Lane:
    """One row of the timeline.

    Attributes:
        title: Shown in the gutter.
        tip: What the lane shows: definition, unit, formula, source.
        fixed: Height in pixels, 0 if it takes a share of what is left.
        weight: Share of what is left.
        rect: Where it is, gutter included; set by the layout.
        strong: Title in the text colour instead of the muted one.
    """

    fixed = 0.0
    weight = 0.0

    def __init__(self, title: str, tip: str) -> None:
        self.title = title
        self.tip = tip
        self.rect = QRectF()
        self.strong = False

    def plot(self, axis: FrameAxis) -> QRectF:
        """The lane without its gutter."""
        return QRectF(axis.left, self.rect.top(), axis.width, self.rect.height())

    def scale(self) -> tuple[str, str]:
        """Labels at the bottom and at the top of the gutter; empty for none."""
        return ("", "")

    def tip_over(self, point: QPointF, axis: FrameAxis) -> str:
        """Explanation of what lies under a point of the plot; empty where nothing does."""
        return ""

    def paint(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """Paint the static content; the painter is clipped to `plot`."""

    def paint_gutter(self, painter: QPainter, ink: Ink) -> None:
        """Paint title and scale."""
        box = QRectF(8, self.rect.top(), GUTTER - 14, self.rect.height())
        low, high = self.scale()
        painter.setFont(ink.small)
        painter.setPen(ink.muted)
        metrics = QFontMetricsF(ink.small)
        tall = self.rect.height() >= 2 * metrics.height() + 2
        used = 0.0
        if tall and (low or high):
            flags = Qt.AlignmentFlag.AlignRight
            painter.drawText(box, flags | Qt.AlignmentFlag.AlignTop, high)
            painter.drawText(box, flags | Qt.AlignmentFlag.AlignBottom, low)
            used = max(metrics.horizontalAdvance(t) for t in (low, high)) + 6
        painter.setFont(ink.font)
        painter.setPen(ink.text if self.strong else ink.muted)
        title = QFontMetricsF(ink.font).elidedText(
            self.title, Qt.TextElideMode.ElideRight, box.width() - used
        )
        # Beside a scale the title sits on the line of its upper label.
        align = Qt.AlignmentFlag.AlignTop if used else Qt.AlignmentFlag.AlignVCenter
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | align, title)


def height_per_weight(lanes: Sequence[Lane], room: float) -> float:
    """Pixels per weight with which lanes of at least `LEAST_HEIGHT` fill `room` pixels."""
    room -= sum(lane.fixed for lane in lanes)
    weights = sorted(lane.weight for lane in lanes if not lane.fixed)
    while weights and weights[0] * room < LEAST_HEIGHT * sum(weights):
        weights.pop(0)  # It gets the least, the others share what is left.
        room -= LEAST_HEIGHT
    return max(room, 0.0) / sum(weights) if weights else 0.0


class CurveLane(Lane):
    """A lane with values over frames.

    Attributes:
        span: Values at the bottom and at the top.
    """

    span = (0.0, 1.0)

    def y(self, value: float) -> float:
        """Pixel of a value."""
        share = (value - self.span[0]) / (self.span[1] - self.span[0])
        return self.rect.bottom() - _PAD - share * (self.rect.height() - 2 * _PAD)

    def value(self, y: float) -> float:
        """Value at a pixel, not clipped."""
        share = (self.rect.bottom() - _PAD - y) / max(self.rect.height() - 2 * _PAD, 1.0)
        return self.span[0] + share * (self.span[1] - self.span[0])

    def _lines(
        self, axis: FrameAxis, positions: NDArray[Any], values: NDArray[Any]
    ) -> tuple[list[NDArray[np.float64]], bool]:
        """Polylines of what is shown, and whether several samples share a pixel."""
        start = max(int(np.searchsorted(positions, axis.first)) - 1, 0)
        end = int(np.searchsorted(positions, axis.last)) + 1
        if start >= len(positions):
            return [], False
        x = axis.left + (positions[start:end] - axis.first) * axis.per_frame
        curve = envelope(x, values[start:end], axis.width)
        return lines_of(curve, self.y(self.span[1]), self.y(self.span[0]), self.span), curve.dense


class TruthLane(Lane):
    """Spans in which the hand really touches an object, where that is known."""

    fixed = 14.0

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        super().__init__(
            "true contact",
            "Spans in which the hand touches an object, from the dataset's ground truth "
            "(frames); compare them with the interact phases above.",
        )
        self.spans = tuple(spans)

    def paint(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """Bars with a dark edge, so that light green shows on white."""
        plot = self.plot(axis).adjusted(0, 4, 0, -4)
        painter.setPen(QPen(ink.curve(TRUTH).darker(130), 1.0))
        painter.setBrush(QColor(*TRUTH))
        for start, end in self.spans:
            painter.drawRect(QRectF(axis.x(start), plot.top(), axis.x(end) - axis.x(start), 5))


def block_text(
    painter: QPainter, box: QRectF, text: str, plot: QRectF, ink: Ink, halo: bool = False
) -> None:
    """Write into the shown part of a block, or nothing if it is too narrow for a few letters."""
    seen = QRectF(box & plot).adjusted(5, 0, -4, 0)
    metrics = QFontMetricsF(ink.font)
    if seen.width() < min(metrics.horizontalAdvance(text), metrics.horizontalAdvance("abcde")):
        return
    text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, seen.width())
    if halo:
        width = metrics.horizontalAdvance(text)
        painter.fillRect(QRectF(seen.left() - 2, seen.top(), width + 4, seen.height()), ink.base)
    painter.setFont(ink.font)
    painter.setPen(ink.text)
    painter.drawText(seen, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)


def draw_lines(
    painter: QPainter, lines: list[NDArray[np.float64]], dense: bool, color: QColor, width: float
) -> None:
    """Draw polylines; dense ones without antialiasing, which would cost and show nothing.

    Qt strokes a wide polyline as one shape and takes up to 80 ms for a noisy one of a thousand
    points. So wide ones are drawn in short pieces, long ones line by line (2 ms; the joints show a
    little), and dense ones as several lines of one pixel side by side (0.5 ms each).
    """
    painter.setRenderHint(_ANTIALIASING, not dense)
    pen = QPen(color, 1.0 if dense else width)
    pen.setJoinStyle(Qt.PenJoinStyle.BevelJoin)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap if width > 1 else Qt.PenCapStyle.SquareCap)
    painter.setPen(pen)
    for points in lines:
        if dense or width <= 1:
            shape, copies = polygon(points), max(round(width), 1)
            for i in range(copies):
                painter.drawPolyline(shape.translated(i - (copies - 1) // 2, 0.0))
        elif len(points) <= _SMOOTH:
            for start in range(0, len(points) - 1, _PIECE):
                painter.drawPolyline(polygon(points[start : start + _PIECE + 1]))
        else:
            flat = np.hstack([points[:-1], points[1:]]).tolist()
            painter.drawLines([QLineF(*ends) for ends in flat])
    painter.setRenderHint(_ANTIALIASING, False)
