"""Pictures of an episode out of a recording: as many as it has, the nearest earlier one between."""

from __future__ import annotations

import bisect
import dataclasses
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F32, U8
from pipeline.model.demonstration import CACHE_BYTES, Camera, Demonstration
from pipeline.model.picture import ArrayPicture, Picture, PictureTimes
from pipeline.model.problem import DataError
from pipeline.sources.images import decode_image
from pipeline.sources.picture_cache import PictureCache
from viewers.rerun_inputs import TIMELINE, camera_path
from viewers.rerun_session_entity import chunks_of

_BLOB = "EncodedImage:blob"


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Pictures of one camera as they were logged.

    Attributes:
        frames: Ascending.
        data: JPEG or PNG bytes, one per frame.
    """

    frames: tuple[int, ...]
    data: tuple[bytes, ...]


class RecordedPictures:
    """`FrameReader` over a recording. One per thread, except for `cached`.

    The recording shows fewer pictures than the episode has frames: where it has none, the nearest
    earlier one is returned, and its note says which.
    """

    def __init__(
        self, path: Path, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES
    ) -> None:
        """Read nothing yet.

        Args:
            path: An .rrd file, not trusted.
            demonstration: Its cameras have pictures in it.
            cache_bytes: Budget of decoded pictures, all cameras together.
        """
        self._path = path
        self._demonstration = demonstration
        self._cache = PictureCache(cache_bytes)
        self._lock = threading.Lock()
        self._encoded: dict[str, _Encoded] = {}

    def picture(self, camera: str, index: int) -> Picture:
        """The picture of frame `index`, or the nearest earlier one. Raises DataError."""
        encoded = self._of(camera)
        place = max(0, bisect.bisect_right(encoded.frames, index) - 1)
        shown = encoded.frames[place]
        found = self._cache.get((camera, shown))
        if found is None:
            size = self._demonstration.camera(camera)
            where = f"{self._path.name}, frame {shown}"
            found = ArrayPicture(_fitted(decode_image(encoded.data[place], where), size))
            self._cache.put((camera, shown), found)
        return found if shown == index else _noted(found, index, shown)

    def cached(self, camera: str, index: int) -> Picture | None:
        """The picture if it is decoded already, else None; any thread."""
        with self._lock:
            encoded = self._encoded.get(camera)
        if encoded is None:
            return None
        shown = encoded.frames[max(0, bisect.bisect_right(encoded.frames, index) - 1)]
        found = self._cache.get((camera, shown))
        return found if found is None or shown == index else _noted(found, index, shown)

    def frame(self, camera: str, index: int) -> U8:
        """RGB (H, W, 3) uint8 of `picture`. Raises DataError."""
        return self.picture(camera, index).rgb()

    def depth(self, camera: str, index: int) -> F32 | None:
        """None: a recording's depth is for its own view."""
        return None

    def times(self, camera: str) -> PictureTimes | None:
        """None: its pictures carry the episode's frames, not times of their own."""
        return None

    def close(self) -> None:
        """Release all pictures."""
        with self._lock:
            self._encoded.clear()
        self._cache.clear()

    def _of(self, camera: str) -> _Encoded:
        """All pictures of a camera, still encoded (a few MiB); read once."""
        with self._lock:
            found = self._encoded.get(camera)
        if found is None:
            found = _read(self._path, self._demonstration.camera(camera))
            with self._lock:
                self._encoded[camera] = found
        return found


def has_pictures(path: Path, camera: Camera) -> bool:
    """Whether a recording shows a camera at all. Raises DataError."""
    return any(
        not chunk.is_static and chunk.num_rows
        for chunk in chunks_of(path, f"/{camera_path(camera)}/image")
    )


def _read(path: Path, camera: Camera) -> _Encoded:
    rows: dict[int, bytes] = {}
    for chunk in chunks_of(path, f"/{camera_path(camera)}/image"):
        batch = chunk.to_record_batch()
        names = batch.schema.names
        if chunk.is_static or TIMELINE not in names or _BLOB not in names:
            continue
        for frame, blob in zip(batch[TIMELINE].to_pylist(), batch[_BLOB], strict=True):
            data = _bytes_of(blob)
            if frame is not None and data:
                rows[int(frame)] = data
    if not rows:
        text = f"{path.name} has no picture of the camera {camera.short_name}"
        raise DataError("frame_not_decoded", text)
    frames = tuple(sorted(rows))
    return _Encoded(frames, tuple(rows[frame] for frame in frames))


def _bytes_of(row: Any) -> bytes:
    """The blob of a row: a list with one list of uint8."""
    blobs = row.values
    if blobs is None or not len(blobs) or str(blobs.type.value_type) != "uint8":
        return b""
    values = blobs[0].values
    return b"" if values is None else values.to_numpy(zero_copy_only=False).tobytes()


def _fitted(pixels: U8, camera: Camera) -> U8:
    """The picture in the camera's size: what is drawn on it is in its pixels."""
    if pixels.shape[:2] == (camera.height, camera.width):
        return pixels
    # lazy: as all of OpenCV
    import cv2

    size = (camera.width, camera.height)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _noted(picture: Picture, index: int, shown: int) -> Picture:
    """The same picture, saying that it is of another frame."""
    if not isinstance(picture, ArrayPicture):
        return picture
    note = f"The export has no picture of frame {index}: this is frame {shown}."
    return dataclasses.replace(picture, note=note)
