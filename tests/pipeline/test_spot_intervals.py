from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import beta, binomtest, hypergeom, norm

from pipeline.review.spot_intervals import estimate, exact_intervals, intervals
from pipeline.review.spot_plan import LEAST_ANSWERS, SEQUENTIAL
from tests.pipeline.spot_scenarios import FIXED, VARIED, Scenario, coverage, stopping

INF = float("inf")
NOMINAL = 0.93
"""At least this much of the nominal 95 %, over 2,000 simulated datasets each."""


@given(st.integers(1, 300), st.data())
def test_one_stratum_is_scipys_own(judged: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, judged))
    found = estimate([right], [judged], [INF])
    plain = binomtest(right, judged)
    wilson = plain.proportion_ci(method="wilsoncc")
    exact = plain.proportion_ci(method="exact")
    assert found.precision == pytest.approx(right / judged)
    assert found.wilson.low == pytest.approx(wilson.low, abs=1e-7)
    assert found.wilson.high == pytest.approx(wilson.high, abs=1e-7)
    assert found.exact.low == pytest.approx(exact.low, abs=1e-7)
    assert found.exact.high == pytest.approx(exact.high, abs=1e-7)


@pytest.mark.parametrize(("right", "judged", "size"), [(27, 30, 100), (30, 30, 50), (5, 10, 500)])
def test_a_finite_stratum_counts_as_more_answers(right: int, judged: int, size: int) -> None:
    found = estimate([right], [judged], [size])
    answers = judged * (size - 1) / (size - judged)
    hits = answers * right / judged
    low = beta.ppf(0.025, hits, answers - hits + 1)
    high = beta.ppf(0.975, hits + 1, answers - hits) if right < judged else 1.0
    assert found.exact.low == pytest.approx(math.floor(low * size) / size)
    assert found.exact.high == pytest.approx(
        min(math.ceil(high * size) / size, 1 - (judged - right) / size)
    )


def test_more_levels_are_wider() -> None:
    low, high = estimate([45], [50], [INF], 0.9), estimate([45], [50], [INF], 0.99)
    assert low.exact.half_width < high.exact.half_width
    assert low.wilson.half_width < high.wilson.half_width


def test_a_population_judged_completely_is_known() -> None:
    found = estimate([9, 18], [10, 20], [10, 20])
    assert found.precision == pytest.approx(0.9)
    for interval in (found.wilson, found.exact):
        assert (interval.low, interval.high) == pytest.approx((0.9, 0.9))


def test_a_stratum_judged_completely_adds_no_uncertainty() -> None:
    alone = estimate([45], [50], [1000])
    both = estimate([45, 1000], [50, 1000], [1000, 1000])
    # half of the population is known to be right
    assert both.wilson.low == pytest.approx(0.5 + alone.wilson.low / 2, abs=1e-6)
    assert both.wilson.high == pytest.approx(0.5 + alone.wilson.high / 2, abs=1e-6)


def test_equal_strata_in_proportion_are_as_good_as_one() -> None:
    split = estimate([29, 29], [30, 30], [INF, INF])
    whole = estimate([58], [60], [INF])
    assert split.wilson.low == pytest.approx(whole.wilson.low, abs=1e-6)
    assert split.exact.high == pytest.approx(whole.exact.high, abs=1e-6)


def test_all_right_everywhere_still_has_a_lower_limit() -> None:
    found = estimate([10, 5, 40], [10, 5, 40], [500, 900, 4000])
    assert found.precision == 1.0
    assert found.exact.high == 1.0
    assert 0.7 < found.exact.low < 0.95
    none = estimate([0, 0, 0], [10, 5, 40], [500, 900, 4000])
    assert none.exact.low == 0.0
    assert none.exact.high == pytest.approx(1.0 - found.exact.low, abs=2e-3)


def test_a_stratum_without_answers_may_be_anything() -> None:
    found = estimate([9, 0], [10, 0], [50, 50])
    assert found.precision == pytest.approx(0.9)
    assert found.exact.low < 0.5 * 0.9
    assert found.exact.high > 0.5 * 0.9 + 0.5
    empty = estimate([0, 0], [0, 0], [50, 50])
    assert math.isnan(empty.precision)
    assert (empty.exact.low, empty.exact.high) == (0.0, 1.0)


def test_what_was_seen_cannot_be_undone() -> None:
    found = estimate([3], [8], [10])
    assert found.exact.low >= 0.3
    assert found.exact.high <= 0.5
    # the truth is 3, 4 or 5 of 10, and each is likely enough
    for good in (3, 4, 5):
        assert hypergeom.pmf(3, 10, good, 8) > 0.025


@given(st.integers(2, 5), st.data())
def test_limits_enclose_the_estimate_and_turn_round(height: int, data: st.DataObject) -> None:
    judged = [data.draw(st.integers(1, 30)) for _ in range(height)]
    right = [data.draw(st.integers(0, n)) for n in judged]
    sizes = [data.draw(st.integers(n, 400)) for n in judged]
    found = estimate(right, judged, sizes)
    for interval in (found.wilson, found.exact):
        assert 0.0 <= interval.low <= found.precision + 1e-9
        assert found.precision - 1e-9 <= interval.high <= 1.0
    turned = estimate([n - k for k, n in zip(right, judged, strict=True)], judged, sizes)
    assert turned.exact.low == pytest.approx(1.0 - found.exact.high, abs=1e-6)
    assert turned.wilson.high == pytest.approx(1.0 - found.wilson.low, abs=1e-6)


def test_what_could_not_be_told_makes_weights_uncertain() -> None:
    right, judged, told = np.array([[9.0, 1.0]]), np.array([[9.0, 9.0]]), np.array([[90.0, 90.0]])
    unsure = np.array([[1.0, 1.0]])
    for sure, loose in zip(
        intervals(right, judged, told), intervals(right, judged, told, unsure=unsure), strict=True
    ):
        assert loose[0, 0] < sure[0, 0] - 1e-3
        assert loose[0, 1] > sure[0, 1] + 1e-3
    # strata of equal precision: weights do not matter, but for rounding to the population
    alike = intervals(judged, judged, told), intervals(judged, judged, told, unsure=unsure)
    assert np.stack(alike[0]) == pytest.approx(np.stack(alike[1]), abs=1 / 90)
    one = intervals(right[:, :1], judged[:, :1], np.array([[INF]]))
    same = intervals(right[:, :1], judged[:, :1], np.array([[INF]]), unsure=unsure[:, :1])
    assert np.stack(one) == pytest.approx(np.stack(same))


def test_impossible_counts_are_refused() -> None:
    for right, judged, size in ((3, 2, 10), (-1, 2, 10), (3, 12, 10)):
        with pytest.raises(ValueError, match="right <= judged <= population"):
            estimate([right], [judged], [size])


def test_many_at_once_equal_one_at_a_time() -> None:
    rng = np.random.default_rng(3)
    judged = rng.integers(1, 20, (30, 3)).astype(float)
    right = rng.binomial(judged.astype(int), 0.9).astype(float)
    sizes = np.array([[100.0, 300.0, 50.0]])
    wilson, exact = intervals(right, judged, sizes)
    assert exact == pytest.approx(exact_intervals(right, judged, sizes))
    for i in range(30):
        one = estimate(right[i], judged[i], sizes[0])
        assert (one.exact.low, one.exact.high) == pytest.approx(tuple(exact[i]))
        assert (one.wilson.low, one.wilson.high) == pytest.approx(tuple(wilson[i]))


@pytest.mark.parametrize("scenario", [*FIXED, *VARIED], ids=lambda s: s.name)
def test_both_intervals_cover(scenario: Scenario) -> None:
    found = coverage(scenario)
    assert found.wilson >= NOMINAL
    assert found.exact >= NOMINAL
    assert found.wilson_width < 1.2 * found.exact_width  # and are no wider than they must be


@pytest.mark.parametrize(("right", "judged", "size"), [(27, 30, 100), (30, 30, 50), (5, 10, 500)])
def test_wilson_takes_half_an_item_off_at_the_effective_sample_size(
    right: int, judged: int, size: int
) -> None:
    answers = judged * (size - 1) / (size - judged)
    share, z = right / judged, norm.ppf(0.975)

    def distance(p: float) -> float:
        return (abs(p - share) - 0.5 / answers) - z * math.sqrt(p * (1 - p) / answers)

    low = brentq(distance, 1e-9, share - 1e-9)
    high = brentq(distance, share + 1e-9, 1 - 1e-9) if right < judged else 1.0
    found = estimate([right], [judged], [size]).wilson
    assert found.low == pytest.approx(math.floor(low * size) / size)
    assert found.high == pytest.approx(
        min(math.ceil(high * size) / size, 1 - (judged - right) / size)
    )


@pytest.mark.parametrize(
    ("sizes", "precision", "wanted"),
    [
        ((2000,), (0.82,), 0.08),
        ((1000, 3000), (0.7, 0.92), 0.08),
        ((300, 500, 1200), (0.8, 0.9, 1.0), 0.06),
    ],
)
def test_looking_after_every_answer_keeps_coverage(
    sizes: tuple[int, ...], precision: tuple[float, ...], wanted: float
) -> None:
    found = stopping(sizes, precision, wanted, SEQUENTIAL, least=LEAST_ANSWERS)
    assert found.reached == 1.0
    assert found.coverage >= NOMINAL
