"""Intervals of a precision that was estimated from a stratified sample of a finite population.

Both overall intervals invert a test of “the precision is p0” in which the strata take their
likeliest precisions with sum(W_h p_h) = p0 (constrained maximum likelihood), so that a stratum in
which all were right, or none, still has a variance under p0:

- *Wilson, continuity-corrected*: the score test (Miettinen & Nurminen 1985; Martín Andrés, Álvarez
  Hernández & Herranz Tejedor 2011, for linear combinations of proportions) with half an item,
  1 / (2 n*), taken off the distance (Newcombe 1998, method 4); n* = p0 (1 - p0) / V(p0) is the
  effective sample size of the part of the population that is left to sampling (our analogue).
  Without the correction coverage falls below 90 % near 0 and 1, in small strata and in small
  populations.
- *Clopper-Pearson*: the exact binomial test at the effective sample size n* = p0 (1 - p0) / V(p0)
  (Korn & Graubard 1998, with the design effect under p0 instead of the estimated one).

With one stratum and an infinite population they are `scipy.stats.binomtest(k, n).proportion_ci`
of method "wilsoncc" and "exact". A finite stratum of N of which n were judged counts
as n (N - 1) / (N - n) answers (the finite-population correction as an effective sample size); one
that was judged completely has no sampling error.

Where some items could not be told, the tellable population of each stratum is an estimate: what
its uncertainty adds is combined with the distance of each limit in quadrature (MOVER, Zou & Donner
2008), and what was seen does not bound the limits.

All functions take many samples at once.
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
_NONE = np.zeros((1, 1))
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
        wilson: Score interval with continuity correction; conservative, too.
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
    right: F64, judged: F64, population: F64, level: float = LEVEL, unsure: F64 = _NONE
) -> tuple[Estimate, ...]:
    """D estimates at once; (D, H) or (1, H) each. A stratum of population 0 is none."""
    wilson, exact = intervals(right, judged, population, level, unsure)
    k, n, size = np.broadcast_arrays(right, judged, population)
    seen = np.where(n > 0, _weights(size), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (seen * np.where(n > 0, k / n, 0.0)).sum(axis=1) / seen.sum(axis=1)
    return tuple(
        Estimate(min(float(p), 1.0), Interval(*map(float, w)), Interval(*map(float, e)))
        for p, w, e in zip(share, wilson, exact, strict=True)
    )


def intervals(
    right: F64, judged: F64, population: F64, level: float = LEVEL, unsure: F64 = _NONE
) -> tuple[F64, F64]:
    """Both intervals of many samples at once.

    Args:
        right: (D, H) right ones; may be fractional (expectations).
        judged: (D, H) or (1, H).
        population: (D, H) or (1, H), see `estimate`.
        level: Confidence.
        unsure: (D, H) or (1, H) items that were drawn but not judged, as nobody could tell;
            `population` is then an estimate, and the weights of the strata are uncertain.

    Returns:
        (D, 2) Wilson type and (D, 2) Clopper-Pearson type.

    Raises:
        ValueError: More right than judged, or more judged than there are.
    """
    k, n, size = _checked(right, judged, population)
    problem = _Problem.of(k, n, size, unsure)
    wilson, exact = problem.wilson(level), problem.exact(level)
    return _outwards(wilson, k, n, size, unsure), _outwards(exact, k, n, size, unsure)


def exact_intervals(
    right: F64, judged: F64, population: F64, level: float = LEVEL, unsure: F64 = _NONE
) -> F64:
    """(D, 2), the Clopper-Pearson type alone; arguments as of `intervals`."""
    k, n, size = _checked(right, judged, population)
    problem = _Problem.of(k, n, size, unsure)
    return _outwards(problem.exact(level), k, n, size, unsure)


def _outwards(found: F64, k: F64, n: F64, size: F64, unsure: F64) -> F64:
    """(D, 2) limits, rounded, and bounded where the population is no estimate.

    The truth is a multiple of 1 / N: outwards to the next one, so that the test at an attainable
    value close to the limit is not lost (our choice; with it small populations are covered).
    """
    total = size.sum(axis=1)
    known = unsure.sum(axis=1) == 0
    some = np.isfinite(total)
    whole = total[some]
    found[some, 0] = np.floor(found[some, 0] * whole + 1e-9) / whole
    found[some, 1] = np.ceil(found[some, 1] * whole - 1e-9) / whole
    bounded = np.where(known[:, None], _bounded(found, k, n, size), found)
    return np.minimum(np.maximum(bounded, 0.0), 1.0)


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
    return np.stack([low, high], axis=1)


def _weights(size: F64) -> F64:
    """(D, H) share of each stratum in the population."""
    finite = np.where(np.isfinite(size), size, 1.0)
    weights: F64 = finite / finite.sum(axis=1, keepdims=True)
    return weights


def _loose(n: F64, size: F64, weight: F64, unsure: F64) -> F64:
    """(D, H) variance of each stratum's weight. The tellable share of a stratum is drawn towards
    the whole sample's by two items, so that a handful of answers is not taken for certain.
    """
    if not unsure.any():
        return np.zeros(n.shape)
    answered = n + unsure
    whole = n.sum(axis=1, keepdims=True) / np.maximum(answered.sum(axis=1, keepdims=True), 1.0)
    told = np.maximum((n + 2.0 * whole) / (answered + 2.0), 1e-3)
    left = 1.0 - n / np.maximum(size, 1.0)
    found: F64 = np.where(
        n > 0, weight**2 * (1.0 - told) / (told * np.maximum(answered, 1.0)) * left, 0.0
    )
    return found


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
        loose: (D, H) variance of W_h, as its tellable share is estimated.
    """

    share: F64
    weight: F64
    per: F64
    blank: F64
    any: Bool
    loose: F64

    @classmethod
    def of(cls, k: F64, n: F64, size: F64, unsure: F64) -> _Problem:
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
            n.sum(axis=1) > 0,
            _loose(n, size, weight, np.broadcast_to(unsure, n.shape)),
        )

    def at(self, m: F64) -> F64:
        """(2, D, H) the strata's likeliest precisions; m is (2, D)."""
        c = m[..., None] * self.per
        rest = 1.0 - c
        root = np.sqrt(np.maximum(rest * rest + 4.0 * c * self.share, 0.0))
        # The stable form of the quadratic's root on either side of c = 1.
        with np.errstate(divide="ignore", invalid="ignore"):
            p = np.where(c < 1.0, 2.0 * self.share / (rest + root), (root - rest) / (2.0 * c))
        found: F64 = np.minimum(np.maximum(p, 0.0), 1.0)
        return found

    def variance(self, p: F64) -> F64:
        """(2, D) V of the shares, with the strata's weights as they are."""
        found: F64 = (self.weight * self.per * p * (1.0 - p)).sum(axis=-1)
        return found

    def widened(self, limits: F64, p: F64, level: float) -> F64:
        """(2, D) limits with what the uncertain weights add: a ratio's variance, linearised, and
        distances added in quadrature (MOVER, Zou & Donner 2008).
        """
        if not self.loose.any():
            return limits
        # lazy: scipy
        from scipy.special import ndtri

        whole = np.where(self.any, 1.0 - self.blank, 1.0)
        p0 = (self.weight * p).sum(axis=-1, keepdims=True) / whole[:, None]
        of_weights = ndtri(0.5 + level / 2) ** 2 * (self.loose * (p - p0) ** 2).sum(axis=-1)
        seen = (self.weight * self.share).sum(axis=1)
        far = np.sqrt((limits - seen) ** 2 + of_weights)
        found: F64 = seen + np.array([[-1.0], [1.0]]) * far
        return found

    def wilson(self, level: float) -> F64:
        """(D, 2) limits of the score test."""
        # lazy: scipy
        from scipy.special import ndtri

        most = float(ndtri(0.5 + level / 2))
        # Of the part that is left to sampling: what is known, or nothing is known of, has no items.
        part = np.where(self.per > 0, self.weight, 0.0)
        whole = np.maximum(part.sum(axis=1), 1e-300)

        def accepted(m: F64, p: F64) -> Bool:
            p0 = (part * p).sum(axis=-1) / whole
            spread = p0 * (1.0 - p0) * whole
            flat = spread <= 0.0
            v = self.variance(p)
            half_item = np.where(flat, 0.0, v / np.where(flat, 1.0, 2.0 * spread))
            result: Bool = np.abs(m) * v - half_item <= most * np.sqrt(v)
            return result

        return self._limits(accepted, level)

    def exact(self, level: float) -> F64:
        """(D, 2) limits of the binomial test."""
        # lazy: scipy. The regularised incomplete beta function is the binomial's tail, for
        # fractional counts, too; scipy.stats.beta.cdf is the same at ten times the cost.
        from scipy.special import betainc

        tail = (1.0 - level) / 2
        # Strata without an answer are told apart in `_limits`.
        whole = np.where(self.any, 1.0 - self.blank, 1.0)
        seen = np.minimum((self.weight * self.share).sum(axis=1) / whole, 1.0)
        # By chance as many right ones or more; and, for the upper limit, as many wrong ones.
        side = np.array([[False], [True]])
        extreme = np.where(side, 1.0 - seen, seen)

        def accepted(_m: F64, p: F64) -> Bool:
            p0 = np.minimum((self.weight * p).sum(axis=-1) / whole, 1.0)
            v = self.variance(p)
            sure = v <= 0.0
            count = np.where(sure, 1.0, p0 * (1.0 - p0) * whole**2 / np.where(sure, 1.0, v))
            count = np.minimum(count, _MOST_COUNT)
            hits = count * extreme
            some = hits > 0
            chance = betainc(
                np.where(some, hits, 1.0), count - hits + 1, np.where(side, 1.0 - p0, p0)
            )
            result: Bool = sure | ~some | (chance >= tail)
            return result

        return self._limits(accepted, level)

    def _limits(self, accepted: Callable[[F64, F64], Bool], level: float) -> F64:
        """Bisect the multiplier, below and above; t in 0..1 stands for |m| a of 0..infinity."""
        most = self.per.max(axis=1)
        scale = np.array([[-1.0], [1.0]]) / np.where(most > 0, most, 1.0)
        low, high = np.zeros(scale.shape), np.ones(scale.shape)
        for _ in range(_STEPS):
            t = (low + high) / 2
            m = scale * t / (1.0 - t)
            inside = accepted(m, self.at(m))
            low, high = np.where(inside, t, low), np.where(inside, high, t)
        p = self.at(scale * low / (1.0 - low))
        limit = (self.weight * p).sum(axis=-1)
        free = self.per > 0
        least = np.where(free, 0.0, self.weight * self.share).sum(axis=1)
        ends = np.stack([least, least + np.where(free, self.weight, 0.0).sum(axis=1)])
        found = self.widened(np.where(high == 1.0, ends, limit), p, level)
        found[1] += self.blank
        return np.where(self.any, found, np.array([[0.0], [1.0]])).T
