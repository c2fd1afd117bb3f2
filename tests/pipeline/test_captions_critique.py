"""Critiques in people's words, read by rules."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.model.edits import CritiqueCaption, ReviewCaption, TagCaption
from pipeline.stages.caption_corrections import (
    corrected,
    recolored,
    sentence_of,
    tagged,
)
from pipeline.stages.caption_critique import parts_of, read_critique

F = CaptionField
CUP = CaptionFields("put", "blue cup", "in", "bowl", "right")


def _revised(text: str, *about: CaptionField, fields: CaptionFields = CUP) -> str:
    found = read_critique(text, fields, about)
    return sentence_of(corrected(fields, found)) if found else ""


@pytest.mark.parametrize(
    ("critique", "caption"),
    [
        ("the object is green, not blue", "Put the green cup in the bowl."),
        ("The cup is green, not blue.", "Put the green cup in the bowl."),
        ("not blue but green", "Put the green cup in the bowl."),
        ("green instead of blue", "Put the green cup in the bowl."),
        ("Replace blue with green", "Put the green cup in the bowl."),
        ("blue -> green", "Put the green cup in the bowl."),
        ("The colour should be green.", "Put the green cup in the bowl."),
        ("It’s the wrong colour, should be green", "Put the green cup in the bowl."),
        ("It is a mug, not a cup.", "Put the blue mug in the bowl."),
        ("object: lemon", "Put the lemon in the bowl."),
        ("should be stack", "Stack the blue cup in the bowl."),
        ("Wrong verb: it should be “stack”.", "Stack the blue cup in the bowl."),
        ("The verb is wrong, it should be stacking", "Stack the blue cup in the bowl."),
        ("use stack instead of put", "Stack the blue cup in the bowl."),
        ("wrong destination: drawer", "Put the blue cup in the drawer."),
        ("The destination is the drawer, not the bowl", "Put the blue cup in the drawer."),
        ("on the plate, not in the bowl", "Put the blue cup on the plate."),
        ("should be on top of the plate", "Put the blue cup on top of the plate."),
        ("The relation should be on top of, not in", "Put the blue cup on top of the bowl."),
        ("There is no destination.", "Put the blue cup."),
        ("remove the destination", "Put the blue cup."),
        (
            "verb should be stack and the object is green, not blue",
            "Stack the green cup in the bowl.",
        ),
        (
            "Should be: “Stack the green packet on top of the violet packet.”",
            "Stack the green packet on top of the violet packet.",
        ),
        (
            "The object should be a red can and the destination should be the drawer.",
            "Put the red can in the drawer.",
        ),
    ],
)
def test_understood(critique: str, caption: str) -> None:
    assert _revised(critique) == caption


@pytest.mark.parametrize(
    "critique",
    [
        "this is wrong",
        "bad caption",
        "Wrong object",
        "The destination is wrong.",
        "The object is not blue",
        "wrong destination: bowl",  # the caption says so already
        "Look at the video again.",
        "Take another look at the cup, please",
        "物体是绿色的",
        "",
        "?!.,",
        "the verb is",
    ],
)
def test_what_says_no_right_value_changes_nothing(critique: str) -> None:
    assert read_critique(critique, CUP) == ()


def test_a_bare_value_is_of_the_part_that_was_flagged() -> None:
    assert _revised("drawer", F.DESTINATION) == "Put the blue cup in the drawer."
    assert _revised("stack", F.VERB) == "Stack the blue cup in the bowl."
    assert _revised("drawer") == ""
    assert _revised("wrong", F.DESTINATION) == ""
    assert read_critique("left arm", CUP, (F.ARM,)) == ((F.ARM, "left arm"),)
    assert corrected(CUP, [(F.ARM, "left arm")]).arm == "left"


def test_values_keep_their_braces_and_never_become_patterns() -> None:
    assert _revised("wrong object: c(up") == "Put the c(up in the bowl."
    assert read_critique("(" * 300, CUP) == ()
    assert read_critique("the object is " + "very " * 800 + "long", CUP) != ()


def test_recolored() -> None:
    assert recolored("yellow and white mug", "green") == "green mug"
    assert recolored("mug", "green") == "green mug"
    assert recolored("shiny red cup", "green") == "shiny green cup"
    assert recolored("orange", "green") == "green orange"


def test_a_new_destination_gets_the_usual_relation() -> None:
    cup = CaptionFields("put", "cup")
    assert (
        sentence_of(corrected(cup, [(F.DESTINATION, "the table")])) == "Put the cup on the table."
    )
    assert sentence_of(corrected(cup, [(F.DESTINATION, "drawer")])) == "Put the cup in the drawer."
    given = [(F.RELATION, "behind"), (F.DESTINATION, "box")]
    assert sentence_of(corrected(cup, given)) == "Put the cup behind the box."
    stack = corrected(cup, [(F.VERB, "stacked"), (F.DESTINATION, "red box")])
    assert sentence_of(stack) == "Stack the cup on top of the red box."


def test_tags_decide_what_they_name() -> None:
    fields, decided = tagged(CUP, [("verb", "stack"), ("color", "green"), ("outcome", "success")])
    assert sentence_of(fields) == "Stack the green cup in the bowl."
    assert decided == ("verb", "color")
    fields, decided = tagged(CUP, [("object", "red box"), ("object", "blue cup")])
    assert fields == CUP  # the drafted object is among those that are there
    assert decided == ("object",)
    assert tagged(CUP, [("verb", ""), ("unheard of", "x")]) == (CUP, ())


def test_parts_of_a_caption_that_a_person_wrote() -> None:
    fields = parts_of("Stack the green cup on top of the red box.", CUP)
    assert fields == CaptionFields("stack", "green cup", "on top of", "red box", "right")
    assert parts_of("???", CUP) == CUP


def test_what_supersedes_what_and_how_it_is_called() -> None:
    """Edits with equal slots supersede each other: critiques never do, and subtasks stay apart."""
    first = CritiqueCaption(subtask=0, uid="a", about="Lift it.", text="It is red.")
    refined = CritiqueCaption(subtask=0, uid="b", about="Lift it.", text="It is pink.", refines="a")
    agreed = ReviewCaption(subtask=0, of="ann", caption="Lift it.", agrees=True)
    objected = ReviewCaption(subtask=1, of="ann", caption="Lift it.", agrees=False)
    tags = [TagCaption(subtask=k, tags=(("verb", "lift"),)) for k in (0, 1, 1)]
    assert (first.refines, agreed.critique, agreed.note) == ("", "", "")
    assert tags[1].slot == tags[2].slot
    assert len({e.slot for e in (first, refined, agreed, objected, *tags)}) == 6
    titles = [e.title for e in (first, refined, agreed, objected)]
    assert titles == [
        "critique the caption",
        "refine the critique",
        "agree with the caption",
        "disagree with the caption",
    ]


@pytest.mark.parametrize(
    "change", [{"uid": "a" * 65}, {"uid": ""}, {"about": "a" * 4001}, {"text": "a" * 4001}]
)
def test_a_critique_is_bounded(change: dict[str, str]) -> None:
    fitting = {"uid": "a" * 64, "about": "a" * 4000, "text": "a" * 4000}
    assert CritiqueCaption(subtask=0, **fitting).uid == fitting["uid"]  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        CritiqueCaption(subtask=0, **(fitting | change))  # type: ignore[arg-type]
