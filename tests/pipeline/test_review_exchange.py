from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.model.edits import AddBox, Rename
from pipeline.model.problem import DataError
from pipeline.review import exchange
from pipeline.review.exchange import (
    export_jsonl,
    export_lines,
    import_jsonl,
    merge_store,
    read_jsonl,
)
from pipeline.review.ordering import MOST_AHEAD, next_clock
from pipeline.review.store import ReviewStore


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))
    folder = tmp_path / "sets" / "bottles"
    folder.mkdir(parents=True)
    return folder


LINE: dict[str, Any] = {
    "demoscope_review": 1,
    "uuid": "0123456789abcdef",
    "clock": 1_769_860_800_000_000,
    "at": "2026-01-31T12:00:00.000+00:00",
    "who": "ada",
    "dataset": "bottles",
    "episode": 0,
    "subtask": 0,
    "kind": "edit",
    "stage": "subtasks",
    "refers_to": "",
    "payload": {"kind": "rename", "subtask": 0, "object_name": "cup", "target_name": ""},
}


def nested(depth: int) -> list[Any]:
    """Lists in lists."""
    return [nested(depth - 1)] if depth else []


def _write(path: Path, *lines: object) -> Path:
    path.write_text(
        "".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines), "utf-8"
    )
    return path


def test_what_is_exported_is_imported_again_to_the_letter(dataset: Path, tmp_path: Path) -> None:
    store = ReviewStore.open(dataset, who="Ada Ö. “緑”")
    store.append(0, Rename(subtask=0, object_name="Tässchen ‘緑’\u2028\U0001f9ff"))
    store.append(0, AddBox(subtask=1, box=(0.1, 1e-7, 1e16, 123456.789)))
    store.record(2, 0, {"text": "line\nbreak", "cost": 1e-9, "n": 3, "none": None})
    store.undo(0)
    store.redo(0)
    path = tmp_path / "all.jsonl"
    assert export_jsonl(store.events(), path) == 5
    assert len(path.read_bytes().split(b"\n")) == 6  # one event per line
    events, broken, count = read_jsonl(path)
    assert (broken, count) == ((), 0)
    report = store.merge(events)
    assert (report.added, report.known, report.altered) == (0, 5, ())
    again = ReviewStore.open(dataset.with_name("bottles2"))
    with pytest.raises(DataError, match="any-dataset"):
        import_jsonl(again, path)
    assert import_jsonl(again, path, any_dataset=True).added == 5
    assert again.edits(0) == store.edits(0)
    assert [(e.uuid, e.order, e.record) for e in again.events()] == [
        (e.uuid, e.order, e.record) for e in store.events()
    ]
    assert list(export_lines(again.events())) == path.read_text("utf-8").split("\n")[:-1]
    store.close()
    again.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"demoscope_review": 2}, "of format 2; this Demoscope reads 1"),
        ({"demoscope_review": None}, "demoscope_review"),
        ({"uuid": "../x"}, "uuid"),
        ({"clock": 0}, "clock"),
        ({"clock": 1 << 60}, "clock"),
        ({"clock": True}, "clock"),
        ({"clock": (1 << 53) - 1}, "ten years ahead"),
        ({"at": "yesterday"}, "no ISO 8601"),
        ({"at": "2026-01-31T12:00:00"}, "offset"),
        ({"who": "a\x1b[31m"}, "who"),
        ({"who": "a" * 300}, "who"),
        ({"episode": -2}, "episode"),
        ({"episode": "0"}, "episode"),
        ({"subtask": 1 << 40}, "subtask"),
        ({"kind": "forget"}, "kind"),
        ({"kind": "undo"}, "names one edit"),
        ({"kind": "undo", "payload": None}, "names one edit"),
        ({"payload": None}, "has no payload"),
        ({"payload": "x"}, "payload"),
        ({"payload": {"kind": "rename", "subtask": 0}}, "object_name"),
        ({"payload": {}}, "edit"),
        ({"stage": "Sub tasks"}, "stage"),
        ({"more": 1}, "more"),
        ({"kind": "record", "payload": {"a": "\ud83d"}}, "half a character"),
        ({"kind": "record", "payload": {"\ud83d": 1}}, "payload"),
        ({"kind": "record", "payload": {"a": 1 << 70}}, "64 bits"),
        ({"payload": {"kind": "levitate", "height": {"deep": "\udc00"}}}, "half a character"),
        ({"payload": {"kind": "levitate", "to": nested(40)}}, "nested too deeply"),
        ({"kind": "record", "payload": {"a": [1]}}, "no plain value"),
        ({"kind": "record", "payload": {str(i): 0 for i in range(65)}}, "more than 64"),
        ({"kind": "record", "payload": {"a": "x" * 200_001}}, "longer than"),
        ({"kind": "record", "payload": {"x" * 101: 1}}, "longer than 100"),
    ],
)
def test_lines_that_are_wrong_are_told_and_passed_over(
    dataset: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    path = _write(tmp_path / "in.jsonl", LINE | {"uuid": "a"}, LINE | change, LINE | {"uuid": "b"})
    events, broken, count = read_jsonl(path)
    assert [e.uuid for e in events] == ["a", "b"]
    assert [b.number for b in broken] == [2]
    assert count == 1
    assert says in broken[0].why
    assert len(broken[0].why) <= 200
    assert "\x1b" not in broken[0].why


def test_lines_that_are_no_json_are_told(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    good = json.dumps(LINE).encode()
    nan = json.dumps(LINE | {"kind": "record", "payload": {"a": float("nan")}}).encode()
    rows = [b"\xff\xfe", b"", b"7", b"[" * 100_000, b'{"a":', nan, good, b" " * (exchange.MAX_LINE)]
    path.write_bytes(b"\n".join([*rows, b"x" * (exchange.MAX_LINE * 2), good[:-9]]))
    events, broken, count = read_jsonl(path)
    assert [e.uuid for e in events] == [LINE["uuid"]]
    assert [b.number for b in broken] == [1, 3, 4, 5, 6, 9, 10]
    assert count == 7
    assert "longer than 4 MiB" in broken[5].why
    store = ReviewStore.open(dataset)
    report = import_jsonl(store, path)
    assert (report.added, report.broken_count, len(report.broken)) == (1, 7, 7)
    assert import_jsonl(store, path).known == 1
    store.close()


def test_a_last_line_without_its_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n{json.dumps(LINE | {'uuid': 'last'})}", "utf-8")
    assert [e.uuid for e in read_jsonl(path)[0]] == [LINE["uuid"], "last"]


def test_a_number_without_end_is_no_box(dataset: Path, tmp_path: Path) -> None:
    box = {"kind": "add_box", "subtask": 0, "box": [0, 0, 1, 1]}
    line = json.dumps(LINE | {"stage": "proposals", "payload": box})
    path = _write(tmp_path / "in.jsonl", line.replace("[0, 0, 1, 1]", "[0, 0, 1, 1e999]"))
    assert read_jsonl(path)[0] == []
    assert len(read_jsonl(_write(path, line))[0]) == 1


def test_a_clock_far_ahead_puts_nothing_of_ours_out_of_reach(dataset: Path, tmp_path: Path) -> None:
    store = ReviewStore.open(dataset)
    ahead = next_clock(0) + MOST_AHEAD - 10**6
    last = (1 << 53) - 1
    rows = (LINE | {"uuid": "near", "clock": ahead}, LINE | {"uuid": "poison", "clock": last})
    report = import_jsonl(store, _write(tmp_path / "in.jsonl", *rows))
    assert (report.added, report.broken_count) == (1, 1)
    store.append(0, Rename(subtask=0, object_name="mug"))
    export_jsonl(store.events(), tmp_path / "out.jsonl")
    events, broken, _ = read_jsonl(tmp_path / "out.jsonl")
    assert (len(events), broken) == (2, ())
    store.close()


def test_a_store_with_foreign_types_is_read_and_merged(dataset: Path, tmp_path: Path) -> None:
    other = ReviewStore.open(dataset.with_name("other"), who="eve")
    other.append(0, Rename(subtask=0, object_name="cup"))
    place = other.location
    other.close()
    with closing(sqlite3.connect(place, isolation_level=None)) as raw:
        raw.execute("ALTER TABLE events RENAME TO kept")
        # Columns of no type keep what they are given.
        names = [row[1] for row in raw.execute("PRAGMA table_info(kept)")]
        raw.execute(f"CREATE TABLE events ({', '.join(names)})")
        (right,) = raw.execute("SELECT * FROM kept")
        wrong = (
            {"clock": "soon"},
            {"clock": (1 << 63) - 1},
            {"payload": b"{}"},
            {"payload": 7},
            {"uuid": None},
            {"who": 1.5},
            # right types, but what no line of a file may hold
            {"who": "a\x1b[31m"},
            {"at": "2026-01-31T12:00:00"},
            {"clock": (1 << 53) - 1},
            {"payload": '{"kind":"rename","subtask":0}'},
            {"payload": "[" * 100_000},
        )
        places = ", ".join("?" * len(names))
        for number, change in enumerate(({}, *wrong), 1):
            row = dict(zip(names, right, strict=True)) | {"uuid": f"u{number}"} | change
            values = [number, *(row[name] for name in names[1:])]
            raw.execute(f"INSERT INTO events VALUES ({places})", values)  # noqa: S608
    ours = ReviewStore.open(dataset, who="ada")
    report = merge_store(ours, place, any_dataset=True)
    assert report.added == 1
    assert report.broken_count == len(report.broken) >= 5
    assert [e.title for e in ours.edits(0)] == ["rename object to “cup”"]
    ours.close()


def test_edits_of_a_later_version_are_kept(dataset: Path, tmp_path: Path) -> None:
    later = LINE | {"payload": {"kind": "levitate", "height": 2}}
    store = ReviewStore.open(dataset)
    assert import_jsonl(store, _write(tmp_path / "in.jsonl", later)).added == 1
    assert json.loads(store.events()[0].payload) == later["payload"]
    assert store.edits(0) == ()
    store.close()


def test_files_that_are_too_large_are_refused(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path / "in.jsonl", *(LINE | {"uuid": f"u{i}"} for i in range(4)))
    monkeypatch.setattr(exchange, "MAX_EVENTS", 3)
    with pytest.raises(DataError, match="more than 3 events"):
        read_jsonl(path)
    monkeypatch.setattr(exchange, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="is larger"):
        read_jsonl(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_jsonl(tmp_path / "none.jsonl")
    monkeypatch.setattr(exchange, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(exchange, "MAX_TOLD", 2)
    _, broken, count = read_jsonl(_write(path, *"abcde"))
    assert (len(broken), count) == (2, 5)


def test_an_export_that_fails_leaves_what_was_there(dataset: Path, tmp_path: Path) -> None:
    store = ReviewStore.open(dataset)
    event = store.append(0, Rename(subtask=0, object_name="cup"))
    store.close()
    path = tmp_path / "all.jsonl"
    path.write_text("kept")
    with pytest.raises(ValueError, match="Expecting"):
        export_jsonl([event, replace(event, payload="{")], path)
    assert path.read_text() == "kept"
    assert [p.name for p in tmp_path.glob("*jsonl*")] == ["all.jsonl"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*LINE, "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(list(LINE)), JSON, st.integers(0, 400))
def test_no_line_does_more_than_being_told(
    tmp_path: Path, key: str, value: object, cut: int
) -> None:
    text = json.dumps(LINE | {key: value})
    path = _write(tmp_path / "in.jsonl", text, text[:cut])
    events, _, count = read_jsonl(path)
    assert len(events) + count <= 2
    assert len(list(export_lines(events))) == len(events)
