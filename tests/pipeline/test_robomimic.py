from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.model.demonstration import ClosedIs
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset, recognise
from pipeline.sources.robomimic import dataset as robomimic
from tests.hdf5_files import (
    SIZE,
    arm,
    is_upright_rgb,
    scenes,
    square_column,
    write_libero,
    write_robomimic,
)


def codes(problems) -> set[str]:
    return {p.code for p in problems}


def show(source, episode: int, camera: str, frame: int) -> np.ndarray:
    demonstration = source.open(episode)
    reader = source.reader(demonstration)
    rgb = reader.frame(camera, frame)
    reader.close()
    return rgb


# -- robomimic ---------------------------------------------------------------------------------


def test_robomimic_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    source = open_dataset(write_robomimic(tmp_path / "can/ph/image.hdf5"))
    info = source.info
    assert (info.format, info.fps, info.robot_type) == ("robomimic", 25, "Panda")
    assert info.cameras == ("agentview_image", "robot0_eye_in_hand_image")
    assert [(e.length, e.present, e.name) for e in info.episodes] == [
        (20, True, "demo_0"), (24, True, "demo_1"), (18, True, "demo_2"),
    ]  # fmt: skip
    demonstration = source.open(1)
    assert demonstration.length == 24
    assert demonstration.timestamps[-1] == pytest.approx(23 / 25)
    column = demonstration.state_names.index("robot0_eef_pos.x")
    assert demonstration.state[:, column] == pytest.approx(arm(24, 3)[:, 0] + 1, abs=1e-6)
    assert demonstration.action_names[-1] == "action.gripper"
    assert not any("object" in n or "vel" in n for n in demonstration.state_names)
    assert not demonstration.problems


def test_frames_follow_their_index_in_any_order(tmp_path: Path) -> None:
    source = open_dataset(write_robomimic(tmp_path / "image.hdf5", chunks=(10, SIZE, SIZE, 3)))
    demonstration = source.open(1)
    reader = source.reader(demonstration)
    for frame in (23, 0, 7, 6, 12, 1):
        rgb = reader.frame("agentview_image", frame)
        assert (rgb == scenes(24)[frame]).all()
        assert reader.cached("agentview_image", frame) is not None
    assert reader.times("agentview_image") is None
    reader.close()


def test_demonstrations_are_in_natural_order(tmp_path: Path) -> None:
    source = open_dataset(write_robomimic(tmp_path / "x.hdf5", tuple(range(10, 22))))
    assert [e.name for e in source.info.episodes] == [f"demo_{i}" for i in range(12)]
    assert source.open(10).length == 20


def test_gripper_is_defined_by_robosuite_not_guessed(tmp_path: Path) -> None:
    source = open_dataset(write_robomimic(tmp_path / "x.hdf5"))
    (gripper,) = source.info.grippers
    assert gripper.names == ("robot0_gripper_qpos.0",)
    assert (gripper.signal, gripper.closed_is, gripper.origin) == ("state", ClosedIs.LOW, "format")
    values = source.open(0).state[:, gripper.indices[0]]
    assert values[0] > values[10]
    assert source.open(0).grippers == source.info.grippers


def test_hand_of_many_joints_uses_the_action(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "x.hdf5")
    with h5py.File(path, "a") as file:
        for demo in file["data"].values():
            del demo["obs/robot0_gripper_qpos"]
            demo["obs/robot0_gripper_qpos"] = np.zeros((len(demo["actions"]), 6))
    (gripper,) = open_dataset(path).info.grippers
    assert (gripper.signal, gripper.closed_is, gripper.origin) == ("action", "high", "format")


def test_two_robots_have_two_grippers(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "x.hdf5")
    with h5py.File(path, "a") as file:
        for demo in file["data"].values():
            demo["obs/robot1_gripper_qpos"] = demo["obs/robot0_gripper_qpos"][()]
            both = np.concatenate([demo["actions"][()]] * 2, axis=1)
            del demo["actions"]
            demo["actions"] = both
    source = open_dataset(path)
    assert {g.arm: g.names[0] for g in source.info.grippers} == {
        "right": "robot0_gripper_qpos.0",
        "left": "robot1_gripper_qpos.0",
    }
    assert source.open(0).action_names[13] == "action.robot1.gripper"


def test_depth_in_metres_is_used_and_a_depth_buffer_is_not(tmp_path: Path) -> None:
    metres = np.linspace(0.4, 1.6, SIZE * SIZE).reshape(SIZE, SIZE)
    source = open_dataset(write_robomimic(tmp_path / "a.hdf5", depth=metres))
    demonstration = source.open(0)
    assert demonstration.cameras[0].depth_key == "agentview_depth"
    reader = source.reader(demonstration)
    found = reader.depth("agentview_image", 3)
    assert found is not None
    assert found == pytest.approx(metres, abs=1e-5)
    assert reader.depth("robot0_eye_in_hand_image", 3) is None
    reader.close()
    assert any("agentview_depth" in line for line in source.info.found)

    source = open_dataset(write_robomimic(tmp_path / "b.hdf5", depth=0.9 + metres / 20))
    assert source.open(0).cameras[0].depth_key is None
    assert any("agentview_depth" in s and "near and far" in s for s in source.info.ignored)


def test_file_without_pictures_shows_its_signals(tmp_path: Path) -> None:
    source = open_dataset(write_robomimic(tmp_path / "lift/ph/low_dim.hdf5", pictures=False))
    assert source.info.cameras == ()
    assert "no_pictures" in codes(source.info.problems)
    assert all(e.present for e in source.info.episodes)
    demonstration = source.open(0)
    assert demonstration.cameras == ()
    assert demonstration.state.shape[0] == 20


def test_demo_without_pictures_among_others_is_not_present(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "x.hdf5")
    with h5py.File(path, "a") as file:
        for camera in ("agentview_image", "robot0_eye_in_hand_image"):
            del file[f"data/demo_1/obs/{camera}"]
    source = open_dataset(path)
    assert [e.present for e in source.info.episodes] == [True, False, True]
    assert "missing_pictures" in codes(source.info.episodes[1].problems)
    assert "missing_pictures" in codes(source.open(1).problems)


@pytest.mark.parametrize("env_args", ["{not json", "[]", "null", '{"env_kwargs": 3}', "[" * 9999])
def test_settings_that_are_no_settings_are_done_without(tmp_path: Path, env_args: str) -> None:
    source = open_dataset(write_robomimic(tmp_path / "lift/ph/image.hdf5", env_args=env_args))
    assert source.info.fps == 20
    assert any("20 Hz" in line and "does not say" in line for line in source.info.found)
    assert source.info.episodes[0].instruction == "lift"


@pytest.mark.parametrize("rate", [0, -5, 1e9, float("nan"), "50", None, [20]])
def test_impossible_rates_are_not_believed(tmp_path: Path, rate) -> None:
    settings = {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": rate}}
    assert open_dataset(write_robomimic(tmp_path / "x.hdf5", env_args=settings)).info.fps == 20


def test_instruction_of_each_demonstration_counts_first(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "x.hdf5")
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["ep_meta"] = '{"lang": "open the left drawer"}'
    source = open_dataset(path)
    assert source.info.episodes[0].instruction == "open the left drawer"
    assert source.open(0).instruction == "open the left drawer"
    assert source.info.episodes[1].instruction.startswith("pick up the can")
    assert "instruction_from_name" in codes(source.info.problems)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ("Stack_D0", "put the red cube on the green cube"),
        ("CoffeePreparation", "coffee preparation"),
        ("", "square"),
    ],
)
def test_instruction_from_names_says_so(tmp_path: Path, environment: str, words: str) -> None:
    settings = {"env_name": environment, "type": 1, "env_kwargs": {}}
    info = open_dataset(write_robomimic(tmp_path / "square/ph/image.hdf5", env_args=settings)).info
    assert info.episodes[0].instruction == words
    (problem,) = [p for p in info.problems if p.code == "instruction_from_name"]
    assert words in problem.message


def test_filter_keys_are_told(tmp_path: Path) -> None:
    info = open_dataset(write_robomimic(tmp_path / "x.hdf5")).info
    assert "filter key train: 2 demonstrations" in info.found


def test_fingerprint_is_of_the_demonstration_and_repeats(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "x.hdf5", (20, 20))
    first = open_dataset(path)
    shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    second = open_dataset(tmp_path.with_name("copy") / "x.hdf5")
    assert first.open(0).fingerprint == second.open(0).fingerprint
    assert first.open(0).fingerprint != first.open(1).fingerprint


# -- LIBERO ------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["opengl", "opencv", None])
def test_libero_pictures_stand_upright(tmp_path: Path, convention: str | None) -> None:
    source = open_dataset(write_libero(tmp_path / "t_demo.hdf5", convention=convention))
    for camera in source.info.cameras:
        rgb = show(source, 0, camera, 19)
        assert is_upright_rgb(rgb)
        # Turned over, not turned round: the square still moves to the right.
        assert square_column(rgb) > SIZE * 0.7
    assert any("upright" in s or "upside down" in s for s in source.info.found)


def test_real_robot_in_libero_layout_is_not_turned_over(tmp_path: Path) -> None:
    path = write_libero(tmp_path / "wipe_table_demo.hdf5", convention="opencv", instruction=None)
    with h5py.File(path, "a") as file:
        for name in list(file["data"].attrs):
            del file["data"].attrs[name]
        for demo in file["data"].values():
            del demo["states"]
    source = open_dataset(path)
    assert is_upright_rgb(show(source, 0, "agentview_rgb", 0))
    assert source.info.episodes[0].instruction == "wipe table"


def test_libero_folder_is_one_dataset_of_all_tasks(tmp_path: Path) -> None:
    write_libero(tmp_path / "task_10_demo.hdf5", (12, 14), instruction="ten")
    write_libero(tmp_path / "task_2_demo.hdf5", (16, 18), instruction="two")
    source = open_dataset(tmp_path)
    assert [(e.index, e.name, e.length, e.instruction) for e in source.info.episodes] == [
        (0, "task_2/demo_0", 16, "two"), (1, "task_2/demo_1", 18, "two"),
        (2, "task_10/demo_0", 12, "ten"), (3, "task_10/demo_1", 14, "ten"),
    ]  # fmt: skip
    assert source.open(2).instruction == "ten"
    assert source.open(2).length == 12
    assert is_upright_rgb(show(source, 3, "eye_in_hand_rgb", 5))
    (gripper,) = source.info.grippers
    assert (gripper.names, gripper.origin) == (("gripper_states.0",), "format")
    assert source.open(0).state_names[:6] == tuple(
        f"ee_states.{a}" for a in ("x", "y", "z", "rx", "ry", "rz")
    )
    assert any("ee_pos" in line for line in source.info.ignored)


def test_dropped_file_of_a_suite_is_its_own_dataset(tmp_path: Path) -> None:
    path = write_libero(tmp_path / "a_demo.hdf5")
    write_libero(tmp_path / "b_demo.hdf5")
    entry, found = recognise(path)
    assert (entry.name, found.root) == ("robomimic", path)
    assert len(open_dataset(path).info.episodes) == 2
    assert len(open_dataset(tmp_path).info.episodes) == 4


def test_broken_file_of_a_folder_is_listed_and_stops_nothing(tmp_path: Path) -> None:
    write_libero(tmp_path / "a_demo.hdf5")
    broken = write_libero(tmp_path / "b_demo.hdf5")
    write_libero(tmp_path / "c_demo.hdf5")
    broken.write_bytes(broken.read_bytes()[:5000])
    (tmp_path / "weights.h5").write_bytes(b"")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["weights"] = np.zeros(3)
    source = open_dataset(tmp_path)
    names = {e.name: e for e in source.info.episodes}
    assert list(names) == [
        "a/demo_0", "a/demo_1", "b", "c/demo_0", "c/demo_1", "weights",
    ]  # fmt: skip
    assert [e.present for e in names.values()] == [True, True, False, True, True, False]
    assert "bad_hdf5" in codes(names["b"].problems)
    assert any("other.hdf5" in line for line in source.info.ignored)
    with pytest.raises(DataError, match="b_demo"):
        source.open(2)
    assert source.open(3).length == 20


# -- damage ------------------------------------------------------------------------------------


def test_counts_that_lie_are_told(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "x.hdf5")
    with h5py.File(path, "a") as file:
        obs = file["data/demo_0/obs"]
        file["data/demo_0"].attrs["num_samples"] = 99
        for name, rows in (("robot0_eef_pos", 25), ("robot0_joint_pos", 7)):
            del obs[name]
            obs[name] = np.zeros((rows, 3))
        del obs["agentview_image"]
        obs["agentview_image"] = scenes(8)
    source = open_dataset(path)
    demonstration = source.open(0)
    text = " ".join(p.message for p in demonstration.problems)
    assert codes(demonstration.problems) == {"length_differs", "video_shorter"}
    assert "num_samples says 99" in text
    assert "robot0_eef_pos has 25 rows" in text
    assert not any(n.startswith("robot0_joint_pos") for n in demonstration.state_names)
    assert show(source, 0, "agentview_image", 19).shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize("damage", ["actions", "obs", "text", "scalar", "empty", "huge", "away"])
def test_one_bad_demonstration_does_not_stop_the_others(tmp_path: Path, damage: str) -> None:
    path = write_robomimic(tmp_path / "x.hdf5")
    with h5py.File(path, "a") as file:
        demo = file["data/demo_1"]
        if damage in ("actions", "text", "scalar", "empty", "huge", "away"):
            del demo["actions"]
        match damage:
            case "obs":
                del demo["obs"]
            case "text":
                demo["actions"] = ["a", "b"]
            case "scalar":
                demo["actions"] = 3.0
            case "empty":
                del demo["obs"]
                demo["actions"] = np.zeros((0, 7))
            case "huge":
                demo.create_dataset("actions", (10**9, 7), "f8", chunks=(1024, 7))
            case "away":
                demo["actions"] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "/a")
    source = open_dataset(path)
    assert [e.name for e in source.info.episodes] == ["demo_0", "demo_1", "demo_2"]
    assert source.open(2).length == 18
    opens = damage not in ("empty", "huge")
    assert source.info.episodes[1].present == (opens and damage != "obs")
    if opens:
        assert source.open(1).problems
    else:
        assert source.info.episodes[1].problems
        with pytest.raises(DataError, match="demo_1"):
            source.open(1)


@pytest.mark.parametrize("name", ["x.hdf5", "x_demo.hdf5"])
def test_truncated_files_are_one_sentence(tmp_path: Path, name: str) -> None:
    whole = write_libero(tmp_path / "whole.hdf5").read_bytes()
    path = tmp_path / "cut" / name
    path.parent.mkdir()
    for size in range(0, len(whole), 4096 * 16):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError) as error:
            open_dataset(path)
        assert error.value.code == "bad_hdf5"
        assert "\n" not in str(error.value)


def test_unknown_episode_and_foreign_files(tmp_path: Path) -> None:
    source = open_dataset(write_robomimic(tmp_path / "x.hdf5"))
    with pytest.raises(DataError, match="0 to 2"):
        source.open(3)
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["weights"] = np.zeros(3)
    (tmp_path / "x.hdf5").rename(tmp_path / "x.txt")
    (tmp_path / "trajectory.h5").write_bytes(b"")
    for path in (tmp_path, *tmp_path.iterdir()):
        assert robomimic.recognise(path) is None


def test_listing_reads_no_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "a_demo.hdf5", "w") as file:
        data = file.create_group("data")
        for index in range(400):
            demo = data.create_group(f"demo_{index}")
            demo.create_dataset("actions", (100, 7), "f8")
            obs = demo.create_group("obs")
            obs.create_dataset("agentview_rgb", (100, 128, 128, 3), "u1", chunks=(1, 128, 128, 3))
            obs.create_dataset("joint_states", (100, 7), "f8")
    read: list[str] = []

    def get(dataset: h5py.Dataset, _index: object, *_more: object) -> np.ndarray:
        read.append(dataset.name)
        return np.zeros(dataset.shape, dataset.dtype)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", get)
    source = open_dataset(tmp_path / "a_demo.hdf5")
    assert [e.length for e in source.info.episodes] == [100] * 400
    # One demonstration may be looked at for the direction of its gripper.
    assert len({name.split("/")[2] for name in read}) <= 3


def test_a_stray_file_far_below_does_not_mean_the_dataset(tmp_path: Path) -> None:
    write_robomimic(tmp_path / "low.hdf5")
    stray = tmp_path / "notes" / "2024" / "todo.txt"
    stray.parent.mkdir(parents=True)
    stray.write_text("buy milk")
    with pytest.raises(DataError, match="is no dataset"):
        open_dataset(stray)
