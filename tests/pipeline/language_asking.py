"""A question put to an online backend, and the local server that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends.language.answer_store import AnswerStore
from pipeline.backends.language.online import OnlineLanguage, QuestionError
from pipeline.backends.language.protocol import LanguageAnswer, LanguageRequest, LanguageSettings
from pipeline.model.phases import Phase, PhaseName
from tests.language_server import (
    LanguageServer,
)

KEY = "sk-geheim-0123456789abcdef/+="
PHASES = tuple(
    Phase(name, "left", 10 * k, 10 * k + 10, 0, 10 * k, 10 * k + 10)
    for k, name in enumerate((PhaseName.GRASP, PhaseName.INTERACT, PhaseName.RELEASE))
)
REQUEST = LanguageRequest("Put the red cup in the bowl.", PHASES, ("left",), 30.0)
ROW = {"object": "the red cup", "verb": "place", "relation": "in", "target": "a bowl"}


class Asked:
    """A backend, its server, and the waits it made (none of which takes time)."""

    def __init__(self, backend: type[OnlineLanguage], server: LanguageServer, folder: Path) -> None:
        self.waits: list[float] = []
        self.said: list[str] = []
        self.server = server
        self.folder = folder
        self.settings = LanguageSettings(model="some-model", base_url=server.url, timeout_s=10.0)
        self.backend = backend(AnswerStore(folder), self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def __call__(
        self,
        request: LanguageRequest = REQUEST,
        watch: Callable[[], None] = lambda: None,
        **settings: Any,
    ) -> LanguageAnswer:
        def progress(share: float, what: str) -> None:
            self.said.append(what)
            watch()

        return self.backend.subtasks(request, replace(self.settings, **settings), progress)


def failed(ask: Asked, **settings: Any) -> QuestionError:
    with pytest.raises(QuestionError) as raised:
        ask(**settings)
    text = str(raised.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert KEY not in text
    return raised.value
