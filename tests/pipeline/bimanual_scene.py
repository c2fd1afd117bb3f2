"""The rendered scene with a second arm that moves at other times; both arms look alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from pipeline.model.candidate import Proposal, ProposalsResult, TracksResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.geometry import LiftingResult, RobotResult
from tests.pipeline.rendered_scene import FPS, HEIGHT, KEY, WIDTH, Scene, _ease

ARM, FINGER = (70, 72, 78), (40, 40, 45)
BASES = {"left": (-30, 235), "right": (190, -40)}


@dataclass
class Bimanual(Scene):
    """The right arm does the work; the left one waves while the right one rests."""

    def tip(self, arm: str, frame: int) -> tuple[float, float]:
        """Tip of an arm's gripper."""
        if arm == "right":
            return self.hand(frame)
        return (
            70 + 20 * np.sin(frame / 2.5) * _ease(0, 1, (frame - 26) / 6),
            215 - 12 * _ease(0, 1, (frame - 28) / 8),
        )

    def hand(self, frame: int) -> tuple[float, float]:
        """The right arm approaches, holds still while the left one waves, and goes back."""
        if frame < 20:
            return (_ease(200, 170, frame / 18), _ease(10, 110, frame / 18))
        if frame < 44:
            return (170.0, 110.0)
        return (_ease(170, 210, (frame - 44) / 16), _ease(110, 20, (frame - 44) / 16))

    def object(self, frame: int) -> tuple[float, float]:
        """It stays."""
        return (250.0, 200.0)

    def frame(self, camera: str, index: int) -> Any:
        """RGB picture."""
        self.reads.append(index)
        rng = np.random.default_rng(7)
        image = np.full((HEIGHT, WIDTH, 3), (185, 150, 110), np.float64)
        image += cv2.GaussianBlur(rng.normal(0, 40, (HEIGHT, WIDTH)), (0, 0), 2)[..., None]
        for arm in BASES:
            for part, color in (("arm", ARM), ("gripper", FINGER)):
                image[self.part(arm, part, index)] = color
        noise = np.random.default_rng(index).normal(0, 1.5, image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)

    def part(self, arm: str, part: str, frame: int) -> Any:
        """True mask (H, W) bool of `arm`, `gripper` or `whole`."""
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        x, y = (int(v) for v in self.tip(arm, frame))
        if part in ("arm", "whole"):
            cv2.line(mask, BASES[arm], (x, y), 1, 26)
        if part in ("gripper", "whole"):
            cv2.circle(mask, (x, y), 12, 1, -1)
        return mask > 0

    def boxes(self, frame: int) -> tuple[Proposal, ...]:
        """True boxes of both arms and grippers."""
        found = []
        for arm, score in (("left", 0.8), ("right", 0.6)):
            for part, label in (("whole", "robot arm"), ("gripper", "robot gripper")):
                rows, columns = np.nonzero(self.part(arm, part, frame))
                box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                values = tuple(float(v) for v in box)
                found.append(Proposal(len(found), values, frame, score, label, "phrase"))  # type: ignore[arg-type]
        return tuple(found)

    @property
    def demonstration(self) -> Demonstration:
        """Two joints an arm, which follow its tip, and two grippers."""
        tips = [[self.tip(arm, i) for i in range(self.length)] for arm in ("left", "right")]
        joints = np.concatenate([np.array(t, np.float32) / 100 for t in tips], axis=1)
        state = np.column_stack([joints, np.ones((self.length, 2), np.float32)])
        names = tuple(f"{arm}_joint{i}.pos" for arm in ("left", "right") for i in (1, 2))
        names += ("left_gripper.pos", "right_gripper.pos")
        state = state.astype(np.float32)
        return replace(
            super().demonstration, state=state, state_names=names, action=state, action_names=names
        )

    def results(self, arm: str, boxes: tuple[Proposal, ...] = (), step: int = 3) -> dict[str, Any]:
        """Results of the stages before the robot's: no candidates, no geometry."""
        frames = np.arange(0, self.length, step, dtype=np.int32)
        empty = np.zeros((len(frames), 0))
        return {
            "subtasks": self.subtasks(arm=arm),
            "proposals": ProposalsResult(KEY, 12, (), (), "test", robot=boxes),
            "tracks": TracksResult(
                frames=frames,
                fps=FPS / step,
                points=np.zeros((len(frames), 0, 2), np.float32),
                visible=empty.astype(np.bool_),
                candidate=np.zeros(0, np.int32),
                kept=np.zeros(0, np.bool_),
                boxes=np.zeros((len(frames), 0, 4), np.float32),
                backend="test",
            ),
            "lifting": LiftingResult(False, frames, np.zeros((0, 0, 3), np.float32), None, "none"),
        }


def iou(one: Any, other: Any) -> float:
    """Intersection over union of two masks; 1 if both are empty."""
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 1.0


def mean_iou(scene: Bimanual, robot: RobotResult, arm: str) -> float:
    """Mean over the frames, against the true mask of an arm."""
    masks = [(robot.mask(row), int(frame)) for row, frame in enumerate(robot.frames)]
    return float(np.mean([iou(mask, scene.part(arm, "whole", frame)) for mask, frame in masks]))
