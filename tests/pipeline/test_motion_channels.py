"""Which channels tell a moving arm from a resting one."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.demonstration import Demonstration, EpisodeRef, MotionKind
from pipeline.model.edits import EDITS, SetChannels, SetMotion, edits_of
from pipeline.stages.motion_channels import guess_motion, motion_in_force
from pipeline.stages.robot import joint_speeds

LENGTH = 40
JOINTS = ("left_shoulder", "left_elbow", "right_shoulder", "right_elbow")


def demonstration(names: tuple[str, ...], state: np.ndarray | None = None) -> Demonstration:
    values = np.zeros((LENGTH, len(names)), np.float32) if state is None else state
    nothing = np.zeros((LENGTH, 0), np.float32)
    return Demonstration(
        EpisodeRef("d", 0), "", 20.0, LENGTH, "", "", (), np.arange(LENGTH) / 20, values, names,
        nothing, (), (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("names", "arm", "expected", "kind"),
    [
        ((*JOINTS, "left_gripper"), "left", (0, 1), "joint"),
        (("qpos.0", "qpos.1", "qvel.0", "qvel.1", "effort.0"), "arm", (0, 1), "joint"),
        (("joint_1.pos", "joint_1.vel", "joint_1.torque", "gripper.pos"), "arm", (0,), "joint"),
        (("eef_pos.0", "eef_pos.1", "eef_pos.2", "eef_quat.0"), "arm", (0, 1, 2), "end_effector"),
        (("x", "y", "z", "roll", "pitch", "yaw", "gripper"), "arm", (0, 1, 2), "end_effector"),
        (("cartesian_position.0", "cartesian_position.5"), "arm", (0, 1), "end_effector"),
        (("joint.0", "joint.1", "joint.2", "head_pan", "tcp_x"), "arm", (0, 1, 2), "joint"),
        (("state.0", "state.1"), "arm", (0, 1), "joint"),
        (("torque.0", "torque.1"), "arm", (0, 1), "joint"),
        (("l_shoulder", "r_shoulder"), "right", (1,), "joint"),
    ],
)
def test_channels_of_one_unit(
    names: tuple[str, ...], arm: str, expected: tuple[int, ...], kind: str
) -> None:
    found = guess_motion(demonstration(names), arm)
    assert found.indices == expected
    assert found.kind.value == kind
    assert found.names == tuple(names[i] for i in expected)
    assert found.reason


def test_efforts_no_longer_drown_the_joints() -> None:
    names = ("joint.0", "effort.0")
    state = np.zeros((LENGTH, 2), np.float32)
    state[:20, 0], state[20:, 0] = np.linspace(0, 1, 20), 1
    state[20:, 1] = 500 * (np.arange(20) % 2)  # the arm rests, its motor hums
    own, _, _ = joint_speeds(demonstration(names, state), "arm", np.arange(0, LENGTH, 2, np.int32))
    assert own[1:9].min() > 0.5
    assert own[12:].max() < 0.05


def test_a_person_chooses_for_every_subtask() -> None:
    names = ("joint.0", "tcp_x")
    state = np.zeros((LENGTH, 2), np.float32)
    state[:, 1] = np.linspace(0, 1, LENGTH)
    shown = demonstration(names, state)
    edit = SetMotion(arm="arm", signal="state", indices=(1,), motion=MotionKind.END_EFFECTOR)
    edits = edits_of((edit,), "robot", 3)
    assert edits == (edit,)
    frames = np.arange(0, LENGTH, 4, np.int32)
    assert joint_speeds(shown, "arm", frames)[0].max() == 0
    assert joint_speeds(shown, "arm", frames, edits)[0].min() > 0.5
    assert motion_in_force(shown, "arm", edits).origin == "user"
    assert motion_in_force(shown, "left", edits).origin == "guessed"
    wrong = SetMotion(arm="arm", signal="action", indices=(7,))
    assert motion_in_force(shown, "arm", (wrong,)).origin == "guessed"


def test_chosen_channels_with_gaps_are_interpolated() -> None:
    state = np.linspace(0, 1, LENGTH, dtype=np.float32)[:, None].copy()
    state[10:12] = np.nan
    edit = SetMotion(arm="arm", signal="state", indices=(0,))
    frames = np.arange(0, LENGTH, 4, np.int32)
    speeds = joint_speeds(demonstration(("j",), state), "arm", frames, (edit,))[0]
    assert np.isfinite(speeds).all()
    assert speeds.min() > 0.5


def test_stored_edits_of_earlier_versions_still_load() -> None:
    old = (
        '[{"subtask":-1,"kind":"set_channels","arm":"left","signal":"state","indices":[6],'
        '"closed_is":"low"}]'
    )
    edit = EDITS.validate_json(old)[0]
    assert edit == SetChannels(arm="left", signal="state", indices=(6,), closed_is="low")


def test_edits_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="no channel"):
        SetChannels(arm="left", signal="state", indices=(), closed_is="low")
    with pytest.raises(ValueError, match="do not rise"):
        SetChannels(
            arm="left", signal="state", indices=(1,), closed_is="low", percentiles=(90.0, 10.0)
        )
    SetChannels(arm="left", signal="state", indices=(), closed_is="low", removed=True)
