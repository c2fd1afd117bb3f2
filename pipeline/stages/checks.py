"""Machine checks of the caption: constraint by constraint, on evidence that the stages left.

A failed constraint never changes a caption; it gives `caption_contradicted`, by which people
filter. Where the evidence is missing or near a limit the answer is unknown, with the reason.
"""

from __future__ import annotations

from typing import ClassVar

from pipeline.model.caption import CaptionResult
from pipeline.model.checks import ChecksResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.stages.check_options import ChecksOptions
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

__all__ = ["ChecksOptions", "ChecksStage"]


class ChecksStage(Stage[ChecksOptions, ChecksResult]):
    """Tests what the caption in force says."""

    name: ClassVar[str] = "checks"
    title: ClassVar[str] = "Caption checks"
    version: ClassVar[int] = 2
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = (
        "phases",
        "subtasks",
        "proposals",
        "masks",
        "tracks",
        "lifting",
        "robot",
        "scores",
        "target",
        "captions",
    )
    options_type: ClassVar[type] = ChecksOptions
    result_type: ClassVar[type] = ChecksResult

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: ChecksOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> ChecksResult:
        """Check the caption. Raises Cancelled; DataError if a frame is needed and unreadable."""
        # lazy: the window's start makes the stages, and the worker runs them
        from pipeline.stages.caption_check import check_caption
        from pipeline.stages.check_claims import read_caption
        from pipeline.stages.check_scene import scene_of

        context.progress(0.0, "checking the caption")
        caption = inputs.get(CaptionResult)
        scene = scene_of(
            demonstration,
            inputs,
            options,
            lambda: context.reader.frame(scene.proposals.camera, scene.masks.keyframe),
        )
        fields = caption.fields if caption.text == caption.draft else None
        reading = read_caption(caption.text, fields, scene.subtask.verb)
        result = check_caption(caption.text, reading, scene)
        context.progress(1.0, "caption checked")
        return result
