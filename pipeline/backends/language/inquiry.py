"""One question to a server, in this thread, which the user can end at any moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.backends.backend import Progress
from pipeline.backends.language.endpoint import Question, Reply, Server, ServerSettings
from pipeline.backends.language.event_loop import Rest, run_watched
from pipeline.backends.language.exchange import Exchange, Gate, Sleep
from pipeline.backends.language.refusals import known_refusal, remember_refusal
from pipeline.model.problem import DataError
from pipeline.model.usage import NO_USAGE, Usage

log = logging.getLogger(__name__)

T = TypeVar("T")

_REFUSED: dict[tuple[str, str, str, str], frozenset[str]] = {}
"""What this process learned: (server, address, model, reasoning) -> options that it does not take.
A batch then pays for a refusal once, not for each question."""


class QuestionError(DataError):
    """No answer came, but what was tried may have cost something.

    Attributes:
        usage: What it took.
    """

    def __init__(self, code: str, message: str, usage: Usage) -> None:
        super().__init__(code, message)
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Inquired(Generic[T]):
    """An answer and what it took.

    Attributes:
        value: What was made of the answer.
        reply: The last one that came.
        usage: All requests that were sent for it.
        dropped: Options that the server did not take.
    """

    value: T
    reply: Reply
    usage: Usage
    dropped: frozenset[str]


def inquire(
    server: Server,
    question: Question,
    read: Callable[[str], T],
    correction: Callable[[str], str],
    progress: Progress,
    sleep: Sleep = asyncio.sleep,
    gate: Gate | None = None,
    take_over: Callable[[Rest[Inquired[T]]], None] | None = None,
) -> Inquired[T]:
    """Ask until there is an answer that `read` takes.

    Args:
        server: Who is asked.
        question: What is asked, and how (`settings`).
        read: Makes something of the text; BadAnswer if it cannot.
        correction: What to tell the model then; it gets one more try.
        progress: Called every 50 ms; what it raises ends the request at once.
        sleep: Waits between attempts.
        gate: Limit of requests; None for none.
        take_over: Gets what is left to do when `progress` raises Left while a request is under
            way, to run it elsewhere; None ends it.

    Raises:
        QuestionError: One sentence, and what was tried: nothing where an earlier question of this
            run was refused for a reason that this one shares (`refusals.py`).
        Cancelled: As `progress` raised it.
    """
    settings: ServerSettings = question.settings
    model = settings.model or server.default_model
    asked = (server.name, server.address(settings), model)
    known = (*asked, settings.reasoning.value)
    refusal = known_refusal(asked)
    if refusal is not None:
        raise QuestionError(refusal.code, str(refusal), NO_USAGE)
    exchange: Exchange | None = None

    async def work() -> Inquired[T]:
        nonlocal exchange
        async with server.connect(settings) as endpoint:
            dropped = _REFUSED.get(known, frozenset())
            exchange = Exchange(endpoint, settings, dropped, sleep, gate)
            value, reply = await exchange.ask(question, read, correction)
            return Inquired(value, reply, exchange.usage, exchange.dropped)

    def watch() -> None:
        progress(0.1, exchange.doing if exchange is not None else f"connecting to {server.title}")

    def left(rest: Rest[Inquired[T]]) -> bool:
        if take_over is None or exchange is None or not exchange.leave():
            return False
        take_over(rest)
        return True

    try:
        found = run_watched(work, watch, left)
    except DataError as error:
        usage = exchange.usage if exchange is not None else NO_USAGE
        if exchange is not None and exchange.is_hopeless:
            remember_refusal(asked, error)
        raise QuestionError(error.code, str(error), usage) from None
    finally:
        if exchange is not None:
            log.info("%s: %s", server.title, exchange.usage.text)
    if found.dropped:
        _REFUSED[known] = found.dropped
    return found
