"""A lane that tells how well the 3D points of one candidate agree with its 2D tracks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen

from pipeline.model.consistency import Consistency
from pipeline.model.palette import candidate_color
from pipeline.scoring.consistency import (
    MANY_ON_EDGE,
    WORTH_A_LOOK,
    ConsistencySummary,
    summary,
    verdict,
)
from widgets.frame_axis import FrameAxis
from widgets.timeline_ink import Ink, mixed
from widgets.timeline_lanes import Lane

TOP = 2 * WORTH_A_LOOK
"""Pixels at the upper end of the strip: what is worse looks the same."""
_STRIP, _EDGES, _PAD = 12.0, 4.0, 2.0
_TIP = (
    "3D residual of the selected candidate, else the winner, in px: distance of its tracked points "
    "from where they would be if it had moved as one piece since the keyframe (rigid motion fitted "
    "to its 3D points frame by frame; our choice).\n"
    f"Solid: the median point. Pale: 90 % of the points are below. Line: {WORTH_A_LOOK:g} px, from "
    f"there on it is worth a look; the strip ends at {TOP:g} px. Hatched: too few points with a 3D "
    "position.\n"
    "Grey bars below: share of its points on depth edges, whose metres may be those of what is "
    f"behind; full height from {MANY_ON_EDGE:.0%} on. Nothing of this enters the score."
)


class ConsistencyLane(Lane):
    """A strip of residuals, and below it the share of points on depth edges.

    Attributes:
        candidate: Whose residuals are shown, -1 for none.
        found: Its residuals.
    """

    fixed = _PAD + _STRIP + _PAD + _EDGES

    def __init__(self, consistency: Consistency, candidate: int) -> None:
        super().__init__("3D residual, px", _TIP)
        self._consistency = consistency
        self.candidate = -1
        self.found: ConsistencySummary | None = None
        self._bounds: NDArray[np.float64] = _bounds(consistency.frames)
        self.set_candidate(candidate)

    def set_candidate(self, candidate: int) -> None:
        """Show another candidate; one without points shows as unknown."""
        if candidate != self.candidate:
            self.candidate = candidate
            self.found = summary(self._consistency, candidate) if candidate >= 0 else None

    def y(self, value: float) -> float:
        """Pixel of a residual; what is above the strip's end sits at its end."""
        share = min(max(value / TOP, 0.0), 1.0)
        return self.rect.top() + _PAD + (1.0 - share) * _STRIP

    def paint(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """Paint the strip column by column; of several frames in a column the highest counts."""
        found = self.found
        if found is None or not len(found.frames):
            return
        left, right, first, last = self._columns(axis)
        if not len(left):
            return
        color = ink.curve(candidate_color(self.candidate))
        bottom = self.rect.top() + _PAD + _STRIP
        median, p90 = (_highest(v, first, last) for v in (found.median, found.p90))
        for values, tone in ((p90, mixed(color, ink.base, 0.35)), (median, color)):
            # A pixel at least: zero is a finding, too.
            height = np.maximum(np.minimum(values / TOP, 1.0) * _STRIP, 1.0)
            _fill(painter, left, right, bottom - height, height, tone)
        self._hatch(painter, left, right, median, ink)
        line = QPen(ink.muted, 1.0, Qt.PenStyle.DashLine)
        painter.setPen(line)
        y = round(self.y(WORTH_A_LOOK)) + 0.5
        painter.drawLine(QLineF(left[0], y, right[-1], y))
        share = _highest(found.edge_share, first, last)
        height = np.maximum(np.minimum(share / MANY_ON_EDGE, 1.0) * _EDGES, 1.0)
        height[share == 0.0] = np.nan
        top = np.full(len(height), bottom + _PAD)
        _fill(painter, left, right, top, height, mixed(ink.text, ink.base, 0.6))

    def _hatch(
        self,
        painter: QPainter,
        left: NDArray[np.float64],
        right: NDArray[np.float64],
        median: NDArray[np.float64],
        ink: Ink,
    ) -> None:
        painter.setBrushOrigin(QPointF(left[0], self.rect.top()))
        height = np.where(np.isnan(median), _STRIP, np.nan)
        top = np.full(len(height), self.rect.top() + _PAD)
        pattern = QBrush(ink.muted, Qt.BrushStyle.BDiagPattern)
        _fill(painter, left, right, top, height, pattern)

    def _columns(
        self, axis: FrameAxis
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Left and right pixel of what is painted in one go, and its first and last row."""
        edges = np.round(axis.left + (self._bounds - axis.first) * axis.per_frame)
        starts = np.flatnonzero(np.diff(edges) > 0)  # several rows in one pixel go together
        if not len(starts):
            return edges[:0], edges[:0], starts, starts
        first = np.concatenate([[0], starts[:-1] + 1])
        left, right = edges[first], edges[starts + 1]
        shown = (right > axis.left) & (left < axis.right)
        return left[shown], right[shown], first[shown], starts[shown]

    def row_at(self, frame: int) -> int:
        """Row of the tracked frame that is painted at a frame; -1 outside of the clip."""
        row = int(np.searchsorted(self._bounds, frame + 0.5, side="right")) - 1
        return row if 0 <= row < len(self._consistency.frames) else -1

    def value_at(self, frame: int) -> float:
        """Median residual in px at a frame; NaN where unknown or outside of the clip."""
        row = self.row_at(frame)
        return float("nan") if row < 0 or self.found is None else float(self.found.median[row])

    def tip_over(self, point: QPointF, axis: FrameAxis) -> str:
        """Numbers of the tracked frame under the mouse, and what they mean."""
        row = self.row_at(axis.frame_at(point.x()))
        found = self.found
        if row < 0 or found is None:
            return ""
        parts = [f"Candidate #{self.candidate}, tracked frame {int(found.frames[row])}: "]
        if np.isfinite(found.median[row]):
            parts.append(
                f"half of its {int(found.points[row])} points are within "
                f"{found.median[row]:.1f} px of where one piece would have taken them, 90 % within "
                f"{found.p90[row]:.1f} px"
            )
        else:
            parts.append("no residual")
        if np.isfinite(found.edge_share[row]):
            parts.append(f"; {found.edge_share[row]:.0%} of its points lie on depth edges")
        return "".join(parts) + f".\n{verdict(found, row)}"


def _fill(
    painter: QPainter,
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    top: NDArray[np.float64],
    height: NDArray[np.float64],
    brush: QColor | QBrush,
) -> None:
    """Fill a rectangle per column, none where the height is NaN; all at once is much quicker."""
    shown = np.isfinite(height)
    parts = np.stack([left, top, right - left, height], axis=1)[shown].tolist()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(brush)
    painter.drawRects([QRectF(*part) for part in parts])
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _bounds(frames: NDArray[np.int32]) -> NDArray[np.float64]:
    """(F + 1,) positions on the axis between which each tracked frame is painted."""
    at = frames.astype(np.float64) + 0.5
    if len(at) < 2:
        return np.concatenate([at - 0.5, at[-1:] + 0.5])
    middle = (at[:-1] + at[1:]) / 2
    return np.concatenate([at[:1] - 0.5, middle, at[-1:] + 0.5])


def _highest(
    values: NDArray[np.float32], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Highest value of each stretch of rows [first, last]; NaN where all are unknown."""
    flat = np.append(values.astype(np.float64), np.nan)  # reduceat wants an end inside
    pairs = np.stack([first, last + 1], axis=1).ravel()
    return np.asarray(np.fmax.reduceat(flat, pairs)[::2], np.float64)
