"""Order and filter of a dataset's episodes, without Qt.

A `QSortFilterProxyModel` would call Python once per row and comparison, which takes seconds for
100,000 episodes. Here the columns become arrays at the first sort or filter; from then on both
take a few milliseconds, and rows are only read when they are painted. A dataset that keeps its
episodes as columns (`pipeline.model.episodes`) hands them over as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Generic, TypeVar

import numpy as np

from pipeline.model.arrays import F64, I64, Bool
from pipeline.model.demonstration import DatasetInfo
from pipeline.model.episodes import columns_of
from pipeline.model.problem import Problem, Severity

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
    NAME = 6
    PICTURE = 7


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


def state_of(present: bool, status: EpisodeStatus) -> EpisodeState:
    """Say how far an episode has come."""
    if not present:
        return EpisodeState.MISSING
    if status.reviewed is not None:
        return EpisodeState.REVIEWED
    return EpisodeState.PRESENT if status == NO_STATUS else EpisodeState.ANNOTATED


def gravest_first(*groups: Iterable[Problem]) -> tuple[Problem, ...]:
    """All findings about an episode, each once, the gravest first."""
    found = dict.fromkeys(p for group in groups for p in group)
    if len(found) < 2:
        return tuple(found)
    return tuple(sorted(found, key=lambda p: _GRAVITY[p.severity]))


class _Interned(Generic[H]):
    """Values by small numbers, so that a filter looks at each distinct value once."""

    def __init__(self, values: Iterable[H] = ()) -> None:
        self.values: list[H] = list(values)
        self._ids: dict[H, int] = {}
        for i, value in enumerate(self.values):
            self._ids.setdefault(value, i)

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
        frames: (N,) float64, length in frames; NaN where only reading can tell.
        state: (N,) int64, rank of the `EpisodeState`.
        score: (N,) float64, R; NaN where there is none.
        doubted: (N,) bool, True where the dataset itself has findings about an episode.
    """

    def __init__(self, info: DatasetInfo) -> None:
        """Take over what the dataset says; nothing is known of results yet."""
        known = columns_of(info.episodes)
        n = len(known.index)
        self.fps = info.fps
        self.index: I64 = known.index
        # Unknown lengths pass no comparison and come last in a sort.
        self.frames: F64 = np.where(known.length > 0, known.length, np.nan)
        self.score: F64 = np.full(n, np.nan)
        self.state: I64 = known.present.astype(np.int64)
        self._texts = _Interned(t.lower() for t in known.texts)
        self._text: I64 = known.text
        self._names = _Interned[str](())
        self._name: I64 | None = None
        if known.names:
            self._name = np.fromiter((self._names.add(v.lower()) for v in known.names), np.int64, n)
        self._codes = _Interned(known.code_sets)
        self._code: I64 = known.codes.copy()
        self.doubted: Bool = np.array([bool(c) for c in known.code_sets], np.bool_)[known.codes]
        self._said = _Interned([""])
        self._review: I64 = np.zeros(n, np.int64)

    def update(self, position: int, status: EpisodeStatus, codes: tuple[str, ...]) -> None:
        """Take over what is now known about one episode.

        Args:
            position: Its place in the dataset.
            status: What pipeline and people said.
            codes: Codes of all its findings, the gravest first.
        """
        present = bool(self.state[position] != _RANK[EpisodeState.MISSING])
        self.state[position] = _RANK[state_of(present, status)]
        self.score[position] = np.nan if status.score is None else status.score
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
            values = self._values(name)
            # NaN compares false: what has no score passes no comparison.
            return np.asarray(_SIGNS[sign](values, float(number)), np.bool_)
        key, colon, word = term.partition(":")
        if colon and key == "reason":
            return self._codes.matching(self._code, lambda c: any(word in code for code in c))
        if colon and key == "status":
            ranks = [_RANK[s] for s in EpisodeState if s.value.startswith(word)]
            said = self._said.matching(self._review, lambda s: bool(s) and s.startswith(word))
            return np.isin(self.state, ranks) | said
        hits = self._texts.matching(self._text, lambda t: term in t)
        if self._name is not None:
            hits |= self._names.matching(self._name, lambda n: term in n)
        hits |= self._codes.matching(self._code, lambda c: any(term in code for code in c))
        digits = term.removeprefix("#")
        if digits.isdecimal():
            hits |= self._starts_with(digits)
        return hits

    def _values(self, name: str) -> F64:
        """Numbers that a comparison names."""
        match name:
            case "r":
                return self.score
            case "length":
                return self.frames / self.fps
            case "frames":
                return self.frames
            case _:
                return self.index.astype(np.float64)

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
                return self.frames
            case Column.REASON:
                return _ranks([c[0] if c else "" for c in self._codes.values])[self._code]
            case Column.INSTRUCTION:
                return _ranks(self._texts.values)[self._text]
            case Column.NAME if self._name is not None:
                return _ranks(self._names.values)[self._name]
            case _:
                return self.index.astype(np.float64)


def _ranks(values: list[str]) -> F64:
    """Alphabetical rank of each value; NaN for the empty text."""
    order = {value: float(i) for i, value in enumerate(sorted(set(values)))}
    return np.array([order[v] if v else np.nan for v in values], np.float64)


_COMPARISON = re.compile(r"(r|length|frames|episode)(<=|>=|<|>)(-?\d+(?:\.\d*)?|-?\.\d+)")
_SIGNS: dict[str, Callable[[F64, float], Bool]] = {
    "<": lambda values, number: values < number,
    ">": lambda values, number: values > number,
    "<=": lambda values, number: values <= number,
    ">=": lambda values, number: values >= number,
}
FILTER_HELP = (
    "Words of the instruction, a reason code or an episode number; all terms must match.",
    "reason:missing_video    status:annotated    status:rejected",
    "R<0.5    R>=0.97    length>12 (seconds)    frames>300    episode>=1000",
    "-word leaves out what matches",
)
"""What the filter line understands, one line each."""
