"""Each kind of constraint on evidence made for it: pass, fail, and unknown with the reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.engine.codec import decode, encode
from pipeline.model.checks import ChecksResult, Outcome
from pipeline.model.checks import ConstraintKind as K
from pipeline.stages.check_options import ChecksOptions
from pipeline.stages.checks import ChecksStage
from tests.pipeline.checked_scene import (
    BLUE,
    END,
    FRAMES,
    GREEN,
    HEIGHT,
    PLATE,
    RED,
    START,
    WHITE,
    WIDTH,
    Made,
    Thing,
    arc,
    around,
    carried,
)

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
STILL = np.tile(START, (FRAMES, 1))
TEAL = (48, 84, 80)


def outcome(made: Made, caption: str, kind: K, claim: str = "") -> Outcome:
    return made.of(caption, kind, claim).outcome


def test_a_true_caption_has_no_contradiction() -> None:
    result = carried().check("Put the red cube on the white plate.")
    assert result.contradicted == ()
    assert result.problems == ()
    assert result.count(PASS) == 6
    assert decode(encode(result), ChecksResult) == result


def test_a_contradiction_is_a_finding_and_leaves_the_caption() -> None:
    text = "Put the blue cube on the white plate."
    result = carried().check(text)
    assert result.text == text
    assert result.contradicted == ("the object is blue",)
    (problem,) = result.problems
    assert problem.code == "caption_contradicted"
    assert "ΔE 40 from blue" in problem.message
    assert problem.frame == 0
    (failed,) = [c for c in result.constraints if c.outcome is FAIL]
    assert (failed.words, failed.evidence.frame, failed.evidence.candidates) == ("blue", 0, (0,))


# -- colour ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "rgb", "expected"),
    [
        ("Lift the red cube.", RED, PASS),
        ("Lift the crimson cube.", RED, PASS),
        ("Lift the green cube.", RED, FAIL),
        ("Lift the red cube.", (200, 110, 60), UNKNOWN),
        ("Lift the red cube.", None, UNKNOWN),
        ("Lift the gray cube.", (60, 60, 62), PASS),
        ("Lift the dark blue cube.", (20, 30, 90), PASS),
        ("Lift the light blue cube.", (20, 30, 90), FAIL),
        ("Lift the dark blue cube.", (150, 190, 240), FAIL),
        ("Pour the red juice on the tray.", BLUE, UNKNOWN),
        # near gray a cast of the light turns the hue: dull teal may be blue, and is never red
        ("Lift the blue cup.", TEAL, UNKNOWN),
        ("Lift the red cup.", TEAL, FAIL),
    ],
)
def test_color_of_the_object(
    caption: str, rgb: tuple[int, int, int] | None, expected: Outcome
) -> None:
    assert outcome(carried(rgb=rgb), caption, K.COLOR) is expected


def test_a_thing_of_two_colors_has_both() -> None:
    made = carried(rgb=WHITE)
    pixels = np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8)
    pixels[90:96] = RED  # 6 of 20 rows of the object
    made = replace(made, pixels=pixels)
    caption = "Lift the red and white mug."
    assert outcome(made, caption, K.COLOR, "white") is PASS
    red = made.of(caption, K.COLOR, "red")
    assert red.outcome is PASS
    assert "30% of the mask is red" in red.why
    assert outcome(made, "Lift the blue and white mug.", K.COLOR, "blue") is UNKNOWN
    # one word alone: a third of the mask is no contradiction, and no proof
    assert outcome(made, "Lift the red mug.", K.COLOR) is UNKNOWN
    assert outcome(made, "Lift the blue mug.", K.COLOR) is FAIL


def test_a_doubtful_choice_contradicts_no_color_that_the_next_best_has() -> None:
    rival = Thing((60.0, 30.0, 80.0, 50.0), BLUE)
    caption = "Lift the blue cube."
    made = Made([Thing(around(START), RED, arc()), rival], codes=("near_tie",))
    found = made.of(caption, K.COLOR)
    assert found.outcome is UNKNOWN
    assert "near_tie" in found.why
    assert outcome(replace(made, codes=()), caption, K.COLOR) is FAIL
    assert outcome(replace(made, chosen_by="person"), caption, K.COLOR) is FAIL


def test_color_of_the_destination_is_that_of_what_the_object_ends_on() -> None:
    assert outcome(carried(), "Put it on the white plate.", K.COLOR) is PASS
    found = carried().of("Put it on the blue plate.", K.COLOR)
    assert found.outcome is FAIL
    assert found.evidence.candidates == (1,)
    empty = carried(plate=False)
    assert outcome(empty, "Put it on the white plate.", K.COLOR) is UNKNOWN
    # the mask took the wrong part of it: some of its box has the colour
    pixels = np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8)
    pixels[85:100] = BLUE
    assert outcome(replace(carried(), pixels=pixels), "Put it on the blue plate.", K.COLOR) is (
        UNKNOWN
    )


def test_color_of_the_source_is_that_of_what_the_object_starts_in() -> None:
    box = Thing((20.0, 80.0, 70.0, 125.0), GREEN)
    made = carried(box)
    assert outcome(made, "Take the cube out of the green box.", K.COLOR) is PASS
    assert outcome(made, "Take the cube out of the blue box.", K.COLOR) is FAIL
    assert outcome(carried(), "Take the cube out of the blue box.", K.COLOR) is UNKNOWN


# -- relation -------------------------------------------------------------------------------------


BESIDE = Thing((180.0, 90.0, 200.0, 112.0), GREEN)
"""Half an object size to the right of the object's end."""
ASIDE = Thing((192.0, 90.0, 212.0, 112.0), GREEN)
"""The same, and it does not touch the plate."""
FAR = Thing((40.0, 20.0, 60.0, 40.0), BLUE)
SHADED = replace(PLATE, rgb=(110, 115, 125))
"""Perhaps blue."""
NAMED = replace(FAR, origin="phrase", label="can")
"""The same, found by a model that reads names: by colour alone it may be another thing."""


@pytest.mark.parametrize(
    ("made", "caption", "expected"),
    [
        (carried(), "Put it on the white plate.", PASS),
        (carried(), "Put it on the plate.", PASS),
        (carried(FAR), "Put it on the blue plate.", FAIL),
        (carried(plate=False), "Put it on the plate.", UNKNOWN),
        (carried(FAR, SHADED, plate=False), "Put it on the blue plate.", UNKNOWN),
        (carried(plate=False), "Put it on the table.", PASS),
        (carried(), "Put it on the table.", UNKNOWN),
        (carried(BESIDE, plate=False), "Put it next to the green can.", PASS),
        (carried(), "Put it next to the white plate.", FAIL),
        (carried(), "Put it next to the plate.", UNKNOWN),
        (carried(ASIDE), "Put it next to the plate.", UNKNOWN),
        (carried(FAR, plate=False), "Put it next to the blue can.", UNKNOWN),
        (carried(NAMED, plate=False), "Put it next to the can.", FAIL),
        (carried(FAR, plate=False), "Put it on the blue plate.", UNKNOWN),
        (carried(NAMED, plate=False), "Put it in the can.", FAIL),
        (carried(plate=False), "Put it next to the can.", UNKNOWN),
        (carried(BESIDE, plate=False), "Put it to the left of the green can.", PASS),
        (carried(BESIDE, plate=False), "Put it to the right of the green can.", FAIL),
        (carried(BESIDE, plate=False), "Put it to the right of the can.", UNKNOWN),
        (carried(BESIDE, plate=False), "Move it to the green can.", PASS),
        (carried(FAR, plate=False), "Move it to the blue can.", UNKNOWN),
        (carried(FAR), "Move it to the blue can.", FAIL),
        (carried(FAR, plate=False), "Put it to the left of the blue can.", UNKNOWN),
        (carried(NAMED, plate=False), "Put it to the left of the can.", FAIL),
        (carried(), "Put it between the plates.", UNKNOWN),
        (carried(codes=("near_tie",)), "Put it next to the white plate.", UNKNOWN),
    ],
)
def test_relation(made: Made, caption: str, expected: Outcome) -> None:
    assert outcome(made, caption, K.RELATION) is expected


def test_left_may_be_that_of_somebody_who_faces_the_camera() -> None:
    facing = carried(BESIDE, plate=False, options=ChecksOptions(left_is="facing"))
    assert outcome(facing, "Put it to the left of the green can.", K.RELATION) is FAIL


@pytest.mark.parametrize(("z", "expected"), [(0.8, PASS), (1.2, FAIL), (1.01, UNKNOWN)])
def test_behind_is_further_by_depth(z: float, expected: Outcome) -> None:
    mark = replace(BESIDE, z=z)
    made = carried(mark, plate=False, depth=True)
    assert outcome(made, "Put it behind the green can.", K.RELATION) is expected


def test_without_depth_what_stands_lower_is_nearer() -> None:
    lower = Thing((150.0, 115.0, 170.0, 140.0), GREEN)
    made = carried(lower, plate=False)
    assert outcome(made, "Put it behind the green can.", K.RELATION) is PASS
    assert outcome(made, "Put it in front of the green can.", K.RELATION) is FAIL


def test_an_object_that_was_lost_ends_nowhere() -> None:
    path = arc()
    path[6:] = np.nan
    made = Made([Thing(around(START), RED, path), PLATE])
    found = made.of("Put it on the blue plate.", K.RELATION)
    assert found.outcome is UNKNOWN
    assert "last seen in frame 5" in found.why


# -- presence, count, arm -------------------------------------------------------------------------


def test_presence_needs_a_detector_that_reads_names() -> None:
    assert outcome(carried(), "Lift the cube.", K.PRESENT) is UNKNOWN
    made = carried()
    made.things[0] = replace(made.things[0], origin="phrase", label="red cube")
    found = made.of("Lift the cube.", K.PRESENT)
    assert found.outcome is PASS
    assert found.evidence.candidates == (0,)
    asked = made.of("Lift the bottle.", K.PRESENT)
    assert asked.outcome is UNKNOWN
    assert "red cube" in asked.why


@pytest.mark.parametrize(
    ("more", "caption", "expected"),
    [
        ((), "Put the two cubes on the plate.", FAIL),
        ((), "Put the cubes on the plate.", UNKNOWN),
        ((), "Put all cubes on the plate.", UNKNOWN),
        (
            (Thing((30.0, 40.0, 50.0, 60.0), RED, arc((40.0, 50.0), (165.0, 60.0))),),
            "Put the two red cubes on the plate.",
            PASS,
        ),
        (
            (Thing((30.0, 40.0, 50.0, 60.0), BLUE, arc((40.0, 50.0), (165.0, 60.0))),),
            "Put the two red cubes on the plate.",
            FAIL,
        ),
        (
            (Thing((30.0, 40.0, 50.0, 60.0), RED, arc((40.0, 50.0), (100.0, 20.0))),),
            "Put the two red cubes on the plate.",
            UNKNOWN,
        ),
        (  # it went up and away, as the robot does
            (Thing((30.0, 40.0, 50.0, 60.0), RED, arc((40.0, 50.0), (40.0, 12.0))),),
            "Put the two red cubes on the plate.",
            FAIL,
        ),
    ],
)
def test_count(more: tuple[Thing, ...], caption: str, expected: Outcome) -> None:
    assert outcome(carried(*more), caption, K.COUNT) is expected


def test_arm_is_that_whose_gripper_closes() -> None:
    caption = "Lift the cube with the left arm."
    assert outcome(carried(arm="left"), caption, K.ARM) is PASS
    assert outcome(carried(arm="right"), caption, K.ARM) is FAIL
    assert outcome(carried(arm="arm"), caption, K.ARM) is UNKNOWN
    assert outcome(carried(arm="left", held=None), caption, K.ARM) is UNKNOWN


# -- direction ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "path", "expected"),
    [
        ("Move the cube to the right.", arc(), PASS),
        ("Move the cube to the left.", arc(), FAIL),
        ("Move the cube to the left.", arc(START, (44.0, 130.0)), UNKNOWN),
        ("Move the cube forward.", arc(), UNKNOWN),
        ("Take the cube out of the box.", arc(), PASS),
        ("Take the cube out of the box.", STILL, FAIL),
        ("Take the cube out of the box.", arc(START, (50.0, 100.0)), UNKNOWN),
    ],
)
def test_direction(caption: str, path: np.ndarray, expected: Outcome) -> None:
    made = Made([Thing(around(START), RED, path), PLATE])
    assert outcome(made, caption, K.DIRECTION) is expected


# -- verb -----------------------------------------------------------------------------------------


PUSHED = arc(lift=0.0)
BACK = arc(START, START)
WIPED = STILL + np.array([(40.0 * (i % 2) * (4 <= i < 9), 0.0) for i in range(FRAMES)])


@pytest.mark.parametrize(
    ("caption", "made", "claim", "expected"),
    [
        ("Put it on the plate.", carried(), "held", PASS),
        ("Put it on the plate.", carried(held=None), "held", UNKNOWN),
        ("Put it on the plate.", carried(held=(10, 12)), "held", UNKNOWN),
        ("Put it on the plate.", carried(), "another place", PASS),
        ("Put it there.", Made([Thing(around(START), RED, STILL)]), "another place", FAIL),
        ("Put it.", Made([Thing(around(START), RED, STILL)], held=None), "place", UNKNOWN),
        ("Put it on the plate.", carried(), "let go", PASS),
        ("Put it on the plate.", carried(released=False), "let go", FAIL),
        ("Put it on the plate.", carried(held=None), "let go", UNKNOWN),
        ("Lift the cube.", carried(), "lifted", PASS),
        ("Lift the cube.", Made([Thing(around(START), RED, PUSHED)]), "lifted", UNKNOWN),
        ("Lift the cube.", Made([Thing(around(START), RED, STILL)]), "lifted", FAIL),
        ("Lift the cube.", carried(released=False), "lifted", UNKNOWN),
        ("Pick up the cube.", carried(), "somewhere else", FAIL),
        ("Pick up the cube.", carried(released=False), "somewhere else", PASS),
        ("Pick up the cube.", carried(plate=False), "somewhere else", UNKNOWN),
        ("Pick up the cube.", Made([Thing(around(START), RED, BACK)]), "somewhere else", PASS),
        ("Push the cube.", carried(), "surface", FAIL),
        ("Push the cube.", Made([Thing(around(START), RED, PUSHED)]), "surface", UNKNOWN),
        ("Push the cube.", Made([Thing(around(START), RED, STILL)]), "surface", PASS),
        ("Push the cube.", Made([Thing(around(START), RED, arc(lift=8.0))]), "surface", UNKNOWN),
        ("Press the button.", carried(), "carried", FAIL),
        ("Press the button.", Made([Thing(around(START), RED, STILL)]), "carried", PASS),
        ("Pour the cup into the bowl.", carried(), "not left", FAIL),
        ("Pour the cup into the bowl.", carried(released=False), "not left", PASS),
        ("Pour the cup into the bowl.", carried(plate=False), "not left", UNKNOWN),
        ("Pour the cup into the bowl.", carried(turn=60.0), "tilted", PASS),
        ("Pour the cup into the bowl.", carried(turn=10.0), "tilted", UNKNOWN),
        ("Wipe the tray with the sponge.", carried(), "back and forth", FAIL),
        (
            "Wipe the tray with the sponge.",
            Made([Thing(around(START), RED, WIPED)]),
            "back and forth",
            PASS,
        ),
        ("Shake it.", Made([Thing(around(START), RED, STILL)]), "back and forth", UNKNOWN),
        ("Cut the bread with the knife.", carried(), "is used", FAIL),
        ("Cut the bread with the knife.", carried(plate=False), "is used", UNKNOWN),
        ("Stack the cube on the tray.", carried(), "specific item", FAIL),
        ("Stack the cube on the plate.", carried(), "specific item", FAIL),
        ("Stack the plate on the plate.", carried(), "specific item", UNKNOWN),
        ("Stack the cube in the bowl.", carried(), "specific item", FAIL),
        ("Stack the cube.", carried(), "specific item", UNKNOWN),
        (
            "Stack the cube on the block.",
            carried(Thing((148.0, 90.0, 172.0, 120.0), GREEN), plate=False),
            "specific item",
            PASS,
        ),
        ("Lower the cube.", carried(), "lower", FAIL),
        ("Peel it.", Made([Thing(around(START), RED, STILL)]), "carried", PASS),
    ],
)
def test_verb(caption: str, made: Made, claim: str, expected: Outcome) -> None:
    assert outcome(made, caption, K.VERB, claim) is expected


def test_with_depth_a_climb_counts_also_while_it_is_held() -> None:
    rising = STILL.copy()
    rising[4:, 1] -= 30.0
    made = Made([Thing(around(START), RED, rising)], released=False, depth=True)
    # up in the picture at one depth may be away from a camera that looks straight down
    assert outcome(made, "Lift the cube.", K.VERB, "lifted") is UNKNOWN
    scene = made.scene
    scene.lifting.xyz[4:, :, 2] -= 0.1  # and nearer: up, whatever the camera's angle
    assert scene.motion is not None
    assert scene.motion.climb == pytest.approx(0.1, abs=1e-6)


def robot_below() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[130:, 30:90] = True
    return mask


@pytest.mark.parametrize(
    ("caption", "end", "expected"),
    [
        ("Open the drawer.", (40.0, 125.0), PASS),
        ("Open the drawer.", (40.0, 60.0), FAIL),
        ("Close the drawer.", (40.0, 60.0), PASS),
        ("Close the drawer.", (40.0, 125.0), FAIL),
        ("Open the drawer.", (43.0, 103.0), UNKNOWN),
        ("Open the jar.", (40.0, 60.0), UNKNOWN),
    ],
)
def test_a_drawer_opens_towards_the_robot(
    caption: str, end: tuple[float, float], expected: Outcome
) -> None:
    path = arc(START, end, lift=0.0)
    made = Made([Thing(around(START), RED, path)], robot=robot_below())
    assert outcome(made, caption, K.VERB, "robot") is expected


def test_a_doubtful_choice_takes_no_pass_away() -> None:
    made = carried(codes=("near_tie",))
    assert outcome(made, "Put it on the white plate.", K.RELATION) is PASS
    assert outcome(made, "Put it on the white plate.", K.VERB, "let go") is PASS
    assert outcome(made, "Put the red cube there.", K.COLOR) is PASS


def test_a_drafting_rule_does_not_hang_on_the_choice() -> None:
    made = carried(codes=("near_tie",))
    assert outcome(made, "Stack it on the tray.", K.VERB, "specific item") is FAIL
    assert outcome(made, "Stack it in the bowl.", K.VERB, "specific item") is FAIL


def test_a_doubtful_choice_contradicts_no_verb() -> None:
    assert outcome(carried(codes=("robot_won",)), "Push it.", K.VERB, "surface") is UNKNOWN


def test_without_candidates_nothing_is_said() -> None:
    result = Made([]).check("Put the two red cubes in the white bowl with the left arm.")
    assert result.constraints
    assert {c.outcome for c in result.constraints} == {UNKNOWN}
    assert all(c.why for c in result.constraints)


def test_what_cannot_be_read_is_told_and_not_checked() -> None:
    result = carried().check("Blah blah.")
    assert result.constraints == ()
    assert [p.code for p in result.problems] == ["caption_not_understood"]


def test_end_is_where_the_path_ends() -> None:
    motion = carried().scene.motion
    assert motion is not None
    assert motion.end_box == around(END)
    assert motion.transfer == pytest.approx(6.0)
    assert motion.above_ends == pytest.approx(2.0)
    assert motion.held_share > 0.8


def test_the_stage_reads_all_it_needs() -> None:
    assert ChecksStage.inputs[-1] == "captions"
    assert ChecksStage.name == "checks"
