"""One question to a server until there is an answer, whatever the server speaks.

What is tried again and how often (our choice, after the advice of both protocols):

- 429, 5xx and a broken connection: again, up to `attempts`, after the time that the server asks
  for (Retry-After, or Gemini's RetryInfo), else after 1, 2, 4, ... s with jitter;
- 400 or 422 that names an option that was sent: once more without it; without a name: once more
  without what an answer is of use without, then without all of them. The answer says so;
- a refusal of pictures or of a video is told as what it is;
- an answer that is no such JSON: once more, with what is wrong with it;
- an answer that was cut off: once more with four times the limit, if the settings say so;
- everything else, and what is left after that, is one sentence.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from pipeline.backends.language.answer_schema import BadAnswer
from pipeline.backends.language.endpoint import (
    ConnectionFault,
    Endpoint,
    Message,
    Question,
    Reply,
    ServerRefusal,
    ServerSettings,
)
from pipeline.backends.language.fault_sentences import (
    media_refused,
    refused,
    too_large,
    too_slow,
    was_cut,
)
from pipeline.model.problem import DataError, Left
from pipeline.model.usage import Usage

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_BAD_REQUEST = frozenset({400, 422})
_FIRST_WAIT = 1.0
_LONGEST_BACKOFF = 30.0
_MORE = 4
_HOPELESS = frozenset({"no_key", "no_model"})


class Gate(Protocol):
    """A limit of requests that several exchanges share."""

    async def enter(self, sleep: Sleep, told: Callable[[float], None]) -> None:
        """Wait until a request may be sent.

        Args:
            sleep: Waits.
            told: Called with the seconds that are left to wait, each time it waits.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Let nobody send a request for some seconds."""
        ...


class Exchange:
    """One question, its retries and what they took.

    Attributes:
        doing: What happens now, for people.
        requests: Sent so far.
        tokens_in: So far.
        tokens_out: So far.
        dropped: Options that the server did not take.
        is_hopeless: Whether the server refused what no other question changes: key, model, credit.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: ServerSettings,
        dropped: frozenset[str] = frozenset(),
        sleep: Sleep = asyncio.sleep,
        gate: Gate | None = None,
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            endpoint: The server.
            settings: Timeouts and attempts.
            dropped: Options that this server is known not to take.
            sleep: Waits; tests pass their own.
            gate: Limit of requests; None for none.
        """
        self._endpoint = endpoint
        self._gate = gate
        self._extras_dropped = False
        self._settings = settings
        self._sleep = sleep
        self._dropped_all = False
        self.doing = f"asking {endpoint.title}"
        self.requests = self.tokens_in = self.tokens_out = 0
        self.dropped = dropped
        self.is_hopeless = False
        self._is_sent = self._is_left = False

    @property
    def usage(self) -> Usage:
        """What it took."""
        return Usage(self.requests, self.tokens_in, self.tokens_out)

    def leave(self) -> bool:
        """Nobody waits any more: let the request that was sent end, and send no other.

        Returns:
            False if no request is under way: nothing would come.
        """
        self._is_left = self._is_sent
        return self._is_left

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
        title = self._endpoint.title
        if not reply.cut:
            self.doing = f"{title} answered with something else, asking again"
            if reply.text.strip():  # servers refuse an empty turn: then it is just asked again
                turns = (Message(True, reply.text[:20_000]), Message(False, correction(reason)))
                question = replace(question, messages=question.messages + turns)
        elif self._settings.repeat_cut:
            self.doing = f"the answer of {title} was cut off, asking again with a higher limit"
            limit = _MORE * self._settings.max_output_tokens
            settings = replace(question.settings, max_output_tokens=limit)
            question = replace(question, settings=settings)
        else:
            raise was_cut(title, reply, question.settings)
        reply = await self._reply(question)
        try:
            return read(reply.text), reply
        except BadAnswer as error:
            if reply.cut:
                raise was_cut(title, reply, question.settings) from None
            raise DataError(
                "bad_answer",
                f"{title} ({reply.model}) gave no usable answer, twice: {error}; "
                "choose another model.",
            ) from None

    async def _reply(self, question: Question) -> Reply:
        """Send until something comes that is a text."""
        failures = 0
        while True:
            await self._enter()
            try:
                reply = await self._send(question)
                break
            except TimeoutError:
                raise too_slow(self._endpoint.title, self._settings) from None
            except ConnectionFault as fault:
                failures += 1
                await self._after_fault(fault, failures)
            except ServerRefusal as refusal:
                if refusal.status in _BUSY and not refusal.final:
                    failures += 1
                    await self._after_refusal(refusal, failures, question)
                elif not self._drop(refusal, question):
                    raise self._refused(refusal, question) from None
        self.tokens_in += reply.tokens_in
        self.tokens_out += reply.tokens_out
        if reply.blocked:
            # No repair makes this better.
            message = f"{self._endpoint.title} does not answer this question: {reply.blocked}."
            raise DataError("bad_answer", message)
        return reply

    async def _send(self, question: Question) -> Reply:
        """Send once."""
        self.requests += 1
        self._is_sent = True
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._endpoint.send(question, self.dropped)
        finally:
            self._is_sent = False

    async def _enter(self) -> None:
        if self._is_left:
            raise Left
        if self._gate is None:
            return
        before = self.doing

        def told(seconds: float) -> None:
            self.doing = f"limit of requests: waiting {seconds:.0f} s"

        await self._gate.enter(self._sleep, told)
        self.doing = before

    def _drop(self, refusal: ServerRefusal, question: Question) -> bool:
        """Leave out the options that a bad request may come from; False if there are none."""
        sent = self._endpoint.options(question, self.dropped)
        if refusal.status not in _BAD_REQUEST or refusal.about_key or refusal.final or not sent:
            return False
        said = _bare(refusal.message)
        named = [o for o in sent if any(w in said for w in (_bare(o.name), *o.words))]
        if not named:
            extras = [o for o in sent if o.extra]
            about_more = too_large(refusal) or media_refused(refusal, question) is not None
            if self._dropped_all or about_more:
                return False
            if extras and not self._extras_dropped:
                self._extras_dropped, named = True, extras
            else:
                self._dropped_all = True
        gone = frozenset(o.name for o in named or sent)
        self.dropped |= gone
        self.doing = f"asking {self._endpoint.title} without {', '.join(sorted(gone))}"
        return True

    async def _after_refusal(
        self, refusal: ServerRefusal, failures: int, question: Question
    ) -> None:
        if media_refused(refusal, question):
            raise self._refused(refusal, question)
        wait = refusal.retry_after
        if self._gate is not None and refusal.status == 429:
            # Others need not find out by themselves, not even where this question is given up.
            asked = _FIRST_WAIT if wait is None else wait
            self._gate.pause(min(asked, self._settings.max_wait_s))
        if wait is not None and wait > self._settings.max_wait_s:
            raise DataError(
                "server_busy",
                f"{self._endpoint.title} asks to wait {wait:.0f} s ({refusal.status}), longer than "
                f"{self._settings.stage}.max_wait_s allows: {refusal.message}.",
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
            raise too_slow(self._endpoint.title, self._settings)
        if fault.kind == "unreachable":
            raise DataError(
                "no_connection",
                f"no connection to {title} ({fault}); check network and address, or choose "
                f"{self._settings.stage}.backend={self._settings.offline}, which works offline.",
            )
        if failures >= self._settings.attempts:
            raise DataError(
                "no_connection",
                f"the connection to {title} broke {failures} times ({fault}); run again later.",
            )
        await self._wait(None, failures, f"the connection to {title} broke")

    async def _wait(self, asked: float | None, failures: int, why: str) -> None:
        if self._is_left:
            raise Left
        if asked is None:
            longest = min(_LONGEST_BACKOFF, self._settings.max_wait_s)
            asked = min(_FIRST_WAIT * 2 ** (failures - 1), longest)
            asked *= 0.8 + 0.2 * random.random()  # noqa: S311 - so that workers do not come at once
        self.doing = f"{why}: waiting {asked:.0f} s"
        await self._sleep(asked)
        self.doing = f"asking {self._endpoint.title} again"

    def _refused(self, refusal: ServerRefusal, question: Question) -> DataError:
        endpoint = self._endpoint
        error = refused(endpoint.title, endpoint.key_advice, self._settings, refusal, question)
        self.is_hopeless = refusal.final or error.code in _HOPELESS
        return error


def _bare(text: str) -> str:
    return re.sub(r"[_\s]", "", text).lower()
