"""One sentence per subtask, written offline from what the earlier stages found.

The drafter takes verb, object and destination from the subtask record and the colour from the
instruction or, where that gives none, from the winner's mask. Where mask and instruction clearly
contradict each other the caption keeps the word of the instruction and says so: a failed check
never changes a caption by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.backends.language.phrases import colors_of
from pipeline.backends.language.sentences import sentence
from pipeline.backends.language.vocabulary import vocabulary
from pipeline.model.candidate import MasksResult, ProposalsResult
from pipeline.model.caption import CaptionFields, CaptionResult, Verdict
from pipeline.model.colors import canonical_color, color_distance, name_color
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit, JudgeCaption
from pipeline.model.options import option
from pipeline.model.problem import Problem, Severity
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs


@dataclass(frozen=True, slots=True)
class CaptionsOptions:
    """Options of the stage."""

    backend: str = option(
        "offline",
        "Who drafts: offline writes the sentence from the subtask record, without a model.",
        choices=("offline",),
    )
    measured_color: bool = option(
        True, "Name the colour of the winner's mask where the instruction names none."
    )
    naming_limit: float = option(
        15.0,
        "Largest difference between the mask's colour and a colour word's nearest prototype "
        "(CIEDE2000, k_L = 2) at which the word is used.",
        unit="ΔE",
        low=0.0,
        high=100.0,
    )
    contradiction: float = option(
        20.0,
        "Difference from the instruction's colour words from which the mask contradicts them.",
        unit="ΔE",
        low=0.0,
        high=100.0,
    )
    contradiction_margin: float = option(
        10.0,
        "The measured colour must fit another word better by this much: thin or shaded masks are "
        "far from every word.",
        unit="ΔE",
        low=0.0,
        high=100.0,
    )


@dataclass(frozen=True, slots=True)
class MeasuredColor:
    """What the winner's mask looks like.

    Attributes:
        lab: Median CIELAB of the masked pixels.
        name: Nearest colour word.
        distance: Its ΔE.
    """

    lab: tuple[float, float, float]
    name: str
    distance: float

    @property
    def text(self) -> str:
        """For people, e.g. `mask median Lab 78, 2, 70; nearest “yellow”, ΔE 4.1`."""
        lab = ", ".join(f"{v:.0f}" for v in self.lab)
        return f"mask median Lab {lab}; nearest “{self.name}”, ΔE {self.distance:.1f}"


class CaptionsStage(Stage[CaptionsOptions, CaptionResult]):
    """Drafts the caption of a subtask and applies what a person said about it."""

    name: ClassVar[str] = "captions"
    title: ClassVar[str] = "Captions"
    version: ClassVar[int] = 1
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = ("subtasks", "proposals", "masks", "scores", "target")
    options_type: ClassVar[type] = CaptionsOptions
    result_type: ClassVar[type] = CaptionResult

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: CaptionsOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> CaptionResult:
        """Write the caption. Raises Cancelled."""
        context.progress(0.0, "drafting the caption")
        subtask = inputs.get(SubtasksResult).subtasks[inputs.subtask]
        measured = measured_color(
            inputs.get(ProposalsResult), inputs.get(MasksResult), inputs.get(ScoresResult)
        )
        draft = draft_caption(subtask, measured, inputs.get(TargetResult), options)
        judged = [e for e in edits if isinstance(e, JudgeCaption) and e.subtask == inputs.subtask]
        context.progress(1.0, "caption")
        return judge(draft, judged[-1]) if judged else draft


def measured_color(
    proposals: ProposalsResult, masks: MasksResult, scores: ScoresResult
) -> MeasuredColor | None:
    """Measure the winner's colour; None without a winner or where its mask is empty."""
    rows = [k for k, p in enumerate(proposals.candidates) if p.id == scores.winner]
    if not rows or rows[0] >= len(masks.colors):
        return None
    lab = masks.colors[rows[0]].astype(np.float64)
    name, distance = name_color(lab)
    if not name:
        return None
    return MeasuredColor((float(lab[0]), float(lab[1]), float(lab[2])), name, distance)


def draft_caption(
    subtask: Subtask,
    measured: MeasuredColor | None,
    target: TargetResult | None,
    options: CaptionsOptions,
) -> CaptionResult:
    """Write the sentence of a subtask with what each part rests on."""
    problems: list[Problem] = []
    evidence = [("verb", _verb_evidence(subtask))]
    thing, why_thing, why_color = _object(subtask, measured, options, problems)
    evidence.append(("object", why_thing))
    if why_color:
        evidence.append(("color", why_color))
    role = _role(subtask.verb)
    relation = subtask.relation
    if relation and subtask.target_name:
        evidence.append(("relation", f"“{relation}” from the instruction"))
    if subtask.target_name:
        evidence.append(("destination", _target_evidence(subtask, target, role)))
    elif relation:
        evidence.append(("direction", "from the instruction"))
    if subtask.arm in ("left", "right"):
        evidence.append(("arm", f"gripper phases of the {subtask.arm} arm"))
    verb = subtask.verb or "move"
    fields = CaptionFields(
        verb=verb,
        object_name=thing,
        relation=relation,
        destination=subtask.target_name,
        arm=subtask.arm if subtask.arm in ("left", "right") else "",
    )
    text = sentence(verb, thing, relation, subtask.target_name, subtask.source_name)
    return CaptionResult(
        text, text, fields, tuple(evidence), None, options.backend, tuple(problems)
    )


def _role(verb: str) -> str:
    try:
        return vocabulary().verb(verb).role
    except KeyError:
        return ""


def _verb_evidence(subtask: Subtask) -> str:
    if subtask.verb:
        return f"“{subtask.verb}” from the instruction"
    return "our choice: the phases show that something was held, no language says what for"


def _target_evidence(subtask: Subtask, target: TargetResult | None, role: str) -> str:
    if role in ("tool", "cover"):
        return "from the instruction: what the object acts on"
    if target is None or target.box is None:
        return "from the instruction; no target box was found"
    return f"from the instruction; target box {target.method.replace('_', ' ')}"


def _object(
    subtask: Subtask,
    measured: MeasuredColor | None,
    options: CaptionsOptions,
    problems: list[Problem],
) -> tuple[str, str, str]:
    """The object phrase, why, and what its colour rests on (empty: no colour is known)."""
    name = subtask.object_name
    why = "from the instruction" if name else "the instruction names no object"
    words = subtask.colors or colors_of(name.lower())
    usable = measured is not None and measured.distance <= options.naming_limit
    if not words:
        fluid = bool(name) and vocabulary().is_kind("fluids", name)
        if measured is None:
            return name or "object", why, ""
        if not (options.measured_color and usable) or fluid:
            return name or "object", why, f"not named: {measured.text}"
        return f"{measured.name} {name or 'object'}", why, measured.text
    text = "“" + "”, “".join(words) + "” from the instruction"
    if measured is None:
        return name, why, text
    known = [w for w in words if canonical_color(w) is not None]
    distance = min((float(color_distance(w, measured.lab)) for w in known), default=0.0)
    if (
        measured.name not in known
        and distance >= options.contradiction
        and distance - measured.distance >= options.contradiction_margin
    ):
        message = (
            f"The instruction says {'/'.join(words)}, the chosen object is {measured.name} "
            f"(ΔE {distance:.0f} from {'/'.join(words)}): check the candidate or the instruction."
        )
        problems.append(Problem("caption_color_differs", message))
    return name, why, f"{text}, ΔE {distance:.1f}; {measured.text}"


def judge(draft: CaptionResult, edit: JudgeCaption) -> CaptionResult:
    """Apply a person's verdict.

    An accepted or corrected text stays in force when a later run drafts something else; a
    rejection concerns only the draft that was rejected. Both say so with `caption_draft_changed`.
    """
    changed = edit.draft != draft.draft
    problems = draft.problems
    if changed:
        message = (
            f"The caption was {edit.verdict.value} when the draft was “{edit.draft}”: look again."
        )
        problems = (*problems, Problem("caption_draft_changed", message, Severity.INFO))
    text, verdict = draft.draft, edit.verdict
    if edit.verdict is not Verdict.REJECTED:
        text = edit.text.strip() or (edit.draft if changed else draft.draft)
    return CaptionResult(
        text=text,
        draft=draft.draft,
        fields=draft.fields,
        evidence=draft.evidence,
        verdict=None if changed and verdict is Verdict.REJECTED else verdict,
        drafter=draft.drafter,
        problems=problems,
    )
