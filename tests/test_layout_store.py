"""Layouts of the 3D viewer on disk."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path

import pytest

from app.layout_store import MOST_BYTES, MOST_DATASETS, MOST_SITUATIONS, LayoutStore

LAYOUT = json.dumps({"/viewport": {"ViewportBlueprint": {"root_container": "7b"}}, "ü": "…"})


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "deep" / "layouts")


def test_layouts_are_kept_by_dataset_and_situation(store: LayoutStore, tmp_path: Path) -> None:
    assert store.load("/data/a", "3d-top") == ""
    assert not (tmp_path / "deep").exists()  # Asking makes nothing.
    store.save("/data/a", "3d-top", LAYOUT)
    store.save("/data/a", "2d-top", "other")
    store.save("/data/b", "3d-top", "third")
    again = LayoutStore(tmp_path / "deep" / "layouts")
    assert again.load("/data/a", "3d-top") == LAYOUT
    assert again.load("/data/a", "2d-top") == "other"
    assert again.load("/data/b", "3d-top") == "third"
    assert again.load("/data/b", "2d-top") == ""
    again.forget("/data/a")
    assert again.load("/data/a", "3d-top") == again.load("/data/a", "2d-top") == ""
    assert again.load("/data/b", "3d-top") == "third"
    again.forget("/data/never")


def test_an_empty_layout_forgets_one(store: LayoutStore) -> None:
    store.save("a", "x", LAYOUT)
    store.save("a", "y", LAYOUT)
    store.save("a", "x", "")
    assert store.load("a", "x") == ""
    assert store.load("a", "y") == LAYOUT


def test_what_did_not_change_is_not_written(store: LayoutStore, tmp_path: Path) -> None:
    store.save("a", "x", LAYOUT)
    (file,) = (tmp_path / "deep" / "layouts").iterdir()
    os.utime(file, (1, 1))
    store.save("a", "x", LAYOUT)
    assert file.stat().st_mtime == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b"17",
        b'{"version": 99, "dataset": "a", "layouts": {"x": "y"}}',
        b'{"version": 1, "dataset": "another", "layouts": {"x": "y"}}',
        b'{"version": 1, "dataset": "a", "layouts": ["x"]}',
        b'{"version": 1, "dataset": "a", "layouts": {"x": 3}}',
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_none(
    store: LayoutStore, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.save("a", "x", LAYOUT)
    (file,) = (tmp_path / "deep" / "layouts").iterdir()
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert store.load("a", "x") == ""
    assert len(caplog.records) <= 1
    assert not any(record.exc_info for record in caplog.records)
    store.save("a", "x", "new")
    assert store.load("a", "x") == "new"


def test_a_folder_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("mine")
    store = LayoutStore(blocked / "layouts")
    with caplog.at_level(logging.WARNING):
        for turn in range(3):
            store.save("a", "x", f"{LAYOUT}{turn}")
        store.forget("a")
    assert len(caplog.records) == 1
    assert "cannot be kept" in caplog.text
    assert store.load("a", "x") == ""
    assert blocked.read_text() == "mine"


def test_a_write_that_fails_half_way_loses_nothing(
    store: LayoutStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save("a", "x", "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("app.layout_store.json.dump", full)
        store.save("a", "x", "new")
    assert store.load("a", "x") == "old"
    assert [p.suffix for p in (tmp_path / "deep" / "layouts").iterdir()] == [".json"]


def test_the_size_is_bounded(
    store: LayoutStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save("a", "huge", "x" * (MOST_BYTES + 1))
    assert store.load("a", "huge") == ""
    for number in range(MOST_SITUATIONS + 3):
        store.save("a", f"kind {number}", LAYOUT)
    assert store.load("a", "kind 2") == ""
    assert store.load("a", "kind 3") == LAYOUT
    monkeypatch.setattr("app.layout_store.MOST_DATASETS", 5)
    assert MOST_DATASETS > 5
    for number in range(8):
        store.save(f"set {number}", "x", LAYOUT)
        file = store._file(f"set {number}")
        os.utime(file, (number + 1e9, number + 1e9))
    kept = list((tmp_path / "deep" / "layouts").glob("*.json"))
    assert len(kept) <= 6
    assert store.load("set 7", "x") == LAYOUT


def test_threads_lose_nothing_of_each_other(store: LayoutStore) -> None:
    def work(number: int) -> None:
        for turn in range(10):
            store.save("a", f"kind {number}", f"{turn}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.load("a", f"kind {n}") for n in range(4)] == ["9"] * 4
