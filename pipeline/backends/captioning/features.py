"""What frames look like, in numbers, for the samplers that look at them.

The study used learned features; ours need no model *(our choice)*: mean colours and edge
directions on a grid. Frames are shrunk as they are read, so memory does not grow with the clip.
"""

from __future__ import annotations

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.captioning.material import CaptionMaterial, Span
from pipeline.backends.captioning.pictures import scaled, shown_frame
from pipeline.backends.captioning.samplers import FrameFeatures
from pipeline.model.arrays import F32, U8

MOST_FRAMES = 256
"""Frames that are looked at: of longer spans, that many at equal steps."""
SMALL = (32, 24)
"""Width and height of the small picture."""
_GRID = (8, 6)
_DIRECTIONS = 8


def frame_features(
    material: CaptionMaterial, span: Span, count: int, progress: Progress
) -> FrameFeatures:
    """Look at the frames of a span.

    Args:
        material: Of the subtask.
        span: First frame and one past the last one.
        count: How many will be chosen; at least as many are looked at, where there are.
        progress: Called before every frame; may raise Cancelled.

    Raises:
        DataError: The frames cannot be read.
    """
    start, end = span
    looked = min(end - start, max(MOST_FRAMES, count))
    frames = start + np.round(np.linspace(0, end - start - 1, looked)).astype(np.int32)
    rgb = np.zeros((looked, SMALL[0] * SMALL[1] * 3), np.float32)
    rows = []
    for k, frame in enumerate(frames):
        progress(k / looked, f"looking at frame {frame}")
        small = scaled(shown_frame(material, int(frame)).rgb, *SMALL)
        rgb[k] = small.reshape(-1) / np.float32(255)
        rows.append(descriptor(small))
    return FrameFeatures(frames, rgb, np.stack(rows))


def descriptor(small: U8) -> F32:
    """Colours and edges by place of a small picture (24, 32, 3) uint8.

    Returns:
        (528,) float32: mean CIELAB per cell of an 8 x 6 grid, each 0..1, and the edge strength in
        eight directions per cell, by the same unit.
    """
    import cv2

    columns, rows = _GRID
    picture = np.asarray(small, np.float32) / np.float32(255)
    lab = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB), np.float32)
    lab /= np.array([100, 128, 128], np.float32)
    height, width = SMALL[1] // rows, SMALL[0] // columns
    cells = lab.reshape(rows, height, columns, width, 3)
    colors = cells.mean(axis=(1, 3))
    light = lab[..., 0]
    dy, dx = np.gradient(light)
    strength = np.hypot(dx, dy)
    turn = (np.arctan2(dy, dx) / (2 * np.pi) * _DIRECTIONS).round().astype(np.int64) % _DIRECTIONS
    edges = np.zeros((rows, columns, _DIRECTIONS), np.float32)
    cell = np.arange(SMALL[1])[:, None] // height, np.arange(SMALL[0])[None, :] // width
    np.add.at(edges, (*np.broadcast_arrays(*cell), turn), strength)
    edges /= height * width
    return np.concatenate([colors.reshape(-1), edges.reshape(-1)]).astype(np.float32)
