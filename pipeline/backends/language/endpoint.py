"""A server that is asked: what is sent, what comes back, and how it says no."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from pipeline.model.drafting import PartKind, TokenChoice
from pipeline.model.recipe import Reasoning

THOUGHTS = {Reasoning.OFF: 0, Reasoning.LOW: 1024, Reasoning.HIGH: 24_576}
"""Tokens that a model may think (Gemini 2.5: of 0 to 24,576 for Flash, to 32,768 for Pro)."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a server is asked. Keys are never part of it.

    Attributes:
        model: Empty for the server's own choice.
        base_url: Empty for the SDK's own variable, then the server's own address.
        temperature: Of sampling.
        max_output_tokens: Where the server cuts an answer off, without its thoughts where
            `reasoning` says how many are allowed.
        reasoning: How much the model may think.
        logprobs: Alternatives per token that are asked for, 0 for no log-probabilities.
        timeout_s: How long one request may take, seconds.
        attempts: How often a request is sent while the server refuses for the moment.
        max_wait_s: Longest time between attempts, seconds.
        stage: Stage whose options these are, for sentences.
        offline: Its backend that works offline, for sentences.
        less: How to make the model think less, one clause, for sentences.
        repeat_cut: Whether an answer that was cut off is asked for once more, with four times the
            limit.
    """

    model: str = ""
    base_url: str = ""
    temperature: float = 0.0
    max_output_tokens: int = 4096
    reasoning: Reasoning = Reasoning.DEFAULT
    logprobs: int = 0
    timeout_s: float = 60.0
    attempts: int = 4
    max_wait_s: float = 60.0
    stage: str = "subtasks"
    offline: str = "rules"
    less: str = "set subtasks.thinking=off"
    repeat_cut: bool = False

    @property
    def token_limit(self) -> int:
        """What is sent as the limit: servers count the thoughts that were allowed as well."""
        return self.max_output_tokens + THOUGHTS.get(self.reasoning, 0)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a turn.

    Attributes:
        kind: What it is.
        text: Of a text.
        data: Of a picture or a video, encoded.
        mime: E.g. `image/jpeg`; of a picture or a video.
        fps: Of a video, frames per second; 0 if unknown.
    """

    kind: PartKind
    text: str = ""
    data: bytes = b""
    mime: str = ""
    fps: float = 0.0


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: a text, or texts, pictures and videos in order.

    Attributes:
        by_model: Whether the model wrote it.
        text: What was said, if it is a text only.
        parts: What was shown and said, in order; empty if it is a text only.
    """

    by_model: bool
    text: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def content(self) -> tuple[Part, ...]:
        """The parts; a text is one part."""
        return self.parts or (Part(PartKind.TEXT, self.text),)


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent.

    Attributes:
        system: What the model is to do.
        messages: Turns, the user's first.
        schema: Shape of the answer.
        settings: How it is asked.
    """

    system: str
    messages: tuple[Message, ...]
    schema: type[BaseModel]
    settings: ServerSettings

    def shows(self, kind: PartKind) -> bool:
        """Whether a part of that kind is sent."""
        return any(p.kind is kind for m in self.messages for p in m.content)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        text: What the model wrote.
        model: Which model, as the server names it.
        tokens_in: As the server counts them, 0 if it does not say.
        tokens_out: The same, with the model's thoughts.
        cut: Whether the text ends at `max_output_tokens`.
        blocked: Why the server gives no text, empty if it does.
        request_id: By which the server knows the request, empty if it gives none.
        tokens: The text token by token with log-probabilities, empty if it gives none.
    """

    text: str
    model: str
    tokens_in: int = 0
    tokens_out: int = 0
    cut: bool = False
    blocked: str = ""
    request_id: str = ""
    tokens: tuple[TokenChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """Something sent that a server may not know.

    Attributes:
        name: As it is called on the wire.
        words: What an error calls it, lower case without `_`; its name always counts.
        extra: Whether the answer is of use without it: left out first if a server names nothing.
    """

    name: str
    words: tuple[str, ...] = ()
    extra: bool = False


class ServerRefusal(Exception):  # noqa: N818 - named like the event
    """The server said no.

    Attributes:
        status: Of HTTP.
        message: The server's words, without keys.
        retry_after: Seconds that it asks to wait, None if it does not say.
        about_key: Whether it is the key that it does not take.
        final: Whether waiting cannot help although the status says so (no credit left).
    """

    def __init__(
        self,
        status: int,
        message: str,
        retry_after: float | None = None,
        *,
        about_key: bool = False,
        final: bool = False,
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        # Printable only: it is shown in terminals and windows.
        shown = "".join(c if c.isprintable() else " " for c in message)
        self.message = " ".join(shown.split())[:300]
        self.retry_after = retry_after
        self.about_key = about_key or status in (401, 403)
        self.final = final


class ConnectionFault(Exception):  # noqa: N818 - named like the event
    """No answer came.

    Attributes:
        kind: `unreachable`, `timeout` or `broken`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Endpoint(Protocol):
    """One server, connected.

    Attributes:
        title: For sentences, e.g. `Gemini`, with its address where the user gave one.
        key_advice: How to give or change the key, one clause.
    """

    title: str
    key_advice: str

    def options(self, question: Question, dropped: frozenset[str]) -> tuple[Option, ...]:
        """What would be sent and may be refused, without what was dropped already."""
        ...

    async def send(self, question: Question, dropped: frozenset[str]) -> Reply:
        """Send once. Raises ServerRefusal or ConnectionFault."""
        ...


class Server(Protocol):
    """A kind of server.

    Attributes:
        name: As chosen in options.
        title: For people.
        default_model: Where the settings name none; empty if the server chooses.
    """

    name: str
    title: str
    default_model: str

    def available(self) -> str | None:
        """Return None if it can be asked, else one sentence that says why not."""
        ...

    def own_address(self) -> str:
        """The address in the SDK's own environment variable, empty if it is not set."""
        ...

    def address(self, settings: ServerSettings) -> str:
        """What of the address decides the answer. Raises DataError if it is no address."""
        ...

    def connect(self, settings: ServerSettings) -> AbstractAsyncContextManager[Endpoint]:
        """Open it for one question. Raises DataError."""
        ...
