"""Stage 2b: a mask for each candidate box at the keyframe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.backends.capability import Segmenter, load_backend
from pipeline.backends.detection.colors import to_lab
from pipeline.model.arrays import pack_masks
from pipeline.model.candidate import MasksResult, ProposalsResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.model.options import option
from pipeline.model.problem import Problem, Severity
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs


@dataclass(frozen=True)
class MasksOptions:
    """Options of the masks."""

    backend: str = option("grabcut", "Segmenter. `grabcut` needs no model.")


class MasksStage(Stage[MasksOptions, MasksResult]):
    """Segments the candidates and measures their colour."""

    name: ClassVar[str] = "masks"
    title: ClassVar[str] = "Masks"
    version: ClassVar[int] = 1
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = ("proposals",)
    options_type: ClassVar[type] = MasksOptions
    result_type: ClassVar[type] = MasksResult

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: MasksOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> MasksResult:
        """Segment the boxes. Raises DataError `no_backend` or Cancelled."""
        proposals = inputs.get(ProposalsResult)
        segmenter: Segmenter = load_backend("segmentation", options.backend)
        context.progress(0.0, "reading the keyframe")
        image = context.reader.frame(proposals.camera, proposals.keyframe)
        boxes = tuple(c.box for c in proposals.candidates)
        found = segmenter.segment(image, boxes, context.progress)
        lab = to_lab(image)
        colors = np.full((len(boxes), 3), np.nan, np.float32)
        for k, mask in enumerate(found.masks):
            if mask.any():
                colors[k] = np.median(lab[mask], axis=0)
        problems: tuple[Problem, ...] = ()
        if found.collapsed:
            which = ", ".join(str(k) for k in found.collapsed)
            problems = (
                Problem(
                    "mask_fallback",
                    f"Segmentation found no shape in the box of candidate {which}; "
                    "its mask is the ellipse in the box.",
                    Severity.INFO,
                    proposals.keyframe,
                ),
            )
        context.progress(1.0, "masks done")
        return MasksResult(
            keyframe=proposals.keyframe,
            height=image.shape[0],
            width=image.shape[1],
            packed=pack_masks(found.masks),
            colors=colors,
            backend=segmenter.name,
            problems=problems,
        )
