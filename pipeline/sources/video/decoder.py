"""Decodes up to a picture of a video file, going on from where it stands if that is nearer."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.sources.video.file import VideoFile, open_video
from pipeline.sources.video.index import VideoIndex
from pipeline.sources.video.picture import Turn, VideoPicture, bytes_held, turn_of

log = logging.getLogger(__name__)

_SEEK_COSTS = 2
"""Frames that could be decoded in the time of a seek (measured: 1 to 2 at 640 x 480)."""
_DELAY = 64
"""Packets a decoder may hold back before it gives a picture (16 frames, 2 fields, a margin)."""
_REORDERED = 4
"""Pictures that come out before a frame that they build upon: at most that many in usual files."""
_BACK = (1.0, 10.0)
"""Seconds before a key frame to look for it, for files whose seeking is not exact."""

_PASSED, _PASSED_AT_MOST = 20_000, 400_000
"""Packets passed over before the key frame: after a seek (0.2 s), and in a file without seeking."""


class Placed(NamedTuple):
    """A decoded picture and its place in the index."""

    place: int
    picture: VideoPicture


@dataclass(frozen=True, slots=True)
class Reached:
    """What a request came to.

    Attributes:
        exact: The picture asked for, None if the file is damaged there.
        before: The last good one before it that was decoded on the way.
        after: The first good one behind it that was decoded on the way.
    """

    exact: VideoPicture | None
    before: Placed | None = None
    after: Placed | None = None


@dataclass(frozen=True, slots=True)
class _Damage:
    """From which packet on, counted from the key frame, pictures may be smeared."""

    turn: int
    note: str


class VideoDecoder:
    """One open file with one decoder. For one thread.

    Work is bounded whatever the file says: a request feeds at most the packets from a key frame to
    its target and `_DELAY` more, and passes over at most `_PASSED_AT_MOST` without decoding.
    """

    def __init__(
        self,
        path: Path,
        index: VideoIndex,
        keep: Callable[[int, VideoPicture], None],
        smeared: Callable[[int], str],
    ) -> None:
        """Open the file.

        Args:
            path: Video file.
            index: Its pictures.
            keep: Gets every good picture that is decoded, also those on the way.
            smeared: Writes the note of a picture that builds upon a damaged one at that place.

        Raises:
            DataError: `bad_video` if it can no longer be opened.
        """
        self._path, self._index = path, index
        self._keep, self._smeared = keep, smeared
        self._video: VideoFile = open_video(path)
        self._size = (0, 0)
        self._upright, self._held = Turn.NONE, 0  # Of pictures of that size.
        self._packets: Iterator[Any] | None = None
        self._shown = 0  # pts of the picture decoded last; only while _packets is set.
        self._last: Placed | None = None  # The good picture decoded last.
        self._fed = 0  # Packets since the key frame.
        self._inside: dict[int, int] = {}  # Turn of each pts fed that has not come out.
        self._recent: deque[tuple[int, Placed]] = deque(maxlen=_REORDERED)  # Turn and picture.
        self._damage: _Damage | None = None
        self._headless = False  # The key frame itself is lost: what follows is no picture.

    def reach(self, place: int) -> Reached:
        """Decode up to a picture; those on the way are kept."""
        target = int(self._index.pts[place])
        if not self._is_ahead(place) and not self._begin(target):
            return Reached(None)
        steps = place - self._place(self._shown) + _DELAY
        return self._run(place, steps)

    def close(self) -> None:
        """Release the file and the decoder."""
        self._packets = None
        self._video.container.close()

    def _is_ahead(self, place: int) -> bool:
        """True if going on reaches the picture sooner than seeking."""
        target = int(self._index.pts[place])
        if self._packets is None or self._shown >= target:
            return False
        key = int(self._key(target)[0])
        if key <= self._shown:
            return True
        return self._place(key) - self._place(self._shown) <= _SEEK_COSTS

    def _place(self, pts: int) -> int:
        """Place of the first picture shown at a time or later."""
        # In a row mostly; a search costs as much as all the rest of the bookkeeping.
        after = self._last.place + 1 if self._last is not None else 0
        if after < len(self._index.pts) and self._index.pts[after] == pts:
            return after
        return int(self._index.pts.searchsorted(pts))

    def _key(self, target: int) -> tuple[int, int]:
        """When the last key frame up to a picture is shown and decoded."""
        keys = self._index.key_pts
        at = int(keys.searchsorted(target, "right")) - 1
        if at < 0:  # No key frame is flagged: begin with the first picture.
            first = int(self._index.pts[0])
            return first, first
        return int(keys[at]), int(self._index.key_dts[at])

    def _begin(self, target: int) -> bool:
        """Stand before the key frame that a picture builds upon."""
        import av

        key, decoded = self._key(target)
        container, stream = self._video.container, self._video.stream
        # MP4 is sought by decoding time, Matroska by the time at which the frame is shown.
        times = [key if "matroska" in container.format.name else min(key, decoded)]
        times += [int(min(key, decoded) - back / self._index.base) for back in _BACK]
        self._packets = None
        for time in times:
            try:
                container.seek(time, stream=stream)
            except (av.FFmpegError, OverflowError) as error:
                log.debug("%s: seek to %d: %s", self._path, time, error)
                continue
            if self._pass_to(key, _PASSED):
                return True
        # Some files cannot be sought at all.
        container.close()
        self._video = open_video(self._path)
        return self._pass_to(key, _PASSED_AT_MOST)

    def _pass_to(self, key: int, most: int) -> bool:
        """Pass over packets until the key frame; False if reading begins behind it."""
        import av

        packets = self._video.container.demux(self._video.stream)
        try:
            for packet in islice(packets, most):
                pts = packet.pts if packet.pts is not None else packet.dts
                if pts == key:
                    self._packets, self._shown = chain((packet,), packets), key - 1
                    self._last, self._damage, self._headless = None, None, False
                    self._fed = 0
                    self._inside.clear()
                    self._recent.clear()
                    return True
                if pts is not None and packet.is_keyframe and pts > key:
                    return False
        except (av.FFmpegError, OSError) as error:
            log.debug("%s: before the key frame: %s", self._path, error)
        return False

    def _run(self, place: int, steps: int) -> Reached:
        import av

        target = int(self._index.pts[place])
        before, after = self._last, None
        packets = self._packets
        while packets is not None and self._shown < target:
            if steps < 0:
                self._packets = None
                break
            steps -= 1
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                log.debug("%s: reading: %s", self._path, error)
                packet = None
            if packet is None or not packet.size:  # The decoder still holds pictures back.
                packets = self._packets = packet = None
            for placed in self._decode(packet):
                if placed.place == place:
                    return Reached(placed.picture)
                if placed.place < place:
                    before = placed
                else:
                    after = after or placed
        return Reached(None, before, after)

    def _decode(self, packet: Any) -> list[Placed]:
        """Feed a packet, or the end if it is None; the pictures that came out."""
        import av

        pts = None if packet is None else packet.pts
        self._fed += 1
        if pts is not None and len(self._inside) < _DELAY:
            self._inside[pts] = self._fed
        if packet is not None and packet.is_corrupt:
            self._damaged(pts, self._fed)
        try:
            frames = self._video.stream.codec_context.decode(packet)
        except (av.FFmpegError, OSError, ValueError) as error:
            log.debug("%s: decoding: %s", self._path, error)
            self._damaged(pts, self._fed)
            self._headless |= packet is not None and bool(packet.is_keyframe)
            return []
        return [placed for frame in frames if (placed := self._take(frame)) is not None]

    def _damaged(self, pts: int | None, turn: int) -> None:
        """What was fed from now on may be smeared, also if some of it has come out already."""
        if self._damage is not None:
            return
        at = self._place(self._shown + 1 if pts is None else pts)
        self._damage = _Damage(turn, self._smeared(min(at, len(self._index.pts) - 1)))
        for fed, placed in self._recent:
            if fed > turn:
                self._keep(placed.place, replace(placed.picture, note=self._damage.note))

    def _take(self, frame: Any) -> Placed | None:
        """Keep a picture if it is good and of this episode."""
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None:
            return None
        turn = self._inside.pop(pts, self._fed)
        if frame.is_corrupt:
            self._damaged(pts, turn)
        elif self._damage is not None and frame.key_frame and turn > self._damage.turn:
            self._damage, self._headless = None, False
        self._shown = max(self._shown, pts)
        place = self._place(pts)
        known = place < len(self._index.pts) and self._index.pts[place] == pts
        if not known or frame.is_corrupt or self._headless:
            return None
        if (frame.width, frame.height) != self._size:
            self._size = frame.width, frame.height
            self._upright, self._held = turn_of(frame), bytes_held(frame)
        smeared = self._damage is not None and turn > self._damage.turn
        note = self._damage.note if smeared and self._damage is not None else ""
        picture = VideoPicture(frame, note, self._upright, self._held)
        self._last = Placed(place, picture)
        self._recent.append((turn, self._last))
        self._keep(place, picture)
        return self._last
