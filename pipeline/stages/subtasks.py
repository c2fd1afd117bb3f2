"""Stage 1b: what the instruction asks for, and in which grasp it happens (SPARC 3.1).

With rules each cycle that holds something is one subtask; a language model may say that several
cycles are one. The clip runs from the start of the approach, never before the release of the cycle
before, to the end of the release, widened where there is room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pipeline.backends.backend import ModelSettings
from pipeline.backends.language.clauses import Clause, Instruction
from pipeline.backends.language.phrases import colors_of
from pipeline.backends.language.protocol import (
    AnsweredSubtask,
    LanguageAnswer,
    LanguageRequest,
)
from pipeline.backends.language.sentences import sentence, tidied
from pipeline.backends.language.vocabulary import singular, vocabulary
from pipeline.backends.registry import identity_of
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit, Rename
from pipeline.model.phases import Phase, PhaseName, PhasesResult
from pipeline.model.problem import Problem, Severity
from pipeline.model.subtask import ActionType, Subtask, SubtasksResult
from pipeline.stages.backend_options import BackendOptions, with_backend
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs
from pipeline.stages.subtask_alignment import Cycle, align, cycles_of, leading
from pipeline.stages.subtask_answers import grasps_of
from pipeline.stages.subtask_options import SubtasksOptions

__all__ = ["SubtasksOptions", "SubtasksStage", "request_of"]

_LANGUAGE_CODES = frozenset({"instruction_empty", "instruction_not_understood", "object_unnamed"})


class SubtasksStage(Stage[SubtasksOptions, SubtasksResult]):
    """Cuts an episode into subtasks and names what each of them moves."""

    name: ClassVar[str] = "subtasks"
    title: ClassVar[str] = "Subtasks"
    version: ClassVar[int] = 2
    scope: ClassVar[Scope] = Scope.EPISODE
    inputs: ClassVar[tuple[str, ...]] = ("phases",)
    options_type: ClassVar[type] = SubtasksOptions
    result_type: ClassVar[type] = SubtasksResult
    capability: ClassVar[str] = "language"

    def identity(self, options: SubtasksOptions) -> str:
        """The backend with the version of its prompt; a server's weights cannot be told."""
        return identity_of(self.capability, options.backend, ModelSettings())

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: SubtasksOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> SubtasksResult:
        """Have the instruction read and bring it together with the phases.

        Raises:
            DataError: The backend cannot be used or did not answer; one sentence.
            Cancelled: By the user; a request that runs is ended at once.
        """
        context.progress(0.0, "reading the instruction")
        phases = inputs.get(PhasesResult)
        cycles = _cycles(phases)
        request = request_of(demonstration, phases)

        def ask(backend: Any) -> LanguageAnswer:
            answer: LanguageAnswer = backend.subtasks(request, options.language, context.progress)
            return answer

        chosen = BackendOptions(options.backend, allow_fallback=options.allow_fallback)
        answer, ran, problems = with_backend(self.capability, chosen, ask)
        clauses = tuple(task.clause for task in answer.subtasks)
        parsed = Instruction(demonstration.instruction, clauses)
        found: list[Subtask] = []
        doubts: list[Problem] = []
        if cycles and any(task.phases for task in answer.subtasks):
            found, doubts = _by_answer(demonstration, answer.subtasks, request, cycles, options)
        if not found and cycles:
            parsed = replace(parsed, clauses=()) if doubts else parsed  # the answer fits no grasp
            by_cycle, count = _by_cycle(demonstration, parsed, cycles, options)
            found, doubts = list(by_cycle), doubts + count
        elif not found:
            whole, doubts = _whole(demonstration, parsed, phases)
            found = list(whole)
        named = tuple(replace(s, named_by=ran if answer.subtasks else "") for s in found)
        subtasks, unmatched = _renamed(named, edits)
        findings = [*problems, *answer.problems, *doubts]
        renamed = {e.subtask for e in edits if isinstance(e, Rename)}
        if renamed >= {s.index for s in subtasks}:  # a person has answered what the text did not
            findings = [p for p in findings if p.code not in _LANGUAGE_CODES]
        context.progress(1.0, "subtasks")
        return SubtasksResult(
            subtasks,
            ran,
            (*findings, *unmatched),
            model=answer.model,
            prompt=answer.prompt,
            usage=answer.usage,
        )


def _cycles(phases: PhasesResult) -> tuple[Cycle, ...]:
    return () if all(a.coarse for a in phases.arms) else cycles_of(phases.merged)


def request_of(demonstration: Demonstration, phases: PhasesResult) -> LanguageRequest:
    """The question of an episode; without phases where no single grasp was found."""
    return LanguageRequest(
        instruction=demonstration.instruction,
        phases=phases.merged if _cycles(phases) else (),
        arms=tuple(a.arm for a in phases.arms),
        fps=demonstration.fps,
    )


def _by_answer(
    demonstration: Demonstration,
    tasks: Sequence[AnsweredSubtask],
    request: LanguageRequest,
    cycles: Sequence[Cycle],
    options: SubtasksOptions,
) -> tuple[list[Subtask], list[Problem]]:
    """Subtasks of an answer that names phases."""
    grasps, problems = grasps_of(tasks, request, cycles)
    widen = round(options.widen_s * demonstration.fps)
    clips = _clips([g.cycle for g in grasps], demonstration.length, widen)
    subtasks = []
    for k, (grasp, clip) in enumerate(zip(grasps, clips, strict=True)):
        clauses = [task.clause for task in grasp.tasks]
        parsed = Instruction(demonstration.instruction, tuple(clauses))
        subtask = _subtask(k, grasp.cycle.arm, parsed, clauses, grasp.cycle.phases, clip)
        texts = [tidied(task.sentence) or _joined([task.clause]) for task in grasp.tasks]
        text = ", then ".join([texts[0][:-1], *(t[:1].lower() + t[1:-1] for t in texts[1:])]) + "."
        subtasks.append(replace(subtask, instruction=text, descriptions=grasp.descriptions))
    return subtasks, problems


def _by_cycle(
    demonstration: Demonstration,
    parsed: Instruction,
    cycles: Sequence[Cycle],
    options: SubtasksOptions,
) -> tuple[tuple[Subtask, ...], list[Problem]]:
    problems = []
    if options.drop_unreleased and _rests_at_end(parsed, cycles):
        cycles = cycles[:-1]
        message = (
            "The last grasp never opens again, so it puts nothing down: it is left out. "
            "Check the phases at the end."
        )
        problems.append(Problem("subtask_count", message))
    clips = _clips(cycles, demonstration.length, round(options.widen_s * demonstration.fps))
    if not parsed.clauses:
        return tuple(
            _subtask(k, cycle.arm, parsed, (), cycle.phases, clip)
            for k, (cycle, clip) in enumerate(zip(cycles, clips, strict=True))
        ), []
    alignment = align(parsed.clauses, cycles)
    repeated = [i for indices in alignment.clauses for i in indices]
    subtasks = []
    for k, (cycle, indices) in enumerate(zip(cycles, alignment.clauses, strict=True)):
        clauses = [parsed.clauses[i] for i in indices]
        if len(clauses) == 1 and clauses[0].count != 1 and repeated.count(indices[0]) > 1:
            clauses = [_one_of(clauses[0])]
        subtasks.append(_subtask(k, cycle.arm, parsed, clauses, cycle.phases, clips[k]))
    if not alignment.even:
        problems.append(_count_problem(_wanted(parsed), len(cycles)))
    return tuple(subtasks), problems


def _wanted(parsed: Instruction) -> int:
    return sum(max(c.count, 1) for c in parsed.clauses)


def _rests_at_end(parsed: Instruction, cycles: Sequence[Cycle]) -> bool:
    """Whether the last cycle is one too many and cannot be the last action."""
    if len(cycles) < 2 or not parsed.clauses or len(cycles) <= _wanted(parsed):
        return False
    if any(c.count == 0 for c in parsed.clauses) or not parsed.clauses[-1].target_name:
        return False
    places = vocabulary().verb(parsed.clauses[-1].verb).role == "place"
    return places and all(p.name is not PhaseName.RELEASE for p in cycles[-1].phases)


def _count_problem(wanted: int, found: int) -> Problem:
    grasps = "1 grasp" if found == 1 else f"{found} grasps"
    asked = "1 action" if wanted == 1 else f"{wanted} actions"
    advice = (
        "the extra grasps keep the nearest action" if found > wanted else "actions share a grasp"
    )
    message = (
        f"The instruction asks for {asked}, the grippers made {grasps}: {advice}. "
        "Check phases and names."
    )
    return Problem("subtask_count", message)


def _whole(
    demonstration: Demonstration, parsed: Instruction, phases: PhasesResult
) -> tuple[tuple[Subtask, ...], list[Problem]]:
    """One subtask over the whole episode, where no cycle was found."""
    hints = {c.arm for c in parsed.clauses} & {a.arm for a in phases.arms}
    arm = hints.pop() if len(hints) == 1 else phases.active_arm
    if not arm:
        arm = phases.arms[0].arm if phases.arms else "arm"
    span = tuple(p for p in phases.merged if p.arm == arm) or phases.merged
    subtask = _subtask(0, arm, parsed, parsed.clauses, span, (0, demonstration.length))
    problems = []
    if len(parsed.clauses) > 1:
        message = (
            f"The instruction asks for {len(parsed.clauses)} actions, but the phases show no "
            "single grasps: one subtask covers the whole episode."
        )
        problems.append(Problem("subtask_count", message))
    return (subtask,), problems


def _clips(cycles: Sequence[Cycle], length: int, widen: int) -> list[tuple[int, int]]:
    """Clips [start, end): approach to release, widened up to the neighbours of the same arm."""
    clips = []
    for cycle in cycles:
        same = [c for c in cycles if c.arm == cycle.arm and c is not cycle]
        before = max((c.end for c in same if c.start < cycle.start), default=0)
        after = min((c.start for c in same if c.start > cycle.start), default=length)
        start = min(max(cycle.start - widen, before, 0), cycle.start)
        end = max(min(cycle.end + widen, after, length), cycle.end)
        clips.append((start, end))
    return clips


def _one_of(clause: Clause) -> Clause:
    """The clause for one of several objects: “put both pots” -> “put the pot”."""
    *before, head = clause.object_name.split() or [""]
    return replace(clause, object_name=" ".join((*before, singular(head))), count=1)


def _subtask(
    index: int,
    arm: str,
    parsed: Instruction,
    clauses: Sequence[Clause],
    phases: Sequence[Phase],
    clip: tuple[int, int],
) -> Subtask:
    if not clauses:
        main = Clause("", ActionType.OTHER, "")
        text = tidied(parsed.text)
    else:
        main = leading(clauses)
        single = len(parsed.clauses) == 1 and main.count == parsed.clauses[0].count
        text = tidied(parsed.text) if single else _joined(clauses)
    return Subtask(
        index=index,
        arm=arm,
        instruction=text,
        verb=main.verb,
        object_name=main.object_name,
        colors=main.colors,
        target_name=main.target_name,
        relation=main.relation,
        source_name=main.source_name,
        action=main.action,
        phases=tuple(phases),
        start=clip[0],
        end=clip[1],
    )


def _joined(clauses: Sequence[Clause]) -> str:
    """One sentence for the clauses of a cycle."""
    parts = [
        sentence(c.verb, c.object_name, c.relation, c.target_name, c.source_name)[:-1]
        for c in clauses
    ]
    return ", then ".join([parts[0], *(p[:1].lower() + p[1:] for p in parts[1:])]) + "."


def _renamed(
    subtasks: tuple[Subtask, ...], edits: tuple[Edit, ...]
) -> tuple[tuple[Subtask, ...], list[Problem]]:
    """Apply names that a person gave; an empty target keeps the one of the instruction."""
    result, problems = list(subtasks), []
    for edit in edits:
        if not isinstance(edit, Rename):
            continue
        if not 0 <= edit.subtask < len(result):
            message = (
                f"A name was given to subtask {edit.subtask + 1}, but there are {len(result)}: "
                "it waits until the phases make that many again."
            )
            problems.append(Problem("edit_not_applicable", message, Severity.INFO))
            continue
        old = result[edit.subtask]
        target = edit.target_name or old.target_name
        relation = old.relation
        if edit.target_name and not old.target_name and old.action is not ActionType.TOOL:
            relation = "to"  # the person named a thing, not how the object lies to it
        result[edit.subtask] = replace(
            old,
            named_by="person",
            descriptions=(),  # they speak of the other name
            object_name=edit.object_name,
            colors=colors_of(edit.object_name.lower()),
            target_name=target,
            relation=relation,
            instruction=sentence(old.verb, edit.object_name, relation, target, old.source_name),
        )
    return tuple(result), problems
