"""What every page of the curation window looks at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
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
    """

    table: AnnotationTable
    path: Path
    dataset: Path | None
    folder: Path
    truth: Judgements
    people: Judgements
    options: ScoresOptions

    @property
    def both(self) -> Judgements:
        """People where they said something, ground truth elsewhere."""
        return self.people.over(self.truth)
