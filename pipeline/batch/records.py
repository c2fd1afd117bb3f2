"""Annotations back from Parquet, as the records that they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipeline.model.annotation import Annotation
from pipeline.model.problem import DataError


def read_records(path: Path) -> Iterator[Annotation]:
    """Read a file of `write_table`, one record a row.

    Boxes and measured terms are float32 in the file; here they are the shortest decimal numbers
    that mean the same float32 (0.1, not 0.10000000149).

    Raises:
        DataError: `annotations_not_readable`, one sentence.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            single = {f.name for f in file.schema_arrow if _is_single(f.type)}
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    yield _record(row, single)
    except (pa.ArrowException, OSError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError("annotations_not_readable", f"{path}: cannot be read ({reason})") from error


def _record(row: dict[str, Any], single: set[str]) -> Annotation:
    short = {name: _short(value) if name in single else value for name, value in row.items()}
    terms = short.get("terms") or {}
    short["terms"] = {name: value for name, value in terms.items() if value is not None}
    return Annotation.model_validate(short)


def _is_single(kind: Any) -> bool:
    """Whether a column holds float32, at any depth."""
    import pyarrow.types as types

    if types.is_list(kind):
        return _is_single(kind.value_type)
    if types.is_struct(kind):
        return any(_is_single(kind.field(i).type) for i in range(kind.num_fields))
    return bool(types.is_float32(kind))


def _short(value: Any) -> Any:
    """Float32 values, read as float64, as their shortest decimal numbers."""
    match value:
        case float():
            return float(str(np.float32(value)))
        case list():
            return [_short(v) for v in value]
        case dict():
            return {name: _short(v) for name, v in value.items()}
    return value
