from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.model.demonstration import Demonstration
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset, recognise
from pipeline.sources.recordings.pairs import look_into, recordings
from pipeline.sources.recordings.table import read_signal
from tests.datasets import picture, signals, write_v2, write_video

FRAMES, FPS = 20, 10


def write_clip(path: Path, frames: int = FRAMES, blue: int = 0) -> Path:
    write_video(path, [picture(f, blue) for f in range(frames)], FPS, "libx264", gop=5)
    return path


def csv_lines(rows: int = FRAMES, time: str = "timestamp", scale: float = 1.0 / FPS) -> list[str]:
    state, action = signals(rows)
    lines = [f"{time},shoulder,elbow,gripper,action.gripper"]
    for i in range(rows):
        lines.append(",".join(f"{v:.6f}" for v in (i * scale, *state[i], action[i, 2])))
    return lines


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "lift.mp4")


def codes(problems) -> set[str]:
    return {p.code for p in problems}


def opened(path: Path, episode: int = 0) -> Demonstration:
    return open_dataset(path).open(episode)


def check_signal(demonstration: Demonstration) -> None:
    state, action = signals(FRAMES)
    assert demonstration.length == FRAMES
    np.testing.assert_allclose(demonstration.state, state, atol=1e-5)
    np.testing.assert_allclose(demonstration.action, action[:, 2:], atol=1e-5)
    assert demonstration.state_names == ("shoulder", "elbow", "gripper")
    assert demonstration.action_names == ("action.gripper",)


# -- a video and its table -------------------------------------------------------------------


def test_a_video_with_a_csv(clip: Path) -> None:
    clip.with_suffix(".csv").write_text("\n".join(csv_lines()))
    clip.with_suffix(".txt").write_text("Pick up the red cube.\n")
    source = open_dataset(clip)
    demonstration = source.open(0)
    check_signal(demonstration)
    assert demonstration.instruction == "Pick up the red cube."
    assert demonstration.fps == pytest.approx(FPS)
    assert demonstration.problems == ()
    (gripper,) = demonstration.grippers
    assert (gripper.signal, gripper.names) == ("state", ("gripper",))
    (camera,) = demonstration.cameras
    assert (camera.key, camera.width, camera.height, camera.codec) == ("video", 64, 48, "h264")
    reader = source.reader(demonstration)
    for frame in (FRAMES - 1, 0, 7, 6):
        assert abs(float(reader.frame("video", frame)[:, :, 0].mean()) - frame * 8) < 6
    times = reader.times("video")
    assert times is not None
    assert times.exact.all()
    reader.close()
    info = source.info
    assert (info.format, len(info.episodes), info.episodes[0].length) == ("video", 1, FRAMES)
    assert "lift.csv" in info.reason


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mov"])
def test_other_containers(tmp_path: Path, suffix: str) -> None:
    clip = write_clip(tmp_path / f"lift{suffix}")
    clip.with_suffix(".csv").write_text("\n".join(csv_lines()))
    source = open_dataset(clip)
    check_signal(source.open(0))
    assert source.info.episodes[0].length == FRAMES


def test_a_video_with_a_parquet_with_lists(clip: Path) -> None:
    state, action = signals(FRAMES)
    table = pa.table(
        {
            "timestamp": np.arange(FRAMES) / FPS,
            "observation.state": pa.array(state.tolist(), pa.list_(pa.float32())),
            "action": pa.array(action.tolist(), pa.list_(pa.float32(), 3)),
            "done": pa.array([False] * FRAMES),
            "picture": pa.array([b"x"] * FRAMES),
            "task": pa.array(["Open the drawer."] * FRAMES),
            "uneven": pa.array([[0.0] * (i % 3) for i in range(FRAMES)], pa.list_(pa.float32())),
        }
    )
    pq.write_table(table, clip.with_suffix(".parquet"))
    source = open_dataset(clip)
    demonstration = source.open(0)
    np.testing.assert_array_equal(demonstration.state[:, :3], state)
    np.testing.assert_array_equal(demonstration.action, action)
    assert demonstration.action_names == ("action.0", "action.1", "action.2")
    assert demonstration.instruction == "Open the drawer."
    said = "; ".join(source.info.ignored)
    assert "picture: binary" in said
    assert "uneven: lists of unequal length" in said


def test_a_video_with_an_npz(clip: Path) -> None:
    state, action = signals(FRAMES)
    np.savez(
        clip.with_suffix(".npz"),
        t=np.arange(FRAMES) / FPS,
        state=state,
        action=action,
        intrinsics=np.eye(3),
        images=np.zeros((FRAMES, 4, 4)),
        instruction=np.array("Open the drawer."),
    )
    source = open_dataset(clip)
    demonstration = source.open(0)
    np.testing.assert_array_equal(demonstration.state, state)
    np.testing.assert_array_equal(demonstration.action, action)
    assert demonstration.instruction == "Open the drawer."
    said = "; ".join(source.info.ignored)
    assert "images: of shape" in said
    assert "intrinsics: 3 rows" in said


def test_without_a_signal_it_opens_and_says_so(clip: Path) -> None:
    source = open_dataset(clip)
    demonstration = source.open(0)
    assert demonstration.state.shape == (FRAMES, 0)
    assert demonstration.grippers == ()
    assert codes(demonstration.problems) == {"signals_missing"}
    assert codes(source.info.episodes[0].problems) == {"signals_missing", "instruction_empty"}
    assert source.reader(demonstration).frame("video", 3).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"instruction": "Open it."}, "Open it."),
        ({"task": ["Open it.", "or not"], "id": 3}, "Open it."),
        ({"caption": "Open it."}, "Open it."),
        ({"id": 3}, ""),
        ([1, 2], ""),
    ],
)
def test_the_instruction_in_a_json(clip: Path, content: object, expected: str) -> None:
    clip.with_suffix(".json").write_text(json.dumps(content))
    assert opened(clip).instruction == expected


# -- clocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("time", 0.1), ("t", 100.0), ("timestamp_ms", 100.0), ("Time [s]", 0.1), ("stamp", 1e5),
        ("timestamp_ns", 1e8), ("time (us)", 1e5), ("timestamp", 1e8), ("frame_index", 1.0),
        ("Frame", 1.0),
    ],
)  # fmt: skip
def test_clocks_by_name_and_size(clip: Path, name: str, scale: float) -> None:
    clip.with_suffix(".csv").write_text("\n".join(csv_lines(time=name, scale=scale)))
    demonstration = opened(clip)
    check_signal(demonstration)
    assert demonstration.problems == ()


def test_a_clock_that_began_in_1970(clip: Path) -> None:
    lines = csv_lines()
    moved = [f"{1.7e9 + float(x.split(',', 1)[0]):.6f},{x.split(',', 1)[1]}" for x in lines[1:]]
    clip.with_suffix(".csv").write_text("\n".join([lines[0], *moved]))
    demonstration = opened(clip)
    check_signal(demonstration)
    assert codes(demonstration.problems) == {"clock_shifted"}


def test_dates_are_a_clock(clip: Path) -> None:
    lines = csv_lines()
    dated = [
        f"2024-05-01 10:00:0{i // 10}.{i % 10}00,{x.split(',', 1)[1]}"
        for i, x in enumerate(lines[1:])
    ]
    clip.with_suffix(".csv").write_text("\n".join([lines[0], *dated]))
    check_signal(opened(clip))


def test_a_faster_signal_gives_the_nearest_row(clip: Path) -> None:
    rows = np.arange(100)
    np.savez(clip.with_suffix(".npz"), t=rows / 50, gripper=rows.astype(float))
    demonstration = opened(clip)
    assert demonstration.length == FRAMES
    assert demonstration.state[:, 0].tolist() == list(range(0, 100, 5))


def test_frames_beyond_the_signal_have_no_value(clip: Path) -> None:
    clip.with_suffix(".csv").write_text("\n".join(csv_lines()[:11]))
    demonstration = opened(clip)
    assert np.isnan(demonstration.state[12:]).all()
    assert not np.isnan(demonstration.state[:10]).any()
    assert {"signal_gaps", "signal_span_differs"} <= codes(demonstration.problems)


def test_rows_out_of_order_are_sorted(clip: Path) -> None:
    lines = csv_lines()
    clip.with_suffix(".csv").write_text("\n".join([lines[0], *reversed(lines[1:])]))
    demonstration = opened(clip)
    check_signal(demonstration)
    assert codes(demonstration.problems) == {"bad_timestamps"}


def test_frames_counted_from_one(clip: Path) -> None:
    lines = csv_lines(time="frame", scale=1.0)
    lines = [lines[0]] + [f"{i + 1},{x.split(',', 1)[1]}" for i, x in enumerate(lines[1:])]
    clip.with_suffix(".csv").write_text("\n".join(lines))
    demonstration = opened(clip)
    check_signal(demonstration)
    assert codes(demonstration.problems) == {"frames_from_one"}


def test_without_a_clock_equal_lengths_match(clip: Path) -> None:
    lines = [x.split(",", 1)[1] for x in csv_lines()]
    clip.with_suffix(".csv").write_text("\n".join(lines))
    demonstration = opened(clip)
    check_signal(demonstration)
    assert demonstration.problems == ()


def test_without_a_clock_other_lengths_are_spread_and_said(clip: Path) -> None:
    lines = [x.split(",", 1)[1] for x in csv_lines(rows=39)]
    clip.with_suffix(".csv").write_text("\n".join(lines))
    demonstration = opened(clip)
    np.testing.assert_allclose(demonstration.state, signals(39)[0][::2], atol=1e-5)
    (problem,) = demonstration.problems
    assert problem.code == "signal_spread"
    assert "39 rows for 20 frames" in problem.message


# -- tables of strangers ---------------------------------------------------------------------


def table_of(path: Path, content: str | bytes) -> dict[str, list[float]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return {name: values.tolist() for name, values in read_signal(path).columns.items()}


@pytest.mark.parametrize(
    "content",
    [
        "t,x\n0,1.5\n1,2.5\n",
        "t;x\n0;1.5\n1;2.5\n",
        "t\tx\n0\t1.5\n1\t2.5\n",
        "t;x\r\n0,0;1,5\r\n1,0;2,5\r\n",
        "# t,x\n0,1.5\n1,2.5\n",
        "\n\nt,x\n0,1.5\n1,2.5\n",
        "Exported by a logger\nt,x\n0,1.5\n1,2.5\n",
        "t, x\n0, 1.5\n1, 2.5\n",
        '"t","x"\n"0","1.5"\n"1","2.5"\n',
        b"\xef\xbb\xbft,x\n0,1.5\n1,2.5\n",
        "t,x\n0,1.5\n1,2.5\n".encode("utf-16"),
        "t,x\n0,1.5\n1,2.5",
        "t,x\r0,1.5\r1,2.5\r",
    ],
)
def test_csv_in_every_dialect(tmp_path: Path, content: str | bytes) -> None:
    assert table_of(tmp_path / "a.csv", content) == {"t": [0, 1], "x": [1.5, 2.5]}


def test_latin_1_names(tmp_path: Path) -> None:
    columns = table_of(tmp_path / "a.csv", "t,größe\n0,1\n1,2\n".encode("latin-1"))
    assert columns == {"t": [0, 1], "größe": [1, 2]}


def test_one_stray_byte_far_down(tmp_path: Path) -> None:
    rows = b"\n".join(b"%d,%d,ok" % (i, i) for i in range(20_000))
    columns = table_of(tmp_path / "a.csv", b"t,x,note\n" + rows + b"\n1,2,\xdf,surplus\n5,6,\xdf\n")
    assert columns["x"][-1] == 6
    assert len(columns["t"]) == 20_001


def test_a_missing_header_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("0,1.5\n1,2.5\n")
    table = read_signal(path)
    assert list(table.columns) == ["column_0", "column_1"]
    assert table.rows == 2
    assert codes(table.problems) == {"no_header"}


def test_words_between_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{i},{'bad' if i == 3 else i / 2},{'' if i == 4 else i},label" for i in range(10)]
    path.write_text("\n".join(["t,x,y,who", *rows, "11,5,6,label,surplus"]))
    table = read_signal(path)
    assert np.isnan(table.columns["x"][3])
    assert table.columns["x"][4] == 2
    assert np.isnan(table.columns["y"][4])
    assert table.ignored == ["who: text"]
    assert codes(table.problems) == {"bad_cells", "bad_rows"}


def test_whole_numbers_that_become_fractions_late(tmp_path: Path) -> None:
    rows = ["0"] * 200_000 + ["0.5"]
    columns = table_of(tmp_path / "a.csv", "x\n" + "\n".join(rows))
    assert columns["x"][-1] == 0.5


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    assert list(table_of(tmp_path / "a.csv", "x,x,\n1,2,3\n")) == ["x", "x_2", "column"]


@pytest.mark.parametrize("content", [b"", b"\n\n", bytes(100), b"\x00\x01\x02" * 50])
def test_what_is_no_table_still_shows_the_video(clip: Path, content: bytes) -> None:
    clip.with_suffix(".csv").write_bytes(content)
    demonstration = opened(clip)
    assert demonstration.length == FRAMES
    assert codes(demonstration.problems) & {"bad_table", "signals_missing"}


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_truncated_tables_still_show_the_video(clip: Path, suffix: str) -> None:
    path = clip.with_suffix(suffix)
    if suffix == ".npz":
        np.savez(path, x=np.arange(1000.0))
    else:
        pq.write_table(pa.table({"x": np.arange(1000.0)}), path)
    data = path.read_bytes()
    for size in (0, 10, 200, len(data) - 10):
        path.write_bytes(data[:size])
        demonstration = opened(clip)
        assert codes(demonstration.problems) == {"bad_table"}
        assert demonstration.length == FRAMES


def test_objects_in_an_npz_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3.0), evil=np.array([{"a": 1}, None, 3], dtype=object))
    table = read_signal(path)
    assert list(table.columns) == ["x"]
    assert table.ignored == ["evil: object, not read"]


def test_an_npz_that_claims_too_much_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + bytes([118, 0]) + header)
    with pytest.raises(DataError, match="claims the shape"):
        read_signal(path)


# -- folders ---------------------------------------------------------------------------------


def grouped(folder: Path, names: Sequence[str]) -> list[tuple[str, list[tuple[str, str]], str]]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return [
        (r.name, [(k, p.name) for k, p in r.videos], r.signal.name if r.signal else "")
        for r in recordings(look_into(folder), folder.name)
    ]


def test_pairs_in_natural_order(tmp_path: Path) -> None:
    names = ["a_10.mp4", "a_2.mp4", "a_2.csv", "a_10.csv", "notes.txt", "b.mp4", ".hidden.mp4"]
    assert grouped(tmp_path / "d", names) == [
        ("a_2", [("video", "a_2.mp4")], "a_2.csv"),
        ("a_10", [("video", "a_10.mp4")], "a_10.csv"),
        ("b", [("video", "b.mp4")], ""),
    ]


def test_cameras_of_one_recording(tmp_path: Path) -> None:
    # lift_11 belongs to lift, not to lift_1: a name ends at a separator.
    names = ["lift_1_front.mp4", "lift_1.wrist.mp4", "lift_1.csv", "lift_11.mp4", "lift.csv"]
    assert grouped(tmp_path / "d", names) == [
        ("lift", [("video", "lift_11.mp4")], "lift.csv"),
        ("lift_1", [("front", "lift_1_front.mp4"), ("wrist", "lift_1.wrist.mp4")], "lift_1.csv"),
    ]


def test_a_folder_with_one_table_for_all_its_cameras(tmp_path: Path) -> None:
    assert grouped(tmp_path / "episode_0", ["front.mp4", "wrist.mp4", "signal.csv"]) == [
        ("episode_0", [("front", "front.mp4"), ("wrist", "wrist.mp4")], "signal.csv")
    ]
    assert grouped(tmp_path / "one", ["clip.mp4", "robot.parquet"]) == [
        ("clip", [("video", "clip.mp4")], "robot.parquet")
    ]


def test_a_folder_of_recordings(tmp_path: Path) -> None:
    for i in (2, 10):
        write_clip(tmp_path / f"take_{i}.mp4", frames=10 + i, blue=i // 4)
        (tmp_path / f"take_{i}.csv").write_text("\n".join(csv_lines(rows=10 + i)))
    source = open_dataset(tmp_path)
    assert [(e.name, e.length) for e in source.info.episodes] == [("take_2", 12), ("take_10", 20)]
    assert source.open(1).length == 20
    assert source.open(0).fingerprint != source.open(1).fingerprint
    assert source.info.grippers == source.open(1).grippers


def test_two_cameras_in_step(tmp_path: Path) -> None:
    write_clip(tmp_path / "lift_front.mp4")
    write_clip(tmp_path / "lift_wrist.mp4", blue=3)
    (tmp_path / "lift.csv").write_text("\n".join(csv_lines()))
    source = open_dataset(tmp_path)
    demonstration = source.open(0)
    check_signal(demonstration)
    assert [c.key for c in demonstration.cameras] == ["front", "wrist"]
    reader = source.reader(demonstration)
    for camera, blue in (("front", 0), ("wrist", 120)):
        rgb = reader.frame(camera, 9)
        assert abs(float(rgb[:, :, 0].mean()) - 72) < 6
        assert abs(float(rgb[:, :, 2].mean()) - blue) < 8


def test_a_camera_that_is_broken_leaves_the_other(tmp_path: Path) -> None:
    write_clip(tmp_path / "lift_front.mp4")
    (tmp_path / "lift_wrist.mp4").write_bytes(b"no video" * 100)
    (tmp_path / "lift.csv").write_text("\n".join(csv_lines()))
    demonstration = opened(tmp_path)
    assert [c.key for c in demonstration.cameras] == ["front"]
    assert codes(demonstration.problems) == {"bad_video"}


def test_a_broken_video_is_listed_and_the_others_open(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    write_clip(tmp_path / "b.mp4")
    source = open_dataset(tmp_path)
    first, second = source.info.episodes
    assert not first.present
    assert "bad_video" in codes(first.problems)
    assert second.present
    assert source.open(1).length == FRAMES
    with pytest.raises(DataError) as caught:
        source.open(0)
    assert caught.value.code == "bad_video"


# -- what is recognised ----------------------------------------------------------------------


def test_a_table_leads_to_its_video(clip: Path) -> None:
    table = clip.with_suffix(".csv")
    table.write_text("\n".join(csv_lines()))
    entry, found = recognise(table)
    assert (entry.name, found.root) == ("video", clip.resolve())
    alone = clip.parent / "other" / "alone.csv"
    alone.parent.mkdir()
    alone.write_text("x\n1\n")
    with pytest.raises(DataError, match="no dataset"):
        recognise(alone)


def test_a_folder_above_that_holds_videos_is_not_taken(clip: Path) -> None:
    inner = clip.parent / "project" / "broken"
    inner.mkdir(parents=True)
    note = clip.parent / "notes.txt"
    note.write_text("x")
    for path in (inner, note):
        with pytest.raises(DataError) as caught:
            recognise(path)
        assert caught.value.code == "not_a_dataset"


def test_a_video_inside_a_dataset_means_the_dataset(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d", (12,))
    video = next(root.rglob("*.mp4"))
    for path in (video, video.parent):
        entry, found = recognise(path)
        assert (entry.name, found.root) == ("lerobot", root.resolve())
