"""Builds the Rerun recording of the selected subtask beside the GUI thread."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.background import sentence
from pipeline.model.problem import DataError
from viewers.rerun_inputs import RerunInputs, picture_frames
from viewers.rerun_viewer import RerunPanel

if TYPE_CHECKING:
    from app.session_control import SessionControl
    from pipeline.document import Session
    from pipeline.model.demonstration import DatasetSource

log = logging.getLogger(__name__)


class RerunFeed(QObject):
    """Gives the panel a new recording when the results of the selected subtask are complete."""

    def __init__(self, control: SessionControl, panel: RerunPanel, parent: QObject) -> None:
        super().__init__(parent)
        self._control = control
        self._panel = panel
        self._shown = ""

    def refresh(self) -> None:
        """Build a recording unless the one on show has the same results."""
        session = self._control.document.session
        outcomes = [session.outcome(s.name) for s in self._control.document.graph.stages]
        keys = "/".join(o.key for o in outcomes if o is not None)
        if session.result("scores") is None or self._control.source is None:
            self._shown = ""
            return
        if keys == self._shown:
            return
        self._shown = keys
        source = self._control.source
        self._control.background.run(
            "rerun",
            lambda: build_recording(session, source),
            lambda recording, error: self._show(keys, recording, error),
        )

    def _show(self, keys: str, recording: bytes | None, error: Exception | None) -> None:
        if keys != self._shown:
            return  # Another episode is on show by now.
        if error is not None or recording is None:
            self._shown = ""
            self._panel.clear(f"No 3D view: {sentence(error) if error else 'nothing to show'}")
            return
        self._panel.set_recording(recording)
        self._panel.set_frame(self._control.document.session.frame)

    def close(self) -> None:
        """Forget what is under way."""
        self._shown = ""


def build_recording(session: Session, source: DatasetSource) -> bytes:
    """Log the selected subtask of a session to .rrd bytes.

    Raises:
        DataError: If nothing of it can be logged.
    """
    from viewers.rerun_log import recording_bytes

    demonstration = session.demonstration
    proposals = session.result("proposals")
    subtasks = session.result("subtasks")
    if demonstration is None or proposals is None or subtasks is None:
        raise DataError("no_results", "run the pipeline first")
    tracks = session.result("tracks")
    task = subtasks.subtasks[session.subtask]
    frames = picture_frames(
        demonstration, (task.start, task.end), tracks.frames if tracks is not None else None
    )
    pictures = []
    reader = source.reader(demonstration)
    try:
        for frame in frames:
            try:
                pictures.append((frame, reader.frame(proposals.camera, frame)))
            except DataError as error:
                log.info("the recording lacks frame %d: %s", frame, error)
    finally:
        reader.close()
    inputs = RerunInputs(
        demonstration=demonstration,
        camera=proposals.camera,
        pictures=tuple(pictures),
        subtask=task,
        phases=session.result("phases"),
        subtasks=subtasks,
        proposals=proposals,
        masks=session.result("masks"),
        tracks=tracks,
        lifting=session.result("lifting"),
        robot=session.result("robot"),
        scores=session.result("scores"),
        target=session.result("target"),
    )
    return recording_bytes(inputs)
