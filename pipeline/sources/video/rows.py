"""Videos that hold one picture per row of the table, whatever rate their header claims.

Robots write one picture per control step; the converter stamps the file with the camera's own
rate (DROID: 60 fps for 15 rows per second). By time, such a file would be shown four times too
slow and end early, so pictures are found by their place in the file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.model.arrays import F64, U8
from pipeline.model.demonstration import CACHE_BYTES
from pipeline.model.picture import Picture, PictureTimes
from pipeline.model.problem import DataError, Problem
from pipeline.sources.files import refuse_lfs_pointer
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.video.clip import VideoClip
from pipeline.sources.video.file import open_video
from pipeline.sources.video.index import video_index
from pipeline.sources.video.picture import VideoPicture

_END_OF_FILE = 1e6
"""Seconds after which no video still has frames."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a video file's header says.

    Attributes:
        width: Pixels of the file's pictures.
        height: Pixels.
        codec: Codec name.
        pictures: Number of pictures.
    """

    width: int
    height: int
    codec: str
    pictures: int


def video_facts(path: Path, shown: str) -> VideoFacts:
    """Read a video's header; decodes nothing and does not walk through the file.

    Args:
        path: Video file.
        shown: Its name for sentences, relative to the dataset.

    Raises:
        DataError: `missing_video`, `lfs_pointer` or `bad_video`.
    """
    if not path.is_file():
        raise DataError("missing_video", f"{shown} is not on disk")
    refuse_lfs_pointer(path, shown)
    pictures = len(video_index(path, 0.0, _END_OF_FILE).pts)
    video = open_video(path)
    try:
        codec = video.stream.codec_context
        width, height, name = codec.width, codec.height, codec.name
    finally:
        video.container.close()
    if not width or not height:
        raise DataError("bad_video", f"{shown}: does not say how large its pictures are")
    return VideoFacts(width, height, name, pictures)


def count_problem(facts: VideoFacts, rows: int, shown: str) -> Problem | None:
    """Say if a file has not about one picture per row. One or two more or less are common."""
    have = facts.pictures
    if abs(have - rows) <= 2:
        return None
    if have < rows:
        text = f"{shown} has {have} pictures for {rows} rows; its last is shown from there on"
        return Problem("video_shorter", text, frame=have)
    text = f"{shown} has {have} pictures for {rows} rows; those after the last row are not shown"
    return Problem("video_longer", text)


class RowVideo:
    """PictureStream over a file with one picture per row."""

    def __init__(
        self,
        path: Path,
        timestamps: F64,
        *,
        cache: PictureCache | None = None,
        name: str = "",
        left_half: bool = False,
    ) -> None:
        """Open the file and read its index (no decoding).

        Args:
            path: Video file.
            timestamps: (T,) seconds from the episode's start, one per row.
            cache: Where decoded frames are kept; an own one of 64 MiB by default.
            name: Camera key; names its pictures in the cache.
            left_half: True for two views side by side, of which the left is shown.

        Raises:
            DataError: `bad_video`.
        """
        index = video_index(path, 0.0, _END_OF_FILE)
        own = index.times
        rows = np.arange(len(timestamps))
        nearest = np.minimum(rows, len(own) - 1)
        self._clip = VideoClip(
            path,
            own[nearest],
            cache=cache if cache is not None else PictureCache(CACHE_BYTES),
            name=name,
        )
        self._times = PictureTimes(
            timestamps[: len(own)].copy(), nearest, rows < len(own), truncated=index.truncated
        )
        self._left_half = left_half

    def picture(self, index: int) -> Picture:
        """Return the picture of a row. Raises DataError."""
        return self._shown(self._clip.picture(index), index)

    def cached(self, index: int) -> Picture | None:
        """Return it only if it is in memory; any thread."""
        picture = self._clip.cached(index)
        return None if picture is None else self._shown(picture, index)

    def times(self) -> PictureTimes:
        """One picture per row, at the row's time."""
        return self._times

    def close(self) -> None:
        """Release the file."""
        self._clip.close()

    def _shown(self, picture: Picture, index: int) -> Picture:
        last = len(self._times.times) - 1
        if index > last and isinstance(picture, VideoPicture) and not picture.note:
            note = f"{self._clip.path.name} ends at frame {last}; its last picture is shown"
            picture = replace(picture, note=note)
        return LeftHalf(picture) if self._left_half else picture


@dataclass(frozen=True, slots=True)
class LeftHalf:
    """The left view of a stereo picture.

    Attributes:
        both: Both views side by side.
    """

    both: Picture

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the left view."""
        width, height = self.both.size
        return width // 2, height

    @property
    def nbytes(self) -> int:
        """Memory that both views hold."""
        return self.both.nbytes

    @property
    def note(self) -> str:
        """See `Picture`."""
        return self.both.note

    def rgb(self) -> U8:
        """Convert and cut."""
        return np.ascontiguousarray(self.both.rgb()[:, : self.size[0]])

    def bgrx(self) -> U8:
        """Convert and cut."""
        return np.ascontiguousarray(self.both.bgrx()[:, : self.size[0]])
