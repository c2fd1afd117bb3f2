"""Frames of an episode from video files, by time, through PyAV.

OpenCV's wheels cannot open AV1, the usual codec of LeRobot datasets; PyAV's can (dav1d).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.model.arrays import F64, I64, U8, Bool
from pipeline.model.demonstration import CACHE_BYTES
from pipeline.model.picture import Picture, PictureTimes
from pipeline.model.problem import DataError
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.video.decoder import Placed, Reached, VideoDecoder
from pipeline.sources.video.index import VideoIndex, video_index
from pipeline.sources.video.picture import VideoPicture

_GOPS = 16
"""GOPs to either side of a damaged picture in which a good one is looked for."""
_PICTURES = 300
"""Pictures that are decoded at most in looking for one before it (at least one GOP)."""


class VideoClip:
    """The part of one video file that belongs to an episode.

    Frames are named by the episode's frame index and found by time: the frame shown at
    `start + timestamps[index]` after the file's first moment, like LeRobot's own reader, so that
    variable rates and episodes that start inside a file come out right.

    For one thread; `cached` and `times` for any.

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
        """Read the file's packet times (no decoding), or know them from before.

        Args:
            path: Video file.
            timestamps: (T,) seconds from the episode's start.
            start: Where the episode starts in the file, seconds.
            cache: Where decoded frames are kept; an own one of 64 MiB by default.
            name: Camera key; names its pictures in the cache.

        Raises:
            DataError: `bad_video` if it is no video that can be opened or has no picture there.
        """
        self.path = path
        self._name = name
        self._cache = cache if cache is not None else PictureCache(CACHE_BYTES)
        end = float(np.nanmax(timestamps)) if len(timestamps) else 0.0
        self._index: VideoIndex = video_index(path, start, start + end)
        self._times: F64 = self._index.times - start
        self._nearest, self._far = _nearest(self._times, timestamps, self._index.interval)
        self._timestamps = timestamps
        self._decoder: VideoDecoder | None = None
        self._lost: set[int] = set()  # Places that are damaged without a good one near.

    @property
    def frame_count(self) -> int:
        """Pictures of the file within the episode."""
        return len(self._times)

    def times(self) -> PictureTimes:
        """When the file's pictures were taken."""
        return PictureTimes(
            self._times,
            self._nearest,
            _own(self._times, self._nearest, self._timestamps) & ~self._far,
            self._index.variable,
            self._index.truncated,
        )

    def cached(self, index: int) -> Picture | None:
        """Return the picture if it is in memory; any thread."""
        row = self._row(index)
        known = self._cache.get((self._name, int(self._nearest[row])))
        return None if known is None else self._noted(known, row)

    def picture(self, index: int) -> Picture:
        """Return the picture of an episode's frame, decoded if it is not in memory.

        Raises:
            DataError: `frame_not_decoded` if the file is broken there and all around.
        """
        row = self._row(index)
        place = int(self._nearest[row])
        found = self._cache.get((self._name, place))
        if found is None:
            found = self._decode(place)
        return self._noted(found, row)

    def rgb(self, index: int) -> U8:
        """RGB (H, W, 3) uint8 of an episode's frame."""
        return self.picture(index).rgb()

    def close(self) -> None:
        """Release decoder and file; the next picture would open it again."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def _row(self, index: int) -> int:
        return min(max(index, 0), len(self._nearest) - 1)

    def _noted(self, picture: Picture, row: int) -> Picture:
        """Say so if the picture was taken at quite another time."""
        if not self._far[row] or not isinstance(picture, VideoPicture) or picture.note:
            return picture
        time = self._times[self._nearest[row]]
        note = (
            f"{self.path.name} has no picture of frame {row}, {self._timestamps[row]:.2f} s; "
            f"that of {time:.2f} s is shown"
        )
        return replace(picture, note=note)

    def _decode(self, place: int) -> Picture:
        if place in self._lost:
            raise self._failure(place)
        if self._decoder is None:
            self._decoder = VideoDecoder(self.path, self._index, self._keep, self._smeared)
        try:
            reached = self._decoder.reach(place)
            if reached.exact is not None:
                return reached.exact
            near = self._nearest_good(self._decoder, place, reached)
        except DataError:  # The file can no longer be opened.
            self.close()
            raise
        if near is None:
            self._lost.add(place)
            raise self._failure(place)
        note = (
            f"frame {self._frame(place)} of {self.path.name} is damaged; "
            f"frame {self._frame(near.place)} is shown"
        )
        picture = replace(near.picture, note=note)
        self._keep(place, picture)
        return picture

    def _nearest_good(self, decoder: VideoDecoder, place: int, reached: Reached) -> Placed | None:
        """The nearest picture that can be decoded, one that is not smeared if there is one."""
        before, after = reached.before, reached.after
        pts, keys = self._index.pts, self._index.key_pts
        heads = np.unique(np.searchsorted(pts, keys[keys >= pts[0]]))
        here = int(np.searchsorted(heads, place, "right"))
        if after is None or after.picture.note:
            for head in heads[here : here + _GOPS]:
                good = decoder.reach(int(head)).exact
                if good is not None:
                    after = Placed(int(head), good)
                    break
        if before is None:
            left = _PICTURES
            for head in heads[max(0, here - _GOPS) : here][::-1]:
                if head == 0 or left <= 0:
                    break
                last = int(head) - 1
                earlier = decoder.reach(last)
                before = earlier.before if earlier.exact is None else Placed(last, earlier.exact)
                if before is not None:
                    break
                left -= last - int(heads[max(0, int(np.searchsorted(heads, last, "right")) - 1)])
        found = [p for p in (before, after) if p is not None]
        return min(found, key=lambda p: (bool(p.picture.note), abs(p.place - place)), default=None)

    def _failure(self, place: int) -> DataError:
        return DataError(
            "frame_not_decoded",
            f"{self.path}: frame {self._frame(place)} is damaged and so are its neighbours",
        )

    def _keep(self, place: int, picture: VideoPicture) -> None:
        self._cache.put((self._name, place), picture)

    def _smeared(self, damage: int) -> str:
        frame = self._frame(damage)
        return (
            f"{self.path.name} is damaged at frame {frame}: until its next key frame it is smeared"
        )

    def _frame(self, place: int) -> int:
        """The episode's frame that shows a picture, for sentences."""
        return int(np.argmin(np.abs(self._nearest - place)))


def _nearest(times: F64, timestamps: F64, interval: float) -> tuple[I64, Bool]:
    """Place of each row's nearest picture, and True where that is far from the row's time."""
    after = np.clip(np.searchsorted(times, timestamps - 1e-4), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    earlier = np.abs(times[before] - timestamps) < np.abs(times[after] - timestamps)
    nearest = np.where(earlier, before, after).astype(np.int64)
    return nearest, np.abs(times[nearest] - timestamps) > max(0.9 * interval, 1e-3)


def _own(times: F64, nearest: I64, timestamps: F64) -> Bool:
    """True for rows with a picture of their own: of those that share one, the closest in time."""
    distance = np.abs(times[nearest] - timestamps)
    order = np.lexsort((distance, nearest))
    own = np.zeros(len(nearest), np.bool_)
    own[order[np.unique(nearest[order], return_index=True)[1]]] = True
    return own
