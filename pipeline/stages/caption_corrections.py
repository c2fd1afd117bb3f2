"""Single parts of a caption put right: by a person's corrections and tags."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from pipeline.backends.language.phrases import PlaceKind, colors_of, preposition_at
from pipeline.backends.language.sentences import sentence
from pipeline.backends.language.vocabulary import head_noun, vocabulary
from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.model.colors import canonical_color

Correction = tuple[CaptionField, str]
"""A part of a caption and its right value; an empty value takes the part out."""

EVIDENCE_NAMES = {
    CaptionField.VERB: "verb",
    CaptionField.OBJECT: "object",
    CaptionField.RELATION: "relation",
    CaptionField.DESTINATION: "destination",
    CaptionField.SOURCE: "source",
    CaptionField.ARM: "arm",
}
"""What the evidence of a caption calls its parts."""

_ARTICLES = ("the ", "a ", "an ")
_TAGS = {
    "verb": CaptionField.VERB,
    "action": CaptionField.VERB,
    "object": CaptionField.OBJECT,
    "objects": CaptionField.OBJECT,
    "object_name": CaptionField.OBJECT,
    "relation": CaptionField.RELATION,
    "destination": CaptionField.DESTINATION,
    "source": CaptionField.SOURCE,
    "arm": CaptionField.ARM,
}
_COLOR_TAGS = frozenset({"color", "colors", "colour", "colours"})


def sentence_of(fields: CaptionFields) -> str:
    """The sentence that the schema makes of the parts."""
    return sentence(
        fields.verb, fields.object_name, fields.relation, fields.destination, fields.source
    )


def bare(phrase: str) -> str:
    """A noun phrase in lower case, without article, quotes and closing marks."""
    text = " ".join(phrase.lower().split()).strip(" .,;:!?“”\"'‘’`")
    for article in _ARTICLES:
        text = text.removeprefix(article)
    return text


def canonical_verb(text: str) -> str | None:
    """The verb of the vocabulary that all of `text` names (`stacking`, `place`), or None."""
    words = tuple(text.lower().split())
    match = vocabulary().match(words) if words else None
    return match.verb.verb if match is not None and match.words == len(words) else None


def is_color(text: str) -> bool:
    """Whether `text` holds nothing but colour words (`green`, `green and white`, `dark red`)."""
    words = [w for w in text.replace("-", " ").split() if w not in ("and", "light", "dark")]
    return bool(words) and all(canonical_color(w) is not None for w in words)


def recolored(phrase: str, color: str) -> str:
    """A noun phrase with `color` in the place of its colour words, or before it if it has none."""
    words, known = phrase.split(), set(colors_of(phrase.lower()))
    marks = [
        any(canonical_color(part) in known for part in w.lower().split("-") if known) for w in words
    ]
    if not any(marks):
        return f"{color} {phrase}".strip()
    first, last = marks.index(True), len(marks) - 1 - marks[::-1].index(True)
    if set(words[first : last + 1]) - {w for w, m in zip(words, marks, strict=True) if m} <= {
        "and",
        "light",
        "dark",
    }:
        return " ".join((*words[:first], color, *words[last + 1 :]))
    kept = [w for w, m in zip(words, marks, strict=True) if not m]
    return " ".join((*kept[:first], color, *kept[first:]))


def split_place(text: str) -> tuple[PlaceKind | None, str, str]:
    """Take a preposition off the front of a place: (its kind, the relation, the noun phrase)."""
    words = tuple(text.lower().split())
    found = preposition_at(words, 0) if words else None
    if found is None:
        return None, "", bare(text)
    kind, relation, length = found
    return kind, relation, bare(" ".join(words[length:]))


def usual_relation(verb: str, place: str) -> str:
    """The preposition that a place gets where nobody said how the object lies to it (our choice).

    Empty where the verb acts on the place (`wipe the table with the towel`).
    """
    try:
        role = vocabulary().verb(verb).role
    except KeyError:
        role = "place"
    if role in ("tool", "cover"):
        return ""
    if verb == "stack":
        return "on top of"
    if head_noun(place) and vocabulary().is_kind("surfaces", place):
        return "on"
    return "in" if head_noun(place) and vocabulary().is_kind("openable", place) else "to"


def corrected(fields: CaptionFields, corrections: Iterable[Correction]) -> CaptionFields:
    """Put parts of a caption right.

    Args:
        fields: Parts as they are.
        corrections: (part, right value) pairs as a person wrote them: with or without article,
            `green` for the object's colour, `in the drawer` for relation and destination.

    Returns:
        The new parts; a destination without a relation gets the usual one.
    """
    # A destination brings its usual relation: one that is given comes after it.
    for part, value in sorted(corrections, key=lambda c: c[0] is CaptionField.RELATION):
        fields = _put(fields, part, value)
    return fields


def _put(fields: CaptionFields, part: CaptionField, value: str) -> CaptionFields:
    text = bare(value)
    match part:
        case CaptionField.VERB:
            return replace(fields, verb=canonical_verb(text) or text) if text else fields
        case CaptionField.OBJECT:
            if text and is_color(text):
                return replace(fields, object_name=recolored(fields.object_name or "object", text))
            return replace(fields, object_name=text)
        case CaptionField.RELATION:
            words = tuple(text.split())
            found = preposition_at(words, 0) if words else None
            whole = found is not None and found[2] == len(words)
            return replace(fields, relation=found[1] if found is not None and whole else text)
        case CaptionField.SOURCE:
            start = re.search(r"\b(?:from|out of|off)\b(?:.*)$", value.lower())
            return replace(fields, source=split_place(start[0] if start else value)[2])
        case CaptionField.ARM:
            side = next((s for s in ("left", "right") if s in text.split()), "")
            return replace(fields, arm=side)
        case CaptionField.DESTINATION:
            return _destined(fields, value)


def _destined(fields: CaptionFields, value: str) -> CaptionFields:
    kind, relation, place = split_place(value)
    if not place:
        return replace(fields, destination="", relation="")
    if is_color(place) and fields.destination:
        place = recolored(fields.destination, place)
    if kind not in (PlaceKind.AT, PlaceKind.GOAL):
        relation = fields.relation if fields.destination else ""
        relation = relation or usual_relation(fields.verb, place)
    return replace(fields, destination=place, relation=relation)


def tagged(
    fields: CaptionFields, tags: Iterable[tuple[str, str]]
) -> tuple[CaptionFields, tuple[str, ...]]:
    """Let tags that a person gave decide the parts that they name.

    Args:
        fields: Parts as drafted.
        tags: (primitive, value) pairs. Of several objects the drafted one stays if it is among
            them, else the first counts; an empty value and primitives that are no part of the
            caption (the outcome) decide nothing here.

    Returns:
        The parts, and which of them (by the names of the evidence) the tags decided.
    """
    values: dict[CaptionField, list[str]] = {}
    colors: list[str] = []
    for name, value in tags:
        key, text = name.strip().lower(), bare(value)
        if key in _COLOR_TAGS and text:
            colors.append(text)
        elif key in _TAGS and text:
            values.setdefault(_TAGS[key], []).append(value)
    decided = []
    for part in sorted(values, key=lambda p: p is CaptionField.RELATION):
        given = values[part]
        if part is CaptionField.VERB or _current(fields, part) not in map(bare, given):
            fields = _put(fields, part, given[0])
        decided.append(EVIDENCE_NAMES[part])
    if colors and CaptionField.OBJECT not in values:
        known = set(colors_of(fields.object_name.lower()))
        if not known & {canonical_color(c) or c for c in colors}:
            fields = _put(fields, CaptionField.OBJECT, colors[0])
            decided.append("color")
    return fields, tuple(decided)


def _current(fields: CaptionFields, part: CaptionField) -> str:
    return bare(str(getattr(fields, part.value)))
