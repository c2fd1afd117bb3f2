"""What an instruction says, clause by clause."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.problem import Problem
from pipeline.model.subtask import ActionType


@dataclass(frozen=True, slots=True)
class Clause:
    """One action on one object.

    Attributes:
        verb: As captions write it, e.g. `pick up`.
        action: Kind of subtask.
        object_name: Noun phrase without article, with colour and material; may be empty.
        colors: Colour words of the object, names of the colour vocabulary.
        relation: Preposition before the destination, or a direction (`to the left`), or empty.
        target_name: Destination, or what a tool acts on; may be empty.
        source_name: Where the object is at the start; may be empty.
        arm: `left`, `right`, `both` or empty.
        count: How many objects are meant; 0 for all of them.
    """

    verb: str
    action: ActionType
    object_name: str
    colors: tuple[str, ...] = ()
    relation: str = ""
    target_name: str = ""
    source_name: str = ""
    arm: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Instruction:
    """A parsed instruction.

    Attributes:
        text: As given.
        clauses: In the order of the text; empty if it was not understood.
        problems: `instruction_empty`, `instruction_not_understood`,
            `instruction_partly_understood`, `object_unnamed`.
    """

    text: str
    clauses: tuple[Clause, ...]
    problems: tuple[Problem, ...] = ()
