"""Two runs of a subtask side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.comparison import Kind, RunView, compare_runs, match_boxes, renumbered
from pipeline.model.arrays import pack_masks
from pipeline.model.candidate import Box, MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.score import ScoresResult, ScoreTerms

WIDTH, HEIGHT = 200, 100
CUBE: Box = (10, 10, 40, 40)
CUP: Box = (100, 20, 140, 80)
PLATE: Box = (150, 60, 190, 95)


def proposals(*boxes: Box, camera: str = "top", keyframe: int = 5) -> ProposalsResult:
    found = tuple(
        Proposal(k, box, keyframe, 0.9 - 0.1 * k, f"thing {k}", "region")
        for k, box in enumerate(boxes)
    )
    return ProposalsResult(camera, keyframe, found, (), "regions")


def terms(candidate: int, score: float) -> ScoreTerms:
    fields = dict.fromkeys(ScoreTerms.__dataclass_fields__, 0.0)
    return ScoreTerms(**fields | {"candidate": candidate, "score": score})  # type: ignore[arg-type]


def scores(*values: float) -> ScoresResult:
    count, frames = len(values), np.array([0, 10], np.int32)
    empty = np.zeros((count, 2), np.float32)
    return ScoresResult(
        terms=tuple(terms(k, value) for k, value in enumerate(values)),
        winner=int(np.argmax(values)) if values else -1,
        chosen_by="score",
        frames=frames,
        motion=np.zeros((count, 1), np.float32),
        proximity=empty,
        overlap=empty,
        interaction=np.ones(1, np.bool_),
        radius=np.ones(2, np.float32),
        form="2d",
    )


def masks(*boxes: Box) -> MasksResult:
    shapes = np.zeros((len(boxes), HEIGHT, WIDTH), np.bool_)
    for shape, (x0, y0, x1, y1) in zip(shapes, boxes, strict=True):
        shape[int(y0) : int(y1), int(x0) : int(x1)] = True
    colors = np.arange(3 * len(boxes), dtype=np.float32).reshape(-1, 3)
    return MasksResult(5, HEIGHT, WIDTH, pack_masks(shapes), colors, "grabcut")


def tracks(*boxes: Box, frames: tuple[int, ...] = (0, 10), shift: float = 0.0) -> TracksResult:
    carried = np.repeat(np.array(boxes, np.float32)[None], len(frames), axis=0)
    carried[..., [0, 2]] += shift
    count = len(boxes)
    return TracksResult(
        np.array(frames, np.int32),
        6.0,
        np.zeros((len(frames), count, 2), np.float32),
        np.ones((len(frames), count), np.bool_),
        np.arange(count, dtype=np.int32),
        np.ones(count, np.bool_),
        carried,
        "lucas_kanade",
    )


def shifted(box: Box, dx: float) -> Box:
    return (box[0] + dx, box[1], box[2] + dx, box[3])


def test_moved_appeared_vanished_and_ranks() -> None:
    before = RunView(proposals(CUBE, CUP), scores=scores(0.9, 0.4))
    after = RunView(proposals(PLATE, shifted(CUBE, 9)), scores=scores(0.8, 0.5))
    found = compare_runs(before, after)
    now = {c.after: c for c in found.changes}
    assert now[0].kind is Kind.APPEARED
    assert (now[0].rank_before, now[0].rank_after, now[0].gain) == (None, 1, None)
    moved = now[1]
    # 30 wide, shifted by 9: 21 / 39 in common.
    assert moved.kind is Kind.MOVED
    assert moved.iou == pytest.approx(21 / 39)
    assert (moved.before, moved.rank_before, moved.rank_after, moved.climbed) == (0, 1, 2, -1)
    assert moved.gain == pytest.approx(-0.4)
    gone = found.changes[-1]
    assert (gone.kind, gone.before, gone.proposal.box) == (Kind.VANISHED, 1, CUP)
    assert found.winner_changed
    assert found.sentence == (
        "1 moved, 1 appeared, 1 vanished, 1 changed rank; another winner: #0 → #0"
    )


def test_the_same_run_changes_nothing() -> None:
    view = RunView(proposals(CUBE, CUP), masks(CUBE, CUP), tracks(CUBE, CUP), scores(0.2, 0.7))
    found = compare_runs(view, view)
    assert [c.kind for c in found.changes] == [Kind.SAME, Kind.SAME]
    assert [c.mask_iou for c in found.changes] == [1.0, 1.0]
    assert [c.track_gap for c in found.changes] == [0.0, 0.0]
    assert not found.winner_changed
    assert found.sentence == "the same candidates in the same order; the same winner"


def test_each_candidate_is_matched_once_to_its_largest_overlap() -> None:
    old = proposals(CUBE, shifted(CUBE, 6)).candidates
    new = proposals(shifted(CUBE, 5), shifted(CUBE, 1)).candidates
    assert match_boxes(old, new) == {0: 1, 1: 0}
    assert match_boxes(old, proposals(CUP).candidates) == {}
    # Two boxes now, one before: the nearer one is the same, the other is new.
    assert match_boxes(proposals(CUBE).candidates, new) == {1: 0}


def test_masks_and_tracks_are_compared_where_they_can_be() -> None:
    half: Box = (10, 10, 25, 40)
    before = RunView(proposals(CUBE), masks(CUBE), tracks(CUBE))
    after = RunView(proposals(CUBE), masks(half), tracks(CUBE, frames=(10, 20), shift=6.0))
    change = compare_runs(before, after).changes[0]
    assert change.mask_iou == pytest.approx(0.5)
    assert change.track_gap == pytest.approx(6.0)  # only frame 10 is in both
    apart = replace(after, tracks=tracks(CUBE, frames=(3, 4)))
    assert compare_runs(before, apart).changes[0].track_gap is None
    elsewhere = replace(after, proposals=proposals(CUBE, keyframe=9))
    found = compare_runs(before, elsewhere)
    assert found.changes[0].mask_iou is None
    assert "keyframe 5 → 9" in found.sentence


def test_other_cameras_share_no_candidate() -> None:
    found = compare_runs(RunView(proposals(CUBE)), RunView(proposals(CUBE, camera="wrist")))
    assert found.camera_changed
    assert [c.kind for c in found.changes] == [Kind.APPEARED, Kind.VANISHED]
    assert "different cameras" in found.sentence


def test_without_scores_there_are_no_ranks() -> None:
    found = compare_runs(RunView(proposals(CUBE)), RunView(proposals(), scores=scores()))
    assert [c.kind for c in found.changes] == [Kind.VANISHED]
    assert found.changes[0].rank_before is None
    assert found.sentence == "1 vanished"


def test_the_run_before_takes_the_ids_of_now() -> None:
    alike = np.array([[1, 0.5], [0.9, 0.4]], np.float32)
    before = RunView(
        proposals(CUBE, CUP),
        replace(masks(CUBE, CUP), quality=np.array([0.7, 0.6], np.float32)),
        replace(tracks(CUBE, CUP), appearance=alike),
        scores(0.9, 0.4),
    )
    after = RunView(proposals(PLATE, CUBE), scores=scores(0.8, 0.5))
    found = compare_runs(before, after)
    assert found.shared_ids == {0: 1, 1: 2}
    shown = renumbered(before, found.shared_ids)
    assert {p.id: p.box for p in shown.proposals.candidates} == {1: CUBE, 2: CUP}
    assert shown.winner == 1
    assert shown.masks is not None
    assert shown.masks.masks[1, 20, 20]
    assert shown.masks.masks[2, 50, 120]
    assert not shown.masks.masks[0].any()
    assert shown.masks.colors[1].tolist() == [0, 1, 2]
    assert shown.masks.quality is not None
    assert shown.masks.quality[1:].tolist() == pytest.approx([0.7, 0.6])
    assert shown.tracks is not None
    assert np.array_equal(shown.tracks.appearance[:, 1:], alike)
    assert shown.tracks.candidate.tolist() == [1, 2]
    assert np.isnan(shown.tracks.boxes[:, 0]).all()
    assert shown.tracks.boxes[0, 2].tolist() == list(CUP)
    assert shown.scores is not None
    assert shown.scores.ranking == (1, 2)


def test_an_empty_run_can_be_renumbered() -> None:
    view = RunView(proposals(), masks(), None, scores())
    assert renumbered(view, {}).proposals.candidates == ()
