"""Anything at all as a file of annotations: it is read, or refused with one sentence."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.annotations.jsonl as jsonl
from pipeline.annotations.parquet import (
    write_table,
)
from pipeline.annotations.reading import ReadAnnotations, read_annotations
from pipeline.annotations.table import MEASURED
from pipeline.model.annotation import Annotation
from pipeline.model.problem import DataError
from tests.pipeline.annotation_records import assert_equal, records


@pytest.fixture
def own(tmp_path: Path) -> list[Annotation]:
    return records(9)


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
