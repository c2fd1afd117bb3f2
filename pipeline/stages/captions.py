"""One sentence per subtask: drafted, revised for each critique, judged by a person.

The loop is made of inputs: the stage drafts (version 0), answers each critique in force with a
revision (version 1, 2, …) and applies the person's verdict on top. What was asked and answered is
kept with every version, byte for byte; an equal question is never sent twice, so that running the
stage again costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from pipeline.backends.backend import Progress, part_of
from pipeline.model.candidate import MasksResult, ProposalsResult
from pipeline.model.caption import CaptionResult, Verdict
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import CritiqueCaption, Edit, JudgeCaption
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import SubtasksResult
from pipeline.stages.backend_options import FALLBACK
from pipeline.stages.caption_material import caption_material, tags_of
from pipeline.stages.caption_offline import (
    Drafted,
    draft_offline,
    measured_color,
    revise_offline,
    with_base,
)
from pipeline.stages.caption_online import OnlineDrafter, identity_of_drafter, recipe_of
from pipeline.stages.caption_options import OFFLINE, CaptionsOptions
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

__all__ = ["CaptionsOptions", "CaptionsStage", "critiques_of", "online_drafter"]


class _Drafter(Protocol):
    def draft(self, progress: Progress) -> Drafted: ...

    def revise(self, before: Drafted, critique: CritiqueCaption, progress: Progress) -> Drafted: ...


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
        loop = _Loop(demonstration, inputs, options, edits, context)
        return loop.run()


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
    recipe = recipe_of(options)
    material = caption_material(
        demonstration,
        inputs,
        context.reader,
        tags=tags_of(tuple(edits), inputs.subtask),
        marks=recipe.parts.marks,
    )
    return OnlineDrafter(options, material, demonstration.fingerprint)


class _Offline:
    """The offline drafter as a drafter."""

    def __init__(
        self, inputs: StageInputs, options: CaptionsOptions, edits: tuple[Edit, ...]
    ) -> None:
        self._inputs = inputs
        self._options = options
        self._tags = tags_of(edits, inputs.subtask)

    def draft(self, progress: Progress) -> Drafted:
        inputs = self._inputs
        measured = measured_color(
            inputs.get(ProposalsResult), inputs.get(MasksResult), inputs.get(ScoresResult)
        )
        subtask = inputs.get(SubtasksResult).subtasks[inputs.subtask]
        return draft_offline(subtask, measured, inputs.get(TargetResult), self._options, self._tags)

    def revise(self, before: Drafted, critique: CritiqueCaption, progress: Progress) -> Drafted:
        return revise_offline(before, critique)


@dataclass
class _Loop:
    """One run of the stage."""

    demonstration: Demonstration
    inputs: StageInputs
    options: CaptionsOptions
    edits: tuple[Edit, ...]
    context: StageContext

    def run(self) -> CaptionResult:
        subtask = self.inputs.subtask
        critiques = critiques_of(self.edits, subtask)
        judged = [e for e in self.edits if isinstance(e, JudgeCaption) and e.subtask == subtask]
        verdict = judged[-1] if judged else None
        self._problems: list[Problem] = []
        self._offline = _Offline(self.inputs, self.options, self.edits)
        self._online: OnlineDrafter | None = None
        steps = 1 + len(critiques)
        drafted = self._step("draft", 0, steps, None)
        versions = [drafted.version]
        for k, critique in enumerate(critiques):
            before = self._criticised(drafted, critique, verdict)
            drafted = self._step("revision", k + 1, steps, (before, critique))
            versions.append(drafted.version)
        last = drafted.version
        result = CaptionResult(
            text=last.text,
            draft=last.text,
            fields=last.fields,
            evidence=drafted.evidence,
            verdict=None,
            drafter=last.model or last.drafter,
            problems=(*self._problems, *last.problems),
            versions=tuple(versions),
        )
        self.context.progress(1.0, "caption")
        return judge(result, verdict, self._reopened(verdict, critiques)) if verdict else result

    def _step(
        self,
        what: str,
        number: int,
        steps: int,
        critique: tuple[Drafted, CritiqueCaption] | None,
    ) -> Drafted:
        """Draft or revise, with the fallback that the user allows."""
        progress = part_of(self.context.progress, number / steps, (number + 1) / steps)

        def work(drafter: _Drafter) -> Drafted:
            return (
                drafter.draft(progress) if critique is None else drafter.revise(*critique, progress)
            )

        if self.options.offline or any(p.code == FALLBACK for p in self._problems):
            return work(self._offline)
        try:
            if self._online is None:
                self._online = online_drafter(
                    self.demonstration, self.inputs, self.options, self.edits, self.context
                )
            return work(self._online)
        except DataError as error:
            if not self.options.allow_fallback:
                raise
            message = (
                f"The {what} was written {OFFLINE} instead of by {self.options.backend}: {error}"
            )
            self._problems.append(Problem(FALLBACK, message))
            return work(self._offline)

    def _criticised(
        self, drafted: Drafted, critique: CritiqueCaption, verdict: JudgeCaption | None
    ) -> Drafted:
        """What a critique is about: the newest version, or what a person wrote instead of it."""
        about, text = critique.about.strip(), drafted.version.text
        if not about or about == text:
            return drafted
        # lazy: its patterns are for those who criticise
        from pipeline.stages.caption_critique import parts_of

        corrected = verdict is not None and verdict.verdict is Verdict.CORRECTED
        if verdict is not None and corrected and about == verdict.text.strip():
            return with_base(drafted, about, parts_of(about, drafted.version.fields))
        message = (
            f"A critique is about “{about}”, and now answers “{text}”: look whether it still holds."
        )
        self._problems.append(Problem("critique_of_other_text", message, Severity.INFO))
        return drafted

    def _reopened(self, verdict: JudgeCaption | None, critiques: Sequence[CritiqueCaption]) -> bool:
        """Whether a critique in force was made after the verdict."""
        if verdict is None:
            return False
        order = {id(e): k for k, e in enumerate(self.edits)}
        return any(order[id(c)] > order[id(verdict)] for c in critiques)


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
