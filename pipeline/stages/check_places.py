"""Places: where the object ended, and which way it moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.backends.language.clauses import Clause
from pipeline.backends.language.phrases import colors_of
from pipeline.backends.language.vocabulary import head_noun, vocabulary
from pipeline.model.candidate import Box
from pipeline.model.checks import Constraint, Evidence, Outcome
from pipeline.stages.check_claims import SOURCE, Claim
from pipeline.stages.check_colors import fit, fitting
from pipeline.stages.check_motion import Motion
from pipeline.stages.check_names import same_name
from pipeline.stages.check_scene import Scene, gap, inside, softened, unfinished

IN_OR_ON = frozenset({"in", "on", "inside", "into", "onto", "on top of"})
BESIDE = frozenset({"next to", "near"})
SIDES = {
    "to the left of": (-1.0, "left"),
    "to the right of": (1.0, "right"),
}
DEPTHS = {"behind": (1.0, "behind"), "in front of": (-1.0, "in front of")}
_SIDEWAYS = {"to the left": (-1.0, "left"), "to the right": (1.0, "right")}
_BASE = 0.25
"""Gap under which boxes touch in the picture, object sizes: a tracked end box is no better."""
_DEPTH_M = 0.03
"""Metres from which one thing is behind another."""


@dataclass(frozen=True, slots=True)
class References:
    """What a phrase may mean.

    Attributes:
        places: Boxes with candidate ids (-1: a target that a person drew).
        certain: True if a model that reads phrases, or a person, said so. By colour alone what is
            meant may be no candidate at all, so that being far from these proves nothing.
    """

    places: tuple[tuple[Box, int], ...]
    certain: bool


def check_relation(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    """Test where the object ends against what the caption says.

    Without a detector that reads names the place is known by its colour, or only as what stands
    there. What passes then says no more than that (`_narrowed`).
    """
    motion = scene.motion
    relation = claim.value
    if scene.cut:
        return _said(claim, Outcome.UNKNOWN, f"{_upper(scene.cut)}.", scene)
    if motion is None:
        return _said(claim, Outcome.UNKNOWN, "The object's path was not tracked.", scene)
    if not motion.seen_to_end:
        why = f"The object was last seen in frame {motion.last}, before the gripper lets go."
        return _said(claim, Outcome.UNKNOWN, why, scene)
    if not motion.trusted:
        why = "The tracked box changed its size too much to be right at the end."
        return _said(claim, Outcome.UNKNOWN, why, scene)
    known = references(clause.target_name, scene)
    if relation in IN_OR_ON:
        found = _in_or_on(claim, clause, known, motion, scene)
    elif relation in BESIDE:
        found = _beside(claim, known, motion, scene)
    elif relation in SIDES or relation in DEPTHS:
        found = _side(claim, known, motion, scene)
    elif relation in ("to", "towards", "at"):
        found = _reached(claim, clause, known, motion, scene)
    else:
        why = f"What “{relation}” means cannot be told from boxes, masks and depth here."
        found = _said(claim, Outcome.UNKNOWN, why, scene)
    return softened(_narrowed(found, relation, clause.target_name, known), scene)


def _narrowed(found: Constraint, relation: str, phrase: str, known: References) -> Constraint:
    """What passes without the name being read claims the place and the colour, not the name."""
    if found.outcome is not Outcome.PASS or known.certain:
        return found
    if vocabulary().is_kind("surfaces", phrase):
        return found
    where = "in or on" if relation in IN_OR_ON else relation
    what = " ".join(["something", *colors_of(phrase.lower())[:1]][: 2 if known.places else 1])
    return replace(found, claim=f"the object ends {where} {what}")


def references(phrase: str, scene: Scene) -> References:
    """Find what a phrase may mean: drawn by a person, found by a model that reads, or by colour.

    No places where nobody knows: the embedded detector cannot read names. A detector that reads
    them gives its best boxes, however poor: those below `named` say nothing.
    """
    named = [
        (p.box, p.id)
        for p in scene.others
        if p.origin == "phrase" and p.score >= scene.options.named and same_name(p.label, phrase)
    ]
    drawn = [(t.box, -1) for t in scene.proposals.targets if t.origin == "user"]
    if drawn or named:
        return References(tuple(drawn + named), certain=True)
    colors = colors_of(phrase.lower())
    fits = tuple((p.box, p.id) for c in colors[:1] for p in fitting(c, scene.others, scene))
    return References(fits, certain=False)


def _said(
    claim: Claim, outcome: Outcome, why: str, scene: Scene, *ids: int, boxes: tuple[Box, ...] = ()
) -> Constraint:
    motion = scene.motion
    frame = motion.last if motion is not None else -1
    shown = (motion.end_box, *boxes) if motion is not None else boxes
    kept = tuple(i for i in dict.fromkeys(ids) if i >= 0)
    span = (motion.first, motion.last + 1) if motion is not None else (-1, -1)
    evidence = Evidence(frame, kept, shown, span)
    return Constraint(claim.kind, claim.text, claim.words, outcome, why, evidence)


def _bearing(scene: Scene) -> str:
    """In or on what the object ends, for a sentence."""
    found = scene.bearers
    if not found:
        return "no candidate stood where it ends"
    proposal, share = found[0]
    return f"it ends in or on candidate {proposal.id} ({share:.0%} of its lower part)"


def _is_another(phrase: str, scene: Scene) -> bool:
    """Whether what the object ends on clearly has none of the colours of a phrase."""
    words = colors_of(phrase.lower())
    fits = [fit(p.id, word, scene) for p, _ in scene.bearers for word in words]
    return bool(fits) and all(f is not None and f.differs for f in fits)


def _in_or_on(
    claim: Claim, clause: Clause, known: References, motion: Motion, scene: Scene
) -> Constraint:
    bearers = {p.id: share for p, share in scene.bearers}
    ids = tuple(bearers)
    if vocabulary().is_kind("surfaces", clause.target_name):
        outcome = Outcome.UNKNOWN if bearers else Outcome.PASS
        why = f"A {head_noun(clause.target_name)} is ground, not a candidate; {_bearing(scene)}."
        return _said(claim, outcome, why, scene, *ids)
    on = [(box, i) for box, i in known.places if i in bearers]
    on += [(box, i) for box, i in known.places if i < 0 and inside(_foot(motion.end_box), box)]
    if on:
        boxes = tuple(box for box, _ in on)
        share = max((bearers[i] for _, i in on if i >= 0), default=1.0)
        why = (
            f"At the end {_named(on)} lies under {share:.0%} of the object's lower part; “in” and "
            "“on” cannot be told apart by that."
        )
        return _said(claim, Outcome.PASS, why, scene, *(i for _, i in on), boxes=boxes)
    if not known.places:
        if bearers:
            why = f"{_upper(_bearing(scene))}; whether that is a {clause.target_name} is not seen."
            return _said(claim, Outcome.PASS, why, scene, *ids)
        why = "No candidate stood where the object ends, and nobody knows which one is meant."
        return _said(claim, Outcome.UNKNOWN, why, scene)
    near = [(gap(_foot(motion.end_box), box) / motion.size, i, box) for box, i in known.places]
    distance, id_, box = min(near)
    if distance > _BASE:
        why = (
            f"The object ends {distance:.1f} object sizes beside {_name(id_)}, the nearest that "
            f"may be the {clause.target_name}; {_bearing(scene)}."
        )
        sure = known.certain or _is_another(clause.target_name, scene)
        outcome = Outcome.FAIL if sure else Outcome.UNKNOWN
        return _said(claim, outcome, why, scene, id_, *ids, boxes=(box,))
    why = f"The object ends at {_name(id_)}, whose mask does not lie under it."
    return _said(claim, Outcome.UNKNOWN, why, scene, id_, *ids, boxes=(box,))


def _beside(claim: Claim, known: References, motion: Motion, scene: Scene) -> Constraint:
    """Next to something: apart from it, and not in or on it."""
    limits = scene.options
    bearers = tuple(p.id for p, _ in scene.bearers)
    under = [box for box, i in known.places if i in bearers]
    apart = [
        (gap(motion.end_box, box) / motion.size, i, box)
        for box, i in known.places
        if i not in bearers and not any(_one_thing(box, b, motion) for b in under)
    ]
    distance, id_, box = min(apart, default=(math.inf, -1, motion.end_box))
    if under and distance > limits.near:
        why = (
            f"{_upper(_bearing(scene))}, and nothing else that may be meant is within "
            f"{limits.near:g} object sizes."
        )
        return _said(claim, Outcome.FAIL, why, scene, *bearers, boxes=tuple(under))
    if apart:
        why = f"The object ends {distance:.1f} object sizes from {_name(id_)}."
        outcome = Outcome.PASS if distance <= limits.near else Outcome.UNKNOWN
        outcome = Outcome.FAIL if distance >= limits.far and known.certain else outcome
        if under:
            why = f"{why[:-1]}, but {_bearing(scene)}, which may be meant, too."
            outcome = Outcome.UNKNOWN
        return _said(claim, outcome, why, scene, id_, *bearers, boxes=(box,))
    # what it ends on may be a tray or a board that bears the thing beside it, too
    why = "Nobody knows which candidate is meant: the caption names no colour that is there"
    why += f"; {_bearing(scene)}." if bearers else "."
    return _said(claim, Outcome.UNKNOWN, why, scene, *bearers)


def _one_thing(a: Box, b: Box, motion: Motion) -> bool:
    """Whether two boxes of one colour may be parts of one thing: they touch."""
    return gap(a, b) <= _BASE * motion.size


def _reached(
    claim: Claim, clause: Clause, known: References, motion: Motion, scene: Scene
) -> Constraint:
    bearers = tuple(p.id for p, _ in scene.bearers)
    if not known.places:
        if bearers:
            return _said(claim, Outcome.PASS, f"{_upper(_bearing(scene))}.", scene, *bearers)
        why = "No candidate stood where the object ends, and nobody knows which one is meant."
        return _said(claim, Outcome.UNKNOWN, why, scene)
    distance, id_, box = min(
        (gap(motion.end_box, box) / motion.size, i, box) for box, i in known.places
    )
    why = f"The object ends {distance:.1f} object sizes from {_name(id_)}; {_bearing(scene)}."
    outcome = Outcome.PASS if distance <= scene.options.near else Outcome.UNKNOWN
    sure = known.certain or _is_another(clause.target_name, scene)
    outcome = Outcome.FAIL if distance >= scene.options.far and sure else outcome
    return _said(claim, outcome, why, scene, id_, *bearers, boxes=(box,))


def _side(claim: Claim, known: References, motion: Motion, scene: Scene) -> Constraint:
    if not known.places:
        why = "Nobody knows which candidate is meant: the caption names no colour that is there."
        return _said(claim, Outcome.UNKNOWN, why, scene)
    limits = scene.options
    least_gap = min(gap(motion.end_box, box) for box, _ in known.places) / motion.size
    if not known.certain and least_gap >= limits.far:
        why = f"All that have the colour are {least_gap:.1f} object sizes away or more."
        return _said(claim, Outcome.UNKNOWN, why, scene, *(i for _, i in known.places))
    sideways = claim.value in SIDES
    sign, word = (SIDES | DEPTHS)[claim.value]
    if limits.left_is == "facing":
        sign = -sign
    measured = []
    for box, i in known.places:
        if sideways:
            ahead = (motion.end_box[0] + motion.end_box[2] - box[0] - box[2]) / 2 / motion.size
            measured.append((sign * ahead / limits.side, i, box, f"{abs(ahead):.1f} object sizes"))
        else:
            value, said = _further(box, i, motion, scene)
            measured.append((sign * value, i, box, said))
    good = [m for m in measured if m[0] >= 1]
    bad = [m for m in measured if m[0] <= -1]
    boxes = tuple(m[2] for m in good or bad)
    ids = tuple(m[1] for m in good or bad)
    other = {"left": "right", "right": "left", "behind": "in front", "in front of": "behind"}[word]
    if good and not bad:
        why = f"The object ends {good[0][3]} {word} of {_name(ids[0])}."
        return _said(claim, Outcome.PASS, why.replace("of of", "of"), scene, *ids, boxes=boxes)
    if bad and len(bad) == len(measured):
        why = f"The object ends {bad[0][3]} {other} of {_name(ids[0])}."
        return _said(claim, Outcome.FAIL, why, scene, *ids, boxes=boxes)
    least = f"{limits.side:g} object sizes" if sideways else f"{_DEPTH_M:g} m"
    why = f"Not by {least} one way or the other against all that may be meant."
    return _said(claim, Outcome.UNKNOWN, why, scene, *(m[1] for m in measured))


def _further(box: Box, candidate: int, motion: Motion, scene: Scene) -> tuple[float, str]:
    """How much further away the object ends than a thing, in limits, and in words."""
    depths = _depths(scene, candidate, motion)
    if depths is not None:
        difference = depths[0] - depths[1]
        return difference / _DEPTH_M, f"{abs(difference) * 100:.0f} cm"
    # On one table what stands lower in the picture is nearer.
    higher = (box[3] - motion.end_box[3]) / motion.size
    return higher / scene.options.side, f"{abs(higher):.1f} object sizes (by where they stand)"


def _depths(scene: Scene, candidate: int, motion: Motion) -> tuple[float, float] | None:
    """Depths of winner and candidate in the last frame, metres; None without 3D of both."""
    if not scene.lifting.available or candidate < 0 or scene.winner is None:
        return None
    row = scene.tracks.nearest(motion.last)
    found = []
    for id_ in (scene.winner.id, candidate):
        own = (scene.tracks.candidate == id_) & scene.tracks.visible[row]
        if scene.lifting.on_edge.size:
            own = own & ~scene.lifting.on_edge[row]
        z = scene.lifting.xyz[row, own, 2]
        z = z[np.isfinite(z)]
        if len(z) < 3:
            return None
        found.append(float(np.median(z)))
    return found[0], found[1]


def check_direction(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    """Test which way the object moved, start against end."""
    motion = scene.motion
    if motion is None or not motion.trusted:
        return _said(claim, Outcome.UNKNOWN, "The object's path was not tracked.", scene)
    limits = scene.options
    if claim.value in ("out of", "away", "aside"):
        return softened(_left(claim, clause, motion, scene), scene)
    if claim.value in _SIDEWAYS:
        sign, _ = _SIDEWAYS[claim.value]
        if limits.left_is == "facing":
            sign = -sign
        ahead = sign * motion.offset[0]
        way = "right" if motion.offset[0] > 0 else "left"
        why = f"It moves {abs(motion.offset[0]):.1f} object sizes to the picture's {way}."
        outcome = Outcome.PASS if ahead >= limits.side else Outcome.UNKNOWN
        outcome = Outcome.FAIL if ahead <= -limits.side else outcome
        return softened(unfinished(_said(claim, outcome, why, scene), scene), scene)
    why = (
        f"It ends {motion.transfer:.1f} object sizes from its start; which way is "
        f"“{claim.value}” nobody has measured here."
    )
    return _said(claim, Outcome.UNKNOWN, why, scene)


def _left(claim: Claim, clause: Clause, motion: Motion, scene: Scene) -> Constraint:
    """Whether the object left what it was in or on: not by moving about inside of it."""
    limits = scene.options
    why = f"It ends {motion.transfer:.1f} object sizes from its start"
    climbs = motion.climb >= limits.lifted_m
    if motion.transfer <= limits.still and not climbs:
        outcome = Outcome.FAIL if motion.seen_to_end else Outcome.UNKNOWN
        return unfinished(_said(claim, outcome, f"{why}.", scene), scene)
    if motion.transfer < limits.moved and not climbs:
        return _said(claim, Outcome.UNKNOWN, f"{why}.", scene)
    if claim.about == SOURCE:
        if vocabulary().is_kind("surfaces", clause.source_name):
            why = f"{why}, which may still be on the {head_noun(clause.source_name)}."
            return _said(claim, Outcome.UNKNOWN, why, scene)
        around = [p for p in scene.others if inside(motion.start_box, p.box)]
        still_in = tuple(p.id for p in around if inside(_foot(motion.end_box), p.box))
        if still_in:
            why = f"{why}, but still at candidate {still_in[0]}, in or on which it started."
            return _said(claim, Outcome.UNKNOWN, why, scene, *still_in)
    return _said(claim, Outcome.PASS, f"{why}.", scene)


def _foot(box: Box) -> Box:
    """Lower 40 % of a box, where it stands."""
    return (box[0], box[3] - 0.4 * (box[3] - box[1]), box[2], box[3])


def _name(candidate: int) -> str:
    return f"candidate {candidate}" if candidate >= 0 else "the target that was drawn"


def _named(known: list[tuple[Box, int]]) -> str:
    return " or ".join(dict.fromkeys(_name(i) for _, i in known))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
