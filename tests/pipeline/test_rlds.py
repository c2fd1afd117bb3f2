"""RLDS datasets: episodes over splits, shards and versions; known ones, hostile ones."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.model.demonstration import ClosedIs
from pipeline.model.episodes import columns_of, first_present
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset, recognise
from pipeline.sources.rlds import dataset as rlds
from pipeline.sources.rlds.catalogue import look_up
from tests.datasets import codes, shared_data, signals
from tests.tfrecord_files import (
    STEPS,
    episode_fields,
    features_dict,
    image,
    rlds_features,
    sequence,
    tensor,
    write_rlds,
    write_toy,
)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "toy_dataset" / "1.0.0")


def edit(root: Path, name: str, **changes: Any) -> None:
    path = root / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def shard(root: Path) -> Path:
    return next(root.glob("*.tfrecord-*"))


# -- reading ---------------------------------------------------------------------------------


def test_signals_instruction_and_names(toy: Path) -> None:
    source = open_dataset(toy)
    demonstration = source.open(1)
    state, action = signals(24)
    assert demonstration.length == 24
    assert demonstration.instruction == "Pick up the red cube."
    assert demonstration.state_names == ("state.0", "state.1", "state.2")
    np.testing.assert_array_equal(demonstration.state, state)
    np.testing.assert_array_equal(demonstration.action[:-1], action[:-1])
    assert demonstration.timestamps[-1] == pytest.approx(23 / 10)
    assert demonstration.problems == ()
    assert source.open(0).fingerprint != demonstration.fingerprint
    assert open_dataset(toy).open(1).fingerprint == demonstration.fingerprint


def test_the_invalid_last_action_is_that_of_the_step_before(tmp_path: Path) -> None:
    fields = episode_fields(10)
    action = np.arange(30, dtype=np.float32).reshape(10, 3)
    action[-1] = 0
    fields["steps/action"] = (action.reshape(-1).tolist(), "float")
    root = write_rlds(tmp_path / "d", {"train": [[fields]]})
    opened = open_dataset(root).open(0)
    assert opened.action[-1].tolist() == action[-2].tolist()
    fields["steps/is_last"] = ([0] * 10, "int")  # Cut off: the last action is a real one.
    root = write_rlds(tmp_path / "e", {"train": [[fields]]})
    opened = open_dataset(root).open(0)
    assert opened.action[-1].tolist() == [0, 0, 0]
    assert codes(opened.problems) == {"episode_cut"}


def test_pictures_belong_to_their_episode_and_step(toy: Path) -> None:
    source = open_dataset(toy)
    for episode, length in ((0, 20), (1, 24)):
        demonstration = source.open(episode)
        (camera,) = demonstration.cameras
        assert (camera.key, camera.width, camera.height, camera.codec) == ("image", 64, 48, "jpeg")
        reader = source.reader(demonstration)
        for step in (length - 1, 0, 7, 6):
            rgb = reader.frame("image", step)
            assert abs(float(rgb[:, :, 0].mean()) - (step * 8) % 250) < 4
            assert abs(float(rgb[:, :, 2].mean()) - 40 * episode) < 6
        assert reader.cached("image", 7) is not None
        assert reader.times("image") is None
        reader.close()


def test_what_is_found_and_ignored_is_said(toy: Path) -> None:
    info = open_dataset(toy).info
    assert info.format == "rlds"
    assert info.version == "1.0.0"
    assert "1 camera" in info.found
    assert "instruction from steps/language_instruction" in info.found
    said = "; ".join(info.ignored)
    assert "language_embedding: an embedding" in said
    assert "reward" in said
    assert codes(info.problems) == {"rate_assumed"}


def test_lengths_and_instructions_of_a_small_dataset_are_in_the_table(toy: Path) -> None:
    episodes = open_dataset(toy).info.episodes
    assert [(e.length, e.name, e.instruction) for e in episodes] == [
        (20, "train/0", "Pick up the red cube."),
        (24, "train/1", "Pick up the red cube."),
    ]


def test_a_large_dataset_is_not_read_but_learned(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rlds, "_READ_WHOLE", 0)
    source = rlds.RldsDataset(toy)
    assert [e.length for e in source.info.episodes] == [0, 0]
    assert columns_of(source.info.episodes).length.tolist() == [0, 0]
    assert source.learn(1).length == 24
    assert [e.length for e in source.info.episodes] == [0, 24]
    source.open(0)
    assert columns_of(source.info.episodes).length.tolist() == [20, 24]


def test_features_of_before_2022(toy: Path) -> None:
    def old(node: dict[str, Any]) -> dict[str, Any]:
        kind = node["pythonClassName"]
        if "featuresDict" in node:
            content: Any = {k: old(v) for k, v in node["featuresDict"]["features"].items()}
        elif "sequence" in node:
            content = {"feature": old(node["sequence"]["feature"]), "length": None}
        elif "tensor" in node or "image" in node:
            values = node.get("tensor") or node["image"]
            shape = [int(n) for n in values["shape"].get("dimensions", ())]
            content = {"shape": shape, "dtype": values["dtype"]}
            if "image" in node:
                content["encoding_format"] = values["encodingFormat"]
        else:
            content = {}
        return {"type": kind, "content": content}

    path = toy / "features.json"
    path.write_text(json.dumps(old(json.loads(path.read_text()))))
    opened = open_dataset(toy).open(0)
    assert opened.state.shape == (20, 3)
    assert [c.key for c in opened.cameras] == ["image"]


# -- known datasets --------------------------------------------------------------------------


def test_rate_and_gripper_of_bridge_are_known(tmp_path: Path) -> None:
    steps = STEPS | {"observation": features_dict({"image": image(), "state": tensor((7,))})}
    fields = episode_fields(6)
    fields["steps/observation/state"] = (np.arange(42.0).tolist(), "float")
    root = write_rlds(
        tmp_path / "d", {"train": [[fields]]}, features=rlds_features(steps), name="bridge_dataset"
    )
    source = open_dataset(root)
    opened = source.open(0)
    assert (opened.fps, opened.robot_type) == (5.0, "widowx")
    (gripper,) = opened.grippers
    assert (gripper.names, gripper.closed_is) == (("state.gripper",), ClosedIs.LOW)
    assert gripper.origin == "format"
    assert "rate_assumed" not in codes(source.info.problems)


def test_an_action_of_seven_ends_with_the_gripper(tmp_path: Path) -> None:
    steps = STEPS | {
        "action": tensor((7,)),
        "observation": features_dict({"image": image(), "state": tensor((7,))}),
    }
    fields = episode_fields(8)
    action = np.zeros((8, 7), np.float32)
    action[:, 6] = [1, 1, 1, 0, 0, 0, 1, 1]
    fields["steps/action"] = (action.reshape(-1).tolist(), "float")
    fields["steps/observation/state"] = (np.arange(56.0).tolist(), "float")
    root = write_rlds(tmp_path / "d", {"train": [[fields]]}, features=rlds_features(steps))
    (gripper,) = open_dataset(root).info.grippers
    assert (gripper.signal, gripper.indices, gripper.closed_is) == ("action", (6,), ClosedIs.LOW)
    assert gripper.origin == "guessed"


def test_known_names_come_with_suffixes() -> None:
    plain = look_up("austin_buds_dataset")
    assert plain is look_up("austin_buds_dataset_converted_externally_to_rlds")
    assert look_up("libero_spatial_no_noops") is look_up("libero_spatial")
    fractal = look_up("fractal20220817_data")
    assert fractal is not None
    assert fractal.fps == 3
    assert look_up("my_lab") is None


# -- shards, splits, versions ----------------------------------------------------------------


def test_episodes_are_numbered_over_splits_and_shards(tmp_path: Path) -> None:
    root = write_rlds(
        tmp_path / "d",
        {
            "val": [[episode_fields(9, 3, "v")]],
            "train": [[episode_fields(5, 0, "a"), episode_fields(6, 1, "b")], [episode_fields(7)]],
        },
    )
    source = open_dataset(root)
    assert [(e.name, e.length) for e in source.info.episodes] == [
        ("train/0", 5), ("train/1", 6), ("train/2", 7), ("val/0", 9),
    ]  # fmt: skip
    assert source.open(3).instruction == "v"
    assert source.open(1).instruction == "b"


def test_absent_shards_keep_the_numbers(tmp_path: Path) -> None:
    splits = {
        "train": [[episode_fields(5), episode_fields(6)]],
        "val": [[episode_fields(7, 0, "here")]],
    }
    root = write_rlds(tmp_path / "d", splits)
    next(root.glob("*-train.*")).unlink()
    source = open_dataset(root)
    info = source.info
    assert [e.present for e in info.episodes] == [False, False, True]
    assert first_present(info.episodes) == 2
    assert source.open(2).instruction == "here"
    assert (
        "2 of 3 episodes" in next(p for p in info.problems if p.code == "partial_dataset").message
    )
    with pytest.raises(DataError, match=r"train/0.*not on disk"):
        source.open(0)
    with pytest.raises(DataError, match="0 to 2"):
        source.open(3)


def test_without_dataset_info_the_records_are_counted(toy: Path) -> None:
    (toy / "dataset_info.json").unlink()
    source = open_dataset(toy)
    assert [e.length for e in source.info.episodes] == [20, 24]
    assert source.open(1).length == 24


def test_a_cut_off_shard_lists_the_lost_episode(toy: Path) -> None:
    path = shard(toy)
    path.write_bytes(path.read_bytes()[:-100])
    source = open_dataset(toy)
    first, last = source.info.episodes
    assert (first.present, first.problems) == (True, ())
    assert not last.present
    assert "cut off" in last.problems[0].message
    assert any("a shard is cut off" in p.message for p in source.info.problems)
    assert source.open(0).length == 20
    with pytest.raises(DataError, match="cut off"):
        source.open(1)


def test_the_folder_above_and_files_inside_lead_to_the_version(toy: Path) -> None:
    for path in (toy, toy.parent, shard(toy), toy / "features.json"):
        _, found = recognise(path)
        assert found.root == toy.resolve()
    newer = write_toy(toy.parent / "1.10.0")
    write_toy(toy.parent / "1.9.0")
    _, found = recognise(toy.parent)
    assert found.root == newer.resolve()
    assert "newest of 3" in found.reason


def test_several_configurations_must_be_chosen_from(tmp_path: Path) -> None:
    one = write_toy(tmp_path / "name" / "left" / "1.0.0")
    assert recognise(tmp_path / "name")[1].root == one.resolve()
    write_toy(tmp_path / "name" / "right" / "1.0.0")
    with pytest.raises(DataError, match="no dataset"):
        recognise(tmp_path / "name")


def test_a_neighbour_is_not_opened_instead(toy: Path) -> None:
    other = toy.parent / "notes"
    other.mkdir()
    with pytest.raises(DataError, match="no dataset"):
        recognise(other)


# -- strangers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "code"),
    [
        ("dataset_info.json", {"fileFormat": "array_record"}, "unsupported_file_format"),
        ("dataset_info.json", {"splits": 3}, "bad_metadata"),
        ("dataset_info.json", {"splits": [{"name": "a", "shardLengths": ["-4"]}]}, "bad_metadata"),
        (
            "dataset_info.json",
            {"splits": [{"name": "a", "shardLengths": [str(10**15)]}]},
            "bad_metadata",
        ),
        ("features.json", {"featuresDict": {"features": {"x": 3}}}, "bad_metadata"),
        ("features.json", {"featuresDict": {"features": {"image": image()}}}, "not_rlds"),
    ],
)
def test_wrong_metadata_is_one_sentence(toy: Path, name: str, changes: Any, code: str) -> None:
    edit(toy, name, **changes)
    with pytest.raises(DataError) as caught:
        open_dataset(toy)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_hostile_features_stay_small(toy: Path) -> None:
    path = toy / "features.json"
    deep = tensor()
    for _ in range(40):
        deep = sequence(deep)
    path.write_text(json.dumps(rlds_features({"a": deep})))
    with pytest.raises(DataError, match="nested"):
        open_dataset(toy)
    huge = STEPS | {
        "observation": features_dict(
            {"image": tensor((2_000_000_000, 2_000_000_000, 3), "uint8"), "state": tensor((3,))}
        )
    }
    path.write_text(json.dumps(rlds_features(huge)))
    source = open_dataset(toy)
    opened = source.open(0)
    with pytest.raises(DataError):
        source.reader(opened).frame("image", 0)


def test_damage_anywhere_is_said_and_quick(toy: Path) -> None:
    path = shard(toy)
    good = path.read_bytes()
    random = np.random.default_rng(0)
    started = time.monotonic()
    for place in random.integers(0, len(good), 40):
        data = bytearray(good)
        data[place] ^= 1 << int(random.integers(0, 8))
        path.write_bytes(data)
        source = open_dataset(toy)
        wrong = [e for e in source.info.episodes if e.problems]
        assert wrong  # Every byte is under a checksum.
    assert time.monotonic() - started < 5


# -- real data -------------------------------------------------------------------------------


BRIDGE = shared_data("bridge_rlds")


@pytest.mark.skipif(BRIDGE is None, reason="shared/data/bridge_rlds is not here")
def test_bridge_opens_at_once_with_everything() -> None:
    assert BRIDGE is not None
    started = time.monotonic()
    source = open_dataset(BRIDGE)
    info = source.info
    assert time.monotonic() - started < 1.0
    assert [e.name for e in info.episodes if e.present] == [f"val/{i}" for i in range(25)]
    assert info.fps == 5
    # It declares a split train that was not copied.
    assert first_present(info.episodes) == 25
    opened = source.open(26)
    assert opened.instruction == "put carrot on plate"
    assert [c.key for c in opened.cameras] == ["image_0", "image_1", "image_2"]
    assert codes(opened.problems) == {"camera_missing", "episode_cut"}
    opening = opened.state[:, opened.grippers[0].indices[0]]
    # The pictures show the gripper closing around the carrot while this falls.
    assert opening[0] > 0.95
    assert opening[-1] < 0.5
    assert opened.grippers[0].closed_is is ClosedIs.LOW
    reader = source.reader(opened)
    for camera in opened.cameras:
        assert reader.frame(camera.key, 9).shape == (64, 64, 3)
        assert float(reader.frame(camera.key, 9).std()) > 20
