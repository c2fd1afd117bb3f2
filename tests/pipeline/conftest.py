"""Questions to a local language server; used by the tests of the online backends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.backends.language.gemini import Gemini
from pipeline.backends.language.openai_compatible import OpenAICompatible
from tests.datasets import SAMPLE
from tests.language_server import (
    LanguageServer,
    cycle_by_cycle,
    language_server,
)
from tests.pipeline.language_asking import KEY, ROW, Asked

if TYPE_CHECKING:
    from pipeline.annotate import EpisodeAnnotations


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageServer]:
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("GOOGLE_API_KEY", "DEMOSCOPE_GEMINI_API_KEY", "DEMOSCOPE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL"):
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


@pytest.fixture(scope="session")
def sample_runs(_own_folders: Path) -> dict[int, EpisodeAnnotations]:
    """The sample dataset through all stages, by episode; the whole session computes it once."""
    from pipeline.annotate import annotate_episode, standard_graph
    from pipeline.engine.cache import ResultCache
    from pipeline.sources.detect import open_dataset

    source, graph = open_dataset(SAMPLE), standard_graph()
    cache = ResultCache(_own_folders / "cache" / "results")
    return {
        e.index: annotate_episode(source, e.index, graph=graph, cache=cache)
        for e in source.info.episodes
    }
