"""Bootstrap, Wilson, bands, reliability and calibration, against hand-computed cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.evaluation.intervals_of_curves import (
    UNKNOWN,
    Bootstrap,
    curve_band,
    resampled_weights,
    selective_intervals,
    share_interval,
    wilson,
)
from pipeline.evaluation.reliability import (
    Calibration,
    calibration_error,
    cross_validated,
    equal_count_bins,
    reliability_bins,
)
from pipeline.evaluation.selective import (
    operating_point,
    precision_at,
    risk_at,
    summarise_selective,
)
from pipeline.evaluation.tie_groups import TieGroups
from pipeline.model.problem import Cancelled

NAN = math.nan
MIXED = ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [True, True, False, True, False, False])


# -- points of the curve ---------------------------------------------------------------------


def test_operating_point_by_hand() -> None:
    scores, correct = MIXED
    point = operating_point(scores, correct, 0.7)
    assert (point.threshold, point.kept, point.correct) == (0.6, 4, 3)
    assert point.coverage == pytest.approx(4 / 6)
    assert point.precision == 0.75
    nothing = operating_point([0.5, 0.5], [True, False], 0.9)
    assert (nothing.kept, nothing.coverage) == (0, 0.0)
    assert math.isnan(nothing.threshold)
    assert math.isnan(operating_point([], [], 0.9).coverage)


def test_risk_at_a_coverage_by_hand() -> None:
    scores, correct = MIXED
    assert risk_at(scores, correct, [1 / 6, 3 / 6, 1.0]) == pytest.approx([0, 1 / 3, 1 / 2])
    # Between two places: half of the third item, which is wrong.
    assert risk_at(scores, correct, [2.5 / 6]) == pytest.approx([0.5 / 2.5])
    assert precision_at(scores, correct, 0.5) == pytest.approx(2 / 3)


def test_risk_inside_a_group_is_what_is_expected() -> None:
    # One right, then three equal ones of which two are wrong.
    scores, correct = [0.9, 0.5, 0.5, 0.5], [True, True, False, False]
    assert risk_at(scores, correct, [0.25, 0.5, 0.75, 1.0]) == pytest.approx(
        [0, (2 / 3) / 2, (4 / 3) / 3, 2 / 4]
    )


def test_risk_is_unknown_at_nothing_and_beyond_the_scored() -> None:
    found = risk_at([0.9, None, 0.5, NAN], [True, True, False, True], [0.0, 0.25, 0.5, 0.51, 1.0])
    assert found[1:3] == pytest.approx([0.0, 0.5])
    assert np.isnan(found[[0, 3, 4]]).all()
    assert np.isnan(risk_at([], [], [0.5])).all()
    assert np.isnan(risk_at([None], [True], [0.5])).all()


def test_a_tenth_of_ten_is_one_item() -> None:
    # 0.3 * 10 is a little more than 3 in floating point.
    found = risk_at(list(range(10, 0, -1)), [True] * 3 + [False] * 7, [0.3])
    assert found == [0.0]


# -- resampling ------------------------------------------------------------------------------


def brute(order: list[int], scores: list[float], correct: list[bool]) -> list[float]:
    chosen = summarise_selective([scores[i] for i in order], [correct[i] for i in order])
    return [chosen.aurc, chosen.e_aurc, chosen.cov_90]


def test_resamples_are_measured_as_single_samples_are() -> None:
    random = np.random.default_rng(5)
    scores = random.integers(0, 6, 30) / 4
    scores[:3] = NAN
    correct = random.random(30) < 0.6
    settings = Bootstrap(resamples=40, seed=3)
    (weights,) = resampled_weights(30, settings)
    assert weights.shape == (40, 30)
    assert (weights.sum(axis=1) == 30).all()
    expected = [
        brute(np.repeat(np.arange(30), w).tolist(), scores.tolist(), correct.tolist())
        for w in weights
    ]
    low, high = np.quantile(expected, [0.025, 0.975], axis=0)
    found = selective_intervals(scores, correct, settings=settings)
    for k, interval in enumerate((found.aurc, found.e_aurc, found.cov[0.90])):
        assert interval.low == pytest.approx(low[k], abs=1e-12)
        assert interval.high == pytest.approx(high[k], abs=1e-12)


def test_seed_and_size_of_blocks_decide_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, correct = MIXED
    once = selective_intervals(scores, correct, settings=Bootstrap(200, seed=1))
    assert once == selective_intervals(scores, correct, settings=Bootstrap(200, seed=1))
    assert once != selective_intervals(scores, correct, settings=Bootstrap(200, seed=2))
    monkeypatch.setattr("pipeline.evaluation.intervals_of_curves._AT_ONCE", 60)
    assert once == selective_intervals(scores, correct, settings=Bootstrap(200, seed=1))


def test_clusters_are_drawn_whole() -> None:
    clusters = np.array([7, 7, 7, 2, 2, 5])
    (weights,) = resampled_weights(6, Bootstrap(100), clusters)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    drawn = weights[:, 0] + weights[:, 3] + weights[:, 5]
    assert (drawn == 3).all()
    assert len(set(weights.sum(axis=1).tolist())) > 1


def test_items_that_hang_together_widen_the_intervals() -> None:
    random = np.random.default_rng(0)
    scores = np.repeat(random.random(60), 5)
    correct = np.repeat(random.random(60) < 0.7, 5)
    clusters = np.repeat(np.arange(60), 5)
    alone = selective_intervals(scores, correct)
    together = selective_intervals(scores, correct, clusters=clusters)
    assert together.aurc.high - together.aurc.low > 1.5 * (alone.aurc.high - alone.aurc.low)
    narrow, wide = share_interval(correct), share_interval(correct, clusters)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    # Copies tell nothing new: about as many items as clusters.
    assert wide.low == pytest.approx(wilson(int(correct[::5].sum()), 60).low, abs=0.02)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Coverage of the AURC's bootstrap over 200 simulated test sets; nominal 95 %."""
    random = np.random.default_rng(11)

    def sample(count: int) -> tuple[np.ndarray, np.ndarray]:
        scores = random.random(count)
        return scores, random.random(count) < 0.4 + 0.6 * scores

    true = summarise_selective(*sample(400_000)).aurc
    inside = 0
    for seed in range(200):
        found = selective_intervals(*sample(200), settings=Bootstrap(200, seed), precisions=()).aurc
        inside += found.low <= true <= found.high
    assert inside / 200 >= 0.88


def test_one_class_nothing_and_one_item() -> None:
    for flag in (True, False):
        found = selective_intervals(
            [0.1, 0.2, 0.3], [flag] * 3, coverages=[0.5], means={"iou": np.array([0.1, 0.5, 0.9])}
        )
        assert found.aurc is found.e_aurc is found.cov[0.90] is UNKNOWN
        assert found.band is not None
        assert found.band.risk == pytest.approx([0.0 if flag else 1.0])
        assert np.isnan(found.band.low).all()
        assert found.means["iou"].low < 0.5 < found.means["iou"].high
    assert selective_intervals([], []).aurc is UNKNOWN
    assert selective_intervals([0.5], [True]).cov[0.95] is UNKNOWN
    assert selective_intervals([0.5, 0.1], [True, False], clusters=np.zeros(2)).aurc is UNKNOWN
    assert selective_intervals(*MIXED, settings=Bootstrap(0)).aurc is UNKNOWN
    unscored = selective_intervals([None, None, None], [True, False, True])
    assert unscored.cov[0.90].high == 0.0
    assert unscored.aurc.low == 0.0


def test_shares_of_one_kind_have_an_interval() -> None:
    assert wilson(9, 9).high == 1.0
    assert wilson(9, 9).low == pytest.approx(9 / (9 + 1.959964**2), abs=1e-6)
    assert wilson(0, 0) is UNKNOWN
    assert share_interval([]) is UNKNOWN
    # 10 right items of 4 episodes count as 4 on the safe side.
    clusters = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 3])
    assert share_interval([True] * 10, clusters) == wilson(4, 4)
    assert share_interval([True, False, True], np.arange(3)) == wilson(2, 3)
    assert share_interval([True, True], np.zeros(2)) == wilson(1, 1)


def test_band_lies_around_the_curve() -> None:
    random = np.random.default_rng(2)
    scores = random.random(300)
    correct = random.random(300) < scores
    at = np.linspace(0.1, 1.0, 10)
    band = curve_band(scores, correct, at, Bootstrap(300))
    assert (band.low <= band.risk).all()
    assert (band.risk <= band.high).all()
    assert (band.high - band.low > 0).all()
    assert band.risk == pytest.approx(risk_at(scores, correct, at))
    assert not len(curve_band(scores, correct, []).risk)


def test_band_is_unknown_where_few_resamples_get() -> None:
    scores = np.where(np.arange(100) < 50, NAN, np.linspace(0, 1, 100))
    correct = np.arange(100) % 3 > 0
    band = curve_band(scores, correct, [0.4, 0.5, 0.7], Bootstrap(200))
    assert np.isfinite(band.low[0])
    assert math.isnan(band.low[2])
    assert math.isnan(band.risk[2])


def test_area_of_an_empty_resample_is_unknown() -> None:
    groups = TieGroups.of(np.array([0.5, 0.1]))
    counts = groups.count(np.array([False, True]), np.array([[0, 0], [2, 0], [0, 3]]))
    found = counts.areas()
    assert math.isnan(counts.coverages_at(0.9)[0])
    assert counts.coverages_at(0.9)[1:].tolist() == [0, 1]
    assert math.isnan(found[0])
    assert found[1:] == pytest.approx([1.0, 0.0])


# -- reliability -----------------------------------------------------------------------------


def test_bins_of_equal_count_by_hand() -> None:
    bins = reliability_bins([5, 1, 3, None, 2, 4, 6], [1, 0, 1, 1, 0, 0, 1], bins=3)
    assert bins.low.tolist() == [1, 3, 5]
    assert bins.high.tolist() == [2, 4, 6]
    assert bins.mean.tolist() == [1.5, 3.5, 5.5]
    assert bins.count.tolist() == [2, 2, 2]
    assert bins.right.tolist() == [0, 1, 2]
    assert bins.accuracy.tolist() == [0, 0.5, 1]
    assert bins.unscored == 1
    assert bins.lower[1] == pytest.approx(wilson(1, 2).low)
    assert bins.upper[2] == 1.0


def test_equal_scores_share_a_bin() -> None:
    assert equal_count_bins(np.array([1.0, 1, 1, 1, 2]), 5).tolist() == [0, 0, 0, 0, 1]
    assert len(reliability_bins([0.5] * 7, [True] * 7)) == 1
    assert len(reliability_bins([], [])) == 0
    with pytest.raises(ValueError, match="at least 1"):
        equal_count_bins(np.zeros(2), 0)


def test_isotonic_calibration_by_hand() -> None:
    fitted = Calibration.fit([1, 2, 3, 4, 4], [0, 1, 0, 1, 0])
    # 2 and 3 fall and are pooled: 1/2; the two of score 4 are one point of 1/2.
    assert fitted.scores.tolist() == [1, 2, 3, 4]
    assert fitted.probabilities == pytest.approx([0, 0.5, 0.5, 0.5])
    found = fitted.probability([0, 1.5, 9, None])
    assert found[:3] == pytest.approx([0, 0.25, 0.5])
    assert math.isnan(found[3])
    empty = Calibration.fit([None], [True])
    assert np.isnan(empty.probability([0.5])).all()


def test_calibration_error_by_hand() -> None:
    p = np.array([0.1, 0.2, 0.8, 0.9, NAN])
    right = [False, False, True, False, True]
    # Bins {0.1, 0.2}: 0 against 0.15; {0.8, 0.9}: 0.5 against 0.85.
    assert calibration_error(p, right, bins=2) == pytest.approx((2 * 0.15 + 2 * 0.35) / 4)
    assert math.isnan(calibration_error(np.array([NAN]), [True]))


def test_cross_validation_sees_no_item_twice() -> None:
    random = np.random.default_rng(1)
    scores = random.random(2000)
    correct = random.random(2000) < scores
    found = cross_validated(scores, correct)
    assert found.folds == 5
    assert found.ece < 0.05
    assert found.brier == pytest.approx(1 / 6, abs=0.02)  # mean of p (1 - p)
    # Pure noise: the curve knows nothing, and in-sample fit would look better than it is.
    noise = random.random(300) < 0.5
    own = Calibration.fit(scores[:300], noise)
    fitted = float(np.mean((own.probability(scores[:300]) - noise) ** 2))
    assert cross_validated(scores[:300], noise).brier > fitted


def test_cross_validation_keeps_episodes_together() -> None:
    # Of each episode both items have its own score and verdict: with leaks this would be easy.
    random = np.random.default_rng(3)
    scores = np.repeat(random.random(100), 2)
    noise = np.repeat(random.random(100) < 0.5, 2)
    apart = cross_validated(scores, noise, clusters=np.repeat(np.arange(100), 2))
    assert apart.brier > cross_validated(scores, noise).brier
    few = cross_validated([0.5, 0.6], [True, False], clusters=np.zeros(2))
    assert (few.folds, math.isnan(few.ece)) == (0, True)
    assert cross_validated([0.5, None, 0.7], [True, True, False]).folds == 2


def test_lengths_must_agree() -> None:
    for call in (selective_intervals, reliability_bins):
        with pytest.raises(ValueError, match="expected 2 flags, got 1"):
            call([0.1, 0.2], [True])


def test_a_band_that_nobody_wants_any_more_stops() -> None:
    scores, correct = MIXED
    with pytest.raises(Cancelled):
        curve_band(scores, correct, [0.5, 1.0], is_cancelled=lambda: True)
