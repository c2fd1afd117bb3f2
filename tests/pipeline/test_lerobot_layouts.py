"""LeRobot datasets as people have them: pictures of all kinds, files that are not where they should
be, metadata that is wrong or missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.model.episodes import (
    EpisodeArrays,
    Episodes,
    first_present,
    position_of,
    present_count,
    present_indices,
)
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset
from pipeline.sources.first_picture import first_picture
from tests.datasets import (
    FRONT,
    NAMES,
    V2_DATA,
    V2_VIDEO,
    V3_DATA,
    V3_VIDEO,
    info_json,
    picture,
    table,
    write_v2,
    write_v3,
    write_video,
)
from tests.many_episodes import write_v2_metadata, write_v3_metadata

DEPTH = f"{FRONT}_depth"


def edit_info(root: Path, **changes: Any) -> None:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def codes(problems: Any) -> set[str]:
    return {p.code for p in problems}


def encoded(values: np.ndarray, suffix: str = ".png") -> bytes:
    bgr = cv2.cvtColor(values, cv2.COLOR_RGB2BGR) if values.ndim == 3 else values
    done, data = cv2.imencode(suffix, bgr)
    assert done
    return data.tobytes()


def write_images(
    root: Path, how: str, length: int = 12, depth: dict[str, Any] | None = None
) -> Path:
    """A v3 image dataset of two episodes: `bytes` or `path` in the table, or a `folder`."""
    write_v3(root, (length, length))
    features = info_json("v3.0", 2, 10, NAMES)["features"]
    features[FRONT] = {"dtype": "image", "shape": [48, 64, 3], "names": None}
    if depth is not None:
        features[DEPTH] = {"dtype": "image", "shape": [48, 64, 1], "names": None, **depth}
    edit_info(root, features=features, video_path=None)
    path = root / V3_DATA.format(chunk_index=0, file_index=0)
    rows = pq.read_table(path)
    values = []
    for episode in range(2):
        for frame in range(length):
            data = encoded(picture(frame, episode))
            name = f"images/{FRONT}/episode-{episode:06d}/frame-{frame:06d}.png"
            if how != "bytes":
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)
            values.append({"bytes": data if how == "bytes" else None, "path": name})
    if how != "folder":
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        rows = rows.append_column(FRONT, pa.array(values, kind))
    if depth is not None:
        made = [encoded(np.full((48, 64), 1000 + 10 * i, np.uint16)) for i in range(length)] * 2
        rows = rows.append_column(DEPTH, pa.array([{"bytes": d, "path": ""} for d in made]))
    pq.write_table(rows, path, row_group_size=5)
    return root


def grey(source: Any, demonstration: Any, frame: int) -> tuple[float, float]:
    reader = source.reader(demonstration)
    rgb = reader.frame(FRONT, frame)
    reader.close()
    return float(rgb[:, :, 0].mean()), float(rgb[:, :, 2].mean())


@pytest.mark.parametrize("how", ["bytes", "path", "folder"])
def test_pictures_in_tables_and_folders(tmp_path: Path, how: str) -> None:
    source = open_dataset(write_images(tmp_path / "d", how))
    assert all(e.present for e in source.info.episodes)
    demonstration = source.open(1)
    assert [(c.key, c.width, c.height) for c in demonstration.cameras] == [(FRONT, 64, 48)]
    # Row groups of five rows: forwards, back, and over the border between the two episodes.
    for frame in (0, 7, 11, 3, 4):
        assert grey(source, demonstration, frame) == (frame * 8, 40)
    first = first_picture(source, 1, 12)
    assert first is not None
    assert first.size == (64, 48)


def test_pictures_of_another_machine_are_found_by_the_end_of_their_path(tmp_path: Path) -> None:
    root = write_images(tmp_path / "d", "path")
    path = root / V3_DATA.format(chunk_index=0, file_index=0)
    rows = pq.read_table(path)
    values = [
        {"bytes": None, "path": "/elsewhere/cache/" + v["path"]} for v in rows[FRONT].to_pylist()
    ]
    rows = rows.drop_columns([FRONT]).append_column(FRONT, pa.array(values))
    pq.write_table(rows, path)
    source = open_dataset(root)
    assert grey(source, source.open(0), 5) == (40, 0)


@pytest.mark.parametrize("name", ["../outside.png", "images/../../outside.png", "a\0b"])
def test_pictures_outside_the_dataset_are_refused(tmp_path: Path, name: str) -> None:
    root = write_images(tmp_path / "d", "path")
    (tmp_path / "outside.png").write_bytes(encoded(picture(1)))
    path = root / V3_DATA.format(chunk_index=0, file_index=0)
    rows = pq.read_table(path)
    values = [{"bytes": None, "path": name}] * rows.num_rows
    rows = rows.drop_columns([FRONT]).append_column(FRONT, pa.array(values))
    pq.write_table(rows, path)
    source = open_dataset(root)
    reader = source.reader(source.open(0))
    with pytest.raises(DataError, match=r"outside|no path") as caught:
        reader.frame(FRONT, 0)
    assert caught.value.code == "path_escape"


def test_pictures_of_a_long_row_group_are_held_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.sources.lerobot import images as lerobot_images

    monkeypatch.setattr(lerobot_images, "_BLOCK_BYTES", 400)
    monkeypatch.setattr(lerobot_images, "_HELD_BYTES", 1500)
    root = write_images(tmp_path / "d", "bytes", length=40)
    path = root / V3_DATA.format(chunk_index=0, file_index=0)
    pq.write_table(pq.read_table(path), path)  # One row group.
    source = open_dataset(root)
    parts = source._rows(1)  # type: ignore[attr-defined]
    pictures = lerobot_images.TablePictures(root, FRONT, parts)
    for frame in (*range(40), 0, 20, 39):
        assert pictures.data(frame) == encoded(picture(frame, 1))
        assert sum(b.size for b in pictures._blocks.values()) < 4000
    pictures.close()


@pytest.mark.parametrize(
    ("depth", "factor"),
    [
        ({}, 0.001),
        ({"info": {"is_depth_map": True}}, 0.001),
        ({"info": {"video.is_depth_map": True, "depth_unit": "m"}}, 1.0),
        ({"video_info": {"depth_scale": 0.0001}}, 0.0001),
    ],
)
def test_depth_pictures(tmp_path: Path, depth: dict[str, Any], factor: float) -> None:
    source = open_dataset(write_images(tmp_path / "d", "bytes", depth=depth))
    assert any("depth" in text for text in source.info.found)
    assert source.info.cameras == (FRONT,)
    demonstration = source.open(0)
    assert demonstration.cameras[0].depth_key == DEPTH
    metres = source.reader(demonstration).depth(FRONT, 3)
    assert metres is not None
    assert metres.dtype == np.float32
    assert np.allclose(metres, 1030 * factor)


def test_depth_in_metres_as_tiff() -> None:
    from pipeline.sources.images import tiff_size
    from pipeline.sources.lerobot.images import decode_depth

    values = np.full((5, 7), 1.25, np.float32)
    values[0, 0] = np.nan
    data = encoded(values, ".tiff")
    assert tiff_size(data) == (7, 5)
    metres = decode_depth(data, "x", None)
    assert metres[0, 0] == 0
    assert np.allclose(metres[1:], 1.25)
    for cut in range(0, len(data), 7):
        with pytest.raises(DataError):
            decode_depth(data[:cut][:12], "x", None)


def test_missing_picture_columns_are_said(tmp_path: Path) -> None:
    root = write_images(tmp_path / "d", "bytes")
    path = root / V3_DATA.format(chunk_index=0, file_index=0)
    pq.write_table(pq.read_table(path).drop_columns([FRONT]), path)
    demonstration = open_dataset(root).open(0)
    assert demonstration.cameras == ()
    assert codes(demonstration.problems) == {"missing_pictures"}
    assert demonstration.state.shape == (12, 3)


# -- episodes over several files -----------------------------------------------------------


def split(root: Path, at: int) -> None:
    """Put the rows from `at` on into a second file, which no row of meta/episodes names."""
    first = root / V3_DATA.format(chunk_index=0, file_index=0)
    rows = pq.read_table(first)
    pq.write_table(rows.slice(0, at), first)
    pq.write_table(rows.slice(at), root / V3_DATA.format(chunk_index=0, file_index=1))


def test_an_episode_that_goes_on_in_the_next_table(tmp_path: Path) -> None:
    root = write_v3(tmp_path / "d", (20, 24, 18))
    whole = open_dataset(root).open(1)
    split(root, 30)
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[2]["data/file_index"] = 1
    pq.write_table(pa.Table.from_pylist(rows), path)
    source = open_dataset(root)
    demonstration = source.open(1)
    assert demonstration.length == 24
    assert np.array_equal(demonstration.state, whole.state)
    assert source.open(2).length == 18
    assert demonstration.problems == ()


def test_an_episode_that_goes_on_in_the_next_video(tmp_path: Path) -> None:
    root = write_v3(tmp_path / "d", (20, 24, 18))
    frames = [picture(f, e) for e, n in enumerate((20, 24, 18)) for f in range(n)]
    for number, part in enumerate((frames[:30], frames[30:])):
        write_video(root / V3_VIDEO.format(video_key=FRONT, chunk_index=0, file_index=number), part)
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[2] |= {f"videos/{FRONT}/file_index": 1, f"videos/{FRONT}/from_timestamp": 1.4}
    pq.write_table(pa.Table.from_pylist(rows), path)
    source = open_dataset(root)
    demonstration = source.open(1)
    assert demonstration.problems == ()
    reader = source.reader(demonstration)
    for frame in (9, 10, 23, 3):
        red = float(reader.frame(FRONT, frame)[:, :, 0].mean())
        assert abs(red - (frame * 8) % 250) < 4, frame
    times = reader.times(FRONT)
    assert times is not None
    assert len(times.times) == 24
    assert times.exact.all()
    assert (np.diff(times.times) > 0).all()


# -- names and metadata that are wrong -----------------------------------------------------


def test_odd_names_are_found_once_the_template_fails(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d")
    for i in range(2):
        old = root / V2_DATA.format(episode_chunk=0, episode_index=i)
        new = root / f"data/chunk-0/episode_{i}.parquet"
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)
        old = root / V2_VIDEO.format(episode_chunk=0, episode_index=i, video_key=FRONT)
        new = root / f"videos/{FRONT}/chunk-000/episode_{i}.mp4"
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)
    source = open_dataset(root)
    info = source.info
    assert all(e.present for e in info.episodes)
    assert any("data/chunk-0/episode_0.parquet" in text for text in info.found)
    demonstration = source.open(1)
    assert demonstration.length == 24
    red, blue = grey(source, demonstration, 6)
    assert abs(red - 48) < 4
    assert abs(blue - 40) < 6
    assert source.files_of(1)[0] == "data/chunk-0/episode_1.parquet"  # type: ignore[attr-defined]


def test_tables_of_one_episode_where_shared_ones_are_declared(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d")
    edit_info(root, codebase_version="v3.0", data_path=V3_DATA, video_path=V3_VIDEO)
    source = open_dataset(root)
    assert [e.present for e in source.info.episodes] == [True, True]
    red, blue = grey(source, source.open(1), 6)
    assert abs(red - 48) < 4
    assert abs(blue - 40) < 6


def test_shared_tables_where_one_per_episode_is_declared(tmp_path: Path) -> None:
    root = write_v3(tmp_path / "d")
    edit_info(root, codebase_version="v2.1", data_path=V2_DATA, video_path=V2_VIDEO)
    source = open_dataset(root)
    assert all(e.present for e in source.info.episodes)
    demonstration = source.open(2)
    assert demonstration.length == 18
    red, blue = grey(source, demonstration, 5)
    assert abs(red - 40) < 4
    assert abs(blue - 80) < 6


def test_episodes_that_no_metadata_lists_are_counted_in_the_tables(tmp_path: Path) -> None:
    root = write_v3(tmp_path / "d", (20, 24, 18))
    (root / "meta/episodes/chunk-000/file-000.parquet").unlink()
    source = open_dataset(root)
    info = source.info
    assert [(e.index, e.length, e.present) for e in info.episodes] == [
        (0, 20, True), (1, 24, True), (2, 18, True),
    ]  # fmt: skip
    assert any("meta/ lists none" in text for text in info.found)
    assert info.episodes[0].instruction == "Put the blue cube in the bowl."
    red, blue = grey(source, source.open(1), 7)
    assert abs(red - 56) < 4
    assert abs(blue - 40) < 6


def test_tasks_as_lines_in_v3(tmp_path: Path) -> None:
    root = write_v3(tmp_path / "d")
    (root / "meta/tasks.parquet").unlink()
    lines = [json.dumps({"task_index": i, "task": f"Task {i}."}) for i in (0, 1)]
    (root / "meta/tasks.jsonl").write_text("\n".join(lines))
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["tasks"]), path)
    source = open_dataset(root)
    assert "instruction_empty" in codes(source.info.episodes[0].problems)
    assert source.open(0).instruction == "Task 0."


def test_columns_that_are_not_what_is_declared(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d")
    path = root / V2_DATA.format(episode_chunk=0, episode_index=0)
    rows = table(20, 0, 10).drop_columns(["action"])
    effort = pa.array([[1.0] * (1 + i % 2) for i in range(20)])
    rows = rows.append_column("observation.effort", effort)
    rows = rows.append_column("observation.undeclared", pa.array(np.arange(20.0)))
    state = pa.array(rows["observation.state"].to_pylist(), pa.list_(pa.float64()))
    rows = rows.set_column(0, "observation.state", state)
    pq.write_table(rows, path)
    demonstration = open_dataset(root).open(0)
    assert demonstration.action.shape == (20, 0)
    assert demonstration.state_names == ("shoulder", "elbow", "gripper", "undeclared_0")
    assert codes(demonstration.problems) == {"missing_column", "bad_column"}


def test_clock_times_are_counted_from_the_first_frame(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d")
    path = root / V2_DATA.format(episode_chunk=0, episode_index=0)
    rows = pq.read_table(path)
    place = rows.column_names.index("timestamp")
    clock = 1.7e9 + np.arange(20) / 10
    pq.write_table(rows.set_column(place, "timestamp", pa.array(clock)), path)
    source = open_dataset(root)
    demonstration = source.open(0)
    assert codes(demonstration.problems) == {"timestamps_shifted"}
    assert np.allclose(demonstration.timestamps, np.arange(20) / 10, atol=1e-6)
    assert abs(grey(source, demonstration, 7)[0] - 56) < 4


# -- words ---------------------------------------------------------------------------------


def without_tasks(root: Path) -> Path:
    """Take the tasks away; return the first episode's table."""
    (root / "meta/tasks.jsonl").unlink()
    rows = [
        json.dumps({"episode_index": i, "tasks": [], "length": n}) for i, n in enumerate((20, 24))
    ]
    (root / "meta/episodes.jsonl").write_text("\n".join(rows))
    return root / V2_DATA.format(episode_chunk=0, episode_index=0)


def persistent(*rows: tuple[str, str | None, str, float]) -> list[dict[str, Any]]:
    return [
        {"role": r, "style": s, "content": c, "timestamp": t, "camera": None, "tool_calls": None}
        for r, s, c, t in rows
    ]


def test_language_columns_speak_where_there_is_no_task(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d")
    path = without_tasks(root)
    said = persistent(
        ("assistant", "subtask", "grasp the cube", 0.0),
        ("user", "task_aug", "Put the cube away.", 0.0),
        ("user", None, "Faster!", 1.0),
    )
    kind = pa.list_(
        pa.struct(
            [
                ("role", pa.string()), ("content", pa.string()), ("style", pa.string()),
                ("timestamp", pa.float32()), ("camera", pa.string()),
                ("tool_calls", pa.list_(pa.string())),
            ]
        )
    )  # fmt: skip
    rows = pq.read_table(path).append_column("language_persistent", pa.array([said] * 20, kind))
    pq.write_table(rows, path)
    assert open_dataset(root).open(0).instruction == "Put the cube away."


def test_an_instruction_column_speaks_where_there_is_no_task(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d")
    path = without_tasks(root)
    column = pa.array(["Open the drawer."] * 20)
    pq.write_table(pq.read_table(path).append_column("language_instruction", column), path)
    assert open_dataset(root).open(0).instruction == "Open the drawer."


def test_subtasks_stand_in_for_the_task(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d")
    path = without_tasks(root)
    pq.write_table(
        pa.table({"subtask_index": [0, 1, 2], "__index_level_0__": ["grasp", "lift", "unused"]}),
        root / "meta/subtasks.parquet",
    )
    column = pa.array([0] * 10 + [1] * 10)
    pq.write_table(pq.read_table(path).append_column("subtask_index", column), path)
    source = open_dataset(root)
    assert source.open(0).instruction == "grasp; lift"
    assert any("3 subtask texts" in text for text in source.info.ignored)


def test_what_is_found_and_what_is_ignored(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d")
    features = json.loads((root / "meta/info.json").read_text())["features"]
    features |= {
        "language_events": {"dtype": "language", "shape": [1], "names": None},
        "next.reward": {"dtype": "float32", "shape": [1], "names": None},
        "observation.audio": {"dtype": "audio", "shape": [1], "names": None},
    }
    edit_info(root, features=features)
    (root / "meta/stats.json").write_text("{}")
    (root / "notes.txt").write_text("")
    info = open_dataset(root).info
    found, ignored = "\n".join(info.found), "\n".join(info.ignored)
    for text in ("1 camera", "meta/episodes.jsonl", "observation.state", "1 task text"):
        assert text in found
    for text in ("language_events", "next.reward", "observation.audio (audio)", "meta/stats.json",
                 "notes.txt"):  # fmt: skip
        assert text in ignored


def test_a_clone_without_lfs(tmp_path: Path) -> None:
    root = write_v2_metadata(tmp_path / "d", 40)
    info = open_dataset(root).info
    assert [e.present for e in info.episodes] == [True] * 40
    for path in root.rglob("*.mp4"):
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    info = open_dataset(root).info
    assert not any(e.present for e in info.episodes)
    assert all(codes(e.problems) == {"lfs_pointer"} for e in info.episodes)


def test_many_episodes_are_columns_and_objects_alike(tmp_path: Path) -> None:
    root = write_v3_metadata(tmp_path / "d", 2500, 100)
    (root / V3_DATA.format(chunk_index=0, file_index=1)).unlink()
    episodes = open_dataset(root).info.episodes
    assert isinstance(episodes, Episodes)
    assert present_count(episodes) == 1500
    assert first_present(episodes) == 0
    assert np.array_equal(present_indices(episodes), [e.index for e in list(episodes) if e.present])
    made = EpisodeArrays.of(episodes)
    for name in ("index", "length", "present"):
        assert np.array_equal(getattr(made, name), getattr(episodes.columns, name))
    texts = np.array(episodes.columns.texts)[episodes.columns.text]
    assert np.array_equal(np.array(made.texts)[made.text], texts)
    gone = episodes[1234]
    assert not gone.present
    assert [p.code for p in gone.problems] == ["missing_data"]
    assert "file-001.parquet" in gone.problems[0].message
    assert episodes[-1].index == 2499
    assert [e.index for e in episodes[3:9:2]] == [3, 5, 7]
    assert position_of(episodes, 2499) == 2499
    assert position_of(episodes, 2500) == -1
    with pytest.raises(IndexError):
        episodes[2500]
    reachable = episodes.columns.as_present(frozenset({"missing_data"}))
    assert reachable.present.all()
    assert not any(reachable.code_sets)
