"""What captioners do when the server is busy, slow, wrong, blocks, or is cancelled."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.backends.captioning.online import REPAIR
from pipeline.backends.captioning.written import PlainCaption
from pipeline.backends.language.gemini_server import GeminiServer
from pipeline.backends.language.openai_server import OpenAIServer
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.recipe import Reasoning
from tests.language_server import (
    Drop,
    Hang,
    LanguageServer,
    Raw,
    Refuse,
    Request,
    Say,
    caption_answer,
    language_server,
)
from tests.pipeline.caption_asking import REQUEST, WITH_CLIP, CaptionAsked, asks, failed
from tests.pipeline.language_asking import KEY


@pytest.fixture(params=[GeminiServer, OpenAIServer], ids=lambda c: c.name)
def ask(request: pytest.FixtureRequest, server: LanguageServer, tmp_path: Path) -> CaptionAsked:
    return asks(request.param, server, tmp_path)


def _files(ask: CaptionAsked) -> list[Path]:
    return list((ask.folder / "replies").rglob("*.json"))


def test_retry_info_of_gemini_is_honoured(server: LanguageServer, tmp_path: Path) -> None:
    ask = asks(GeminiServer, server, tmp_path)
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}
    ask.server.script.append(Refuse(429, "quota", details=[info]))
    assert ask()[1].requests == 2
    assert sum(ask.waits) == 12.5


def test_retry_after_is_honoured(ask: CaptionAsked) -> None:
    ask.server.script.append(Refuse(429, "Too many", headers={"Retry-After": "17"}))
    assert ask()[1].requests == 2
    assert sum(ask.waits) == 17.0


def test_a_crash_is_tried_again(ask: CaptionAsked) -> None:
    ask.server.script.extend([Refuse(500, "internal"), Drop()])
    caption, reply = ask()
    assert caption.verb == "put"
    assert reply.requests == 3
    ask.server.script.extend([Refuse(500, "internal image error")] * 4)
    failure = failed(ask, draw=1)
    assert (failure.code, failure.usage.requests) == ("server_busy", 4)


def test_a_refusal_slows_all_captioners_of_the_machine(ask: CaptionAsked) -> None:
    ask.server.script.append(Refuse(429, "Too many", headers={"Retry-After": "3600"}))
    assert failed(ask).code == "server_busy"  # longer than it is willing to wait
    other = CaptionAsked(type(ask.captioner._server)(), ask.server, ask.folder)
    other()
    assert sum(other.waits) == pytest.approx(60.0)  # as long as one may be asked to wait


def test_requests_per_minute(ask: CaptionAsked) -> None:
    for draw in range(5):
        ask(draw=draw, requests_per_minute=2)
    ask(draw=4, requests_per_minute=2)  # kept: it does not count
    assert len(ask.server.requests) == 5
    assert sum(ask.waits) == pytest.approx(120.0, abs=0.1)


def test_slow_servers_time_out(ask: CaptionAsked) -> None:
    ask(draw=9)
    ask.server.script.append(Hang())
    failure = failed(ask, timeout_s=0.25)
    assert failure.code == "timeout"
    assert "captions.timeout_s" in str(failure)


def test_a_blocked_prompt(ask: CaptionAsked) -> None:
    reason = "BLOCK:PROHIBITED_CONTENT" if ask.gemini else "content_filter"
    ask.server.script.append(Say("", reason=reason))
    failure = failed(ask)
    assert failure.code == "bad_answer"
    assert "does not answer this question" in str(failure)
    assert ("PROHIBITED_CONTENT" in str(failure)) == ask.gemini
    assert failure.usage.requests == 1


@pytest.mark.parametrize("text", ["", '{"verb": "put", "cap'])
def test_a_blocked_candidate(ask: CaptionAsked, text: str) -> None:
    reason = "SAFETY" if ask.gemini else "content_filter"
    ask.server.script.append(Say(text, reason=reason))
    assert "does not answer this question" in str(failed(ask))
    assert len(ask.server.requests) == 1  # what begins and is taken away is not asked for again
    assert not _files(ask)


def test_truncated_json_is_repaired_once(ask: CaptionAsked) -> None:
    ask.server.script.append(Say('{"verb": "put", "object": "red cu'))
    caption, reply = ask()
    assert caption.object == "red cube"
    assert (reply.requests, reply.tokens_in, reply.tokens_out) == (2, 200, 54)
    _, second = ask.server.requests
    assert second.parts == ask.server.requests[0].parts  # the pictures are shown again
    assert second.turns[1] == '{"verb": "put", "object": "red cu'
    assert second.turns[2].startswith(REPAIR.partition("{")[0])
    ask.server.script.extend([Say("{"), Say("I see a robot.")])
    failure = failed(ask, draw=1)
    assert "no usable answer, twice" in str(failure)
    assert failure.usage.requests == 2


def test_an_answer_that_was_cut_off_gets_a_higher_limit_once(ask: CaptionAsked) -> None:
    reason = "MAX_TOKENS" if ask.gemini else "length"
    ask.server.script.append(Say('{"verb": "pu', reason=reason))
    caption, reply = ask(max_output_tokens=100)
    assert caption.verb == "put"
    assert reply.requests == 2
    limits = [r.option.get("maxOutputTokens", r.option.get("max_tokens")) for r in _sent(ask)]
    assert limits == [100, 400]
    assert len(ask.server.requests[1].turns) == 1  # half an answer teaches nothing
    ask.server.script.extend([Say('{"verb": "pu', reason=reason)] * 2)
    failure = failed(ask, draw=1, max_output_tokens=100)
    assert "cut off at 400 tokens" in str(failure)
    assert "captions.max_output_tokens" in str(failure)


def _sent(ask: CaptionAsked) -> list[Request]:
    return ask.server.requests


def test_a_whole_answer_at_the_limit_is_taken(ask: CaptionAsked) -> None:
    reason = "MAX_TOKENS" if ask.gemini else "length"
    ask.server.script.append(Say('{"verb": "open", "object": "drawer"}\n\n', reason=reason))
    caption, _ = ask()
    assert caption.caption == "Open the drawer."


def _refuses(word: str) -> Callable[[Request], Refuse | None]:
    def check(request: Request) -> Refuse | None:
        found = [n for n in request.option if word in n.lower()]
        return Refuse(400, f"{found[0]} is not supported for this model.") if found else None

    return check


@pytest.mark.parametrize("word", ["logprobs", "thinking|effort", "temperature"])
def test_an_option_that_is_not_taken_is_dropped_and_told(ask: CaptionAsked, word: str) -> None:
    first, _, second = word.partition("|")
    word = second if second and not ask.gemini else first
    ask.server.script.append(_refuses(word))
    caption, reply = ask(reasoning=Reasoning.LOW)
    assert caption.verb == "put"
    (dropped,) = reply.dropped
    assert word in dropped.replace("_config", "").replace("_effort", "effort")
    ask(draw=1, reasoning=Reasoning.LOW)  # the server is known now
    assert len(ask.server.requests) == 3
    if word == "logprobs":
        assert reply.tokens == ()


def test_a_bad_request_without_a_name_first_costs_the_extras(ask: CaptionAsked) -> None:
    ask.server.script.append(Refuse(400, "Request contains an invalid argument."))
    _, reply = ask(reasoning=Reasoning.LOW)
    assert len(reply.dropped) == 2
    kept = ask.server.requests[1].option
    assert any("schema" in n.lower() or "response_format" in n for n in kept)
    assert "temperature" in kept


def test_a_server_without_video_says_so(server: LanguageServer, tmp_path: Path) -> None:
    server.answer = caption_answer()
    server.takes_video = False
    ask = CaptionAsked(OpenAIServer(), server, tmp_path / "kept")
    failure = failed(ask, WITH_CLIP)
    assert failure.code == "no_video"
    assert "choose a recipe without a clip" in str(failure)
    assert failure.usage.requests == 1
    assert ask()[0].verb == "put"  # without the clip


@pytest.mark.parametrize(
    "refusal",
    [
        None,
        Refuse(500, "image input is not supported - you may need to provide the mmproj"),
        Refuse(404, "No endpoints found that support image input"),
    ],
)
def test_a_model_without_eyes_says_so(
    server: LanguageServer, tmp_path: Path, refusal: Refuse | None
) -> None:
    server.answer = caption_answer()
    server.takes_pictures = refusal is not None
    ask = CaptionAsked(OpenAIServer(), server, tmp_path / "kept")
    if refusal is not None:
        server.script.append(refusal)
    failure = failed(ask)
    assert failure.code == "no_pictures"
    assert "choose a model that sees" in str(failure)
    assert failure.usage.requests == 1


@pytest.mark.parametrize(
    "refusal",
    [
        Refuse(413, "Payload Too Large"),
        Refuse(400, "Request payload size exceeds the limit: 20971520 bytes."),
        Refuse(400, "This model's maximum context length is 4096 tokens, you requested 9000."),
    ],
)
def test_a_question_that_is_too_large(ask: CaptionAsked, refusal: Refuse) -> None:
    ask.server.script.append(refusal)
    failure = failed(ask)
    assert "fewer or smaller pictures" in str(failure)
    assert failure.usage.requests == 1  # it is not uploaded again


def test_an_empty_answer_is_asked_for_again(ask: CaptionAsked) -> None:
    ask.server.script.append(Say(""))
    assert ask()[0].verb == "put"
    assert len(ask.server.requests[1].seen) == 1


def test_a_server_of_another_kind(ask: CaptionAsked) -> None:
    ask.server.script.append(Raw(b"<html>Welcome</html>"))
    assert "protocol" in str(failed(ask))


def test_nobody_there_names_the_offline_drafter(ask: CaptionAsked) -> None:
    with language_server() as gone:
        url = gone.url
    failure = failed(ask, base_url=url)
    assert failure.code == "no_connection"
    assert "captions.backend=offline" in str(failure)


def test_cancel_returns_although_the_server_never_answers(ask: CaptionAsked) -> None:
    ask.server.script.append(Hang())

    def watch() -> None:
        if ask.server.came.is_set():
            raise Cancelled

    with pytest.raises(Cancelled):
        ask(watch=watch, timeout_s=3000.0)
    assert len(ask.server.requests) == 1
    assert not _files(ask)
    assert ask()[0].verb == "put"


def test_cancel_ends_a_wait_for_the_limit(ask: CaptionAsked) -> None:
    from pipeline.backends.captioning.online import OnlineCaptioner

    ask(requests_per_minute=1)
    # with real waits, which would take a minute
    captioner = OnlineCaptioner(ask.captioner._server, ask.store, clock=lambda: ask.now)

    def progress(share: float, what: str) -> None:
        if "limit of requests" in what:
            raise Cancelled

    with pytest.raises(Cancelled):
        captioner.ask(
            REQUEST,
            PlainCaption,
            replace(ask.settings, requests_per_minute=1, draw=1),
            progress,
        )
    assert len(ask.server.requests) == 1


def test_the_key_is_nowhere(
    ask: CaptionAsked,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    half = len(KEY) // 2
    whole = '{"verb": "put", "object": "' + KEY + '"}'
    split = [('{"verb": "put", "object": "', []), (KEY[:half], []), (KEY[half:] + '"}', [])]
    ask.server.script.extend(
        [
            Refuse(500, f"crashed with {KEY}"),
            Refuse(400, f"Unsupported parameter temperature for {KEY}", param="temperature"),
            Say(f"{{}} {KEY}"),
            Say(whole, tokens=split),
        ]
    )
    caption, reply = ask(WITH_CLIP)
    assert reply.requests == 4
    said = [repr(caption), repr(reply), repr(vars(ask.captioner))]
    ask.server.script.append(Refuse(418, f"a teapot with {KEY}"))
    said.append(str(failed(ask, draw=1)))
    said += [caplog.text, *ask.said, *capfd.readouterr()]
    assert not [words for words in said if KEY in words]
    assert not [words for words in said if KEY[half:] in words]
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert files
    assert not [p for p in files if KEY.encode() in p.read_bytes() or KEY in str(p)]
    assert KEY not in json.dumps([r.body for r in ask.server.requests])


def test_a_wrong_key_is_not_shown(
    ask: CaptionAsked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "sk-wrong-987654321"
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, wrong)
    failure = failed(ask)
    assert failure.code == "no_key"
    assert wrong not in str(failure) + caplog.text
    assert len(ask.server.requests) == 1


def test_no_key(ask: CaptionAsked, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name)
    if ask.gemini:
        with pytest.raises(DataError, match="GEMINI_API_KEY"):
            ask()
        assert not ask.server.requests
    assert (ask.captioner.available() is None) == (not ask.gemini)
