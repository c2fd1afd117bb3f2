"""Embedded robot finder: the robot is what moves while nothing is held. *(our choice throughout)*

1. Dense flow (DIS) between tracked frames at reduced size, and the difference to a background plate
   (median over the clip), say what moves; shadows (all channels darkened alike) do not count.
2. Before the first interaction only the robot moves. The colours of what moves then, weighted with
   the joint speed, against the colours of what rests, make a colour model of the robot.
3. A robot pixel differs from the plate or moves, has a robot colour, and is not covered by a
   candidate that rested during the approach; the same colours connected to such pixels join.
4. With two arms, places that move while the other arm is the faster one belong to the other.
5. The gripper is the end of the region: the pixels farthest, along the region, from where it leaves
   the picture. Per frame a fixed number of points spread over that end; the columns are not tracks
   (the paper found that gripper points cannot be followed consistently either).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.backends.capability import Progress, RobotRegion, RobotRequest
from pipeline.backends.robot.gripper_end import GRIPPER_POINTS, gripper_end
from pipeline.model.arrays import F32, U8, Bool
from pipeline.model.problem import Problem

WORKING_WIDTH = 320
MOVING = 0.7
"""Pixels per tracked step, at the working width, from which a pixel moves."""
DIFFERS = 12.0
"""CIELAB difference (lightness times 0.6) from which a pixel is not the background plate."""
SMALLEST_SHARE = 0.0015
"""A robot smaller than this share of the picture in all approach frames is no finding."""
REST = 0.5
"""Pixels per tracked step under which a candidate rests."""
REST_SHARE = 0.4
JOINTS_MOVE = 0.15
"""Joint speed, as a share of fast, from which the arm moves."""
SURE_COLOR = 0.8
"""Posterior from which a pixel that looks like a shadow is robot all the same."""
ROBOT_COLOR = 0.55
"""Posterior from which a colour is the robot's."""
PLATE_FRAMES = 60
LARGEST_GAP = 8
"""Largest radius around a candidate's point that it covers, pixels at the working width."""
CAMERA_MOVES = 0.5
"""Share of the steps with a moving median flow from which the camera counts as moving."""


@dataclass
class _Clip:
    """The clip at working size.

    Attributes:
        rgb: (F, h, w, 3) uint8.
        lab: (F, h, w, 3) uint8, OpenCV's 8-bit CIELAB.
        moving: (F, h, w) bool.
        drift: (F,) float32, median flow of the whole picture in pixels.
        size: Height and width of the original.
    """

    rgb: U8
    lab: U8
    moving: Bool
    drift: F32
    size: tuple[int, int]


class ProprioceptionFlow:
    """Robot finder without a model; see the module's text."""

    name = "proprioception_flow"
    licence = "Apache-2.0 (OpenCV)"

    def available(self) -> str | None:
        """Always available."""
        return None

    def find(self, request: RobotRequest, progress: Progress) -> RobotRegion:
        """Return masks and gripper points per frame; see `RobotRequest` for units."""
        count = len(request.frames)
        clip = _read(request, progress)
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
        if count >= 4 and float((clip.drift[1:] > 1.0).mean()) > CAMERA_MOVES:
            problems.append(
                Problem(
                    "camera_moves",
                    "Most of the picture moves in most frames: the camera may move, and motion then "
                    "says little about which object was handled.",
                )
            )
        masks = self._masks(request, clip, progress)
        packed = np.zeros((count, (height * width + 7) // 8), np.uint8)
        points = np.full((count, GRIPPER_POINTS, 2), np.nan, np.float32)
        visible = np.zeros((count, GRIPPER_POINTS), np.bool_)
        scale = np.full(count, np.nan, np.float32)
        factor = width / clip.rgb.shape[2] if count else 1.0
        import cv2

        for i in range(count):
            progress(0.85 + 0.15 * i / count, "gripper")
            full = cv2.resize(masks[i].astype(np.uint8), (width, height),
                              interpolation=cv2.INTER_NEAREST)
            packed[i] = np.packbits(full.reshape(-1))
            end = gripper_end(masks[i])
            if end is not None:
                points[i] = (end.points + 0.5) * factor
                visible[i] = True
                scale[i] = end.scale * factor
        biggest = float(masks.mean(axis=(1, 2)).max()) if count else 0.0
        if biggest < SMALLEST_SHARE:
            problems.append(
                Problem(
                    "no_robot",
                    "Nothing that moves in the approach looks like the robot; proximity and "
                    "overlap with the robot are unknown.",
                )
            )
        return RobotRegion(height, width, packed, points, visible, scale, tuple(problems))

    def _masks(self, request: RobotRequest, clip: _Clip, progress: Progress) -> Bool:
        """(F, h, w) bool robot masks at working size."""
        count = len(clip.rgb)
        shape = clip.rgb.shape[:3]
        if count < 2:
            return np.zeros(shape, np.bool_)
        plate = _plate(clip.lab, progress)
        plate_rgb = _plate(clip.rgb, progress)
        approach = request.approach if request.approach.any() else np.ones(count, np.bool_)
        resting = _resting(request, approach) if request.approach.any() else []
        differs, shadow = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for i in range(count):
            progress(0.55 + 0.1 * i / count, "robot against background")
            differs[i] = _differs(clip.lab[i], plate)
            shadow[i] = _shadow(clip.rgb[i], plate_rgb)
        covers = [_cover(request, i, resting, clip) for i in range(count)]
        model = _color_model(request, clip, differs & ~shadow, approach, covers, progress)
        other = _other_arm(request, clip, differs & ~shadow)
        masks = np.zeros(shape, np.bool_)
        for i in range(count):
            progress(0.72 + 0.13 * i / count, "robot region")
            masks[i] = _region(
                clip.lab[i], clip.moving[i], differs[i], shadow[i], covers[i] | other, model
            )
        return masks


def _read(request: RobotRequest, progress: Progress) -> _Clip:
    import cv2

    count = len(request.frames)
    if count == 0:
        empty = np.zeros((0, 1, 1, 3), np.uint8)
        return _Clip(empty, empty, np.zeros((0, 1, 1), np.bool_), np.zeros(0, np.float32), (1, 1))
    flow_of = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    rgb: list[U8] = []
    gray: list[U8] = []
    moving: list[Bool] = []
    drift = np.zeros(count, np.float32)
    size = (1, 1)
    for i, frame in enumerate(request.frames):
        progress(0.5 * i / count, "robot motion")
        full = request.frame_at(int(frame))
        size = (full.shape[0], full.shape[1])
        share = min(1.0, WORKING_WIDTH / size[1])
        small = cv2.resize(
            full, (max(8, round(size[1] * share)), max(8, round(size[0] * share))),
            interpolation=cv2.INTER_AREA,
        )
        rgb.append(np.asarray(small, dtype=np.uint8))
        gray.append(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8))
        moving.append(np.zeros(small.shape[:2], np.bool_))
        if i:
            flow = flow_of.calc(gray[i], gray[i - 1], None)  # type: ignore[call-overload]
            speed = np.hypot(flow[..., 0], flow[..., 1])
            drift[i] = float(np.median(speed))
            changed = cv2.absdiff(cv2.blur(gray[i], (3, 3)), cv2.blur(gray[i - 1], (3, 3))) > 4
            thick = cv2.dilate(changed.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            moving[i] = (speed > MOVING) & thick
    if count > 1:
        moving[0] = moving[1].copy()
    stack = np.stack(rgb)
    lab = np.stack([cv2.cvtColor(cv2.blur(f, (3, 3)), cv2.COLOR_RGB2LAB) for f in rgb])
    return _Clip(stack, lab, np.stack(moving), drift, size)


def _plate(pictures: U8, progress: Progress) -> U8:
    """Median over (at most `PLATE_FRAMES` of) the pictures (F, h, w, 3)."""
    pick = np.unique(np.linspace(0, len(pictures) - 1, PLATE_FRAMES).astype(np.int64))
    chosen = pictures[pick]
    rows = []
    for y in range(0, chosen.shape[1], 24):
        progress(0.52, "background plate")
        rows.append(np.partition(chosen[:, y : y + 24], len(pick) // 2, axis=0)[len(pick) // 2])
    return np.concatenate(rows)


def _differs(lab: U8, plate: U8) -> Bool:
    apart = lab.astype(np.float32) - plate.astype(np.float32)
    apart[..., 0] *= 0.6 * 100.0 / 255.0
    return np.asarray(np.einsum("...c,...c->...", apart, apart) > DIFFERS**2, dtype=np.bool_)


def _shadow(rgb: U8, plate: U8) -> Bool:
    """Pixels that are the plate, darkened alike in all channels."""
    ratio = (rgb.astype(np.float32) + 4.0) / (plate.astype(np.float32) + 4.0)
    low, high = ratio.min(axis=-1), ratio.max(axis=-1)
    return np.asarray((low > 0.3) & (high < 0.97) & (high - low < 0.1 + 0.05 * high))


def _resting(request: RobotRequest, approach: Bool) -> list[int]:
    """Candidates that rest while the robot approaches.

    Only steps in which the joints move count; a candidate may be pushed in the last of them, so
    one that rests in `REST_SHARE` of them rests.
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
        moved = np.linalg.norm(
            request.points[rows + 1][:, own] - request.points[rows][:, own], axis=2
        )
        typical = [float(np.median(m[v])) for m, v in zip(moved, both, strict=True) if v.any()]
        if typical and float(np.quantile(typical, REST_SHARE)) < REST:
            resting.append(k)
    return resting


def _cover(request: RobotRequest, row: int, resting: list[int], clip: _Clip) -> Bool:
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
    clip: _Clip,
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
    for i in np.flatnonzero(approach):
        progress(0.66, "robot colours")
        cells = (clip.lab[i] >> 4).reshape(-1, 3)
        sure = (clip.moving[i] & differs[i] & ~covers[i]).reshape(-1)
        still = ~(
            cv2.dilate((clip.moving[i] | differs[i]).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        ).reshape(-1)
        np.add.at(robot, tuple(cells[sure].T), weight[i])
        np.add.at(rest, tuple(cells[still].T), 1.0)
    robot = _smoothed(robot / max(robot.sum(), 1e-9))
    rest = _smoothed(rest / max(rest.sum(), 1e-9))
    return (robot / np.maximum(robot + rest, 1e-7)).astype(np.float32)


def _smoothed(cells: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> F32:
    """Smooth a colour histogram (16, 16, 16) with 1-2-1 along each axis."""
    from scipy.ndimage import convolve1d

    for axis in range(3):
        cells = convolve1d(cells, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    return np.asarray(cells, dtype=np.float32)


def _other_arm(request: RobotRequest, clip: _Clip, differs: Bool) -> Bool:
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
    mine, theirs = (cv2.GaussianBlur(m, (0, 0), shape[1] / 40) for m in (mine, theirs))
    return np.asarray(theirs > 1.2 * mine + 1e-4, dtype=np.bool_)


def _region(
    lab: U8, moving: Bool, differs: Bool, shadow: Bool, cover: Bool, model: F32
) -> Bool:
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
