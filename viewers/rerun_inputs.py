"""What goes into a recording, and where in it things lie. Imports neither Rerun nor Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, F64, I32, U8
from pipeline.model.candidate import MasksResult, ProposalsResult, TracksResult
from pipeline.model.consistency import Consistency
from pipeline.model.demonstration import Camera, Demonstration
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.phases import PhasesResult
from pipeline.model.problem import Problem
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import Subtask, SubtasksResult

TIMELINE = "frame"
"""Timeline of all recordings: the frame number of the episode."""
CLIP_FPS = 6.0
"""Pictures per second inside the clip: the tracking rate (spec, stage 2)."""
ELSEWHERE_FPS = 1.0
"""Pictures per second outside of it (our choice)."""
OTHER_FPS = 2.0
"""Pictures per second of other cameras inside the clip (our choice: they must not slow it down)."""
CLOUD_POINTS = 12_500
"""Points of the depth cloud per frame (our choice: software rendering draws them in time)."""
CLOUD_FRAMES = 150
"""Frames of the depth cloud per clip, about; more are thinned evenly (our choice)."""
CLOUD_TOTAL = 1_000_000
"""Points of the depth cloud in all its frames: 16 MB before compression (our choice)."""
CUES = ("motion", "proximity", "overlap", "residual")
"""Series with a line per candidate, below `signals/`."""

Picture = tuple[int, bytes | U8]
"""Frame of the episode, and a JPEG or RGB (H, W, 3) uint8."""
DepthPicture = tuple[int, F32]
"""Frame of the episode, and recorded depth (h, w) float32 metres, 0 = unknown, at reduced size."""


@dataclass(frozen=True)
class CameraView:
    """Another camera of the episode, whose pictures are shown beside that of the results.

    Attributes:
        camera: Camera key.
        pictures: Its pictures by frame.
        depth: Its recorded depth by frame, empty where there is none.
    """

    camera: str
    pictures: tuple[Picture, ...] = ()
    depth: tuple[DepthPicture, ...] = ()


@dataclass(frozen=True)
class RerunInputs:
    """One episode, and one subtask's results as far as they exist.

    Attributes:
        demonstration: The episode.
        camera: Camera key that the results refer to.
        pictures: Pictures of that camera, sub-sampled as wanted, by frame.
        subtask: The clip the results belong to; None stands for the whole episode.
        phases: Stage result or None, as all that follow.
        subtasks: Its problems are listed.
        proposals: Boxes at the keyframe.
        masks: Outlines at the keyframe.
        tracks: Points and carried boxes.
        lifting: 3D positions.
        robot: Robot outline and gripper.
        scores: Motion, proximity, sphere, winner.
        target: Where the object ended up.
        real_time: Also log the timeline `time` (seconds of the episode).
        views: Other cameras of the episode, in its order.
        depth: Recorded depth of the results' camera by frame; empty where there is none (estimated
            depth is in `lifting`).
        consistency: Residuals of the points, and which of them lie on depth edges.
        session: What an export carries so that the window can open it again (`viewers.
            rerun_session_entity`); empty for a recording that is only looked at.
        unread: Cameras that are left out because they could not be read.
    """

    demonstration: Demonstration
    camera: str
    pictures: tuple[Picture, ...] = ()
    subtask: Subtask | None = None
    phases: PhasesResult | None = None
    subtasks: SubtasksResult | None = None
    proposals: ProposalsResult | None = None
    masks: MasksResult | None = None
    tracks: TracksResult | None = None
    lifting: LiftingResult | None = None
    robot: RobotResult | None = None
    scores: ScoresResult | None = None
    target: TargetResult | None = None
    real_time: bool = False
    views: tuple[CameraView, ...] = ()
    depth: tuple[DepthPicture, ...] = ()
    consistency: Consistency | None = None
    session: bytes = b""
    unread: tuple[Problem, ...] = ()

    @property
    def camera_model(self) -> Camera:
        """The camera. Raises KeyError if the episode lacks it."""
        return self.demonstration.camera(self.camera)

    @property
    def has_camera(self) -> bool:
        """True if the results' camera is one of the episode's."""
        return any(camera.key == self.camera for camera in self.demonstration.cameras)

    @property
    def has_pictures(self) -> bool:
        """True if any camera's pictures are there."""
        return bool(self.pictures) or any(view.pictures for view in self.views)

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms of the episode whose phases are known."""
        return () if self.phases is None else tuple(arm.arm for arm in self.phases.arms)

    @property
    def clip(self) -> tuple[int, int]:
        """First frame and one past the last frame of the clip."""
        if self.subtask is not None:
            return self.subtask.start, self.subtask.end
        return 0, self.demonstration.length

    @property
    def tracked_step(self) -> int:
        """Typical distance of the tracked frames, at least 1."""
        tracked = self.tracks.frames if self.tracks is not None else np.zeros(0, np.int32)
        return max(1, int(np.median(np.diff(tracked)))) if len(tracked) > 1 else 1

    @property
    def after_keyframe(self) -> int:
        """First frame at which what belongs to the keyframe alone is not shown any more."""
        if self.proposals is None:
            return self.clip[1]
        key = self.proposals.keyframe
        tracked = () if self.tracks is None else self.tracks.frames.tolist()
        return next((frame for frame in tracked if frame > key), key + 1)

    @property
    def intrinsics(self) -> F64 | None:
        """(3, 3) pixels: the dataset's, else the geometry backend's, else None."""
        recorded = self.camera_model.intrinsics if self.has_camera else None
        if recorded is not None:
            return recorded
        return None if self.lifting is None else self.lifting.intrinsics

    @property
    def has_geometry(self) -> bool:
        """True if there are 3D positions and a camera model to see them by."""
        there = self.lifting is not None and self.lifting.available and self.has_camera
        return there and self.intrinsics is not None

    @property
    def has_depth(self) -> bool:
        """True if there are depth pictures, recorded or estimated, and a camera to lift them."""
        estimated = self.lifting is not None and self.lifting.depth.size > 0
        return self.has_geometry and (bool(self.depth) or estimated)

    @property
    def winner(self) -> int:
        """Candidate id of the winner, -1 if there is none yet."""
        return -1 if self.scores is None else self.scores.winner

    @property
    def candidate_count(self) -> int:
        """Number of candidates K that any result knows."""
        counts = [0]
        if self.proposals is not None:
            counts.append(max((p.id for p in self.proposals.candidates), default=-1) + 1)
        if self.masks is not None:
            counts.append(self.masks.count)
        if self.tracks is not None:
            counts.append(self.tracks.boxes.shape[1])
        return max(counts)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Findings of the episode and of all results, in the order of the stages."""
        results = (
            *(self.phases, self.subtasks, self.proposals, self.masks, self.tracks),
            *(self.lifting, self.robot, self.scores, self.target),
        )
        found = self.demonstration.problems
        for result in results:
            if result is not None:
                found += result.problems
        return found + self.unread

    @property
    def why_no_geometry(self) -> str:
        """One sentence on why there is no 3D view; empty if there is one."""
        if self.has_geometry:
            return ""
        if self.lifting is None:
            return "No 3D yet: the lifting stage has not run."
        for problem in self.lifting.problems:
            if problem.code == "no_geometry":
                return problem.message
        return (
            "No 3D: the episode has no recorded depth with camera intrinsics, and no depth model "
            "was used. Motion and proximity are measured in pixels."
        )

    def name_of(self, candidate: int) -> str:
        """Short label of a candidate: its number; the winner's says more and bears a star."""
        if candidate != self.winner:
            return f"#{candidate}"
        label = ""
        if self.proposals is not None:
            labels = {p.id: p.label for p in self.proposals.candidates}
            label = labels.get(candidate, "")
        return f"★ #{candidate} {label}".rstrip()

    def world_points(self, xyz: F32) -> F32:
        """Camera axes to world axes, (..., 3) metres; unchanged if the pose is unknown."""
        pose = self.camera_model.camera_to_world
        if pose is None:
            return xyz
        turn, place = pose[:3, :3].astype(np.float32), pose[:3, 3].astype(np.float32)
        moved = np.empty(xyz.shape, np.float32)
        # A product of matrices three columns wide takes six times as long.
        for axis in range(3):
            values = xyz[..., 0] * turn[axis, 0]
            values += xyz[..., 1] * turn[axis, 1]
            values += xyz[..., 2] * turn[axis, 2]
            values += place[axis]
            moved[..., axis] = values
        return moved


def cloud_frames(count: int) -> tuple[int, int]:
    """Every which of `count` frames has a depth cloud, and how many points it has at most."""
    every = max(1, round(count / CLOUD_FRAMES))
    kept = max(1, -(-count // every))
    return every, min(CLOUD_POINTS, CLOUD_TOTAL // kept)


def cloud_step(height: int, width: int, most: int) -> int:
    """Every which pixel of a depth picture, both ways, gives at most `most` points."""
    return max(1, int(np.ceil(np.sqrt(height * width / max(1, most)))))


def entity_part(name: str) -> str:
    """Escape a name so that it is one part of an entity path (Rerun's rules)."""
    return re.sub(r"([^A-Za-z0-9_.-])", r"\\\1", name)


def camera_path(camera: Camera) -> str:
    """Entity of a camera; its picture and all that is drawn on it lie below."""
    return f"camera/{entity_part(camera.short_name)}"


def candidate_of(entity: str) -> int | None:
    """Candidate id that an entity belongs to, None if it belongs to none.

    Takes any path below `candidates/<id>` (2D or 3D) and the signals `signals/<cue>/<id>` of
    `CUES`.
    """
    found = re.search(r"(?:^|/)candidates/(\d+)(?:/|$)", entity)
    found = found or re.search(rf"(?:^|/)signals/(?:{'|'.join(CUES)})/(\d+)$", entity)
    return int(found.group(1)) if found else None


def picture_frames(
    demonstration: Demonstration,
    clip: tuple[int, int],
    tracked: I32 | None = None,
    *,
    rate: float = CLIP_FPS,
) -> tuple[int, ...]:
    """Choose the frames whose pictures a recording shows, ascending.

    Inside the clip those that were tracked, so that picture and points belong together (without
    tracks: `rate` per second); outside of it, ELSEWHERE_FPS per second.

    Args:
        demonstration: The episode.
        clip: First frame and one past the last.
        tracked: (F,) tracked frames, or None.
        rate: Pictures per second inside the clip without them.
    """

    def every(rate: float) -> int:
        return max(1, round(demonstration.fps / rate))

    start, end = clip
    inside = range(start, end, every(rate)) if tracked is None else tracked.tolist()
    elsewhere = range(0, demonstration.length, every(ELSEWHERE_FPS))
    chosen = {*inside, *(frame for frame in elsewhere if not start <= frame < end)}
    return tuple(sorted(int(f) for f in chosen if 0 <= f < demonstration.length))
