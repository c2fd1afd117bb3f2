"""Whether a critique is accurate, complete and constructive, by rules."""

from __future__ import annotations

import pytest

from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.review.critique import (
    CritiqueDraft,
    Quality,
    compose,
    examine,
    is_constructive,
    own_words,
)

F = CaptionField
ABOUT = "Put the orange cube in the bowl."
PARTS = CaptionFields("put", "orange cube", "in", "bowl", "right")
VERBS = ("put", "stack", "pick up")


def draft(
    text: str = "",
    fields: tuple[CaptionField, ...] = (),
    corrections: tuple[tuple[CaptionField, str], ...] = (),
) -> CritiqueDraft:
    return CritiqueDraft(ABOUT, PARTS, fields, text, corrections)


@pytest.mark.parametrize(
    "text",
    ["this is wrong", "Wrong verb.", "bad caption", "It is not right.", "The object is incorrect"],
)
def test_blame_without_a_fix_is_not_constructive(text: str) -> None:
    hints = examine(draft(text))
    assert hints[0].quality is Quality.CONSTRUCTIVE
    assert not is_constructive(draft(text))


@pytest.mark.parametrize(
    "text",
    [
        "the verb should be stack",
        "It is red.",
        "say “red cube”",
        "red instead of orange",
        "orange → red",
        "Remove the destination.",
        "object: “green cup”",
    ],
)
def test_a_fix_in_words_is_constructive(text: str) -> None:
    assert is_constructive(draft(text))


def test_a_marked_part_wants_its_right_value() -> None:
    hints = examine(draft(fields=(F.VERB, F.OBJECT), corrections=((F.VERB, "stack"),)))
    assert [h.message for h in hints] == ["Say what the object should be instead."]
    given = ((F.VERB, "stack"), (F.OBJECT, "red cube"))
    assert examine(draft(fields=(F.VERB, F.OBJECT), corrections=given), VERBS) == ()


def test_an_empty_critique_says_what_to_do() -> None:
    assert examine(draft())[0].message.startswith("Mark what is wrong")


def test_what_the_caption_has_already_is_no_correction() -> None:
    hints = examine(draft(fields=(F.OBJECT,), corrections=((F.OBJECT, "Orange  cube"),)))
    assert [h.quality for h in hints] == [Quality.ACCURATE]
    assert "already" in hints[0].message


def test_a_verb_of_ones_own_is_named() -> None:
    hints = examine(draft(fields=(F.VERB,), corrections=((F.VERB, "yeet"),)), VERBS)
    assert hints[0].message == "“yeet” is no verb of the vocabulary."
    assert examine(draft(fields=(F.VERB,), corrections=((F.VERB, "yeet"),))) == ()


def test_words_that_the_caption_does_not_say_are_inaccurate() -> None:
    hints = examine(draft("The cube should be red instead of blue.", (F.OBJECT,)))
    assert [h.message for h in hints if h.quality is Quality.ACCURATE] == [
        "The caption does not say “blue”."
    ]
    assert not [
        h
        for h in examine(draft("red, not “orange cube”", (F.OBJECT,)))
        if h.quality is Quality.ACCURATE
    ]


def test_capitals_do_not_make_a_word_another_one() -> None:
    named = CritiqueDraft("Put the Red cube down.", PARTS, (F.OBJECT,), "blue, not “red cube”", ())
    assert examine(named) == ()


def test_a_correction_counts_as_said_only_in_whole_words() -> None:
    given = ((F.OBJECT, "cup"),)
    said = compose(draft("It does not go into the cupboard.", (F.OBJECT,), given))
    assert said.endswith("Object should be “cup”, not “orange cube”.")
    for text in ("It is the Cup.", "Cup! Look at the end."):
        assert compose(draft(text, (F.OBJECT,), given)) == text


def test_a_part_that_is_spoken_of_and_not_marked_is_told() -> None:
    hints = examine(draft("the destination should be the box", (F.VERB,), ((F.VERB, "stack"),)))
    assert [h.quality for h in hints] == [Quality.COMPLETE]
    assert "destination" in hints[0].message


def test_what_the_machine_doubts_is_asked_for() -> None:
    doubted = {F.OBJECT: "color differs"}
    given = draft(fields=(F.VERB,), corrections=((F.VERB, "stack"),))
    assert "color differs" in examine(given, VERBS, doubted)[0].message
    also = draft(fields=(F.VERB, F.OBJECT), corrections=((F.VERB, "stack"), (F.OBJECT, "red cube")))
    assert examine(also, VERBS, doubted) == ()
    assert examine(draft(), VERBS, doubted)[0].quality is Quality.CONSTRUCTIVE


def test_right_values_become_sentences_once() -> None:
    given = ((F.VERB, "stack"), (F.SOURCE, "drawer"))
    made = compose(draft(fields=(F.VERB, F.SOURCE, F.ARM), corrections=given))
    assert made == "Verb should be “stack”, not “put”. Source should be “drawer”. Wrong: arm."
    said = compose(draft("It should be stack.", (F.VERB, F.SOURCE), given))
    assert said == "It should be stack. Source should be “drawer”."
    assert compose(draft("It should be stack.", (F.VERB,), given[:1])) == "It should be stack."


def test_what_was_made_is_taken_off_again() -> None:
    fields, given = (F.VERB, F.SOURCE), ((F.VERB, "stack"), (F.SOURCE, "drawer"))
    for text in ("", "Look at the end."):
        made = compose(draft(text, fields, given))
        assert own_words(draft(made, fields, given)) == text
