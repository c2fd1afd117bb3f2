"""Raw DROID: every level opens, signals and pictures agree by row, defects have one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipeline.model.demonstration import ClosedIs
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset
from pipeline.sources.droid import dataset as droid
from pipeline.sources.droid.dataset import DroidDataset
from tests.droid_files import (
    EXT1,
    EXT1_POSE,
    EXT2,
    TASK,
    WRIST,
    gripper,
    uuid_of,
    write_episode,
    write_release,
)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("droid") / "1.0.1")


@pytest.fixture
def day(tmp_path: Path) -> Path:
    return tmp_path / "AUTOLab" / "success" / "2023-07-07"


def level_of_row(rgb: np.ndarray) -> int:
    """The row that the test picture's grey tells."""
    return round((float(rgb[:8, :8, 0].mean()) - 40) / 6)


def codes(problems: object) -> set[str]:
    return {p.code for p in problems}  # type: ignore[attr-defined]


# -- recognition -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("below", "count"),
    [
        ("", 4),
        ("AUTOLab", 3),
        ("AUTOLab/success", 2),
        ("AUTOLab/success/2023-07-07", 2),
        ("AUTOLab/success/2023-07-07/Fri_Jul__7_09:42:23_2023", 1),
        ("IRIS/success/2023-07-07/Fri_Jul__7_09_42_55_2023", 1),
    ],
)
def test_every_level_opens_and_opens_again_as_the_same(
    release: Path, below: str, count: int
) -> None:
    info = open_dataset(release / below).info
    assert (info.format, len(info.episodes)) == ("droid", count)
    assert Path(info.path) == release / below
    again = open_dataset(info.path).info
    assert [e.name for e in again.episodes] == [e.name for e in info.episodes]


def test_the_folder_above_a_release_opens_all_of_it(release: Path) -> None:
    assert len(open_dataset(release.parent).info.episodes) == 4


@pytest.mark.parametrize(
    "file", [f"recordings/MP4/{EXT1}.mp4", "trajectory.h5", "recordings/MP4", "recordings"]
)
def test_a_part_of_an_episode_means_the_episode(release: Path, file: str) -> None:
    episode = release / "AUTOLab/success/2023-07-07/Fri_Jul__7_09:42:23_2023"
    info = open_dataset(episode / file).info
    assert Path(info.path) == episode
    assert len(info.episodes) == 1


def test_the_metadata_file_means_the_episode(release: Path) -> None:
    episode = release / "AUTOLab/success/2023-07-07/Fri_Jul__7_09:42:23_2023"
    assert open_dataset(next(episode.glob("metadata_*"))).info.path == str(episode)


def test_folders_that_are_no_droid_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "success" / "2023-07-07" / "notes").mkdir(parents=True)
    (tmp_path / "trajectory.h5").write_bytes(b"")
    (tmp_path / "metadata.json").write_text("{}")
    for path in (tmp_path, tmp_path / "success", tmp_path / "trajectory.h5"):
        assert droid.recognise(path) is None


def test_an_episode_with_a_name_of_its_own_is_recognised_by_content(tmp_path: Path) -> None:
    made = write_episode(tmp_path / "LAB" / "success" / "2023-07-07")
    moved = shutil.move(made, tmp_path / "mine" / "run_7")
    assert open_dataset(moved).info.format == "droid"
    assert len(open_dataset(Path(moved).parent).info.episodes) == 1
    (tmp_path / "mine" / "thesis").mkdir()
    assert droid.recognise(tmp_path / "mine") is None


# -- listing ---------------------------------------------------------------------------------


def test_the_list_says_what_is_complete_and_what_failed(release: Path) -> None:
    info = open_dataset(release).info
    by_name = {e.name.rsplit("/", 1)[-1]: e for e in info.episodes}
    complete = by_name["Fri_Jul__7_09:42:23_2023"]
    assert complete.present
    assert (complete.length, complete.instruction) == (30, TASK)
    incomplete = by_name["Fri_Jul__7_09:42:41_2023"]
    assert not incomplete.present
    assert "metadata_*.json" in incomplete.problems[0].message
    assert "marked_failure" in codes(by_name["Fri_Jul__7_09_42_11_2023"].problems)
    assert "partial_dataset" in codes(info.problems)
    with pytest.raises(DataError, match="metadata"):
        open_dataset(release).open(incomplete.index)


def test_listing_opens_no_table(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a table was opened")

    monkeypatch.setattr(h5py, "File", refuse)
    assert len(list(open_dataset(release).info.episodes)) == 4


def test_annotations_at_the_top_give_instructions_to_every_level(day: Path) -> None:
    episode = write_episode(day)
    texts = {uuid_of("AUTOLab", 23): {"language_instruction1": "", "language_instruction2": "Put"}}
    top = day.parents[2]
    (top / "aggregated-annotations-030724.json").write_text(json.dumps(texts))
    for path in (top, episode):
        data = open_dataset(path)
        assert data.info.episodes[0].instruction == "Put"
        assert data.open(0).instruction == "Put"
        assert any("aggregated-annotations-030724" in f for f in data.info.found)


@pytest.mark.parametrize("content", ["[1, 2]", "{", '{"x": 3, "y": {"language_instruction1": 5}}'])
def test_unusable_annotations_leave_the_current_task(day: Path, content: str) -> None:
    write_episode(day)
    (day.parents[2] / "aggregated-annotations-1.json").write_text(content)
    assert open_dataset(day.parents[2]).open(0).instruction == TASK


# -- signals ---------------------------------------------------------------------------------


def test_signals_have_the_format_names_and_the_gripper_its_direction(release: Path) -> None:
    data = open_dataset(release / "AUTOLab/success/2023-07-07")
    demo = data.open(0)
    assert (demo.length, demo.fps) == (30, 15.0)
    (channels,) = demo.grippers
    assert (channels.closed_is, channels.origin) == (ClosedIs.HIGH, "format")
    assert demo.state_names[channels.indices[0]] == "gripper_position"
    np.testing.assert_allclose(demo.state[:, channels.indices[0]], gripper(30), atol=1e-6)
    assert "target_gripper_position" in demo.action_names
    assert "paused_rows" in codes(demo.problems)


@pytest.mark.parametrize("per_second", [1, 10**3, 10**6, 10**9])
def test_the_clock_is_read_in_any_unit(day: Path, per_second: int) -> None:
    def change(file: h5py.File) -> None:
        name = "observation/timestamp/control/step_start"
        del file[name]
        stamps = 1_688_713_343 * per_second + np.arange(30) * per_second / 15
        file[name] = stamps if per_second == 1 else stamps.astype(np.int64)

    write_episode(day, change=change)
    times = open_dataset(day).open(0).timestamps
    np.testing.assert_allclose(times, np.arange(30) / 15, atol=1.1e-3)


def test_a_clock_that_goes_back_is_not_used(day: Path) -> None:
    def change(file: h5py.File) -> None:
        for name in ("control/step_start", "robot_state/read_start"):
            stamps = file[f"observation/timestamp/{name}"]
            stamps[10] = stamps[3]

    write_episode(day, change=change)
    demo = open_dataset(day).open(0)
    np.testing.assert_allclose(demo.timestamps, np.arange(30) / 15)
    assert "bad_timestamps" in codes(demo.problems)


def test_a_missing_part_leaves_the_columns_where_they_are(day: Path) -> None:
    def change(file: h5py.File) -> None:
        del file["observation/robot_state/cartesian_position"]
        del file["action/gripper_position"]

    write_episode(day, change=change)
    demo = open_dataset(day).open(0)
    assert np.isnan(demo.state[:, :6]).all()
    assert demo.state_names[6] == "gripper_position"
    assert np.isfinite(demo.state[:, 6]).all()
    assert "nan_in_signal" not in codes(demo.problems)


def test_parts_of_other_lengths_are_cut_or_continued_and_named(day: Path) -> None:
    def change(file: h5py.File) -> None:
        for name, rows in (("action/joint_position", 27), ("action/joint_velocity", 33)):
            del file[name]
            file[name] = np.ones((rows, 7))

    write_episode(day, change=change)
    demo = open_dataset(day).open(0)
    assert demo.length == 30
    column = demo.action_names.index("joint_position.0")
    assert np.isnan(demo.action[27:, column]).all()
    message = next(p.message for p in demo.problems if p.code == "rows_differ")
    assert "action/joint_position has 27" in message
    assert "action/joint_velocity has 33" in message


# -- cameras ---------------------------------------------------------------------------------


def test_pictures_are_found_by_row_whatever_rate_the_file_claims(release: Path) -> None:
    """The files are stamped with 60 fps, the rows with 15."""
    data = open_dataset(release / "AUTOLab/success/2023-07-07")
    demo = data.open(0)
    assert [c.key for c in demo.cameras] == ["ext1", "ext2", "wrist"]
    reader = data.reader(demo)
    for row in (0, 17, 5, 29):
        for camera in demo.cameras:
            assert level_of_row(reader.frame(camera.key, row)) == row
    times = reader.times("wrist")
    assert times is not None
    np.testing.assert_allclose(times.times, demo.timestamps)
    assert times.exact.all()
    reader.close()


def test_serials_say_which_view_is_which(release: Path) -> None:
    data = open_dataset(release / "AUTOLab/success/2023-07-07")
    reader = data.reader(data.open(0))
    green = {k: int(reader.frame(k, 0)[0, 0, 1]) for k in ("wrist", "ext1", "ext2")}
    assert green["wrist"] < green["ext1"] < green["ext2"]
    reader.close()


def test_a_shorter_video_shows_its_last_picture_and_says_so(day: Path) -> None:
    write_episode(day, pictures=20)
    data = open_dataset(day)
    demo = data.open(0)
    assert "video_shorter" in codes(demo.problems)
    reader = data.reader(demo)
    assert level_of_row(reader.frame("ext1", 29)) == 19
    assert "ends at frame 19" in reader.picture("ext1", 29).note
    assert not reader.picture("ext1", 19).note
    times = reader.times("ext1")
    assert times is not None
    assert (len(times.times), int(times.exact.sum())) == (20, 20)
    reader.close()


def test_one_picture_less_is_usual_and_not_reported(day: Path) -> None:
    write_episode(day, pictures=29)
    assert "video_shorter" not in codes(open_dataset(day).open(0).problems)


def test_a_longer_video_is_cut_at_the_last_row(day: Path) -> None:
    write_episode(day, pictures=40)
    data = open_dataset(day)
    demo = data.open(0)
    assert "video_longer" in codes(demo.problems)
    times = data.reader(demo).times("ext1")
    assert times is not None
    assert len(times.times) == 30


def test_of_a_stereo_video_the_left_half_is_shown(day: Path) -> None:
    write_episode(day, videos=(WRIST, EXT1, f"{EXT1}-stereo", f"{EXT2}-stereo"))
    data = open_dataset(day)
    demo = data.open(0)
    assert {(c.width, c.height) for c in demo.cameras} == {(64, 48)}
    reader = data.reader(demo)
    picture = reader.picture("ext2", 12)
    assert picture.size == (64, 48)
    assert picture.rgb().shape == (48, 64, 3)
    assert picture.bgrx().shape == (48, 64, 4)
    assert level_of_row(picture.rgb()) == 12
    again = reader.cached("ext2", 12)
    assert again is not None
    assert again.size == (64, 48)
    assert any("left half" in f for f in data.info.found)
    reader.close()


def test_external_cameras_have_the_calibrated_pose_in_opencv_axes(release: Path) -> None:
    demo = open_dataset(release / "AUTOLab/success/2023-07-07").open(0)
    pose = demo.camera("ext1").camera_to_world
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], EXT1_POSE[:3])
    expected = Rotation.from_euler("xyz", EXT1_POSE[3:]).as_matrix()
    np.testing.assert_allclose(pose[:3, :3], expected, atol=1e-12)
    assert pose[2, 2] < 0  # It stands over the table and looks down on it.
    assert demo.camera("wrist").camera_to_world is None


@pytest.mark.parametrize("pose", [[0] * 6, "no", [1, 2], [1, 2, 3, 4, 5, float("nan")], None, {}])
def test_a_useless_pose_in_the_metadata_is_replaced_by_the_trajectory(
    day: Path, pose: object
) -> None:
    write_episode(day, metadata={"ext1_cam_extrinsics": pose})
    found = open_dataset(day).open(0).camera("ext1").camera_to_world
    assert found is not None
    np.testing.assert_allclose(found[:3, 3], EXT1_POSE[:3])


def test_serials_that_the_metadata_does_not_know_are_concluded(day: Path) -> None:
    write_episode(day, metadata={"ext1_cam_serial": "999", "wrist_cam_serial": None})
    data = open_dataset(day)
    demo = data.open(0)
    assert "camera_serial_differs" in codes(demo.problems)
    reader = data.reader(demo)
    green = {k: int(reader.frame(k, 0)[0, 0, 1]) for k in ("wrist", "ext1", "ext2")}
    assert green["wrist"] < green["ext1"] < green["ext2"]
    assert demo.camera("ext1").camera_to_world is not None
    reader.close()


def test_paths_of_the_metadata_are_never_followed(day: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.mp4"
    episode = write_episode(day, videos=(EXT2,))
    shutil.copy(episode / "recordings" / "MP4" / f"{EXT2}.mp4", outside)
    metadata = next(episode.glob("metadata_*"))
    fields = json.loads(metadata.read_text())
    fields["ext1_mp4_path"] = "../../../../../secret.mp4"
    fields["ext1_cam_serial"] = "../../../../../../../secret"
    metadata.write_text(json.dumps(fields))
    demo = open_dataset(day).open(0)
    assert [c.key for c in demo.cameras] == ["ext2"]
    assert "missing_video" in codes(demo.problems)


def test_without_mp4_the_reason_names_the_sdk(day: Path) -> None:
    episode = write_episode(day, videos=())
    svo = episode / "recordings" / "SVO"
    svo.mkdir(parents=True)
    (svo / f"{EXT1}.svo").write_bytes(b"")
    (found,) = open_dataset(day).info.episodes
    assert not found.present
    assert any("ZED SDK" in p.message for p in found.problems)
    demo = open_dataset(day).open(0)  # The signals can still be looked at.
    assert demo.cameras == ()


# -- defects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0, 7, 100, 4096, 9000])
def test_a_truncated_table_is_one_sentence(day: Path, keep: int) -> None:
    table = write_episode(day) / "trajectory.h5"
    table.write_bytes(table.read_bytes()[:keep])
    data = open_dataset(day)
    with pytest.raises(DataError) as caught:
        data.open(0)
    assert "\n" not in str(caught.value)


def test_a_broken_video_leaves_the_others(day: Path) -> None:
    episode = write_episode(day)
    (episode / "recordings" / "MP4" / f"{EXT1}.mp4").write_bytes(b"no video")
    demo = open_dataset(day).open(0)
    assert [c.key for c in demo.cameras] == ["ext2", "wrist"]
    assert "bad_video" in codes(demo.problems)


@pytest.mark.parametrize("content", ["[]", "3", "{", "", '"x"', '{"trajectory_length": "x"}'])
def test_metadata_of_any_type_stops_no_other_episode(day: Path, content: str) -> None:
    broken = write_episode(day, 23)
    write_episode(day, 41)
    next(broken.glob("metadata_*")).write_text(content)
    data = open_dataset(day)
    assert len(data.info.episodes) == 2
    assert data.info.episodes[1].present
    assert data.open(1).length == 30
    if content.startswith('{"'):
        assert data.open(0).length == 30
    else:
        with pytest.raises(DataError):
            data.open(0)


def test_declared_length_that_differs_is_reported(day: Path) -> None:
    write_episode(day, metadata={"trajectory_length": 10**9})
    data = open_dataset(day)
    assert data.info.episodes[0].length == 0
    assert "length_differs" in codes(data.open(0).problems)


def test_an_unknown_episode_is_one_sentence(release: Path) -> None:
    with pytest.raises(DataError, match="0 to 3"):
        open_dataset(release).open(4)


def test_an_empty_folder_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no DROID trajectory"):
        DroidDataset(tmp_path)


def test_equal_data_has_the_same_fingerprint_at_another_place(day: Path, tmp_path: Path) -> None:
    episode = write_episode(day)
    first = open_dataset(episode).open(0).fingerprint
    moved = shutil.copytree(episode, tmp_path / "elsewhere" / episode.name)
    assert open_dataset(moved).open(0).fingerprint == first


def test_arrays_that_unpack_to_gigabytes_are_left_out(day: Path) -> None:
    def change(file: h5py.File) -> None:
        for name, shape in (("joint_velocity", (10**8, 7)), ("joint_position", (30, 10**7))):
            del file[f"action/{name}"]
            file.create_dataset(f"action/{name}", shape, "f8", compression="gzip")

    write_episode(day, change=change)
    demo = open_dataset(day).open(0)
    assert demo.length == 30
    assert sum(p.code == "columns_differ" for p in demo.problems) == 2


def test_links_in_a_circle_are_walked_once(release: Path, tmp_path: Path) -> None:
    root = shutil.copytree(release, tmp_path / "droid")
    (root / "again").symlink_to(root, target_is_directory=True)
    (root / "IRIS" / "success" / "again").symlink_to(root / "IRIS", target_is_directory=True)
    assert len(open_dataset(root).info.episodes) == 4


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_give_data_or_one_sentence(day: Path, seed: int) -> None:
    episode = write_episode(day, rows=6)
    table = episode / "trajectory.h5"
    whole = table.read_bytes()
    random = np.random.default_rng(seed)
    sentences = []
    for _ in range(15):
        data = np.frombuffer(whole, np.uint8).copy()
        places = random.integers(0, len(data), random.integers(1, 40))
        data[places] ^= np.uint8(1) << random.integers(0, 8, len(places)).astype(np.uint8)
        table.write_bytes(data.tobytes())
        dataset = open_dataset(episode)
        try:
            demo = dataset.open(0)
        except DataError as error:
            sentences.append(str(error))
        else:
            assert demo.state.shape == (demo.length, 21)
    assert not any("\n" in sentence for sentence in sentences)


@pytest.mark.parametrize("part", ["trajectory.h5", f"recordings/MP4/{EXT1}.mp4"])
def test_truncations_give_data_or_one_sentence(day: Path, part: str) -> None:
    path = write_episode(day, rows=6) / part
    whole = path.read_bytes()
    sentences = []
    for keep in range(0, len(whole), 4096):
        path.write_bytes(whole[:keep])
        dataset = open_dataset(day)
        try:
            demo = dataset.open(0)
            reader = dataset.reader(demo)
            for camera in demo.cameras:
                reader.frame(camera.key, 5)
        except DataError as error:
            sentences.append(str(error))
    assert not any("\n" in sentence for sentence in sentences)
