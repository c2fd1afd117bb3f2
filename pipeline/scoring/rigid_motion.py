"""The one rigid motion that best explains how a cloud of points moved, frame by frame.

K frames and points at once, pure NumPy: weighted Kabsch with the weights of a Student t, so that
points that do not move along (drifting tracks, background, depth that jumped) do not pull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, F64, I64, Bool

LEAST_POINTS = 4
"""Three points fix a rigid motion and leave nothing over to disagree; the fourth can."""
ROUNDS = 10
"""Most times that the weights are found again. With 30 % of the points left behind two are enough,
with 40 % it takes six; frames that have settled are not fitted again."""
_SETTLED = 0.05
"""Share by which a frame's variance may still change when it counts as settled."""
_FREEDOM = 2.0
"""Degrees of freedom of the Student t: heavy tails, few points are believed off at first."""
_TRIM = 9.0
"""Squared distance, in variances, from which a point does not take part in the last fit."""
_THIN = 1e-5
"""Least ratio of the second to the first singular value: a cloud 300 times as long as wide is a
line, about which it could turn unseen."""
_FLOOR = 1e-12
"""Smallest variance in square metres: a micrometre."""


@dataclass(frozen=True, slots=True)
class RigidMotions:
    """Motions of one cloud since its reference; x -> scale * rotation @ (x - center) + place.

    Attributes:
        center: (3,) float64 metres.
        rotation: (F, 3, 3) float64.
        place: (F, 3) float64 metres, where the center went.
        scale: (F,) float64, 1 unless a similarity was asked for.
        known: (F,) bool, False where too few points were seen or they lie on a line; the numbers
            mean nothing there.
    """

    center: F64
    rotation: F64
    place: F64
    scale: F64
    known: Bool

    def projection(self, intrinsics: F64) -> F64:
        """(F, 3, 4) float64: from [x - center, 1] in metres to homogeneous pixels."""
        turned = self.rotation * self.scale[:, None, None]
        moved: F64 = np.concatenate([turned, self.place[:, :, None]], axis=2)
        return np.asarray(intrinsics @ moved, np.float64)


def rigid_motions(reference: F32, clouds: F32, known: Bool, similar: bool = False) -> RigidMotions:
    """Fit a rigid motion to every frame, robustly (our choice).

    Args:
        reference: (N, 3) float32 metres, all finite.
        clouds: (F, N, 3) float32 metres, the same points later; anything where not known.
        known: (F, N) bool, points that may take part.
        similar: Also fit a scale per frame, for metres that drift from frame to frame.
    """
    center = reference.mean(axis=0, dtype=np.float64)
    base = (reference - center).astype(np.float32)
    axes = [np.where(known, clouds[..., i], np.float32(0)) for i in range(3)]
    count = known.sum(axis=1)
    shift = np.stack([a.sum(axis=1, dtype=np.float64) for a in axes], axis=1)
    shift /= np.maximum(count, 1)[:, None]
    moved = [a - shift[:, i : i + 1].astype(np.float32) for i, a in enumerate(axes)]
    enough = count >= LEAST_POINTS
    near = _moving_along(base, moved, known, count, similar)
    enough &= near.sum(axis=1) >= LEAST_POINTS
    fit = _weighted_fit(base, moved, near.astype(np.float32), similar)
    place = fit.place + shift
    return RigidMotions(center, fit.rotation, place, fit.scale, enough & fit.spread)


def _moving_along(base: F32, moved: list[F32], known: Bool, count: I64, similar: bool) -> Bool:
    """(F, N) points that the rest of the cloud agrees with, by reweighting until it settles."""
    near = np.zeros_like(known)
    rows = np.arange(len(known))
    taking_part = known.astype(np.float32)
    weights = taking_part
    before = np.full((len(known), 1), np.inf, np.float32)
    for turn in range(ROUNDS + 1):
        fit = _weighted_fit(base, moved, weights, similar)
        off = fit.distances(base, moved)
        variance = _variance(off, weights, count)
        left = variance < (1.0 - _SETTLED) * before
        if turn == ROUNDS:
            left[:] = False
        done = ~left[:, 0]
        if done.any():
            near[rows[done]] = off[done] <= _TRIM * variance[done]
            keep = left[:, 0]
            rows, count, off, variance = rows[keep], count[keep], off[keep], variance[keep]
            taking_part, moved = taking_part[keep], [axis[keep] for axis in moved]
            if not len(rows):
                break
        weights = taking_part * ((_FREEDOM + 3.0) / (_FREEDOM + off / variance))
        before = variance
    near &= known
    return near


@dataclass(frozen=True, slots=True)
class _Fit:
    """Motion of every frame relative to both centers; see `RigidMotions`."""

    rotation: F64
    place: F64
    scale: F64
    spread: Bool

    def distances(self, base: F32, moved: list[F32]) -> F32:
        """(F, N) float32 square metres between where points are and where they should be."""
        turned = (self.rotation * self.scale[:, None, None]).astype(np.float32)
        place = self.place.astype(np.float32)
        total = np.zeros_like(moved[0])
        for i, axis in enumerate(moved):
            off = place[:, i : i + 1] - axis
            for j in range(3):
                off += turned[:, i, j : j + 1] * base[:, j]
            total += np.square(off, out=off)
        return total


def _weighted_fit(base: F32, moved: list[F32], weights: F32, similar: bool) -> _Fit:
    """Kabsch (1976), Umeyama (1991) with weights (F, N) for all frames at once."""
    total = np.maximum(weights.sum(axis=1, dtype=np.float64), 1e-9)
    # For three columns einsum is as quick as BLAS, and does not wait for its threads.
    mean = np.einsum("fn,ni->fi", weights, base).astype(np.float64) / total[:, None]
    place = np.empty_like(mean)
    cross = np.empty((len(weights), 3, 3))
    for i, axis in enumerate(moved):
        part = weights * axis
        place[:, i] = part.sum(axis=1, dtype=np.float64) / total
        cross[:, i] = np.einsum("fn,ni->fi", part, base) / total[:, None]
    cross -= place[:, :, None] * mean[:, None, :]
    u, size, v = np.linalg.svd(cross)
    rotation = u @ v
    # A determinant by hand: NumPy's takes half as long as the decomposition.
    mirrored = (np.cross(rotation[:, 0], rotation[:, 1]) * rotation[:, 2]).sum(axis=1) < 0
    u[mirrored, :, 2] *= -1.0
    rotation[mirrored] = u[mirrored] @ v[mirrored]
    scale = np.ones(len(weights))
    if similar:
        squares = np.einsum("fn,n->f", weights, np.square(base).sum(axis=1)) / total
        squares -= np.square(mean).sum(axis=1)
        sign = np.where(mirrored, -1.0, 1.0)
        trace = size[:, 0] + size[:, 1] + sign * size[:, 2]
        scale = trace / np.maximum(squares, _FLOOR)
    place -= scale[:, None] * np.einsum("fij,fj->fi", rotation, mean)
    spread: Bool = (size[:, 1] > _THIN * size[:, 0]) & (size[:, 0] > _FLOOR)
    return _Fit(rotation, place, scale, spread)


def _variance(off: F32, weights: F32, count: I64) -> F32:
    """(F, 1) float32 weighted variance per axis, square metres, at least that of a micrometre."""
    total = np.einsum("fn,fn->f", off, weights)
    variance = np.maximum(total / np.maximum(3 * count, 1), _FLOOR)
    return np.asarray(variance[:, None], np.float32)
