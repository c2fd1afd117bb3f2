"""What one term of the score counted, or a check of the caption looked at, on the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.model.checks import Evidence
from pipeline.model.palette import EVIDENCE, TERMS, Rgb
from widgets.frame_axis import FrameAxis
from widgets.polylines import runs
from widgets.timeline_ink import Ink
from widgets.timeline_lanes import Lane
from widgets.timeline_task_lanes import CandidateLane


@dataclass(frozen=True, slots=True)
class TermMark:
    """Frames behind one term of one candidate.

    Attributes:
        term: `motion`, `detector`, `proximity` or `overlap`; `check` for a check of the caption.
        candidate: Whose curve stands out, -1 for none.
        spans: Stretches [start, end) of frames that count.
        frames: Single frames that count.
        others: Single frames that were looked at but do not count.
    """

    term: str
    candidate: int
    spans: tuple[tuple[int, int], ...] = ()
    frames: tuple[int, ...] = ()
    others: tuple[int, ...] = ()

    @classmethod
    def of(cls, term: str, candidate: int, evidence: TermEvidence) -> TermMark | None:
        """Make it of what the terms counted; None for an unknown term or candidate."""
        if evidence.row_of(candidate) < 0:
            return None
        frames = evidence.frames
        if term == "motion":
            return cls(term, candidate, evidence.spans)
        if term == "detector":
            return cls(term, candidate, frames=(evidence.keyframe,))
        if term == "proximity":
            found = runs(np.asarray(evidence.proximity_counted(candidate), np.bool_))
            return cls(
                term, candidate, tuple((int(frames[a]), int(frames[b - 1]) + 1) for a, b in found)
            )
        if term == "overlap":
            used = evidence.overlap_counted(candidate)
            rest = [r for r in evidence.overlap_rows if r not in used]
            return cls(
                term,
                candidate,
                frames=tuple(int(frames[r]) for r in used),
                others=tuple(int(frames[r]) for r in rest),
            )
        return None

    @classmethod
    def of_check(cls, evidence: Evidence) -> TermMark | None:
        """Make it of what a check looked at; None if that has no place in time."""
        start, end = evidence.span
        spans = ((start, end),) if 0 <= start < end else ()
        frames = (evidence.frame,) if evidence.frame >= 0 else ()
        return cls("check", -1, spans, frames) if spans or frames else None

    @property
    def color(self) -> Rgb:
        """Colour of the term, or of checks."""
        if self.term == "check":
            return EVIDENCE
        return TERMS["robot overlap" if self.term == "overlap" else self.term]


def paint_term(
    painter: QPainter,
    mark: TermMark,
    lanes: Sequence[Lane],
    axis: FrameAxis,
    ink: Ink,
    ruler: int,
    bottom: float,
) -> None:
    """Paint spans over all lanes, the candidate's curve in its own lane, single frames as lines."""
    color = ink.curve(mark.color)
    band = QColor(color)
    band.setAlpha(46)
    for start, end in mark.spans:
        left, right = axis.x(start), axis.x(end)
        painter.fillRect(QRectF(left, ruler, right - left, bottom - ruler), band)
        painter.fillRect(QRectF(left, ruler - 3, right - left, 3), color)
    for lane in lanes:
        if isinstance(lane, CandidateLane) and lane.title == mark.term:
            painter.save()
            painter.setClipRect(lane.plot(axis), Qt.ClipOperation.IntersectClip)
            lane.paint_alone(painter, axis, ink, mark.candidate)
            for start, end in mark.spans:
                left, right = axis.x(start), axis.x(end)
                painter.fillRect(
                    QRectF(left, lane.rect.top(), right - left, lane.rect.height()), band
                )
            painter.restore()
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(color, 2.0))
            painter.drawRect(lane.plot(axis).adjusted(1, 1, -1, -1))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for frames, filled in ((mark.others, False), (mark.frames, True)):
        for frame in frames:
            x = axis.middle(frame)
            style = Qt.PenStyle.SolidLine if filled else Qt.PenStyle.DotLine
            painter.setPen(QPen(color, 2.0 if filled else 1.0, style))
            painter.drawLine(QPointF(x, ruler), QPointF(x, bottom))
            painter.setPen(QPen(color, 1.5))
            painter.setBrush(color if filled else ink.base)
            y = ruler + 5.0
            corners = ((0, -5), (5, 0), (0, 5), (-5, 0))
            painter.drawPolygon(QPolygonF([QPointF(x + dx, y + dy) for dx, dy in corners]))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
