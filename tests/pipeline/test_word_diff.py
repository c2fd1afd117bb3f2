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


def test_brackets_and_quotes_are_set_close_to_what_they_hold() -> None:
    sentence = "Put the cup (red) & the “lid” down."
    assert [(p.text, p.close) for p in word_diff("", sentence)] == [(sentence, False)]
    found = word_diff("Put the cup down.", "Put the cup (red) down!")
    assert [(p.change, p.text, p.close) for p in found] == [
        (KEPT, "Put the cup", False),
        (ADDED, "(red)", False),
        (KEPT, "down", False),
        (REMOVED, ".", True),
        (ADDED, "!", True),
    ]


def test_an_empty_side_is_all_new_or_all_gone() -> None:
    assert [(p.change, p.text) for p in word_diff("", "Lift it.")] == [(ADDED, "Lift it.")]
    assert [(p.change, p.text) for p in word_diff("Lift it.", "")] == [(REMOVED, "Lift it.")]
    assert word_diff("", "") == ()


def test_scripts_without_spaces_are_compared_letter_by_letter() -> None:
    found = word_diff("把橙色的方块放进碗里。", "把红色的方块放进碗里。")
    assert [(p.change, p.text, p.close) for p in found] == [
        (KEPT, "把", True),
        (REMOVED, "橙", True),
        (ADDED, "红", True),
        (KEPT, "色的方块放进碗里。", True),
    ]
    assert plain(word_diff("赤い箱を置く", "青い箱を置く"), KEPT, ADDED) == "青い箱を置く"


def test_vowel_signs_stay_with_their_letters() -> None:
    for text in ("हरी किताब को प्लेट पर रखो।", "ضَعِ المُكَعَّبَ في الوِعاءِ.", "วางถ้วยบนจาน"):
        found = word_diff(text, text)
        assert plain(found, KEPT) == text
    found = word_diff("ضع المكعب البرتقالي في الوعاء.", "ضع المكعب الأحمر في الوعاء.")
    assert [(p.change, p.text) for p in found][1:3] == [(REMOVED, "البرتقالي"), (ADDED, "الأحمر")]


def test_a_word_that_becomes_the_first_keeps_its_space() -> None:
    found = word_diff("Slowly put the cup down.", "put the cup down.")
    assert plain(found, REMOVED, KEPT) == "Slowly put the cup down."


WORDS = st.lists(st.sampled_from(["put", "the", "red", "cup", "on", ",", "."]), max_size=12)


@given(WORDS, WORDS)
def test_both_sentences_can_be_read_from_the_diff(old: list[str], new: list[str]) -> None:
    found = word_diff(" ".join(old), " ".join(new))

    def words(*kinds: WordChange) -> list[str]:
        text = " ".join(p.text for p in found if p.change in kinds)
        return text.replace(",", " , ").replace(".", " . ").split()

    assert words(KEPT, REMOVED) == old
    assert words(KEPT, ADDED) == new
