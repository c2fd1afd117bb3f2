"""Areas and risks of rankings with ties, of one sample or of a thousand resamples at once.

A ranking is a row of groups of equal scores, best first: how many items each group has and how many
of them are wrong. All that selective prediction measures follows from these counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.model.arrays import F64, I32, I64, Array, Bool

ROUNDING = 1e-12
"""An accuracy this little under the wanted one is rounding: 1 - 0.9 is a little less than 0.1."""
_NEAR = 1e-9
"""So near to a whole number of items, relative to it, a share means that number."""


@dataclass(frozen=True, slots=True)
class TieGroups:
    """Items by falling score, those with equal scores together.

    Attributes:
        order: (N,) int64, items by falling score; those without one come last.
        starts: (G,) int64, place in `order` at which each group begins.
        scored: Number of groups that have a score: G, or G - 1 if some item has none.
    """

    order: I64
    starts: I64
    scored: int

    @classmethod
    def of(cls, scores: F64) -> TieGroups:
        """Group the items.

        Args:
            scores: (N,) float64, NaN where there is none.
        """
        known = np.flatnonzero(~np.isnan(scores))
        known = known[np.argsort(-scores[known], kind="stable")]
        ordered = scores[known]
        first = np.ones(len(known), np.bool_)
        first[1:] = ordered[1:] != ordered[:-1]
        starts = np.flatnonzero(first)
        order = np.concatenate([known, np.flatnonzero(np.isnan(scores))])
        scored = len(starts)
        if len(order) > len(known):
            starts = np.append(starts, len(known))
        return cls(order.astype(np.int64), starts.astype(np.int64), scored)

    def count(self, right: Bool, weights: Array | None = None) -> TieCounts:
        """Items and errors of each group, resample by resample.

        Args:
            right: (N,) bool.
            weights: (B, N) int, how often each resample holds each item; each once if None.
        """
        if weights is None:
            weights = np.ones((1, len(self.order)), np.int32)
        if not len(self.starts):
            none = np.zeros((len(weights), 0), np.int32)
            return TieCounts(none, none, 0)
        items = weights[:, self.order].astype(np.int32, copy=False)
        errors = items * ~right[self.order]
        if len(self.starts) < len(self.order):
            items = np.add.reduceat(items, self.starts, axis=1)
            errors = np.add.reduceat(errors, self.starts, axis=1)
        return TieCounts(items, errors, self.scored)


@dataclass(frozen=True)
class TieCounts:
    """B rankings as counts of their groups, best first.

    Attributes:
        items: (B, G) int32, items of each group; may be 0.
        errors: (B, G) int32, wrong ones among them.
        scored: Number of groups that have a score; one more at most has none.
    """

    items: I32
    errors: I32
    scored: int

    @cached_property
    def kept(self) -> I32:
        """(B, G) int32, items up to each group, itself included."""
        return np.cumsum(self.items, axis=1, dtype=np.int32)

    @cached_property
    def lost(self) -> I32:
        """(B, G) int32, wrong ones among those."""
        return np.cumsum(self.errors, axis=1, dtype=np.int32)

    @cached_property
    def totals(self) -> I64:
        """(B,) int64, number of all items."""
        found: I64 = self.items.sum(axis=1, dtype=np.int64)
        return found

    def areas(self) -> F64:
        """AURC: mean over the places 1 .. N of the share of errors up to there.

        Within a group of n items with e errors, after K items with W errors, place K + j counts
        (W + j e / n) / (K + j), what is expected over all orders of the group. Their sum over j is
        e + (W - K e / n) (H(K + n) - H(K)) with the harmonic numbers H, so no place is visited.

        Returns:
            (B,) float64, NaN without items.
        """
        before = self.kept - self.items
        numbers = harmonic(int(self.totals.max(initial=0)))
        excess = (self.lost - self.errors) - before * (self.errors / np.maximum(self.items, 1))
        excess *= numbers[self.kept] - numbers[before]
        return _over(excess.sum(axis=1) + self.errors.sum(axis=1), self.totals)

    def perfect_areas(self) -> F64:
        """(B,) float64, AURC of rankings of as many items that put as many errors last."""
        return perfect_areas(self.totals, self.errors.sum(axis=1, dtype=np.int64))

    def coverages_at(self, accuracy: float) -> F64:
        """(B,) float64, Cov@p: largest share of all items that a threshold keeps this accurate."""
        kept, lost = self.kept[:, : self.scored], self.lost[:, : self.scored]
        good = 1.0 - lost / np.maximum(kept, 1) >= accuracy - ROUNDING
        return _over(np.where(good, kept, 0).max(axis=1, initial=0), self.totals)

    def risks_at(self, coverages: F64) -> F64:
        """Risk where a share of all items is kept.

        Args:
            coverages: (C,) float64 in 0..1.

        Returns:
            (B, C) float64, NaN at 0 and where more is wanted than has a score.
        """
        places = self.totals[:, None] * coverages[None]
        # 0.3 * 10 is a little more than 3: a whole number of items is meant.
        near = np.rint(places)
        places = np.where(np.abs(places - near) < _NEAR * np.maximum(near, 1.0), near, places)
        if not self.scored:
            return np.full(places.shape, np.nan)
        # All rows at once: row b is shifted beyond everything of the rows before it.
        row = np.arange(len(places))[:, None]
        shift = row * float(self.totals.max(initial=0) + 1)
        flat = (self.kept[:, : self.scored] + shift).ravel()
        found = np.searchsorted(flat, (places + shift).ravel(), side="left")
        column = found.reshape(places.shape) - row * self.scored
        known = (column < self.scored) & (places > 0)
        column = np.where(known, column, 0)
        size, bad = self.items[row, column], self.errors[row, column]
        left = places - (self.kept[row, column] - size)
        expected = self.lost[row, column] - bad + left * bad / np.maximum(size, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(known, expected / places, np.nan)


def harmonic(most: int) -> F64:
    """(most + 1,) float64: 0, 1, 1 + 1/2, 1 + 1/2 + 1/3, ..."""
    numbers = np.zeros(most + 1)
    np.cumsum(1.0 / np.arange(1, most + 1), out=numbers[1:])
    return numbers


def perfect_areas(counts: I64, errors: I64) -> F64:
    """AURC of rankings that put all errors last.

    Args:
        counts: (B,) int64, number of items N.
        errors: (B,) int64, number of wrong ones E.

    Returns:
        (B,) float64: (E - (N - E) (H(N) - H(N - E))) / N, NaN without items.
    """
    numbers = harmonic(int(counts.max(initial=0)))
    right = counts - errors
    return _over(errors - right * (numbers[counts] - numbers[right]), counts)


def _over(sums: Array, counts: I64) -> F64:
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
