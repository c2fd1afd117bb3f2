"""Decodes frames beside the GUI thread: the latest request wins, neighbours are prefetched."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal, Slot

from pipeline.model.arrays import U8
from pipeline.model.demonstration import DatasetSource, Demonstration, FrameReader
from pipeline.model.problem import DataError

log = logging.getLogger(__name__)

_AHEAD = 12
"""Frames decoded ahead in the direction of travel while nothing is asked for."""
_READY_BYTES = 96 << 20
"""Memory for frames that can be shown at once: those ahead and those just seen."""


@dataclass(frozen=True, slots=True)
class LoadedFrame:
    """A decoded frame.

    Attributes:
        episode: Which episode it belongs to.
        camera: Camera key.
        frame: Episode frame.
        rgb: (H, W, 3) uint8, or None if it could not be decoded.
        message: Why not, one sentence.
    """

    episode: int
    camera: str
    frame: int
    rgb: U8 | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Request:
    """A frame asked for; numbers rise, so that late answers are recognised."""

    number: int
    camera: str
    frame: int


class FrameLoader(QObject):
    """One thread, one reader.

    Signals:
        loaded: `LoadedFrame` on the GUI thread; within `request` if the frame was ready.
    """

    loaded = Signal(object)
    _arrived = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._wake = threading.Condition()
        self._asked = 0
        self._answered = 0
        self._wanted: _Request | None = None
        self._ready: OrderedDict[tuple[str, int], LoadedFrame] = OrderedDict()
        self._episode: tuple[DatasetSource, Demonstration] | None = None
        self._stop = False
        self._thread = threading.Thread(target=self._work, name="frame-loader", daemon=True)
        self._thread.start()

    def open(self, source: DatasetSource, demonstration: Demonstration) -> None:
        """Read another episode from now on."""
        with self._wake:
            self._episode = (source, demonstration)
            self._wanted = None
            self._answered = self._asked
            self._ready.clear()
            self._wake.notify()

    def request(self, camera: str, frame: int) -> None:
        """Ask for a frame; an unanswered older request is forgotten."""
        with self._wake:
            self._asked += 1
            # Also if it is ready: the thread moves on to its neighbours.
            self._wanted = _Request(self._asked, camera, frame)
            ready = self._ready.get((camera, frame))
            self._wake.notify()
        if ready is not None:
            self._deliver(self._asked, ready)

    def close(self) -> None:
        """Stop the thread and release the decoders."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        self._thread.join(5.0)

    @Slot(int, object)
    def _deliver(self, number: int, loaded: LoadedFrame) -> None:
        if number > self._answered:
            self._answered = number
            self.loaded.emit(loaded)

    def _work(self) -> None:
        reader: FrameReader | None = None
        opened: tuple[DatasetSource, Demonstration] | None = None
        ahead: list[tuple[str, int]] = []
        last: tuple[str, int] | None = None
        while True:
            with self._wake:
                while not self._stop and self._wanted is None and not ahead:
                    self._wake.wait()
                if self._stop:
                    break
                wanted, self._wanted = self._wanted, None
                episode = self._episode
            if episode is not opened:
                if reader is not None:
                    reader.close()
                opened, reader, ahead, last = episode, None, [], None
                if episode is not None:
                    reader = episode[0].reader(episode[1])
            if reader is None or opened is None:
                ahead = []
                continue
            if wanted is None:
                self._load(reader, opened, *ahead.pop(0))
                continue
            place = (wanted.camera, wanted.frame)
            self._answer(wanted.number, self._load(reader, opened, *place))
            ahead = _neighbours(place, last, opened[1].length)
            last = place
        if reader is not None:
            reader.close()

    def _load(
        self,
        reader: FrameReader,
        opened: tuple[DatasetSource, Demonstration],
        camera: str,
        frame: int,
    ) -> LoadedFrame:
        """Decode a frame and keep it ready."""
        with self._wake:
            ready = self._ready.get((camera, frame))
            if ready is not None:
                self._ready.move_to_end((camera, frame))
                return ready
        episode = opened[1].ref.episode
        try:
            rgb = reader.frame(camera, frame)
        except DataError as error:
            return LoadedFrame(episode, camera, frame, None, str(error))
        loaded = LoadedFrame(episode, camera, frame, rgb)
        with self._wake:
            if self._episode is opened:
                self._ready[(camera, frame)] = loaded
                while len(self._ready) > max(1, _READY_BYTES // rgb.nbytes):
                    self._ready.popitem(last=False)
        return loaded

    def _answer(self, number: int, loaded: LoadedFrame) -> None:
        try:
            self._arrived.emit(number, loaded)
        except RuntimeError:  # The window is gone and took the Qt object with it.
            log.debug("a frame arrived after the window closed")


def _neighbours(
    wanted: tuple[str, int], last: tuple[str, int] | None, length: int
) -> list[tuple[str, int]]:
    """Frames likely to be asked for next, in the direction of travel."""
    camera, frame = wanted
    step = -1 if last is not None and last[0] == camera and frame < last[1] else 1
    places = range(frame + step, frame + step * (_AHEAD + 1), step)
    return [(camera, p) for p in places if 0 <= p < length]
