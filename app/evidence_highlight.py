"""A chosen check of the caption shows where it looked: in frame and timeline."""

from __future__ import annotations

from PySide6.QtCore import QObject

from app.panels import Panels
from app.session_control import SessionControl
from pipeline.model.checks import Evidence
from viewers.evidence_marks import EvidenceMarks
from widgets.timeline_term import TermMark

_INITIATOR = "check"


class EvidenceHighlight(QObject):
    """Hands the evidence of a check to the views, and takes it back when it is left."""

    def __init__(self, panels: Panels, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self._evidence: Evidence | None = None
        self._came_from: tuple[int, str] | None = None

    @property
    def evidence(self) -> Evidence | None:
        """What is shown."""
        return self._evidence

    def show(self, evidence: Evidence, claim: str) -> None:
        """Go to the evidence and mark it; what was marked before is marked no more."""
        document = self._control.document
        session = document.session
        if session.demonstration is None:
            return
        if self._came_from is None:
            self._came_from = (session.frame, session.camera)
        self._evidence = evidence
        proposals = session.result("proposals")
        places = bool(evidence.candidates or evidence.boxes)
        if places and proposals is not None and proposals.camera != session.camera:
            # Boxes and masks belong to that camera.
            document.set_camera(proposals.camera, _INITIATOR)
        frame = evidence.frame if evidence.frame >= 0 else evidence.span[0]
        if frame >= 0:
            self._control.seek(frame, _INITIATOR)
        # Evidence without a place hides nothing of what is usually drawn.
        marks = EvidenceMarks(evidence, claim) if places else None
        self._panels.frame.viewer.set_evidence(marks)
        self._panels.timeline.set_term(TermMark.of_check(evidence))

    def leave(self, *, back: bool = False) -> None:
        """Take the marks away.

        Args:
            back: The cursor and the camera go to where they were before, too.
        """
        if self._evidence is None:
            return
        self._evidence = None
        self._panels.frame.viewer.set_evidence(None)
        self._panels.timeline.set_term(None)
        place, self._came_from = self._came_from, None
        demonstration = self._control.document.session.demonstration
        if back and place is not None and demonstration is not None:
            frame, camera = place
            if camera in {c.key for c in demonstration.cameras}:
                self._control.document.set_camera(camera, _INITIATOR)
            self._control.seek(frame, _INITIATOR)
