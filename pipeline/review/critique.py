"""Whether a critique is accurate, complete and constructive: rules with reasons. Pure.

A critique that lacks one of the three is worth much less as training data (spec, captions: 89.8
reward accuracy with all three, 67.2 not constructive, 56.6 incomplete, 47.1 inaccurate). Rules see
only words, so they advise; they never hold a critique back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.caption_fields import FIELD_WORDS, CaptionField, CaptionFields

_FIX = re.compile(
    r"\b(should|instead|rather|change|replace|swap|use|call|write|say|add|name|mention|remove|drop|"
    r"delete|leave out|omit|must|needs? to|has to|correct(ion)? is|in fact|actually|really|not an?)"
    r"\b|→|->|=>",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|instead of|rather than|isn't|isn’t)\s+(?:an?\s+|the\s+)?"
    r"(?:“([^”]+)”|\"([^\"]+)\"|([\w-]+))",
    re.IGNORECASE,
)
_IS = re.compile(r"\b(?:it|this|that|object|verb|arm|place|destination)\s+(?:is|was)\s+(\w+)", re.I)
_BLAME = frozenset(
    {"wrong", "incorrect", "bad", "false", "not", "off", "inaccurate", "incomplete", "mistaken"}
)
_FILLER = frozenset({"a", "an", "the", "it", "right", "correct", "true", "so", "quite", "in", "on"})


class Quality(StrEnum):
    """What a critique must be (spec, captions)."""

    ACCURATE = "accurate"
    COMPLETE = "complete"
    CONSTRUCTIVE = "constructive"


@dataclass(frozen=True, slots=True)
class CritiqueHint:
    """What a critique lacks.

    Attributes:
        quality: Which quality.
        message: What is missing and what would mend it, one short sentence.
    """

    quality: Quality
    message: str


@dataclass(frozen=True, slots=True)
class CritiqueDraft:
    """A critique that is being written.

    Attributes:
        about: The caption.
        parts: Fields of the caption.
        fields: Fields marked as wrong.
        text: Free text.
        corrections: (field, right value) pairs; empty values count as none.
    """

    about: str
    parts: CaptionFields
    fields: tuple[CaptionField, ...]
    text: str
    corrections: tuple[tuple[CaptionField, str], ...]

    @property
    def given(self) -> dict[CaptionField, str]:
        """Right values that were given, with single spaces."""
        values = ((field, " ".join(value.split())) for field, value in self.corrections)
        return {field: value for field, value in values if value}


def examine(
    draft: CritiqueDraft, verbs: Collection[str] = (), doubted: Mapping[CaptionField, str] = {}
) -> tuple[CritiqueHint, ...]:
    """List what a critique lacks, the gravest first; none: nothing to say against it.

    Args:
        draft: The critique.
        verbs: Verbs that captions use; none: any verb will do.
        doubted: Fields that the machine doubts, and why in a few words.
    """
    return (*_constructive(draft), *_accurate(draft, verbs), *_complete(draft, doubted))


def is_constructive(draft: CritiqueDraft) -> bool:
    """Whether a critique says what to do, not only that something is wrong."""
    return not _constructive(draft)


def compose(draft: CritiqueDraft) -> str:
    """The critique in words: what the person wrote, or a sentence made of the right values.

    A model that revises reads words; so does who trains on them.
    """
    text = " ".join(draft.text.split())
    given = draft.given
    sentences = [_correction(field, _value(draft.parts, field), given[field]) for field in given]
    bare = [FIELD_WORDS[f] for f in draft.fields if f not in given]
    if not text and bare:
        sentences.append(f"Wrong: {', '.join(bare)}.")
    missing = [
        s for s, value in zip(sentences, [*given.values(), ""], strict=False)
        if not value or not is_said(value, text)
    ]  # fmt: skip
    return " ".join([text, *missing] if text else sentences)


def is_said(value: str, text: str) -> bool:
    """Whether a text holds a value in whole words: “cupboard” does not say “cup”."""
    return bool(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE))


def own_words(draft: CritiqueDraft) -> str:
    """The text without the sentences that `compose` made of the right values."""
    text = " ".join(draft.text.split())
    given = draft.given
    made = [_correction(f, _value(draft.parts, f), v) for f, v in given.items()]
    bare = [FIELD_WORDS[f] for f in draft.fields if f not in given]
    for sentence in (*made, f"Wrong: {', '.join(bare)}."):
        text = text.replace(sentence, "")
    return " ".join(text.split())


def _correction(field: CaptionField, was: str, value: str) -> str:
    name = FIELD_WORDS[field].capitalize()
    return f"{name} should be “{value}”, not “{was}”." if was else f"{name} should be “{value}”."


def _value(parts: CaptionFields, field: CaptionField) -> str:
    return str(getattr(parts, field.value))


def _constructive(draft: CritiqueDraft) -> tuple[CritiqueHint, ...]:
    text = " ".join(draft.text.split())
    if not text and not draft.fields:
        return (_hint(Quality.CONSTRUCTIVE, "Mark what is wrong, or say it in words."),)
    if _has_fix(text):
        return ()
    bare = [FIELD_WORDS[f] for f in draft.fields if f not in draft.given]
    if bare:
        what = " and ".join(bare)
        return (_hint(Quality.CONSTRUCTIVE, f"Say what the {what} should be instead."),)
    if not draft.given:
        message = "It says that something is wrong, not what to write instead."
        return (_hint(Quality.CONSTRUCTIVE, message),)
    return ()


def _has_fix(text: str) -> bool:
    """Whether a text says what to do."""
    if not text:
        return False
    if _FIX.search(text):
        return True
    # “it is red” mends, “it is wrong” does not
    said = {m.group(1).casefold() for m in _IS.finditer(text)}
    if said - _BLAME - _FILLER:
        return True
    return any(q in text for q in "“\"'‘") and bool(re.search(r"[“\"'‘]\w", text))


def _accurate(draft: CritiqueDraft, verbs: Collection[str]) -> tuple[CritiqueHint, ...]:
    found = []
    for field, value in draft.given.items():
        name = FIELD_WORDS[field]
        if value.casefold() == _value(draft.parts, field).casefold():
            message = f"“{value}” is what the caption already has as its {name}."
            found.append(_hint(Quality.ACCURATE, message))
        elif field is CaptionField.VERB and verbs and value.casefold() not in verbs:
            found.append(_hint(Quality.ACCURATE, f"“{value}” is no verb of the vocabulary."))
    about = draft.about.casefold()
    for match in _NOT.finditer(draft.text):
        phrase = next(g for g in match.groups() if g)
        quoted = match.group(3) is None
        if phrase.casefold() in _FILLER | _BLAME or (not quoted and match.group(0)[:3] == "not"):
            continue  # “not on the plate”: whole phrases only where they are quoted
        if phrase.casefold() not in about:
            found.append(_hint(Quality.ACCURATE, f"The caption does not say “{phrase}”."))
    return tuple(found)


def _complete(
    draft: CritiqueDraft, doubted: Mapping[CaptionField, str]
) -> tuple[CritiqueHint, ...]:
    if not draft.fields and not draft.text.strip():
        return ()
    text = f" {draft.text.casefold()} "
    found = []
    for field, name in FIELD_WORDS.items():
        if field in draft.fields:
            continue
        if re.search(rf"\b{name}\b", text):
            message = f"The text speaks of the {name}, which is not marked."
            found.append(_hint(Quality.COMPLETE, message))
        elif field in doubted:
            why = doubted[field]
            message = f"The machine doubts the {name} ({why}): is it right?"
            found.append(_hint(Quality.COMPLETE, message))
    return tuple(found)


def _hint(quality: Quality, message: str) -> CritiqueHint:
    return CritiqueHint(quality, message)
