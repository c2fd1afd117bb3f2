"""The answer as a language model writes it: the schema that is sent, and reading what comes.

In what is sent every field is required and none has a default, as servers that enforce schemas
want it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.backends.language.clauses import Clause
from pipeline.backends.language.phrases import colors_of
from pipeline.backends.language.protocol import AnsweredSubtask
from pipeline.backends.language.vocabulary import vocabulary
from pipeline.model.subtask import ActionType

_NAME = 80
_SENTENCE = 300
_MOST_SUBTASKS = 200

M = TypeVar("M", bound=BaseModel)

ActionName = Literal[
    "pick_and_place", "open_close", "articulate", "press_switch", "fluid", "tool", "other"
]


class WrittenPhase(BaseModel):
    """One phase of a subtask.

    Attributes:
        number: As in the question, from 1.
        description: What happens, one sentence.
    """

    number: int
    description: str


class WrittenSubtask(BaseModel):
    """One subtask; see the prompt for the meaning of the fields."""

    sentence: str
    action: ActionName
    verb: str
    object: str
    start_location: str
    relation: str
    target: str
    arm: str
    phases: list[WrittenPhase]


class WrittenAnswer(BaseModel):
    """The whole answer."""

    subtasks: list[WrittenSubtask]


class BadAnswer(Exception):  # noqa: N818 - it is the answer that is meant
    """An answer that cannot be used; its text is a clause that says why."""


def plain_schema(model: type[BaseModel], *, closed: bool) -> dict[str, Any]:
    """JSON schema with references resolved and without our titles, docstrings and defaults.

    Args:
        model: Class of the answer.
        closed: Forbid additional properties, as OpenAI's strict mode wants. Gemini does not want
            it; it is told the order of the properties, in which a model thinks before it decides.
    """
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolved(definitions[str(node["$ref"]).rsplit("/", 1)[-1]])
        # our docstrings are no part of the question
        skipped = ("title", "description", "default")
        result = {
            key: {name: resolved(value) for name, value in item.items()}
            if key == "properties"
            else resolved(item)
            for key, item in node.items()
            if key not in skipped
        }
        if result.get("type") == "object" and "properties" in result:
            names = list(result["properties"])
            result["required"] = names
            if closed:
                result["additionalProperties"] = False
            else:
                result["propertyOrdering"] = names
        return result

    found: dict[str, Any] = resolved(schema)
    return found


def read_json(text: str, model: type[M]) -> M:
    """Read a model's text: JSON, perhaps with thoughts before it or a fence around it.

    Args:
        text: As it came.
        model: What it should be.

    Raises:
        BadAnswer: It holds no such object.
    """
    text = re.sub(r"<think>.*?</think>", " ", text, flags=re.DOTALL)
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise BadAnswer("it holds no JSON object")
    try:
        data = json.loads(text[start : end + 1])
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadAnswer(f"it is no valid JSON{where}") from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise BadAnswer(f"{place}: {first['msg']}") from error


def read_answer(text: str) -> WrittenAnswer:
    """Read the answer to a question about subtasks. Raises BadAnswer."""
    answer = read_json(text, WrittenAnswer)
    if len(answer.subtasks) > _MOST_SUBTASKS:
        raise BadAnswer(f"it has {len(answer.subtasks)} subtasks")
    return answer


def answered(answer: WrittenAnswer, phase_count: int) -> tuple[AnsweredSubtask, ...]:
    """Bring an answer into the words of our vocabulary.

    Numbers of phases that do not exist are left out; the stage finds what they leave uncovered.

    Args:
        answer: As written.
        phase_count: Phases of the question.
    """
    return tuple(_answered(task, phase_count) for task in answer.subtasks)


def _answered(task: WrittenSubtask, phase_count: int) -> AnsweredSubtask:
    name = noun_phrase(task.object)
    target = noun_phrase(task.target)
    relation = one_line(task.relation, _NAME).lower()
    for article in (" the", " a", " an"):
        relation = relation.removesuffix(article)
    clause = Clause(
        verb=known_verb(task.verb),
        action=ActionType(task.action),
        object_name=name,
        colors=colors_of(name.lower()),
        relation=relation,
        target_name=target,
        source_name=noun_phrase(task.start_location),
        arm=one_line(task.arm, _NAME),
    )
    texts = {
        phase.number - 1: one_line(phase.description, _SENTENCE)
        for phase in task.phases
        if 1 <= phase.number <= phase_count
    }
    phases = tuple(sorted(texts))
    return AnsweredSubtask(
        clause, one_line(task.sentence, _SENTENCE), phases, tuple(texts[k] for k in phases)
    )


def one_line(text: str, most: int) -> str:
    """One line of printable text of at most `most` characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def noun_phrase(text: str) -> str:
    """A noun phrase without its article and full stop."""
    text = one_line(text, _NAME).rstrip(".")
    first, _, rest = text.partition(" ")
    text = rest if first.lower() in ("the", "a", "an") and rest else text
    return "" if text.lower() in ("none", "n/a", "unknown", "unspecified", "null") else text


def known_verb(text: str) -> str:
    """The verb of our vocabulary that is meant (`place` -> `put`), else the model's own."""
    words = tuple(one_line(text, _NAME).lower().rstrip(".").split())
    match = vocabulary().match(words)
    return match.verb.verb if match is not None and match.words == len(words) else " ".join(words)
