"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama, OpenAI itself."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

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
)
from pipeline.backends.language.online import OnlineLanguage
from pipeline.backends.language.protocol import LanguageSettings
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

_OPTION = "subtasks.base_url"
_PATH = "/chat/completions"
_NO_CREDIT = frozenset({"insufficient_quota", "billing_not_active"})


class OpenAICompatible(OnlineLanguage):
    """Asks a server of the user's choice; a key is sent only if there is one."""

    name: ClassVar[str] = "openai_compatible"
    title: ClassVar[str] = "OpenAI-compatible server"

    def available(self) -> str | None:
        """Return None if the package is here; whether the server is, asking tells."""
        if importlib.util.find_spec("httpx2") is None:
            return "the package httpx2 is not installed; pip install “demoscope[captions]”."
        try:
            find_key(self.name)
        except DataError as error:
            return str(error)
        return None

    def address(self, settings: LanguageSettings) -> str:
        """The address up to and with `/v1`."""
        if not settings.base_url.strip():
            raise DataError(
                "no_address",
                f"set {_OPTION} to the address of the server: http://127.0.0.1:8000/v1 for vLLM, "
                "http://127.0.0.1:8080/v1 for llama.cpp, http://127.0.0.1:11434/v1 for Ollama.",
            )
        url = checked_address(settings.base_url, _OPTION).removesuffix(_PATH)
        return url if url.count("/") > 2 else url + "/v1"

    @asynccontextmanager
    async def connect(self, settings: LanguageSettings) -> AsyncIterator[Endpoint]:
        """Open a client for the server."""
        import httpx2

        url, key = self.address(settings), find_key(self.name)
        headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        arguments = client_arguments(url, settings.timeout_s)
        async with httpx2.AsyncClient(headers=headers, **arguments) as client:
            yield ChatCompletions(client, url, key, settings)


class ChatCompletions:
    """One server.

    Attributes:
        title: With its address.
        key_advice: How to give a key.
    """

    def __init__(
        self, client: httpx2.AsyncClient, url: str, key: Secret, settings: LanguageSettings
    ) -> None:
        self._client = client
        self._url = url
        self._key = key
        self._settings = settings
        self._model = settings.model
        self.title = f"the server {url}"
        self.key_advice = f"check {key.origin}." if key else missing_key(OpenAICompatible.name)

    def options(self, dropped: frozenset[str]) -> tuple[Option, ...]:
        """What servers differ in."""
        wanted = [
            Option("response_format", ("jsonschema", "structuredoutput", "guided", "grammar")),
            Option("temperature"),
        ]
        if self._settings.thinking == "off":
            wanted.append(Option("chat_template_kwargs", ("chattemplate",)))
        # The newer name of the same limit is only sent where the older one is refused.
        older = Option("max_tokens")
        wanted.append(older if older.name not in dropped else Option("max_completion_tokens"))
        return tuple(option for option in wanted if option.name not in dropped)

    async def send(self, question: Question, dropped: frozenset[str]) -> Reply:
        """POST the question once."""
        body = self._body(question, {o.name for o in self.options(dropped)})
        body["model"] = self._model or await self._first_model()
        data = await self._request("POST", _PATH, body)
        return _reply(data, str(body["model"]), self._key)

    def _body(self, question: Question, sent: set[str]) -> dict[str, Any]:
        messages = [{"role": "system", "content": question.system}]
        messages += [
            {"role": "assistant" if m.by_model else "user", "content": m.text}
            for m in question.messages
        ]
        limit = question.settings.max_output_tokens
        optional: dict[str, Any] = {
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": plain_schema(question.schema, closed=True),
                    "strict": True,
                },
            },
            "temperature": question.settings.temperature,
            "chat_template_kwargs": {"enable_thinking": False},
            "max_tokens": limit,
            "max_completion_tokens": limit,
        }
        return {"messages": messages} | {k: v for k, v in optional.items() if k in sent}

    async def _first_model(self) -> str:
        """The first model that the server lists; asked once per connection."""
        data = await self._request("GET", "/models", None)
        listed = data.get("data")
        names = [str(m.get("id", "")) for m in listed or [] if isinstance(m, dict)]
        if not any(names):
            raise DataError("no_model", f"{self.title} lists no model; set subtasks.model.")
        self._model = next(n for n in names if n)
        log.info("%s: model %s", self.title, self._model)
        return self._model

    async def _request(self, method: str, path: str, body: Any) -> dict[str, Any]:
        import httpx2

        try:
            response = await self._client.request(method, self._url + path, json=body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise fault_of(error) from None
        try:
            data = response.json()
        except ValueError:
            data = None
        if response.status_code != 200:
            raise _refusal(response.status_code, response.headers, data, self._key)
        if isinstance(data, dict) and data.get("error") and not data.get("choices"):
            # Gateways answer 200 and put the status of the server behind them inside.
            code = data["error"].get("code") if isinstance(data["error"], dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
            raise _refusal(status, response.headers, data, self._key)
        if not isinstance(data, dict):
            raise DataError(
                "bad_answer",
                f"{self.title} does not speak OpenAI's protocol (no JSON object); check {_OPTION}.",
            )
        return data


def _refusal(status: int, headers: Mapping[str, str], data: Any, key: Secret) -> ServerRefusal:
    """Read OpenAI's `error` object, vLLM's flat one, Ollama's text, or whatever came."""
    error = data.get("error", data) if isinstance(data, dict) else None
    message, code = "", ""
    if isinstance(error, dict):
        # FastAPI servers (vLLM before the request is parsed) have `detail`.
        message = str(error.get("message") or error.get("detail") or "")
        code = str(error.get("code") or error.get("type") or "")
        parameter = error.get("param")
        if parameter and str(parameter) not in message:
            message = f"{parameter}: {message}"
    elif isinstance(error, str):
        message = error
    return ServerRefusal(
        status,
        key.scrub(message).rstrip(". ") or "it does not say why",
        retry_after(headers),
        about_key=code == "invalid_api_key",
        final=code in _NO_CREDIT,
    )


def _reply(data: dict[str, Any], model: str, key: Secret) -> Reply:
    """Read a chat completion."""
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise DataError(
            "bad_answer", f"the answer holds no choice with a message; check {_OPTION}."
        )
    content = message.get("content")
    if isinstance(content, list):
        parts = [str(p.get("text", "")) for p in content if isinstance(p, dict)]
        content = "".join(parts)
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    reason = choice.get("finish_reason")
    blocked = str(message.get("refusal") or "")
    if reason == "content_filter":
        blocked = "its content filter stopped it"
    return Reply(
        key.scrub(str(content or "")),
        key.scrub(str(data.get("model") or model))[:80],
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        cut=reason == "length",
        blocked=key.scrub(" ".join(blocked.split())[:200]),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
