"""Word diffs of captions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.review.word_diff import DiffPart, WordChange, is_changed, word_diff

KEPT, REMOVED, ADDED = WordChange.KEPT, WordChange.REMOVED, WordChange.ADDED


def plain(parts: tuple[DiffPart, ...], *kinds: WordChange) -> str:
    text = ""
    for part in parts:
        if part.change in kinds:
            text += ("" if part.close or not text else " ") + part.text
    return text


def test_words_that_differ_are_told_with_what_replaces_them() -> None:
    found = word_diff("Put the green cup on the plate.", "Stack the red cup on top of the plate.")
    assert [(p.change, p.text) for p in found] == [
        (REMOVED, "Put"),
        (ADDED, "Stack"),
        (KEPT, "the"),
        (REMOVED, "green"),
        (ADDED, "red"),
        (KEPT, "cup on"),
        (ADDED, "top of"),
        (KEPT, "the plate."),
    ]


def test_capitals_and_full_stops_change_no_word() -> None:
    assert not is_changed(word_diff("Put the cup in the bowl", "put the cup in the bowl"))
    found = word_diff("Put the cup in the bowl.", "Put the cup in the bowl, then stop.")
    assert plain(found, ADDED) == ", then stop"
    assert plain(found, KEPT, ADDED) == "Put the cup in the bowl, then stop."


def test_hyphens_and_apostrophes_stay_in_their_word() -> None:
    assert [p.text for p in word_diff("the left-most block", "the right-most block")] == [
        "the",
        "left-most",
        "right-most",
        "block",
    ]


def test_an_empty_side_is_all_new_or_all_gone() -> None:
    assert [(p.change, p.text) for p in word_diff("", "Lift it.")] == [(ADDED, "Lift it.")]
    assert [(p.change, p.text) for p in word_diff("Lift it.", "")] == [(REMOVED, "Lift it.")]
    assert word_diff("", "") == ()


WORDS = st.lists(st.sampled_from(["put", "the", "red", "cup", "on", ",", "."]), max_size=12)


@given(WORDS, WORDS)
def test_both_sentences_can_be_read_from_the_diff(old: list[str], new: list[str]) -> None:
    found = word_diff(" ".join(old), " ".join(new))

    def words(*kinds: WordChange) -> list[str]:
        text = " ".join(p.text for p in found if p.change in kinds)
        return text.replace(",", " , ").replace(".", " . ").split()

    assert words(KEPT, REMOVED) == old
    assert words(KEPT, ADDED) == new
