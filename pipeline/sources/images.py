"""Pictures that come one by one: image bytes in a table, image files, arrays in a container."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.model.arrays import U8, Array
from pipeline.model.picture import ArrayPicture, Picture, PictureTimes
from pipeline.model.problem import DataError
from pipeline.sources.picture_cache import PictureCache

_MOST_PIXELS = 64_000_000
"""Larger pictures are refused: a few bytes of PNG can unpack to gigabytes."""


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height from the header of PNG or JPEG bytes, (0, 0) if it has none."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:2] == b"\xff\xd8":
        place = 2
        while place + 9 <= len(data) and data[place] == 0xFF:
            marker = data[place + 1]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height = int.from_bytes(data[place + 5 : place + 7], "big")
                return int.from_bytes(data[place + 7 : place + 9], "big"), height
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0, 0


def decode_image(data: bytes, where: str) -> U8:
    """Decode PNG or JPEG bytes to RGB (H, W, 3) uint8.

    Args:
        data: The file's bytes; padding behind a JPEG is fine.
        where: What it is, for the sentence: a file, or a row of a table.

    Raises:
        DataError: `frame_not_decoded`, one sentence.
    """
    import cv2

    picture = None
    if data:
        width, height = image_size(data)
        if width * height > _MOST_PIXELS:
            raise DataError(
                "frame_not_decoded", f"{where}: {width} x {height} pixels, more than can be shown"
            )
        # The size must be known before unpacking, so only formats whose header we read.
        if width:
            try:
                picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            except cv2.error as error:
                raise DataError("frame_not_decoded", f"{where}: {error}") from error
    if picture is None:
        raise DataError("frame_not_decoded", f"{where}: no PNG or JPEG picture that can be read")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def as_rgb(values: Array, where: str) -> U8:
    """Bring an array picture of any usual layout to RGB (H, W, 3) uint8.

    Accepts (H, W), (H, W, 1), (H, W, 3), (H, W, 4) and (3, H, W); uint8, or floats in 0..1.

    Raises:
        DataError: `frame_not_decoded` for anything else.
    """
    if values.ndim == 3 and values.shape[0] in (1, 3) and values.shape[2] not in (1, 3, 4):
        values = np.moveaxis(values, 0, 2)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4) or not values.size:
        raise DataError("frame_not_decoded", f"{where}: an array {values.shape} is no picture")
    if values.dtype.kind == "f":
        values = np.clip(np.nan_to_num(values) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    if values.dtype != np.uint8:
        raise DataError("frame_not_decoded", f"{where}: pictures of {values.dtype} are not known")
    if values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    return np.ascontiguousarray(values[:, :, :3])


class StillImages:
    """PictureStream over pictures that are read one at a time."""

    def __init__(
        self,
        name: str,
        count: int,
        read: Callable[[int], U8],
        cache: PictureCache,
        times: PictureTimes | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            name: Camera key; names its pictures in the cache.
            count: Number of frames; indices beyond are clamped.
            read: Returns RGB (H, W, 3) uint8 of a frame, or raises DataError.
            cache: Where pictures are kept.
            times: When they were taken, if the dataset says so.
        """
        self._name, self._count, self._read = name, count, read
        self._cache, self._times = cache, times

    def picture(self, index: int) -> Picture:
        """Return a picture; of a broken one the nearest earlier good one, with a note."""
        index = min(max(index, 0), self._count - 1)
        known = self._cache.get((self._name, index))
        if known is not None:
            return known
        try:
            picture = ArrayPicture(self._read(index))
        except DataError as error:
            picture = self._nearest(index, error)
        self._cache.put((self._name, index), picture)
        return picture

    def _nearest(self, index: int, error: DataError, reach: int = 30) -> ArrayPicture:
        for step in range(1, reach + 1):
            for other in (index - step, index + step):
                if 0 <= other < self._count:
                    try:
                        pixels = self._read(other)
                    except DataError:
                        continue
                    note = f"frame {index} cannot be read; frame {other} is shown"
                    return ArrayPicture(pixels, note)
        raise error

    def cached(self, index: int) -> Picture | None:
        """See `PictureStream`."""
        return self._cache.get((self._name, min(max(index, 0), self._count - 1)))

    def times(self) -> PictureTimes | None:
        """See `PictureStream`."""
        return self._times

    def close(self) -> None:
        """Nothing is held."""
