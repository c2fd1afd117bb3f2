"""How alike a tracked candidate is to itself at the keyframe. *(our choice)*

Colours around its visible points are compared as sets, so points may slide within the object, and
after taking out one common change of light, so shadows and lamps cost nothing.
"""

from __future__ import annotations

import numpy as np

from pipeline.backends.backend import FrameAt, Progress
from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest
from pipeline.model.arrays import F32, U8

COLOR_SPREAD = 10.0
"""Standard deviation of the kernel between two colours, CIELAB units (lightness halved): shading
and compression change a colour by less, another object's colour differs by more."""
LIGHT = (0.7, 1.25)
"""Common factor on L* + 16, a* and b* that counts as light: the cube roots of 0.34 and 1.95."""
SAMPLES = 64
"""Colours per candidate and frame: 64 x 64 distances cost 0.1 ms."""
FEWEST_POINTS = 6
"""Visible points without which nothing is said about a candidate in a frame."""
FEWEST_SHARE = 0.25
"""The same as a share of its points: a corner that looks out behind a hand is no evidence."""


def appearance_of(
    request: TrackingRequest, tracks: PointTracks, frame_at: FrameAt, progress: Progress
) -> tuple[F32, F32]:
    """Compare every candidate with itself at the keyframe, and the candidates with each other.

    Args:
        request: Points and candidates.
        tracks: Where the points went.
        frame_at: Reads the frames of `request` once more, in ascending order.
        progress: Called for each frame.

    Returns:
        (F, K) float32 similarity 0..1 to the keyframe, NaN where too few points are visible, and
        (K, K) float32 similarity of the candidates at the keyframe, NaN for those without points.
    """
    count = len(request.masks)
    groups = [np.flatnonzero(request.candidate == k) for k in range(count)]
    seen_to = np.full((len(request.frames), count), np.nan, np.float32)
    alike = np.full((count, count), np.nan, np.float32)
    if not any(len(g) for g in groups):
        return seen_to, alike
    first = _colors(frame_at(request.keyframe), request.points)
    for k in range(count):
        for m in range(k, count):
            if len(groups[k]) and len(groups[m]):
                alike[k, m] = alike[m, k] = similarity(
                    _thinned(first[groups[k]]), _thinned(first[groups[m]])
                )
    for i, frame in enumerate(request.frames):
        progress(i / len(request.frames), f"looking at identities in frame {frame}")
        if not tracks.visible[i].any():
            continue
        now = _colors(frame_at(int(frame)), tracks.points[i])
        for k, group in enumerate(groups):
            seen = group[tracks.visible[i, group]]
            if len(seen) < max(FEWEST_POINTS, FEWEST_SHARE * len(group)):
                continue
            seen_to[i, k] = similarity(
                _thinned(first[seen]), relit(_thinned(now[seen]), _thinned(first[seen]))
            )
    return seen_to, alike


def similarity(one: F32, other: F32) -> float:
    """How alike two sets of colours are, 0..1.

    Cosine between their kernel density estimates (Gaussian, `COLOR_SPREAD`): 1 for equal sets in
    whatever order, 0 for sets without a common colour.

    Args:
        one: (N, 3) float32 CIELAB, lightness halved.
        other: (M, 3) float32.
    """
    if len(one) == 0 or len(other) == 0:
        return 0.0
    both = _overlap(one, other)
    return float(np.clip(both / np.sqrt(_overlap(one, one) * _overlap(other, other)), 0.0, 1.0))


def _overlap(one: F32, other: F32) -> float:
    # As a matrix product: |x - y|^2 = |x|^2 - 2 x.y + |y|^2.
    square = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2.0 * one @ other.T
    return float(np.exp(-np.maximum(square, 0.0) / (4.0 * COLOR_SPREAD**2)).mean())


def relit(colors: F32, own: F32) -> F32:
    """Take one common change of light out of colours.

    Light by a factor s scales L* + 16, a* and b* by the cube root of s.

    Args:
        colors: (N, 3) float32 CIELAB, lightness halved.
        own: (N, 3) float32, the same points at the keyframe.
    """
    black = np.array([8.0, 0.0, 0.0], np.float32)  # L* + 16 halved
    factor = np.median(colors[:, 0] + 8.0) / max(float(np.median(own[:, 0] + 8.0)), 1.0)
    factor = np.float32(np.clip(factor, *LIGHT))
    return np.asarray((colors + black) / factor - black, np.float32)


def _colors(rgb: U8, points: F32) -> F32:
    """Blurred colours at points (N, 2): (N, 3) float32 CIELAB, lightness halved.

    Points outside take the border's colour; they are invisible and never looked at.
    """
    import cv2

    lab = cv2.cvtColor(cv2.blur(rgb, (5, 5)), cv2.COLOR_RGB2LAB)
    height, width = lab.shape[:2]
    spots = np.nan_to_num(points, nan=0.0, posinf=0.0, neginf=0.0)
    x = np.clip(np.round(spots[:, 0]), 0, width - 1).astype(np.int64)
    y = np.clip(np.round(spots[:, 1]), 0, height - 1).astype(np.int64)
    colors = lab[y, x].astype(np.float32)
    colors[:, 1:] -= 128.0
    colors[:, 0] *= 0.5 * 100.0 / 255.0
    return np.asarray(colors, np.float32)


def _thinned(colors: F32) -> F32:
    """At most `SAMPLES` of them, evenly."""
    if len(colors) <= SAMPLES:
        return colors
    return colors[np.linspace(0, len(colors) - 1, SAMPLES).astype(np.int64)]
