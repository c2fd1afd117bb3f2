"""Whether two noun phrases, verbs or prepositions of captions mean the same.

The tables are resources/vocabulary/judging.json, verbs.json and colors.json. A caption may be more
generic than its reference, never contradict it: “packet” is right for “green gelatin packet”,
“orange packet” is not (spec, captions; docs/caption-evaluation.md has every rule).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pipeline.backends.language.phrases import colors_of
from pipeline.backends.language.vocabulary import singular
from pipeline.model.colors import canonical_color

_SMALL = frozenset({"and", "or", "of", "the", "a", "an"})


@dataclass(frozen=True, slots=True)
class Thing:
    """A noun phrase taken apart.

    Attributes:
        head: What it is, one spelling for all synonyms; empty if the phrase names nothing.
        colors: Colour words, as the colour vocabulary names them.
        modifiers: The other words.
    """

    head: str
    colors: frozenset[str]
    modifiers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of judging.json, prepared.

    Attributes:
        names: Words of a name -> its one spelling.
        longest: Most words of a name.
        kinds: Generic name -> what is one.
        nothing: Words that name nothing.
        vessels: Heads that may be left out: “coke can”, “coke”.
        partitives: Heads that say how much: “piece of bread”.
        opposed: (group, side) of a word, by word: words of one group and different sides exclude
            each other.
        verbs: (verbs that are alike, what must be named: `source`, `destination` or nothing).
        relations: Preposition -> number of its group.
        open_relations: Prepositions that fit every other one.
        in_or_on: Things in and on which are the same.
    """

    names: dict[tuple[str, ...], str]
    longest: int
    kinds: dict[str, frozenset[str]]
    nothing: frozenset[str]
    vessels: frozenset[str]
    partitives: frozenset[str]
    opposed: dict[str, tuple[tuple[int, int], ...]]
    verbs: tuple[tuple[frozenset[str], str], ...]
    relations: dict[str, int]
    open_relations: frozenset[str]
    in_or_on: frozenset[str]


@cache
def tables() -> Tables:
    """Read resources/vocabulary/judging.json once."""
    text = (resources.files("resources") / "vocabulary" / "judging.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    names = {
        tuple(name.split()): group[0].replace(" ", "-") for group in data["names"] for name in group
    }
    opposed: dict[str, list[tuple[int, int]]] = {}
    for number, sides in enumerate(data["opposed"]):
        for side, words in enumerate(sides):
            for word in words:
                opposed.setdefault(word, []).append((number, side))
    return Tables(
        names=names,
        longest=max(len(words) for words in names),
        kinds={
            kind: frozenset(names.get(tuple(n.split()), n.replace(" ", "-")) for n in members)
            for kind, members in data["kinds"].items()
        },
        nothing=frozenset(data["nothing"]),
        vessels=frozenset(names.get((v,), v) for v in data["vessels"]),
        partitives=frozenset(data["partitives"]),
        opposed={word: tuple(places) for word, places in opposed.items()},
        verbs=tuple((frozenset(e["alike"]), str(e["when"])) for e in data["verbs"]),
        relations={word: n for n, group in enumerate(data["relations"]) for word in group},
        open_relations=frozenset(data["open_relations"]),
        in_or_on=frozenset(names.get((w,), w) for w in data["in_or_on"]),
    )


@cache
def thing(phrase: str) -> Thing:
    """Take a noun phrase apart: lower case, without article."""
    known = tables()
    words = phrase.lower().split()
    if "of" in words[1:]:
        cut = words.index("of", 1)
        front, back = words[:cut], words[cut + 1 :]
        whole = [*front, *back] if singular(front[-1]) in known.partitives else [*back, *front]
        if singular(front[-1]) in known.partitives:
            whole = [*front[:-1], *back]
    else:
        whole = words
    colors = frozenset(colors_of(" ".join(w for w in whole if w not in _SMALL)))
    plain = [
        w
        for w in whole
        if w not in _SMALL and not (canonical_color(w) in colors if canonical_color(w) else False)
    ]
    units = _units([p for w in plain for p in _uncolored(w, colors)])
    units = [u for u in units if u not in known.nothing]
    if not units:
        return Thing("", colors, frozenset())
    return Thing(units[-1], colors, frozenset(units[:-1]))


def _uncolored(word: str, colors: frozenset[str]) -> list[str]:
    """A word without the colours in it (`light-blue` gives `light`)."""
    if "-" not in word:
        return [word]
    parts = [p for p in word.split("-") if canonical_color(p) not in colors]
    return ["-".join(parts)] if parts else []


def _units(words: list[str]) -> list[str]:
    """Words with names of several words joined and synonyms spelled alike."""
    known, units, i = tables(), [], 0
    bare = [singular(w) for w in words]
    while i < len(words):
        for length in range(min(known.longest, len(words) - i), 0, -1):
            last = i + length == len(words)
            key = (*words[i : i + length - 1], bare[i + length - 1])
            plural = tuple(words[i : i + length])
            found = known.names.get(key) or known.names.get(plural)
            # A synonym of one word holds for the head alone: a “cover letter” is no lid.
            if found is not None and (length > 1 or last):
                units.append(found)
                i += length
                break
        else:
            units.append(bare[i])
            i += 1
    return units


def opposed(first: frozenset[str], second: frozenset[str]) -> tuple[str, str] | None:
    """A pair of words, one of each side, that exclude each other; None if there is none."""
    known = tables().opposed
    for a in sorted(first):
        sides = dict(known.get(a, ()))
        for b in sorted(second):
            for group, side in known.get(b, ()):
                if group in sides and sides[group] != side and not _both(first, second, group):
                    return a, b
    return None


def _both(first: frozenset[str], second: frozenset[str], group: int) -> bool:
    """Whether both name the same side, too (“metal and plastic lid”)."""
    known = tables().opposed
    one, two = (
        {side for w in words for g, side in known.get(w, ()) if g == group}
        for words in (first, second)
    )
    return bool(one & two)


def same_head(reference: Thing, caption: Thing) -> bool:
    """Whether the caption's noun is that of the reference, a synonym, or more generic."""
    known = tables()
    a, b = reference.head, caption.head
    if not a or not b:
        return False
    if a == b or a.replace("-", "") == b.replace("-", ""):
        return True
    if a in known.kinds.get(b, frozenset()):
        return True
    # “coke can” and “coke”: what is in it stands for it, in both directions
    return (a in known.vessels and b in reference.modifiers) or (
        b in known.vessels and a in caption.modifiers
    )


def why_not(reference: str, caption: str) -> str:
    """Why a caption's name does not fit the reference's, one phrase; empty if it does."""
    mine, theirs = thing(caption), thing(reference)
    if not mine.head:
        return f"“{caption or 'nothing'}” does not name the {reference}"
    if not same_head(theirs, mine):
        return f"“{caption}” is not “{reference}”"
    if mine.colors and theirs.colors and not mine.colors & theirs.colors:
        return f"{'/'.join(sorted(mine.colors))} is not {'/'.join(sorted(theirs.colors))}"
    words = opposed(theirs.modifiers | {theirs.head}, mine.modifiers | {mine.head})
    if words is not None:
        return f"{words[1]} is not {words[0]}"
    return ""


def same_verb(reference: str, caption: str, *, source: bool, destination: bool) -> bool:
    """Whether two verbs of the vocabulary describe the same action.

    Args:
        reference: Verb.
        caption: Verb.
        source: Both captions name a source.
        destination: Both captions name a destination.
    """
    if not reference or not caption:
        return False
    if reference == caption:
        return True
    named = {"": True, "source": source, "destination": destination}
    return any({reference, caption} <= group and named[when] for group, when in tables().verbs)


def same_relation(reference: str, caption: str, destination: str) -> bool:
    """Whether two prepositions before the same destination say the same.

    A missing one, and one that only says “to”, fits every other. In and on are the same where the
    thing is shallow (tray, plate).

    Args:
        reference: Preposition.
        caption: Preposition.
        destination: Name of the destination.
    """
    known = tables()
    if not reference or not caption or reference == caption:
        return True
    if reference in known.open_relations or caption in known.open_relations:
        return True
    one, two = known.relations.get(reference), known.relations.get(caption)
    if one == two and one is not None:
        return True
    holding = {known.relations["in"], known.relations["on"]}
    return {one, two} == holding and thing(destination).head in known.in_or_on
