"""What a caption claims: its constraints, read offline by our own clause parser.

After SpatialReward's prompt decomposer, which is a fine-tuned model; ours is the parser that reads
instructions, so that a person's correction is read like a model's caption.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pipeline.backends.language.clauses import Clause
from pipeline.backends.language.phrases import colors_of
from pipeline.backends.language.rules import RulesLanguage
from pipeline.backends.language.text import word_set
from pipeline.backends.language.vocabulary import head_noun, singular, vocabulary
from pipeline.model.caption_fields import CaptionFields
from pipeline.model.checks import ConstraintKind
from pipeline.model.colors import canonical_color
from pipeline.model.problem import Problem, Severity
from pipeline.model.subtask import ActionType

OBJECT, DESTINATION, SOURCE = "object", "destination", "source"
"""Which thing a claim is about."""

_AWAY = ("from", "out of", "off", "off of")
"""Before what the object leaves."""
_SHADES = frozenset({"dark", "light", "pale", "bright", "deep"})
_ANYTHING = frozenset({"object", "thing", "item", "something", "it", "one", ""})
_SAME_THING = word_set(
    "scissors glasses sunglasses pliers tongs tweezers pants trousers shorts jeans headphones "
    "earphones grapes chips fries noodles beans peas nuts berries blueberries raspberries keys "
    "contents clothes groceries stairs"
)
"""Plurals that name one thing, or a heap that is moved as one."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a caption says.

    Attributes:
        kind: What it is about.
        text: For people, e.g. `the object is green`.
        words: As written in the caption, may be empty.
        about: `object`, `destination` or `source`.
        value: What is claimed: a colour word, a relation, a direction, a verb, a number, an arm.
        shade: `dark`, `light`, ... before a colour word, or empty.
    """

    kind: ConstraintKind
    text: str
    words: str
    about: str = OBJECT
    value: str = ""
    shade: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A caption, read.

    Attributes:
        clause: The action that is checked, None where nothing was understood.
        claims: In the order of the caption.
        problems: `caption_not_understood`, `caption_many_actions`, `caption_partly_understood`.
    """

    clause: Clause | None
    claims: tuple[Claim, ...]
    problems: tuple[Problem, ...] = ()


def read_caption(text: str, fields: CaptionFields | None = None, verb: str = "") -> Reading:
    """Decompose a caption.

    Args:
        text: One sentence.
        fields: The parts as a model gave them, if `text` is what it wrote: they count where the
            parser does not understand the sentence.
        verb: Verb of the subtask: which action counts where the caption has several.

    Returns:
        Claims of one action. A caption with several actions says so and has one of them read.
    """
    read = RulesLanguage().parse(text)
    problems: list[Problem] = []
    clauses = read.clauses
    if not clauses and fields is not None and fields.verb:
        clauses = (_of_fields(fields),)
    elif not clauses:
        why = read.problems[0].message if read.problems else "It is empty."
        return Reading(None, (), (Problem("caption_not_understood", f"Not checked: {why}"),))
    for problem in read.problems:
        if problem.code == "instruction_partly_understood":
            message = problem.message.replace("read the instruction", "check the caption")
            message = message.replace(": check the subtasks", "")
            problems.append(Problem("caption_partly_understood", message, Severity.INFO))
    clause = next((c for c in clauses if c.verb == verb), clauses[-1])
    if len(clauses) > 1:
        message = (
            f"The caption has {len(clauses)} actions; only “{clause.verb} {clause.object_name}” "
            "was checked. A caption is one action."
        )
        problems.append(Problem("caption_many_actions", message))
    claims = claims_of(clause, text)
    return Reading(clause, claims, tuple(problems))


def _of_fields(fields: CaptionFields) -> Clause:
    """A clause of the parts that a model gave, with its own verb if it is not in the vocabulary."""
    match = vocabulary().match(tuple(fields.verb.lower().split()))
    verb = match.verb.verb if match is not None else fields.verb.lower()
    action = match.verb.action if match is not None else ActionType.OTHER
    return Clause(
        verb=verb,
        action=action,
        object_name=fields.object_name.lower(),
        colors=colors_of(fields.object_name.lower()),
        relation=fields.relation.lower(),
        target_name=fields.destination.lower(),
        source_name=fields.source.lower(),
        arm=fields.arm,
    )


def claims_of(clause: Clause, text: str) -> tuple[Claim, ...]:
    """List what an action claims, in the order of the sentence."""
    claims = [Claim(ConstraintKind.VERB, _verb_text(clause), verb_words(clause, text))]
    claims[0] = replace(claims[0], value=clause.verb)
    claims += _thing(clause.object_name, OBJECT, text)
    number = _number(clause, text)
    if number is not None:
        claims.append(number)
    if clause.source_name:
        words = written(text, clause.source_name)
        claims += _thing(clause.source_name, SOURCE, text)
        if _leaves(clause, text):
            leaves = f"the object leaves the {clause.source_name}"
            claims.append(Claim(ConstraintKind.DIRECTION, leaves, words, SOURCE, "out of"))
    if clause.relation and clause.target_name:
        claim = f"the object ends {clause.relation} the {clause.target_name}"
        words = written(text, clause.relation)
        if clause.verb != "pour":
            kind = ConstraintKind.RELATION
            claims.append(Claim(kind, claim, words, DESTINATION, clause.relation))
    elif clause.relation:
        claim = f"the object moves {clause.relation}"
        words = written(text, clause.relation)
        claims.append(Claim(ConstraintKind.DIRECTION, claim, words, OBJECT, clause.relation))
    if clause.target_name:
        claims += _thing(clause.target_name, DESTINATION, text)
    if clause.arm in ("left", "right"):
        claim = f"the {clause.arm} arm does it"
        claims.append(Claim(ConstraintKind.ARM, claim, clause.arm, OBJECT, clause.arm))

    def place(claim: Claim) -> int:
        whole = claim.about == OBJECT and clause.object_name
        whole = clause.target_name if claim.about == DESTINATION else whole
        whole = clause.source_name if claim.about == SOURCE else whole
        thing = _search(text, str(whole).lower()) if whole else None
        if thing is not None and (inner := _search(thing.group(0), claim.words.lower())):
            return thing.start() + inner.start()
        found = _search(text, claim.words.lower())
        return found.start() if found is not None else len(text)

    return tuple(sorted(claims, key=place))


def _leaves(clause: Clause, text: str) -> bool:
    """Whether a caption says that the object leaves its source, not only that it is there.

    “Flip the pot which is in the sink” and “pick up the bottle on the table” say where it is. A
    sentence without the source's own words (`fields` of a model) says it by its verb.
    """
    source = clause.source_name.lower()
    if _search(text, source) is None:
        return any(v.verb == clause.verb and v.role == "out" for v in vocabulary().verbs)
    before = (f"{word}{article}" for word in _AWAY for article in ("", " a", " an", " its"))
    return any(_search(text, f"{words} {source}") is not None for words in before)


def _verb_text(clause: Clause) -> str:
    return f"the action is “{clause.verb}”"


def _thing(name: str, about: str, text: str) -> list[Claim]:
    """Presence and colours of a thing."""
    if not name or name in ("me", "you", "him", "her", "us"):
        return []
    lower = name.lower()
    head = head_noun(lower)
    claims: list[Claim] = []
    words = lower.split()
    for color in colors_of(lower):
        spelled = next((w for w in words if canonical_color(w) == color), color)
        before = words[words.index(spelled) - 1] if spelled in words[1:] else ""
        shade = before if before in _SHADES else ""
        claim = f"the {about} is {f'{shade} ' if shade else ''}{spelled}"
        phrase = written(text, f"{shade} {spelled}" if shade else spelled, lower)
        claims.append(Claim(ConstraintKind.COLOR, claim, phrase, about, color, shade))
    if head not in _ANYTHING:
        article = "an" if head[:1] in "aeiou" else "a"
        last = lower.split(" of ")[0].split()[-1]
        claim = f"there are {last}" if last in _SAME_THING else f"there is {article} {head}"
        claims.append(Claim(ConstraintKind.PRESENT, claim, written(text, lower), about, lower))
    return claims


def _number(clause: Clause, text: str) -> Claim | None:
    """How many things are meant, if the caption says it; None for one."""
    name = clause.object_name.lower()
    last = name.split(" of ")[0].split()[-1] if name else ""
    plural = bool(last) and singular(last) != last and last not in _SAME_THING
    if clause.count == 0:
        return Claim(ConstraintKind.COUNT, f"all {name} are meant", "", OBJECT, "all")
    if clause.count > 1:
        found = re.search(r"\b(two|three|four|five|six|both|[2-6])\b", text, re.IGNORECASE)
        claim = f"{clause.count} things are moved"
        words = found.group(0) if found else ""
        return Claim(ConstraintKind.COUNT, claim, words, OBJECT, str(clause.count))
    if plural:
        claim = "more than one thing is moved"
        return Claim(ConstraintKind.COUNT, claim, written(text, last), OBJECT, "many")
    return None


def written(text: str, phrase: str, within: str = "") -> str:
    """Find a phrase as it is written in a text, any case and punctuation; empty if it is not there.

    Args:
        text: The caption.
        phrase: Lower-case words.
        within: A longer phrase that it is part of: of several places the one inside counts.
    """
    if within and (found := _search(text, within)) is not None:
        part = _search(found.group(0), phrase)
        if part is not None:
            return part.group(0)
    found = _search(text, phrase)
    return found.group(0) if found is not None else ""


def _search(text: str, phrase: str) -> re.Match[str] | None:
    words = [re.escape(w) for w in phrase.split()]
    if not words:
        return None
    return re.search(r"\b" + r"[\W_]+(?:the\s+)?".join(words) + r"\b", text, re.IGNORECASE)


def verb_words(clause: Clause, text: str) -> str:
    """The words of a text that say the verb of a clause, as written; else its first verb."""
    words = list(re.finditer(r"[^\W_]+(?:['-][^\W_]+)*", text))
    lower = tuple(w.group(0).lower() for w in words)
    first = ""
    for i in range(len(words)):
        match = vocabulary().match(lower[i : i + 5])
        if match is None:
            continue
        found = text[words[i].start() : words[i + match.words - 1].end()]
        first = first or found
        if match.verb.verb == clause.verb:
            return found
    return first
