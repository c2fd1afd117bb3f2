"""Every claim of a caption, tested by what its kind needs."""

from __future__ import annotations

from pipeline.backends.language.clauses import Clause
from pipeline.model.checks import ChecksResult, Constraint, ConstraintKind, Outcome
from pipeline.model.problem import Problem
from pipeline.stages.check_claims import OBJECT, Claim, Reading
from pipeline.stages.check_colors import check_color
from pipeline.stages.check_counts import check_arm, check_count
from pipeline.stages.check_names import check_presence, name_problems
from pipeline.stages.check_places import check_direction, check_relation
from pipeline.stages.check_scene import Scene
from pipeline.stages.check_verbs import check_verb


def check_caption(text: str, reading: Reading, scene: Scene) -> ChecksResult:
    """Test every claim of a caption.

    Args:
        text: The caption.
        reading: The caption, decomposed.
        scene: The evidence.
    """
    constraints: list[Constraint] = []
    if reading.clause is not None:
        for claim in reading.claims:
            constraints += _tested(claim, reading.clause, reading.claims, scene)
    problems = [*reading.problems, *name_problems(reading.claims, scene)]
    failed = [c for c in constraints if c.outcome is Outcome.FAIL]
    if failed:
        more = f" ({len(failed) - 1} more)" if len(failed) > 1 else ""
        message = f"“{failed[0].claim}” is contradicted: {failed[0].why}{more}"
        frame = failed[0].evidence.frame
        problems.append(
            Problem("caption_contradicted", message, frame=frame if frame >= 0 else None)
        )
    return ChecksResult(text, tuple(constraints), tuple(problems))


def _tested(
    claim: Claim, clause: Clause, claims: tuple[Claim, ...], scene: Scene
) -> tuple[Constraint, ...]:
    match claim.kind:
        case ConstraintKind.VERB:
            return check_verb(claim, clause, scene)
        case ConstraintKind.COLOR:
            return (check_color(claim, claims, scene),)
        case ConstraintKind.RELATION:
            return (check_relation(claim, clause, scene),)
        case ConstraintKind.DIRECTION:
            return (check_direction(claim, clause, scene),)
        case ConstraintKind.COUNT:
            colored = any(c.kind is ConstraintKind.COLOR and c.about == OBJECT for c in claims)
            return (check_count(claim, scene, colored=colored),)
        case ConstraintKind.ARM:
            return (check_arm(claim, scene),)
        case ConstraintKind.PRESENT:
            return (check_presence(claim, scene),)
