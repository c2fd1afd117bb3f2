"""Gemini's server through google-genai, which is imported only when a question is sent."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pipeline.backends.language.answer_schema import plain_schema
from pipeline.backends.language.credentials import Secret, find_key, missing_key
from pipeline.backends.language.endpoint import (
    THOUGHTS,
    Endpoint,
    Option,
    Part,
    Question,
    Reply,
    ServerSettings,
)
from pipeline.backends.language.gemini_reply import read_refusal, read_reply
from pipeline.backends.language.http_faults import checked_address, client_arguments, fault_of
from pipeline.backends.language.response_size import TooLong, reading_client
from pipeline.model.drafting import PartKind
from pipeline.model.problem import DataError
from pipeline.model.recipe import Reasoning

ADDRESS_VARIABLE = "GOOGLE_GEMINI_BASE_URL"
"""Environment variable of google-genai with the address of a gateway."""

_SERVER = "https://generativelanguage.googleapis.com"
_LEVELS = {Reasoning.OFF: "MINIMAL", Reasoning.LOW: "LOW", Reasoning.HIGH: "HIGH"}
_HAS_LEVELS = re.compile(r"(?:models/)?gemini-(?:[3-9]|\d\d)\b")
_PRO = re.compile(r"-pro\b")
_LEAST_OF_PRO = 128
_BETA = re.compile(r"-(?:latest|preview|exp)\b")
_FASTEST = 24.0


class GeminiServer:
    """Google's Gemini, or a gateway that speaks its protocol."""

    name = "gemini"
    title = "Gemini"
    default_model = "gemini-2.5-flash"

    def available(self) -> str | None:
        """Return None if package and key are here, else one sentence."""
        try:
            found = importlib.util.find_spec("google.genai")
        except ModuleNotFoundError:  # not even the namespace `google`
            found = None
        if found is None:
            return "the package google-genai is not installed; pip install “demoscope[captions]”."
        try:
            return None if find_key(self.name) else missing_key(self.name)
        except DataError as error:
            return str(error)

    def own_address(self) -> str:
        """The address in the SDK's own environment variable, empty if it is not set."""
        return os.environ.get(ADDRESS_VARIABLE, "").strip()

    def address(self, settings: ServerSettings) -> str:
        """A server of the user's (a gateway), or empty for Google's."""
        if settings.base_url.strip():
            return checked_address(settings.base_url, f"{settings.stage}.base_url")
        own = self.own_address()
        return checked_address(own, ADDRESS_VARIABLE) if own else ""

    @asynccontextmanager
    async def connect(self, settings: ServerSettings) -> AsyncIterator[Endpoint]:
        """Open a client; it is ours, so that google-genai never takes another HTTP library."""
        # A second of importing, in a thread so that the user can go on cancelling.
        genai = await asyncio.to_thread(importlib.import_module, "google.genai")
        import httpx2

        key = find_key(self.name)
        if not key:
            raise DataError("no_key", missing_key(self.name))
        url = self.address(settings)
        model = settings.model or self.default_model
        arguments = client_arguments(url or _SERVER, settings.timeout_s)
        # google-genai never uses the second one, but would make it by itself.
        async with reading_client(arguments) as http:
            idle = httpx2.Client(**arguments)
            client = genai.Client(
                api_key=key.reveal(),
                vertexai=False,  # whatever the environment says: the key is not Vertex's
                http_options=genai.types.HttpOptions(
                    base_url=url or _SERVER,
                    # Aliases and previews exist only there; None is the SDK's own choice.
                    api_version="v1beta" if _BETA.search(model) else None,
                    timeout=round(settings.timeout_s * 1000),
                    httpx_async_client=http,
                    httpx_client=idle,
                ),
            )
            try:
                yield GenerateContent(client, url, key, model)
            finally:
                client.close()
                idle.close()


class GenerateContent:
    """Gemini's server, connected.

    Attributes:
        title: With its address if it is not Google's.
        key_advice: How to change the key.
    """

    def __init__(self, client: Any, url: str, key: Secret, model: str) -> None:
        self._client = client
        self._key = key
        self._model = model
        self.title = f"Gemini at {url}" if url else "Gemini"
        self.key_advice = f"check {key.origin}."

    def options(self, question: Question, dropped: frozenset[str]) -> tuple[Option, ...]:
        """What models differ in."""
        settings = question.settings
        wanted = [
            Option("response_schema", ("responseschema", "schema", "responsejsonschema")),
            Option("response_mime_type", ("responsemimetype", "jsonmode")),
            Option("temperature"),
            Option("max_output_tokens", ("maxoutputtokens",)),
        ]
        if settings.reasoning is not Reasoning.DEFAULT:
            wanted.append(Option("thinking_config", ("thinking",), extra=True))
        if settings.logprobs:
            wanted.append(Option("response_logprobs", ("logprobs",), extra=True))
        if any(p.fps for m in question.messages for p in m.parts):
            wanted.append(Option("video_metadata", ("videometadata",), extra=True))
        return tuple(option for option in wanted if option.name not in dropped)

    async def send(self, question: Question, dropped: frozenset[str]) -> Reply:
        """Send the question once."""
        import httpx2
        from google.genai import errors, types

        sent = {o.name for o in self.options(question, dropped)}
        if "response_mime_type" not in sent:
            sent.discard("response_schema")  # a schema needs the type
        config = types.GenerateContentConfig(
            system_instruction=question.system,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            **self._config(question, sent),
        )
        contents = [
            types.Content(
                role="model" if m.by_model else "user",
                parts=[_part(p, "video_metadata" in sent) for p in m.content],
            )
            for m in question.messages
        ]
        try:
            response = await self._client.aio.models.generate_content(
                model=self._model, contents=contents, config=config
            )
        except TooLong as error:
            # Only a gateway's address is the user's; Google itself never sends as much.
            raise error.told(self.title, f"{question.settings.stage}.base_url") from None
        except errors.APIError as error:
            raise read_refusal(error, self._key) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise fault_of(error) from None
        except (errors.UnknownApiResponseError, ValueError, RecursionError) as error:
            reason = self._key.scrub(" ".join(str(error).split()))[:200]
            raise DataError(
                "bad_answer", f"{self.title} does not speak Gemini's protocol: {reason}."
            ) from None
        return read_reply(response, self._model, self._key)

    def _config(self, question: Question, sent: set[str]) -> dict[str, Any]:
        settings = question.settings
        optional: dict[str, Any] = {
            "response_schema": plain_schema(question.schema, closed=False),
            "response_mime_type": "application/json",
            "temperature": settings.temperature,
            "max_output_tokens": settings.token_limit,
            "thinking_config": self._thinking(settings.reasoning),
            "response_logprobs": True,
        }
        config = {k: v for k, v in optional.items() if k in sent}
        if "response_logprobs" in sent:
            config["logprobs"] = settings.logprobs
        return config

    def _thinking(self, reasoning: Reasoning) -> Any:
        """Gemini 3 and later take a level, earlier ones a budget of tokens.

        The Pro models cannot be kept from thinking: they get the least that they take.
        """
        from google.genai import types

        if reasoning is Reasoning.DEFAULT:
            return None
        least = reasoning is Reasoning.OFF and _PRO.search(self._model) is not None
        if _HAS_LEVELS.match(self._model):
            level = "LOW" if least else _LEVELS[reasoning]
            return types.ThinkingConfig(thinking_level=types.ThinkingLevel(level))
        budget = _LEAST_OF_PRO if least else THOUGHTS[reasoning]
        return types.ThinkingConfig(thinking_budget=budget)


def _part(part: Part, with_rate: bool) -> Any:
    """A part as google-genai wants it.

    A video is looked at once a second unless its rate is said: of a clip of two seconds the
    model would see two frames.
    """
    from google.genai import types

    if part.kind is PartKind.TEXT:
        return types.Part(text=part.text)
    blob = types.Blob(data=part.data, mime_type=part.mime)
    if part.kind is PartKind.VIDEO and part.fps and with_rate:
        rate = types.VideoMetadata(fps=min(part.fps, _FASTEST))
        return types.Part(inline_data=blob, video_metadata=rate)
    return types.Part(inline_data=blob)
