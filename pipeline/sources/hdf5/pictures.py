"""Pictures and depth kept in HDF5 datasets, read one at a time from one open file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.model.arrays import F32, U8, Array
from pipeline.model.problem import DataError
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.images import StillImages, as_rgb, decode_image, image_size
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.reader import EpisodeReader

if TYPE_CHECKING:
    import h5py

_CHUNK_BYTES = 32 << 20
"""Unpacked chunks that are kept per camera: 100 pictures of 256 x 256 are 20 MiB."""
_MOST_ROW = 256 << 20
_HEADER = 1 << 16
"""Bytes of an encoded picture in which its size is looked for."""


@dataclass(frozen=True, slots=True)
class StoredPictures:
    """Where one camera's pictures of an episode are.

    Attributes:
        name: Dataset inside the file, e.g. `data/demo_0/obs/agentview_image`.
        upside_down: True if row 0 is the bottom row, as OpenGL draws.
        swapped: True if encoded pictures were written with red and blue exchanged.
    """

    name: str
    upside_down: bool = False
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class StoredDepth:
    """Where the depth of a camera is.

    Attributes:
        name: Dataset inside the file.
        scale: Metres per stored unit.
        upside_down: See `StoredPictures`.
    """

    name: str
    scale: float
    upside_down: bool = False


def pictures_reader(
    path: Path,
    cameras: Mapping[str, StoredPictures],
    depths: Mapping[str, StoredDepth],
    cache_bytes: int,
) -> EpisodeReader:
    """Make the reader of one episode's pictures; the file is opened when first asked for one.

    Args:
        path: The file.
        cameras: Colour pictures by camera key.
        depths: Depth by the key of the colour camera that it belongs to.
        cache_bytes: Budget of decoded pictures.
    """
    file = _SharedFile(path)
    return EpisodeReader(
        {key: partial(_open_pictures, file, key, stored) for key, stored in cameras.items()},
        {key: partial(_open_depth, file, stored) for key, stored in depths.items()},
        cache_bytes=cache_bytes,
        release=file.close,
    )


def is_encoded(node: Any) -> bool:
    """True if a dataset holds a file's bytes per row (JPEG, PNG) instead of pixels."""
    import h5py

    if not isinstance(node, h5py.Dataset) or not node.shape:
        return False
    if node.ndim == 2:
        return bool(node.dtype == np.uint8)
    if node.ndim != 1:
        return False
    inner = h5py.check_vlen_dtype(node.dtype)
    return node.dtype.kind == "S" or inner in (bytes, str) or inner == np.uint8


def is_pixels(node: Any) -> bool:
    """True if a dataset holds colour pictures as pixels: (T, H, W, 3), (T, H, W, 4), (T, 3, H, W).

    Whether floating-point numbers are pictures is not told by their shape; only uint8 counts.
    """
    import h5py

    return (
        isinstance(node, h5py.Dataset)
        and node.ndim == 4
        and bool(node.dtype == np.uint8)
        and (node.shape[3] in (3, 4) or node.shape[1] == 3)
    )


def is_depth(node: Any) -> bool:
    """True if a dataset may hold depth: (T, H, W) or (T, H, W, 1), of numbers."""
    import h5py

    return (
        isinstance(node, h5py.Dataset)
        and node.dtype.kind in "uif"
        and (node.ndim == 3 or (node.ndim == 4 and node.shape[3] == 1))
    )


def size_of(node: Any, where: str) -> tuple[int, int]:
    """Width and height of a dataset's pictures, (0, 0) if its first ones cannot be read.

    Args:
        node: What `is_encoded` or `is_pixels` said yes to.
        where: Its name, for sentences.

    Raises:
        DataError: `bad_hdf5`.
    """
    shape = node.shape
    if not is_encoded(node):
        planar = shape[3] not in (3, 4)
        return (shape[3], shape[2]) if planar else (shape[2], shape[1])
    for index in range(min(shape[0], 3)):
        size = image_size(_bytes_of(hdf5.part(node, index, where))[:_HEADER])
        if size[0]:
            return size
    return 0, 0


def depth_scale(node: Any, where: str) -> tuple[float, str]:
    """Find out in which unit a depth dataset is, from three of its frames.

    Our choice: whole numbers are millimetres, as depth cameras write them. Floating-point numbers
    above 1 must be metres. OpenGL's depth buffer lies in 0..1, and as the near plane is
    close, all that is further than a few decimetres lies above 0.9; so values that all stay below
    are metres too.

    Args:
        node: What `is_depth` said yes to.
        where: Its name, for sentences.

    Returns:
        Metres per unit, 0 if they cannot be told, and the reason, a phrase.

    Raises:
        DataError: `bad_hdf5`.
    """
    count = node.shape[0]
    top = 0.0
    for index in sorted({0, count // 2, count - 1}) if count else ():
        check_row(node, where)
        values = np.asarray(hdf5.part(node, index, where), np.float64)
        finite = values[np.isfinite(values)]
        top = max(top, float(finite.max(initial=0.0)))
    if top <= 0:
        return 0.0, "no value above 0"
    if node.dtype.kind in "ui":
        return 0.001, "whole numbers, taken as millimetres"
    if 0.9 < top <= 1.0:
        return 0.0, "depth buffer values 0..1, no metres without the near and far planes"
    return 1.0, "metres"


def check_row(node: Any, where: str) -> None:
    """Raise DataError `bad_hdf5` if one row of a dataset is more than can be read."""
    if math.prod(node.shape[1:]) * node.dtype.itemsize > _MOST_ROW:
        raise DataError("bad_hdf5", f"{where} has the shape {node.shape}, more than can be read")


class _SharedFile:
    """One open file for all cameras of a reader."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: h5py.File | None = None

    def dataset(self, name: str) -> Any:
        import h5py

        if self._file is None:
            self._file = hdf5.open_file(self.path, chunk_bytes=_CHUNK_BYTES)
        node = hdf5.child(self._file, name)
        if not isinstance(node, h5py.Dataset) or not node.shape or not node.shape[0]:
            raise DataError("frame_not_decoded", f"{self.path}: {name} holds no pictures")
        check_row(node, f"{self.path}: {name}")
        return node

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _open_pictures(
    file: _SharedFile, key: str, stored: StoredPictures, cache: PictureCache
) -> StillImages:
    node = file.dataset(stored.name)
    encoded = is_encoded(node)

    def read(index: int) -> U8:
        where = f"{file.path}: picture {index} of {stored.name}"
        row = hdf5.part(node, index, where)
        picture = decode_image(_bytes_of(row), where) if encoded else as_rgb(row, where)
        if encoded and stored.swapped:
            picture = picture[:, :, ::-1]
        return np.ascontiguousarray(picture[::-1] if stored.upside_down else picture)

    return StillImages(key, node.shape[0], read, cache)


def _open_depth(file: _SharedFile, stored: StoredDepth, cache: PictureCache) -> _Depth:
    return _Depth(file.dataset(stored.name), f"{file.path}: {stored.name}", stored)


class _Depth:
    """DepthStream over a dataset of numbers."""

    def __init__(self, node: Any, where: str, stored: StoredDepth) -> None:
        self._node, self._where, self._stored = node, where, stored

    def metres(self, index: int) -> F32:
        index = min(max(index, 0), self._node.shape[0] - 1)
        values: Array = np.asarray(hdf5.part(self._node, index, self._where))
        metres = values.reshape(values.shape[:2]).astype(np.float32) * self._stored.scale
        metres[~np.isfinite(metres) | (metres < 0)] = 0
        return np.ascontiguousarray(
            metres[::-1] if self._stored.upside_down else metres, dtype=np.float32
        )

    def close(self) -> None:
        """The file is shared; the reader closes it."""


def _bytes_of(row: Any) -> bytes:
    """The bytes of an encoded picture: a padded row, a list of variable length or a string."""
    if isinstance(row, np.ndarray):
        return row.astype(np.uint8, copy=False).tobytes() if row.dtype.kind in "ui" else b""
    return bytes(row) if isinstance(row, bytes | np.bytes_) else b""
