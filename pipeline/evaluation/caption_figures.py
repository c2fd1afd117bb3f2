"""What recipes are worth: acceptable rate, kinds of failures, and two recipes on the same captions.

Pure functions on rows. Every recipe is measured on the same items (subtasks with a reference), so
recipes are compared in pairs: improvements (the second is acceptable where the first is not) and
regressions (the other way round) decide, what both got right or wrong says nothing.

Intervals and tests know that subtasks of one episode hang together (docs/caption-evaluation.md):
rates take Wilson's interval and differences Newcombe's (1998, paired, method 10) at the effective
number of items, and the test flips the signs of whole episodes. Where every episode has one subtask
these are the textbook ones, and the test is McNemar's exact one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.caption_rubric import FAILURES, Failure, FieldJudgement, Rubric
from pipeline.evaluation.intervals_of_curves import LEVEL, UNKNOWN, Interval, share_interval
from pipeline.model.arrays import F64, I64


@dataclass(frozen=True, slots=True)
class JudgedCaption:
    """One caption of one recipe beside its reference.

    Attributes:
        recipe: Which recipe wrote it.
        episode: Episode index.
        subtask: Subtask index.
        verb: Of the reference, as the vocabulary names it; empty if it is not known.
        caption: What was written; empty if nothing was (an error): that is not acceptable.
        reference: What is right.
        judgement: Of the judge.
        similarity: Of the texts, 0..1, for diagnosis only.
        error: Why nothing was written, one sentence; empty otherwise.
    """

    recipe: str
    episode: int
    subtask: int
    verb: str
    caption: str
    reference: str
    judgement: FieldJudgement
    similarity: float
    error: str = ""

    @property
    def item(self) -> tuple[int, int]:
        """Which subtask."""
        return self.episode, self.subtask

    @property
    def right(self) -> bool:
        """Acceptable."""
        return self.judgement.rubric is Rubric.ACCEPTABLE


@dataclass(frozen=True, slots=True)
class FailureCount:
    """One kind of failure.

    Attributes:
        failure: Which.
        count: Captions.
        share: Of all failures, NaN without any.
    """

    failure: Failure
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class VerbRate:
    """A recipe on the references of one verb.

    Attributes:
        verb: Of the reference.
        count: Items.
        acceptable: Of these.
        interval: Of the rate.
    """

    verb: str
    count: int
    acceptable: int
    interval: Interval

    @property
    def rate(self) -> float:
        """NaN without items."""
        return self.acceptable / self.count if self.count else math.nan


@dataclass(frozen=True, slots=True)
class RecipeFigures:
    """What one recipe is worth.

    Attributes:
        recipe: Its name.
        count: Items.
        acceptable: Of these.
        interval: Of the acceptable rate.
        failures: By kind, in the order of `FAILURES`.
        wrong_verbs: Captions with a wrong verb, the egregious ones included.
        wrong_things: Captions with a wrong object, destination or source, likewise.
        similarity: Mean text similarity, NaN without items.
        errors: Captions that were not written; they count as egregious.
        verbs: By verb of the reference, the most frequent first.
    """

    recipe: str
    count: int
    acceptable: int
    interval: Interval
    failures: tuple[FailureCount, ...]
    wrong_verbs: int
    wrong_things: int
    similarity: float
    errors: int
    verbs: tuple[VerbRate, ...]

    @property
    def rate(self) -> float:
        """Rubric acceptable rate, the primary figure; NaN without items."""
        return self.acceptable / self.count if self.count else math.nan


@dataclass(frozen=True, slots=True)
class Change:
    """What a second recipe does on items that a first one did, too.

    Attributes:
        verb: Of the references; empty for all verbs.
        count: Items of both.
        both: Acceptable twice.
        regressions: Acceptable by the first one only.
        improvements: Acceptable by the second one only.
    """

    verb: str
    count: int
    both: int
    regressions: int
    improvements: int

    @property
    def net(self) -> int:
        """Improvements minus regressions."""
        return self.improvements - self.regressions

    @property
    def difference(self) -> float:
        """Rate of the second minus rate of the first one, NaN without items."""
        return self.net / self.count if self.count else math.nan


@dataclass(frozen=True, slots=True)
class RecipeComparison:
    """Two recipes on the same items.

    Attributes:
        first: Name of the baseline.
        second: Name of the other one.
        overall: All items of both.
        interval: Of the difference of the rates.
        p_value: Two-sided, exact: the chance of such a net change or a larger one if each episode's
            were as likely the other way round. NaN where nothing changed.
        adjusted: The same for several comparisons with one baseline (Holm 1979).
        verbs: By verb of the reference, the most frequent first.
    """

    first: str
    second: str
    overall: Change
    interval: Interval
    p_value: float
    adjusted: float
    verbs: tuple[Change, ...]


def recipe_figures(rows: Sequence[JudgedCaption], level: float = LEVEL) -> RecipeFigures:
    """Measure one recipe.

    Args:
        rows: Its captions, one per item.
        level: Confidence of intervals.

    Raises:
        ValueError: Rows of several recipes, of none, or two of one item.
    """
    recipe = _only_recipe(rows)
    right = np.array([row.right for row in rows], bool)
    failures = [row.judgement.failure for row in rows if row.judgement.failure is not None]
    return RecipeFigures(
        recipe=recipe,
        count=len(rows),
        acceptable=int(right.sum()),
        interval=share_interval(right, _episodes(rows), level),
        failures=tuple(
            FailureCount(
                kind,
                failures.count(kind),
                failures.count(kind) / len(failures) if failures else math.nan,
            )
            for kind in FAILURES
        ),
        wrong_verbs=sum(not row.judgement.verb for row in rows),
        wrong_things=sum(not (row.judgement.object_name and row.judgement.place) for row in rows),
        similarity=float(np.mean([row.similarity for row in rows])),
        errors=sum(bool(row.error) for row in rows),
        verbs=tuple(_verb_rate(verb, own, level) for verb, own in by_verb(rows)),
    )


def _verb_rate(verb: str, rows: Sequence[JudgedCaption], level: float) -> VerbRate:
    right = np.array([row.right for row in rows], bool)
    interval = share_interval(right, _episodes(rows), level)
    return VerbRate(verb, len(rows), int(right.sum()), interval)


def by_verb(rows: Iterable[JudgedCaption]) -> list[tuple[str, list[JudgedCaption]]]:
    """Rows by verb of the reference, the most frequent first, equal ones by name."""
    groups: dict[str, list[JudgedCaption]] = {}
    for row in rows:
        groups.setdefault(row.verb, []).append(row)
    return sorted(groups.items(), key=lambda entry: (-len(entry[1]), entry[0]))


def compare(
    first: Sequence[JudgedCaption], second: Sequence[JudgedCaption], level: float = LEVEL
) -> RecipeComparison:
    """Compare two recipes on the items that both have.

    Args:
        first: Captions of the baseline, one per item.
        second: Captions of the other recipe.
        level: Confidence of the interval.

    Raises:
        ValueError: As `recipe_figures`.
    """
    names = _only_recipe(first), _only_recipe(second)
    others = {row.item: row for row in second}
    pairs = [(row, others[row.item]) for row in first if row.item in others]
    before = np.array([a.right for a, _ in pairs], bool)
    after = np.array([b.right for _, b in pairs], bool)
    step = after.astype(np.int64) - before
    episodes = _episodes([a for a, _ in pairs])
    p_value = sign_flip(step, episodes)
    groups = by_verb(a for a, _ in pairs)
    return RecipeComparison(
        *names,
        overall=_change("", pairs),
        interval=paired_interval(before, after, episodes, level),
        p_value=p_value,
        adjusted=p_value,
        verbs=tuple(
            _change(verb, [(row, others[row.item]) for row in own]) for verb, own in groups
        ),
    )


def _change(verb: str, pairs: Sequence[tuple[JudgedCaption, JudgedCaption]]) -> Change:
    return Change(
        verb,
        len(pairs),
        both=sum(a.right and b.right for a, b in pairs),
        regressions=sum(a.right and not b.right for a, b in pairs),
        improvements=sum(b.right and not a.right for a, b in pairs),
    )


def adjusted(comparisons: Sequence[RecipeComparison]) -> tuple[RecipeComparison, ...]:
    """Adjust the p-values of several comparisons with one baseline (Holm 1979), order kept."""
    from dataclasses import replace

    known = [c for c in comparisons if not math.isnan(c.p_value)]
    ranked = sorted(known, key=lambda c: c.p_value)
    values: dict[str, float] = {}
    least = 0.0
    for rank, one in enumerate(ranked):
        least = max(least, min(1.0, one.p_value * (len(known) - rank)))
        values[one.second] = least
    return tuple(replace(c, adjusted=values.get(c.second, math.nan)) for c in comparisons)


def sign_flip(step: I64, clusters: I64) -> float:
    """Exact two-sided test that a change is none, by flipping the signs of whole clusters.

    Under the null hypothesis a cluster's net change is as likely the other way round. The
    distribution of the sum is computed exactly, by adding one cluster after the other. With one
    item per cluster it is McNemar's exact test.

    Args:
        step: (N,) int64, -1, 0 or 1 per item.
        clusters: (N,) int64.

    Returns:
        The p-value; NaN where no cluster has a net change.
    """
    if not len(step):
        return math.nan
    _, number = np.unique(clusters, return_inverse=True)
    nets = np.abs(np.bincount(number, step).astype(np.int64))
    nets = nets[nets > 0]
    if not len(nets):
        return math.nan
    total = int(nets.sum())
    chance = np.zeros(2 * total + 1)
    chance[total] = 1.0
    for net in nets.tolist():
        moved = np.zeros_like(chance)
        moved[net:] += chance[:-net] / 2
        moved[:-net] += chance[net:] / 2
        chance = moved
    seen = abs(int(step.sum()))
    sums = np.abs(np.arange(-total, total + 1))
    return min(1.0, float(chance[sums >= seen].sum()))


def paired_interval(
    before: F64 | Sequence[bool],
    after: F64 | Sequence[bool],
    clusters: I64,
    level: float = LEVEL,
) -> Interval:
    """Interval of a difference of two rates on the same items.

    Newcombe (1998), Statistics in Medicine 17:2635, method 10 (square-and-add of Wilson's
    limits with a continuity-corrected phi), at the effective number of items: N over the design
    effect of the differences between clusters (at least 1); where all differences are equal a
    cluster counts as one item.

    Args:
        before: (N,) flags.
        after: (N,) flags.
        clusters: (N,) int64, items with equal numbers hang together.
        level: Confidence.
    """
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    count = len(first)
    if not count:
        return UNKNOWN
    scale = _effective_count(second - first, clusters) / count
    a = float((first * second).sum()) * scale
    b = float(((1 - first) * second).sum()) * scale
    c = float((first * (1 - second)).sum()) * scale
    d = float(((1 - first) * (1 - second)).sum()) * scale
    return newcombe(a, b, c, d, level)


def newcombe(both: float, second: float, first: float, neither: float, level: float) -> Interval:
    """Interval of rate(second) - rate(first) from a paired table; counts may be fractional."""
    # lazy: scipy
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    n = both + second + first + neither
    p, q = (both + second) / n, (both + first) / n
    low_p, high_p = _wilson(p, n, z)
    low_q, high_q = _wilson(q, n, z)
    margins = (both + second) * (first + neither) * (both + first) * (second + neither)
    phi = 0.0
    if margins > 0:
        cross = both * neither - second * first
        if cross > 0:
            cross = max(0.0, cross - n / 2)
        phi = cross / math.sqrt(margins)
    down, up = (p - low_p, high_q - q), (high_p - p, q - low_q)
    below, above = (math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y)) for x, y in (down, up))
    return Interval(max(-1.0, p - q - below), min(1.0, p - q + above))


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _effective_count(values: F64, clusters: I64) -> float:
    """Number of independent items that say as much about the mean of `values`."""
    _, number = np.unique(clusters, return_inverse=True)
    groups, count = int(number.max()) + 1, len(values)
    if groups in (1, count):
        return float(groups)
    rest = values - values.mean()
    variance = float((rest**2).mean())
    if variance == 0.0:
        return float(groups)
    sums = np.bincount(number, rest)
    between = groups / (groups - 1) * float((sums**2).sum()) / count**2
    return max(1.0, count / max(1.0, between / (variance / count)))


def _episodes(rows: Sequence[JudgedCaption]) -> I64:
    return np.array([row.episode for row in rows], np.int64)


def _only_recipe(rows: Sequence[JudgedCaption]) -> str:
    names = {row.recipe for row in rows}
    if len(names) != 1:
        raise ValueError(f"expected the rows of one recipe, got {sorted(names)}")
    if len({row.item for row in rows}) != len(rows):
        raise ValueError("an item has two captions of one recipe")
    return names.pop()
