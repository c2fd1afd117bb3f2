"""Brings an answer that names phases together with the grasps that the grippers made.

The frames are those of stage 1a, the answer only groups them. Where both disagree, the phases win
and the problem `answer_phases` says what the answer wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.backends.language.protocol import AnsweredSubtask, LanguageRequest
from pipeline.model.phases import Phase, PhaseName
from pipeline.model.problem import Problem
from pipeline.stages.subtask_alignment import Cycle

ANSWER_PHASES = "answer_phases"


@dataclass
class Grasp:
    """One subtask to be: cycles of one arm that follow each other, and what the answer says.

    Attributes:
        cycle: All its phases.
        tasks: Of the answer; more than one where an action has no grasp of its own.
        descriptions: One for each phase of the cycle, may be empty.
    """

    cycle: Cycle
    tasks: list[AnsweredSubtask]
    descriptions: tuple[str, ...] = field(default=())


def grasps_of(
    tasks: Sequence[AnsweredSubtask], request: LanguageRequest, cycles: Sequence[Cycle]
) -> tuple[list[Grasp], list[Problem]]:
    """Group the cycles as the answer says.

    An object that both arms hold makes one subtask per arm, as each follows its own gripper.

    Args:
        tasks: Of the answer; at least one names a phase.
        request: Whose phases they name.
        cycles: Of the same phases, by time.

    Returns:
        Grasps by time, none if the answer covers no cycle; and what does not fit.
    """
    problems: list[Problem] = []
    owners = [_owner(cycle, tasks, request.phases, problems) for cycle in cycles]
    grasps: dict[tuple[int, str, int], list[Cycle]] = {}
    for arm in dict.fromkeys(c.arm for c in cycles):
        part, last = 0, -1
        for cycle, owner in zip(cycles, owners, strict=True):
            if cycle.arm == arm and owner is not None:
                part, last = part + (owner != last), owner
                grasps.setdefault((owner, arm, part), []).append(cycle)
    made: dict[int, list[Grasp]] = {}
    texts = _descriptions(tasks, request.phases)
    for (owner, arm, _), joined in grasps.items():
        phases = tuple(sorted((p for c in joined for p in c.phases), key=lambda p: p.start))
        described = tuple(texts.get(p, "") for p in phases)
        grasp = Grasp(Cycle(arm, phases), [tasks[owner]], described if any(described) else ())
        made.setdefault(owner, []).append(grasp)
    for owner, group in made.items():
        problems += _doubts(tasks[owner], [g.cycle for g in group], request.arms)
    problems += _homeless(tasks, made)
    found = [grasp for group in made.values() for grasp in group]
    return sorted(found, key=lambda g: (g.cycle.held_from, g.cycle.arm)), problems


def _owner(
    cycle: Cycle,
    tasks: Sequence[AnsweredSubtask],
    phases: Sequence[Phase],
    problems: list[Problem],
) -> int | None:
    """Which task a cycle belongs to: the one with most of its phases, `interact` first."""
    votes: Counter[int] = Counter()
    for k, task in enumerate(tasks):
        for index in task.phases:
            if phases[index] in cycle.phases:
                votes[k] += 100 if phases[index].name is PhaseName.INTERACT else 1
    where = f"the grasp of the {cycle.arm} arm at frame {cycle.held_from}"
    if not votes:
        message = f"The answer gives {where} to no action: it is left out. Check the subtasks."
        problems.append(Problem(ANSWER_PHASES, message, frame=cycle.held_from))
        return None
    (best, _), *others = votes.most_common()
    if others:
        message = (
            f"The answer gives {where} to {len(others) + 1} actions: it stays whole, with "
            f"“{_named(tasks[best])}”. Check the subtasks."
        )
        problems.append(Problem(ANSWER_PHASES, message, frame=cycle.held_from))
    return best


def _descriptions(tasks: Sequence[AnsweredSubtask], phases: Sequence[Phase]) -> dict[Phase, str]:
    return {
        phases[index]: text
        for task in tasks
        for index, text in zip(task.phases, task.descriptions, strict=True)
    }


def _doubts(task: AnsweredSubtask, cycles: Sequence[Cycle], arms: Sequence[str]) -> list[Problem]:
    """Say where an answer contradicts itself or the arms."""
    problems = []
    used = dict.fromkeys(c.arm for c in cycles)
    if task.clause.arm in arms and task.clause.arm not in used:
        message = (
            f"The answer says that the {task.clause.arm} arm does “{_named(task)}”, but its phases "
            f"are of the {' and '.join(used)} arm: the phases count."
        )
        problems.append(Problem(ANSWER_PHASES, message, frame=cycles[0].held_from))
    if len(cycles) > len(used):
        message = (
            f"The answer makes “{_named(task)}” one action, but the same arm does another one in "
            "between: it becomes several subtasks."
        )
        problems.append(Problem(ANSWER_PHASES, message, frame=cycles[0].held_from))
    return problems


def _homeless(tasks: Sequence[AnsweredSubtask], made: dict[int, list[Grasp]]) -> list[Problem]:
    """Let actions without a grasp share that of their neighbour in the answer."""
    problems = []
    for k, task in enumerate(tasks):
        if k in made or not made:
            continue
        before = [i for i in made if i < k]
        after = [i for i in made if i > k]
        if before:
            made[max(before)][-1].tasks.append(task)
            shared = tasks[max(before)]
        else:
            first = made[min(after)][0]
            first.tasks.insert(len(first.tasks) - 1, task)
            shared = tasks[min(after)]
        message = (
            f"“{_named(task)}” has no grasp of its own: it shares the clip of “{_named(shared)}”. "
            "Check the subtasks."
        )
        problems.append(Problem(ANSWER_PHASES, message))
    return problems


def _named(task: AnsweredSubtask) -> str:
    return task.sentence or f"{task.clause.verb} {task.clause.object_name}".strip()
