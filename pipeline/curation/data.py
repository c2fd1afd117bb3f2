"""What every page of the curation window looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.model.arrays import I64
from pipeline.model.problem import Problem
from pipeline.model.verdict import HumanVerdict
from pipeline.scoring.formula import ScoresOptions


@dataclass(frozen=True)
class CurationData:
    """The annotations of a dataset and what is known about them.

    Attributes:
        table: Annotations.
        path: The file that they were read from.
        dataset: Root of the dataset, None if only the annotations are there.
        folder: Where operating points, spot checks and exports go.
        truth: From ground truth, nothing known without it.
        people: From people's verdicts.
        options: Options of the scores stage with which the annotations were made (the published
            defaults if the file does not say).
        problems: What did not fit in the files; at most one per kind.
        verdicts: What people said, behind `people`.
        lines: (N,) int64, where each row stands in `path` (line or row number from 1); None if
            nobody knows.
        stage_options: Values of the options of all stages, stage name -> option name -> value,
            as the file says and unchecked; empty if it does not say.
        truth_path: File of ground truth that was named; None: what lies beside the dataset.
    """

    table: AnnotationTable
    path: Path
    dataset: Path | None
    folder: Path
    truth: Judgements
    people: Judgements
    options: ScoresOptions
    problems: tuple[Problem, ...] = ()
    verdicts: tuple[HumanVerdict, ...] = ()
    lines: I64 | None = None
    stage_options: Mapping[str, Any] = field(default_factory=dict)
    truth_path: Path | None = None

    @property
    def both(self) -> Judgements:
        """People where they said something, ground truth elsewhere."""
        return self.people.over(self.truth)
