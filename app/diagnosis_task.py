"""From annotations to what has to be diagnosed: for the command and for the curation window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.batch.run_record import RunRecord
    from pipeline.curation.data import CurationData
    from pipeline.diagnosis.task import DiagnosisTask


def run_of(path: Path) -> RunRecord | None:
    """The batch run that a file of annotations belongs to, None if it is of none.

    Args:
        path: The folder of a run, its table, or the folder of its parts; else anything.

    Raises:
        DataError: The record of the run is damaged or of a later version.
    """
    # lazy: nothing of this is needed before annotations are open
    from pipeline.batch.folder import read_record

    folders = (path, path.parent) if path.is_dir() else (path.parent,)
    for folder in folders:
        record = read_record(folder)
        if record is not None:
            return record
    return None


def options_of(data: CurationData) -> Mapping[str, Mapping[str, Any]]:
    """Options with which annotations were made: of their run, else what the file says.

    Raises:
        DataError: The record of the run is damaged or of a later version.
    """
    from pipeline.engine.options_file import values_of

    record = run_of(data.path)
    if record is not None:
        return record.options
    return data.stage_options or values_of({"scores": data.options})


def task_of(data: CurationData, episodes: Sequence[int], cache: Path | None) -> DiagnosisTask:
    """What `DiagnosisControl.start` takes for annotations that are open.

    Args:
        data: Annotations; their dataset must be known.
        episodes: Episodes to diagnose, as `FailurePareto.diagnosisRequested` names them.
        cache: Folder of results, None for none.

    Raises:
        DataError: The record of the run is damaged or of a later version.
        ValueError: The dataset is not known.
    """
    from pipeline.diagnosis.task import DiagnosisTask

    if data.dataset is None:
        raise ValueError("the dataset of these annotations is not on this machine")
    return DiagnosisTask(
        dataset=str(data.dataset),
        episodes=tuple(episodes),
        options=options_of(data),
        truth=None if data.truth_path is None else str(data.truth_path),
        cache=None if cache is None else str(cache),
        verdicts=data.verdicts,
    )
