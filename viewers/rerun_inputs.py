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

    @property
    def camera_model(self) -> Camera:
        """The camera. Raises KeyError if the episode lacks it."""
        return self.demonstration.camera(self.camera)

    @property
    def clip(self) -> tuple[int, int]:
        """First frame and one past the last frame of the clip."""
        if self.subtask is not None:
            return self.subtask.start, self.subtask.end
        return 0, self.demonstration.length

    @property
    def intrinsics(self) -> F64 | None:
        """(3, 3) pixels: the dataset's, else the geometry backend's, else None."""
        recorded = self.camera_model.intrinsics
        if recorded is not None:
            return recorded
        return None if self.lifting is None else self.lifting.intrinsics

    @property
    def has_geometry(self) -> bool:
        """True if there are 3D positions and a camera model to see them by."""
        return self.lifting is not None and self.lifting.available and self.intrinsics is not None

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
        return found

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
            return str(candidate)
        label = ""
        if self.proposals is not None:
            labels = {p.id: p.label for p in self.proposals.candidates}
            label = labels.get(candidate, "")
        return f"★ {candidate} {label}".rstrip()

    def world_points(self, xyz: F32) -> F32:
        """Camera axes to world axes, (..., 3) metres; unchanged if the pose is unknown."""
        pose = self.camera_model.camera_to_world
        if pose is None:
            return xyz
        moved = xyz.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
        return moved.astype(np.float32)


def entity_part(name: str) -> str:
    """Escape a name so that it is one part of an entity path (Rerun's rules)."""
    return re.sub(r"([^A-Za-z0-9_.-])", r"\\\1", name)


def camera_path(camera: Camera) -> str:
    """Entity of a camera; its picture and all that is drawn on it lie below."""
    return f"camera/{entity_part(camera.short_name)}"


def candidate_of(entity: str) -> int | None:
    """Candidate id that an entity belongs to, None if it belongs to none.

    Takes any path below `candidates/<id>` (2D or 3D) and the signals `signals/motion/<id>` and
    `signals/proximity/<id>`.
    """
    found = re.search(r"(?:^|/)candidates/(\d+)(?:/|$)", entity)
    found = found or re.search(r"(?:^|/)signals/(?:motion|proximity)/(\d+)$", entity)
    return int(found.group(1)) if found else None


def picture_frames(
    demonstration: Demonstration, clip: tuple[int, int], tracked: I32 | None = None
) -> tuple[int, ...]:
    """Choose the frames whose pictures a recording shows, ascending.

    Inside the clip those that were tracked, so that picture and points belong together (without
    tracks: CLIP_FPS per second); outside of it, ELSEWHERE_FPS per second.

    Args:
        demonstration: The episode.
        clip: First frame and one past the last.
        tracked: (F,) tracked frames, or None.
    """

    def every(rate: float) -> int:
        return max(1, round(demonstration.fps / rate))

    start, end = clip
    inside = range(start, end, every(CLIP_FPS)) if tracked is None else tracked.tolist()
    elsewhere = range(0, demonstration.length, every(ELSEWHERE_FPS))
    chosen = {*inside, *(frame for frame in elsewhere if not start <= frame < end)}
    return tuple(sorted(int(f) for f in chosen if 0 <= f < demonstration.length))
