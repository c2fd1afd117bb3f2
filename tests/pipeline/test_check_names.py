"""Names: only a detector that reads them says anything, and a pass claims no more than was seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.model.candidate import Proposal
from pipeline.model.checks import ConstraintKind as K
from pipeline.model.checks import Outcome
from pipeline.model.problem import Severity
from pipeline.stages.check_names import same_name
from tests.pipeline.checked_scene import BLUE, END, RED, START, Made, Thing, arc, around, carried

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
FAR = (200.0, 20.0, 220.0, 40.0)


def read(
    label: str = "cube", score: float = 0.5, targets: tuple[Proposal, ...] = (), **others: object
) -> Made:
    """A scene in which the detector reads phrases and found the object under a label."""
    thing = Thing(around(START), RED, arc(), label=label, origin="phrase", score=score)
    return Made([thing], targets=targets, **others)  # type: ignore[arg-type]


def target(
    label: str, score: float = 0.5, box: tuple[float, float, float, float] = FAR
) -> Proposal:
    return Proposal(0, box, 3, score, label, "phrase")


# -- without a detector that reads names ----------------------------------------------------------


def test_a_swapped_noun_is_unknown_says_why_and_is_a_finding() -> None:
    made = carried(names=("red cube", "white plate", ""))
    swapped = made.check("Put the red bottle on the white plate.")
    found = [c for c in swapped.constraints if c.kind is K.PRESENT]
    assert [c.outcome for c in found] == [UNKNOWN, UNKNOWN]
    assert "regions cannot read names: a wrong one is not seen" in found[0].why
    assert "the subtask names “red cube”" in found[0].why
    assert "the subtask names" not in found[1].why
    assert swapped.contradicted == ()
    (problem,) = swapped.problems
    assert (problem.code, problem.severity) == ("caption_other_noun", Severity.INFO)
    assert "“bottle” for the subtask's “red cube”" in problem.message


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("Put the red cube on the white plate.", []),
        ("Put the cube on the can.", ["“can” for the subtask's “white plate”"]),
        ("Put the thing on the white plate.", []),
        ("Put the plate on the cube.", ["“plate” for", "“cube” for"]),
        ("Take the cube out of the mug.", ["“mug” for the subtask's “bowl”"]),
        ("Lift the cube.", []),
    ],
)
def test_nouns_are_compared_by_role(caption: str, expected: list[str]) -> None:
    made = carried(names=("red cube", "white plate", "bowl"))
    said = " ".join(p.message for p in made.check(caption).problems if "noun" in p.code)
    assert bool(said) is bool(expected)
    assert all(part in said for part in expected)


@pytest.mark.parametrize(("name", "noun"), [("container", "bowl"), ("bowl", "container")])
def test_a_more_generic_noun_is_no_other_one(name: str, noun: str) -> None:
    made = carried(names=(name, "", ""))
    assert made.check(f"Put the {noun} there.").problems == ()


def test_what_the_subtask_does_not_name_is_no_finding() -> None:
    assert carried().check("Put the red cube on the white plate.").problems == ()


@pytest.mark.parametrize(
    ("name", "caption", "expected"),
    [
        ("red cube", "cube", True),
        ("cube", "small block", True),
        ("can", "bottle", False),
        ("coke can", "coke", True),
        ("frobnicator", "red frobnicators", True),
    ],
)
def test_synonyms_and_plurals_are_one_noun(name: str, caption: str, expected: bool) -> None:
    assert same_name(name, caption) is expected


@pytest.mark.parametrize(
    ("made", "caption", "claim"),
    [
        (carried(), "Put it on the bottle.", "the object ends in or on something"),
        (carried(), "Put it on the white bottle.", "the object ends in or on something white"),
        (carried(), "Put it into the white bottle.", "the object ends in or on something white"),
        (carried(), "Move it to the bottle.", "the object ends to something"),
        (
            carried(Thing((180.0, 90.0, 200.0, 112.0), BLUE), plate=False),
            "Put it next to the blue bottle.",
            "the object ends next to something blue",
        ),
        (carried(plate=False), "Put it on the table.", "the object ends on the table"),
    ],
)
def test_a_place_that_passes_without_its_name_says_what_was_seen(
    made: Made, caption: str, claim: str
) -> None:
    found = made.of(caption, K.RELATION)
    assert (found.outcome, found.claim) == (PASS, claim)


def test_a_place_that_fails_is_told_as_the_caption_has_it() -> None:
    far = Thing((40.0, 20.0, 60.0, 40.0), BLUE)
    found = carried(far).of("Put it on the blue plate.", K.RELATION)
    assert (found.outcome, found.claim) == (FAIL, "the object ends on the blue plate")


def test_a_place_whose_name_was_read_passes_with_its_name() -> None:
    plate = Thing((135.0, 85.0, 185.0, 125.0), BLUE, label="plate", origin="phrase")
    found = carried(plate, plate=False).of("Put it on the plate.", K.RELATION)
    assert (found.outcome, found.claim) == (PASS, "the object ends on the plate")
    poor = carried(replace(plate, score=0.29), plate=False).of("Put it on the plate.", K.RELATION)
    assert poor.claim == "the object ends in or on something"


# -- with one -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "caption", "expected", "why"),
    [
        (read(), "Lift the cube.", PASS, "D = 0.50 in frame 0"),
        (read(score=0.3), "Lift the cube.", PASS, "0.30"),
        (read(score=0.29), "Lift the cube.", UNKNOWN, "believed from 0.3"),
        (read(), "Lift the bottle.", UNKNOWN, "asked for cube, not for this"),
        # the caption gives the object the name of the target
        (read(targets=(target("bowl"),)), "Lift the bowl.", FAIL, "“bowl” was found elsewhere"),
        (read(targets=(target("bowl", 0.2),)), "Lift the bowl.", UNKNOWN, "believed from"),
        (read(score=0.2, targets=(target("bowl"),)), "Lift the bowl.", PASS, "“bowl”"),
        (
            read(targets=(target("bowl", box=around(START)),)),
            "Lift the bowl.",
            PASS,
            "“bowl”",
        ),
        (
            read(targets=(target("bowl", box=around(START, 30.0)),)),
            "Lift the bowl.",
            PASS,
            "“bowl”",
        ),
        # the two boxes are of one thing: it lies in it, or they overlap by more than half
        (read(targets=(target("bowl", box=around(START, 4.0)),)), "Lift the bowl.", PASS, "“bowl”"),
        (
            read(targets=(target("bowl", box=(35.0, 90.0, 55.0, 110.0)),)),
            "Lift the bowl.",
            PASS,
            "“bowl”",
        ),
        (carried(targets=(target("bowl"),)), "Lift the bowl.", PASS, "“bowl”"),
        (read(targets=(target("cube", 0.2),), score=0.1), "Lift the cube.", UNKNOWN, "0.10"),
        (
            carried(targets=(target("bowl", 0.1), target("bowl", 0.2))),
            "Put it in the bowl.",
            UNKNOWN,
            "0.20",
        ),
        (
            read(targets=(target("bowl"),), codes=("near_tie",)),
            "Lift the bowl.",
            UNKNOWN,
            "near_tie",
        ),
        (read(targets=(target("bowl"),)), "Put it in the bowl.", PASS, "frame 3"),
        (read(targets=(target("bowl"),)), "Put it on the table.", UNKNOWN, "Ground is no"),
        (read("table"), "Lift the table.", PASS, "“table”"),
        (read("block"), "Lift the cube.", PASS, "“block”"),
    ],
)
def test_presence(made: Made, caption: str, expected: Outcome, why: str) -> None:
    found = [c for c in made.check(caption).constraints if c.kind is K.PRESENT][-1]
    assert (found.outcome, why in found.why) == (expected, True), found.why


def test_the_source_is_not_looked_for_among_targets() -> None:
    made = read(targets=(target("bowl"),))
    found = made.of("Take the cube out of the bowl.", K.PRESENT, "bowl")
    assert found.outcome is UNKNOWN


def test_evidence_is_the_candidate_or_the_box_of_the_target() -> None:
    made = read(targets=(target("bowl"),))
    own = made.of("Lift the cube.", K.PRESENT).evidence
    assert (own.frame, own.candidates, own.boxes) == (0, (0,), ())
    other = made.of("Lift the bowl.", K.PRESENT).evidence
    assert (other.frame, other.candidates, other.boxes) == (3, (), (FAR,))


def test_of_several_boxes_the_objects_own_counts_then_the_best() -> None:
    made = read(score=0.4)
    made.things.append(Thing(around(END), RED, label="cube", origin="phrase", score=0.9))
    assert made.of("Lift the cube.", K.PRESENT).evidence.candidates == (0,)
    elsewhere = Made([Thing(around(START), RED, arc()), *made.things[1:]])
    assert elsewhere.of("Lift the cube.", K.PRESENT).evidence.candidates == (1,)
    made.things[0] = replace(made.things[0], score=0.1)
    made.things.append(replace(made.things[1], score=0.95))
    assert made.of("Lift the cube.", K.PRESENT).evidence.candidates == (2,)
