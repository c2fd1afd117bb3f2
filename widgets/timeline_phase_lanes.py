"""Lanes of one arm: its gripper signal with closures and thresholds, and its phases."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from pipeline.model.palette import PHASES
from pipeline.model.phases import ArmPhases, Phase, PhaseName, PhasesResult
from widgets import timeline_tips as tips
from widgets.frame_axis import FrameAxis
from widgets.polylines import polygon
from widgets.timeline_ink import Ink
from widgets.timeline_lanes import CurveLane, Lane, block_text, draw_lines

_BAR = 3.0
"""Pixels of the bars of d_min."""
_STRIP = 5.0
"""Pixels of the strip with the phases as measured."""
_REACH = 3.0
"""Pixels beside a closure in which it still answers: some are a frame wide."""


class GripperLane(CurveLane):
    """Normalised opening of one arm with both thresholds, closures and the length of d_min."""

    weight = 3.0

    def __init__(
        self,
        arm: ArmPhases,
        title: str,
        strong: bool,
        result: PhasesResult | None = None,
        fps: float = 30.0,
    ) -> None:
        tip = (
            "Gripper opening, normalised per episode: 0 closed, 1 open, no unit.\n"
            f"0 is {arm.raw_low:g} and 1 is {arm.raw_high:g} of the raw channel.\n"
            "Counts as closed below τ − δ and as open again above τ + δ "
            "(SPARC B.1.1, hysteresis).\n"
            "Drag a threshold to change it; with Ctrl both move together.\n"
            "Shaded: closures; red ones were dropped, point at one to see why. Bars below: d_min, "
            "the shortest closure that counts. Red dashes on top: re-openings too short to count."
            f"\n{tips.arm_tip(arm, result)}"
        )
        super().__init__(title, tip)
        self.arm = arm
        self.strong = strong
        self._fps = fps
        self._positions = np.arange(len(arm.opening), dtype=np.float64) + 0.5

    def scale(self) -> tuple[str, str]:
        """Closed and open."""
        return ("0", "1")

    def tip_over(self, point: QPointF, axis: FrameAxis) -> str:
        """The closure under the mouse: verdict, why, d_min."""
        frame, reach = axis.frame_at(point.x()), _REACH / max(axis.per_frame, 1e-9)
        closure = tips.closure_at(self.arm, frame, reach)
        if closure is not None:
            return tips.closure_tip(self.arm, closure, self._fps)
        bars = (c for c in self._candidates() if c[0] <= frame < c[0] + self.arm.d_min)
        return tips.d_min_tip(self.arm) if next(bars, None) else ""

    def _candidates(self) -> list[tuple[int, int]]:
        """Closures that d_min judged."""
        return [(c.start, c.end) for c in self.arm.closures if c.verdict != "too_short"]

    def paint(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """Closures, filled curve, bars of d_min, re-openings."""
        plot = self.plot(axis)
        for closure in self.arm.closures:
            failed = closure.verdict in ("failure", "too_short")
            name = PhaseName.GRASP_FAILURE if failed else PhaseName.INTERACT
            color = QColor(*PHASES[name])
            color.setAlpha(16 if closure.verdict == "closed_at_start" else 60 if failed else 38)
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
        self._paint_reopenings(painter, axis, ink)
        if self.arm.minimum is not None:
            self._paint_minimum(painter, axis, ink)

    def _paint_reopenings(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        color = ink.curve(PHASES[PhaseName.GRASP_FAILURE])
        top = self.plot(axis).top()
        for closure in self.arm.closures:
            for start, end in closure.reopenings:
                width = max(axis.x(end) - axis.x(start), 2.0)
                painter.fillRect(QRectF(axis.x(start), top, width, 2), color)

    def _paint_minimum(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """A bar of d_min from the start of each candidate: a longer closure counts."""
        plot, length = self.plot(axis), self.arm.d_min * axis.per_frame
        y, free = plot.bottom() - _BAR, plot.left()
        metrics = QFontMetricsF(ink.small)
        text = f"d_min {self.arm.d_min}"
        for start, end in self._candidates():
            left = axis.x(start)
            if left > plot.right() or left + length < plot.left():
                continue
            painter.fillRect(QRectF(left, y, length, _BAR), ink.muted)
            painter.fillRect(QRectF(left + length - 1, y - 3, 1.5, _BAR + 3), ink.muted)
            width = metrics.horizontalAdvance(text)
            room = max((end - start) * axis.per_frame, length)
            if left < free or room < width + 6 or plot.height() < 3 * metrics.height():
                continue
            painter.setFont(ink.small)
            painter.setPen(ink.muted)
            painter.drawText(QPointF(left + 3, y - 4), text)
            free = plot.right()  # said once

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
    """Phases of one arm as blocks, those measured as a strip above; boundaries can be moved."""

    fixed = 27.0

    def __init__(
        self,
        arm: ArmPhases,
        title: str,
        strong: bool,
        result: PhasesResult | None = None,
        fps: float = 30.0,
    ) -> None:
        tip = (
            "Phases: grasp (approach), interact (object held), release; a closure shorter than "
            f"{arm.d_min} frames is a grasp failure (SPARC 3.1).\n"
            "Strip on top: phases as measured, before their boundaries move forward by the phase "
            "start offset (dotted marks).\nHatched there: frames that a grasp borrowed from the "
            "release before; a notch: a release that ended early. ▼: a boundary set by hand.\n"
            "Drag a boundary to correct it, Esc gives up; the right mouse button splits, merges "
            "and names phases."
        )
        super().__init__(title, tip)
        self.arm = arm
        self.strong = strong
        self._result = result
        self._fps = fps

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

    def tip_over(self, point: QPointF, axis: FrameAxis) -> str:
        """The phase under the mouse; over the strip the one that was measured there."""
        frame = axis.frame_at(point.x())
        phase = self.phase(frame)
        if point.y() < self._strip(axis).bottom() + 1:
            measured = (p for p in self.arm.phases if p.measured_start <= frame < p.measured_end)
            phase = next(measured, phase)
        return "" if phase is None else tips.phase_tip(self.arm, phase, self._result, self._fps)

    def boundary_tip(self, index: int) -> str:
        """A boundary as measured and as used."""
        return tips.boundary_tip(self.arm, self.arm.boundaries[index + 1])

    def _strip(self, axis: FrameAxis) -> QRectF:
        plot = self.plot(axis)
        return QRectF(plot.left(), plot.top() + 1, plot.width(), _STRIP)

    def paint(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """Strip of measured phases, blocks with names, marks."""
        strip = self._strip(axis)
        plot = self.plot(axis)
        plot = QRectF(plot.left(), strip.bottom() + 1, plot.width(), 0)
        plot.setBottom(self.rect.bottom() - 1)
        for phase in self.arm.phases:
            self._paint_measured(painter, phase, strip, axis, ink)
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
            label = phase_label(phase.name)
            if self.arm.coarse:
                label = f"{label} · whole episode: no closure found (point here to see why)"
            block_text(painter, box, label, plot, ink, halo=failed)
        self._paint_repairs(painter, strip, axis, ink)
        painter.setPen(QPen(ink.text, 1.0, Qt.PenStyle.DotLine))
        for phase in self.arm.phases:
            if phase.measured_start != phase.start:
                x = axis.x(phase.measured_start)
                painter.drawLine(QLineF(x, strip.top(), x, plot.bottom()))
        self._paint_hands(painter, plot, axis, ink)

    def _paint_measured(
        self, painter: QPainter, phase: Phase, strip: QRectF, axis: FrameAxis, ink: Ink
    ) -> None:
        left, right = axis.x(phase.measured_start), axis.x(phase.measured_end)
        box = QRectF(left, strip.top(), right - left, strip.height())
        painter.fillRect(box, ink.tint(PHASES[phase.name], 0.8))

    def _paint_repairs(self, painter: QPainter, strip: QRectF, axis: FrameAxis, ink: Ink) -> None:
        for repair in self.arm.repairs:
            left, right = axis.x(repair.start), axis.x(repair.end)
            if repair.kind == "borrowed":
                box = QRectF(left, strip.top(), max(right - left, 2.0), strip.height())
                painter.fillRect(box, QBrush(ink.text, Qt.BrushStyle.BDiagPattern))
            else:
                painter.fillRect(QRectF(left - 1, strip.top() - 1, 2, strip.height() + 1), ink.text)

    def _paint_hands(self, painter: QPainter, plot: QRectF, axis: FrameAxis, ink: Ink) -> None:
        """Small triangles at boundaries that a person set."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink.accent)
        for boundary in self.arm.boundaries:
            if boundary.by_hand:
                x, y = axis.x(boundary.frame), plot.top()
                corners = ((x - 4, y - 3), (x + 4.5, y - 3), (x + 0.5, y + 4))
                painter.drawPolygon(QPolygonF([QPointF(*c) for c in corners]))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def phase_label(name: PhaseName) -> str:
    """Name of a phase for people, short."""
    return "failure" if name is PhaseName.GRASP_FAILURE else name.value
