"""Questions about subtasks to any server that speaks OpenAI's chat completions."""

from __future__ import annotations

from typing import ClassVar

from pipeline.backends.language.online import OnlineLanguage
from pipeline.backends.language.openai_server import OpenAIServer


class OpenAICompatible(OnlineLanguage):
    """Asks a server of the user's choice; a key is sent only if there is one."""

    server: ClassVar[OpenAIServer] = OpenAIServer()
    name: ClassVar[str] = OpenAIServer.name
    title: ClassVar[str] = OpenAIServer.title
    default_model: ClassVar[str] = OpenAIServer.default_model
