"""Takes drift out of tracks by looking at the keyframe again. *(our choice)*

Flow from frame to frame adds up its errors: after thirty steps points are pixels away from where
they started on the object. But a candidate that is tracked roughly can be undone: its picture now,
warped back by its transform, must equal its picture at the keyframe. What flow is left between
these two is the error, and it does not add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.backends.tracking.clip import box_corners
from pipeline.backends.tracking.similarity import MIN_SUPPORT, chained, fit_similarity, transformed
from pipeline.model.arrays import F32, F64, U8, Bool

WINDOW = (15, 15)
LEVELS = 1
RIM = 12
"""Pixels around the mask's box that windows at its edge need."""
RETURN_ERROR = 0.5
"""Pixels within which the left-over flow must return; a view that turned away fails here."""
LARGEST_ERROR = 4.0
"""Largest drift in pixels that is believed."""
SUPPORT = 0.4
"""Share of the visible points that must agree."""


@dataclass(frozen=True)
class Anchor:
    """A candidate's picture at the keyframe.

    Attributes:
        gray: (h, w) uint8.
        mask: (h, w) bool.
        corner: (2,) float64, x and y of its first pixel.
    """

    gray: U8
    mask: Bool
    corner: F64


@dataclass(frozen=True)
class Correction:
    """What was found.

    Attributes:
        transform: (2, 3) float64 from the keyframe to now, without drift.
        points: (n, 2) float32 pixels now, of all points.
    """

    transform: F64
    points: F32


def cut_anchors(gray: U8, masks: Bool) -> list[Anchor | None]:
    """Cut the candidates out of the keyframe (H, W) uint8; None for empty masks."""
    height, width = gray.shape
    anchors: list[Anchor | None] = []
    for mask in masks:
        corners = box_corners(mask)
        if corners is None:
            anchors.append(None)
            continue
        x0, y0 = np.maximum(corners[0].astype(int) - RIM, 0)
        x1, y1 = np.minimum(corners[2].astype(int) + RIM, (width, height))
        part = (slice(y0, y1), slice(x0, x1))
        anchors.append(
            Anchor(np.ascontiguousarray(gray[part]), mask[part], np.array([x0, y0], np.float64))
        )
    return anchors


def corrected(
    anchor: Anchor, gray: U8, transform: F64, origin: F32, points: F32, seen: Bool
) -> Correction | None:
    """Measure drift against the keyframe and take it out.

    Args:
        anchor: The candidate at the keyframe.
        gray: (H, W) uint8, the frame now.
        transform: (2, 3) float64 from the keyframe to now, as far as is known.
        origin: (n, 2) float32, its points at the keyframe.
        points: (n, 2) float32, where they are now, as far as is known.
        seen: (n,) bool, which of them are visible.

    Returns:
        None if the two pictures are not alike enough to tell.
    """
    import cv2

    height, width = anchor.gray.shape
    back = transform.copy()
    back[:, 2] += transform[:, :2] @ anchor.corner
    now = cv2.warpAffine(
        gray,
        back,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    own = (origin - anchor.corner).astype(np.float32)[:, None]
    lit = _relit(np.asarray(now, np.uint8), anchor)
    options = {"winSize": WINDOW, "maxLevel": LEVELS}
    there, ok, _ = cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload]
        anchor.gray, lit, own, None, **options
    )
    again, ok_again, _ = cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload]
        lit, anchor.gray, there, None, **options
    )
    own, there, again = own[:, 0], there[:, 0], again[:, 0]
    good = seen & (ok[:, 0] > 0) & (ok_again[:, 0] > 0)
    good &= np.linalg.norm(again - own, axis=1) < RETURN_ERROR
    good &= np.linalg.norm(there - own, axis=1) < LARGEST_ERROR
    if good.sum() < max(MIN_SUPPORT, SUPPORT * seen.sum()):
        return None
    at, found = origin[good], (there + anchor.corner)[good].astype(np.float32)
    rest = fit_similarity(at, found)
    if rest is None:
        return None
    better = chained(transform, rest)
    moved = transformed(better, origin)
    if np.median(np.linalg.norm(moved - transformed(transform, origin), axis=1)) > LARGEST_ERROR:
        return None
    # Points without a measurement keep what they deviate from the transform.
    result = points + moved - transformed(transform, origin)
    result[good] = transformed(transform, found)
    return Correction(better, result.astype(np.float32))


def _relit(now: U8, anchor: Anchor) -> U8:
    """Brightness and contrast of the keyframe: flow takes a change of light for motion."""
    inner, own = now[anchor.mask].astype(np.float32), anchor.gray[anchor.mask].astype(np.float32)
    gain = float(np.clip(own.std() / max(float(inner.std()), 1.0), 0.5, 2.0))
    lit = (now.astype(np.float32) - inner.mean()) * gain + own.mean()
    return np.asarray(np.clip(np.round(lit), 0, 255), np.uint8)
