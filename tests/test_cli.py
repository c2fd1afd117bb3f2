"""Commands that read: `info`, `paths`, `doctor`, and what every command does with a wrong path."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import app.doctor
import app.viewer_check
from app.arguments import named_episode, parse_size, split_path
from app.cli import build_parser
from app.main import main
from app.viewer_check import ViewerCheck
from pipeline.model.edits import SetChannels
from pipeline.review.store import ReviewStore
from pipeline.sources.detect import open_dataset
from pipeline.sources.formats import Format, Recognition
from tests.broken_datasets import EPISODE_BREAKS, put_nan_into_gripper, snapshot, truncate, video_of
from tests.datasets import FRONT, SAMPLE, write_v2, write_v3


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return write_v2(tmp_path / "v2")


@pytest.fixture
def info(capsys: pytest.CaptureFixture[str]):
    def run(root: Path) -> dict[str, Any]:
        assert main(["info", str(root), "--json"]) == 0
        data: dict[str, Any] = json.loads(capsys.readouterr().out)
        return data

    return run


def commands(path: Path, out: Path) -> list[list[str]]:
    shot = ["--episode", "0", "--frame", "0", "--out", str(out / "shot.png")]
    return [["info", str(path)], ["annotate", str(path)], ["screenshot", str(path), *shot]]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("what", ["missing", "folder", "broken", "wrong"])
def test_a_path_that_is_no_dataset(tmp_path: Path, capsys, number: int, what: str) -> None:
    root, sentence = tmp_path / "d", "is no dataset that Demoscope can open"
    if what == "missing":
        sentence = f"{root} does not exist"
    elif what == "folder":
        root.mkdir()
    else:
        write_v2(root)
        text = "{" if what == "broken" else json.dumps({"fps": "fast", "features": {}})
        (root / "meta/info.json").write_text(text)
        sentence = "is not valid JSON" if what == "broken" else "info.json: fps: Input should be"
    assert main(commands(root, tmp_path)[number]) == 1
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.startswith("demoscope: ")
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""
    assert not (tmp_path / "shot.png").exists()


# -- info --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("write", "version"), [(write_v2, "v2.1"), (write_v3, "v3.0")])
def test_info_for_machines(tmp_path: Path, info, write, version) -> None:
    data = info(write(tmp_path / "d", (20, 24)))
    assert data["format"] == "lerobot"
    assert data["version"] == version
    assert (data["fps"], data["robot_type"], data["cameras"]) == (10, "toy", [FRONT])
    assert data["gripper"]["arm"]["channels"] == ["gripper"]
    assert data["gripper"]["arm"]["closed_is"] == "low"
    assert [set(e) for e in data["episodes"]] == [
        {"index", "name", "length", "instruction", "present", "problems", "health"}
    ] * 2
    assert [(e["index"], e["length"], e["present"]) for e in data["episodes"]] == [
        (0, 20, True),
        (1, 24, True),
    ]
    assert all(e["problems"] == [] and e["instruction"] for e in data["episodes"])


def test_info_tells_the_health(v2: Path, info, capsys) -> None:
    put_nan_into_gripper(v2)
    data = info(v2)
    assert data["health"]["examined"] == 2
    assert data["health"]["episodes_by_code"] == {"nan_in_signal": 1}
    assert data["health"]["episodes_by_timing"] == {"exact": 2}
    first, second = (e["health"] for e in data["episodes"])
    assert [(p["code"], p["severity"], p["frame"]) for p in first["problems"]] == [
        ("nan_in_signal", "warning", 5)
    ]
    assert second["problems"] == []
    (timing,) = second["timing"]
    assert (timing["camera"], timing["text"], timing["pictures"]) == (FRONT, "exact", 24)
    assert main(["info", str(v2)]) == 0
    out = capsys.readouterr().out
    assert "timing    exact 2 (episodes; pictures against the table)" in out
    assert "warning nan_in_signal: 3 frames" in out


def test_info_tells_what_is_used_and_what_is_not(capsys, monkeypatch, v2: Path) -> None:
    told = replace(
        open_dataset(v2).info, found=("3 cameras, AV1",), ignored=("touch sensors: no use",)
    )
    monkeypatch.setattr("pipeline.sources.lerobot.dataset.LeRobotDataset.info", told)
    assert main(["info", str(v2)]) == 0
    out = capsys.readouterr().out
    assert "  found     3 cameras, AV1" in out
    assert "  ignored   touch sensors: no use" in out
    assert main(["info", str(v2), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["found"], data["ignored"]) == (["3 cameras, AV1"], ["touch sensors: no use"])


def test_info_of_one_episode(v2: Path, info, capsys) -> None:
    assert info(v2)["episode"] is None
    assert info(Path(f"{v2}#1"))["episode"] == 1
    assert main(["info", f"{v2}#7"]) == 1
    assert "has no episode 7" in capsys.readouterr().err


def test_a_file_inside_a_dataset_names_its_episode(v2: Path, monkeypatch) -> None:
    class Folders:
        @staticmethod
        def recognise(path: Path) -> Recognition | None:
            return Recognition(v2, "made", 1) if path.suffix == ".mp4" else None

    monkeypatch.setattr(Format, "load", lambda entry: Folders)
    assert named_episode(str(video_of(v2, 1))) == 1
    assert named_episode(str(v2 / "nothing.mp4")) is None


@pytest.mark.parametrize("fault", EPISODE_BREAKS)
def test_info_names_the_fault_of_an_episode(v2: Path, info, capsys, fault) -> None:
    harm, sentence = EPISODE_BREAKS[fault]
    harm(v2)
    broken, good = info(v2)["episodes"]
    assert good["problems"] == []
    assert [set(p) for p in broken["problems"]] == [{"code", "message"}]
    assert sentence in broken["problems"][0]["message"]
    assert main(["info", str(v2)]) == 0
    assert sentence in capsys.readouterr().out


def test_info_names_doubtful_content(v2: Path, info) -> None:
    put_nan_into_gripper(v2)
    video_of(v2, 1).write_bytes(video_of(v2, 0).read_bytes())
    codes = [[p["code"] for p in e["problems"]] for e in info(v2)["episodes"]]
    assert codes == [["nan_in_signal"], ["video_shorter"]]


def test_info_shows_the_gripper_channels_a_person_set(v2: Path, info, tmp_path, capsys) -> None:
    store = ReviewStore.open(v2)
    store.append(0, SetChannels(arm="arm", signal="action", indices=(0, 2), closed_is="high"))
    store.close()
    before = snapshot(tmp_path)
    arm = info(v2)["gripper"]["arm"]
    assert arm["channels"] == ["shoulder", "gripper"]
    assert (arm["signal"], arm["closed_is"], arm["origin"]) == ("action", "high", "user")
    assert main(["info", str(v2)]) == 0
    assert "action shoulder, gripper; closed is high" in capsys.readouterr().out
    assert snapshot(tmp_path) == before


def test_info_while_the_window_has_the_reviews_open(v2: Path, info) -> None:
    store = ReviewStore.open(v2)
    store.append(0, SetChannels(arm="arm", signal="action", indices=(2,), closed_is="high"))
    assert info(v2)["gripper"]["arm"]["closed_is"] == "high"
    store.undo(0)
    assert info(v2)["gripper"]["arm"]["closed_is"] == "low"
    store.close()


def test_info_when_the_channels_set_do_not_exist(v2: Path, capsys) -> None:
    store = ReviewStore.open(v2)
    store.append(0, SetChannels(arm="arm", signal="state", indices=(9,), closed_is="high"))
    store.close()
    assert main(["info", str(v2), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["gripper"]["arm"]["channels"] == ["gripper"]
    assert "has 3 channels" in captured.err


def test_info_leaves_damaged_reviews_alone(v2: Path, capsys, tmp_path: Path) -> None:
    file = tmp_path / "v2.demoscope" / "review.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"no database at all" * 100)
    before = snapshot(tmp_path)
    assert main(["info", str(v2)]) == 0
    assert f"{file} is damaged" in capsys.readouterr().err
    assert snapshot(tmp_path) == before


def test_info_without_reviews_writes_nothing(v2: Path, info, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    info(v2)
    assert snapshot(tmp_path) == before


# -- paths, doctor, help -----------------------------------------------------------------------


def test_paths_follow_the_environment(tmp_path: Path, capsys, monkeypatch) -> None:
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"DEMOSCOPE_{name}_DIR", str(tmp_path / name))
    assert main(["paths"]) == 0
    found = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert found["config"] == str(tmp_path / "CONFIG")
    assert found["data"] == str(tmp_path / "DATA")
    assert found["cache"] == str(tmp_path / "CACHE")
    assert found["results"] == str(tmp_path / "CACHE" / "results")
    assert found["settings"] == str(tmp_path / "CONFIG" / "settings.ini")
    assert found["sample"] == str(SAMPLE)
    assert list(tmp_path.iterdir()) == []  # Asking makes nothing.


@pytest.fixture
def tried_out(monkeypatch) -> list[ViewerCheck]:
    """The result of trying the 3D viewer out, without the seconds that takes."""
    results = [ViewerCheck(frame_ms=41.3, picture=True, selection=True, renderer="RTX A4000")]
    monkeypatch.setattr(app.viewer_check, "check_viewer", lambda: results[0])
    return results


def test_doctor_for_machines_never_shows_a_key(
    capsys, caplog, monkeypatch, tried_out: list[ViewerCheck]
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "secret")
    caplog.set_level(logging.DEBUG)
    code = main(["doctor", "--json"])
    captured = capsys.readouterr()
    checks = json.loads(captured.out)
    assert all(set(c) == {"name", "ok", "text", "optional", "details"} for c in checks)
    assert code == (0 if all(c["ok"] or c["optional"] for c in checks) else 1)
    named = {c["name"]: c for c in checks}
    assert named["keys"]["ok"]
    assert "GEMINI_API_KEY" in named["keys"]["text"]
    assert named["video"]["ok"]
    assert main(["doctor"]) == code
    everything = captured.out + captured.err + caplog.text + "".join(capsys.readouterr())
    assert "secret" not in everything


def test_doctor_tries_the_viewer_out(capsys, tried_out: list[ViewerCheck]) -> None:
    main(["doctor"])
    line = next(li for li in capsys.readouterr().out.splitlines() if "3D viewer" in li)
    assert line.startswith("ok")
    assert "time set and read back in 41 ms, selection, picture; drawn by RTX A4000" in line
    tried_out[0] = ViewerCheck(problem="Something is to be installed.")
    code = main(["doctor", "--json"])
    named = {c["name"]: c for c in json.loads(capsys.readouterr().out)}
    assert not named["3D viewer"]["ok"]
    assert named["3D viewer"]["text"] == "Something is to be installed."
    assert named["3D viewer"]["details"]["frame_ms"] is None
    assert "native viewer" in named
    assert code == (0 if all(c["ok"] or c["optional"] for c in named.values()) else 1)


@pytest.mark.usefixtures("tried_out")
def test_doctor_survives_what_it_examines(capsys, monkeypatch, tmp_path: Path) -> None:
    def broken() -> str:
        raise KeyError("a library that throws what it likes")

    monkeypatch.setattr(app.doctor, "_rerun", broken)
    monkeypatch.setattr(app.doctor, "_video", broken)
    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    assert main(["doctor", "--json"]) == 1
    named = {c["name"]: c for c in json.loads(capsys.readouterr().out)}
    assert not named["rerun"]["ok"]
    assert not named["video"]["ok"]
    assert not named["cache"]["ok"]
    assert all("\n" not in c["text"] and c["text"] for c in named.values())


def test_no_command_shows_help(capsys) -> None:
    assert main([]) == 0
    text = capsys.readouterr().out
    for command in ("open", "demo", "info", "annotate", "screenshot", "paths", "doctor"):
        assert command in text


def test_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("demoscope ")


def test_a_defect_of_ours_is_one_sentence(v2: Path, capsys, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise KeyError("where\nis it")

    monkeypatch.setattr("app.dataset_report.examine", broken)
    assert main(["info", str(v2)]) == 1
    error = capsys.readouterr().err
    assert "internal error: KeyError" in error
    assert len(error.splitlines()) == 1


def test_open_without_a_display(capsys, monkeypatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("app.window_run.sys.platform", "linux")
    assert main(["open"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("demoscope: there is no display; use “demoscope demo --offscreen”")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["", "x", "1280", "1280x", "0x5", "-1x5", "1x2x3", "9²x9", "9" * 9]
)
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="--size: expected WIDTHxHEIGHT"):
        parse_size(text)


def test_sizes() -> None:
    assert parse_size("1600x1000") == (1600, 1000)
    assert parse_size("640X480") == (640, 480)


def test_a_path_with_an_episode(tmp_path: Path) -> None:
    assert split_path("data#12") == ("data", 12)
    assert split_path("data#x") == ("data#x", None)
    assert split_path("data") == ("data", None)
    odd = tmp_path / "run#3"
    odd.mkdir()
    assert split_path(str(odd)) == (str(odd), None)
    assert split_path(f"{odd}#4") == (str(odd), 4)


def test_truncated_tables_of_all_episodes_still_give_a_report(v2: Path, info) -> None:
    for path in (v2 / "data").rglob("*.parquet"):
        truncate(path)
    data = info(v2)
    assert [e["problems"][0]["code"] for e in data["episodes"]] == ["bad_table", "bad_table"]
    assert "no episode to infer from" in data["gripper"]["arm"]["reason"]


def test_a_command_declares_its_own_arguments_and_help_those_of_all() -> None:
    everything = _declared("")
    assert {"open", "annotate", "export", "captions", "models", "doctor"} <= everything
    assert _declared("nothing") == everything
    with_a_module = everything - _declared("open")
    assert {"export", "captions", "models"} <= with_a_module
    assert _declared("export") == everything - with_a_module | {"export"}


def _declared(only: str) -> set[str]:
    (commands,) = [a for a in build_parser(only)._actions if a.dest == "command"]
    assert commands.choices is not None
    return set(commands.choices)
