"""Where one term of a score comes from, drawn in the frame while it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.model.arrays import Array, Bool
from pipeline.model.palette import TERMS, candidate_color
from viewers.overlays import OverlayData, OverlayVisibility
from viewers.view_transform import ViewTransform

_CASING = QColor(0, 0, 0, 170)
_TAILS = 24
"""Points whose paths are drawn at most; more would hide the picture (our choice)."""
_LAYERS = {
    "motion": ("boxes", "labels"),
    "detector": (),
    "proximity": ("gripper",),
    "overlap": ("robot",),
}


@dataclass(frozen=True, slots=True, eq=False)
class TermMarks:
    """What the frame shows of one term of one candidate.

    Attributes:
        term: `motion`, `detector`, `proximity` or `overlap`.
        candidate: Candidate id.
        evidence: What the terms counted.
    """

    term: str
    candidate: int
    evidence: TermEvidence

    def visibility(self, usual: OverlayVisibility) -> OverlayVisibility:
        """Only the layers that the term is about."""
        shown = usual.only(*_LAYERS[self.term])
        return replace(shown, opacity=max(shown.opacity, 0.6), selected=True)

    def row(self, data: OverlayData, frame: int) -> int:
        """Tracked row shown at a frame, -1 if none is near."""
        row = self.evidence.nearest_row(frame)
        if row < 0 or abs(int(self.evidence.frames[row]) - frame) > data.step:
            return -1
        return row

    def members(self, data: OverlayData) -> Array:
        """Indices of the candidate's points that are scored."""
        if data.tracks is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero((data.tracks.candidate == self.candidate) & data.tracks.kept)

    def points(self, data: OverlayData, frame: int) -> tuple[Array, Bool]:
        """Points that count at a frame, (n, 2) image pixels, and which of them make the share."""
        row, members = self.row(data, frame), self.members(data)
        none = np.zeros((0, 2), np.float32), np.zeros(0, np.bool_)
        if row < 0 or data.tracks is None or self.term not in ("proximity", "overlap"):
            return none
        near = self.term == "proximity"
        evidence = self.evidence
        hit = evidence.inside if near else evidence.on_robot
        counted = evidence.inside_counted if near else evidence.on_robot_counted
        if hit.shape[1] != data.tracks.points.shape[1]:
            return none
        kept = members[counted[row, members]]
        return data.tracks.points[row, kept] + np.float32(0.5), hit[row, kept]

    def hint(self, data: OverlayData, frame: int) -> str:
        """A few words for the header."""
        evidence = self.evidence
        if self.term == "detector":
            proposal = data.by_id.get(self.candidate)
            score = "" if proposal is None else f", D {proposal.score:.2f}"
            return f"detector: box of keyframe {evidence.keyframe}{score}"
        if self.term == "motion":
            spans = ", ".join(f"{a}–{b}" for a, b in evidence.spans)
            return (
                f"motion: paths over the interaction {spans}" if spans else "motion: no interaction"
            )
        where = "inside the sphere" if self.term == "proximity" else "on the robot"
        hit = self.points(data, frame)[1]
        if not len(hit):
            return f"{self.term}: no point counts here"
        return f"{self.term}: {int(hit.sum())} of {len(hit)} points {where}"


def paint_term(
    painter: QPainter, marks: TermMarks, data: OverlayData, frame: int, view: ViewTransform
) -> None:
    """Paint the marks of a term in widget coordinates."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if marks.term == "motion":
        _paint_paths(painter, marks, data, view)
    elif marks.term == "detector":
        _paint_box(painter, marks, data, frame, view)
    else:
        _paint_points(painter, marks, data, frame, view)
    painter.restore()


def _paint_paths(
    painter: QPainter, marks: TermMarks, data: OverlayData, view: ViewTransform
) -> None:
    """Paths of the points through each interaction, that of their median on top."""
    tracks, members = data.tracks, marks.members(data)
    if tracks is None or not len(members):
        return
    color = QColor(*candidate_color(marks.candidate))
    thin = QColor(color)
    thin.setAlpha(150)
    chosen = members[:: max(1, -(-len(members) // _TAILS))]
    for start, end in marks.evidence.spans:
        rows = np.flatnonzero((tracks.frames >= start) & (tracks.frames < end))
        if len(rows) < 2:
            continue
        points = tracks.points[rows] + np.float32(0.5)
        seen = tracks.visible[rows] & np.isfinite(points).all(axis=2)
        painter.setPen(QPen(thin, 1.0))
        for i in chosen:
            painter.drawPolyline(_polygon(points[seen[:, i], i], view))
        middle = [
            np.median(points[r, members[seen[r, members]]], axis=0)
            for r in range(len(rows))
            if seen[r, members].any()
        ]
        if len(middle) < 2:
            continue
        path = _polygon(np.array(middle), view)
        for pen in (QPen(_CASING, 5.0), QPen(QColor(*TERMS["motion"]).lighter(150), 2.5)):
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            painter.drawPolyline(path)
        painter.setBrush(QColor(*TERMS["motion"]).lighter(150))
        painter.setPen(QPen(_CASING, 1.0))
        painter.drawEllipse(path.at(path.size() - 1), 4.0, 4.0)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _paint_box(
    painter: QPainter, marks: TermMarks, data: OverlayData, frame: int, view: ViewTransform
) -> None:
    """The box that the detector scored; dashed on other frames than its own."""
    proposal = data.by_id.get(marks.candidate)
    if proposal is None:
        return
    x0, y0, x1, y1 = view.box_to_view(proposal.box)
    own = frame == data.keyframe
    style = Qt.PenStyle.SolidLine if own else Qt.PenStyle.DashLine
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    for pen in (
        QPen(_CASING, 7.0),
        QPen(QColor(255, 255, 255), 5.0, style),
        QPen(QColor(*candidate_color(marks.candidate)), 3.0, style),
    ):
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(QRectF(x0, y0, x1 - x0, y1 - y0))


def _paint_points(
    painter: QPainter, marks: TermMarks, data: OverlayData, frame: int, view: ViewTransform
) -> None:
    """Points that make the share are filled, the others that count are hollow."""
    if marks.term == "proximity":
        _paint_sphere(painter, marks, data, frame, view)
    points, hit = marks.points(data, frame)
    name = "robot overlap" if marks.term == "overlap" else marks.term
    full = QColor(*TERMS[name]).lighter(125)
    for (x, y), inside in zip(points.tolist(), hit.tolist(), strict=True):
        place = QPointF(*view.to_view(x, y))
        painter.setPen(QPen(_CASING, 3.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(place, 3.2, 3.2)
        painter.setPen(QPen(QColor(255, 255, 255), 1.2))
        painter.setBrush(full if inside else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(place, 3.2, 3.2)


def _paint_sphere(
    painter: QPainter, marks: TermMarks, data: OverlayData, frame: int, view: ViewTransform
) -> None:
    """The outline of the sphere in the picture."""
    row, centre = marks.row(data, frame), data.reference_at(frame)
    if row < 0 or centre is None or not np.isfinite(marks.evidence.circle[row]):
        return
    place = QPointF(*view.to_view(centre[0] + 0.5, centre[1] + 0.5))
    reach = float(marks.evidence.circle[row]) * view.scale
    fill = QColor(*TERMS["proximity"])
    fill.setAlpha(40)
    painter.setBrush(fill)
    for pen in (QPen(_CASING, 4.0), QPen(QColor(*TERMS["proximity"]).lighter(140), 2.0)):
        painter.setPen(pen)
        painter.drawEllipse(place, reach, reach)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _polygon(points: Array, view: ViewTransform) -> QPolygonF:
    return QPolygonF([QPointF(*view.to_view(float(x), float(y))) for x, y in points])
