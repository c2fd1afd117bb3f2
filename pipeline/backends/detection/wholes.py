"""Which of the regions that overlap is the whole thing, which a part of it, which a loose frame.

All *(our choice)*. A lid, a label and the half above a white band look as compact and as clearly
bounded as the bottle they belong to; two neighbours that touch look almost like one thing. What
tells them apart is how the bigger region's outline runs: along the table all around, without a
notch, and with hardly any table inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.backends.detection.appearance import Appearance
from pipeline.backends.detection.grouping import Region
from pipeline.model.arrays import F64, I64, Bool
from pipeline.model.candidate import Box

PART_WEIGHT = 0.6
"""Factor on D of a region inside a more whole one."""
LOOSE_WEIGHT = 0.6
"""Factor on D of a region around a better bounded one."""
SAME = 0.88
"""Regions whose boxes overlap more than this show the same; the better bounded one stays."""
INSIDE = 0.85
"""Share of a region's pixels in another from which it lies inside."""
LARGER = 1.2
"""The whole is so many times larger at least; below that they are two outlines of one thing."""
MUCH_LARGER = 12.0
"""Beyond this a region lies on the other like a cube on a tray, and is no part of it."""
LOOSE_UP_TO = 6.0
"""The same for loose frames."""
SLACK = 0.10
"""A whole may look this much less like one thing than its part: bands and lids add edges."""
KEEPS_COLOR = 0.5
"""The whole must have this much of the part's colour, else the part is the thing itself and the
rest is something else next to it."""
JOINED_SLACK = 0.3
"""The same for what joins two parts: its outline crosses a band that may look like the table."""
FREER = 0.1
"""How much more of the whole's outline must have the table outside where a hand notches it."""
PURER = 0.3
"""The whole's hues may be this much less pure than the part's."""
GONE = 0.9
"""Share of vacated pixels from which a region is the silhouette of something that left; it is
listed even if it looks like a part, at the D of its looks."""
GRID = 2
"""Masks are compared at every so many pixels."""
ALTERNATIVES = 2
"""So many parts and loose frames of each thing are listed after all things, if there is room."""
MOTION_BONUS = 0.35
"""How much "at rest before and gone later" counts for being listed at all; never enters D."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A region with its looks.

    Attributes:
        region: Where.
        look: What it looks like; the score already lowered for parts and loose frames.
        inferior: True for parts and loose frames.
        joined: True if it joins parts of one colour that a band divides.
    """

    region: Region
    look: Appearance
    inferior: bool = False
    joined: bool = False

    @property
    def rank(self) -> float:
        """By what it is listed: confidence plus what else speaks for a thing."""
        return self.look.score + 0.25 * self.look.object + MOTION_BONUS * self.look.vacated

    @property
    def box(self) -> Box:
        """Pixels of the working picture."""
        x0, y0, x1, y1 = self.region.box
        return (float(x0), float(y0), float(x1), float(y1))


def box_overlaps(boxes: F64) -> F64:
    """Intersection over union of every pair of boxes (N, 4); (N, N) float64."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.asarray(shared / np.maximum(area[:, None] + area[None] - shared, 1e-9))


def without_doubles(found: list[Judged]) -> list[Judged]:
    """Of regions with (nearly) the same box, keep the one that looks most like one thing."""
    if not found:
        return found
    found = sorted(found, key=lambda j: -j.look.object)
    same = box_overlaps(np.array([j.box for j in found])) > SAME
    kept: list[int] = []
    gone = np.zeros(len(found), np.bool_)
    for i in range(len(found)):
        if not gone[i]:
            kept.append(i)
            gone |= same[i]
    joins = np.array([j.joined for j in found])
    return [replace(found[i], joined=bool(joins[same[i]].any())) for i in kept]


def shared_pixels(regions: list[Region], height: int, width: int) -> F64:
    """Pixels that regions share, on a coarse grid; (N, N) float64, areas on the diagonal."""
    rows, columns = -(-height // GRID), -(-width // GRID)
    masks = np.zeros((len(regions), rows, columns), np.float32)
    for mask, region in zip(masks, regions, strict=True):
        top, left = -region.y0 % GRID, -region.x0 % GRID
        coarse = region.mask[top::GRID, left::GRID]
        y, x = (region.y0 + top) // GRID, (region.x0 + left) // GRID
        mask[y : y + coarse.shape[0], x : x + coarse.shape[1]] = coarse
    flat = masks.reshape(len(regions), -1)
    return np.asarray(flat @ flat.T, dtype=np.float64)


def wholes_preferred(found: list[Judged], height: int, width: int, has_color: bool) -> list[Judged]:
    """Lower the confidence of parts of things and of loose frames around them.

    Args:
        found: Regions, doubles removed.
        height: Of the working picture.
        width: Of the working picture.
        has_color: Whether the phrase names a colour.
    """
    if len(found) < 2:
        return found
    shared = shared_pixels([j.region for j in found], height, width)
    area = np.maximum(np.diag(shared), 1.0)
    within = shared / area[:, None] >= INSIDE  # [p, w]: p lies inside w
    ratio = area[None, :] / area[:, None]
    looks = [j.look for j in found]
    thing = np.array([k.object for k in looks])
    compact = np.array([k.compact for k in looks])
    raised = np.array([k.raised for k in looks])
    pure = np.array([k.pure for k in looks])
    isolated = np.array([k.isolated for k in looks])
    fill = np.array([k.fill for k in looks])
    color = np.array([k.color for k in looks])
    larger = within & (ratio > LARGER)
    # (w,) whether it can be a whole, then [p, w] whether it is one for p.
    whole: Bool = (compact > 0.7) & (raised > 0.8)
    better = larger & whole[None] & (ratio < MUCH_LARGER)
    joined = np.array([j.joined for j in found])
    slack = np.where(joined, JOINED_SLACK, SLACK)
    better &= thing[None] >= thing[:, None] - slack[None]
    better &= isolated[None] >= isolated[:, None] - np.where(ratio > 3.0, 0.0, 0.05)
    if has_color:
        # A hand before a thing notches it; then having the colour too and standing freer decide.
        freer = larger & ((compact > 0.4) & (raised > 0.85))[None] & (ratio < 3.0 * MUCH_LARGER)
        freer &= (isolated < 0.5)[:, None] & (color[None] >= 0.9 * color[:, None])
        freer &= isolated[None] >= isolated[:, None] + FREER
        freer &= thing[None] >= thing[:, None] - JOINED_SLACK
        better = (better | freer) & (fill[None] >= KEEPS_COLOR * fill[:, None])
    better &= pure[None] >= pure[:, None] - PURER
    is_part: Bool = np.asarray(better.any(axis=1))
    tight = larger & (ratio < LOOSE_UP_TO) & ~better & (thing[:, None] > thing[None] + slack[None])
    tight &= ~is_part[:, None]
    is_loose: Bool = np.asarray(tight.any(axis=0))
    lowered = []
    for j, part, loose in zip(found, is_part, is_loose, strict=True):
        factor = (PART_WEIGHT if part else 1.0) * (LOOSE_WEIGHT if loose else 1.0)
        look = replace(j.look, score=j.look.score * factor)
        lowered.append(replace(j, look=look, inferior=bool(part or loose)))
    return lowered


def listed(
    found: list[Judged],
    total: int,
    limit: int,
    threshold: float,
    nms_iou: float,
    areas: tuple[float, float],
) -> list[Judged]:
    """Choose what is listed: whole things first, then a few other readings of each.

    Args:
        found: Regions with lowered scores.
        total: Pixels of the working picture.
        limit: Largest number.
        threshold: Least score.
        nms_iou: Boxes that overlap more than this are the same.
        areas: Smallest and largest box as shares of the picture.
    """
    ranked = []
    for j in sorted(found, key=lambda j: -j.rank):
        w, h = j.box[2] - j.box[0], j.box[3] - j.box[1]
        if areas[0] <= w * h / total <= areas[1] and min(w, h) >= 4 and j.look.score >= threshold:
            ranked.append(j)
    if not ranked:
        return []
    overlaps = box_overlaps(np.array([j.box for j in ranked]))
    inside = _contained(np.array([j.box for j in ranked]))
    kept: list[int] = []
    readings: I64 = np.zeros(len(ranked), np.int64)
    for first in (True, False):
        for i, j in enumerate(ranked):
            if len(kept) >= limit:
                return [ranked[k] for k in kept]
            if i in kept or (first and j.inferior and not _left_alone(j)):
                continue
            if any(overlaps[i, k] > nms_iou for k in kept):
                continue
            if not first:
                families = [k for k in kept if max(inside[i, k], inside[k, i]) > INSIDE]
                if any(readings[k] >= ALTERNATIVES for k in families):
                    continue
                for k in families:
                    readings[k] += 1
            kept.append(i)
    return [ranked[k] for k in kept]


def _left_alone(judged: Judged) -> bool:
    """Whether it is the silhouette of something that was there before and is gone later."""
    return judged.region.source == "motion" and judged.look.vacated > GONE


def _contained(boxes: F64) -> F64:
    """[i, k]: share of box i inside box k, (N, N) float64."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.asarray(shared / np.maximum(area[:, None], 1e-9))
