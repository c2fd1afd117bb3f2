"""Masks sharpened by how the picture moves around their frame. *(our choice)*

Colour cannot tell a white finger from the white cup behind it, and a thing from a like-coloured
table. Where one of them moves and the other does not, or differently, the picture tells: a pixel of
the mask that the motion of the mask's core explains badly, and its own flow well, is not the
thing's. Pixels are only taken away: what moves along may be the gripper that holds the thing.
Where nothing moves apart, masks stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, U8, Bool

WORKING_SIDE = 320
"""Longest side of the pictures between which flow is computed; a pair costs 5 to 20 ms."""
MOVES = 0.8
"""Difference of two flows, pixels of the working picture, from which things move apart."""
UNEXPLAINED = 10.0
"""Grey levels by which the core's motion must explain a pixel worse than the pixel's own flow. A
plain thing looks the same wherever it moves, so that its pixels stay."""
STEADY = 0.4
"""Spread of the flow in a moving core, pixels of the working picture, beyond which its motion is
not known: on a plain surface flow only guesses."""
CORE = 0.25
"""Share of the mask's root area by which it is eroded for the motion of its core."""
CORE_DOUBT = 0.3
"""Share of the core that its own motion may explain badly."""
LEAST = 0.45
"""Area of a sharpened mask, over the old one, under which the flow is not believed."""
BLEEDS = 2
"""Pixels of the working picture by which flow bleeds over the edge of what moves."""
SMALLEST = 60
"""Pixels of the working picture under which a mask is too small for flow."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A neighbour with the flow to it, working size.

    Attributes:
        there: (h, w, 3) float32, the neighbour.
        flow: (h, w, 2) float32 pixels.
        own: (h, w) float32, how badly each pixel's flow explains it, grey levels.
    """

    there: F32
    flow: F32
    own: F32


def flow_refined(
    image: U8, neighbours: tuple[U8, ...], masks: Bool, tick: Callable[[float], None]
) -> tuple[Bool, tuple[int, ...]]:
    """Remove from each mask what moves apart from its core.

    Args:
        image: (H, W, 3) uint8 RGB, the frame of the masks.
        neighbours: Frames shortly before and after it, same size; none leaves all as it is.
        masks: (K, H, W) bool.
        tick: Called with the share done before each piece of work; may raise Cancelled.

    Returns:
        (K, H, W) bool, and the indices that changed.
    """
    import cv2

    height, width = image.shape[:2]
    neighbours = tuple(n for n in neighbours if n.shape == image.shape)
    if not neighbours or not len(masks):
        return masks, ()
    share = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(16, round(width * share)), max(16, round(height * share)))
    here = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    pairs = []
    for number, other in enumerate(neighbours):
        tick(0.6 * number / len(neighbours))
        there = cv2.resize(other, size, interpolation=cv2.INTER_AREA)
        pairs.append(_pair(here, np.asarray(there, dtype=np.uint8)))
    refined, changed = masks.copy(), []
    for k, mask in enumerate(masks):
        tick(0.6 + 0.4 * k / len(masks))
        coarse = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
        foreign = _foreign(np.asarray(coarse), here.astype(np.float32), pairs)
        if not foreign.any():
            continue
        full = cv2.resize(
            foreign.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
        )
        better = mask & (full == 0)
        if LEAST * mask.sum() <= better.sum() < mask.sum():
            refined[k] = better
            changed.append(k)
    return refined, tuple(changed)


def _pair(here: U8, there: U8) -> _Pair:
    import cv2

    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    gray, other = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (here, there))
    start = np.zeros((*gray.shape, 2), np.float32)
    flow = np.asarray(method.calc(gray, other, start), dtype=np.float32)
    target = there.astype(np.float32)
    return _Pair(target, flow, _misfit(here.astype(np.float32), target, flow))


def _misfit(here: F32, there: F32, flow: F32) -> F32:
    """How much each pixel differs from where the flow says it went, grey levels, (h, w)."""
    import cv2

    height, width = here.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(
        there, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.blur(np.abs(moved - here).mean(axis=2), (3, 3)), dtype=np.float32)


def _foreign(mask: Bool, here: F32, pairs: list[_Pair]) -> Bool:
    """Pixels of the mask that do not move with its core; none where that cannot be told."""
    import cv2

    nothing = np.zeros_like(mask)
    area = int(mask.sum())
    if area < SMALLEST:
        return nothing
    radius = max(1, int(CORE * np.sqrt(area) / 2))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    core = cv2.erode(mask.astype(np.uint8), kernel) > 0
    if core.sum() < SMALLEST / 4:
        return nothing
    with_core, alone, apart = [], [], nothing
    for pair in pairs:
        motion = np.median(pair.flow[core], axis=0).astype(np.float32)
        if np.linalg.norm(motion) < MOVES:
            motion = np.zeros(2, np.float32)  # it rests; flow is drawn along by what passes
        elif _spread(pair.flow[core], motion) > STEADY:
            continue
        apart = apart | (np.linalg.norm(pair.flow - motion, axis=2) > MOVES)
        with_core.append(_misfit(here, pair.there, np.broadcast_to(motion, pair.flow.shape)))
        alone.append(pair.own)
    if not alone:
        return nothing
    # What is hidden in one neighbour may be seen in another: the best explanation counts.
    unexplained = np.min(with_core, axis=0) - np.min(alone, axis=0) > UNEXPLAINED
    unexplained = _closed(unexplained & apart & mask)
    if unexplained[core].mean() > CORE_DOUBT:  # the core's motion is wrong, or it is two things
        return nothing
    return _cleaned(mask & unexplained, BLEEDS)


def _spread(flow: F32, motion: F32) -> float:
    """Median distance of flows (n, 2) from a motion, pixels."""
    return float(np.median(np.linalg.norm(flow - motion, axis=1)))


def _closed(mask: Bool) -> Bool:
    """With the gaps that smooth spots of a texture leave filled."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0)


def _cleaned(mask: Bool, radius: int) -> Bool:
    """Without specks and strips up to twice the radius wide."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0)
