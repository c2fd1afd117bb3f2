"""What would flip a decision, against hand-computed cases and independent searches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.choice_truth import GROUND_TRUTH, ChoiceTruth
from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.evaluation.what_if import Flips, Kind, flips_of
from pipeline.evaluation.what_if_changes import BoundaryChange, OptionChange
from pipeline.evaluation.what_if_search import (
    Axis,
    Contest,
    between,
    crossings,
    even_points,
    factor_points,
)
from pipeline.evaluation.what_if_text import road_text, summary, trial_text
from pipeline.model.options import describe
from pipeline.model.phases import PhaseName
from pipeline.model.problem import Cancelled
from pipeline.scoring.choice import choose
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, measure, overlap_rows
from pipeline.scoring.signals import smooth
from pipeline.stages.phase_edits import move_boundaries
from tests.pipeline.scored_clip import FPS, HEIGHT, WIDTH, SmallClip, moving, phase, still

DETECTOR = np.array([0.5, 0.5, 0.5])


def linear(*lines: tuple[float, float], start: float = 1.0, high: float = 5.0) -> Axis:
    offset, slope = np.array(lines, np.float64).T
    return Axis(start, 0.0, high, lambda v: offset + slope * v, linear=True)


def found(axis: Axis, detector: np.ndarray = DETECTOR) -> dict[tuple[int, bool], float]:
    contest = Contest(detector)
    return {(c.row, c.value > axis.start): c.value for c in crossings(axis, contest)}


def test_lines_cross_where_they_cross() -> None:
    # At 1: 2, 1.5, 1. The second wins under 0.5, the third over 2.5.
    axis = linear((1.0, 1.0), (1.5, 0.0), (-1.5, 2.0))
    assert found(axis) == pytest.approx({(1, False): 0.5, (2, True): 2.5})


def test_a_line_below_the_others_never_wins() -> None:
    assert found(linear((1.0, 1.0), (0.9, 1.0), (0.0, 0.5))) == {}


def test_outside_of_the_range_is_no_flip() -> None:
    assert found(linear((1.0, 0.0), (0.0, 0.19), start=1.0), DETECTOR[:2]) == {}


def test_where_two_are_even_the_larger_detector_wins() -> None:
    lines = ((1.0, 0.0), (0.5, 0.5))
    axis = linear(*lines, start=0.5)
    wins_tie = found(axis, np.array([0.2, 0.9]))[(1, True)]
    loses_tie = found(axis, np.array([0.9, 0.2]))[(1, True)]
    assert wins_tie == 1.0
    assert 1.0 < loses_tie < 1.0 + 1e-9


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.floats(-2, 2).map(lambda v: round(v, 3)), st.floats(-2, 2).map(round)),
        min_size=2,
        max_size=8,
    ),
    st.floats(0, 5),
)
def test_lines_agree_with_a_dense_scan(lines: list[tuple[float, float]], start: float) -> None:
    axis = linear(*lines, start=start)
    contest = Contest(np.linspace(0, 1, len(lines)))
    now = contest.winner(axis.scores(start))
    exact = crossings(axis, contest)
    for crossing in exact:
        assert contest.winner(axis.scores(crossing.value)) == crossing.row
        assert contest.winner(axis.scores(crossing.short)) == crossing.row
        assert abs(crossing.short - crossing.value) <= 0.011 * max(abs(crossing.value), 1e-3)
    winners = {contest.winner(axis.scores(v)) for v in np.linspace(0, 5, 400)} - {now}
    assert winners <= {c.row for c in exact}


def bump(v: float) -> np.ndarray:
    """The second wins on [2, 2.2] only."""
    return np.array([1.0, 1.5 if 2.0 <= v <= 2.2 else 0.0])


def test_a_winner_that_comes_and_goes_is_found_if_the_grid_is_fine_enough() -> None:
    fine, coarse = even_points(0.5, 0.0, 4.0, 40), even_points(0.5, 0.0, 4.0, 4)
    assert fine[1] == "steps of 0.1"
    axis = Axis(0.5, 0.0, 4.0, bump, fine[0], resolution=fine[1])
    assert found(axis, DETECTOR[:2]) == pytest.approx({(1, True): 2.0}, abs=1e-3)
    # Points 0, 1, 2, ...: 2.0 is hit; moved a little, the bump lies between two points.
    missed = Axis(0.5, 0.0, 4.0, lambda v: bump(v - 0.4), coarse[0], resolution=coarse[1])
    assert found(missed, DETECTOR[:2]) == {}
    assert missed.resolution == "steps of 1"


def test_a_third_that_wins_in_passing_is_not_lost() -> None:
    def scores(v: float) -> np.ndarray:
        return np.array([1.0, 3.0 if 2.3 <= v < 2.5 else 0.0, 2.0 if v >= 2.5 else 0.0])

    points = even_points(0.0, 0.0, 4.0, 4)[0]
    assert found(Axis(0.0, 0.0, 4.0, scores, points)) == pytest.approx(
        {(2, True): 2.5, (1, True): 2.3}, abs=1e-2
    )


def test_whole_numbers_are_all_tried() -> None:
    axis = Axis(
        3.0,
        1.0,
        9.0,
        lambda v: np.array([1.0, 2.0 if v == 7 else 0.0]),
        tuple(float(i) for i in range(1, 10)),
        whole=True,
    )
    assert found(axis, DETECTOR[:2]) == {(1, True): 7.0}


def test_points_stay_in_the_range_and_are_finer_near_the_start() -> None:
    for points, _ in (even_points(0.6, 0.0, 4.0, 20), factor_points(8.0, 0.1, 100.0, 20)):
        assert min(points) in (0.0, 0.1)
        assert max(points) in (4.0, 100.0)
        assert list(points) == sorted(set(points))
    near = np.array(even_points(0.6, 0.0, 4.0, 20)[0])
    assert np.abs(near - 0.6)[np.abs(near - 0.6) > 0].min() < 0.01
    assert between(0.0, 1.0, [0.5, 0.5, 2.0]) == (0.0, 0.25, 0.75, 1.0)


# -- on a small clip -------------------------------------------------------------------------

# Six frames, five transitions; the middle two lie in the interaction [4, 8).
MOVED = moving(20, 50, [0, 0, 8, 8, 0])
CLIP = SmallClip([MOVED, still(80, 50), still(140, 50)], [0.3, 0.5, 0.1])
OPTIONS = ScoresOptions()


def clip_of(small: SmallClip) -> Clip:
    return Clip(small.subtask, small.proposals, small.tracks, small.lifting, small.robot, FPS)


def flips(small: SmallClip, options: ScoresOptions = OPTIONS, person: int = -1) -> Flips:
    clip = clip_of(small)
    scores = choose(measure(clip, HEIGHT, WIDTH, options), clip, options, ())
    if person >= 0:
        scores = replace(scores, winner=person, chosen_by="person")
    return flips_of(clip, HEIGHT, WIDTH, options, scores)


def test_weights_by_hand() -> None:
    """R_0 = w_A + 0.75 * 0.3, R_1 = 0.75 * 0.5: even at w_A = 0.15, and at w_D = 2.5."""
    answer = flips(CLIP)
    assert (answer.winner, answer.runner_up) == (0, 1)
    assert answer.margin == pytest.approx(0.5 - 0.75 * 0.2)
    by_name = {f.change.name: f for f in answer.to(1)}
    assert by_name["motion_weight"].to_value == pytest.approx(0.15)
    assert by_name["motion_weight"].kind is Kind.EXACT
    assert by_name["motion_weight"].effort == pytest.approx(0.35 / 0.5)
    assert by_name["motion_weight"].is_larger is False
    assert by_name["detector_base_weight"].to_value == pytest.approx(2.5)
    assert by_name["detector_base_weight"].effort == pytest.approx(1.75 / 0.75)
    assert answer.to(2) == ()
    assert "makes #2 win" in road_text(answer, 2)
    assert summary(answer) == (
        "The decision flips to #1 if the motion weight falls from 0.5 to 0.15 (−70\u00a0%)."
    )


def test_a_boundary_moves_by_whole_frames() -> None:
    """Without the moving transitions in the interaction nothing speaks for the first."""
    answer = flips(CLIP)
    moves = [f for f in answer.to(1) if isinstance(f.change, BoundaryChange)]
    assert moves
    for move in moves:
        assert isinstance(move.change, BoundaryChange)
        assert isinstance(move.to_value, int)
        back = move.to_value - (1 if move.is_larger else -1)
        for frame, winner in ((move.to_value, 1), (back, 0)):
            subtask = move.change.at(frame).applied_to(CLIP.subtask)
            moved = replace(clip_of(CLIP), subtask=subtask)
            assert measure(moved, HEIGHT, WIDTH, OPTIONS).ranking[0] == winner


def test_boundaries_move_as_edits_move_them() -> None:
    phases = CLIP.subtask.phases
    for place, frame in ((0, 2), (1, 6), (2, 9)):
        change = BoundaryChange("arm", place - 1, frame, place, ("", ""))
        assert (
            list(change.applied_to(CLIP.subtask).phases)
            == (move_boundaries(phases, [(place - 1, frame)], 12)[0])
        )


def test_the_threshold_of_full_overlap_is_exact() -> None:
    """The winner lies on the robot by three quarters; from there on the spike is its end."""
    boxes = [(17.0, 47.0, 200.0, 53.0)] * 6
    small = SmallClip([MOVED, still(80, 20)], [0.3, 0.5], robot_boxes=boxes)
    options = ScoresOptions(overlap_onset=0.99, full_overlap_spike=3.0, penalty_scale=0.0)
    clip = clip_of(small)
    terms = measure(clip, HEIGHT, WIDTH, replace(options, full_overlap_threshold=1.0)).terms
    assert terms[0].overlap == 1.0
    assert flips(small, options).winner == 1
    found = {f.change.name: f for f in flips(small, options).to(0)}
    assert found["full_overlap_spike"].kind is Kind.EXACT
    assert found["full_overlap_spike"].to_value == pytest.approx(0.35)


def test_another_choice_counts_as_one_step() -> None:
    """The gripper is at the second before the grasp, at the first while something is held."""
    gripper = np.array([[80.0, 50.0]] * 4 + [[20.0, 50.0]] * 2)
    small = SmallClip([still(20, 50), still(80, 50)], [0.5, 0.5], gripper=gripper)
    small.phases = (
        phase(PhaseName.GRASP, 0, 8),
        phase(PhaseName.INTERACT, 8, 11),
        phase(PhaseName.RELEASE, 11, 12),
    )
    answer = flips(small)
    assert answer.winner == 1
    (flip,) = [f for f in answer.to(0) if f.change.name == "proximity_frames"]
    assert (flip.from_value, flip.to_value, flip.effort) == ("valid", "interaction", 1.0)
    assert flip.is_larger is None
    options = OptionChange("proximity_frames", "interaction").applied_to(OPTIONS)
    assert measure(clip_of(small), HEIGHT, WIDTH, options).ranking[0] == 0


def test_a_near_tie_is_said() -> None:
    small = SmallClip([still(20, 50), still(80, 50)], [0.5, 0.48])
    answer = flips(small)
    assert answer.near_tie
    assert summary(answer).startswith("Near tie: #0 leads #1 by 0.015 only.")


def test_a_persons_choice_is_not_the_scores() -> None:
    answer = flips(CLIP, person=2)
    assert (answer.winner, answer.by_person) == (0, 2)
    assert summary(answer).startswith("A person chose #2; the score alone chooses #0.")


def test_one_candidate_and_none() -> None:
    alone = flips(SmallClip([MOVED], [0.3]))
    assert (alone.winner, alone.runner_up, alone.flips, alone.trials) == (0, -1, (), ())
    assert "only candidate" in summary(alone)
    nobody = flips(SmallClip([], []))
    assert (nobody.winner, nobody.flips) == (-1, ())


def test_cancelled_at_once_and_progress_grows() -> None:
    clip = clip_of(CLIP)
    scores = measure(clip, HEIGHT, WIDTH, OPTIONS)
    with pytest.raises(Cancelled):
        flips_of(clip, HEIGHT, WIDTH, OPTIONS, scores, is_cancelled=lambda: True)
    heard: list[float] = []
    flips_of(clip, HEIGHT, WIDTH, OPTIONS, scores, progress=lambda share, _: heard.append(share))
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_every_option_is_tried_or_has_a_reason() -> None:
    answer = flips(CLIP)
    known = {t.change.name: t for t in answer.trials}
    doubts = {"near_tie_margin", "robot_overlap_warning"}
    assert {i.name for i in describe(ScoresOptions)} - doubts <= set(known)
    assert known["depth_relief_low"].reason == "Without 3D, depth gives no relief."
    assert "exact" in trial_text(known["overlap_share"])
    searched = known["interact_exponent"]
    assert searched.kind is Kind.SEARCHED
    assert trial_text(searched) == "None found from 0 to 4 in steps of 0.02."


def test_changes_stay_in_the_documented_range() -> None:
    with pytest.raises(ValueError, match="motion_weight"):
        OptionChange("motion_weight", 7.0).applied_to(OPTIONS)
    assert OptionChange("smoothing_window", 5.0).applied_to(OPTIONS).smoothing_window == 5


def test_a_window_wider_than_the_curve_holds_all_of_it() -> None:
    curve = np.arange(5.0)[:, None]
    assert smooth(curve, 99) == pytest.approx(np.full((5, 1), 2.0))


# -- evidence and truth ----------------------------------------------------------------------


def test_evidence_explains_the_terms() -> None:
    boxes = [(17.0, 47.0, 23.0, 53.0)] * 6
    gripper = np.array([[20.0, 50.0]] * 6)
    small = SmallClip([MOVED, still(80, 50)], [0.3, 0.5], gripper=gripper, robot_boxes=boxes)
    clip = clip_of(small)
    scores = measure(clip, HEIGHT, WIDTH, OPTIONS)
    evidence = TermEvidence.of(clip, HEIGHT, WIDTH, OPTIONS, scores)
    terms = scores.of(0)
    assert evidence.motion_transitions(0) == (2, 3)
    held = evidence.motion[0][evidence.interaction]
    assert float(held.mean()) == pytest.approx(terms.motion_in)
    near = evidence.proximity[0][evidence.proximity_counted(0)]
    assert float(near.mean()) == pytest.approx(terms.proximity)
    used = evidence.overlap_counted(0)
    assert set(used) <= set(evidence.overlap_known(0)) <= set(overlap_rows(clip, OPTIONS))
    assert float(evidence.overlap[0][list(used)].mean()) == pytest.approx(terms.overlap)
    own = np.flatnonzero(clip.tracks.candidate == 0)
    for hit, counted, curve in (
        (evidence.inside, evidence.inside_counted, evidence.proximity),
        (evidence.on_robot, evidence.on_robot_counted, evidence.overlap),
    ):
        share = (hit & counted)[:, own].sum(axis=1) / counted[:, own].sum(axis=1)
        assert share == pytest.approx(curve[0])
    assert evidence.row_of(7) == -1


def test_truth_says_who_is_right() -> None:
    proposals = CLIP.proposals
    right = ChoiceTruth.of(proposals, CLIP.box(0), GROUND_TRUTH)
    assert (right.is_right(0), right.is_right(1), right.best) == (True, False, (0, 1.0))
    assert right.verdict(1) == "wrong: #0 is right"
    assert "#0 matches the ground truth (IoU 1.00)" in right.sentence(0)
    missed = ChoiceTruth.of(proposals, (0.0, 0.0, 5.0, 5.0), GROUND_TRUTH)
    assert missed.verdict(0) == "not among the candidates"
    assert "None of 3 candidates" in missed.sentence(0)
    other = ChoiceTruth.of(proposals, CLIP.box(0), GROUND_TRUTH, camera="wrist")
    assert other.is_right(0) is None
    assert "camera" in other.sentence(0)
