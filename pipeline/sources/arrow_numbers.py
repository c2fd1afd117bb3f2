"""Numbers out of Arrow memory, with neither pandas nor Arrow's compute functions loaded for it.

`to_numpy` of Arrow imports pandas wherever that is installed (0.3 s), casts and list functions
import `pyarrow.compute` (35 ms), and the first picture of an episode waits for both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.model.arrays import Array, Bool


def is_number(kind: Any) -> bool:
    """True for Arrow's integers, floats and truth values."""
    import pyarrow as pa

    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def numbers_of(values: Any) -> Array:
    """What an Arrow array or column of numbers holds, as `to_numpy` would give it.

    Args:
        values: `pyarrow.Array` or `ChunkedArray` of a type for which `is_number` holds.

    Returns:
        (N,) of the same type (uint8 for truth values), read-only if it is Arrow's own memory. With
        nulls NaN stands for them, and integers are float64.
    """
    import pyarrow as pa

    if not isinstance(values, pa.ChunkedArray):
        return _numbers(values)
    parts = [_numbers(chunk) for chunk in values.chunks]
    if len(parts) == 1:
        return parts[0]
    empty = np.zeros(0, _kind(values.type))
    return np.concatenate([empty, *parts])


def lists_of(values: Any) -> tuple[Any, int]:
    """The items of an Arrow array of lists without nulls, one after the other, and their number.

    Returns:
        `pyarrow.Array` of all items, and how many each list has.

    Raises:
        ValueError: If lists are of unequal length.
    """
    import pyarrow as pa

    count = len(values)
    if pa.types.is_fixed_size_list(values.type):
        size = int(values.type.list_size)
        return values.values.slice(values.offset * size, count * size), size
    if not count:
        return values.values.slice(0, 0), 0
    ends = numbers_of(values.offsets)
    lengths = np.diff(ends)
    size = int(lengths[0])
    if (lengths != size).any():
        raise ValueError("rows of unequal length")
    return values.values.slice(int(ends[0]), count * size), size


def _numbers(values: Any) -> Array:
    """See `numbers_of`; of one piece of memory."""
    import pyarrow as pa

    kind, count = _kind(values.type), len(values)
    validity, memory = values.buffers()
    if not count or memory is None:
        found: Array = np.zeros(count, kind)
    elif pa.types.is_boolean(values.type):
        found = _bits(memory, values.offset, count).astype(kind)
    else:
        found = np.frombuffer(memory, kind, count, values.offset * kind.itemsize)
    if not values.null_count:
        return found
    known = _bits(validity, values.offset, count)
    wide = found if np.issubdtype(kind, np.floating) else found.astype(np.float64)
    return np.where(known, wide, np.array(np.nan, wide.dtype))


def _kind(of: Any) -> np.dtype[Any]:
    import pyarrow as pa

    return np.dtype(np.uint8 if pa.types.is_boolean(of) else of.to_pandas_dtype())


def _bits(memory: Any, start: int, count: int) -> Bool:
    """(N,) bits of Arrow memory, which begins with the lowest bit of each byte."""
    first = start // 8
    some = np.frombuffer(memory, np.uint8, (start + count + 7) // 8 - first, first)
    return np.unpackbits(some, bitorder="little")[start % 8 :][:count].astype(np.bool_)
