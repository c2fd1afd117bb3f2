"""Compiled loop of the bootstrap: all metrics of selective prediction, resample by resample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from pipeline.evaluation.compiling import compiled, reads, writes

_F64 = types.float64


@compiled(
    types.void(
        reads(types.int64),
        reads(types.boolean),
        types.int64,
        reads(types.boolean),
        reads(types.uint8, 2),
        types.boolean,
        reads(_F64),
        reads(_F64),
        writes(_F64, 2),
    )
)
def resampled_figures(
    order: Any,
    ends: Any,
    scored: Any,
    right: Any,
    counts: Any,
    out_of_bag: Any,
    harmonic: Any,
    precisions: Any,
    figures: Any,
) -> None:
    """Accuracy, AURC and coverages of each resample, as `selective` has them.

    Args:
        order: (K,) int64, items by falling score, those without one last: columns of `counts`.
        ends: (K,) bool, last item of its group of equal scores.
        scored: Items that have a score.
        right: (K,) bool, in that order.
        counts: (B, N) uint8, how often a resample holds each item.
        out_of_bag: Take the items that a resample lacks, once each, instead.
        harmonic: (most + 1,) float64, see `tie_groups.harmonic`; `most` items in any resample.
        precisions: (P,) float64, wanted ones, a rounding less.
        figures: (B, 2 + P) float64, written: accuracy, AURC, coverage at each precision; NaN
            where a resample holds no item.
    """
    wanted = len(precisions)
    none = np.int64(0)
    for b in range(len(counts)):
        places, wrong, n, e = none, none, none, none
        area = 0.0
        figures[b, 2:] = 0.0
        for t in range(len(order)):
            weight = np.int64(counts[b, order[t]])
            if out_of_bag:
                weight = np.int64(weight == 0)
            n += weight
            e += none if right[t] else weight
            if not ends[t]:
                continue
            # Sum over the group's places of (wrong + j e / n) / (places + j), j = 1 .. n.
            share = e / max(n, np.int64(1))
            area += e + (wrong - places * share) * (harmonic[places + n] - harmonic[places])
            places += n
            wrong += e
            n, e = none, none
            if t < scored:
                for p in range(wanted):
                    reached = wrong <= (1.0 - precisions[p]) * places
                    figures[b, 2 + p] = places if reached else figures[b, 2 + p]
        if places == 0:
            figures[b] = np.nan
            continue
        figures[b, 0] = 1.0 - wrong / places
        figures[b, 1] = area / places
        for p in range(wanted):
            figures[b, 2 + p] /= places
