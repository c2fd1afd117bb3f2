"""Order and filter of a dataset's episodes, without Qt.

A `QSortFilterProxyModel` would call Python once per row and comparison, which takes seconds for
100,000 episodes. Here the columns become arrays at the first sort or filter; from then on both
take a few milliseconds, and rows are only read when they are painted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.model.arrays import F64, Bool
from pipeline.model.demonstration import DatasetInfo, EpisodeInfo
from pipeline.model.problem import Problem, Severity

I64 = NDArray[np.int64]
H = TypeVar("H", bound=Hashable)
_GRAVITY = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


class EpisodeState(StrEnum):
    """How far an episode has come, in this order."""

    MISSING = "missing"
    PRESENT = "present"
    ANNOTATED = "annotated"
    REVIEWED = "reviewed"


_RANK = {state: i for i, state in enumerate(EpisodeState)}


class Column(IntEnum):
    """Columns of the table."""

    INDEX = 0
    STATE = 1
    SCORE = 2
    LENGTH = 3
    REASON = 4
    INSTRUCTION = 5


@dataclass(frozen=True, slots=True)
class EpisodeStatus:
    """What the pipeline and people have said about an episode.

    An empty one takes everything back: the episode is just present.

    Attributes:
        score: R of the winner; of several subtasks, the lowest. None if there is no winner.
        reviewed: What a person said (`accepted`, `corrected`, `rejected`), or None.
        problems: Findings of its stages.
    """

    score: float | None = None
    reviewed: str | None = None
    problems: tuple[Problem, ...] = ()


NO_STATUS = EpisodeStatus()


def state_of(info: EpisodeInfo, status: EpisodeStatus) -> EpisodeState:
    """Say how far an episode has come."""
    if not info.present:
        return EpisodeState.MISSING
    if status.reviewed is not None:
        return EpisodeState.REVIEWED
    return EpisodeState.PRESENT if status == NO_STATUS else EpisodeState.ANNOTATED


def problems_of(info: EpisodeInfo, status: EpisodeStatus) -> tuple[Problem, ...]:
    """All findings about an episode, the gravest first."""
    if not info.problems and not status.problems:
        return ()
    return tuple(sorted(info.problems + status.problems, key=lambda p: _GRAVITY[p.severity]))


class _Interned(Generic[H]):
    """Values by small numbers, so that a filter looks at each distinct value once."""

    def __init__(self) -> None:
        self.values: list[H] = []
        self._ids: dict[H, int] = {}

    def add(self, value: H) -> int:
        number = self._ids.get(value)
        if number is None:
            number = self._ids[value] = len(self.values)
            self.values.append(value)
        return number

    def matching(self, ids: I64, wanted: Callable[[H], bool]) -> Bool:
        hits = np.fromiter((wanted(v) for v in self.values), np.bool_, len(self.values))
        return np.asarray(hits[ids], np.bool_)


class EpisodeColumns:
    """The episodes of a dataset as parallel arrays of N rows, one per position in the dataset.

    Attributes:
        index: (N,) int64, episode index.
        frames: (N,) int64, length in frames.
        state: (N,) int64, rank of the `EpisodeState`.
        score: (N,) float64, R; NaN where there is none.
    """

    def __init__(self, info: DatasetInfo, statuses: Mapping[int, EpisodeStatus]) -> None:
        episodes, n = info.episodes, len(info.episodes)
        self.fps = info.fps
        self.index: I64 = np.fromiter((e.index for e in episodes), np.int64, n)
        self.frames: I64 = np.fromiter((e.length for e in episodes), np.int64, n)
        self.score: F64 = np.full(n, np.nan)
        self._texts: _Interned[str] = _Interned()
        self._codes: _Interned[tuple[str, ...]] = _Interned()
        self._said: _Interned[str] = _Interned()
        self._said.add("")
        self._codes.add(())
        self.state: I64 = np.fromiter((e.present for e in episodes), np.int64, n)
        self._text: I64 = np.fromiter(
            (self._texts.add(e.instruction) for e in episodes), np.int64, n
        )
        self._code: I64 = np.zeros(n, np.int64)
        self._review: I64 = np.zeros(n, np.int64)
        for i, episode in enumerate(episodes):
            if episode.problems or episode.index in statuses:
                self.update(i, episode, statuses.get(episode.index, NO_STATUS))

    def update(self, position: int, info: EpisodeInfo, status: EpisodeStatus) -> None:
        """Take over what is now known about one episode."""
        self.state[position] = _RANK[state_of(info, status)]
        self.score[position] = np.nan if status.score is None else status.score
        codes = tuple(p.code for p in problems_of(info, status))
        self._code[position] = self._codes.add(codes)
        self._review[position] = self._said.add(status.reviewed or "")

    def arrange(self, text: str, column: Column, descending: bool) -> I64:
        """Return the positions that pass the filter, sorted; what has no value comes last."""
        keep = np.flatnonzero(self.matches(text))
        if column is Column.INDEX and not descending:
            return keep[np.argsort(self.index[keep], kind="stable")]
        key = self._key(column)[keep]
        key = np.where(np.isnan(key), np.inf, -key if descending else key)
        return keep[np.lexsort((self.index[keep], key))]

    def matches(self, text: str) -> Bool:
        """(N,) bool: which episodes pass the filter `text` (see `FILTER_HELP`)."""
        keep = np.ones(len(self.index), np.bool_)
        for term in text.lower().split():
            negative = term.startswith("-") and len(term) > 1
            hits = self._term(term[1:] if negative else term)
            keep &= ~hits if negative else hits
        return keep

    def _term(self, term: str) -> Bool:
        comparison = _COMPARISON.fullmatch(term)
        if comparison:
            name, sign, number = comparison.groups()
            values = self.score if name == "r" else self.frames / self.fps
            # NaN compares false: what has no score passes no comparison.
            return np.asarray(_SIGNS[sign](values, float(number)), np.bool_)
        key, colon, word = term.partition(":")
        if colon and key == "reason":
            return self._codes.matching(self._code, lambda c: any(word in code for code in c))
        if colon and key == "status":
            ranks = [_RANK[s] for s in EpisodeState if s.value.startswith(word)]
            said = self._said.matching(self._review, lambda s: bool(s) and s.startswith(word))
            return np.isin(self.state, ranks) | said
        hits = self._texts.matching(self._text, lambda t: term in t.lower())
        hits |= self._codes.matching(self._code, lambda c: any(term in code for code in c))
        digits = term.removeprefix("#")
        if digits.isdecimal():
            hits |= self._starts_with(digits)
        return hits

    def _starts_with(self, digits: str) -> Bool:
        """Episodes whose number starts with these digits."""
        number, hits = int(digits), np.zeros(len(self.index), np.bool_)
        rest = self.index.copy()
        while rest.size and rest.max() >= max(number, 1):
            hits |= rest == number
            rest //= 10
        return np.asarray(hits | (self.index == number), np.bool_)

    def _key(self, column: Column) -> F64:
        match column:
            case Column.STATE:
                return self.state.astype(np.float64)
            case Column.SCORE:
                return self.score
            case Column.LENGTH:
                return self.frames.astype(np.float64)
            case Column.REASON:
                return _ranks([c[0] if c else "" for c in self._codes.values])[self._code]
            case Column.INSTRUCTION:
                return _ranks([t.lower() for t in self._texts.values])[self._text]
            case _:
                return self.index.astype(np.float64)


def _ranks(values: list[str]) -> F64:
    """Alphabetical rank of each value; NaN for the empty text."""
    order = {value: float(i) for i, value in enumerate(sorted(set(values)))}
    return np.array([order[v] if v else np.nan for v in values], np.float64)


_COMPARISON = re.compile(r"(r|length)(<=|>=|<|>)(-?\d+(?:\.\d*)?|-?\.\d+)")
_SIGNS: dict[str, Callable[[F64, float], Bool]] = {
    "<": lambda values, number: values < number,
    ">": lambda values, number: values > number,
    "<=": lambda values, number: values <= number,
    ">=": lambda values, number: values >= number,
}
FILTER_HELP = (
    "Words of the instruction, a reason code or an episode number; all terms must match.",
    "reason:missing_video    status:annotated    status:rejected",
    "R<0.5    R>=0.97    length>12 (seconds)",
    "-word leaves out what matches",
)
"""What the filter line understands, one line each."""
