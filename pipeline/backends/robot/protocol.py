"""What a robot finder is asked, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pipeline.backends.backend import Backend, FrameAt, Progress
from pipeline.model.arrays import F32, I32, U8, Bool
from pipeline.model.problem import Problem


@dataclass(frozen=True, slots=True)
class RobotRequest:
    """What a robot finder is asked.

    Attributes:
        frame_at: Gives frames of the episode.
        frames: (F,) int32 ascending. The first `lead` of them come before the clip: they are only
            learnt from, nothing is tracked in them and nothing is reported for them.
        lead: Number of those frames.
        approach: (F,) bool, before the first interaction: only the robot moves.
        interaction: (F,) bool, something may be held.
        speed: (F,) float32, joint speed of the active arm around each frame, 0..1 of its 95th
            percentile; empty if there is no proprioception.
        other_speed: (F,) float32, the same for the other arms; zeros for a single arm, empty if
            there is no proprioception.
        grip_speed: (F,) float32, speed of the active gripper, 0..1; may be empty.
        points: (F, N, 2) float32, tracks of the candidates.
        visible: (F, N) bool.
        candidate: (N,) int32.
        boxes: (F, K, 4) float32, boxes of the candidates carried along, NaN where lost.
    """

    frame_at: FrameAt
    frames: I32
    lead: int
    approach: Bool
    interaction: Bool
    speed: F32
    other_speed: F32
    grip_speed: F32
    points: F32
    visible: Bool
    candidate: I32
    boxes: F32


@dataclass(frozen=True, slots=True)
class RobotRegion:
    """What a robot finder returns; F counts the frames after the lead.

    Attributes:
        height: Pixels.
        width: Pixels.
        packed: (F, ceil(H*W/8)) uint8, robot masks, only of the active arm.
        points: (F, G, 2) float32, points on the gripper; a column is not one physical point.
        visible: (F, G) bool.
        scale: (F,) float32, local gripper scale in pixels, NaN where unknown.
        problems: Findings.
    """

    height: int
    width: int
    packed: U8
    points: F32
    visible: Bool
    scale: F32
    problems: tuple[Problem, ...] = ()


class RobotFinder(Backend, Protocol):
    """Finds the active arm and its gripper in the picture."""

    def find(self, request: RobotRequest, progress: Progress) -> RobotRegion:
        """Return masks and gripper points per frame."""
        ...
