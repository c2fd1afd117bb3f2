"""Colours in 16 cells an axis of CIELAB, and how they are smoothed."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import F32, F64


def smoothed(cells: F64) -> F32:
    """Smooth a colour histogram (16, 16, 16) with 1-2-1 along each axis."""
    from scipy.ndimage import convolve1d

    for axis in range(3):
        cells = convolve1d(cells, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    return np.asarray(cells, dtype=np.float32)
