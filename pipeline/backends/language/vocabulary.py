"""The verb and noun vocabulary of instructions and captions.

Verbs come from resources/vocabulary/verbs.json; inflected forms are made here, irregular ones are
listed in the file. The role of a verb says what its phrases mean:

- `take`: the object ends in the gripper; a place names where it is (its source);
- `out`: the same, and the source belongs into the sentence (take out, remove);
- `place`: a place names where the object goes;
- `slide`: as `place` for to / into / onto / towards, else the place is where the object is;
- `fixed`: the object stays where it is (open, press); a place names where it is;
- `cover`: "cover A with B": B is moved, A is the target;
- `pour`: what is poured, and from what;
- `tool`: "wipe A with B": the tool B is the object, A what it acts on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pipeline.model.subtask import ActionType

_VOWELS = "aeiou"


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of the vocabulary.

    Attributes:
        verb: As captions write it, e.g. `pick up`.
        action: Kind of subtask.
        role: What its phrases mean (see the module).
    """

    verb: str
    action: ActionType
    role: str


@dataclass(frozen=True, slots=True)
class VerbMatch:
    """A verb found in a text.

    Attributes:
        verb: The verb.
        head: Its first word without inflection, e.g. `pick`.
        words: Number of words it covers.
    """

    verb: Verb
    head: str
    words: int


def _read(name: str) -> dict[str, Any]:
    text = (resources.files("resources") / "vocabulary" / name).read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def inflections(verb: str, irregular: tuple[str, ...] = ()) -> tuple[str, ...]:
    """List the forms of an English verb: base, -s, -ing, -ed; `irregular` replaces the latter."""
    if irregular:
        return (verb, *irregular)
    if verb.endswith("e"):
        return (verb, verb + "s", verb[:-1] + "ing", verb + "d")
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        return (verb, verb[:-1] + "ies", verb + "ing", verb[:-1] + "ied")
    sibilant = verb.endswith(("s", "sh", "ch", "x", "z"))
    # one vowel between consonants doubles the last letter: stop, plug, unplug, unzip
    doubles = re.search(r"(^|un)[^aeiou]*[aeiou][^aeiouwxy]$", verb) is not None
    stem = verb + verb[-1] if doubles else verb
    return (verb, verb + ("es" if sibilant else "s"), stem + "ing", stem + "ed")


class Vocabulary:
    """Verbs by their inflected forms, and the kinds of nouns.

    Attributes:
        verbs: All verbs, in the order of the file.
    """

    def __init__(self) -> None:
        data = _read("verbs.json")
        irregular = {k: tuple(v) for k, v in data["irregular"].items()}
        self._also_nouns = frozenset(data["also_nouns"])
        self._nouns = {kind: frozenset(v) for kind, v in _read("nouns.json").items()}
        verbs: list[Verb] = []
        self._phrases: dict[tuple[str, ...], Verb] = {}
        self._bases: dict[str, str] = {}
        for entry in data["verbs"]:
            verb = Verb(entry["verb"], ActionType(entry["action"]), entry["role"])
            verbs.append(verb)
            for phrase in (entry["verb"], *entry["synonyms"]):
                words = tuple(phrase.split())
                self._phrases[words] = verb
                for form in inflections(words[0], irregular.get(words[0], ())):
                    self._bases.setdefault(form, words[0])
        self.verbs = tuple(verbs)
        self._longest = max(len(p) for p in self._phrases)

    def match(self, words: tuple[str, ...]) -> VerbMatch | None:
        """Find the longest verb at the start of `words` (lower case), or None."""
        base = self._bases.get(words[0]) if words else None
        if base is None:
            return None
        for length in range(min(self._longest, len(words)), 0, -1):
            verb = self._phrases.get((base, *words[1:length]))
            if verb is not None:
                return VerbMatch(verb, base, length)
        return None

    def phrasal(self, head: str, particle: str) -> Verb | None:
        """Return the verb of a head and a separated particle (`turn` ... `on`), or None."""
        return self._phrases.get((head, particle))

    def verb(self, name: str) -> Verb:
        """Return the verb that captions call `name`; KeyError if there is none."""
        for verb in self.verbs:
            if verb.verb == name:
                return verb
        raise KeyError(name)

    def is_also_noun(self, form: str) -> bool:
        """Whether a verb form is as often a noun (`hand`, `cover`)."""
        return form in self._also_nouns

    def is_kind(self, kind: str, phrase: str) -> bool:
        """Whether the head of a noun phrase is of a kind of nouns.json (`openable`, `fluids`)."""
        return head_noun(phrase) in self._nouns[kind]

    def is_material(self, word: str) -> bool:
        """Whether `word` is a material (`wooden`, `plastic`)."""
        return word in self._nouns["materials"]


def singular(noun: str) -> str:
    """Give the singular of a regular English noun (`boxes` -> `box`); others stay."""
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "xes", "sses")):
        return noun[:-2]
    if noun.endswith("oes"):
        return noun[:-2]
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is")):
        return noun[:-1]
    return noun


def head_noun(phrase: str) -> str:
    """Return the singular head of a noun phrase: the last word before `of` or a preposition."""
    words = phrase.split()
    if "of" in words[1:]:
        words = words[: words.index("of", 1)]
    return singular(words[-1]) if words else ""


@cache
def vocabulary() -> Vocabulary:
    """Read the vocabulary once."""
    return Vocabulary()
