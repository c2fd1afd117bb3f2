"""Reads a caption as it stands: verb, object, destination, source, tool.

Unlike the rules that read instructions (`pipeline.backends.language.rules`), which ask what the
gripper holds, nothing changes its place here: in “scoop the ice cream from the tub into the cone”
the object is the ice cream. Both captions that are compared are read the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.backends.language.phrases import (
    PlaceKind,
    direction_at,
    noun_phrase,
    preposition_at,
    relative_at,
)
from pipeline.backends.language.text import ARM_MARKS, tokens, word_set
from pipeline.backends.language.vocabulary import Verb, vocabulary

_LEAD = word_set("the a robot arm gripper hand person human then now please carefully it to by is")
_DETERMINERS = word_set("the a an some this that these those")
_MOST_LEAD = 6
"""Words before the verb at most (“The robot arm is”)."""


@dataclass(frozen=True, slots=True)
class CaptionParts:
    """The parts of a sentence. Names are noun phrases without article, in lower case.

    Attributes:
        verb: Of the vocabulary, or the first word; empty if there is none.
        object_name: What the verb acts on, or empty.
        relation: Preposition before the destination, or a direction without a thing, or empty.
        destination: Or empty.
        source: Or empty.
        tool: After “with” or “using”, or empty.
        more: Another action follows (“pick up the cup and open the drawer”).
    """

    verb: str = ""
    object_name: str = ""
    relation: str = ""
    destination: str = ""
    source: str = ""
    tool: str = ""
    more: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All things that are named."""
        found = (self.object_name, self.destination, self.source, self.tool)
        return tuple(name for name in found if name)


def caption_parts(text: str) -> CaptionParts:
    """Read one caption.

    Args:
        text: One English sentence; anything else gives parts that are mostly empty.

    Returns:
        Its parts. A take and a place of the same thing (“pick up the cup and put it on the
        plate”) is one action, the place; the take gives the source.
    """
    words = tuple(w for w in tokens(text) if w != ".")
    tool = ""
    if words[:1] in (("use",), ("using",)) and "to" in words:
        cut = words.index("to")
        tool, words = _name(words[1:cut]), words[cut + 1 :]
    actions = [_action(part) for part in _split(words)]
    actions = [a for a in actions if a.verb or a.names]
    if not actions:
        return CaptionParts(tool=tool)
    first, *rest = actions
    if len(rest) == 1 and _role(first.verb) in ("take", "out") and _role(rest[0].verb) == "place":
        second = rest[0]
        if second.object_name in ("", "it", "them", first.object_name):
            first = replace(
                second,
                object_name=first.object_name,
                source=first.source or second.source,
                tool=second.tool or first.tool,
            )
            rest = []
    return replace(first, more=bool(rest), tool=first.tool or tool)


def _split(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Cut before the verbs that follow “and”, “then” and commas."""
    parts, begin = [], 0
    for i, word in enumerate(words):
        if word in ("and", "then", ",") and i > begin:
            after = i + 1
            while words[after : after + 1] in (("and",), ("then",), (",",)):
                after += 1
            match = vocabulary().match(words[after : after + 5])
            if match is None:
                continue
            if vocabulary().is_also_noun(words[after]) and not _determiner(words, after + 1):
                continue
            parts.append(words[begin:i])
            begin = after
    parts.append(words[begin:])
    return parts


def _determiner(words: tuple[str, ...], i: int) -> bool:
    return words[i : i + 1] != () and words[i] in (*_DETERMINERS, "it", "them")


def _action(words: tuple[str, ...]) -> CaptionParts:
    start, verb, length = _verb(words)
    parts = CaptionParts(verb=verb.verb if isinstance(verb, Verb) else verb)
    head = words[start] if length == 1 and start < len(words) else ""
    i = start + length
    while i < len(words):
        word = words[i]
        if word in ARM_MARKS:
            i += 1
            continue
        skipped = relative_at(words, i)
        if skipped:
            i += skipped
            continue
        base = vocabulary().match((head,)) if head else None
        phrasal = vocabulary().phrasal(base.head, word) if base is not None else None
        if phrasal is not None and parts.object_name and noun_phrase(words, i + 1) is None:
            parts = replace(parts, verb=phrasal.verb)
            i += 1
            continue
        direction = direction_at(words, i)
        if direction is not None:
            parts = replace(parts, relation=parts.relation or direction[0])
            i += direction[1]
            continue
        place = preposition_at(words, i)
        if place is not None:
            kind, relation, count = place
            found = noun_phrase(words, i + count)
            name = found[0].text or found[0].pronoun if found else ""
            parts = _placed(parts, kind, relation, name)
            i = found[1] if found else i + count
            continue
        found = noun_phrase(words, i)
        if found is not None and not parts.object_name:
            parts = replace(parts, object_name=found[0].text or found[0].pronoun)
            i = found[1]
        elif found is not None and word == "and":
            i = found[1]
        else:
            i += 1
    return parts


def _verb(words: tuple[str, ...]) -> tuple[int, Verb | str, int]:
    """Where the verb begins, the verb, and how many words it takes."""
    for start in range(min(len(words), _MOST_LEAD)):
        match = vocabulary().match(words[start : start + 5])
        if match is not None:
            return start, match.verb, match.words
        if words[start] not in _LEAD and words[start] not in ARM_MARKS:
            break
    first = next((k for k, w in enumerate(words) if w not in ARM_MARKS), len(words))
    if first < len(words) and words[first] not in _DETERMINERS:
        return first, words[first], 1
    return 0, "", 0


def _placed(parts: CaptionParts, kind: PlaceKind, relation: str, name: str) -> CaptionParts:
    if kind is PlaceKind.WITH:
        return replace(parts, tool=parts.tool or name)
    if kind is PlaceKind.SOURCE:
        return replace(parts, source=parts.source or name)
    role = _role(parts.verb)
    if kind is PlaceKind.AT and role in ("take", "out") and name:
        return replace(parts, source=parts.source or name)  # “pick up the cup on the table”
    if parts.destination:
        return parts
    return replace(parts, relation=relation, destination=name)


def _name(words: tuple[str, ...]) -> str:
    found = noun_phrase(words, 0) if words else None
    return found[0].text if found else ""


def _role(verb: str) -> str:
    try:
        return vocabulary().verb(verb).role
    except KeyError:
        return ""
