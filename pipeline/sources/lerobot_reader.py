"""Pictures of one LeRobot episode: colour and depth, from video files or image columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.model.arrays import F64, U8
from pipeline.model.demonstration import Demonstration
from pipeline.model.problem import DataError
from pipeline.sources.depth_video import DepthCodes, DepthVideo
from pipeline.sources.images import StillImages, decode_image
from pipeline.sources.lerobot_metadata import Feature
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.reader import DepthStream, EpisodeReader, PictureStream
from pipeline.sources.video import VideoClip


@dataclass(frozen=True, slots=True)
class VideoPart:
    """Where one camera's pictures of an episode are.

    Attributes:
        path: Video file, or the table for image features.
        start: Where the episode starts in the file, seconds.
        feature: The feature's metadata.
        in_table: True if the pictures are PNG or JPEG bytes in a table column.
    """

    path: Path
    start: float
    feature: Feature
    in_table: bool = False


def episode_reader(
    demonstration: Demonstration, parts: Mapping[str, VideoPart], cache_bytes: int
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
    return EpisodeReader(
        {key: partial(_open_pictures, demonstration, key, part) for key, part in parts.items()},
        {key: partial(_open_depth, demonstration.timestamps, part) for key, part in depth.items()},
        cache_bytes=cache_bytes,
    )


def _open_pictures(
    demonstration: Demonstration, key: str, part: VideoPart, cache: PictureCache
) -> PictureStream:
    if part.in_table:
        rows = _read_images(demonstration, key, part)

        def read(index: int) -> U8:
            return decode_image(rows[index], f"{part.path}: picture {index} of {key}")

        return StillImages(key, len(rows), read, cache)
    return VideoClip(part.path, demonstration.timestamps, start=part.start, cache=cache, name=key)


def _open_depth(timestamps: F64, part: VideoPart, cache: PictureCache) -> DepthStream:
    codes = DepthCodes.from_info(part.feature.info)
    name = f"{part.path} depth"
    return DepthVideo(
        VideoClip(part.path, timestamps, start=part.start, cache=cache, name=name), codes
    )


def _read_images(demonstration: Demonstration, key: str, part: VideoPart) -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Any] = pq.read_table(
            part.path,
            columns=[key],
            filters=[("episode_index", "==", demonstration.ref.episode)],
        )[key].to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(
            "bad_table", f"{part.path}: pictures of {key} cannot be read ({error})"
        ) from error
    return [row.get("bytes") or b"" if isinstance(row, dict) else b"" for row in rows]
