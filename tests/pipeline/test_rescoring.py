from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import types
from numba.core import caching

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation import rescoring_kernels, selective
from pipeline.evaluation.compiling import compiled
from pipeline.evaluation.rescoring import (
    FEATURE_OPTIONS,
    WEIGHT_OPTIONS,
    Features,
    Rescorer,
    ScoreWeights,
    fast_curve,
    warm_up,
)
from pipeline.model.annotation import Annotation, CandidateRecord
from pipeline.model.arrays import F32, Bool
from pipeline.model.options import describe
from pipeline.scoring.formula import ScoresOptions
from tests.pipeline.scored_tables import annotation, candidate, random_record, reference

PUBLISHED = ScoresOptions()


def tolerance(options: ScoresOptions) -> float:
    """1e-6 of the largest term, at least of 1: what float32 can hold."""
    return 1e-6 * max(1.0, *(getattr(options, name) for name in WEIGHT_OPTIONS))


def check(records: list[Annotation], options: ScoresOptions) -> None:
    """Winners and scores are those of the plain reference."""
    found = Rescorer(Features.of(AnnotationTable.of(records), published_weights(options))).run(
        ScoreWeights.of(options)
    )
    near = tolerance(options)
    for n, record in enumerate(records):
        if not record.candidates:
            assert n in found.stored
            continue
        scores, order = reference(record, options)
        if record.chosen_by == "person":
            expected = next(k for k, c in enumerate(record.candidates) if c.id == record.winner)
            assert found.winner[n] == expected
        elif found.winner[n] != order[0]:
            # Another winner than in float64 only where both are equally good.
            assert scores[order[0]] - scores[found.winner[n]] <= near
        assert found.score[n] == pytest.approx(scores[found.winner[n]], abs=near)


def published_weights(options: ScoresOptions) -> ScoresOptions:
    """The same options with the published weights: those of the features must not matter."""
    return ScoreWeights.of(PUBLISHED).applied_to(options)


shares = st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.98, 1.0]) | st.floats(0, 1, width=32)
speeds = st.sampled_from([0.0, 0.5, 1.0, 8.0]) | st.floats(0, 2000, width=32)
candidates = st.builds(
    dict,
    detector=shares,
    motion_in=speeds,
    motion_out=speeds,
    proximity=shares,
    overlap=shares,
    relief=shares,
    points=st.integers(0, 2),
)


@st.composite
def annotations(draw: Callable[[st.SearchStrategy[object]], object]) -> Annotation:
    drawn = draw(st.lists(candidates, max_size=6))
    assert isinstance(drawn, list)
    ids = list(range(1, 2 * len(drawn) + 1, 2))
    records = [candidate(i, **values) for i, values in zip(ids, drawn, strict=True)]
    if records and draw(st.booleans()):
        return annotation(records, winner=draw(st.sampled_from(ids)), chosen_by="person")
    return annotation(records)


def chosen_options() -> st.SearchStrategy[ScoresOptions]:
    """Every option that `rescore` uses, over its whole documented range."""
    infos = {i.name: i for i in describe(ScoresOptions)}
    ranges = {
        name: st.just(infos[name].default) | st.floats(infos[name].low, infos[name].high)
        for name in (*WEIGHT_OPTIONS, *FEATURE_OPTIONS)
    }
    return st.builds(ScoresOptions, **ranges)


@settings(max_examples=200)
@given(records=st.lists(annotations(), max_size=8), options=chosen_options())
def test_equals_the_plain_reference(records: list[Annotation], options: ScoresOptions) -> None:
    check(records, options)


def test_a_thousand_random_tables_equal_the_reference() -> None:
    rng = np.random.default_rng(5)
    for _ in range(1000):
        values = {
            name: float(rng.random() * 2) * getattr(PUBLISHED, name) for name in WEIGHT_OPTIONS
        }
        check([random_record(rng) for _ in range(6)], replace(PUBLISHED, **values))


def test_blocks_hold_a_table_of_several_thousand_rows() -> None:
    rng = np.random.default_rng(6)
    check([random_record(rng) for _ in range(2 * rescoring_kernels.BLOCK + 7)], PUBLISHED)


def winner_of(records: list[CandidateRecord], options: ScoresOptions = PUBLISHED) -> int:
    table = AnnotationTable.of([annotation(records)])
    return int(Rescorer(Features.of(table, options)).run(ScoreWeights.of(options)).winner[0])


def test_ties_fall_by_detector_and_then_by_id() -> None:
    # Without the detector's weight all are equal in R.
    blind = replace(PUBLISHED, detector_base_weight=0.0, adaptive_slope=0.0)
    low, high = partial(candidate, detector=0.25), partial(candidate, detector=0.5)
    assert winner_of([low(0), high(1), high(2), low(3)], blind) == 1
    assert winner_of([low(0), low(1)], blind) == 0


def test_one_candidate_is_neutral_in_motion_and_keeps_its_proximity() -> None:
    only = candidate(4, detector=0.5, proximity=0.25, motion_in=10.0)
    found = Rescorer(Features.of(AnnotationTable.of([annotation([only])]), PUBLISHED)).run(
        ScoreWeights.of(PUBLISHED)
    )
    expected = 0.5 * 0.5 + (0.75 - 0.15 * 0.25) * 0.5 + 0.3 * 0.25
    assert found.score[0] == pytest.approx(expected, abs=1e-6)


def test_spike_counts_from_its_threshold_on_even_without_other_penalty() -> None:
    options = replace(PUBLISHED, full_overlap_threshold=0.25, penalty_scale=0.0)
    under, over = candidate(0, detector=0.4, overlap=0.2), candidate(1, overlap=0.25)
    assert winner_of([under, over], options) == 0
    assert winner_of([under, over], replace(options, full_overlap_spike=0.0)) == 1


def test_rows_without_candidates_keep_what_the_file_says() -> None:
    table = AnnotationTable.of(
        [
            annotation([], score=0.75, start_box=(0, 0, 5, 5), winner=3),
            annotation([candidate(0)]),
            annotation([]),
        ]
    )
    rescorer = Rescorer(Features.of(table, PUBLISHED))
    for weights in (ScoreWeights.of(PUBLISHED), ScoreWeights(0, 0, 0, 0, 0, 0)):
        found = rescorer.run(weights)
        assert found.stored.tolist() == [0, 2]
        # Number 0 is the place of the winner's box in the judgements.
        assert found.winner.tolist() == [0, 0, -1]
        assert found.score[0] == 0.75
        assert np.isnan(found.score[2])


def test_choice_of_a_person_that_is_no_candidate_stays_as_it_is() -> None:
    record = annotation([candidate(0)], winner=9, chosen_by="person", score=0.5)
    found = Rescorer(Features.of(AnnotationTable.of([record]), PUBLISHED)).run(
        ScoreWeights.of(PUBLISHED)
    )
    assert found.stored.tolist() == [0]
    assert (found.winner[0], found.score[0]) == (-1, 0.5)


def test_empty_table() -> None:
    rescorer = Rescorer(Features.of(AnnotationTable.of([]), PUBLISHED))
    assert len(rescorer.run(ScoreWeights.of(PUBLISHED)).score) == 0
    curve = rescorer.curve(Judgements.nothing(0))
    assert np.isnan([curve.aurc, curve.accuracy, curve.coverage_at(0.9)]).all()


def test_absurdly_long_lists_are_refused() -> None:
    table = AnnotationTable.of([annotation([candidate(k) for k in range(257)])])
    with pytest.raises(ValueError, match="at most 256"):
        Features.of(table, PUBLISHED)


def test_long_lists_cost_only_their_own_block() -> None:
    block = rescoring_kernels.BLOCK
    short, long = [candidate(0)], [candidate(k) for k in range(40)]
    records = [annotation(short)] * (3 * block) + [annotation(long)]
    assert Features.of(AnnotationTable.of(records), PUBLISHED).values.shape[0] == 3 + 40


def test_read_only_columns_are_taken() -> None:
    table = AnnotationTable.of([annotation([candidate(0), candidate(1, detector=0.75)])])
    for name in ("detector", "motion_in", "points", "offsets"):
        getattr(table.candidates, name).flags.writeable = False
    assert Rescorer(Features.of(table, PUBLISHED)).run(ScoreWeights.of(PUBLISHED)).winner[0] == 1


def test_weights_and_options_go_both_ways() -> None:
    changed = replace(PUBLISHED, motion_weight=0.75, full_overlap_spike=0.5, noise_floor=2.0)
    weights = ScoreWeights.of(changed)
    assert weights == ScoreWeights(0.75, 0.75, 0.15, 0.3, 1.45, 0.5)
    assert weights.applied_to(replace(PUBLISHED, noise_floor=2.0)) == changed


@settings(max_examples=100)
@given(data=st.data(), count=st.integers(0, 20))
def test_judges_winners_like_the_judgements(data: st.DataObject, count: int) -> None:
    bits = st.lists(st.integers(0, 2**32 - 1), min_size=count, max_size=count)
    known = np.array(data.draw(bits), np.uint32)
    judgements = Judgements(np.array(data.draw(bits), np.uint32) & known, known)
    winner = data.draw(st.lists(st.integers(-1, 40), min_size=count, max_size=count))
    rows = np.array(winner, np.int16)
    right, sure = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    rescoring_kernels.judge_winners(rows, judgements.right, judgements.known, right, sure)
    wanted = judgements.of(rows)
    np.testing.assert_array_equal(right, wanted[0])
    np.testing.assert_array_equal(sure, wanted[1])


def check_curve(score: F32, right: Bool, known: Bool) -> None:
    """Equal to the plain library on the known items."""
    found = fast_curve(score, right, known)
    values, flags = score[known].astype(np.float64), right[known]
    wanted = selective.risk_coverage_curve(values, flags)
    np.testing.assert_array_equal(found.thresholds, wanted.threshold.astype(np.float32))
    np.testing.assert_array_equal(found.kept, wanted.kept)
    np.testing.assert_allclose(found.risk, wanted.risk, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.coverage, wanted.coverage, rtol=0, atol=1e-12)
    summary = selective.summarise_selective(values, flags)
    assert (found.known, found.unknown) == (summary.count, len(score) - summary.count)
    for name in ("accuracy", "aurc", "e_aurc"):
        assert getattr(found, name) == pytest.approx(getattr(summary, name), nan_ok=True)
    for precision in (0.0, 0.5, 0.9, 0.95, 1.0):
        expected = selective.coverage_at(values, flags, precision)
        assert found.coverage_at(precision) == pytest.approx(expected, nan_ok=True)
    others = score[~known]
    for threshold, count in zip(found.thresholds, found.kept_unknown, strict=True):
        assert count == (others >= threshold).sum()


@settings(max_examples=300)
@given(
    items=st.lists(
        st.tuples(
            st.sampled_from([0.0, -0.0, -1.5, 0.5, 1.0, np.nan, np.inf, -np.inf])
            | st.floats(-3, 3, width=32),
            st.booleans(),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_curve_equals_the_plain_library(items: list[tuple[float, bool, bool]]) -> None:
    score, right, known = zip(*items, strict=True) if items else ((), (), ())
    check_curve(np.array(score, np.float32), np.array(right, bool), np.array(known, bool))


def test_curve_of_a_large_set_equals_the_plain_library() -> None:
    rng = np.random.default_rng(9)
    score = rng.normal(size=20_000).astype(np.float32)
    score[::7] = np.round(score[::7], 1)
    score[::100] = np.nan
    check_curve(score, rng.random(20_000) < 0.8, rng.random(20_000) < 0.9)


@pytest.mark.parametrize("unknown", [0.0, 0.1])
@pytest.mark.parametrize("low", [0.125, -1.75, -3.0])
def test_short_and_long_keys_give_the_same_curve(low: float, unknown: float) -> None:
    rng = np.random.default_rng(10)
    score = rng.uniform(low, -low if low < 0 else 1.5, 3000).astype(np.float32)
    score[::5] = np.round(score[::5], 2)
    check_curve(score, rng.random(3000) < 0.8, rng.random(3000) >= unknown)


def test_curve_refuses_columns_of_different_length() -> None:
    with pytest.raises(ValueError, match="expected 2 flags"):
        fast_curve(np.zeros(2, np.float32), np.zeros(3, bool), np.zeros(2, bool))


def test_warm_up_works_from_a_thread() -> None:
    thread = threading.Thread(target=warm_up)
    thread.start()
    thread.join()
    assert rescoring_kernels.rescore_blocks.signatures


def test_importing_it_does_not_load_numba() -> None:
    code = "import sys, pipeline.evaluation.rescoring; raise SystemExit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_any_cache_folder_it_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    own = compiled(types.float64(types.float64))(_twice)
    assert own(2.0) == 4.0


def _twice(value: float) -> float:
    return 2 * value
