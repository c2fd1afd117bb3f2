"""Pictures and videos of a request, decoded beside the GUI thread."""

from __future__ import annotations

import io
import logging
import math
import threading
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal, Slot

from pipeline.model.arrays import U8
from pipeline.model.drafting import PartKind, SentPart
from pipeline.model.problem import DataError

log = logging.getLogger(__name__)

_MOST_PIXELS = 64_000_000
"""Larger frames of a video are refused, as larger pictures are."""
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
"""Formats that hold pictures themselves; playlists name other files."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPart:
    """A part as it looks.

    Attributes:
        rgb: (H, W, 3) uint8 RGB: the picture, or the first frame of a video; None if there is none.
        problem: Why not, one sentence; empty if there is one.
        seconds: Length of a video, NaN for a picture or where its file does not say.
        count: Frames of a video, 0 for a picture or where its file does not say.
    """

    rgb: U8 | None
    problem: str = ""
    seconds: float = math.nan
    count: int = 0


def decode_part(part: SentPart, name: str) -> DecodedPart:
    """Decode what was sent; bytes that are no picture give one sentence, never an exception.

    Args:
        part: A picture or a video.
        name: What to call it in the sentence, e.g. `picture 2`.
    """
    data = part.data.tobytes()
    if not data:
        return DecodedPart(None, f"{name}: no bytes are kept of it")
    try:
        return _video(data, name) if part.kind is PartKind.VIDEO else _picture(data, name)
    except DataError as error:
        return DecodedPart(None, str(error))
    except MemoryError:
        return DecodedPart(None, f"{name}: larger than the memory")


def _picture(data: bytes, name: str) -> DecodedPart:
    from pipeline.sources.images import decode_image

    return DecodedPart(decode_image(data, name))


def _video(data: bytes, name: str) -> DecodedPart:
    import av

    try:
        options = {"format_whitelist": _CONTAINERS}
        with av.open(io.BytesIO(data), "r", options=options, metadata_errors="ignore") as container:
            if not container.streams.video:
                return DecodedPart(None, f"{name}: the file holds no video")
            stream = container.streams.video[0]
            context = stream.codec_context
            if context.width * context.height > _MOST_PIXELS:
                size = f"{context.width} x {context.height}"
                return DecodedPart(None, f"{name}: {size} pixels, more than can be shown")
            seconds = math.nan
            if stream.duration is not None and stream.time_base is not None:
                seconds = float(stream.duration * stream.time_base)
            for frame in container.decode(stream):
                rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                return DecodedPart(rgb, "", seconds, int(stream.frames or 0))
    except (av.FFmpegError, ValueError, OSError) as error:
        return DecodedPart(None, f"{name}: the video cannot be decoded ({error})")
    return DecodedPart(None, f"{name}: the video has no frame")


class SentPictures(QObject):
    """Decodes the parts of the newest request; answers of older ones are dropped.

    Signals:
        decoded: Index of the part in the request, and its `DecodedPart`.
    """

    decoded = Signal(int, object)
    _arrived = Signal(int, int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._newest = 0
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def idle(self) -> bool:
        """True if every part of the newest request was delivered."""
        return self._waiting == 0

    def want(self, parts: tuple[SentPart, ...]) -> None:
        """Decode pictures and videos of a request in its order, forget those before."""
        self._newest += 1
        jobs = [(k, p) for k, p in enumerate(parts) if p.kind is not PartKind.TEXT]
        self._waiting = len(jobs)
        if jobs:
            self._thread = threading.Thread(
                target=self._work, args=(self._newest, jobs), name="sent-pictures", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Forget all answers and wait for the thread (at most a second)."""
        self._newest += 1
        self._waiting = 0
        if self._thread is not None:
            self._thread.join(1.0)

    def _work(self, number: int, jobs: list[tuple[int, SentPart]]) -> None:
        for place, (index, part) in enumerate(jobs):
            if number != self._newest:
                return
            word = "video" if part.kind is PartKind.VIDEO else "picture"
            found = decode_part(part, f"{word} {place + 1} ({part.role})")
            try:
                self._arrived.emit(number, index, found)
            except RuntimeError:
                log.debug("a decoded part came after its viewer was closed")
                return

    @Slot(int, int, object)
    def _deliver(self, number: int, index: int, found: DecodedPart) -> None:
        if number == self._newest:
            self._waiting -= 1
            self.decoded.emit(index, found)
