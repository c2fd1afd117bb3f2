"""What a robot finder is asked, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pipeline.backends.backend import Backend, FrameAt, Progress
from pipeline.model.arrays import F32, I32, U8, Bool
from pipeline.model.candidate import Proposal
from pipeline.model.problem import Problem

ARM_PHRASE, GRIPPER_PHRASE = "robot arm", "robot gripper"
"""Labels of detections of the robot."""
RIVAL_MOVES = 0.05
"""Joint speed of another arm, as a share of fast, from which it counts as moving (our choice)."""


@dataclass(frozen=True, slots=True)
class RobotClick:
    """A person pointed at the robot, or at what is not the robot.

    Attributes:
        frame: Frame of the episode.
        x: Pixels of that frame.
        y: Pixels of that frame.
        inside: True on the active arm.
    """

    frame: int
    x: float
    y: float
    inside: bool


@dataclass(frozen=True, slots=True)
class PaintedRobot:
    """A mask that a person painted or imported.

    Attributes:
        frame: Frame of the episode.
        mask: (H, W) bool.
    """

    frame: int
    mask: Bool


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
        arm: Name of the active arm: `left`, `right`, `arm` or a name given by a person.
        detections: Boxes of the phrases `robot arm` and `robot gripper`, if a detector named any.
        clicks: What a person pointed at; frames anywhere in the clip.
        painted: Masks by a person, to grow the others from; frames anywhere in the clip.
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
    arm: str = "arm"
    detections: tuple[Proposal, ...] = ()
    clicks: tuple[RobotClick, ...] = ()
    painted: tuple[PaintedRobot, ...] = ()

    @property
    def tracked(self) -> I32:
        """The frames to report: those after the lead."""
        return self.frames[self.lead :]

    @property
    def has_rival(self) -> bool:
        """True if another arm moves too."""
        return bool((self.other_speed > RIVAL_MOVES).any())


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
