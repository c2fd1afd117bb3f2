"""A question in the worker process: cancel ends it and keeps the process."""

from __future__ import annotations

import os
import queue
import threading
import time
from pathlib import Path

import pytest

from pipeline.engine import messages as say
from pipeline.engine.worker_client import WorkerClient
from tests.datasets import write_v2
from tests.language_server import Hang, Request, caption_answer, cycle_by_cycle, language_server

KEY = "k" * 24


@pytest.mark.timeout(60)
def test_cancel_ends_the_question_and_not_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_v2(tmp_path / "v2")
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("DEMOSCOPE_GEMINI_API_KEY", "DEMOSCOPE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)  # the worker inherits the environment
    events: list[say.Event] = []
    ended = threading.Event()

    def told(event: say.Event) -> None:
        events.append(event)
        if isinstance(event, say.Cancelled | say.Failed | say.Done | say.Died):
            ended.set()

    with language_server(KEY) as server:
        server.answer = cycle_by_cycle({"object": "cup"})
        client = WorkerClient(
            "pipeline.annotate:standard_graph",
            "pipeline.sources.hub.dataset:open_anything",
            None,
            told,
        )

        def run(backend: str) -> None:
            ended.clear()
            server.came.clear()
            options = {"backend": backend, "base_url": server.url, "model": "m"}
            client.run(
                say.RunJob(
                    job=0,
                    dataset=str(root),
                    episode=0,
                    options={"subtasks": options},
                    up_to="subtasks",
                )
            )

        try:
            for backend in ("openai_compatible", "gemini"):
                server.script.append(Hang())
                run(backend)
                assert server.came.wait(20.0), events
                pid, start = client.pid, time.monotonic()
                client.cancel()
                assert ended.wait(5.0)
                assert isinstance(events[-1], say.Cancelled)
                assert time.monotonic() - start < 0.2
                assert client.pid == pid
            run("gemini")
            assert ended.wait(20.0)
        finally:
            client.close()
    assert isinstance(events[-1], say.Done), events[-1]
    (result,) = [
        e.outcome.result
        for e in events
        if isinstance(e, say.Delivered) and e.outcome.stage == "subtasks"
    ]
    assert result.backend == "gemini"
    assert result.subtasks[0].object_name == "cup"
    assert not [e for e in events if KEY in repr(e)]


@pytest.mark.timeout(300)
def test_a_caption_that_was_left_is_paid_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next episode is opened while a model writes; back again, its caption is there."""
    root = write_v2(tmp_path / "v2", (60, 64))
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("DEMOSCOPE_GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    stale = tmp_path / "cache" / "captions" / "replies" / "aa" / "x.part"
    stale.parent.mkdir(parents=True)
    stale.touch()
    os.utime(stale, (0, 0))
    events: queue.Queue[say.Event] = queue.Queue()
    seen: list[say.Event] = []

    def until(*kinds: type[say.Event]) -> say.Event:
        while True:
            event = events.get(timeout=100.0)
            seen.append(event)
            if isinstance(event, kinds):
                return event

    go = threading.Event()

    def slow(_request: Request) -> None:
        go.wait(100.0)

    with language_server(KEY) as server:
        server.answer = caption_answer()
        server.script.append(slow)
        client = WorkerClient(
            "pipeline.annotate:standard_graph",
            "pipeline.sources.hub.dataset:open_anything",
            tmp_path / "cache" / "results",
            events.put,
        )
        options = {"backend": "gemini", "base_url": server.url, "model": "m"}

        def run(episode: int) -> None:
            client.run(
                say.RunJob(
                    job=0,
                    dataset=str(root),
                    episode=episode,
                    options={"captions": options},
                    up_to="captions",
                )
            )

        try:
            run(0)
            assert server.came.wait(60.0), seen
            pid = client.pid
            client.cancel(left=True)
            until(say.Cancelled)
            run(1)
            assert isinstance(until(say.Done, say.Failed), say.Done), seen[-1]
            assert len(server.requests) == 2
            run(0)
            until(say.Started)
            go.set()
            assert isinstance(until(say.Done, say.Failed), say.Done), seen[-1]
            assert client.pid == pid
        finally:
            go.set()
            client.close()
        assert len(server.requests) == 2, "the caption that was left is not asked for again"
    results = [e.outcome for e in seen if isinstance(e, say.Delivered)]
    drafts = [o.result for o in results if o.stage == "captions"]
    assert [d.versions[0].exchange.reply.cached for d in drafts] == [False, True]
    assert not stale.exists(), "the worker also tidies the kept replies"
