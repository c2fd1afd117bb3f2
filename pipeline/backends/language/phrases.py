"""Noun phrases and prepositions: the small grammar that instructions to robots need."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pipeline.backends.language.text import ARM_MARKS, word_set
from pipeline.model.colors import canonical_color


class PlaceKind(Enum):
    """What a preposition says about a place."""

    AT = "at"
    GOAL = "goal"
    SOURCE = "source"
    WITH = "with"


_AT = (
    "in,on,inside,inside of=inside,within=inside,on top of,atop=on top of,at,next to,beside,near,"
    "near to=near,close to=near,adjacent to=next to,nearby=near,under,underneath=under,"
    "beneath=under,below,above,over,behind,in front of,in between=between,between,among,against,"
    "around,to the left of,to the right of,to left of=to the left of,to right of=to the right of,"
    "left of=to the left of,right of=to the right of,on the left of=to the left of,"
    "on the right of=to the right of,along,across,through,upon=on,alongside=next to"
)
_GOAL = (
    "to,into,onto,on to=onto,in to=into,toward=towards,towards,up to=to,back to=to,back into=into"
)
_SOURCE = (
    "from,out of,off,off of=off,from inside=from,from inside of=from,from on=from,out from=from,"
    "from on top of=from,from under=from,from within=from,from behind=from"
)
_WITH = "with,using,by using"


def _table() -> dict[tuple[str, ...], tuple[PlaceKind, str]]:
    table = {}
    for kind, text in (
        (PlaceKind.AT, _AT),
        (PlaceKind.GOAL, _GOAL),
        (PlaceKind.SOURCE, _SOURCE),
        (PlaceKind.WITH, _WITH),
    ):
        for entry in text.split(","):
            words, _, relation = entry.partition("=")
            table[tuple(words.split())] = (kind, relation or words)
    return table


_PREPOSITIONS = _table()
REFINING = word_set(
    "next to,beside,near,behind,in front of,to the left of,to the right of,between", ","
)
"""Relations that say where on a surface: “on the table next to the plate”."""

_ARTICLES = word_set(
    "the a an some this that these those your my its his her their our any another same held"
)
_COUNTS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "both": 2, "2": 2, "3": 3,
    "4": 4, "5": 5, "6": 6, "all": 0, "every": 0, "each": 0, "several": 0, "multiple": 0,
}  # fmt: skip
PRONOUNS = word_set("it them they this that these those")
SEPARATORS = frozenset({",", ".", "and", "then"})
_RELATIVE = word_set("which that who located placed sitting lying standing")
_DROPPED = word_set("so until while without for because when if as via after before during")
_MANNER = word_set(
    "carefully gently slowly quickly softly firmly again together upright away aside forward "
    "forwards backward backwards upward upwards downward downwards down up open closed there here "
    "completely fully halfway once twice out"
)
_DIRECTIONS = {
    "left": "to the left", "right": "to the right", "forward": "forward", "forwards": "forward",
    "backward": "backward", "backwards": "backward", "away": "away", "aside": "aside",
    "together": "together", "upright": "upright", "clockwise": "clockwise",
    "counterclockwise": "counterclockwise", "anticlockwise": "counterclockwise",
    "counter-clockwise": "counterclockwise",
}  # fmt: skip
_SIDES = word_set("left right front back side")
_POSITIONS = word_set("top bottom upper lower front back far near middle first second third")
# Words of the colour vocabulary that name food, drinks or metal at least as often.
_NOT_ONLY_COLORS = word_set("orange gold golden silver cream rose lemon lime olive amber")
_AFTER_FOOD = word_set("juice cheese peel slice soda oil jam zest sauce")


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun phrase.

    Attributes:
        words: Without article; empty for a pronoun.
        count: Number of things, 0 = all.
        pronoun: The pronoun, or empty.
    """

    words: tuple[str, ...]
    count: int = 1
    pronoun: str = ""

    @property
    def text(self) -> str:
        """The words as one phrase."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Place:
    """A preposition with its noun phrase.

    Attributes:
        kind: What the preposition says.
        relation: The preposition, unified.
        phrase: The noun phrase, None if it is missing (“put the cup inside”).
        describes: True in a relative clause (“which is on the table”).
    """

    kind: PlaceKind
    relation: str
    phrase: NounPhrase | None
    describes: bool = False


def preposition_at(words: tuple[str, ...], i: int) -> tuple[PlaceKind, str, int] | None:
    """Find the longest preposition at `i`: kind, unified form, number of words."""
    for length in range(4, 0, -1):
        found = _PREPOSITIONS.get(words[i : i + length]) if i + length <= len(words) else None
        if found is not None:
            return (*found, length)
    return None


def direction_at(words: tuple[str, ...], i: int) -> tuple[str, int] | None:
    """Find a direction without a thing at `i` (`to the left`, `forward`): text, words."""
    lead = 0
    if words[i] in ("to", "on", "towards", "toward"):
        lead = 2 if words[i + 1 : i + 2] == ("the",) else 1
        tail = words[i + lead : i + lead + 2]
        if not tail or tail[0] not in _SIDES:
            return None
        length = 2 if tail[1:] == ("side",) else 1
        if _is_open(words, i + lead + length):
            return " ".join(words[i : i + lead + length]), lead + length
        return None
    direction = _DIRECTIONS.get(words[i])
    return (direction, 1) if direction is not None and _is_open(words, i + 1) else None


def is_dropped(words: tuple[str, ...], i: int) -> bool:
    """Whether a remark starts at `i` that says nothing about object or place."""
    return words[i] in _DROPPED


def is_manner(word: str) -> bool:
    """Whether `word` says how something is done, or is a lone particle."""
    return word in _MANNER or word.endswith("ly") or word == "back"


def relative_at(words: tuple[str, ...], i: int) -> int:
    """Number of words of “which is”, “that are”, “located” ... at `i`; 0 if there is none."""
    if words[i] not in _RELATIVE:
        return 0
    if words[i] in ("which", "that", "who"):
        if words[i + 1 : i + 2] not in (("is",), ("are",), ("was",)):
            return 0
        more = words[i + 2 : i + 3]
        return 3 if more and more[0] in _RELATIVE else 2
    return 1


def _is_open(words: tuple[str, ...], i: int) -> bool:
    """Whether no noun follows at `i`."""
    return (
        i >= len(words)
        or words[i] in SEPARATORS
        or words[i] in ARM_MARKS
        or words[i] in _DROPPED
        or (words[i] != "of" and preposition_at(words, i) is not None)
    )


def starts_phrase(words: tuple[str, ...], i: int) -> bool:
    """Whether a determiner, number, colour or pronoun stands at `i`."""
    if i >= len(words):
        return False
    word = words[i]
    known = word in _ARTICLES or word in _COUNTS or word in PRONOUNS
    return known or canonical_color(word) is not None


def noun_phrase(words: tuple[str, ...], i: int) -> tuple[NounPhrase, int] | None:
    """Read a noun phrase at `i`.

    Returns:
        The phrase and the index after it; None if there is none.
    """
    if i < len(words) and words[i] in PRONOUNS and _is_open(words, i + 1):
        return NounPhrase((), 0 if words[i] in ("them", "those") else 1, words[i]), i + 1
    if i < len(words) and words[i] in ("it", "them"):
        return NounPhrase((), 1, words[i]), i + 1
    count, start = 1, i
    found: list[str] = []
    while i < len(words) and (words[i] in _ARTICLES or words[i] in _COUNTS or words[i] == "of"):
        count = _COUNTS.get(words[i], count)
        i += 1
    if i > start and i < len(words) and words[i] == "them":
        return NounPhrase((), count, "them"), i + 1
    while i < len(words):
        word = words[i]
        if word == "of" and found:
            found.append(word)
            i += 1
            continue
        if word in _ARTICLES and found and found[-1] in ("of", "the"):
            found.append(word)
            i += 1
            continue
        if word in ("and", ",") and _joins_colors(words, i, found):
            if word == "and":
                found.append(word)
            i += 1
            continue
        if word == "or" and found and i + 1 < len(words):
            found.append(word)
            i += 1
            continue
        if _ends(words, i, found):
            break
        found.append(word)
        i += 1
    if len(found) > 1 and found[-1] in _DIRECTIONS and not set(found[:-1]) <= _POSITIONS:
        found.pop()
        i -= 1
    if not found:
        return None
    if found[:2] in (["contents", "of"], ["content", "of"]):
        found = [w for w in found[2:] if w not in _ARTICLES]
    return NounPhrase(tuple(found), count), i


def _ends(words: tuple[str, ...], i: int, found: list[str]) -> bool:
    word = words[i]
    if word in SEPARATORS or word in ARM_MARKS or word in _DROPPED:
        return True
    if preposition_at(words, i) is not None and not (word in ("left", "right") and not found):
        return True
    if found and word in _ARTICLES and found[-1] != "of":
        return True
    if relative_at(words, i):
        return True
    if found and word == "back":
        return _is_open(words, i + 1)
    return bool(found) and (word in _MANNER or (word.endswith("ly") and _is_open(words, i + 1)))


def _joins_colors(words: tuple[str, ...], i: int, found: list[str]) -> bool:
    """Whether “and” or a comma stands between colours: “the yellow and white mug”."""
    if not found or canonical_color(found[-1]) is None or i + 1 >= len(words):
        return False
    return canonical_color(words[i + 1]) is not None and not _is_open(words, i + 2)


def colors_of(phrase: str) -> tuple[str, ...]:
    """List the colour words of a noun phrase, as the colour vocabulary names them.

    A word that names food or metal as well counts only before another noun that fits a colour
    (“orange cup”, but not “orange”, “orange juice”, “cream cheese”).
    """
    words = phrase.split()
    if "of" in words[1:]:
        words = words[: words.index("of", 1)]
    colors: list[str] = []
    for i, word in enumerate(words):
        for part in word.split("-"):
            name = canonical_color(part)
            if name is None:
                continue
            food = i + 1 >= len(words) or words[i + 1] in _AFTER_FOOD
            if part in _NOT_ONLY_COLORS and food:
                continue
            colors.append(name)
    return tuple(dict.fromkeys(colors))
