"""A question in the worker process: cancel ends it and keeps the process."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pipeline.engine import messages as say
from pipeline.engine.worker_client import WorkerClient
from tests.datasets import write_v2
from tests.language_server import Hang, cycle_by_cycle, language_server

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
