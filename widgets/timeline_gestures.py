"""What the mouse can grab in the timeline, and what a drag makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QPointF

from widgets.frame_axis import FrameAxis
from widgets.timeline_lanes import Lane
from widgets.timeline_phase_lanes import GripperLane, PhaseLane
from widgets.timeline_task_lanes import SubtaskLane

_REACH = 5.0
"""Pixels within which a line can be grabbed."""
_STEP = 0.01
_GAP = 0.02
"""Thresholds stay this far apart and away from 0 and 1: without a gap there is no hysteresis."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Closure thresholds of the gripper signal.

    Attributes:
        close: Closed below this, tau - delta.
        opened: Open above this, tau + delta.
    """

    close: float
    opened: float

    @property
    def tau(self) -> float:
        """Middle of both."""
        return round((self.close + self.opened) / 2, 4)

    @property
    def delta(self) -> float:
        """Half their distance."""
        return round((self.opened - self.close) / 2, 4)


@dataclass(frozen=True, slots=True)
class ThresholdGrab:
    """A threshold line of a gripper lane.

    Attributes:
        lane: Whose line.
        edge: `close` or `opened`.
        start: Thresholds before the drag.
    """

    lane: GripperLane
    edge: str
    start: Thresholds

    def dragged(self, y: float, together: bool) -> Thresholds:
        """Thresholds with the line at a pixel; `together` keeps their distance."""
        value = round(self.lane.value(y) / _STEP) * _STEP
        close, opened = self.start.close, self.start.opened
        if together:
            shift = value - (close if self.edge == "close" else opened)
            shift = min(max(shift, _GAP - close), 1 - _GAP - opened)
            return Thresholds(round(close + shift, 4), round(opened + shift, 4))
        if self.edge == "close":
            return replace(self.start, close=round(min(max(value, _GAP), opened - _GAP), 4))
        return replace(self.start, opened=round(max(min(value, 1 - _GAP), close + _GAP), 4))


@dataclass(frozen=True, slots=True)
class BoundaryGrab:
    """A phase boundary, indexed as in `MoveBoundary`.

    Attributes:
        lane: Whose boundary.
        index: Between phases `index` and `index + 1`; -1 is the first start.
        frame: Where it is.
    """

    lane: PhaseLane
    index: int
    frame: int

    def dragged(self, x: float, axis: FrameAxis) -> BoundaryGrab:
        """The boundary at a pixel, between its neighbours."""
        return self.at(axis.edge_at(x), axis)

    def at(self, frame: int, axis: FrameAxis) -> BoundaryGrab:
        """The boundary at a frame, between its neighbours."""
        low, high = self.lane.limits(self.index, axis.length)
        return replace(self, frame=max(min(frame, high), low))


@dataclass(frozen=True, slots=True)
class SubtaskGrab:
    """A subtask's block.

    Attributes:
        index: Subtask.
    """

    index: int


@dataclass(frozen=True, slots=True)
class RangeGrab:
    """The start of a loop range.

    Attributes:
        anchor: Frame where it began.
    """

    anchor: int


@dataclass(frozen=True, slots=True)
class ScrubGrab:
    """The cursor."""


Grab = ThresholdGrab | BoundaryGrab | SubtaskGrab | RangeGrab | ScrubGrab


def grab_at(
    point: QPointF,
    lanes: Sequence[Lane],
    axis: FrameAxis,
    thresholds: Thresholds | None,
) -> ThresholdGrab | BoundaryGrab | SubtaskGrab | None:
    """What lies under the mouse, None where only the cursor can be moved.

    Args:
        point: Position in the widget.
        lanes: All lanes.
        axis: The x axis.
        thresholds: Thresholds as drawn if they differ from the lanes' own.
    """
    if not axis.left - _REACH <= point.x() <= axis.right + _REACH:
        return None
    lane = next((lane for lane in lanes if lane.rect.contains(point)), None)
    if isinstance(lane, GripperLane):
        now = thresholds or Thresholds(lane.arm.close_below, lane.arm.open_above)
        distances = {e: abs(lane.y(getattr(now, e)) - point.y()) for e in ("close", "opened")}
        edge = min(distances, key=lambda e: distances[e])
        return ThresholdGrab(lane, edge, now) if distances[edge] <= _REACH else None
    if isinstance(lane, PhaseLane):
        near = [(abs(axis.x(frame) - point.x()), index, frame) for index, frame in lane.boundaries]
        hit = min(near, default=(_REACH + 1, 0, 0))
        return BoundaryGrab(lane, hit[1], hit[2]) if hit[0] <= _REACH else None
    if isinstance(lane, SubtaskLane):
        index = lane.task_at(point, axis)
        return SubtaskGrab(index) if index >= 0 else None
    return None
