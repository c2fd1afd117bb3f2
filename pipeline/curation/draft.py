"""Threshold and weights that nobody saved yet: kept, so that closing a window loses nothing."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from pipeline.curation.operating_points import Basis
from pipeline.evaluation.features import ScoreWeights


@dataclass(frozen=True, slots=True)
class Draft:
    """The setting of a window.

    Attributes:
        threshold: Threshold of R.
        weights: Weights of the score.
        target: Precision that the threshold follows, None if it was chosen itself.
        basis: Whose word counts.
    """

    threshold: float
    weights: ScoreWeights
    target: float | None = None
    basis: Basis = Basis.BOTH

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))


def draft_of(text: str) -> Draft | None:
    """Read a draft; None if it is none (another version, a broken file)."""
    try:
        found = json.loads(text)
        weights = {f.name: _number(found["weights"][f.name]) for f in fields(ScoreWeights)}
        target = found.get("target")
        return Draft(
            _number(found["threshold"]),
            ScoreWeights(**weights),
            None if target is None else _number(target),
            Basis(found.get("basis", Basis.BOTH)),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number
