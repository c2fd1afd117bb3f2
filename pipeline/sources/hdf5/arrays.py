"""Numeric arrays in HDF5 files by their path: found, measured and read, or a problem."""

from __future__ import annotations

import logging
import math
from typing import Any

from pipeline.model.arrays import Array
from pipeline.model.problem import DataError, Problem
from pipeline.sources.hdf5 import access as hdf5

log = logging.getLogger(__name__)

_MOST_COLUMNS = 512
_MOST_VALUES = 1 << 27
"""Of all arrays together, 1 GiB as they are read."""
# What h5py raises when it is asked for shape or type of a damaged array.
_DAMAGED = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError)


def array_at(file: Any, path: str) -> Any:
    """Find an array that has at least one row.

    Args:
        file: An open file or a group.
        path: Where it is, `a/b/c`.

    Returns:
        The dataset, or None if there is none, or an empty one, or a single value.

    Raises:
        DataError: It is damaged or refused; one sentence.
    """
    node = hdf5.child(file, path)
    try:
        shape, kind = getattr(node, "shape", None), getattr(node, "dtype", None)
    except _DAMAGED as error:
        raise DataError("bad_hdf5", f"{path} cannot be read ({error})") from error
    return node if shape and all(shape) and kind is not None else None


def arrays_at(file: Any, paths: tuple[str, ...], problems: list[Problem]) -> dict[str, Any]:
    """Find several arrays; a damaged one becomes a problem and leaves the others.

    Args:
        file: An open file or a group.
        paths: Where they are.
        problems: Gets what is damaged.

    Returns:
        The arrays that are there and not empty, by path.
    """
    found = {}
    for path in paths:
        try:
            node = array_at(file, path)
        except DataError as error:
            problems.append(Problem(error.code, str(error)))
            continue
        if node is not None:
            found[path] = node
    return found


def within_reason(nodes: dict[str, Any], length: int, problems: list[Problem]) -> dict[str, Any]:
    """Leave out arrays that no episode of this length can have; nothing is read.

    A compressed file of a few kilobytes may unpack to gigabytes in each of its arrays.

    Args:
        nodes: What `arrays_at` found.
        length: Rows of the episode.
        problems: Gets what is left out.
    """
    kept, values = {}, 0
    for path, node in nodes.items():
        rows, columns = node.shape[0], math.prod(node.shape[1:])
        values += rows * columns
        if rows > 2 * length + 1000 or columns > _MOST_COLUMNS or values > _MOST_VALUES:
            values -= rows * columns
            text = f"{path} has the shape {node.shape} for {length} rows and is left out"
            problems.append(Problem("columns_differ", text))
        else:
            kept[path] = node
    return kept


def read_array(file: Any, path: str) -> Array | None:
    """Read an array that an episode can do without; None if it is missing or damaged."""
    try:
        node = array_at(file, path)
        return None if node is None else hdf5.numbers(node, path)
    except DataError as error:
        log.info("%s", error)
        return None
