from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.backends.language.rules import RulesLanguage
from pipeline.engine.codec import decode, encode
from pipeline.model.arrays import pack_masks
from pipeline.model.candidate import MasksResult, Proposal, ProposalsResult
from pipeline.model.caption import CaptionResult, Verdict
from pipeline.model.colors import rgb_to_lab
from pipeline.model.demonstration import Demonstration, EpisodeRef
from pipeline.model.edits import Edit, JudgeCaption
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import ActionType, Subtask, SubtasksResult
from pipeline.stages.captions import CaptionsOptions, CaptionsStage
from pipeline.stages.stage import StageContext, StageInputs

YELLOW, RED, BLUE = (230, 200, 40), (190, 30, 30), (30, 60, 180)
NO_COLOR = (float("nan"),) * 3


class _NoFrames:
    def frame(self, camera: str, index: int) -> np.ndarray:
        raise AssertionError("the stage needs no pictures")

    def depth(self, camera: str, index: int) -> None:
        raise AssertionError("the stage needs no pictures")

    def close(self) -> None:
        pass


def _subtask(text: str, arm: str = "right") -> Subtask:
    clauses = RulesLanguage().parse(text).clauses
    empty = ("", "", (), "", "", "", ActionType.OTHER)
    verb, name, colors, target, relation, source, action = (
        (
            clauses[0].verb,
            clauses[0].object_name,
            clauses[0].colors,
            clauses[0].target_name,
            clauses[0].relation,
            clauses[0].source_name,
            clauses[0].action,
        )
        if clauses
        else empty
    )
    return Subtask(
        0, arm, text, verb, name, colors, target, relation, source, action, (), 0, 10
    )  # fmt: skip


def _caption(
    text: str,
    rgb: tuple[float, ...] | None,
    *edits: Edit,
    options: CaptionsOptions | None = None,
    arm: str = "right",
) -> CaptionResult:
    """The caption where the winner's mask has colour `rgb`; None: there is no winner."""
    lab = np.full((2, 3), 50, np.float32)
    if rgb is not None and np.isfinite(rgb).all():
        lab[1] = rgb_to_lab(np.array(rgb, np.uint8))
    elif rgb is not None:
        lab[1] = np.nan
    candidates = tuple(Proposal(i, (0, 0, 4, 4), 0, 0.5, "", "region") for i in (3, 7))
    empty = np.zeros((0, 0), np.float32)
    scores = ScoresResult(
        terms=(), winner=-1 if rgb is None else 7, chosen_by="score",
        frames=np.zeros(0, np.int32), motion=empty, proximity=empty, overlap=empty,
        interaction=np.zeros(0, np.bool_), radius=np.zeros(0, np.float32), form="2d",
    )  # fmt: skip
    none = np.zeros(0, np.float32)
    results = {
        "subtasks": SubtasksResult((_subtask(text, arm),), "rules"),
        "proposals": ProposalsResult("cam", 0, candidates, (), "regions"),
        "masks": MasksResult(0, 4, 4, pack_masks(np.ones((2, 4, 4), np.bool_)), lab, "grabcut"),
        "scores": scores,
        "target": TargetResult((), none, none, -1, (0.0, 0.0, 2.0, 2.0), None, "tracked"),
    }
    demonstration = Demonstration(
        EpisodeRef("/data/x", 0), "f", 30.0, 1, text, "", (), np.zeros(1),
        np.zeros((1, 0), np.float32), (), np.zeros((1, 0), np.float32), (), (),
    )  # fmt: skip
    context = StageContext(_NoFrames(), lambda share, what: None, lambda: False)
    result = CaptionsStage().run(
        demonstration, StageInputs(results, 0), options or CaptionsOptions(), edits, context
    )
    assert decode(encode(result), CaptionResult) == result
    return result


@pytest.mark.parametrize(
    ("text", "rgb", "caption"),
    [
        ("Pick up the yellow bottle on the table", YELLOW, "Pick up the yellow bottle."),
        ("pick up the red cube and put it in the bowl", RED, "Put the red cube in the bowl."),
        ("", RED, "Move the red object."),
        ("拿起黄色的瓶子", YELLOW, "Move the yellow object."),
        ("", NO_COLOR, "Move the object."),
        ("", None, "Move the object."),
        ("put the cup on the plate", BLUE, "Put the blue cup on the plate."),
        ("put the cup on the plate", None, "Put the cup on the plate."),
        ("wipe the table with the towel", BLUE, "Wipe the table with the blue towel."),
        ("pour the milk into the bowl", BLUE, "Pour the milk into the bowl."),
        ("move the cup to the left", BLUE, "Move the blue cup to the left."),
        ("take the spoon out of the pot", RED, "Take the red spoon out of the pot."),
    ],
)
def test_drafts(text: str, rgb: tuple[float, ...] | None, caption: str) -> None:
    result = _caption(text, rgb)
    assert result.text == result.draft == caption
    assert result.problems == ()
    assert result.verdict is None
    assert result.drafter == "offline"


def test_fields_and_evidence_say_where_each_part_comes_from() -> None:
    result = _caption("pick up the red cube and put it in the bowl", RED)
    assert dataclasses.astuple(result.fields) == ("put", "red cube", "in", "bowl", "right", "")
    evidence = dict(result.evidence)
    assert evidence["object"] == "from the instruction"
    assert "nearest “red”" in evidence["color"]
    assert "ΔE" in evidence["color"]
    assert evidence["destination"] == "from the instruction; target box tracked"
    assert evidence["arm"] == "gripper phases of the right arm"
    assert "arm" not in dict(_caption("pick up the cube", RED, arm="arm").evidence)


def test_a_mask_of_another_color_is_a_finding_and_changes_nothing() -> None:
    result = _caption("pick up the red cube", BLUE)
    assert result.text == "Pick up the red cube."
    (problem,) = result.problems
    assert problem.code == "caption_color_differs"
    assert "blue" in problem.message
    assert "red" in problem.message


def test_near_colors_and_two_colored_objects_do_not_differ() -> None:
    assert _caption("pick up the orange cup", (200, 60, 30)).problems == ()
    assert _caption("pick up the yellow and white mug", (245, 245, 240)).problems == ()
    assert _caption("pick up the white mug", (190, 190, 195)).problems == ()


def test_measured_colors_can_be_switched_off() -> None:
    options = CaptionsOptions(measured_color=False)
    assert _caption("pick up the cup", BLUE, options=options).text == "Pick up the cup."
    strict = CaptionsOptions(naming_limit=0.0)
    assert _caption("pick up the cup", (40, 66, 170), options=strict).text == "Pick up the cup."


def _judged(verdict: Verdict, draft: str, text: str, subtask: int = 0) -> JudgeCaption:
    return JudgeCaption(subtask=subtask, verdict=verdict, draft=draft, text=text)


def test_verdicts() -> None:
    draft = "Pick up the red cube."
    accepted = _caption("pick up the red cube", RED, _judged(Verdict.ACCEPTED, draft, draft))
    assert (accepted.text, accepted.verdict) == (draft, Verdict.ACCEPTED)
    corrected = _caption(
        "pick up the red cube", RED, _judged(Verdict.CORRECTED, draft, "Pick up the ruby.")
    )
    assert corrected.text == "Pick up the ruby."
    assert (corrected.draft, corrected.verdict) == (draft, Verdict.CORRECTED)
    rejected = _caption("pick up the red cube", RED, _judged(Verdict.REJECTED, draft, ""))
    assert (rejected.text, rejected.verdict) == (draft, Verdict.REJECTED)
    other = _caption("pick up the red cube", RED, _judged(Verdict.REJECTED, draft, "", subtask=1))
    assert other.verdict is None


def test_verdicts_on_an_older_draft() -> None:
    old = "Pick up the blue cube."
    accepted = _caption("pick up the red cube", RED, _judged(Verdict.ACCEPTED, old, old))
    assert (accepted.text, accepted.verdict) == (old, Verdict.ACCEPTED)
    rejected = _caption("pick up the red cube", RED, _judged(Verdict.REJECTED, old, old))
    assert (rejected.text, rejected.verdict) == ("Pick up the red cube.", None)
    for result in (accepted, rejected):
        assert [p.code for p in result.problems] == ["caption_draft_changed"]
