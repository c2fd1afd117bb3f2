"""Where a machine check of a caption looked, drawn in the frame while it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from pipeline.model.checks import Evidence
from pipeline.model.palette import EVIDENCE
from viewers.overlays import OverlayVisibility
from viewers.view_transform import ViewTransform

_CASING = QColor(0, 0, 0, 170)
_FILL = 0.15
"""Opacity of masks, 0..1 (our choice)."""


@dataclass(frozen=True, slots=True)
class EvidenceMarks:
    """What the frame shows of a check.

    Attributes:
        evidence: Where to look.
        claim: What was checked, for the header.
    """

    evidence: Evidence
    claim: str = ""

    def visibility(self, usual: OverlayVisibility) -> OverlayVisibility:
        """Only masks, boxes and labels of the candidates that are the evidence.

        Masks are little more than outlines: colours are evidence, too.
        """
        shown = usual.only("masks", "boxes", "labels")
        return replace(shown, opacity=min(shown.opacity, _FILL), selected=True)

    def hint(self, frame: int) -> str:
        """A few words for the header."""
        elsewhere = self.evidence.frame not in (-1, frame)
        where = f" (evidence in frame {self.evidence.frame})" if elsewhere else ""
        return f"check: {self.claim}{where}" if self.claim else f"evidence of a check{where}"


def paint_evidence(
    painter: QPainter, marks: EvidenceMarks, frame: int, view: ViewTransform
) -> None:
    """Paint the boxes in widget coordinates; dashed on other frames than their own."""
    own = marks.evidence.frame in (-1, frame)
    style = Qt.PenStyle.SolidLine if own else Qt.PenStyle.DashLine
    painter.save()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for box in marks.evidence.boxes:
        x0, y0, x1, y1 = view.box_to_view(box)
        for pen in (
            QPen(_CASING, 7.0),
            QPen(QColor(255, 255, 255), 5.0, style),
            QPen(QColor(*EVIDENCE), 3.0, style),
        ):
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            painter.setPen(pen)
            painter.drawRect(QRectF(x0, y0, x1 - x0, y1 - y0))
    painter.restore()
