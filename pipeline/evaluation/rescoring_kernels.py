"""Compiled loops of `rescoring`: importing this module compiles them, or loads what was compiled.

Every function has one explicit signature, so that nothing can be compiled in the middle of a drag.
None of them holds the GIL. All live in one file because Numba's cache looks at this file only.

Layout: annotations stand in blocks of `BLOCK`. A block has one row per candidate of its longest
annotation, and a row has four runs of `BLOCK` float32: A~, D, P~ and q, where |q| is the penalty
without its scale and q < 0 says that the spike counts. Candidates stand by falling D, then by id,
so that the first of equal scores is the one that wins ties. Unused places have A~ = NaN, which is
never greater than anything; therefore no fast-math flag but contraction is allowed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from pipeline.evaluation.compiling import compiled, reads, writes

BLOCK = 1024
"""Annotations per block: best score and number of a block stay in the first-level cache."""
MOTION, DETECTOR, PROXIMITY, PENALTY = range(4)
_TINY = 1e-30

_F32 = types.float32
_F64 = types.float64
_I64 = types.int64
_U32 = types.uint32
_U64 = types.uint64
_BOOL = types.boolean


@compiled(
    types.void(
        reads(_I64),
        *(reads(_F32),) * 6,
        reads(types.int32),
        reads(_F64),
        reads(_I64),
        writes(_F32, 3),
        writes(types.uint8, 2),
    )
)
def fill_features(
    offsets: Any,
    detector: Any,
    motion_in: Any,
    motion_out: Any,
    proximity: Any,
    overlap: Any,
    relief: Any,
    points: Any,
    parameters: Any,
    starts: Any,
    values: Any,
    order: Any,
) -> None:
    """What does not depend on the weights, in float64 until it is stored; see `formula.compute`.

    Args:
        offsets: (N + 1,) int64, candidates of each annotation.
        detector: (M,) float32, and so on to `relief`.
        motion_in: (M,).
        motion_out: (M,).
        proximity: (M,).
        overlap: (M,).
        relief: (M,).
        points: (M,) int32.
        parameters: (7,) float64: both exponents, noise floor, neutral motion, onset, attenuation
            and threshold of the spike.
        starts: (B + 1,) int64, first row of each block.
        values: (rows, 4, BLOCK) float32, written.
        order: (rows, BLOCK) uint8, written: number of the candidate within its annotation.
    """
    count = len(offsets) - 1
    inside, outside, floor, neutral = parameters[0], parameters[1], parameters[2], parameters[3]
    onset, attenuation, threshold = parameters[4], parameters[5], parameters[6]
    most = 1
    for n in range(count):
        most = max(most, offsets[n + 1] - offsets[n])
    motion = np.zeros(most, np.float64)
    by_rank = np.zeros(most, np.int64)
    for b in range(len(starts) - 1):
        for r in range(starts[b], starts[b + 1]):
            for i in range(BLOCK):
                values[r, MOTION, i] = np.nan
                values[r, DETECTOR, i] = 0.0
                values[r, PROXIMITY, i] = 0.0
                values[r, PENALTY, i] = 0.0
                order[r, i] = 0
        for n in range(b * BLOCK, min((b + 1) * BLOCK, count)):
            first, size = offsets[n], offsets[n + 1] - offsets[n]
            low_a, high_a, low_p, high_p = np.inf, -np.inf, np.inf, -np.inf
            tracked = 0
            for k in range(size):
                j = first + k
                m_in, m_out = np.float64(motion_in[j]), np.float64(motion_out[j])
                motion[k] = 0.0
                if m_in > 0:
                    motion[k] = m_in**inside / (max(m_out, 0.0) + floor) ** outside
                if points[j] > 0:
                    tracked += 1
                    near = np.float64(proximity[j])
                    low_a, high_a = min(low_a, motion[k]), max(high_a, motion[k])
                    low_p, high_p = min(low_p, near), max(high_p, near)
                place = k
                while place > 0 and detector[first + by_rank[place - 1]] < detector[j]:
                    by_rank[place] = by_rank[place - 1]
                    place -= 1
                by_rank[place] = k
            spread_a = tracked > 1 and high_a - low_a > 1e-6 * max(1.0, abs(low_a), abs(high_a))
            spread_p = tracked > 1 and high_p - low_p > 1e-6 * max(1.0, abs(low_p), abs(high_p))
            for rank in range(size):
                k = by_rank[rank]
                j = first + k
                a = p = 0.0
                if points[j] > 0:
                    if spread_a:
                        a = min(max((motion[k] - low_a) / (high_a - low_a), 0.0), 1.0)
                    elif motion_in[j] > floor:
                        a = neutral
                    near = np.float64(proximity[j])
                    if spread_p:
                        near = (near - low_p) / (high_p - low_p)
                    p = min(max(near, 0.0), 1.0)
                on_robot = np.float64(overlap[j])
                excess = max(0.0, on_robot - onset) / (1.0 - onset)
                q = np.float32(max(0.0, excess * excess * (1.0 - attenuation * relief[j])))
                if on_robot >= threshold:
                    q = -max(q, np.float32(_TINY))
                r, i = starts[b] + rank, n - b * BLOCK
                values[r, MOTION, i] = a
                values[r, DETECTOR, i] = detector[j]
                values[r, PROXIMITY, i] = p
                values[r, PENALTY, i] = q
                order[r, i] = k


@compiled(_F32(_F32, _F32, _F32, _F32, reads(_F32)))
def _score(a: Any, d: Any, p: Any, q: Any, w: Any) -> Any:
    spike = w[5] if q < 0 else np.float32(0.0)
    return w[0] * a + (w[1] - w[2] * p) * d + w[3] * p - (w[4] * abs(q) + spike)


@compiled(
    types.void(
        reads(_F32, 3),
        reads(types.uint8, 2),
        reads(_I64),
        reads(_F32),
        reads(_I64),
        reads(_I64),
        reads(_I64),
        reads(types.int16),
        reads(_F32),
        writes(types.int16),
        writes(_F32),
    )
)
def rescore_blocks(
    values: Any,
    order: Any,
    starts: Any,
    weights: Any,
    chosen: Any,
    chosen_rows: Any,
    stored: Any,
    stored_winner: Any,
    stored_score: Any,
    winner: Any,
    score: Any,
) -> None:
    """The best candidate of every annotation.

    Args:
        values: See the module.
        order: See the module.
        starts: (B + 1,) int64.
        weights: (6,) float32: motion, detector, slope, proximity, penalty, spike.
        chosen: (C,) int64, annotations whose winner a person chose.
        chosen_rows: (C,) int64, rows of these winners in `values`.
        stored: (S,) int64, annotations whose winner and score stay.
        stored_winner: (S,) int16.
        stored_score: (S,) float32.
        winner: (N,) int16, written.
        score: (N,) float32, written.
    """
    count = len(winner)
    best = np.empty(BLOCK, np.float32)
    rank = np.empty(BLOCK, np.int32)
    w0, w1, w2, w3, w4, w5 = (
        weights[0],
        weights[1],
        weights[2],
        weights[3],
        weights[4],
        weights[5],
    )
    none = np.float32(0.0)
    for b in range(len(starts) - 1):
        best[:] = -np.inf
        rank[:] = -1
        for r in range(starts[b], starts[b + 1]):
            k = np.int32(r - starts[b])
            motion, detector = values[r, MOTION], values[r, DETECTOR]
            proximity, penalty = values[r, PROXIMITY], values[r, PENALTY]
            # Written out, not called: the loop is then turned into vector instructions.
            for i in range(BLOCK):
                q = penalty[i]
                p = proximity[i]
                s = (
                    w0 * motion[i]
                    + (w1 - w2 * p) * detector[i]
                    + w3 * p
                    - (w4 * abs(q) + (w5 if q < none else none))
                )
                better = s > best[i]
                best[i] = s if better else best[i]
                rank[i] = k if better else rank[i]
        first = b * BLOCK
        for i in range(min(BLOCK, count - first)):
            if rank[i] >= 0:
                winner[first + i] = order[starts[b] + rank[i], i]
                score[first + i] = best[i]
            else:
                winner[first + i] = -1
                score[first + i] = np.nan
    for c in range(len(chosen)):
        n, r = chosen[c], chosen_rows[c]
        i = n % BLOCK
        winner[n] = order[r, i]
        score[n] = _score(
            values[r, MOTION, i],
            values[r, DETECTOR, i],
            values[r, PROXIMITY, i],
            values[r, PENALTY, i],
            weights,
        )
    for c in range(len(stored)):
        winner[stored[c]] = stored_winner[c]
        score[stored[c]] = stored_score[c]


@compiled(
    types.void(
        reads(types.int16),
        reads(types.uint32),
        reads(types.uint32),
        writes(types.boolean),
        writes(_BOOL),
    )
)
def judge_winners(winner: Any, right_bits: Any, known_bits: Any, right: Any, known: Any) -> None:
    """`Judgements.of` in one pass: (N,) winners and bits, (N,) bool right and known written."""
    for n in range(len(winner)):
        k = winner[n]
        inside = (k >= 0) & (k < 32)
        shift = np.uint32(k if inside else 0)
        right[n] = inside & (((right_bits[n] >> shift) & np.uint32(1)) != 0)
        known[n] = (
            known_bits[n] != 0
            if k < 0
            else inside & (((known_bits[n] >> shift) & np.uint32(1)) != 0)
        )


@compiled(_U32(_U32, _F32))
def monotone(bits: Any, score: Any) -> Any:
    """Bits of a float as an integer that sorts like it; -0 is equal to 0."""
    own = bits if score != 0 else np.uint32(0)
    return own ^ (np.uint32(0xFFFFFFFF) if own >> np.uint32(31) else np.uint32(0x80000000))


@compiled(
    *(
        _I64(
            reads(_U32),
            reads(_F32),
            *(reads(_BOOL),) * 2,
            _U32,
            _U64,
            writes(keys),
            writes(_I64),
        )
        for keys in (_U32, _U64)
    )
)
def pack_scores(
    bits: Any,
    score: Any,
    right: Any,
    known: Any,
    low: Any,
    shift: Any,
    keys: Any,
    unscored: Any,
) -> Any:
    """Scores and what is known as numbers that sort like the scores.

    A key is the score as a monotone integer less `low`, and `shift` bits: 0 right, 1 wrong,
    2 unknown. Nothing is rounded.

    Args:
        bits: (N,) uint32, the scores' bits.
        score: (N,) float32, NaN where there is none.
        right: (N,) bool.
        known: (N,) bool.
        low: `monotone` of the smallest score.
        shift: 2, or 1 if all items are known.
        keys: (N,) uint32 if the keys fit, else uint64; written: those with a score.
        unscored: (3,) int64, written: how many right, wrong and unknown items have none.

    Returns:
        Number of keys.
    """
    unscored[:] = 0
    count = 0
    for n in range(len(score)):
        kind = (np.uint64(0) if right[n] else np.uint64(1)) if known[n] else np.uint64(2)
        if score[n] != score[n]:
            unscored[kind] += 1
            continue
        own = np.uint64(monotone(bits[n], score[n]) - low)
        keys[count] = (own << shift) | kind
        count += 1
    return count


@compiled(
    *(
        _I64(reads(keys), _U32, _U64, writes(_U32), *(writes(types.int32),) * 3)
        for keys in (_U32, _U64)
    )
)
def count_curve(
    keys: Any, low: Any, shift: Any, threshold: Any, kept: Any, errors: Any, kept_unknown: Any
) -> Any:
    """Walk down the scores: one point per distinct score of an item that is known.

    Args:
        keys: (S,) uint32 or uint64, ascending; see `pack_scores`.
        low: See `pack_scores`.
        shift: See `pack_scores`.
        threshold: (S + 1,) uint32, written: bits of the float32.
        kept: (S + 1,) int32, written: known items with a score of at least the threshold.
        errors: (S + 1,) int32, written: wrong ones among them.
        kept_unknown: (S + 1,) int32, written: unknown items with such a score.

    Returns:
        Number of points M.
    """
    one = np.int32(1)
    mask = (np.uint64(1) << shift) - np.uint64(1)
    places, wrong, others, closed = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    m = np.int64(0)
    # Nothing here branches on the data: a point is written at once and kept or written over.
    for t in range(len(keys) - 1, -1, -1):
        key = np.uint64(keys[t])
        kind = np.int32(key & mask)
        wrong += kind & one
        others += kind >> one
        places += one - (kind >> one)
        level = np.uint32(key >> shift)
        threshold[m] = level
        kept[m] = places
        errors[m] = wrong
        kept_unknown[m] = others
        ends = (np.uint32(np.uint64(keys[max(t - 1, 0)]) >> shift) != level) & (places > closed)
        m += ends
        closed = places if ends else closed
    m += places > closed
    for k in range(m):
        own = threshold[k] + low
        threshold[k] = own ^ (
            np.uint32(0x80000000) if own >> np.uint32(31) else np.uint32(0xFFFFFFFF)
        )
    return m


@compiled(_F64(reads(types.int32), reads(types.int32), reads(_I64)), sums=True)
def area_of(kept: Any, errors: Any, unscored: Any) -> Any:
    """The sum behind AURC: the expected share of errors at each place; see `selective.aurc`.

    Args:
        kept: (M,) int32, see `count_curve`.
        errors: (M,) int32.
        unscored: (3,) int64, right, wrong and unknown items without a score.
    """
    area = 0.0
    for k in range(len(kept)):  # as if no scores were equal
        area += np.float64(errors[k]) / np.float64(kept[k])
    places, wrong = np.int64(0), np.int64(0)
    for k in range(len(kept)):
        size = kept[k] - places
        if size > 1:
            share = (errors[k] - wrong) / size
            for j in range(1, size):
                area += (wrong + share * j) / (places + j)
        places, wrong = np.int64(kept[k]), np.int64(errors[k])
    last = unscored[0] + unscored[1]
    for j in range(1, last + 1):
        area += (wrong + unscored[1] / last * j) / (places + j)
    return area


@compiled(_I64(reads(types.int32), reads(types.int32), _F64))
def last_reaching(kept: Any, errors: Any, precision: Any) -> Any:
    """Last point at which the share of right items is at least `precision`, -1 if none."""
    for m in range(len(kept) - 1, -1, -1):
        if 1.0 - errors[m] / kept[m] >= precision:
            return m
    return -1
