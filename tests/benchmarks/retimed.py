"""The sample's first episode as a 20 s clip of 600 frames, without writing a file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.model.arrays import F32, I32, U8
from pipeline.model.demonstration import (
    CACHE_BYTES,
    DatasetInfo,
    DatasetSource,
    Demonstration,
    FrameReader,
)
from pipeline.model.picture import Picture, PictureTimes

FPS, LENGTH = 30.0, 600


def slowed(length: int) -> I32:
    """Episode frame of each clip frame: the one pick takes 20 s."""
    return np.round(np.linspace(0, length - 1, LENGTH)).astype(np.int32)


def there_and_back(length: int) -> I32:
    """Forwards and backwards at full speed: several picks in 20 s."""
    turn = np.concatenate([np.arange(length), np.arange(length - 2, 0, -1)])
    return np.resize(turn, LENGTH).astype(np.int32)


class _Reader:
    """Frames of the episode in another order."""

    def __init__(self, reader: FrameReader, order: I32) -> None:
        self._reader = reader
        self._order = order

    def frame(self, camera: str, index: int) -> U8:
        return self._reader.frame(camera, int(self._order[index]))

    def depth(self, camera: str, index: int) -> F32 | None:
        return self._reader.depth(camera, int(self._order[index]))

    def picture(self, camera: str, index: int) -> Picture:
        return self._reader.picture(camera, int(self._order[index]))

    def cached(self, camera: str, index: int) -> Picture | None:
        return self._reader.cached(camera, int(self._order[index]))

    def times(self, camera: str) -> PictureTimes | None:
        return None  # The clip's own times are no longer those of its files.

    def close(self) -> None:
        self._reader.close()


class Retimed:
    """A dataset whose episodes are retimed to `LENGTH` frames at `FPS`."""

    def __init__(self, source: DatasetSource, *, back: bool) -> None:
        self._source = source
        self._orders: dict[int, I32] = {}
        self._order = there_and_back if back else slowed

    @property
    def info(self) -> DatasetInfo:
        return self._source.info

    def open(self, episode: int) -> Demonstration:
        real = self._source.open(episode)
        order = self._orders[episode] = self._order(real.length)
        return replace(
            real,
            fingerprint=f"{real.fingerprint}-retimed",
            fps=FPS,
            length=LENGTH,
            timestamps=np.arange(LENGTH) / FPS,
            state=real.state[order],
            action=real.action[order],
        )

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> FrameReader:
        episode = demonstration.ref.episode
        reader = self._source.reader(self._source.open(episode), cache_bytes)
        return _Reader(reader, self._orders[episode])
