"""Which points of a mask are tracked."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import F32, I32, U8, Bool


def sample_points(image: U8, masks: Bool, fewest: int, most: int) -> tuple[F32, I32]:
    """Corners inside each mask, filled up with a grid, so that plain objects have points too.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (K, H, W) bool.
        fewest: Points the grid fills up to.
        most: Largest number per candidate.

    Returns:
        (N, 2) float32 pixels and (N,) int32 candidate ids.
    """
    import cv2

    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    points: list[F32] = []
    owners: list[I32] = []
    for k, mask in enumerate(masks):
        inner = cv2.erode(mask.astype(np.uint8), kernel)
        if inner.sum() < 0.3 * mask.sum():
            inner = mask.astype(np.uint8)
        area = int(inner.sum())
        if area == 0:
            continue
        gap = max(2.0, 0.6 * float(np.sqrt(area / most)))
        corners = cv2.goodFeaturesToTrack(gray, most * 2 // 3, 0.02, gap, mask=inner, blockSize=5)
        own = np.zeros((0, 2), np.float32)
        if corners is not None:
            own = np.asarray(corners[:, 0], np.float32)
        wanted = min(most, max(fewest, len(own) + most // 3)) - len(own)
        own = np.concatenate([own, _grid(np.asarray(inner > 0), wanted, own)])
        points.append(own.astype(np.float32))
        owners.append(np.full(len(own), k, np.int32))
    if not points:
        return np.zeros((0, 2), np.float32), np.zeros(0, np.int32)
    return np.concatenate(points), np.concatenate(owners)


def _grid(mask: Bool, wanted: int, taken: F32) -> F32:
    """Up to `wanted` evenly spread pixels of a mask, away from `taken`."""
    rows, columns = np.nonzero(mask)
    if wanted <= 0 or len(rows) == 0:
        return np.zeros((0, 2), np.float32)
    step = max(1, int(np.sqrt(len(rows) / wanted)))
    on = ((rows - rows.min()) % step == step // 2) & ((columns - columns.min()) % step == step // 2)
    spots = np.stack([columns[on], rows[on]], axis=1).astype(np.float32)
    if len(taken) and len(spots):
        apart = np.linalg.norm(spots[:, None] - taken[None], axis=2).min(axis=1)
        spots = spots[apart >= 0.5 * step] if (apart >= 0.5 * step).any() else spots
    pick = np.linspace(0, len(spots) - 1, min(wanted, len(spots))).astype(np.int64)
    return spots[np.unique(pick)] if len(spots) else spots
