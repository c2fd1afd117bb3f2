"""Pictures that come one by one: image bytes in a table, image files, arrays in a container."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

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


def tiff_size(data: bytes) -> tuple[int, int]:
    """Width and height from the first directory of TIFF bytes, (0, 0) if there is none."""
    order: Literal["little", "big"] | None
    order = "little" if data[:4] == b"II*\0" else "big" if data[:4] == b"MM\0*" else None
    if order is None:
        return 0, 0
    known_order = order

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], known_order)

    start = number(4, 4)
    found = {256: 0, 257: 0}
    for entry in range(min(number(start, 2), 64)):
        at = start + 2 + 12 * entry
        tag, kind = number(at, 2), number(at + 2, 2)
        if tag in found and at + 12 <= len(data):
            found[tag] = number(at + 8, 2 if kind == 3 else 4)
    return found[256], found[257]


def png_is_whole(data: bytes) -> bool:
    """True if the chunks of PNG bytes follow each other to the last one.

    OpenCV takes memory for the length that a chunk declares before it looks whether it is there.
    """
    place = 8
    while place + 12 <= len(data):
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return False


def unpack(data: bytes, where: str, *, color: bool = False) -> Array:
    """Decode PNG, JPEG or TIFF bytes as OpenCV does, but never more than can be shown.

    Args:
        data: The file's bytes; padding behind a JPEG is fine.
        where: What it is, for the sentence: a file, or a row of a table.
        color: Bring it to (H, W, 3) uint8 B, G, R; else channels and depth stay as they are.

    Raises:
        DataError: `frame_not_decoded`, one sentence.
    """
    import cv2

    width, height = image_size(data)
    if not width:
        width, height = tiff_size(data)
    # The size must be known before unpacking, so only formats whose header we read.
    if width * height <= 0:
        raise DataError("frame_not_decoded", f"{where}: no PNG or JPEG picture that can be read")
    if width * height > _MOST_PIXELS:
        raise DataError(
            "frame_not_decoded", f"{where}: {width} x {height} pixels, more than can be shown"
        )
    if data[:4] == b"\x89PNG" and not png_is_whole(data):
        raise DataError("frame_not_decoded", f"{where}: the PNG picture is cut off or damaged")
    flags = cv2.IMREAD_COLOR if color else cv2.IMREAD_UNCHANGED
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError("frame_not_decoded", f"{where}: {error}") from error
    if values is None:
        raise DataError("frame_not_decoded", f"{where}: the picture is damaged")
    return np.asarray(values)


def decode_image(data: bytes, where: str) -> U8:
    """Decode PNG or JPEG bytes to RGB (H, W, 3) uint8. Raises DataError as `unpack`."""
    import cv2

    picture = unpack(data, where, color=True)
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
