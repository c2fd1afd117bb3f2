"""Captions by a server: `python -m tests.benchmarks caption_servers`.

Against the local server that speaks the real protocols: from Cancel to the return while the server
does not answer and while a wait for it lasts, what a request costs on this side, and taking a kept
answer. The requests are of the size of the default recipe: three grids and six close-ups.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.backends.captioning.captioner import CaptionSettings
from pipeline.backends.captioning.online import OnlineCaptioner
from pipeline.backends.captioning.reply_store import ReplyStore
from pipeline.backends.captioning.written import PlainCaption
from pipeline.backends.language.gemini_server import GeminiServer
from pipeline.backends.language.openai_server import OpenAIServer
from pipeline.model.drafting import PartKind, SentPart, SentRequest
from pipeline.model.problem import Cancelled
from tests.benchmarks.table import header, row
from tests.language_server import Hang, LanguageServer, Refuse, caption_answer, language_server

GOAL = 300.0  # ms, issue 7
ROUNDS = 12
KEY = "benchmark-key-0123456789"


def _request() -> SentRequest:
    rng = np.random.default_rng(7)
    parts = [SentPart(PartKind.TEXT, "question", "What is done?", np.empty(0, np.uint8))]
    for k, size in enumerate((150_000,) * 3 + (40_000,) * 6):
        noise = rng.integers(0, 255, size, np.uint8)
        noise[:3] = (0xFF, 0xD8, 0xFF)  # the server looks at that much
        parts.append(SentPart(PartKind.IMAGE, f"p{k}", "", noise, "image/jpeg", 384, 384))
    return SentRequest("Write one caption.", tuple(parts))


def _cancelled(
    captioner: OnlineCaptioner,
    settings: CaptionSettings,
    request: SentRequest,
    begun: Callable[[str], bool],
    delay: float,
) -> float:
    """Seconds from Cancel, pressed `delay` seconds after `begun`, to the return."""
    since = pressed = 0.0

    def progress(share: float, what: str) -> None:
        nonlocal since, pressed
        now = time.perf_counter()
        if not since and begun(what):
            since = now
        if since and now - since >= delay:
            # A person presses between two looks: at most 50 ms before this one sees it.
            pressed = pressed or since + delay
            raise Cancelled

    try:
        captioner.ask(request, PlainCaption, settings, progress)
    except Cancelled:
        return time.perf_counter() - pressed
    raise RuntimeError("it was not cancelled")


def _measure(kind: type[GeminiServer] | type[OpenAIServer], server: LanguageServer) -> None:
    request = _request()
    with tempfile.TemporaryDirectory() as folder:
        captioner = OnlineCaptioner(kind(), ReplyStore(Path(folder)))
        settings = CaptionSettings(model="m", base_url=server.url, timeout_s=600.0)

        def ask(draw: int) -> float:
            start = time.perf_counter()
            captioner.ask(request, PlainCaption, replace(settings, draw=draw), lambda s, w: None)
            return time.perf_counter() - start

        first = ask(0)
        row(f"{kind.name}: first request, with imports", [first])
        row(f"{kind.name}: a request and its answer", [ask(k) for k in range(1, ROUNDS)])
        row(f"{kind.name}: a kept answer", [ask(k) for k in range(ROUNDS)])
        times = []
        for k in range(ROUNDS):
            server.came.clear()
            server.script.append(Hang())
            drawn = replace(settings, draw=100 + k)
            times.append(
                _cancelled(captioner, drawn, request, lambda w: server.came.is_set(), 0.013 * k)
            )
        row(f"{kind.name}: Cancel while the server is silent", times, GOAL)
        times = []
        for k in range(ROUNDS):
            # Another model each time: the wait that a refusal asks for holds for all who ask it.
            server.script.append(Refuse(429, "slow down", headers={"Retry-After": "30"}))
            drawn = replace(settings, model=f"m{k}")
            times.append(_cancelled(captioner, drawn, request, lambda w: "waiting" in w, 0.013 * k))
        row(f"{kind.name}: Cancel while it waits to ask again", times, GOAL)


def main() -> None:
    """Measure and print a table."""
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        os.environ[name] = KEY
    for name in ("DEMOSCOPE_GEMINI_API_KEY", "DEMOSCOPE_OPENAI_API_KEY"):
        os.environ.pop(name, None)
    header("Captions by a server (0.7 MB of pictures)", "google-genai", "httpx2")
    for kind in (GeminiServer, OpenAIServer):
        with language_server(KEY) as server:
            server.answer = caption_answer()
            _measure(kind, server)


if __name__ == "__main__":
    main()
