from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends.language.clauses import Clause
from pipeline.engine.codec import decode, encode
from pipeline.model.demonstration import Demonstration, EpisodeRef
from pipeline.model.edits import Edit, Rename
from pipeline.model.phases import ArmPhases, Phase, PhaseName, PhasesResult
from pipeline.model.problem import Cancelled
from pipeline.model.subtask import ActionType, SubtasksResult
from pipeline.stages.stage import StageContext, StageInputs
from pipeline.stages.subtask_alignment import align, cycles_of
from pipeline.stages.subtasks import SubtasksOptions, SubtasksStage

LENGTH = 400


class _NoFrames:
    def frame(self, camera: str, index: int) -> np.ndarray:
        raise AssertionError("the stage needs no pictures")

    def depth(self, camera: str, index: int) -> None:
        raise AssertionError("the stage needs no pictures")

    def close(self) -> None:
        pass


def _demonstration(text: str) -> Demonstration:
    return Demonstration(
        ref=EpisodeRef("/data/x", 0),
        fingerprint="f",
        fps=30.0,
        length=LENGTH,
        instruction=text,
        robot_type="",
        cameras=(),
        timestamps=np.arange(LENGTH) / 30.0,
        state=np.zeros((LENGTH, 0), np.float32),
        state_names=(),
        action=np.zeros((LENGTH, 0), np.float32),
        action_names=(),
        grippers=(),
    )


def _cycle(arm: str, number: int, start: int, *, failed: bool = False) -> list[Phase]:
    """A cycle of 80 frames: approach 20 (or 40 with a failed attempt), hold 40, release 20."""
    names = [(PhaseName.GRASP, 20), (PhaseName.INTERACT, 40), (PhaseName.RELEASE, 20)]
    if failed:
        names = [(PhaseName.GRASP, 10), (PhaseName.GRASP_FAILURE, 5), *names]
    phases = []
    for name, frames in names:
        phases.append(Phase(name, arm, start, start + frames, number, start, start + frames))
        start += frames
    return phases


def _phases(*arms: tuple[str, list[Phase]], coarse: bool = False) -> PhasesResult:
    found = tuple(
        ArmPhases(
            arm=arm,
            opening=np.ones(LENGTH, np.float32),
            raw_low=0.0,
            raw_high=1.0,
            close_below=0.55,
            open_above=0.65,
            closures=(),
            d_min=7,
            coarse=coarse,
            activity=1.0,
            phases=tuple(phases),
        )
        for arm, phases in arms
    )
    merged = sorted((p for a in found for p in a.phases), key=lambda p: p.start)
    return PhasesResult(found, found[0].arm if found else "", tuple(merged))


def _run(text: str, phases: PhasesResult, *edits: Edit) -> SubtasksResult:
    context = StageContext(_NoFrames(), lambda share, what: None, lambda: False)
    inputs = StageInputs({"phases": phases}, -1)
    result = SubtasksStage().run(_demonstration(text), inputs, SubtasksOptions(), edits, context)
    assert decode(encode(result), SubtasksResult) == result  # the cache keeps it
    return result


def _codes(result: SubtasksResult) -> list[str]:
    return [p.code for p in result.problems]


def test_one_cycle_one_clause() -> None:
    result = _run(
        "Pick up the yellow bottle on the table", _phases(("left", _cycle("left", 0, 50)))
    )
    (task,) = result.subtasks
    assert (task.verb, task.object_name, task.colors) == ("pick up", "yellow bottle", ("yellow",))
    assert (task.source_name, task.target_name, task.arm) == ("table", "", "left")
    assert task.action is ActionType.PICK_AND_PLACE
    assert task.instruction == "Pick up the yellow bottle on the table."
    assert (task.start, task.end) == (50 - 6, 130 + 6)
    assert task.interaction == ((70, 110),)
    assert result.problems == ()
    assert result.backend == "rules"


def test_cycles_and_clauses_meet_in_order() -> None:
    cycles = [*_cycle("arm", 0, 0), *_cycle("arm", 1, 80), *_cycle("arm", 2, 160)]
    result = _run("open the top drawer, put the red cup inside, close it", _phases(("arm", cycles)))
    assert [s.instruction for s in result.subtasks] == [
        "Open the top drawer.",
        "Put the red cup in the top drawer.",
        "Close the top drawer.",
    ]
    assert [s.index for s in result.subtasks] == [0, 1, 2]
    # contiguous cycles of one arm leave no room to widen
    assert [(s.start, s.end) for s in result.subtasks] == [(0, 80), (80, 160), (160, 246)]
    assert result.problems == ()


def test_more_cycles_than_clauses_keep_the_nearest() -> None:
    cycles = [*_cycle("arm", 0, 0), *_cycle("arm", 1, 80), *_cycle("arm", 2, 160)]
    text = "put the cup on the plate and put the fork on the plate"
    result = _run(text, _phases(("arm", cycles)))
    names = [s.object_name for s in result.subtasks]
    assert (names[0], names[2]) == ("cup", "fork")
    assert names[1] in ("cup", "fork")
    assert _codes(result) == ["subtask_count"]
    assert "2 actions" in result.problems[0].message
    assert "3 grasps" in result.problems[0].message


def test_fewer_cycles_share_and_the_grasping_clause_leads() -> None:
    result = _run(
        "open the top drawer and put the red cup in it", _phases(("arm", _cycle("arm", 0, 10)))
    )
    (task,) = result.subtasks
    assert task.object_name == "red cup"
    assert task.instruction == "Open the top drawer, then put the red cup in the top drawer."
    assert _codes(result) == ["subtask_count"]


def test_counted_objects_take_a_cycle_each() -> None:
    cycles = [*_cycle("arm", 0, 0), *_cycle("arm", 1, 80)]
    result = _run("put both moka pots on the stove", _phases(("arm", cycles)))
    assert [s.instruction for s in result.subtasks] == ["Put the moka pot on the stove."] * 2
    assert result.problems == ()
    alone = _run("put both moka pots on the stove", _phases(("arm", cycles[:3])))
    assert alone.subtasks[0].object_name == "moka pots"
    assert _codes(alone) == ["subtask_count"]


def test_a_failed_attempt_belongs_to_the_cycle_that_follows() -> None:
    cycle = _cycle("arm", 0, 30, failed=True)
    result = _run("pick up the cup", _phases(("arm", cycle)))
    (task,) = result.subtasks
    assert task.phases == tuple(cycle)
    assert task.first_grasp_end == 40
    assert task.start == 24
    assert result.problems == ()


def test_a_cycle_that_only_failed_is_left_out() -> None:
    failed = [p for p in _cycle("arm", 1, 100, failed=True) if p.name is not PhaseName.INTERACT]
    result = _run("pick up the cup", _phases(("arm", [*_cycle("arm", 0, 0), *failed])))
    assert len(result.subtasks) == 1


def test_arm_hints_win_over_time() -> None:
    phases = _phases(("left", _cycle("left", 0, 100)), ("right", _cycle("right", 0, 0)))
    text = "pick up the fork with the left hand and the knife with the right hand"
    result = _run(text, phases)
    assert [(s.arm, s.object_name) for s in result.subtasks] == [
        ("right", "knife"),
        ("left", "fork"),
    ]
    assert result.problems == ()


def test_without_hints_two_arms_go_by_time() -> None:
    phases = _phases(("left", _cycle("left", 0, 100)), ("right", _cycle("right", 0, 40)))
    result = _run("put the fork on the plate and put the knife on the plate", phases)
    assert [(s.arm, s.object_name) for s in result.subtasks] == [
        ("right", "fork"),
        ("left", "knife"),
    ]
    assert result.subtasks[1].start == 94  # the other arm's cycle does not cut the approach


@pytest.mark.parametrize("text", ["", "拿起黄色的瓶子"])
def test_language_that_says_nothing_leaves_the_names_empty(text: str) -> None:
    cycles = [*_cycle("arm", 0, 0), *_cycle("arm", 1, 80)]
    result = _run(text, _phases(("arm", cycles)))
    assert [s.object_name for s in result.subtasks] == ["", ""]
    assert [s.action for s in result.subtasks] == [ActionType.OTHER] * 2
    assert _codes(result) == ["instruction_not_understood" if text else "instruction_empty"]


def test_coarse_and_missing_phases_give_one_subtask_over_the_episode() -> None:
    span = [Phase(PhaseName.INTERACT, "arm", 0, LENGTH, 0, 0, LENGTH)]
    for phases in (_phases(("arm", span), coarse=True), _phases(("arm", [])), _phases()):
        result = _run("put the cup on the plate and close the door", phases)
        (task,) = result.subtasks
        assert (task.start, task.end, task.arm) == (0, LENGTH, "arm")
        assert task.object_name == "cup"
        assert _codes(result) == ["subtask_count"]


def test_names_given_by_a_person_enter_the_result() -> None:
    phases = _phases(("arm", _cycle("arm", 0, 0)))
    edit = Rename(subtask=0, object_name="Blue mug", target_name="tray")
    result = _run("拿起黄色的瓶子", phases, edit)
    (task,) = result.subtasks
    assert (task.object_name, task.colors, task.target_name) == ("Blue mug", ("blue",), "tray")
    assert task.instruction == "Move the Blue mug to the tray."
    assert result.problems == ()  # what the text did not say is known now
    kept = _run("put the cup on the plate", phases, Rename(subtask=0, object_name="mug"))
    assert kept.subtasks[0].instruction == "Put the mug on the plate."


def test_a_name_for_a_missing_subtask_waits() -> None:
    phases = _phases(("arm", _cycle("arm", 0, 0)))
    result = _run("pick up the cup", phases, Rename(subtask=3, object_name="mug"))
    assert result.subtasks[0].object_name == "cup"
    assert _codes(result) == ["edit_not_applicable"]


def test_a_hand_that_closes_to_rest_puts_nothing_down() -> None:
    cycles = [*_cycle("arm", 0, 0), *_cycle("arm", 1, 80)[:2]]
    put = _run("put the cup on the plate", _phases(("arm", cycles)))
    assert len(put.subtasks) == 1
    assert _codes(put) == ["subtask_count"]
    pick = _run("pick up the cup", _phases(("arm", cycles)))  # may well hold it to the end
    assert len(pick.subtasks) == 2
    assert _codes(pick) == ["subtask_count"]
    two = _run("put the cup on the plate and the fork on the tray", _phases(("arm", cycles)))
    assert [t.object_name for t in two.subtasks] == ["cup", "fork"]
    assert two.problems == ()


def test_cancel() -> None:
    context = StageContext(_NoFrames(), lambda share, what: None, lambda: True)
    inputs = StageInputs({"phases": _phases()}, -1)
    with pytest.raises(Cancelled):
        SubtasksStage().run(_demonstration("x"), inputs, SubtasksOptions(), (), context)


CLAUSES = st.builds(
    Clause,
    verb=st.just("put"),
    action=st.sampled_from(ActionType),
    object_name=st.just("cup"),
    arm=st.sampled_from(["", "left", "right", "both"]),
    count=st.integers(0, 3),
)


@given(
    st.lists(CLAUSES, min_size=1, max_size=6),
    st.lists(st.sampled_from(["left", "right"]), min_size=1, max_size=6),
)
def test_every_cycle_and_every_clause_has_a_partner(clauses: list[Clause], arms: list[str]) -> None:
    phases = [p for k, arm in enumerate(arms) for p in _cycle(arm, k, 80 * k)]
    cycles = cycles_of(phases)
    alignment = align(clauses, cycles)
    assert len(alignment.clauses) == len(arms)
    assert all(alignment.clauses)
    assert {i for f in alignment.clauses for i in f} == set(range(len(clauses)))
