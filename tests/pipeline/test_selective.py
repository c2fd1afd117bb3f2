from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.selective import (
    aurc,
    coverage_at,
    e_aurc,
    perfect_aurc,
    risk_coverage_curve,
    summarise_selective,
)

Items = list[tuple[float | None, bool]]
# Few distinct values make ties likely.
ITEMS = st.lists(
    st.tuples(st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0])), st.booleans()),
    max_size=6,
)


def split(items: Items) -> tuple[list[float | None], list[bool]]:
    return [s for s, _ in items], [c for _, c in items]


def brute_coverage(items: Items, p: float) -> float:
    best = 0
    for threshold in {s for s, _ in items if s is not None}:
        kept = [c for s, c in items if s is not None and s >= threshold]
        # Exact in integers: p is 90 or 95 of 100.
        if sum(kept) * 100 >= round(p * 100) * len(kept):
            best = max(best, len(kept))
    return best / len(items)


def brute_aurc(items: Items) -> float:
    """Mean over all orders that the scores allow."""
    areas = []
    for order in itertools.permutations(range(len(items))):
        keys = [-math.inf if items[i][0] is None else items[i][0] for i in order]
        missing = [items[i][0] is None for i in order]
        if keys != sorted(keys, reverse=True) or missing != sorted(missing):  # type: ignore[type-var]
            continue
        wrong = [not items[i][1] for i in order]
        risks = [sum(wrong[:k]) / k for k in range(1, len(wrong) + 1)]
        areas.append(sum(risks) / len(risks))
    return sum(areas) / len(areas)


@settings(max_examples=150, deadline=None)
@given(ITEMS.filter(bool))
def test_aurc_is_the_mean_over_all_allowed_orders(items: Items) -> None:
    assert aurc(*split(items)) == pytest.approx(brute_aurc(items))


@settings(max_examples=150, deadline=None)
@given(ITEMS.filter(bool), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_coverage_is_the_largest_that_a_threshold_reaches(items: Items, p: float) -> None:
    assert coverage_at(*split(items), p) == pytest.approx(brute_coverage(items, p))


@settings(max_examples=100, deadline=None)
@given(ITEMS.filter(bool))
def test_e_aurc_is_never_negative(items: Items) -> None:
    assert e_aurc(*split(items)) >= -1e-12


@settings(max_examples=100, deadline=None)
@given(ITEMS)
def test_curve_agrees_with_its_definition(items: Items) -> None:
    curve = risk_coverage_curve(*split(items))
    assert len(curve.threshold) == len({s for s, _ in items if s is not None})
    for threshold, kept, coverage, risk in zip(
        curve.threshold, curve.kept, curve.coverage, curve.risk, strict=True
    ):
        chosen = [c for s, c in items if s is not None and s >= threshold]
        assert kept == len(chosen)
        assert coverage == pytest.approx(len(chosen) / len(items))
        assert risk == pytest.approx(1 - sum(chosen) / len(chosen))


def test_by_hand() -> None:
    scores, correct = [0.9, 0.8, 0.7, 0.6], [True, False, True, False]
    # Risks 0, 1/2, 1/3, 1/2; perfect 0, 0, 1/3, 1/2.
    assert aurc(scores, correct) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert e_aurc(scores, correct) == pytest.approx((1 / 2) / 4)
    assert coverage_at(scores, correct, 0.9) == 0.25
    # Coverage may shrink and grow again: 2 of 3 is enough at 0.6, 1 of 2 is not.
    assert coverage_at(scores, correct, 0.6) == 0.75


def test_equal_scores_are_kept_or_dropped_together() -> None:
    assert coverage_at([0.5, 0.5], [True, False], 0.9) == 0.0
    assert coverage_at([0.9, 0.5, 0.5], [True, True, False], 0.9) == pytest.approx(1 / 3)
    assert aurc([0.5, 0.5], [True, False]) == pytest.approx(0.5)
    assert aurc([0.5, 0.5], [False, True]) == pytest.approx(0.5)


def test_nine_of_ten_is_ninety_percent() -> None:
    correct = [True] * 9 + [False]
    assert coverage_at([0.5] * 10, correct, 0.9) == 1.0
    assert coverage_at([0.5] * 20, [True] * 19 + [False], 0.95) == 1.0
    # 1 - 0.9 is a little less than 0.1 in floating point.
    assert coverage_at([0.5] * 10, [False] * 9 + [True], 0.1) == 1.0


def test_items_without_score_are_never_kept_and_come_last() -> None:
    scores, correct = [None, 0.1, math.nan], [True, True, True]
    assert coverage_at(scores, correct, 0.9) == pytest.approx(1 / 3)
    # -inf is a score: it comes before the item without one.
    assert aurc([-math.inf, None], [True, False]) == pytest.approx(0.25)
    assert aurc([None, -math.inf], [True, False]) == pytest.approx((1 + 0.5) / 2)


@pytest.mark.parametrize(("flag", "area", "coverage"), [(True, 0.0, 1.0), (False, 1.0, 0.0)])
def test_single_class(flag: bool, area: float, coverage: float) -> None:
    scores, correct = [0.1, 0.2, 0.3], [flag] * 3
    assert aurc(scores, correct) == area
    assert e_aurc(scores, correct) == 0.0
    assert coverage_at(scores, correct, 0.9) == coverage


def test_no_items() -> None:
    summary = summarise_selective([], [])
    assert (summary.count, summary.scored) == (0, 0)
    for value in (summary.accuracy, summary.cov_90, summary.cov_95, summary.aurc, summary.e_aurc):
        assert math.isnan(value)
    assert len(risk_coverage_curve([], []).risk) == 0


def test_only_items_without_score() -> None:
    summary = summarise_selective([None, None], [True, False])
    assert (summary.count, summary.scored, summary.accuracy) == (2, 0, 0.5)
    assert summary.cov_90 == 0.0
    assert summary.aurc == pytest.approx(0.5)


def test_perfect_area() -> None:
    assert perfect_aurc(4, 2) == pytest.approx((1 / 3 + 1 / 2) / 4)
    assert perfect_aurc(3, 0) == 0.0


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="expected 2 flags, got 1"):
        aurc([0.1, 0.2], [True])
