"""Episodes of AgiBot World: signals and grippers, pictures, depth and calibration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

from pipeline.model.demonstration import ClosedIs
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset
from tests.agibot_files import (
    FIRST,
    closing,
    turned_down,
    with_change,
    write_alpha,
    write_calibration,
    write_jobs,
    write_videos,
)
from tests.datasets import codes


@pytest.fixture(scope="module")
def alpha(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_alpha(tmp_path_factory.mktemp("agibot") / "AgiBotWorld-Alpha")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_jobs(tmp_path_factory.mktemp("jobs") / "2810125")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_alpha(tmp_path / "alpha", episodes=(FIRST,), depth=False)


def row_of(rgb: np.ndarray) -> int:
    """The row that the test picture's grey tells."""
    return round((float(rgb[:8, :8, 0].mean()) - 40) / 6)


# -- signals ---------------------------------------------------------------------------------


def test_columns_are_named_by_side_and_axis(alpha: Path) -> None:
    demo = open_dataset(alpha).open(FIRST)
    assert (demo.length, demo.fps) == (30, 30.0)
    np.testing.assert_allclose(demo.timestamps, np.arange(30) / 30, atol=1e-6)
    for name in ("joint.left.0", "joint.right.6", "effector.right", "end.right.x", "head.pitch"):
        assert name in demo.state_names
    assert "robot.yaw_rate" in demo.action_names
    assert len(set(demo.state_names)) == len(demo.state_names)


def test_the_closed_end_follows_from_the_documented_command(alpha: Path) -> None:
    """The card calls the state an opening; it rises when the command closes."""
    demo = open_dataset(alpha).open(FIRST)
    left, right = demo.grippers
    assert (left.arm, right.arm) == ("left", "right")
    assert (right.closed_is, right.origin) == (ClosedIs.HIGH, "format")
    assert left.closed_is is ClosedIs.HIGH  # It never moves: as the right one.
    measured = demo.state[:, right.indices[0]]
    assert measured[closing(30)[:, 1] > 0.5].mean() > 100
    assert measured[0] == 35


def test_a_state_that_really_is_an_opening_is_low_when_closed(small: Path) -> None:
    def change(file: h5py.File) -> None:
        file["state/effector/position"][...] = 120 - 85 * closing(30)

    right = open_dataset(with_change(small, change)).open(FIRST).grippers[1]
    assert (right.closed_is, right.origin) == (ClosedIs.LOW, "format")


def test_without_a_command_the_direction_is_a_guess_that_says_why(small: Path) -> None:
    def change(file: h5py.File) -> None:
        del file["action/effector"]

    right = open_dataset(with_change(small, change)).open(FIRST).grippers[1]
    assert (right.closed_is, right.origin) == (ClosedIs.HIGH, "guessed")
    assert "133" in right.reason


def test_split_effectors_of_jobs_are_the_same_channels(jobs: Path) -> None:
    grippers = open_dataset(jobs).open(12052354).grippers
    assert [g.names for g in grippers] == [("effector.left",), ("effector.right",)]
    assert {g.closed_is for g in grippers} == {ClosedIs.HIGH}


def test_effectors_behind_the_joints_are_found(small: Path) -> None:
    def change(file: h5py.File) -> None:
        for kind in ("state", "action"):
            values = np.concatenate(
                [file[f"{kind}/joint/position"][...], file[f"{kind}/effector/position"][...]], 1
            )
            del file[f"{kind}/joint/position"], file[f"{kind}/effector/position"]
            file[f"{kind}/joint/position"] = values
            file[f"{kind}/effector/position"] = np.zeros(0)

    demo = open_dataset(with_change(small, change)).open(FIRST)
    assert [g.arm for g in demo.grippers] == ["left", "right"]
    assert demo.state_names.count("joint.right.6") == 1
    assert demo.state_names.index("effector.left") == 14


def test_hands_have_six_joints_each(small: Path) -> None:
    def change(file: h5py.File) -> None:
        for kind in ("state", "action"):
            del file[f"{kind}/effector/position"]
            file[f"{kind}/effector/position"] = np.repeat(1.2 * closing(30), 6, axis=1)

    data = open_dataset(with_change(small, change))
    left, right = data.open(FIRST).grippers
    assert (len(left.indices), len(right.indices)) == (6, 6)
    assert right.names[0] == "effector.right.0"
    assert any("hands" in text for text in data.info.found)


def test_a_task_with_other_effectors_gets_its_own_channels(small: Path) -> None:
    def change(file: h5py.File) -> None:
        for kind in ("state", "action"):
            del file[f"{kind}/effector/position"]
            file[f"{kind}/effector/position"] = np.repeat(closing(30), 6, axis=1)

    write_alpha(small, task=475, episodes=(700000,), depth=False, change=change)
    data = open_dataset(small)
    assert len(data.open(FIRST).grippers[0].indices) == 1
    assert len(data.open(700000).grippers[0].indices) == 6


def test_sparse_commands_hold_until_the_next(small: Path) -> None:
    def change(file: h5py.File) -> None:
        rows = np.array([4, 10, 20])
        del file["action/effector/position"]
        file["action/effector/position"] = np.array([[0, 0], [0, 1], [0, 0.5]])
        file["action/effector/index"] = rows

    demo = open_dataset(with_change(small, change)).open(FIRST)
    held = demo.action[:, demo.action_names.index("effector.right")]
    assert [held[i] for i in (0, 4, 9, 10, 19, 20, 29)] == [0, 0, 0, 1, 1, 0.5, 0.5]
    assert "sparse_commands" in codes(demo.problems)


def test_commands_longer_than_the_state_are_cut_and_named(small: Path) -> None:
    """Known of tasks 352, 354 and more."""

    def change(file: h5py.File) -> None:
        del file["action/joint/position"]
        file["action/joint/position"] = np.zeros((34, 14))

    demo = open_dataset(with_change(small, change)).open(FIRST)
    assert demo.length == 30
    message = next(p.message for p in demo.problems if p.code == "rows_differ")
    assert "action/joint/position has 34" in message


def test_without_a_clock_rows_are_even(small: Path) -> None:
    def change(file: h5py.File) -> None:
        del file["timestamp"]

    demo = open_dataset(with_change(small, change)).open(FIRST)
    np.testing.assert_allclose(demo.timestamps, np.arange(30) / 30)
    assert "bad_timestamps" in codes(demo.problems)


# -- pictures, depth, calibration ------------------------------------------------------------


def test_pictures_and_depth_agree_by_row(alpha: Path) -> None:
    data = open_dataset(alpha)
    demo = data.open(648649)
    assert [c.key for c in demo.cameras] == ["head", "hand_left", "hand_right"]
    assert demo.camera("head").depth_key == "head_depth"
    reader = data.reader(demo)
    for row in (0, 13, 29):
        assert row_of(reader.frame("head", row)) == row
        depth = reader.depth("head", row)
        assert depth is not None
        assert (depth.shape, depth.dtype) == ((48, 64), np.float32)
        assert depth[0, 0] == 0
        assert depth[0, -1] == pytest.approx(1.0 + row / 1000)
    assert reader.depth("hand_left", 0) is None
    reader.close()


def test_depth_of_another_size_comes_in_the_size_of_the_picture(small: Path) -> None:
    folder = small / "observations" / "327" / str(FIRST) / "depth"
    folder.mkdir()
    codes_ = np.full((24, 32), 2000, np.uint16)
    codes_[:, :16] = 500
    cv2.imwrite(str(folder / "head_depth_000000.png"), codes_)
    data = open_dataset(small)
    reader = data.reader(data.open(FIRST))
    depth = reader.depth("head", 0)
    assert depth is not None
    assert depth.shape == (48, 64)
    assert set(np.unique(depth).tolist()) == {0.5, 2.0}
    unknown = reader.depth("head", 5)  # There is no file of this frame.
    assert unknown is not None
    assert not unknown.any()
    reader.close()


@pytest.mark.parametrize("kind", ["eight_bits", "truncated", "no_picture"])
def test_a_broken_depth_image_is_one_sentence(small: Path, kind: str) -> None:
    folder = small / "observations" / "327" / str(FIRST) / "depth"
    folder.mkdir()
    path = folder / "head_depth_000000.png"
    noise = np.random.default_rng(0).integers(0, 60000, (48, 64)).astype(np.uint16)
    cv2.imwrite(str(path), np.zeros((48, 64), np.uint8) if kind == "eight_bits" else noise)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:30])
    elif kind == "no_picture":
        path.write_bytes(b"nothing")
    data = open_dataset(small)
    reader = data.reader(data.open(FIRST))
    with pytest.raises(DataError, match="head_depth_000000"):
        reader.depth("head", 0)
    assert row_of(reader.frame("head", 3)) == 3
    reader.close()


def test_calibration_of_a_camera_that_stands_still(alpha: Path) -> None:
    camera = open_dataset(alpha).open(FIRST).camera("head")
    assert camera.intrinsics is not None
    assert camera.camera_to_world is not None
    np.testing.assert_allclose(camera.intrinsics[:2, 2], [32, 24])
    np.testing.assert_allclose(camera.camera_to_world[:3, :3], turned_down())
    np.testing.assert_allclose(camera.camera_to_world[:3, 3], [0.1, 0, 1.2])


def test_a_camera_that_moves_has_no_single_pose(small: Path) -> None:
    folder = small / "parameters" / "327" / str(FIRST) / "parameters" / "camera"
    write_calibration(folder, 30, moves=True)
    demo = open_dataset(small).open(FIRST)
    assert demo.camera("head").camera_to_world is None
    assert demo.camera("head").intrinsics is not None
    assert any("moves, by 29.0 cm" in p.message for p in demo.problems)


@pytest.mark.parametrize(
    "intrinsic",
    [
        {"fx": 900, "fy": 900, "ppx": 640, "ppy": 360},  # For 1280 x 720.
        {"fx": "x", "fy": 1, "ppx": 1, "ppy": 1},
        {"fx": float("nan"), "fy": 50, "ppx": 32, "ppy": 24},
        [1, 2],
        None,
    ],
)
def test_intrinsics_that_do_not_fit_the_video_are_not_used(small: Path, intrinsic: Any) -> None:
    folder = small / "parameters" / "327" / str(FIRST) / "parameters" / "camera"
    (folder / "head_intrinsic_params.json").write_text(json.dumps({"intrinsic": intrinsic}))
    demo = open_dataset(small).open(FIRST)
    assert demo.camera("head").intrinsics is None
    assert "bad_calibration" in codes(demo.problems)


@pytest.mark.parametrize(
    "extrinsic",
    [
        {"rotation_matrix": (2 * np.eye(3)).tolist(), "translation_vector": [0, 0, 0]},
        {"rotation_matrix": np.diag([1, 1, -1]).tolist(), "translation_vector": [0, 0, 0]},
        {"rotation_matrix": np.eye(3).tolist(), "translation_vector": [0, float("inf"), 0]},
        {"rotation_matrix": "x"},
        None,
    ],
)
def test_poses_that_are_no_rotations_are_not_used(small: Path, extrinsic: Any) -> None:
    folder = small / "parameters" / "327" / str(FIRST) / "parameters" / "camera"
    poses = json.dumps([{"extrinsic": extrinsic}])
    (folder / "head_extrinsic_params_aligned.json").write_text(poses)
    demo = open_dataset(small).open(FIRST)
    assert demo.camera("head").camera_to_world is None
    assert "no_camera_pose" in codes(demo.problems)


def test_depth_videos_and_tactile_videos_are_ignored_and_said(small: Path) -> None:
    observed = small / "observations" / "327" / str(FIRST)
    write_videos(observed / "videos", 30, cameras=("back_left_fisheye",))
    shutil.copy(observed / "videos" / "head_color.mp4", observed / "videos" / "head_depth.mp4")
    (observed / "tactile").mkdir()
    shutil.copy(observed / "videos" / "head_color.mp4", observed / "tactile" / "left_sensor_1.mp4")
    data = open_dataset(small)
    assert data.info.cameras == ("head", "hand_left", "hand_right", "back_left_fisheye")
    assert any("head_depth.mp4" in text for text in data.info.ignored)
    assert any("tactile" in text for text in data.info.ignored)
