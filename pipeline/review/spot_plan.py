"""The plan of a spot check: which annotations, cut how, how many, when to stop."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.annotations.table import AnnotationTable, Texts
from pipeline.model.arrays import I64, Bool
from pipeline.model.problem import DataError
from pipeline.review.spot_intervals import LEVEL

SEQUENTIAL = 0.96
"""Intervals that a stopping rule looks at after every answer are computed at this level: at 95 %
the interval at the stop covers as little as 93.7 % (exact, one stratum, half-widths 0.03 to 0.1),
at 96 % at least 95.0 % (cf. Frey 2010, fixed-width sequential intervals of a proportion)."""

LEAST_ANSWERS = 30
"""Answers before the rule may stop (our choice)."""


class Keep(StrEnum):
    """Which side of a threshold of R."""

    ALL = "all"
    KEPT = "kept"
    DROPPED = "dropped"


class Cut(StrEnum):
    """What strata are made by; several make strata of all their combinations."""

    RELIABILITY = "reliability"
    TASK = "task"
    CAMERA = "camera"
    ARM = "arm"
    DATASET = "dataset"
    REVIEWER = "reviewer"
    """Whether a person or the score chose the box."""


class Allocation(StrEnum):
    """How a sample is spread over strata."""

    PROPORTIONAL = "proportional"
    EQUAL = "equal"
    NEYMAN = "neyman"
    """By size times expected spread: more where R is low (our guess of the precision there)."""


class Population(BaseModel):
    """Filters; an annotation must pass all of them. Empty lists let everything pass.

    Attributes:
        datasets: Names of datasets.
        tasks: Kinds of action.
        cameras: Camera keys.
        arms: Arms.
        with_codes: At least one of these warnings.
        without_codes: None of these warnings.
        least: R at least, None for no limit (and for annotations without R).
        most: R below, None for no limit.
        keep: Side of `threshold`.
        threshold: R from which on annotations are kept; needed unless `keep` is `all`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    datasets: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    with_codes: tuple[str, ...] = ()
    without_codes: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    keep: Keep = Keep.ALL
    threshold: float | None = None

    def rows(self, table: AnnotationTable) -> I64:
        """(P,) int64, rows that pass and have a box; without a box there is nothing to judge.

        Raises:
            DataError: `no_threshold`, `no_population`.
        """
        if self.keep is not Keep.ALL and self.threshold is None:
            raise DataError("no_threshold", "kept or dropped annotations need a threshold of R")
        chosen: Bool = np.asarray(np.isfinite(table.start_box).all(axis=1), np.bool_)
        for column, wanted in (
            (table.dataset, self.datasets),
            (table.task, self.tasks),
            (table.camera, self.cameras),
            (table.arm, self.arms),
        ):
            if wanted:
                chosen &= _among(column, wanted)
        if self.with_codes:
            chosen &= _any_of([table.warnings.rows(c) for c in self.with_codes])
        for code in self.without_codes:
            chosen &= ~table.warnings.rows(code)
        with np.errstate(invalid="ignore"):
            if self.least is not None:
                chosen &= table.score >= self.least
            if self.most is not None:
                chosen &= table.score < self.most
            if self.threshold is not None and self.keep is not Keep.ALL:
                kept = table.score >= self.threshold
                chosen &= kept if self.keep is Keep.KEPT else ~kept
        found = np.flatnonzero(chosen)
        if not len(found):
            raise DataError("no_population", f"no annotation with a box is left by: {self.text()}")
        return found

    def text(self) -> str:
        """The filters in words, one line."""
        parts = [
            f"{name} {' or '.join(values)}"
            for name, values in (
                ("dataset", self.datasets),
                ("task", self.tasks),
                ("camera", self.cameras),
                ("arm", self.arms),
                ("with", self.with_codes),
                ("without", self.without_codes),
            )
            if values
        ]
        if self.least is not None:
            parts.append(f"R ≥ {self.least:g}")
        if self.most is not None:
            parts.append(f"R < {self.most:g}")
        if self.keep is not Keep.ALL:
            parts.append(f"{self.keep.value} at R ≥ {self.threshold or 0.0:g}")
        return ", ".join(parts) or "all annotations"


class SpotPlan(BaseModel):
    """Everything that decides which annotations are asked about, and when to stop.

    Attributes:
        population: Filters.
        cuts: What strata are made by; empty for one stratum.
        bins: Reliability bins, of equal numbers of annotations (quantiles of R).
        allocation: How the sample is spread.
        size: Items to draw; None to draw as many as `half_width` is expected to need.
        half_width: Wanted half-width of the overall Clopper-Pearson interval; None for no
            stopping rule.
        expected: Precision that is expected, for planning only.
        seed: Same seed, same sample.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    population: Population = Population()
    cuts: tuple[Cut, ...] = (Cut.RELIABILITY,)
    bins: int = Field(4, ge=2, le=20)
    allocation: Allocation = Allocation.PROPORTIONAL
    size: int | None = Field(None, ge=1)
    half_width: float | None = Field(None, gt=0.0, lt=0.5)
    expected: float = Field(0.9, gt=0.0, lt=1.0)
    seed: int = Field(0, ge=0, lt=1 << 63)

    @property
    def level(self) -> float:
        """Confidence at which intervals are computed, see `SEQUENTIAL`."""
        return LEVEL if self.half_width is None else SEQUENTIAL


def _among(column: Texts, wanted: tuple[str, ...]) -> Bool:
    """Rows whose text is one of these."""
    codes = [i for i, value in enumerate(column.values) if value in wanted]
    return np.isin(column.codes, np.array(codes, np.int32))


def _any_of(rows: list[Bool]) -> Bool:
    found: Bool = np.logical_or.reduce(rows)
    return found
