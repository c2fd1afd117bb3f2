"""Files of annotations: what was written comes back, and what does not fit is told."""

from __future__ import annotations

import contextlib
import dataclasses
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
from hypothesis import given
from hypothesis import strategies as st

import pipeline.annotations.jsonl as jsonl
from pipeline.annotations.columns import LONGEST_LIST
from pipeline.annotations.growing import Growing
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
from pipeline.annotations.phase_lists import read_phases
from pipeline.annotations.reading import ReadAnnotations, read_annotations
from pipeline.annotations.table import MEASURED, AnnotationTable
from pipeline.model.annotation import Annotation
from pipeline.model.problem import DataError
from pipeline.scoring.formula import ScoresOptions
from tests.datasets import codes
from tests.pipeline.annotation_records import record, records, write_lines


def assert_equal(one: Any, other: Any, name: str = "") -> None:
    """Two tables are equal, type by type."""
    for item in dataclasses.fields(one):
        a, b, place = getattr(one, item.name), getattr(other, item.name), f"{name}.{item.name}"
        if dataclasses.is_dataclass(a):
            assert_equal(a, b, place)
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype, place
            np.testing.assert_array_equal(a, b, err_msg=place)
        else:
            assert a == b, place


def only(problems: ReadAnnotations, code: str) -> str:
    """The message of the only problem, which has this code."""
    (problem,) = problems.problems
    assert problem.code == code
    return problem.message


@pytest.fixture
def own(tmp_path: Path) -> list[Annotation]:
    return records(9)


# -- what comes back


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_file_gives_the_table_of_its_records(
    tmp_path: Path, own: list[Annotation], form: str
) -> None:
    path = tmp_path / f"own.{form}"
    if form == "jsonl":
        write_lines(path, own)
    else:
        write_table(path, own, {})
    read = read_annotations(path)
    assert_equal(read.table, AnnotationTable.of(own))
    assert read.problems == ()
    assert read.options == ScoresOptions()
    assert read.dataset is None
    assert read.lines.tolist() == list(range(1, len(own) + 1))
    phases = read_phases(path, read.lines, read.table.episode, read.table.subtask)
    assert list(phases) == [a.phases for a in own]


def test_blocks_are_joined_seamlessly(
    tmp_path: Path, own: list[Annotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 2000)
    assert_equal(
        read_annotations(write_lines(tmp_path / "a.jsonl", own)).table, AnnotationTable.of(own)
    )


def test_older_lines_without_candidates_keep_their_score_and_box(tmp_path: Path) -> None:
    line = record(3).model_dump(mode="json")
    for name in ("candidates", "dataset", "task", "winner", "chosen_by", "runner_up"):
        del line[name]
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps(line))
    table = read_annotations(path).table
    assert len(table) == 1
    assert table.box(0) == record(3).start_box
    assert table.score[0] == record(3).score
    assert (table.winner[0], table.candidates.counts[0], table.by_person[0]) == (-1, 0, False)
    assert (table.dataset[0], table.task[0]) == ("", "")


def test_a_published_table_needs_only_the_episode(tmp_path: Path) -> None:
    path = tmp_path / "published.jsonl"
    path.write_text(
        '{"episode_index": 5, "start_box": [1, 2, 3.5, 4], "score": 1, "h5": {"a": ["b", 1]}}\n'
        '{"episode_index": 6.0, "h5": "another type", "score": null}\n'
    )
    read = read_annotations(path)
    assert read.problems == ()
    assert read.table.episode.tolist() == [5, 6]
    assert read.table.subtask.tolist() == [0, 0]
    assert read.table.box(0) == (1, 2, 3.5, 4)
    assert np.isnan(read.table.score[1])


def test_a_winner_that_is_not_named_is_found_by_its_box(tmp_path: Path) -> None:
    line = record(0).model_dump(mode="json")
    del line["winner"]
    other = record(1).model_dump(mode="json") | {"start_box": [0, 0, 1, 1]}
    del other["winner"]
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(line) + "\n" + json.dumps(other))
    assert read_annotations(path).table.winner.tolist() == [1, -1]


# -- what does not fit

GOOD = json.dumps({"episode_index": 1})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "no JSON object"),
        (b"[1]", "no JSON object"),
        (b"7", "no JSON object"),
        (b"\xff\xfe{}", "no JSON object"),
        (b"[" * 200_000, "no JSON object"),
        (b'{"episode_index":2}{"episode_index":3}', "no JSON object"),
        (b"{}", "episode_index is missing or no episode number"),
        (b'{"episode_index": -1}', "episode_index is missing or no episode number"),
        (b'{"episode_index": 2.5}', "episode_index is missing or no episode number"),
        (b'{"episode_index": 2147483648}', "episode_index is missing or no episode number"),
        (b'{"episode_index": 1e999}', "episode_index is missing or no episode number"),
        (b'{"episode_index": NaN}', "episode_index is missing or no episode number"),
        (b'{"episode_index": true}', "episode_index is no number"),
        (b'{"episode_index": "2"}', "episode_index is no number"),
        (b'{"episode_index": ' + b"9" * 400 + b"}", "episode_index is missing or no episode"),
        (b'{"episode_index": 2, "subtask_index": -1}', "subtask_index is no number of a subtask"),
        (b'{"episode_index": 2, "score": "high"}', "score is no number"),
        (b'{"episode_index": 2, "start_box": 5}', "start_box is no list"),
        (b'{"episode_index": 2, "start_box": ["a"]}', "start_box is no number"),
        (b'{"episode_index": 2, "object": 3}', "object is no text"),
        (b'{"episode_index": 2, "warnings": [3]}', "warnings is no text"),
        (b'{"episode_index": 2, "candidates": {}}', "candidates is no list"),
        (b'{"episode_index": 2, "candidates": [5]}', "candidates is no list of objects"),
    ],
)
def test_a_line_that_does_not_fit_is_skipped_and_told(
    tmp_path: Path, line: bytes, why: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD.encode() + b"\n\n" + line + b"\n" + GOOD.encode().replace(b"1", b"4"))
    read = read_annotations(path)
    assert read.table.episode.tolist() == [1, 4]
    assert read.lines.tolist() == [1, 4]
    assert only(read, "line_skipped").startswith(f"Line 3: skipped: {why}")


def test_many_lines_that_do_not_fit_are_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD + "\n" + "{}\n" * 500)
    message = only(read_annotations(path), "line_skipped")
    assert message.startswith("Lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 490 more: skipped")


def test_an_endless_line_costs_no_memory_and_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "LONGEST_LINE", 1 << 20)
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        GOOD.encode() + b"\n" + b'{"a":"' + b"x" * (5 << 20) + b'"}\n{"episode_index":2}'
    )
    read = read_annotations(path)
    assert read.table.episode.tolist() == [1, 2]
    assert "Line 2: skipped: longer than 1 MiB" in only(read, "line_skipped")


def test_a_file_in_which_no_line_fits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text('{"a": 1}\n{"b": 2}\n')
    with pytest.raises(
        DataError, match=r"truth\.jsonl: nothing in it is an annotation.*Lines 1, 2"
    ):
        read_annotations(path)


def test_an_empty_file_holds_no_annotations(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n \n")
    read = read_annotations(path)
    assert len(read.table) == 0
    assert "holds no annotations" in only(read, "no_annotations")


def test_files_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.jsonl: there is no such file"):
        read_annotations(tmp_path / "nowhere.jsonl")
    with pytest.raises(DataError, match="found neither"):
        read_annotations(tmp_path)
    broken = tmp_path / "a.parquet"
    broken.write_bytes(b"PAR1" + b"x" * 100)
    with pytest.raises(DataError, match=r"a\.parquet is damaged or no Parquet file"):
        read_annotations(broken)


def test_boxes_that_are_none_are_told(tmp_path: Path) -> None:
    bad: list[Any] = [[1, 2, 3], [5, 0, 1, 9], [0, 0, float("nan"), 1], [0, 0, 1e300, 1], []]
    lines = [{"episode_index": k, "start_box": b} for k, b in enumerate([*bad, None, [1, 1, 1, 1]])]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    read = read_annotations(path)
    assert [read.table.box(k) for k in range(7)] == [None] * 6 + [(1, 1, 1, 1)]
    message = only(read, "box_not_usable")
    assert message.startswith("Lines 1, 2, 3, 4, 5: start_box")


def test_candidates_come_by_id_and_once(tmp_path: Path) -> None:
    line = record(0, count=4).model_dump(mode="json")
    first, second, third, fourth = line["candidates"]
    again = third | {"id": 1, "label": "again"}
    line["candidates"] = [fourth, second, again, first | {"id": None}, third | {"id": -3}, first]
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(line) + "\n" + record(1).model_dump_json())
    read = read_annotations(path)
    columns = read.table.candidates
    assert columns.id.tolist() == [0, 1, 3, 0, 1, 2]
    assert columns.label[1] == second["label"]
    assert columns.counts.tolist() == [3, 3]
    assert [p.message for p in read.problems] == [
        "Line 1: a candidate without a usable id is left out.",
        "Line 1: two candidates have one id; the first is kept.",
    ]


def test_terms_that_are_not_finite_count_as_nothing_and_shares_stay_shares(tmp_path: Path) -> None:
    line = record(0).model_dump(mode="json")
    line["candidates"][0] |= {"motion_in": float("nan"), "detector": None, "overlap": 7.0}
    line["candidates"][1] |= {"motion_in": 1e300, "relief": -1, "points": -4}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(line))
    columns = read_annotations(path).table.candidates
    assert columns.motion_in[:2].tolist() == [0, 0]
    assert columns.detector[0] == 0
    assert columns.overlap[0] == 1
    assert columns.relief[1] == 0
    assert columns.points[1] == 0


def test_a_winner_that_is_no_candidate_is_none(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [record(0, winner=9), record(1)])
    read = read_annotations(path)
    assert read.table.winner.tolist() == [-1, 1]
    assert "Line 1" in only(read, "winner_not_found")


def test_more_candidates_than_bits_are_told_and_absurd_lists_are_skipped(tmp_path: Path) -> None:
    many = [record(0, count=33), record(1, count=32), record(2, count=LONGEST_LIST + 1)]
    read = read_annotations(write_lines(tmp_path / "a.jsonl", many))
    assert read.table.candidates.counts.tolist() == [33, 32]
    assert codes(read.problems) == {"many_candidates", "line_skipped"}


def test_of_two_annotations_of_a_subtask_the_last_counts(tmp_path: Path) -> None:
    lines = [record(0, caption="old"), record(1), record(0, caption="new"), record(0, 1)]
    lines.append(record(0, dataset="other"))
    read = read_annotations(write_lines(tmp_path / "a.jsonl", lines))
    captions = [read.table.caption[k] for k in range(len(read.table))]
    assert captions[1] == "new"
    assert read.table.dataset.rows("other").sum() == 1
    assert read.lines.tolist() == [2, 3, 4, 5]
    assert only(read, "annotated_again").startswith("Line 1:")


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


# -- folders of batch runs


def test_the_folder_of_a_run_is_read_finished_or_not(tmp_path: Path, own: list[Annotation]) -> None:
    dataset = tmp_path / "toys"
    dataset.mkdir()
    folder = tmp_path / "toys.demoscope" / "annotations"
    write_table(folder / "parts" / "000001.parquet", own[:4], {})
    write_table(folder / "parts" / "000002.parquet", own[4:] + own[:1], {})
    (folder / "parts" / ".000003.parquet.part").write_bytes(b"half")
    (folder / "run.json").write_text(json.dumps({"options": {"scores": {"motion_weight": 2.0}}}))
    read = read_annotations(folder)
    assert read.options.motion_weight == 2.0
    assert read.dataset == dataset, "it lies beside the folder that is named after it"
    assert codes(read.problems) == {"run_unfinished", "annotated_again"}
    assert_equal(read.table, AnnotationTable.of(own[1:] + own[:1]))
    phases = read_phases(read.path, read.lines, read.table.episode, read.table.subtask)
    assert list(phases) == [a.phases for a in own[1:] + own[:1]]

    (folder / "parts" / "000002.parquet").write_bytes(b"PAR1 cut short")
    read = read_annotations(folder)
    assert len(read.table) == 4
    assert codes(read.problems) == {"run_unfinished", "part_skipped"}

    write_table(folder / "annotations.parquet", own, {})
    read = read_annotations(folder)
    assert read.problems == ()
    assert read.path == folder / "annotations.parquet"
    assert len(read.table) == len(own)
    os.utime(folder / "parts" / "000001.parquet", (2e9, 2e9))
    assert "1 of its parts are newer" in only(read_annotations(folder), "run_unfinished")


@pytest.mark.parametrize("text", ["{", "[]", '{"options": 5, "dataset": 7}'])
def test_a_strange_run_record_says_nothing(tmp_path: Path, text: str) -> None:
    write_table(tmp_path / "annotations.parquet", [record(0)], {})
    (tmp_path / "run.json").write_text(text)
    read = read_annotations(tmp_path)
    assert read.problems == ()
    assert read.options == ScoresOptions()


def test_phases_of_a_file_that_changed_are_refused(tmp_path: Path, own: list[Annotation]) -> None:
    path = write_lines(tmp_path / "a.jsonl", own)
    read = read_annotations(path)
    write_lines(path, own[1:])
    with pytest.raises(DataError, match="has changed since it was read"):
        list(read_phases(path, read.lines, read.table.episode, read.table.subtask))


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


# -- memory


def test_arrays_grow_in_place_to_what_was_added() -> None:
    column, wide = Growing(np.int32), Growing(np.float32, 2)
    wide.reserve(100)
    added = [np.arange(n) for n in (0, 3, 1, 400, 2)]
    for values in added:
        column.add(values)
        wide.add(np.stack([values, -values], axis=1))
    expected = np.concatenate(added)
    found = column.finish()
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(wide.finish(), np.stack([expected, -expected], axis=1))
    assert len(column.finish()) == 0


# Anything at all

NUMBER = st.one_of(
    st.integers(-2, 5),
    st.floats(),
    st.sampled_from([1e300, -1e39, 2**31, 2**31 - 1, 10**30, 2.0, 2.5]),
)
ODD = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.just([]), st.just({}))
SOMETHING = st.one_of(NUMBER, NUMBER, NUMBER, ODD)
LIST_OF_NUMBERS = st.one_of(st.lists(NUMBER, min_size=4, max_size=4), st.lists(SOMETHING), ODD)
CANDIDATE = st.fixed_dictionaries(
    {"id": st.one_of(st.integers(0, 4), SOMETHING)},
    optional={
        "box": LIST_OF_NUMBERS,
        "detector": SOMETHING,
        "overlap": SOMETHING,
        "points": SOMETHING,
        "label": st.one_of(st.text(max_size=2), SOMETHING),
        "more": SOMETHING,
    },
)
LINE = st.fixed_dictionaries(
    {"episode_index": st.one_of(st.integers(0, 3), st.integers(0, 3), SOMETHING)},
    optional={
        "subtask_index": st.one_of(st.integers(0, 1), SOMETHING),
        "winner": SOMETHING,
        "score": SOMETHING,
        "start_box": LIST_OF_NUMBERS,
        "object": st.one_of(st.text(max_size=2), SOMETHING),
        "warnings": st.one_of(st.lists(st.text(max_size=2), max_size=2), SOMETHING),
        "candidates": st.one_of(st.lists(CANDIDATE, max_size=4), st.lists(SOMETHING), SOMETHING),
        "more": SOMETHING,
    },
)


@given(st.lists(LINE, min_size=1, max_size=8))
def test_a_block_is_read_alike_at_once_and_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, found: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in found))

    def read() -> ReadAnnotations | str:
        try:
            return read_annotations(path)
        except DataError as error:
            return str(error)

    at_once = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_parsed", lambda lines: None)
        one_by_one = read()
    if isinstance(at_once, str) or isinstance(one_by_one, str):
        assert at_once == one_by_one
        return
    assert_equal(at_once.table, one_by_one.table)
    assert at_once.lines.tolist() == one_by_one.lines.tolist()
    assert at_once.problems == one_by_one.problems
    # what the score is computed from is always a number
    columns = at_once.table.candidates
    for name in MEASURED:
        assert np.isfinite(getattr(columns, name)).all()
    for row in range(len(at_once.table)):
        ids = columns.id[columns.rows_of(row)]
        assert (np.diff(ids) > 0).all()
        assert at_once.table.winner[row] in (-1, *ids) or not len(ids)


@given(st.binary(max_size=300))
def test_bytes_are_annotations_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    for content in (data, b"PAR1" + data, b"PAR1" + data + b"PAR1"):
        path.write_bytes(content)
        said = ""
        try:
            read_annotations(path)
        except DataError as error:
            said = str(error)
        assert not said or str(path) in said
        assert "\n" not in said


@pytest.mark.parametrize("place", range(20))
def test_a_damaged_parquet_is_one_sentence_or_read(
    tmp_path: Path, own: list[Annotation], place: int
) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, own, {})
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(place)
    for at in rng.integers(4, len(data), 6):
        data[at] ^= 0xFF
    path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)] if place % 2 else data)
    with contextlib.suppress(DataError):
        read_annotations(path)


def test_lists_that_compress_to_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    bomb = pa.array([[{"id": 0}] * 100_000] * 3)
    pq.write_table(pa.table({"episode_index": [0, 1, 2], "candidates": bomb}), path)
    with pytest.raises(DataError, match="more than 256 candidates per annotation"):
        read_annotations(path)
