"""Builds the Rerun recording of the selected subtask beside the GUI thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.background import sentence
from app.rerun_layout import RerunLayout
from app.rrd_source import recorded_bytes
from pipeline.document import Changes, Document, Part, Session
from viewers.rerun_viewer import EMPTY_TEXT, RerunPanel

if TYPE_CHECKING:
    from app.session_control import SessionControl
    from pipeline.model.demonstration import DatasetSource

WAITING_TEXT = "The 3D view comes when the run has ended."
BUILDING_TEXT = "Building the 3D view…"


@dataclass(frozen=True, slots=True)
class _Built:
    """A recording.

    Attributes:
        recording: Contents of an .rrd.
        situation: Its kind, for the user's layout.
        layout: The one kept for it, empty for the recording's own.
    """

    recording: bytes
    situation: str
    layout: str


class RerunFeed(QObject):
    """Gives the panel a recording of what there is when a run has ended, well or not.

    Nothing is built at single stages: a recording takes as long as several of them. While a
    better one is built the old one of the same episode stays; the newest wins, what became
    superfluous is told to stop.

    Signals:
        recordingGiven: The panel has got another recording.
    """

    recordingGiven = Signal()

    def __init__(
        self, control: SessionControl, panel: RerunPanel, layouts: RerunLayout, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._control = control
        self._panel = panel
        self._layouts = layouts
        self._wanted = ""
        self._shown = ""
        self._failed = ""
        self._has_recording = False
        self._is_closed = False
        self._stop = threading.Event()
        control.bridge.changed.connect(self._on_changes)
        control.jobEnded.connect(self._on_job)
        control.jobs.busyChanged.connect(self._on_job)

    @property
    def is_current(self) -> bool:
        """False while the panel still has a recording of results before those on show."""
        return not self._has_recording or self._shown == self._wanted

    def refresh(self) -> None:
        """Build a recording unless the one on show, or on its way, has the same results."""
        document, source = self._control.document, self._control.source
        session = fitting(document)
        if session.demonstration is None or source is None or self._is_closed:
            return
        names = [stage.name for stage in document.graph.stages]
        outcomes = [session.outcome(name) for name in names]
        if None in outcomes and self._control.jobs.busy:
            self._say(WAITING_TEXT)
            return
        if session.result("proposals") is None:
            self._say(_failure(session, names) or EMPTY_TEXT)
            return
        keys = "/".join(o.key for o in outcomes if o is not None)
        wanted = f"{session.demonstration.ref.episode}:{session.subtask}:{keys}"
        if wanted != self._wanted:
            self._build(wanted, session, source)
        else:
            self._say(self._failed or BUILDING_TEXT)

    def try_again(self) -> bool:
        """Build what could not be built once more; False if nothing failed."""
        if not self._failed:
            return False
        self._forget()
        self.refresh()
        return True

    def close(self) -> None:
        """Stop what is under way, for good."""
        self._is_closed = True
        self._forget()

    def _on_job(self, _state: object) -> None:
        self.refresh()

    def _on_changes(self, changes: Changes) -> None:
        if changes.parts & Part.EPISODE:
            # The memory of a recording is that of its episode.
            self._forget()
            self._panel.clear()
        if changes.parts & (Part.EPISODE | Part.RESULTS | Part.SUBTASK):
            self.refresh()

    def _forget(self) -> None:
        self._stop.set()
        self._wanted = self._failed = ""
        self._has_recording = False
        self._layouts.note_closed()

    def _say(self, text: str) -> None:
        """Say in the panel why it is empty, if it is."""
        if not self._has_recording and self._panel.message != text:
            self._panel.clear(text)

    def _build(self, wanted: str, session: Session, source: DatasetSource) -> None:
        self._stop.set()
        stop = self._stop = threading.Event()
        self._wanted, self._failed = wanted, ""
        self._say(BUILDING_TEXT)
        dataset = session.dataset.path if session.dataset is not None else ""
        layouts = self._layouts

        def work() -> _Built:
            return _build(session, source, dataset, layouts, stop.is_set)

        self._control.background.run(
            "rerun", work, lambda built, error: self._show(wanted, dataset, built, error)
        )

    def _show(
        self, wanted: str, dataset: str, built: _Built | None, error: Exception | None
    ) -> None:
        if wanted != self._wanted:
            return  # Another episode is on show by now.
        if error is not None or built is None:
            self._forget()
            self._wanted = wanted  # It would fail again.
            self._failed = f"No 3D view: {sentence(error) if error else 'nothing to show'}"
            self._panel.clear(self._failed)
            return
        self._has_recording = True
        self._shown = wanted
        if built.situation:
            self._layouts.note_shown(dataset, built.situation)
        else:
            self._layouts.note_closed()
        self._panel.set_recording(built.recording, layout=built.layout)
        self.recordingGiven.emit()


def fitting(document: Document) -> Session:
    """The session with those results of the selected subtask that were made of each other.

    After a run that was cancelled or failed half-way, later results may belong to earlier ones
    that are not there any more.
    """
    session = document.session
    kept = {}
    for stage in document.graph.stages:
        outcome = session.outcome(stage.name)
        if outcome is not None and session.fits(stage.name):
            kept[(stage.name, outcome.subtask)] = outcome
    return replace(session, results=MappingProxyType(kept))


def _failure(session: Session, names: list[str]) -> str:
    """Why there are no candidates, empty if nothing was tried."""
    for (stage, _), failure in session.failures.items():
        if stage in names:
            return f"No 3D view: {failure.message}"
    return ""


def _build(
    session: Session,
    source: DatasetSource,
    dataset: str,
    layouts: RerunLayout,
    cancelled: Callable[[], bool],
) -> _Built:
    """Log what there is; runs in a thread.

    Raises:
        DataError: If nothing of it can be logged.
        Cancelled: If `cancelled` said so.
    """
    recorded = recorded_bytes(source)
    if recorded is not None:  # An export is opened as it is, with its own layout.
        return _Built(recorded, "", "")
    # lazy: Rerun
    from app.rerun_build import build_inputs
    from viewers.rerun_blueprint import situation
    from viewers.rerun_log import recording_bytes

    inputs = build_inputs(session, source, cancelled=cancelled)
    kind = situation(inputs)
    recording = recording_bytes(inputs, cancelled=cancelled)
    return _Built(recording, kind, layouts.kept(dataset, kind))
