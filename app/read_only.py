"""Disables what changes results while something is open that can only be looked at.

That nothing is changed is `SessionControl`'s affair; here the user sees it before trying.
"""

from __future__ import annotations

from PySide6.QtCore import QObject

from app.panels import Panels
from app.session_control import SessionControl
from pipeline.document import Changes, Part

_ELSEWHERE = "This export holds the results of another subtask."


class ReadOnly(QObject):
    """Keeps the panels' switches in step with what is open."""

    def __init__(self, panels: Panels, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self._reason = ""
        control.bridge.changed.connect(self._on_changes)

    def _on_changes(self, changes: Changes) -> None:
        session = self._control.document.session
        reason = session.read_only
        if changes.parts & (Part.SUBTASK | Part.DATASET):
            arriving = changes.initiator == "open"  # Its results come with the next change.
            missing = bool(reason) and not arriving and session.result("proposals") is None
            self._panels.candidates.set_message(_ELSEWHERE if missing else "")
            if missing:
                self._control.said.emit(_ELSEWHERE)
        if reason == self._reason or not changes.parts & Part.DATASET:
            return
        self._reason = reason
        self._panels.caption.set_read_only(reason)
        self._panels.candidates.set_read_only(reason)
        self._panels.stages.set_read_only(reason)
