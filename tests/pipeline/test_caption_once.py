"""One question is paid once: by two who ask together, and by one who goes on and comes back."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends.captioning.captioner import CaptionSettings, captioner
from pipeline.backends.captioning.online import OnlineCaptioner
from pipeline.backends.captioning.reply_store import ReplyStore
from pipeline.backends.captioning.written import PlainCaption
from pipeline.backends.language.gemini_server import GeminiServer
from pipeline.backends.language.openai_server import OpenAIServer
from pipeline.backends.language.refusals import forget_refusals
from pipeline.model.problem import Cancelled, Left
from tests.language_server import LanguageServer, Refuse, Request, Say
from tests.pipeline.caption_asking import REQUEST, CaptionAsked, asks, failed

WAITS = "waiting for the answer"
PATIENCE = 60.0
"""Seconds until a test gives up: machines that are shared stop now and then."""


@pytest.fixture(params=[GeminiServer, OpenAIServer], ids=lambda c: c.name)
def ask(request: pytest.FixtureRequest, server: LanguageServer, tmp_path: Path) -> CaptionAsked:
    return patient(asks(request.param, server, tmp_path))


def patient(ask: CaptionAsked) -> CaptionAsked:
    ask.settings = replace(ask.settings, timeout_s=2 * PATIENCE)
    return ask


def other(ask: CaptionAsked) -> CaptionAsked:
    """Somebody else on this machine, with the same kept answers."""
    return patient(CaptionAsked(ask.captioner._server, ask.server, ask.folder))


class Slow:
    """The server's next answer comes when it is told to."""

    def __init__(self, ask: CaptionAsked, answer: Refuse | Say | None = None) -> None:
        self._go = threading.Event()
        self._answer = answer
        ask.server.came.clear()
        ask.server.script.append(self._wait)

    def _wait(self, request: Request) -> Refuse | Say | None:
        self._go.wait(2 * PATIENCE)
        return self._answer

    def go(self) -> None:
        self._go.set()


def waiting(ask: CaptionAsked) -> tuple[threading.Event, Callable[[], None]]:
    """Set as soon as somebody waits for another's answer; and what watches for it."""
    seen = threading.Event()

    def watch() -> None:
        if WAITS in ask.said[-1]:
            seen.set()

    return seen, watch


def leave(ask: CaptionAsked, **settings: Any) -> None:
    """Ask, and go on to something else while the server thinks."""

    def watch() -> None:
        if ask.server.came.is_set():
            raise Left

    with pytest.raises(Left):
        ask(watch=watch, **settings)


def test_two_who_ask_the_same_pay_once(ask: CaptionAsked) -> None:
    slow, second = Slow(ask), other(ask)
    seen, watch = waiting(second)
    with ThreadPoolExecutor(2) as pool:
        one: Future[Any] = pool.submit(ask)
        assert ask.server.came.wait(PATIENCE)
        two: Future[Any] = pool.submit(second, watch=watch)
        assert seen.wait(PATIENCE)
        slow.go()
        (caption, reply), (same, kept) = one.result(PATIENCE), two.result(PATIENCE)
    assert len(ask.server.requests) == 1
    assert same == caption
    assert (reply.cached, kept.cached) == (False, True)
    assert kept.tokens == reply.tokens
    assert not list((ask.folder / "asking").iterdir()), "no lock stays behind"


def test_another_question_waits_for_nobody(ask: CaptionAsked) -> None:
    slow = Slow(ask)
    with ThreadPoolExecutor(1) as pool:
        one: Future[Any] = pool.submit(ask)
        assert ask.server.came.wait(PATIENCE)
        assert not other(ask)(draw=1)[1].cached
        assert not one.done()
        slow.go()
        one.result(PATIENCE)
    assert len(ask.server.requests) == 2


def test_who_waits_can_cancel(ask: CaptionAsked) -> None:
    slow, second = Slow(ask), other(ask)

    def watch() -> None:
        if WAITS in second.said[-1]:
            raise Cancelled

    with ThreadPoolExecutor(1) as pool:
        one: Future[Any] = pool.submit(ask)
        assert ask.server.came.wait(PATIENCE)
        with pytest.raises(Cancelled):
            second(watch=watch)
        assert not one.done(), "who asked goes on"
        slow.go()
        assert one.result(PATIENCE)[0].verb == "put"
    assert len(ask.server.requests) == 1


def test_where_the_first_fails_the_second_asks(ask: CaptionAsked) -> None:
    slow, second = Slow(ask, Refuse(418, "a teapot")), other(ask)
    seen, watch = waiting(second)
    with ThreadPoolExecutor(2) as pool:
        one: Future[Any] = pool.submit(failed, ask)
        assert ask.server.came.wait(PATIENCE)
        two: Future[Any] = pool.submit(second, watch=watch)
        assert seen.wait(PATIENCE)
        slow.go()
        assert "a teapot" in str(one.result(PATIENCE))
        assert not two.result(PATIENCE)[1].cached
    assert len(ask.server.requests) == 2


def ask_for_ever(name: str, url: str, folder: Path) -> None:
    """Another process that asks; it is killed."""
    settings = CaptionSettings(model="some-model", base_url=url)
    asked = captioner(name, ReplyStore(folder))
    asked.ask(REQUEST, PlainCaption, settings, lambda share, what: None)
    os._exit(3)  # it was answered


@pytest.mark.timeout(150)
def test_where_the_first_is_killed_the_second_asks(ask: CaptionAsked) -> None:
    slow, second = Slow(ask), other(ask)
    seen, watch = waiting(second)
    child = multiprocessing.get_context("spawn").Process(
        target=ask_for_ever, args=(ask.captioner.name, ask.server.url, ask.folder), daemon=True
    )
    child.start()
    assert ask.server.came.wait(PATIENCE)
    with ThreadPoolExecutor(1) as pool:
        two: Future[Any] = pool.submit(second, watch=watch)
        assert seen.wait(PATIENCE)
        child.kill()
        child.join(PATIENCE)
        assert not two.result(PATIENCE)[1].cached
    slow.go()
    assert len(ask.server.requests) == 2


def test_where_nothing_can_be_locked_everybody_asks(
    ask: CaptionAsked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: object) -> bool:
        raise OSError("no locks here")

    monkeypatch.setattr("pipeline.backends.language.one_asker.try_lock", refuse)
    assert ask()[0].verb == "put"
    assert ask()[1].cached


def test_a_request_that_was_left_is_finished_and_kept(ask: CaptionAsked) -> None:
    slow = Slow(ask)
    leave(ask)
    seen, watch = waiting(ask)
    with ThreadPoolExecutor(1) as pool:
        back: Future[Any] = pool.submit(ask, watch=watch)
        assert seen.wait(PATIENCE)
        slow.go()
        caption, reply = back.result(PATIENCE)
    assert caption.verb == "put"
    assert reply.cached
    assert len(ask.server.requests) == 1
    (file,) = (ask.folder / "replies").rglob("*.json")
    kept = ask.store.exchange(file.stem)
    assert kept is not None
    assert (kept.reply.tokens_in, kept.request.parts[1].mime) == (100, "image/jpeg")


@pytest.mark.parametrize("answer", [Refuse(500, "internal"), Say("I see a robot.")])
def test_nothing_more_is_sent_for_a_request_that_was_left(
    ask: CaptionAsked, answer: Refuse | Say
) -> None:
    slow = Slow(ask, answer)
    leave(ask)
    seen, watch = waiting(ask)
    with ThreadPoolExecutor(1) as pool:
        back: Future[Any] = pool.submit(ask, watch=watch)
        assert seen.wait(PATIENCE)
        assert len(ask.server.requests) == 1
        slow.go()
        assert not back.result(PATIENCE)[1].cached
    assert len(ask.server.requests) == 2, "no repeat of the one that was left"


def test_what_was_not_sent_yet_is_not_sent_after_leaving(ask: CaptionAsked) -> None:
    ask(requests_per_minute=1)
    settings = replace(ask.settings, requests_per_minute=1, draw=1)
    # with real waits, which would take a minute
    waits = OnlineCaptioner(ask.captioner._server, ask.store, clock=lambda: ask.now)

    def progress(share: float, what: str) -> None:
        if "limit of requests" in what:
            raise Left

    with pytest.raises(Left):
        waits.ask(REQUEST, PlainCaption, settings, progress)
    assert "left request" not in {t.name for t in threading.enumerate()}
    assert len(ask.server.requests) == 1
    assert not ask(draw=1)[1].cached


def test_cancel_also_ends_a_request_that_was_left(ask: CaptionAsked) -> None:
    slow = Slow(ask)
    leave(ask)

    def watch() -> None:
        if WAITS in ask.said[-1]:
            raise Cancelled

    with pytest.raises(Cancelled):
        ask(watch=watch)
    assert not ask()[1].cached  # although the server has not answered the first one
    slow.go()
    assert len(ask.server.requests) == 2


def refusals(ask: CaptionAsked) -> list[tuple[Refuse, str]]:
    """What no other question changes, with its code."""
    no_credit = Refuse(429, "You exceeded your current quota", code="insufficient_quota")
    return [
        (Refuse(401, "Incorrect API key"), "no_key"),
        (Refuse(403, "Permission denied on this project"), "no_key"),
        (Refuse(404, "models/some-model is not found"), "no_model"),
        *([] if ask.gemini else [(no_credit, "server_refused")]),
    ]


def test_what_holds_for_all_questions_is_asked_once(
    ask: CaptionAsked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (refusal, code) in enumerate(refusals(ask)):
        ask.server.requests.clear()
        ask.server.script.append(refusal)
        first = failed(ask, draw=10 * number + 1)
        again = failed(other(ask), draw=10 * number + 2)
        assert (first.code, first.usage.requests) == (code, 1)
        assert (again.code, str(again), again.usage.requests) == (code, str(first), 0)
        assert len(ask.server.requests) == 1
        assert ask(draw=10 * number + 3, model="another")[0].verb == "put"
        forget_refusals()  # the user runs again
        assert ask(draw=10 * number + 4)[0].verb == "put"


def test_another_key_is_tried(ask: CaptionAsked, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
            patch.setenv(name, "wrong")
        first = failed(ask)
        assert str(failed(ask, draw=1)) == str(first)
    assert len(ask.server.requests) == 1
    assert ask()[0].verb == "put"


def test_what_is_kept_needs_no_key(ask: CaptionAsked) -> None:
    ask()
    ask.server.script.append(Refuse(401, "Incorrect API key"))
    failed(ask, draw=1)
    assert ask()[1].cached


@pytest.mark.parametrize("status", [400, 413, 418, 500])
def test_what_one_question_is_refused_for_is_asked_again(ask: CaptionAsked, status: int) -> None:
    failed_once = Refuse(status, "Request payload size exceeds the limit")
    ask.server.script.extend([failed_once] * (4 if status == 500 else 1))
    failed(ask)
    assert ask()[0].verb == "put"
