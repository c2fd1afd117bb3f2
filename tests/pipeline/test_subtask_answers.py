"""Stage 1b with a language model: what an answer and the phases make together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.codec import decode, encode
from pipeline.engine.keys import result_key
from pipeline.model.edits import Edit, Rename
from pipeline.model.phases import Phase, PhaseName, PhasesResult
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.subtask import ActionType, SubtasksResult
from pipeline.model.usage import PlannedUsage, Usage
from pipeline.stages.backend_options import FALLBACK
from pipeline.stages.stage import StageContext, StageInputs
from pipeline.stages.subtask_costs import asks_a_server, planned_usage
from pipeline.stages.subtasks import SubtasksOptions, SubtasksStage, request_of
from tests.language_server import (
    Hang,
    LanguageServer,
    Refuse,
    Say,
    cycle_by_cycle,
    language_server,
)
from tests.pipeline.test_subtasks import LENGTH, _cycle, _demonstration, _NoFrames, _phases

TEXT = "open the top drawer, put the red cup inside, close it"
DRAWER = {"sentence": "Open the top drawer.", "verb": "open", "object": "top drawer"}
DRAWER |= {"action": "open_close"}
CUP = {"sentence": "Put the red cup in the top drawer.", "object": "red cup", "target": "drawer"}
CLOSE = {"sentence": "Close the top drawer.", "verb": "close", "object": "top drawer"}
CLOSE |= {"action": "open_close"}


class Model:
    """The stage with a local server behind it."""

    def __init__(self, server: LanguageServer) -> None:
        self.server = server
        self.options = SubtasksOptions(
            backend="openai_compatible", base_url=server.url, model="m", timeout_s=5.0
        )

    def answers(self, *rows: dict[str, Any]) -> None:
        self.server.answer = cycle_by_cycle(*rows)

    def __call__(
        self,
        text: str,
        phases: PhasesResult,
        *edits: Edit,
        cancelled: Callable[[], bool] = lambda: False,
        **options: Any,
    ) -> SubtasksResult:
        context = StageContext(_NoFrames(), lambda share, what: None, cancelled)
        inputs = StageInputs({"phases": phases}, -1)
        chosen = replace(self.options, **options)
        result = SubtasksStage().run(_demonstration(text), inputs, chosen, edits, context)
        assert decode(encode(result), SubtasksResult) == result
        assert [s.index for s in result.subtasks] == list(range(len(result.subtasks)))
        assert all(len(s.descriptions) in (0, len(s.phases)) for s in result.subtasks)
        return result


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "DEMOSCOPE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with language_server() as server:
        yield Model(server)


def _three(arm: str = "arm") -> PhasesResult:
    cycles = [*_cycle(arm, 0, 10), *_cycle(arm, 1, 100, failed=True), *_cycle(arm, 2, 260)]
    return _phases((arm, cycles))


def _codes(result: SubtasksResult) -> list[str]:
    return [p.code for p in result.problems]


def test_phases_inherit_their_frames(model: Model) -> None:
    model.answers(DRAWER, CUP, CLOSE)
    phases = _three()
    result = model(TEXT, phases)
    assert [s.instruction for s in result.subtasks] == [
        "Open the top drawer.", "Put the red cup in the top drawer.", "Close the top drawer.",
    ]  # fmt: skip
    assert [p for s in result.subtasks for p in s.phases] == list(phases.merged)
    # 0.2 s at 30 fps before the approach and after the release, where there is room
    assert [(s.start, s.end) for s in result.subtasks] == [(4, 96), (94, 201), (254, 346)]
    assert [s.action for s in result.subtasks] == [
        ActionType.OPEN_CLOSE, ActionType.PICK_AND_PLACE, ActionType.OPEN_CLOSE,
    ]  # fmt: skip
    first = result.subtasks[0]
    assert first.descriptions == ("Phase 1.", "Phase 2.", "Phase 3.")
    assert {s.named_by for s in result.subtasks} == {"openai_compatible"}
    assert (result.backend, result.model) == ("openai_compatible", "m")
    assert result.prompt
    assert result.usage == Usage(1, 100, 27)
    assert result.problems == ()


def test_equal_trajectories_cost_one_question(model: Model) -> None:
    model.answers(DRAWER, CUP, CLOSE)
    model(TEXT, _three())
    shifted = _phases(
        ("arm", [replace(p, start=p.start + 5, end=p.end + 5) for p in _three().merged])
    )
    again = model(TEXT, shifted)
    assert again.usage == Usage(kept=1)
    assert [s.phases[0].start for s in again.subtasks] == [15, 105, 265]
    assert len(model.server.requests) == 1


def test_a_second_grasp_of_the_same_object_is_no_second_subtask(model: Model) -> None:
    model.answers(DRAWER | {"phases": [1, 2, 3]}, CUP | {"phases": list(range(4, 12))})
    phases = _three()
    result = model("open the drawer and put the cup in it", phases)
    assert len(result.subtasks) == 2
    cup = result.subtasks[1]
    assert cup.phases == phases.merged[3:]
    assert len(cup.interaction) == 2
    assert (cup.start, cup.end) == (94, 346)
    assert result.problems == ()


def test_a_grasp_that_the_answer_leaves_out(model: Model) -> None:
    model.answers(DRAWER, CUP)
    result = model(TEXT, _three())
    assert [s.object_name for s in result.subtasks] == ["top drawer", "red cup"]
    (problem,) = result.problems
    assert problem.code == "answer_phases"
    assert problem.frame == 280
    assert "left out" in problem.message


def test_a_grasp_is_never_cut(model: Model) -> None:
    model.answers(DRAWER | {"phases": [1, 3]}, CUP | {"phases": [2, 4, 5, 6, 7, 8]}, CLOSE)
    result = model(TEXT, _three())
    # The action with the held span gets the whole cycle; the one without joins its neighbour.
    assert [s.object_name for s in result.subtasks] == ["red cup", "top drawer"]
    assert result.subtasks[0].phases[0].start == 10
    assert _codes(result) == ["answer_phases", "answer_phases"]
    assert "2 actions" in result.problems[0].message


def test_an_action_without_a_grasp_shares_the_clip_of_its_neighbour(model: Model) -> None:
    press = {"sentence": "Press the red button.", "action": "press_switch", "phases": []}
    model.answers(DRAWER, press | {"verb": "press", "object": "red button"}, CLOSE)
    phases = _phases(("arm", [*_cycle("arm", 0, 10), *_cycle("arm", 2, 200)]))
    rows = [DRAWER, press, CLOSE | {"phases": [4, 5, 6]}]
    model.answers(*rows)
    result = model(TEXT, phases)
    assert [s.instruction for s in result.subtasks] == [
        "Open the top drawer, then press the red button.", "Close the top drawer.",
    ]  # fmt: skip
    assert result.subtasks[0].object_name == "top drawer"
    assert _codes(result) == ["answer_phases"]
    assert "no grasp of its own" in result.problems[0].message
    model.answers(press, CUP | {"phases": [1, 2, 3]}, CLOSE | {"phases": [4, 5, 6]})
    first = model(TEXT, phases, draw=1).subtasks[0]
    assert first.instruction == "Press the red button, then put the red cup in the top drawer."
    assert first.object_name == "red cup"  # what the gripper closed for


def test_both_arms_make_a_subtask_each(model: Model) -> None:
    phases = _phases(("left", _cycle("left", 0, 10)), ("right", _cycle("right", 0, 14)))
    box = {"sentence": "Lift the box.", "verb": "lift", "object": "box"}
    model.answers(box | {"phases": [1, 2, 3, 4, 5, 6]})
    result = model("lift the box with both hands", phases)
    assert [(s.arm, s.object_name) for s in result.subtasks] == [("left", "box"), ("right", "box")]
    assert all(p.arm == s.arm for s in result.subtasks for p in s.phases)
    assert result.problems == ()


def test_the_arm_of_the_phases_counts(model: Model) -> None:
    phases = _phases(("left", _cycle("left", 0, 10)), ("right", _cycle("right", 0, 150)))
    model.answers(CUP | {"arm": "right"}, CLOSE)
    result = model(TEXT, phases)
    assert [s.arm for s in result.subtasks] == ["left", "right"]
    assert _codes(result) == ["answer_phases"]
    assert "left arm" in result.problems[0].message


def test_an_action_that_another_one_interrupts(model: Model) -> None:
    model.answers(CUP | {"phases": [1, 2, 3, 9, 10, 11]}, DRAWER | {"phases": [4, 5, 6, 7, 8]})
    result = model(TEXT, _three())
    assert [s.object_name for s in result.subtasks] == ["red cup", "top drawer", "red cup"]
    assert _codes(result) == ["answer_phases"]
    assert "in between" in result.problems[0].message


def test_numbers_of_phases_that_do_not_exist(model: Model) -> None:
    model.answers(CUP | {"phases": [0, 1, 2, 3, 77, -1]})
    result = model("put the cup away", _phases(("arm", _cycle("arm", 0, 10))))
    assert len(result.subtasks[0].phases) == 3
    model.answers(CUP | {"phases": [55]})  # then it is aligned by order
    result = model("put the cup away", _phases(("arm", _cycle("arm", 0, 10))), draw=1)
    assert result.subtasks[0].object_name == "red cup"


def test_an_answer_without_phases_is_aligned_by_order(model: Model) -> None:
    model.answers(*(row | {"phases": []} for row in (DRAWER, CUP, CLOSE)))
    result = model(TEXT, _three())
    assert [s.object_name for s in result.subtasks] == ["top drawer", "red cup", "top drawer"]
    assert result.problems == ()


def test_an_answer_that_covers_no_grasp(model: Model) -> None:
    failed = [p for p in _cycle("arm", 1, 200, failed=True) if p.name is not PhaseName.INTERACT]
    phases = _phases(("arm", [*_cycle("arm", 0, 0), *failed]))
    model.answers(CUP | {"phases": [5]})  # the failed attempt only
    result = model("put the cup away", phases)
    (task,) = result.subtasks
    assert task.object_name == ""
    assert _codes(result) == ["answer_phases"]


def test_nothing_understood(model: Model) -> None:
    result = model("blargh", _three())
    assert [s.object_name for s in result.subtasks] == ["", "", ""]
    assert _codes(result) == ["instruction_not_understood"]
    assert result.subtasks[0].instruction == "Blargh."


def test_without_grasps_one_subtask_covers_the_episode(model: Model) -> None:
    span = [Phase(PhaseName.INTERACT, "arm", 0, LENGTH, 0, 0, LENGTH)]
    model.answers(CUP | {"phases": []})
    for phases in (_phases(("arm", span), coarse=True), _phases(("arm", []))):
        (task,) = model("put the cup away", phases).subtasks
        assert (task.start, task.end, task.object_name) == (0, LENGTH, "red cup")
    assert model.server.requests[0].question["phases"] == []


def test_a_tool_is_the_object(model: Model) -> None:
    model.answers(
        {"sentence": "Wipe the table with the towel.", "action": "tool", "verb": "wipe"}
        | {"object": "towel", "target": "table"}
    )
    (task,) = model("Wisch den Tisch", _phases(("arm", _cycle("arm", 0, 10)))).subtasks
    assert (task.action, task.object_name, task.target_name) == (ActionType.TOOL, "towel", "table")
    assert "the tool is the object" in model.server.requests[0].system


def test_text_from_a_model_is_tamed(model: Model) -> None:
    model.answers(
        CUP | {"object": "The  red\n\x1b[31mcup.", "relation": "Inside the", "target": "none"}
        | {"sentence": "put\tthe cup " + "x" * 1000, "start_location": "a table"}
    )  # fmt: skip
    (task,) = model("put the cup away", _phases(("arm", _cycle("arm", 0, 10)))).subtasks
    assert (task.object_name, task.target_name) == ("red [31mcup", "")
    assert (task.relation, task.source_name) == ("inside", "table")
    assert task.instruction.startswith("Put the cup xxx")
    assert len(task.instruction) < 310


def test_a_name_by_a_person_wins(model: Model) -> None:
    model.answers(CUP)
    phases = _phases(("arm", _cycle("arm", 0, 10)))
    (task,) = model("x", phases, Rename(subtask=0, object_name="blue mug")).subtasks
    assert (task.object_name, task.named_by, task.descriptions) == ("blue mug", "person", ())


def test_a_failure_is_a_sentence_unless_the_rules_may_stand_in(model: Model) -> None:
    phases = _phases(("arm", _cycle("arm", 0, 10)))
    model.server.script.extend([Refuse(403, "no")] * 2)
    with pytest.raises(DataError, match="does not take the key"):
        model("put the cup on the plate", phases)
    result = model("put the cup on the plate", phases, allow_fallback=True)
    assert result.backend == "rules"
    assert _codes(result) == [FALLBACK]
    assert "does not take the key" in result.problems[0].message
    assert result.subtasks[0].named_by == "rules"
    assert not result.usage


def test_no_key_and_no_address_are_said_before_anything_is_sent(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "DEMOSCOPE_GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    phases = _phases(("arm", _cycle("arm", 0, 10)))
    with pytest.raises(DataError, match="GEMINI_API_KEY"):
        model("put the cup away", phases, backend="gemini")
    with pytest.raises(DataError, match=r"subtasks\.base_url"):
        model("put the cup away", phases, base_url="")
    assert model.server.requests == []


def test_cancel_while_the_server_thinks(model: Model) -> None:
    model.server.script.append(Hang())
    with pytest.raises(Cancelled):
        model(TEXT, _three(), cancelled=model.server.came.is_set)


def test_what_enters_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, demonstration = SubtasksStage(), _demonstration("x")

    def key(**options: Any) -> str:
        return result_key(stage, demonstration, -1, SubtasksOptions(**options), (), {})

    assert key(timeout_s=5.0, attempts=2, allow_fallback=True, max_wait_s=3.0) == key()
    assert key(model="a", backend="gemini") != key(model="b", backend="gemini")
    assert key(draw=1) != key()
    before = key(backend="gemini")
    monkeypatch.setenv("GEMINI_API_KEY", "k" * 30)
    assert key(backend="gemini") == before
    assert stage.identity(SubtasksOptions(backend="gemini")).startswith("gemini:1-")
    assert stage.identity(SubtasksOptions()) == "rules"


def test_a_batch_is_estimated_without_asking(model: Model) -> None:
    model.answers(DRAWER, CUP, CLOSE)
    one = _phases(("arm", _cycle("arm", 0, 10)))
    requests = [
        request_of(_demonstration(TEXT), _three()),
        request_of(_demonstration(TEXT), _three()),  # the same question
        request_of(_demonstration(TEXT), one),
        request_of(_demonstration(""), one),
        None,
    ]
    planned = planned_usage(requests, model.options)
    assert (planned.requests, planned.shared, planned.kept, planned.unknown) == (2, 1, 0, 1)
    assert planned.tokens_in > 1000
    assert "2 requests, about" in planned.text
    assert model.server.requests == []
    model(TEXT, _three())
    planned = planned_usage(requests, model.options)
    assert (planned.requests, planned.shared, planned.kept) == (1, 0, 2)
    assert not asks_a_server(SubtasksOptions())
    assert planned_usage(requests, SubtasksOptions()).requests == 0


def test_usage_in_words() -> None:
    both = Usage(1, 1000, 200) + Usage(1, 234, 7) + Usage(kept=2)
    assert both.text == "2 requests, 1,234 tokens in, 207 out; 2 kept answers"
    assert Usage().text == "no requests"
    assert not Usage()
    assert PlannedUsage(kept=1).text == "no requests; 1 episode answered before"


def test_kept_files_are_plain_json(model: Model, tmp_path: Path) -> None:
    model.answers(CUP)
    model("put the cup away", _phases(("arm", _cycle("arm", 0, 10))))
    (file,) = (tmp_path / "cache" / "language").rglob("*.json")
    data = json.loads(file.read_text())
    assert data["instruction"] == "put the cup away"
    assert (data["backend"], data["model"], data["tokens_in"]) == ("openai_compatible", "m", 100)
    assert data["answer"]["subtasks"][0]["object"] == "red cup"


def test_repairs_are_counted(model: Model) -> None:
    model.answers(CUP)
    model.server.script.append(Say("sorry"))
    result = model("put the cup away", _phases(("arm", _cycle("arm", 0, 10))))
    assert result.usage == Usage(2, 200, 54)
