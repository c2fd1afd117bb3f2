"""One run of the stage `captions`: draft, a revision for each critique, the person's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.backends.backend import Progress, part_of
from pipeline.model.candidate import MasksResult, ProposalsResult
from pipeline.model.caption import CaptionResult, Verdict
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import CritiqueCaption, Edit, JudgeCaption
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import SubtasksResult
from pipeline.stages.backend_options import FALLBACK
from pipeline.stages.caption_material import tags_of
from pipeline.stages.caption_offline import (
    Drafted,
    draft_offline,
    measured_color,
    revise_offline,
    with_base,
)
from pipeline.stages.caption_online import OnlineDrafter
from pipeline.stages.caption_options import OFFLINE, CaptionsOptions
from pipeline.stages.captions import critiques_of, judge, online_drafter
from pipeline.stages.stage import StageContext, StageInputs


class _Drafter(Protocol):
    def draft(self, progress: Progress) -> Drafted: ...

    def revise(self, before: Drafted, critique: CritiqueCaption, progress: Progress) -> Drafted: ...


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
class CaptionLoop:
    """One run of the stage; attributes as the arguments of `CaptionsStage.run`."""

    demonstration: Demonstration
    inputs: StageInputs
    options: CaptionsOptions
    edits: tuple[Edit, ...]
    context: StageContext

    def run(self) -> CaptionResult:
        """Draft, revise for each critique, judge; raises as `CaptionsStage.run`."""
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
