"""Phases split, merged, named and moved by hand: in order, across re-runs, with undo."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.commands import Commands
from pipeline.document import Document
from pipeline.engine.graph import Graph
from pipeline.model.edits import (
    EDITS,
    Edit,
    MergePhases,
    MoveBoundary,
    NamePhase,
    SplitPhase,
    in_force,
)
from pipeline.model.phases import PhaseName, natural_split
from pipeline.review.store import ReviewStore
from pipeline.stages.phase_edits import apply_edits, renumbered
from pipeline.stages.phases import PhasesOptions, PhasesStage
from pipeline.stages.subtask_alignment import cycles_of
from tests.pipeline.phase_signals import UNMOVED, C, G, R, X, codes, demo, run, signal, spans

ONE = demo(signal((1, 50), (0, 40), (1, 60)))  # grasp 0-50, interact 50-90, release 90-150


def move(index: int, frame: int, arm: str = "arm") -> MoveBoundary:
    return MoveBoundary(arm=arm, index=index, frame=frame)


def split(frame: int, was: PhaseName, before: PhaseName, after: PhaseName) -> SplitPhase:
    return SplitPhase(arm="arm", frame=frame, was=was, before=before, after=after)


def merge(frame: int, first: PhaseName, second: PhaseName, name: PhaseName) -> MergePhases:
    return MergePhases(arm="arm", frame=frame, first=first, second=second, name=name)


def name(frame: int, was: PhaseName, new: PhaseName) -> NamePhase:
    return NamePhase(arm="arm", frame=frame, was=was, name=new)


# --- each edit -------------------------------------------------------------------------------


def test_split_cuts_at_the_frame_and_numbers_cycles_anew() -> None:
    result = run(ONE, edits=(split(70, C, C, C),))
    assert spans(result.merged) == [(G, 0, 50), (C, 50, 70), (C, 70, 90), (R, 90, 150)]
    assert [p.cycle for p in result.merged] == [0, 0, 1, 1]
    assert len(cycles_of(result.merged)) == 2  # two interactions: two subtasks
    boundary = result.arms[0].boundaries[2]
    assert (boundary.frame, boundary.found, boundary.by_hand) == (70, None, True)
    assert result.arms[0].found != result.arms[0].phases


def test_split_keeps_measured_spans_consecutive() -> None:
    result = run(ONE, PhasesOptions(), edits=(split(100, C, C, R),))  # used 62-108, measured 50-90
    measured = [(p.measured_start, p.measured_end) for p in result.merged]
    assert measured == [(0, 50), (50, 90), (90, 90), (90, 150)]


def test_merge_makes_one_phase_of_two() -> None:
    result = run(ONE, edits=(merge(90, C, R, C),))
    assert spans(result.merged) == [(G, 0, 50), (C, 50, 150)]
    assert (result.merged[1].measured_start, result.merged[1].measured_end) == (50, 150)


def test_merge_undoes_a_false_reopening_step_by_step() -> None:
    slipped = demo(signal((1, 30), (0, 30), (1, 8), (0, 30), (1, 30)))
    before = run(slipped).merged
    assert [p.name for p in before] == [G, C, R, G, C, R]
    edits = (
        merge(before[2].start, C, R, C),
        merge(before[3].start, C, G, C),
        merge(before[4].start, C, C, C),
    )
    result = run(slipped, edits=edits)
    assert spans(result.merged) == [(G, 0, 30), (C, 30, 98), (R, 98, 128)]
    assert {p.cycle for p in result.merged} == {0}


def test_failure_can_be_called_a_grasp() -> None:
    failed = demo(signal((1, 40), (0, 8), (1, 20), (0, 60), (1, 60)))
    result = run(failed, edits=(name(42, X, C),))
    assert [(p.name, p.cycle) for p in result.merged] == [(G, 0), (C, 0), (G, 1), (C, 1), (R, 1)]


def test_regrasp_by_three_splits_with_the_natural_names() -> None:
    edits: list[Edit] = []
    for frame in (60, 70, 75):
        phases = run(ONE, edits=tuple(edits)).merged
        phase = next(p for p in phases if p.start < frame < p.end)
        edits.append(split(frame, phase.name, *natural_split(phase.name)))
    result = run(ONE, edits=tuple(edits))
    assert [p.name for p in result.merged] == [G, C, R, G, C, R]
    assert [p.start for p in result.merged] == [0, 50, 60, 70, 75, 90]
    assert [p.cycle for p in result.merged] == [0, 0, 0, 1, 1, 1]


def test_phases_of_a_flat_gripper_are_set_by_hand() -> None:
    flat = demo(signal((0.5, 120)))
    assert codes(run(flat)) == ["flat_gripper"]
    edits = (split(40, C, *natural_split(C, coarse=True)), split(80, C, *natural_split(C)))
    result = run(flat, edits=edits)
    assert spans(result.merged) == [(G, 0, 40), (C, 40, 80), (R, 80, 120)]
    assert not result.arms[0].coarse
    assert codes(result) == ["flat_gripper"]
    assert "set by hand" in result.problems[0].message
    assert len(cycles_of(result.merged)) == 1


# --- composed --------------------------------------------------------------------------------


def test_edits_compose_in_the_order_in_which_they_were_made() -> None:
    first = (move(1, 100), split(70, C, C, C), move(1, 75))
    # The move of boundary 1 before the split is another boundary than the one after it.
    assert in_force(first) == first
    result = run(ONE, edits=first)
    assert spans(result.merged) == [(G, 0, 50), (C, 50, 75), (C, 75, 100), (R, 100, 150)]
    again = in_force((*first, move(1, 80)))
    assert again == (move(1, 100), split(70, C, C, C), move(1, 80))
    assert spans(run(ONE, edits=again).merged)[1] == (C, 50, 80)


def test_splits_merges_and_names_never_supersede_each_other() -> None:
    edits = (name(60, C, R), name(60, R, C), name(60, C, R))
    assert in_force(edits) == edits
    assert run(ONE, edits=edits).merged[1].name is R
    other = MoveBoundary(arm="left", index=0, frame=3)
    mixed = (other, split(70, C, C, R), other.model_copy(update={"frame": 5}))
    assert [e.frame for e in in_force(mixed)] == [70, 5]  # type: ignore[union-attr]


def test_merge_takes_a_split_back_and_moves_go_on() -> None:
    edits = (split(70, C, C, R), merge(70, C, R, C), move(1, 100))
    assert spans(run(ONE, edits=edits).merged) == [(G, 0, 50), (C, 50, 100), (R, 100, 150)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.builds(move, st.integers(-1, 5), st.integers(0, 150)),
            st.builds(
                split,
                st.integers(1, 149),
                *([st.sampled_from(list(PhaseName))] * 3),
            ),
            st.builds(
                merge,
                st.integers(1, 149),
                *([st.sampled_from(list(PhaseName))] * 3),
            ),
            st.builds(
                name,
                st.integers(0, 149),
                *([st.sampled_from(list(PhaseName))] * 2),
            ),
        ),
        max_size=12,
    )
)
def test_any_edits_leave_consecutive_phases(edits: list[Edit]) -> None:
    kept = in_force(tuple(edits))
    assert in_force(kept) == kept
    assert EDITS.validate_json(EDITS.dump_json(kept)) == kept
    result = run(ONE, edits=kept)
    phases = result.merged
    assert phases
    assert phases[-1].end == 150
    assert all(p.start < p.end for p in phases)
    assert all(a.end == b.start for a, b in pairwise(phases))
    assert all(p.measured_start <= p.measured_end for p in phases)
    assert sorted({p.cycle for p in phases}) == list(range(phases[-1].cycle + 1))


def test_numbering_anew_is_the_numbering_of_the_machine() -> None:
    values = signal((0, 20), (1, 30), (0, 30), (1, 5), (0, 8), (1, 20), (0, 40), (1, 2), (0, 30))
    phases = run(demo(values)).merged
    assert renumbered(phases) == list(phases)


# --- across re-runs --------------------------------------------------------------------------


def test_edits_survive_other_thresholds() -> None:
    ramps = signal((1, 50), (0, 40), (1, 60))
    ramps[50:58] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    edits = (split(75, C, C, C), merge(90, C, R, C), move(0, 52))
    for tau in (0.35, 0.6, 0.8):
        options = PhasesOptions(phase_start_offset=0.0, closure_threshold=tau)
        result = run(demo(ramps), options, edits)
        assert codes(result) == []
        assert spans(result.merged) == [(G, 0, 52), (C, 52, 75), (C, 75, 150)]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (split(70, R, R, G), "there is interact now"),
        (split(50, C, C, R), "interact begins there now"),
        (split(400, C, C, R), "there is no phase now"),
        (merge(90, R, G, R), "not neighbours there any more"),
        (merge(20, C, R, C), "not neighbours there any more"),
        (name(70, X, C), "there is interact now"),
        (SplitPhase(arm="left", frame=70, was=C, before=C, after=C), "no such arm any more"),
    ],
)
def test_edit_of_phases_that_changed_is_ignored_and_said(edit: Edit, said: str) -> None:
    result = run(ONE, edits=(edit,))
    assert spans(result.merged) == [(G, 0, 50), (C, 50, 90), (R, 90, 150)]
    assert codes(result) == ["edit_not_applicable"]
    assert said in result.problems[0].message


def test_moves_that_counted_a_lost_split_are_not_applied_to_another_boundary() -> None:
    edits = (move(0, 45), split(70, R, R, G), move(1, 60), move(0, 48))
    result = run(ONE, edits=edits)
    assert spans(result.merged) == [(G, 0, 45), (C, 45, 90), (R, 90, 150)]
    assert codes(result) == ["edit_not_applicable"] * 3
    assert "counted after an edit that is gone" in result.problems[1].message


def test_edits_of_one_arm_leave_the_other_alone() -> None:
    both = demo(signal((1, 50), (0, 40), (1, 60)), signal((1, 50), (0, 40), (1, 60)))
    edit = SplitPhase(arm="left", frame=70, was=C, before=C, after=C)
    left, right = run(both, edits=(edit,)).arms
    assert len(left.phases) == 4
    assert spans(right.phases) == [(G, 0, 50), (C, 50, 90), (R, 90, 150)]
    assert apply_edits(right.phases, (edit,), "right", 150).phases == right.phases


# --- undo ------------------------------------------------------------------------------------


def test_undo_and_redo_through_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))
    (tmp_path / "set").mkdir()
    store = ReviewStore.open(tmp_path / "set")
    document = Document(Graph((PhasesStage(),)))
    commands = Commands(document)
    commands.attach(store)
    document.open_episode(ONE, ())

    def phases() -> list[tuple[PhaseName, int, int]]:
        return spans(run(ONE, UNMOVED, document.session.edits).merged)

    plain = phases()
    states, keys = [plain], [document.key("phases", -1)]
    for edit in (move(1, 100), split(70, C, C, C), move(1, 75), merge(75, C, C, C), name(60, C, R)):
        commands.do(edit)
        states.append(phases())
        keys.append(document.key("phases", -1))
    assert len(set(keys)) == len(keys)  # an edit is an input: it enters the key
    assert commands.can_undo() == "call interact at frame 60 release"
    for state, key in zip(states[-2::-1], keys[-2::-1], strict=True):
        assert commands.undo() is not None
        assert (phases(), document.key("phases", -1)) == (state, key)
    for state in states[1:]:
        assert commands.redo() is not None
        assert phases() == state
    store.close()
    again = ReviewStore.open(tmp_path / "set")
    assert spans(run(ONE, UNMOVED, again.edits(0)).merged) == states[-1]
    again.close()
