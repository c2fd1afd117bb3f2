"""Captions are decomposed into what they claim, whoever wrote them."""

from __future__ import annotations

import pytest

from pipeline.model.caption_fields import CaptionFields
from pipeline.model.checks import ConstraintKind as K
from pipeline.stages.check_claims import read_caption, written


def claims(text: str) -> list[tuple[K, str, str]]:
    return [(c.kind, c.text, c.words) for c in read_caption(text).claims]


def test_every_part_is_a_claim_in_the_order_of_the_sentence() -> None:
    assert claims("Put the red cube in the White bowl.") == [
        (K.VERB, "the action is “put”", "Put"),
        (K.COLOR, "the object is red", "red"),
        (K.PRESENT, "there is a cube", "red cube"),
        (K.RELATION, "the object ends in the white bowl", "in"),
        (K.COLOR, "the destination is white", "White"),
        (K.PRESENT, "there is a bowl", "White bowl"),
    ]


def test_words_inside_other_words_do_not_count() -> None:
    kinds = [c.kind for c in read_caption("Put the pink red-hot can in the red tin.").claims]
    assert kinds[0] is K.VERB
    assert kinds.index(K.RELATION) > kinds.index(K.COLOR)
    about = [c.about for c in read_caption("Put the red cube on the red plate.").claims]
    assert about == ["object", "object", "object", "destination", "destination", "destination"]


@pytest.mark.parametrize(
    ("text", "kind", "claim", "words"),
    [
        ("Put the two red cubes on the tray.", K.COUNT, "2 things are moved", "two"),
        ("Put the cubes on the tray.", K.COUNT, "more than one thing is moved", "cubes"),
        ("Move the cup to the left.", K.DIRECTION, "the object moves to the left", "to the left"),
        ("Take the spoon out of the pot.", K.DIRECTION, "the object leaves the pot", "pot"),
        ("Pick up the can with the left arm.", K.ARM, "the left arm does it", "left"),
        ("Put the dark blue cup on the tray.", K.COLOR, "the object is dark blue", "dark blue"),
        ("Wipe the grey table with a sponge.", K.COLOR, "the destination is grey", "grey"),
        ("Grab the can and put it next to the box.", K.VERB, "the action is “put”", "put"),
        ("Shut the drawer.", K.VERB, "the action is “close”", "Shut"),
        ("Pick up the scissors.", K.PRESENT, "there are scissors", "scissors"),
    ],
)
def test_claims(text: str, kind: K, claim: str, words: str) -> None:
    assert (kind, claim, words) in claims(text)


@pytest.mark.parametrize(
    "text", ["Pick up the scissors.", "Put the glass on the tray.", "Open the drawer."]
)
def test_one_thing_claims_no_number(text: str) -> None:
    assert not [c for c in read_caption(text).claims if c.kind is K.COUNT]


def test_two_colors_are_two_claims() -> None:
    found = [c.value for c in read_caption("Lift the yellow and white mug.").claims]
    assert found.count("yellow") == found.count("white") == 1


def test_words_are_those_of_the_phrase_that_is_meant() -> None:
    text = "Put the red cube on the red plate."
    assert written(text, "red", "red plate") == "red"
    assert written("The Red, small cube", "red small") == "Red, small"
    assert written(text, "blue") == ""


def test_what_is_not_understood_says_so() -> None:
    reading = read_caption("Lorem ipsum dolor.")
    assert reading.claims == ()
    assert reading.clause is None
    assert [p.code for p in reading.problems] == ["caption_not_understood"]
    assert [p.code for p in read_caption("").problems] == ["caption_not_understood"]


def test_fields_of_a_model_stand_in_for_a_sentence_that_the_rules_do_not_read() -> None:
    fields = CaptionFields("Reorient", "red cube", "on", "tray")
    reading = read_caption("Reorient that red cube thing.", fields)
    assert reading.clause is not None
    assert reading.clause.verb == "reorient"
    assert {c.kind for c in reading.claims} >= {K.VERB, K.COLOR, K.RELATION}


def test_of_several_actions_that_of_the_subtask_is_checked() -> None:
    reading = read_caption("Open the drawer and close the door.", verb="open")
    assert reading.clause is not None
    assert (reading.clause.verb, reading.clause.object_name) == ("open", "drawer")
    assert "caption_many_actions" in [p.code for p in reading.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Take the cube out of the box.", True),
        ("Take the cup off the plate.", True),
        ("Take the lid off of a pot.", True),
        ("Remove the lid from pot.", True),
        ("Lift the cube from the table.", True),
        ("Put the cup from the red shelf on the tray.", True),
        ("Grab the can out of a red box.", True),
        ("Flip pot upright which is in sink.", False),
        ("Pick up the yellow bottle on the table.", False),
        ("Take the cup inside the cabinet and put it on the table.", False),
    ],
)
def test_where_something_is_does_not_say_that_it_leaves(text: str, expected: bool) -> None:
    found = [c for c in read_caption(text).claims if c.kind is K.DIRECTION]
    assert bool(found) is expected
    assert all(c.text.startswith("the object leaves the") for c in found)
    assert [c for c in read_caption(text).claims if c.about == "source"]


@pytest.mark.parametrize(("verb", "expected"), [("remove", True), ("flip", False)])
def test_a_source_that_only_the_fields_name_is_left_by_verbs_that_say_so(
    verb: str, expected: bool
) -> None:
    fields = CaptionFields(verb, "lid", "", "", source="pot")
    reading = read_caption("Lorem ipsum dolor.", fields)
    assert reading.clause is not None
    assert bool([c for c in reading.claims if c.kind is K.DIRECTION]) is expected
