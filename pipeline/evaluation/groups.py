"""The same figures for parts of the items: by dataset, task group, arm, camera, or any column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.annotations.table import AnnotationTable, Texts
from pipeline.evaluation.figures import MethodFigures, Outcome, method_figures
from pipeline.evaluation.intervals_of_curves import DEFAULTS, Bootstrap
from pipeline.evaluation.pairing import Pairing
from pipeline.model.arrays import Array
from pipeline.model.problem import DataError

COLUMNS = ("dataset", "task", "arm", "camera")
"""Columns that ground truth may know, too."""
NOT_PREDICTED = "(not predicted)"
UNNAMED = "(unnamed)"


def group_names(table: AnnotationTable, pairing: Pairing, column: str) -> tuple[str, ...]:
    """Group of each true subtask.

    A group should not depend on what was predicted: what the ground truth says counts, else what
    the prediction says. A subtask that neither of them names is in `NOT_PREDICTED`, or in
    `UNNAMED` if there is a prediction.

    Args:
        table: Predictions.
        pairing: Which is about which true subtask.
        column: A column of texts of the table, e.g. one of `COLUMNS`.

    Returns:
        N names.

    Raises:
        DataError: There is no such column.
    """
    values = getattr(table, column, None)
    if not isinstance(values, Texts):
        raise DataError(
            "no_such_column", f"{column}: expected a column of texts such as {', '.join(COLUMNS)}."
        )
    names = []
    for true, row in zip(pairing.truth, pairing.row.tolist(), strict=True):
        said = getattr(true, column, "") if column in COLUMNS else ""
        found = values[row] if row >= 0 else NOT_PREDICTED
        names.append(said or found or UNNAMED)
    return tuple(names)


def group_figures(
    outcome: Outcome,
    names: Sequence[str],
    *,
    settings: Bootstrap = DEFAULTS,
    clusters: Array | None = None,
    precisions: Sequence[float] = (),
) -> tuple[MethodFigures, ...]:
    """Figures of one method by group, the largest group first, then by name.

    Args:
        outcome: What the method did on N items.
        names: N group names.
        settings: How to resample.
        clusters: (N,) int, see `method_figures`.
        precisions: Further target accuracies of Cov@p.

    Returns:
        One entry per group; `method` is the group's name.
    """
    rows: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        rows.setdefault(name, []).append(number)
    ordered = sorted(rows.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(
        method_figures(
            outcome.take(np.array(own), name),
            settings=settings,
            clusters=None if clusters is None else clusters[np.array(own)],
            precisions=precisions,
        )
        for name, own in ordered
    )
