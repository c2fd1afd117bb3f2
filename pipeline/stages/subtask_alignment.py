"""Which clause of the instruction happens in which grasp - interact - release cycle.

Both are sequences in time, so they are aligned in order at least cost (dynamic time warping over
a handful of items). Costs are ours: a cycle of the wrong arm is the worst, then a cycle that
repeats a clause, then two clauses in one cycle, where clauses that need no closed gripper (open,
press, push) share a cycle more cheaply. Equal costs: the clause nearest in relative time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.backends.language.clauses import Clause
from pipeline.model.phases import Phase, PhaseName
from pipeline.model.subtask import ActionType

WRONG_ARM = 3.0
REPEATED = 1.0
SHARED = 1.0
SHARED_WITHOUT_GRASP = 0.5
_TIE = 0.01
_NEEDS_GRASP = frozenset({ActionType.PICK_AND_PLACE, ActionType.FLUID, ActionType.TOOL})


@dataclass(frozen=True, slots=True)
class Cycle:
    """One grasp - interact - release cycle of one arm.

    A failed attempt belongs to the cycle that follows it, as in the phase machine: the clip then
    begins with the approach to the first attempt, where the gripper does not hide the object yet.

    Attributes:
        arm: Which arm.
        phases: By time.
    """

    arm: str
    phases: tuple[Phase, ...]

    @property
    def start(self) -> int:
        """First frame."""
        return self.phases[0].start

    @property
    def end(self) -> int:
        """One past the last frame."""
        return self.phases[-1].end

    @property
    def held_from(self) -> int:
        """First frame of the first interaction."""
        return next(p.start for p in self.phases if p.name is PhaseName.INTERACT)


def cycles_of(phases: Sequence[Phase]) -> tuple[Cycle, ...]:
    """Group phases to cycles, by the start of their interaction; cycles without one are left out.

    Args:
        phases: Phases of all active arms.
    """
    groups: dict[tuple[str, int], list[Phase]] = {}
    for phase in phases:
        groups.setdefault((phase.arm, phase.cycle), []).append(phase)
    cycles = [
        Cycle(arm, tuple(sorted(group, key=lambda p: p.start)))
        for (arm, _), group in groups.items()
        if any(p.name is PhaseName.INTERACT for p in group)
    ]
    return tuple(sorted(cycles, key=lambda c: (c.held_from, c.arm)))


@dataclass(frozen=True, slots=True)
class Alignment:
    """The outcome.

    Attributes:
        clauses: For each cycle the indices of its clauses, ascending, at least one.
        even: False if a clause is repeated beyond its count or clauses share a cycle.
    """

    clauses: tuple[tuple[int, ...], ...]
    even: bool


def align(clauses: Sequence[Clause], cycles: Sequence[Cycle]) -> Alignment:
    """Assign clauses to cycles; both must not be empty.

    Where every clause names its arm, each arm is aligned by itself, as the order between arms is
    free; else the order of the text is the order in time.
    """
    names = [c.arm for c in clauses]
    if all(n in ("left", "right") for n in names) and {c.arm for c in cycles} <= {"left", "right"}:
        found: list[list[int]] = [[] for _ in cycles]
        even = True
        for arm in ("left", "right"):
            mine = [k for k, c in enumerate(cycles) if c.arm == arm]
            said = [i for i, n in enumerate(names) if n == arm]
            if mine and said:
                part = _warp([clauses[i] for i in said], [cycles[k] for k in mine])
                even &= part.even
                for k, indices in zip(mine, part.clauses, strict=True):
                    found[k] += [said[i] for i in indices]
            elif mine or said:
                even = False
        if all(found):
            left_over = set(range(len(clauses))) - {i for f in found for i in f}
            for i in left_over:  # its arm did nothing: keep it beside its neighbour in the text
                k = min(range(len(cycles)), key=lambda k: min(abs(i - j) for j in found[k]))
                found[k].append(i)
            return Alignment(tuple(tuple(sorted(f)) for f in found), even)
    return _warp(clauses, cycles)


def _mismatch(clause: Clause, cycle: Cycle) -> float:
    hinted = clause.arm in ("left", "right") and cycle.arm in ("left", "right")
    return WRONG_ARM if hinted and clause.arm != cycle.arm else 0.0


def _repeatable(clause: Clause) -> bool:
    return clause.count != 1 or clause.arm == "both"


def _warp(clauses: Sequence[Clause], cycles: Sequence[Cycle]) -> Alignment:
    m, n = len(clauses), len(cycles)
    cost = np.full((m + 1, n + 1), np.inf)
    step = np.zeros((m + 1, n + 1), np.int8)
    cost[0, 0] = 0.0
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            clause = clauses[i - 1]
            here = _mismatch(clause, cycles[j - 1]) + _TIE * abs((i - 0.5) / m - (j - 0.5) / n)
            repeat = 0.0 if _repeatable(clause) else REPEATED
            loose = i > 1 and not (
                clause.action in _NEEDS_GRASP and clauses[i - 2].action in _NEEDS_GRASP
            )
            shared = SHARED_WITHOUT_GRASP if loose else SHARED
            options = (
                cost[i - 1, j - 1],
                cost[i, j - 1] + repeat,
                cost[i - 1, j] + shared,
            )
            step[i, j] = int(np.argmin(options))
            cost[i, j] = options[step[i, j]] + here
    found: list[list[int]] = [[] for _ in cycles]
    even, i, j = True, m, n
    while i > 0 and j > 0:
        found[j - 1].insert(0, i - 1)
        even &= step[i, j] == 0 or (step[i, j] == 1 and _repeatable(clauses[i - 1]))
        i, j = ((i - 1, j - 1), (i, j - 1), (i - 1, j))[step[i, j]]
    counts = [sum(k in f for f in found) for k in range(m)]
    even &= all(c.count in (0, k) or c.arm == "both" for c, k in zip(clauses, counts, strict=True))
    return Alignment(tuple(tuple(f) for f in found), even)


def leading(clauses: Sequence[Clause]) -> Clause:
    """Of clauses that share a cycle, the one the gripper must have closed for, else the first."""
    return next((c for c in clauses if c.action in _NEEDS_GRASP), clauses[0])
