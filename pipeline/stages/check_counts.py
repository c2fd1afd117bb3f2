"""How many things were moved, and by which arm."""

from __future__ import annotations

import numpy as np

from pipeline.model.candidate import Box, Proposal
from pipeline.model.checks import Constraint, Evidence, Outcome
from pipeline.model.colors import delta_e
from pipeline.stages.check_claims import Claim
from pipeline.stages.check_motion import motion_of
from pipeline.stages.check_scene import Scene, gap, softened, unfinished

_SAME_WAY = 0.5
"""Difference of two ways, as a share of the winner's, up to which things went together: what is
set down twice in one place goes nearly the same way (our choice)."""
_ON_ROBOT = 0.3
"""Share of points on the robot's mask from which a candidate is a part of it (our choice)."""


def check_count(claim: Claim, scene: Scene, *, colored: bool = False) -> Constraint:
    """Test how many candidates went where the chosen one went.

    Args:
        claim: The number.
        colored: Whether the caption names the things' colour: what looks otherwise is not counted.
        scene: The evidence.
    """
    moving, doubtful = _moving(scene, colored=colored)
    ids = tuple(p.id for p in (*moving, *doubtful))
    evidence = Evidence(scene.masks.keyframe, ids, (), (scene.subtask.start, scene.subtask.end))
    said = f"{len(moving)} candidate{'s' if len(moving) != 1 else ''} went the object's way"
    outcome = Outcome.UNKNOWN
    if claim.value == "all":
        why = f"{said}; how many there are was not counted."
    elif not moving:
        why = "No candidate moved."
    elif claim.value == "many":
        outcome = Outcome.PASS if len(moving) > 1 else Outcome.UNKNOWN
        why = (
            f"{said}; the plural may name a heap or a package." if len(moving) == 1 else f"{said}."
        )
    else:
        number = int(claim.value)
        why = f"{said}."
        if len(moving) == number:
            outcome = Outcome.PASS
        elif len(moving) < number and not doubtful and len(scene.held) == 1:
            outcome = Outcome.FAIL
            why = f"{said}, in one grasp."
        elif doubtful:
            why = f"{said}, {len(doubtful)} more may have."
    constraint = Constraint(claim.kind, claim.text, claim.words, outcome, why, evidence)
    return softened(unfinished(constraint, scene), scene)


def _moving(scene: Scene, *, colored: bool) -> tuple[tuple[Proposal, ...], tuple[Proposal, ...]]:
    """Things that went where the winner went, and others that went the object's way."""
    if scene.winner is None or scene.motion is None:
        return (), ()
    own = scene.motion
    if own.transfer < scene.options.moved:
        return (), ()
    way = np.array(own.offset) * own.size
    moving = [scene.winner]
    doubtful: list[Proposal] = []
    for proposal in scene.others:
        if any(_touch(proposal.box, m.box) for m in (*moving, *doubtful)):
            continue
        if _on_robot(proposal, scene) or (colored and not _alike(proposal, scene.winner, scene)):
            continue
        motion = motion_of(scene.tracks, scene.lifting, proposal.id, scene.held)
        if motion is None or motion.transfer < scene.options.moved:
            continue
        apart = float(np.hypot(*(np.array(motion.offset) * motion.size - way)))
        with_it = apart <= _SAME_WAY * float(np.hypot(*way))
        followed = motion.trusted and motion.seen_to_end
        between = gap(motion.end_box, own.end_box)
        if followed and between > scene.options.far * own.size:
            continue  # it went elsewhere: a part of the robot, or another subtask's object
        held = not motion.held_share < scene.options.while_held
        together = with_it and held and between <= scene.options.near * own.size
        (moving if followed and together else doubtful).append(proposal)
    return tuple(moving), tuple(doubtful)


def _on_robot(proposal: Proposal, scene: Scene) -> bool:
    """Whether most of a candidate's points lie on the robot."""
    return any(
        t.candidate == proposal.id and t.overlap > _ON_ROBOT for t in scene.scores.terms if t.points
    )


def _alike(a: Proposal, b: Proposal, scene: Scene) -> bool:
    """Whether two candidates may have one colour word; True where a mask is empty."""
    first, second = scene.color(a.id), scene.color(b.id)
    if first is None or second is None:
        return True
    return float(delta_e(first, second)) < scene.options.color_differs


def _touch(a: Box, b: Box) -> bool:
    """Whether two boxes overlap, so that they may be parts of one thing."""
    return gap(a, b) <= 0


def check_arm(claim: Claim, scene: Scene) -> Constraint:
    """Test which arm's gripper closes."""
    arm = scene.subtask.arm
    evidence = Evidence(-1, (), (), (scene.subtask.start, scene.subtask.end))
    outcome, why = Outcome.UNKNOWN, f"The robot has one arm (“{arm}”): no side is known."
    if arm in ("left", "right"):
        if scene.gripper_known and scene.subtask.interaction:
            outcome = Outcome.PASS if arm == claim.value else Outcome.FAIL
            start, end = scene.subtask.interaction[0]
            why = f"The gripper of the {arm} arm closes, frames {start} to {end}."
        else:
            why = "The gripper signal shows no grasp."
    return Constraint(claim.kind, claim.text, claim.words, outcome, why, evidence)
