"""When each annotation happens, read from its file: tables in memory do without phases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotations.reading import ReadAnnotations, parts_of
from pipeline.model.arrays import I64
from pipeline.model.problem import DataError


def subtask_spans(read: ReadAnnotations) -> I64:
    """First frame of each annotation's first phase and one past the last of its last phase.

    Args:
        read: What was read of the file, which must not have changed since.

    Returns:
        (N, 2) int64, rows as in the table; an annotation without phases has an empty span (0, 0).

    Raises:
        DataError: No annotation has phases, or the file cannot be read.
    """
    try:
        found = _of_lines(read) if _is_text(read.path) else _of_table(read)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            "annotations_not_readable", f"{read.path} cannot be read: {reason}."
        ) from error
    if len(found) and not (found[:, 1] > found[:, 0]).any():
        raise DataError("no_phases", f"{read.path}: no annotation in it says when it happens.")
    return found


def _is_text(path: Path) -> bool:
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(4) != b"PAR1"


def _of_lines(read: ReadAnnotations) -> I64:
    rows = {int(line): row for row, line in enumerate(read.lines)}
    found = np.zeros((len(rows), 2), np.int64)
    with read.path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if number in rows:
                found[rows[number]] = _span(json.loads(line.lstrip("\ufeff")).get("phases"))
    return found


def _of_table(read: ReadAnnotations) -> I64:
    # lazy: pyarrow
    import pyarrow.parquet as pq

    files = parts_of(read.path) if read.path.is_dir() else [read.path]
    rows = {int(line): row for row, line in enumerate(read.lines)}
    found = np.zeros((len(rows), 2), np.int64)
    number = 0
    for path in files:
        with pq.ParquetFile(path) as file:
            columns = ["phases"] if "phases" in file.schema_arrow.names else []
            for batch in file.iter_batches(columns=columns):
                phases = batch.column(0).to_pylist() if columns else [None] * batch.num_rows
                for own in phases:
                    number += 1
                    if number in rows:
                        found[rows[number]] = _span(own)
    return found


def _span(phases: Any) -> tuple[int, int]:
    """(0, 0) if these are no phases."""
    try:
        return min(int(p["start"]) for p in phases), max(int(p["end"]) for p in phases)
    except (TypeError, KeyError, ValueError):
        return 0, 0
