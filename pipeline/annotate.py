"""One demonstration through all stages, and the annotation record that comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine.cache import ResultCache, StageOutcome
from pipeline.engine.graph import Graph, Observer, Plan, Run, SilentObserver, StageFailed
from pipeline.model.annotation import Annotation, CandidateRecord, PhaseRecord
from pipeline.model.candidate import MasksResult, ProposalsResult, TracksResult
from pipeline.model.caption import CaptionResult
from pipeline.model.checks import ChecksResult, Outcome
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.edits import EPISODE_SCOPE, Edit
from pipeline.model.problem import Problem
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import SubtasksResult


def standard_graph() -> Graph:
    """The stages in the order in which data passes."""
    from pipeline.stages.captions import CaptionsStage
    from pipeline.stages.checks import ChecksStage
    from pipeline.stages.lifting import LiftingStage
    from pipeline.stages.masks import MasksStage
    from pipeline.stages.phases import PhasesStage
    from pipeline.stages.proposals import ProposalsStage
    from pipeline.stages.robot import RobotStage
    from pipeline.stages.scores import ScoresStage
    from pipeline.stages.subtasks import SubtasksStage
    from pipeline.stages.target import TargetStage
    from pipeline.stages.tracks import TracksStage

    return Graph(
        (
            PhasesStage(),
            SubtasksStage(),
            ProposalsStage(),
            MasksStage(),
            TracksStage(),
            LiftingStage(),
            RobotStage(),
            ScoresStage(),
            TargetStage(),
            CaptionsStage(),
            ChecksStage(),
        )
    )


def problems_of(outcome: StageOutcome) -> tuple[Problem, ...]:
    """Findings of a result and of running its stage."""
    return (*getattr(outcome.result, "problems", ()), *outcome.problems)


def annotation_of(
    demonstration: Demonstration, subtask: int, results: Mapping[str, StageOutcome]
) -> Annotation:
    """Make the record of one subtask.

    Args:
        demonstration: The episode.
        subtask: Index of the subtask.
        results: Outcomes by stage name; `subtasks` is needed, the others may be missing.

    Returns:
        The record; what is missing is empty or None.
    """
    subtasks = _result(results, SubtasksResult)
    if subtasks is None:
        raise ValueError("annotation_of needs the result of the stage subtasks")
    task = subtasks.subtasks[subtask]
    proposals = _result(results, ProposalsResult)
    scores = _result(results, ScoresResult)
    target = _result(results, TargetResult)
    caption = _result(results, CaptionResult)
    checks = _result(results, ChecksResult)
    codes = dict.fromkeys(p.code for p in demonstration.problems)
    for outcome in results.values():
        codes |= dict.fromkeys(p.code for p in problems_of(outcome))
    box = score = runner_up = None
    terms: dict[str, float] = {}
    if proposals is not None and scores is not None and scores.winner >= 0:
        winner = scores.of(scores.winner)
        box = next(p.box for p in proposals.candidates if p.id == scores.winner)
        score = winner.score
        others = [t.score for t in scores.terms if t.candidate != scores.winner]
        runner_up = max(others, default=None)
        terms = {
            name: float(getattr(winner, name))
            for name in winner.__dataclass_fields__
            if name not in ("candidate", "score")
        }
    return Annotation(
        episode_index=demonstration.ref.episode,
        subtask_index=subtask,
        arm=task.arm,
        camera=proposals.camera if proposals is not None else "",
        instruction=task.instruction,
        object=task.object_name,
        start_box=box,
        target_box=target.box if target is not None else None,
        score=score,
        phases=tuple(
            PhaseRecord(name=p.name.value, arm=p.arm, start=p.start, end=p.end) for p in task.phases
        ),
        caption=caption.text if caption is not None else "",
        warnings=tuple(codes),
        terms=terms,
        keyframe=proposals.keyframe if proposals is not None else -1,
        runner_up=runner_up,
        dataset=Path(demonstration.ref.dataset).name,
        task=task.action.value,
        winner=scores.winner if scores is not None else -1,
        chosen_by=scores.chosen_by if scores is not None else "score",
        candidates=_candidates(results) if scores is not None else (),
        checks_passed=checks.count(Outcome.PASS) if checks is not None else 0,
        checks_failed=checks.count(Outcome.FAIL) if checks is not None else 0,
        checks_unknown=checks.count(Outcome.UNKNOWN) if checks is not None else 0,
        contradicted=checks.contradicted if checks is not None else (),
    )


def _candidates(results: Mapping[str, StageOutcome]) -> tuple[CandidateRecord, ...]:
    """All scored candidates with their measured terms."""
    # Here and not above: the window imports this module before it is painted.
    from pipeline.evaluation.baselines import mean_motions, path_length

    proposals, scores = _result(results, ProposalsResult), _result(results, ScoresResult)
    masks, tracks = _result(results, MasksResult), _result(results, TracksResult)
    if proposals is None or scores is None:
        return ()
    found = {p.id: p for p in proposals.candidates}
    diagonal = math.hypot(masks.height, masks.width) if masks is not None else 0.0
    return tuple(
        CandidateRecord(
            id=t.candidate,
            box=found[t.candidate].box,
            label=found[t.candidate].label,
            detector=t.detector,
            motion_in=t.motion_in,
            motion_out=t.motion_out,
            mean_motion=float(motion),
            path_length=path_length(tracks, t.candidate) / diagonal if tracks and diagonal else 0.0,
            proximity=t.proximity,
            overlap=t.overlap,
            relief=t.relief,
            points=t.points,
        )
        for t, motion in zip(scores.terms, mean_motions(scores), strict=True)
    )


def _result(results: Mapping[str, StageOutcome], kind: type[Any]) -> Any:
    for outcome in results.values():
        if isinstance(outcome.result, kind):
            return outcome.result
    return None


@dataclass(frozen=True)
class EpisodeAnnotations:
    """What `annotate_episode` gives back.

    Attributes:
        demonstration: The episode.
        annotations: One per subtask.
        outcomes: By subtask index (-1 = the whole episode), then stage name.
        failure: The stage that failed, if one did; what came before is kept.
    """

    demonstration: Demonstration
    annotations: tuple[Annotation, ...]
    outcomes: dict[int, dict[str, StageOutcome]]
    failure: StageFailed | None = None


def annotate_episode(
    source: DatasetSource,
    episode: int,
    *,
    graph: Graph,
    options: dict[str, Any] | None = None,
    edits: tuple[Edit, ...] = (),
    cache: ResultCache | None = None,
    observer: Observer | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> EpisodeAnnotations:
    """Run all stages on one episode in this process.

    Args:
        source: The dataset.
        episode: Episode index.
        graph: Stages.
        options: Stage name -> options instance; defaults where missing.
        edits: Human corrections in force.
        cache: Where results are kept.
        observer: Who is told about progress.
        is_cancelled: Asked often.

    Returns:
        Annotations and everything behind them.

    Raises:
        DataError: The episode cannot be opened.
        Cancelled: `is_cancelled` said so.
    """
    demonstration = source.open(episode)
    plan = Plan(demonstration, graph.default_options() | (options or {}), edits)
    run = Run(
        graph,
        plan,
        cache,
        lambda: source.reader(demonstration),
        observer or SilentObserver(),
        is_cancelled,
    )
    outcomes: dict[int, dict[str, StageOutcome]] = {EPISODE_SCOPE: {}}
    failure = None
    try:
        for outcome in run.episode():
            outcomes.setdefault(outcome.subtask, {})[outcome.stage] = outcome
    except StageFailed as error:
        failure = error
    common = outcomes[EPISODE_SCOPE]
    annotations = []
    if "subtasks" in common:
        for subtask in range(len(common["subtasks"].result.subtasks)):
            if subtask in outcomes:
                merged = common | outcomes[subtask]
                annotations.append(annotation_of(demonstration, subtask, merged))
    return EpisodeAnnotations(demonstration, tuple(annotations), outcomes, failure)
