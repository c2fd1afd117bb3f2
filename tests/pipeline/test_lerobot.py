from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset
from pipeline.sources.lerobot.metadata import flat_names
from tests.datasets import FRONT, SAMPLE, V2_DATA, V2_VIDEO, shared_data, write_v2, write_v3


def codes(problems) -> set[str]:
    return {p.code for p in problems}


def video_of(root: Path, episode: int) -> Path:
    return root / V2_VIDEO.format(episode_chunk=0, episode_index=episode, video_key=FRONT)


def table_of(root: Path, episode: int) -> Path:
    return root / V2_DATA.format(episode_chunk=0, episode_index=episode)


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return write_v2(tmp_path / "v2")


def edit_info(root: Path, **changes) -> None:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("write", [write_v2, write_v3])
def test_frames_belong_to_their_episode_and_index(tmp_path: Path, write) -> None:
    source = open_dataset(write(tmp_path / "d"))
    for info in source.info.episodes:
        demonstration = source.open(info.index)
        reader = source.reader(demonstration)
        # Backwards and jumping: every access must find its frame by time, not by counting.
        for frame in (info.length - 1, 0, 7, 6, 5, info.length // 2, 1):
            rgb = reader.frame(FRONT, frame)
            # AV1 at crf 10 keeps flat grey within a few levels; neighbours differ by 8.
            assert abs(float(rgb[:, :, 0].mean()) - (frame * 8) % 250) < 4, (info.index, frame)
            assert abs(float(rgb[:, :, 2].mean()) - 40 * info.index) < 6
        reader.close()


def test_v3_tells_episodes_in_one_file_apart(tmp_path: Path) -> None:
    source = open_dataset(write_v3(tmp_path / "d", (20, 24, 18)))
    assert [e.length for e in source.info.episodes] == [20, 24, 18]
    assert source.open(1).length == 24
    assert source.open(1).fingerprint != source.open(2).fingerprint
    assert source.info.episodes[0].instruction == "Put the blue cube in the bowl."


def test_templates_decide_not_the_version(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d")
    edit_info(root, codebase_version="v3.0")
    assert open_dataset(root).open(1).length == 24


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b", "gripper"], ("a", "b", "gripper")),
        ([["a", "b", "gripper"]], ("a", "b", "gripper")),
        ({"motors": ["a", "b", "gripper"]}, ("a", "b", "gripper")),
        ({"b": 1, "gripper": 2, "a": 0}, ("a", "b", "gripper")),
        (None, ("state_0", "state_1", "state_2")),
        (["a"], ("state_0", "state_1", "state_2")),
    ],
)
def test_names_in_all_their_shapes(names, expected) -> None:
    assert flat_names(names, 3, "state") == expected


def test_partial_download_lists_present_and_missing(v2: Path) -> None:
    video_of(v2, 0).unlink()
    table_of(v2, 0).unlink()
    info = open_dataset(v2).info
    assert [e.present for e in info.episodes] == [False, True]
    assert codes(info.episodes[0].problems) == {"missing_video", "missing_data"}
    assert codes(info.problems) == {"partial_dataset"}
    with pytest.raises(DataError, match="is not on disk") as caught:
        open_dataset(v2).open(0)
    assert caught.value.code == "missing_data"


def test_missing_video_is_said_and_the_signals_still_open(v2: Path) -> None:
    video_of(v2, 1).unlink()
    demonstration = open_dataset(v2).open(1)
    assert demonstration.cameras == ()
    assert codes(demonstration.problems) == {"missing_video"}
    assert demonstration.state.shape == (24, 3)


def test_lfs_pointer_is_named(v2: Path) -> None:
    video_of(v2, 0).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    source = open_dataset(v2)
    assert codes(source.info.episodes[0].problems) == {"lfs_pointer"}
    assert "git lfs pull" in source.info.episodes[0].problems[0].message
    assert source.info.episodes[1].present


def test_truncated_table_is_one_sentence(v2: Path) -> None:
    path = table_of(v2, 0)
    path.write_bytes(path.read_bytes()[:300])
    source = open_dataset(v2)
    with pytest.raises(DataError, match="truncated or no Parquet") as caught:
        source.open(0)
    assert caught.value.code == "bad_table"
    assert source.open(1).length == 24


def test_video_shorter_than_its_table(v2: Path) -> None:
    video_of(v2, 0).replace(video_of(v2, 1))  # 20 frames for 24 rows.
    source = open_dataset(v2)
    demonstration = source.open(1)
    (problem,) = demonstration.problems
    assert problem.code == "video_shorter"
    assert problem.frame == 20
    last = source.reader(demonstration).frame(FRONT, 23)
    assert abs(float(last[:, :, 0].mean()) - 19 * 8) < 4


def test_truncated_video_keeps_its_good_frames(v2: Path) -> None:
    path = video_of(v2, 0)
    path.write_bytes(path.read_bytes()[:-600])
    source = open_dataset(v2)
    demonstration = source.open(0)
    if demonstration.cameras:  # Where the index sits decides; either way it is said.
        reader = source.reader(demonstration)
        assert reader.frame(FRONT, 0).shape == (48, 64, 3)
    else:
        assert codes(demonstration.problems) == {"bad_video"}


def test_video_that_is_none(v2: Path) -> None:
    video_of(v2, 0).write_bytes(os.urandom(5000))
    demonstration = open_dataset(v2).open(0)
    assert codes(demonstration.problems) == {"bad_video"}
    assert demonstration.cameras == ()


def test_nan_in_the_gripper_is_counted(v2: Path) -> None:
    path = table_of(v2, 0)
    rows = pq.read_table(path)
    state = np.array(rows["observation.state"].to_pylist(), np.float32)
    state[5:8, 2] = np.nan
    column = pa.array(state.tolist(), pa.list_(pa.float32(), 3))
    pq.write_table(rows.set_column(0, "observation.state", column), path)
    (problem,) = open_dataset(v2).open(0).problems
    assert (problem.code, problem.frame) == ("nan_in_signal", 5)
    assert "3 frames" in problem.message


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"data_path": "../../{episode_index}.parquet"}, "path_escape"),
        ({"data_path": "/etc/passwd{episode_index}"}, "path_escape"),
        ({"data_path": "data/{episode_index.__class__}"}, "bad_template"),
        ({"data_path": "data/{episode_index}{nonsense}"}, "bad_template"),
        ({"data_path": "data/{episode_index:999999999d}"}, "bad_template"),
    ],
)
def test_hostile_templates_are_refused(v2: Path, changes, code) -> None:
    edit_info(v2, **changes)
    with pytest.raises(DataError) as caught:
        open_dataset(v2).open(0)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "changes", [{"fps": 0}, {"fps": "fast"}, {"features": 3}, {"total_episodes": 10**12}]
)
def test_wrong_metadata_is_one_sentence(v2: Path, changes) -> None:
    edit_info(v2, **changes)
    with pytest.raises(DataError) as caught:
        open_dataset(v2)
    assert caught.value.code == "bad_metadata"
    assert "\n" not in str(caught.value)


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no dataset that Demoscope can open"):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        open_dataset(tmp_path / "nothing")


def test_opening_from_inside(v2: Path) -> None:
    assert open_dataset(v2 / "meta").info.path == str(v2.resolve())
    assert open_dataset(video_of(v2, 0)).info.path == str(v2.resolve())


def test_source_is_never_written(v2: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in v2.rglob("*")}
    source = open_dataset(v2)
    source.reader(source.open(0)).frame(FRONT, 3)
    assert {p: p.stat().st_mtime_ns for p in v2.rglob("*")} == before


def test_gripper_of_the_toy(v2: Path) -> None:
    (gripper,) = open_dataset(v2).info.grippers
    assert (gripper.signal, gripper.indices, gripper.closed_is) == ("state", (2,), "low")


def test_real_humanoid() -> None:
    root = shared_data("g1_pick_bottle")
    if root is None:
        pytest.skip("g1_pick_bottle is not on this machine")
    source = open_dataset(root)
    assert [e.index for e in source.info.episodes if e.present] == [1, 2, 19]
    left, right = source.info.grippers
    assert (left.arm, right.arm) == ("left", "right")
    # Every finger but the thumb's rotation, which does not open the hand.
    assert right.names == tuple(
        f"kRightHand{f}" for f in ("Pinky", "Ring", "Middle", "Index", "ThumbBend")
    )
    for index in (1, 2, 19):
        demonstration = source.open(index)
        assert demonstration.problems == ()
        reader = source.reader(demonstration)
        last = demonstration.length - 1
        assert reader.frame(demonstration.cameras[0].key, last).shape == (480, 640, 3)


def test_sample_depth_agrees_with_the_true_positions() -> None:
    source = open_dataset(SAMPLE)
    demonstration = source.open(3)
    camera = demonstration.camera(FRONT)
    assert camera.intrinsics is not None
    assert camera.camera_to_world is not None
    lines = (SAMPLE / "ground_truth/annotations.jsonl").read_text().splitlines()
    truth = next(t for t in map(json.loads, lines) if t["episode_index"] == 3)
    positions = np.load(SAMPLE / "ground_truth/positions.npz")
    world = positions[truth["position"]][truth["keyframe"]]
    point = np.linalg.inv(camera.camera_to_world) @ np.append(world, 1)
    depth = source.reader(demonstration).depth(FRONT, truth["keyframe"])
    assert depth is not None
    x0, y0, x1, y1 = truth["start_box"]
    seen = float(np.median(depth[y0:y1, x0:x1]))
    # The object's visible surface lies within its own size (12 cm) of its underside's centre.
    assert abs(seen - point[2]) < 0.12
