"""What a diagnosis of a dataset needs, as plain values: to run here or in another process."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.diagnosis.episode import Knowledge, Setting
from pipeline.diagnosis.pareto import winner_numbers
from pipeline.engine.cache import ResultCache
from pipeline.engine.worker import options_from
from pipeline.evaluation.ground_truth import TrueSubtask, read_ground_truth
from pipeline.evaluation.truth_file import read_truth
from pipeline.model.demonstration import DatasetSource
from pipeline.model.verdict import HumanVerdict
from pipeline.review.saved import saved_edits

OPENER = "pipeline.sources.detect:open_dataset"
GRAPH = "pipeline.annotate:standard_graph"


@dataclass(frozen=True)
class DiagnosisTask:
    """Which episodes of which dataset to diagnose. It crosses to another process.

    Attributes:
        dataset: Path of the dataset.
        episodes: Episode indices, in the order in which they are diagnosed.
        options: Stage name -> option name -> value, as the annotations were made; defaults where
            missing.
        truth: File of ground truth; None: what lies beside the dataset.
        cache: Folder of results, None for none.
        verdicts: What people said about boxes.
        opener: `module:function` that opens the dataset.
        graph: `module:function` that makes the stages.
    """

    dataset: str
    episodes: tuple[int, ...]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    truth: str | None = None
    cache: str | None = None
    verdicts: tuple[HumanVerdict, ...] = ()
    opener: str = OPENER
    graph: str = GRAPH


def setting_of(task: DiagnosisTask, source: DatasetSource | None = None) -> Setting:
    """Open what a task names.

    Args:
        task: The task.
        source: The dataset, if it is open already.

    Raises:
        DataError: The dataset, the ground truth or the corrections cannot be read.
        ValueError: An option that a stage does not have.
    """
    if source is None:
        source = _load(task.opener)(task.dataset)
    graph = _load(task.graph)()
    options = options_from(graph, {s: dict(v) for s, v in task.options.items()})
    cache = None if task.cache is None else ResultCache(Path(task.cache))
    truth = None if task.truth is None else Path(task.truth)
    return Setting(source, graph, options, cache, knowledge_of(source, truth, task))


def knowledge_of(source: DatasetSource, truth: Path | None, task: DiagnosisTask) -> Knowledge:
    """Ground truth, corrections and verdicts. Raises DataError if they cannot be read."""
    root = Path(source.info.path)
    return Knowledge(
        truth=read_truth(truth) if truth is not None else read_ground_truth(root),
        edits=saved_edits(root, task.episodes),
        verdicts=task.verdicts,
        masks_in=root,
    )


def worth_diagnosing(
    table: AnnotationTable,
    judgements: Judgements,
    truth: Sequence[TrueSubtask] = (),
    asked: Iterable[int] = (),
) -> tuple[int, ...]:
    """Episodes in which something is known to be wrong or missing, ascending.

    Args:
        table: Annotations of one dataset.
        judgements: What is known about their candidates.
        truth: Ground truth: episodes with another number of subtasks are worth it, too.
        asked: Episodes that were to be annotated; those without an annotation have failed.
    """
    right, known = judgements.of(winner_numbers(table))
    wrong = set(table.episode[known & ~right].tolist())
    there, counts = np.unique(table.episode, return_counts=True)
    found = dict(zip(there.tolist(), counts.tolist(), strict=True))
    true: dict[int, int] = {}
    for one in truth:
        true[one.episode_index] = true.get(one.episode_index, 0) + 1
    differ = {e for e, n in true.items() if found.get(e, 0) != n}
    failed = {e for e in asked if e not in found}
    return tuple(sorted(wrong | differ | failed))


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
