"""Hovering a term of the score shows where it comes from: in frame, timeline and Rerun."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from app.panels import Panels
from app.session_control import SessionControl
from pipeline.evaluation.term_evidence import TermEvidence
from viewers.rerun_emphasis import Emphasis
from viewers.rerun_inputs import camera_path
from viewers.term_marks import TermMarks
from widgets.timeline_term import TermMark

_REST_MS = 80
"""The 3D view follows when the mouse rests on a term this long; it takes a few milliseconds."""


class TermHighlight(QObject):
    """Hands the hovered term to the views, and takes it back when the mouse leaves it."""

    def __init__(self, panels: Panels, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self._evidence: TermEvidence | None = None
        self._term = ""
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._show_in_rerun)
        panels.breakdown.termHovered.connect(self.show)

    def set_evidence(self, evidence: TermEvidence | None) -> None:
        """What the terms of the open subtask counted; what is shown of another one ends."""
        self._evidence = evidence
        self.show("")

    def show(self, term: str) -> None:
        """Show a term of the candidate in the breakdown; empty: nothing."""
        if term == self._term:
            return
        self._term = term
        panels, evidence = self._panels, self._evidence
        candidate = panels.breakdown.candidate
        self._rest.start()
        if not term or evidence is None or evidence.row_of(candidate) < 0:
            panels.frame.viewer.set_term(None)
            panels.timeline.set_term(None)
            return
        panels.frame.viewer.set_term(TermMarks(term, candidate, evidence))
        panels.timeline.set_term(TermMark.of(term, candidate, evidence))

    def _show_in_rerun(self) -> None:
        known = self._evidence is not None and self._term
        self._panels.rerun.set_emphasis(self._emphasis() if known else None)

    def _emphasis(self) -> Emphasis | None:
        session = self._control.document.session
        proposals, lifting = session.result("proposals"), session.result("lifting")
        if session.demonstration is None or proposals is None or lifting is None:
            return None
        camera = session.demonstration.camera(proposals.camera)
        scores = session.result("scores")
        return Emphasis(
            term=self._term,
            candidate=self._panels.breakdown.candidate,
            winner=scores.winner if scores is not None else -1,
            camera=camera_path(camera),
            has_geometry=lifting.available
            and (camera.intrinsics is not None or lifting.intrinsics is not None),
        )
