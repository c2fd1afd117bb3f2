"""Captions and verdicts as a model writes them: the schemas that are sent, and reading what comes.

Every field has a default, as some servers take no schema and models leave fields out; what a
caption cannot do without is its verb or its sentence.
"""

from __future__ import annotations

from typing import Any

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.backends.language.answer_schema import known_verb, noun_phrase, one_line
from pipeline.backends.language.sentences import sentence, tidied
from pipeline.model.caption_fields import CaptionFields

_NAME = 80
_SENTENCE = 300
_THOUGHTS = 2000
_THOUGHT_FIELDS = ("previous", "next", "reasoning")


class WrittenCaption(BaseModel):
    """A caption with its parts, after the model's mini-CoT (PREVIOUS / NEXT / CURRENT).

    Attributes:
        previous: What the past frames show; empty without mini-CoT.
        next: What the future frames show; empty without mini-CoT.
        reasoning: What decides about the present; empty without mini-CoT.
        verb: Of the vocabulary, lower case (`Placing` becomes `put`), else the model's own.
        object: Noun phrase without article, with colour or material.
        relation: Preposition before the destination, or empty.
        destination: Noun phrase without article, or empty.
        source: Noun phrase without article, or empty.
        arm: `left`, `right`, `both` or empty.
        caption: One sentence; written from the parts if the model left it out.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True, populate_by_name=True)

    previous: str = ""
    next: str = ""
    reasoning: str = Field(default="", validation_alias=AliasChoices("reasoning", "current"))
    verb: str = ""
    object: str = Field(default="", validation_alias=AliasChoices("object", "object_name"))
    relation: str = ""
    destination: str = Field(default="", validation_alias=AliasChoices("destination", "target"))
    source: str = ""
    arm: str = ""
    caption: str = Field(default="", validation_alias=AliasChoices("caption", "sentence"))

    @field_validator("*", mode="before")
    @classmethod
    def _null(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("previous", "next", "reasoning")
    @classmethod
    def _thoughts(cls, value: str) -> str:
        return one_line(value, _THOUGHTS)

    @field_validator("verb")
    @classmethod
    def _known(cls, value: str) -> str:
        return known_verb(value)

    @field_validator("object", "destination", "source")
    @classmethod
    def _noun(cls, value: str) -> str:
        return noun_phrase(value)

    @field_validator("relation")
    @classmethod
    def _preposition(cls, value: str) -> str:
        text = one_line(value, _NAME).lower().rstrip(".")
        for article in (" the", " a", " an"):
            text = text.removesuffix(article)
        return "" if text in ("none", "n/a", "null") else text

    @field_validator("arm")
    @classmethod
    def _side(cls, value: str) -> str:
        text = one_line(value, _NAME).lower()
        for word in (" arm", " hand", " gripper"):
            text = text.removesuffix(word)
        text = text.removeprefix("the ")
        return text if text in ("left", "right", "both") else ""

    @field_validator("caption")
    @classmethod
    def _line(cls, value: str) -> str:
        return tidied(one_line(value, _SENTENCE))

    @model_validator(mode="after")
    def _whole(self) -> WrittenCaption:
        if not self.verb and not self.caption:
            raise ValueError("it has neither a verb nor a caption")
        if not self.caption:
            self.caption = sentence(
                self.verb, self.object, self.relation, self.destination, self.source
            )
        return self

    @property
    def fields(self) -> CaptionFields:
        """The parts as the caption keeps them."""
        return CaptionFields(
            verb=self.verb,
            object_name=self.object,
            relation=self.relation,
            destination=self.destination,
            arm=self.arm,
            source=self.source,
        )

    @property
    def thoughts(self) -> str:
        """The mini-CoT for people, one labelled line each; empty without it."""
        rows = (("PREVIOUS", self.previous), ("NEXT", self.next), ("CURRENT", self.reasoning))
        return "\n".join(f"{label}: {text}" for label, text in rows if text)


class PlainCaption(WrittenCaption):
    """The same without mini-CoT: its fields are not asked for, and read if they come anyway."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        for name in _THOUGHT_FIELDS:
            schema["properties"].pop(name, None)
        return schema


def caption_schema(*, mini_cot: bool) -> type[WrittenCaption]:
    """The shape to ask for: with or without the fields of the mini-CoT.

    A schema that has them makes a model think in them, whatever the prompt says.
    """
    return WrittenCaption if mini_cot else PlainCaption


class WrittenVerdict(BaseModel):
    """What a judge says about a caption (spec, captions, Checking: all three right or 0).

    Attributes:
        reason: One or two sentences, before the verdict so that it is not made up after it.
        verb: Whether the verb is right.
        object: Whether the object is right.
        destination: Whether destination or source is right, or rightly absent.
        egregious: Whether the caption describes another event, not a detail of this one.
    """

    reason: str = ""
    verb: bool
    object: bool
    destination: bool
    egregious: bool = False

    @field_validator("reason", mode="before")
    @classmethod
    def _text(cls, value: Any) -> str:
        return one_line(str(value or ""), _THOUGHTS)

    @property
    def acceptable(self) -> bool:
        """All three fields right."""
        return self.verb and self.object and self.destination and not self.egregious
