"""Populations of known precision, sampled many times: do the intervals cover it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.review.spot_intervals import exact_intervals, intervals

DATASETS = 2000
_TINY = 1e-9


@dataclass(frozen=True)
class Scenario:
    """Strata of a population.

    Attributes:
        name: For people.
        sizes: Annotations of each stratum; inf for as many as one likes (one stratum only).
        drawn: Judged in each.
        low: Precision of each stratum; where `high` is higher it differs from dataset to dataset.
        high: See `low`; the same as `low` if empty.
        unsure: Share of annotations that nobody can tell.
    """

    name: str
    sizes: tuple[float, ...]
    drawn: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...] = ()
    unsure: float = 0.0


@dataclass(frozen=True)
class Coverage:
    """Share of datasets whose true precision lies in the interval, and mean widths."""

    wilson: float
    exact: float
    wilson_width: float
    exact_width: float


INF = float("inf")
FIXED = (
    Scenario("one stratum, n 15, p 0.90", (INF,), (15,), (0.9,)),
    Scenario("one stratum, n 30, p 0.97", (INF,), (30,), (0.97,)),
    Scenario("one stratum, n 30, p 0.99", (INF,), (30,), (0.99,)),
    Scenario("one stratum, n 100, p 0.98", (INF,), (100,), (0.98,)),
    Scenario("one stratum, n 100, p 0.50", (INF,), (100,), (0.5,)),
    Scenario("4 strata, proportional, p 0.97", (1000,) * 4, (15,) * 4, (0.97,) * 4),
    Scenario("4 strata, proportional, p 0.99", (1000,) * 4, (15,) * 4, (0.99,) * 4),
    Scenario(
        "4 strata, 0.6 0.8 0.9 1 (one never fails)", (1000,) * 4, (15,) * 4, (0.6, 0.8, 0.9, 1)
    ),
    Scenario(
        "sizes 20 100 1000 5000, 10 of each",
        (20, 100, 1000, 5000),
        (10,) * 4,
        (0.5, 0.8, 0.9, 0.98),
    ),
    Scenario("9000 by 5, 1000 by 95", (9000, 1000), (5, 95), (0.95, 0.5)),
    Scenario("10 strata by 2", (100,) * 10, (2,) * 10, (0.97,) * 10),
    Scenario(
        "10 strata by 2, 0.5 to 0.95", (100,) * 10, (2,) * 10, tuple(np.linspace(0.5, 0.95, 10))
    ),
    Scenario("finite 12 20 8, half judged", (12, 20, 8), (6, 10, 4), (0.8, 0.9, 0.95)),
    Scenario("finite 40, 30 judged", (40,), (30,), (0.9,)),
    Scenario("finite 60 of 0.97 and 90 of 0.98, a third", (60, 90), (20, 30), (0.97, 0.98)),
    Scenario("3 to 50 of each, p 0.97 to 0.99", (300, 900, 4000), (3, 10, 50), (0.97, 0.98, 0.99)),
    Scenario("one in 7 strata fails, 8 of each", (200,) * 7, (8,) * 7, (1,) * 6 + (0.7,)),
    Scenario("one stratum judged completely", (20, 500), (20, 40), (0.7, 0.95)),
    Scenario("a tenth cannot be told", (1000, 3000), (40, 60), (0.8, 0.95), unsure=0.1),
    Scenario(
        "a tenth cannot be told, 0.9 0.8 0.1 unequal",
        (75, 7000, 20_000),
        (2, 5, 90),
        (0.9, 0.8, 0.1),
        unsure=0.1,
    ),
    Scenario("a tenth cannot be told, 6 by 4, 6 by 2", (6, 6), (4, 2), (0.81, 0.93), unsure=0.1),
)
"""Precisions that are the same in every dataset."""
VARIED = (
    Scenario("one stratum, n 30, p 0.8 to 1", (INF,), (30,), (0.8,), (1.0,)),
    Scenario("one stratum, n 100, p 0.95 to 0.99", (INF,), (100,), (0.95,), (0.99,)),
    Scenario(
        "4 strata, p 0.8 to 1", (100, 1000, 4000, 500), (10, 30, 60, 10), (0.8,) * 4, (1.0,) * 4
    ),
    Scenario(
        "4 strata alike, p 0.8 to 1", (100, 1000, 4000, 500), (15,) * 4, (0.8,) * 4, (1.0,) * 4
    ),
    Scenario("finite 40 60, p 0.7 to 1", (40, 60), (20, 20), (0.7,) * 2, (1.0,) * 2),
)
"""Precisions that differ from dataset to dataset."""
WEAKEST = Scenario(
    "15 by 15, 22 by 2, 0.25 0.95, 3 tenths cannot be told",
    (15, 22),
    (15, 2),
    (0.25, 0.95),
    (),
    0.3,
)
"""The least that was found by a search; below what is asked for."""


def coverage(scenario: Scenario, seed: int = 7, datasets: int = DATASETS) -> Coverage:
    """Simulate datasets and count."""
    rng = np.random.default_rng(seed)
    sizes, drawn = np.array(scenario.sizes), np.array(scenario.drawn)
    height = len(sizes)
    p = rng.uniform(scenario.low, scenario.high or scenario.low, (datasets, height))
    if np.isinf(sizes).any():
        right, judged, told = rng.binomial(drawn, p), np.tile(drawn, (datasets, 1)), sizes[None]
        truth = p.mean(axis=1)
    else:
        # the tellable part of each stratum is random, and so is how much of it is drawn
        whole = sizes.astype(np.int64)
        told_true = rng.binomial(whole, 1.0 - scenario.unsure, (datasets, height))
        told_true = np.maximum(told_true, 1)
        good = np.rint(p * told_true).astype(np.int64)
        truth = good.sum(axis=1) / told_true.sum(axis=1)
        judged = rng.hypergeometric(told_true, whole - told_true, np.tile(drawn, (datasets, 1)))
        right = rng.hypergeometric(good, told_true - good, judged)
        told = np.where(
            judged < drawn,
            np.maximum(np.rint(whole * judged / drawn), np.maximum(judged, 1)),
            whole,
        )
    unsure = np.asarray(drawn - judged, np.float64)
    counts = (np.asarray(v, np.float64) for v in (right, judged, told))
    found = intervals(*counts, unsure=unsure)
    inside = [
        (low - _TINY <= truth) & (truth <= high + _TINY) for low, high in (f.T for f in found)
    ]
    widths = [float((f[:, 1] - f[:, 0]).mean()) for f in found]
    return Coverage(float(inside[0].mean()), float(inside[1].mean()), *widths)


@dataclass(frozen=True)
class Stopped:
    """What the stopping rule did.

    Attributes:
        coverage: Share of datasets whose truth lies in the interval at the stop.
        answers: Mean number of answers at the stop.
        reached: Share of datasets in which the width was reached.
    """

    coverage: float
    answers: float
    reached: float


def stopping(
    sizes: Sequence[int],
    precision: Sequence[float],
    wanted: float,
    level: float,
    *,
    least: int,
    seed: int = 7,
    datasets: int = DATASETS,
    most: int = 400,
) -> Stopped:
    """Look after every answer, stop at the wanted half-width, in the order of a real sample.

    Strata take turns in proportion to their size.
    """
    rng = np.random.default_rng(seed)
    whole = np.array(sizes)
    good = np.rint(np.array(precision) * whole).astype(np.int64)
    truth = good.sum() / whole.sum()
    turns = np.concatenate(
        [np.column_stack([np.arange(n) / n, np.full(n, h)]) for h, n in enumerate(whole)]
    )
    order = turns[np.lexsort((turns[:, 1], turns[:, 0])), 1].astype(int)[:most]
    height = len(whole)
    right = np.zeros((datasets, height))
    judged = np.zeros(height)
    at_work = np.ones(datasets, np.bool_)
    inside, count = np.zeros(datasets, np.bool_), np.zeros(datasets)
    for number, stratum in enumerate(order, 1):
        left = (good[stratum] - right[:, stratum]) / (whole[stratum] - judged[stratum])
        right[:, stratum] += rng.random(datasets) < left
        judged[stratum] += 1
        if number < least:
            continue
        # datasets with the same answers have the same interval
        seen, back = np.unique(right[at_work], axis=0, return_inverse=True)
        found = exact_intervals(seen, judged[None], whole[None].astype(np.float64), level)[back]
        short = (found[:, 1] - found[:, 0]) / 2 <= wanted
        covers = (found[:, 0] - _TINY <= truth) & (truth <= found[:, 1] + _TINY)
        done = np.flatnonzero(at_work)[short]
        inside[done], count[done] = covers[short], number
        at_work[done] = False
        if not at_work.any():
            break
    reached = ~at_work
    return Stopped(
        float(inside[reached].mean()), float(count[reached].mean()), float(reached.mean())
    )
