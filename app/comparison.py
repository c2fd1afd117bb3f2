"""Compares the newest results with the run before: the two actions, and what views show of it."""

from __future__ import annotations

from PySide6.QtCore import QObject

from app.actions import ActionTable
from app.panels import Panels
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.engine.kept_run import differences, run_view
from pipeline.evaluation.comparison import compare_runs, renumbered
from viewers.overlays import OverlayData

_SHOWN = 2
"""Differences that are named in one line; the others are counted."""


class Comparison(QObject):
    """Shows both runs while the user compares them."""

    def __init__(
        self, control: SessionControl, panels: Panels, table: ActionTable, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._control = control
        self._panels = panels
        self._table = table
        control.bridge.changed.connect(self._refresh)
        panels.frame.beforeClicked.connect(
            lambda candidate: control.document.select_candidate(candidate, "before")
        )

    def do_compare(self) -> None:
        """Show the run before beside the newest results, or only these."""
        on = self._table.actions["compare"].isChecked()
        self._control.document.set_comparing(on, "compare")
        if on and self._control.document.session.result("proposals") is not None:
            self._control.said.emit(self._what() or "Both runs were made alike")

    def do_pin_run(self) -> None:
        """Compare all later runs with the results on show, or each with the one before it."""
        on = self._table.actions["pin_run"].isChecked()
        self._control.document.pin_run(on, "compare")
        self._control.said.emit(
            "This run is kept: later runs are compared with it"
            if on
            else "Each run is compared with the one before it"
        )

    def _what(self) -> str:
        """How both runs were made differently, one line."""
        session = self._control.document.session
        if session.before is None:
            return ""
        found = differences(session.before, session.options, session.edits)
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return "; ".join(found[:_SHOWN]) + more

    def _refresh(self, changes: Changes) -> None:
        parts = Part.COMPARISON | Part.RESULTS | Part.SUBTASK | Part.EPISODE
        document, panels = self._control.document, self._panels
        session = document.session
        if changes.parts & Part.CANDIDATE and session.comparing:
            panels.frame.before.set_selected(session.candidate)
        if not changes.parts & parts:
            return
        pinned = session.before is not None and session.before.pinned
        self._table.actions["compare"].setChecked(session.comparing)
        self._table.actions["pin_run"].setChecked(pinned)
        before = after = None
        if session.before is not None and session.comparing:
            before = run_view(session.before.results, session.subtask)
            after = run_view(session.results, session.subtask, session.fits)
        if before is None or after is None:
            panels.frame.set_before(None, "")
            panels.candidates.set_comparison(None)
            return
        found = compare_runs(before, after)
        what = self._what()
        shown = renumbered(before, found.shared_ids)
        panels.candidates.set_comparison(found, what)
        panels.frame.set_before(
            OverlayData(
                proposals=shown.proposals,
                masks=shown.masks,
                tracks=shown.tracks,
                scores=shown.scores,
                robot=session.before.result("robot", session.subtask) if session.before else None,
                target=session.before.result("target", session.subtask) if session.before else None,
            ),
            what,
        )
        panels.frame.before.set_selected(session.candidate)
