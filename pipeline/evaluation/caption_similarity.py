"""Text similarity of two captions: for diagnosis only, never a verdict.

A weighted mean of how far object, colour, action and intent (where it goes) agree, each 0..1. The
publication names the four and not their weights; ours follow what is named most often in its
failures: things before verbs. Parts that neither caption has are left out, and the weights of the
others grow in proportion.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

OBJECT_WEIGHT = 0.35
ACTION_WEIGHT = 0.30
INTENT_WEIGHT = 0.20
COLOR_WEIGHT = 0.15
"""Weights (our choice); they add up to 1."""


@dataclass(frozen=True, slots=True)
class CaptionAgreement:
    """How far two captions agree, part by part; None where neither caption has the part.

    Attributes:
        object_name: Overlap of the words of the object, 0..1.
        color: Overlap of the colours of all things, 0..1.
        action: 1 for the same verb, 0.5 for one of the same kind of action, else 0.
        intent: Mean of the overlap of destination and source, and of whether the prepositions
            agree, 0..1.
    """

    object_name: float | None
    color: float | None
    action: float | None
    intent: float | None

    @property
    def similarity(self) -> float:
        """The weighted mean, 0..1; 0 where nothing can be compared."""
        parts = (
            (OBJECT_WEIGHT, self.object_name),
            (ACTION_WEIGHT, self.action),
            (INTENT_WEIGHT, self.intent),
            (COLOR_WEIGHT, self.color),
        )
        known = [(weight, value) for weight, value in parts if value is not None]
        total = sum(weight for weight, _ in known)
        return sum(weight * value for weight, value in known) / total if total else 0.0


def overlap(first: Set[str], second: Set[str]) -> float | None:
    """Dice coefficient 2 |A and B| / (|A| + |B|), 0..1; None if both are empty."""
    total = len(first) + len(second)
    return 2 * len(first & second) / total if total else None
