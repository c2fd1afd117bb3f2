"""From grammatical groups to clauses: roles, pronouns, and grasps that serve two verbs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.backends.language.clauses import Clause
from pipeline.backends.language.phrases import (
    REFINING,
    NounPhrase,
    Place,
    PlaceKind,
    colors_of,
)
from pipeline.backends.language.vocabulary import Verb, head_noun, vocabulary
from pipeline.model.subtask import ActionType

_CLOSURES = frozenset({"lid", "cap", "cover", "cork", "stopper"})
"""What leaves a container open when it is taken off."""


@dataclass(frozen=True, slots=True)
class Group:
    """A verb with its objects and places, as read.

    Attributes:
        verb: The verb.
        head: Its first word as used, e.g. `take`.
        objects: Objects; empty if none is named (“and place on the table”).
        places: Prepositional phrases in their order.
        direction: Direction without a thing, or empty.
        arm: Arm hint.
    """

    verb: Verb
    head: str
    objects: tuple[NounPhrase, ...]
    places: tuple[Place, ...]
    direction: str
    arm: str


@dataclass(frozen=True, slots=True)
class _Read:
    """A clause and what merging needs to know about it."""

    clause: Clause
    role: str
    refers_back: bool


def clauses_of(groups: tuple[Group, ...]) -> tuple[Clause, ...]:
    """Resolve pronouns, give each phrase its role, and join clauses that share one grasp."""
    memory = _Memory()
    read: list[_Read] = []
    for group in groups:
        new = _read(group, memory)
        if not (new and all(_joinable(read, r) for r in new)):
            read.extend(new)
            continue
        for item in new:
            # the held object is the newest take of the same thing
            k = max(k for k, r in enumerate(read) if _shares_grasp(r, item))
            held = read.pop(k)
            read.append(_joined(held, item))
    return tuple(r.clause for r in read)


class _Memory:
    """What was mentioned, for pronouns."""

    def __init__(self) -> None:
        self.mentions: list[str] = []
        self.objects: list[tuple[str, ...]] = []
        self.opened: list[str] = []
        self.held: list[str] = []
        self.stacked: tuple[str, ...] = ()

    def thing(self, pronoun: str, action: ActionType) -> tuple[str, ...]:
        """What a pronoun in the place of the object means; empty if there is nothing."""
        if action is ActionType.OPEN_CLOSE:
            openable = [m for m in self.mentions if vocabulary().is_kind("openable", m)]
            if self.opened or openable:
                return (self.opened[-1] if self.opened else openable[-1],)
        if pronoun == "them" and len(self.held) > 1:
            return tuple(self.held)
        if not self.objects:
            return ()
        if pronoun == "them" and len(self.objects[-1]) == 1 and self.stacked:
            return self.stacked
        return self.objects[-1] if pronoun == "them" else (self.objects[-1][-1],)

    def place(self, besides: str) -> str:
        """What a pronoun in the place of the destination means."""
        if self.opened and self.opened[-1] != besides:
            return self.opened[-1]
        return next((m for m in reversed(self.mentions) if m != besides), "")


def _read(group: Group, memory: _Memory) -> list[_Read]:
    verb, refers_back = group.verb, False
    names: list[tuple[str, int]] = []
    for phrase in group.objects or (NounPhrase((), 1, "it"),):
        if phrase.words:
            last = memory.objects[-1][-1] if memory.objects else ""
            names.append((_spelled_out(phrase.text, last), phrase.count))
            continue
        refers_back = True
        found = memory.thing(phrase.pronoun, verb.action)
        names.extend((name, 1) for name in found)
    if not names:
        names, refers_back = [("", 1)], False
    read = []
    for name, count in names:
        clause, role = _clause(group, name, count, memory, refers_back)
        again = role in ("tool", "cover", "pour") and not refers_back
        held = memory.held[-1] if memory.held else ""
        if again and held and clause.object_name in ("", held):
            clause = _named(clause, held)
            read.append(_Read(clause, role, True))
        elif again and held not in ("", clause.target_name) and role == "pour" and _is_fluid(name):
            read.append(_Read(_named(clause, held), role, True))
        else:
            back = refers_back or (bool(name) and name in memory.held)
            if not back and memory.held and head_noun(name) == head_noun(memory.held[-1]):
                back = set(name.split()) < set(memory.held[-1].split())
                clause = _named(clause, memory.held[-1]) if back else clause
            read.append(_Read(clause, role, back))
    _remember(memory, read)
    return read


def _named(clause: Clause, name: str) -> Clause:
    return replace(clause, object_name=name, colors=colors_of(name))


def _spelled_out(name: str, like: str) -> str:
    """“the red one” after a block: “red block”."""
    *before, last = name.split()
    if last not in ("one", "ones") or not before or not like:
        return name
    return " ".join((*before, head_noun(like)))


def _is_fluid(name: str) -> bool:
    return vocabulary().is_kind("fluids", name)


def _remember(memory: _Memory, read: list[_Read]) -> None:
    names = tuple(r.clause.object_name for r in read if r.clause.object_name)
    if names:
        memory.objects.append(names)
    for r in read:
        memory.mentions += [n for n in (r.clause.object_name, r.clause.target_name) if n]
        if r.clause.action is ActionType.OPEN_CLOSE and r.clause.object_name:
            memory.opened.append(r.clause.object_name)
        elif r.role == "out" and head_noun(r.clause.object_name) in _CLOSURES:
            memory.opened += [r.clause.source_name] * bool(r.clause.source_name)
    # “stack A on B and put them ...”: both
    last = read[-1].clause
    pair = (last.object_name, last.target_name) if last.verb == "stack" else ()
    memory.stacked = pair if all(pair) else ()
    if all(r.role in ("take", "out") for r in read):
        memory.held += [n for n in names if n not in memory.held]
    else:
        memory.held = []


def _clause(
    group: Group, name: str, count: int, memory: _Memory, refers_back: bool
) -> tuple[Clause, str]:
    """Give every phrase its role."""
    verb = _verb_in_context(group, name)
    arm, places = group.arm, []
    for place in group.places:
        limb = place.phrase is not None and vocabulary().is_kind("limbs", place.phrase.text)
        if limb and place.kind is PlaceKind.SOURCE and place.phrase is not None:
            side = set(place.phrase.words) & {"left", "right"}
            arm = arm or (side.pop() if side else "")
        else:
            places.append(place)
    tools = [
        p.phrase.text or next(iter(memory.thing(p.phrase.pronoun, ActionType.TOOL)), "")
        for p in places
        if p.kind is PlaceKind.WITH and p.phrase is not None
    ]
    target, source = _target_and_source(verb, tuple(p for p in places if p.phrase or not tools))
    moved, acted_on = name, ""
    if verb.role in ("tool", "cover"):
        moved, acted_on = (tools[0] if tools else ""), name
    relation = target.relation if target is not None else group.direction
    target_name = _place_name(target, moved, memory)
    source_name = _place_name(source, moved, memory)
    if verb.role == "pour" and tools:
        moved = tools[0]
    elif verb.role == "pour" and source_name:
        moved, source_name = source_name, ""
    if verb.role == "cover" and _is_fluid(moved) and source_name:
        moved, source_name = source_name, ""
    if acted_on:
        relation, target_name = "", acted_on
    if target is not None and not target_name and relation not in ("inside",):
        relation = ""
    if target is not None and target.phrase is None and target_name:
        relation = {"inside": "in"}.get(relation, relation)
    clause = Clause(
        verb=verb.verb,
        action=verb.action,
        object_name=moved,
        colors=colors_of(moved),
        relation=relation,
        target_name=target_name,
        source_name=source_name,
        arm=arm,
        count=count,
    )
    return clause, verb.role


def _verb_in_context(group: Group, name: str) -> Verb:
    """Choose the verb that captions use where object or place decide."""
    verb, known = group.verb, vocabulary()
    relations = {p.relation for p in group.places}
    goals = [p for p in group.places if p.kind is PlaceKind.GOAL and p.phrase is not None]
    if verb.verb in ("push", "flip") and known.is_kind("buttons", name):
        return known.verb("press")
    if group.head == "take" and verb.role == "take":
        if "out of" in relations:
            return known.verb("take out")
        if "off" in relations:
            return known.verb("remove")
    if any(p.phrase is not None and known.is_kind("limbs", p.phrase.text) for p in goals):
        return known.verb("hand over")
    if verb.role == "take" and goals:
        return known.verb("move")
    return verb


def _target_and_source(verb: Verb, places: tuple[Place, ...]) -> tuple[Place | None, Place | None]:
    """Say which place is the destination and which the start."""
    source = next((p for p in places if p.kind is PlaceKind.SOURCE or p.describes), None)
    goal = next((p for p in places if p.kind is PlaceKind.GOAL and not p.describes), None)
    at = [p for p in places if p.kind is PlaceKind.AT and not p.describes]
    if verb.role in ("take", "out", "fixed"):
        raised = [p for p in at if verb.verb == "lift" and p.relation in ("above", "over")]
        rest = [p for p in at if p not in raised]
        return goal or next(iter(raised), None), source or next(iter(rest), None)
    if verb.role == "slide":
        beside = [p for p in at if p.relation not in ("in", "on", "at", "inside")]
        rest = [p for p in at if p not in beside]
        return goal or next(iter(beside), None), source or next(iter(rest), None)
    if goal is not None:
        before = [p for p in at if places.index(p) < places.index(goal)]
        return goal, source or next(iter(before), None)
    if len(at) < 2:
        return next(iter(at), None), source
    first, last = at[0], at[-1]
    if last.relation in REFINING and last.phrase is not None:
        return last, source  # “on the table next to the plate”: the plate says where
    surface = last.phrase is not None and vocabulary().is_kind("surfaces", last.phrase.text)
    if source is not None or (surface and last.relation == "on"):
        return first, source
    return last, first


def _place_name(place: Place | None, besides: str, memory: _Memory) -> str:
    if place is None:
        return ""
    if place.phrase is None or place.phrase.pronoun:
        return memory.place(besides)
    return _spelled_out(place.phrase.text, besides)


_SERVED_BY_ONE_GRASP = frozenset({"place", "take", "out", "pour", "tool", "cover", "slide"})


def _shares_grasp(held: _Read, then: _Read) -> bool:
    """Whether the object that `held` takes is still in the gripper in `then`."""
    if held.role not in ("take", "out") or not then.refers_back:
        return False
    if held.clause.object_name != then.clause.object_name:
        return False
    arms = {held.clause.arm, then.clause.arm} - {""}
    if len(arms) > 1:
        return False
    return then.role in _SERVED_BY_ONE_GRASP or then.clause.action in (
        ActionType.OTHER,
        ActionType.ARTICULATE,
    )


def _joinable(read: list[_Read], then: _Read) -> bool:
    return any(_shares_grasp(r, then) for r in read)


def _joined(held: _Read, then: _Read) -> _Read:
    first, second = held.clause, then.clause
    bare = then.role in ("take", "out") and not second.target_name
    joined = replace(
        second,
        verb=first.verb if bare else second.verb,
        action=first.action if bare else second.action,
        source_name=second.source_name or first.source_name,
        arm=first.arm or second.arm,
        count=first.count,
    )
    return _Read(joined, held.role if bare else then.role, False)
