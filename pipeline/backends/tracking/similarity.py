"""Similarity transforms between point sets."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import F32, F64

FIT_ERROR = 3.0
"""Pixels a point may differ from its candidate's transform."""
MIN_SUPPORT = 4
MAX_SCALE_STEP = 1.12
"""Largest change of scale between two neighbouring frames."""


def fit_similarity(old: F32, new: F32, most: float = MAX_SCALE_STEP) -> F64 | None:
    """Fit a robust similarity transform between point sets.

    Args:
        old: (N, 2) float32 pixels.
        new: (N, 2) float32 pixels.
        most: Largest change of scale, either way.

    Returns:
        (2, 3) float64, or None if too few points agree.
    """
    import cv2

    if len(old) < MIN_SUPPORT:
        return None
    fit, inliers = cv2.estimateAffinePartial2D(
        old, new, method=cv2.RANSAC, ransacReprojThreshold=FIT_ERROR, maxIters=200, confidence=0.98
    )
    if fit is None or int(inliers.sum()) < max(MIN_SUPPORT, 0.4 * len(old)):
        shift = np.median(new - old, axis=0)
        close = np.linalg.norm(new - old - shift, axis=1) < FIT_ERROR
        if close.sum() < max(MIN_SUPPORT, 0.4 * len(old)):
            return None
        fit = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    transform = np.asarray(fit, dtype=np.float64)
    if not 1 / most < scale_of(transform) < most:
        return None
    return transform


def scale_of(transform: F64) -> float:
    """Scale of a similarity transform (2, 3)."""
    return float(np.sqrt(abs(np.linalg.det(transform[:, :2]))))


def transformed(transform: F64, points: F32) -> F32:
    """Apply a transform (2, 3) to points (N, 2)."""
    return (points @ transform[:, :2].T + transform[:, 2]).astype(np.float32)


def chained(second: F64, first: F64) -> F64:
    """The transform that does `first`, then `second`."""
    linear = second[:, :2] @ first[:, :2]
    shift = second[:, :2] @ first[:, 2] + second[:, 2]
    return np.column_stack([linear, shift])
