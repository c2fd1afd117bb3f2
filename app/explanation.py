"""Why one decision was made and what would flip it, for the subtask on show."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from app.background import sentence
from app.decision import Decision, decision_of
from app.panels import Panels
from app.session_control import SessionControl
from app.term_highlight import TermHighlight
from pipeline.document import Changes, Part, Session
from pipeline.evaluation.choice_truth import GROUND_TRUTH, PERSON, ChoiceTruth
from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.evaluation.what_if import Flips, flips_of
from pipeline.model.edits import ChooseCandidate, MoveBoundary, edits_of
from pipeline.model.options import with_option
from pipeline.model.problem import Cancelled
from pipeline.model.score import as_box

_REST_MS = 200
"""The search waits until results have not changed for this long."""
_STALE = "The scores are older than the settings. Run the stages to see what would flip the choice."


class Explanation(QObject):
    """Feeds the score breakdown beside the GUI thread, and tries what the user wants to try.

    Args:
        panels: Widgets of the window.
        control: What is done when the user asks.
        truth: Ground truth of the selected subtask, None without.
        parent: The window.
    """

    _progressed = Signal(str, float, str)

    def __init__(
        self,
        panels: Panels,
        control: SessionControl,
        truth: Callable[[], TrueSubtask | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self._truth = truth
        self._decision: Decision | None = None
        self._stop = threading.Event()
        self._searching = ""
        self._found = ""
        self._before: tuple[str, Any] | None = None
        self._is_trying = False
        self._highlight = TermHighlight(panels, control, self)
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._search)
        self._progressed.connect(self._show_progress, Qt.ConnectionType.QueuedConnection)
        control.bridge.changed.connect(self._refresh)
        control.jobEnded.connect(self._after_run)
        breakdown = panels.breakdown
        breakdown.flipsWanted.connect(self._search)
        breakdown.optionTried.connect(self.try_option)
        breakdown.boundaryTried.connect(self.try_boundary)
        breakdown.backWanted.connect(self.put_back)
        breakdown.frameChosen.connect(lambda frame: control.seek(frame, "breakdown"))

    def close(self) -> None:
        """Stop the search."""
        self._rest.stop()
        self._stop.set()

    # -- what is explained -----------------------------------------------------------------

    def _refresh(self, changes: Changes) -> None:
        parts = changes.parts
        session = self._control.document.session
        if parts & (Part.FRAME | Part.EPISODE):
            self._panels.breakdown.set_frame(session.frame)
        elsewhere = parts & (Part.EDITS | Part.OPTIONS) and not self._is_trying
        if parts & Part.EPISODE or elsewhere:
            self._forget_trial()
        if parts & (Part.RESULTS | Part.SUBTASK | Part.EPISODE | Part.OPTIONS | Part.EDITS):
            self._explain()

    def _explain(self) -> None:
        control, breakdown = self._control, self._panels.breakdown
        session = control.document.session
        breakdown.set_truth(self._truths(session))
        decision = decision_of(session) if control.document.is_fresh("scores") else None
        key = decision.key if decision is not None else ""
        if decision is not None and self._decision is not None and key == self._decision.key:
            return
        self._stop.set()
        self._decision = decision
        self._searching = self._found = ""
        breakdown.set_evidence(None)
        self._highlight.set_evidence(None)
        breakdown.flips.set_message(_STALE if session.result("scores") is not None else "")
        if decision is None:
            self._rest.stop()
            return
        breakdown.flips.set_message("")
        control.background.run(
            "evidence",
            decision.evidence,
            lambda evidence, _error: self._show_evidence(key, evidence),
        )
        self._rest.start()

    def _show_evidence(self, key: str, evidence: TermEvidence | None) -> None:
        if self._decision is not None and self._decision.key == key:
            self._panels.breakdown.set_evidence(evidence)
            self._highlight.set_evidence(evidence)

    def _truths(self, session: Session) -> tuple[ChoiceTruth, ...]:
        """What ground truth and people say about the candidates on show."""
        proposals = session.result("proposals")
        if proposals is None or not session.fits("scores"):
            return ()
        found = []
        true = self._truth()
        if true is not None and true.start_box is not None:
            box = as_box(true.start_box)
            found.append(ChoiceTruth.of(proposals, box, GROUND_TRUTH, true.camera))
        for edit in edits_of(session.edits, "scores", session.subtask):
            if isinstance(edit, ChooseCandidate):
                found.append(ChoiceTruth.of(proposals, edit.box, PERSON))
        return tuple(found)

    # -- what would flip it ----------------------------------------------------------------

    def _search(self) -> None:
        """Look for flips if somebody looks at them and they are not known or under way."""
        decision = self._decision
        if decision is None or not self._panels.breakdown.wants_flips:
            return
        if decision.key in (self._searching, self._found):
            return
        self._searching = key = decision.key
        stop = self._stop = threading.Event()
        self._panels.breakdown.flips.set_progress(0.0, "")
        self._control.background.run(
            "flips",
            lambda: self._flips(decision, stop),
            lambda flips, error: self._show_flips(key, flips, error),
        )

    def _flips(self, decision: Decision, stop: threading.Event) -> Flips:
        """Runs in a thread."""

        def progress(share: float, what: str) -> None:
            try:
                self._progressed.emit(decision.key, share, what)
            except RuntimeError as error:  # The window is gone.
                raise Cancelled from error

        return flips_of(
            decision.clip,
            decision.height,
            decision.width,
            decision.options,
            decision.scores,
            first_phase=decision.first_phase,
            progress=progress,
            is_cancelled=stop.is_set,
        )

    @Slot(str, float, str)
    def _show_progress(self, key: str, share: float, what: str) -> None:
        if key == self._searching:
            self._panels.breakdown.flips.set_progress(share, what)

    def _show_flips(self, key: str, flips: Flips | None, error: Exception | None) -> None:
        if key != self._searching:
            return
        self._searching = ""
        if isinstance(error, Cancelled):
            return
        if error is not None or flips is None:
            reason = sentence(error) if error is not None else "nothing came back"
            self._panels.breakdown.flips.set_message(f"The search for flips failed: {reason}")
            return
        self._found = key
        self._panels.breakdown.set_flips(flips)

    # -- trying ----------------------------------------------------------------------------

    def try_option(self, stage: str, name: str, value: object) -> None:
        """Set one option, run, and show the results before and after beside each other."""
        document = self._control.document
        old = document.session.options[stage]
        try:
            new = with_option(old, name, value)
        except ValueError as error:
            self._control.failed.emit(str(error), "")
            return
        self._before = (stage, old)
        self._is_trying = True
        document.set_options(stage, new, "what-if")
        words = name.replace("_", " ")
        self._panels.breakdown.flips.set_back(f"{words} was {getattr(old, name)}")
        self._control.said.emit(f"Trying {words} = {value}; “Put back” ends it")
        self._control.run()

    def try_boundary(self, arm: str, index: int, frame: int) -> None:
        """Move a phase boundary and run; it is a correction and can be undone."""
        self._before = None
        self._is_trying = True
        self._panels.breakdown.flips.set_back("boundary moved")
        self._control.decide(MoveBoundary(arm=arm, index=index, frame=frame))

    def put_back(self) -> None:
        """Take back what was tried."""
        before = self._before
        self._control.document.set_comparing(False, "what-if")
        if before is None:
            self._control.undo()
            return
        self._control.document.set_options(*before, "what-if")
        self._control.run()

    def _forget_trial(self) -> None:
        self._before, self._is_trying = None, False
        self._panels.breakdown.flips.set_back("")

    def _after_run(self, how: str) -> None:
        if self._is_trying and how == "done":
            self._control.document.set_comparing(True, "what-if")
        self._is_trying = False
