"""Pictures of one LeRobot episode: colour and depth, from videos, tables or folders."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F32, F64, U8
from pipeline.model.demonstration import Demonstration
from pipeline.model.picture import Picture, PictureTimes
from pipeline.model.problem import DataError
from pipeline.sources.images import StillImages, decode_image
from pipeline.sources.lerobot.images import (
    DepthPictures,
    EncodedPictures,
    TablePictures,
    depth_scale,
)
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.reader import DepthStream, EpisodeReader, PictureStream
from pipeline.sources.video.clip import VideoClip
from pipeline.sources.video.depth import DepthCodes, DepthVideo
from pipeline.sources.video.picture import VideoPicture

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VideoPart:
    """Video of one camera of an episode.

    Attributes:
        path: Video file.
        start: Where the episode starts in the file, seconds.
        said: The feature's `info`.
        following: File in which the episode goes on if this one ends before it.
    """

    path: Path
    start: float
    said: Mapping[str, Any]
    following: Path | None = None


@dataclass(frozen=True, slots=True)
class PicturesPart:
    """Encoded pictures of one camera of an episode.

    Attributes:
        pictures: One per frame.
        said: The feature's `info`.
    """

    pictures: EncodedPictures
    said: Mapping[str, Any]


Part = VideoPart | PicturesPart


def episode_reader(
    demonstration: Demonstration, parts: Mapping[str, Part], cache_bytes: int
) -> EpisodeReader:
    """Make the reader of one episode.

    Args:
        demonstration: The episode.
        parts: Colour and depth features by their keys.
        cache_bytes: Budget of decoded pictures.
    """
    depth = {
        camera.key: parts[camera.depth_key]
        for camera in demonstration.cameras
        if camera.depth_key is not None and camera.depth_key in parts
    }

    def release() -> None:
        for part in parts.values():
            if isinstance(part, PicturesPart) and isinstance(part.pictures, TablePictures):
                part.pictures.close()

    times = demonstration.timestamps
    return EpisodeReader(
        {key: partial(_open_pictures, times, key, part) for key, part in parts.items()},
        {key: partial(_open_depth, times, part) for key, part in depth.items()},
        cache_bytes=cache_bytes,
        release=release,
    )


def _open_pictures(timestamps: F64, key: str, part: Part, cache: PictureCache) -> PictureStream:
    if isinstance(part, PicturesPart):
        pictures = part.pictures

        def read(index: int) -> U8:
            return decode_image(pictures.data(index), pictures.place(index))

        return StillImages(key, len(pictures), read, cache)
    clip = VideoClip(part.path, timestamps, start=part.start, cache=cache, name=key)
    if part.following is None or clip.frame_count >= len(timestamps) - 1:
        return clip
    return _joined(clip, part, timestamps, key, cache)


def _joined(
    clip: VideoClip, part: VideoPart, timestamps: F64, key: str, cache: PictureCache
) -> PictureStream:
    """The episode goes on at the start of the next file."""
    assert part.following is not None  # noqa: S101 - asked by the caller
    split = clip.frame_count
    try:
        rest = VideoClip(
            part.following, timestamps[split:] - timestamps[split], cache=cache, name=f"{key} 2"
        )
    except DataError as error:
        log.info("%s does not go on in the next file: %s", part.path, error)
        return clip
    return JoinedClips(clip, rest, split)


class JoinedClips:
    """PictureStream over an episode that lies in two video files."""

    def __init__(self, first: PictureStream, second: PictureStream, split: int) -> None:
        """Take over the clips.

        Args:
            first: Frames before `split`.
            second: Frames from `split` on, counted from 0.
            split: First frame of the second clip.
        """
        self._clips, self._split = (first, second), split

    def _of(self, index: int) -> tuple[PictureStream, int]:
        if index < self._split:
            return self._clips[0], index
        return self._clips[1], index - self._split

    def picture(self, index: int) -> Picture:
        """See `PictureStream`."""
        clip, place = self._of(index)
        return clip.picture(place)

    def cached(self, index: int) -> Picture | None:
        """See `PictureStream`."""
        clip, place = self._of(index)
        return clip.cached(place)

    def times(self) -> PictureTimes | None:
        """See `PictureStream`; the second file starts where the first one ends."""
        first, second = (clip.times() for clip in self._clips)
        if first is None or second is None:
            return None
        count, split = len(first.times), self._split
        step = float(np.median(np.diff(first.times))) if count > 1 else 0.0
        later = second.times + (float(first.times[-1]) + step if count else 0.0)
        return PictureTimes(
            np.concatenate([first.times, later]),
            np.concatenate([first.nearest[:split], second.nearest + count]),
            np.concatenate([first.exact[:split], second.exact]),
            first.variable or second.variable,
            first.truncated or second.truncated,
        )

    def close(self) -> None:
        """See `PictureStream`."""
        for clip in self._clips:
            clip.close()


class WholeDepthVideo:
    """DepthStream over a lossless video of 16-bit values, as `ffv1` with `gray16le`."""

    def __init__(self, clip: VideoClip, scale: float) -> None:
        """Take over the clip.

        Args:
            clip: The open file.
            scale: Metres per unit.
        """
        self._clip, self._scale = clip, scale

    def metres(self, index: int) -> F32:
        """Depth (H, W) float32 metres of a frame. Raises DataError."""
        picture = self._clip.picture(index)
        assert isinstance(picture, VideoPicture)  # noqa: S101 - what clips return
        values = picture.decoded.to_ndarray(format="gray16le")
        return np.asarray(values.astype(np.float32) * np.float32(self._scale), np.float32)

    def close(self) -> None:
        """Release the file."""
        self._clip.close()


def _open_depth(timestamps: F64, part: Part, cache: PictureCache) -> DepthStream:
    if isinstance(part, PicturesPart):
        return DepthPictures(part.pictures, part.said)
    name = f"{part.path} depth"
    clip = VideoClip(part.path, timestamps, start=part.start, cache=cache, name=name)
    said = part.said
    # LeRobot's codes have 12 bits and a range; 16 bits without one are plain millimetres.
    plain = "gray16" in str(said.get("video.pix_fmt", said.get("pix_fmt", "")))
    if plain and "video.depth_min" not in said:
        return WholeDepthVideo(clip, depth_scale(said) or 0.001)
    try:
        return DepthVideo(clip, DepthCodes.from_info(dict(said)))
    except DataError:
        clip.close()
        raise
