"""Offline language backend: reads English instructions with rules.

Sentences are cut into clauses at “and”, “then”, commas and full stops where a verb of the
vocabulary follows. What the rules do not understand is reported, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pipeline.backends.language.clauses import Instruction
from pipeline.backends.language.meaning import Group, clauses_of
from pipeline.backends.language.phrases import (
    PRONOUNS,
    SEPARATORS,
    NounPhrase,
    Place,
    PlaceKind,
    direction_at,
    is_dropped,
    is_manner,
    noun_phrase,
    preposition_at,
    relative_at,
    starts_phrase,
)
from pipeline.backends.language.text import ARM_MARKS, foreign_reason, tokens, word_set
from pipeline.backends.language.vocabulary import VerbMatch, vocabulary
from pipeline.model.problem import Problem

_FILLERS = word_set(
    "please kindly then next first firstly secondly thirdly finally lastly afterwards afterward "
    "now also carefully gently slowly quickly just and , robot to try by again simultaneously "
    "subsequently both"
)
_RECEIVERS = word_set("me us him her")
_SUBJECTS = (
    "can you", "could you", "would you", "will you", "you should", "you must", "you need to",
    "i want you to", "i need you to", "i would like you to", "your task is to", "the task is to",
    "task is to", "goal is to", "the goal is to", "after that", "the robot should",
    "the robot must", "the robot needs to", "the robot has to", "the robot will", "the robot is",
    "the robot", "a robot", "robot arm", "the robot arm", "the arm", "the gripper",
    "the robotic arm",
    "it should", "it", "let us", "you", "we", "at last", "at the end", "in the end", "is",
)  # fmt: skip
_SUBJECT_WORDS = tuple(sorted((tuple(s.split()) for s in _SUBJECTS), key=len, reverse=True))


@dataclass
class _Start:
    """Where a clause starts: after fillers, arm hints and a named tool."""

    match: VerbMatch
    after: int
    arm: str = ""
    tool: NounPhrase | None = None


@dataclass
class _Open:
    """A clause while it is read."""

    match: VerbMatch
    arm: str = ""
    objects: list[NounPhrase] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    direction: str = ""

    def group(self) -> Group:
        return Group(
            self.match.verb,
            self.match.head,
            tuple(self.objects),
            tuple(self.places),
            self.direction,
            self.arm,
        )


class RulesLanguage:
    """Reads instructions without network and without a model.

    Attributes:
        name: `rules`.
        licence: Of this code.
    """

    name = "rules"
    licence = "MIT"

    def available(self) -> str | None:
        """Return None: it needs nothing."""
        return None

    def parse(self, text: str) -> Instruction:
        """Read an instruction.

        Args:
            text: As the dataset gives it, any language, may be empty.

        Returns:
            Its clauses; none and a problem where it is empty or not understood.
        """
        if not text.strip():
            message = "The episode has no instruction: name the object to get better candidates."
            return Instruction(text, (), (Problem("instruction_empty", message),))
        shown = text.strip() if len(text.strip()) <= 80 else text.strip()[:77] + "..."
        reason = foreign_reason(text)
        if reason:
            return Instruction(text, (), (_not_understood(shown, reason),))
        reader = _Reader(tokens(text))
        reader.read()
        clauses = clauses_of(tuple(reader.groups))
        if not clauses:
            reason = "no verb of the vocabulary stands where one is expected"
            return Instruction(text, (), (_not_understood(shown, reason),))
        problems = []
        if reader.ignored:
            left_out = "”, “".join(reader.ignored)
            message = f"The rules read the instruction without “{left_out}”: check the subtasks."
            problems.append(Problem("instruction_partly_understood", message))
        unnamed = [c.verb for c in clauses if not c.object_name]
        if unnamed:
            message = f"The instruction does not name what moves (“{unnamed[0]}”): name the object."
            problems.append(Problem("object_unnamed", message))
        return Instruction(text, clauses, tuple(problems))


def _not_understood(shown: str, reason: str) -> Problem:
    message = f"The rules do not understand “{shown}”: {reason}. Name the object by hand."
    return Problem("instruction_not_understood", message)


class _Reader:
    """Walks over the words once and collects groups."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self.groups: list[Group] = []
        self.ignored: list[str] = []

    def read(self) -> None:
        i = 0
        while i < len(self.words):
            start = self._start(i)
            i = self._skip(i) if start is None else self._clause(start)

    def _skip(self, i: int) -> int:
        """Step over words that start no clause, and remember them."""
        if self.words[i] in SEPARATORS:
            return i + 1
        begin = i
        while i < len(self.words) and self.words[i] not in (".", ","):
            if i > begin and self.words[i] in SEPARATORS and self._start(i) is not None:
                break
            i += 1
        text = " ".join(w for w in self.words[begin:i] if w not in ARM_MARKS)
        if text and not all(w in _FILLERS for w in text.split()):
            self.ignored.append(text)
        return i

    def _start(self, i: int) -> _Start | None:
        """Find the verb of a clause that begins at `i`, past fillers."""
        words, arm, joined = self.words, "", i > 0 and self.words[i - 1] in SEPARATORS
        tool: NounPhrase | None = None
        while i < len(words):
            word = words[i]
            if word in ARM_MARKS:
                arm = ARM_MARKS[word]
                i += 1
                continue
            if word in ("use", "uses", "using", "with", "utilize") and tool is None:
                found = noun_phrase(words, i + 1)
                if found is None:
                    return None
                tool, i = found
                continue
            match = vocabulary().match(words[i : i + 5])
            if match is not None and self._is_verb(i, match, joined):
                return _Start(match, i + match.words, arm, tool)
            subject = next((s for s in _SUBJECT_WORDS if words[i : i + len(s)] == s), None)
            if subject is not None:
                i += len(subject)
                continue
            if word not in _FILLERS:
                return None
            joined = joined or word in SEPARATORS
            i += 1
        return None

    def _is_verb(self, i: int, match: VerbMatch, joined: bool) -> bool:
        """Whether a verb form after “and” or a comma is no noun (“the pot and cover”)."""
        if not joined or not vocabulary().is_also_noun(self.words[i]) or match.words > 1:
            return True
        return starts_phrase(self.words, i + 1) or (
            self.words[i - 1] in (".", "then") and i + 1 < len(self.words)
        )

    def _clause(self, start: _Start) -> int:
        """Read one clause; returns the index after it."""
        words, i = self.words, start.after
        clause = _Open(start.match, start.arm)
        if start.tool is not None:
            clause.places.append(Place(PlaceKind.WITH, "with", start.tool))
        describes = False
        while i < len(words) and words[i] != ".":
            word = words[i]
            if word in SEPARATORS:
                after = self._joined(i, clause)
                if after is None:
                    break
                clause, i = after
                continue
            if word in ARM_MARKS:
                clause.arm = ARM_MARKS[word]
                i += 1
                continue
            skipped = relative_at(words, i)
            if skipped:
                describes = True
                i += skipped
                continue
            if self._particle(i, clause):
                i += 1
                continue
            direction = direction_at(words, i)
            if direction is not None:
                clause.direction, step = direction
                i += step
                continue
            if is_dropped(words, i) or self._purpose(i):
                after_remark = self._to_boundary(i)
                if word in ("after", "before") and vocabulary().match(words[i + 1 : i + 6]):
                    self.ignored.append(" ".join(words[i:after_remark]))  # it is an action
                i = after_remark
                continue
            place = preposition_at(words, i)
            if place is not None:
                i = self._place(i, place, clause, describes)
                describes = False
                continue
            i = self._object(i, clause)
        self.groups.append(clause.group())
        return i

    def _purpose(self, i: int) -> bool:
        """Whether “to” and a verb follow (“to make coffee”), not a place."""
        if self.words[i] != "to" or starts_phrase(self.words, i + 1):
            return False
        return vocabulary().match(self.words[i + 1 : i + 6]) is not None

    def _to_boundary(self, i: int) -> int:
        while i < len(self.words) and self.words[i] != ".":
            if self.words[i] in SEPARATORS and self._start(i + 1) is not None:
                return i
            i += 1
        return i

    def _particle(self, i: int, clause: _Open) -> bool:
        """Take up a separated particle: “turn the lamp on”, “pick the cup up from ...”."""
        words, word = self.words, self.words[i]
        if not clause.objects or clause.match.words > 1:
            return False
        verb = vocabulary().phrasal(clause.match.head, word)
        if verb is None:
            return False
        if preposition_at(words, i) is not None and (
            word == "out" or noun_phrase(words, i + 1) is not None
        ):
            return False  # “take the lid off the pot”: a place, not a particle
        clause.match = replace(clause.match, verb=verb, words=2)
        return True

    def _place(
        self, i: int, place: tuple[PlaceKind, str, int], clause: _Open, describes: bool
    ) -> int:
        kind, relation, length = place
        found = noun_phrase(self.words, i + length)
        if found is None:
            clause.places.append(Place(kind, relation, None))
            return i + length
        phrase, after = found
        if relation == "between" and self.words[after : after + 1] == ("and",):
            second = noun_phrase(self.words, after + 1)
            if second is not None and self._start(after) is None:
                joint = (*phrase.words, "and", *second[0].words)
                phrase, after = NounPhrase(joint, 2), second[1]
        if phrase.words == ("half",):
            return after  # “fold in half” is no place
        if not (describes and clause.places):  # “on the box that is next to ...”: of the box
            clause.places.append(Place(kind, relation, phrase, describes))
        return after

    def _object(self, i: int, clause: _Open) -> int:
        if self.words[i] in _RECEIVERS and not clause.objects and starts_phrase(self.words, i + 1):
            # “bring me the sponge”
            clause.places.append(Place(PlaceKind.GOAL, "to", NounPhrase((self.words[i],))))
            return i + 1
        found = noun_phrase(self.words, i)
        if found is None:
            if not is_manner(self.words[i]):
                self.ignored.append(self.words[i])
            return i + 1
        phrase, after = found
        if phrase.words == ("back",):
            return after  # “moves back”
        if clause.objects and (is_manner(phrase.words[0]) if phrase.words else True):
            return after
        if clause.objects:
            self.ignored.append(phrase.text)
        else:
            clause.objects.append(phrase)
        return after

    def _joined(self, i: int, clause: _Open) -> tuple[_Open, int] | None:
        """Go on after “and” or a comma with another object or place of the same verb.

        Returns:
            The clause to go on with and the next index; None if the clause ends at `i`.
        """
        words, j, said_and, said_then = self.words, i, False, False
        if self._start(i + 1) is not None:
            return None
        while j < len(words) and words[j] in (",", "and", "then"):
            said_and |= words[j] == "and"
            said_then |= words[j] == "then"
            j += 1
        if j >= len(words) or words[j] in SEPARATORS or self._start(j) is not None:
            return None
        if not said_then and (preposition_at(words, j) is not None or words[j] in ARM_MARKS):
            return clause, j
        found = noun_phrase(words, j)
        if said_then and not (found and clause.places and self._goal(found[1])):
            return None  # only “put A in B, then C in D” goes on with the same verb
        if found is None or not (said_and or starts_phrase(words, j) or self._list(found[1])):
            return None
        phrase, after = found
        if words[j] in PRONOUNS and not said_and:
            return None
        other_arm = clause.arm and words[after : after + 1] and words[after] in ARM_MARKS
        if other_arm and words[after] != "@" + clause.arm:
            self.groups.append(clause.group())
            return _Open(clause.match, "", [phrase]), after
        if not clause.places:
            clause.objects = [replace(o, count=1) for o in clause.objects] + [phrase]
            return clause, after
        if self._goal(after):
            self.groups.append(clause.group())
            return _Open(clause.match, clause.arm, [phrase]), after
        last = clause.places[-1]
        if last.phrase is None or not said_and:
            return None
        joint = NounPhrase((*last.phrase.words, "and", *phrase.words), 2)
        clause.places[-1] = replace(last, phrase=joint)
        return clause, after

    def _goal(self, i: int) -> bool:
        """Whether a destination may begin at `i`."""
        follows = preposition_at(self.words, i) if i < len(self.words) else None
        return follows is not None and follows[0] in (PlaceKind.AT, PlaceKind.GOAL)

    def _list(self, i: int) -> bool:
        """Whether a list goes on at `i` (“apples, pears and plums”)."""
        return self.words[i : i + 1] in ((",",), ("and",)) and self._start(i) is None
