"""Measures every term of a clip's candidates and computes R (SPARC 3.3 and B.1.3).

Only from what the stages before left: the same clip with other boundaries or other options can be
measured again without tracking anything, which is how what-if questions are answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from pipeline.model.arrays import F32, F64, Array, Bool
from pipeline.model.candidate import ProposalsResult, TracksResult
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.score import ScoresResult, ScoreTerms
from pipeline.model.subtask import Subtask
from pipeline.scoring.formula import MeasuredTerms, ScoresOptions, depth_relief, rescore
from pipeline.scoring.signals import (
    depth_gaps,
    interaction_transitions,
    known_points,
    mean_known,
    overlap_curves,
    points_on_mask,
    points_within,
    share_within,
    smooth,
    speeds,
    sphere_radius,
    squared_distances,
    strongest_mean,
)

T = TypeVar("T")


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
    return ClipMeasurement(clip, height, width).result(options)


class ClipMeasurement:
    """Measures a clip any number of times; what an option cannot alter is computed once.

    Not for several threads at a time.

    Args:
        clip: Inputs.
        height: Height of the picture, pixels.
        width: Width of the picture, pixels.
    """

    def __init__(self, clip: Clip, height: int, width: int) -> None:
        self.clip = clip
        self._short_side = min(height, width)
        self._groups = clip.groups
        self._visible = clip.visible
        self._kept: dict[str, tuple[Any, Any]] = {}

    def result(self, options: ScoresOptions) -> ScoresResult:
        """All curves, terms and scores; the winner is still the best score."""
        clip = self.clip
        radius, proximity = self._proximity(options)
        return ScoresResult(
            terms=self.score_terms(options),
            winner=-1,
            chosen_by="score",
            frames=clip.tracks.frames,
            motion=self._motion_curves(options),
            proximity=proximity,
            overlap=self._overlap,
            interaction=interaction_transitions(clip.tracks.frames, clip.subtask.interaction),
            radius=radius,
            form="3d" if clip.has_geometry else "2d",
        )

    def score_terms(self, options: ScoresOptions) -> tuple[ScoreTerms, ...]:
        """Terms and R of every candidate, by id."""
        found = self.terms(options)
        terms = tuple(
            ScoreTerms(
                candidate=candidate,
                detector=float(found.detector[k]),
                motion_in=float(found.motion_in[k]),
                motion_out=float(found.motion_out[k]),
                motion=0.0,
                motion_normalised=0.0,
                proximity=float(found.proximity[k]),
                proximity_normalised=0.0,
                overlap=float(found.overlap[k]),
                relief=float(found.relief[k]),
                penalty=0.0,
                detector_weight=0.0,
                score=0.0,
                points=len(self._groups[k]),
            )
            for k, candidate in enumerate(self.clip.ids)
        )
        return rescore(terms, options)

    def terms(self, options: ScoresOptions, subtask: Subtask | None = None) -> MeasuredTerms:
        """What is measured of every candidate, by id.

        Args:
            options: Options.
            subtask: The same subtask with other phases, e.g. a boundary moved; None: as it is.
                Keyframe, boxes and tracks stay.
        """
        clip = self.clip if subtask is None else replace(self.clip, subtask=subtask)
        motion_in, motion_out = self._motion_means(clip, options)
        proximity = self._proximity(options)[1]
        rows, share = overlap_rows(clip, options), options.overlap_share
        return MeasuredTerms(
            detector=self._detector,
            motion_in=motion_in,
            motion_out=motion_out,
            proximity=mean_known(proximity, proximity_rows(clip, options)),
            overlap=self._last(
                "overlap", (rows, share), lambda: strongest_mean(self._overlap, rows, share)
            ),
            relief=depth_relief(self.depth_gaps, options),
            tracked=np.array([len(g) > 0 for g in self._groups], np.bool_),
        )

    def points_inside(self, options: ScoresOptions) -> tuple[Bool, Bool]:
        """Which points lie in the gripper sphere, and which count for it, both (F, N) bool."""
        return points_within(self._distances, self._known, self._proximity(options)[0])

    def points_on_robot(self) -> tuple[Bool, Bool]:
        """Which points lie on the robot mask, and which count for it, both (F, N) bool."""
        robot = self.clip.robot
        points = self.clip.tracks.points
        return points_on_mask(points, self._visible, robot.packed, robot.height, robot.width)

    @cached_property
    def depth_gaps(self) -> F64:
        """(K,) median depth gap between gripper and candidate, metres; NaN without geometry."""
        clip = self.clip
        if not clip.has_geometry:
            return np.full(len(self._groups), np.nan)
        return depth_gaps(clip.lifting.xyz, self._known, clip.robot.reference_xyz, self._groups)

    @cached_property
    def _detector(self) -> F64:
        detector = {p.id: p.score for p in self.clip.proposals.candidates}
        return np.array([detector[i] for i in self.clip.ids], np.float64)

    @cached_property
    def _speeds(self) -> F64:
        tracks = self.clip.tracks
        seconds = np.diff(tracks.frames.astype(np.float64)) / self.clip.fps
        return speeds(tracks.points, self._visible, seconds, self._groups)

    @cached_property
    def _overlap(self) -> F32:
        robot = self.clip.robot
        return overlap_curves(
            self.clip.tracks.points,
            self._visible,
            robot.packed,
            robot.height,
            robot.width,
            self._groups,
        )

    @cached_property
    def _known(self) -> Bool:
        """(F, N) bool, visible with the position that proximity is measured by."""
        if not self.clip.has_geometry:
            return self._visible
        known: Bool = self._visible & known_points(self.clip.lifting.xyz)
        return known

    @cached_property
    def _distances(self) -> F32:
        clip = self.clip
        if clip.has_geometry:
            return squared_distances(clip.lifting.xyz, clip.robot.reference_xyz)
        return squared_distances(clip.tracks.points, clip.robot.reference)

    @cached_property
    def _object_size(self) -> float | F64:
        """Typical radius of the candidates: one for all frames, or (F,) if metres differ."""
        clip = self.clip
        if not clip.has_geometry:
            return _median(
                [
                    float(np.hypot(p.box[2] - p.box[0], p.box[3] - p.box[1])) / 2
                    for p in clip.proposals.candidates
                ]
            )
        tracks, xyz, known = clip.tracks, clip.lifting.xyz, self._known
        row = tracks.nearest(clip.proposals.keyframe) if len(tracks.frames) else 0
        drifts = clip.lifting.scale_drifts
        rows = range(len(tracks.frames)) if drifts else [row] if len(tracks.frames) else []
        # The keyframe's size holds for all frames, unless metres differ between them.
        sizes = np.array(
            [_median([_spread(xyz[r, g[known[r, g]]]) for g in self._groups]) for r in rows]
        )
        return sizes if drifts else float(sizes.sum())

    @cached_property
    def _scale(self) -> F32:
        robot = self.clip.robot
        return robot.scale if self.clip.has_geometry else _pixel_scale(robot)

    def _last(self, name: str, key: Any, make: Callable[[], T]) -> T:
        """What `make` makes for a key; the last of each name is kept."""
        kept = self._kept.get(name)
        if kept is None or kept[0] != key:
            kept = self._kept[name] = (key, make())
        value: T = kept[1]
        return value

    def _motion_curves(self, options: ScoresOptions) -> F32:
        """(K, F - 1) float32."""
        window = options.smoothing_window
        return self._last(
            "motion", window, lambda: smooth(self._speeds, window).T.astype(np.float32)
        )

    def _motion_means(self, clip: Clip, options: ScoresOptions) -> tuple[F64, F64]:
        """m_in and m_out, (K,) each."""
        spans = clip.subtask.interaction

        def make() -> tuple[F64, F64]:
            motion = self._motion_curves(options)
            held = interaction_transitions(clip.tracks.frames, spans)
            return mean_known(motion, held), mean_known(motion, ~held)

        return self._last("means", (options.smoothing_window, spans), make)

    def _proximity(self, options: ScoresOptions) -> tuple[F32, F32]:
        """Radius (F,) and proximity (K, F), in 3D if possible, else in 2D."""
        scale, mix, cap = (
            options.sphere_radius_scale,
            options.object_size_mix,
            options.radius_cap,
        )

        def make() -> tuple[F32, F32]:
            solid = self.clip.has_geometry
            radius = sphere_radius(
                self._scale,
                self._object_size,
                scale,
                mix,
                np.inf if solid else cap * self._short_side,
                drifts=solid and self.clip.lifting.scale_drifts,
            )
            return radius, share_within(self._distances, self._known, radius, self._groups)

        return self._last("proximity", (scale, mix, cap), make)


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


def proximity_rows(clip: Clip, options: ScoresOptions) -> Bool:
    """(F,) bool, tracked frames over which proximity is averaged where it is known."""
    if options.proximity_frames == "interaction":
        return _interaction_frames(clip)
    return np.ones(len(clip.tracks.frames), np.bool_)


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
