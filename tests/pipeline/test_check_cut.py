"""A recording that is cut does not show how the action ends: what could still change is unknown."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.candidate import Proposal
from pipeline.model.checks import ConstraintKind as K
from pipeline.model.checks import Outcome
from pipeline.stages.caption_check import check_caption
from pipeline.stages.check_claims import read_caption
from tests.pipeline.checked_scene import (
    BLUE,
    END,
    FRAMES,
    RED,
    START,
    WHITE,
    Made,
    Thing,
    arc,
    around,
    carried,
)

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
LAST = FRAMES - 1
STILL = np.tile(START, (FRAMES, 1))


def still(*more: Thing, cuts: tuple[int, ...] = (LAST,), **others: object) -> Made:
    """The object stands; a person chose it, so that the choice is not doubtful."""
    things = [Thing(around(START), RED, STILL), *more]
    defaults: dict[str, object] = {"held": None, "chosen_by": "person"}
    return Made(things, cuts=cuts, **(defaults | others))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("caption", "kind", "claim"),
    [
        ("Put the cube on the plate.", K.VERB, "another place"),
        ("Lift the cube.", K.VERB, "lifted"),
        ("Press the button.", K.VERB, "carried"),
        ("Take the cube out of the box.", K.DIRECTION, "leaves"),
        ("Push the cube.", K.VERB, "surface"),
    ],
)
def test_what_has_not_happened_yet_is_unknown(caption: str, kind: K, claim: str) -> None:
    found = still().of(caption, kind, claim)
    assert found.outcome is UNKNOWN
    assert found.why.endswith("but the end of the recording is missing.")
    assert still(cuts=()).of(caption, kind, claim).outcome is not UNKNOWN


def test_a_place_before_the_end_is_none() -> None:
    """It lies on a white thing from the start; nothing was put there yet."""
    under = Thing((15.0, 85.0, 65.0, 125.0), WHITE)
    for caption in (
        "Put it on the blue plate.",
        "Put it on the white plate.",
        "Put it on the box.",
    ):
        assert still(under).of(caption, K.RELATION).outcome is UNKNOWN
    assert still(under).of("Put it on the blue plate.", K.COLOR).outcome is UNKNOWN
    assert still(under, cuts=()).of("Put it on the blue plate.", K.COLOR).outcome is FAIL
    assert still(under, cuts=()).of("Put it on the white plate.", K.RELATION).outcome is PASS


@pytest.mark.parametrize(
    ("caption", "kind", "claim", "expected"),
    [
        ("Put it on the plate.", K.VERB, "held", PASS),
        ("Lift it.", K.VERB, "lifted", UNKNOWN),
        ("Push it.", K.VERB, "surface", UNKNOWN),
        ("Put it on the plate.", K.VERB, "let go", UNKNOWN),
        ("Put it on the plate.", K.VERB, "another place", UNKNOWN),
        ("Hold it.", K.VERB, "somewhere else", UNKNOWN),
        ("Move it to the left.", K.DIRECTION, "left", UNKNOWN),
        ("Move it to the right.", K.DIRECTION, "right", UNKNOWN),
        ("Stack it on the tray.", K.VERB, "specific item", FAIL),
        ("Lift the green cube.", K.COLOR, "green", FAIL),
        ("Put the two cubes on the tray.", K.COUNT, "2", UNKNOWN),
    ],
)
def test_a_cut_while_it_is_held(caption: str, kind: K, claim: str, expected: Outcome) -> None:
    made = carried(released=False, cuts=(LAST,))
    assert made.of(caption, kind, claim).outcome is expected


def test_what_happened_once_has_happened() -> None:
    held = Made([Thing(around(START), RED, arc())], held=None, chosen_by="person", cuts=(LAST,))
    assert held.of("Lift it.", K.VERB, "lifted").outcome is PASS
    assert held.of("Push it.", K.VERB, "surface").outcome is FAIL
    turned = carried(released=False, turn=60.0, cuts=(LAST,))
    assert turned.of("Pour it into the bowl.", K.VERB, "tilted").outcome is PASS
    strokes = STILL + np.array([(40.0 * (i % 2) * (4 <= i < 9), 0.0) for i in range(FRAMES)])
    wiped = Made([Thing(around(START), RED, strokes)], released=False, cuts=(LAST,))
    assert wiped.of("Shake it.", K.VERB, "back and forth").outcome is PASS


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (carried(cuts=(LAST,)), ""),  # the gripper let go before
        (carried(released=False, cuts=(LAST,)), "the end of the recording is missing"),
        (still(), "the end of the recording is missing"),
        (carried(cuts=(LAST,), span=(0, FRAMES - 3)), ""),  # the end of a later subtask
        (carried(cuts=(6,)), "the recording is cut at frame 6"),
        (carried(cuts=(0,)), ""),  # it approaches first
        (carried(cuts=(0,), held=(0, 9)), "the beginning of the recording is missing"),
        (still(cuts=(0,)), "the beginning of the recording is missing"),
        (still(cuts=(0,), span=(2, FRAMES)), ""),
        (carried(cuts=()), ""),
    ],
)
def test_a_cut_matters_where_the_action_is_not_seen_whole(made: Made, expected: str) -> None:
    assert made.scene.cut == expected


def test_without_a_grasp_the_choice_is_doubtful_unless_a_person_chose() -> None:
    things = [Thing(around(START), RED, STILL), Thing(around(END), BLUE)]
    caption = "Put the blue cube there."
    score = Made(things, held=None)
    assert score.of(caption, K.VERB, "another place").outcome is UNKNOWN
    found = score.of(caption, K.COLOR)
    assert found.outcome is UNKNOWN
    assert "no grasp in the gripper signal" in found.why
    assert found.evidence.candidates == (0, 1), "what has the colour is shown, too"
    person = Made(things, held=None, chosen_by="person")
    assert person.of(caption, K.VERB, "another place").outcome is FAIL
    assert person.of(caption, K.COLOR).outcome is FAIL


# -- an end that is not seen -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [K.COLOR, K.RELATION])
def test_what_it_is_last_seen_over_is_not_where_it_ends(kind: K) -> None:
    path = arc()
    path[6:] = np.nan  # lost in the air, over a white thing
    over = Thing((52.0, 55.0, 95.0, 95.0), WHITE)
    far = Thing((200.0, 20.0, 220.0, 40.0), BLUE)
    made = Made([Thing(around(START), RED, path), over, far])
    assert made.of("Put it on the blue plate.", kind).outcome is UNKNOWN


@pytest.mark.parametrize("kind", [K.COLOR, K.RELATION])
def test_a_box_that_shrank_to_nothing_ends_nowhere(kind: K) -> None:
    text = "Put it on the blue plate."
    far = Thing((40.0, 20.0, 60.0, 40.0), BLUE)
    for half, expected in ((10.0, FAIL), (2.0, UNKNOWN)):
        scene = carried(far).scene
        scene.tracks.boxes[-1, 0] = around(END, half)
        found = check_caption(text, read_caption(text), scene).constraints
        assert [c.outcome for c in found if c.kind is kind] == [expected]


LOST = STILL.copy()
LOST[6:] = np.nan
BACK = arc(START, START)


@pytest.mark.parametrize(
    ("caption", "kind", "claim"),
    [
        ("Put it there.", K.VERB, "another place"),
        ("Lift it.", K.VERB, "lifted"),
        ("Press it.", K.VERB, "carried"),
        ("Push it.", K.VERB, "surface"),
        ("Take it out of the box.", K.DIRECTION, "leaves"),
    ],
)
def test_what_was_lost_while_it_stood_says_nothing(caption: str, kind: K, claim: str) -> None:
    assert Made([Thing(around(START), RED, LOST)]).of(caption, kind, claim).outcome is UNKNOWN
    seen = Made([Thing(around(START), RED, STILL)]).of(caption, kind, claim).outcome
    assert seen is not UNKNOWN


@pytest.mark.parametrize(
    ("caption", "kind", "claim", "path"),
    [
        ("Put it there.", K.VERB, "another place", STILL),
        ("Lift it.", K.VERB, "lifted", STILL),
        ("Move it to the left.", K.DIRECTION, "left", arc()),
    ],
)
def test_a_track_whose_box_cannot_be_right_contradicts_nothing(
    caption: str, kind: K, claim: str, path: np.ndarray
) -> None:
    for half, expected in ((10.0, FAIL), (2.0, UNKNOWN)):
        scene = Made([Thing(around(START), RED, path)]).scene
        scene.tracks.boxes[-1, 0] = around(path[-1], half)
        found = check_caption(caption, read_caption(caption), scene).constraints
        assert [c.outcome for c in found if c.kind is kind and claim in c.claim] == [expected]


def test_between_two_limits_nothing_is_said() -> None:
    half_way = Made([Thing(around(START), RED, arc(START, (50.0, 100.0)))])
    assert half_way.of("Put it there.", K.VERB, "another place").outcome is UNKNOWN


def test_what_is_set_down_where_it_stood_was_not_put_somewhere() -> None:
    made = Made([Thing(around(START), RED, BACK), Thing((15.0, 85.0, 65.0, 125.0), WHITE)])
    assert made.scene.bearers
    assert made.of("Pick it up.", K.VERB, "somewhere else").outcome is PASS
    assert made.of("Pour it into the bowl.", K.VERB, "not left").outcome is PASS


def test_things_of_one_color_on_both_sides_leave_a_side_open() -> None:
    right = Thing((180.0, 90.0, 200.0, 112.0), BLUE)
    left = Thing((120.0, 90.0, 140.0, 112.0), BLUE)
    caption = "Put it to the right of the blue can."
    assert carried(right, plate=False).of(caption, K.RELATION).outcome is FAIL
    assert carried(right, left, plate=False).of(caption, K.RELATION).outcome is UNKNOWN


def test_a_doubtful_choice_contradicts_no_color_of_a_place() -> None:
    caption = "Put it on the blue plate."
    assert carried().of(caption, K.COLOR).outcome is FAIL
    assert carried(codes=("near_tie",)).of(caption, K.COLOR).outcome is UNKNOWN


# -- leaving a place ------------------------------------------------------------------------------


def test_moving_about_in_a_box_is_not_leaving_it() -> None:
    box = Thing((20.0, 75.0, 180.0, 125.0), BLUE)
    caption = "Take the cube out of the blue box."
    within = carried(box, plate=False).of(caption, K.DIRECTION)
    assert within.outcome is UNKNOWN
    assert "still at candidate 1" in within.why
    small = Thing((20.0, 80.0, 70.0, 125.0), BLUE)
    assert carried(small, plate=False).of(caption, K.DIRECTION).outcome is PASS
    assert carried(small).of("Take the cube off the table.", K.DIRECTION).outcome is UNKNOWN


# -- where to look --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "caption", "claim", "frame", "span"),
    [
        (carried(), "Put it on the plate.", "held", 8, (4, 9)),
        (carried(), "Put it on the plate.", "let go", 9, (4, 9)),
        (carried(), "Lift it.", "lifted", 6, (4, 9)),
        (carried(held=None), "Put it on the plate.", "held", LAST, (0, FRAMES)),
        (carried(turn=60.0), "Pour it into the bowl.", "tilted", 6, (4, 9)),
        (Made([]), "Put it on the plate.", "held", 8, (4, 9)),
        (Made([], held=None), "Put it on the plate.", "held", -1, (-1, -1)),
    ],
)
def test_a_fact_says_where_to_look(
    made: Made, caption: str, claim: str, frame: int, span: tuple[int, int]
) -> None:
    looked = made.of(caption, K.VERB, claim).evidence
    assert (looked.frame, looked.span) == (frame, span)
    assert looked.candidates == ((0,) if made.things else ())


@pytest.mark.parametrize(
    ("box", "caption", "expected"),
    [
        ((130.0, 80.0, 190.0, 130.0), "Put it on the plate.", PASS),
        ((20.0, 20.0, 40.0, 40.0), "Put it on the plate.", FAIL),
        ((180.0, 90.0, 200.0, 112.0), "Put it next to the plate.", PASS),
        ((20.0, 20.0, 40.0, 40.0), "Put it next to the plate.", FAIL),
        ((180.0, 90.0, 200.0, 112.0), "Put it to the right of the plate.", FAIL),
    ],
)
def test_a_target_that_a_person_drew_is_meant(
    box: tuple[float, float, float, float], caption: str, expected: Outcome
) -> None:
    drawn = Proposal(0, box, 0, 1.0, "plate", "user")
    made = carried(plate=False, targets=(drawn,))
    found = made.of(caption, K.RELATION)
    assert found.outcome is expected
    assert box in found.evidence.boxes
    assert "the target that was drawn" in found.why
