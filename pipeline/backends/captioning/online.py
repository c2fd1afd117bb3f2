"""Caption models on a server: kept replies, and the way to a new one."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import BaseModel

from pipeline.backends.backend import Progress
from pipeline.backends.captioning.captioner import CaptionSettings, Written
from pipeline.backends.captioning.prices import cost_of
from pipeline.backends.captioning.rate_limit import Clock, RateLimit
from pipeline.backends.captioning.reply_store import ReplyStore, content_digest
from pipeline.backends.captioning.token_estimate import estimated_usage
from pipeline.backends.language.answer_schema import BadAnswer, plain_schema, read_json
from pipeline.backends.language.endpoint import Message, Part, Question, Server
from pipeline.backends.language.event_loop import Rest
from pipeline.backends.language.exchange import Sleep
from pipeline.backends.language.inquiry import Inquired, inquire
from pipeline.backends.language.one_asker import ask_once
from pipeline.model.drafting import PartKind, Reply, SentPart, SentRequest
from pipeline.model.usage import Usage

log = logging.getLogger(__name__)

REPAIR = (
    "Your answer cannot be used: {reason}. Answer again with one JSON object as described, "
    "nothing else."
)
"""What a model is told, once, after an answer that cannot be read."""


class OnlineCaptioner:
    """Asks a caption model on a server.

    Attributes:
        name: As chosen in options.
        title: For people.
        store: Where replies are kept.
    """

    def __init__(
        self,
        server: Server,
        store: ReplyStore | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = time.time,
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            server: Who is asked.
            store: Where replies are kept; None for the folder of the environment.
            sleep: Waits between attempts; tests pass their own.
            clock: Seconds since the epoch, for the limit of requests; tests pass their own.
        """
        self._server = server
        self._sleep = sleep
        self._clock = clock
        self.name = server.name
        self.title = server.title
        self.store = store or ReplyStore()

    def available(self) -> str | None:
        """Return None if it can be used, else one sentence that says why not."""
        return self._server.available()

    def identity(self) -> str:
        """Name, and the address of the environment if there is one: enters keys of results."""
        address = self._server.own_address()
        return f"{self.name}:{address}" if address else self.name

    def model(self, settings: CaptionSettings) -> str:
        """The model that would be asked; empty if the server chooses."""
        return settings.model.strip() or self._server.default_model

    def key(self, request: SentRequest, schema: type[BaseModel], settings: CaptionSettings) -> str:
        """Under which the reply is kept: equal for all that the model cannot tell apart.

        It hashes the system text, kind and bytes of each part in order, the schema, server,
        address and model, and temperature, reasoning, log-probabilities and draw. Recipe, notes
        and frame numbers are not sent and do not count.

        Raises:
            DataError: `no_address`, `bad_address`.
        """
        parts = [
            (p.kind.value, p.mime, p.text if p.kind is PartKind.TEXT else _digest(p))
            for p in request.parts
        ]
        fields = (
            1,
            self.name,
            self._server.address(settings.server),
            self.model(settings),
            settings.temperature,
            settings.reasoning.value,
            settings.logprobs,
            settings.draw,
            plain_schema(schema, closed=True),
            request.system,
            parts,
        )
        text = json.dumps(fields, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()

    def pending(
        self, request: SentRequest, schema: type[BaseModel], settings: CaptionSettings
    ) -> bool:
        """Whether asking would send a request; nothing is sent."""
        return self._kept(self.key(request, schema, settings), schema) is None

    def estimate(self, request: SentRequest, settings: CaptionSettings) -> Usage:
        """What asking would take, about (see `token_estimate.py`)."""
        return estimated_usage(request, settings, self.model(settings))

    def cost(self, usage: Usage, model: str) -> float | None:
        """US dollars by the price list; None where the model is not on it."""
        return cost_of(usage, model)

    def ask(
        self,
        request: SentRequest,
        schema: type[Written],
        settings: CaptionSettings,
        progress: Progress,
    ) -> tuple[Written, Reply]:
        """Take the kept answer, or ask the server and keep what it says; see `Captioner`."""
        progress(0.0, "looking for a kept answer")
        key = self.key(request, schema, settings)
        server = settings.server
        address = self._server.address(server)
        at, started = datetime.now(UTC), time.monotonic()

        def ask(
            take_over: Callable[[Rest[Inquired[Written]]], None],
        ) -> Inquired[Written]:
            nonlocal at, started
            at, started = datetime.now(UTC), time.monotonic()
            return inquire(
                self._server,
                Question(request.system, (_message(request),), schema, server),
                lambda text: read_json(text, schema),
                lambda reason: REPAIR.replace("{reason}", reason),
                progress,
                self._sleep,
                RateLimit(
                    f"{self.name}\0{address}\0{self.model(settings)}",
                    settings.requests_per_minute,
                    self.store.folder / "limits",
                    self._clock,
                ),
                take_over,
            )

        def keep(found: Inquired[Written]) -> tuple[Written, Reply]:
            seconds = round(time.monotonic() - started, 3)
            reply = self._reply(found, at.isoformat(timespec="seconds"), seconds)
            reason = self.store.keep(key, request, reply, self.name, address)
            if reason:
                log.warning("%s; it will be asked again next time", reason)
            return found.value, reply

        return ask_once(
            self.store.asking_path(key), lambda: self._kept(key, schema), ask, keep, progress
        )

    def _reply(self, found: Inquired[Written], at: str, seconds: float) -> Reply:
        """What is kept of an answer."""
        return Reply(
            text=found.reply.text,
            model=found.reply.model,
            request_id=found.reply.request_id,
            at=at,
            seconds=seconds,
            tokens_in=found.usage.tokens_in,
            tokens_out=found.usage.tokens_out,
            cost=self.cost(found.usage, found.reply.model),
            requests=found.usage.requests,
            tokens=found.reply.tokens,
            dropped=tuple(sorted(found.dropped)),
        )

    def _kept(self, key: str, schema: type[Written]) -> tuple[Written, Reply] | None:
        reply = self.store.load(key)
        if reply is None:
            return None
        try:
            return read_json(reply.text, schema), reply
        except BadAnswer as error:
            log.warning("the kept answer %s cannot be read (%s): asking again", key, error)
            return None


def _digest(part: SentPart) -> str:
    return content_digest(part.data.tobytes())


def _message(request: SentRequest) -> Message:
    """The user's turn; a single text is sent as one, which servers without eyes need."""
    if len(request.parts) == 1 and request.parts[0].kind is PartKind.TEXT:
        return Message(False, request.parts[0].text)
    return Message(False, parts=tuple(_part(part) for part in request.parts))


def _part(part: SentPart) -> Part:
    if part.kind is PartKind.TEXT:
        return Part(PartKind.TEXT, part.text)
    data = part.data.tobytes()
    fps = clip_rate(data) if part.kind is PartKind.VIDEO else 0.0
    return Part(part.kind, data=data, mime=part.mime, fps=fps)


def clip_rate(data: bytes) -> float:
    """Frames per second of an encoded video; 0 if it does not say."""
    import av

    try:
        with av.open(io.BytesIO(data)) as container:
            rate = container.streams.video[0].average_rate
            return float(rate) if rate else 0.0
    except (av.FFmpegError, IndexError, ValueError):
        return 0.0
