"""Which points lie on an edge of the depth, where their metres may be those of a neighbour."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import F32, I32, I64, Bool

REFERENCE_WIDTH = 640
"""Picture width in pixels at which the radius of the window is given."""


def window_radius(radius: float, width: int) -> int:
    """Radius of the window in whole pixels of a picture of this width, at least 1.

    Args:
        radius: Pixels of a picture 640 pixels wide.
        width: Width of the picture.
    """
    return max(1, round(radius * width / REFERENCE_WIDTH))


def depth_jumps(depth: F32, points: F32, metres: F32, radius: int) -> F32:
    """How far the depth jumps around points, as a share of their distance (our choice).

    In a picture of a plane, however slanted, the inverse depth changes by the same amount from
    pixel to pixel. So for every two pixels that lie opposite each other in the window, the sum of
    their inverse depths less twice that of the point is zero on a plane, small on a curved
    surface, and the relative jump itself where one of the two lies beyond an edge. The largest one
    counts. Only windows around the points are read.

    Args:
        depth: (H, W) float32 metres, 0 = unknown.
        points: (N, 2) float32 pixels.
        metres: (N,) float32, depth the points were given; NaN = unknown.
        radius: The window has 2 * radius + 1 pixels a side.

    Returns:
        (N,) float32: 0.05 is a neighbour whose inverse depth differs by 5 %; NaN where the point
        has no depth or no two opposite pixels have.
    """
    height, width = depth.shape
    result = np.full(len(points), np.nan, np.float32)
    known = np.flatnonzero(np.isfinite(metres) & (metres > 0) & np.isfinite(points).all(axis=1))
    if len(known) == 0:
        return result
    x = np.round(points[known, 0]).astype(np.int64)
    y = np.round(points[known, 1]).astype(np.int64)
    dx, dy = _half_window(radius)
    ahead = _inverse(depth, x[:, None] + dx, y[:, None] + dy, width, height)
    behind = _inverse(depth, x[:, None] - dx, y[:, None] - dy, width, height)
    bent = np.abs((ahead + behind) * metres[known, None] - 2.0)
    # fmax passes over the NaN of unknown pixels.
    result[known] = np.fmax.reduce(bent, axis=1)
    return result


def edge_shares(on_edge: Bool, seen: Bool, candidate: I32) -> dict[int, float]:
    """Share 0..1 of each candidate's seen points, over all frames, that lie on edges.

    Args:
        on_edge: (F, N) bool.
        seen: (F, N) bool, points that count.
        candidate: (N,) int32, candidate of each point.
    """
    seen_count = seen.sum(axis=0)
    edge_count = (on_edge & seen).sum(axis=0)
    shares = {}
    for k in np.unique(candidate).tolist():
        own = candidate == k
        shares[k] = float(edge_count[own].sum()) / max(int(seen_count[own].sum()), 1)
    return shares


def _half_window(radius: int) -> tuple[I64, I64]:
    """Offsets of one pixel of each opposite pair, x and y, (2 r (r + 1),) int64 each."""
    side = np.arange(-radius, radius + 1)
    dy, dx = (a.ravel() for a in np.meshgrid(side, side, indexing="ij"))
    half = len(dx) // 2
    return dx[:half], dy[:half]


def _inverse(depth: F32, x: I64, y: I64, width: int, height: int) -> F32:
    """1 / depth at pixels, NaN where unknown or outside."""
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    values = depth.ravel()[np.where(inside, y * width + x, 0)]
    good = inside & (values > 0)
    found = np.full(values.shape, np.nan, np.float32)
    np.divide(np.float32(1.0), values, out=found, where=good)
    return found
