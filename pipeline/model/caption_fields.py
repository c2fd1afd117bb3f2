"""The parts of a caption (spec, captions: verb, object, destination or source)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class CaptionField(StrEnum):
    """Names of the parts, as people tag, correct and criticise them."""

    VERB = "verb"
    OBJECT = "object_name"
    RELATION = "relation"
    DESTINATION = "destination"
    SOURCE = "source"
    ARM = "arm"


FIELD_WORDS: Mapping[CaptionField, str] = {
    CaptionField.VERB: "verb",
    CaptionField.OBJECT: "object",
    CaptionField.RELATION: "relation",
    CaptionField.DESTINATION: "destination",
    CaptionField.SOURCE: "source",
    CaptionField.ARM: "arm",
}
"""What people call the parts, and what they are called to a model."""


@dataclass(frozen=True, slots=True)
class CaptionFields:
    """The parts of a caption.

    Attributes:
        verb: From the vocabulary, lower case.
        object_name: With colour or material, without article.
        relation: Preposition before the destination, or empty.
        destination: Without article, or empty.
        arm: `left`, `right` or empty where there is one arm.
        source: Where it comes from, without article, or empty.
    """

    verb: str
    object_name: str
    relation: str = ""
    destination: str = ""
    arm: str = ""
    source: str = ""
