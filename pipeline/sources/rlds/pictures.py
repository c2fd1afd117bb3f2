"""Pictures of one RLDS episode, decoded one at a time from its record in memory."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline.model.arrays import F32, U8, Array
from pipeline.model.demonstration import Camera, Demonstration
from pipeline.model.problem import DataError
from pipeline.sources.images import StillImages, as_rgb, decode_image, image_size, unpack
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.reader import DepthStream, EpisodeReader, PictureStream
from pipeline.sources.rlds.example import Example
from pipeline.sources.rlds.layout import Layout
from pipeline.sources.rlds.tfds_metadata import Feature, Kind

_MOST_PIXELS = 64_000_000


def stored_values(example: Example, feature: Feature, index: int, where: str) -> Array:
    """Numbers of one step, in the feature's shape.

    Args:
        example: The episode.
        feature: A numeric feature of every step.
        index: Step.
        where: What it is, for the sentence.

    Raises:
        DataError: `bad_feature` if it holds something else.
    """
    shape = feature.step_shape
    size = math.prod(shape)
    if feature.encoding == "none":
        # The ends may be cut off: a shorter list is an error below.
        values = example.numbers(feature.key, index * size, (index + 1) * size)
    else:
        values = _unpacked(example, feature, index, size, where)
    if values is None or len(values) != size:
        have = "no" if values is None else str(len(values))
        raise DataError("bad_feature", f"{where}: {have} numbers where {size} were expected")
    return values.reshape(shape).astype(_dtype(feature, where), copy=False)


def _unpacked(
    example: Example, feature: Feature, index: int, size: int, where: str
) -> Array | None:
    texts = example.texts(feature.key)
    if index >= len(texts):
        return None
    dtype, data = _dtype(feature, where), bytes(texts[index])
    if feature.encoding == "zlib":
        try:
            # Never more than the shape needs: a few bytes can unpack to gigabytes.
            data = zlib.decompressobj().decompress(data, size * dtype.itemsize + 1)
        except zlib.error as error:
            raise DataError("bad_feature", f"{where}: is not packed as declared") from error
    if len(data) != size * dtype.itemsize:
        return None
    return np.frombuffer(data, dtype)


def _dtype(feature: Feature, where: str) -> np.dtype[np.generic]:
    try:
        return np.dtype(feature.dtype)
    except TypeError as error:
        raise DataError("bad_feature", f"{where}: numbers of type {feature.dtype}") from error


def picture_of(example: Example, feature: Feature, index: int, where: str) -> U8:
    """RGB (H, W, 3) uint8 of one step. Raises DataError."""
    where = f"{where}: step {index} of {feature.key}"
    if feature.kind is Kind.IMAGE:
        texts = example.texts(feature.key)
        return decode_image(texts[index] if index < len(texts) else b"", where)
    _refuse_too_large(feature.shape, where)
    return as_rgb(stored_values(example, feature, index, where), where)


def depth_of(example: Example, feature: Feature, index: int, where: str) -> F32:
    """Depth (H, W) float32 in metres of one step, 0 = unknown. Raises DataError."""
    where = f"{where}: step {index} of {feature.key}"
    if feature.kind is Kind.IMAGE:
        texts = example.texts(feature.key)
        values = _decoded_depth(texts[index] if index < len(texts) else b"", feature, where)
    else:
        _refuse_too_large(feature.shape, where)
        values = stored_values(example, feature, index, where)
    if values.ndim == 3:
        values = values[:, :, 0]
    # Integers are millimetres by convention; RLDS has no place for a unit.
    scale = 1.0 if values.dtype.kind == "f" else 0.001
    metres = values.astype(np.float32) * np.float32(scale)
    metres[~np.isfinite(metres) | (metres < 0)] = 0.0
    return metres


def _decoded_depth(data: bytes, feature: Feature, where: str) -> Array:
    values = unpack(data, where)
    if feature.dtype.startswith("float"):
        # TFDS stores the four bytes of a float as the channels R, G, B, A of a PNG.
        if values.ndim != 3 or values.shape[2] != 4 or values.dtype != np.uint8:
            raise DataError("frame_not_decoded", f"{where}: no depth as TFDS stores it")
        return np.ascontiguousarray(values[:, :, [2, 1, 0, 3]]).view("<f4")
    return values


def _refuse_too_large(shape: tuple[int, ...], where: str) -> None:
    if math.prod(shape) > 4 * _MOST_PIXELS:
        raise DataError("frame_not_decoded", f"{where}: {shape}, more than can be shown")


def camera_of(example: Example, key: str, feature: Feature, where: str) -> Camera | str:
    """Look at a camera's first picture.

    Returns:
        The camera, or why it is left out: pictures that are missing or all of one colour stand
        for a camera that was not there (Bridge stores black ones).
    """
    if feature.kind is not Kind.IMAGE:
        height, width = feature.shape[:2]
        if not example.count(feature.key):
            return f"camera {key} has no pictures"
        return Camera(key, width, height, "raw")
    texts = example.texts(feature.key)
    first = next((t for t in texts if t), b"")
    if not first:
        return f"camera {key} has no pictures"
    if all(t == first for t in texts):
        try:
            pixels = decode_image(first, where)
        except DataError:
            return f"camera {key} has no picture that can be read"
        if pixels.min() == pixels.max():
            return f"camera {key} is one colour throughout: it was not there"
    width, height = image_size(first)
    return Camera(key, width, height, "png" if first[:1] == b"\x89" else "jpeg")


class _Depth:
    """DepthStream over the record."""

    def __init__(self, read: Callable[[int], F32]) -> None:
        self._read = read

    def metres(self, index: int) -> F32:
        """See `DepthStream`."""
        return self._read(index)

    def close(self) -> None:
        """Nothing is held."""


class _Held:
    """The episode's record, read when the first picture is asked for."""

    def __init__(self, load: Callable[[], Example]) -> None:
        self._load = load
        self._example: Example | None = None

    def get(self) -> Example:
        if self._example is None:
            self._example = self._load()
        return self._example

    def drop(self) -> None:
        self._example = None


def episode_reader(
    demonstration: Demonstration,
    layout: Layout,
    load: Callable[[], Example],
    where: str,
    cache_bytes: int,
) -> EpisodeReader:
    """Make the reader of one episode; it holds the record until it is closed.

    Args:
        demonstration: The episode.
        layout: Which features are pictures.
        load: Reads the record.
        where: The episode, for sentences.
        cache_bytes: Budget of decoded pictures.
    """
    held = _Held(load)

    def pictures(key: str, cache: PictureCache) -> PictureStream:
        feature = layout.cameras[key]

        def read(index: int) -> U8:
            return picture_of(held.get(), feature, index, where)

        return StillImages(key, demonstration.length, read, cache)

    def depth(key: str, cache: PictureCache) -> DepthStream:
        feature = layout.depths[key]
        last = demonstration.length - 1
        return _Depth(lambda i: depth_of(held.get(), feature, min(max(i, 0), last), where))

    return EpisodeReader(
        {camera.key: partial(pictures, camera.key) for camera in demonstration.cameras},
        {
            camera.key: partial(depth, camera.key)
            for camera in demonstration.cameras
            if camera.key in layout.depths
        },
        cache_bytes=cache_bytes,
        release=held.drop,
    )
