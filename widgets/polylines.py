"""Curves as few points as the screen can show: the lowest and highest value per pixel column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shiboken6
from numpy.typing import NDArray
from PySide6.QtGui import QPolygonF

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What of a curve a row of pixel columns can show.

    Attributes:
        x: (C,) float64, pixels, ascending.
        low: (C,) float64, lowest value in the column; NaN where all of it is missing.
        high: (C,) float64, highest value in the column.
        dense: True if several samples share a column.
    """

    x: F64
    low: F64
    high: F64
    dense: bool


def envelope(x: F64, y: NDArray[Any], columns: float) -> Envelope:
    """Reduce a curve to at most one column per pixel.

    Args:
        x: (N,) positions in pixels, ascending.
        y: (N,) values, NaN where unknown.
        columns: Width in pixels. Curves of less than a sample per pixel stay as they are.

    Returns:
        The envelope. Missing values inside a column that also has values are passed over, so that
        no extreme is lost.
    """
    values = np.asarray(y, dtype=np.float64)
    if len(x) < columns:
        return Envelope(x, values, values, False)
    column = np.floor(x).astype(np.int64)
    starts = np.flatnonzero(np.diff(column, prepend=column[0] - 1))
    low = np.fmin.reduceat(values, starts)
    high = np.fmax.reduceat(values, starts)
    return Envelope(column[starts].astype(np.float64) + 0.5, low, high, True)


def lines_of(curve: Envelope, top: float, bottom: float, span: tuple[float, float]) -> list[F64]:
    """Turn an envelope into polylines, one per stretch without a gap.

    Args:
        curve: What to draw.
        top: Pixel of the value `span[1]`.
        bottom: Pixel of the value `span[0]`.
        span: Values at the bottom and at the top; what lies outside is clipped to the edge.

    Returns:
        (N, 2) float64 arrays of pixel positions; lone samples become short dashes.
    """
    scale = (bottom - top) / max(span[1] - span[0], 1e-12)

    def place(values: F64) -> F64:
        return bottom - np.clip(values - span[0], 0.0, span[1] - span[0]) * scale

    lines: list[F64] = []
    for start, end in runs(np.isfinite(curve.low)):
        x = curve.x[start:end]
        if curve.dense:
            points = np.empty((2 * len(x), 2))
            points[:, 0] = np.repeat(x, 2)
            points[0::2, 1] = place(curve.low[start:end])
            points[1::2, 1] = place(curve.high[start:end])
            # Up in one column, down in the next: joins stay short.
            points[2::4, 1], points[3::4, 1] = points[3::4, 1].copy(), points[2::4, 1].copy()
        else:
            points = np.column_stack([x, place(curve.high[start:end])])
        if len(x) == 1:
            y = points[:, 1]
            points = np.array([[x[0] - 1.5, y.min()], [x[0] + 1.5, y.max()]])
        lines.append(points)
    return lines


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches [start, end) of True."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[0::2], edges[1::2], strict=True)]


def polygon(points: F64) -> QPolygonF:
    """Copy (N, 2) float64 points into a QPolygonF without a Python object per point."""
    shape = QPolygonF()
    shape.resize(len(points))
    if len(points):
        # The stubs know neither that data() is an address nor the size of a VoidPtr.
        wrap: Any = shiboken6.VoidPtr
        memory = wrap(shape.data(), points.size * 8, True)
        np.frombuffer(memory, dtype=np.float64).reshape(-1, 2)[:] = points
    return shape
