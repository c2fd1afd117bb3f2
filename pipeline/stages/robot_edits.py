"""What a person says about the robot: clicks and painted masks, checked and put in place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.backends.robot.protocol import PaintedRobot, RobotClick, RobotRegion
from pipeline.backends.robot.region import find_gripper
from pipeline.model.arrays import I32
from pipeline.model.edits import Edit, MarkRobot, PaintRobot
from pipeline.model.mask_runs import mask_of
from pipeline.model.problem import Problem, Severity


def clicks_in(
    edits: tuple[Edit, ...], frames: I32, size: tuple[int, int]
) -> tuple[tuple[RobotClick, ...], tuple[Problem, ...]]:
    """Collect clicks, by frame and place; order of the edits does not matter.

    Args:
        edits: In force for this stage.
        frames: (F,) int32, frames that are looked at.
        size: Width and height of the pictures.
    """
    clicks, problems = [], []
    for edit in edits:
        if not isinstance(edit, MarkRobot):
            continue
        x, y = edit.point
        if not (0 <= x < size[0] and 0 <= y < size[1]):
            problems.append(_ignored(edit.frame, "A click on the robot lies outside the picture"))
        elif not _within(edit.frame, frames):
            problems.append(_ignored(edit.frame, "A click on the robot is not in this subtask"))
        else:
            clicks.append(RobotClick(edit.frame, x, y, edit.inside))
    clicks.sort(key=lambda c: (c.frame, c.x, c.y))
    return tuple(clicks), tuple(problems)


def painted_in(
    edits: tuple[Edit, ...], frames: I32, size: tuple[int, int]
) -> tuple[tuple[PaintedRobot, ...], tuple[Problem, ...]]:
    """Collect painted masks, by frame; arguments as for `clicks_in`."""
    painted: dict[int, PaintedRobot] = {}
    problems = []
    for edit in edits:
        if not isinstance(edit, PaintRobot):
            continue
        if (edit.width, edit.height) != size:
            what = f"A robot mask of {edit.width}x{edit.height} pixels is not of this camera"
            problems.append(_ignored(edit.frame, f"{what} ({size[0]}x{size[1]})"))
        elif not _within(edit.frame, frames):
            problems.append(_ignored(edit.frame, "A painted robot mask is not in this subtask"))
        else:
            mask = mask_of(edit.runs, edit.height, edit.width)
            painted[edit.frame] = PaintedRobot(edit.frame, mask)
    return tuple(painted[frame] for frame in sorted(painted)), tuple(problems)


def with_painted(
    region: RobotRegion, painted: tuple[PaintedRobot, ...], frames: I32
) -> tuple[RobotRegion, tuple[Problem, ...]]:
    """Put painted masks in the place of what a backend found, exactly.

    A mask of a frame between two tracked ones counts for the nearer of them, unless a mask was
    painted on that one itself.

    Args:
        region: Of the backend.
        painted: By frame.
        frames: (F,) int32, tracked frames, the rows of the region.
    """
    if not painted or not len(frames):
        return region, ()
    packed, points = region.packed.copy(), region.points.copy()
    visible, scale = region.visible.copy(), region.scale.copy()
    problems = []
    tracked = {int(frame) for frame in frames}
    for one in sorted(painted, key=lambda p: p.frame in tracked):
        row = int(np.abs(frames - one.frame).argmin())
        if one.frame < frames[0] or one.frame > frames[-1]:
            continue
        if one.frame not in tracked:
            problems.append(
                Problem(
                    "painted_between",
                    f"Frame {one.frame} is not tracked; the robot mask painted on it counts for "
                    f"frame {int(frames[row])}.",
                    Severity.INFO,
                    one.frame,
                )
            )
        packed[row] = np.packbits(one.mask.reshape(-1))
        end, factor = find_gripper(one.mask, None)
        points[row], visible[row], scale[row] = np.nan, False, np.nan
        if end is not None:
            points[row], visible[row] = (end.points + 0.5) * factor, True
            scale[row] = end.scale * factor
    kept = region.problems
    if packed.any():
        kept = tuple(p for p in kept if p.code != "no_robot")
    changed = replace(
        region, packed=packed, points=points, visible=visible, scale=scale, problems=kept
    )
    return changed, tuple(problems)


def _within(frame: int, frames: I32) -> bool:
    """Whether a frame lies between the first and the last one that is looked at."""
    return bool(len(frames)) and int(frames[0]) <= frame <= int(frames[-1])


def _ignored(frame: int, what: str) -> Problem:
    return Problem("edit_not_applicable", f"{what} (frame {frame}); it was left out.", frame=frame)
