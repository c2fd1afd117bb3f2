"""One mask of the whole robot taken apart into its arms. *(our choice)*

Arms are the connected parts of the frame in which there are the most large ones. From there each
is followed: a pixel of the next frame's mask belongs to the arm that it is nearest to in the frame
before. So arms that touch for a while stay apart.
"""

from __future__ import annotations

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.robot.working_clip import WORKING_WIDTH
from pipeline.model.arrays import U8, Bool, unpack_masks

LARGE = 0.2
"""Share of the largest part's area from which a part is an arm."""
MOST_ARMS = 4


def split_arms(packed: U8, height: int, width: int, progress: Progress) -> U8:
    """Split masks of the whole robot.

    Args:
        packed: (F, ceil(H*W/8)) uint8.
        height: H.
        width: W.
        progress: Called per frame.

    Returns:
        (F, K, ceil(H*W/8)) uint8; the K masks of a frame do not overlap and make up the given one.
    """
    import cv2

    share = min(1.0, WORKING_WIDTH / width)
    size = (max(8, round(width * share)), max(8, round(height * share)))
    small = np.zeros((len(packed), size[1], size[0]), np.bool_)
    for i, row in enumerate(packed):
        progress(0.3 * i / len(packed), "arms of the robot")
        mask = unpack_masks(row[None], height, width)[0].astype(np.uint8)
        small[i] = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0
    start, parts = _most_parts(small)
    count = max(int(parts.max()), 1)
    owners = np.zeros(small.shape, np.uint8)
    owners[start] = _nearest_part(parts, small[start], count)
    for step in (1, -1):
        last = owners[start]
        current = start + step
        while 0 <= current < len(small):
            progress(0.5, "arms of the robot")
            owners[current] = _nearest_part(last, small[current], count)
            # An arm that is out of sight for a while is expected where it was.
            last = np.where(_seen(owners[current], last), owners[current], last)
            current += step
    result = np.zeros((len(packed), count, packed.shape[1]), np.uint8)
    for i, row in enumerate(packed):
        progress(0.6 + 0.4 * i / len(packed), "arms of the robot")
        mask = unpack_masks(row[None], height, width)[0]
        full = _nearest_part(owners[i], np.ones_like(small[i]), count)
        owner = cv2.resize(full, (width, height), interpolation=cv2.INTER_NEAREST)
        for k in range(count):
            result[i, k] = np.packbits((mask & (owner == k + 1)).reshape(-1))
    return result


def _seen(owner: U8, before: U8) -> Bool:
    """Pixels to take from `owner`: all, but where an arm of `before` is gone."""
    gone = np.setdiff1d(np.unique(before), np.unique(owner))
    return np.asarray((owner > 0) | ~np.isin(before, gone[gone > 0]))


def _most_parts(small: Bool) -> tuple[int, U8]:
    """The frame with the most large parts (the largest in sum), and its parts, 1.. by area."""
    import cv2

    best, found, rank = 0, np.zeros(small.shape[1:], np.uint8), (-1, -1)
    for i, mask in enumerate(small):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            mask.astype(np.uint8), connectivity=8
        )
        if count < 2:
            continue
        areas = stats[1:, cv2.CC_STAT_AREA]
        large = np.flatnonzero(areas >= LARGE * areas.max())
        large = large[np.argsort(-areas[large], kind="stable")][:MOST_ARMS]
        if (len(large), int(areas[large].sum())) > rank:
            rank = (len(large), int(areas[large].sum()))
            best = i
            numbers = np.zeros(count, np.uint8)
            numbers[large + 1] = np.arange(1, len(large) + 1)
            found = numbers[labels]
    return best, found


def _nearest_part(parts: U8, mask: Bool, count: int) -> U8:
    """Number of the part that each pixel of a mask is nearest to, 0 outside of the mask."""
    import cv2

    away = np.full((count, *mask.shape), np.inf, np.float32)
    for k in range(count):
        own = parts == k + 1
        if own.any():
            away[k] = cv2.distanceTransform((~own).astype(np.uint8), cv2.DIST_L2, 3)
    owner = (1 + away.argmin(axis=0)).astype(np.uint8)
    return np.where(mask, owner, 0).astype(np.uint8)
