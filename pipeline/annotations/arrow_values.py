"""Values of Arrow columns as NumPy arrays, whatever type of number, text or list they are.

A column of another kind is a `DataError` that names it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.model.arrays import F32, F64, I64, Array
from pipeline.model.problem import DataError


def wrong_column(name: str, expected: str, found: Any) -> DataError:
    """What is wrong with a column, one sentence."""
    return DataError(
        "annotations_not_readable", f"column {name}: expected {expected}, found {found}"
    )


def column_of(batch: Any, name: str) -> Any:
    """A column of a record batch, None if there is none or it holds nothing at all."""
    import pyarrow as pa

    place = batch.schema.get_field_index(name)
    if place < 0:
        return None
    column = batch.column(place)
    return None if pa.types.is_null(column.type) else column


def floats(batch: Any, name: str) -> F32:
    """(N,) float32 of a column of numbers; 0 for null and for no column."""
    import pyarrow as pa

    column = column_of(batch, name)
    if column is not None and pa.types.is_float32(column.type) and not column.null_count:
        same: F32 = column.to_numpy(zero_copy_only=False)
        return same
    with np.errstate(over="ignore"):
        return numbers(batch, name, 0.0).astype(np.float32)


def numbers(batch: Any, name: str, missing: float = np.nan) -> F64:
    """(N,) float64 of a column of integers or floats; `missing` for null and for no column."""
    import pyarrow as pa

    column = column_of(batch, name)
    if column is None:
        return np.full(batch.num_rows, missing)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise wrong_column(name, "numbers", column.type)
    if not column.null_count:
        values: F64 = column.to_numpy(zero_copy_only=False).astype(np.float64)
        return values
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    nulls = column.is_null().to_numpy(zero_copy_only=False)
    return np.where(nulls, missing, values)


def texts(batch: Any, name: str) -> Any:
    """A column of texts, empty ones where there is no column; may be dictionary-encoded."""
    import pyarrow as pa

    column = column_of(batch, name)
    return (
        pa.array([""] * batch.num_rows, pa.string()) if column is None else as_texts(column, name)
    )


def as_texts(column: Any, name: str) -> Any:
    """An Arrow array, which must be of texts."""
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise wrong_column(name, "texts", column.type)
    return column


def lengths_of(column: Any, name: str) -> I64:
    """(N,) int64, items of each list; 0 for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _is_list(column.type):
        raise wrong_column(name, "lists", column.type)
    lengths = pc.list_value_length(column).fill_null(0).cast(pa.int64())
    found: I64 = lengths.to_numpy(zero_copy_only=False)
    return found


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def fields_of(structs: Any, name: str, empty: Any) -> Any:
    """The fields of an Arrow array of objects as a table; `empty` if it holds none."""
    import pyarrow as pa

    if pa.types.is_null(structs.type) and not len(structs):
        return empty
    if not pa.types.is_struct(structs.type) or not structs.type.num_fields:
        raise wrong_column(name, "lists of objects", structs.type)
    names = [structs.type.field(k).name for k in range(structs.type.num_fields)]
    return pa.record_batch(dict(zip(names, structs.flatten(), strict=True)))


def boxes_of(column: Any, count: int, name: str) -> tuple[F32, Array]:
    """Boxes (N, 4) float32, NaN where there is none, and the numbers of those that are no box."""
    import pyarrow as pa

    if column is None:
        return np.full((count, 4), np.nan, np.float32), np.zeros(0, np.int64)
    lengths = lengths_of(column, name)
    flat = column.flatten()
    if not (pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type)):
        if not pa.types.is_null(flat.type):
            raise wrong_column(name, "numbers", flat.type)
        flat = flat.cast(pa.float64())
    with np.errstate(over="ignore"):
        values = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    four = lengths == 4
    if four.all():
        boxes = values.reshape(-1, 4)
    else:
        boxes = np.full((count, 4), np.nan, np.float32)
        starts = (np.cumsum(lengths) - lengths)[four]
        boxes[four] = values[starts[:, None] + np.arange(4)]
    good = np.isfinite(boxes).all(axis=1)
    good &= (boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])
    if good.all():
        return boxes, np.zeros(0, np.int64)
    given = ~column.is_null().to_numpy(zero_copy_only=False)
    return np.where(good[:, None], boxes, np.float32(np.nan)), np.flatnonzero(given & ~good)
