from __future__ import annotations

import math

import pytest

from pipeline.evaluation.matching import (
    MatchOptions,
    containment,
    is_match,
    summarise_matches,
)
from pipeline.model.candidate import Box

TRUTH: Box = (0, 0, 10, 10)


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ((0, 0, 10, 4), True),  # IoU 0.4 exactly
        ((0, 0, 10, 3.9), True),  # IoU 0.39, but held entirely
        ((0, 0, 10, 1), True),  # IoU 0.1, held entirely
        ((0, 0, 10, 0.9), False),  # held entirely, IoU 0.09
        ((0, -1, 10, 4), True),  # IoU 40 / 110, 80 % of it inside
        ((0, -1.1, 10, 4), False),  # 78 % inside, IoU 0.36
        ((-5, -5, 15, 15), True),  # truth inside, IoU 0.25
        ((-20, -20, 20, 20), False),  # truth inside, IoU 0.06
        ((10, 0, 20, 10), False),  # touching only
        ((0, 0, 0, 0), False),
        (None, False),
    ],
)
def test_matching_rule(predicted: Box | None, expected: bool) -> None:
    assert is_match(predicted, TRUTH) is expected


def test_iou_of_exactly_the_threshold_matches_without_containment() -> None:
    assert is_match((0, 0, 7, 1), (3, 0, 10, 1))
    assert not is_match((0, 0, 7, 1), (3.1, 0, 10.1, 1))


def test_thresholds_are_options() -> None:
    assert not is_match((0, 0, 10, 4), TRUTH, MatchOptions(iou_match=0.5, containment_iou=0.45))
    assert is_match((0, -1.1, 10, 4), TRUTH, MatchOptions(containment_fraction=0.7))


def test_containment_takes_the_larger_share() -> None:
    assert containment((0, 0, 10, 10), (5, 0, 10, 10)) == 1.0
    assert containment((0, 0, 10, 10), (5, 0, 25, 10)) == 0.5
    assert containment((0, 0, 10, 10), (5, 5, 5, 5)) == 0.0


def test_summary() -> None:
    pairs = [((0.0, 0.0, 10.0, 10.0), TRUTH), ((0.0, 0.0, 10.0, 4.0), TRUTH), (None, TRUTH)]
    summary = summarise_matches(pairs)
    assert (summary.count, summary.correct) == (3, 2)
    assert summary.accuracy == pytest.approx(2 / 3)
    assert summary.mean_iou == pytest.approx(1.4 / 3)
    assert summary.share_iou_50 == pytest.approx(1 / 3)


def test_no_items() -> None:
    summary = summarise_matches([])
    assert summary.count == 0
    assert math.isnan(summary.accuracy)
    assert math.isnan(summary.mean_iou)
