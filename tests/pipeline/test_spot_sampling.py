from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from pipeline.annotations.table import AnnotationTable
from pipeline.model.arrays import I64
from pipeline.model.problem import DataError
from pipeline.review.spot_intervals import estimate
from pipeline.review.spot_plan import SEQUENTIAL, Allocation, Cut, Keep, Population, SpotPlan
from pipeline.review.spot_sampling import (
    LEAST,
    allocate,
    draw,
    permanent_numbers,
    preview,
)
from tests.pipeline.spot_tables import annotation, of, table


def keys(found: object, rows: object) -> list[int]:
    return [int(found.episode[int(r)]) for r in rows]  # type: ignore[attr-defined]


def test_the_same_seed_draws_the_same_sample_in_the_same_order() -> None:
    plan = SpotPlan(size=20, seed=5)
    one, other = draw(table(200), plan), draw(table(200), plan)
    assert one.rows.tolist() == other.rows.tolist()
    again = draw(table(200), SpotPlan(size=20, seed=6))
    assert again.rows.tolist() != one.rows.tolist()


def test_numbers_are_fixed_for_ever() -> None:
    """Another machine, another year: a changed number here breaks published samples."""
    rows = np.arange(3)
    numbers = permanent_numbers(table(3), rows, 7)
    assert numbers.dtype == np.uint64
    assert [int(n) for n in numbers] == EXPECTED


EXPECTED = [8057361784053548806, 2288495115716729436, 5436997569902538277]


def test_the_order_of_the_file_does_not_matter() -> None:
    mixed = table(100).take(np.random.default_rng(1).permutation(100))
    plan = SpotPlan(size=12, cuts=())
    assert keys(mixed, draw(mixed, plan).rows) == keys(table(100), draw(table(100), plan).rows)


def test_added_annotations_displace_few() -> None:
    plan = SpotPlan(size=50, cuts=())
    before, after = table(500), table(550)
    old = set(keys(before, draw(before, plan).rows))
    new = set(keys(after, draw(after, plan).rows))
    assert len(old & new) >= 40
    grown = draw(before, SpotPlan(size=80, cuts=()))
    assert keys(before, grown.rows)[:50] == keys(before, draw(before, plan).rows)


def test_numbers_are_even_and_every_item_is_drawn_alike() -> None:
    rows = np.arange(4000)
    whole = table(4000)
    numbers = permanent_numbers(whole, rows, 3).astype(np.float64) / 2.0**64
    assert kstest(numbers, "uniform").pvalue > 0.001
    firsts = smallest(table(40), 10, 2000)
    counts = np.bincount(firsts.ravel(), minlength=40)
    # without replacement the counts vary less than chi-square says: it may only be too good
    assert chisquare(counts).pvalue > 0.01


def test_pairs_are_drawn_together_as_often_as_they_should() -> None:
    drawn = np.zeros((3000, 12))
    np.put_along_axis(drawn, smallest(table(12), 4, 3000), 1.0, axis=1)
    share = (drawn.T @ drawn / 3000)[np.triu_indices(12, 1)]
    expected = 4 * 3 / (12 * 11)
    assert share.mean() == pytest.approx(expected)
    assert abs(share - expected).max() < 5 * np.sqrt(expected * (1 - expected) / 3000)


def smallest(whole: AnnotationTable, count: int, seeds: int) -> I64:
    """(seeds, count) rows with the smallest numbers, which are those that `draw` takes."""
    rows = np.arange(len(whole))
    found = [permanent_numbers(whole, rows, seed).argsort()[:count] for seed in range(seeds)]
    plan = SpotPlan(size=count, seed=3, cuts=())
    assert draw(whole, plan).rows.tolist() == found[3].tolist()
    return np.array(found)


def test_strata_are_a_partition_and_the_sample_has_their_sizes() -> None:
    whole = table(300)
    sample = draw(whole, SpotPlan(size=60, cuts=(Cut.RELIABILITY, Cut.TASK), bins=3))
    assert len(sample.strata) == 6
    assert sum(s.population for s in sample.strata) == 300
    assert len(set(sample.rows.tolist())) == len(sample.rows) == 60
    for number, stratum in enumerate(sample.strata):
        rows = sample.rows[sample.stratum == number]
        assert len(rows) == stratum.sampled
        assert len({whole.task[int(r)] for r in rows}) == 1
        # the limits of R are in the name
        low, high = (float(v) for v in stratum.name.split(" · ")[0].removeprefix("R ").split("–"))
        assert all(low - 5e-4 <= whole.score[r] <= high + 5e-4 for r in rows)


def test_stopping_early_leaves_every_stratum_its_share() -> None:
    sample = draw(table(400), SpotPlan(size=80, bins=4))
    for end in (4, 10, 20, 41, 79):
        counts = np.bincount(sample.stratum[:end], minlength=4)
        assert counts.min() >= 1
        assert abs(counts - end / 4).max() <= 1.01


@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.integers(1, 600), st.booleans())
def test_allocation_keeps_its_promises(sizes: list[int], size: int, equal: bool) -> None:
    found = allocate(np.array(sizes), size, equal=equal)
    least = np.minimum(sizes, LEAST)
    assert (found >= least).all()
    assert (found <= sizes).all()
    assert found.sum() == min(max(size, least.sum()), sum(sizes))


def test_neyman_draws_more_where_the_score_is_low() -> None:
    whole = table(1000)
    even = preview(whole, SpotPlan(size=100))
    lean = preview(whole, SpotPlan(size=100, allocation=Allocation.NEYMAN))
    assert lean.size == even.size == 100
    assert lean.strata[0].sampled > even.strata[0].sampled
    assert lean.strata[-1].sampled < even.strata[-1].sampled


def test_the_size_for_a_half_width_is_the_smallest_that_does() -> None:
    plan = SpotPlan(half_width=0.06, expected=0.9, cuts=())
    found = preview(table(2000), plan)
    assert found.half_width <= 0.06
    short = found.size - 1
    fewer = estimate([0.9 * short], [short], [2000], SEQUENTIAL)
    assert fewer.exact.half_width > 0.0599
    small = preview(table(60), plan)
    assert small.size < 60  # a finite population needs fewer
    assert preview(table(9), SpotPlan(half_width=0.001, cuts=())).size == 9


def test_filters() -> None:
    whole = table(100)
    rows = Population(tasks=("open",), arms=("left",)).rows(whole)
    assert {int(whole.episode[r]) for r in rows} == {e for e in range(100) if e % 6 == 3}
    rows = Population(with_codes=("near_tie",)).rows(whole)
    assert {int(whole.episode[r]) % 5 for r in rows} == {0}
    rows = Population(without_codes=("near_tie",)).rows(whole)
    assert len(rows) == 80
    rows = Population(least=0.9, most=1.1).rows(whole)
    assert ((whole.score[rows] >= 0.9) & (whole.score[rows] < 1.1)).all()
    kept = Population(keep=Keep.KEPT, threshold=1.0).rows(whole)
    dropped = Population(keep=Keep.DROPPED, threshold=1.0).rows(whole)
    assert sorted([*kept, *dropped]) == list(range(100))


def test_what_has_no_box_or_no_score() -> None:
    found = of(
        [
            annotation(0, 1.0),
            annotation(1, None),
            annotation(2, 1.2, start_box=None),
            annotation(3, 0.4),
        ]
    )
    assert Population().rows(found).tolist() == [0, 1, 3]
    assert Population(keep=Keep.DROPPED, threshold=0.5).rows(found).tolist() == [1, 3]
    assert {s.name for s in preview(found, SpotPlan(size=3, bins=2)).strata} >= {"no R"}


def test_impossible_plans_are_one_sentence() -> None:
    with pytest.raises(DataError, match="no annotation with a box is left by: task cook"):
        draw(table(10), SpotPlan(population=Population(tasks=("cook",))))
    with pytest.raises(DataError, match="need a threshold"):
        draw(table(10), SpotPlan(population=Population(keep=Keep.KEPT)))
    many = of([annotation(i, 1.0, dataset=f"d{i}") for i in range(80)])
    with pytest.raises(DataError, match="80 strata"):
        draw(many, SpotPlan(cuts=(Cut.DATASET,)))


def test_equal_scores_share_a_stratum() -> None:
    found = of([annotation(i, 1.0 if i < 90 else 2.0) for i in range(100)])
    strata = preview(found, SpotPlan(size=10, bins=4)).strata
    assert [s.population for s in strata] in ([90, 10], [100])
