"""One question to a server until there is an answer, whatever the server speaks.

What is tried again and how often (our choice, after the advice of both protocols):

- 429, 5xx and a broken connection: again, up to `attempts`, after the time that the server asks
  for (Retry-After, or Gemini's RetryInfo), else after 1, 2, 4, ... s with jitter;
- 400 or 422 that names an option that was sent: once more without it; without a name: once more
  without all of them. The answer says so;
- an answer that is no such JSON: once more, with what is wrong with it;
- everything else, and what is left after that, is one sentence.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from pipeline.backends.language.answer_schema import BadAnswer
from pipeline.backends.language.endpoint import (
    ConnectionFault,
    Endpoint,
    Message,
    Question,
    Reply,
    ServerRefusal,
)
from pipeline.backends.language.protocol import LanguageSettings
from pipeline.model.problem import DataError
from pipeline.model.usage import Usage

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_BAD_REQUEST = frozenset({400, 422})
_FIRST_WAIT = 1.0
_LONGEST_BACKOFF = 30.0


class Exchange:
    """One question, its retries and what they took.

    Attributes:
        doing: What happens now, for people.
        requests: Sent so far.
        tokens_in: So far.
        tokens_out: So far.
        dropped: Options that the server did not take.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: LanguageSettings,
        dropped: frozenset[str] = frozenset(),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            endpoint: The server.
            settings: Timeouts and attempts.
            dropped: Options that this server is known not to take.
            sleep: Waits; tests pass their own.
        """
        self._endpoint = endpoint
        self._settings = settings
        self._sleep = sleep
        self._dropped_all = False
        self.doing = f"asking {endpoint.title}"
        self.requests = self.tokens_in = self.tokens_out = 0
        self.dropped = dropped

    @property
    def usage(self) -> Usage:
        """What it took."""
        return Usage(self.requests, self.tokens_in, self.tokens_out)

    async def ask(
        self, question: Question, read: Callable[[str], T], correction: Callable[[str], str]
    ) -> tuple[T, Reply]:
        """Ask until there is an answer that `read` takes.

        Args:
            question: The question.
            read: Makes something of the text; BadAnswer if it cannot.
            correction: What to tell the model then.

        Returns:
            What `read` made, and the reply it made it from.

        Raises:
            DataError: With one sentence.
        """
        reply = await self._reply(question)
        try:
            return read(reply.text), reply
        except BadAnswer as error:
            reason = str(error)
        self.doing = f"{self._endpoint.title} answered with something else, asking again"
        turns = (Message(True, reply.text[:20_000]), Message(False, correction(reason)))
        reply = await self._reply(replace(question, messages=question.messages + turns))
        try:
            return read(reply.text), reply
        except BadAnswer as error:
            raise DataError(
                "bad_answer",
                f"{self._endpoint.title} ({reply.model}) gave no usable answer, twice: {error}; "
                "choose another model.",
            ) from None

    async def _reply(self, question: Question) -> Reply:
        """Send until something comes that is a text."""
        failures = 0
        while True:
            self.requests += 1
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    reply = await self._endpoint.send(question, self.dropped)
                break
            except TimeoutError:
                raise self._too_slow() from None
            except ConnectionFault as fault:
                failures += 1
                await self._after_fault(fault, failures)
            except ServerRefusal as refusal:
                if refusal.status in _BUSY and not refusal.final:
                    failures += 1
                    await self._after_refusal(refusal, failures)
                elif not self._drop(refusal):
                    raise self._refused(refusal) from None
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        self._check(reply)
        return reply

    def _check(self, reply: Reply) -> None:
        """Refuse a reply that no repair makes better."""
        if reply.blocked:
            message = f"{self._endpoint.title} does not answer this question: {reply.blocked}."
            raise DataError("bad_answer", message)
        if reply.cut:
            raise DataError(
                "bad_answer",
                f"the answer of {self._endpoint.title} ({reply.model}) was cut off at "
                f"{self._settings.max_output_tokens} tokens; raise subtasks.max_output_tokens"
                " or set subtasks.thinking=off.",
            )

    def _drop(self, refusal: ServerRefusal) -> bool:
        """Leave out the options that a bad request may come from; False if there are none."""
        sent = self._endpoint.options(self.dropped)
        if refusal.status not in _BAD_REQUEST or refusal.about_key or refusal.final or not sent:
            return False
        said = _bare(refusal.message)
        named = [o for o in sent if any(w in said for w in (_bare(o.name), *o.words))]
        if not named:
            if self._dropped_all:
                return False
            self._dropped_all = True
        gone = frozenset(o.name for o in named or sent)
        self.dropped |= gone
        self.doing = f"asking {self._endpoint.title} without {', '.join(sorted(gone))}"
        return True

    async def _after_refusal(self, refusal: ServerRefusal, failures: int) -> None:
        wait = refusal.retry_after
        if wait is not None and wait > self._settings.max_wait_s:
            raise DataError(
                "server_busy",
                f"{self._endpoint.title} asks to wait {wait:.0f} s ({refusal.status}), longer than "
                f"subtasks.max_wait_s allows: {refusal.message}.",
            )
        if failures >= self._settings.attempts:
            raise DataError(
                "server_busy",
                f"{self._endpoint.title} is busy, {failures} attempts failed "
                f"({refusal.status}: {refusal.message}); run again later.",
            )
        await self._wait(wait, failures, f"{refusal.status} from {self._endpoint.title}")

    async def _after_fault(self, fault: ConnectionFault, failures: int) -> None:
        title = self._endpoint.title
        if fault.kind == "timeout":
            raise self._too_slow()
        if fault.kind == "unreachable":
            raise DataError(
                "no_connection",
                f"no connection to {title} ({fault}); check network and address, or choose "
                "subtasks.backend=rules, which works offline.",
            )
        if failures >= self._settings.attempts:
            raise DataError(
                "no_connection",
                f"the connection to {title} broke {failures} times ({fault}); run again later.",
            )
        await self._wait(None, failures, f"the connection to {title} broke")

    async def _wait(self, asked: float | None, failures: int, why: str) -> None:
        if asked is None:
            longest = min(_LONGEST_BACKOFF, self._settings.max_wait_s)
            asked = min(_FIRST_WAIT * 2 ** (failures - 1), longest)
            asked *= 0.8 + 0.2 * random.random()  # noqa: S311 - so that workers do not come at once
        self.doing = f"{why}: waiting {asked:.0f} s"
        await self._sleep(asked)
        self.doing = f"asking {self._endpoint.title} again"

    def _too_slow(self) -> DataError:
        return DataError(
            "timeout",
            f"no answer from {self._endpoint.title} within {self._settings.timeout_s:g} s; run "
            "again or raise subtasks.timeout_s.",
        )

    def _refused(self, refusal: ServerRefusal) -> DataError:
        title, settings = self._endpoint.title, self._settings
        if refusal.about_key:
            # What servers say about keys repeats parts of them: it is not shown.
            advice = self._endpoint.key_advice
            return DataError(
                "no_key", f"{title} does not take the key ({refusal.status}); {advice}"
            )
        if refusal.status == 404:
            what = f"the model “{settings.model}”" if settings.model else "this address"
            return DataError(
                "no_model",
                f"{title} does not know {what} (404: {refusal.message}); check subtasks.model and "
                "subtasks.base_url.",
            )
        return DataError(
            "server_refused",
            f"{title} refused the question ({refusal.status}: {refusal.message}).",
        )


def _bare(text: str) -> str:
    return re.sub(r"[_\s]", "", text).lower()
