"""Both online backends against a local server that speaks their real protocols."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends.language.answer_store import AnswerStore
from pipeline.backends.language.gemini import Gemini
from pipeline.backends.language.online import OnlineLanguage, QuestionError
from pipeline.backends.language.openai_compatible import OpenAICompatible
from pipeline.backends.language.prompt import subtasks_prompt
from pipeline.backends.language.protocol import LanguageAnswer, LanguageRequest, LanguageSettings
from pipeline.model.phases import Phase, PhaseName
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.usage import Usage
from tests.language_server import (
    Drop,
    Hang,
    LanguageServer,
    Raw,
    Refuse,
    Request,
    Say,
    cycle_by_cycle,
    language_server,
)

KEY = "sk-geheim-0123456789abcdef/+="
PHASES = tuple(
    Phase(name, "left", 10 * k, 10 * k + 10, 0, 10 * k, 10 * k + 10)
    for k, name in enumerate((PhaseName.GRASP, PhaseName.INTERACT, PhaseName.RELEASE))
)
REQUEST = LanguageRequest("Put the red cup in the bowl.", PHASES, ("left",), 30.0)
ROW = {"object": "the red cup", "verb": "place", "relation": "in", "target": "a bowl"}


class Asked:
    """A backend, its server, and the waits it made (none of which takes time)."""

    def __init__(self, backend: type[OnlineLanguage], server: LanguageServer, folder: Path) -> None:
        self.waits: list[float] = []
        self.said: list[str] = []
        self.server = server
        self.folder = folder
        self.settings = LanguageSettings(model="some-model", base_url=server.url, timeout_s=10.0)
        self.backend = backend(AnswerStore(folder), self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def __call__(
        self,
        request: LanguageRequest = REQUEST,
        watch: Callable[[], None] = lambda: None,
        **settings: Any,
    ) -> LanguageAnswer:
        def progress(share: float, what: str) -> None:
            self.said.append(what)
            watch()

        return self.backend.subtasks(request, replace(self.settings, **settings), progress)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageServer]:
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("GOOGLE_API_KEY", "DEMOSCOPE_GEMINI_API_KEY", "DEMOSCOPE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with language_server(KEY) as found:
        found.answer = cycle_by_cycle(ROW)
        yield found


@pytest.fixture(params=[Gemini, OpenAICompatible], ids=lambda c: c.name)
def ask(request: pytest.FixtureRequest, server: LanguageServer, tmp_path: Path) -> Asked:
    return Asked(request.param, server, tmp_path / "kept")


@pytest.fixture
def ask_openai(server: LanguageServer, tmp_path: Path) -> Asked:
    return Asked(OpenAICompatible, server, tmp_path / "kept")


@pytest.fixture
def ask_gemini(server: LanguageServer, tmp_path: Path) -> Asked:
    return Asked(Gemini, server, tmp_path / "kept")


def _failure(ask: Asked, **settings: Any) -> QuestionError:
    with pytest.raises(QuestionError) as failed:
        ask(**settings)
    text = str(failed.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert KEY not in text
    return failed.value


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


def test_retry_after_is_honoured(ask: Asked) -> None:
    wait = Refuse(429, "Too many requests", headers={"Retry-After": "17"})
    ask.server.script.extend([wait, wait])
    answer = ask()
    assert ask.waits == [17.0, 17.0]
    assert answer.usage.requests == 3
    assert answer.subtasks


def test_retry_after_in_real_time(ask: Asked) -> None:
    backend = type(ask.backend)(AnswerStore(ask.folder))  # with the real clock
    ask.server.script.append(Refuse(429, "slow down", headers={"Retry-After": "0.2"}))
    backend.subtasks(REQUEST, ask.settings, lambda share, what: None)
    (gap,) = ask.server.gaps
    assert 0.2 <= gap < 1.0


def test_retry_after_as_a_date(ask: Asked) -> None:
    date = formatdate(time.time() + 30, usegmt=True)
    ask.server.script.append(Refuse(503, "overloaded", headers={"Retry-After": date}))
    ask()
    assert ask.waits == [pytest.approx(29.5, abs=1.5)]


def test_retry_info_of_gemini(ask_gemini: Asked) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}
    ask_gemini.server.script.append(Refuse(429, "quota", details=[info]))
    ask_gemini()
    assert ask_gemini.waits == [12.5]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_backoff_up_to_a_limit(ask: Asked, status: int) -> None:
    ask.server.script.extend([Refuse(status, "try later")] * 4)
    failure = _failure(ask)
    assert failure.code == "server_busy"
    assert str(status) in str(failure)
    assert "try later" in str(failure)
    assert failure.usage.requests == len(ask.server.requests) == 4
    assert [0.8 * w <= got <= w for w, got in zip((1, 2, 4), ask.waits, strict=True)] == [True] * 3
    assert ask().subtasks  # the script is over: the same question goes through


def test_a_quota_of_hours_is_not_waited_for(ask: Asked) -> None:
    ask.server.script.append(Refuse(429, "daily quota", headers={"Retry-After": "3600"}))
    failure = _failure(ask)
    assert failure.code == "server_busy"
    assert "3600 s" in str(failure)
    assert ask.waits == []


def test_a_wait_that_is_no_number_is_ours(ask: Asked) -> None:
    ask.server.script.append(Refuse(429, "slow", headers={"Retry-After": "nan"}))
    assert ask().subtasks
    assert 0.8 <= ask.waits[0] <= 1.0


def test_a_gateway_that_wraps_errors(ask_openai: Asked) -> None:
    body = {"error": {"code": 503, "message": "the model is loading"}}
    ask_openai.server.script.append(Raw(json.dumps(body).encode(), kind="application/json"))
    assert ask_openai().subtasks
    assert len(ask_openai.waits) == 1


def test_half_characters_of_a_dataset(ask: Asked) -> None:
    assert ask(replace(REQUEST, instruction="put the \ud800 cup away")).subtasks
    assert ask.server.requests[0].question["instruction"] == "put the ? cup away"
    assert ask(replace(REQUEST, instruction="put the \ud800 cup away")).usage == Usage(kept=1)


def test_no_credit_is_not_retried(ask_openai: Asked) -> None:
    ask_openai.server.script.append(Refuse(429, "You exceeded", code="insufficient_quota"))
    assert _failure(ask_openai).code == "server_refused"
    assert len(ask_openai.server.requests) == 1


def test_a_dropped_connection_is_tried_again(ask: Asked) -> None:
    ask.server.script.append(Drop())
    assert ask().subtasks
    assert len(ask.waits) == 1
    ask.server.script.extend([Drop()] * 4)
    assert _failure(ask, draw=1).code == "no_connection"


def _refuse_option(*words: str) -> Callable[[Request], Refuse | None]:
    """Refuse as long as an option is sent whose name holds one of these words."""

    def check(request: Request) -> Refuse | None:
        found = [n for n in request.option if any(w in n.lower() for w in words)]
        return Refuse(400, f"Unsupported parameter: '{found[0]}'.") if found else None

    return check


def test_a_refused_option_is_dropped_and_said(ask: Asked) -> None:
    ask.server.script.extend([_refuse_option("temperature")] * 2)
    answer = ask()
    (problem,) = answer.problems
    assert problem.code == "option_dropped"
    assert "temperature" in problem.message
    first, second = ask.server.requests
    assert set(first.option) - set(second.option) == {"temperature"}
    assert ask.waits == []
    # The server is known now: the next question is not refused first, and says so as well.
    assert [p.code for p in ask(draw=1).problems] == ["option_dropped"]
    assert len(ask.server.requests) == 3
    # And so does the kept answer.
    assert [p.code for p in ask().problems] == ["option_dropped"]
    assert len(ask.server.requests) == 3


def test_a_server_without_schemas_still_answers(ask: Asked) -> None:
    ask.server.script.extend([_refuse_option("schema", "response_format")] * 2)
    ask.server.answer = lambda request: (
        "<think>Hm, {x}.</think>Sure!\n```json\n" + cycle_by_cycle(ROW)(request) + "\n```"
    )
    assert ask().subtasks
    assert not any("schema" in n.lower() for n in ask.server.requests[1].option)


def test_the_newer_name_of_the_limit(ask_openai: Asked) -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    ask_openai.server.script.append(Refuse(400, message, param="max_tokens"))
    ask_openai()
    option = ask_openai.server.requests[1].option
    assert "max_tokens" not in option
    assert option["max_completion_tokens"] == 4096


def test_a_bad_request_that_names_nothing_drops_all_options_once(ask: Asked) -> None:
    ask.server.script.extend([Refuse(400, "Request contains an invalid argument.")] * 2)
    failure = _failure(ask)
    assert failure.code == "server_refused"
    assert "invalid argument" in str(failure)
    assert len(ask.server.requests) == 2
    assert not set(ask.server.requests[1].option) - {"max_completion_tokens"}
    assert ask(draw=1).problems == ()  # nothing was learned from a failure


def test_wrong_json_gets_one_repair(ask: Asked) -> None:
    ask.server.script.append(Say('{"subtasks": [{"object": "cup"'))
    answer = ask()
    assert answer.subtasks
    assert answer.usage == Usage(requests=2, tokens_in=200, tokens_out=54)
    turns = ask.server.requests[1].turns
    assert len(turns) == 3
    assert '"object": "cup"' in turns[1]
    assert "no JSON object" in turns[2] or "no valid JSON" in turns[2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I am sorry, I cannot do that.", "no JSON object"),
        ('{"subtasks": [{]}', "no valid JSON"),
        ('{"tasks": []}', "subtasks: Field required"),
        ('{"subtasks": [{"sentence": "x"}]}', "subtasks.0.action"),
        ('{"subtasks": {"object": "cup"}}', "subtasks: Input should be a valid list"),
        ("[" * 100_000 + "{}", "no JSON object"),
        ('{"subtasks":' + "[" * 100_000 + "}", "no valid JSON"),
    ],
)  # fmt: skip
def test_a_second_wrong_answer_is_one_sentence(ask_openai: Asked, text: str, reason: str) -> None:
    if text.startswith("[["):
        reason = "subtasks: Field required"
    ask_openai.server.script.extend([Say(text), Say(text)])
    failure = _failure(ask_openai)
    assert failure.code == "bad_answer"
    assert reason in str(failure)
    assert "some-model" in str(failure)
    assert len(ask_openai.server.requests) == 2
    assert not list(ask_openai.folder.rglob("*.json"))


def test_a_wrong_schema_twice_is_one_sentence_with_gemini(ask_gemini: Asked) -> None:
    ask_gemini.server.script.extend([Say('{"tasks": []}')] * 2)
    assert _failure(ask_gemini).code == "bad_answer"


def test_a_cut_answer_is_not_repaired(ask: Asked) -> None:
    reason = "MAX_TOKENS" if ask.backend.name == "gemini" else "length"
    ask.server.script.append(Say('{"subtasks": [', reason=reason))
    failure = _failure(ask, max_output_tokens=99)
    assert "cut off at 99 tokens" in str(failure)
    assert "max_output_tokens" in str(failure)
    assert len(ask.server.requests) == 1


def test_a_blocked_question(ask: Asked) -> None:
    reason = "BLOCK:SAFETY" if ask.backend.name == "gemini" else "content_filter"
    ask.server.script.append(Say("", reason=reason))
    assert "does not answer this question" in str(_failure(ask))


def test_a_server_of_another_kind(ask: Asked) -> None:
    ask.server.script.append(Raw(b"<html>Welcome to the hotel's network</html>"))
    failure = _failure(ask)
    assert failure.code == "bad_answer"
    assert "protocol" in str(failure)
    ask.server.script.append(Raw(b"<html>no such page</html>", status=404))
    assert _failure(ask).code == "no_model"


def test_an_unknown_model(ask: Asked) -> None:
    ask.server.script.append(Refuse(404, "The model does not exist"))
    failure = _failure(ask)
    assert failure.code == "no_model"
    assert "some-model" in str(failure)
    assert "subtasks.model" in str(failure)


def test_the_server_names_its_model(ask_openai: Asked) -> None:
    assert ask_openai(model="").model == "served-model"
    assert ask_openai.server.requests[0].body["model"] == "served-model"


def test_the_default_model_of_gemini(ask_gemini: Asked) -> None:
    ask_gemini(model="")
    assert ask_gemini.server.requests[0].path.endswith(f"/{Gemini.default_model}:generateContent")


def test_slow_servers_time_out(ask: Asked) -> None:
    ask(draw=9)  # imports and connects once, so that the time is the server's
    ask.server.script.append(Hang())
    start = time.monotonic()
    failure = _failure(ask, timeout_s=0.25)
    assert time.monotonic() - start < 2.0
    assert failure.code == "timeout"
    assert "0.25 s" in str(failure)
    assert ask.waits == []


def test_cancel_ends_a_running_request_at_once(ask: Asked) -> None:
    ask(draw=9)
    ask.server.came.clear()
    ask.server.script.append(Hang())
    cancelled_at = 0.0

    def watch() -> None:
        nonlocal cancelled_at
        if ask.server.came.is_set():
            cancelled_at = time.monotonic()
            raise Cancelled

    with pytest.raises(Cancelled):
        ask(watch=watch)
    assert time.monotonic() - cancelled_at < 0.2
    assert len(ask.server.requests) == 2
    assert not ask.backend._store.path(ask.backend.key(REQUEST, ask.settings)).exists()


def test_cancel_ends_a_wait_at_once(ask: Asked) -> None:
    backend = type(ask.backend)(AnswerStore(ask.folder))  # with the real clock
    ask.server.script.append(Refuse(429, "slow", headers={"Retry-After": "30"}))
    seen: list[str] = []

    def progress(share: float, what: str) -> None:
        seen.append(what)
        if "waiting 30 s" in what:
            raise Cancelled

    start = time.monotonic()
    with pytest.raises(Cancelled):
        backend.subtasks(REQUEST, ask.settings, progress)
    assert time.monotonic() - start < 5.0
    assert "429" in seen[-1]


def test_no_threads_and_no_loops_are_left(ask: Asked) -> None:
    ask()
    names = [t.name for t in threading.enumerate()]
    assert not [n for n in names if "httpx" in n or "aio" in n.lower()]


def test_nobody_there(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    with language_server() as gone:
        url = gone.url
    failure = _failure(ask, base_url=url)
    assert failure.code == "no_connection"
    assert "rules" in str(failure)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    failure = _failure(ask, base_url="http://no-such-host.invalid")
    assert failure.code == "no_connection"
    assert "not known" in str(failure)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://127.0.0.1/v1", "bad_address"),
        ("127.0.0.1:8000", "bad_address"),
        (f"http://me:{KEY[:8]}@127.0.0.1:8000/v1", "bad_address"),
        ("http://127.0.0.1:8000/v1?key=abc", "bad_address"),
        ("http://127.0.0.1:x/v1", "bad_address"),
        ("", "no_address"),
    ],
)
def test_addresses(ask_openai: Asked, url: str, code: str) -> None:
    with pytest.raises(DataError) as failed:
        ask_openai(base_url=url)
    assert failed.value.code == code
    assert KEY[:8] not in str(failed.value)


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_addresses_as_people_write_them(ask_openai: Asked, tail: str) -> None:
    ask_openai(base_url=ask_openai.server.url + tail)
    ask_openai()
    assert len(ask_openai.server.requests) == 1  # one server, one answer


def test_an_unauthorised_key_is_not_shown(
    ask: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "sk-wrong-987654321"
    variable = "GEMINI_API_KEY" if ask.backend.name == "gemini" else "OPENAI_API_KEY"
    monkeypatch.setenv(variable, wrong)
    caplog.set_level(logging.DEBUG)
    failure = _failure(ask)
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
    _failure(ask, draw=1)
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
        assert _failure(ask).code == "no_key"
    else:  # many servers want none
        assert reason is None
        assert "OPENAI_API_KEY" in str(_failure(ask))
        ask.server.key = ""
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
