"""Files of strangers, cut off or of wrong types: a DataError within seconds, or a result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.dataset_report import examine
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset
from tests.broken_datasets import snapshot
from tests.datasets import FRONT, write_v2, write_v3

WRONG: tuple[Any, ...] = (
    None, True, 0, -1, 3.7, 1e308, 10**30, "", "x", "{episode_index}", "../x", "\0", [], [1],
    ["a", None], [[]], [-1], {}, {"a": 1}, {"a": {"a": []}}, {"dtype": None}, float("nan"),
)  # fmt: skip
LIMIT_S = 5.0


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("toys")
    return {"v2": write_v2(root / "v2", (12, 12)), "v3": write_v3(root / "v3", (12, 12))}


def use(root: Path) -> str:
    """Open a dataset and everything in it; the code of the DataError that ended it, or empty."""
    start = time.perf_counter()
    code = sentence = ""
    try:
        source = open_dataset(root)
        for entry in examine(source).info.episodes[:2]:
            demonstration = source.open(entry.index)
            reader = source.reader(demonstration)
            try:
                for camera in demonstration.cameras:
                    reader.frame(camera.key, demonstration.length - 1)
            finally:
                reader.close()
    except DataError as error:
        code, sentence = error.code, str(error)
    assert time.perf_counter() - start < LIMIT_S
    assert "\n" not in sentence
    return code


class Harm:
    """Uses variants of one file of a toy and puts it back; collects what is no DataError."""

    def __init__(self, root: Path, file: str) -> None:
        self.root, self.path = root, root / file
        self.good = self.path.read_bytes()
        self.codes: list[str] = []
        self.escaped: list[str] = []

    def try_all(self, variants: Iterator[tuple[str, bytes]]) -> None:
        files = set(snapshot(self.root.parent))
        try:
            for name, data in variants:
                self.path.write_bytes(data)
                try:
                    self.codes.append(use(self.root))
                except Exception as error:
                    self.escaped.append(f"{name}: {type(error).__name__}: {error}")
        finally:
            self.path.write_bytes(self.good)
        assert set(snapshot(self.root.parent)) == files
        assert self.escaped == []


def cuts(good: bytes) -> Iterator[tuple[str, bytes]]:
    size = len(good)
    for at in sorted({0, 1, 7, *(size * i // 9 for i in range(1, 9)), size - 9, size - 1}):
        yield f"cut at {at} of {size}", good[:at]
    for at in range(3, size, max(1, size // 9)):
        yield f"byte {at} flipped", good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]


@pytest.mark.parametrize(
    ("toy", "file"),
    [
        ("v2", "meta/info.json"),
        ("v2", "meta/episodes.jsonl"),
        ("v2", "meta/tasks.jsonl"),
        ("v2", "data/chunk-000/episode_000000.parquet"),
        ("v2", f"videos/chunk-000/{FRONT}/episode_000000.mp4"),
        ("v3", "meta/episodes/chunk-000/file-000.parquet"),
        ("v3", "meta/tasks.parquet"),
        ("v3", "data/chunk-000/file-000.parquet"),
        ("v3", f"videos/{FRONT}/chunk-000/file-000.mp4"),
    ],
)
def test_cut_and_flipped_files(toys: dict[str, Path], toy: str, file: str) -> None:
    harm = Harm(toys[toy], file)
    harm.try_all(cuts(harm.good))
    if file.endswith("info.json"):
        assert harm.codes[0] == "bad_metadata"
    assert use(toys[toy]) == ""


def changed(info: dict[str, Any], where: tuple[str, ...], value: Any) -> bytes:
    copy = json.loads(json.dumps(info))
    at = copy
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    return json.dumps(copy).encode()


def wrong_fields(info: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    places: list[tuple[str, ...]] = [(key,) for key in info]
    for feature in ("observation.state", "timestamp", FRONT):
        places.append(("features", feature))
        places += [("features", feature, k) for k in ("dtype", "shape", "names", "info")]
    for where in places:
        for value in WRONG:
            yield f"{'.'.join(where)} = {value!r}", changed(info, where, value)


@pytest.mark.parametrize("toy", ["v2", "v3"])
def test_wrong_types_in_info(toys: dict[str, Path], toy: str) -> None:
    harm = Harm(toys[toy], "meta/info.json")
    harm.try_all(wrong_fields(json.loads(harm.good)))
    assert "bad_metadata" in harm.codes


def wrong_lines(good: bytes) -> Iterator[tuple[str, bytes]]:
    row = json.loads(good.splitlines()[0])
    for key in row:
        for value in WRONG:
            yield f"{key} = {value!r}", json.dumps(row | {key: value}).encode() + b"\n"
    for value in WRONG:
        yield f"line {value!r}", json.dumps(value).encode() + b"\n"


@pytest.mark.parametrize("file", ["meta/episodes.jsonl", "meta/tasks.jsonl"])
def test_wrong_types_in_lines(toys: dict[str, Path], file: str) -> None:
    harm = Harm(toys["v2"], file)
    harm.try_all(wrong_lines(harm.good))


def deep(number: int) -> bytes:
    return b'{"features":' + b"[" * number + b"]" * number + b"}"


@pytest.mark.parametrize(
    "make",
    [lambda: deep(100_000), lambda: b"\xff\xfe\x00", lambda: b"[" * 1000, lambda: b"7" * 10_000],
)
def test_hostile_json(toys: dict[str, Path], make: Callable[[], bytes]) -> None:
    harm = Harm(toys["v2"], "meta/info.json")
    harm.try_all(iter([("hostile", make())]))
    assert harm.codes == ["bad_metadata"]


def wrong_columns(good: bytes) -> Iterator[tuple[str, bytes]]:
    """One column of a table replaced by values of other kinds."""
    rows = pq.read_table(pa.BufferReader(good))
    count = rows.num_rows
    values: dict[str, Any] = {
        "null": pa.nulls(count),
        "text": pa.array(["x"] * count),
        "lists": pa.array([[1.0] * (i % 3) for i in range(count)]),
        "lists of text": pa.array([["x", "y", "z"]] * count),
        "some null": pa.array([None, *[[1.0, 2.0, 3.0]] * (count - 1)]),
        "nan": pa.array([float("nan")] * count),
        "huge": pa.array([1e300] * count),
        "negative": pa.array([-5] * count),
        "largest": pa.array([2**63 - 1] * count),
        "bytes": pa.array([b"\xff"] * count),
        "structs": pa.array([{"a": 1}] * count),
    }
    for name in rows.column_names:
        variants = {"gone": rows.drop_columns([name])}
        for kind, column in values.items():
            at = rows.column_names.index(name)
            variants[kind] = rows.set_column(at, name, column)
        for kind, table in variants.items():
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink)
            yield f"{name}: {kind}", sink.getvalue().to_pybytes()
    sink = pa.BufferOutputStream()
    pq.write_table(rows.slice(0, 0), sink)
    yield "no rows", sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("toy", "file"),
    [
        ("v2", "data/chunk-000/episode_000000.parquet"),
        ("v3", "data/chunk-000/file-000.parquet"),
        ("v3", "meta/episodes/chunk-000/file-000.parquet"),
        ("v3", "meta/tasks.parquet"),
    ],
)
def test_wrong_columns(toys: dict[str, Path], toy: str, file: str) -> None:
    harm = Harm(toys[toy], file)
    harm.try_all(wrong_columns(harm.good))
