"""What a spot check says up to now: precision per stratum and overall, and what is left to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np

from pipeline.model.arrays import F64
from pipeline.review.spot_check import SpotCheck
from pipeline.review.spot_intervals import Estimate, Interval, estimates, exact_intervals
from pipeline.review.spot_plan import LEAST_ANSWERS
from pipeline.review.spot_records import SpotItem, Verdict


@dataclass(frozen=True, slots=True)
class Counts:
    """Answers by kind.

    Attributes:
        right: Right.
        wrong: Wrong.
        unsure: Could not tell.
    """

    right: int
    wrong: int
    unsure: int

    @property
    def judged(self) -> int:
        """Right or wrong."""
        return self.right + self.wrong

    @property
    def answered(self) -> int:
        """All."""
        return self.right + self.wrong + self.unsure


@dataclass(frozen=True, slots=True)
class StratumResult:
    """One stratum.

    Attributes:
        name: What its annotations share.
        population: Annotations in it.
        sampled: Of these, drawn.
        counts: Answers.
        estimate: Precision of those that could be told.
    """

    name: str
    population: int
    sampled: int
    counts: Counts
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the items that nobody could tell might be.

    Attributes:
        all_wrong: Precision if all of them are wrong; NaN without an answer.
        all_right: Precision if all of them are right.
        interval: From the lower limit of the former to the upper limit of the latter
            (Clopper-Pearson type).
    """

    all_wrong: float
    all_right: float
    interval: Interval


class StopState(StrEnum):
    """Where the stopping rule stands."""

    NO_RULE = "no_rule"
    GO_ON = "go_on"
    REACHED = "reached"
    SAMPLE_ENDED = "sample_ended"


@dataclass(frozen=True, slots=True)
class Stop:
    """The stopping rule.

    Attributes:
        state: Where it stands.
        wanted: Half-width to reach, None without a rule.
        more: Answers that are expected to be left until it is reached; 0 if it is, None if not
            even all annotations would do or there is no rule.
        beyond: Of these, so many more than were drawn.
    """

    state: StopState
    wanted: float | None
    more: int | None
    beyond: int = 0

    def text(self) -> str:
        """What to do, one sentence."""
        match self.state:
            case StopState.NO_RULE:
                return "No half-width was asked for: the whole sample is to be judged."
            case StopState.REACHED:
                return f"The wanted half-width of {self.wanted:g} is reached: you can stop."
        if self.more is None:
            return "Not even all annotations would reach the wanted half-width."
        if self.beyond and self.state is StopState.SAMPLE_ENDED:
            return f"The sample is used up; draw about {self.beyond} more."
        extra = f", {self.beyond} of them still to be drawn" if self.beyond else ""
        return f"About {self.more} more answer{'s' * (self.more != 1)}{extra}."


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two reviewers agree on what both judged right or wrong.

    Attributes:
        first: Name.
        second: Name.
        both: Items.
        equal: Of these, with the same answer.
        kappa: Cohen's kappa (1960), 1 is perfect, 0 is chance; NaN if both always said the same
            one thing, or without items.
    """

    first: str
    second: str
    both: int
    equal: int
    kappa: float


@dataclass(frozen=True, slots=True)
class SpotResult:
    """Everything that page, report and JSON show.

    Attributes:
        level: Confidence at which intervals are computed, see `SpotPlan.level`.
        strata: Per stratum.
        counts: Of all.
        overall: Weighted by the strata's populations.
        bounds: With those that nobody could tell.
        stop: Stopping rule.
        reviewers: Answers of each person.
        agreement: Of each pair of persons.
        wrong: Items that are wrong.
        kept_wrong: Of these, kept at the threshold; empty without one.
        dropped_right: Items that are right and dropped at the threshold.
        seconds: Median time of an answer, NaN if unknown.
    """

    level: float
    strata: tuple[StratumResult, ...]
    counts: Counts
    overall: Estimate
    bounds: Bounds
    stop: Stop
    reviewers: tuple[tuple[str, Counts], ...]
    agreement: tuple[Agreement, ...]
    wrong: tuple[SpotItem, ...]
    kept_wrong: tuple[SpotItem, ...]
    dropped_right: tuple[SpotItem, ...]
    seconds: float


def summarise(check: SpotCheck, who: str | None = None) -> SpotResult:
    """What the answers say.

    Several people's answers to an item count once, by majority; where they balance, nobody could
    tell. Items that nobody could tell do not count as judged: the precision is that of annotations
    that can be told, and a stratum weighs its population less the share of those that cannot
    (an estimate for a domain, Cochran 1977, section 5A.14; our choice).

    Args:
        check: The spot check.
        who: Only this person's answers; None for everybody's.
    """
    verdicts = {i.number: check.verdict(i.number, who) for i in check.items}
    height = len(check.strata)
    table = np.zeros((height, 3))
    columns = {Verdict.RIGHT: 0, Verdict.WRONG: 1, Verdict.UNSURE: 2}
    for item in check.items:
        verdict = verdicts[item.number]
        if verdict is not None:
            table[item.stratum, columns[verdict]] += 1
    right, wrong, unsure = table.T
    judged = right + wrong
    population = np.array([s.population for s in check.strata], np.float64)
    told = _tellable(population, judged, unsure)
    level = check.plan.level
    # In one go: each stratum alone, all of them, and all with either guess about the unsure.
    alone = np.eye(height)
    found = estimates(
        np.vstack([alone * right, right, right, right + unsure]),
        np.vstack([alone * judged, judged, judged + unsure, judged + unsure]),
        np.vstack([alone * told, told, population, population]),
        level,
        np.vstack([alone * unsure, unsure, np.zeros((2, height))]),
    )
    strata = tuple(
        StratumResult(s.name, s.population, s.sampled, Counts(*(int(v) for v in row)), own)
        for s, row, own in zip(check.strata, table, found[:height], strict=True)
    )
    overall, low, high = found[height:]
    bounds = Bounds(low.precision, high.precision, Interval(low.exact.low, high.exact.high))
    threshold = check.plan.population.threshold
    wrong_items = tuple(i for i in check.items if verdicts[i.number] is Verdict.WRONG)
    right_items = [i for i in check.items if verdicts[i.number] is Verdict.RIGHT]
    names = check.reviewers
    seconds = [a.seconds for n in names for a in check.answers(n).values() if a.seconds > 0]
    return SpotResult(
        level=level,
        strata=strata,
        counts=Counts(*(int(v) for v in table.sum(axis=0))),
        overall=overall,
        bounds=bounds,
        stop=_stop(check, verdicts, overall, table.T, told),
        reviewers=tuple((n, _counts_of(check, n)) for n in names),
        agreement=tuple(_agreement(check, a, b) for a, b in combinations(names, 2)),
        wrong=wrong_items,
        kept_wrong=tuple(i for i in wrong_items if i.kept(threshold)),
        dropped_right=tuple(i for i in right_items if i.kept(threshold) is False),
        seconds=float(np.median(seconds)) if seconds else float("nan"),
    )


def _tellable(population: F64, judged: F64, unsure: F64) -> F64:
    """(H,) estimated number of annotations of each stratum that can be told."""
    answered = np.maximum(judged + unsure, 1.0)
    told = np.round(population * (1.0 - unsure / answered))
    return np.where(unsure > 0, np.clip(told, np.maximum(judged, 1.0), population), population)


def _stop(
    check: SpotCheck,
    verdicts: dict[int, Verdict | None],
    overall: Estimate,
    table: F64,
    told: F64,
) -> Stop:
    judged = table[0] + table[1]
    wanted = check.plan.half_width
    waiting = [i.stratum for i in check.items if verdicts[i.number] is None]
    ended = not waiting
    if wanted is None:
        state = StopState.SAMPLE_ENDED if ended else StopState.NO_RULE
        return Stop(state, None, None if ended else len(waiting))
    least = min(LEAST_ANSWERS, int(told.sum()))
    if overall.exact.half_width <= wanted and judged.sum() >= least:
        return Stop(StopState.REACHED, wanted, 0)
    left = np.cumsum(np.eye(len(told))[waiting], axis=0) if waiting else np.zeros((1, len(told)))
    more = _left(table, told, left, wanted, max(least - int(judged.sum()), 1), check)
    state = StopState.SAMPLE_ENDED if ended else StopState.GO_ON
    return Stop(state, wanted, more, max((more or 0) - len(waiting), 0))


def _left(
    table: F64, told: F64, order: F64, wanted: float, least: int, check: SpotCheck
) -> int | None:
    """Answers expected to be left: the first number at which the expected interval is short enough.

    Items come in the sample's order, then in proportion to what is left of each stratum; each is
    expected to be right as often as its stratum's were, drawn towards the whole (our choice).
    """
    right, unsure = table[0], table[2]
    judged = right + table[1]
    room = int((told - judged).sum())
    whole = (right.sum() + 2 * check.plan.expected) / (judged.sum() + 2)
    share = (right + 2 * whole) / (judged + 2)
    drawn = len(order) if order.any() else 0
    rest = np.maximum(told - judged - (order[-1] if drawn else 0), 0.0)

    def added(more: int) -> F64:
        if more <= drawn:
            planned: F64 = np.minimum(order[more - 1], told - judged)
            return planned
        beyond: F64 = rest * (more - drawn) / max(rest.sum(), 1.0)
        whole_sample = order[-1] if drawn else np.zeros(len(told))
        grown: F64 = np.minimum(whole_sample + beyond, told - judged)
        return grown

    low, high = least - 1, room
    if high < least:
        return None
    while high - low > 1:
        tried = np.unique(np.geomspace(low + 1, high, 12).astype(np.int64))
        extra = np.array([added(int(m)) for m in tried])
        n = judged + extra
        exact = exact_intervals(
            right + extra * share, n, told[None], check.plan.level, unsure[None]
        )
        good = (exact[:, 1] - exact[:, 0]) / 2 <= wanted
        if not good.any():
            return None
        first = int(np.argmax(good))
        high = int(tried[first])
        low = int(tried[first - 1]) if first else low
        if not first:
            break
    return high


def _counts_of(check: SpotCheck, who: str) -> Counts:
    said = [a.verdict for a in check.answers(who).values()]
    return Counts(*(said.count(v) for v in (Verdict.RIGHT, Verdict.WRONG, Verdict.UNSURE)))


def _agreement(check: SpotCheck, first: str, second: str) -> Agreement:
    one, other = check.answers(first), check.answers(second)
    both = [
        (one[n].verdict is Verdict.RIGHT, other[n].verdict is Verdict.RIGHT)
        for n in one.keys() & other.keys()
        if Verdict.UNSURE not in (one[n].verdict, other[n].verdict)
    ]
    if not both:
        return Agreement(first, second, 0, 0, float("nan"))
    a, b = np.array(both).T
    observed = float(np.mean(a == b))
    chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
    kappa = (observed - chance) / (1 - chance) if chance < 1 else float("nan")
    return Agreement(first, second, len(both), int((a == b).sum()), kappa)
