"""When a predicted box counts as correct (SPARC table 5, IA-Bench)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.candidate import Box
from pipeline.model.options import option
from pipeline.model.score import box_area, box_iou

_PAPER = "SPARC table 5"


@dataclass(frozen=True)
class MatchOptions:
    """The matching rule; the fields say themselves what they are."""

    iou_match: float = option(
        0.4, "A box with at least this IoU is correct.", low=0.0, high=1.0, source=_PAPER
    )
    containment_iou: float = option(
        0.1, "Least IoU of the containment rule.", low=0.0, high=1.0, source=_PAPER
    )
    containment_fraction: float = option(
        0.8,
        "Share of one of the boxes that lies in the other under the containment rule.",
        low=0.0,
        high=1.0,
        source=_PAPER,
    )


PUBLISHED = MatchOptions()


@dataclass(frozen=True, slots=True)
class MatchSummary:
    """How well boxes fit; NaN without items.

    The rule forgives size, so accuracy is always to be read beside `mean_iou` and `share_iou_50`.

    Attributes:
        count: Number of items.
        correct: Number of correct items.
        accuracy: Share of correct items.
        mean_iou: Mean IoU; a missing prediction counts as 0.
        share_iou_50: Share of items with IoU of 0.5 or more.
    """

    count: int
    correct: int
    accuracy: float
    mean_iou: float
    share_iou_50: float


def containment(a: Box, b: Box) -> float:
    """Largest share of one box that lies inside the other, 0..1."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    smaller = min(box_area(a), box_area(b))
    return width * height / smaller if smaller > 0 else 0.0


def is_match(predicted: Box | None, truth: Box, options: MatchOptions = PUBLISHED) -> bool:
    """True if IoU >= 0.4, or IoU >= 0.1 and one box holds 80 % of the other.

    Args:
        predicted: Predicted box, None if there is none (never correct).
        truth: Box drawn by a person.
        options: Thresholds.
    """
    if predicted is None:
        return False
    iou = box_iou(predicted, truth)
    return iou >= options.iou_match or (
        iou >= options.containment_iou
        and containment(predicted, truth) >= options.containment_fraction
    )


def summarise_matches(
    pairs: Sequence[tuple[Box | None, Box]], options: MatchOptions = PUBLISHED
) -> MatchSummary:
    """Accuracy, mean IoU and share with IoU >= 0.5.

    Args:
        pairs: (predicted or None, truth) of every item.
        options: Thresholds.
    """
    if not pairs:
        return MatchSummary(0, 0, float("nan"), float("nan"), float("nan"))
    ious = np.array([0.0 if p is None else box_iou(p, t) for p, t in pairs])
    correct = sum(is_match(p, t, options) for p, t in pairs)
    return MatchSummary(
        count=len(pairs),
        correct=correct,
        accuracy=correct / len(pairs),
        mean_iou=float(ious.mean()),
        share_iou_50=float((ious >= 0.5).mean()),
    )
