"""Reading the frames of a request and putting tracks together; shared by the trackers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.backends.backend import FrameAt, Progress
from pipeline.backends.tracking.protocol import TrackingRequest, no_boxes
from pipeline.backends.tracking.similarity import MIN_SUPPORT, fit_similarity, scale_of
from pipeline.model.arrays import F32, F64, I32, U8, Bool

VISIBLE_SHARE = 0.1
"""Share of its points that a candidate must show to have a box."""
LARGEST_SCALE = 3.0
"""How much larger or smaller than at the keyframe a candidate may become."""


class BackwardFrames:
    """Gives frames in falling order but reads them forward in blocks: seeking back is slow."""

    BLOCK = 24

    def __init__(self, frame_at: FrameAt, frames: Iterable[int], progress: Progress) -> None:
        self._frame_at = frame_at
        self._frames = sorted(frames)
        self._progress = progress
        self._block: dict[int, U8] = {}

    def __call__(self, frame: int) -> U8:
        """Picture of one of the frames."""
        if frame not in self._block:
            at = self._frames.index(frame)
            self._block = {}
            for f in self._frames[max(0, at - self.BLOCK + 1) : at + 1]:
                self._progress(0.5, "reading frames")
                self._block[f] = self._frame_at(f)
        return self._block[frame]


def with_keyframe(request: TrackingRequest) -> I32:
    """Frames to look at: those to report and the keyframe, ascending, (F or F + 1,) int32."""
    return np.union1d(request.frames, [request.keyframe]).astype(np.int32)


def inside(points: F32, width: int, height: int) -> Bool:
    """Whether points (..., 2) lie in the picture: (...) bool; NaN does not."""
    x, y = points[..., 0], points[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1), np.bool_)


def box_corners(mask: Bool) -> F64 | None:
    """Corners of a mask's box, (4, 2) float64 pixels, None if the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    x0, x1, y0, y1 = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


def moved_box(corners: F64, transform: F64) -> F32:
    """Box (4,) float32 after a similarity transform; it is moved and scaled, never turned."""
    moved = corners @ transform[:, :2].T + transform[:, 2]
    centre, scale = moved.mean(axis=0), scale_of(transform)
    half = (corners.max(axis=0) - corners.min(axis=0)) / 2 * scale
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def carried_boxes(request: TrackingRequest, points: F32, visible: Bool) -> F32:
    """Carry the box of each mask along with its points.

    Args:
        request: Points and masks at the keyframe.
        points: (F, N, 2) float32 pixels.
        visible: (F, N) bool.

    Returns:
        (F, K, 4) float32; NaN where too few points are visible or they do not move as one thing.
    """
    import cv2

    cv2.setRNGSeed(0)  # RANSAC
    boxes = no_boxes(len(points), len(request.masks))
    for k, mask in enumerate(request.masks):
        own = np.flatnonzero(request.candidate == k)
        corners = box_corners(mask)
        if corners is None or len(own) == 0:
            continue
        fewest = max(min(MIN_SUPPORT, len(own)), VISIBLE_SHARE * len(own))
        for i in range(len(points)):
            seen = own[visible[i, own]]
            if len(seen) < fewest:
                continue
            fit = fit_similarity(request.points[seen], points[i, seen], LARGEST_SCALE)
            if fit is None:
                shift = np.median(points[i, seen] - request.points[seen], axis=0)
                fit = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
            boxes[i, k] = moved_box(corners, fit)
    return boxes
