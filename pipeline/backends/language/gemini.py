"""Questions about subtasks to Gemini."""

from __future__ import annotations

from typing import ClassVar

from pipeline.backends.language.gemini_server import GeminiServer
from pipeline.backends.language.online import OnlineLanguage


class Gemini(OnlineLanguage):
    """Asks Google's Gemini."""

    server: ClassVar[GeminiServer] = GeminiServer()
    name: ClassVar[str] = GeminiServer.name
    title: ClassVar[str] = GeminiServer.title
    default_model: ClassVar[str] = GeminiServer.default_model
