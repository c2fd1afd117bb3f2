"""Caption models against a local server that speaks Gemini's and OpenAI's real protocols."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backends.captioning.captioner import CAPTIONERS, CaptionSettings, captioner
from pipeline.backends.captioning.written import PlainCaption, WrittenCaption, WrittenVerdict
from pipeline.backends.language.gemini_server import GeminiServer
from pipeline.backends.language.openai_server import OpenAIServer
from pipeline.model.drafting import PartKind, SentRequest
from pipeline.model.problem import DataError
from pipeline.model.recipe import Reasoning, Recipe
from tests.language_server import LanguageServer, Say, caption_answer
from tests.pipeline.caption_asking import REQUEST, WITH_CLIP, CaptionAsked, asks, image, text


@pytest.fixture(params=[GeminiServer, OpenAIServer], ids=lambda c: c.name)
def ask(request: pytest.FixtureRequest, server: LanguageServer, tmp_path: Path) -> CaptionAsked:
    return asks(request.param, server, tmp_path)


@pytest.fixture
def ask_gemini(server: LanguageServer, tmp_path: Path) -> CaptionAsked:
    return asks(GeminiServer, server, tmp_path)


@pytest.fixture
def ask_openai(server: LanguageServer, tmp_path: Path) -> CaptionAsked:
    return asks(OpenAIServer, server, tmp_path)


def test_parts_arrive_in_order_byte_for_byte(ask: CaptionAsked) -> None:
    ask(WITH_CLIP)
    (request,) = ask.server.requests
    assert request.system == REQUEST.system
    assert len(request.parts) == len(WITH_CLIP.parts)
    for seen, sent in zip(request.parts, WITH_CLIP.parts, strict=True):
        assert seen.kind == sent.kind.value
        assert seen.text == sent.text
        assert seen.data == sent.data.tobytes()
        assert seen.mime == sent.mime


def test_a_caption_and_what_it_took(ask: CaptionAsked) -> None:
    caption, reply = ask()
    assert caption.caption == "Put the red cube in the bowl."
    assert caption.fields.object_name == "red cube"
    assert caption.fields.destination == "bowl"
    assert reply.model == "some-model"
    assert (reply.tokens_in, reply.tokens_out, reply.requests) == (100, 27, 1)
    assert reply.cost is None  # nobody knows what some-model costs
    assert not reply.cached
    assert reply.at.endswith("+00:00")
    assert reply.request_id == ("gem-1" if ask.gemini else "req-1")
    assert reply.dropped == ()
    assert json.loads(reply.text)["verb"] == "put"


def test_the_schema_is_sent(ask: CaptionAsked) -> None:
    ask()
    ask(schema=WrittenCaption)
    plain, full = (_schema(r.option) for r in ask.server.requests)
    assert list(plain["properties"]) == [
        "verb", "object", "relation", "destination", "source", "arm", "caption",
    ]  # fmt: skip
    assert list(full["properties"])[:3] == ["previous", "next", "reasoning"]
    assert full["required"] == list(full["properties"])
    assert "mini-CoT" not in json.dumps(full)  # our docstrings


def _schema(option: dict[str, Any]) -> dict[str, Any]:
    if "responseSchema" in option:
        schema = option["responseSchema"]
        assert schema["property_ordering"] == list(schema["properties"])
        return dict(schema)
    return dict(option["response_format"]["json_schema"]["schema"])


def test_log_probabilities_token_by_token(ask: CaptionAsked) -> None:
    steps = [
        ('{"verb": "', [('{"verb": "', -0.0)]),
        ("put", [("put", -0.2), ("stack", -1.9), ("pick", -4.0)]),
        ('", "object": "', [('", "object": "', 0.0)]),
        ("blue", [("green", -0.67), ("blue", -0.75), ("red", -3.0)]),
        (' cube"}', [(' cube"}', -0.01)]),
    ]
    ask.server.script.append(Say('{"verb": "put", "object": "blue cube"}', tokens=steps))
    _, reply = ask(logprobs=3)
    assert "".join(t.token for t in reply.tokens) == reply.text
    chosen = reply.tokens[3]
    assert (chosen.token, chosen.logprob) == ("blue", -0.75)
    assert chosen.alternatives == (("green", -0.67), ("blue", -0.75), ("red", -3.0))
    option = ask.server.requests[0].option
    asked = option["logprobs"] if ask.gemini else option["top_logprobs"]
    assert asked == 3
    assert ask(logprobs=3)[1].tokens == reply.tokens  # kept as well


def test_no_log_probabilities_unless_wanted(ask: CaptionAsked) -> None:
    _, reply = ask(logprobs=0)
    assert reply.tokens == ()
    assert not [n for n in ask.server.requests[0].option if "logprobs" in n.lower()]


def test_impossible_log_probabilities_can_be_kept(ask_openai: CaptionAsked) -> None:
    never = float("-inf")
    steps = [('{"verb": "put"}', [('{"verb": "put"}', 0.0), ("x", never)])]
    ask_openai.server.script.append(Say('{"verb": "put"}', tokens=steps))
    _, reply = ask_openai()
    assert reply.tokens[0].alternatives[1] == ("x", -9999.0)
    assert ask_openai()[1].tokens == reply.tokens


@pytest.mark.parametrize("reasoning", list(Reasoning))
def test_how_much_a_model_may_think(ask: CaptionAsked, reasoning: Reasoning) -> None:
    for model in ("gemini-2.5-flash", "gemini-3-flash-preview"):
        ask(reasoning=reasoning, model=model, max_output_tokens=500)
    options = [r.option for r in ask.server.requests]
    if ask.gemini:
        budget = {"off": 0, "low": 1024, "high": 24_576}.get(reasoning)
        level = {"off": "MINIMAL", "low": "LOW", "high": "HIGH"}.get(reasoning)
        first, second = (o.get("thinkingConfig", {}) for o in options)
        assert _bare(first).get("thinkingbudget") == budget
        assert _bare(second).get("thinkinglevel") == level
        assert options[0]["maxOutputTokens"] == 500 + (budget or 0)
    else:
        assert ("chat_template_kwargs" in options[0]) == (reasoning is Reasoning.OFF)
        wanted = reasoning.value if reasoning in (Reasoning.LOW, Reasoning.HIGH) else None
        assert options[0].get("reasoning_effort") == wanted


@pytest.mark.parametrize(("model", "least"), [("gemini-2.5-pro", 128), ("gemini-3-pro", "LOW")])
def test_pro_models_think_the_least_that_they_can(
    ask_gemini: CaptionAsked, model: str, least: object
) -> None:
    ask_gemini(reasoning=Reasoning.OFF, model=model)
    config = ask_gemini.server.requests[0].option["thinkingConfig"]
    assert list(config.values()) == [least]


def _bare(config: dict[str, Any]) -> dict[str, Any]:
    return {k.replace("_", "").lower(): v for k, v in config.items()}


def test_gemini_looks_at_a_clip_at_its_own_rate(ask_gemini: CaptionAsked) -> None:
    ask_gemini(WITH_CLIP)
    assert [p.fps for p in ask_gemini.server.requests[0].parts if p.kind == "video"] == [4.0]


def test_previews_and_aliases_of_gemini_are_asked_where_they_exist(
    ask_gemini: CaptionAsked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_GENAI_API_VERSION", raising=False)
    for model in ("gemini-2.5-pro", "gemini-flash-latest", "gemini-3.1-pro-preview"):
        ask_gemini(model=model)
    versions = [r.path.split("/")[1] for r in ask_gemini.server.requests]
    assert versions[1:] == ["v1beta", "v1beta"]


def test_a_single_text_is_sent_as_text(ask_openai: CaptionAsked) -> None:
    judged = SentRequest("Judge.", (text("Is “put” right?"),), purpose="judge")
    ask_openai.server.script.append(
        Say('{"reason": "yes", "verb": true, "object": true, "destination": true}')
    )
    verdict, _ = ask_openai(judged, WrittenVerdict)
    assert verdict.acceptable
    asked = ask_openai.server.requests[0].body["messages"][1]
    assert asked == {"role": "user", "content": "Is “put” right?"}


def test_an_equal_question_is_sent_once(ask: CaptionAsked) -> None:
    first, sent = ask()
    for known in (
        REQUEST,
        replace(REQUEST, recipe="other", recipe_identity="other-1", purpose="revise"),
        replace(REQUEST, parts=tuple(replace(p, note="n", frames=()) for p in REQUEST.parts)),
    ):
        assert not ask.captioner.pending(known, PlainCaption, ask.settings)
        again, reply = ask(known)
        assert again == first
        assert reply == replace(sent, cached=True, requests=0)
    ask(timeout_s=9.0, attempts=1, max_wait_s=1.0, requests_per_minute=7, max_output_tokens=99)
    assert len(ask.server.requests) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"temperature": 0.5},
        {"reasoning": Reasoning.LOW},
        {"logprobs": 2},
        {"draw": 1},
    ],
    ids=lambda c: next(iter(c)),
)
def test_what_decides_an_answer_asks_again(ask: CaptionAsked, changed: dict[str, Any]) -> None:
    ask()
    assert ask.captioner.pending(REQUEST, PlainCaption, replace(ask.settings, **changed))
    ask(**changed)
    assert len(ask.server.requests) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, system="Write two."),
        lambda r: replace(r, parts=r.parts[1:]),
        lambda r: replace(r, parts=(*r.parts[:1], image(11), *r.parts[2:])),
        lambda r: replace(r, parts=(*r.parts[:3], r.parts[6], *r.parts[4:6], r.parts[3])),
        lambda r: replace(r, parts=(*r.parts[:-1], text("What?"))),
    ],
    ids=["system", "fewer", "picture", "order", "text"],
)
def test_another_request_asks_again(
    ask: CaptionAsked, change: Callable[[SentRequest], SentRequest]
) -> None:
    ask()
    ask(change(REQUEST))
    assert len(ask.server.requests) == 2


def test_another_schema_asks_again(ask: CaptionAsked) -> None:
    ask()
    ask(schema=WrittenCaption)
    assert len(ask.server.requests) == 2


def test_what_was_sent_can_be_shown_again(ask: CaptionAsked) -> None:
    ask(WITH_CLIP)
    key = ask.captioner.key(WITH_CLIP, PlainCaption, ask.settings)
    kept = ask.store.exchange(key)
    assert kept is not None
    assert kept.reply.cached
    who = json.loads(ask.store.path(key).read_text("utf-8"))
    assert who["backend"] == ask.captioner.name
    assert who["address"].startswith(ask.server.url)
    assert replace(kept.request, parts=()) == replace(WITH_CLIP, parts=())
    for part, sent in zip(kept.request.parts, WITH_CLIP.parts, strict=True):
        assert part.data.dtype == np.uint8
        assert np.array_equal(part.data, sent.data)
        bare = np.empty(0, np.uint8)
        assert repr(replace(part, data=bare)) == repr(replace(sent, data=bare))
    seen = ask.server.requests[0].parts
    assert [p.data for p in seen] == [p.data.tobytes() for p in kept.request.parts]


def test_a_picture_is_kept_once(ask: CaptionAsked) -> None:
    ask()
    ask(draw=1)
    ask(replace(REQUEST, system="Other."))
    pictures = sum(p.kind is PartKind.IMAGE for p in REQUEST.parts)
    assert len([p for p in (ask.folder / "content").rglob("*") if p.is_file()]) == pictures
    assert len(list((ask.folder / "replies").rglob("*.json"))) == 3


def test_broken_files_count_as_absent(ask: CaptionAsked) -> None:
    ask()
    key = ask.captioner.key(REQUEST, PlainCaption, ask.settings)
    file = ask.store.path(key)
    kept = file.read_text()
    out = json.loads(kept)
    out["parts"][1]["content"] = "../" * 9 + "etc/hostname"
    for broken in ("", "{", kept.replace('"text": "', '"txet": "'), "\0" * 50, json.dumps(out)):
        file.write_text(broken)
        assert ask.store.exchange(key) is None
        assert ask.captioner.pending(REQUEST, PlainCaption, ask.settings)
        assert not ask()[1].cached
        assert ask()[1].cached
    picture = ask.store.content_path(json.loads(kept)["parts"][1]["content"])
    picture.write_bytes(b"not what was sent")
    assert ask.store.exchange(key) is None
    assert ask()[1].cached  # the answer is still good
    ask(draw=1)  # shows the same picture: it is written again
    assert ask.store.exchange(key) is not None
    assert not list(ask.folder.rglob("*.part"))


def test_a_folder_that_cannot_be_written_costs_only_money(
    server: LanguageServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = caption_answer()
    (tmp_path / "kept").write_text("a file")
    ask = CaptionAsked(OpenAIServer(), server, tmp_path / "kept")
    assert ask(requests_per_minute=60)[0].verb == "put"
    assert "could not be kept" in caplog.text


def test_the_price_is_that_of_the_model_that_answered(ask: CaptionAsked) -> None:
    _, reply = ask(model="gemini-2.5-pro")
    assert reply.cost == pytest.approx((100 * 1.25 + 27 * 10.0) / 1e6)
    assert ask(model="gemini-2.5-pro")[1].cost == reply.cost


def test_addresses_of_the_environment(ask: CaptionAsked, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = "GOOGLE_GEMINI_BASE_URL" if ask.gemini else "OPENAI_BASE_URL"
    before = ask.captioner.identity()
    monkeypatch.setenv(variable, ask.server.url)
    assert ask.captioner.identity() != before
    ask(base_url="")
    ask()  # the same server by its option: no second request
    assert len(ask.server.requests) == 1
    monkeypatch.setenv(variable, "http://user:word@127.0.0.1")
    with pytest.raises(DataError, match=variable):
        ask(base_url="")


def test_captioners_by_name(tmp_path: Path) -> None:
    assert [captioner(name).name for name in CAPTIONERS] == list(CAPTIONERS)
    with pytest.raises(DataError, match=r"openai_compatible") as none:
        captioner("mind_reader")
    assert none.value.code == "no_backend"


def test_settings_of_a_recipe() -> None:
    recipe = Recipe("r", model="gemini-2.5-pro", reasoning=Reasoning.HIGH, logprobs=3)
    settings = CaptionSettings.of_recipe(recipe)
    assert (settings.model, settings.reasoning, settings.logprobs) == (
        "gemini-2.5-pro", Reasoning.HIGH, 3,
    )  # fmt: skip
    assert CaptionSettings.of_recipe(recipe, "other").model == "other"
