"""Candidates: proposals, masks and tracks of what might be the manipulated object."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.model.arrays import F32, I32, U8, Bool, expect_shape, unpack_masks
from pipeline.model.problem import Problem

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the original frame, x1 and y1 exclusive."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A box that might hold the object (or the target).

    Attributes:
        id: Number within its list, from 0; colours and keys follow it.
        box: Pixels of the original frame.
        frame: Frame it was found in.
        score: Detector confidence D in 0..1.
        label: Phrase it was grounded to.
        origin: `region`, `color`, `motion`, `arrival`, `phrase` (a model that reads the phrase
            found it) or `user`.
        evidence: What the confidence is made of, one short line for people.
    """

    id: int
    box: Box
    frame: int
    score: float
    label: str
    origin: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class ProposalsResult:
    """Stage 2, first step.

    Attributes:
        camera: Camera key all later stages work on.
        keyframe: Frame of the object proposals.
        candidates: Object proposals, by falling score.
        targets: Target proposals (early and late frames), by falling score.
        robot: Boxes of robot and gripper phrases at the same frames, labelled `robot arm` or
            `robot gripper`; empty if the detector cannot name them.
        again: Boxes of the object phrase on further frames, kept as evidence.
        backend: Detection backend.
        placement: Device and precision it ran with, e.g. `cuda:0, bfloat16`; empty if it has no
            choice.
        problems: Findings.
    """

    camera: str
    keyframe: int
    candidates: tuple[Proposal, ...]
    targets: tuple[Proposal, ...]
    backend: str
    problems: tuple[Problem, ...] = ()
    robot: tuple[Proposal, ...] = ()
    again: tuple[Proposal, ...] = ()
    placement: str = ""


@dataclass(frozen=True, slots=True)
class MasksResult:
    """Masks of the candidates at the keyframe.

    Attributes:
        keyframe: Frame.
        height: Pixels.
        width: Pixels.
        packed: (K, ceil(H*W/8)) uint8, bits of K masks, row k belongs to candidate k.
        colors: (K, 3) float32, median CIELAB of the masked pixels.
        backend: Segmentation backend.
        problems: Findings.
        quality: (K,) float32, IoU with the true mask that the segmenter expects, NaN where it
            cannot tell (painted masks); None if the segmenter never can.
        placement: Device and precision the segmenter ran with, e.g. `cuda:0, bfloat16`; empty if
            it has no choice.
    """

    keyframe: int
    height: int
    width: int
    packed: U8
    colors: F32
    backend: str
    problems: tuple[Problem, ...] = ()
    quality: F32 | None = None
    placement: str = ""

    @property
    def masks(self) -> Bool:
        """(K, H, W) bool."""
        return unpack_masks(self.packed, self.height, self.width)

    @property
    def count(self) -> int:
        """Number of candidates K."""
        return len(self.packed)


def _unseen() -> F32:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class TracksResult:
    """Points of the candidates through the clip.

    Attributes:
        frames: (F,) int32, frames of the episode at the tracking rate, ascending.
        fps: Rate of `frames` per second (last steps may be shorter).
        points: (F, N, 2) float32, x and y in pixels; NaN where never tracked.
        visible: (F, N) bool.
        candidate: (N,) int32, candidate of each point.
        kept: (N,) bool, visible in enough frames to be scored.
        boxes: (F, K, 4) float32, box of each candidate carried along by its points, NaN if lost.
        backend: Tracking backend.
        problems: Findings.
        appearance: (F, K) float32, how alike each candidate is to itself at the keyframe, 0..1;
            NaN where too few of its points are visible. Empty (0, 0) if it was not looked at.
        crop: Part of the picture that was tracked; None for all of it.
        placement: Device and precision the tracker ran with, e.g. `cuda:0, bfloat16`; empty if it
            has no choice.
    """

    frames: I32
    fps: float
    points: F32
    visible: Bool
    candidate: I32
    kept: Bool
    boxes: F32
    backend: str
    problems: tuple[Problem, ...] = ()
    appearance: F32 = field(default_factory=_unseen)
    crop: Box | None = None
    placement: str = ""

    def __post_init__(self) -> None:
        f, n = self.visible.shape
        expect_shape("frames", self.frames, (f,))
        expect_shape("points", self.points, (f, n, 2))
        expect_shape("candidate", self.candidate, (n,))
        expect_shape("kept", self.kept, (n,))
        expect_shape("boxes", self.boxes, (f, None, 4))
        if self.appearance.size:
            expect_shape("appearance", self.appearance, (f, self.boxes.shape[1]))

    def nearest(self, frame: int) -> int:
        """Index into `frames` of the tracked frame nearest to `frame`."""
        return int(np.abs(self.frames.astype(np.int64) - frame).argmin())
