from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from pipeline.model.demonstration import ClosedIs
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset, recognise
from tests.hdf5_files import SIZE, arm, is_upright_rgb, scene, scenes, square_column, write_aloha


def codes(problems) -> set[str]:
    return {p.code for p in problems}


def test_folder_of_episodes(tmp_path: Path) -> None:
    folder = write_aloha(tmp_path / "sim_transfer_cube_scripted", (30, 26) + (20,) * 9)
    source = open_dataset(folder)
    info = source.info
    assert (info.format, info.fps, info.robot_type) == ("aloha", 50, "aloha")
    assert info.cameras == ("cam_high", "cam_right_wrist")
    # Numbers, not text, order them: 2 before 10.
    assert [e.index for e in info.episodes] == list(range(11))
    assert info.episodes[10].name == "episode_10"
    assert {e.instruction for e in info.episodes} == {"transfer cube"}
    assert "instruction_from_name" in codes(info.problems)
    demonstration = source.open(1)
    assert demonstration.length == 26
    assert demonstration.timestamps[1] == pytest.approx(0.02)
    assert demonstration.state_names[:7] == demonstration.action_names[:7]
    assert demonstration.state_names[6] == "left_gripper"
    assert demonstration.state_names[13] == "right_gripper"
    assert demonstration.state_names[14] == "qvel.left_waist"
    assert demonstration.state[:, 7] == pytest.approx(arm(26, 14)[:, 7] + 1, abs=1e-6)
    assert not demonstration.problems


def test_grippers_are_defined_by_the_format(tmp_path: Path) -> None:
    source = open_dataset(write_aloha(tmp_path / "task"))
    assert [(g.arm, g.indices, g.closed_is, g.origin) for g in source.info.grippers] == [
        ("left", (6,), ClosedIs.LOW, "format"),
        ("right", (13,), ClosedIs.LOW, "format"),
    ]
    assert source.open(0).grippers == source.info.grippers


def test_dropped_file_is_an_episode_of_its_folder(tmp_path: Path) -> None:
    folder = write_aloha(tmp_path / "task", suffix=".h5")
    entry, found = recognise(folder / "episode_1.h5")
    assert (entry.name, found.root, found.episode) == ("aloha", folder, 1)
    entry, found = recognise(folder)
    assert (entry.name, found.root, found.episode) == ("aloha", folder, None)


def test_file_of_another_name_is_a_dataset_of_one(tmp_path: Path) -> None:
    folder = write_aloha(tmp_path / "task")
    path = (folder / "episode_0.hdf5").rename(tmp_path / "insert_battery.hdf5")
    source = open_dataset(path)
    assert [e.instruction for e in source.info.episodes] == ["insert battery"]
    assert source.open(0).length == 30


@pytest.mark.parametrize("compress", [False, True])
def test_pictures_have_their_colours_and_order(tmp_path: Path, compress: bool) -> None:
    source = open_dataset(write_aloha(tmp_path / "task", compress=compress))
    demonstration = source.open(0)
    assert [(c.width, c.height) for c in demonstration.cameras] == [(SIZE, SIZE)] * 2
    reader = source.reader(demonstration)
    places = []
    for frame in (0, 10, 20, 29):
        rgb = reader.frame("cam_high", frame)
        assert is_upright_rgb(rgb)
        places.append(square_column(rgb))
    reader.close()
    assert places == sorted(places)
    assert places[-1] > places[0] + SIZE / 2
    if compress:
        assert any("red and blue" in line for line in source.info.found)


def test_encoded_pictures_of_others_keep_their_colours(tmp_path: Path) -> None:
    """Without ALOHA's `compress` a JPEG is taken for what JPEG says; variable lengths too."""
    folder = write_aloha(tmp_path / "task", (12,))
    with h5py.File(folder / "episode_0.hdf5", "a") as file:
        images = file["observations/images"]
        del images["cam_high"], images["cam_right_wrist"]
        rows = [cv2.imencode(".jpg", scene(i, 12)[:, :, ::-1])[1].reshape(-1) for i in range(12)]
        one = images.create_dataset("cam_high", (12,), h5py.vlen_dtype(np.uint8))
        for index, row in enumerate(rows):
            one[index] = row
        images["cam_low"] = np.array([r.tobytes() for r in rows], dtype="S")
    source = open_dataset(folder)
    reader = source.reader(source.open(0))
    for camera in ("cam_high", "cam_low"):
        assert is_upright_rgb(reader.frame(camera, 6))
    reader.close()


def test_damaged_picture_shows_its_neighbour_and_says_so(tmp_path: Path) -> None:
    folder = write_aloha(tmp_path / "task", compress=True)
    with h5py.File(folder / "episode_0.hdf5", "a") as file:
        file["observations/images/cam_high"][10] = 0
    source = open_dataset(folder)
    reader = source.reader(source.open(0))
    assert "frame 9 is shown" in reader.picture("cam_high", 10).note
    assert reader.picture("cam_high", 11).note == ""
    reader.close()


def test_mobile_base_instruction_and_rate(tmp_path: Path) -> None:
    attrs = {"instruction": "wipe the wine", "fps": 30}
    folder = write_aloha(tmp_path / "aloha_mobile", base=True, compress=True, attrs=attrs)
    source = open_dataset(folder)
    assert source.info.fps == 30
    assert source.info.episodes[0].instruction == "wipe the wine"
    assert "instruction_from_name" not in codes(source.info.problems)
    assert source.open(0).action_names[-2:] == ("base_action.linear", "base_action.angular")


def test_depth_in_millimetres_beside_its_camera(tmp_path: Path) -> None:
    folder = write_aloha(tmp_path / "task", (12,))
    with h5py.File(folder / "episode_0.hdf5", "a") as file:
        file["observations/images_depth/cam_high"] = np.full((12, SIZE, SIZE), 800, np.uint16)
    source = open_dataset(folder)
    demonstration = source.open(0)
    assert demonstration.camera("cam_high").depth_key == "observations/images_depth/cam_high"
    reader = source.reader(demonstration)
    depth = reader.depth("cam_high", 3)
    assert depth is not None
    assert depth == pytest.approx(0.8)
    reader.close()


def test_broken_files_are_listed_and_stop_nothing(tmp_path: Path) -> None:
    folder = write_aloha(tmp_path / "task", (30, 26, 20, 22))
    path = folder / "episode_0.hdf5"
    path.write_bytes(path.read_bytes()[:9000])
    (folder / "episode_2.hdf5").write_bytes(b"")
    source = open_dataset(folder)
    assert [e.present for e in source.info.episodes] == [False, True, False, True]
    assert "bad_hdf5" in codes(source.info.episodes[0].problems)
    assert "partial_dataset" in codes(source.info.problems)
    with pytest.raises(DataError, match="episode_0"):
        source.open(0)
    assert source.open(3).length == 22
    with pytest.raises(DataError, match="no episode 9"):
        source.open(9)
    # Dropping the damaged file itself leads to its line in the list.
    _, found = recognise(folder / "episode_2.hdf5")
    assert (found.root, found.episode) == (folder, 2)


def test_nothing_but_broken_files_is_one_sentence(tmp_path: Path) -> None:
    folder = write_aloha(tmp_path / "task", (12,))
    path = folder / "episode_0.hdf5"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError) as error:
        open_dataset(path)
    assert error.value.code == "bad_hdf5"


def test_lengths_that_differ_are_told(tmp_path: Path) -> None:
    folder = write_aloha(tmp_path / "task", (20,))
    with h5py.File(folder / "episode_0.hdf5", "a") as file:
        obs = file["observations"]
        del obs["qpos"], obs["qvel"], obs["images/cam_high"]
        obs["qpos"], obs["qvel"] = np.zeros((25, 14)), np.zeros((5, 14))
        obs["images/cam_high"] = scenes(8)
        obs["images/cam_low"] = np.zeros((20, 4, 4), np.float32)
    demonstration = open_dataset(folder).open(0)
    assert codes(demonstration.problems) == {
        "length_differs", "video_shorter", "missing_pictures",
    }  # fmt: skip
    assert demonstration.state_names[0] == "left_waist"
    assert not any(n.startswith("qvel") for n in demonstration.state_names)


def test_fingerprints_tell_episodes_apart(tmp_path: Path) -> None:
    source = open_dataset(write_aloha(tmp_path / "task", (20, 20)))
    again = open_dataset(write_aloha(tmp_path / "again", (20, 20), attrs={"instruction": "task"}))
    assert source.open(0).fingerprint != source.open(1).fingerprint
    assert again.open(0).length == 20
