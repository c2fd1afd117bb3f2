"""What a recipe draws from: the frames of an episode and what is known about them.

Everything here is a value of the earlier stages; `pipeline/stages/caption_material.py` collects it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.model.arrays import F32, I32, expect_shape
from pipeline.model.candidate import Box, MasksResult, ProposalsResult, TracksResult
from pipeline.model.demonstration import Camera, FrameReader
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.subtask import Subtask

Span = tuple[int, int]
"""First frame and one past the last one."""

CONTEXT_SECONDS = 3.0
"""How far a grid looks back or ahead where there is no subtask to show. *(our choice)*"""
MOST_OUTLINES = 8
"""Candidates that are outlined, by falling detector score; more would hide the picture."""
OUTLINE_POINTS = 48
"""Most corners of an outline."""


@dataclass(frozen=True, slots=True)
class Spans:
    """The three times that a collage shows; none holds a frame of another.

    Attributes:
        present: The subtask.
        past: Before it, None if the episode starts with it.
        future: After it, None if the episode ends with it.
        past_is: `subtask` (the one before) or `episode` (the frames before); empty without past.
        future_is: The same for the future.
    """

    present: Span
    past: Span | None = None
    future: Span | None = None
    past_is: str = ""
    future_is: str = ""

    def __post_init__(self) -> None:
        for name, span in (("past", self.past), ("present", self.present), ("future", self.future)):
            if span is not None and not 0 <= span[0] < span[1]:
                raise ValueError(f"{name}: expected start < end, got {span}")


def spans_of(subtasks: Sequence[Subtask], index: int, length: int, fps: float) -> Spans:
    """Past, present and future of a subtask.

    The past is the subtask that began last before this one, whichever arm did it, up to where this
    one begins; the future is the next one, from where this one ends. Where there is none, up to
    three seconds of the episode before or after are shown instead *(our choice)*.

    Args:
        subtasks: Of the episode.
        index: Which of them.
        length: Frames of the episode.
        fps: Its frames per second.

    Raises:
        ValueError: The subtask lies outside the episode.
    """
    own = subtasks[index]
    start, end = max(0, own.start), min(length, own.end)
    if start >= end:
        raise ValueError(f"subtask {own.start}..{own.end} of an episode of {length} frames")
    others = [s for k, s in enumerate(subtasks) if k != index and s.start < s.end]
    before = [s for s in others if s.start < start]
    after = [s for s in others if s.end > end and s.start >= start and s.start < length]
    reach = max(1, round(CONTEXT_SECONDS * fps))
    past: Span | None = None
    future: Span | None = None
    past_is = future_is = "subtask"
    if before:
        last = max(before, key=lambda s: (s.start, s.end))
        past = (max(0, last.start), min(start, last.end))
    elif start > 0:
        past, past_is = (max(0, start - reach), start), "episode"
    if after:
        first = min(after, key=lambda s: (s.start, s.end))
        future = (max(end, first.start), min(length, first.end))
    elif end < length:
        future, future_is = (end, min(length, end + reach)), "episode"
    return Spans((start, end), past, future, past_is if past else "", future_is if future else "")


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of a candidate and how its box moves; drawn only where a recipe asks for marks.

    Attributes:
        candidate: Its number, which is written beside it and gives the colour.
        corners: (P, 2) float32, pixels, in the frame in which its mask was made.
        box: Its box in that frame.
        boxes: (F, 4) float32, its box in each frame of the material, NaN where lost.
    """

    candidate: int
    corners: F32
    box: Box
    boxes: F32

    def __post_init__(self) -> None:
        expect_shape("corners", self.corners, (None, 2))
        expect_shape("boxes", self.boxes, (None, 4))

    def at(self, row: int) -> F32 | None:
        """Corners (P, 2) in row `row` of the material, moved with the box; None where lost."""
        box = self.boxes[row].astype(np.float64)
        if not np.isfinite(box).all() or len(self.corners) < 3:
            return None
        x0, y0, x1, y1 = self.box
        size = np.array([max(x1 - x0, 1.0), max(y1 - y0, 1.0)])
        share = (self.corners.astype(np.float64) - (x0, y0)) / size
        moved: F32 = (box[:2] + share * (box[2:] - box[:2])).astype(np.float32)
        return moved


def _no_numbers() -> F32:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class CaptionMaterial:
    """All that a request can be made from.

    Attributes:
        reader: Frames of the episode; used by this thread only.
        camera: The camera that the earlier stages worked on.
        fps: Frames per second of the episode.
        length: Frames of the episode.
        spans: Past, present and future.
        frames: (F,) int32, frames of the episode that the arrays below speak about, ascending;
            may be empty.
        reference: (F, 2) float32, gripper reference in pixels, NaN where none is visible.
        scale: (F,) float32, local gripper scale in pixels, NaN where unknown.
        mask_box: (F, 4) float32, box of the winner carried along, NaN where lost; None without a
            winner.
        start_box: Where the detector found the object, or None.
        outlines: Of the candidates, for recipes with marks.
        instruction: Of the episode, may be empty.
        previous_caption: Of the subtask before, may be empty.
        tags: (primitive, value) pairs that a person gave.
        subtask: The record of stage 1b, or None.
    """

    reader: FrameReader
    camera: Camera
    fps: float
    length: int
    spans: Spans
    frames: I32
    reference: F32
    scale: F32 = field(default_factory=_no_numbers)
    mask_box: F32 | None = None
    start_box: Box | None = None
    outlines: tuple[Outline, ...] = ()
    instruction: str = ""
    previous_caption: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    subtask: Subtask | None = None

    def __post_init__(self) -> None:
        rows = len(self.frames)
        expect_shape("frames", self.frames, (rows,))
        expect_shape("reference", self.reference, (rows, 2))
        if len(self.scale):
            expect_shape("scale", self.scale, (rows,))
        if self.mask_box is not None:
            expect_shape("mask_box", self.mask_box, (rows, 4))
        for outline in self.outlines:
            expect_shape("boxes of an outline", outline.boxes, (rows, 4))
        if self.fps <= 0 or self.length < 1:
            raise ValueError(f"expected frames at a rate, got {self.length} at {self.fps}")

    @property
    def arm(self) -> str:
        """`left` or `right` where there are two arms, else empty."""
        arm = self.subtask.arm if self.subtask is not None else ""
        return arm if arm in ("left", "right") else ""


def pixel_scale(robot: RobotResult, lifting: LiftingResult | None) -> F32:
    """Local gripper scale in pixels, (F,) float32, also where the robot's result has metres.

    Args:
        robot: The stage's result.
        lifting: The stage's result, for its intrinsics; None where there is no geometry.
    """
    if not robot.is_3d:
        return robot.scale
    if lifting is None or lifting.intrinsics is None:
        return np.full(len(robot.frames), np.nan, np.float32)
    depth = robot.reference_xyz[:, 2].astype(np.float64)
    depth[~(depth > 0)] = np.nan
    pixels: F32 = (robot.scale * float(lifting.intrinsics[0, 0]) / depth).astype(np.float32)
    return pixels


def outlines_of(
    proposals: ProposalsResult, masks: MasksResult, tracks: TracksResult
) -> tuple[Outline, ...]:
    """Outlines of the candidates that have a mask, at most `MOST_OUTLINES`."""
    import cv2

    found: list[Outline] = []
    every = masks.masks
    for row, proposal in enumerate(proposals.candidates[: min(len(every), tracks.boxes.shape[1])]):
        if len(found) == MOST_OUTLINES:
            break
        mask = every[row].astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if not contours:
            continue
        corners = max(contours, key=cv2.contourArea)[:, 0, :].astype(np.float32)
        step = -(-len(corners) // OUTLINE_POINTS)
        corners = corners[::step]
        x0, y0 = corners.min(axis=0)
        x1, y1 = corners.max(axis=0)
        box = (float(x0), float(y0), float(x1) + 1, float(y1) + 1)
        boxes = tracks.boxes[:, row].astype(np.float32)
        found.append(Outline(proposal.id, corners, box, boxes))
    return tuple(found)
