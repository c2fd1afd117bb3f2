"""Measures beside the GUI thread how well 3D points and 2D tracks of the subtask agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.session_control import SessionControl
from pipeline.document import Changes, Part, Session
from widgets.timeline import Timeline

if TYPE_CHECKING:
    from pipeline.model.consistency import Consistency


class ConsistencyControl(QObject):
    """Keeps the residuals of the results on show; measured once per lifting, the newest wins.

    Signals:
        measured: `Consistency`, or None where there is no geometry or nothing fits any more.
    """

    measured = Signal(object)

    def __init__(self, timeline: Timeline, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._control = control
        self._of: tuple[Any, ...] = ()
        self._consistency: Consistency | None = None
        self.measured.connect(timeline.set_consistency)
        control.bridge.changed.connect(self._refresh)

    @property
    def consistency(self) -> Consistency | None:
        """What was measured last; None before, and without geometry."""
        return self._consistency

    def close(self) -> None:
        """Forget what is under way."""
        self._of = ()

    def _refresh(self, changes: Changes) -> None:
        if changes.parts & Part.EPISODE:
            self._of = ()  # The timeline starts empty, even if the same episode is opened again.
        if changes.parts & (Part.RESULTS | Part.SUBTASK | Part.EPISODE):
            self._measure(self._control.document.session)

    def _measure(self, session: Session) -> None:
        inputs = _inputs(session)
        if len(inputs) == len(self._of) and all(
            a is b for a, b in zip(inputs, self._of, strict=True)
        ):
            return
        self._of = inputs
        self._tell(None)
        if not inputs:
            return
        tracks, lifting, proposals, demonstration = inputs
        pose = demonstration.camera(proposals.camera).camera_to_world

        def work() -> Consistency | None:
            from pipeline.scoring.consistency import measure_consistency  # lazy: not for the start

            return measure_consistency(tracks, lifting, proposals.keyframe, pose)

        def then(found: Consistency | None, _error: Exception | None) -> None:
            if self._of is inputs:
                self._tell(found)

        self._control.background.run("residuals", work, then)

    def _tell(self, consistency: Consistency | None) -> None:
        if consistency is not None or self._consistency is not None:
            self._consistency = consistency
            self.measured.emit(consistency)


def _inputs(session: Session) -> tuple[Any, ...]:
    """Tracks, lifting, proposals and episode, or nothing where they do not fit or lack 3D."""
    found = [session.result(name) for name in ("tracks", "lifting", "proposals")]
    demonstration = session.demonstration
    if demonstration is None or any(value is None for value in found):
        return ()
    if not session.fits("lifting") or not found[1].available:
        return ()
    return (*found, demonstration)
