"""When the pictures of a video file are shown, read from its packets without decoding."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F64, I64
from pipeline.model.problem import DataError
from pipeline.sources.video.file import VideoFile, file_identity, open_video

log = logging.getLogger(__name__)

_MARGIN = 1.0
"""Seconds read before and after an episode: B-frames lie out of order by a few frames."""
_PROBE = 24
"""Packets whose times must agree with the container's own index before it is believed."""
_KEPT_BYTES = 48 << 20
"""Indexes kept in the process: two million pictures."""
_PACKET = np.dtype([("pts", np.int64), ("dts", np.int64), ("key", "?"), ("hidden", "?")])


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The pictures of one file within a span of time, and where decoding may begin.

    Attributes:
        pts: (P,) int64, rising; when each picture is shown, in units of `base` on the file's clock.
        origin: The file's first moment on that clock: 0 unless its pictures begin later (MPEG-TS,
            fragments with B-frames).
        key_pts: (K,) int64, rising; the key frames, from the last one before the span on.
        key_dts: (K,) int64; when they are decoded: what some containers seek by.
        base: Seconds per unit.
        truncated: Why there are fewer pictures than the file declares, empty if there are not.
    """

    pts: I64
    key_pts: I64
    key_dts: I64
    base: float
    origin: int = 0
    truncated: str = ""

    @property
    def times(self) -> F64:
        """(P,) seconds from the file's first moment."""
        return np.asarray((self.pts - self.origin) * self.base, np.float64)

    @property
    def nbytes(self) -> int:
        """Memory that the arrays hold."""
        return int(self.pts.nbytes + self.key_pts.nbytes + self.key_dts.nbytes)

    @property
    def interval(self) -> float:
        """Usual distance of two pictures in seconds, 0 for a single one."""
        return float(np.median(np.diff(self.pts))) * self.base if len(self.pts) > 1 else 0.0

    @property
    def variable(self) -> bool:
        """True if the frame rate varies: more than 1 in 100 distances is off by a tenth.

        Rounding to the unit of the file is no variation, a dropped frame here and there neither.
        """
        if len(self.pts) < 3:
            return False
        steps = np.diff(self.pts)
        usual = float(np.median(steps))
        off = np.abs(steps - usual) > max(1.0, 0.1 * usual)
        return bool(np.count_nonzero(off) > max(1.0, 0.01 * len(steps)))


class _KnownIndexes:
    """Indexes read lately, so that opening an episode and reading its frames share one."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._lock = threading.Lock()
        self._indexes: OrderedDict[tuple[object, ...], VideoIndex] = OrderedDict()
        self._held = 0

    def get(self, key: tuple[object, ...]) -> VideoIndex | None:
        with self._lock:
            known = self._indexes.get(key)
            if known is not None:
                self._indexes.move_to_end(key)
            return known

    def put(self, key: tuple[object, ...], index: VideoIndex) -> None:
        with self._lock:
            old = self._indexes.pop(key, None)
            self._held += index.nbytes - (old.nbytes if old is not None else 0)
            self._indexes[key] = index
            while self._held > self._budget:
                self._held -= self._indexes.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        with self._lock:
            self._indexes.clear()
            self._held = 0


_known = _KnownIndexes(_KEPT_BYTES)


def video_index(path: Path, start: float, end: float) -> VideoIndex:
    """Index the pictures shown from `start` to `end`; any thread.

    Only that part of the file is read, and of MP4 files without B-frames only the header. What
    the file declares (counts, lengths) is never believed.

    Args:
        path: Video file.
        start: Seconds from the file's first moment.
        end: The same; a picture half an interval later still counts.

    Raises:
        DataError: `bad_video` if it is no video or has no picture there.
    """
    key = (*file_identity(path), start, end)
    known = _known.get(key)
    if known is None:
        video = open_video(path)
        try:
            known = _read(path, video, start, end)
        finally:
            video.container.close()
        _known.put(key, known)
    return known


def _read(path: Path, video: VideoFile, start: float, end: float) -> VideoIndex:
    base = float(video.stream.time_base or 1)
    # Pictures before 0 are those that an edit list hides.
    origin = max(0, video.stream.start_time or 0)
    begin, finish, margin = origin + start / base, origin + end / base, _MARGIN / base
    breaks: list[str] = []
    demuxed: Iterator[Any] = iter(video.container.demux(video.stream))
    read = list(_probed(demuxed))
    entries = _header_entries(video, read)
    if entries is not None:
        size = path.stat().st_size
        listed = _entries(entries, size, begin - margin, finish + margin, breaks)
    else:
        if start > _MARGIN:
            _seek(path, video, begin - margin)
            demuxed, read = video.container.demux(video.stream), []
        listed = _demuxed(path, chain(read, demuxed), finish + margin, breaks)
    packets = np.fromiter(listed, _PACKET)
    shown = np.unique(packets["pts"][~packets["hidden"]])
    half = 0.5 * float(np.median(np.diff(shown))) if len(shown) > 1 else 0.0
    pts = shown[(shown + half >= begin) & (shown - half <= finish)]
    if not breaks:
        last = (float(pts[-1]) + 2 * half - origin) * base if len(pts) else start
        breaks.append(_shorter_than_declared(video, last, end, 2 * half * base))
    if not len(pts):
        reason = f" ({breaks[0]})" if breaks[0] else ""
        raise DataError("bad_video", f"{path}: holds no pictures of this episode{reason}")
    keys = packets[packets["key"] & (packets["pts"] <= pts[-1])]
    keys = keys[np.unique(keys["pts"], return_index=True)[1]]
    keys = keys[max(0, int(np.searchsorted(keys["pts"], pts[0], "right")) - 1) :]
    return VideoIndex(pts, keys["pts"].copy(), keys["dts"].copy(), base, origin, breaks[0])


def _shorter_than_declared(video: VideoFile, shown: float, end: float, interval: float) -> str:
    """A sentence if the file ends well before the wanted end and its own declared one."""
    stream = video.stream
    declared = float(stream.duration * (stream.time_base or 1)) if stream.duration else 0.0
    declared = declared or (video.container.duration or 0) / 1e6
    if min(declared, end) - shown <= 0.25 + 3 * interval:
        return ""
    return f"the file declares {declared:.2f} s but its pictures end at {shown:.2f} s"


Listed = Iterator[tuple[int, int, bool, bool]]
"""Packets: shown at, decoded at, key frame, hidden by an edit list."""


def _probed(demuxed: Iterator[Any]) -> Iterator[Any]:
    """The first packets; none after a break."""
    import av

    try:
        yield from islice(demuxed, _PROBE)
    except av.FFmpegError as error:
        log.debug("reading the first packets stopped: %s", error)


def _header_entries(video: VideoFile, read: list[Any]) -> Any | None:
    """The container's own index, if its times are those at which pictures are shown.

    An MP4 lists decoding times: the same where no frame refers to a later one.
    """
    stream: Any = video.stream
    entries = getattr(stream, "index_entries", None)  # PyAV 16 or newer.
    if entries is None or "mp4" not in video.container.format.name:
        return None
    # Fragmented files list fragments only as they are read.
    if stream.codec_context.has_b_frames or not 0 < stream.frames <= len(entries):
        return None
    found = [time for p in read if p.size for time in (p.pts, p.dts)]
    listed = [e.timestamp for e in entries[: len(found) // 2] for _ in range(2)]
    return entries if found == listed else None


def _entries(entries: Any, size: int, first: float, last: float, breaks: list[str]) -> Listed:
    begin = entries.search_timestamp(int(first)) if first > 0 else 0
    for i in range(max(0, begin), len(entries)):
        entry = entries[i]
        time = entry.timestamp
        if time > last:
            return
        if entry.pos + entry.size > size:
            breaks.append(f"the file is cut off: its last {len(entries) - i} pictures are missing")
            return
        yield time, time, entry.is_keyframe, entry.is_discard


def _seek(path: Path, video: VideoFile, first: float) -> None:
    import av

    try:
        video.container.seek(int(first), stream=video.stream)
    except (av.FFmpegError, OverflowError) as error:
        log.debug("%s: seek failed, read from where it is: %s", path, error)


def _demuxed(path: Path, packets: Iterable[Any], last: float, breaks: list[str]) -> Listed:
    """Packets as they come; a file that breaks off has those before the break."""
    import av

    try:
        for packet in packets:
            pts: Any = packet.pts if packet.pts is not None else packet.dts
            # What a cut left of the last packet is flagged as corrupt and cannot be decoded.
            if pts is None or not packet.size or packet.is_corrupt:
                continue
            if pts > last:
                return
            dts = packet.dts if packet.dts is not None else pts
            yield pts, dts, packet.is_keyframe, packet.is_discard
    except (av.FFmpegError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        breaks.append(f"reading stopped: {reason}")
        log.warning("%s: reading packets stopped: %s", path, error)
