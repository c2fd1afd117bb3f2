"""Stage 2b: a mask for each candidate box at the keyframe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pipeline.backends.backend import part_of
from pipeline.backends.detection.colors import to_lab
from pipeline.backends.segmentation.protocol import Ambiguous, Refiner, Segmentation, Segmenter
from pipeline.model.arrays import Bool, pack_masks
from pipeline.model.candidate import Box, MasksResult, ProposalsResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit, PaintMask
from pipeline.model.mask_runs import mask_of
from pipeline.model.options import option
from pipeline.model.problem import Problem, Severity
from pipeline.model.score import box_iou
from pipeline.stages.backend_options import BackendOptions, with_backend
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

_SAME_BOX = 0.5
"""Least IoU of the box under a painted mask and a candidate's, to be the same one (our choice: as
for the choice of the winner)."""


@dataclass(frozen=True)
class MasksOptions(BackendOptions):
    """Options of the masks."""

    backend: str = option(
        "grabcut", "Segmenter. `grabcut` needs no model.", capability="segmentation"
    )
    best_of_three: bool = option(
        False,
        "Let SAM 2 propose three masks per box and take the one it rates best, instead of one. "
        "Others ignore it.",
        source="SAM 2: one mask for boxes, three for a single click",
    )


class MasksStage(Stage[MasksOptions, MasksResult]):
    """Segments the candidates and measures their colour."""

    name: ClassVar[str] = "masks"
    title: ClassVar[str] = "Masks"
    version: ClassVar[int] = 4
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = ("proposals",)
    options_type: ClassVar[type] = MasksOptions
    result_type: ClassVar[type] = MasksResult
    capability: ClassVar[str] = "segmentation"

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: MasksOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> MasksResult:
        """Segment the boxes, but those that a person painted.

        Raises DataError `no_backend` or Cancelled.
        """
        proposals = inputs.get(ProposalsResult)
        context.progress(0.0, "reading the keyframe")
        image = context.reader.frame(proposals.camera, proposals.keyframe)
        height, width = image.shape[:2]
        boxes = tuple(c.box for c in proposals.candidates)
        painted, problems = painted_masks(edits, boxes, height, width)
        rest = [k for k in range(len(boxes)) if k not in painted]

        def segment(segmenter: Segmenter) -> Segmentation:
            asked = tuple(boxes[k] for k in rest)
            if isinstance(segmenter, Ambiguous):
                segmenter.best_of_three = options.best_of_three
            if not isinstance(segmenter, Refiner):
                return segmenter.segment(image, asked, context.progress)
            found = segmenter.segment(image, asked, part_of(context.progress, 0.0, 0.5))
            return segmenter.refine(
                lambda frame: context.reader.frame(proposals.camera, frame),
                proposals.keyframe,
                demonstration.length,
                asked,
                found,
                part_of(context.progress, 0.5, 1.0),
            )

        found, backend, fallen = with_backend(self.capability, options, segment)
        problems += fallen
        masks = np.zeros((len(boxes), height, width), np.bool_)
        masks[rest] = found.masks
        quality = np.full(len(boxes), np.nan, np.float32)
        if found.quality is not None:
            quality[rest] = found.quality
        for k, mask in painted.items():
            masks[k] = mask
        lab = to_lab(image)
        colors = np.full((len(boxes), 3), np.nan, np.float32)
        for k, mask in enumerate(masks):
            if mask.any():
                colors[k] = np.median(lab[mask], axis=0)
        problems += _fallbacks(found, rest, proposals.keyframe)
        context.progress(1.0, "masks done")
        return MasksResult(
            keyframe=proposals.keyframe,
            height=height,
            width=width,
            packed=pack_masks(masks),
            colors=colors,
            backend=backend,
            problems=problems,
            quality=None if found.quality is None else quality,
            placement=found.placement,
        )


def _fallbacks(found: Segmentation, rest: list[int], keyframe: int) -> tuple[Problem, ...]:
    """Say which masks are only ellipses; `rest` are the candidates that were segmented."""
    problems = []
    tried = [rest[k] for k in found.collapsed if k not in found.skipped]
    if tried:
        which = ", ".join(map(str, tried))
        message = (
            f"Segmentation found no shape in the box of candidate {which}; its mask is the ellipse "
            "in the box."
        )
        problems.append(Problem("mask_fallback", message, Severity.INFO, keyframe))
    if found.skipped:
        which = ", ".join(str(rest[k]) for k in found.skipped)
        message = (
            f"The time for one picture was over before candidate {which}; its mask is the ellipse "
            "in the box. Fewer candidates or a smaller picture help."
        )
        problems.append(Problem("mask_fallback", message, Severity.INFO, keyframe))
    return tuple(problems)


def painted_masks(
    edits: tuple[Edit, ...], boxes: tuple[Box, ...], height: int, width: int
) -> tuple[dict[int, Bool], tuple[Problem, ...]]:
    """Find the candidates that people painted.

    Args:
        edits: Edits in force; of several for one candidate the last counts.
        boxes: Boxes of the candidates.
        height: Of the picture, pixels.
        width: Of the picture, pixels.

    Returns:
        Masks (height, width) bool by candidate, and a problem for each edit that does not apply.
    """
    painted: dict[int, Bool] = {}
    problems: list[Problem] = []
    for edit in edits:
        if not isinstance(edit, PaintMask):
            continue
        if (edit.height, edit.width) != (height, width):
            problems.append(
                Problem(
                    "edit_not_applicable",
                    f"A mask was painted on a picture of {edit.width}x{edit.height} pixels, but "
                    f"the keyframe has {width}x{height}; the segmentation counts. Paint again.",
                )
            )
            continue
        overlaps = [box_iou(box, edit.box) for box in boxes]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best < 0 or overlaps[best] < _SAME_BOX:
            problems.append(
                Problem(
                    "edit_not_applicable",
                    "A person painted the mask of a candidate that is not among the proposals any "
                    "more. Draw its box or paint another candidate.",
                )
            )
            continue
        painted[best] = mask_of(edit.runs, height, width)
    return painted, tuple(problems)


def with_painted(
    result: MasksResult, proposals: ProposalsResult, edits: tuple[Edit, ...]
) -> MasksResult:
    """Show what people painted before the stage has run again; colours stay as they are.

    Args:
        result: Masks, fresh or stale.
        proposals: The candidates they belong to.
        edits: Edits of the masks of this subtask in force.
    """
    boxes = tuple(c.box for c in proposals.candidates)
    if len(boxes) != result.count:
        return result
    painted, _ = painted_masks(edits, boxes, result.height, result.width)
    if not painted:
        return result
    packed = result.packed.copy()
    for k, mask in painted.items():
        packed[k] = pack_masks(mask[None])[0]
    return replace(result, packed=packed)
