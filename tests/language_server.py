"""A server on this machine that speaks Gemini's and OpenAI's protocols as their owners document.

It checks what it gets as the real ones do (path, key, shape of the body) and answers from a
script: what is scripted is done first, in order; afterwards every question gets `answer`.
"""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GEMINI_PATH = re.compile(r"/v1(?:beta)?/models/(?P<model>[^/:]+):generateContent")
GEMINI_FIELDS = {"contents", "systemInstruction", "generationConfig"}
GEMINI_CONFIG = {
    "temperature", "maxOutputTokens", "responseMimeType", "responseSchema", "thinkingConfig",
}  # fmt: skip
OPENAI_FIELDS = {
    "model", "messages", "temperature", "max_tokens", "max_completion_tokens", "response_format",
    "chat_template_kwargs",
}  # fmt: skip


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
    def turns(self) -> list[str]:
        """Texts of the turns after the system's."""
        if "contents" in self.body:
            return [c["parts"][0]["text"] for c in self.body["contents"]]
        return [m["content"] for m in self.body["messages"][1:]]

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
    """Answer with this text, whatever was asked."""

    text: str
    reason: str = ""
    status: int = 200


@dataclass
class Raw:
    """Answer with these bytes instead of the protocol's envelope."""

    data: bytes
    status: int = 200
    kind: str = "text/html"


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
        self.requests: list[Request] = []
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
        """Clients that leave are no error here."""


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
            self._send(step.status, step.data, step.kind, {})
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
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": reason}
        usage = {
            "promptTokenCount": 100,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 7,
            "totalTokenCount": 127,
        }
        self._json(200, {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model})

    def _openai(self, said: Say, model: str) -> None:
        message = {"role": "assistant", "content": said.text}
        choice = {"index": 0, "message": message, "finish_reason": said.reason or "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 27, "total_tokens": 127}
        self._json(
            200,
            {"id": "1", "object": "chat.completion", "model": model, "choices": [choice]}
            | {"usage": usage},
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
        self._send(status, json.dumps(data).encode(), "application/json", headers or {})

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
        shape["type"] == "json_schema" and _strict(shape["json_schema"]["schema"])
    ):
        return Refuse(400, "Invalid schema for response_format", param="response_format")
    return None


def _strict(schema: Any) -> bool:
    """What strict mode asks for: all properties required, no others, at every depth."""
    if isinstance(schema, list):
        return all(map(_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and (
        schema.get("additionalProperties") is not False
        or set(schema["required"]) != set(schema["properties"])
    ):
        return False
    return all(map(_strict, schema.values()))


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
