"""The tracked points of one candidate and their tails, in the picture or in space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.model.arrays import F32, I64, Bool
from viewers.rerun_boxes import middles, ordered
from viewers.rerun_scene import Rgba, Scene, candidate_paint, log_strips, on_screen

TAIL_S = 2.0
"""Length of the tails in seconds (our choice: long enough to see a reach)."""
TAIL_RATE = 8.0
"""Corners of a tail per second (our choice); clips that are tracked denser are thinned."""
TAILS = 8
"""Points of the winner that get a tail of their own."""


@dataclass(frozen=True)
class Cloud:
    """A candidate's points at the tracked frames.

    Attributes:
        candidate: Candidate id.
        points: (F, n, 2) float32 pixels, or (F, n, 3) float32 metres of the world.
        seen: (F, n) bool, `viewers.rerun_points.cloud_seen`.
    """

    candidate: int
    points: F32
    seen: Bool

    @cached_property
    def ordered(self) -> tuple[F32, I64]:
        """As `viewers.rerun_boxes.ordered`."""
        return ordered(self.points, self.seen)


def paint(scene: Scene, candidate: int) -> Rgba:
    """Colour of a candidate, see `candidate_paint`."""
    return candidate_paint(candidate, scene.inputs.winner)


def log_cloud(scene: Scene, entity: str, cloud: Cloud, with_tails: bool = True) -> None:
    """Log the seen points and the tails of a cloud below an entity.

    Instance n of `<entity>/points` is the n-th of `viewers.rerun_points.seen_columns`.
    """
    import rerun as rr

    tracks = scene.inputs.tracks
    if tracks is None:
        return
    wins = cloud.candidate == scene.inputs.winner
    color, points, seen = paint(scene, cloud.candidate), cloud.points, cloud.seen
    archetype = rr.Points2D if points.shape[2] == 2 else rr.Points3D
    radius = on_screen(2.2 if wins else 1.4)
    scene.fixed(f"{entity}/points", archetype.from_fields(colors=[color], radii=radius))
    # `take` is several times faster than a mask.
    shown = np.take(points.reshape(-1, points.shape[2]), np.flatnonzero(seen), axis=0)
    columns = archetype.columns(positions=shown)
    scene.rows(f"{entity}/points", tracks.frames, seen.sum(axis=1), columns)
    if not with_tails:
        return
    paths = [middles(*cloud.ordered)]
    if wins:
        best = np.argsort(-seen.sum(axis=0), kind="stable")[:TAILS]
        paths += [np.where(seen[:, [i]], points[:, i], np.float32(np.nan)) for i in best]
    length = max(2, round(TAIL_S * tracks.fps))
    lengths, strips = tails(paths, length, max(1, int(tracks.fps / TAIL_RATE)))
    width = 2.0 if wins else 1.2
    log_strips(scene, f"{entity}/track", tracks.frames, lengths, strips, color, width)


def tails(paths: list[F32], length: int, step: int = 1) -> tuple[list[int], list[F32]]:
    """Cut the last steps of each path at each frame; gaps end a tail.

    Args:
        paths: Each (F, d) float32, NaN in gaps.
        length: Most rows that a tail goes back.
        step: Every how many rows it has a corner, counted from its end.

    Returns:
        Number of tails per frame, and the tails, frame by frame.
    """
    rows = np.arange(len(paths[0]))
    starts = []
    for path in paths:
        gap = ~np.isfinite(path).all(axis=1)
        since = np.maximum.accumulate(np.where(gap, rows, -1)) + 1
        starts.append(np.maximum(since, rows - length))
    lengths: list[int] = []
    strips: list[F32] = []
    for row in rows.tolist():
        count = 0
        for path, start in zip(paths, starts, strict=True):
            first = int(start[row])
            if row - first >= step:
                strips.append(path[row - (row - first) // step * step : row + 1 : step])
                count += 1
        lengths.append(count)
    return lengths, strips
