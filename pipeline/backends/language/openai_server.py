"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama, OpenAI itself."""

from __future__ import annotations

import base64
import importlib.util
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pipeline.backends.language.answer_schema import plain_schema
from pipeline.backends.language.credentials import Secret, find_key, missing_key
from pipeline.backends.language.endpoint import (
    Endpoint,
    Message,
    Option,
    Part,
    Question,
    Reply,
    ServerSettings,
)
from pipeline.backends.language.http_faults import checked_address, client_arguments, fault_of
from pipeline.backends.language.openai_reply import read_refusal, read_reply
from pipeline.backends.language.response_size import TooLong, reading_client
from pipeline.model.drafting import PartKind
from pipeline.model.problem import DataError
from pipeline.model.recipe import Reasoning

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

ADDRESS_VARIABLE = "OPENAI_BASE_URL"
"""Environment variable of OpenAI's own SDK with the address of a server."""

_PATH = "/chat/completions"


class OpenAIServer:
    """A server of the user's choice; a key is sent only if there is one."""

    name = "openai_compatible"
    title = "OpenAI-compatible server"
    default_model = ""

    def available(self) -> str | None:
        """Return None if the package is here; whether the server is, asking tells."""
        if importlib.util.find_spec("httpx2") is None:
            return "the package httpx2 is not installed; pip install “demoscope[captions]”."
        try:
            find_key(self.name)
        except DataError as error:
            return str(error)
        return None

    def own_address(self) -> str:
        """The address in the SDK's own environment variable, empty if it is not set."""
        return os.environ.get(ADDRESS_VARIABLE, "").strip()

    def address(self, settings: ServerSettings) -> str:
        """The address up to and with `/v1`."""
        option = f"{settings.stage}.base_url"
        given, own = settings.base_url.strip(), self.own_address()
        if not given and not own:
            raise DataError(
                "no_address",
                f"set {option} or {ADDRESS_VARIABLE} to the address of the server: "
                "http://127.0.0.1:8000/v1 for vLLM, "
                "http://127.0.0.1:8080/v1 for llama.cpp, http://127.0.0.1:11434/v1 for Ollama.",
            )
        url = checked_address(given or own, option if given else ADDRESS_VARIABLE)
        url = url.removesuffix(_PATH)
        return url if url.count("/") > 2 else url + "/v1"

    @asynccontextmanager
    async def connect(self, settings: ServerSettings) -> AsyncIterator[Endpoint]:
        """Open a client for the server."""
        url, key = self.address(settings), find_key(self.name)
        headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        arguments = client_arguments(url, settings.timeout_s)
        async with reading_client({"headers": headers, **arguments}) as client:
            yield ChatCompletions(client, url, key, settings)


class ChatCompletions:
    """One server, connected.

    Attributes:
        title: With its address.
        key_advice: How to give a key.
    """

    def __init__(
        self, client: httpx2.AsyncClient, url: str, key: Secret, settings: ServerSettings
    ) -> None:
        self._client = client
        self._url = url
        self._key = key
        self._model = settings.model
        self._stage = settings.stage
        self.title = f"the server {url}"
        self.key_advice = f"check {key.origin}." if key else missing_key(OpenAIServer.name)

    def options(self, question: Question, dropped: frozenset[str]) -> tuple[Option, ...]:
        """What servers differ in."""
        settings = question.settings
        wanted = [
            Option("response_format", ("jsonschema", "structuredoutput", "guided", "grammar")),
            Option("temperature"),
        ]
        if settings.reasoning is Reasoning.OFF:
            wanted.append(Option("chat_template_kwargs", ("chattemplate",), extra=True))
        elif settings.reasoning is not Reasoning.DEFAULT:
            wanted.append(Option("reasoning_effort", ("reasoning",), extra=True))
        if settings.logprobs:
            wanted.append(Option("logprobs", ("toplogprobs", "logprob"), extra=True))
        # The newer name of the same limit is only sent where the older one is refused.
        older = Option("max_tokens")
        wanted.append(older if older.name not in dropped else Option("max_completion_tokens"))
        return tuple(option for option in wanted if option.name not in dropped)

    async def send(self, question: Question, dropped: frozenset[str]) -> Reply:
        """POST the question once."""
        body = self._body(question, {o.name for o in self.options(question, dropped)})
        body["model"] = self._model or await self._first_model()
        data, request_id = await self._request("POST", _PATH, body)
        return read_reply(data, str(body["model"]), request_id, self._key, self._stage)

    def _body(self, question: Question, sent: set[str]) -> dict[str, Any]:
        settings = question.settings
        messages: list[dict[str, Any]] = [{"role": "system", "content": question.system}]
        messages += [
            {"role": "assistant" if m.by_model else "user", "content": _content(m)}
            for m in question.messages
        ]
        optional: dict[str, Any] = {
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": plain_schema(question.schema, closed=True),
                    "strict": True,
                },
            },
            "temperature": settings.temperature,
            "chat_template_kwargs": {"enable_thinking": False},
            "reasoning_effort": settings.reasoning.value,
            "logprobs": True,
            "max_tokens": settings.token_limit,
            "max_completion_tokens": settings.token_limit,
        }
        body = {"messages": messages} | {k: v for k, v in optional.items() if k in sent}
        if "logprobs" in sent:
            body["top_logprobs"] = settings.logprobs
        return body

    async def _first_model(self) -> str:
        """The first model that the server lists; asked once per connection."""
        data, _ = await self._request("GET", "/models", None)
        listed = data.get("data")
        names = [str(m.get("id", "")) for m in listed or [] if isinstance(m, dict)]
        if not any(names):
            raise DataError("no_model", f"{self.title} lists no model; set {self._stage}.model.")
        self._model = next(n for n in names if n)
        log.info("%s: model %s", self.title, self._model)
        return self._model

    async def _request(self, method: str, path: str, body: Any) -> tuple[dict[str, Any], str]:
        """One request; returns its JSON object and the id in its header, empty without one."""
        import httpx2

        try:
            response = await self._client.request(method, self._url + path, json=body)
        except TooLong as error:
            raise error.told(self.title, f"{self._stage}.base_url") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise fault_of(error) from None
        try:
            data = json.loads(response.content)
        except (ValueError, RecursionError):
            data = None
        if response.status_code != 200:
            raise read_refusal(response.status_code, response.headers, data, self._key)
        if isinstance(data, dict) and data.get("error") and not data.get("choices"):
            # Gateways answer 200 and put the status of the server behind them inside.
            code = data["error"].get("code") if isinstance(data["error"], dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
            raise read_refusal(status, response.headers, data, self._key)
        if not isinstance(data, dict):
            raise DataError(
                "bad_answer",
                f"{self.title} does not speak OpenAI's protocol (no JSON object); check "
                f"{self._stage}.base_url.",
            )
        return data, str(response.headers.get("x-request-id", ""))


def _content(message: Message) -> str | list[dict[str, Any]]:
    """A text, or parts; servers without eyes take only the former."""
    if not message.parts:
        return message.text
    return [_part(part) for part in message.parts]


def _part(part: Part) -> dict[str, Any]:
    if part.kind is PartKind.TEXT:
        return {"type": "text", "text": part.text}
    url = f"data:{part.mime};base64,{base64.b64encode(part.data).decode()}"
    # `video_url` is vLLM's; OpenAI itself takes no video.
    name = "image_url" if part.kind is PartKind.IMAGE else "video_url"
    return {"type": name, name: {"url": url}}
