from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.candidate import MasksResult
from pipeline.model.problem import Cancelled
from pipeline.model.score import box_iou
from pipeline.stages.track_points import sample_points
from pipeline.stages.tracks import TracksOptions, TracksStage, frames_at
from tests.pipeline.rendered_scene import Scene, run, upto

STAGE = TracksStage()


@pytest.fixture(scope="module")
def tracked():
    scene = Scene()
    return scene, upto(scene, "tracks")


def near(results, box) -> int:
    return max(results["proposals"].candidates, key=lambda p: box_iou(p.box, box)).id


def test_boxes_follow_the_object(tracked) -> None:
    scene, results = tracked
    tracks = results["tracks"]
    k = near(results, scene.object_box(12))
    overlaps = [
        box_iou(tuple(tracks.boxes[i, k]), scene.object_box(int(f)))
        for i, f in enumerate(tracks.frames)
        if np.isfinite(tracks.boxes[i, k]).all()
    ]
    assert len(overlaps) >= 0.9 * len(tracks.frames)
    assert min(overlaps) > 0.5
    assert np.mean(overlaps) > 0.8


def test_plain_objects_have_points_that_follow(tracked) -> None:
    scene, results = tracked
    tracks = results["tracks"]
    own = tracks.candidate == near(results, scene.object_box(12))
    assert 20 <= own.sum() <= 60
    truth = np.array([scene.object(int(f)) for f in tracks.frames])
    row = tracks.nearest(results["masks"].keyframe)
    offset = tracks.points[:, own] - (tracks.points[row, own] - truth[row])[None]
    error = np.linalg.norm(offset - truth[:, None], axis=2)
    assert np.median(error[tracks.visible[:, own]]) < 2.5
    assert tracks.visible[:, own].mean() > 0.7
    assert tracks.kept[own].all()


def test_resting_things_rest_while_the_arm_passes(tracked) -> None:
    _, results = tracked
    tracks = results["tracks"]
    for truth in ((127, 177, 153, 203), (264, 44, 297, 77)):
        own = tracks.candidate == near(results, truth)
        seen = tracks.visible[:, own]
        span = np.where(seen[..., None], tracks.points[:, own], np.nan)
        wander = np.nanmax(span, axis=0) - np.nanmin(span, axis=0)
        assert np.nanmedian(wander) < 3


def test_something_hidden_is_invisible_and_comes_back() -> None:
    scene = Scene()
    plain = scene.frame

    def covered(camera: str, index: int):
        image = plain(camera, index)
        if 20 <= index < 35:
            image[30:100, 240:320] = (90, 90, 95)
        return image

    scene.frame = covered  # type: ignore[method-assign]
    results = upto(scene, "masks", {"subtasks": scene.subtasks()})
    tracks = run(scene, STAGE, results)
    own = tracks.candidate == near(results, (264, 44, 297, 77))
    inside = (tracks.frames >= 22) & (tracks.frames < 34)
    assert tracks.visible[inside][:, own].mean() < 0.2
    assert tracks.visible[tracks.frames >= 40][:, own].mean() > 0.7
    assert np.isnan(tracks.boxes[inside][:, near(results, (264, 44, 297, 77))]).mean() > 0.7


def test_frames_at_the_tracking_rate() -> None:
    frames = frames_at(10, 70, 20.0, 6.0)
    assert (frames[0], frames[-1]) == (10, 69)
    assert set(np.diff(frames)) <= {3, 4}
    assert list(frames_at(5, 6, 20.0, 6.0)) == [5]
    assert len(frames_at(5, 5, 20.0, 6.0)) == 0


def test_short_clips_black_frames_and_no_candidates() -> None:
    for scene in (Scene(length=5), Scene(black=True), Scene(length=1)):
        results = upto(scene, "tracks", {"subtasks": scene.subtasks(interaction=False)})
        tracks = results["tracks"]
        assert tracks.visible.shape == (len(tracks.frames), len(tracks.candidate))
        short = len(tracks.frames) < 4
        assert ("short_clip" in [p.code for p in tracks.problems]) == short


def test_points_seen_too_seldom_are_not_kept(tracked) -> None:
    scene, results = tracked
    strict = run(scene, STAGE, results, options=TracksOptions(min_visible_share=1.0))
    assert not strict.kept.all()
    assert (strict.visible.all(axis=0) == strict.kept).all()


def test_points_stay_inside_their_masks() -> None:
    masks = np.zeros((3, 60, 80), bool)
    masks[0, 10:30, 10:30] = True
    masks[1, 50:52, 70:72] = True
    points, owner = sample_points(np.full((60, 80, 3), 128, np.uint8), masks, 40, 60)
    for k in (0, 1):
        own = points[owner == k].astype(int)
        assert masks[k][own[:, 1], own[:, 0]].all()
    assert (owner == 0).sum() >= 30
    assert (owner == 2).sum() == 0


def test_it_can_be_cancelled(tracked) -> None:
    scene, results = tracked
    with pytest.raises(Cancelled):
        run(scene, STAGE, results, cancel_after=10)


def test_it_is_deterministic(tracked) -> None:
    scene, results = tracked
    again = run(scene, STAGE, results)
    np.testing.assert_array_equal(again.visible, results["tracks"].visible)
    np.testing.assert_array_equal(again.points, results["tracks"].points)
    assert isinstance(results["masks"], MasksResult)
