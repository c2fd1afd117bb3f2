"""The drafter and reviser that need no model.

The draft takes verb, object and destination from the subtask record and the colour from the
instruction or, where that gives none, from the winner's mask. Where mask and instruction clearly
contradict each other the caption keeps the word of the instruction and says so: a failed check
never changes a caption by itself. Tags that a person gave decide the parts that they name.

A revision takes the corrections of the critique, else what rules can read in its text, and writes
the sentence again in the schema. What they cannot read leaves the caption as it is, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.backends.language.phrases import colors_of
from pipeline.backends.language.vocabulary import vocabulary
from pipeline.model.candidate import MasksResult, ProposalsResult
from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.model.colors import canonical_color, color_distance, name_color
from pipeline.model.drafting import CaptionVersion
from pipeline.model.edits import CritiqueCaption
from pipeline.model.problem import Problem
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import Subtask
from pipeline.stages.caption_corrections import EVIDENCE_NAMES, corrected, sentence_of, tagged
from pipeline.stages.caption_options import OFFLINE, CaptionsOptions

Evidence = tuple[tuple[str, str], ...]
"""(part, why) pairs."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A version and what each of its parts rests on."""

    version: CaptionVersion
    evidence: Evidence = ()


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


def draft_offline(
    subtask: Subtask,
    measured: MeasuredColor | None,
    target: TargetResult | None,
    options: CaptionsOptions,
    tags: tuple[tuple[str, str], ...] = (),
) -> Drafted:
    """Write the sentence of a subtask with what each part rests on.

    Args:
        subtask: Record of stage 1b.
        measured: Colour of the winner, None where unknown.
        target: Where the object ended up.
        options: Of the stage.
        tags: Primitives that a person gave.
    """
    problems: list[Problem] = []
    evidence = {"verb": _verb_evidence(subtask)}
    thing, evidence["object"], why_color = _object(subtask, measured, options, problems)
    if why_color:
        evidence["color"] = why_color
    relation, arm = subtask.relation, subtask.arm if subtask.arm in ("left", "right") else ""
    if relation and subtask.target_name:
        evidence["relation"] = f"“{relation}” from the instruction"
    if subtask.target_name:
        evidence["destination"] = _target_evidence(subtask, target, _role(subtask.verb))
    elif relation:
        evidence["direction"] = "from the instruction"
    if subtask.source_name:
        evidence["source"] = "from the instruction"
    if arm:
        evidence["arm"] = f"gripper phases of the {arm} arm"
    fields = CaptionFields(
        verb=subtask.verb or "move",
        object_name=thing,
        relation=relation,
        destination=subtask.target_name,
        arm=arm,
        source=subtask.source_name,
    )
    fields, decided = tagged(fields, tags)
    for name in decided:
        evidence[name] = "tagged by a person"
    if {"object", "color"} & set(decided):
        problems = []  # the instruction's colour is no part of the caption any more
    text = sentence_of(fields)
    version = CaptionVersion(text, fields, OFFLINE, problems=tuple(problems))
    return Drafted(version, tuple(evidence.items()))


def revise_offline(before: Drafted, critique: CritiqueCaption) -> Drafted:
    """Answer a critique without a model.

    Args:
        before: The version that is criticised.
        critique: What a person said; its `corrections` win over its text.

    Returns:
        The next version. Where neither corrections nor text say what to change, the same caption
        with the problem `critique_not_understood`.
    """
    # lazy: its patterns are for those who criticise
    from pipeline.stages.caption_critique import read_critique

    fields = before.version.fields
    changes = critique.corrections or read_critique(critique.text, fields, critique.fields)
    after = corrected(fields, changes)
    told = "critique" if critique.corrections else f"critique: “{_short(critique.text)}”"
    text = sentence_of(after) if after != fields else before.version.text
    problems: tuple[Problem, ...] = ()
    if after == fields:
        problems = (_not_understood(critique),)
    elif text == before.version.text and after.arm == fields.arm:
        problems = (_unsaid(fields, after),)
    if after.object_name == fields.object_name:
        colors = (p for p in before.version.problems if p.code == "caption_color_differs")
        problems = (*colors, *problems)
    version = CaptionVersion(text, after, OFFLINE, critique=critique.uid, problems=problems)
    return Drafted(version, _evidence_after(before.evidence, fields, after, told))


def _evidence_after(
    evidence: Evidence, before: CaptionFields, after: CaptionFields, told: str
) -> Evidence:
    """What the parts rest on after a revision: those that changed rest on the critique."""
    found = dict(evidence)
    for part in CaptionField:
        value = getattr(after, part.value)
        if value == getattr(before, part.value):
            continue
        name = EVIDENCE_NAMES[part]
        found.pop("direction" if part is CaptionField.RELATION else name, None)
        if part is CaptionField.OBJECT:
            found.pop("color", None)
        if value:
            found[name] = told
        else:
            found.pop(name, None)
    return tuple(found.items())


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:77] + "..."


def _not_understood(critique: CritiqueCaption) -> Problem:
    if critique.corrections:
        message = (
            "The critique gives values that the caption has already: it stays as it is; say what "
            "is right instead."
        )
    else:
        message = (
            f"Without a model “{_short(critique.text)}” is not understood: the caption stays as it "
            "is; give the right value of each wrong part, or choose a model."
        )
    return Problem("critique_not_understood", message)


def _unsaid(before: CaptionFields, after: CaptionFields) -> Problem:
    """The schema has no place for what changed (a source after a verb that names none)."""
    changed = [EVIDENCE_NAMES[p] for p in CaptionField if getattr(before, p) != getattr(after, p)]
    message = (
        f"The sentence of “{after.verb}” has no place for {', '.join(changed)}: it is noted in the "
        "parts, the words stay."
    )
    return Problem("revision_unsaid", message)


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


def with_base(before: Drafted, text: str, fields: CaptionFields) -> Drafted:
    """`before` with the words that a person put in its place."""
    version = replace(before.version, text=text, fields=fields)
    return Drafted(version, before.evidence)
