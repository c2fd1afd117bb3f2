"""What is known about which candidate is right, row by row of an annotation table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.model.arrays import Array, Bool

MOST_CANDIDATES = 32
"""Candidates of one annotation that fit into the bits; later ones are neither right nor known."""
U32 = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Judgements:
    """Bit k of a row speaks about the k-th candidate of that row (by id).

    Ground truth knows all candidates of a row. A person who only said “wrong” knows one: when
    other weights choose another candidate, nobody knows whether that one is right.

    Rows without candidates (files that hold only winners) use bit 0 for the winner's box.

    Attributes:
        right: (N,) uint32, candidates that are the object; a subset of `known`.
        known: (N,) uint32, candidates of which that is known.
    """

    right: U32
    known: U32

    def __post_init__(self) -> None:
        if self.right.shape != self.known.shape:
            raise ValueError(f"right: expected shape {self.known.shape}, got {self.right.shape}")

    def __len__(self) -> int:
        return len(self.right)

    @classmethod
    def nothing(cls, count: int) -> Judgements:
        """Nobody knows anything."""
        return cls(np.zeros(count, np.uint32), np.zeros(count, np.uint32))

    def of(self, rows: Array) -> tuple[Bool, Bool]:
        """Of one candidate per annotation: is it right, and is that known?

        Args:
            rows: (N,) int, number of the candidate within its annotation; -1 for none.

        Returns:
            (N,) bool right, (N,) bool known. Choosing nothing is known to be wrong wherever
            anything is known about the row.
        """
        inside = (rows >= 0) & (rows < MOST_CANDIDATES)
        bit = np.where(inside, np.uint32(1) << np.where(inside, rows, 0).astype(np.uint32), 0)
        right = (self.right & bit.astype(np.uint32)) != 0
        known = np.where(rows < 0, self.known != 0, (self.known & bit.astype(np.uint32)) != 0)
        return right, known.astype(np.bool_)

    def over(self, other: Judgements) -> Judgements:
        """These where they know anything about a row, the others elsewhere."""
        mine = self.known != 0
        return Judgements(
            np.where(mine, self.right, other.right), np.where(mine, self.known, other.known)
        )

    def take(self, rows: Array) -> Judgements:
        """The rows chosen by a mask or by numbers."""
        return Judgements(self.right[rows], self.known[rows])
