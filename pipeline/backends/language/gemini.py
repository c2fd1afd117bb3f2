"""Gemini through google-genai, which is imported only when a question is sent."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from pipeline.backends.language.answer_schema import plain_schema
from pipeline.backends.language.credentials import Secret, find_key, missing_key
from pipeline.backends.language.endpoint import (
    Endpoint,
    Option,
    Question,
    Reply,
    ServerRefusal,
)
from pipeline.backends.language.http_faults import (
    checked_address,
    client_arguments,
    fault_of,
    retry_after,
    seconds,
)
from pipeline.backends.language.online import OnlineLanguage
from pipeline.backends.language.protocol import LanguageSettings
from pipeline.model.problem import DataError

_SERVER = "https://generativelanguage.googleapis.com"


class Gemini(OnlineLanguage):
    """Asks Google's Gemini."""

    name: ClassVar[str] = "gemini"
    title: ClassVar[str] = "Gemini"
    default_model: ClassVar[str] = "gemini-2.5-flash"

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

    def address(self, settings: LanguageSettings) -> str:
        """A server of the user's (a gateway), or empty for Google's."""
        if not settings.base_url.strip():
            return ""
        return checked_address(settings.base_url, "subtasks.base_url")

    @asynccontextmanager
    async def connect(self, settings: LanguageSettings) -> AsyncIterator[Endpoint]:
        """Open a client; it is ours, so that google-genai never takes another HTTP library."""
        # A second of importing, in a thread so that the user can go on cancelling.
        genai = await asyncio.to_thread(importlib.import_module, "google.genai")
        import httpx2

        key = find_key(self.name)
        if not key:
            raise DataError("no_key", missing_key(self.name))
        url = self.address(settings)
        arguments = client_arguments(url or _SERVER, settings.timeout_s)
        # google-genai never uses the second one, but would make it by itself.
        async with httpx2.AsyncClient(**arguments) as http:
            idle = httpx2.Client(**arguments)
            client = genai.Client(
                api_key=key.reveal(),
                vertexai=False,  # whatever the environment says: the key is not Vertex's
                http_options=genai.types.HttpOptions(
                    base_url=url or _SERVER,
                    timeout=round(settings.timeout_s * 1000),
                    httpx_async_client=http,
                    httpx_client=idle,
                ),
            )
            try:
                yield GenerateContent(client, url, key, settings, self.default_model)
            finally:
                client.close()
                idle.close()


class GenerateContent:
    """Gemini's server.

    Attributes:
        title: With its address if it is not Google's.
        key_advice: How to change the key.
    """

    def __init__(
        self, client: Any, url: str, key: Secret, settings: LanguageSettings, default_model: str
    ) -> None:
        self._client = client
        self._key = key
        self._settings = settings
        self._model = settings.model or default_model
        self.title = f"Gemini at {url}" if url else "Gemini"
        self.key_advice = f"check {key.origin}."

    def options(self, dropped: frozenset[str]) -> tuple[Option, ...]:
        """What models differ in."""
        wanted = [
            Option("response_schema", ("responseschema", "schema", "responsejsonschema")),
            Option("response_mime_type", ("responsemimetype", "jsonmode")),
            Option("temperature"),
            Option("max_output_tokens", ("maxoutputtokens",)),
        ]
        if self._settings.thinking == "off":
            wanted.append(Option("thinking_config", ("thinking",)))
        return tuple(option for option in wanted if option.name not in dropped)

    async def send(self, question: Question, dropped: frozenset[str]) -> Reply:
        """Send the question once."""
        import httpx2
        from google.genai import errors, types

        sent = {o.name for o in self.options(dropped)}
        if "response_mime_type" not in sent:
            sent.discard("response_schema")  # a schema needs the type
        settings = question.settings
        optional: dict[str, Any] = {
            "response_schema": plain_schema(question.schema, closed=False),
            "response_mime_type": "application/json",
            "temperature": settings.temperature,
            "max_output_tokens": settings.max_output_tokens,
            "thinking_config": types.ThinkingConfig(thinking_budget=0),
        }
        config = types.GenerateContentConfig(
            system_instruction=question.system,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            **{k: v for k, v in optional.items() if k in sent},
        )
        contents = [
            types.Content(role="model" if m.by_model else "user", parts=[types.Part(text=m.text)])
            for m in question.messages
        ]
        try:
            response = await self._client.aio.models.generate_content(
                model=self._model, contents=contents, config=config
            )
        except errors.APIError as error:
            raise _refusal(error, self._key) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise fault_of(error) from None
        except (errors.UnknownApiResponseError, ValueError) as error:
            reason = self._key.scrub(" ".join(str(error).split()))[:200]
            raise DataError(
                "bad_answer", f"{self.title} does not speak Gemini's protocol: {reason}."
            ) from None
        return _reply(response, self._model, self._key)


def _refusal(error: Any, key: Secret) -> ServerRefusal:
    """Read status, message, the reason and the time to wait of an APIError."""
    details = error.details if isinstance(error.details, dict) else {}
    inner = details.get("error")
    inner = inner if isinstance(inner, dict) else details
    wait, reasons = None, []
    listed = inner.get("details")
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict):
            continue
        reasons.append(str(item.get("reason", "")))
        if str(item.get("@type", "")).endswith("RetryInfo"):
            wait = seconds(str(item.get("retryDelay", "")))
    headers = getattr(error.response, "headers", None)
    if wait is None and headers is not None:
        wait = retry_after(headers)
    message = key.scrub(str(error.message or "")).rstrip(". ")
    return ServerRefusal(
        int(error.code or 0),
        message or "it does not say why",
        wait,
        about_key="API_KEY_INVALID" in reasons or "api key" in message.lower(),
    )


def _reply(response: Any, model: str, key: Secret) -> Reply:
    """Read a GenerateContentResponse; thoughts are no part of the text."""
    usage = response.usage_metadata
    tokens_in = (usage.prompt_token_count or 0) if usage else 0
    tokens_out = 0
    if usage:
        tokens_out = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    blocked, reason, text = "", "", ""
    if response.candidates:
        candidate = response.candidates[0]
        reason = candidate.finish_reason.name if candidate.finish_reason else ""
        parts = (candidate.content.parts or []) if candidate.content else []
        text = "".join(p.text for p in parts if p.text and not p.thought)
        if not text and reason not in ("", "STOP", "MAX_TOKENS"):
            blocked = f"it stopped for the reason {reason}"
    else:
        feedback = response.prompt_feedback
        why = feedback.block_reason.name if feedback and feedback.block_reason else "none given"
        blocked = f"no candidate, reason {why}"
    return Reply(
        key.scrub(text),
        key.scrub(str(response.model_version or model))[:80],
        tokens_in,
        tokens_out,
        cut=reason == "MAX_TOKENS",
        blocked=blocked,
    )
