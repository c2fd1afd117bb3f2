"""Which annotations of a table are looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.annotations.table import AnnotationTable
from pipeline.model.arrays import Bool


@dataclass(frozen=True, slots=True)
class PopulationFilter:
    """Restricts a population; None in each place means all.

    Attributes:
        dataset: Only of this dataset.
        task: Only of this kind of action.
        arm: Only of this arm.
        camera: Only of this camera key.
        with_code: Only with this warning code.
        without_code: Only without this warning code.
    """

    dataset: str | None = None
    task: str | None = None
    arm: str | None = None
    camera: str | None = None
    with_code: str | None = None
    without_code: str | None = None

    def rows(self, table: AnnotationTable) -> Bool | None:
        """(N,) bool, annotations that are looked at; None for all."""
        found: Bool | None = None
        for name in ("dataset", "task", "arm", "camera"):
            value = getattr(self, name)
            if value is not None:
                own = getattr(table, name).rows(value)
                found = own if found is None else found & own
        for code, wanted in ((self.with_code, True), (self.without_code, False)):
            if code is not None:
                own = table.warnings.rows(code) == wanted
                found = own if found is None else found & own
        return None if found is None else np.asarray(found, np.bool_)

    def text(self) -> str:
        """What is looked at, in words; empty for all."""
        parts = [
            f"{name} {value}"
            for name in ("dataset", "task", "arm", "camera")
            if (value := getattr(self, name)) is not None
        ]
        parts += [f"with {self.with_code}"] if self.with_code is not None else []
        parts += [f"without {self.without_code}"] if self.without_code is not None else []
        return ", ".join(parts)


ALL = PopulationFilter()
