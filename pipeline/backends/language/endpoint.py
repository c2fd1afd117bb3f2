"""A server that is asked: what is sent, what comes back, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from pipeline.backends.language.protocol import LanguageSettings


@dataclass(frozen=True, slots=True)
class Message:
    """One turn.

    Attributes:
        by_model: Whether the model wrote it.
        text: What was said.
    """

    by_model: bool
    text: str


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
    settings: LanguageSettings


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
    """

    text: str
    model: str
    tokens_in: int = 0
    tokens_out: int = 0
    cut: bool = False
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """Something sent that a server may not know.

    Attributes:
        name: As it is called on the wire.
        words: What an error calls it, lower case without `_`; its name always counts.
    """

    name: str
    words: tuple[str, ...] = ()


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
        self.message = " ".join(message.split())[:300]
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
        options: What it may refuse, as sent now.
    """

    title: str
    key_advice: str

    def options(self, dropped: frozenset[str]) -> tuple[Option, ...]:
        """What would be sent and may be refused, without what was dropped already."""
        ...

    async def send(self, question: Question, dropped: frozenset[str]) -> Reply:
        """Send once. Raises ServerRefusal or ConnectionFault."""
        ...
