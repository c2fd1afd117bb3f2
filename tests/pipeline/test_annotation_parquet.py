"""Parquet files of annotations: what they say, how they are merged, what other tools read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.annotations.parquet import (
    DATASET_KEY,
    OPTIONS_KEY,
    PREFIX,
    SCHEMA_VERSION,
    VERSION_KEY,
    merge_parts,
    schema,
    write_table,
)
from pipeline.annotations.reading import read_annotations
from pipeline.annotations.table import AnnotationTable
from pipeline.model.annotation import Annotation
from pipeline.model.problem import DataError
from pipeline.scoring.formula import ScoresOptions
from tests.pipeline.annotation_records import assert_equal, only, record, records


@pytest.fixture
def own(tmp_path: Path) -> list[Annotation]:
    return records(9)


# -- Parquet


def test_metadata_say_the_options_and_the_dataset(tmp_path: Path, own: list[Annotation]) -> None:
    options = {
        "scores": {"motion_weight": 1, "noise_floor": 2.5, "gone": 3, "proximity_weight": 99}
    }
    path = tmp_path / "a.parquet"
    write_table(path, own, {DATASET_KEY: str(tmp_path), OPTIONS_KEY: json.dumps(options)})
    read = read_annotations(path)
    assert read.dataset == tmp_path
    assert read.options == ScoresOptions(motion_weight=1.0, noise_floor=2.5)
    assert read.stage_options == options
    message = only(read, "options_not_read")
    assert "gone" in message
    assert "proximity_weight" in message
    assert pq.read_metadata(path).metadata[f"{PREFIX}{VERSION_KEY}".encode()] == b"1"


@pytest.mark.parametrize("text", ["[", "[1]", '{"scores": 3}', "[" * 100_000])
def test_options_that_cannot_be_read_are_the_published_ones(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, [record(0)], {OPTIONS_KEY: text, DATASET_KEY: "no\0path"})
    read = read_annotations(path)
    assert read.options == ScoresOptions()
    assert read.dataset is None
    only(read, "options_not_read")


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, [record(0)], {VERSION_KEY: str(SCHEMA_VERSION + 1)})
    with pytest.raises(DataError, match="newer Demoscope"):
        read_annotations(path)


def test_any_flat_parquet_with_the_columns_will_do(tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    frame = pd.DataFrame(
        {
            "episode_index": [1.0, 2.0, np.nan],
            "score": [0.5, None, 0.1],
            "start_box": [[1.0, 2.0, 3.0, 4.0], None, [0.0, 0.0, 1.0, 1.0]],
            "camera": pd.Categorical(["front", "wrist", "front"]),
            "anything": [{"a": 1}, {"a": 2}, {"a": 3}],
        }
    )
    frame.to_parquet(path)
    read = read_annotations(path)
    assert read.table.episode.tolist() == [1, 2]
    assert [read.table.camera[k] for k in range(2)] == ["front", "wrist"]
    assert [read.table.box(k) for k in range(2)] == [(1, 2, 3, 4), None]
    assert np.isnan(read.table.score).tolist() == [False, True]
    assert only(read, "line_skipped").startswith("Row 3: skipped")


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("episode_index", ["1"], "column episode_index: expected numbers, found string"),
        ("start_box", ["1"], "column start_box: expected lists, found string"),
        ("object", [1], "column object: expected texts, found int64"),
        ("candidates", [[1]], "column candidates: expected lists of objects"),
        ("warnings", [[1]], "column warnings: expected texts"),
    ],
)
def test_a_column_of_another_type_is_one_sentence(
    tmp_path: Path, column: str, values: list[Any], expected: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"episode_index": [1]} | {column: values}), path)
    with pytest.raises(DataError, match=expected):
        read_annotations(path)


def test_a_parquet_without_episodes_says_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"frame": [1]}), path)
    with pytest.raises(DataError, match="expected a column episode_index, found frame"):
        read_annotations(path)


def test_writing_replaces_the_file_whole_or_not_at_all(
    tmp_path: Path, own: list[Annotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "a.parquet"
    write_table(path, own[:2], {})
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match=r"a\.parquet cannot be written: No space left"):
            write_table(path, own, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["a.parquet"]
    write_table(path, own, {})
    assert len(read_annotations(path).table) == len(own)
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_record_that_does_not_fit_into_the_columns_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(DataError, match=r"a\.parquet"):
        write_table(path, [record(1, keyframe=1 << 40)], {})
    assert list(tmp_path.iterdir()) == []


def test_parts_become_one_file_in_their_order(tmp_path: Path, own: list[Annotation]) -> None:
    parts = [tmp_path / f"{k}.parquet" for k in range(3)]
    for part, rows in zip(parts, (own[:5], [], own[5:]), strict=True):
        write_table(part, rows, {"of": "a part"})
    target = tmp_path / "all.parquet"
    assert merge_parts(parts, target, {DATASET_KEY: "toys"}) == len(own)
    assert_equal(read_annotations(target).table, AnnotationTable.of(own))
    metadata = pq.read_metadata(target)
    assert metadata.num_row_groups == 1, "small parts share a row group"
    assert metadata.metadata[b"demoscope.dataset"] == b"toys"
    assert pq.read_schema(target).equals(schema())
    assert merge_parts([], target, {}) == 0
    assert len(read_annotations(target).table) == 0


def test_a_damaged_part_stops_the_merge_and_leaves_the_target(
    tmp_path: Path, own: list[Annotation]
) -> None:
    good, bad, target = tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "all.parquet"
    write_table(good, own, {})
    write_table(target, own[:1], {})
    bad.write_bytes(good.read_bytes()[:-20])
    for wrong in (bad, tmp_path / "gone.parquet"):
        with pytest.raises(DataError, match=wrong.name):
            merge_parts([good, wrong], target, {})
    pq.write_table(pa.table({"episode_index": [1]}), bad)
    with pytest.raises(DataError, match=r"b\.parquet: its columns are not those of schema 1"):
        merge_parts([good, bad], target, {})
    assert len(read_annotations(target).table) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "all.parquet", "b.parquet"]


# -- other tools read the same numbers


def nested(own: list[Annotation]) -> list[dict[str, Any]]:
    """The records as plain values, with absent terms as the schema has them."""
    rows = [json.loads(a.model_dump_json()) for a in own]
    return [row | {"terms": row["terms"] or None} for row in rows]


def plain(value: Any) -> Any:
    """NumPy values, arrays and missing values as plain ones."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value


@pytest.fixture
def table_file(tmp_path: Path, own: list[Annotation]) -> Path:
    path = tmp_path / "own.parquet"
    write_table(path, own, {})
    return path


def test_polars_reads_the_same(table_file: Path, own: list[Annotation]) -> None:
    assert pl.read_parquet(table_file).to_dicts() == nested(own)


def test_duckdb_reads_the_same(table_file: Path, own: list[Annotation]) -> None:
    found = duckdb.read_parquet(str(table_file))
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    assert plain(rows) == nested(own)


def test_pandas_reads_the_same(table_file: Path, own: list[Annotation]) -> None:
    assert plain(pd.read_parquet(table_file).to_dict("records")) == nested(own)
