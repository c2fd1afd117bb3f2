"""Embedded robot finder: the robot is what moves while nothing is held. *(our choice throughout)*

1. Dense flow (DIS) between tracked frames at reduced size, and the difference to a background plate
   (median over the clip), say what moves; shadows (all channels darkened alike) do not count.
2. Before the first interaction only the robot moves. The colours of what moves then, weighted with
   the joint speed, against the colours of what rests, make a colour model of the robot.
3. A robot pixel differs from the plate or moves, has a robot colour, and is not covered by a
   candidate that rested during the approach or that has other colours; the same colours connected
   to such pixels join.
4. With two arms, places that move while the other arm is the faster one belong to the other.
5. The gripper is the end of the region: the pixels farthest, along the region, from where it leaves
   the picture. Per frame a fixed number of points spread over that end; the columns are not tracks
   (the paper found that gripper points cannot be followed consistently either).

Where a person clicked on the robot or painted it, `seeded_flow` grows the masks from that.
"""

from __future__ import annotations

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.robot.color_cells import smoothed
from pipeline.backends.robot.gripper_end import GRIPPER_POINTS, gripper_end
from pipeline.backends.robot.protocol import RobotRegion, RobotRequest
from pipeline.backends.robot.region import SMALLEST_SHARE, no_robot
from pipeline.backends.robot.seeded_flow import grow, grown_problem
from pipeline.backends.robot.working_clip import (
    WorkingClip,
    background_plate,
    differs_from,
    is_shadow,
    read_clip,
)
from pipeline.model.arrays import F32, U8, Bool
from pipeline.model.problem import Problem

REST = 0.3
"""Speed, as a share of the pace of what moves, under which a candidate rests."""
REST_SHARE = 0.4
UNLIKE = 0.35
"""Mean posterior under which a candidate does not look like the robot."""
EARLY_PATH = 0.4
"""Share of the joints' path in the approach in which the robot's colours are learnt best."""
LATE_WEIGHT = 0.1
JOINTS_MOVE = 0.15
"""Joint speed, as a share of fast, from which the arm moves."""
SURE_COLOR = 0.8
"""Posterior from which a pixel that looks like a shadow is robot all the same."""
ROBOT_COLOR = 0.55
"""Posterior from which a colour is the robot's."""
ISLAND = 0.3
"""A part that does not leave the picture must be this share of the robot's usual area."""
LARGEST_GAP = 8
"""Largest radius around a candidate's point that it covers, pixels at the working width."""
CAMERA_MOVES = 0.5
"""Share of the steps with a moving median flow from which the camera counts as moving."""


class ProprioceptionFlow:
    """Robot finder without a model; see the module's text."""

    name = "proprioception_flow"
    title = "Motion in step with the joints"
    licence = "Apache-2.0 (OpenCV)"

    def available(self) -> str | None:
        """Always available."""
        return None

    def find(self, request: RobotRequest, progress: Progress) -> RobotRegion:
        """Return masks and gripper points per frame; see `RobotRequest` for units."""
        count = len(request.frames)
        clip = read_clip(request, progress)
        height, width = clip.size
        problems: list[Problem] = []
        if len(request.speed) == 0:
            problems.append(
                Problem(
                    "no_proprioception",
                    "The episode has no joint signal of the active arm; the robot is found by "
                    "optical flow alone.",
                )
            )
        if (
            count >= 4
            and float((np.linalg.norm(clip.drift[1:], axis=1) > 1.0).mean()) > CAMERA_MOVES
        ):
            problems.append(
                Problem(
                    "camera_moves",
                    "Most of the picture moves in most frames: the camera may move, and motion "
                    "then says little about which object was handled.",
                )
            )
        masks = self._masks(request, clip, progress)
        if count and (request.clicks or request.painted):
            masks = grow(request, clip, masks, lambda _, what: progress(0.85, what))
            problems.append(grown_problem(request))
        masks = masks[request.lead :]
        count -= request.lead
        packed = np.zeros((count, (height * width + 7) // 8), np.uint8)
        points = np.full((count, GRIPPER_POINTS, 2), np.nan, np.float32)
        visible = np.zeros((count, GRIPPER_POINTS), np.bool_)
        scale = np.full(count, np.nan, np.float32)
        factor = width / clip.rgb.shape[2] if count else 1.0
        import cv2

        for i in range(count):
            progress(0.85 + 0.15 * i / count, "gripper")
            full = cv2.resize(
                masks[i].astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            )
            packed[i] = np.packbits(full.reshape(-1))
            end = gripper_end(masks[i])
            if end is not None:
                points[i] = (end.points + 0.5) * factor
                visible[i] = True
                scale[i] = end.scale * factor
        biggest = float(masks.mean(axis=(1, 2)).max()) if count else 0.0
        if biggest < SMALLEST_SHARE:
            problems.append(no_robot("Nothing that moves in the approach looks like the robot"))
        return RobotRegion(height, width, packed, points, visible, scale, tuple(problems))

    def _masks(self, request: RobotRequest, clip: WorkingClip, progress: Progress) -> Bool:
        """(F, h, w) bool robot masks at working size."""
        count = len(clip.rgb)
        shape = clip.rgb.shape[:3]
        if count < 2:
            return np.zeros(shape, np.bool_)
        plate = background_plate(clip.lab, progress)
        plate_rgb = background_plate(clip.rgb, progress)
        approach = request.approach if request.approach.any() else np.ones(count, np.bool_)
        progress(0.54, "robot against background")
        resting = _resting(request, clip, approach) if request.approach.any() else []
        differs, shadow = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for i in range(count):
            progress(0.55 + 0.1 * i / count, "robot against background")
            differs[i] = differs_from(clip.lab[i], plate)
            shadow[i] = is_shadow(clip.rgb[i], plate_rgb)
        covers = _covers(request, resting, clip, progress)
        model = _color_model(request, clip, differs & ~shadow, approach, covers, progress)
        progress(0.68, "robot colours")
        spared = sorted({*resting, *_unlike(request, clip, model)})
        covers = _covers(request, spared, clip, progress)
        other = _other_arm(request, clip, differs & ~shadow)
        progress(0.71, "robot colours")
        masks = np.zeros(shape, np.bool_)
        for i in range(count):
            progress(0.72 + 0.13 * i / count, "robot region")
            masks[i] = _region(
                clip.lab[i], clip.moving[i], differs[i], shadow[i], covers[i] | other, model
            )
        return _plausible(masks)


def _resting(request: RobotRequest, clip: WorkingClip, approach: Bool) -> list[int]:
    """Candidates that rest while the robot approaches.

    Only steps in which the joints move count. The robot keeps the pace of what moves in all of
    them; an object may be pushed in the last ones, so one that lags in `REST_SHARE` of them rests.
    """
    steps = approach[1:].copy()
    if len(request.speed):
        busy = request.speed[1:] > JOINTS_MOVE
        steps = steps & busy if (steps & busy).sum() >= 3 else steps
    rows = np.flatnonzero(steps)
    resting = []
    for k in range(request.boxes.shape[1]):
        own = np.flatnonzero(request.candidate == k)
        if len(own) == 0 or len(rows) == 0:
            continue
        both = request.visible[rows][:, own] & request.visible[rows + 1][:, own]
        steps_of = request.points[rows + 1][:, own] - request.points[rows][:, own]
        camera = -clip.drift[rows + 1][:, None] * (clip.size[1] / clip.rgb.shape[2])
        moved = np.linalg.norm(steps_of - camera, axis=2)
        pace = [
            float(np.median(m[v])) / max(float(clip.pace[row + 1]), 1.0)
            for m, v, row in zip(moved, both, rows, strict=True)
            if v.any()
        ]
        if pace and float(np.quantile(pace, REST_SHARE)) < REST:
            resting.append(k)
    return resting


def _unlike(request: RobotRequest, clip: WorkingClip, model: F32) -> list[int]:
    """Candidates that do not have the robot's colours: pushed along, they are still no robot."""
    factor = clip.rgb.shape[2] / clip.size[1]
    height, width = clip.rgb.shape[1:3]
    unlike = []
    for k in range(request.boxes.shape[1]):
        rows, own = np.nonzero(request.visible & (request.candidate == k)[None])
        places = request.points[rows, own] * factor
        x = np.clip(places[:, 0].astype(np.int64), 0, width - 1)
        y = np.clip(places[:, 1].astype(np.int64), 0, height - 1)
        if len(rows) == 0:
            continue
        cells = clip.lab[rows, y, x] >> 4
        if float(model[cells[:, 0], cells[:, 1], cells[:, 2]].mean()) < UNLIKE:
            unlike.append(k)
    return unlike


def _covers(
    request: RobotRequest, spared: list[int], clip: WorkingClip, progress: Progress
) -> list[Bool]:
    """`_cover` of every frame."""
    covers = []
    for i in range(len(clip.rgb)):
        progress(0.66, "robot colours")
        covers.append(_cover(request, i, spared, clip))
    return covers


def _cover(request: RobotRequest, row: int, resting: list[int], clip: WorkingClip) -> Bool:
    """Pixels covered by what rested in the approach: around its visible points, (h, w) bool."""
    import cv2

    height, width = clip.rgb.shape[1:3]
    cover = np.zeros((height, width), np.uint8)
    factor = width / clip.size[1]
    for k in resting:
        own = (request.candidate == k) & request.visible[row]
        points = request.points[row, own]
        points = points[np.isfinite(points).all(axis=1)] * factor
        if len(points) < 3:
            continue
        gap = _gap(points)
        one = np.zeros_like(cover)
        for x, y in points:
            cv2.circle(one, (round(float(x)), round(float(y))), gap, 1, -1)
        cover |= one
    return cover > 0


def _gap(points: F32) -> int:
    """Radius in pixels that closes the gaps between neighbouring points (n, 2)."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return int(np.clip(1.2 * np.median(apart.min(axis=1)), 2, LARGEST_GAP))


def _color_model(
    request: RobotRequest,
    clip: WorkingClip,
    differs: Bool,
    approach: Bool,
    covers: list[Bool],
    progress: Progress,
) -> F32:
    """Posterior of being robot per colour cell, (16, 16, 16) float32."""
    import cv2

    robot, rest = np.zeros((16, 16, 16)), np.zeros((16, 16, 16))
    weight = np.ones(len(clip.rgb))
    if len(request.speed):
        own, rival = request.speed, request.other_speed
        weight = 0.1 + own * own / np.maximum(own + rival, 1e-3)
        path = np.cumsum(np.where(approach, own, 0.0))
        weight = np.where(path <= EARLY_PATH * path[-1], weight, LATE_WEIGHT * weight)
    for i in np.flatnonzero(approach):
        progress(0.66, "robot colours")
        cells = (clip.lab[i] >> 4).reshape(-1, 3)
        sure = (clip.moving[i] & differs[i] & ~covers[i]).reshape(-1)
        still = ~(
            cv2.dilate((clip.moving[i] | differs[i]).astype(np.uint8), np.ones((7, 7), np.uint8))
            > 0
        ).reshape(-1)
        np.add.at(robot, tuple(cells[sure].T), weight[i])
        np.add.at(rest, tuple(cells[still].T), 1.0)
    likely = smoothed(robot / max(robot.sum(), 1e-9))
    unlikely = smoothed(rest / max(rest.sum(), 1e-9))
    return np.asarray(likely / np.maximum(likely + unlikely, 1e-7), dtype=np.float32)


def _other_arm(request: RobotRequest, clip: WorkingClip, differs: Bool) -> Bool:
    """Places that belong to another arm: what moves there moves with the other's joints."""
    import cv2

    shape = clip.rgb.shape[1:3]
    if len(request.speed) == 0 or not (request.other_speed > 0.05).any():
        return np.zeros(shape, np.bool_)
    total = request.speed + request.other_speed
    own = np.where(total > 0.05, request.speed / np.maximum(total, 1e-6), 0.0)
    rival = np.where(total > 0.05, request.other_speed / np.maximum(total, 1e-6), 0.0)
    moved = (clip.moving & differs).astype(np.float32)
    mine = np.tensordot(own.astype(np.float32) ** 2, moved, axes=1)
    theirs = np.tensordot(rival.astype(np.float32) ** 2, moved, axes=1)
    soft_mine = cv2.GaussianBlur(mine, (0, 0), shape[1] / 40)
    soft_theirs = cv2.GaussianBlur(theirs, (0, 0), shape[1] / 40)
    return np.asarray(soft_theirs > 1.2 * soft_mine + 1e-4, dtype=np.bool_)


def _region(lab: U8, moving: Bool, differs: Bool, shadow: Bool, cover: Bool, model: F32) -> Bool:
    """Robot mask (h, w) of one frame; `cover` is what is taken by others."""
    import cv2

    cells = lab >> 4
    posterior = cv2.blur(model[cells[..., 0], cells[..., 1], cells[..., 2]], (5, 5))
    free = ~cover & ~(shadow & (posterior < SURE_COLOR))
    seeds = (differs & (posterior > 0.5 * ROBOT_COLOR)) | (moving & (posterior > ROBOT_COLOR))
    seeds &= free
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    seeds8 = cv2.morphologyEx(seeds.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    around = cv2.dilate(seeds8, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13))) > 0
    grown = (seeds8 > 0) | ((posterior > ROBOT_COLOR) & around & free)
    region = cv2.morphologyEx(grown.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=8)
    if count < 2:
        return np.zeros(lab.shape[:2], np.bool_)
    areas = stats[1:, cv2.CC_STAT_AREA]
    seeded = np.bincount(labels[seeds8 > 0], minlength=count)[1:]
    keep = (areas >= max(0.12 * areas.max(), 0.0004 * labels.size)) & (seeded > 0.2 * areas)
    return np.asarray(np.isin(labels, 1 + np.flatnonzero(keep)) & ~cover)


def _plausible(masks: Bool) -> Bool:
    """Drop small islands: an arm reaches into the picture, or it is large. (F, h, w) bool."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    usual = float(np.percentile(masks.sum(axis=(1, 2)), 90))
    kept = np.zeros_like(masks)
    for i, mask in enumerate(masks):
        joined = cv2.dilate(mask.astype(np.uint8), kernel)
        count, labels = cv2.connectedComponents(joined, connectivity=8)
        inside = np.where(mask, labels, 0)
        areas = np.bincount(inside.ravel(), minlength=count)
        rim = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
        leaves = np.bincount(rim, minlength=count) > 0
        fine = (areas >= ISLAND * usual) | (leaves & (areas >= 0.1 * ISLAND * usual))
        fine[0] = False
        kept[i] = fine[inside]
    return kept
