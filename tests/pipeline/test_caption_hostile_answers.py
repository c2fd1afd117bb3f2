"""Answers that no honest server gives: each is one sentence or is read, none ends the stage."""

from __future__ import annotations

import gzip
import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends.language import response_size
from pipeline.backends.language.gemini_server import GeminiServer
from pipeline.backends.language.openai_server import OpenAIServer
from tests.language_server import LanguageServer, Raw, Refuse, Say
from tests.pipeline.caption_asking import CaptionAsked, asks, failed

HALF = "\ud83d"
"""Half of a character: JSON can spell it, UTF-8 cannot."""
HUGE = 10**400
"""A whole number that no float holds."""


@pytest.fixture(params=[GeminiServer, OpenAIServer], ids=lambda c: c.name)
def ask(request: pytest.FixtureRequest, server: LanguageServer, tmp_path: Path) -> CaptionAsked:
    return asks(request.param, server, tmp_path)


@pytest.fixture
def plain(server: LanguageServer, tmp_path: Path) -> CaptionAsked:
    """A server that speaks OpenAI's protocol."""
    return asks(OpenAIServer, server, tmp_path)


def completion(content: str, **more: Any) -> Raw:
    choice = {"message": {"role": "assistant", "content": content}, **more.pop("choice", {})}
    data = {"choices": [choice], **more}
    return Raw(json.dumps(data).encode(), kind="application/json")


def test_an_envelope_that_is_nested_too_deeply(ask: CaptionAsked) -> None:
    ask.server.script.append(Raw(b"[" * 200_000, kind="application/json"))
    failure = failed(ask)
    assert failure.code == "bad_answer"
    assert len(str(failure)) < 400


def test_an_answer_with_a_number_that_is_too_long_is_repaired(plain: CaptionAsked) -> None:
    plain.server.script.append(Say('{"verb": "put", "object": ' + "9" * 5000 + "}"))
    caption, reply = plain()
    assert caption.verb == "put"
    assert reply.requests == 2


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_larger_than_any_is_given_up(
    ask: CaptionAsked, monkeypatch: pytest.MonkeyPatch, packed: bool, status: int
) -> None:
    monkeypatch.setattr(response_size, "MOST_BYTES", 1 << 20)
    ask()  # what libraries load is loaded
    data = b'{"error": "' + b"x" * (48 << 20) + b'"}'
    headers = {"Content-Encoding": "gzip"} if packed else {}
    data = gzip.compress(data, 1) if packed else data
    ask.server.script.append(Raw(data, status, "application/json", headers))
    tracemalloc.start()
    try:
        failure = failed(ask, draw=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert failure.code == "bad_answer"
    assert "sends more than 1 MiB" in str(failure)
    assert failure.usage.requests == 1
    assert peak < 24 << 20
    assert ask(draw=1)[0].verb == "put"  # others fit


def test_a_packed_answer_is_read(ask: CaptionAsked) -> None:
    ask.server.packs = True
    assert ask()[0].verb == "put"
    ask.server.script.append(Refuse(418, "a teapot"))
    assert "a teapot" in str(failed(ask, draw=1))


def test_half_characters_can_be_kept(plain: CaptionAsked) -> None:
    answer = json.dumps({"verb": "put", "object": "red cube"})
    steps = [{"token": HALF, "logprob": -0.1, "top_logprobs": [{"token": HALF, "logprob": -0.1}]}]
    plain.server.script.append(
        completion(f"{HALF} {answer}", choice={"logprobs": {"content": steps}}, id=f"id-{HALF}")
    )
    caption, reply = plain()
    assert caption.object == "red cube"
    assert reply.text.encode() == f"? {answer}".encode()
    (step,) = reply.tokens
    assert {step.token, step.alternatives[0][0]} == {"?"}
    assert reply.request_id == "id-"
    assert plain()[1].cached  # it was kept, and can be read


@pytest.mark.parametrize("evil", ["\x1b[2J", "\u202egnp.exe", "a\r\nb", "\x9b2J"])
def test_nothing_that_steers_a_terminal_is_told(plain: CaptionAsked, evil: str) -> None:
    answer = json.dumps({"verb": "put", "object": f"red {evil} cube"})
    plain.server.script.append(completion(answer, model=f"m{evil}", id=f"i{evil}"))
    caption, reply = plain()
    plain.server.script.append(Refuse(418, f"a teapot {evil}!"))
    failure = str(failed(plain, draw=1))
    assert "teapot" in failure
    for words in (caption.caption, caption.object, reply.model, reply.request_id, failure):
        assert words.isprintable()


def test_numbers_that_no_float_holds(plain: CaptionAsked) -> None:
    answer = json.dumps({"verb": "put", "object": "red cube"})
    top = [{"token": "b", "logprob": HUGE}, {"token": "a", "logprob": -HUGE}]
    steps = [{"token": "a", "logprob": -HUGE, "top_logprobs": top}]
    plain.server.script.append(
        completion(
            answer,
            choice={"logprobs": {"content": steps}},
            usage={"prompt_tokens": HUGE, "completion_tokens": HUGE},
        )
    )
    _, reply = plain(model="gemini-2.5-flash")  # of the price list
    assert all(math.isfinite(p) for t in reply.tokens for _, p in t.alternatives)
    assert math.isfinite(reply.tokens[0].logprob)
    assert (reply.tokens_in, reply.tokens_out) == (0, 0)
