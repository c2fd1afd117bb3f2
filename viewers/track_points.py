"""Where the tracked points are in one frame, which one is near a place, and what one is."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from pipeline.model.arrays import F32, Bool
from pipeline.model.candidate import TracksResult
from pipeline.model.consistency import Consistency
from pipeline.model.geometry import LiftingResult
from viewers.rerun_points import row_shown

_EXPLAINED = (
    "x, y: where the tracker saw it, pixels of the picture (SPARC, stage 2).",
    "X, Y, Z: right, down and forward of the camera, metres (lifting).",
    "Reprojection: distance of the projected 3D point from x, y, pixels.",
    "Rigid: distance of x, y from where it would be if its candidate had moved as one piece since"
    " the keyframe, pixels (our choice). High: a drifting track, background in the mask, or depth"
    " that jumps.",
    "Depth edge: its metres may be those of what is beside or behind it.",
)

_NOTHING = 0.05
"""Pixels; a smaller residual reads 0.0."""


def heads_at(tracks: TracksResult, frame: int, step: float) -> tuple[F32, Bool]:
    """Points in a frame of the episode as they are drawn: interpolated between tracked frames.

    Args:
        tracks: The tracks.
        frame: Frame of the episode.
        step: Usual distance of two tracked frames; further from the clip nothing is seen.

    Returns:
        (N, 2) float32 image coordinates counted from the picture's corner, and (N,) bool, seen
        there. NaN where never tracked.
    """
    frames = tracks.frames
    after = bisect_right(frames, frame)  # faster than searchsorted for one number
    row = max(after - 1, 0)
    count = len(tracks.candidate)
    if not len(frames) or abs(float(frames[row]) - frame) > step:
        return np.full((count, 2), np.nan, np.float32), np.zeros(count, np.bool_)
    points, seen = tracks.points[row], tracks.visible[row]
    if after and after < len(frames) and frame > frames[row]:
        share = np.float32((frame - frames[row]) / (frames[after] - frames[row]))
        points = points * (1 - share) + tracks.points[after] * share
        seen = seen & tracks.visible[after]
    # Tracked points name pixel centres: centre of pixel 0 is 0.5 from the image's edge.
    moved = points + np.float32(0.5)
    return moved, np.asarray(seen & np.isfinite(moved).all(axis=1), np.bool_)


def point_near(
    tracks: TracksResult,
    heads: tuple[F32, Bool],
    place: tuple[float, float],
    reach: float,
    *,
    preferred: int = -1,
    hidden: frozenset[int] = frozenset(),
) -> int:
    """Column of the drawn point nearest to a place of the picture, -1 if none is in reach.

    Args:
        tracks: The tracks; only what they kept is drawn.
        heads: From `heads_at`.
        place: x and y from the picture's corner, pixels.
        reach: Largest distance, pixels.
        preferred: Candidate whose points come before all nearer ones.
        hidden: Candidates that are not drawn.
    """
    points, seen = heads
    offset = points - np.asarray(place, np.float32)
    distance = np.einsum("ij,ij->i", offset, offset)
    near = seen & tracks.kept & (distance <= reach * reach)
    if hidden:
        near &= np.isin(tracks.candidate, tuple(hidden), invert=True)
    found = np.flatnonzero(near)
    if not found.size:
        return -1
    own = found[tracks.candidate[found] == preferred]
    among = own if own.size else found
    return int(among[distance[among].argmin()])


def point_line(
    tracks: TracksResult,
    lifting: LiftingResult | None,
    consistency: Consistency | None,
    point: int,
    frame: int,
    *,
    short: bool = False,
) -> str:
    """What is known of a point at the tracked frame that is shown at `frame`, one line.

    Args:
        tracks: The tracks.
        lifting: 3D positions, None if there are none.
        consistency: Its residuals, None if they were not measured.
        point: Column of the tracks.
        frame: Frame of the episode.
        short: First what may be wrong with it, for lines whose end may be cut off.
    """
    row = row_shown(tracks, frame)
    title = f"point {point}"
    if not short:
        title += f" of candidate {int(tracks.candidate[point])}"
    if row < 0:
        return f"{title}: not tracked before frame {int(tracks.frames[0])}"
    places, doubts = [], []
    x, y = tracks.points[row, point]
    if np.isfinite(x) and np.isfinite(y):
        places.append(f"{x:.1f}, {y:.1f} px")
    if not tracks.visible[row, point]:
        doubts.append("not seen here")
    if lifting is not None and lifting.available and lifting.xyz.shape[1] > point:
        xyz = lifting.xyz[row, point]
        known = bool(np.isfinite(xyz).all())
        places.append(f"{xyz[0]:.3f}, {xyz[1]:.3f}, {xyz[2]:.3f} m" if known else "no depth here")
    if consistency is not None and consistency.rigid.shape == tracks.visible.shape:
        sent_back, rigid = consistency.reprojection[row, point], consistency.rigid[row, point]
        # Usually nothing: with room for little it is left out.
        if np.isfinite(sent_back) and not (short and sent_back < _NOTHING):
            doubts.append(f"reprojection {sent_back:.1f} px")
        if np.isfinite(rigid):
            doubts.append(f"rigid {rigid:.1f} px")
    if _is_on_edge(lifting, consistency, row, point):
        doubts.append("on a depth edge")
    parts = doubts + places if short else places + doubts
    if frame != tracks.frames[row]:
        parts.append(f"at frame {int(tracks.frames[row])}")
    return f"{title}: {'; '.join(parts)}"


def point_tip(line: str) -> str:
    """A tooltip for a `point_line`: what its numbers are."""
    title, _, rest = line.partition(": ")
    return "<br>".join((f"<b>{title}</b>", rest, *_EXPLAINED))


def _is_on_edge(
    lifting: LiftingResult | None, consistency: Consistency | None, row: int, point: int
) -> bool:
    for source in (lifting, consistency):
        if source is not None and source.on_edge.size:
            return bool(source.on_edge[row, point])
    return False
