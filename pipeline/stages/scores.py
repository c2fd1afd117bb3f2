"""Stage 3: reliability of every candidate, and the winner (SPARC 3.3 and B.1.3)."""

from __future__ import annotations

from pipeline.model.candidate import MasksResult, ProposalsResult, TracksResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.score import ScoresResult
from pipeline.model.subtask import SubtasksResult
from pipeline.scoring.choice import choose
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, measure
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs


class ScoresStage(Stage[ScoresOptions, ScoresResult]):
    """Scores candidates by detector, motion, proximity and robot overlap."""

    name = "scores"
    title = "Reliability"
    version = 1
    scope = Scope.SUBTASK
    inputs = ("subtasks", "proposals", "masks", "tracks", "lifting", "robot")
    options_type = ScoresOptions
    result_type = ScoresResult

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: ScoresOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> ScoresResult:
        """Measure all terms, compute R, and choose the winner."""
        context.progress(0.0, "scoring candidates")
        masks = inputs.get(MasksResult)
        clip = Clip(
            subtask=inputs.get(SubtasksResult).subtasks[inputs.subtask],
            proposals=inputs.get(ProposalsResult),
            tracks=inputs.get(TracksResult),
            lifting=inputs.get(LiftingResult),
            robot=inputs.get(RobotResult),
            fps=demonstration.fps,
        )
        result = choose(measure(clip, masks.height, masks.width, options), clip, options, edits)
        context.progress(1.0, "candidates scored")
        return result
