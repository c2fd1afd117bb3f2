"""Each stage is broken on purpose, and the diagnosis names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.diagnosis.diagnosis import Diagnosis, How, Outcome
from pipeline.diagnosis.episode import Knowledge, Setting, diagnose_episode, diagnose_episodes
from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.model.edits import AddBox, ChooseCandidate, Edit, MarkRobot, MoveBoundary, Rename
from pipeline.model.problem import Cancelled
from pipeline.model.verdict import HumanVerdict, VerdictSource
from pipeline.scoring.formula import ScoresOptions
from pipeline.stages.phase_options import PhasesOptions
from tests.pipeline.diagnosed_scene import (
    CONTACT,
    LENGTH,
    RED,
    Block,
    Scene,
    Source,
    graph_of,
)

PUSHED = Block("blue cube", (110.0, 40.0), 0.8, pushed=(62, 80))
"""Moves after the object has been put down."""
WEAK = Block("red cube", (40.0, 80.0), 0.05)
_BY_DETECTOR = ScoresOptions(motion_weight=0.0)
SURE = Block("blue cube", (110.0, 40.0), 0.88)


def setting_of(scene: Scene, knowledge: Knowledge | None = None, **options: object) -> Setting:
    truth = (TrueSubtask.model_validate_json(scene.truth),)
    known = knowledge if knowledge is not None else Knowledge(truth)
    return Setting(Source(scene), graph_of(scene), options, None, known)


def diagnosed(scene: Scene, **options: object) -> Diagnosis:
    found = diagnose_episode(setting_of(scene, **options), 0)
    assert len(found) == 1
    return found[0]


def test_nothing_is_at_fault_where_the_object_was_found() -> None:
    found = diagnosed(Scene())
    assert (found.outcome, found.stage, found.steps) == (Outcome.RIGHT, None, ())


def test_phases() -> None:
    # Closed only below 0.05 of the opening: the signal never gets there, all is one interaction.
    signal = np.ones(LENGTH)
    signal[CONTACT[0] : CONTACT[1]] = 0.2
    signal[84:] = 0.0
    scene = Scene(blocks=(RED, PUSHED), signal=signal, instruction="Pick up the cube.")
    broken = PhasesOptions(closure_threshold=0.1, min_phase_frames=3, rule="published")
    found = diagnosed(scene, phases=broken)
    assert (found.outcome, found.stage, found.how) == (
        Outcome.WRONG,
        "phases",
        How.SUBSTITUTION,
    ), found
    assert "contact" in found.sentence


def test_name() -> None:
    scene = Scene(blocks=(WEAK, SURE), forgets_name=True)
    found = diagnosed(scene, scores=ScoresOptions(motion_weight=0.3))
    assert (found.stage, found.how) == ("subtasks", How.SUBSTITUTION), found


def test_name_that_the_instruction_does_not_say() -> None:
    scene = Scene(blocks=(RED, SURE), instruction="Pick up the cube.")
    found = diagnosed(scene, scores=_BY_DETECTOR)
    assert (found.stage, found.how) == ("data", How.SUBSTITUTION), found
    assert "instruction" in found.sentence


def test_no_candidate_on_the_object() -> None:
    found = diagnosed(Scene(unseen=("red cube",)))
    assert (found.stage, found.how) == ("proposals", How.SUBSTITUTION), found
    assert "no candidate is on the object" in found.sentence


def test_no_candidate_and_lost_tracks() -> None:
    scene = Scene(
        unseen=("red cube",), lost=("red cube",), blocks=(RED, SURE), dragged=("blue cube",)
    )
    found = diagnosed(scene)
    assert found.stage == "proposals"
    assert found.how is How.RECALL
    assert "tracks" in found.together


def test_box_with_a_corner_of_the_object_only() -> None:
    found = diagnosed(Scene(cut=("red cube",), instruction="Pick up the cube."))
    assert (found.stage, found.how) == ("proposals", How.SUBSTITUTION), found
    assert "added" in found.sentence


def test_box_with_too_much_around_the_object() -> None:
    scene = Scene(blocks=(RED, SURE), loose=("red cube",), instruction="Pick up the cube.")
    found = diagnosed(scene, scores=ScoresOptions(neutral_motion=0.0))
    assert (found.stage, found.how) == ("proposals", How.SUBSTITUTION), found
    assert "in place of its candidate" in found.sentence


def test_mask(tmp_path: Path) -> None:
    scene = Scene(blocks=(RED, SURE), background=("red cube",), instruction="Pick up the cube.")
    (tmp_path / "ground_truth").mkdir()
    labels = np.where(scene.true_mask, 3, 0).astype(np.uint8)
    labels[:10] = 255
    np.savez(tmp_path / "ground_truth/masks.npz", **{"episode_000000.keyframe_0": labels})
    truth = (TrueSubtask.model_validate_json(scene.truth),)
    (found,) = diagnose_episode(setting_of(scene, Knowledge(truth, masks_in=tmp_path)), 0)
    assert (found.stage, found.how) == ("masks", How.SUBSTITUTION), found


def test_lost_tracks() -> None:
    found = diagnosed(
        Scene(blocks=(RED, SURE), lost=("red cube",), instruction="Pick up the cube.")
    )
    assert (found.stage, found.how) == ("tracks", How.SUBSTITUTION), found
    assert "true path" in found.sentence


def test_tracks_of_another_thing() -> None:
    scene = Scene(blocks=(RED, SURE), dragged=("blue cube",), instruction="Pick up the cube.")
    found = diagnosed(scene)
    assert (found.stage, found.how) == ("tracks", How.SUBSTITUTION), found
    assert "stands still" in found.sentence


def test_object_taken_for_the_robot() -> None:
    found = diagnosed(Scene(taken_for_robot=("red cube",)))
    assert (found.stage, found.how) == ("robot", How.SUBSTITUTION), found


def test_scores() -> None:
    surer = Block("blue cube", (110.0, 40.0), 0.95)
    found = diagnosed(Scene(blocks=(RED, surer)), scores=_BY_DETECTOR)
    assert "also with the truth put in for tracks" in found.sentence
    assert (found.stage, found.how) == ("scores", How.SUBSTITUTION), found


def test_two_stages_together() -> None:
    surer = Block("blue cube", (110.0, 40.0), 0.95)
    scene = Scene(blocks=(WEAK, surer), forgets_name=True, lost=("red cube",))
    found = diagnosed(scene, scores=ScoresOptions(motion_weight=0.4))
    assert (found.stage, found.together) == ("tracks", ("subtasks",)), found
    assert "together with subtasks" in found.sentence
    assert any(s.together == ("subtasks",) and s.right for s in found.steps)


def test_the_interaction_alone_needs_no_new_tracks() -> None:
    # One closure, found too late: candidates and tracks stay, the moving block is another one.
    early = Block("blue cube", (110.0, 40.0), 0.6, pushed=(62, 80))
    signal = np.ones(LENGTH)
    signal[60:80] = 0.0
    scene = Scene(blocks=(RED, early), signal=signal, instruction="Pick up the cube.")
    found = diagnosed(scene)
    assert found.stage == "phases", found
    assert scene.runs.count("tracks") <= 2


def test_a_subtask_that_was_not_found() -> None:
    scene = Scene()
    other = TrueSubtask(
        episode_index=0, subtask_index=1, object_name="green cube", contact=((70, 80),),
        start_box=(0, 0, 9, 9),
    )  # fmt: skip
    truth = (TrueSubtask.model_validate_json(scene.truth), other)
    found = diagnose_episode(setting_of(scene, Knowledge(truth)), 0)
    assert [d.outcome for d in found] == [Outcome.RIGHT, Outcome.WRONG]
    missed = found[1]
    assert (missed.subtask, missed.number, missed.stage, missed.how) == (
        -1,
        1,
        "phases",
        How.RECALL,
    )
    assert "green cube" in missed.sentence


def test_a_subtask_too_many() -> None:
    signal = np.ones(LENGTH)
    signal[CONTACT[0] : CONTACT[1]] = 0.0
    signal[70:84] = 0.0
    found = diagnose_episode(setting_of(Scene(signal=signal)), 0)
    assert len(found) == 2
    assert (found[1].outcome, found[1].stage) == (Outcome.WRONG, "phases")


@pytest.mark.parametrize("stage", ["proposals", "robot", "recording"])
def test_an_episode_that_fails_names_its_stage_and_stops_nobody(stage: str) -> None:
    setting = setting_of(Scene(fails=stage))
    found = dict(diagnose_episodes(setting, (0, 0)))
    (one,) = found[0]
    assert one.stage == ("data" if stage == "recording" else stage)
    assert (one.how, one.outcome) == (How.FAILURE, Outcome.WRONG)


def test_a_failing_subtask_does_not_hide_the_others() -> None:
    signal = np.ones(LENGTH)
    signal[CONTACT[0] : CONTACT[1]] = 0.0
    signal[70:84] = 0.0
    scene = Scene(signal=signal, fails_at=("masks", 2))
    found = diagnose_episode(setting_of(scene), 0)
    assert [(d.subtask, d.stage) for d in found] == [(0, None), (1, "masks")]


def test_a_substitution_that_fails_is_a_step_that_could_not_be_tried() -> None:
    surer = Block("blue cube", (110.0, 40.0), 0.95)
    scene = Scene(blocks=(RED, surer), loose=("red cube",), fails_at=("masks", 2))
    found = diagnosed(scene, scores=_BY_DETECTOR)
    assert (found.steps[0].stage, found.steps[0].right) == ("proposals", None)
    assert "cannot be computed" in found.steps[0].what
    assert found.stage == "scores"


def test_nothing_is_known() -> None:
    (found,) = diagnose_episode(setting_of(Scene(), Knowledge()), 0)
    assert found.outcome is Outcome.UNKNOWN
    assert found.how in (None, How.CODES)
    assert not found.is_fault


def test_cancel_comes_through() -> None:
    with pytest.raises(Cancelled):
        diagnose_episode(setting_of(Scene()), 0, is_cancelled=lambda: True)


def test_progress_rises() -> None:
    told: list[float] = []
    setting = setting_of(Scene(unseen=("red cube",)))
    list(diagnose_episodes(setting, (0, 0), lambda share, _what: told.append(share)))
    assert told == sorted(told)
    assert told[-1] == 1.0


# -- what people know --------------------------------------------------------------------------


def by_person(*edits: Edit) -> Knowledge:
    return Knowledge(edits={0: edits})


def test_a_chosen_candidate_is_the_answer_and_never_put_in() -> None:
    scene = Scene(blocks=(RED, SURE), instruction="Pick up the cube.")
    knowledge = by_person(ChooseCandidate(subtask=0, box=RED.box))
    found = diagnose_episode(setting_of(scene, knowledge, scores=_BY_DETECTOR), 0)
    assert (found[0].outcome, found[0].stage) == (Outcome.WRONG, "scores"), found


def test_a_drawn_box_says_that_the_proposals_missed_it() -> None:
    scene = Scene(unseen=("red cube",))
    (found,) = diagnose_episode(setting_of(scene, by_person(AddBox(subtask=0, box=RED.box))), 0)
    assert (found.outcome, found.stage) == (Outcome.WRONG, "proposals"), found


def test_moved_boundaries_are_put_in_before_the_choice() -> None:
    signal = np.ones(LENGTH)
    signal[60:80] = 0.0
    early = Block("blue cube", (110.0, 40.0), 0.6, pushed=(62, 80))
    scene = Scene(blocks=(RED, early), signal=signal, instruction="Pick up the cube.")
    knowledge = by_person(
        MoveBoundary(arm="single", index=0, frame=30),
        MoveBoundary(arm="single", index=1, frame=60),
        ChooseCandidate(subtask=0, box=RED.box),
    )
    (found,) = diagnose_episode(setting_of(scene, knowledge), 0)
    assert (found.outcome, found.stage) == (Outcome.WRONG, "phases"), found


def test_a_marked_robot_is_put_in() -> None:
    scene = Scene(taken_for_robot=("red cube",))
    knowledge = by_person(
        MarkRobot(subtask=0, frame=20, point=(40.0, 80.0), inside=False),
        ChooseCandidate(subtask=0, box=RED.box),
    )
    (found,) = diagnose_episode(setting_of(scene, knowledge), 0)
    assert found.stage == "robot"
    assert "as a person marked it" in found.sentence


def test_who_only_gives_a_name_does_not_say_which_box_is_right() -> None:
    knowledge = by_person(Rename(subtask=0, object_name="red cube"))
    assert not knowledge.knows(0)
    (found,) = diagnose_episode(setting_of(Scene(), knowledge), 0)
    assert found.outcome is Outcome.UNKNOWN


def test_a_box_that_a_person_calls_wrong_has_a_suspect_only() -> None:
    scene = Scene(blocks=(RED, SURE), instruction="Pick up the cube.")
    verdict = HumanVerdict(0, 0, False, SURE.box, None, VerdictSource.SPOT_CHECK, "me", "")
    knowledge = Knowledge(verdicts=(verdict,))
    (found,) = diagnose_episode(setting_of(scene, knowledge, scores=_BY_DETECTOR), 0)
    assert found.outcome is Outcome.WRONG
    assert not found.is_fault


def test_a_true_box_of_a_spot_check_without_phases_proves_no_score() -> None:
    scene = Scene(blocks=(RED, SURE), instruction="Pick up the cube.")
    verdict = HumanVerdict(0, 0, False, SURE.box, RED.box, VerdictSource.SPOT_CHECK, "me", "")
    knowledge = Knowledge(verdicts=(verdict,))
    (found,) = diagnose_episode(setting_of(scene, knowledge, scores=_BY_DETECTOR), 0)
    assert (found.outcome, found.how) == (Outcome.WRONG, How.CODES)
