"""Frames of an episode from video files, by time, through PyAV.

OpenCV's wheels cannot open AV1, the usual codec of LeRobot datasets; PyAV's can (dav1d).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.arrays import F32, F64, U8
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    import av

log = logging.getLogger(__name__)

# Decoding on costs one frame each; a seek costs a key frame and all up to the target.
_FORWARD_LIMIT = 48


class VideoClip:
    """The part of one video file that belongs to an episode.

    Frames are named by the episode's frame index and found by time: the frame shown at
    `start + timestamps[index]`, like LeRobot's own reader, so that variable rates and episodes
    that start inside a file come out right.

    Attributes:
        path: Video file.
        times: (P,) float64, presentation times of the file's frames within the episode, seconds
            from the episode's start.
    """

    def __init__(
        self,
        path: Path,
        timestamps: F64,
        *,
        start: float = 0.0,
        cache_bytes: int = 64 << 20,
    ) -> None:
        """Open the file and read its packet times (no decoding).

        Args:
            path: Video file.
            timestamps: (T,) seconds from the episode's start.
            start: Where the episode starts in the file, seconds.
            cache_bytes: Budget for decoded frames kept for going back.

        Raises:
            DataError: `bad_video` if it is no video that can be opened.
        """
        import av

        self.path = path
        self._start = start
        self._budget = cache_bytes
        self._held = 0
        self._cache: OrderedDict[int, av.VideoFrame] = OrderedDict()
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
        self.times: F64 = self._pts * self._base - start
        after = np.searchsorted(self.times, timestamps - 1e-4)
        after = np.clip(after, 0, len(self.times) - 1)
        before = np.maximum(after - 1, 0)
        earlier = np.abs(self.times[before] - timestamps) < np.abs(self.times[after] - timestamps)
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
        return len(self.times)

    def exact(self, index: int) -> bool:
        """False if the episode's frame has no picture of its own (the nearest is shown)."""
        return 0 <= index < len(self._index) and bool(
            index == 0 or self._index[index] != self._index[index - 1]
        )

    def picture(self, index: int) -> av.VideoFrame:
        """Decode the picture of an episode's frame.

        Raises:
            DataError: `frame_not_decoded` if the stream is broken there.
        """
        import av

        wanted = int(self._index[min(max(index, 0), len(self._index) - 1)])
        if wanted in self._cache:
            self._cache.move_to_end(wanted)
            return self._cache[wanted]
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

    def _decode_to(self, wanted: int, back: float = 0.0) -> av.VideoFrame | None:
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
            self._keep(place, frame)
            if place == wanted:
                picture: av.VideoFrame = frame
                return picture
            if place > wanted and first is None:
                break
        self._decoder = None
        self._position = -1
        return None

    def _keep(self, place: int, frame: av.VideoFrame) -> None:
        size = frame.width * frame.height * 3 // 2
        if place in self._cache or size > self._budget:
            return
        self._cache[place] = frame
        self._held += size
        while self._held > self._budget:
            _, old = self._cache.popitem(last=False)
            self._held -= old.width * old.height * 3 // 2

    def rgb(self, index: int) -> U8:
        """RGB (H, W, 3) uint8 of an episode's frame."""
        return self.picture(index).to_ndarray(format="rgb24").astype(np.uint8, copy=False)

    def close(self) -> None:
        """Release decoder and file."""
        self._decoder = None
        self._cache.clear()
        self._held = 0
        self._container.close()


@dataclass(frozen=True, slots=True)
class DepthCodes:
    """How LeRobot turns metres into the integer codes of a depth video.

    Attributes:
        low: Depth of code 0, metres.
        high: Depth of the highest code, metres.
        shift: Added before taking the logarithm, metres.
        logarithmic: Codes are even steps of log(depth + shift); otherwise of depth.
        bits: Bits per code.
    """

    low: float
    high: float
    shift: float
    logarithmic: bool
    bits: int = 12

    @classmethod
    def from_info(cls, info: dict[str, Any]) -> DepthCodes:
        """Read a feature's `info`; LeRobot's defaults where it does not say.

        Raises:
            DataError: `bad_metadata` if the numbers make no sense.
        """
        try:
            codes = cls(
                low=float(info.get("video.depth_min", 0.01)),
                high=float(info.get("video.depth_max", 10.0)),
                shift=float(info.get("video.shift", 3.5)),
                logarithmic=bool(info.get("video.use_log", True)),
            )
        except (TypeError, ValueError) as error:
            raise DataError("bad_metadata", f"info.json: depth encoding: {error}") from error
        if not 0 <= codes.low < codes.high or codes.low + codes.shift <= 0:
            raise DataError(
                "bad_metadata", f"info.json: depth from {codes.low} to {codes.high} m is no range"
            )
        return codes

    def metres(self, codes: NDArray[Any]) -> F32:
        """Turn codes (H, W) into float32 metres."""
        share = codes.astype(np.float32) / float((1 << self.bits) - 1)
        if self.logarithmic:
            first, last = np.log(self.low + self.shift), np.log(self.high + self.shift)
            return np.asarray(np.exp(share * (last - first) + first) - self.shift, np.float32)
        return np.asarray(self.low + share * (self.high - self.low), np.float32)
