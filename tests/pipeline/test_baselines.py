from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.baselines import (
    ABSTAINED,
    LADDER,
    BaselineOptions,
    Choice,
    climb,
    detector_only,
    motion_only,
    path_length,
    trajectory_length,
)
from pipeline.model.edits import ChooseCandidate
from pipeline.model.score import ScoresResult
from pipeline.scoring.choice import choose
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, measure
from tests.pipeline.scored_clip import SmallClip, moving, still

OPTIONS = ScoresOptions(smoothing_window=1, object_size_mix=0.0)


def clip() -> SmallClip:
    """0: held object. 1: best detection, at rest. 2: robot, moves most. 3: moves all the time."""
    return SmallClip(
        [
            moving(50, 50, [0, 0, 4, 4, 0]),
            still(120, 80),
            moving(20, 20, [9, 9, 9, 9, 9]),
            moving(100, 40, [5, 5, 5, 5, 5]),
        ],
        [0.3, 0.8, 0.5, 0.45],
        gripper=still(50, 50),
        robot_boxes=[(0, 10, 90, 30)] * 6,
    )


def scored(made: SmallClip, *edits: ChooseCandidate) -> ScoresResult:
    parts = Clip(made.subtask, made.proposals, made.tracks, made.lifting, made.robot, 10.0)
    return choose(measure(parts, 100, 200, OPTIONS), parts, OPTIONS, edits)


def test_detector_only() -> None:
    assert detector_only(clip().proposals) == Choice(1, 0.8)


def test_motion_only_takes_what_moves_most() -> None:
    choice = motion_only(scored(clip()))
    assert choice.candidate == 2
    assert choice.score == pytest.approx(45.0)  # 9 px in 0.2 s


def test_path_length_sums_medians() -> None:
    made = clip()
    assert path_length(made.tracks, 0) == pytest.approx(8.0)
    assert path_length(made.tracks, 3) == pytest.approx(25.0)
    tracks = made.tracks
    tracks.visible[2, :3] = False
    assert path_length(tracks, 0) == pytest.approx(8.0)
    tracks.visible[2, 3] = False
    assert path_length(tracks, 0) == pytest.approx(4.0)
    assert path_length(tracks, 9) == 0.0


def test_fsd_abstains_if_the_best_detection_does_not_move() -> None:
    made = clip()
    assert trajectory_length(made.proposals, made.tracks, 100, 200) == ABSTAINED
    made.detector = [0.9, 0.8, 0.5, 0.45]
    diagonal = float(np.hypot(100, 200))
    short = BaselineOptions(min_length=0.03)
    choice = trajectory_length(made.proposals, made.tracks, 100, 200, short)
    assert choice.candidate == 0
    assert choice.score == pytest.approx(8 / diagonal)
    assert trajectory_length(made.proposals, made.tracks, 100, 200) == ABSTAINED


def test_ladder_by_hand() -> None:
    choices = dict(climb(scored(clip())))
    assert tuple(choices) == tuple(name for name, _ in LADDER)
    assert choices["detector"] == Choice(1, 0.8)
    # The robot moves most: 0.75 * 0.5 + 0.5 against 0.75 * 0.8.
    assert choices["+ mean motion"].candidate == 2
    assert choices["+ mean motion"].score == pytest.approx(0.875)
    # Without it: the thing that moves all the time, 25 of 45 px/s, against the best detection.
    assert choices["+ hard robot filter"].candidate == 3
    assert choices["+ hard robot filter"].score == pytest.approx(0.75 * 0.45 + 0.5 * 25 / 45)
    phase_aware = scored(clip()).terms
    assert choices["+ phase-aware motion"].candidate == 0
    assert choices["+ phase-aware motion"].score == pytest.approx(
        0.75 * 0.3 + 0.5 * phase_aware[0].motion_normalised
    )
    assert choices["+ adaptive detector weight"] == choices["full"]
    assert choices["full"] == Choice(0, phase_aware[0].score)


def test_soft_penalty_is_what_the_last_rung_adds() -> None:
    made = clip()
    made.robot_boxes = [(0, 10, 90, 30)] * 2 + [(0, 0, 90, 90)] + [None] * 3
    result = scored(made)
    assert result.terms[0].overlap == 1.0
    choices = dict(climb(result))
    assert choices["+ adaptive detector weight"].candidate != 0
    assert choices["full"].score == max(t.score for t in result.terms)


def test_a_persons_choice_does_not_help_the_ladder() -> None:
    made = clip()
    result = scored(made, ChooseCandidate(subtask=0, box=made.box(1)))
    assert result.winner == 1
    assert dict(climb(result))["full"].candidate == 0


def test_filter_that_drops_everybody_drops_nobody() -> None:
    made = clip()
    made.robot_boxes = [(0, 0, 200, 100)] * 6
    assert dict(climb(scored(made)))["+ hard robot filter"].candidate == 2


def test_nothing_to_choose() -> None:
    made = SmallClip([], [])
    assert detector_only(made.proposals) == ABSTAINED
    assert motion_only(scored(made)) == ABSTAINED
    assert trajectory_length(made.proposals, made.tracks, 100, 200) == ABSTAINED
    assert {c for _, c in climb(scored(made))} == {ABSTAINED}
