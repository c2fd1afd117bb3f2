"""`demoscope check`: exit codes, lines, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.main import main
from tests.broken_datasets import POINTER, put_nan_into_gripper, table_of, truncate, video_of
from tests.datasets import FRONT, write_v2, write_v3


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return write_v2(tmp_path / "v2", (24, 26))


def check(root: Path | str, *arguments: str) -> int:
    return main(["check", str(root), "--jobs", "1", "--no-cache", *arguments])


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    def run(root: Path | str, *arguments: str) -> dict[str, Any]:
        code = check(root, "--json", *arguments)
        data: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert data["failed"] is bool(code)
        return data

    return run


def found(data: dict[str, Any]) -> dict[int, list[str]]:
    return {e["index"]: [p["code"] for p in e["problems"]] for e in data["episodes"]}


def test_a_clean_dataset(tmp_path: Path, told) -> None:
    for root in (write_v2(tmp_path / "v2"), write_v3(tmp_path / "v3")):
        data = told(root, "--fail-on", "warn")
        assert not any(found(data).values())
        assert data["timing"] == {"exact": len(data["episodes"])}
        assert data["examined"] == len(data["episodes"])


def test_the_shape_for_machines(v2: Path, told) -> None:
    put_nan_into_gripper(v2)
    data = told(v2)
    assert (data["format"], data["fail_on"], data["failed"]) == ("lerobot", "error", False)
    assert data["summary"] == [{"code": "nan_in_signal", "severity": "warning", "findings": 1}]
    problem = data["episodes"][0]["problems"][0]
    assert set(problem) == {"code", "message", "severity", "frame"}
    assert (problem["severity"], problem["frame"]) == ("warning", 5)
    health = data["episodes"][1]["health"]
    (timing,) = health["timing"]
    assert (timing["camera"], timing["exactness"], timing["pictures"]) == (FRONT, "exact", 26)
    assert (health["frames"], round(health["real_fps"], 3)) == (26, 10.0)
    assert health["gripper_range"]["arm"] == [[pytest.approx(0.1), 1.0]]


@pytest.mark.parametrize(
    ("level", "code"),
    [("error", 0), ("warning", 1), ("warn", 1), ("info", 1), ("never", 0)],
)
def test_a_warning_fails_from_its_level_on(v2: Path, capsys, level: str, code: int) -> None:
    put_nan_into_gripper(v2)
    assert check(v2, "--fail-on", level) == code
    out = capsys.readouterr().out
    assert "episode 0" in out
    assert "nan_in_signal: 3 frames of the state hold NaN, the first is 5 [frame 5]" in out
    assert "2 episodes examined, 1 with findings" in out


@pytest.mark.parametrize("harm", ["table", "video", "pointer"])
def test_damage_is_an_error(v2: Path, told, harm: str) -> None:
    if harm == "table":
        truncate(table_of(v2, 1))
    elif harm == "video":
        truncate(video_of(v2, 1), 40)
    else:
        video_of(v2, 1).write_text(POINTER)
    data = told(v2)
    assert data["failed"]
    assert found(data)[0] == []
    assert found(data)[1]
    assert told(v2, "--fail-on", "never")["failed"] is False


def test_what_was_not_downloaded_is_no_defect(v2: Path, told) -> None:
    table_of(v2, 1).unlink()
    video_of(v2, 1).unlink()
    data = told(v2)
    assert not data["failed"]
    assert [e["index"] for e in data["episodes"]] == [0]
    assert told(v2, "--episodes", "1")["failed"]


def test_a_lost_video_is_a_defect(v2: Path, told) -> None:
    video_of(v2, 1).unlink()
    data = told(v2)
    assert data["failed"]
    assert "missing_video" in found(data)[1]


def test_episodes_that_are_the_same(v2: Path, told) -> None:
    rows = pq.read_table(table_of(v2, 0))
    copied = rows.set_column(
        rows.column_names.index("episode_index"), "episode_index", pa.array(np.ones(24, np.int64))
    )
    pq.write_table(copied, table_of(v2, 1))
    data = told(v2, "--fail-on", "warn")
    assert all("duplicate_episode" in codes for codes in found(data).values())
    assert told(v2, "--episodes", "0")["failed"] is False


def test_an_episode_of_a_path(v2: Path, told) -> None:
    assert list(found(told(f"{v2}#1"))) == [1]


def test_several_processes_and_what_is_remembered(tmp_path: Path, capsys) -> None:
    root = write_v2(tmp_path / "d", (20, 22, 24, 26))
    put_nan_into_gripper(root, 2)
    outputs = []
    for jobs in ("2", "2", "1"):
        assert main(["check", str(root), "--jobs", jobs, "--json"]) == 0
        outputs.append(json.loads(capsys.readouterr().out))
    assert outputs[0] == outputs[1] == outputs[2]
    assert found(outputs[0])[2] == ["nan_in_signal"]
    put_nan_into_gripper(root, 3)
    assert main(["check", str(root), "--json"]) == 0
    assert found(json.loads(capsys.readouterr().out))[3] == ["nan_in_signal"]


def test_deep_decodes(tmp_path: Path, told) -> None:
    root = write_v2(tmp_path / "d", (24, 26))
    assert found(told(root, "--deep")) == {0: [], 1: []}
    video = bytearray(video_of(root, 1).read_bytes())
    start = video.find(b"mdat")
    middle = start + int.from_bytes(video[start - 4 : start], "big") // 2
    video[middle - 40 : middle + 40] = bytes(range(80))
    video_of(root, 1).write_bytes(video)
    assert "picture_undecodable" in found(told(root, "--deep"))[1]


@pytest.mark.parametrize(
    "wrong",
    [["--fail-on", "sometimes"], ["--jobs", "0"], ["--jobs", "many"], ["--unknown"]],
)
def test_a_wrong_command_line(v2: Path, capsys, wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["check", str(v2), *wrong])
    assert end.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("episodes", ["7", "x", "3-1"])
def test_episodes_that_are_not_there(v2: Path, capsys, episodes: str) -> None:
    assert check(v2, "--episodes", episodes) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_path_that_is_no_dataset(tmp_path: Path, capsys) -> None:
    assert check(tmp_path / "nothing") == 1
    captured = capsys.readouterr()
    assert "does not exist" in captured.err
    assert captured.out == ""
