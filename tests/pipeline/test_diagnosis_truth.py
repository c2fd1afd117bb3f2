"""Ground truth as corrections: what goes in is what comes out of the stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.diagnosis.cues import phases_between
from pipeline.diagnosis.known import (
    Known,
    KnownEpisode,
    known_from_truth,
    known_from_verdicts,
)
from pipeline.diagnosis.trials import owners
from pipeline.diagnosis.true_edits import alike, name_edit, phase_edits, true_phases
from pipeline.engine.graph import Plan, Run
from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.model.phases import PhaseName, PhasesResult
from pipeline.model.subtask import ActionType, Subtask
from pipeline.model.verdict import HumanVerdict, VerdictSource
from pipeline.stages.phase_options import PhasesOptions
from tests.pipeline.diagnosed_scene import CONTACT, LENGTH, Scene, Source, graph_of


def phases_of(scene: Scene, *edits: object) -> PhasesResult:
    """The phases stage with edits."""
    source, graph = Source(scene), graph_of(scene)
    plan = Plan(source.open(0), graph.default_options(), tuple(edits))  # type: ignore[arg-type]
    run = Run(graph, plan, None, lambda: source.reader(plan.demonstration))
    result = next(run.episode("phases")).result
    assert isinstance(result, PhasesResult)
    return result


def known(*contact: tuple[int, int], arm: str = "single") -> KnownEpisode:
    return KnownEpisode((Known(0, None, arm=arm, contact=contact),), complete=True)


def closed(*spans: tuple[int, int]) -> np.ndarray:
    opening = np.ones(LENGTH)
    for first, last in spans:
        opening[first:last] = 0.0
    return opening


@given(
    found=st.lists(st.integers(3, LENGTH - 3), max_size=6, unique=True).map(sorted),
    true=st.lists(st.integers(1, LENGTH - 1), min_size=2, max_size=6, unique=True).map(sorted),
)
def test_any_phases_become_the_true_ones(found: list[int], true: list[int]) -> None:
    scene = Scene(signal=closed(*zip(found[::2], found[1::2], strict=False)))
    contact = tuple(zip(true[::2], true[1::2], strict=False))
    before = phases_of(scene)
    demonstration = Source(scene).open(0)
    edits = phase_edits(before, known(*contact), demonstration, PhasesOptions())
    after = phases_of(scene, *edits)
    wanted = true_phases(contact, "single", demonstration, PhasesOptions())
    held = [(p.start, p.end) for p in wanted if p.name is PhaseName.INTERACT]
    got = [(p.start, p.end) for p in after.merged if p.name is PhaseName.INTERACT]
    assert not any(p.code == "edit_not_applicable" for p in after.problems)
    if edits:
        shown = [(p.name, p.start, p.end) for p in after.merged]
        last = before.merged[-1].end
        assert shown == [(p.name, p.start, min(p.end, last)) for p in wanted if p.start < last]
    else:
        assert alike(got, held)


def test_right_phases_need_no_edits() -> None:
    scene = Scene()
    before = phases_of(scene)
    demonstration = Source(scene).open(0)
    assert phase_edits(before, known(CONTACT), demonstration, PhasesOptions()) == ()


def test_an_arm_that_holds_nothing_loses_its_interaction() -> None:
    scene = Scene()
    nothing_held = KnownEpisode((Known(0, None, arm="single"),), complete=True)
    edits = phase_edits(phases_of(scene), nothing_held, Source(scene).open(0), PhasesOptions())
    after = phases_of(scene, *edits)
    assert [p.name for p in after.merged] == [PhaseName.GRASP]


def test_the_forward_offset_stays_as_published() -> None:
    phases = true_phases([CONTACT], "single", Source(Scene()).open(0), PhasesOptions())
    held = next(p for p in phases if p.name is PhaseName.INTERACT)
    assert held.start == CONTACT[0] + round(0.3 * (CONTACT[1] - CONTACT[0]))
    assert (held.measured_start, held.measured_end) == CONTACT


def test_phases_of_a_subtask_are_those_of_its_cycle() -> None:
    demonstration = Source(Scene()).open(0)
    phases = true_phases([(10, 25), (50, 70)], "single", demonstration, PhasesOptions())
    own = phases_between(phases, 50, 70)
    assert {p.cycle for p in own} == {1}
    assert [p.name for p in own][:2] == [PhaseName.GRASP, PhaseName.INTERACT]


@pytest.mark.parametrize(
    ("true", "found", "same"),
    [("red cube", "the red cube", True), ("red cube", "cube", False), ("", "cube", True)],
)
def test_a_name_goes_in_where_it_differs(true: str, found: str, same: bool) -> None:
    task = subtask(0, 0, 10, name=found)
    edit = name_edit(Known(0, None, object_name=true), task)
    assert (edit is None) == same


def subtask(index: int, start: int, end: int, arm: str = "single", name: str = "") -> Subtask:
    return Subtask(index, arm, "", "", name, (), "", "", "", ActionType.OTHER, (), start, end)


def test_pairs_are_those_of_most_contact_in_the_clip() -> None:
    found = (subtask(0, 0, 40), subtask(1, 40, 90))
    true = (Known(0, None, contact=((50, 70),)), Known(1, None, contact=((10, 30),)))
    assert owners(found, true) == {0: 1, 1: 0}


def test_a_true_subtask_without_contact_in_any_clip_is_missed() -> None:
    assert owners((subtask(0, 0, 40),), (Known(0, None, contact=((50, 70),)),)) == {}


def test_sides_are_not_mixed_up() -> None:
    found = (subtask(0, 0, 90, arm="left"),)
    assert owners(found, (Known(0, None, arm="right", contact=((5, 9),)),)) == {}
    assert owners(found, (Known(0, None, arm="single", contact=((5, 9),)),)) == {0: 0}


def test_who_names_its_subtask_gets_it() -> None:
    found = (subtask(0, 0, 40), subtask(1, 40, 90))
    assert owners(found, (Known(1, None, subtask=1),)) == {1: 1}


def test_masks_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    (tmp_path / "ground_truth").mkdir()
    (tmp_path / "ground_truth/masks.npz").write_bytes(b"no zip")
    truth = (TrueSubtask(episode_index=0, start_box=(0, 0, 9, 9)),)
    (one,) = known_from_truth(truth, 0, tmp_path).subtasks
    assert one.mask is None


def test_what_was_said_of_the_box_counts_before_its_caption() -> None:
    here, there = (0.0, 0.0, 9.0, 9.0), (50.0, 50.0, 59.0, 59.0)
    spot, caption = VerdictSource.SPOT_CHECK, VerdictSource.CAPTION
    verdicts = (
        HumanVerdict(0, 0, False, here, there, spot, "me", "2026-01-01"),
        HumanVerdict(0, 0, True, here, None, caption, "me", "2026-01-02"),
        HumanVerdict(0, 1, None, here, there, VerdictSource.CHOICE, "me", ""),
        HumanVerdict(0, 2, None, here, None, spot, "me", ""),
        HumanVerdict(1, 3, True, here, None, spot, "me", ""),
    )
    found = {k.number: (k.box, k.wrong) for k in known_from_verdicts(verdicts, 0)}
    assert found == {0: (there, here), 1: (there, None)}


def test_the_path_needs_all_its_places() -> None:
    scene = Scene()
    whole = TrueSubtask.model_validate_json(scene.truth)
    (one,) = known_from_truth((whole,), 0).subtasks
    assert [p.frame for p in one.path] == [30, 45, 60]
    part = whole.model_copy(update={"hold_box": None})
    assert known_from_truth((part,), 0).subtasks[0].path == ()
