"""AgiBot World in both layouts: any part opens, what is listed, honest defects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.model.problem import DataError
from pipeline.sources.agibot import dataset as agibot
from pipeline.sources.detect import open_dataset, recognise
from tests.agibot_files import (
    FIRST,
    TASK_NAME,
    entry,
    with_change,
    write_alpha,
    write_job_episode,
    write_jobs,
    write_table,
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


# -- recognition -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "episode"),
    [
        ("", None),
        ("task_info", None),
        ("task_info/task_327.json", None),
        ("observations", None),
        ("observations/327", None),
        ("observations/327/648649", 648649),
        ("observations/327/648649/videos/head_color.mp4", 648649),
        ("observations/327/648649/depth/head_depth_000003.png", 648649),
        ("proprio_stats/327/648642/proprio_stats.h5", FIRST),
        ("parameters/327/648642/parameters/camera/head_intrinsic_params.json", FIRST),
    ],
)
def test_any_part_of_alpha_means_the_dataset(alpha: Path, part: str, episode: int | None) -> None:
    entry_, found = recognise(alpha / part)
    assert (entry_.name, found.root, found.episode) == ("agibot", alpha, episode)
    info = open_dataset(alpha / part).info
    assert open_dataset(info.path).info.path == info.path == str(alpha)


@pytest.mark.parametrize(
    ("part", "root", "count"),
    [
        ("", "", 2),
        ("3335477", "3335477", 1),
        ("3335477/A2D0015AB00061", "3335477/A2D0015AB00061", 1),
        ("3335477/A2D0015AB00061/12052353", "3335477/A2D0015AB00061/12052353", 1),
        (
            "3335477/A2D0015AB00061/12052353/head_color.mp4",
            "3335477/A2D0015AB00061/12052353",
            1,
        ),
        (
            "3335477/A2D0015AB00061/12052353/aligned_joints.h5",
            "3335477/A2D0015AB00061/12052353",
            1,
        ),
    ],
)
def test_any_level_of_jobs_opens(jobs: Path, part: str, root: str, count: int) -> None:
    info = open_dataset(jobs / part).info
    assert (info.format, Path(info.path), len(info.episodes)) == ("agibot", jobs / root, count)
    again = open_dataset(info.path).info
    assert [e.index for e in again.episodes] == [e.index for e in info.episodes]


def test_the_name_of_the_table_alone_proves_nothing(tmp_path: Path) -> None:
    """Other vendors write aligned_joints.h5 too."""
    with h5py.File(tmp_path / "aligned_joints.h5", "w") as file:
        file["puppet/joint_position"] = np.zeros((5, 7))
    assert agibot.recognise(tmp_path) is None
    write_table(tmp_path / "aligned_joints.h5", 5)
    assert agibot.recognise(tmp_path) is not None


def test_other_folders_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "task_info").mkdir()
    (tmp_path / "observations" / "1").mkdir(parents=True)
    assert agibot.recognise(tmp_path) is not None
    (tmp_path / "observations").rename(tmp_path / "other")
    assert agibot.recognise(tmp_path) is None


def test_one_episode_among_other_folders_does_not_make_their_parent_a_dataset(
    tmp_path: Path,
) -> None:
    write_job_episode(tmp_path, 5, rows=4).rename(tmp_path / "run")
    (tmp_path / "thesis").mkdir()
    assert agibot.recognise(tmp_path / "run") is not None
    assert agibot.recognise(tmp_path) is None


# -- listing ---------------------------------------------------------------------------------


def test_episodes_have_their_own_numbers_and_names(alpha: Path) -> None:
    info = open_dataset(alpha).info
    assert [(e.index, e.name) for e in info.episodes] == [
        (648642, "327/648642"),
        (648649, "327/648649"),
    ]
    assert {e.instruction for e in info.episodes} == {TASK_NAME}
    assert {e.length for e in info.episodes} == {30}
    assert any("depth of head" in text for text in info.found)
    assert any("action_config" in text for text in info.ignored)
    assert "state/effector/force" in info.ignored


def test_packed_parts_are_named_with_what_to_do(small: Path) -> None:
    declared = [entry(FIRST), entry(903600), entry(7)]
    (small / "task_info" / "task_327.json").write_text(json.dumps(declared))
    (small / "observations" / "327" / "903510-908852.tar").write_bytes(b"")
    (small / "proprio_stats" / "327.tar").write_bytes(b"")
    info = open_dataset(small).info
    absent = {e.index: [p.message for p in e.problems] for e in info.episodes if not e.present}
    assert absent[903600] == [
        "packed in proprio_stats/327.tar: unpack it there",
        "packed in observations/327/903510-908852.tar: unpack it there",
    ]
    assert absent[7][1] == "observations/327/7/videos holds no video"
    assert "partial_dataset" in codes(info.problems)
    with pytest.raises(DataError, match="unpack"):
        open_dataset(small).open(903600)


def test_tasks_with_nothing_on_disk_are_counted_not_listed(small: Path) -> None:
    (small / "task_info" / "task_352.json").write_text(json.dumps([entry(1), entry(2)]))
    info = open_dataset(small).info
    assert [e.index for e in info.episodes] == [FIRST]
    assert any("1 tasks of task_info" in text and "352" in text for text in info.ignored)


def test_equal_numbers_in_two_tasks_fall_back_to_positions(small: Path) -> None:
    write_alpha(small, task=352, episodes=(FIRST,), depth=False)
    data = open_dataset(small)
    assert [(e.index, e.name) for e in data.info.episodes] == [
        (0, "327/648642"),
        (1, "352/648642"),
    ]
    assert data.open(0).fingerprint != data.open(1).fingerprint


@pytest.mark.parametrize(
    "content",
    ["{", "{}", "[1, null, []]", '[{"episode_id": "x"}]', '[{"episode_id": true}]', "[[[[", ""],
)
def test_task_info_of_any_type_leaves_what_is_on_disk(small: Path, content: str) -> None:
    (small / "task_info" / "task_327.json").write_text(content)
    data = open_dataset(small)
    (only,) = [e for e in data.info.episodes if e.present]
    assert only.index == FIRST
    assert "instruction_empty" in codes(only.problems)
    assert data.open(FIRST).instruction == ""


@pytest.mark.parametrize(
    ("fields", "instruction"),
    [
        ({"english_task_name": "In English"}, "In English"),
        ({"task_name": ""}, "pick up the block; place the block"),
        ({"task_name": 5, "label_info": {"action_config": [3, {"action_text": "a"}]}}, "a"),
        ({"task_name": None, "label_info": []}, ""),
    ],
)
def test_the_instruction_prefers_english_then_the_steps(
    small: Path, fields: dict[str, Any], instruction: str
) -> None:
    (small / "task_info" / "task_327.json").write_text(json.dumps([entry(FIRST, **fields)]))
    assert open_dataset(small).open(FIRST).instruction == instruction


def test_jobs_take_the_english_text_of_data_info(jobs: Path) -> None:
    data = open_dataset(jobs)
    assert data.info.episodes[0].instruction == TASK_NAME
    assert data.open(12052353).instruction == TASK_NAME


# -- defects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0, 50, 2048, 8192])
def test_a_truncated_table_is_one_sentence_and_stops_no_other(alpha: Path, keep: int) -> None:
    root = alpha.parent / f"cut{keep}"
    shutil.copytree(alpha, root)
    table = root / "proprio_stats" / "327" / str(FIRST) / "proprio_stats.h5"
    table.write_bytes(table.read_bytes()[:keep])
    data = open_dataset(root)
    with pytest.raises(DataError) as caught:
        data.open(FIRST)
    assert "\n" not in str(caught.value)
    assert data.open(648649).length == 30
    shutil.rmtree(root)


def test_a_missing_video_folder_leaves_the_signals(small: Path) -> None:
    shutil.rmtree(small / "observations" / "327" / str(FIRST))
    data = open_dataset(small)
    (only,) = data.info.episodes
    assert not only.present
    demo = data.open(FIRST)
    assert (demo.cameras, demo.length) == ((), 30)


def test_an_episode_without_rows_is_one_sentence(small: Path) -> None:
    def change(file: h5py.File) -> None:
        del file["state"], file["action"]
        file["state/joint/position"] = np.zeros((0, 14))
        file["action/joint/position"] = np.zeros((0, 14))

    with pytest.raises(DataError, match="neither state nor action"):
        open_dataset(with_change(small, change)).open(FIRST)


def test_links_out_of_the_table_are_refused(small: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "private.h5", "w") as file:
        file["joint"] = np.zeros((30, 14))

    def change(file: h5py.File) -> None:
        del file["state/joint/position"]
        file["state/joint/position"] = h5py.ExternalLink(str(tmp_path / "private.h5"), "joint")

    demo = open_dataset(with_change(small, change)).open(FIRST)
    assert "external_link" in codes(demo.problems)
    assert not any(name.startswith("joint") for name in demo.state_names)


def test_a_symlinked_task_is_followed(small: Path, tmp_path: Path) -> None:
    """Laboratories link shared disks into their datasets."""
    shutil.move(small / "observations" / "327", tmp_path / "disk")
    (small / "observations" / "327").symlink_to(tmp_path / "disk", target_is_directory=True)
    demo = open_dataset(small).open(FIRST)
    assert len(demo.cameras) == 3


def test_data_info_of_any_type_stops_nothing(tmp_path: Path) -> None:
    robot = tmp_path / "1" / "A2D1"
    for number, info in enumerate(([], 3, {"label_info": 5}, {"task_name": {}})):
        write_job_episode(robot, 100 + number, rows=6, info=info)
    (robot / "100" / "data_info.json").write_text("{")
    data = open_dataset(robot)
    assert [e.index for e in data.info.episodes] == [100, 101, 102, 103]
    assert all(e.present and not e.instruction for e in data.info.episodes)
    assert data.open(100).instruction == ""
    assert "bad_metadata" in codes(data.open(100).problems)


def test_unknown_episodes_are_one_sentence(alpha: Path) -> None:
    with pytest.raises(DataError, match="648642 to 648649"):
        open_dataset(alpha).open(0)
