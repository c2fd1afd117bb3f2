"""Subtasks: one interaction with one object."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.phases import Phase, PhaseName
from pipeline.model.problem import Problem
from pipeline.model.usage import NO_USAGE, Usage


class ActionType(StrEnum):
    """Kinds of subtasks (spec, stage 1b)."""

    PICK_AND_PLACE = "pick_and_place"
    OPEN_CLOSE = "open_close"
    ARTICULATE = "articulate"
    PRESS_SWITCH = "press_switch"
    FLUID = "fluid"
    TOOL = "tool"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Subtask:
    """One interaction with one object.

    Attributes:
        index: From 0 within the episode.
        arm: Which arm does it.
        instruction: What this subtask does, one sentence.
        verb: The action verb as parsed, e.g. `put`.
        object_name: Noun phrase, e.g. `red cube`; empty if the language gave none.
        colors: Colour words that belong to the object.
        target_name: Noun phrase of the destination, or empty.
        relation: Preposition before the destination (`in`, `on`, ...), or empty.
        source_name: Noun phrase of the start location, or empty.
        action: Kind.
        phases: Its phases by time.
        start: First frame of the clip (approach).
        end: One past the last frame of the clip (release).
        descriptions: What happens in each of `phases`, one sentence each, may be empty; none at
            all where nobody described them.
        named_by: Who named it: a language backend, or `person`; empty in results of version 1.
    """

    index: int
    arm: str
    instruction: str
    verb: str
    object_name: str
    colors: tuple[str, ...]
    target_name: str
    relation: str
    source_name: str
    action: ActionType
    phases: tuple[Phase, ...]
    start: int
    end: int
    descriptions: tuple[str, ...] = ()
    named_by: str = ""

    @property
    def interaction(self) -> tuple[tuple[int, int], ...]:
        """Spans [start, end) in which the object is held."""
        return tuple((p.start, p.end) for p in self.phases if p.name is PhaseName.INTERACT)

    @property
    def first_grasp_end(self) -> int:
        """Frame at which the first grasp phase ends; the clip's start if there is none."""
        for phase in self.phases:
            if phase.name is PhaseName.GRASP:
                return phase.end
        return self.start


@dataclass(frozen=True, slots=True)
class SubtasksResult:
    """Stage 1b.

    Attributes:
        subtasks: In order of time.
        backend: Which language backend answered.
        problems: `instruction_empty`, `instruction_not_understood`, `subtask_count`,
            `answer_phases`, `option_dropped`, ...
        model: Which language model answered, empty for rules.
        prompt: Version of the prompt, empty for rules.
        usage: What asking took.
    """

    subtasks: tuple[Subtask, ...]
    backend: str
    problems: tuple[Problem, ...] = ()
    model: str = ""
    prompt: str = ""
    usage: Usage = NO_USAGE
