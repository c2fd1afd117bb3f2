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
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPen

from pipeline.model.palette import PHASES, TRUTH
from pipeline.model.phases import ArmPhases, Phase, PhaseName
from widgets.frame_axis import FrameAxis
from widgets.polylines import envelope, lines_of, polygon
from widgets.timeline_ink import Ink

GUTTER = 104
"""Pixels left of the lanes, for titles and scales."""
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


class GripperLane(CurveLane):
    """Normalised opening of one arm with both thresholds."""

    weight = 2.0

    def __init__(self, arm: ArmPhases, title: str, strong: bool) -> None:
        tip = (
            "Gripper opening, normalised per episode: 0 closed, 1 open, no unit.\n"
            f"0 is {arm.raw_low:g} and 1 is {arm.raw_high:g} of the raw channel.\n"
            "Counts as closed below τ − δ and as open again above τ + δ "
            "(SPARC B.1.1, hysteresis).\n"
            "Drag a threshold to change it; with Ctrl both move together."
        )
        super().__init__(title, tip)
        self.arm = arm
        self.strong = strong
        self._positions = np.arange(len(arm.opening), dtype=np.float64) + 0.5

    def scale(self) -> tuple[str, str]:
        """Closed and open."""
        return ("0", "1")

    def paint(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """Closures, hysteresis band, filled curve."""
        plot = self.plot(axis)
        for closure in self.arm.closures:
            failed = closure.verdict in ("failure", "too_short")
            name = PhaseName.GRASP_FAILURE if failed else PhaseName.INTERACT
            color = QColor(*PHASES[name])
            color.setAlpha(38)
            left, right = axis.x(closure.start), axis.x(closure.end)
            painter.fillRect(QRectF(left, plot.top(), right - left, plot.height()), color)
        lines, dense = self._lines(axis, self._positions, self.arm.opening)
        fill = QColor(ink.text)
        fill.setAlpha(24)
        bottom = self.y(0.0)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        for line in lines:
            top = np.minimum(line[0::2], line[1::2]) if dense and len(line) % 2 == 0 else line
            ends = np.array([[top[-1, 0], bottom], [top[0, 0], bottom]])
            painter.drawPolygon(polygon(np.vstack([top, ends])))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        draw_lines(painter, lines, dense, ink.text, 1.0)

    def paint_thresholds(
        self, painter: QPainter, axis: FrameAxis, ink: Ink, close: float, opened: float
    ) -> None:
        """Both thresholds with their values; they move, so they are no static content."""
        plot = self.plot(axis)
        top, bottom = self.y(opened), self.y(close)
        band = QColor(ink.accent)
        band.setAlpha(30)
        painter.fillRect(QRectF(plot.left(), top, plot.width(), bottom - top), band)
        painter.setPen(QPen(ink.accent, 1.0, Qt.PenStyle.DashLine))
        for y in (top, bottom):
            painter.drawLine(QLineF(plot.left(), y, plot.right(), y))
        metrics = QFontMetricsF(ink.small)
        if self.rect.height() < 2 * metrics.height() + 8:
            return
        painter.setFont(ink.small)
        for text, y in (
            (f"open > {opened:.2f}", max(top - metrics.height(), plot.top())),
            (f"closed < {close:.2f}", min(bottom + 1, plot.bottom() - metrics.height())),
        ):
            width = metrics.horizontalAdvance(text) + 6
            box = QRectF(plot.right() - width - 2, y, width, metrics.height())
            ground = QColor(ink.base)
            ground.setAlpha(205)
            painter.fillRect(box, ground)
            painter.setPen(ink.accent)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def opening(self, frame: int) -> float:
        """Opening at a frame, NaN outside or where unknown."""
        values = self.arm.opening
        return float(values[frame]) if 0 <= frame < len(values) else float("nan")


class PhaseLane(Lane):
    """Phases of one arm as blocks; their boundaries can be moved."""

    fixed = 22.0

    def __init__(self, arm: ArmPhases, title: str, strong: bool) -> None:
        tip = (
            "Phases: grasp (approach), interact (object held), release; a closure shorter than "
            f"{arm.d_min} frames is a grasp failure (SPARC 3.1).\n"
            "Thin marks: boundaries as measured, before they move forward by the phase start "
            "offset.\nDrag a boundary to correct it; Esc gives up."
        )
        super().__init__(title, tip)
        self.arm = arm
        self.strong = strong

    @property
    def boundaries(self) -> list[tuple[int, int]]:
        """(index, frame) as in `MoveBoundary`: -1 is the first start."""
        phases = self.arm.phases
        if not phases:
            return []
        return [(-1, phases[0].start), *((i, p.end) for i, p in enumerate(phases[:-1]))]

    def limits(self, index: int, length: int) -> tuple[int, int]:
        """Frames that a boundary may take: each phase keeps at least one frame."""
        phases = self.arm.phases
        low = 0 if index < 0 else phases[index].start + 1
        return low, min(phases[index + 1].end - 1, length)

    def phase(self, frame: int) -> Phase | None:
        """Phase at a frame."""
        return next((p for p in self.arm.phases if p.start <= frame < p.end), None)

    def paint(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """Blocks with names, measured boundaries as thin marks."""
        plot = self.plot(axis).adjusted(0, 2, 0, -2)
        for phase in self.arm.phases:
            left, right = axis.x(phase.start), axis.x(phase.end)
            if right < plot.left() or left > plot.right():
                continue
            box = QRectF(left, plot.top(), right - left, plot.height())
            color = PHASES[phase.name]
            failed = phase.name is PhaseName.GRASP_FAILURE
            painter.fillRect(box, ink.tint(color, 0.22 if failed else 0.45))
            if failed:
                painter.fillRect(box, QBrush(ink.curve(color), Qt.BrushStyle.BDiagPattern))
            painter.fillRect(QRectF(left, plot.bottom() - 3, right - left, 3), QColor(*color))
            painter.fillRect(QRectF(left, plot.top(), 1, plot.height()), ink.text)
            block_text(painter, box, phase_label(phase.name), plot, ink, halo=failed)
        painter.setPen(QPen(ink.text, 1.0, Qt.PenStyle.DotLine))
        for phase in self.arm.phases:
            if phase.measured_start != phase.start:
                x = axis.x(phase.measured_start)
                painter.drawLine(QLineF(x, plot.top(), x, plot.bottom()))


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


def phase_label(name: PhaseName) -> str:
    """Name of a phase for people."""
    return "failure" if name is PhaseName.GRASP_FAILURE else name.value


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
