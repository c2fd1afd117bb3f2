from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation import resampling_kernels, selective
from pipeline.evaluation.remeasuring import RowClip, remeasure
from pipeline.evaluation.sweep_options import (
    MEASUREMENT_OPTIONS,
    SWEPT,
    Cost,
    cost_of,
    grid_of,
    info_of,
)
from pipeline.evaluation.sweep_results import METRICS, Metric, Sweep, SweepMap, Tornado
from pipeline.evaluation.sweep_text import caution_text, sweep_lines, verdict_text
from pipeline.evaluation.sweeps import SweepData, SweepRequest, run_sweep
from pipeline.evaluation.tie_groups import ROUNDING, harmonic
from pipeline.model.annotation import Annotation
from pipeline.model.options import describe
from pipeline.model.problem import Cancelled, DataError
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, measure
from tests.pipeline.scored_clip import FPS, HEIGHT, WIDTH, SmallClip, moving, still
from tests.pipeline.scored_tables import annotation, candidate, random_record, reference

PUBLISHED = ScoresOptions()


def random_data(count: int = 40, seed: int = 3) -> tuple[SweepData, list[Annotation]]:
    """Random annotations, one candidate of each is right; two of an episode each."""
    rng = np.random.default_rng(seed)
    records = [random_record(rng) for _ in range(4 * count)]
    records = [r for r in records if r.candidates][:count]
    records = [
        r.model_copy(update={"episode_index": n // 2, "subtask_index": n % 2})
        for n, r in enumerate(records)
    ]
    table = AnnotationTable.of(records)
    counts = table.candidates.counts
    known = ((1 << counts) - 1).astype(np.uint32)
    right = (1 << rng.integers(0, counts)).astype(np.uint32)
    return SweepData(table, Judgements(right, known), PUBLISHED), records


def expected(
    data: SweepData, records: Sequence[Annotation], options: ScoresOptions
) -> dict[Metric, float]:
    """All metrics by the plain formula and the plain library."""
    scores, right = [], []
    for n, record in enumerate(records):
        values, order = reference(record, options)
        winner = order[0]
        if record.chosen_by == "person":
            winner = record.winner
        scores.append(float(np.float32(values[winner])))
        right.append(bool(data.judgements.right[n] >> np.uint32(winner) & np.uint32(1)))
    found = selective.summarise_selective(scores, right)
    return {
        Metric.ACCURACY: found.accuracy,
        Metric.AURC: found.aurc,
        Metric.COV_90: found.cov_90,
        Metric.COV_95: found.cov_95,
        Metric.COVERAGE: selective.coverage_at(scores, right, 0.5),
    }


CHEAP = [name for name in SWEPT if cost_of(name) is not Cost.MEASUREMENT]


@pytest.mark.parametrize("name", CHEAP)
def test_figures_are_those_of_the_plain_library(name: str) -> None:
    data, records = random_data()
    sweep = run_sweep(SweepRequest((name,), precision=0.5), data, resamples=5)
    assert isinstance(sweep, Sweep)
    for place in (0, sweep.grid.current, len(sweep.values) - 1):
        wanted = expected(data, records, replace(PUBLISHED, **{name: sweep.values[place]}))
        for metric in METRICS:
            found = sweep.of(metric).values[place]
            # Ties of float64 may be none in float32: a place or two of forty.
            assert found == pytest.approx(wanted[metric], abs=0.06)
    exact = expected(data, records, PUBLISHED)
    for metric in METRICS:
        assert sweep.of(metric).values[sweep.grid.current] == pytest.approx(exact[metric], abs=1e-9)


def test_every_option_that_decides_who_wins_can_be_swept() -> None:
    warn_only = {"near_tie_margin", "robot_overlap_warning"}
    assert {i.name for i in describe(ScoresOptions)} - warn_only == set(SWEPT)
    with pytest.raises(ValueError, match="near_tie_margin"):
        cost_of("near_tie_margin")


@pytest.mark.parametrize("name", SWEPT)
def test_grids_hold_the_value_in_force_and_stay_in_range(name: str) -> None:
    info = info_of(name)
    changed = PUBLISHED
    if not info.choices:
        middle = (float(info.low or 0) + float(info.default)) / 2
        changed = replace(PUBLISHED, **{name: info.type(middle) or info.type(info.low or 0)})
    for options in (PUBLISHED, changed):
        grid = grid_of(name, options)
        assert grid.values[grid.current] == getattr(options, name)
        assert grid.values[grid.published] == info.default
        assert len(set(grid.values)) == len(grid.values) > 1
        for value in grid.values:
            info.check(value)
        if not info.choices:
            assert list(grid.values) == sorted(grid.values)


def test_resampled_figures_count_items_as_often_as_they_are_drawn() -> None:
    rng = np.random.default_rng(2)
    count = 50
    score = np.round(rng.normal(size=count), 1)
    score[::9] = np.nan
    right = rng.random(count) < 0.7
    counts = rng.poisson(1.0, (20, count)).astype(np.uint8)
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    ends = np.append(ordered[1:] != ordered[:-1], True)
    ends[:-1] &= ~(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    scored = int((~np.isnan(score)).sum())
    for out_of_bag in (False, True):
        figures, sums = np.empty((20, 4)), harmonic(500)
        precisions = np.array([0.5, 0.8]) - ROUNDING
        resampling_kernels.resampled_figures(
            order,
            ends,
            scored,
            right[order],
            counts,
            out_of_bag,
            sums,
            precisions,
            figures,
        )
        for b in range(20):
            drawn = counts[b] == 0 if out_of_bag else counts[b]
            rows = np.repeat(np.arange(count), drawn)
            wanted = selective.summarise_selective(score[rows], right[rows])
            assert figures[b, 0] == pytest.approx(wanted.accuracy)
            assert figures[b, 1] == pytest.approx(wanted.aurc)
            for p, precision in ((2, 0.5), (3, 0.8)):
                cov = selective.coverage_at(score[rows], right[rows], precision)
                assert figures[b, p] == pytest.approx(cov)


def contest(count: int, *, moving_is_right: bool) -> SweepData:
    """One candidate moves, the other is what the detector likes; the first half is close."""
    records = [
        annotation(
            [
                candidate(0, detector=0.1, motion_in=50.0, motion_out=0.0, proximity=0.0),
                candidate(1, detector=0.85, motion_in=0.0, motion_out=0.0, proximity=0.0),
            ],
            episode_index=n,
        )
        for n in range(count)
    ]
    right = np.full(count, 1 if moving_is_right else 2, np.uint32)
    known = np.full(count, 3, np.uint32)
    return SweepData(AnnotationTable.of(records), Judgements(right, known), PUBLISHED)


def test_best_value_and_flat_range_of_a_clear_case() -> None:
    # The moving one wins where w > 0.75 * (0.85 - 0.1): from a motion weight of 0.5625 on.
    sweep = run_sweep(SweepRequest(("motion_weight",)), contest(50, moving_is_right=True))
    assert isinstance(sweep, Sweep)
    curve = sweep.of(Metric.ACCURACY)
    assert curve.values[sweep.grid.current] == 0.0
    assert sweep.best_value(Metric.ACCURACY) == 0.6
    assert curve.gain.apparent == 1.0
    # All episodes agree: what is chosen on some of them holds for the others.
    assert curve.gain.expected == pytest.approx(1.0)
    assert curve.gain.is_clear
    assert sweep.flat_range(Metric.ACCURACY) == (0.0, 0.525)
    assert sweep.of(Metric.AURC).gain.apparent == 1.0  # lower is better


def test_value_in_force_is_best_where_nothing_is_better() -> None:
    sweep = run_sweep(SweepRequest(("motion_weight",)), contest(20, moving_is_right=False))
    assert isinstance(sweep, Sweep)
    assert sweep.best_value(Metric.ACCURACY) == 0.5
    assert sweep.of(Metric.ACCURACY).gain.apparent == 0.0
    assert "in force is the best" in verdict_text(sweep, Metric.ACCURACY)


def test_gain_on_other_annotations_is_less_than_the_apparent_one_where_all_is_chance() -> None:
    apparent, left = [], []
    for seed in range(8):
        data, _ = random_data(60, seed)
        sweep = run_sweep(SweepRequest(("motion_weight",)), data, resamples=60)
        assert isinstance(sweep, Sweep)
        gain = sweep.of(Metric.ACCURACY).gain
        apparent.append(gain.apparent)
        left.append(gain.expected)
    assert np.mean(apparent) > 0.02
    assert np.mean(left) < 0.5 * np.mean(apparent)


def test_resamples_draw_whole_episodes() -> None:
    # All annotations of one episode: every resample holds all of them, so there is no noise.
    data, _ = random_data(20)
    table = replace(data.table, episode=np.zeros(20, np.int32))
    sweep = run_sweep(SweepRequest(("motion_weight",)), replace(data, table=table), resamples=20)
    assert isinstance(sweep, Sweep)
    assert sweep.evidence.episodes == 1
    curve = sweep.of(Metric.ACCURACY)
    np.testing.assert_array_equal(curve.low, curve.high)
    assert np.isnan(curve.gain.expected)  # nothing is ever out of bag
    assert "few" in caution_text(sweep.evidence)


def test_only_judged_annotations_take_part() -> None:
    data, records = random_data()
    known = data.judgements.known.copy()
    known[10:] = 0
    some = replace(data, judgements=Judgements(data.judgements.right & known, known))
    sweep = run_sweep(SweepRequest(("motion_weight",)), some, resamples=5)
    assert isinstance(sweep, Sweep)
    assert sweep.evidence.annotations == 10
    wanted = expected(some, records[:10], PUBLISHED)[Metric.AURC]
    assert sweep.of(Metric.AURC).values[sweep.grid.current] == pytest.approx(wanted)


def test_winners_that_nobody_judged_are_left_out_and_told() -> None:
    data = contest(30, moving_is_right=True)
    one = np.full(30, 2, np.uint32)  # known of the second candidate only
    some = replace(data, judgements=Judgements(one & 0, one))
    sweep = run_sweep(SweepRequest(("motion_weight",)), some, resamples=5)
    assert isinstance(sweep, Sweep)
    assert sweep.evidence.known == (0, 30)
    assert np.isnan(sweep.of(Metric.ACCURACY).values[-1])
    assert "0 to 30" in caution_text(sweep.evidence)


def test_map_of_two_options_holds_the_sweeps_of_each() -> None:
    data, _ = random_data()
    pair = ("motion_weight", "noise_floor")
    found = run_sweep(SweepRequest(pair), data, resamples=5)
    assert isinstance(found, SweepMap)
    own = found.of(Metric.AURC)
    assert own.values.shape == (len(found.first.values), len(found.second.values))
    alone = run_sweep(SweepRequest(("motion_weight",)), data, resamples=5)
    assert isinstance(alone, Sweep)
    for i, value in enumerate(found.first.values):
        if value in alone.values:
            place = alone.values.index(value)
            assert own.values[i, found.second.current] == alone.of(Metric.AURC).values[place]
    assert own.values[own.best] == own.values.min()
    assert not own.is_clear[found.first.current, found.second.current]


def test_all_options_are_ranked_by_effect_and_the_costly_ones_told() -> None:
    data, _ = random_data()
    found = run_sweep(SweepRequest(), data, resamples=5)
    assert isinstance(found, Tornado)
    assert found.skipped == MEASUREMENT_OPTIONS
    effects = [s.of(Metric.AURC).effect for s in found.ranked(Metric.AURC)]
    assert effects == sorted(effects, reverse=True)
    assert len(effects) == len(CHEAP)


def test_result_does_not_depend_on_the_number_of_threads() -> None:
    data, _ = random_data()
    first, second = (
        sweep_lines(run_sweep(SweepRequest(("noise_floor",)), data, workers=n)) for n in (1, 3)
    )
    assert first == second


def test_progress_ends_at_one_and_cancel_stops() -> None:
    data, _ = random_data(10)
    shares: list[float] = []
    run_sweep(
        SweepRequest(("motion_weight",)), data, progress=lambda share, _: shares.append(share)
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    with pytest.raises(Cancelled):
        run_sweep(SweepRequest(("motion_weight",)), data, is_cancelled=lambda: True)


def test_says_what_is_missing() -> None:
    data, _ = random_data(5)
    with pytest.raises(DataError, match="ground truth or verdicts"):
        run_sweep(SweepRequest(), replace(data, judgements=Judgements.nothing(5)))
    with pytest.raises(DataError, match="cached tracks"):
        run_sweep(SweepRequest(("overlap_share",)), data)
    bare = AnnotationTable.of([annotation([], score=0.5, start_box=(0, 0, 1, 1))])
    one = np.ones(1, np.uint32)
    with pytest.raises(DataError, match="only winners"):
        run_sweep(SweepRequest(), SweepData(bare, Judgements(one, one), PUBLISHED))
    with pytest.raises(ValueError, match="at most two"):
        run_sweep(SweepRequest(("a", "b", "c")), data)
    with pytest.raises(ValueError, match="two different"):
        run_sweep(SweepRequest(("motion_weight", "motion_weight")), data)


# -- measured again ---------------------------------------------------------------------------


def clip_of(small: SmallClip) -> Clip:
    return Clip(small.subtask, small.proposals, small.tracks, small.lifting, small.robot, FPS)


def small_clips() -> list[SmallClip]:
    return [
        SmallClip(
            paths=[moving(50, 50, [0, 0, 4, 4, 0]), moving(100, 20, [2, 9, 2, 2, 2])],
            detector=[0.4, 0.6],
            gripper=still(50 + 3 * n, 50),
            scale=2.0 + n,
        )
        for n in range(4)
    ]


def measured_record(clip: Clip, episode: int, options: ScoresOptions) -> Annotation:
    found = measure(clip, HEIGHT, WIDTH, options)
    names = ("detector", "motion_in", "motion_out", "proximity", "overlap", "relief", "points")
    boxes = {p.id: p.box for p in clip.proposals.candidates}
    records = [
        candidate(t.candidate, **{n: getattr(t, n) for n in names}).model_copy(
            update={"box": boxes[t.candidate]}
        )
        for t in found.terms
    ]
    return annotation(records, episode_index=episode)


def test_remeasured_terms_are_those_of_the_scores_stage() -> None:
    clips = [clip_of(small) for small in small_clips()]
    table = AnnotationTable.of([measured_record(c, n, PUBLISHED) for n, c in enumerate(clips)])
    settings = [
        PUBLISHED,
        replace(PUBLISHED, smoothing_window=1),
        replace(PUBLISHED, sphere_radius_scale=20.0),
        replace(PUBLISHED, proximity_frames="interaction", object_size_mix=0.75),
    ]
    entries = [RowClip(n, clip, HEIGHT, WIDTH) for n, clip in enumerate(clips) if n != 2]
    found = remeasure(table, reversed(entries), settings)
    assert found.rows.tolist() == [0, 1, 3]
    for options, own in zip(settings, found.tables, strict=True):
        for place, row in enumerate(found.rows):
            wanted = measured_record(clips[row], int(row), options)
            assert list(own.records_of(place)) == list(wanted.candidates)
    assert not np.array_equal(
        found.tables[0].candidates.motion_in, found.tables[1].candidates.motion_in
    )


def test_clips_with_other_candidates_are_left_out() -> None:
    clip = clip_of(small_clips()[0])
    record = measured_record(clip, 0, PUBLISHED)
    first, *rest = record.candidates
    moved = first.model_copy(update={"box": (1.0, 2.0, 3.0, 4.0)})
    for others in ([*record.candidates, candidate(7)], [moved, *rest]):
        table = AnnotationTable.of([annotation(others)])
        found = remeasure(table, [RowClip(0, clip, HEIGHT, WIDTH)], [PUBLISHED])
        assert len(found.rows) == 0


def test_sweep_of_the_measurement_measures_only_what_is_in_the_cache() -> None:
    clips = [clip_of(small) for small in small_clips()]
    table = AnnotationTable.of([measured_record(c, n, PUBLISHED) for n, c in enumerate(clips)])
    asked: list[int] = []

    def load(rows: Sequence[int]) -> Iterator[RowClip]:
        for row in rows:
            asked.append(row)
            if row != 1:
                yield RowClip(row, clips[row], HEIGHT, WIDTH)

    known = np.array([3, 3, 3, 0], np.uint32)  # the last one is not judged
    data = SweepData(table, Judgements(known & 1, known), PUBLISHED, load)
    sweep = run_sweep(SweepRequest(("sphere_radius_scale",)), data, resamples=5)
    assert isinstance(sweep, Sweep)
    assert asked == [0, 1, 2]
    assert (sweep.evidence.annotations, sweep.evidence.left_out) == (2, 1)
    assert "Measured on 2 of 3 judged annotations" in sweep_lines(sweep)
    everything = run_sweep(SweepRequest(), data, resamples=5)
    assert isinstance(everything, Tornado)
    assert {s.parameter for s in everything.sweeps} == set(SWEPT)
    assert "Measured on 2 of 3" in sweep_lines(everything)
    # Without any clip the other options are swept all the same.
    some = run_sweep(SweepRequest(), replace(data, clips=lambda _rows: ()), resamples=5)
    assert isinstance(some, Tornado)
    assert set(some.skipped) == set(MEASUREMENT_OPTIONS)
    assert {s.parameter for s in some.sweeps} == set(SWEPT) - set(MEASUREMENT_OPTIONS)
    with pytest.raises(DataError, match="none of these annotations"):
        run_sweep(SweepRequest(("overlap_share",)), replace(data, clips=lambda _rows: ()))


def test_lines_name_values_figures_and_caution() -> None:
    data, _ = random_data()
    one = sweep_lines(run_sweep(SweepRequest(("motion_weight",)), data, resamples=5))
    assert " *         0.5" in one
    assert "Cov@95" in one
    assert "looks better than it is" in one
    two = sweep_lines(run_sweep(SweepRequest(("motion_weight", "noise_floor")), data, resamples=5))
    assert "[px/s]" in two
    everything = sweep_lines(run_sweep(SweepRequest(), data, resamples=5), Metric.ACCURACY)
    assert everything.startswith("Accuracy, one option at a time")
    assert "Not swept" in everything
