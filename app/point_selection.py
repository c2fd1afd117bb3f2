"""Selecting a tracked point: in the frame, by keys, and what is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject

from app.consistency_control import ConsistencyControl
from app.panels import Panels
from app.session_control import SessionControl
from pipeline.document import Changes, Part, Session
from viewers.rerun_points import cloud_columns
from viewers.track_points import heads_at, point_line

if TYPE_CHECKING:
    from pipeline.model.arrays import I32
    from pipeline.model.candidate import TracksResult


class PointSelection(QObject):
    """Keeps the frame viewer's selected point that of the document; does the point's actions."""

    def __init__(
        self,
        panels: Panels,
        control: SessionControl,
        residuals: ConsistencyControl,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panels = panels
        self._control = control
        self._residuals = residuals
        residuals.measured.connect(panels.frame.viewer.set_consistency)
        panels.frame.pointClicked.connect(lambda p: control.document.select_point(p, "frame"))
        control.bridge.changed.connect(self._refresh)

    def do_next_point(self) -> None:
        """To the next point of the candidate that is seen here, round and round."""
        self._step(1)

    def do_previous_point(self) -> None:
        """To the previous point of the candidate that is seen here, round and round."""
        self._step(-1)

    def do_no_point(self) -> None:
        """Select no point."""
        self._control.document.select_point(-1, "keys")

    def _step(self, direction: int) -> None:
        document = self._control.document
        session = document.session
        tracks = _fitting(session, "tracks")
        if tracks is None:
            return
        here = points_here(tracks, session.candidate, session.frame)
        if not here.size:
            self._control.said.emit("No point of the selected candidate is seen in this frame")
            return
        if direction > 0:
            following = here[here > session.point]
            chosen = following[0] if following.size else here[0]
        else:
            before = here[here < session.point]
            chosen = before[-1] if before.size else here[-1]
        document.select_point(int(chosen), "keys")

    def _refresh(self, changes: Changes) -> None:
        session = self._control.document.session
        if changes.parts & (Part.POINT | Part.EPISODE):
            self._panels.frame.set_selected_point(session.point)
        if changes.parts & Part.POINT and session.point >= 0:
            self._say(session)

    def _say(self, session: Session) -> None:
        tracks = _fitting(session, "tracks")
        if tracks is not None:
            lifting = _fitting(session, "lifting")
            line = point_line(
                tracks, lifting, self._residuals.consistency, session.point, session.frame
            )
            self._control.said.emit(line[:1].upper() + line[1:])


def points_here(tracks: TracksResult, candidate: int, frame: int) -> I32:
    """Columns (n,) of a candidate's points that are seen in a frame, ascending."""
    columns = cloud_columns(tracks, candidate)
    _, seen = heads_at(tracks, frame, _step_of(tracks))
    here: I32 = columns[seen[columns]]
    return here


def _step_of(tracks: TracksResult) -> float:
    return float(max(np.median(np.diff(tracks.frames)), 1)) if len(tracks.frames) > 1 else 1.0


def _fitting(session: Session, stage: str) -> Any:
    return session.result(stage) if session.fits(stage) else None
