"""What a tracker is asked, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.backends.backend import Backend, FrameAt, Progress
from pipeline.model.arrays import F32, I32, Bool
from pipeline.model.problem import Problem


@dataclass(frozen=True, slots=True)
class TrackingRequest:
    """What a tracker is asked.

    Attributes:
        frame_at: Gives frames of the episode; asked in ascending order where possible.
        frames: (F,) int32 ascending, frames to report.
        steps: (S,) int32 ascending, frames to walk through; contains `frames` and `keyframe`.
        keyframe: Frame of `points` and `masks`.
        points: (N, 2) float32 pixels, x and y at the keyframe.
        candidate: (N,) int32, candidate of each point.
        masks: (K, H, W) bool at the keyframe.
        interaction: (F,) bool, frames in which something may be held.
    """

    frame_at: FrameAt
    frames: I32
    steps: I32
    keyframe: int
    points: F32
    candidate: I32
    masks: Bool
    interaction: Bool


@dataclass(frozen=True, slots=True)
class PointTracks:
    """What a tracker returns.

    Attributes:
        points: (F, N, 2) float32 pixels, NaN where never tracked.
        visible: (F, N) bool.
        boxes: (F, K, 4) float32, NaN where lost.
        problems: Findings.
    """

    points: F32
    visible: Bool
    boxes: F32
    problems: tuple[Problem, ...] = ()


class Tracker(Backend, Protocol):
    """Follows points of candidates through a clip.

    A tracker with a memory walks through `frames`, one that compares neighbours through `steps`.
    It may have an attribute `gains_from_crop = False` if it works at the picture's own resolution:
    automatic cropping leaves it alone then. It never knows whether its pictures are cropped.
    """

    def track(self, request: TrackingRequest, progress: Progress) -> PointTracks:
        """Follow the points from the keyframe to both ends of the clip."""
        ...


def no_boxes(frames: int, candidates: int) -> F32:
    """(F, K, 4) float32 of NaN."""
    return np.full((frames, candidates, 4), np.nan, np.float32)
