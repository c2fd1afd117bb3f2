"""Both online backends against a local server that speaks their real protocols."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends.language.openai_compatible import OpenAICompatible
from pipeline.backends.language.prompt import subtasks_prompt
from pipeline.backends.language.refusals import forget_refusals
from pipeline.model.usage import Usage
from tests.language_server import (
    LanguageServer,
    Refuse,
    Say,
)
from tests.pipeline.language_asking import KEY, PHASES, REQUEST, Asked, failed


def test_an_answer(ask: Asked) -> None:
    answer = ask()
    (task,) = answer.subtasks
    clause = task.clause
    assert (clause.verb, clause.object_name, clause.colors) == ("put", "red cup", ("red",))
    assert (clause.relation, clause.target_name, clause.arm) == ("in", "bowl", "left")
    assert task.phases == (0, 1, 2)
    assert task.descriptions == ("Phase 1.", "Phase 2.", "Phase 3.")
    assert answer.usage == Usage(requests=1, tokens_in=100, tokens_out=27)
    assert (answer.model, answer.prompt) == ("some-model", subtasks_prompt().identity)
    assert answer.problems == ()


def test_what_is_sent(ask: Asked) -> None:
    ask()
    (request,) = ask.server.requests
    assert request.system == subtasks_prompt().system
    assert request.question == {
        "instruction": "Put the red cup in the bowl.",
        "arms": ["left"],
        "phases": [
            {"number": k, "phase": name, "arm": "left", "cycle": 1}
            for k, name in enumerate(("grasp", "interact", "release"), 1)
        ],
    }
    assert "red cup" in request.turns[0]
    schema = json.dumps(request.option)
    for name in ("start_location", "target", "pick_and_place", "description"):
        assert name in schema
    assert "see the prompt" not in schema  # docstrings of ours


def test_equal_questions_are_asked_once(ask: Asked) -> None:
    first, again = ask(), ask()
    later = tuple(replace(p, start=p.start + 90, end=p.end + 95) for p in PHASES)
    shared = ask(replace(REQUEST, phases=later))  # other times, the same sequence
    spaces = ask(replace(REQUEST, instruction=" Put the red  cup in the bowl.\n"))
    assert len(ask.server.requests) == 1
    assert again.subtasks == shared.subtasks == spaces.subtasks == first.subtasks
    assert again.usage == shared.usage == Usage(kept=1)
    assert again.model == "some-model"


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"temperature": 0.5},
        {"thinking": "off"},
        {"draw": 1},
        {"send_times": True},
    ],
    ids=lambda c: next(iter(c)),
)
def test_what_decides_an_answer_asks_again(ask: Asked, changed: dict[str, Any]) -> None:
    ask()
    ask(**changed)
    assert len(ask.server.requests) == 2
    ask(**changed, timeout_s=9.0, attempts=2, max_output_tokens=100)  # these decide nothing
    assert len(ask.server.requests) == 2


def test_another_sequence_arm_or_instruction_asks_again(ask: Asked) -> None:
    ask()
    ask(replace(REQUEST, phases=PHASES[:2]))
    ask(replace(REQUEST, arms=("left", "right")))
    ask(replace(REQUEST, instruction="Put the red cup in the sink."))
    assert len(ask.server.requests) == 4


def test_an_edited_prompt_asks_again(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    ask()
    edited = replace(subtasks_prompt(), system="Be brief. " + subtasks_prompt().system)
    before = ask.backend.identity()
    monkeypatch.setattr("pipeline.backends.language.online.subtasks_prompt", lambda: edited)
    ask()
    assert len(ask.server.requests) == 2
    assert ask.backend.identity() != before


def test_times_are_sent_and_keyed_if_wanted(ask: Asked) -> None:
    ask(send_times=True)
    row = ask.server.requests[0].question["phases"][1]
    assert (row["start_s"], row["end_s"]) == (0.3, 0.7)
    later = tuple(replace(p, start=p.start + 90, end=p.end + 95) for p in PHASES)
    ask(replace(REQUEST, phases=later), send_times=True)
    assert len(ask.server.requests) == 2


def test_an_empty_instruction_costs_nothing(ask: Asked) -> None:
    answer = ask(replace(REQUEST, instruction="  "))
    assert [p.code for p in answer.problems] == ["instruction_empty"]
    assert ask.server.requests == []
    assert not answer.usage


def test_no_subtasks_means_not_understood(ask: Asked) -> None:
    ask.server.script.append(Say('{"subtasks": []}'))
    assert [p.code for p in ask().problems] == ["instruction_not_understood"]


def test_thinking_off(ask: Asked) -> None:
    ask(thinking="off")
    option = ask.server.requests[0].option
    assert "thinkingConfig" in option or option["chat_template_kwargs"] == {
        "enable_thinking": False
    }


def test_an_unauthorised_key_is_not_shown(
    ask: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "sk-wrong-987654321"
    variable = "GEMINI_API_KEY" if ask.backend.name == "gemini" else "OPENAI_API_KEY"
    monkeypatch.setenv(variable, wrong)
    caplog.set_level(logging.DEBUG)
    failure = failed(ask)
    assert failure.code == "no_key"
    assert variable in str(failure)
    assert wrong not in str(failure) + caplog.text
    assert failure.__cause__ is None
    assert len(ask.server.requests) == 1  # no option is dropped for that


def test_the_key_is_nowhere(
    ask: Asked, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    ask.server.script.extend(
        [
            Refuse(500, f"crashed with {KEY}"),
            Refuse(400, f"Unsupported parameter temperature for {KEY}", param="temperature"),
            Say(f"{{}} {KEY}"),
        ]
    )
    answer = ask()
    assert answer.usage.requests == 4
    ask.server.script.extend([Refuse(418, f"a teapot with {KEY}")])
    failed(ask, draw=1)
    files = [p for p in ask.folder.rglob("*") if p.is_file()]
    assert len(files) == 1
    everything = [caplog.text, repr(answer), repr(ask.backend.__dict__), *ask.said]
    everything += (
        [p.read_text() for p in files] + [str(p) for p in files] + list(capfd.readouterr())
    )
    assert not [text for text in everything if KEY in text]
    sent = json.dumps([r.body for r in ask.server.requests])
    assert KEY not in sent  # a model that repeated it does not get it back


def test_missing_keys(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name)
    reason = ask.backend.available()
    if ask.backend.name == "gemini":
        assert reason is not None
        assert "GEMINI_API_KEY" in reason
        assert "keyring" in reason
        assert failed(ask).code == "no_key"
    else:  # many servers want none
        assert reason is None
        assert "OPENAI_API_KEY" in str(failed(ask))
        ask.server.key = ""
        forget_refusals()  # run again, after the server was changed
        assert ask().subtasks
        assert "authorization" not in ask.server.requests[-1].headers


def test_broken_kept_answers_are_asked_again(ask: Asked) -> None:
    ask()
    (file,) = ask.folder.rglob("*.json")
    kept = file.read_text()
    for broken in ("", "{", kept.replace('"pick_and_place"', '"juggle"'), "\0" * 100):
        file.write_text(broken)
        assert ask().usage.requests == 1
    assert file.read_text() == kept
    assert not list(ask.folder.rglob("*.part"))


def test_a_folder_that_cannot_be_written_costs_only_money(
    server: LanguageServer, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("a file")
    ask = Asked(OpenAICompatible, server, tmp_path / "kept")
    answer = ask()
    assert answer.subtasks
    assert [p.code for p in answer.problems] == ["cache_not_written"]


def test_estimates_are_of_the_right_size(ask: Asked) -> None:
    usage = ask.backend.estimate(REQUEST, ask.settings)
    ask()
    assert usage.requests == 1
    body = json.dumps(ask.server.requests[0].body, ensure_ascii=False)
    assert 0.7 < usage.tokens_in / (len(body) / 4) < 1.3
    assert 50 < usage.tokens_out < 500
    chinese = replace(REQUEST, instruction="把红色的杯子放进碗里" * 20)
    assert ask.backend.estimate(chinese, ask.settings).tokens_in > usage.tokens_in + 150


def test_pending_questions(ask: Asked) -> None:
    key = ask.backend.pending(REQUEST, ask.settings)
    assert key is not None
    ask()
    assert ask.backend.pending(REQUEST, ask.settings) is None
    assert len(ask.server.requests) == 1
