"""Frames of an episode from video files, by time, through PyAV.

OpenCV's wheels cannot open AV1, the usual codec of LeRobot datasets; PyAV's can (dav1d).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.model.arrays import F64, U8
from pipeline.model.demonstration import CACHE_BYTES
from pipeline.model.picture import Picture, PictureTimes
from pipeline.model.problem import DataError
from pipeline.sources.picture_cache import PictureCache

if TYPE_CHECKING:
    import av

log = logging.getLogger(__name__)

# Decoding on costs one frame each; a seek costs a key frame and all up to the target.
_FORWARD_LIMIT = 48


@dataclass(frozen=True, slots=True)
class VideoPicture:
    """A decoded frame in the planes the decoder left.

    Attributes:
        decoded: The frame; never written to.
        note: See `Picture`.
    """

    decoded: av.VideoFrame
    note: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.decoded.width, self.decoded.height

    @property
    def nbytes(self) -> int:
        """Memory that the planes hold, padding included."""
        return sum(plane.buffer_size for plane in self.decoded.planes)

    def rgb(self) -> U8:
        """Convert."""
        return self.decoded.to_ndarray(format="rgb24").astype(np.uint8, copy=False)

    def bgrx(self) -> U8:
        """Convert."""
        return self.decoded.to_ndarray(format="bgra").astype(np.uint8, copy=False)


class VideoClip:
    """The part of one video file that belongs to an episode.

    Frames are named by the episode's frame index and found by time: the frame shown at
    `start + timestamps[index]`, like LeRobot's own reader, so that variable rates and episodes
    that start inside a file come out right.

    Attributes:
        path: Video file.
    """

    def __init__(
        self,
        path: Path,
        timestamps: F64,
        *,
        start: float = 0.0,
        cache: PictureCache | None = None,
        name: str = "",
    ) -> None:
        """Open the file and read its packet times (no decoding).

        Args:
            path: Video file.
            timestamps: (T,) seconds from the episode's start.
            start: Where the episode starts in the file, seconds.
            cache: Where decoded frames are kept; an own one of 64 MiB by default.
            name: Camera key; names its pictures in the cache.

        Raises:
            DataError: `bad_video` if it is no video that can be opened.
        """
        import av

        self.path = path
        self._start = start
        self._name = name
        self._cache = cache if cache is not None else PictureCache(CACHE_BYTES)
        try:
            self._container = av.open(str(path), metadata_errors="ignore")
            self._stream: Any = self._container.streams.video[0]
        except (av.FFmpegError, OSError, IndexError, ValueError) as error:
            raise DataError(
                "bad_video", f"{path}: is no video that can be opened ({error})"
            ) from error
        codec: Any = self._stream.codec_context
        if codec is None:  # The header names a codec that nobody knows.
            self._container.close()
            raise DataError("bad_video", f"{path}: is encoded in a way that cannot be decoded")
        # Threads make a seek 1.1 to 2 times slower and playing hardly faster.
        codec.thread_type = "NONE"
        self._base = float(self._stream.time_base or 1)
        self._pts, self._keys = self._packet_times(start, start + float(timestamps[-1]))
        if not len(self._pts):
            raise DataError("bad_video", f"{path}: holds no frames of this episode")
        times: F64 = self._pts * self._base - start
        self._times = times
        after = np.searchsorted(times, timestamps - 1e-4)
        after = np.clip(after, 0, len(times) - 1)
        before = np.maximum(after - 1, 0)
        earlier = np.abs(times[before] - timestamps) < np.abs(times[after] - timestamps)
        self._index = np.where(earlier, before, after)
        self._decoder: Any = None
        self._position = -1  # Index into _pts of the frame decoded last.

    def _packet_times(self, start: float, end: float) -> tuple[Any, Any]:
        import av

        pts: list[int] = []
        keys: list[int] = []
        margin = 1.0  # B-frames leave packets out of order by a few frames.
        try:
            if start > margin:
                self._container.seek(int((start - margin) / self._base), stream=self._stream)
            for packet in self._container.demux(self._stream):
                if packet.pts is None:
                    continue
                if packet.pts * self._base > end + margin:
                    break
                pts.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
        except (av.FFmpegError, OverflowError) as error:
            # A truncated file still has the frames before the break.
            log.warning("%s: reading packets stopped: %s", self.path, error)
        ordered = np.unique(np.asarray(pts, dtype=np.int64))
        half = 0.5 * float(np.median(np.diff(ordered))) if len(ordered) > 1 else 0.0
        inside = (ordered + half >= start / self._base) & (ordered - half <= end / self._base)
        return ordered[inside], np.asarray(sorted(keys), dtype=np.int64)

    @property
    def frame_count(self) -> int:
        """Frames of the file within the episode."""
        return len(self._times)

    def exact(self, index: int) -> bool:
        """False if the episode's frame has no picture of its own (the nearest is shown)."""
        return 0 <= index < len(self._index) and bool(
            index == 0 or self._index[index] != self._index[index - 1]
        )

    def times(self) -> PictureTimes:
        """When the file's pictures were taken."""
        exact = np.array([self.exact(i) for i in range(len(self._index))], np.bool_)
        return PictureTimes(self._times, self._index, exact)

    def cached(self, index: int) -> Picture | None:
        """Return the picture if it is in memory; any thread."""
        return self._cache.get((self._name, self._place(index)))

    def _place(self, index: int) -> int:
        return int(self._index[min(max(index, 0), len(self._index) - 1)])

    def picture(self, index: int) -> Picture:
        """Decode the picture of an episode's frame.

        Raises:
            DataError: `frame_not_decoded` if the stream is broken there.
        """
        import av

        wanted = self._place(index)
        known = self._cache.get((self._name, wanted))
        if known is not None:
            return known
        try:
            frame = self._decode_to(wanted)
            if frame is None:  # Some demuxers land behind the target: once more from before it.
                self._decoder = None
                frame = self._decode_to(max(0, wanted), back=1.0)
        except (av.FFmpegError, OSError) as error:
            self._decoder = None
            raise DataError(
                "frame_not_decoded", f"{self.path}: frame {index} cannot be decoded ({error})"
            ) from error
        if frame is None:
            raise DataError("frame_not_decoded", f"{self.path}: frame {index} is not in the file")
        return frame

    def _decode_to(self, wanted: int, back: float = 0.0) -> Picture | None:
        target = int(self._pts[wanted])
        near_key = self._keys[self._keys <= target]
        key = int(near_key[-1]) if len(near_key) else int(self._pts[0])
        position = int(self._pts[self._position]) if self._position >= 0 else None
        go_on = (
            self._decoder is not None
            and position is not None
            and position < target
            and (key <= position or wanted - self._position < 4)
            and wanted - self._position <= _FORWARD_LIMIT
        )
        if not go_on:
            self._container.seek(int(target - back / self._base), stream=self._stream)
            self._decoder = self._container.decode(self._stream)
        first = self._position if go_on else None
        for frame in self._decoder:
            if frame.pts is None:
                continue
            place = int(np.searchsorted(self._pts, frame.pts))
            if place >= len(self._pts) or self._pts[place] != frame.pts:
                if frame.pts > target:
                    break
                continue
            self._position = place
            picture = VideoPicture(frame)
            self._cache.put((self._name, place), picture)
            if place == wanted:
                return picture
            if place > wanted and first is None:
                break
        self._decoder = None
        self._position = -1
        return None

    def rgb(self, index: int) -> U8:
        """RGB (H, W, 3) uint8 of an episode's frame."""
        return self.picture(index).rgb()

    def close(self) -> None:
        """Release decoder and file."""
        self._decoder = None
        self._container.close()
