"""A diagnosis in a process of its own: the window goes on, and a crash costs nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.diagnosis.diagnosis import Diagnosis
from pipeline.diagnosis.task import DiagnosisTask
from pipeline.engine.task_process import TaskLink, TaskManner, TaskProcess
from pipeline.model.problem import DataError

_MANNER = TaskManner("diagnosis", who="the diagnosis", advice="run it again", grace=5.0)


@dataclass(frozen=True, slots=True)
class DiagnosisNews:
    """What the process has to tell.

    Attributes:
        share: How much is done, 0..1.
        what: What it does, a phrase.
        episode: Episode that was finished, -1 if none was.
        found: Its diagnoses.
    """

    share: float
    what: str
    episode: int = -1
    found: tuple[Diagnosis, ...] = ()


class DiagnosisProcess(TaskProcess[DiagnosisTask, DiagnosisNews]):
    """Runs one task; results arrive one by one. Every refusal has the code `internal`."""

    def __init__(self, task: DiagnosisTask) -> None:
        """Start nothing yet."""
        super().__init__(diagnose, task, _MANNER)


def diagnose(task: DiagnosisTask, link: TaskLink[DiagnosisNews]) -> None:
    """Diagnose and tell; the work of the process. Raises DataError, Cancelled."""
    from pipeline.diagnosis.episode import diagnose_episodes
    from pipeline.diagnosis.task import setting_of

    def report(share: float, what: str) -> None:
        link.tell_sometimes(DiagnosisNews(share, what))

    try:
        setting = setting_of(task)
        diagnosed = diagnose_episodes(setting, task.episodes, report, link.is_cancelled)
        for done, (episode, found) in enumerate(diagnosed, 1):
            share = done / len(task.episodes)
            link.tell(DiagnosisNews(share, f"episode {episode} is done", episode, found))
    except (DataError, ValueError) as error:
        raise DataError("internal", str(error)) from error
