"""One sentence per subtask: drafted, revised for each critique, judged by a person.

The loop is made of inputs: the stage drafts (version 0), answers each critique in force with a
revision (version 1, 2, …) and applies the person's verdict on top. What was asked and answered is
kept with every version, byte for byte; an equal question is never sent twice, so that running the
stage again costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pipeline.model.caption import CaptionResult, Verdict
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import CritiqueCaption, Edit, JudgeCaption
from pipeline.model.problem import Problem, Severity
from pipeline.stages.caption_options import CaptionsOptions
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

if TYPE_CHECKING:
    from pipeline.stages.caption_online import OnlineDrafter

__all__ = ["CaptionsOptions", "CaptionsStage", "critiques_of", "judge", "online_drafter"]


class CaptionsStage(Stage[CaptionsOptions, CaptionResult]):
    """Drafts and revises the caption of a subtask and applies what a person said about it."""

    name: ClassVar[str] = "captions"
    title: ClassVar[str] = "Captions"
    version: ClassVar[int] = 2
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = (
        "subtasks",
        "proposals",
        "masks",
        "tracks",
        "lifting",
        "robot",
        "scores",
        "target",
    )
    options_type: ClassVar[type] = CaptionsOptions
    result_type: ClassVar[type] = CaptionResult

    def identity(self, options: CaptionsOptions) -> str:
        """The backend, with recipe and prompt where a model is asked."""
        if options.offline:
            return options.backend
        # lazy, as below: the window's start makes the stages, and the worker runs them
        from pipeline.stages.caption_online import identity_of_drafter

        return identity_of_drafter(options)

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: CaptionsOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> CaptionResult:
        """Write the caption.

        Raises:
            DataError: The model cannot be asked or did not answer, and no fallback is allowed.
            Cancelled: By the user; a request that runs is ended at once.
        """
        context.progress(0.0, "drafting the caption")
        from pipeline.stages.caption_loop import CaptionLoop

        return CaptionLoop(demonstration, inputs, options, edits, context).run()


def critiques_of(edits: Sequence[Edit], subtask: int) -> tuple[CritiqueCaption, ...]:
    """Critiques to answer, in order; one that refines another stands in its place.

    Args:
        edits: In force, in the order in which they were made.
        subtask: Index of the subtask.
    """
    order: list[CritiqueCaption] = []
    for edit in edits:
        if not isinstance(edit, CritiqueCaption) or edit.subtask != subtask:
            continue
        place = next((k for k, c in enumerate(order) if edit.refines and c.uid == edit.refines), -1)
        if place < 0:
            order.append(edit)  # also where what it refines was undone
        else:
            order[place] = edit
    return tuple(order)


def online_drafter(
    demonstration: Demonstration,
    inputs: StageInputs,
    options: CaptionsOptions,
    edits: Sequence[Edit],
    context: StageContext,
) -> OnlineDrafter:
    """What would ask the model about a subtask; nothing is decoded or sent.

    Raises:
        DataError: The recipe or the material cannot be used.
    """
    from pipeline.stages.caption_material import caption_material, tags_of
    from pipeline.stages.caption_online import OnlineDrafter, recipe_of

    recipe = recipe_of(options)
    material = caption_material(
        demonstration,
        inputs,
        context.reader,
        tags=tags_of(tuple(edits), inputs.subtask),
        marks=recipe.parts.marks,
    )
    return OnlineDrafter(options, material, demonstration.fingerprint)


def judge(draft: CaptionResult, edit: JudgeCaption, reopened: bool = False) -> CaptionResult:
    """Apply a person's verdict.

    An accepted or corrected text stays in force when a later run drafts something else; a
    rejection concerns only the draft that was rejected. Both say so with `caption_draft_changed`.

    Args:
        draft: The newest version.
        edit: The verdict.
        reopened: Whether somebody criticised the caption after it: then the verdict is over, the
            revision waits for a new one.
    """
    changed = edit.draft != draft.draft
    problems = draft.problems
    if reopened:
        message = (
            f"The caption was {edit.verdict.value} as “{edit.text.strip() or edit.draft}” and then "
            "criticised: judge the revision."
        )
        problem = Problem("caption_draft_changed", message, Severity.INFO)
        return replace(draft, problems=(*problems, problem))
    if changed:
        message = (
            f"The caption was {edit.verdict.value} when the draft was “{edit.draft}”: look again."
        )
        problems = (*problems, Problem("caption_draft_changed", message, Severity.INFO))
    text, verdict = draft.draft, edit.verdict
    if edit.verdict is not Verdict.REJECTED:
        text = edit.text.strip() or (edit.draft if changed else draft.draft)
    return replace(
        draft,
        text=text,
        verdict=None if changed and verdict is Verdict.REJECTED else verdict,
        problems=problems,
    )
