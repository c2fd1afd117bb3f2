"""A small clip with candidates that move on purpose, for tests of scores, target, baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.model.candidate import Box, MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.demonstration import Demonstration, EpisodeRef
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.phases import Phase, PhaseName
from pipeline.model.subtask import ActionType, Subtask, SubtasksResult

HEIGHT, WIDTH, FPS = 100, 200, 10.0


def phase(name: PhaseName, start: int, end: int) -> Phase:
    return Phase(name, "arm", start, end, 0, start, end)


@dataclass
class SmallClip:
    """Candidates follow paths; each has the same few points around its path.

    Attributes:
        paths: One path per candidate, (F, 2) centre in pixels.
        detector: D per candidate.
        frames: Tracked frames; the episode has 10 fps.
        gripper: (F, 2) reference in pixels.
        scale: Gripper scale in pixels (metres with `depth`).
        robot_boxes: Per frame the box that the robot covers, or None.
        depth: Depth per candidate in metres with pixel / 100 as x and y, or None: no geometry.
        gripper_depth: Depth of the gripper.
        spread: Half size of the point square and of the boxes, pixels.
    """

    paths: Sequence[np.ndarray]
    detector: Sequence[float]
    frames: np.ndarray = field(default_factory=lambda: np.arange(0, 12, 2, dtype=np.int32))
    gripper: np.ndarray | None = None
    scale: float = 1.0
    robot_boxes: Sequence[Box | None] | None = None
    depth: Sequence[float] | None = None
    gripper_depth: float = 1.0
    spread: float = 2.0
    targets: tuple[Proposal, ...] = ()
    action: ActionType = ActionType.PICK_AND_PLACE
    target_name: str = ""
    labels: Sequence[str] = ()
    phases: tuple[Phase, ...] = (
        phase(PhaseName.GRASP, 0, 4),
        phase(PhaseName.INTERACT, 4, 8),
        phase(PhaseName.RELEASE, 8, 12),
    )

    @property
    def subtask(self) -> Subtask:
        end = max((p.end for p in self.phases), default=int(self.frames[-1]) + 1)
        return Subtask(
            0, "arm", "", "", "", (), self.target_name, "", "", self.action, self.phases, 0, end
        )

    @property
    def subtasks(self) -> SubtasksResult:
        return SubtasksResult((self.subtask,), "rules")

    @property
    def offsets(self) -> np.ndarray:
        s = self.spread
        return np.array([(-s, -s), (s, -s), (-s, s), (s, s)], np.float32)

    def box(self, k: int, row: int = 0) -> Box:
        x, y = (float(v) for v in self.paths[k][row])
        s = self.spread
        return (x - s, y - s, x + s, y + s)

    @property
    def proposals(self) -> ProposalsResult:
        labels = list(self.labels) or [""] * len(self.paths)
        candidates = [
            Proposal(k, self.box(k), 2, d, labels[k], "region") for k, d in enumerate(self.detector)
        ]
        candidates.sort(key=lambda p: -p.score)
        return ProposalsResult("cam", 2, tuple(candidates), self.targets, "test")

    @property
    def tracks(self) -> TracksResult:
        count, f = len(self.paths), len(self.frames)
        points = [p[:, None, :] + self.offsets[None] for p in self.paths]
        stacked = np.concatenate(points, axis=1) if count else np.zeros((f, 0, 2))
        boxes = np.full((f, count, 4), np.nan, np.float32)
        for k in range(count):
            boxes[:, k] = [self.box(k, row) for row in range(f)]
        return TracksResult(
            self.frames,
            5.0,
            stacked.astype(np.float32),
            np.ones(stacked.shape[:2], np.bool_),
            np.repeat(np.arange(count, dtype=np.int32), 4),
            np.ones(stacked.shape[1], np.bool_),
            boxes,
            "test",
        )

    @property
    def masks(self) -> MasksResult:
        count = len(self.paths)
        packed = np.zeros((count, HEIGHT * WIDTH // 8), np.uint8)
        return MasksResult(2, HEIGHT, WIDTH, packed, np.zeros((count, 3), np.float32), "test")

    @property
    def lifting(self) -> LiftingResult:
        if self.depth is None:
            empty = np.zeros((0, 0, 3), np.float32)
            return LiftingResult(False, self.frames, empty, None, "none")
        tracks = self.tracks
        z = np.repeat(np.asarray(self.depth, np.float32), 4)
        xyz = np.dstack([tracks.points / 100, np.broadcast_to(z, tracks.visible.shape)])
        return LiftingResult(True, self.frames, xyz.astype(np.float32), None, "test")

    @property
    def robot(self) -> RobotResult:
        f = len(self.frames)
        reference = np.full((f, 2), np.nan) if self.gripper is None else self.gripper
        masks = np.zeros((f, HEIGHT, WIDTH), np.bool_)
        for row, box in enumerate(self.robot_boxes or ()):
            if box is not None:
                x0, y0, x1, y1 = (int(v) for v in box)
                masks[row, y0:y1, x0:x1] = True
        is_3d = self.depth is not None
        in_metres = np.column_stack([reference / 100, np.full(f, self.gripper_depth)])
        return RobotResult(
            self.frames,
            HEIGHT,
            WIDTH,
            np.packbits(masks.reshape(f, -1), axis=1),
            reference[:, None].astype(np.float32),
            np.isfinite(reference).all(axis=1)[:, None],
            reference.astype(np.float32),
            (in_metres[:, None] if is_3d else np.zeros((f, 0, 3))).astype(np.float32),
            (in_metres if is_3d else np.full((f, 3), np.nan)).astype(np.float32),
            np.full(f, self.scale, np.float32),
            is_3d,
            "test",
        )

    @property
    def demonstration(self) -> Demonstration:
        length = int(self.frames[-1]) + 1
        none = np.zeros((length, 0), np.float32)
        return Demonstration(
            EpisodeRef("dataset", 0), "x", FPS, length, "", "", (), np.arange(length) / FPS,
            none, (), none, (), (),
        )  # fmt: skip


def still(x: float, y: float, count: int = 6) -> np.ndarray:
    return np.tile(np.array([[x, y]], np.float64), (count, 1))


def moving(x: float, y: float, steps: Sequence[float]) -> np.ndarray:
    """Path that moves right by `steps` pixels per transition."""
    path = still(x, y, len(steps) + 1)
    path[1:, 0] += np.cumsum(steps)
    return path
