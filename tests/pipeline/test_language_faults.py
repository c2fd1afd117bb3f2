"""What online backends do when the server is busy, slow, wrong or not there."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate

import pytest

from pipeline.backends.language.answer_store import AnswerStore
from pipeline.backends.language.gemini import Gemini
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.usage import Usage
from tests.language_server import (
    Drop,
    Hang,
    Raw,
    Refuse,
    Request,
    Say,
    cycle_by_cycle,
    language_server,
)
from tests.pipeline.language_asking import KEY, REQUEST, ROW, Asked, failed


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
    failure = failed(ask)
    assert failure.code == "server_busy"
    assert str(status) in str(failure)
    assert "try later" in str(failure)
    assert failure.usage.requests == len(ask.server.requests) == 4
    assert [0.8 * w <= got <= w for w, got in zip((1, 2, 4), ask.waits, strict=True)] == [True] * 3
    assert ask().subtasks  # the script is over: the same question goes through


def test_a_quota_of_hours_is_not_waited_for(ask: Asked) -> None:
    ask.server.script.append(Refuse(429, "daily quota", headers={"Retry-After": "3600"}))
    failure = failed(ask)
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
    assert failed(ask_openai).code == "server_refused"
    assert len(ask_openai.server.requests) == 1


def test_a_dropped_connection_is_tried_again(ask: Asked) -> None:
    ask.server.script.append(Drop())
    assert ask().subtasks
    assert len(ask.waits) == 1
    ask.server.script.extend([Drop()] * 4)
    assert failed(ask, draw=1).code == "no_connection"


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
    failure = failed(ask)
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
    failure = failed(ask_openai)
    assert failure.code == "bad_answer"
    assert reason in str(failure)
    assert "some-model" in str(failure)
    assert len(ask_openai.server.requests) == 2
    assert not list(ask_openai.folder.rglob("*.json"))


def test_a_wrong_schema_twice_is_one_sentence_with_gemini(ask_gemini: Asked) -> None:
    ask_gemini.server.script.extend([Say('{"tasks": []}')] * 2)
    assert failed(ask_gemini).code == "bad_answer"


def test_a_cut_answer_is_not_repaired(ask: Asked) -> None:
    reason = "MAX_TOKENS" if ask.backend.name == "gemini" else "length"
    ask.server.script.append(Say('{"subtasks": [', reason=reason))
    failure = failed(ask, max_output_tokens=99)
    assert "cut off at 99 tokens" in str(failure)
    assert "max_output_tokens" in str(failure)
    assert len(ask.server.requests) == 1


def test_a_blocked_question(ask: Asked) -> None:
    reason = "BLOCK:SAFETY" if ask.backend.name == "gemini" else "content_filter"
    ask.server.script.append(Say("", reason=reason))
    assert "does not answer this question" in str(failed(ask))


def test_a_server_of_another_kind(ask: Asked) -> None:
    ask.server.script.append(Raw(b"<html>Welcome to the hotel's network</html>"))
    failure = failed(ask)
    assert failure.code == "bad_answer"
    assert "protocol" in str(failure)
    ask.server.script.append(Raw(b"<html>no such page</html>", status=404))
    assert failed(ask).code == "no_model"


def test_an_unknown_model(ask: Asked) -> None:
    ask.server.script.append(Refuse(404, "The model does not exist"))
    failure = failed(ask)
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
    failure = failed(ask, timeout_s=0.25)
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
    failure = failed(ask, base_url=url)
    assert failure.code == "no_connection"
    assert "rules" in str(failure)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    failure = failed(ask, base_url="http://no-such-host.invalid")
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
