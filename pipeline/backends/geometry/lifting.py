"""From pixels and depth to points in camera coordinates."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import F16, F32, F64, I64

PATCH = 2
"""Depth is read in a window of 5x5 pixels."""
EDGE = 0.03
"""Relative spread of the nearer half of a window above which it lies on a depth edge."""
KEPT_SIDE = 320
"""Longest side of a depth picture that is kept in a result (our choice): 20 s at 6 fps are 18 MB.
"""
_FARTHEST = 60_000.0


def local_depth(depth: F32, points: F32) -> F32:
    """Read depth at points without falling off edges.

    Per point the median of the known depths in a 5x5 window; on a depth edge (the window's
    quartiles are further apart than `EDGE`) the side that the centre pixel is on.

    Args:
        depth: (H, W) float32 metres, 0 = unknown.
        points: (N, 2) float32 pixels.

    Returns:
        (N,) float32 metres, NaN where unknown or outside.
    """
    height, width = depth.shape
    result = np.full(len(points), np.nan, np.float32)
    finite = np.isfinite(points).all(axis=1)
    x = np.round(np.where(finite, points[:, 0], -1)).astype(np.int64)
    y = np.round(np.where(finite, points[:, 1], -1)).astype(np.int64)
    inside = np.flatnonzero((x >= 0) & (y >= 0) & (x < width) & (y < height))
    if len(inside) == 0:
        return result
    offsets = np.arange(-PATCH, PATCH + 1)
    rows = np.clip(y[inside][:, None, None] + offsets[None, :, None], 0, height - 1)
    columns = np.clip(x[inside][:, None, None] + offsets[None, None, :], 0, width - 1)
    windows = depth[rows, columns].reshape(len(inside), -1).astype(np.float64)
    known = np.where((windows > 0) & np.isfinite(windows), windows, np.nan)
    some = np.isfinite(known).sum(axis=1) >= 5
    known, inside = known[some], inside[some]
    if len(inside) == 0:
        return result
    own = known[:, known.shape[1] // 2].copy()
    ordered = np.sort(known, axis=1)  # NaN comes last
    count = np.isfinite(known).sum(axis=1)
    low, middle, high = (_percentile(ordered, count, share) for share in (0.25, 0.5, 0.75))
    edge = (high - low) > EDGE * middle
    usable = np.isfinite(own)
    value = middle.copy()
    pick = np.flatnonzero(edge & usable)
    if len(pick):
        near = np.abs(known[pick] - own[pick, None]) <= EDGE * middle[pick, None]
        same_side = np.sort(np.where(near, known[pick], np.nan), axis=1)
        value[pick] = _percentile(same_side, near.sum(axis=1), 0.5)
    value[edge & ~usable] = np.nan
    result[inside] = value
    return result


def _percentile(ordered: F64, count: I64, share: float) -> F64:
    """Linear percentile of the first `count` > 0 values of each row, (N,).

    NumPy's own goes through the rows one by one and takes twenty times as long.
    """
    at = (count - 1) * share
    low = np.floor(at).astype(np.int64)
    rows = np.arange(len(ordered))
    below = ordered[rows, low]
    above = ordered[rows, np.minimum(low + 1, count - 1)]
    found: F64 = below + (above - below) * (at - low)
    return found


def lift(points: F32, depth: F32, intrinsics: F64) -> F32:
    """Lift pixels (N, 2) with depth (N,) to camera coordinates, (N, 3) float32 metres."""
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    x = (points[:, 0] - cx) / fx * depth
    y = (points[:, 1] - cy) / fy * depth
    return np.stack([x, y, depth], axis=1).astype(np.float32)


def reduced(depth: F32) -> F16:
    """Depth (H, W) as it is kept in a result: every n-th pixel, at most `KEPT_SIDE` a side.

    Picked, not averaged: the mean of an object and what is behind it is a place where nothing is.
    """
    height, width = depth.shape
    share = min(1.0, KEPT_SIDE / max(height, width, 1))
    small = max(1, round(height * share)), max(1, round(width * share))
    rows = ((np.arange(small[0]) + 0.5) * height / small[0]).astype(np.int64)
    columns = ((np.arange(small[1]) + 0.5) * width / small[1]).astype(np.int64)
    picked = depth[np.ix_(rows, columns)]
    # What float16 cannot hold is farther than any camera sees.
    return np.where(picked < _FARTHEST, picked, 0.0).astype(np.float16)


def to_reduced(points: F32, shape: tuple[int, int], height: int, width: int) -> F32:
    """Pixels (N, 2) of the original frame as pixels of a reduced depth picture.

    Args:
        points: (N, 2) float32, x and y.
        shape: Height and width of the reduced picture.
        height: Of the original frame.
        width: Of the original frame.
    """
    scale = np.array([shape[1] / width, shape[0] / height], np.float32)
    return np.asarray((points + 0.5) * scale - 0.5, dtype=np.float32)
