"""Where a dataset's annotations fail: how many at each stage, or with each code, most first.

Each annotation that counts stands in one bar: at its stage at fault if substitution found one,
else at the stage that its codes point at. Annotations that are known to be right never count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

import numpy as np

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable, Texts
from pipeline.diagnosis.codes import CODES, NO_SUSPECT, STAGE_ORDER, SUSPECTS, rank_of
from pipeline.diagnosis.diagnosis import Diagnosis, Outcome
from pipeline.diagnosis.sentences import title_of
from pipeline.model.arrays import I32, I64, Array, Bool

Key = tuple[str, int, int]
"""Dataset, episode and subtask of an annotation."""
NO_STAGE = "none"
"""Stage of annotations at which nothing points."""
NO_CODE = "no code"
"""Code of annotations whose stage at fault did not say anything."""

_STAGE_OF_RANK = np.array(
    [*(STAGE_ORDER.index(CODES[c].stage) for c in SUSPECTS), len(STAGE_ORDER)], np.int64
)


class Certainty(IntEnum):
    """What is known about a failure, from the most to the least."""

    FAULT = 0
    """It is wrong, and the stage at fault is known."""
    SUSPECT = 1
    """It is wrong, and codes point at the stage."""
    UNJUDGED = 2
    """Nobody knows whether it is wrong; codes point at the stage."""


class By(StrEnum):
    """What a bar stands for."""

    STAGE = "stage"
    CODE = "code"


class Grouping(StrEnum):
    """What has a Pareto of its own."""

    NOTHING = "all"
    DATASET = "dataset"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class Failures:
    """M annotations that are wrong or that codes speak against.

    Attributes:
        row: (M,) int64, row in the table; -1 for subtasks that were missed and failed episodes.
        episode: (M,) int32.
        subtask: (M,) int32, -1 where there is no subtask to open.
        dataset: M texts.
        task: M texts.
        stage: M texts, of `STAGE_ORDER` or `NO_STAGE`.
        code: M texts, or `NO_CODE`.
        certainty: (M,) int8, see `Certainty`.
        told: Sentences of those that were diagnosed, by place in these columns.
    """

    row: I64
    episode: I32
    subtask: I32
    dataset: Texts
    task: Texts
    stage: Texts
    code: Texts
    certainty: Array
    told: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.row)

    def sentence(self, place: int) -> str:
        """What is known about one of them."""
        if place in self.told:
            return self.told[place]
        stage, code = self.stage[place], self.code[place]
        known = self.certainty[place] == Certainty.SUSPECT
        first = "Wrong" if known else "Not judged"
        if code not in CODES:
            return f"{first}; no code is grave." if stage == NO_STAGE else f"{first}: {stage}."
        return f"{first}; {title_of(stage).lower()} suspected: {CODES[code].meaning}."


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        label: Stage or code.
        counts: Number of annotations by `Certainty`.
        cumulative: Share of all annotations of the group in this bar and those before, 0..1.
        places: Places in `Failures`, by certainty, then in the order of the table.
    """

    label: str
    counts: tuple[int, int, int]
    cumulative: float
    places: I64

    @property
    def total(self) -> int:
        """Number of annotations."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Pareto:
    """Bars of one group, the longest first.

    Attributes:
        name: Of the dataset or task; `all` if there is one group.
        bars: Bars; equal ones in pipeline order.
        total: Number of annotations in them.
    """

    name: str
    bars: tuple[Bar, ...]
    total: int


@dataclass(frozen=True, eq=False)
class Suspicions:
    """What codes and judgements say about N annotations: the part that diagnoses do not change.

    Attributes:
        table: Annotations.
        ranks: (N,) int64, place of the gravest code in `SUSPECTS`; one past them where none is.
        winners: (N,) int64, see `winner_numbers`.
        wrong: (N,) bool, known to be wrong.
        unjudged: (N,) bool, nobody knows, but a code is grave.
    """

    table: AnnotationTable
    ranks: I64
    winners: I64
    wrong: Bool
    unjudged: Bool

    @classmethod
    def of(cls, table: AnnotationTable, judgements: Judgements) -> Suspicions:
        """Read the codes of all annotations.

        Args:
            table: Annotations.
            judgements: What is known about their candidates.
        """
        nothing = np.zeros(len(table), np.bool_)
        unjudged = cls(table, suspicion(table), winner_numbers(table), nothing, nothing)
        return unjudged.judged(judgements)

    def judged(self, judgements: Judgements) -> Suspicions:
        """The same codes with other judgements, which costs little."""
        right, known = judgements.of(self.winners)
        unjudged = ~known & (self.ranks < NO_SUSPECT)
        return replace(self, wrong=known & ~right, unjudged=unjudged)

    def failures(self, diagnoses: Sequence[Diagnosis] = ()) -> Failures:
        """Collect what is wrong or suspected.

        Args:
            diagnoses: What substitution found; they count before the judgements.
        """
        table = self.table
        stages, codes = _Words((*STAGE_ORDER, NO_STAGE)), _Words((*SUSPECTS, NO_CODE))
        stage, code = _STAGE_OF_RANK[self.ranks], self.ranks.copy()
        keep = self.wrong | self.unjudged
        certainty = np.where(self.wrong, Certainty.SUSPECT, Certainty.UNJUDGED).astype(np.int8)
        told: dict[int, str] = {}
        for row, diagnosis in self._rows_of(diagnoses):
            keep[row] = diagnosis.outcome is Outcome.WRONG or (
                diagnosis.outcome is Outcome.UNKNOWN and diagnosis.stage is not None
            )
            stage[row] = stages.number(diagnosis.stage or NO_STAGE)
            code[row] = codes.number(diagnosis.code or NO_CODE)
            certainty[row] = _certainty(diagnosis)
            told[row] = diagnosis.sentence
        rows = np.flatnonzero(keep)
        extra = [d for d in diagnoses if d.subtask < 0]
        more_stages = [stages.number(d.stage or NO_STAGE) for d in extra]
        more_codes = [codes.number(d.code or NO_CODE) for d in extra]
        places = np.searchsorted(rows, list(told)) if told else ()
        return Failures(
            row=_joined(rows, [-1] * len(extra)).astype(np.int64),
            episode=_joined(table.episode[rows], [d.episode for d in extra]),
            subtask=_joined(table.subtask[rows], [-1] * len(extra)),
            dataset=_texts(table.dataset.take(rows), [d.dataset for d in extra]),
            task=_texts(table.task.take(rows), [d.task for d in extra]),
            stage=Texts(_joined(stage[rows], more_stages), stages.words),
            code=Texts(_joined(code[rows], more_codes), codes.words),
            certainty=_joined(certainty[rows], [_certainty(d) for d in extra]).astype(np.int8),
            told={int(p): s for p, (r, s) in zip(places, told.items(), strict=True) if keep[r]}
            | {len(rows) + i: d.sentence for i, d in enumerate(extra)},
        )

    def _rows_of(self, diagnoses: Sequence[Diagnosis]) -> Iterator[tuple[int, Diagnosis]]:
        """Rows that diagnoses speak of."""
        found = {key_of(d): d for d in diagnoses if d.subtask >= 0}
        # Where one side does not name its dataset, there is only one.
        unnamed = {(d.episode, d.subtask): d for d in found.values()}
        table = self.table
        for row in np.flatnonzero(np.isin(table.episode, [e for _, e, _ in found])).tolist():
            name, place = table.dataset[row], (int(table.episode[row]), int(table.subtask[row]))
            diagnosis = found.get((name, *place)) if name else unnamed.get(place)
            diagnosis = diagnosis or found.get(("", *place))
            if diagnosis is not None:
                yield row, diagnosis


def key_of(diagnosis: Diagnosis) -> Key:
    """Which annotation a diagnosis is about."""
    return (diagnosis.dataset, diagnosis.episode, diagnosis.subtask)


def _certainty(diagnosis: Diagnosis) -> Certainty:
    if diagnosis.outcome is Outcome.UNKNOWN:
        return Certainty.UNJUDGED
    return Certainty.FAULT if diagnosis.is_fault else Certainty.SUSPECT


class _Words:
    """Texts that get numbers as they come."""

    def __init__(self, words: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}
        for word in words:
            self.number(word)

    def number(self, word: str) -> int:
        """Number of a text, a new one if it is new."""
        return self._numbers.setdefault(word, len(self._numbers))

    @property
    def words(self) -> tuple[str, ...]:
        """All texts by number."""
        return tuple(self._numbers)


def suspicion(table: AnnotationTable) -> I64:
    """(N,) int64, lowest `rank_of` of the codes of each annotation."""
    lists = table.warnings
    of_value = np.array([rank_of(v) for v in lists.values], np.int64)
    return _least(of_value[lists.codes], lists.offsets)


def _least(values: I64, offsets: I64) -> I64:
    """Least value of each list, `NO_SUSPECT` for empty ones."""
    least = np.full(len(offsets) - 1, NO_SUSPECT, np.int64)
    filled = np.flatnonzero(np.diff(offsets) > 0)
    if len(filled):
        # Between the starts of two lists that are not empty lie only items of the first.
        least[filled] = np.minimum.reduceat(values, offsets[:-1][filled])
    return least


def winner_numbers(table: AnnotationTable) -> I64:
    """(N,) int64, number of the winner among the candidates of its row; -1 without a winner.

    Rows without candidates have their winner's box as number 0 (see `Judgements`).
    """
    columns = table.candidates
    counts = columns.counts
    out = np.where(counts > 0, -1, np.where(np.isfinite(table.start_box).all(axis=1), 0, -1))
    owner = np.repeat(np.arange(len(table)), counts)
    hits = np.flatnonzero((columns.id == table.winner[owner]) & (table.winner[owner] >= 0))
    out[owner[hits]] = hits - columns.offsets[owner[hits]]
    return out.astype(np.int64)


def paretos(
    failures: Failures,
    by: By = By.STAGE,
    grouping: Grouping = Grouping.NOTHING,
    *,
    unjudged: bool = True,
) -> tuple[Pareto, ...]:
    """Count failures.

    Args:
        failures: What is counted.
        by: What a bar stands for.
        grouping: One Pareto for all, or one per dataset or task.
        unjudged: Count annotations of which nobody knows whether they are wrong.

    Returns:
        A Pareto per group that has failures, by falling total, then by name.
    """
    labels = failures.stage if by is By.STAGE else failures.code
    counted = unjudged | (failures.certainty != Certainty.UNJUDGED)
    if grouping is Grouping.NOTHING:
        groups = Texts(np.zeros(len(failures), np.int32), ("all",))
    else:
        groups = failures.dataset if grouping is Grouping.DATASET else failures.task
    found = []
    for code, name in enumerate(groups.values):
        places = np.flatnonzero(counted & (groups.codes == code))
        if len(places):
            bars = _bars(failures, labels, places)
            found.append(Pareto(name or "unnamed", bars, len(places)))
    return tuple(sorted(found, key=lambda p: (-p.total, p.name)))


def _bars(failures: Failures, labels: Texts, places: I64) -> tuple[Bar, ...]:
    certainty = failures.certainty[places]
    own: dict[str, I64] = {}
    for code in np.unique(labels.codes[places]):
        mine = labels.codes[places] == code
        own[labels.values[code]] = places[mine][np.argsort(certainty[mine], kind="stable")]
    done, bars = 0, []
    for label in sorted(own, key=lambda name: (-len(own[name]), _order(name))):
        rows = own[label]
        fault, suspect, unjudged = np.bincount(failures.certainty[rows], minlength=len(Certainty))
        done += len(rows)
        counts = (int(fault), int(suspect), int(unjudged))
        bars.append(Bar(label, counts, done / len(places), rows))
    return tuple(bars)


def _order(label: str) -> tuple[int, str]:
    """Pipeline order of a stage or of a code's stage; what is unknown comes last."""
    stage = CODES[label].stage if label in CODES else label
    return (STAGE_ORDER.index(stage) if stage in STAGE_ORDER else len(STAGE_ORDER), label)


def _joined(values: Array, more: Sequence[int]) -> I32:
    return np.concatenate([values, np.array(more, np.int64)]).astype(np.int32)


def _texts(texts: Texts, more: Sequence[str]) -> Texts:
    numbers = {value: i for i, value in enumerate(texts.values)}
    codes = [numbers.setdefault(t, len(numbers)) for t in more]
    return Texts(np.concatenate([texts.codes, np.array(codes, np.int32)]), tuple(numbers))
