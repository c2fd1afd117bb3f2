"""Files of annotations: what was written comes back, and what does not fit is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pipeline.annotations.jsonl as jsonl
from pipeline.annotations.columns import LONGEST_LIST
from pipeline.annotations.growing import Growing
from pipeline.annotations.parquet import (
    write_table,
)
from pipeline.annotations.phase_lists import read_phases
from pipeline.annotations.reading import read_annotations
from pipeline.annotations.table import AnnotationTable
from pipeline.model.annotation import Annotation
from pipeline.model.problem import DataError
from pipeline.scoring.formula import ScoresOptions
from tests.datasets import codes
from tests.pipeline.annotation_records import assert_equal, only, record, records, write_lines


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
