from __future__ import annotations

import numpy as np
import pytest

from pipeline.backends.detection.colors import color_match, color_words, to_lab
from pipeline.backends.detection.grouping import surface_difference
from pipeline.backends.registry import EMBEDDED, backend_names, load_backend
from pipeline.model.edits import AddBox, FixBox
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.score import box_area, box_iou
from pipeline.stages.proposals import ProposalsOptions, ProposalsStage, keyframe_of
from tests.pipeline.rendered_scene import BLUE, HEIGHT, WIDTH, Scene, run

STAGE = ProposalsStage()
BLUE_BOX = (127.0, 177.0, 153.0, 203.0)
PLATE = (201.0, 136.0, 270.0, 205.0)


def propose(scene: Scene, **given: object):
    subtasks = given.pop("subtasks", scene.subtasks())
    return run(scene, STAGE, {"subtasks": subtasks}, **given)


def best(proposals, box):
    return max(proposals, key=lambda p: box_iou(p.box, box))


def test_every_object_is_among_the_proposals_and_boxes_are_in_order() -> None:
    scene = Scene()
    result = propose(scene)
    assert result.keyframe == keyframe_of(scene.subtasks().subtasks[0], scene.length) == 12
    for truth in (scene.object_box(12), BLUE_BOX, PLATE, (264, 44, 297, 77)):
        assert box_iou(best(result.candidates, truth).box, truth) >= 0.7
    scores = [p.score for p in result.candidates]
    assert scores == sorted(scores, reverse=True)
    assert [p.id for p in result.candidates] == list(range(len(scores)))
    assert all(0 <= s <= 1 for s in scores)
    assert 5 <= len(scores) <= 25
    assert result.problems == ()


def test_color_separates_twins_and_motion_does_not_enter_the_confidence() -> None:
    moving, resting = Scene(), Scene(moving=False)
    for word, truth, other in (
        ("red", moving.object_box(12), BLUE_BOX),
        ("blue", BLUE_BOX, moving.object_box(12)),
    ):
        subtasks = moving.subtasks(object_name=f"{word} block", colors=(word,))
        result = propose(moving, subtasks=subtasks)
        right, wrong = best(result.candidates, truth), best(result.candidates, other)
        assert right.score > wrong.score + 0.3
        assert right.id == 0
        assert f"{word} " in right.evidence
        still = propose(resting, subtasks=subtasks)
        assert best(still.candidates, truth).score == pytest.approx(right.score, abs=0.05)


def test_no_color_word_still_finds_things() -> None:
    scene = Scene()
    result = propose(scene, subtasks=scene.subtasks(object_name="", colors=(), target_name=""))
    assert box_iou(best(result.candidates, scene.object_box(12)).box, scene.object_box(12)) > 0.7
    assert max(p.score for p in result.candidates) < 0.9


def test_targets_hold_the_plate_and_where_the_object_arrived() -> None:
    scene = Scene()
    targets = propose(scene).targets
    assert box_iou(best(targets, PLATE).box, PLATE) > 0.6
    without = propose(scene, subtasks=scene.subtasks(target_name="")).targets
    end = scene.object_box(scene.length - 1)
    assert box_iou(best(without, end).box, end) > 0.5
    assert {t.frame for t in without} == {scene.length - 1}


def test_drawn_boxes_join_and_replace_what_they_cover() -> None:
    scene = Scene()
    drawn = (20.0, 20.0, 60.0, 70.0)
    over = (126.0, 176.0, 154.0, 204.0)
    result = propose(
        scene,
        edits=(
            AddBox(subtask=0, box=drawn),
            AddBox(subtask=0, box=over),
            AddBox(subtask=0, box=(5.0, 5.0, 50.0, 500.0), role="target"),
        ),
    )
    users = {p.box for p in result.candidates if p.origin == "user"}
    assert users == {drawn, over}
    assert sum(box_iou(p.box, over) > 0.7 for p in result.candidates) == 1
    assert [t.box for t in result.targets if t.origin == "user"] == [(5.0, 5.0, 50.0, HEIGHT)]


def test_a_fixed_box_keeps_its_candidate() -> None:
    scene = Scene()
    before = best(propose(scene).candidates, BLUE_BOX)
    new = (120.0, 170.0, 160.0, 210.0)
    result = propose(scene, edits=(FixBox(subtask=0, old_box=before.box, box=new),))
    fixed = next(p for p in result.candidates if p.box == new)
    assert (fixed.origin, fixed.score) == ("user", before.score)
    assert all(p.box != before.box for p in result.candidates)


def test_black_pictures_give_no_candidates_but_drawn_boxes_count() -> None:
    scene = Scene(black=True)
    result = propose(scene)
    assert result.candidates == ()
    assert [p.code for p in result.problems] == ["no_candidates"]
    edit = AddBox(subtask=0, box=(10.0, 10.0, 40.0, 40.0))
    assert propose(scene, edits=(edit,)).problems == ()


def test_without_interaction_and_in_tiny_clips() -> None:
    scene = Scene(length=4)
    result = propose(scene, subtasks=scene.subtasks(interaction=False))
    assert result.candidates
    assert result.keyframe < 4


def test_camera_is_checked() -> None:
    scene = Scene()
    with pytest.raises(DataError, match="no camera “side”"):
        propose(scene, options=ProposalsOptions(camera="side"))
    named = propose(scene, options=ProposalsOptions(camera="front"))
    assert named.camera == "observation.images.front"
    with pytest.raises(DataError, match="no detection backend"):
        propose(scene, options=ProposalsOptions(backend="missing"))


def test_options_limit_the_boxes() -> None:
    result = propose(Scene(), options=ProposalsOptions(max_candidates=3, max_targets=1))
    assert (len(result.candidates), len(result.targets)) == (3, 1)
    largest = propose(Scene(), options=ProposalsOptions(max_area=0.02)).candidates
    assert max(box_area(p.box) for p in largest) < 0.021 * WIDTH * HEIGHT


def test_it_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        propose(Scene(), cancel_after=12)


def test_it_is_deterministic() -> None:
    assert propose(Scene()).candidates == propose(Scene()).candidates


def test_color_words_and_match() -> None:
    assert color_words("the dark Grey and violet box") == ("gray", "purple")
    picture = np.array([[(200, 20, 20), (240, 200, 30), (30, 60, 190)]], np.uint8)
    red = color_match(to_lab(picture), ("red",), lambda: None)
    assert red[0, 0] > 0.7
    assert red[0, 1:].max() < 0.1
    assert not color_match(to_lab(picture), ("plaid",), lambda: None).any()


def test_shadows_are_surface() -> None:
    picture = np.full((120, 160, 3), (180, 140, 100), np.uint8)
    picture[20:50, 20:60] = (90, 70, 50)
    picture[70:100, 90:130] = BLUE
    far = surface_difference(to_lab(picture), picture)
    assert far[30:40, 30:50].max() < 5 < far[80:90, 100:120].min()


@pytest.mark.parametrize("capability", sorted(EMBEDDED))
def test_embedded_backends_are_always_available(capability: str) -> None:
    for name in EMBEDDED[capability]:
        backend = load_backend(capability, name)
        assert backend.name == name
        assert backend.licence
        assert name in backend_names(capability)
