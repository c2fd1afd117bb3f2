"""Annotations column by column: what goes in comes out, whatever rows are taken."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.annotations.judgements import MOST_CANDIDATES, Judgements
from pipeline.annotations.table import AnnotationTable, TextLists, Texts
from tests.pipeline.annotation_records import record, records

OWN = records(7)
TABLE = AnnotationTable.of(OWN)


def test_records_come_back_row_by_row() -> None:
    for row, annotation in enumerate(OWN):
        assert tuple(TABLE.records_of(row)) == annotation.candidates
        assert TABLE.box(row) == annotation.start_box
        assert TABLE.warnings[row] == annotation.warnings
        for name in ("dataset", "arm", "camera", "task", "instruction", "object", "caption"):
            assert getattr(TABLE, name)[row] == getattr(annotation, name)
        assert TABLE.episode[row] == annotation.episode_index
        assert TABLE.winner[row] == annotation.winner
        assert TABLE.by_person[row] == (annotation.chosen_by == "person")
        expected = np.nan if annotation.score is None else annotation.score
        np.testing.assert_equal(TABLE.score[row], expected)


@given(st.lists(st.integers(0, len(OWN) - 1), max_size=30))
def test_taking_rows_is_making_a_table_of_those_records(rows: list[int]) -> None:
    taken = TABLE.take(np.array(rows, np.int64))
    assert len(taken) == len(rows)
    for place, row in enumerate(rows):
        assert tuple(taken.records_of(place)) == OWN[row].candidates
        assert taken.warnings[place] == OWN[row].warnings
        assert taken.caption[place] == OWN[row].caption


def test_a_mask_takes_rows_in_order() -> None:
    mask = TABLE.episode % 2 == 1
    assert TABLE.take(mask).episode.tolist() == [e for e in TABLE.episode.tolist() if e % 2]
    assert len(TABLE.take(np.zeros(len(TABLE), np.bool_))) == 0


@given(st.lists(st.text(max_size=2), max_size=20), st.text(max_size=2))
def test_texts_are_found(texts: list[str], wanted: str) -> None:
    column = Texts.of(texts)
    assert [column[k] for k in range(len(column))] == texts
    assert column.rows(wanted).tolist() == [t == wanted for t in texts]


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=12), st.sampled_from("abcd"))
def test_rows_whose_list_has_a_text_are_found(lists: list[list[str]], wanted: str) -> None:
    column = TextLists.of(lists)
    assert [list(column[k]) for k in range(len(column))] == lists
    assert column.rows(wanted).tolist() == [wanted in texts for texts in lists]


def test_an_empty_table_has_no_rows() -> None:
    table = AnnotationTable.of([])
    assert (len(table), len(table.candidates.id)) == (0, 0)
    assert table.start_box.shape == (0, 4)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"score: expected 14 rows, got 13"):
        dataclasses.replace(TABLE, score=TABLE.score[1:])


def test_candidates_beyond_the_bits_are_neither_right_nor_known() -> None:
    everything = np.array([0xFFFFFFFF], np.uint32)
    judged = Judgements(everything, everything)
    for row, expected in ((0, True), (31, True), (MOST_CANDIDATES, False), (200, False)):
        right, known = judged.of(np.array([row]))
        assert (right[0], known[0]) == (expected, expected)


def test_choosing_nothing_is_wrong_where_anything_is_known() -> None:
    judged = Judgements(np.array([1, 0, 0], np.uint32), np.array([1, 4, 0], np.uint32))
    right, known = judged.of(np.array([-1, -1, -1]))
    assert right.tolist() == [False, False, False]
    assert known.tolist() == [True, True, False]


def test_the_first_of_two_judgements_counts_row_by_row() -> None:
    people = Judgements(np.array([0, 0], np.uint32), np.array([2, 0], np.uint32))
    truth = Judgements(np.array([2, 1], np.uint32), np.array([7, 7], np.uint32))
    both = people.over(truth)
    assert both.right.tolist() == [0, 1]
    assert both.known.tolist() == [2, 7]


def test_rows_without_candidates_keep_their_place() -> None:
    table = AnnotationTable.of([record(0, count=0), record(1, count=2), record(2, count=0)])
    assert table.candidates.counts.tolist() == [0, 2, 0]
    assert [len(tuple(table.records_of(k))) for k in range(3)] == [0, 2, 0]
