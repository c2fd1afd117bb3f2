"""Numbers out of Arrow memory are those that Arrow itself would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.sources.arrow_numbers import is_number, lists_of, numbers_of

_NUMBERS = [
    pa.array([1, 2, 3, 250], pa.uint8()),
    pa.array([1, -2, 3], pa.int16()),
    pa.array([1, 2**60, -3], pa.int64()),
    pa.array([1.5, -2.25, 3.0], pa.float32()),
    pa.array([1.5, np.nan, np.inf], pa.float64()),
    pa.array(np.array([1.5, -0.25], np.float16)),
    pa.array([1.5, None, 3.0, None], pa.float32()),
    pa.array([1, None, 3], pa.int64()),
    pa.array([None, None], pa.int32()),
    pa.array([], pa.float32()),
]


@pytest.mark.parametrize("values", _NUMBERS, ids=lambda v: f"{v.type}-{v.null_count}")
@pytest.mark.parametrize("start", [0, 1])
def test_numbers_are_those_of_to_numpy(values: Any, start: int) -> None:
    part = values.slice(start)
    expected = part.to_numpy(zero_copy_only=False)
    found = numbers_of(part)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert is_number(values.type)


@pytest.mark.parametrize("start", [0, 3, 8, 13])
def test_truth_values_are_unpacked_from_any_place(start: int) -> None:
    truths = [
        True,
        False,
        False,
        True,
        True,
        True,
        False,
        True,
        False,
        True,
        True,
        False,
        True,
        True,
    ]
    found = numbers_of(pa.array(truths).slice(start))
    assert found.dtype == np.uint8
    assert found.tolist() == truths[start:]
    missing = numbers_of(pa.array([True, None, False]))
    np.testing.assert_array_equal(missing, [1.0, np.nan, 0.0])


def test_a_column_of_several_pieces_is_one_array() -> None:
    pieces = [np.arange(3), np.arange(0), np.arange(3, 7)]
    column = pa.chunked_array([pa.array(p) for p in pieces])
    np.testing.assert_array_equal(numbers_of(column), np.arange(7))
    nothing = numbers_of(pa.chunked_array([], pa.float32()))
    assert nothing.dtype == np.float32
    assert len(nothing) == 0


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float32())])
def test_items_of_lists_begin_where_the_slice_does(kind: Any) -> None:
    rows = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    items, size = lists_of(pa.array(rows, kind).slice(1))
    assert (items.to_pylist(), size) == ([2.0, 3.0, 4.0, 5.0], 2)
    fixed = pa.array(rows, pa.list_(pa.float32(), 2)).slice(1, 1)
    items, size = lists_of(fixed)
    assert (items.to_pylist(), size) == ([2.0, 3.0], 2)


def test_lists_of_unequal_length_are_refused() -> None:
    uneven = pa.array([[1.0], [2.0, 3.0]])
    with pytest.raises(ValueError, match="unequal"):
        lists_of(uneven)
    # What is cut off does not count.
    assert lists_of(uneven.slice(1))[1] == 2
    assert lists_of(uneven.slice(0, 0)) == (pa.array([], pa.float64()), 0)
