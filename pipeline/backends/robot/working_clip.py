"""The clip at working size, and what changes in it. *(our choice)*"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.robot.protocol import RobotRequest
from pipeline.model.arrays import F32, U8, Bool

WORKING_WIDTH = 320
MOVING = 0.7
"""Pixels per tracked step, at the working width, from which a pixel moves."""
DIFFERS = 12.0
"""CIELAB difference (lightness times 0.6) from which a pixel is not the background plate."""
PLATE_FRAMES = 60
SHADOW_FLOOR = 6.0
"""Added to 0..255 values before ratios are taken, so that noise in the dark does not count."""
SHADOW_TINT = 0.12
"""Largest relative deviation of a channel in a shadow."""
DEEPEST_SHADOW = 3.5
"""A shadow darkens at most by this factor."""


@dataclass
class WorkingClip:
    """The clip at working size.

    Attributes:
        rgb: (F, h, w, 3) uint8.
        lab: (F, h, w, 3) uint8, OpenCV's 8-bit CIELAB.
        moving: (F, h, w) bool.
        drift: (F, 2) float32, median flow of the whole picture in pixels.
        pace: (F,) float32, how fast what moves does: upper quartile, original pixels a step.
        size: Height and width of the original.
    """

    rgb: U8
    lab: U8
    moving: Bool
    drift: F32
    pace: F32
    size: tuple[int, int]


def read_clip(request: RobotRequest, progress: Progress) -> WorkingClip:
    """Read the tracked frames at working size and find what moves between them."""
    import cv2

    count = len(request.frames)
    if count == 0:
        empty = np.zeros((0, 1, 1, 3), np.uint8)
        nothing = np.zeros((0, 2), np.float32)
        return WorkingClip(
            empty, empty, np.zeros((0, 1, 1), np.bool_), nothing, nothing[:, 0], (1, 1)
        )
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    rgb: list[U8] = []
    gray: list[U8] = []
    moving: list[Bool] = []
    drift, pace = np.zeros((count, 2), np.float32), np.zeros(count, np.float32)
    size = (1, 1)
    for i, frame in enumerate(request.frames):
        progress(0.5 * i / count, "robot motion")
        full = request.frame_at(int(frame))
        size = (full.shape[0], full.shape[1])
        share = min(1.0, WORKING_WIDTH / size[1])
        small = cv2.resize(
            full,
            (max(8, round(size[1] * share)), max(8, round(size[0] * share))),
            interpolation=cv2.INTER_AREA,
        )
        rgb.append(np.asarray(small, dtype=np.uint8))
        gray.append(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8))
        moving.append(np.zeros(small.shape[:2], np.bool_))
        if i:
            flow = flow_of.calc(gray[i], gray[i - 1], np.zeros((*small.shape[:2], 2), np.float32))
            drift[i] = np.median(flow.reshape(-1, 2), axis=0)
            speed = np.hypot(flow[..., 0] - drift[i, 0], flow[..., 1] - drift[i, 1])
            changed = cv2.absdiff(cv2.blur(gray[i], (3, 3)), cv2.blur(gray[i - 1], (3, 3))) > 4
            thick = cv2.dilate(changed.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            moving[i] = (speed > MOVING) & thick
            if moving[i].any():
                pace[i] = float(np.percentile(speed[moving[i]], 75)) / share
    if count > 1:
        moving[0] = moving[1].copy()
    stack = np.stack(rgb)
    lab = np.zeros_like(stack)
    for i, picture in enumerate(stack):
        progress(0.51, "robot motion")
        lab[i] = cv2.cvtColor(cv2.blur(picture, (3, 3)), cv2.COLOR_RGB2LAB)
    return WorkingClip(stack, lab, np.stack(moving), drift, pace, size)


def background_plate(pictures: U8, progress: Progress) -> U8:
    """Median over (at most `PLATE_FRAMES` of) the pictures (F, h, w, 3)."""
    pick = np.unique(np.linspace(0, len(pictures) - 1, PLATE_FRAMES).astype(np.int64))
    chosen = pictures[pick]
    rows = []
    for y in range(0, chosen.shape[1], 24):
        progress(0.52, "background plate")
        rows.append(np.partition(chosen[:, y : y + 24], len(pick) // 2, axis=0)[len(pick) // 2])
    return np.concatenate(rows)


def differs_from(lab: U8, plate: U8) -> Bool:
    """Pixels of a picture (h, w, 3) that are not the plate; 8-bit CIELAB both."""
    apart = lab.astype(np.float32) - plate.astype(np.float32)
    apart[..., 0] *= 0.6 * 100.0 / 255.0
    return np.asarray(np.einsum("...c,...c->...", apart, apart) > DIFFERS**2, dtype=np.bool_)


def is_shadow(rgb: U8, plate: U8) -> Bool:
    """Pixels that are the plate, darkened or lightened alike in all channels.

    Lightened ones count because the plate itself may lie in the robot's shadow most of the time.
    """
    ratio = (rgb.astype(np.float32) + SHADOW_FLOOR) / (plate.astype(np.float32) + SHADOW_FLOOR)
    mean = ratio.mean(axis=-1)
    tint = np.abs(ratio / mean[..., None] - 1.0).max(axis=-1)
    apart = np.maximum(mean, 1.0 / mean)
    return np.asarray((apart < DEEPEST_SHADOW) & (tint < SHADOW_TINT), dtype=np.bool_)
