"""`demoscope screenshot` and `demoscope demo`: the real window, without a display."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.main import main
from tests.broken_datasets import snapshot, video_of
from tests.datasets import write_v2


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return write_v2(tmp_path / "v2")


@pytest.fixture
def shoot(qtbot: QtBot, v2: Path, tmp_path: Path):
    """Takes a picture; returns exit code and file."""

    def run(
        name: str, *more: str, episode=0, frame=5, size="1280x800", theme="dark"
    ) -> tuple[int, Path]:
        file = tmp_path / "pictures" / name
        at = ["--episode", str(episode), "--frame", str(frame), "--size", size, *more]
        return main(["screenshot", str(v2), *at, "--out", str(file), "--theme", theme]), file

    return run


def pixels(file: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    image = QImage(str(file)).convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def test_size_theme_and_frame(shoot, capsys, v2: Path) -> None:
    before = snapshot(v2.parent)
    code, dark = shoot("dark", size="1600x900")  # PNG whatever the file is called.
    assert code == 0
    assert dark.read_bytes().startswith(b"\x89PNG")
    assert pixels(dark).shape == (900, 1600, 3)
    code, light = shoot("light.png", size="1600x900", theme="light")
    assert code == 0
    # Most of the window is background: dark in one theme and bright in the other.
    assert np.median(pixels(dark)) < 90
    assert np.median(pixels(light)) > 160
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [str(dark), str(light)]
    assert captured.err == ""
    made = {p for p in snapshot(v2.parent) if p not in before}
    assert made == {dark.parent, dark, light}


def test_a_frame_beyond_the_end_is_the_last(shoot) -> None:
    shots = {frame: shoot(f"{frame}.png", frame=frame) for frame in (19, 99999, 0, -7)}
    assert [code for code, _ in shots.values()] == [0, 0, 0, 0]

    def differ(one: int, other: int) -> int:
        return int((pixels(shots[one][1]) != pixels(shots[other][1])).sum())

    # The line that says how long computing took may differ, the frame and its cursors do not.
    assert differ(19, 99999) < differ(19, 0) / 5
    assert differ(0, -7) < differ(19, 0) / 5


def test_two_runs_side_by_side(shoot, capsys) -> None:
    code, one = shoot("one.png")
    assert code == 0
    code, both = shoot("both.png", "--compare", "proposals.max_candidates=1")
    assert code == 0
    # The second picture of the frame, and the columns of the comparison.
    assert (pixels(one) != pixels(both)).any(axis=2).mean() > 0.02
    capsys.readouterr()
    code, nothing = shoot("none.png", "--compare", "proposals.size=1")
    assert code == 1
    assert not nothing.exists()
    assert "stage proposals has no option size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"size": "big"}, "--size: expected WIDTHxHEIGHT such as 1280x800, got “big”"),
        ({"size": "0x0"}, "--size: expected WIDTHxHEIGHT"),
        ({"size": "200x100"}, "--size: the window needs at least"),
        ({"episode": 9}, "v2 has no episode 9; it has 0 to 1"),
        ({"episode": -1}, "v2 has no episode -1"),
    ],
)
def test_wrong_arguments_are_one_sentence(shoot, capsys, wrong, sentence) -> None:
    code, file = shoot("x.png", **wrong)
    assert code == 1
    assert not file.exists()
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1


def test_a_picture_that_cannot_be_written(shoot, capsys, tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file where the folder should be")
    code, _ = shoot("x.png")
    assert code == 1
    error = capsys.readouterr().err
    assert error.startswith(f"demoscope: {tmp_path / 'pictures'}")
    assert len(error.splitlines()) == 1


def test_an_episode_without_pictures_still_gives_the_window(shoot, capsys, v2: Path) -> None:
    video_of(v2, 0).unlink()
    code, file = shoot("x.png")
    assert code == 0
    assert pixels(file).shape == (800, 1280, 3)
    assert "no camera of this episode can be read" in capsys.readouterr().err


def test_unwritable_reviews_do_not_stop_the_picture(shoot, monkeypatch, v2, capsys) -> None:
    """A warning at opening is said, and the episode is opened and computed all the same."""
    from pipeline.model.problem import DataError

    def refused(*_: object, **__: object) -> None:
        raise DataError("store_newer", "The reviews were written by a newer Demoscope.")

    _, normal = shoot("normal.png")
    monkeypatch.setattr("app.session_control.ReviewStore.open", refused)
    code, file = shoot("x.png")
    assert code == 0
    assert pixels(file).shape == pixels(normal).shape
    assert "written by a newer Demoscope" in capsys.readouterr().err


@pytest.mark.timeout(600)
def test_demo_leaves_its_files(qtbot: QtBot, tmp_path: Path, capsys) -> None:
    """The main job on the whole sample; the results are shared with the other tests."""
    out = tmp_path / "new" / "demo"
    assert main(["demo", "--offscreen", "--out", str(out)]) == 0
    made = {p.name for p in out.iterdir()}
    assert made == {"annotations.jsonl", "window-dark.png", "window-light.png", "summary.html"}
    lines = [json.loads(x) for x in (out / "annotations.jsonl").read_text().splitlines()]
    assert [(x["episode_index"], x["subtask_index"]) for x in lines] == sorted(
        (x["episode_index"], x["subtask_index"]) for x in lines
    )
    page = (out / "summary.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == len(lines)
    assert "<script" not in page
    assert "http" not in page  # One page, nothing fetched.
    for theme in ("dark", "light"):
        assert pixels(out / f"window-{theme}.png").shape == (1000, 1600, 3)
    said = capsys.readouterr().out
    assert str(out / "summary.html") in said


def test_demo_says_what_is_in_its_way(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert main(["demo", "--offscreen", "--out", str(tmp_path / "file" / "demo")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"demoscope: {tmp_path / 'file'}")
    assert len(error.splitlines()) == 1
