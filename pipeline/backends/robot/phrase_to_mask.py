"""The robot by its name: LLMDet's boxes, SAM 2's masks, SAM 2's memory through the clip.

1. Boxes of `robot arm` and `robot gripper` come from the proposals' detector, or are looked for
   here. SAM 2 turns those of the surest frame into masks and follows them through the clip.
2. Of several arms the active one is chosen by how its mask changes with the joints (`arm_choice`),
   and of several grippers the one nearest to it.
3. Clicks and painted masks of a person replace step 1 and 2: each seeds the frames nearest to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pipeline.backends.backend import ModelBackend, ModelSettings, Progress, part_of
from pipeline.backends.robot.arm_choice import choose_arm, nearest_to, small_masks
from pipeline.backends.robot.protocol import (
    ARM_PHRASE,
    GRIPPER_PHRASE,
    RobotClick,
    RobotRegion,
    RobotRequest,
)
from pipeline.backends.robot.region import no_robot, region_of
from pipeline.backends.weights import Weights
from pipeline.model.arrays import I32, U8, Bool
from pipeline.model.candidate import Box, Proposal
from pipeline.model.problem import Problem
from pipeline.model.score import box_iou

THRESHOLD = 0.2
"""Smallest score of a box of the robot that is looked for here (our choice)."""
MOST_ARMS = 4
SAME_BOX = 0.7
"""Overlap from which two boxes of one phrase are one thing."""


@dataclass(frozen=True)
class _Seeds:
    """What is followed from one frame.

    Attributes:
        frame: Frame of the episode.
        boxes: Of the arms, then of the grippers.
        arms: How many of them are arms.
        confidence: Of each box.
    """

    frame: int
    boxes: tuple[Box, ...]
    arms: int
    confidence: tuple[float, ...]


class PhraseToMask(ModelBackend):
    """Robot finder by phrases; `weights` are SAM 2's, LLMDet takes its own."""

    name: ClassVar[str] = "phrase_to_mask"
    title: ClassVar[str] = "LLMDet phrase, then SAM 2 video"
    licence: ClassVar[str] = "Apache-2.0 (LLMDet, SAM 2.1)"
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")

    def __init__(self) -> None:
        # Lazily, as the registry does: a broken extra must not take the list of backends down.
        from pipeline.backends.segmentation.sam2_transformers import Sam2Transformers

        super().__init__()
        self._sam2 = Sam2Transformers()

    def configure(self, settings: ModelSettings) -> None:
        """Take the user's settings for SAM 2; LLMDet gets device and precision."""
        super().configure(settings)
        self._sam2.configure(settings)

    def available(self) -> str | None:
        """Return None if SAM 2 is here. LLMDet is only asked for if no box and no click is."""
        return self._sam2.available()

    def weights_path(self) -> Path:
        """SAM 2's weights. Raises DataError `no_weights`."""
        return self._sam2.weights_path()

    def identity(self) -> str:
        """Names and content of both weights."""
        return f"{self.name}:{self._sam2.identity()}+{self._detector().identity()}"

    def downloads(self) -> tuple[Weights, ...]:
        """What SAM 2 and LLMDet can fetch."""
        return (*self._sam2.downloads(), *self._detector().downloads())

    def load(self) -> None:
        """Load SAM 2 as for use."""
        self._sam2.load()

    def find(self, request: RobotRequest, progress: Progress) -> RobotRegion:
        """Return masks and gripper points per frame.

        Raises:
            DataError: `no_backend` (LLMDet, if it is needed), `no_weights`, `bad_weights` or
                `out_of_memory`.
            Cancelled: By `progress`.
        """
        first = request.frame_at(int(request.tracked[0])) if len(request.tracked) else None
        if first is None:
            return region_of(np.zeros((0, 0), np.uint8), None, 1, 1, progress)
        height, width = first.shape[:2]
        if request.clicks or request.painted:
            packed, problems = self._by_person(request, height, width, progress)
            return region_of(packed, None, height, width, part_of(progress, 0.9, 1.0), problems)
        seeds = self._seeds(request, part_of(progress, 0.0, 0.15))
        if seeds is None:
            empty = np.zeros((len(request.tracked), -(-height * width // 8)), np.uint8)
            problem = no_robot(f"No box of “{ARM_PHRASE}” or “{GRIPPER_PHRASE}” was found")
            return region_of(empty, None, height, width, progress, (problem,))
        image = request.frame_at(seeds.frame)
        masks = self._sam2.segment(image, seeds.boxes, part_of(progress, 0.15, 0.3)).masks
        followed = self._follow(
            request, request.tracked, seeds.frame, masks, part_of(progress, 0.3, 0.8)
        )
        return _active(request, seeds, followed, (height, width), part_of(progress, 0.8, 1.0))

    def _by_person(
        self, request: RobotRequest, height: int, width: int, progress: Progress
    ) -> tuple[U8, tuple[Problem, ...]]:
        """Masks (F, ceil(H*W/8)) that follow what a person clicked or painted."""
        masks: dict[int, Bool] = {painted.frame: painted.mask for painted in request.painted}
        clicked: dict[int, list[RobotClick]] = {}
        for click in request.clicks:
            clicked.setdefault(click.frame, []).append(click)
        problems: list[Problem] = []
        for frame, clicks in clicked.items():
            progress(0.05, "SAM 2 at the clicks")
            if not any(click.inside for click in clicks):
                problems.append(
                    Problem(
                        "edit_not_applicable",
                        f"SAM 2 needs a click on the robot beside those that are not, in frame "
                        f"{frame}; they were left out.",
                        frame=frame,
                    )
                )
            elif frame not in masks:
                points = np.array([(click.x, click.y) for click in clicks], np.float32)
                inside = np.array([click.inside for click in clicks], np.bool_)
                image = request.frame_at(frame)
                masks[frame] = self._sam2.segment_points(image, points, inside)
        packed = np.zeros((len(request.tracked), -(-height * width // 8)), np.uint8)
        seeds = np.array(sorted(f for f, mask in masks.items() if mask.any()), np.int32)
        if not len(seeds):
            return packed, tuple(problems)
        owner = np.abs(request.tracked[:, None] - seeds[None]).argmin(axis=1)
        for number, seed in enumerate(seeds):
            rows = np.flatnonzero(owner == number)
            part = part_of(progress, 0.1 + 0.8 * number / len(seeds), 0.9)
            mask = masks[int(seed)][None]
            if len(rows):
                followed = self._follow(request, request.tracked[rows], int(seed), mask, part)
                packed[rows] = followed[:, 0]
        return packed, tuple(problems)

    def _follow(
        self, request: RobotRequest, frames: I32, keyframe: int, masks: Bool, progress: Progress
    ) -> U8:
        """Masks (F, K, ceil(H*W/8)) of the clip, from those of one frame."""
        from pipeline.backends.segmentation.sam2_propagation import propagate_masks

        return propagate_masks(self._sam2, request.frame_at, frames, keyframe, masks, progress)

    def _seeds(self, request: RobotRequest, progress: Progress) -> _Seeds | None:
        """Boxes of the frame in which arm and gripper are surest."""
        found = request.detections or self._detected(request, progress)
        best: _Seeds | None = None
        for frame in sorted({box.frame for box in found}):
            own = [box for box in found if box.frame == frame]
            arms = _distinct([b for b in own if b.label == ARM_PHRASE])
            grippers = _distinct([b for b in own if b.label == GRIPPER_PHRASE])
            both = (*arms, *grippers)
            if not both:
                continue
            sure = tuple(b.score for b in both)
            seeds = _Seeds(frame, tuple(b.box for b in both), len(arms), sure)
            if best is None or _sureness(seeds) > _sureness(best):
                best = seeds
        return best

    def _detected(self, request: RobotRequest, progress: Progress) -> tuple[Proposal, ...]:
        """Look for the phrases in the first, the middle and the last frame."""
        from pipeline.backends.detection.protocol import DetectionRequest
        from pipeline.backends.registry import load_backend

        detector = load_backend("detection", "llmdet", self._detector_settings())
        frames = request.tracked[[0, len(request.tracked) // 2, -1]]
        found: list[Proposal] = []
        for step, frame in enumerate(np.unique(frames)):
            progress(step / 3, f"looking for the robot in frame {frame}")
            asked = DetectionRequest(
                image=request.frame_at(int(frame)),
                phrase=ARM_PHRASE,
                colors=(),
                still=(),
                later=(),
                limit=MOST_ARMS,
                threshold=THRESHOLD,
                nms_iou=SAME_BOX,
                min_area=0.0,
                max_area=1.0,
                further=(GRIPPER_PHRASE,),
                further_threshold=THRESHOLD,
            )
            for box in detector.detect(asked, progress):
                label = box.label or (GRIPPER_PHRASE if box.is_further else ARM_PHRASE)
                found.append(
                    Proposal(len(found), box.box, int(frame), box.score, label, box.origin)
                )
        return tuple(found)

    def _detector_settings(self) -> ModelSettings:
        return ModelSettings("", self.settings.device, self.settings.precision)

    def _detector(self) -> ModelBackend:
        from pipeline.backends.registry import make_backend

        backend: ModelBackend = make_backend("detection", "llmdet", self._detector_settings())
        return backend


def _active(
    request: RobotRequest,
    seeds: _Seeds,
    followed: U8,
    size: tuple[int, int],
    progress: Progress,
) -> RobotRegion:
    """Restrict masks (F, K, ceil(H*W/8)) to the active arm and its gripper."""
    height, width = size
    small = small_masks(followed, height, width, part_of(progress, 0.0, 0.4))
    arms, confidence = seeds.arms, np.array(seeds.confidence)
    which = slice(0, arms) if arms else slice(0, len(seeds.boxes))
    chosen = choose_arm(small[:, which], request, confidence[which])
    packed = np.zeros_like(followed[:, 0])
    grippers = None
    if chosen.index >= 0:
        packed = followed[:, chosen.index].copy()
        hand = chosen.index
        if arms:
            hand = nearest_to(small[:, arms:], small[:, chosen.index])
            hand = arms + hand if hand >= 0 else -1
        if hand >= 0:
            grippers = followed[:, hand]
            packed |= grippers
    return region_of(packed, grippers, height, width, part_of(progress, 0.4, 1.0), chosen.problems)


def _sureness(seeds: _Seeds) -> float:
    """Best score of an arm plus best score of a gripper."""
    arms, grippers = seeds.confidence[: seeds.arms], seeds.confidence[seeds.arms :]
    return max(arms, default=0.0) + max(grippers, default=0.0)


def _distinct(boxes: list[Proposal]) -> list[Proposal]:
    """The surest boxes that are not one another, at most `MOST_ARMS`."""
    kept: list[Proposal] = []
    for box in sorted(boxes, key=lambda b: -b.score):
        if len(kept) < MOST_ARMS and all(box_iou(box.box, k.box) < SAME_BOX for k in kept):
            kept.append(box)
    return kept
