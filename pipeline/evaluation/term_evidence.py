"""Where the terms of a score come from: the frames and points that each of them counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, I32, Bool
from pipeline.model.score import ScoresResult
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, ClipMeasurement, overlap_rows, proximity_rows
from pipeline.scoring.signals import strongest_count


@dataclass(frozen=True, slots=True, eq=False)
class TermEvidence:
    """What one decision looked at; row k of every curve belongs to the candidate `ids[k]`.

    Attributes:
        ids: Candidate ids, ascending.
        frames: (F,) int32, tracked frames.
        spans: Interaction spans [start, end), episode frames.
        interaction: (F - 1,) bool, transitions whose motion makes m_in; the others make m_out.
        motion: (K, F - 1) float32, m(t) px/s; NaN unknown.
        proximity: (K, F) float32, share of points inside the sphere; NaN unknown.
        proximity_rows: (F,) bool, frames that P averages where proximity is known.
        overlap: (K, F) float32, share of points on the robot mask; NaN unknown.
        overlap_rows: Rows of the keyframes at which overlap is judged.
        overlap_share: Share of the known keyframes, the strongest, that o averages.
        keyframe: Frame of the boxes and of D.
        inside: (F, N) bool, points inside the sphere.
        inside_counted: (F, N) bool, points that count for proximity.
        on_robot: (F, N) bool, points on the robot mask.
        on_robot_counted: (F, N) bool, points that count for overlap.
        circle: (F,) float32, radius of the sphere in the picture, pixels; NaN where unknown.
    """

    ids: tuple[int, ...]
    frames: I32
    spans: tuple[tuple[int, int], ...]
    interaction: Bool
    motion: F32
    proximity: F32
    proximity_rows: Bool
    overlap: F32
    overlap_rows: tuple[int, ...]
    overlap_share: float
    keyframe: int
    inside: Bool
    inside_counted: Bool
    on_robot: Bool
    on_robot_counted: Bool
    circle: F32

    @classmethod
    def of(
        cls,
        clip: Clip,
        height: int,
        width: int,
        options: ScoresOptions,
        scores: ScoresResult,
        focal: float | None = None,
    ) -> TermEvidence:
        """Collect it; a few milliseconds.

        Args:
            clip: Inputs of the score.
            height: Height of the picture, pixels.
            width: Width of the picture, pixels.
            options: Options that made `scores`.
            scores: The decision.
            focal: Focal length of the camera, pixels, where it is known.
        """
        measurement = ClipMeasurement(clip, height, width)
        inside, near = measurement.points_inside(options)
        on_robot, seen = measurement.points_on_robot()
        return cls(
            ids=clip.ids,
            frames=clip.tracks.frames,
            spans=clip.subtask.interaction,
            interaction=scores.interaction,
            motion=scores.motion,
            proximity=scores.proximity,
            proximity_rows=proximity_rows(clip, options),
            overlap=scores.overlap,
            overlap_rows=overlap_rows(clip, options),
            overlap_share=options.overlap_share,
            keyframe=clip.proposals.keyframe,
            inside=inside,
            inside_counted=near,
            on_robot=on_robot,
            on_robot_counted=seen,
            circle=_circle(clip, scores, focal),
        )

    def row_of(self, candidate: int) -> int:
        """Row of a candidate, -1 if it is not there."""
        return self.ids.index(candidate) if candidate in self.ids else -1

    def motion_transitions(self, candidate: int) -> tuple[int, int]:
        """How many transitions make m_in and m_out of a candidate."""
        known = np.isfinite(self.motion[self.row_of(candidate)])
        return int((known & self.interaction).sum()), int((known & ~self.interaction).sum())

    def proximity_counted(self, candidate: int) -> Bool:
        """(F,) bool, frames that the P of a candidate averages."""
        known = np.isfinite(self.proximity[self.row_of(candidate)])
        counted: Bool = known & self.proximity_rows
        return counted

    def overlap_known(self, candidate: int) -> tuple[int, ...]:
        """Rows of the keyframes at which the overlap of a candidate is known."""
        curve = self.overlap[self.row_of(candidate)]
        return tuple(r for r in self.overlap_rows if np.isfinite(curve[r]))

    def overlap_counted(self, candidate: int) -> tuple[int, ...]:
        """Rows of the keyframes that the o of a candidate averages: those with the strongest."""
        known = self.overlap_known(candidate)
        if not known:
            return ()
        curve = self.overlap[self.row_of(candidate)]
        strongest = sorted(known, key=lambda r: (-curve[r], r))
        return tuple(sorted(strongest[: strongest_count(len(known), self.overlap_share)]))

    def nearest_row(self, frame: int) -> int:
        """Row of the tracked frame nearest to a frame, -1 without tracked frames."""
        if not len(self.frames):
            return -1
        return int(np.abs(self.frames.astype(np.int64) - frame).argmin())


def _circle(clip: Clip, scores: ScoresResult, focal: float | None) -> F32:
    """(F,) the sphere as a circle at the depth of its centre."""
    if scores.form != "3d":
        return scores.radius
    if focal is None:
        return np.full(len(scores.frames), np.nan, np.float32)
    depth = clip.robot.reference_xyz[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = np.where(depth > 0, scores.radius * focal / depth, np.nan)
    return pixels.astype(np.float32)
