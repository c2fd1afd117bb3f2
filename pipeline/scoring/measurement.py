"""Measures every term of a clip's candidates and computes R (SPARC 3.3 and B.1.3).

Only from what the stages before left: the same clip with other boundaries or other options can be
measured again without tracking anything, which is how what-if questions are answered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, F64, Array, Bool
from pipeline.model.candidate import ProposalsResult, TracksResult
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.score import ScoresResult, ScoreTerms
from pipeline.model.subtask import Subtask
from pipeline.scoring.formula import ScoresOptions, depth_relief, rescore
from pipeline.scoring.signals import (
    depth_gaps,
    interaction_transitions,
    known_points,
    mean_known,
    motion_curves,
    overlap_curves,
    proximity_curves,
    sphere_radius,
    strongest_mean,
)


@dataclass(frozen=True, slots=True)
class Clip:
    """What the score of one subtask is computed from.

    Attributes:
        subtask: The subtask.
        proposals: Its candidates.
        tracks: Their points.
        lifting: Their 3D positions.
        robot: Robot masks and gripper reference.
        fps: Frames per second of the episode.
    """

    subtask: Subtask
    proposals: ProposalsResult
    tracks: TracksResult
    lifting: LiftingResult
    robot: RobotResult
    fps: float

    @property
    def ids(self) -> tuple[int, ...]:
        """Candidate ids, ascending; row k of every curve belongs to ids[k]."""
        return tuple(sorted(p.id for p in self.proposals.candidates))

    @property
    def visible(self) -> Bool:
        """(F, N) bool, visible with a known position."""
        seen: Bool = self.tracks.visible & known_points(self.tracks.points)
        return seen

    @property
    def groups(self) -> list[Array]:
        """Indices of the points of each candidate that are kept for scoring."""
        kept = np.flatnonzero(self.tracks.kept)
        owner = self.tracks.candidate[kept]
        return [kept[owner == i] for i in self.ids]

    @property
    def has_geometry(self) -> bool:
        """True if points and gripper are known in 3D in some frame."""
        return (
            self.lifting.available
            and self.robot.is_3d
            and self.lifting.xyz.shape[:2] == self.tracks.visible.shape
            and bool(np.isfinite(self.robot.reference_xyz).all(axis=1).any())
        )


def measure(clip: Clip, height: int, width: int, options: ScoresOptions) -> ScoresResult:
    """Compute all curves, terms and scores; the winner is still the best score.

    Args:
        clip: Inputs.
        height: Height of the picture, pixels.
        width: Width of the picture, pixels.
        options: Options.
    """
    tracks, robot, groups, visible = clip.tracks, clip.robot, clip.groups, clip.visible
    seconds = np.diff(tracks.frames.astype(np.float64)) / clip.fps
    motion = motion_curves(tracks.points, visible, seconds, groups, options.smoothing_window)
    interaction = interaction_transitions(tracks.frames, clip.subtask.interaction)
    radius, proximity, gaps = _proximity(clip, groups, visible, min(height, width), options)
    overlap = overlap_curves(
        tracks.points, visible, robot.packed, robot.height, robot.width, groups
    )

    motion_in, motion_out = mean_known(motion, interaction), mean_known(motion, ~interaction)
    counted = np.ones(len(tracks.frames), np.bool_)
    if options.proximity_frames == "interaction":
        counted = _interaction_frames(clip)
    near = mean_known(proximity, counted)
    robot_share = strongest_mean(overlap, overlap_rows(clip, options), options.overlap_share)
    relief = depth_relief(gaps, options)
    detector = {p.id: p.score for p in clip.proposals.candidates}
    terms = tuple(
        ScoreTerms(
            candidate=candidate,
            detector=detector[candidate],
            motion_in=float(motion_in[k]),
            motion_out=float(motion_out[k]),
            motion=0.0,
            motion_normalised=0.0,
            proximity=float(near[k]),
            proximity_normalised=0.0,
            overlap=float(robot_share[k]),
            relief=float(relief[k]),
            penalty=0.0,
            detector_weight=0.0,
            score=0.0,
            points=len(groups[k]),
        )
        for k, candidate in enumerate(clip.ids)
    )
    return ScoresResult(
        terms=rescore(terms, options),
        winner=-1,
        chosen_by="score",
        frames=tracks.frames,
        motion=motion,
        proximity=proximity,
        overlap=overlap,
        interaction=interaction,
        radius=radius,
        form="3d" if clip.has_geometry else "2d",
    )


def overlap_rows(clip: Clip, options: ScoresOptions) -> tuple[int, ...]:
    """Rows of the tracked frames at which overlap with the robot is judged (our reading).

    The paper says "at each aligned keyframe": the keyframe of the proposals, the end of the first
    grasp, and frames spread evenly over the approach between the subtask's start and that end.
    """
    if not len(clip.tracks.frames):
        return ()
    start, end = clip.subtask.start, clip.subtask.first_grasp_end
    approach = np.linspace(start, end, options.overlap_approach_frames + 2)[1:-1]
    frames = [clip.proposals.keyframe, end, *(round(f) for f in approach)]
    return tuple(sorted({clip.tracks.nearest(f) for f in frames}))


def _proximity(
    clip: Clip, groups: list[Array], visible: Bool, short_side: int, options: ScoresOptions
) -> tuple[F32, F32, F64]:
    """Radius (F,), proximity (K, F) and depth gaps (K,), in 3D if possible, else in 2D."""
    tracks, robot = clip.tracks, clip.robot
    row = tracks.nearest(clip.proposals.keyframe) if len(tracks.frames) else 0
    if clip.has_geometry:
        xyz = clip.lifting.xyz
        known = visible & known_points(xyz)
        drifts = clip.lifting.scale_drifts
        rows = range(len(tracks.frames)) if drifts else [row] if len(tracks.frames) else []
        # The keyframe's size holds for all frames, unless metres differ between them.
        sizes = np.array([_median([_spread(xyz[r, g[known[r, g]]]) for g in groups]) for r in rows])
        radius = sphere_radius(
            robot.scale,
            sizes if drifts else float(sizes.sum()),
            options.sphere_radius_scale,
            options.object_size_mix,
            np.inf,
            drifts=drifts,
        )
        proximity = proximity_curves(xyz, known, robot.reference_xyz, radius, groups)
        return radius, proximity, depth_gaps(xyz, known, robot.reference_xyz, groups)
    half_diagonals = [
        float(np.hypot(p.box[2] - p.box[0], p.box[3] - p.box[1])) / 2
        for p in clip.proposals.candidates
    ]
    radius = sphere_radius(
        _pixel_scale(robot),
        _median(half_diagonals),
        options.sphere_radius_scale,
        options.object_size_mix,
        options.radius_cap * short_side,
    )
    proximity = proximity_curves(tracks.points, visible, robot.reference, radius, groups)
    return radius, proximity, np.full(len(groups), np.nan)


def _spread(points: F32) -> float:
    """Radius around the median that holds nine of ten points; NaN without points."""
    if not len(points):
        return float("nan")
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    return float(np.percentile(distance, 90))


def _median(values: list[float]) -> float:
    known = [v for v in values if np.isfinite(v)]
    return float(np.median(known)) if known else 0.0


def _pixel_scale(robot: RobotResult) -> F32:
    """Gripper scale in pixels; if the backend gave metres, the spread of its gripper points."""
    if not robot.is_3d:
        return robot.scale
    distance = np.linalg.norm(robot.points - robot.reference[:, None, :], axis=2)
    known = robot.visible & np.isfinite(distance)
    scale = np.full(len(robot.frames), np.nan, np.float32)
    for f in np.flatnonzero(known.sum(axis=1) >= 2):
        scale[f] = np.median(distance[f, known[f]])
    return scale


def _interaction_frames(clip: Clip) -> Bool:
    frames = clip.tracks.frames
    inside = np.zeros(len(frames), np.bool_)
    for start, end in clip.subtask.interaction:
        inside |= (frames >= start) & (frames < end)
    return inside
