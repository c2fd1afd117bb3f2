"""One decision with everything that made it, taken from a session."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.document import Session
from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.model.phases import PhasesResult
from pipeline.model.score import ScoresResult
from pipeline.model.subtask import Subtask
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip

_INPUTS = ("subtasks", "proposals", "masks", "tracks", "lifting", "robot")


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What is explained.

    Attributes:
        key: Key of the scores.
        clip: Inputs of the score.
        height: Of the picture, pixels.
        width: Of the picture, pixels.
        options: Options that made the scores.
        scores: The scores.
        first_phase: Position of the subtask's first phase in its arm.
        focal: Focal length of the camera, pixels, None where it is unknown.
    """

    key: str
    clip: Clip
    height: int
    width: int
    options: ScoresOptions
    scores: ScoresResult
    first_phase: int
    focal: float | None

    def evidence(self) -> TermEvidence:
        """What its terms counted; takes some milliseconds."""
        return TermEvidence.of(
            self.clip, self.height, self.width, self.options, self.scores, self.focal
        )


def decision_of(session: Session) -> Decision | None:
    """What made the scores on show; None unless all of it is there and belongs together."""
    if not session.fits("scores"):
        return None
    outcome = session.outcome("scores")
    found = {name: session.result(name) for name in _INPUTS}
    demonstration = session.demonstration
    if outcome is None or demonstration is None or any(v is None for v in found.values()):
        return None
    task: Subtask = found["subtasks"].subtasks[session.subtask]
    clip = Clip(
        subtask=task,
        proposals=found["proposals"],
        tracks=found["tracks"],
        lifting=found["lifting"],
        robot=found["robot"],
        fps=demonstration.fps,
    )
    masks, lifting = found["masks"], found["lifting"]
    recorded = demonstration.camera(found["proposals"].camera).intrinsics
    intrinsics = recorded if recorded is not None else lifting.intrinsics
    return Decision(
        key=outcome.key,
        clip=clip,
        height=masks.height,
        width=masks.width,
        options=session.options["scores"],
        scores=outcome.result,
        first_phase=first_phase_of(task, session.result("phases")),
        focal=None if intrinsics is None else float(intrinsics[0, 0]),
    )


def first_phase_of(task: Subtask, phases: PhasesResult | None) -> int:
    """Position of a subtask's first phase among the phases of its arm, 0 if it is not there."""
    if not task.phases or phases is None:
        return 0
    first = task.phases[0]
    for arm in phases.arms:
        if arm.arm == first.arm:
            starts = [p.start for p in arm.phases]
            return starts.index(first.start) if first.start in starts else 0
    return 0
