"""Pictures of one LeRobot episode: colour and depth, from video files or image columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F32, U8
from pipeline.model.demonstration import Demonstration
from pipeline.model.problem import DataError
from pipeline.sources.lerobot_metadata import Feature
from pipeline.sources.video import DepthCodes, VideoClip


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


class LeRobotReader:
    """FrameReader on one episode; opens each camera's file on first use."""

    def __init__(
        self, demonstration: Demonstration, parts: dict[str, VideoPart], cache_bytes: int = 64 << 20
    ) -> None:
        self._demonstration = demonstration
        self._parts = parts
        self._cache_bytes = cache_bytes
        self._clips: dict[str, VideoClip] = {}
        self._tables: dict[str, list[bytes]] = {}

    def frame(self, camera: str, index: int) -> U8:
        """RGB (H, W, 3) uint8 of frame `index`. Raises DataError."""
        part = self._part(camera)
        if part.in_table:
            return self._image(camera, part, index)
        return self._clip(camera).rgb(index)

    def prepare(self, camera: str, index: int) -> None:
        """Decode into the cache without converting."""
        if not self._part(camera).in_table:
            self._clip(camera).picture(index)

    def depth(self, camera: str, index: int) -> F32 | None:
        """Depth (H, W) float32 in metres that belongs to a colour camera; None if there is none."""
        key = self._demonstration.camera(camera).depth_key
        if key is None:
            return None
        codes = DepthCodes.from_info(self._part(key).feature.info)
        picture = self._clip(key).picture(index)
        # Codes of 12 bits come as gray12le, or as the luma of a 10 or 12-bit colour format.
        depth = picture.format.components[0].bits
        array = picture.to_ndarray(format="gray16le").astype(np.uint16, copy=False)
        return codes.metres((array >> (16 - codes.bits)) if depth > 8 else array * 16)

    def clip(self, camera: str) -> VideoClip:
        """The open clip of a camera, to ask how many frames the file really has."""
        return self._clip(camera)

    def close(self) -> None:
        """Release all decoders."""
        for clip in self._clips.values():
            clip.close()
        self._clips.clear()
        self._tables.clear()

    def _part(self, key: str) -> VideoPart:
        if key not in self._parts:
            raise DataError("no_such_camera", f"the episode has no camera {key}")
        return self._parts[key]

    def _clip(self, key: str) -> VideoClip:
        if key not in self._clips:
            part = self._part(key)
            self._clips[key] = VideoClip(
                part.path,
                self._demonstration.timestamps,
                start=part.start,
                cache_bytes=self._cache_bytes,
            )
        return self._clips[key]

    def _image(self, key: str, part: VideoPart, index: int) -> U8:
        import cv2

        if key not in self._tables:
            self._tables[key] = self._read_images(key, part)
        data = np.frombuffer(self._tables[key][index], np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if picture is None:
            raise DataError("frame_not_decoded", f"{part.path}: picture {index} of {key} is broken")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)

    def _read_images(self, key: str, part: VideoPart) -> list[bytes]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows: list[Any] = pq.read_table(
                part.path,
                columns=[key],
                filters=[("episode_index", "==", self._demonstration.ref.episode)],
            )[key].to_pylist()
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise DataError(
                "bad_table", f"{part.path}: pictures of {key} cannot be read ({error})"
            ) from error
        return [row.get("bytes") or b"" if isinstance(row, dict) else b"" for row in rows]
