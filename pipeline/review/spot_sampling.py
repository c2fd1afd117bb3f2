"""Which annotations a spot check asks about: population, strata, size, order.

Sampling within a stratum is simple random sampling without replacement by permanent random
numbers (Ohlsson 1995): every annotation has a number that depends only on the seed and on what it
is (dataset, episode, subtask), and the smallest numbers are drawn. The same seed draws the same
sample on any machine; annotations that are added or dropped later change nothing for the others,
except where the borders of the strata move.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pipeline.annotations.table import AnnotationTable, Texts
from pipeline.model.arrays import F64, I64
from pipeline.model.problem import DataError
from pipeline.review.spot_intervals import exact_intervals
from pipeline.review.spot_plan import LEAST_ANSWERS, Allocation, Cut, SpotPlan

DEFAULT_SIZE = 100
"""Items if a plan says neither a size nor a half-width."""
LEAST = 2
"""Items of each stratum at least, or all of a smaller one: one alone says nothing of its spread."""
MOST_STRATA = 60
"""More are refused: most answers would go to their minimum."""
_U64 = NDArray[np.uint64]


class Stratum(BaseModel):
    """A part of the population.

    Attributes:
        name: What its annotations share, for people.
        population: Annotations in it.
        sampled: Of these, drawn.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    population: int
    sampled: int


@dataclass(frozen=True)
class Sample:
    """What a plan draws from a table.

    Attributes:
        strata: What they share, and their sizes.
        rows: (S,) rows of the table in the order in which they are asked about.
        stratum: (S,) stratum of each.
        half_width: Expected half-width of the overall interval when all are judged.
    """

    strata: tuple[Stratum, ...]
    rows: I64
    stratum: I64
    half_width: float


@dataclass(frozen=True)
class Preview:
    """What a plan would draw, without drawing.

    Attributes:
        strata: What they share, and their sizes.
        half_width: As in `Sample`.
        rows: (P,) the population.
        code: (P,) stratum of each.
    """

    strata: tuple[Stratum, ...]
    half_width: float
    rows: I64
    code: I64

    @property
    def size(self) -> int:
        """Items that would be drawn."""
        return sum(s.sampled for s in self.strata)


def permanent_numbers(table: AnnotationTable, rows: I64, seed: int) -> _U64:
    """(P,) uint64, the permanent random numbers of rows: even over all 64 bits.

    A dataset's name and the seed are hashed by BLAKE2b; episode and subtask are mixed in by
    SplitMix64 (Steele, Lea & Flood 2014). Only integers: equal on any machine.

    Args:
        table: Annotations.
        rows: Rows.
        seed: Of the sample.
    """
    names = [
        hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8) for name in table.dataset.values
    ]
    keys = np.array([int.from_bytes(name.digest(), "little") for name in names], np.uint64)
    state = keys[table.dataset.codes[rows]]
    for part in (table.episode[rows], table.subtask[rows]):
        state = _mixed(state ^ _mixed(part.astype(np.int64).astype(np.uint64)))
    return state


def _mixed(values: _U64) -> _U64:
    """SplitMix64's step and finaliser; wraps around on purpose."""
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: _U64 = z ^ (z >> np.uint64(31))
    return mixed


def stratify(
    table: AnnotationTable, rows: I64, cuts: tuple[Cut, ...], bins: int
) -> tuple[tuple[str, ...], I64]:
    """Cut a population into strata.

    Args:
        table: Annotations.
        rows: (P,) the population.
        cuts: What by; empty makes one stratum.
        bins: Reliability bins.

    Returns:
        Names of the strata that have annotations, and (P,) int64 the stratum of each row.

    Raises:
        DataError: `many_strata`.
    """
    names: list[str] = [""]
    code = np.zeros(len(rows), np.int64)
    for cut in dict.fromkeys(cuts):
        values, own = _parts(table, rows, cut, bins)
        code = code * len(values) + own
        names = [f"{a} · {b}" if a else b for a in names for b in values]
        # Combinations that nobody is in are forgotten at once, so that many cuts stay small.
        used, code = np.unique(code, return_inverse=True)
        names = [names[int(i)] for i in used]
        if len(names) > MOST_STRATA:
            raise DataError(
                "many_strata",
                f"these cuts make {len(names)} strata; at most {MOST_STRATA} make sense: "
                "choose fewer cuts or filter the population",
            )
    if not cuts:
        names = ["all"]
    return tuple(names), code.astype(np.int64)


def _parts(table: AnnotationTable, rows: I64, cut: Cut, bins: int) -> tuple[list[str], I64]:
    column: Texts | None = {
        Cut.TASK: table.task,
        Cut.CAMERA: table.camera,
        Cut.ARM: table.arm,
        Cut.DATASET: table.dataset,
    }.get(cut)
    if column is not None:
        order = sorted(range(len(column.values)), key=lambda i: column.values[i])
        place = np.empty(max(len(order), 1), np.int64)
        place[order] = np.arange(len(order))
        short = [column.values[i].removeprefix("observation.images.") for i in order]
        return [v or f"no {cut.value}" for v in short], place[column.codes[rows]]
    if cut is Cut.REVIEWER:
        return ["chosen by score", "chosen by a person"], table.by_person[rows].astype(np.int64)
    return _reliability(table.score[rows], bins)


def _reliability(score: F64, bins: int) -> tuple[list[str], I64]:
    """Bins of equal numbers, the lowest R first; equal R stay together; no R makes its own bin."""
    known = score[np.isfinite(score)]
    if not len(known):
        return ["no R"], np.zeros(len(score), np.int64)
    edges = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="lower"))
    edges = edges[edges > known.min()]
    ends = [float(known.min()), *(float(e) for e in edges), float(known.max())]
    names = [f"R {a:.3f}–{b:.3f}" for a, b in pairwise(ends)]
    own = np.searchsorted(edges, score, side="right")
    return [*names, "no R"], np.where(np.isfinite(score), own, len(names)).astype(np.int64)


def allocate(sizes: I64, size: int, spread: F64 | None = None, *, equal: bool = False) -> I64:
    """How many to draw of each stratum: at least two of each, or all of a smaller one.

    Args:
        sizes: (H,) annotations of each stratum.
        size: Wanted in total; the minimum of the strata may make it more.
        spread: (H,) expected standard deviation of an answer (Neyman 1934); None for one alike.
        equal: The same number of each stratum instead of a share by size.

    Returns:
        (H,) int64. Largest remainders get what rounding leaves.
    """
    share = np.ones(len(sizes)) if equal else sizes.astype(np.float64)
    if spread is not None:
        share = share * spread
    least = np.minimum(sizes, LEAST)
    size = int(min(max(size, least.sum()), sizes.sum()))
    low, high = 0.0, float(size) / max(share[share > 0].min(), 1e-300) if (share > 0).any() else 1.0
    for _ in range(60):  # water level: shares cut at their minimum and at what there is
        level = (low + high) / 2
        total = np.clip(share * level, least, sizes).sum()
        low, high = (level, high) if total < size else (low, level)
    ideal = np.clip(share * high, least, sizes)
    found = np.floor(ideal + 1e-9).astype(np.int64)
    rest = np.where(found < sizes, ideal - found, -1.0)
    for stratum in np.argsort(-rest, kind="stable")[: size - int(found.sum())]:
        found[stratum] += 1
    return found


def expected_half_widths(sizes: I64, drawn: I64, precision: F64, level: float) -> F64:
    """Half-widths of the overall Clopper-Pearson interval if all drawn are judged as expected.

    Args:
        sizes: (H,) population.
        drawn: (D, H) to be judged, D plans.
        precision: (H,) expected precision of each stratum.
        level: Confidence.

    Returns:
        (D,) float64.
    """
    n = drawn.astype(np.float64)
    exact = exact_intervals(n * precision, n, sizes.astype(np.float64)[None], level)
    widths: F64 = np.maximum(exact[:, 1] - exact[:, 0], 0.0) / 2
    return widths


def expected_precision(count: int, plan: SpotPlan, order: F64) -> F64:
    """(H,) guess of each stratum's precision, for planning only.

    `expected` everywhere; for Neyman's allocation errors lean to low R, from 1.6 to 0.4 times
    the average (our guess).

    Args:
        count: Number of strata H.
        plan: The plan.
        order: (H,) 0..1, rank of the stratum by R, 1 the most reliable.
    """
    errors = np.full(count, 1.0 - plan.expected)
    if plan.allocation is Allocation.NEYMAN:
        errors = np.clip(errors * (1.6 - 1.2 * order), 0.01, 0.99)
    return 1.0 - errors


def preview(table: AnnotationTable, plan: SpotPlan) -> Preview:
    """Cut the population into strata and choose their sample sizes.

    Args:
        table: Annotations.
        plan: The plan.

    Raises:
        DataError: `no_population`, `no_threshold`, `many_strata`.
    """
    rows = plan.population.rows(table)
    names, code = stratify(table, rows, plan.cuts, plan.bins)
    sizes = np.bincount(code, minlength=len(names)).astype(np.int64)
    precision = expected_precision(len(names), plan, _rank(table.score[rows], code, len(names)))
    spread = (
        np.sqrt(precision * (1.0 - precision)) if plan.allocation is Allocation.NEYMAN else None
    )
    equal = plan.allocation is Allocation.EQUAL

    def drawn(wanted: I64) -> I64:
        return np.array([allocate(sizes, int(n), spread, equal=equal) for n in wanted])

    if plan.size is not None or plan.half_width is None:
        chosen = drawn(np.array([plan.size or DEFAULT_SIZE]))
    else:
        chosen = drawn(_enough(sizes, precision, plan, drawn))
    width = expected_half_widths(sizes, chosen, precision, plan.level)[0]
    strata = tuple(
        Stratum(name=n, population=int(p), sampled=int(s))
        for n, p, s in zip(names, sizes, chosen[0], strict=True)
    )
    return Preview(strata, float(width), rows, code)


def _enough(sizes: I64, precision: F64, plan: SpotPlan, drawn: Callable[[I64], I64]) -> I64:
    """(1,) the smallest size whose expected half-width is the wanted one; all if none is."""
    low, high = min(LEAST_ANSWERS, int(sizes.sum())), int(sizes.sum())
    while high - low > 1:
        tried = np.unique(np.linspace(low, high, 24).astype(np.int64))
        good = expected_half_widths(sizes, drawn(tried), precision, plan.level) <= (
            plan.half_width or 0.0
        )
        if not good.any():
            return np.array([sizes.sum()])
        first = int(np.argmax(good))
        low, high = int(tried[max(first - 1, 0)]), int(tried[first])
    return np.array([high])


def _rank(score: F64, code: I64, count: int) -> F64:
    """(H,) 0..1, rank of the strata by mean R; strata without R are the least reliable."""
    known = np.isfinite(score)
    n = np.bincount(code[known], minlength=count)
    total = np.bincount(code[known], score[known], minlength=count)
    mean = np.where(n > 0, total / np.maximum(n, 1), -np.inf)
    rank = np.argsort(np.argsort(mean, kind="stable"), kind="stable")
    return rank / max(count - 1, 1)


def draw(table: AnnotationTable, plan: SpotPlan) -> Sample:
    """Draw the sample of a plan.

    The order goes round the strata: the i-th of the n items of a stratum comes at i / n of the
    way, so that whoever stops early has a random sample of every stratum, in the planned shares.

    Args:
        table: Annotations.
        plan: The plan.

    Raises:
        DataError: `no_population`, `no_threshold`, `many_strata`.
    """
    found = preview(table, plan)
    numbers = permanent_numbers(table, found.rows, plan.seed)
    # The row number decides between equals (the same annotation twice in a file).
    order = np.lexsort((found.rows, numbers, found.code))
    sizes = np.array([s.population for s in found.strata])
    sampled = np.array([s.sampled for s in found.strata])
    code = found.code[order]
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    inside = place < sampled[code]
    order, code, place = order[inside], code[inside], place[inside]
    turn = np.lexsort((numbers[order], place / sampled[code]))
    return Sample(found.strata, found.rows[order[turn]], code[turn], found.half_width)
