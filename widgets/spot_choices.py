"""What the set-up of a spot check offers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.annotations.table import AnnotationTable, Texts


@dataclass(frozen=True, slots=True)
class SpotChoices:
    """What there is to filter and cut by.

    Attributes:
        datasets: Names.
        tasks: Kinds of action.
        cameras: Keys.
        arms: Arms.
        codes: Warnings.
        scored: At least two different R.
        people: Some boxes were chosen by a person, some by the score.
    """

    datasets: tuple[str, ...]
    tasks: tuple[str, ...]
    cameras: tuple[str, ...]
    arms: tuple[str, ...]
    codes: tuple[str, ...]
    scored: bool
    people: bool

    @classmethod
    def of(cls, table: AnnotationTable) -> SpotChoices:
        """Collect from a table."""
        known = table.score[np.isfinite(table.score)]
        return cls(
            _values(table.dataset),
            _values(table.task),
            _values(table.camera),
            _values(table.arm),
            tuple(sorted(table.warnings.values)),
            bool(len(known)) and bool(known.min() < known.max()),
            bool(table.by_person.any()) and not bool(table.by_person.all()),
        )


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A spot check that was begun.

    Attributes:
        path: Its journal.
        text: What it is, one line.
    """

    path: Path
    text: str


def _values(column: Texts) -> tuple[str, ...]:
    used = np.flatnonzero(np.bincount(column.codes))
    return tuple(sorted(column.values[int(c)] for c in used if column.values[int(c)]))
