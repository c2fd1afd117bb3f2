"""Verbs: what an action needs, against gripper phases and the object's path.

A verb of the vocabulary needs certain facts (`_NEEDS`); each is a constraint of its own, so that
people see which part of “put” did not happen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from pipeline.backends.language.clauses import Clause
from pipeline.backends.language.text import word_set
from pipeline.backends.language.vocabulary import head_noun, vocabulary
from pipeline.model.checks import Constraint, ConstraintKind, Evidence, Outcome
from pipeline.stages.check_claims import Claim
from pipeline.stages.check_motion import Motion
from pipeline.stages.check_opening import check_opening
from pipeline.stages.check_scene import Scene, softened, unfinished

_FLAT = word_set(
    "tray mat towel cloth board napkin placemat tablecloth sheet rug carpet stove cushion"
)
"""Flat things that are no surfaces of the room; SPARC captions: “on top of another specific item,
not a flat surface”."""
_DISHES = frozenset({"plate", "dish", "saucer", "bowl", "pan"})
"""Flat unless what is stacked is a dish, too."""

_BY_ROLE = {
    "take": ("held", "lifted", "kept"),
    "out": ("held", "moved"),
    "place": ("held", "moved", "let_go"),
    "slide": ("moved", "not_lifted"),
    "fixed": ("not_carried",),
    "cover": ("held", "moved"),
    "pour": ("held", "tilted", "not_left"),
    "tool": ("held", "acts"),
}
_NEEDS = {
    "hold": ("held", "kept"),
    "move": ("held", "moved"),
    "hand over": ("held", "moved"),
    "arrange": ("moved",),
    "stack": ("held", "moved", "let_go", "stacked"),
    "open": ("not_carried", "opens"),
    "close": ("not_carried", "closes"),
    "lower": ("lowered",),
    "flip": ("held",),
    "shake": ("held", "back_and_forth"),
    "knock over": ("not_lifted",),
    "fill": ("held",),
    "water": ("held", "tilted", "not_left"),
    "wipe": ("held", "back_and_forth"),
    "sweep": ("held", "back_and_forth"),
    "scrub": ("held", "back_and_forth"),
    "stir": ("held", "back_and_forth"),
    "scoop": ("held",),
    "dip": ("held",),
}
"""Verbs that need something else than their role."""


_STANDS = {
    "held": Outcome.PASS,
    "lifted": Outcome.PASS,
    "tilted": Outcome.PASS,
    "back_and_forth": Outcome.PASS,
    "not_lifted": Outcome.FAIL,
    "stacked": Outcome.FAIL,
}
"""What a cut recording shows of a fact that no further frame can take back; `stacked` fails by the
caption's own words. All other facts are about where the object is in the end."""


def needs_of(verb: str) -> tuple[str, ...]:
    """Facts that a verb needs; none for a verb that is not in the vocabulary."""
    if verb in _NEEDS:
        return _NEEDS[verb]
    try:
        return _BY_ROLE.get(vocabulary().verb(verb).role, ())
    except KeyError:
        return ()


def check_verb(claim: Claim, clause: Clause, scene: Scene) -> tuple[Constraint, ...]:
    """Test every fact that the verb needs; one unknown constraint where it needs none."""
    needs = needs_of(clause.verb)
    if not needs:
        why = f"Nothing is known about what “{clause.verb}” looks like."
        return (_made(claim, claim.text, Outcome.UNKNOWN, why, scene),)
    tested = ((need, _FACTS[need](claim, clause, scene)) for need in needs)
    return tuple(unfinished(made, scene, _STANDS.get(need)) for need, made in tested)


def _made(
    claim: Claim, text: str, outcome: Outcome, why: str, scene: Scene, *ids: int, frame: int = -1
) -> Constraint:
    motion = scene.motion
    own = (scene.winner.id,) if scene.winner is not None else ()
    if frame < 0:
        frame = scene.held[-1][1] - 1 if scene.held else motion.last if motion is not None else -1
    span = scene.held and (scene.held[0][0], scene.held[-1][1])
    if not span:
        span = (motion.first, motion.last + 1) if motion is not None else (-1, -1)
    evidence = Evidence(frame, tuple(dict.fromkeys((*own, *ids))), (), span)
    constraint = Constraint(ConstraintKind.VERB, text, claim.words, outcome, why, evidence)
    return softened(constraint, scene)


def _path(claim: Claim, text: str, scene: Scene) -> Motion | Constraint:
    """The object's path, or the answer that there is none."""
    motion = scene.motion
    if motion is None:
        why = "No object was chosen." if scene.winner is None else "Its path was not tracked."
        return _made(claim, text, Outcome.UNKNOWN, why, scene)
    return motion


def _phases_doubt(scene: Scene) -> str:
    """Why the gripper phases prove nothing about the object; empty if they do."""
    if not scene.gripper_known:
        return "The gripper signal shows no grasp."
    if not scene.held:
        return "The gripper closes on nothing in this subtask."
    motion = scene.motion
    if motion is None:
        return "The object's path was not tracked."
    if math.isnan(motion.held_share) or motion.path * motion.size < 2:
        return "The object does not move."
    if motion.held_share < scene.options.while_held:
        return (
            f"Only {motion.held_share:.0%} of the object's path lies in closed spans "
            f"(needs {scene.options.while_held:.0%}): phases or choice are doubtful."
        )
    return ""


def _held(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object is held"
    doubt = _phases_doubt(scene)
    motion = scene.motion
    if not doubt and motion is not None and _stays(motion, scene):
        doubt = "The gripper closes, but the object hardly moves."
    if doubt or motion is None:
        return _made(claim, text, Outcome.UNKNOWN, doubt, scene)
    frames = sum(end - start for start, end in scene.held)
    why = f"The gripper is closed for {frames} frames, with {motion.held_share:.0%} of its path."
    return _made(claim, text, Outcome.PASS, why, scene)


def _stays(motion: Motion, scene: Scene) -> bool:
    """Whether it is neither moved nor lifted."""
    limits = scene.options
    lifted = motion.above_ends >= limits.lifted or motion.climb >= limits.lifted_m
    return motion.transfer <= limits.still and not lifted


def _moved(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object moves to another place"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    limits = scene.options
    why = f"It ends {motion.transfer:.1f} object sizes from its start."
    if motion.transfer >= limits.moved:
        return _made(claim, text, Outcome.PASS, why, scene)
    if motion.transfer > limits.still or not motion.seen_to_end or not motion.trusted:
        why = why[:-1] + f" (moved from {limits.moved:g}, not moved to {limits.still:g})."
        return _made(claim, text, Outcome.UNKNOWN, why, scene)
    return _made(claim, text, Outcome.FAIL, why, scene)


def _rise(motion: Motion, scene: Scene) -> tuple[bool | None, str]:
    """Whether the object was lifted (None: nothing can be said), and the numbers."""
    limits = scene.options
    if motion.climb >= limits.lifted_m:
        return True, f"It rises at least {motion.climb * 100:.0f} cm"
    said = f"It is {motion.above_ends:.1f} object heights above start and end"
    ended = scene.released or not scene.held
    if motion.above_ends >= limits.lifted and ended:
        return True, said
    if not ended:
        return (
            None,
            "It is still in the gripper at the end, so its path in the picture says nothing",
        )
    stays = motion.transfer <= limits.still and motion.above_line <= limits.flat
    if stays and motion.trusted and motion.seen_to_end:
        return False, "It stays where it is"
    # Who looks straight down sees no lift: a flat path in the picture proves nothing.
    return None, f"{said} (lifted from {limits.lifted:g})"


def _lifted(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object is lifted"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    rises, said = _rise(motion, scene)
    outcome = Outcome.UNKNOWN if rises is None else Outcome.PASS if rises else Outcome.FAIL
    return _made(claim, text, outcome, f"{said}.", scene, frame=motion.highest)


def _not_lifted(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object stays on its surface"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    rises, said = _rise(motion, scene)
    clear = motion.climb >= scene.options.lifted_m or motion.above_ends >= 2 * scene.options.lifted
    outcome = Outcome.PASS if rises is False else Outcome.UNKNOWN
    outcome = Outcome.FAIL if rises and clear else outcome
    return _made(claim, text, outcome, f"{said}.", scene, frame=motion.highest)


def _carried(motion: Motion, scene: Scene) -> tuple[bool | None, str]:
    """Whether the object was lifted and set down elsewhere (None: cannot be said)."""
    rises, said = _rise(motion, scene)
    distance = f"{motion.transfer:.1f} object sizes from its start"
    if rises and motion.transfer >= 2 * scene.options.moved and motion.seen_to_end:
        return True, f"{said}, and it ends {distance}"
    if motion.transfer <= scene.options.still and motion.seen_to_end:
        return False, f"It ends {distance}"
    return None, f"{said}, and it ends {distance}"


def _not_carried(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object is not carried elsewhere"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    carried, said = _carried(motion, scene)
    outcome = Outcome.UNKNOWN if carried is None else Outcome.PASS
    outcome = Outcome.FAIL if carried else outcome
    return _made(claim, text, outcome, f"{said}.", scene)


def _let_go(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object is let go"
    doubt = _phases_doubt(scene)
    if doubt:
        return _made(claim, text, Outcome.UNKNOWN, doubt, scene)
    end = scene.held[-1][1]
    if scene.released:
        why = f"The gripper opens at frame {end}."
        return _made(claim, text, Outcome.PASS, why, scene, frame=end)
    why = f"The gripper does not open again: closed until frame {end}."
    return _made(claim, text, Outcome.FAIL, why, scene)


def _kept(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "it is not put somewhere else"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    doubt = _phases_doubt(scene)
    if doubt:
        return _made(claim, text, Outcome.UNKNOWN, doubt, scene)
    if not scene.released:
        why = f"The gripper stays closed until frame {scene.held[-1][1]}."
        return _made(claim, text, Outcome.PASS, why, scene)
    end = scene.held[-1][1]
    said = f"Let go at frame {end}, {motion.transfer:.1f} object sizes from its start"
    ids = tuple(p.id for p, _ in scene.bearers)
    if ids and motion.transfer >= scene.options.moved:
        why = f"{said}, in or on candidate {ids[0]}: it was put there."
        return _made(claim, text, Outcome.FAIL, why, scene, *ids, frame=end)
    outcome = Outcome.PASS if motion.transfer <= scene.options.still else Outcome.UNKNOWN
    return _made(claim, text, outcome, f"{said}.", scene, frame=end)


def _stacked(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    """Two drafting rules about the caption's own words, which hang on no choice, and the width."""
    text = "the destination is another specific item"
    target = head_noun(clause.target_name)
    if not target:
        why = "The caption does not name the item on which it is stacked."
        return _made(claim, text, Outcome.UNKNOWN, why, scene)
    if clause.relation in ("in", "into", "inside"):
        why = f"“Stack” means on top of another item, not {clause.relation} one (drafting rule)."
        return replace(_made(claim, text, Outcome.UNKNOWN, why, scene), outcome=Outcome.FAIL)
    dishes = target in _DISHES and head_noun(clause.object_name) not in _DISHES
    if vocabulary().is_kind("surfaces", target) or target in _FLAT or dishes:
        why = f"“Stack” means on another specific item; a {target} is flat (drafting rule)."
        return replace(_made(claim, text, Outcome.UNKNOWN, why, scene), outcome=Outcome.FAIL)
    motion = scene.motion
    if motion is None or not scene.bearers:
        why = "No candidate stood where the object ends."
        return _made(claim, text, Outcome.UNKNOWN, why, scene)
    box = scene.bearers[0][0].box
    ratio = (box[2] - box[0]) / (motion.end_box[2] - motion.end_box[0])
    why = f"What it ends on, candidate {scene.bearers[0][0].id}, is {ratio:.1f} times as wide."
    outcome = Outcome.PASS if ratio <= 1.5 else Outcome.UNKNOWN
    return _made(claim, text, outcome, why, scene, scene.bearers[0][0].id)


def _tilted(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object is tilted"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    turn, frame = scene.turn
    if math.isnan(turn):
        why = "Too few of its points are seen to measure a turn."
        return _made(claim, text, Outcome.UNKNOWN, why, scene)
    why = f"Its points turn by up to {turn:.0f}° in the picture"
    if turn >= scene.options.tilted:
        return _made(claim, text, Outcome.PASS, f"{why}.", scene, frame=frame)
    why += "; towards or from the camera a turn is not seen."
    return _made(claim, text, Outcome.UNKNOWN, why, scene, frame=frame)


def _not_left(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object is not left in the destination"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    doubt = _phases_doubt(scene)
    if doubt or not motion.seen_to_end:
        why = doubt or "It was lost before the gripper opens."
        return _made(claim, text, Outcome.UNKNOWN, why, scene)
    ids = tuple(p.id for p, _ in scene.bearers)
    if scene.released and ids and motion.transfer >= scene.options.moved:
        why = (
            f"The gripper opens at frame {scene.held[-1][1]} and leaves it in or on candidate "
            f"{ids[0]}."
        )
        return _made(claim, text, Outcome.FAIL, why, scene, *ids)
    if not scene.released or motion.transfer <= scene.options.still:
        why = "It stays in the gripper." if not scene.released else "It is set down at its start."
        return _made(claim, text, Outcome.PASS, why, scene)
    why = "No candidate stood where it is set down."
    return _made(claim, text, Outcome.UNKNOWN, why, scene)


def _back_and_forth(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object moves back and forth"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    why = (
        f"Strokes: {motion.strokes}; it ends {motion.transfer:.1f} object sizes from its start and "
        f"goes back {motion.backwards:.1f} on the way."
    )
    if motion.strokes >= scene.options.strokes:
        return _made(claim, text, Outcome.PASS, why, scene)
    carried, _ = _carried(motion, scene)
    if carried and _one_trip(motion, scene):
        why = f"{why[:-1]}: one lifted trip from place to place."
        return _made(claim, text, Outcome.FAIL, why, scene)
    return _made(claim, text, Outcome.UNKNOWN, why, scene)


def _one_trip(motion: Motion, scene: Scene) -> bool:
    """Whether it went from start to end without going back."""
    return motion.backwards <= scene.options.one_trip * motion.transfer


def _acts(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the tool is used, not put down"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    carried, said = _carried(motion, scene)
    if carried and _one_trip(motion, scene) and scene.released and scene.bearers:
        id_ = scene.bearers[0][0].id
        why = f"{said} in one trip, and it is left in or on candidate {id_}."
        return _made(claim, text, Outcome.FAIL, why, scene, id_)
    why = f"{said}: what a tool does on the way is not measured."
    return _made(claim, text, Outcome.UNKNOWN, why, scene)


def _lowered(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    text = "the object ends lower"
    motion = _path(claim, text, scene)
    if isinstance(motion, Constraint):
        return motion
    why = f"It ends {motion.offset[1]:+.1f} object sizes below its start in the picture."
    outcome = Outcome.UNKNOWN
    if motion.offset[1] >= scene.options.side and abs(motion.offset[0]) < scene.options.side:
        outcome = Outcome.PASS
    if motion.above_ends >= 2 * scene.options.lifted and motion.transfer >= scene.options.moved:
        why = f"It is first lifted {motion.above_ends:.1f} object heights above start and end."
        outcome = Outcome.FAIL
    return _made(claim, text, outcome, why, scene)


def _opens(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    return softened(check_opening(claim, clause, scene, opens=True), scene)


def _closes(claim: Claim, clause: Clause, scene: Scene) -> Constraint:
    return softened(check_opening(claim, clause, scene, opens=False), scene)


_FACTS: dict[str, Callable[[Claim, Clause, Scene], Constraint]] = {
    "held": _held,
    "moved": _moved,
    "lifted": _lifted,
    "not_lifted": _not_lifted,
    "not_carried": _not_carried,
    "let_go": _let_go,
    "kept": _kept,
    "stacked": _stacked,
    "tilted": _tilted,
    "not_left": _not_left,
    "back_and_forth": _back_and_forth,
    "acts": _acts,
    "lowered": _lowered,
    "opens": _opens,
    "closes": _closes,
}
