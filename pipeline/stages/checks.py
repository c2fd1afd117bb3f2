"""Machine checks of the caption: constraint by constraint, on evidence that the stages left.

A failed constraint never changes a caption; it gives `caption_contradicted`, by which people
filter. Where the evidence is missing or near a limit the answer is unknown, with the reason.
"""

from __future__ import annotations

from typing import ClassVar

from pipeline.backends.language.clauses import Clause
from pipeline.model.caption import CaptionResult
from pipeline.model.checks import ChecksResult, Constraint, ConstraintKind, Outcome
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.model.problem import Problem
from pipeline.stages.check_claims import OBJECT, Claim, Reading, read_caption
from pipeline.stages.check_colors import check_color
from pipeline.stages.check_counts import check_arm, check_count
from pipeline.stages.check_options import ChecksOptions
from pipeline.stages.check_places import check_direction, check_presence, check_relation
from pipeline.stages.check_scene import Scene, scene_of
from pipeline.stages.check_verbs import check_verb
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

__all__ = ["ChecksOptions", "ChecksStage", "check_caption"]


class ChecksStage(Stage[ChecksOptions, ChecksResult]):
    """Tests what the caption in force says."""

    name: ClassVar[str] = "checks"
    title: ClassVar[str] = "Caption checks"
    version: ClassVar[int] = 1
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = (
        "phases",
        "subtasks",
        "proposals",
        "masks",
        "tracks",
        "lifting",
        "robot",
        "scores",
        "target",
        "captions",
    )
    options_type: ClassVar[type] = ChecksOptions
    result_type: ClassVar[type] = ChecksResult

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: ChecksOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> ChecksResult:
        """Check the caption. Raises Cancelled; DataError if a frame is needed and unreadable."""
        context.progress(0.0, "checking the caption")
        caption = inputs.get(CaptionResult)
        scene = scene_of(
            inputs,
            options,
            lambda: context.reader.frame(scene.proposals.camera, scene.masks.keyframe),
        )
        fields = caption.fields if caption.text == caption.draft else None
        reading = read_caption(caption.text, fields, scene.subtask.verb)
        result = check_caption(caption.text, reading, scene)
        context.progress(1.0, "caption checked")
        return result


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
    problems = list(reading.problems)
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
            return (check_direction(claim, scene),)
        case ConstraintKind.COUNT:
            colored = any(c.kind is ConstraintKind.COLOR and c.about == OBJECT for c in claims)
            return (check_count(claim, scene, colored=colored),)
        case ConstraintKind.ARM:
            return (check_arm(claim, scene),)
        case ConstraintKind.PRESENT:
            return (check_presence(claim, scene),)
