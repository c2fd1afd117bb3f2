from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.model.edits import ChooseCandidate, Edit
from pipeline.model.options import describe
from pipeline.model.phases import PhaseName
from pipeline.model.score import ScoresResult, ScoreTerms
from pipeline.scoring.formula import (
    ScoresOptions,
    depth_relief,
    motion_signal,
    normalise,
    rescore,
    robot_penalty,
)
from pipeline.scoring.measurement import Clip, overlap_rows
from pipeline.scoring.signals import (
    depth_gaps,
    group_median,
    interaction_transitions,
    motion_curves,
    overlap_curves,
    smooth,
    sphere_radius,
    strongest_mean,
)
from pipeline.stages.scores import ScoresStage
from pipeline.stages.stage import StageContext, StageInputs
from tests.pipeline.scored_clip import HEIGHT, SmallClip, moving, phase, still

RAW = ScoresOptions(smoothing_window=1)


def run(
    clip: SmallClip, options: ScoresOptions = RAW, edits: tuple[Edit, ...] = (), **results: Any
) -> ScoresResult:
    stages = {
        n: results.get(n, getattr(clip, n))
        for n in ("subtasks", "proposals", "masks", "tracks", "lifting", "robot")
    }
    context = StageContext(None, lambda share, what: None, lambda: False)  # type: ignore[arg-type]
    return ScoresStage().run(clip.demonstration, StageInputs(stages, 0), options, edits, context)


def codes(result: ScoresResult) -> set[str]:
    return {p.code for p in result.problems}


def two(**changes: Any) -> SmallClip:
    """Candidate 0 moves while held, candidate 1 all the time; the gripper stays at 0's start."""
    clip = SmallClip(
        paths=[moving(50, 50, [0, 0, 4, 4, 0]), moving(100, 20, [2, 2, 2, 2, 2])],
        detector=[0.4, 0.6],
        gripper=still(50, 50),
        scale=1.0,
    )
    for name, value in changes.items():
        setattr(clip, name, value)
    return clip


# --- the whole score by hand -------------------------------------------------------------------


def test_score_by_hand() -> None:
    result = run(two(), replace(RAW, object_size_mix=0.0))
    first, second = result.terms
    # 4 px in 0.2 s while held; nothing else.
    assert (first.motion_in, first.motion_out) == pytest.approx((20.0, 0.0))
    assert (second.motion_in, second.motion_out) == pytest.approx((10.0, 10.0))
    assert first.motion == pytest.approx(20**0.6)
    assert second.motion == pytest.approx(10**0.6 / 11**0.2)
    assert (first.motion_normalised, second.motion_normalised) == (1.0, 0.0)
    # Radius 8; corners at +-2: all inside until 54, at 58 the two left ones only.
    assert result.proximity[0].tolist() == [1, 1, 1, 1, 0.5, 0.5]
    assert first.proximity == pytest.approx(5 / 6)
    assert second.proximity == 0.0
    assert (first.overlap, first.relief, first.penalty) == (0, 0, 0)
    assert first.detector_weight == pytest.approx(0.6)
    assert second.detector_weight == pytest.approx(0.75)
    assert first.score == pytest.approx(0.5 + 0.6 * 0.4 + 0.3)
    assert second.score == pytest.approx(0.75 * 0.6)
    assert sum(v for _, v in first.contributions) == pytest.approx(first.score)
    assert (result.winner, result.chosen_by, result.form) == (0, "score", "2d")
    assert first.points == 4
    assert codes(result) == {"no_geometry"}


def test_curves_have_their_shapes() -> None:
    result = run(two())
    assert result.motion.shape == (2, 5)
    assert result.motion.tolist()[0] == pytest.approx([0, 0, 20, 20, 0])
    assert result.proximity.shape == result.overlap.shape == (2, 6)
    assert result.interaction.tolist() == [False, False, True, True, False]
    assert result.radius.shape == (6,)


def test_defaults_are_the_papers() -> None:
    values = {i.name: i.default for i in describe(ScoresOptions) if i.source == "SPARC table 5"}
    assert values == {
        "interact_exponent": 0.6,
        "non_interact_exponent": 0.2,
        "noise_floor": 1.0,
        "motion_weight": 0.5,
        "detector_base_weight": 0.75,
        "adaptive_slope": 0.15,
        "proximity_weight": 0.3,
        "sphere_radius_scale": 8.0,
        "overlap_onset": 0.3,
        "penalty_scale": 1.45,
        "depth_attenuation": 0.85,
        "full_overlap_spike": 0.20,
        "full_overlap_threshold": 0.98,
        "depth_relief_low": 0.05,
        "depth_relief_high": 0.25,
    }


# --- motion ------------------------------------------------------------------------------------


def test_only_points_visible_in_both_frames_move() -> None:
    points = np.zeros((3, 3, 2), np.float32)
    points[1:, 0, 0] = 5  # jumps in the first step
    points[2, 1, 0] = 7
    visible = np.ones((3, 3), np.bool_)
    visible[1, 2] = False
    curves = motion_curves(points, visible, np.ones(2), [np.arange(3)], 1)
    assert curves.tolist() == [[2.5, 3.5]]  # medians of (5, 0) and (0, 7)
    assert np.isnan(motion_curves(points, visible, np.ones(2), [np.array([2])], 1)).all()


def test_speed_uses_the_real_time_between_frames() -> None:
    clip = two(frames=np.array([0, 2, 4, 6, 8, 12], np.int32))
    assert run(clip).motion[1].tolist() == pytest.approx([10, 10, 10, 10, 5])


def test_group_median_ignores_unknown() -> None:
    values = np.array([[1, 2, np.nan, 9], [np.nan, np.nan, 4, 8]])
    medians = group_median(values, [np.array([0, 1, 2, 3]), np.array([0, 1]), np.array([], int)])
    assert medians[0].tolist()[:2] == [2, 1.5]
    assert medians[1, 0] == 6
    assert np.isnan(medians[1, 1])
    assert np.isnan(medians[:, 2]).all()


def test_smoothing_keeps_gaps_and_uses_what_is_there() -> None:
    curve = np.array([[3.0], [0.0], [np.nan], [6.0], [0.0]])
    assert smooth(curve, 3)[:, 0].tolist()[:2] == [1.5, 1.5]
    assert np.isnan(smooth(curve, 3)[2, 0])
    assert smooth(curve, 3)[3:, 0].tolist() == [3.0, 3.0]
    assert smooth(curve, 1) is curve


def test_transition_counts_by_its_middle() -> None:
    frames = np.array([0, 5, 10, 15], np.int32)
    assert interaction_transitions(frames, [(7, 12)]).tolist() == [False, True, False]
    assert interaction_transitions(frames, [(8, 12)]).tolist() == [False, False, False]
    assert interaction_transitions(frames, [(0, 3), (12, 15)]).tolist() == [True, False, True]


def test_points_that_are_not_kept_do_not_count() -> None:
    clip = two()
    tracks = clip.tracks
    kept = tracks.kept.copy()
    kept[:4] = False
    result = run(clip, tracks=replace(tracks, kept=kept))
    assert result.terms[0].points == 0
    assert (result.terms[0].motion, result.terms[0].motion_normalised) == (0, 0)
    assert "no_points" in codes(result)
    assert result.winner == 1


def test_motion_signal_without_motion_is_zero_for_any_exponent() -> None:
    options = replace(RAW, interact_exponent=0.0)
    assert motion_signal(np.array([0.0, 5.0]), np.array([0.0, 0.0]), options).tolist() == [0, 1]


# --- proximity ---------------------------------------------------------------------------------


def test_radius_mixes_sizes_and_is_capped() -> None:
    scale = np.array([1, np.nan, 3], np.float32)
    assert sphere_radius(scale, 0.0, 8, 0.25, 99).tolist() == [8, 16, 24]
    assert sphere_radius(scale, 40.0, 8, 0.25, 99).tolist() == [16, 22, 28]
    assert sphere_radius(scale, 40.0, 8, 0.25, 20).tolist() == [16, 20, 20]
    assert np.isnan(sphere_radius(np.full(2, np.nan, np.float32), 4.0, 8, 0.25, 9)).all()


def test_circle_cannot_cover_the_picture() -> None:
    assert run(two(scale=500.0)).radius.tolist() == [0.25 * HEIGHT] * 6


def test_frames_without_reference_are_not_valid() -> None:
    gripper = still(50, 50)
    gripper[3:] = np.nan
    result = run(two(gripper=gripper), replace(RAW, object_size_mix=0.0))
    assert result.terms[0].proximity == 1.0
    assert np.isnan(result.proximity[:, 3:]).all()


def test_proximity_may_be_restricted_to_the_interaction() -> None:
    # Frames 4 and 6 are held; the object is at 50 and 54.
    options = replace(RAW, proximity_frames="interaction", object_size_mix=0.0)
    assert run(two(), options).terms[0].proximity == 1.0


def test_no_reference() -> None:
    result = run(two(gripper=None))
    assert "no_reference" in codes(result)
    assert result.terms[0].proximity == 0.0


# --- 3D ----------------------------------------------------------------------------------------


def test_three_dimensions_see_depth() -> None:
    clip = two(paths=[still(50, 50), still(50, 50)], scale=0.01, depth=[1.0, 1.5])
    result = run(clip, replace(RAW, object_size_mix=0.0))
    assert result.form == "3d"
    assert [t.proximity for t in result.terms] == [1.0, 0.0]
    assert result.radius.tolist() == pytest.approx([0.08] * 6)
    assert [t.relief for t in result.terms] == [0.0, 1.0]
    assert "no_geometry" not in codes(result)


def test_object_size_enters_the_sphere() -> None:
    clip = two(scale=0.01, depth=[1.0, 1.0])
    # Corners at 0.02 m in x and y around their median.
    expected = 0.75 * 0.08 + 0.25 * np.hypot(0.02, 0.02)
    assert run(clip).radius.tolist() == pytest.approx([expected] * 6)


def test_metres_without_lifting_fall_back_to_pixels() -> None:
    clip = two(scale=0.01, depth=[1.0, 1.0])
    robot = clip.robot
    fingers = np.stack([robot.reference, robot.reference + 4, robot.reference - 4], axis=1)
    robot = replace(robot, points=fingers, visible=np.ones((6, 3), np.bool_))
    nothing = two().lifting
    result = run(clip, replace(RAW, object_size_mix=0.0), lifting=nothing, robot=robot)
    assert result.form == "2d"
    assert result.radius.tolist() == pytest.approx([25.0] * 6)  # 8 * 5.66, capped
    assert "no_geometry" in codes(result)


def test_depth_gap_is_a_median_of_medians() -> None:
    xyz = np.zeros((3, 2, 3), np.float32)
    xyz[:, :, 2] = [[1.0, 1.2], [1.4, 1.4], [9.0, 9.0]]
    reference = np.zeros((3, 3), np.float32)
    reference[:, 2] = 1.0
    visible = np.ones((3, 2), np.bool_)
    assert depth_gaps(xyz, visible, reference, [np.arange(2)])[0] == pytest.approx(0.4)
    visible[0, 1] = False
    visible[2] = False
    assert depth_gaps(xyz, visible, reference, [np.arange(2)])[0] == pytest.approx(0.2)


# --- overlap and penalty -----------------------------------------------------------------------


def test_overlap_reads_the_mask_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((2, 7, 13)) < 0.5
    points = np.dstack([rng.uniform(-2, 15, (2, 40)), rng.uniform(-2, 9, (2, 40))])
    points[0, 0] = np.nan
    packed = np.packbits(masks.reshape(2, -1), axis=1)
    visible = rng.random((2, 40)) < 0.8
    found = overlap_curves(points.astype(np.float32), visible, packed, 7, 13, [np.arange(40)])
    for f in range(2):
        inside = [
            bool(masks[f, int(np.floor(y)), int(np.floor(x))])
            for (x, y), seen in zip(points[f], visible[f], strict=True)
            if seen and 0 <= x < 13 and 0 <= y < 7
        ]
        assert found[0, f] == pytest.approx(np.mean(inside))


def test_strongest_overlaps_dominate() -> None:
    curves = np.array([[0, 0.3, 0.9, 0.6, np.nan, 1.0]], np.float32)
    assert strongest_mean(curves, [0, 1, 2, 3, 4], 1 / 3)[0] == pytest.approx((0.9 + 0.6) / 2)
    assert strongest_mean(curves, [0, 1, 2], 1 / 3)[0] == pytest.approx(0.9)
    assert strongest_mean(curves, [0, 1, 2], 1.0)[0] == pytest.approx(0.4)
    assert strongest_mean(curves, [4], 1 / 3)[0] == 0.0


def test_overlap_is_judged_at_keyframe_grasp_end_and_approach() -> None:
    clip = SmallClip([still(50, 50, 21)], [0.5], frames=np.arange(21, dtype=np.int32))
    clip.phases = (phase(PhaseName.GRASP, 0, 10), phase(PhaseName.INTERACT, 10, 20))
    made = Clip(clip.subtask, clip.proposals, clip.tracks, clip.lifting, clip.robot, 10.0)
    # The keyframe is 2; four frames spread between 0 and 10.
    assert overlap_rows(made, RAW) == (2, 4, 6, 8, 10)
    assert overlap_rows(made, replace(RAW, overlap_approach_frames=0)) == (2, 10)


@pytest.mark.parametrize(
    ("overlap", "relief", "expected"),
    [
        (0.3, 0.0, 0.0),
        (0.65, 0.0, 1.45 * 0.25),
        (0.65, 1.0, 1.45 * 0.25 * 0.15),
        (0.979, 0.0, 1.45 * (0.679 / 0.7) ** 2),
        (1.0, 0.0, 1.45 + 0.2),
        (1.0, 1.0, 1.45 * 0.15 + 0.2),
    ],
)
def test_penalty(overlap: float, relief: float, expected: float) -> None:
    penalty = robot_penalty(np.array([overlap]), np.array([relief]), RAW)
    assert penalty[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gap", "relief"), [(0.05, 0), (0.15, 0.5), (0.25, 1), (2, 1), (0, 0), (np.nan, 0)]
)
def test_relief(gap: float, relief: float) -> None:
    assert depth_relief(np.array([gap]), RAW)[0] == pytest.approx(relief)


def test_robot_loses_by_its_overlap() -> None:
    clip = two(robot_boxes=[(90, 10, 130, 30)] * 6, detector=[0.1, 0.9])
    result = run(clip)
    assert result.terms[1].overlap == 1.0
    assert result.terms[1].penalty == pytest.approx(1.65)
    assert result.winner == 0
    assert "robot_won" not in codes(result)


def test_robot_won() -> None:
    clip = two(robot_boxes=[(40, 40, 70, 60)] * 6)
    options = replace(RAW, penalty_scale=0.0, full_overlap_spike=0.0)
    assert "robot_won" in codes(run(clip, options))


# --- normalisation, ties, empty ----------------------------------------------------------------


def test_min_max_over_tracked_candidates() -> None:
    values = np.array([2.0, 4.0, 3.0, 0.0])
    tracked = np.array([True, True, True, False])
    assert normalise(values, tracked, np.zeros(4)).tolist() == [0, 1, 0.5, 0]


def test_one_candidate() -> None:
    result = run(SmallClip([moving(50, 50, [0, 0, 4, 4, 0])], [0.4], gripper=still(50, 50)))
    terms = result.terms[0]
    assert terms.motion_normalised == 0.5
    assert terms.proximity_normalised == terms.proximity > 0
    assert "one_candidate" in codes(result)
    assert "near_tie" not in codes(result)
    at_rest = run(SmallClip([still(50, 50)], [0.4], gripper=still(50, 50)))
    assert at_rest.terms[0].motion_normalised == 0.0


def test_no_spread() -> None:
    result = run(SmallClip([still(50, 50), still(50, 50)], [0.4, 0.4], gripper=still(50, 50)))
    assert {"no_spread", "no_motion", "near_tie"} <= codes(result)
    assert [t.proximity_normalised for t in result.terms] == [1.0, 1.0]
    assert result.winner == 0


def test_near_tie_is_a_matter_of_the_margin() -> None:
    clip = SmallClip([still(50, 50), still(50, 50)], [0.5, 0.6], gripper=still(50, 50))
    difference = 0.1 * 0.6
    assert "near_tie" not in codes(run(clip, replace(RAW, near_tie_margin=difference - 1e-6)))
    assert "near_tie" in codes(run(clip, replace(RAW, near_tie_margin=difference + 1e-6)))


def test_no_candidates() -> None:
    result = run(SmallClip([], []))
    assert (result.winner, result.terms, codes(result)) == (-1, (), {"no_candidates"})
    assert result.motion.shape == (0, 5)


def test_no_interaction() -> None:
    result = run(two(phases=(phase(PhaseName.GRASP, 0, 12),)))
    assert "no_interaction" in codes(result)
    assert [t.motion for t in result.terms] == [0, 0]


def test_one_tracked_frame() -> None:
    clip = SmallClip(
        [still(50, 50, 1), still(90, 50, 1)],
        [0.4, 0.5],
        frames=np.array([2], np.int32),
        gripper=still(50, 50, 1),
    )
    result = run(clip)
    assert result.motion.shape == (2, 0)
    assert result.winner == 0


# --- choice ------------------------------------------------------------------------------------


def test_person_chooses() -> None:
    clip = two()
    x0, y0, x1, y1 = clip.box(1)
    result = run(clip, edits=(ChooseCandidate(subtask=0, box=(x0, y0, x1, y1 + 0.5)),))
    assert (result.winner, result.chosen_by) == (1, "person")
    assert result.ranking[0] == 0


def test_choice_that_is_gone() -> None:
    result = run(two(), edits=(ChooseCandidate(subtask=0, box=(0, 0, 5, 5)),))
    assert (result.winner, result.chosen_by) == (0, "score")
    assert "edit_not_applicable" in codes(result)


def test_a_persons_choice_is_no_near_tie() -> None:
    clip = SmallClip([still(50, 50), still(90, 50)], [0.5, 0.5])
    edit = ChooseCandidate(subtask=0, box=clip.box(1))
    assert "near_tie" in codes(run(clip))
    assert "near_tie" not in codes(run(clip, edits=(edit,)))


# --- rescore -----------------------------------------------------------------------------------


def test_rescore_with_the_same_options_changes_nothing() -> None:
    terms = run(two()).terms
    assert rescore(terms, RAW) == terms


def test_rescore_is_a_rerun_with_other_weights() -> None:
    options = replace(
        RAW, motion_weight=0.1, proximity_weight=0.7, adaptive_slope=0.0, interact_exponent=1.0
    )
    clip = two(robot_boxes=[(40, 40, 52, 60)] * 6)
    terms = rescore(run(clip).terms, options)
    assert terms == run(clip, options).terms
    assert terms != run(clip).terms
    assert sum(v for _, v in terms[0].contributions) == pytest.approx(terms[0].score)


def test_rescore_of_nothing() -> None:
    assert rescore((), RAW) == ()


# --- speed -------------------------------------------------------------------------------------


def test_scoring_is_quick() -> None:
    rng = np.random.default_rng(0)
    paths = [rng.uniform(20, 80, (120, 2)) for _ in range(25)]
    frames = np.arange(0, 600, 5, dtype=np.int32)
    clip = SmallClip(
        paths,
        rng.uniform(0, 1, 25).tolist(),
        frames=frames,
        gripper=rng.uniform(20, 80, (120, 2)),
        depth=[1.0] * 25,
        phases=(phase(PhaseName.GRASP, 0, 200), phase(PhaseName.INTERACT, 200, 400)),
    )
    small = clip.tracks
    # 100 points per candidate.
    tracks = replace(
        small,
        points=np.repeat(small.points, 25, axis=1),
        visible=rng.random((120, 2500)) < 0.9,
        candidate=np.repeat(small.candidate, 25),
        kept=np.ones(2500, np.bool_),
    )
    lifting = replace(clip.lifting, xyz=np.repeat(clip.lifting.xyz, 25, axis=1))
    stages = {n: getattr(clip, n) for n in ("subtasks", "proposals", "masks", "robot")}
    stages |= {"tracks": tracks, "lifting": lifting}
    context = StageContext(None, lambda share, what: None, lambda: False)  # type: ignore[arg-type]
    demonstration, inputs = clip.demonstration, StageInputs(stages, 0)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        ScoresStage().run(demonstration, inputs, ScoresOptions(), (), context)
        times.append(time.perf_counter() - start)
    # 50 ms on one core; the bound leaves room for busy machines.
    assert min(times) < 0.15


def test_terms_are_plain_floats() -> None:
    for terms in run(two()).terms:
        assert isinstance(terms, ScoreTerms)
        assert type(terms.score) is type(terms.penalty) is type(terms.motion_in) is float
