"""Painting of the timeline: the picture that is kept, and what moves on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from pipeline.model.palette import PHASES, TARGET
from pipeline.model.phases import PhaseName
from widgets.frame_axis import FrameAxis
from widgets.timeline_content import Marker
from widgets.timeline_gestures import BoundaryGrab, Thresholds
from widgets.timeline_ink import Ink, mixed
from widgets.timeline_lanes import GUTTER, Lane
from widgets.timeline_phase_lanes import GripperLane
from widgets.timeline_term import TermMark, paint_term

_ANTIALIASING = QPainter.RenderHint.Antialiasing


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is painted over the kept picture.

    Attributes:
        frame: Cursor, or None.
        hover: Frame under the mouse, or None.
        span: Loop range [start, end), or None.
        thresholds: Thresholds being dragged, or None for the lanes' own.
        boundary: Boundary being dragged or waiting for its stage, or None.
        hint: Text in place of lanes.
        readout: Bottom line, left.
        message: Bottom line, right.
        term: What a term of the score counted, or None.
    """

    frame: int | None
    hover: int | None
    span: tuple[int, int] | None
    thresholds: Thresholds | None
    boundary: BoundaryGrab | None
    hint: str
    readout: str
    message: str
    term: TermMark | None = None


def paint_static(
    painter: QPainter,
    size: QSize,
    ruler: int,
    lanes: Sequence[Lane],
    markers: Sequence[Marker],
    axis: FrameAxis,
    ink: Ink,
) -> None:
    """Paint ruler, lanes, gutter and markers."""
    painter.fillRect(QRect(0, 0, size.width(), size.height()), ink.window)
    ticks = axis.ticks()
    for lane in lanes:
        plot = lane.plot(axis)
        painter.save()
        painter.setClipRect(plot)
        painter.fillRect(plot, ink.base)
        painter.setPen(QPen(mixed(ink.border, ink.base, 0.55), 1.0))
        for tick in ticks:
            x = axis.x(tick.frame)
            painter.drawLine(QLineF(x, plot.top(), x, plot.bottom()))
        lane.paint(painter, axis, ink)
        painter.restore()
        lane.paint_gutter(painter, ink)
    metrics = QFontMetricsF(ink.small)
    painter.setFont(ink.small)
    painter.setClipRect(QRectF(axis.left, 0, axis.width + 10, size.height()))
    for tick in ticks:
        x = axis.x(tick.frame)
        painter.setPen(ink.border)
        painter.drawLine(QLineF(x, ruler - 6, x, ruler - 1))
        painter.setPen(ink.text)
        line = QRectF(x + 3, 1, 88, ruler - 4)
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, tick.frames)
        painter.setPen(ink.muted)
        line.adjust(metrics.horizontalAdvance(tick.frames) + 5, 0, 0, 0)
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, tick.seconds)
    bottom = lanes[-1].rect.bottom() if lanes else ruler
    for marker in markers:
        _paint_marker(painter, marker, axis, ruler, bottom, ink)
    painter.setClipping(False)
    if axis.length > 0:
        painter.setPen(ink.muted)
        box = QRectF(8, 0, GUTTER - 14, ruler)
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, "frame, time")


def _paint_marker(
    painter: QPainter, marker: Marker, axis: FrameAxis, ruler: int, bottom: float, ink: Ink
) -> None:
    colors = {
        "keyframe": ink.text,
        "contact": ink.curve(PHASES[PhaseName.INTERACT]),
        "target": ink.curve(TARGET),
    }
    color = colors[marker.shape]
    x, y = axis.middle(marker.frame), ruler - 6.0
    thin = QColor(color)
    thin.setAlpha(150)
    painter.setPen(QPen(thin, 1.0, Qt.PenStyle.DotLine))
    painter.drawLine(QLineF(x, ruler, x, bottom))
    painter.setRenderHint(_ANTIALIASING)
    painter.setPen(QPen(ink.window, 1.0))
    painter.setBrush(color)
    offsets = {
        "keyframe": ((0, -6), (5, 0), (0, 6), (-5, 0)),
        "contact": ((-5, -4), (5, -4), (0, 5)),
        "target": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
    }[marker.shape]
    painter.drawPolygon(QPolygonF([QPointF(x + dx, y + dy) for dx, dy in offsets]))
    painter.setRenderHint(_ANTIALIASING, False)


def paint_overlay(
    painter: QPainter,
    size: QSize,
    ruler: int,
    readout: QRect,
    overlay: Overlay,
    lanes: Sequence[Lane],
    axis: FrameAxis,
    ink: Ink,
) -> None:
    """Paint thresholds, loop range, dragged boundary, cursor and the bottom line."""
    bottom = lanes[-1].rect.bottom() if lanes else float(ruler)
    painter.save()
    painter.setClipRect(
        QRectF(axis.left, 0, axis.width + 1, size.height()), Qt.ClipOperation.IntersectClip
    )
    for lane in lanes:
        if isinstance(lane, GripperLane):
            now = overlay.thresholds or Thresholds(lane.arm.close_below, lane.arm.open_above)
            lane.paint_thresholds(painter, axis, ink, now.close, now.opened)
    if overlay.term is not None:
        paint_term(painter, overlay.term, lanes, axis, ink, ruler, bottom)
    if overlay.span is not None:
        left, right = axis.x(overlay.span[0]), axis.x(overlay.span[1])
        band = QColor(ink.accent)
        band.setAlpha(36)
        painter.fillRect(QRectF(left, 0, right - left, bottom), band)
        painter.fillRect(QRectF(left, ruler - 3, right - left, 3), ink.accent)
    if overlay.boundary is not None:
        _paint_boundary(painter, overlay.boundary, axis, ink)
    if overlay.hover is not None and overlay.hover != overlay.frame:
        x = axis.middle(overlay.hover)
        painter.setPen(QPen(ink.muted, 1.0, Qt.PenStyle.DotLine))
        painter.drawLine(QLineF(x, ruler, x, bottom))
    painter.restore()
    if overlay.frame is not None:
        _paint_cursor(painter, overlay.frame, axis, ruler, bottom, ink)
    _paint_bottom_line(painter, readout, overlay, ink)
    if overlay.hint:
        box = QRectF(16, ruler, size.width() - 32, readout.top() - ruler)
        painter.setFont(ink.font)
        painter.setPen(ink.muted)
        flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
        painter.drawText(box, flags, overlay.hint)


def _paint_boundary(painter: QPainter, grab: BoundaryGrab, axis: FrameAxis, ink: Ink) -> None:
    rect, x = grab.lane.rect, axis.x(grab.frame)
    painter.fillRect(QRectF(x - 1, rect.top(), 2, rect.height()), ink.accent)
    painter.setFont(ink.small)
    text = f"{grab.frame}"
    width = QFontMetricsF(ink.small).horizontalAdvance(text) + 8
    left = x + 3 if x + 3 + width < axis.right else x - 3 - width
    box = QRectF(left, rect.top() + 2, width, rect.height() - 4)
    painter.fillRect(box, ink.accent)
    painter.setPen(ink.base)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _paint_cursor(
    painter: QPainter, frame: int, axis: FrameAxis, ruler: int, bottom: float, ink: Ink
) -> None:
    x = axis.middle(frame)
    if not axis.left - 1 <= x <= axis.right + 1:
        return
    if axis.per_frame > 4:
        cell = QColor(ink.accent)
        cell.setAlpha(40)
        left = axis.x(frame)
        painter.fillRect(QRectF(left, ruler, axis.per_frame, bottom - ruler), cell)
    painter.fillRect(QRectF(round(x) - 0.5, ruler - 4, 1.5, bottom - ruler + 4), ink.accent)
    painter.setFont(ink.small)
    text = str(frame)
    width = QFontMetricsF(ink.small).horizontalAdvance(text) + 10
    box = QRectF(x - width / 2, 2, width, ruler - 6)
    painter.setRenderHint(_ANTIALIASING)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink.accent)
    painter.drawRoundedRect(box, 3, 3)
    painter.setRenderHint(_ANTIALIASING, False)
    painter.setPen(ink.base)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _paint_bottom_line(painter: QPainter, box: QRect, overlay: Overlay, ink: Ink) -> None:
    painter.setFont(ink.small)
    metrics = QFontMetricsF(ink.small)
    inner = QRectF(box).adjusted(8, 0, -10, 0)
    used = 0.0
    if overlay.message:
        text = metrics.elidedText(
            overlay.message, Qt.TextElideMode.ElideRight, inner.width() * 0.45
        )
        used = metrics.horizontalAdvance(text) + 16
        painter.setPen(ink.accent)
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text)
    if overlay.readout:
        start = "pointer  " if overlay.hover is not None else "cursor  "
        text = metrics.elidedText(
            start + overlay.readout, Qt.TextElideMode.ElideRight, inner.width() - used
        )
        painter.setPen(ink.muted if overlay.hover is None else ink.text)
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, text)
