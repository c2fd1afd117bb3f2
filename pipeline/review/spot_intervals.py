"""Intervals of a precision that was estimated from a stratified sample of a finite population.

Both overall intervals invert a test of “the precision is p0” in which the strata take their
likeliest precisions with sum(W_h p_h) = p0 (constrained maximum likelihood), so that a stratum in
which all were right, or none, still has a variance under p0:

- *Wilson*: the score test (Miettinen & Nurminen 1985; Martín Andrés, Álvarez Hernández & Herranz
  Tejedor 2011, for linear combinations of proportions).
- *Clopper-Pearson*: the exact binomial test at the effective sample size n* = p0 (1 - p0) / V(p0)
  (Korn & Graubard 1998, with the design effect under p0 instead of the estimated one).

With one stratum and an infinite population they are Wilson's and Clopper and Pearson's own
(`scipy.stats.binomtest(k, n).proportion_ci`). A finite stratum of N of which n were judged counts
as n (N - 1) / (N - n) answers (the finite-population correction as an effective sample size); one
that was judged completely has no sampling error. All functions take many samples at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.model.arrays import F64, Bool

LEVEL = 0.95
"""Confidence of all intervals."""
_STEPS = 34
"""Halvings of a bisection: the limits are good to nine decimals."""
_MOST_COUNT = 1e7
"""Effective answers at most: with more the limits differ by less than the population allows, and
the incomplete beta function takes long."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a share.

    Attributes:
        low: Lower limit, 0..1.
        high: Upper limit, 0..1.
    """

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the distance of the limits."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """A precision with both intervals.

    Attributes:
        precision: Weighted share of right ones among those that could be told; NaN without any.
        wilson: Nominal on average over precisions, below it at some (see the module).
        exact: Clopper-Pearson type: conservative; the stopping rule uses it.
    """

    precision: float
    wilson: Interval
    exact: Interval


def estimate(
    right: ArrayLike, judged: ArrayLike, population: ArrayLike, level: float = LEVEL
) -> Estimate:
    """Precision of a population from a stratified sample.

    Args:
        right: (H,) right ones among the judged of each stratum.
        judged: (H,) items judged right or wrong.
        population: (H,) items of each stratum, the judged ones among them; inf for no
            finite-population correction (all of them, then: the strata weigh the same).
        level: Confidence.

    Returns:
        The estimate. Strata without an answer are left out of `precision`; in the intervals they
        may be anything from 0 to 1.
    """
    k, n, size = (np.atleast_2d(np.asarray(v, np.float64)) for v in (right, judged, population))
    return estimates(k, n, size, level)[0]


def estimates(
    right: F64, judged: F64, population: F64, level: float = LEVEL
) -> tuple[Estimate, ...]:
    """D estimates at once; (D, H) or (1, H) each. A stratum of population 0 is none."""
    wilson, exact = intervals(right, judged, population, level)
    k, n, size = np.broadcast_arrays(right, judged, population)
    seen = np.where(n > 0, _weights(size), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (seen * np.where(n > 0, k / n, 0.0)).sum(axis=1) / seen.sum(axis=1)
    return tuple(
        Estimate(min(float(p), 1.0), Interval(*map(float, w)), Interval(*map(float, e)))
        for p, w, e in zip(share, wilson, exact, strict=True)
    )


def intervals(right: F64, judged: F64, population: F64, level: float = LEVEL) -> tuple[F64, F64]:
    """Both intervals of many samples at once.

    Args:
        right: (D, H) right ones; may be fractional (expectations).
        judged: (D, H) or (1, H).
        population: (D, H) or (1, H), see `estimate`.
        level: Confidence.

    Returns:
        (D, 2) Wilson type and (D, 2) Clopper-Pearson type.

    Raises:
        ValueError: More right than judged, or more judged than there are.
    """
    k, n, size = _checked(right, judged, population)
    problem = _Problem.of(k, n, size)
    wilson = np.stack([problem.wilson(-1, level), problem.wilson(+1, level)], axis=1)
    return _bounded(wilson, k, n, size), exact_intervals(k, n, size, level)


def exact_intervals(right: F64, judged: F64, population: F64, level: float = LEVEL) -> F64:
    """(D, 2), the Clopper-Pearson type alone; arguments as of `intervals`."""
    k, n, size = _checked(right, judged, population)
    problem = _Problem.of(k, n, size)
    exact = np.stack([problem.exact(-1, level), problem.exact(+1, level)], axis=1)
    # The truth is a multiple of 1 / N: outwards to the next one, so that the test at an attainable
    # value close to the limit is not lost (our choice; with it small populations are covered).
    total = size.sum(axis=1)
    some = np.isfinite(total)
    whole = total[some]
    exact[some, 0] = np.floor(exact[some, 0] * whole + 1e-9) / whole
    exact[some, 1] = np.ceil(exact[some, 1] * whole - 1e-9) / whole
    return _bounded(exact, k, n, size)


def _checked(right: F64, judged: F64, population: F64) -> tuple[F64, F64, F64]:
    k, n, size = np.broadcast_arrays(right, judged, population)
    if (k > n).any() or (n > size).any() or (k < 0).any():
        raise ValueError("expected 0 <= right <= judged <= population in every stratum")
    return k, n, size


def _bounded(found: F64, k: F64, n: F64, size: F64) -> F64:
    """What was seen cannot be undone: so many of the population are right, so many are wrong."""
    total = size.sum(axis=1)
    low = np.maximum(found[:, 0], k.sum(axis=1) / total)
    high = np.minimum(found[:, 1], 1.0 - (n - k).sum(axis=1) / total)
    return np.stack([np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)], axis=1)


def _weights(size: F64) -> F64:
    """(D, H) share of each stratum in the population."""
    finite = np.where(np.isfinite(size), size, 1.0)
    weights: F64 = finite / finite.sum(axis=1, keepdims=True)
    return weights


@dataclass(frozen=True, slots=True)
class _Problem:
    """D samples of H strata, prepared.

    The strata's likeliest precisions under a constraint form a curve with one parameter m, the
    Lagrange multiplier: p_h(m) solves p_h - share_h = m a_h p_h (1 - p_h), a_h = W_h / n_h. On it
    p0(m) grows, p0 - share = m V(m), and the score test's z squared is m^2 V(m).

    Attributes:
        share: (D, H) share of right ones, 0 where nothing is known.
        weight: (D, H) W_h.
        per: (D, H) a_h; 0 where nothing is left to sampling (all judged) or nothing is known.
        blank: (D,) weight of strata without an answer.
        any: (D,) bool, there is an answer.
    """

    share: F64
    weight: F64
    per: F64
    blank: F64
    any: Bool

    @classmethod
    def of(cls, k: F64, n: F64, size: F64) -> _Problem:
        seen = n > 0
        weight = _weights(size)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(seen, k / np.where(seen, n, 1.0), 0.0)
            answers = np.where(np.isfinite(size), n * (size - 1.0) / np.maximum(size - n, 0.0), n)
            per = np.where(seen & (n < size), weight / np.where(seen, answers, 1.0), 0.0)
        blank = np.where(seen, 0.0, weight).sum(axis=1)
        return cls(
            share,
            np.where(seen, weight, 0.0),
            per,
            blank,
            np.any(seen, axis=1, keepdims=True)[:, 0],
        )

    def at(self, m: F64) -> tuple[F64, F64]:
        """p0 without the blank strata, and V, both (D,)."""
        c = m[:, None] * self.per
        small = np.abs(c) < 1e-12
        root = np.sqrt(np.maximum((1.0 - c) ** 2 + 4.0 * c * self.share, 0.0))
        # The stable form of the quadratic's root on either side of c = 1.
        with np.errstate(divide="ignore", invalid="ignore"):
            near = 2.0 * self.share / (1.0 - c + root)
            far = (c - 1.0 + root) / (2.0 * c)
        p = np.where(small, self.share, np.where(c < 1.0, near, far))
        p = np.clip(np.where(np.isfinite(p), p, self.share), 0.0, 1.0)
        return (self.weight * p).sum(axis=1), (self.weight * self.per * p * (1.0 - p)).sum(axis=1)

    def wilson(self, side: int, level: float) -> F64:
        """(D,) the limit below (-1) or above (+1)."""
        # lazy: scipy
        from scipy.special import ndtri

        most = float(ndtri(0.5 + level / 2)) ** 2
        return self._limit(side, lambda m, p, v: m * m * v <= most)

    def exact(self, side: int, level: float) -> F64:
        """(D,) the limit below (-1) or above (+1)."""
        # lazy: scipy. The regularised incomplete beta function is the binomial's tail, for
        # fractional counts, too; scipy.stats.beta.cdf is the same at ten times the cost.
        from scipy.special import betainc, betaincc

        tail = (1.0 - level) / 2
        # Strata without an answer are told apart in `_limit`.
        whole = np.where(self.any, 1.0 - self.blank, 1.0)
        seen = np.clip((self.weight * self.share).sum(axis=1) / whole, 0.0, 1.0)

        def accepted(m: F64, p: F64, v: F64) -> Bool:
            p0 = np.clip(p / whole, 0.0, 1.0)
            sure = v <= 0.0
            count = np.where(sure, 1.0, p0 * (1.0 - p0) * whole**2 / np.where(sure, 1.0, v))
            count = np.minimum(count, _MOST_COUNT)
            hits = count * seen
            misses = count - hits
            if side < 0:  # as many right ones or more, by chance?
                some = hits > 0
                chance = betainc(np.where(some, hits, 1.0), misses + 1, p0)
            else:
                some = misses > 0
                chance = betaincc(hits + 1, np.where(some, misses, 1.0), p0)
            result: Bool = sure | ~some | (chance >= tail)
            return result

        return self._limit(side, accepted)

    def _limit(self, side: int, accepted: Callable[[F64, F64, F64], Bool]) -> F64:
        """Bisect the multiplier; t in 0..1 stands for |m| a of 0..infinity."""
        scale = self.per.max(axis=1)
        scale = side / np.where(scale > 0, scale, 1.0)
        low, high = np.zeros(len(scale)), np.ones(len(scale))
        for _ in range(_STEPS):
            t = (low + high) / 2
            m = scale * t / (1.0 - t)
            inside = accepted(m, *self.at(m))
            low, high = np.where(inside, t, low), np.where(inside, high, t)
        at_end = high == 1.0
        limit, _ = self.at(scale * low / (1.0 - low))
        free = self.per > 0
        known = np.where(free, 0.0, self.weight * self.share).sum(axis=1)
        if side < 0:
            return np.where(self.any, np.where(at_end, known, limit), 0.0)
        most = known + np.where(free, self.weight, 0.0).sum(axis=1)
        return np.where(self.any, np.where(at_end, most, limit) + self.blank, 1.0)
