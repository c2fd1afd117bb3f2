"""Baselines and ladder on the candidates that annotations keep: equal to those of a scored clip."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation.baselines import (
    ABSTAINED,
    ALONE,
    LADDER,
    BaselineOptions,
    Cues,
    climb,
    motion_only,
    path_length,
    trajectory_length,
)
from pipeline.evaluation.figures import baseline_outcomes, candidate_ious, full_outcome
from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.evaluation.pairing import pair_by_index
from pipeline.model.annotation import Annotation, CandidateRecord
from pipeline.scoring.choice import choose
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, measure
from tests.pipeline.scored_clip import HEIGHT, WIDTH, SmallClip, moving, still

OPTIONS = ScoresOptions(smoothing_window=1, object_size_mix=0.0, motion_weight=0.6)
WEIGHTS = BaselineOptions.of(OPTIONS)


def clips() -> list[SmallClip]:
    """Several clips of different sizes, one without candidates."""
    first = SmallClip(
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
    alone = SmallClip([moving(50, 50, [0, 0, 4, 4, 0])], [0.4], gripper=still(50, 50))
    at_rest = SmallClip([still(20, 20), still(60, 60)], [0.5, 0.5])
    return [first, SmallClip([], []), alone, at_rest]


def annotation_of(number: int, clip: SmallClip) -> Annotation:
    parts = Clip(clip.subtask, clip.proposals, clip.tracks, clip.lifting, clip.robot, 10.0)
    scores = choose(measure(parts, HEIGHT, WIDTH, OPTIONS), parts, OPTIONS, ())
    boxes = {p.id: p.box for p in clip.proposals.candidates}
    moved = Cues.of(scores).mean_motion
    diagonal = float(np.hypot(HEIGHT, WIDTH))
    candidates = tuple(
        CandidateRecord(
            id=t.candidate, box=boxes[t.candidate], detector=t.detector, motion_in=t.motion_in,
            motion_out=t.motion_out, mean_motion=float(moved[k]),
            path_length=path_length(clip.tracks, t.candidate) / diagonal, proximity=t.proximity,
            overlap=t.overlap, relief=t.relief, points=t.points,
        )
        for k, t in enumerate(scores.terms)
    )  # fmt: skip
    won = scores.of(scores.winner).score if scores.winner >= 0 else None
    return Annotation(
        episode_index=number, subtask_index=0, arm="arm", camera="cam", instruction="", object="",
        start_box=boxes.get(scores.winner), target_box=None, score=won, phases=(), caption="",
        warnings=(), terms={}, keyframe=2, winner=scores.winner, candidates=candidates,
    )  # fmt: skip


def table() -> AnnotationTable:
    return AnnotationTable.of([annotation_of(k, c) for k, c in enumerate(clips())])


def test_records_say_what_the_stages_said() -> None:
    cues = Cues.of_candidates(table().candidates, OPTIONS)
    rules = {name: rule(cues, WEIGHTS) for name, rule in (*ALONE, *LADDER)}
    for number, clip in enumerate(clips()):
        parts = Clip(clip.subtask, clip.proposals, clip.tracks, clip.lifting, clip.robot, 10.0)
        scores = measure(parts, HEIGHT, WIDTH, OPTIONS)
        expected = dict(climb(scores, WEIGHTS))
        expected["motion only"] = motion_only(scores)
        expected["trajectory length (FSD)"] = trajectory_length(
            clip.proposals, clip.tracks, HEIGHT, WIDTH
        )
        assert set(expected) == set(rules)
        for name, choice in expected.items():
            row = int(rules[name].row[number])
            if choice == ABSTAINED:
                assert row == -1, name
                assert np.isnan(rules[name].score[number])
            else:
                assert cues.ids[row] == choice.candidate, name
                assert rules[name].score[number] == pytest.approx(choice.score, abs=1e-5), name


def test_ties_go_to_the_detector_then_to_the_lower_id() -> None:
    none = np.zeros(5)
    cues = Cues(
        offsets=np.array([0, 3, 3, 5]), ids=np.array([0, 1, 2, 4, 7]),
        detector=np.array([0.1, 0.9, 0.9, 0.5, 0.5]), mean_motion=none, path_length=none,
        phase_motion=none, proximity=none, overlap=none, full=none,
    )  # fmt: skip
    same = cues.best(np.ones(5))
    assert same.row.tolist() == [1, -1, 3]
    assert same.score[[0, 2]].tolist() == [1, 1]
    assert cues.best(np.array([2.0, 1, 1, 0, 1])).row.tolist() == [0, -1, 4]
    # None of the first clip may be chosen, so all may.
    allowed = np.array([False, False, False, False, True])
    assert cues.best(np.ones(5), allowed).row.tolist() == [1, -1, 4]
    assert cues.owner.tolist() == [0, 0, 0, 2, 2]


def test_relative_is_within_a_clip() -> None:
    none = np.zeros(6)
    cues = Cues(
        offsets=np.array([0, 2, 4, 6]), ids=np.arange(6), detector=none, mean_motion=none,
        path_length=none, phase_motion=none, proximity=none, overlap=none, full=none,
    )  # fmt: skip
    values = np.array([2.0, 4.0, 7.0, 7.0, 0.0, 0.0])
    assert cues.relative(values).tolist() == [0, 1, 0.5, 0.5, 0, 0]


def test_outcomes_are_about_the_true_subtasks() -> None:
    predicted = table()
    held, rest = clips()[0].box(0, 1), (119.0, 79.0, 121.0, 81.0)
    truth = [
        TrueSubtask(episode_index=9, start_box=held),
        TrueSubtask(episode_index=0, start_box=held),
        TrueSubtask(episode_index=1, start_box=rest),
    ]
    pairing = pair_by_index(predicted, truth)
    assert pairing.row.tolist() == [-1, 0, 1]
    assert (pairing.predicted, pairing.unused) == (2, 2)
    found = {o.method: o for o in baseline_outcomes(predicted, pairing, OPTIONS)}
    assert list(found) == [n for n, _ in (*ALONE, *LADDER[:-1])]
    assert found["detector"].right.tolist() == [False, False, False]
    assert found["+ phase-aware motion"].right.tolist() == [False, True, False]
    assert np.isnan(found["detector"].score[[0, 2]]).all()
    full = full_outcome(predicted, pairing)
    assert full.right.tolist() == [False, True, False]
    assert full.score[1] == pytest.approx(predicted.score[0])
    assert candidate_ious(predicted, pairing) == pytest.approx([0, 1, 0])


def test_without_candidates_there_are_no_baselines() -> None:
    bare = AnnotationTable.of([annotation_of(1, SmallClip([], []))])
    pairing = pair_by_index(bare, [TrueSubtask(episode_index=1, start_box=(0, 0, 1, 1))])
    assert baseline_outcomes(bare, pairing, OPTIONS) == ()
