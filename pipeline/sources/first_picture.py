"""One small picture of an episode, at small cost."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pipeline.model.demonstration import DatasetSource
from pipeline.model.picture import Picture

_CACHE_BYTES = 8 << 20
_MOST_OPENED = 4096
"""Frames of the longest episode that is opened as a whole just for its picture; a source that can
do better offers `first_picture`."""


@runtime_checkable
class OffersFirstPicture(Protocol):
    """A source that finds an episode's first picture without opening the episode."""

    def first_picture(self, episode: int) -> Picture | None:
        """First frame of the first camera, None if it has none here. Raises DataError."""
        ...


def first_picture(source: DatasetSource, episode: int, length: int) -> Picture | None:
    """First frame of an episode's first camera.

    Args:
        source: The dataset.
        episode: Episode index.
        length: Frames that the metadata promises.

    Returns:
        None if the episode has no camera, or is too long to be opened for a thumbnail.

    Raises:
        DataError: If it cannot be read.
    """
    if isinstance(source, OffersFirstPicture):
        return source.first_picture(episode)
    if length > _MOST_OPENED:
        return None
    demonstration = source.open(episode)
    if not demonstration.cameras:
        return None
    reader = source.reader(demonstration, _CACHE_BYTES)
    try:
        return reader.picture(demonstration.cameras[0].key, 0)
    finally:
        reader.close()
