"""From masks of the robot to the region that a finder returns. *(our choice)*"""

from __future__ import annotations

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.robot.gripper_end import (
    GRIPPER_POINTS,
    GripperEnd,
    gripper_end,
    gripper_part,
)
from pipeline.backends.robot.protocol import RobotRegion
from pipeline.backends.robot.working_clip import WORKING_WIDTH
from pipeline.model.arrays import U8, Bool, unpack_masks
from pipeline.model.problem import Problem

SMALLEST_SHARE = 0.0015
"""A robot smaller than this share of the picture in all frames is no finding."""
SMALLEST_GRIPPER = 12
"""Pixels, at the working width, under which a gripper's mask says nothing."""


def no_robot(why: str) -> Problem:
    """The problem of a clip without a robot.

    Args:
        why: What was looked for, as the beginning of a sentence.
    """
    return Problem("no_robot", f"{why}; proximity and overlap with the robot are unknown.")


def region_of(
    packed: U8,
    grippers: U8 | None,
    height: int,
    width: int,
    progress: Progress,
    problems: tuple[Problem, ...] = (),
) -> RobotRegion:
    """Find the gripper's points in every mask.

    Args:
        packed: (F, ceil(H*W/8)) uint8, masks of the active arm with its gripper.
        grippers: The same for the gripper alone, or None; where one is empty, the end of the
            arm's mask counts.
        height: H.
        width: W.
        progress: Called per frame with a share of this step.
        problems: Findings so far.
    """
    count = len(packed)
    points = np.full((count, GRIPPER_POINTS, 2), np.nan, np.float32)
    visible = np.zeros((count, GRIPPER_POINTS), np.bool_)
    scale = np.full(count, np.nan, np.float32)
    biggest = 0.0
    for i in range(count):
        progress(i / count, "gripper")
        mask = unpack_masks(packed[i : i + 1], height, width)[0]
        biggest = max(biggest, float(mask.mean()))
        gripper = None
        if grippers is not None:
            gripper = unpack_masks(grippers[i : i + 1], height, width)[0]
        end, factor = find_gripper(mask, gripper)
        if end is not None:
            points[i] = (end.points + 0.5) * factor
            visible[i] = True
            scale[i] = end.scale * factor
    if biggest < SMALLEST_SHARE and not any(p.code == "no_robot" for p in problems):
        problems = (*problems, no_robot("The mask of the robot is empty in all frames"))
    return RobotRegion(height, width, packed, points, visible, scale, problems)


def find_gripper(mask: Bool, gripper: Bool | None) -> tuple[GripperEnd | None, float]:
    """The gripper in one frame, at working size, and how many pixels one of its pixels is.

    Args:
        mask: (H, W) bool, the arm with its gripper.
        gripper: (H, W) bool, the gripper alone, or None.
    """
    import cv2

    height, width = mask.shape
    share = min(1.0, WORKING_WIDTH / width)
    size = (max(8, round(width * share)), max(8, round(height * share)))

    def small(whole: Bool) -> Bool:
        scaled = cv2.resize(whole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(scaled > 0)

    end = None
    if gripper is not None:
        part = small(gripper)
        if np.count_nonzero(part) >= SMALLEST_GRIPPER:
            end = gripper_part(part)
    if end is None:
        end = gripper_end(small(mask))
    return end, width / size[0]
