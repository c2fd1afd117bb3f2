"""Several cameras, several arms, and inputs with nothing in them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.model.problem import Cancelled, Problem
from tests.rerun_reading import Recording
from tests.rerun_scenes import HEIGHT, WIDTH, scene, with_consistency, without
from viewers.rerun_blueprint import blueprint, situation
from viewers.rerun_inputs import CameraView, RerunInputs
from viewers.rerun_log import recording_bytes

ALL = ("phases", "subtasks", "proposals", "masks", "tracks", "lifting", "robot", "scores", "target")


def views(part: Any) -> list[Any]:
    """All views of a layout."""
    import rerun.blueprint as rrb

    if isinstance(part, rrb.View):
        return [part]
    return [view for content in part.contents for view in views(content)]


def names(inputs: RerunInputs) -> list[str]:
    return [view.name for view in views(blueprint(inputs).root_container)]


@pytest.mark.parametrize(
    ("inputs", "key"),
    [
        (scene(), "3d-cam_high-right"),
        (scene(geometry=False), "2d-cam_high-right"),
        (scene(side=True), "3d-cam_high-cam_side-right"),
        (scene(side=True, arms=("left", "right")), "3d-cam_high-cam_side-left-right"),
        (dataclasses.replace(scene(), pictures=()), "3d-right"),
        (dataclasses.replace(without(scene(), *ALL), pictures=()), "2d"),
    ],
)
def test_each_situation_has_its_key_and_application(
    inputs: RerunInputs, key: str, tmp_path: Path
) -> None:
    assert situation(inputs) == key
    assert Recording(inputs, tmp_path).names == [f"demoscope {key}"]


def test_keys_are_one_word_each() -> None:
    inputs = scene()
    camera = dataclasses.replace(inputs.camera_model, key="observation.images.left wrist/rgb-1")
    demonstration = dataclasses.replace(inputs.demonstration, cameras=(camera,))
    odd = dataclasses.replace(inputs, demonstration=demonstration, camera=camera.key)
    assert situation(odd) == "3d-left_wrist_rgb_1-right"


def test_a_single_camera_is_a_tab_behind_3d() -> None:
    assert names(scene())[:2] == ["3D", "cam_high"]
    assert names(scene(geometry=False))[:2] == ["cam_high", "Why no 3D"]


def test_other_cameras_are_beside(tmp_path: Path) -> None:
    inputs = scene(side=True, pose=True)
    assert names(inputs)[:3] == ["3D", "cam_high", "cam_side"]
    recording = Recording(inputs, tmp_path)
    rows = recording.rows["/camera/cam_side/image"]
    assert sorted(rows) == [frame for frame, _ in inputs.views[0].pictures]
    fixed = recording.fixed["/camera/cam_side"]
    np.testing.assert_allclose(fixed["Pinhole:resolution"], [[WIDTH, HEIGHT]])
    assert "Transform3D:translation" in fixed
    (world, *_) = views(blueprint(inputs).root_container)
    assert "+ /camera/cam_side" in world.contents


def test_a_camera_in_an_unknown_place_is_not_in_space() -> None:
    (world, *_) = views(blueprint(scene(side=True)).root_container)
    assert not any("cam_side" in line for line in world.contents)


def test_pictures_of_the_results_camera_are_drawn_once_in_space() -> None:
    world, flat, *_ = views(blueprint(scene(depth=True)).root_container)
    assert flat.contents == "+ /camera/cam_high/**"
    assert "+ /world/**" in world.contents
    assert "+ /camera/cam_high/**" not in world.contents


def test_every_arm_has_its_lanes(tmp_path: Path) -> None:
    inputs = scene(arms=("left", "right"))
    recording = Recording(inputs, tmp_path)
    for arm in ("left", "right"):
        opening = recording.rows[f"/signals/gripper/{arm}/opening"]
        assert len(opening) == inputs.demonstration.length
        assert f"/phases/{arm}" in recording.entities
        assert f"/signals/gripper/{arm}/close_below" in recording.entities
    states = {f: r["StateChange:state"][0] for f, r in recording.rows["/phases/left"].items()}
    assert states == {0: "none"}


def test_both_arms_are_seen_at_once() -> None:
    import rerun.blueprint as rrb

    _, plots = blueprint(scene(arms=("left", "right"))).root_container.contents
    both = plots.contents[0]
    assert isinstance(both, rrb.Horizontal)
    assert [view.name for view in both.contents] == ["Gripper left", "Gripper right"]
    assert plots.active_tab in (0, "0", None)


def test_a_camera_that_could_not_be_read_is_noted(tmp_path: Path) -> None:
    lost = (Problem("camera_left_out", "The 3D view lacks camera x altogether: broken"),)
    recording = Recording(dataclasses.replace(scene(), unread=lost), tmp_path)
    texts = [row["TextLog:text"][0] for row in recording.rows["/problems"].values()]
    assert any("camera_left_out" in text for text in texts)


def lost(inputs: RerunInputs) -> RerunInputs:
    """The same with nothing known anywhere."""
    tracks, lifting, robot, scores = inputs.tracks, inputs.lifting, inputs.robot, inputs.scores
    assert tracks is not None
    assert lifting is not None
    assert robot is not None
    assert scores is not None

    def gone(values: np.ndarray) -> np.ndarray:
        return np.full_like(values, np.nan)

    return dataclasses.replace(
        inputs,
        tracks=dataclasses.replace(tracks, points=gone(tracks.points), boxes=gone(tracks.boxes)),
        lifting=dataclasses.replace(lifting, xyz=gone(lifting.xyz)),
        robot=dataclasses.replace(
            robot,
            points=gone(robot.points),
            reference=gone(robot.reference),
            xyz=gone(robot.xyz),
            reference_xyz=gone(robot.reference_xyz),
            scale=gone(robot.scale),
        ),
        scores=dataclasses.replace(
            scores,
            motion=gone(scores.motion),
            proximity=gone(scores.proximity),
            radius=gone(scores.radius),
        ),
        depth=tuple((frame, gone(metres)) for frame, metres in inputs.depth),
    )


def without_frames(inputs: RerunInputs) -> RerunInputs:
    """The same with tracks of no frame."""
    tracks, lifting = inputs.tracks, inputs.lifting
    assert tracks is not None
    assert lifting is not None
    nothing = dataclasses.replace(
        tracks,
        frames=tracks.frames[:0],
        points=tracks.points[:0],
        visible=tracks.visible[:0],
        boxes=tracks.boxes[:0],
    )
    lifted = dataclasses.replace(lifting, frames=tracks.frames[:0], xyz=lifting.xyz[:0])
    return dataclasses.replace(
        without(inputs, "robot", "scores", "consistency"), tracks=nothing, lifting=lifted, depth=()
    )


def rich() -> RerunInputs:
    return with_consistency(scene(depth=True, side=True, pose=True, arms=("left", "right")))


@pytest.mark.parametrize(
    "inputs",
    [
        lost(rich()),
        without_frames(rich()),
        scene(candidates=1, points=1),
        scene(length=5, pictures=1, depth=True),
        scene(length=1, step=1, pictures=1, depth=True, pose=True),
        dataclasses.replace(rich(), camera="", pictures=(), **dict.fromkeys(ALL)),
        dataclasses.replace(rich(), views=(CameraView("observation.images.cam_side"),)),
        dataclasses.replace(rich(), pictures=((0, b"no picture"), (5, b""))),
    ],
    ids=["NaN", "no frames", "one point", "one row", "one frame", "no camera", "blind", "broken"],
)
def test_nothing_to_show_is_no_failure(inputs: RerunInputs) -> None:
    assert len(recording_bytes(inputs)) > 1000


@pytest.mark.parametrize("missing", [*ALL, "consistency"])
def test_any_result_may_be_missing_with_depth(missing: str) -> None:
    assert len(recording_bytes(without(rich(), missing))) > 1000


def test_cancelling_ends_the_logging() -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 5

    with pytest.raises(Cancelled):
        recording_bytes(rich(), cancelled=cancelled)
    assert len(asked) < 12  # each thread asks once more


def test_progress_rises() -> None:
    shares: list[float] = []
    recording_bytes(rich(), lambda share, what: shares.append(share))
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] < 1.0
