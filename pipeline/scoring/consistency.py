"""How well 3D points and 2D tracks of a clip agree: two residuals in pixels, per point and frame.

`reprojection` sends a 3D point to the world and back to the picture. `rigid` asks where the point
would be if its candidate had moved as one piece since the keyframe. Both are our choice; they
change no score. docs/consistency.md says what to do with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, F64, I64, Array, Bool
from pipeline.model.candidate import TracksResult
from pipeline.model.consistency import Consistency
from pipeline.model.geometry import LiftingResult
from pipeline.scoring.rigid_motion import LEAST_POINTS, RigidMotions, rigid_motions
from pipeline.scoring.signals import known_points

WORTH_A_LOOK = 5.0
"""Median rigid residual in pixels from which a candidate is worth a look (our choice; measured in
docs/consistency.md)."""
MANY_ON_EDGE = 0.5
"""Share of a candidate's points on depth edges that a verdict speaks of."""
MOST_FITTED = 64
"""Points of a candidate that a motion is fitted to: with 1 mm of noise they fix a thing of 12 cm to
a seventh of a pixel, and more take longer."""

_BLOCK = 32
"""Frames that are projected together: few enough to stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class ConsistencySummary:
    """Residuals of one candidate, per tracked frame.

    Attributes:
        frames: (F,) int32, tracked frames of the episode.
        median: (F,) float32 px, median rigid residual of its points; NaN where unknown.
        p90: (F,) float32 px, 90th percentile of the same.
        edge_share: (F,) float32, share 0..1 of its seen points that lie on depth edges; NaN where
            none is seen or depth was not examined.
        points: (F,) int32, points with a rigid residual.
    """

    frames: Array
    median: F32
    p90: F32
    edge_share: F32
    points: Array


def measure_consistency(
    tracks: TracksResult, lifting: LiftingResult, keyframe: int, camera_to_world: F64 | None
) -> Consistency | None:
    """Measure both residuals of every point in every frame in which it is seen.

    Args:
        tracks: The 2D tracks.
        lifting: Their 3D positions and the camera they were lifted with.
        keyframe: Episode frame of the proposals; see `reference_row`.
        camera_to_world: (4, 4) float64, or None: then the reprojection stays in camera axes.

    Returns:
        The residuals, or None without geometry.
    """
    intrinsics = lifting.intrinsics
    if not lifting.available or intrinsics is None:
        return None
    if lifting.xyz.shape[:2] != tracks.visible.shape:
        return None
    seen = tracks.visible & known_points(tracks.points)
    solid = seen & known_points(lifting.xyz)
    reprojection = _reprojection(tracks.points, lifting.xyz, solid, intrinsics, camera_to_world)
    rigid = np.full(seen.shape, np.nan, np.float32)
    for candidate in np.unique(tracks.candidate):
        own = np.flatnonzero(tracks.candidate == candidate)
        row = reference_row(solid[:, own], tracks.nearest(keyframe))
        if row < 0:
            continue
        columns = own[solid[row, own]]
        rigid[:, columns] = _rigid(tracks.points, lifting, seen, solid, columns, row, intrinsics)
    return Consistency(tracks.frames, tracks.candidate, reprojection, rigid, lifting.on_edge)


def reference_row(solid: Bool, wanted: int) -> int:
    """Row that a candidate's motion is measured from; -1 if no frame shows enough of it.

    The wanted row, unless fewer than half as many points have a 3D position there as in the best
    frame (the keyframe may lie outside of the clip, or the arm hides the object there): then the
    nearest row that has as many.

    Args:
        solid: (F, n) bool, points of the candidate that are seen with a 3D position.
        wanted: Row of the keyframe.
    """
    counts = solid.sum(axis=1)
    least = max(LEAST_POINTS, (int(counts.max(initial=0)) + 1) // 2)
    rows = np.flatnonzero(counts >= least)
    return int(rows[np.abs(rows - wanted).argmin()]) if len(rows) else -1


def summary(consistency: Consistency, candidate: int) -> ConsistencySummary:
    """Median, 90th percentile and share of edge points of one candidate, per tracked frame."""
    own = np.flatnonzero(consistency.candidate == candidate)
    ordered = np.sort(consistency.rigid[:, own], axis=1)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=1)
    edges = np.full(len(count), np.nan, np.float32)
    if consistency.on_edge.size and len(own):
        seen = np.isfinite(consistency.reprojection[:, own])
        total = seen.sum(axis=1)
        hits = (consistency.on_edge[:, own] & seen).sum(axis=1)
        np.divide(hits, total, out=edges, where=total > 0, casting="unsafe")
    return ConsistencySummary(
        consistency.frames,
        _percentile(ordered, count, 0.5),
        _percentile(ordered, count, 0.9),
        edges,
        count.astype(np.int32),
    )


def verdict(found: ConsistencySummary, row: int) -> str:
    """One sentence about a candidate in one frame: what its residual means and where to look.

    Args:
        found: Of the candidate.
        row: Row of the tracked frames.
    """
    median, p90, edges = (float(v[row]) for v in (found.median, found.p90, found.edge_share))
    if not np.isfinite(median):
        return (
            "Too few of its points have a 3D position here to tell whether it moves as one piece."
        )
    on_edges = np.isfinite(edges) and edges > MANY_ON_EDGE
    if median > WORTH_A_LOOK and on_edges:
        return (
            "Its points do not move as one piece and most lie on depth edges: the 3D positions "
            "themselves may be wrong; look at its cloud from the side."
        )
    if median > WORTH_A_LOOK:
        return (
            "Most of its points do not move as one piece: look for drifting tracks or background "
            "in the mask, unless the thing bends or turns out of sight."
        )
    if p90 > WORTH_A_LOOK:
        return (
            "It moves as one piece, but some points stay behind or run ahead: look for tracks on "
            "the background or the gripper at its rim."
        )
    if on_edges:
        return (
            "It moves as one piece, but most of its points lie on depth edges: trust the picture "
            "more than its metres."
        )
    return "It moves as one piece: tracks and depth agree."


def _reprojection(
    points: F32, xyz: F32, solid: Bool, intrinsics: F64, camera_to_world: F64 | None
) -> F32:
    """Distance of tracks from 3D points that went to the world and back, (F, N) px.

    The way back takes the pose for rigid (transposed rotation), as viewers do: one that scales,
    shears or mirrors shows. Its place cancels out.
    """
    to_pixels = intrinsics
    if camera_to_world is not None:
        rotation = camera_to_world[:3, :3]
        to_pixels = intrinsics @ rotation.T @ rotation
    matrix = to_pixels.astype(np.float32)
    off = np.empty(solid.shape, np.float32)
    for start in range(0, len(off), _BLOCK):
        rows = slice(start, start + _BLOCK)
        axes = np.ascontiguousarray(np.moveaxis(xyz[rows], 2, 0))
        u, v, w = (_combined(factors, axes) for factors in matrix)
        off[rows] = _distance(u, v, w, points[rows], solid[rows])
    return off


def _rigid(
    points: F32,
    lifting: LiftingResult,
    seen: Bool,
    solid: Bool,
    columns: I64,
    row: int,
    intrinsics: F64,
) -> F32:
    """Distance of the tracks of one candidate from where its motion takes them, (F, n) px."""
    reference = lifting.xyz[row, columns]
    motions = _motions(reference, lifting, solid, columns)
    base = np.ones((4, len(columns)), np.float32)
    base[:3] = (reference - motions.center).T
    projection = motions.projection(intrinsics).astype(np.float32)[..., None]
    u, v, w = (_combined(projection[:, i].transpose(1, 0, 2), base) for i in range(3))
    known = seen[:, columns] & motions.known[:, None]
    return _distance(u, v, w, points[:, columns], known)


def _motions(reference: F32, lifting: LiftingResult, solid: Bool, columns: I64) -> RigidMotions:
    """Fit to evenly chosen points, and to all of them where too few of those are seen."""
    similar = lifting.scale_drifts
    step = -(-len(columns) // MOST_FITTED)
    chosen = columns[::step]
    some = solid[:, chosen]
    if step > 1 and (some.sum(axis=1) < 2 * LEAST_POINTS).any():
        chosen, some, step = columns, solid[:, columns], 1
    return rigid_motions(reference[::step], lifting.xyz[:, chosen], some, similar)


def _combined(factors: F32, parts: F32) -> F32:
    """Sum of factor times part; for so few parts a matrix product waits for BLAS threads."""
    total = np.asarray(factors[0] * parts[0], np.float32)
    for factor, part in zip(factors[1:], parts[1:], strict=True):
        if np.any(factor):
            total += factor * part
    return total


def _distance(u: F32, v: F32, w: F32, points: F32, known: Bool) -> F32:
    """Pixels between homogeneous (F, n) positions and points (F, n, 2); NaN where not known."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = u / w
        y = v / w
        x -= points[..., 0]
        y -= points[..., 1]
        x *= x
        y *= y
        x += y
        off = np.sqrt(x)
    # Behind the camera there is no picture.
    off[~(known & (w > 0))] = np.nan
    return np.asarray(off, np.float32)


def _percentile(ordered: F32, count: I64, share: float) -> F32:
    """Linear percentile of the first `count` values of each row of sorted (F, n); NaN if none."""
    if not ordered.shape[1]:
        return np.full(len(ordered), np.nan, np.float32)
    at = np.maximum(count - 1, 0) * share
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    rows = np.arange(len(ordered))
    part = (at - low).astype(np.float32)
    found = ordered[rows, low] * (1 - part) + ordered[rows, high] * part
    return np.where(count > 0, found, np.nan).astype(np.float32)
