"""Episodes of a large dataset, examined when they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from pipeline.model.demonstration import EpisodeInfo


class LazyEpisodes(Sequence[EpisodeInfo]):
    """A sequence that makes each entry on first use and keeps it.

    Listing 76,000 episode folders takes half a second, looking into each several.
    """

    def __init__(self, count: int, describe: Callable[[int], EpisodeInfo]) -> None:
        """Examine nothing yet.

        Args:
            count: Number of episodes.
            describe: Says what is known of the episode at a position; raises nothing.
        """
        self._describe = describe
        self._known: list[EpisodeInfo | None] = [None] * count

    def __len__(self) -> int:
        return len(self._known)

    @overload
    def __getitem__(self, position: int) -> EpisodeInfo: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[EpisodeInfo, ...]: ...

    def __getitem__(self, position: int | slice) -> EpisodeInfo | tuple[EpisodeInfo, ...]:
        """The entry at a position (negative from the end), or a tuple for a slice."""
        if isinstance(position, slice):
            return tuple(self[i] for i in range(*position.indices(len(self._known))))
        known = self._known[position]
        if known is None:
            known = self._describe(position % len(self._known))
            self._known[position] = known
        return known

    def __iter__(self) -> Iterator[EpisodeInfo]:
        return (self[i] for i in range(len(self._known)))
