"""Where a robot's region ends: the gripper. *(our choice)*"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, Bool

GRIPPER_POINTS = 24
END_LENGTH = 0.12
"""Length of the gripper as a share of the picture's width."""


@dataclass(frozen=True, slots=True)
class GripperEnd:
    """The gripper in one frame, in pixels of the mask.

    Attributes:
        points: (GRIPPER_POINTS, 2) float32, x and y, spread over the end.
        scale: Mean distance of its pixels to the outline, about a quarter of its width.
    """

    points: F32
    scale: float


def gripper_end(mask: Bool) -> GripperEnd | None:
    """Find the end of a robot mask (h, w) that points into the picture; None if it is empty.

    The end is what lies farthest, along the region, from where the region leaves the picture.
    Regions that nowhere leave it are measured from their pixel nearest to the border.
    """
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    if count < 2:
        return None
    body = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    steps = geodesic(body)
    farthest = float(steps[body].max())
    length = min(END_LENGTH * mask.shape[1], 0.5 * farthest + 2.0)
    end = body & (steps >= farthest - length)
    depth = cv2.distanceTransform(end.astype(np.uint8), cv2.DIST_L2, 3)
    rows, columns = np.nonzero(end)
    spots = np.stack([columns, rows], axis=1).astype(np.float32)
    return GripperEnd(spread(spots, steps[end]), max(1.0, float(depth[end].mean())))


def gripper_part(mask: Bool) -> GripperEnd | None:
    """The same for a mask (h, w) of the gripper itself; None if it is empty.

    The points include the one nearest to the picture's centre, which is the paper's reference.
    """
    import cv2

    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return None
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    spots = np.stack([columns, rows], axis=1).astype(np.float32)
    centre = np.array([mask.shape[1] / 2, mask.shape[0] / 2], np.float32)
    nearness = -np.linalg.norm(spots - centre, axis=1).astype(np.float32)
    return GripperEnd(spread(spots, nearness), max(1.0, float(depth[rows, columns].mean())))


def geodesic(body: Bool) -> F32:
    """Steps along a region (h, w) from the picture's border; 0 outside of the region."""
    import cv2

    height, width = body.shape
    seeds = np.zeros_like(body)
    seeds[0], seeds[-1], seeds[:, 0], seeds[:, -1] = body[0], body[-1], body[:, 0], body[:, -1]
    if not seeds.any():
        rows, columns = np.nonzero(body)
        to_border = np.minimum.reduce([rows, height - 1 - rows, columns, width - 1 - columns])
        nearest = int(to_border.argmin())
        seeds[rows[nearest], columns[nearest]] = True
    steps = np.zeros(body.shape, np.float32)
    reached = seeds.astype(np.uint8)
    inside = body.astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    square = np.ones((3, 3), np.uint8)
    for step in range(1, height + width):
        grown = np.asarray(cv2.dilate(reached, cross if step % 2 else square), np.uint8) & inside
        fresh = (grown > 0) & (reached == 0)
        if not fresh.any():
            break
        steps[fresh] = step
        reached = grown
    return steps


def spread(spots: F32, steps: F32) -> F32:
    """Farthest-point sample of pixels (n, 2), starting with the one of most `steps` (n,)."""
    chosen = [int(steps.argmax())]
    apart = np.linalg.norm(spots - spots[chosen[0]], axis=1)
    for _ in range(GRIPPER_POINTS - 1):
        best = int(apart.argmax())
        chosen.append(best)
        apart = np.minimum(apart, np.linalg.norm(spots - spots[best], axis=1))
    return spots[chosen]
