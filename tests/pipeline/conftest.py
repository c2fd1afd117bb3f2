"""Questions to a local language server; used by the tests of the online backends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.backends.language.gemini import Gemini
from pipeline.backends.language.openai_compatible import OpenAICompatible
from tests.language_server import (
    LanguageServer,
    cycle_by_cycle,
    language_server,
)
from tests.pipeline.language_asking import KEY, ROW, Asked


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
