"""Which tracked point an instance of a logged cloud is, and the other way round.

A cloud of a candidate holds, at each tracked frame, only the points that are seen there, so that
the n-th instance is another point at another frame. Logging and the two-way selection both ask
here. Imports neither Rerun nor Qt.
"""

from __future__ import annotations

import re

import numpy as np

from pipeline.model.arrays import I32
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


def seen_columns(
    tracks: TracksResult, candidate: int, row: int, lifting: LiftingResult | None = None
) -> I32:
    """Columns of the points that a candidate's cloud shows at a tracked frame, in its order.

    Args:
        tracks: The tracks.
        candidate: Candidate id.
        row: Row of the tracks' frames.
        lifting: For the cloud in the world, where a point needs a 3D position; None for the one in
            the picture.
    """
    columns = cloud_columns(tracks, candidate)
    seen = tracks.visible[row, columns] & np.isfinite(tracks.points[row, columns]).all(axis=1)
    if lifting is not None:
        seen &= np.isfinite(lifting.xyz[row, columns]).all(axis=1)
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
