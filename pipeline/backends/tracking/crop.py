"""Tracking inside a part of the picture; coordinates always come back in the original frame.

Trackers scale what they get to a fixed size, so that small things of a wide view shrink to a few
pixels. SPARC crops such clips around the union of the detected boxes (B.1.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest
from pipeline.model.arrays import U8, Bool
from pipeline.model.candidate import Box

SMALLEST_SIDE = 64
"""Pixels that a crop has at least in both directions: correlation windows need that much."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of the picture.

    Attributes:
        x0: Left column, pixels of the original frame.
        y0: Upper row.
        x1: One past the last column.
        y1: One past the last row.
    """

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def area(self) -> int:
        """Pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    @property
    def box(self) -> Box:
        """The same as a box."""
        return (float(self.x0), float(self.y0), float(self.x1), float(self.y1))


def crop_around(boxes: Iterable[Box], width: int, height: int, margin: float) -> Crop | None:
    """Union of boxes with a margin, cut to the picture.

    Args:
        boxes: Of candidates and targets, pixels.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        margin: On each side, share of the longer side of the union.

    Returns:
        The crop, or None if there are no boxes or the crop is the whole picture.
    """
    corners = np.array([b for b in boxes if np.isfinite(b).all()], np.float64)
    if len(corners) == 0:
        return None
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    pad = margin * float((high - low).max())
    size = np.array([width, height])
    # Grow to the smallest side, then push back inside: near a border the crop keeps its size.
    wanted = np.minimum(np.maximum(high - low + 2 * pad, SMALLEST_SIDE), size)
    start = np.clip((low + high - wanted) / 2, 0, size - wanted)
    first = np.floor(start).astype(int)
    last = np.minimum(np.ceil(start + wanted), size).astype(int)
    crop = Crop(int(first[0]), int(first[1]), int(last[0]), int(last[1]))
    return None if crop.area >= width * height else crop


def box_of_mask(mask: Bool) -> Box | None:
    """Bounding box of a mask (H, W), None if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def cropped(request: TrackingRequest, crop: Crop) -> TrackingRequest:
    """The same request in the pixels of the crop."""
    whole = request.frame_at

    def frame_at(index: int) -> U8:
        return np.ascontiguousarray(whole(index)[crop.y0 : crop.y1, crop.x0 : crop.x1])

    return replace(
        request,
        frame_at=frame_at,
        points=request.points - np.array([crop.x0, crop.y0], np.float32),
        masks=np.ascontiguousarray(request.masks[:, crop.y0 : crop.y1, crop.x0 : crop.x1]),
    )


def uncropped(tracks: PointTracks, crop: Crop) -> PointTracks:
    """The same tracks in the pixels of the original frame."""
    shift = np.array([crop.x0, crop.y0], np.float32)
    return replace(
        tracks,
        points=tracks.points + shift,
        boxes=tracks.boxes + np.concatenate([shift, shift]),
    )


def left_crop(
    tracks: PointTracks, request: TrackingRequest, crop: Crop, width: int, height: int
) -> dict[int, int]:
    """Candidates that were carried over an edge of the crop that is no edge of the picture.

    Args:
        tracks: In pixels of the original frame.
        request: For frames and candidates.
        crop: The part that was tracked.
        width: Of the picture, pixels.
        height: Of the picture, pixels.

    Returns:
        Candidate -> first frame with half of its points outside.
    """
    low = np.array([crop.x0 if crop.x0 > 0 else -np.inf, crop.y0 if crop.y0 > 0 else -np.inf])
    high = np.array(
        [crop.x1 if crop.x1 < width else np.inf, crop.y1 if crop.y1 < height else np.inf]
    )
    with np.errstate(invalid="ignore"):
        outside = ((tracks.points < low) | (tracks.points > high - 1)).any(axis=2)
    left: dict[int, int] = {}
    for k in np.unique(request.candidate):
        own = np.asarray(outside, np.float32)[:, request.candidate == k]
        mostly = np.flatnonzero(own.mean(axis=1) >= 0.5)
        if len(mostly):
            left[int(k)] = int(request.frames[mostly[0]])
    return left
