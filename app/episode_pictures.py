"""The pictures of the open episode, with failures told in words."""

from __future__ import annotations

import logging
import time

from pipeline.model.demonstration import DatasetSource, Demonstration, FrameReader
from pipeline.model.problem import DataError
from viewers.camera_frame import CameraFrame

log = logging.getLogger(__name__)

_RETRY = 5.0
"""Seconds for which a frame that could not be read is not tried again."""


class EpisodePictures:
    """An episode with its reader, which is made by the thread that decodes.

    Attributes:
        demonstration: The episode.
        reader: None until it was made, and for ever if it cannot be.
        failure: Why it cannot be made, one sentence.
    """

    def __init__(self, source: DatasetSource, demonstration: Demonstration) -> None:
        self.demonstration = demonstration
        self.reader: FrameReader | None = None
        self.failure = ""
        self._source = source
        self._failures: dict[tuple[str, int], tuple[float, str]] = {}

    @property
    def episode(self) -> int:
        """Episode index."""
        return self.demonstration.ref.episode

    def open(self, cache_bytes: int) -> None:
        """Make the reader."""
        try:
            self.reader = self._source.reader(self.demonstration, cache_bytes=cache_bytes)
        except Exception as error:
            self.failure = _sentence(error, "the episode's pictures")

    def close(self) -> None:
        """Release the reader."""
        reader, self.reader = self.reader, None
        if reader is not None:
            try:
                reader.close()
            except Exception:
                log.exception("a reader could not be closed")

    def known(self, camera: str, frame: int) -> CameraFrame | None:
        """What can be said without decoding; any thread."""
        reader = self.reader
        if reader is None:
            return CameraFrame(camera, frame, None, self.failure) if self.failure else None
        picture = reader.cached(camera, frame)
        if picture is not None:
            return CameraFrame(camera, frame, picture)
        failed = self._failures.get((camera, frame))
        if failed is not None and time.monotonic() < failed[0]:
            return CameraFrame(camera, frame, None, failed[1])
        return None

    def load(self, camera: str, frame: int) -> CameraFrame:
        """Decode, or say why not; a reader's defect is no reason to stop."""
        known = self.known(camera, frame)
        if known is not None:
            return known
        assert self.reader is not None  # noqa: S101 - else it is known why not
        try:
            return CameraFrame(camera, frame, self.reader.picture(camera, frame))
        except Exception as error:
            message = _sentence(error, f"{camera}: frame {frame}")
        if len(self._failures) > self.demonstration.length:
            self._failures.clear()
        self._failures[(camera, frame)] = time.monotonic() + _RETRY, message
        return CameraFrame(camera, frame, None, message)


def _sentence(error: Exception, what: str) -> str:
    """A failure in words; what is no DataError is a defect and goes to the log, too."""
    if isinstance(error, DataError):
        return str(error)
    log.error("%s could not be read", what, exc_info=error)
    return f"{what} cannot be read: {type(error).__name__}: {error}"
