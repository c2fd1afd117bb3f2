"""How the chosen object moved, in units that do not depend on the picture's size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F64, Bool
from pipeline.model.candidate import Box, TracksResult
from pipeline.model.geometry import LiftingResult
from pipeline.model.score import as_box, box_area

_MIN_ROWS = 4
"""Tracked frames below which a path says nothing (our choice)."""
_MIN_POINTS = 4
"""Points from which a turn can be measured."""
_SHRUNK, _GROWN = 0.4, 2.5
"""Area of the end box relative to the start box outside of which its size is not believed: its
points were hidden in part. It is then the start box around the same centre (our choice)."""
_LOST, _BURST = 0.15, 6.0
"""Area outside of which the track is not trusted at all."""
_STROKE = 0.5
"""Object sizes from which a move back is no noise of the track."""


@dataclass(frozen=True, slots=True)
class Motion:
    """The winner's path over the tracked frames of a clip.

    Attributes:
        first: First frame with a box.
        last: Last frame with a box.
        start_box: Box there.
        end_box: Box at the end; of the start box's size where its own size is not believed.
        size: Object size: root of the area of the start box, pixels.
        offset: (dx, dy) from start to end, object sizes; x to the right, y down.
        transfer: Distance from start to end, object sizes.
        above_ends: Greatest height above the higher of start and end, object heights.
        above_line: Greatest height above the straight line from start to end, object heights.
        highest: Frame of it.
        climb: Metres that it certainly rose above its start (up, and not away from the camera),
            NaN without 3D that can be compared between frames.
        path: Length of the path, object sizes.
        backwards: Length of its parts that lead away from the end, along the line from start to
            end, object sizes.
        strokes: Moves to and fro along the path's main axis, each longer than half an object size.
        held_share: Share of the path in closed gripper spans, NaN without such spans or path.
        seen_to_end: Whether it has a box when the gripper lets go, or at the clip's end.
        trusted: False if the box shrank or grew so much that the track cannot be right.
    """

    first: int
    last: int
    start_box: Box
    end_box: Box
    size: float
    offset: tuple[float, float]
    transfer: float
    above_ends: float
    above_line: float
    highest: int
    climb: float
    path: float
    backwards: float
    strokes: int
    held_share: float
    seen_to_end: bool
    trusted: bool


def motion_of(
    tracks: TracksResult,
    lifting: LiftingResult,
    winner: int,
    held: tuple[tuple[int, int], ...],
) -> Motion | None:
    """Measure the path of a candidate.

    Args:
        tracks: Tracks of all candidates.
        lifting: 3D of the same points.
        winner: Candidate id.
        held: Spans [start, end) in which the gripper is closed, frames.

    Returns:
        None where the candidate has too few boxes.
    """
    if not 0 <= winner < tracks.boxes.shape[1]:
        return None
    boxes = tracks.boxes[:, winner].astype(np.float64)
    rows = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if len(rows) < _MIN_ROWS:
        return None
    frames = tracks.frames[rows].astype(np.int64)
    start, end = as_box(boxes[rows[0]].tolist()), as_box(boxes[rows[-1]].tolist())
    size, height = float(np.sqrt(box_area(start))), start[3] - start[1]
    if size <= 0 or height <= 0:
        return None
    centres: F64 = (boxes[rows, :2] + boxes[rows, 2:]) / 2
    offset = (centres[-1] - centres[0]) / size
    transfer = float(np.hypot(*offset))
    above = _above_line(centres) / height
    ends = (min(centres[0, 1], centres[-1, 1]) - centres[:, 1].min()) / height
    highest = int(np.argmax(above))
    moves = np.diff(_smoothed(centres), axis=0) / size
    steps = np.hypot(*moves.T)
    along = moves @ offset / transfer if transfer > 0 else np.zeros(len(moves))
    path = float(steps.sum())
    inside = np.zeros(len(frames), np.bool_)
    for first, last in held:
        inside |= (frames >= first) & (frames < last)
    share = float(steps[inside[1:]].sum() / path) if held and path > 0 else float("nan")
    wanted = min(held[-1][1] - 1 if held else tracks.frames[-1], tracks.frames[-1])
    step = float(np.median(np.diff(tracks.frames))) if len(tracks.frames) > 1 else 1.0
    grown = box_area(end) / box_area(start)
    return Motion(
        first=int(frames[0]),
        last=int(frames[-1]),
        start_box=start,
        end_box=end if _SHRUNK <= grown <= _GROWN else _around(centres[-1], start),
        size=size,
        offset=(float(offset[0]), float(offset[1])),
        transfer=transfer,
        above_ends=float(ends),
        above_line=float(above[highest]),
        highest=int(frames[highest]),
        climb=_climb(tracks, lifting, winner),
        path=path,
        backwards=float(np.abs(along[along < 0]).sum()),
        strokes=_strokes(centres / size),
        held_share=share,
        seen_to_end=bool(frames[-1] >= wanted - 2 * step),
        trusted=_LOST <= grown <= _BURST,
    )


def _strokes(centres: F64) -> int:
    """Count moves to and fro along the main axis; (R, 2) object sizes."""
    middle = centres - centres.mean(axis=0)
    axis = np.linalg.svd(middle, full_matrices=False)[2][0]
    along = middle @ axis
    count, way, extreme = 0, 0, float(along[0])
    for value in along[1:].tolist():
        step = value - extreme
        if way * step > 0:  # on in the same direction
            extreme = value
        elif abs(step) >= _STROKE:
            count, way, extreme = count + 1, 1 if step > 0 else -1, value
    return count


def _around(centre: F64, box: Box) -> Box:
    """A box of the same size around another centre."""
    width, height = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    x, y = float(centre[0]), float(centre[1])
    return (x - width, y - height, x + width, y + height)


def _above_line(centres: F64) -> F64:
    """Heights over the straight line from the first to the last centre, pixels, (R,)."""
    line = centres[-1] - centres[0]
    length = float(line @ line)
    if length <= 0:
        along = np.zeros(len(centres))
    else:
        along = np.clip((centres - centres[0]) @ line / length, 0.0, 1.0)
    below: F64 = centres[0, 1] + along * line[1]
    return below - centres[:, 1]


def _smoothed(centres: F64) -> F64:
    """Means of three, so that the noise of the tracks makes no path."""
    if len(centres) < 3:
        return centres
    inner = (centres[:-2] + centres[1:-1] + centres[2:]) / 3
    smoothed: F64 = np.concatenate([centres[:1], inner, centres[-1:]])
    return smoothed


def _seen(tracks: TracksResult, winner: int) -> tuple[Bool, F64]:
    """Visibility (F, n) and positions (F, n, 2) of the winner's kept points."""
    own = np.flatnonzero((tracks.candidate == winner) & tracks.kept)
    points = tracks.points[:, own].astype(np.float64)
    seen: Bool = tracks.visible[:, own] & np.isfinite(points).all(axis=2)
    return seen, points


def turn_of(tracks: TracksResult, winner: int) -> tuple[float, int]:
    """Largest turn of the winner's points in the picture against their first frame.

    Returns:
        Degrees 0..180 and the frame; (NaN, -1) where too few points are seen.
    """
    seen, points = _seen(tracks, winner)
    rows = np.flatnonzero(seen.sum(axis=1) >= _MIN_POINTS)
    if not len(rows):
        return float("nan"), -1
    start, best, frame = int(rows[0]), float("nan"), -1
    for row in rows[1:]:
        both = seen[start] & seen[row]
        if both.sum() < _MIN_POINTS:
            continue
        a = points[start, both] - points[start, both].mean(axis=0)
        b = points[row, both] - points[row, both].mean(axis=0)
        cross = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum())
        turn = abs(float(np.degrees(np.arctan2(cross, float((a * b).sum())))))
        if not turn <= best:
            best, frame = turn, int(tracks.frames[row])
    return best, frame


def _climb(tracks: TracksResult, lifting: LiftingResult, winner: int) -> float:
    """Metres that the winner certainly rose above its start, NaN if 3D cannot say.

    The camera looks down at an unknown angle between 0° and 90°: what moves up in its picture (y
    falls) and does not move away (z does not grow) rises, whatever the angle.
    """
    if not lifting.available or lifting.scale_drifts:
        return float("nan")
    own = np.flatnonzero((tracks.candidate == winner) & tracks.kept)
    xyz = lifting.xyz[:, own].astype(np.float64)
    usable = np.isfinite(xyz).all(axis=2) & tracks.visible[:, own]
    if lifting.on_edge.size:
        usable &= ~lifting.on_edge[:, own]
    rows = np.flatnonzero(usable.sum(axis=1) >= _MIN_POINTS)
    if len(rows) < _MIN_ROWS:
        return float("nan")
    centre = np.array([np.median(xyz[r, usable[r]], axis=0) for r in rows])
    up, nearer = centre[0, 1] - centre[:, 1], centre[0, 2] - centre[:, 2]
    # The rise is up * cos + nearer * sin of the angle; over all angles it is at least the smaller.
    return float(np.maximum(np.minimum(up, nearer), 0.0).max())
