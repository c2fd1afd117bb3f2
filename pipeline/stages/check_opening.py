"""Open or close: which way what is held moves, seen from the robot."""

from __future__ import annotations

import numpy as np

from pipeline.backends.language.clauses import Clause
from pipeline.backends.language.text import word_set
from pipeline.backends.language.vocabulary import head_noun
from pipeline.model.arrays import F64
from pipeline.model.checks import Constraint, ConstraintKind, Evidence, Outcome
from pipeline.stages.check_claims import Claim
from pipeline.stages.check_scene import Scene

_FRONTS = word_set(
    "drawer door cabinet cupboard microwave fridge refrigerator oven dishwasher washer dryer "
    "locker safe compartment"
)
"""What opens towards whoever stands before it."""
_BORDER_PIXELS = 20
"""Least robot pixels on the picture's border that say where the robot stands."""


def check_opening(claim: Claim, clause: Clause, scene: Scene, *, opens: bool) -> Constraint:
    """Test whether a front moves towards the robot (opens) or away from it (closes).

    The robot stands where its mask leaves the picture; what is meant is the picture's distance
    from there, so only a clear motion counts. Lids and other things say nothing.
    """
    wanted, other = ("towards", "away from") if opens else ("away from", "towards")
    text = f"it moves {wanted} the robot"
    motion = scene.motion
    outcome, why = Outcome.UNKNOWN, "Its path was not tracked."
    span = (-1, -1)
    if motion is not None:
        span = (motion.first, motion.last + 1)
        head = head_noun(clause.object_name)
        base = robot_base(scene)
        if head not in _FRONTS:
            why = f"Which way a {head or 'thing'} moves when it is opened depends on it."
        elif base is None:
            why = "The robot's mask does not leave the picture: nobody knows where it stands."
        else:
            start, end = _centre(motion.start_box), _centre(motion.end_box)
            nearer = float(np.hypot(*(start - base)) - np.hypot(*(end - base))) / motion.size
            way = "towards" if nearer > 0 else "away from"
            why = f"It moves {abs(nearer):.1f} object sizes {way} the robot."
            if abs(nearer) >= scene.options.side and motion.seen_to_end and motion.trusted:
                outcome = Outcome.FAIL if way == other else Outcome.PASS
    frame = motion.last if motion is not None else -1
    boxes = (motion.start_box, motion.end_box) if motion is not None else ()
    ids = (scene.winner.id,) if scene.winner is not None else ()
    evidence = Evidence(frame, ids, boxes, span)
    return Constraint(ConstraintKind.VERB, text, claim.words, outcome, why, evidence)


def robot_base(scene: Scene) -> F64 | None:
    """Where the robot's mask leaves the picture, (2,) px; None if it hardly does."""
    robot = scene.robot
    if not len(robot.frames) or not len(robot.packed):
        return None
    mask = robot.mask(len(robot.frames) // 2)
    edge = np.zeros_like(mask)
    edge[0], edge[-1], edge[:, 0], edge[:, -1] = mask[0], mask[-1], mask[:, 0], mask[:, -1]
    ys, xs = np.nonzero(edge)
    if len(xs) < _BORDER_PIXELS:
        return None
    base: F64 = np.array([xs.mean(), ys.mean()])
    return base


def _centre(box: tuple[float, float, float, float]) -> F64:
    centre: F64 = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    return centre
