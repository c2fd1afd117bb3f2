"""The 3D viewer and the window are one: the same cursor, selection and loop, both ways.

What the viewer began carries the initiator `rerun` and is not told back to it; what it is told is
remembered, so that an answer which says the same begins nothing. Rerun 0.41 tells of no hovering,
so that hovering is one-way (`app.term_highlight`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QObject, QTimer, SignalInstance

from app.playback import LoopRange
from app.session_control import SessionControl
from pipeline.document import Changes, Part, Session
from pipeline.model.candidate import TracksResult
from pipeline.model.geometry import LiftingResult
from viewers.rerun_inputs import camera_path, candidate_of
from viewers.rerun_points import cloud_columns, instance_of, point_of

log = logging.getLogger(__name__)

RERUN = "rerun"
"""Initiator of what the user does in the 3D viewer."""
REST_MS = 150
"""A selected point is found again in the viewer when the cursor rests this long: at each tracked
frame it is another instance, and an order costs the viewer three frames (our choice)."""

_NOTHING = ("", -1)


class Viewer3D(Protocol):
    """What the window needs of the 3D viewer. No setter emits."""

    # Signals are named as in Qt.
    @property
    def frameChanged(self) -> SignalInstance:  # noqa: N802
        """(frame) It moved by itself."""

    @property
    def playingChanged(self) -> SignalInstance:  # noqa: N802
        """(playing) It began or ended to play by itself."""

    @property
    def loopChanged(self) -> SignalInstance:  # noqa: N802
        """(first, last) The user marked a range in it; None, None: no more."""

    @property
    def entitySelected(self) -> SignalInstance:  # noqa: N802
        """(entity path, instance or -1) The user selected something in it."""

    @property
    def readyChanged(self) -> SignalInstance:  # noqa: N802
        """(ready) It shows the recording, or no longer does."""

    def set_frame(self, frame: int) -> None:
        """Go to a frame of the episode."""

    def set_playing(self, playing: bool) -> None:
        """Start or stop its own playback."""

    def set_loop(self, first: int | None, last: int | None) -> None:
        """Repeat a range while playing, both ends included; None, None: everything once."""

    def set_selection(self, entity: str, instance: int = -1) -> None:
        """Select an entity, or an instance of it; empty: nothing."""


class RerunLink(QObject):
    """Hands cursor, selection and loop from one side to the other."""

    def __init__(
        self,
        viewer: Viewer3D,
        control: SessionControl,
        parent: QObject,
        is_current: Callable[[], bool] = lambda: True,
    ) -> None:
        """Connect both.

        Args:
            viewer: The 3D viewer.
            control: What the window's session is changed through.
            parent: Owner.
            is_current: Whether the viewer shows the results on show in the window. While a newer
                recording is built it does not, and an instance there is another point here.
        """
        super().__init__(parent)
        self._is_current = is_current
        self._viewer = viewer
        self._control = control
        self._selected: tuple[str, int] = _NOTHING
        self._loop: tuple[int, int] | None = None
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._find_point_again)
        viewer.frameChanged.connect(self._viewer_moved)
        viewer.playingChanged.connect(self._viewer_played)
        viewer.loopChanged.connect(self._viewer_looped)
        viewer.entitySelected.connect(self._viewer_selected)
        viewer.readyChanged.connect(self._viewer_ready)
        control.bridge.changed.connect(self._refresh)
        control.player.loopChanged.connect(self._loop_changed)

    def renew(self) -> None:
        """Another recording is given to the viewer: say everything again."""
        self._control.player.end_lead(RERUN)
        self._viewer.set_frame(self._control.document.session.frame)
        self._viewer.set_loop(*(self._loop or (None, None)))
        self._select(entity_for(self._control.document.session))

    # -- from the window -------------------------------------------------------------------

    def _refresh(self, changes: Changes) -> None:
        parts, session = changes.parts, self._control.document.session
        own = changes.initiator == RERUN
        if parts & Part.EPISODE:
            self._selected = _NOTHING
        if parts & (Part.FRAME | Part.EPISODE):
            if not own:
                self._viewer.set_frame(session.frame)
            if session.point >= 0:
                self._rest.start()
        if parts & Part.PLAYING:
            if not own:
                # Either playing ends, or the window is the clock: the viewer stands still.
                self._viewer.set_playing(False)
            if session.point >= 0:
                self._rest.start()
        if parts & (Part.CANDIDATE | Part.POINT) and not own:
            self._show_selection(by_user=changes.initiator != "worker")

    def _show_selection(self, *, by_user: bool) -> None:
        """Let the viewer select what the window talks about.

        New results that change nothing of that leave alone what the user selected in the viewer:
        another entity of the same candidate, a camera.
        """
        wanted = entity_for(self._control.document.session)
        whole = wanted[1] < 0 and self._selected[1] < 0
        same = candidate_of(self._selected[0]) == candidate_of(wanted[0])
        if by_user or not whole or not same:
            self._select(wanted)

    def _select(self, wanted: tuple[str, int]) -> None:
        self._selected = wanted
        self._viewer.set_selection(*wanted)

    def _find_point_again(self) -> None:
        """The selected point is another instance at another tracked frame."""
        session = self._control.document.session
        if session.playing or session.point < 0:
            return
        wanted = entity_for(session)
        # Whatever else the user selected in the viewer since then stays selected.
        if wanted[0] == self._selected[0] and wanted != self._selected:
            self._select(wanted)

    def _loop_changed(self, span: tuple[int, int] | None) -> None:
        loop = (span[0], span[1] - 1) if span is not None else None
        if loop != self._loop:
            self._loop = loop
            self._viewer.set_loop(*(loop or (None, None)))

    # -- from the viewer -------------------------------------------------------------------

    def _viewer_moved(self, frame: int) -> None:
        control = self._control
        if control.player.led_by == RERUN:
            control.document.set_frame(frame, RERUN)
        else:
            control.seek(frame, RERUN)
        if control.document.session.frame != frame:  # There is no such frame in the episode.
            self._viewer.set_frame(control.document.session.frame)

    def _viewer_played(self, playing: bool) -> None:
        player = self._control.player
        if playing:
            player.lead(RERUN)
        else:
            player.end_lead(RERUN)

    def _viewer_looped(self, first: int | None, last: int | None) -> None:
        self._loop = None if first is None or last is None else (first, last)
        self._control.player.set_loop(LoopRange() if self._loop is None else LoopRange(*self._loop))

    def _viewer_ready(self, ready: bool) -> None:
        if not ready:
            self._control.player.end_lead(RERUN)

    def _viewer_selected(self, entity: str, instance: int) -> None:
        entity = entity.strip("/")
        if (entity, instance) == self._selected:
            return
        self._selected = (entity, instance)
        document = self._control.document
        session = document.session
        candidate = candidate_of(entity)
        if candidate is None:
            self._show_camera(entity)
            if not entity and session.point >= 0:
                document.select_point(-1, RERUN)
            return
        proposals = session.result("proposals")
        if proposals is None or candidate not in {p.id for p in proposals.candidates}:
            log.debug("the viewer selected %s, which is of another recording", entity)
            return
        tracks, lifting = _tracks(session), _lifting(session)
        point = -1
        if tracks is not None and self._is_current():
            point = point_of(entity, instance, session.frame, tracks, lifting)
        if point >= 0:
            document.select_point(point, RERUN)
        elif (session.candidate, session.point) != (candidate, -1):
            document.select_candidate(candidate, RERUN)

    def _show_camera(self, entity: str) -> None:
        """Show the camera that was selected in the viewer."""
        session = self._control.document.session
        for camera in session.demonstration.cameras if session.demonstration is not None else ():
            path = camera_path(camera)
            if f"{entity}/".startswith(f"{path}/") and camera.key != session.camera:
                self._control.document.set_camera(camera.key, RERUN)
                return


def entity_for(session: Session) -> tuple[str, int]:
    """Entity, and instance or -1, that stands for the selected candidate or point in a recording.

    In the world where there is geometry, else in the picture; a point that is not seen at this
    frame is the whole cloud. Nothing selected, or nothing of it recorded: ("", -1).
    """
    proposals = session.result("proposals")
    if session.demonstration is None or proposals is None or session.candidate < 0:
        return _NOTHING
    candidate = session.candidate
    try:
        camera = session.demonstration.camera(proposals.camera)
    except KeyError:
        return _NOTHING
    flat = f"{camera_path(camera)}/candidates/{candidate}"
    tracks, lifting = _tracks(session), _lifting(session)
    if tracks is None or not cloud_columns(tracks, candidate).size:
        return f"{flat}/box", -1
    seen_by = camera.intrinsics is not None or (
        lifting is not None and lifting.intrinsics is not None
    )
    solid = lifting if lifting is not None and seen_by else None
    instance = -1
    if session.point >= 0:
        instance = instance_of(session.point, session.frame, tracks, solid)
    place = flat if solid is None else f"world/candidates/{candidate}"
    return f"{place}/points", instance


def _tracks(session: Session) -> TracksResult | None:
    tracks: TracksResult | None = session.result("tracks")
    return tracks if session.fits("tracks") else None


def _lifting(session: Session) -> LiftingResult | None:
    """3D positions, None where there are none."""
    lifting: LiftingResult | None = session.result("lifting")
    if lifting is None or not session.fits("lifting") or not lifting.available:
        return None
    return lifting
