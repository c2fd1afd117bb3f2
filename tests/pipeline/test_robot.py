from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.backends.robot.gripper_end import gripper_end
from pipeline.model.demonstration import Demonstration
from pipeline.model.problem import Cancelled
from pipeline.stages.robot import RobotStage, joint_speeds
from tests.pipeline.rendered_scene import HEIGHT, WIDTH, Scene, run, upto

STAGE = RobotStage()


@pytest.fixture(scope="module")
def found():
    scene = Scene(with_depth=True)
    return scene, upto(scene, "robot")


def test_the_mask_is_the_arm_and_not_the_object(found) -> None:
    scene, results = found
    robot = results["robot"]
    for row, frame in enumerate(robot.frames):
        mask = robot.mask(row)
        x0, y0, x1, y1 = (int(v) for v in scene.object_box(int(frame)))
        assert mask[y0 + 6 : y1, x0:x1].mean() < 0.35
        if 8 <= frame < 52:
            x, y = scene.hand(int(frame))
            middle = np.array([(190 + x) / 2, (-40 + y - 18) / 2]).astype(int)
            if middle[1] >= 6:
                area = mask[middle[1] - 5 : middle[1] + 5, middle[0] - 5 : middle[0] + 5]
                assert area.mean() > 0.3
    assert robot.problems == ()


def test_the_reference_is_near_the_fingers(found) -> None:
    scene, results = found
    robot = results["robot"]
    hand = np.array([scene.hand(int(f)) for f in robot.frames])
    apart = np.linalg.norm(robot.reference - hand, axis=1)
    assert np.isfinite(apart).mean() > 0.9
    assert np.nanmedian(apart) < 30
    assert np.nanmax(apart) < 60


def test_with_depth_scale_and_reference_are_metres(found) -> None:
    _, results = found
    robot = results["robot"]
    assert robot.is_3d
    assert robot.xyz.shape == (*robot.visible.shape, 3)
    assert np.nanmedian(robot.reference_xyz[:, 2]) == pytest.approx(0.9, abs=0.11)
    assert 0.002 < np.nanmedian(robot.scale) < 0.1


def test_without_depth_scale_is_pixels() -> None:
    scene = Scene()
    robot = upto(scene, "robot")["robot"]
    assert not robot.is_3d
    assert robot.xyz.shape[1] == 0
    assert np.isnan(robot.reference_xyz).all()
    assert 2 < np.nanmedian(robot.scale) < 40


def test_no_motion_is_no_robot() -> None:
    scene = Scene(moving=False)
    results = upto(scene, "robot")
    assert "no_robot" in [p.code for p in results["robot"].problems]
    assert not results["robot"].visible.any()
    assert np.isnan(results["robot"].reference).all()


def test_no_proprioception_works_by_flow_alone(found) -> None:
    _, results = found

    class Mute(Scene):
        @property
        def demonstration(self) -> Demonstration:
            nothing = np.zeros((self.length, 0), np.float32)
            return replace(
                super().demonstration,
                state=nothing,
                state_names=(),
                action=nothing,
                action_names=(),
            )

    robot = run(Mute(with_depth=True), STAGE, results)
    assert [p.code for p in robot.problems] == ["no_proprioception"]
    assert np.isfinite(robot.reference[:, 0]).mean() > 0.8


def test_joint_speeds_select_the_arm_by_name() -> None:
    length = 20
    state = np.zeros((length, 4), np.float32)
    state[:10, 0] = np.linspace(0, 1, 10)
    state[10:, 1] = np.linspace(0, 1, 10)
    state[:10, 0], state[10:, 0] = np.linspace(0, 1, 10), 1
    state[:, 3] = np.nan
    base = Scene(length=length).demonstration
    names = ("left_joint", "right_joint", "left_gripper", "other")
    demonstration = replace(base, state=state, state_names=names, action=state, action_names=names)
    frames = np.array([0, 5, 9, 15, 19], np.int32)
    own, rival, grip = joint_speeds(demonstration, "left", frames)
    assert own[1] > 0.9
    assert own[3:].max() < 0.1
    assert rival[3] > 0.8
    assert not grip.any()


def test_short_black_and_empty_clips_do_not_fail() -> None:
    for scene in (Scene(length=5), Scene(length=1), Scene(black=True)):
        results = upto(scene, "robot", {"subtasks": scene.subtasks(interaction=False)})
        robot = results["robot"]
        assert len(robot.packed) == len(robot.frames)
        assert (robot.height, robot.width) == (HEIGHT, WIDTH)


def test_the_gripper_is_the_end_that_points_into_the_picture() -> None:
    mask = np.zeros((100, 200), bool)
    mask[50:60, 120:] = True
    end = gripper_end(mask)
    assert end is not None
    assert end.points[:, 0].max() < 150
    assert end.points[:, 0].min() == pytest.approx(120, abs=1)
    assert 1 < end.scale < 5
    assert gripper_end(np.zeros((10, 10), bool)) is None
    inner = np.zeros((100, 200), bool)
    inner[30:40, 50:150] = True
    assert gripper_end(inner) is not None


def test_it_can_be_cancelled(found) -> None:
    scene, results = found
    with pytest.raises(Cancelled):
        run(scene, STAGE, results, cancel_after=15)
