"""Columns that grow batch by batch and need little more memory than they hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.annotations.table import Texts
from pipeline.model.arrays import Array


class Growing:
    """An array that grows in place: joining parts at the end would need twice the memory."""

    def __init__(self, kind: Any, width: int = 0) -> None:
        """Begin empty.

        Args:
            kind: Type of the values.
            width: Values of a row, 0 for a flat array.
        """
        self._shape: tuple[int, ...] = (width,) if width else ()
        self._values: Array = np.empty((0, *self._shape), kind)
        self._count = 0

    def reserve(self, count: int) -> None:
        """Make room for so many rows; memory is only used when they come."""
        if count > len(self._values):
            grown = np.empty((count, *self._shape), self._values.dtype)
            grown[: self._count] = self._values[: self._count]
            self._values = grown

    def add(self, values: Array) -> None:
        """Add rows."""
        count = self._count + len(values)
        if count > len(self._values):
            # A quarter more: the system moves large blocks without copying them.
            self._values.resize((max(count, count * 5 // 4), *self._shape), refcheck=False)
        self._values[self._count : count] = values
        self._count = count

    def finish(self) -> Array:
        """The rows; this one is empty afterwards."""
        values, self._values = self._values, self._values[:0].copy()
        if len(values) > self._count:
            values.resize((self._count, *self._shape), refcheck=False)
        self._count = 0
        return values


class TextColumn:
    """Texts that repeat, collected batch by batch."""

    def __init__(self) -> None:
        self._codes = Growing(np.int32)
        self._numbers: dict[str, int] = {}

    def reserve(self, count: int) -> None:
        """Make room for so many texts."""
        self._codes.reserve(count)

    def add(self, texts: Any) -> None:
        """Add an Arrow array of texts; null is the empty text."""
        own = texts.dictionary_encode()
        numbers = self._numbers
        found = own.dictionary.to_pylist()
        codes = [numbers.setdefault(v or "", len(numbers)) for v in found]
        indices = own.indices
        if indices.null_count:
            indices = indices.fill_null(len(codes))
            codes.append(numbers.setdefault("", len(numbers)))
        new = np.array(codes, np.int32)
        self._codes.add(new[indices.to_numpy(zero_copy_only=False)])

    def finish(self) -> Texts:
        """The whole column; this one is empty afterwards."""
        return Texts(self._codes.finish(), tuple(self._numbers))
