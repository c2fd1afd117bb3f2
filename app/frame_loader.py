"""Decodes frames beside the GUI thread: the latest request wins, neighbours are prefetched."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal, Slot

from app.episode_pictures import EpisodePictures
from app.prefetch import AHEAD, Prefetch
from app.settings import PICTURE_BYTES
from pipeline.model.demonstration import DatasetSource, Demonstration
from viewers.camera_frame import CameraFrame

log = logging.getLogger(__name__)

_LOOKS = 200
"""Pictures looked up in one go; a few microseconds each."""
_FIT = 0.9
"""Part of the budget that a whole clip may take to be fetched when nothing else is to do."""


@dataclass(frozen=True, slots=True)
class FrameSet:
    """The pictures of one instant, of all cameras that were asked for.

    Attributes:
        episode: Which episode they belong to.
        frame: Episode frame.
        cameras: One entry per camera asked for, in that order.
    """

    episode: int
    frame: int
    cameras: tuple[CameraFrame, ...]


@dataclass(frozen=True, slots=True)
class _Request:
    """Frames asked for; numbers rise, so that late answers are recognised."""

    number: int
    cameras: tuple[str, ...]
    frame: int


class FrameLoader(QObject):
    """One thread, one reader.

    Signals:
        loaded: `FrameSet` on the GUI thread; within `request` if all its pictures were there.
    """

    loaded = Signal(object)
    _arrived = Signal(int, object)

    def __init__(self, parent: QObject | None = None, *, cache_bytes: int = PICTURE_BYTES) -> None:
        """Start the thread.

        Args:
            parent: Owner.
            cache_bytes: Memory for decoded pictures, all cameras together.
        """
        super().__init__(parent)
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._cache_bytes = cache_bytes
        self._wake = threading.Condition()
        self._asked = 0
        self._answered = 0
        self._wanted: _Request | None = None
        self._opened: EpisodePictures | None = None
        self._stop = False
        self._thread = threading.Thread(target=self._work, name="frame-loader", daemon=True)
        self._thread.start()

    def open(self, source: DatasetSource, demonstration: Demonstration) -> None:
        """Read another episode from now on."""
        with self._wake:
            self._opened = EpisodePictures(source, demonstration)
            self._wanted = None
            self._answered = self._asked
            self._wake.notify()

    def request(self, cameras: tuple[str, ...], frame: int) -> None:
        """Ask for a frame of some cameras; an unanswered older request is forgotten.

        Args:
            cameras: Camera keys, the one that matters most first.
            frame: Episode frame.
        """
        with self._wake:
            self._asked += 1
            request = self._wanted = _Request(self._asked, cameras, frame)
            opened = self._opened
            # Also if all is there: the thread moves on to its neighbours.
            self._wake.notify()
        if opened is None:
            return
        known = tuple(opened.known(camera, frame) for camera in cameras)
        there = tuple(each for each in known if each is not None)
        if len(there) == len(known):
            self._deliver(request.number, FrameSet(opened.episode, frame, there))

    def close(self) -> None:
        """Stop the thread and release the decoders."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        self._thread.join(5.0)

    @Slot(int, object)
    def _deliver(self, number: int, loaded: FrameSet) -> None:
        if number > self._answered:
            self._answered = number
            self.loaded.emit(loaded)

    # -- in the thread ---------------------------------------------------------------------

    def _work(self) -> None:
        opened: EpisodePictures | None = None
        travel: _Travel | None = None
        while True:
            with self._wake:
                while self._is_idle(opened, travel):
                    self._wake.wait()
                if self._stop:
                    break
                wanted, self._wanted = self._wanted, None
                changed, current = self._opened is not opened, self._opened
            if changed:
                if opened is not None:
                    opened.close()
                opened, travel = current, None
                if opened is not None:
                    opened.open(self._cache_bytes)
            if opened is None:
                continue
            if wanted is not None:
                self._answer(opened, wanted)
                travel = _Travel.after(travel, opened, wanted, self._cache_bytes)
            elif travel is not None:
                travel.fetch_one()
        if opened is not None:
            opened.close()

    def _is_idle(self, opened: EpisodePictures | None, travel: _Travel | None) -> bool:
        return (
            not self._stop
            and self._wanted is None
            and self._opened is opened
            and (travel is None or travel.is_done)
        )

    def _answer(self, opened: EpisodePictures, wanted: _Request) -> None:
        """Decode what was asked for; given up once a newer request was answered from memory."""
        there = []
        for camera in wanted.cameras:
            if wanted.number <= self._answered or self._opened is not opened:
                return
            there.append(opened.load(camera, wanted.frame))
        try:
            self._arrived.emit(wanted.number, FrameSet(opened.episode, wanted.frame, tuple(there)))
        except RuntimeError:  # The window is gone and took the Qt object with it.
            log.debug("a frame arrived after the window closed")


class _Travel:
    """Where the cursor goes, and what is fetched for it meanwhile."""

    def __init__(
        self,
        opened: EpisodePictures,
        request: _Request,
        step: int,
        plan: Prefetch,
        broken: frozenset[str],
    ) -> None:
        self._opened = opened
        self._request = request
        self._step = step
        self._plan = plan
        self._broken = broken
        self._rest: list[str] = []
        self._frame = 0

    @classmethod
    def after(
        cls, last: _Travel | None, opened: EpisodePictures, request: _Request, budget: int
    ) -> _Travel:
        """Go on from an answered request."""
        cameras, frame = request.cameras, request.frame
        step = 1
        if last is not None:
            moved = frame - last._request.frame
            step = last._step
            if moved:
                step = -1 if -AHEAD <= moved < 0 else 1
            same = last._request.cameras == cameras
            if same and last._plan.covers(frame, step):
                return cls._with(last, request, step)
        shown = [opened.known(camera, frame) for camera in cameras]
        sizes = [s.picture.nbytes for s in shown if s is not None and s.picture is not None]
        broken = frozenset(s.camera for s in shown if s is not None and s.picture is None)
        room = budget // max(1, sum(sizes))
        length = opened.demonstration.length
        plan = Prefetch(frame, step, length, room, everything=length <= room * _FIT)
        return cls(opened, request, step, plan, broken)

    @classmethod
    def _with(cls, last: _Travel, request: _Request, step: int) -> _Travel:
        travel = cls(last._opened, request, step, last._plan, last._broken)
        travel._rest, travel._frame = last._rest, last._frame
        return travel

    @property
    def is_done(self) -> bool:
        """True when there is nothing left to fetch."""
        return self._plan.is_done and not self._rest

    def fetch_one(self) -> None:
        """Decode one picture that is not there yet; leave after a while of finding all there."""
        for _ in range(_LOOKS):
            if not self._rest:
                frame = self._plan.next()
                if frame is None:
                    return
                self._frame = frame
                self._rest = [c for c in self._request.cameras if c not in self._broken]
            camera = self._rest.pop(0) if self._rest else ""
            if camera and self._opened.known(camera, self._frame) is None:
                self._opened.load(camera, self._frame)
                return
