"""The frame reader of all formats: one stream of pictures per camera, opened on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from pipeline.model.arrays import F32, U8
from pipeline.model.demonstration import CACHE_BYTES
from pipeline.model.picture import Picture, PictureTimes
from pipeline.model.problem import DataError
from pipeline.sources.memory import give_back
from pipeline.sources.picture_cache import PictureCache


class PictureStream(Protocol):
    """Pictures of one camera of one episode, by the episode's frame index."""

    def picture(self, index: int) -> Picture:
        """Return the picture of a frame, from the cache or decoded. Raises DataError."""
        ...

    def cached(self, index: int) -> Picture | None:
        """Return it only if it is in memory; any thread."""
        ...

    def times(self) -> PictureTimes | None:
        """When the pictures were taken, None if unknown."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class DepthStream(Protocol):
    """Depth of one camera of one episode."""

    def metres(self, index: int) -> F32:
        """Return (H, W) float32 metres, 0 = unknown. Raises DataError."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


OpenPictures = Callable[[PictureCache], PictureStream]
"""Opens a camera's stream, which keeps its pictures in the given cache. May raise DataError."""
OpenDepth = Callable[[PictureCache], DepthStream]
"""Opens a camera's depth. May raise DataError."""


class EpisodeReader:
    """FrameReader over streams; a camera's file is opened when it is first asked for."""

    def __init__(
        self,
        cameras: Mapping[str, OpenPictures],
        depths: Mapping[str, OpenDepth] | None = None,
        *,
        cache_bytes: int = CACHE_BYTES,
        release: Callable[[], None] | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            cameras: How to open each camera, by its key.
            depths: How to open the depth that belongs to a camera, by the camera's key.
            cache_bytes: Budget of decoded pictures, all cameras together.
            release: Called by `close` after the streams were closed (a file they share).
        """
        self._cameras = dict(cameras)
        self._depths = dict(depths or {})
        self._cache = PictureCache(cache_bytes)
        self._release = release
        self._streams: dict[str, PictureStream] = {}
        self._opened_depths: dict[str, DepthStream] = {}

    @property
    def cache(self) -> PictureCache:
        """The pictures in memory."""
        return self._cache

    def picture(self, camera: str, index: int) -> Picture:
        """See `FrameReader`."""
        return self._stream(camera).picture(index)

    def cached(self, camera: str, index: int) -> Picture | None:
        """See `FrameReader`."""
        stream = self._streams.get(camera)
        return None if stream is None else stream.cached(index)

    def frame(self, camera: str, index: int) -> U8:
        """RGB (H, W, 3) uint8 of frame `index`. Raises DataError."""
        return self._stream(camera).picture(index).rgb()

    def depth(self, camera: str, index: int) -> F32 | None:
        """Depth (H, W) float32 in metres of a colour camera; None if there is none."""
        if camera not in self._depths:
            return None
        if camera not in self._opened_depths:
            self._opened_depths[camera] = self._depths[camera](self._cache)
        return self._opened_depths[camera].metres(index)

    def times(self, camera: str) -> PictureTimes | None:
        """See `FrameReader`."""
        return self._stream(camera).times()

    def close(self) -> None:
        """Close the streams and forget the pictures; the reader can be used no more."""
        for stream in self._streams.values():
            stream.close()
        for depth in self._opened_depths.values():
            depth.close()
        self._streams.clear()
        self._opened_depths.clear()
        self._cache.clear()
        if self._release is not None:
            self._release()
        give_back()

    def _stream(self, camera: str) -> PictureStream:
        if camera not in self._streams:
            if camera not in self._cameras:
                raise DataError("no_such_camera", f"the episode has no camera {camera}")
            self._streams[camera] = self._cameras[camera](self._cache)
        return self._streams[camera]
