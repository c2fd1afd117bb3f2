"""Embedded segmenter: GrabCut inside each box (Rother et al. 2004), sharpened by optical flow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.backends.backend import FrameAt, Progress
from pipeline.backends.segmentation.flow import flow_refined
from pipeline.backends.segmentation.protocol import Segmentation
from pipeline.model.arrays import U8, Bool
from pipeline.model.candidate import Box

WORKING_SIDE = 112
"""Longest side of a crop in pixels; one box then costs 15 to 60 ms *(our choice)*."""
MARGIN = 0.25
"""Width of the surely-background frame around the box, share of its size."""
ROUNDS = 3
SMALLEST_SHARE = 0.15
"""A mask that covers less of its box than this has collapsed."""
TIME_BOUND = 5.0
"""Seconds of this thread for one picture; boxes beyond get the ellipse and are named as collapsed.
Computing time, not the clock's: a busy machine must not change masks. 25 boxes take 1 to 2 s."""
NEIGHBOURS = (-3, 3)
"""Frames around the keyframe whose flow sharpens masks."""


class GrabCutSegmenter:
    """Segments boxes by colour models of inside and outside; falls back to an ellipse.

    Boxes come first as they are given, so that the time bound hits the least likely ones.
    """

    name = "grabcut"
    licence = "Apache-2.0 (OpenCV)"

    def __init__(self, spent: Callable[[], float] = time.thread_time) -> None:
        """Make it.

        Args:
            spent: Seconds that this thread has computed.
        """
        self._spent = spent

    def available(self) -> str | None:
        """Always available."""
        return None

    def segment(self, image: U8, boxes: tuple[Box, ...], progress: Progress) -> Segmentation:
        """Segment each box of `image` (H, W, 3) uint8 RGB; masks stay inside their boxes."""
        height, width = image.shape[:2]
        masks = np.zeros((len(boxes), height, width), np.bool_)
        collapsed: list[int] = []
        skipped: list[int] = []
        began = self._spent()
        for i, box in enumerate(boxes):
            progress(i / max(1, len(boxes)), f"mask {i + 1} of {len(boxes)}")
            x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
            x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
            if x1 <= x0 or y1 <= y0:
                collapsed.append(i)
                continue
            in_time = self._spent() - began < TIME_BOUND
            if not in_time:
                skipped.append(i)
            mask = _grabcut(image, (x0, y0, x1, y1)) if in_time else None
            if mask is None:
                collapsed.append(i)
                mask = _ellipse(x1 - x0, y1 - y0)
            masks[i, y0:y1, x0:x1] = mask
        return Segmentation(masks, tuple(collapsed), skipped=tuple(skipped))

    def refine(
        self,
        frame_at: FrameAt,
        keyframe: int,
        length: int,
        boxes: tuple[Box, ...],
        found: Segmentation,
        progress: Progress,
    ) -> Segmentation:
        """Sharpen masks where something moves; see `Refiner`. Collapsed ones stay as they are."""
        if not boxes:
            return found
        progress(0.0, "optical flow")
        at = [keyframe + step for step in NEIGHBOURS if 0 <= keyframe + step < length]
        neighbours = tuple(frame_at(frame) for frame in at)
        masks, changed = flow_refined(
            frame_at(keyframe), neighbours, found.masks, lambda s: progress(s, "mask edges")
        )
        for k in set(changed) & set(found.collapsed):
            masks[k] = found.masks[k]
        return replace(found, masks=masks)


def _ellipse(width: int, height: int) -> Bool:
    y, x = np.mgrid[0:height, 0:width]
    u = (x + 0.5 - width / 2) / (width / 2)
    v = (y + 0.5 - height / 2) / (height / 2)
    return np.asarray(u * u + v * v <= 1.0)


def _rounded(width: int, height: int) -> Bool:
    """The box without its very corners: a superellipse of power 6."""
    y, x = np.mgrid[0:height, 0:width]
    u = np.abs(x + 0.5 - width / 2) / (width / 2)
    v = np.abs(y + 0.5 - height / 2) / (height / 2)
    return np.asarray(u**6 + v**6 <= 1.0)


def _grabcut(image: U8, box: tuple[int, int, int, int]) -> Bool | None:
    """Mask inside `box`, or None if GrabCut found nothing sensible."""
    import cv2

    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    pad_x, pad_y = max(4, int(MARGIN * (x1 - x0))), max(4, int(MARGIN * (y1 - y0)))
    u0, v0 = max(0, x0 - pad_x), max(0, y0 - pad_y)
    u1, v1 = min(width, x1 + pad_x), min(height, y1 + pad_y)
    crop = image[v0:v1, u0:u1]
    share = min(1.0, WORKING_SIDE / max(crop.shape[:2]))
    size = (max(8, round(crop.shape[1] * share)), max(8, round(crop.shape[0] * share)))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    sx, sy = size[0] / crop.shape[1], size[1] / crop.shape[0]
    a0, b0 = round((x0 - u0) * sx), round((y0 - v0) * sy)
    a1, b1 = max(a0 + 2, round((x1 - u0) * sx)), max(b0 + 2, round((y1 - v0) * sy))
    labels = np.full((size[1], size[0]), cv2.GC_BGD, np.uint8)
    inner = labels[b0:b1, a0:a1]
    inner[:] = cv2.GC_PR_BGD
    h, w = inner.shape
    inner[_rounded(w, h)] = cv2.GC_PR_FGD
    core = _ellipse(max(1, w // 3), max(1, h // 3))
    oy, ox = (h - core.shape[0]) // 2, (w - core.shape[1]) // 2
    inner[oy : oy + core.shape[0], ox : ox + core.shape[1]][core] = cv2.GC_FGD
    if not (labels == cv2.GC_BGD).any() or inner.size < 30:
        return None
    cv2.setRNGSeed(0)  # GrabCut clusters with k-means
    try:
        background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(
            small, labels, (0, 0, 1, 1), background, foreground, ROUNDS, cv2.GC_INIT_WITH_MASK
        )
    except cv2.error:
        return None
    found = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)[b0:b1, a0:a1]
    count, parts, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
    if count < 2:
        return None
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.isin(parts, 1 + np.flatnonzero(areas >= 0.2 * areas.max()))
    if kept.mean() < SMALLEST_SHARE or not _spans(kept):
        return None
    full = cv2.resize(kept.astype(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full > 0)


def _spans(mask: Bool) -> bool:
    """Whether a mask reaches over at least half of its box in both directions."""
    return bool(mask.any(axis=1).mean() >= 0.5 and mask.any(axis=0).mean() >= 0.5)
