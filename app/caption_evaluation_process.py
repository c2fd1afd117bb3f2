"""Measuring caption recipes in a process of its own: a crash costs nothing that was answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.captioning.evaluation_values import (
    EvaluationOutlook,
    EvaluationRequest,
    RecipeEvaluation,
)
from pipeline.engine.task_process import TaskLink, TaskManner, TaskProcess
from pipeline.model.problem import DataError

_MANNER = TaskManner(
    "caption evaluation",
    who="the process that measured",
    advice="measure again: what was answered is kept, and it goes on from there",
    grace=1.0,
    nice=5,
)


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """What the process is to do. It crosses to it.

    Attributes:
        request: What is to be measured.
        results: Folder of kept stage results, None for none.
        estimate: Only say what it would take; nothing is sent.
    """

    request: EvaluationRequest
    results: Path | None
    estimate: bool = False


@dataclass(frozen=True, slots=True)
class EvaluationNews:
    """How far it is.

    Attributes:
        share: 0..1.
        what: What is being done, a phrase.
    """

    share: float
    what: str


Message = EvaluationNews | EvaluationOutlook | RecipeEvaluation


class EvaluationProcess(TaskProcess[EvaluationTask, Message]):
    """Runs one task. What servers answer is kept as it comes, so that another run goes on there."""

    def __init__(self, task: EvaluationTask) -> None:
        """Start nothing yet."""
        super().__init__(measure, task, _MANNER)


def measure(task: EvaluationTask, link: TaskLink[Message]) -> Message:
    """Measure and tell; the work of the process. Raises DataError, Cancelled."""
    from pipeline.captioning.evaluate import evaluate_recipes, evaluation_outlook

    def report(share: float, what: str) -> None:
        link.tell_sometimes(EvaluationNews(share, what))

    do = evaluation_outlook if task.estimate else evaluate_recipes
    try:
        return do(
            task.request, results=task.results, progress=report, is_cancelled=link.is_cancelled
        )
    except ValueError as error:
        raise DataError("bad_evaluation", str(error)) from error
