"""Which tracked point an instance of a logged cloud is, and the other way round.

A cloud of a candidate holds, at each tracked frame, only the points that are seen there, so that
the n-th instance is another point at another frame. Logging and the two-way selection both ask
here. Imports neither Rerun nor Qt.
"""

from __future__ import annotations

import re

import numpy as np

from pipeline.model.arrays import I32, Bool
from pipeline.model.candidate import TracksResult
from pipeline.model.geometry import LiftingResult

_POINTS = re.compile(r"(?:^|/)candidates/(\d+)/points$")


def cloud_columns(tracks: TracksResult, candidate: int) -> I32:
    """Columns of the tracks that a candidate's cloud is made of: those kept, or else all of it.

    Returns:
        (n,) int32, ascending.
    """
    own = tracks.candidate == candidate
    kept = own & tracks.kept
    return np.flatnonzero(kept if kept.any() else own).astype(np.int32)


def cloud_seen(
    tracks: TracksResult,
    columns: I32,
    rows: slice = slice(None),
    lifting: LiftingResult | None = None,
) -> Bool:
    """Which points of a cloud are shown, for many frames at once.

    Args:
        tracks: The tracks.
        columns: (n,) columns of the cloud, see `cloud_columns`.
        rows: Rows of the tracks' frames.
        lifting: For the cloud in the world, where a point needs a 3D position; None for the one in
            the picture.

    Returns:
        (F', n) bool for the F' chosen rows.
    """
    cloud = as_index(columns)
    # Axis by axis: reductions over two or three numbers are slow, and a clip has millions of them.
    seen = tracks.visible[rows, cloud].copy()
    for axis in range(2):
        seen &= np.isfinite(tracks.points[rows, cloud, axis])
    if lifting is not None and not lifting.available:
        seen[:] = False
    elif lifting is not None:
        for axis in range(3):
            seen &= np.isfinite(lifting.xyz[rows, cloud, axis])
    return seen


def as_index(columns: I32) -> slice | I32:
    """The same columns as a slice where they follow each other: a view in place of a copy."""
    if len(columns) and columns[-1] - columns[0] + 1 == len(columns):
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns


def seen_columns(
    tracks: TracksResult, candidate: int, row: int, lifting: LiftingResult | None = None
) -> I32:
    """Columns of the points that a candidate's cloud shows at a tracked frame, in its order.

    Args:
        tracks: The tracks.
        candidate: Candidate id.
        row: Row of the tracks' frames.
        lifting: As in `cloud_seen`.
    """
    columns = cloud_columns(tracks, candidate)
    seen = cloud_seen(tracks, columns, slice(row, row + 1), lifting)[0]
    return np.asarray(columns[seen], np.int32)


def row_shown(tracks: TracksResult, frame: int) -> int:
    """Row of the tracks that a viewer shows at a frame: the latest one; -1 before the first."""
    return int(np.searchsorted(tracks.frames, frame, side="right")) - 1


def point_of(
    entity: str, instance: int, frame: int, tracks: TracksResult, lifting: LiftingResult | None
) -> int:
    """Column of the tracks that an instance of an entity is at a frame; -1 if it is no point."""
    found = _POINTS.search(entity)
    row = row_shown(tracks, frame)
    if found is None or row < 0 or instance < 0:
        return -1
    solid = lifting if entity.lstrip("/").startswith("world/") else None
    columns = seen_columns(tracks, int(found.group(1)), row, solid)
    return int(columns[instance]) if instance < len(columns) else -1


def instance_of(
    point: int, frame: int, tracks: TracksResult, lifting: LiftingResult | None = None
) -> int:
    """Instance that a column of the tracks is at a frame; -1 where it is not shown.

    Args:
        point: Column of the tracks.
        frame: Episode frame.
        tracks: The tracks.
        lifting: For the cloud in the world; None for the one in the picture.
    """
    row = row_shown(tracks, frame)
    if row < 0 or not 0 <= point < len(tracks.candidate):
        return -1
    columns = seen_columns(tracks, int(tracks.candidate[point]), row, lifting)
    places = np.flatnonzero(columns == point)
    return int(places[0]) if places.size else -1
