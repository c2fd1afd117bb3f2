"""A server on this machine that speaks Gemini's and OpenAI's protocols as their owners document.

It checks what it gets as the real ones do (path, key, shape of the body, each part of a turn, the
bytes of pictures and videos) and answers from a script: what is scripted is done first, in order;
afterwards every question gets `answer`. Log-probabilities come where they are asked for.
"""

from __future__ import annotations

import binascii
import gzip
import itertools
import json
import math
import re
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.language_wire import (
    MAGIC,
    SeenPart,
    camel,
    gemini_logprobs,
    openai_logprobs,
    seen_gemini,
    seen_openai,
    strict,
    unknown_in_schema,
)

GEMINI_PATH = re.compile(r"/v1(?:beta)?/models/(?P<model>[^/:]+):generateContent")
GEMINI_FIELDS = {"contents", "systemInstruction", "generationConfig"}
GEMINI_CONFIG = {
    "temperature", "maxOutputTokens", "responseMimeType", "responseSchema", "thinkingConfig",
    "responseLogprobs", "logprobs",
}  # fmt: skip
OPENAI_FIELDS = {
    "model", "messages", "temperature", "max_tokens", "max_completion_tokens", "response_format",
    "chat_template_kwargs", "logprobs", "top_logprobs", "reasoning_effort",
}  # fmt: skip
MOST_BYTES = 20 << 20
MOST_LOGPROBS = 20


@dataclass(frozen=True)
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: Any
    at: float

    @property
    def system(self) -> str:
        if "contents" in self.body:
            return self.body["systemInstruction"]["parts"][0]["text"]
        return self.body["messages"][0]["content"]

    @property
    def seen(self) -> list[list[SeenPart]]:
        """The turns after the system's, part by part, decoded."""
        if "contents" in self.body:
            return [[seen_gemini(p) for p in c["parts"]] for c in self.body["contents"]]
        turns = []
        for message in self.body["messages"][1:]:
            content = message["content"]
            whole = isinstance(content, str)
            turns.append(
                [SeenPart("text", content)] if whole else [seen_openai(p) for p in content]
            )
        return turns

    @property
    def parts(self) -> list[SeenPart]:
        """The parts of the user's first turn, in order."""
        return self.seen[0]

    @property
    def turns(self) -> list[str]:
        """Texts of the turns after the system's."""
        return ["\n".join(p.text for p in turn if p.kind == "text") for turn in self.seen]

    @property
    def question(self) -> Any:
        """The JSON object that the prompt carries."""
        return json.loads(self.turns[0])

    @property
    def option(self) -> dict[str, Any]:
        """What a server may refuse."""
        if "contents" in self.body:
            return self.body["generationConfig"]
        return {k: v for k, v in self.body.items() if k not in ("model", "messages")}


@dataclass
class Refuse:
    """Answer with an error of the protocol in use."""

    status: int
    message: str = "something is wrong"
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""
    param: str = ""
    details: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Say:
    """Answer with this text, whatever was asked; `tokens` are (token, alternatives) with
    log-probabilities, made up of the text if they are not given."""

    text: str
    reason: str = ""
    status: int = 200
    tokens: list[tuple[str, list[tuple[str, float]]]] | None = None

    def steps(self, count: int) -> list[tuple[str, list[tuple[str, float]]]]:
        """Tokens with the `count` most probable candidates of each step."""
        if self.tokens is not None:
            return [(token, others[:count]) for token, others in self.tokens]
        words = re.findall(r"\s*\w+|\s*[^\w\s]|\s+$", self.text)
        shares = [0.8] + [0.2 / count] * (count - 1)
        return [
            (w, [(w if k == 0 else f"{w}{k}", math.log(p)) for k, p in enumerate(shares)])
            for w in words
        ]


@dataclass
class Raw:
    """Answer with these bytes instead of the protocol's envelope."""

    data: bytes
    status: int = 200
    kind: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)


class Hang:
    """Do not answer until the server closes."""


class Drop:
    """Close the connection without a word."""


Script = Refuse | Say | Raw | Hang | Drop | Callable[[Request], "Refuse | Say | None"]


class LanguageServer(ThreadingHTTPServer):
    """The server."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, key: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = key
        self.takes_video = True
        self.takes_pictures = True
        self.packs = False
        self.requests: list[Request] = []
        self.own_errors: list[str] = []
        self.script: deque[Script] = deque()
        self.answer: Callable[[Request], str] = lambda request: json.dumps({"subtasks": []})
        self.came = threading.Event()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def gaps(self) -> list[float]:
        """Seconds between requests."""
        times = [r.at for r in self.requests]
        return [b - a for a, b in itertools.pairwise(times)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are no error here; what else is raised is one of this file."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.own_errors.append(repr(error))


class _Handler(BaseHTTPRequestHandler):
    server: LanguageServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        assert self.path == "/v1/models"
        self._json(200, {"object": "list", "data": [{"id": "served-model", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {k.lower(): v for k, v in self.headers.items()}
        request = Request(self.path, headers, body, time.monotonic())
        self.server.requests.append(request)
        self.server.came.set()
        gemini = GEMINI_PATH.fullmatch(self.path)
        if gemini is None and self.path != "/v1/chat/completions":
            self._refuse(Refuse(404, "not found"), False)
            return
        wrong = _check_gemini(self, request) if gemini else _check_openai(self, request)
        if wrong is not None:
            self._refuse(wrong, bool(gemini))
            return
        step = self.server.script.popleft() if self.server.script else None
        if callable(step):
            step = step(request)
        if isinstance(step, Hang):
            self.server.closing.wait(5.0)
            self.close_connection = True
        elif isinstance(step, Drop):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif isinstance(step, Refuse):
            self._refuse(step, bool(gemini))
        elif isinstance(step, Raw):
            self._send(step.status, step.data, step.kind, step.headers)
        else:
            said = step if isinstance(step, Say) else Say(self.server.answer(request))
            if gemini:
                self._gemini(said, gemini["model"])
            else:
                self._openai(said, body["model"])

    def _gemini(self, said: Say, model: str) -> None:
        reason = said.reason or "STOP"
        if reason.startswith("BLOCK:"):
            feedback = {"blockReason": reason.removeprefix("BLOCK:")}
            self._json(200, {"promptFeedback": feedback, "modelVersion": model})
            return
        parts = [{"text": "thinking aloud {", "thought": True}, {"text": said.text}]
        candidate: dict[str, Any] = {
            "content": {"role": "model", "parts": parts}, "finishReason": reason,
        }  # fmt: skip
        config = self.server.requests[-1].body.get("generationConfig", {})
        if config.get("responseLogprobs"):
            candidate |= gemini_logprobs(said.steps(config.get("logprobs", 1)))
        usage = {
            "promptTokenCount": 100,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 7,
            "totalTokenCount": 127,
        }
        self._json(
            200,
            {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model}
            | {"responseId": f"gem-{len(self.server.requests)}"},
        )

    def _openai(self, said: Say, model: str) -> None:
        message = {"role": "assistant", "content": said.text}
        choice: dict[str, Any] = {
            "index": 0,
            "message": message,
            "finish_reason": said.reason or "stop",
        }
        body = self.server.requests[-1].body
        if body.get("logprobs"):
            choice["logprobs"] = openai_logprobs(said.steps(body.get("top_logprobs") or 1))
        usage = {"prompt_tokens": 100, "completion_tokens": 27, "total_tokens": 127}
        self._json(
            200,
            {"id": "1", "object": "chat.completion", "model": model, "choices": [choice]}
            | {"usage": usage},
            {"x-request-id": f"req-{len(self.server.requests)}"},
        )

    def _refuse(self, refusal: Refuse, gemini: bool) -> None:
        if gemini:
            status = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED"}.get(refusal.status, "X")
            error: dict[str, Any] = {
                "code": refusal.status, "message": refusal.message, "status": status,
                "details": refusal.details,
            }  # fmt: skip
        else:
            error = {
                "message": refusal.message, "type": "invalid_request_error",
                "param": refusal.param or None, "code": refusal.code or None,
            }  # fmt: skip
        self._json(refusal.status, {"error": error}, refusal.headers)

    def _json(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        content, headers = json.dumps(data).encode(), headers or {}
        if self.server.packs:
            content, headers = gzip.compress(content), {**headers, "Content-Encoding": "gzip"}
        self._send(status, content, "application/json", headers)

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(data), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)


def _check_gemini(handler: _Handler, request: Request) -> Refuse | None:
    if request.headers.get("x-goog-api-key") != handler.server.key:
        # The real one masks; a worse server must not get the key into our logs either.
        message = f"API key not valid: {request.headers.get('x-goog-api-key')}"
        return Refuse(400, message, details=[{"reason": "API_KEY_INVALID"}])
    unknown = set(request.body) - GEMINI_FIELDS
    unknown |= set(request.body.get("generationConfig", {})) - GEMINI_CONFIG
    if unknown:
        return Refuse(400, f"Unknown name {unknown}")
    if {c["role"] for c in request.body["contents"]} - {"user", "model"}:
        return Refuse(400, "Please use a valid role: user, model.")
    if int(request.headers["content-length"]) > MOST_BYTES:
        return Refuse(400, f"Request payload size exceeds the limit: {MOST_BYTES} bytes.")
    config = request.body.get("generationConfig", {})
    if "logprobs" in config and not config.get("responseLogprobs"):
        return Refuse(400, "logprobs is only allowed with responseLogprobs.")
    if not 0 <= config.get("logprobs", 0) <= MOST_LOGPROBS:
        return Refuse(400, f"logprobs must be between 0 and {MOST_LOGPROBS}.")
    if "responseSchema" in config and config.get("responseMimeType") != "application/json":
        return Refuse(400, "response_schema needs the response_mime_type application/json.")
    unknown = unknown_in_schema(config.get("responseSchema", {}))
    if unknown:
        return Refuse(400, f"Unknown name {unknown} at 'generation_config.response_schema'.")
    for content in request.body["contents"]:
        for part in content["parts"]:
            data = set(camel(part)) - {"videoMetadata", "thought"}
            if part.get("text") == "":
                return Refuse(400, "Unable to submit request because it has an empty text part.")
            if len(data) != 1 or data - {"text", "inlineData"}:
                return Refuse(400, f"a part must hold one of its fields, found {sorted(part)}")
    return _check_parts(handler, request)


def _check_parts(handler: _Handler, request: Request) -> Refuse | None:
    """What both look at: types and bytes of pictures and videos."""
    try:
        turns = request.seen
    except (KeyError, ValueError, binascii.Error, StopIteration) as error:
        return Refuse(400, f"Invalid value: {error}")
    for part in itertools.chain.from_iterable(turns):
        if part.kind == "video" and not handler.server.takes_video:
            supported = "Supported values are: 'text', 'image_url'."
            return Refuse(400, f"Invalid value: 'video_url'. {supported}")
        if part.kind == "image" and not handler.server.takes_pictures:
            return Refuse(400, "This is not a multimodal model: image input is not supported.")
        if part.kind == "text":
            continue
        if part.mime not in MAGIC:
            return Refuse(400, f"Unsupported MIME type: {part.mime}")
        if not MAGIC[part.mime].match(part.data):
            return Refuse(400, f"Unable to process input {part.kind}. Please retry.")
        if not 0.0 <= part.fps <= 24.0:
            return Refuse(400, "videoMetadata.fps must be in (0, 24].")
    return None


def _check_openai(handler: _Handler, request: Request) -> Refuse | None:
    if (
        handler.server.key
        and request.headers.get("authorization") != f"Bearer {handler.server.key}"
    ):
        message = f"Incorrect API key provided: {request.headers.get('authorization')}"
        return Refuse(401, message, code="invalid_api_key")
    unknown = set(request.body) - OPENAI_FIELDS
    if unknown:
        return Refuse(400, f"Unrecognized request argument: {unknown}")
    if request.body["messages"][0]["role"] != "system":
        return Refuse(400, "the first message must be the system's")
    shape = request.body.get("response_format")
    if shape is not None and not (
        shape["type"] == "json_schema" and strict(shape["json_schema"]["schema"])
    ):
        return Refuse(400, "Invalid schema for response_format", param="response_format")
    top = request.body.get("top_logprobs")
    if top is not None and not (request.body.get("logprobs") is True and 0 <= top <= MOST_LOGPROBS):
        return Refuse(400, "top_logprobs needs logprobs and is at most 20", param="top_logprobs")
    return _check_parts(handler, request)


@contextmanager
def language_server(key: str = "") -> Iterator[LanguageServer]:
    """Run a server while the block lasts."""
    server = LanguageServer(key)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(2.0)
    assert not server.own_errors, server.own_errors


def cycle_by_cycle(*rows: dict[str, Any]) -> Callable[[Request], str]:
    """An answer that gives one cycle to each row, in order of time; `phases` in a row wins."""

    def answer(request: Request) -> str:
        phases = request.question["phases"]
        cycles = list(dict.fromkeys((p["arm"], p["cycle"]) for p in phases))
        tasks = []
        for k, row in enumerate(rows):
            mine = [p for p in phases if cycles[k : k + 1] == [(p["arm"], p["cycle"])]]
            numbers = row.get("phases", [p["number"] for p in mine])
            task = {
                "sentence": "", "action": "pick_and_place", "verb": "put", "object": "",
                "start_location": "", "relation": "", "target": "",
                "arm": mine[0]["arm"] if mine else "",
            } | row  # fmt: skip
            task["phases"] = [{"number": n, "description": f"Phase {n}."} for n in numbers]
            tasks.append(task)
        return json.dumps({"subtasks": tasks})

    return answer


def caption_answer(**parts: str) -> Callable[[Request], str]:
    """The same caption for every question; `parts` are fields of `WrittenCaption`."""
    row = {
        "verb": "put", "object": "red cube", "relation": "in", "destination": "bowl",
        "source": "", "arm": "", "caption": "Put the red cube in the bowl.",
    } | parts  # fmt: skip
    return lambda request: json.dumps(row)
