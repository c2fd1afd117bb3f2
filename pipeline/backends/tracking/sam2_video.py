"""SAM 2's video propagation as a tracker: masks through the clip, points carried by their masks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pipeline.backends.backend import ModelBackend, Progress
from pipeline.backends.devices import place
from pipeline.backends.segmentation.sam2_propagation import propagate_masks, video_model
from pipeline.backends.segmentation.sam2_transformers import SMALL
from pipeline.backends.tracking.clip import box_corners
from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest, no_boxes
from pipeline.backends.weights import Weights
from pipeline.model.arrays import F32, U8, Bool, unpack_masks

MARGIN = 2
"""Pixels by which a mask is widened before points outside of it count as hidden: points on an
object's edge flicker otherwise *(our choice)*."""
LARGEST_SCALE = 3.0
"""How much larger or smaller than at the keyframe an object may become *(our choice)*."""


class Sam2Video(ModelBackend):
    """Follows masks with SAM 2.1's memory (Ravi et al. 2024).

    It knows where an object is, not which way it is turned: points keep their place relative to
    the mask's centroid, scaled by the root of its area *(ours)*. An object that turns on the spot
    hardly moves its points.

    It wants a GPU: the small model takes 5 s of a CPU's time per frame and another 5 per object.

    Attributes:
        placement: Device and precision, e.g. `cuda:0, bfloat16`; empty before the first use.
    """

    name = "sam2_video"
    title = "SAM 2.1 video"
    licence = "Apache-2.0"
    packages = ("torch", "transformers")
    weights: ClassVar[Weights | None] = SMALL

    def __init__(self) -> None:
        super().__init__()
        self.placement = ""

    def load(self) -> None:
        """Load the weights as for use."""
        video_model(self)

    def track(self, request: TrackingRequest, progress: Progress) -> PointTracks:
        """Follow the masks over `request.frames`; steps between them are not needed.

        Raises:
            DataError: `no_weights`, `bad_weights`, `no_device` or `out_of_memory`.
            Cancelled: By `progress`.
        """
        packed = propagate_masks(
            self,
            request.frame_at,
            request.frames,
            request.keyframe,
            request.masks,
            lambda share, what: progress(0.9 * share, what),
        )
        self.placement = place(self.settings).text
        return carried_points(request, packed, lambda share, what: progress(0.9 + share / 10, what))


def carried_points(request: TrackingRequest, packed: U8, progress: Progress) -> PointTracks:
    """Carry points along with the masks of their candidates.

    Args:
        request: Points and masks at the keyframe.
        packed: (F, K, ceil(H*W/8)) uint8, masks at the frames of the request.
        progress: Called once per frame.

    Returns:
        Points that keep their place relative to the centroid and the size of their mask; visible
        where they fall into it, widened by 2 px. While a mask is empty its points stay where they
        were last, hidden, and its box is NaN.
    """
    import cv2

    count, height, width = request.masks.shape
    frames, points = len(request.frames), len(request.points)
    tracked = np.full((frames, points, 2), np.nan, np.float32)
    visible = np.zeros((frames, points), np.bool_)
    boxes = no_boxes(frames, count)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * MARGIN + 1, 2 * MARGIN + 1))
    own = [np.flatnonzero(request.candidate == k) for k in range(count)]
    first = [_place(mask) for mask in request.masks]
    for i in range(frames):
        progress(i / frames, "points of the masks")
        for k, mask in enumerate(unpack_masks(packed[i], height, width)):
            now, then = _place(mask), first[k]
            corners = box_corners(mask)
            if now is None or then is None or corners is None:
                continue
            boxes[i, k] = (*corners[0], *corners[2])
            scale = np.clip(now[2] / then[2], 1 / LARGEST_SCALE, LARGEST_SCALE)
            moved = (request.points[own[k]] - then[:2]) * scale + now[:2]
            tracked[i, own[k]] = moved
            wide = np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)
            visible[i, own[k]] = _falls_into(wide, moved.astype(np.float32))
    return PointTracks(_held(tracked), visible, boxes)


def _place(mask: Bool) -> tuple[float, float, float] | None:
    """Centroid x, y and the root of the area of a mask, pixels; None if it is empty."""
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return None
    return float(columns.mean()), float(rows.mean()), float(np.sqrt(len(rows)))


def _falls_into(mask: Bool, points: F32) -> Bool:
    """Whether points (n, 2) lie on set pixels; those outside of the picture do not."""
    height, width = mask.shape
    x, y = np.round(points.T).astype(np.int64)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return np.asarray(inside & mask[y.clip(0, height - 1), x.clip(0, width - 1)])


def _held(points: F32) -> F32:
    """Points (F, N, 2) that stay where they were last seen instead of NaN."""
    for i in range(1, len(points)):
        lost = np.isnan(points[i, :, 0])
        points[i, lost] = points[i - 1, lost]
    for i in range(len(points) - 2, -1, -1):
        lost = np.isnan(points[i, :, 0])
        points[i, lost] = points[i + 1, lost]
    return points
