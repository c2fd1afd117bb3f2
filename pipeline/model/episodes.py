"""A dataset's episodes as columns: 100,000 of them, made into objects one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, overload, runtime_checkable

import numpy as np

from pipeline.model.arrays import I64, Bool, expect_shape
from pipeline.model.demonstration import EpisodeInfo
from pipeline.model.problem import Problem


@dataclass(frozen=True, slots=True)
class EpisodeArrays:
    """What is known about N episodes before they are opened, as parallel arrays.

    Texts and reason codes repeat in most datasets, so that each distinct one is kept once.

    Attributes:
        index: (N,) int64, episode index, rising.
        length: (N,) int64, frames.
        present: (N,) bool.
        texts: Distinct instructions.
        text: (N,) int64, place of each episode's instruction in `texts`.
        code_sets: Distinct tuples of problem codes.
        codes: (N,) int64, place of each episode's codes in `code_sets`.
        names: N names, or none if no episode has one.
    """

    index: I64
    length: I64
    present: Bool
    texts: tuple[str, ...]
    text: I64
    code_sets: tuple[tuple[str, ...], ...]
    codes: I64
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.index)
        for name in ("length", "present", "text", "codes"):
            expect_shape(name, getattr(self, name), (count,))
        if self.names and len(self.names) != count:
            raise ValueError(f"names: expected {count}, got {len(self.names)}")

    @classmethod
    def of(cls, episodes: Iterable[EpisodeInfo]) -> EpisodeArrays:
        """Collect from objects; 100,000 take a fifth of a second."""
        rows = list(episodes)
        count = len(rows)
        texts: dict[str, int] = {}
        codes: dict[tuple[str, ...], int] = {(): 0}
        names = tuple(e.name for e in rows)
        return cls(
            index=np.fromiter((e.index for e in rows), np.int64, count),
            length=np.fromiter((e.length for e in rows), np.int64, count),
            present=np.fromiter((e.present for e in rows), np.bool_, count),
            text=np.fromiter(
                (texts.setdefault(e.instruction, len(texts)) for e in rows), np.int64, count
            ),
            texts=tuple(texts),
            codes=np.fromiter(
                (
                    codes.setdefault(tuple(p.code for p in e.problems), len(codes))
                    if e.problems
                    else 0
                    for e in rows
                ),
                np.int64,
                count,
            ),
            code_sets=tuple(codes),
            names=names if any(names) else (),
        )

    def as_present(self, without: frozenset[str]) -> EpisodeArrays:
        """Count every episode as present (a Hub will fetch it), without some problem codes."""
        sets = tuple(tuple(c for c in codes if c not in without) for codes in self.code_sets)
        return replace(self, present=np.ones(len(self.index), np.bool_), code_sets=sets)


@runtime_checkable
class Columnar(Protocol):
    """A sequence of episodes that has its columns at hand."""

    @property
    def columns(self) -> EpisodeArrays:
        """The columns."""
        ...


class Episodes(Sequence[EpisodeInfo]):
    """Lazy sequence over columns."""

    def __init__(
        self, columns: EpisodeArrays, problems: Callable[[int], tuple[Problem, ...]]
    ) -> None:
        """Keep the columns.

        Args:
            columns: What is known.
            problems: Makes the findings of the episode at a position; called only where
                `columns.codes` says that there are some.
        """
        self._columns = columns
        self._problems = problems

    @property
    def columns(self) -> EpisodeArrays:
        """The columns, not to be written to."""
        return self._columns

    def __len__(self) -> int:
        return len(self._columns.index)

    @overload
    def __getitem__(self, place: int) -> EpisodeInfo: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[EpisodeInfo]: ...

    def __getitem__(self, place: int | slice) -> EpisodeInfo | Sequence[EpisodeInfo]:
        if isinstance(place, slice):
            return tuple(self._make(i) for i in range(*place.indices(len(self))))
        count = len(self)
        if not -count <= place < count:
            raise IndexError(f"episode {place} of {count}")
        return self._make(place % count)

    def __iter__(self) -> Iterator[EpisodeInfo]:
        return map(self._make, range(len(self)))

    def _make(self, place: int) -> EpisodeInfo:
        columns = self._columns
        some = columns.code_sets[int(columns.codes[place])]
        return EpisodeInfo(
            int(columns.index[place]),
            int(columns.length[place]),
            columns.texts[int(columns.text[place])],
            bool(columns.present[place]),
            self._problems(place) if some else (),
            columns.names[place] if columns.names else "",
        )


def columns_of(episodes: Sequence[EpisodeInfo]) -> EpisodeArrays:
    """Columns of any sequence of episodes; free where it is `Columnar`."""
    return episodes.columns if isinstance(episodes, Columnar) else EpisodeArrays.of(episodes)


def present_count(episodes: Sequence[EpisodeInfo]) -> int:
    """Number of episodes that are on disk."""
    if isinstance(episodes, Columnar):
        return int(np.count_nonzero(episodes.columns.present))
    return sum(e.present for e in episodes)


def present_indices(episodes: Sequence[EpisodeInfo]) -> I64:
    """Indices of the episodes that are on disk, in their order, (P,) int64."""
    columns = columns_of(episodes)
    return columns.index[columns.present]


def first_present(episodes: Sequence[EpisodeInfo]) -> int | None:
    """Index of the first episode that is on disk, None if there is none."""
    if isinstance(episodes, Columnar):
        columns = episodes.columns
        place = int(columns.present.argmax()) if len(columns.present) else 0
        there = len(columns.present) and bool(columns.present[place])
        return int(columns.index[place]) if there else None
    return next((e.index for e in episodes if e.present), None)


def position_of(episodes: Sequence[EpisodeInfo], index: int) -> int:
    """Position of the episode with an index, -1 if there is none."""
    if 0 <= index < len(episodes) and episodes[index].index == index:
        return index
    if isinstance(episodes, Columnar):
        known = episodes.columns.index
        place = int(np.searchsorted(known, index))
        if place < len(known) and known[place] == index:
            return place
        return -1
    return next((i for i, e in enumerate(episodes) if e.index == index), -1)
