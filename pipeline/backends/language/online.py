"""What the backends that ask a server have in common: kept answers, and the way to a new one."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import ClassVar

from pipeline.backends.backend import Progress
from pipeline.backends.language.answer_schema import (
    WrittenAnswer,
    answered,
    plain_schema,
    read_answer,
)
from pipeline.backends.language.answer_store import AnswerStore, KeptAnswer
from pipeline.backends.language.endpoint import Message, Question, Server
from pipeline.backends.language.event_loop import Rest
from pipeline.backends.language.exchange import Sleep
from pipeline.backends.language.inquiry import Inquired, QuestionError, inquire
from pipeline.backends.language.one_asker import ask_once
from pipeline.backends.language.prompt import subtasks_prompt
from pipeline.backends.language.protocol import LanguageAnswer, LanguageRequest, LanguageSettings
from pipeline.model.problem import Problem, Severity
from pipeline.model.usage import Usage

__all__ = ["OnlineLanguage", "QuestionError"]

_TOKENS_PER_PHASE = 35
_TOKENS_PER_SUBTASK = 90


class OnlineLanguage:
    """Base of the backends that ask a server.

    Attributes:
        server: Who is asked.
        name: As chosen in options.
        title: For people.
        licence: Of our code; what the server's owner wants is between them and the user.
        default_model: Where the settings name none; empty if the server chooses.
    """

    server: ClassVar[Server]
    name: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str] = "MIT"
    default_model: ClassVar[str] = ""

    def __init__(self, store: AnswerStore | None = None, sleep: Sleep = asyncio.sleep) -> None:
        """Prepare; nothing is sent.

        Args:
            store: Where answers are kept; None for the folder of the environment.
            sleep: Waits between attempts; tests pass their own.
        """
        self._store = store or AnswerStore()
        self._sleep = sleep

    def available(self) -> str | None:
        """Return None if it can be used, else one sentence that says why not."""
        return self.server.available()

    def address(self, settings: LanguageSettings) -> str:
        """What of the server's address decides the answer. Raises DataError if it is no address."""
        return self.server.address(settings.server)

    def identity(self) -> str:
        """Name, prompt and the address of the environment; enters the keys of results."""
        address = self.server.own_address()
        return f"{self.name}:{subtasks_prompt().identity}" + (f":{address}" if address else "")

    def key(self, request: LanguageRequest, settings: LanguageSettings) -> str:
        """Key of the answer: equal for all episodes with this instruction and phase sequence."""
        parts = (
            f"{self.name}:{subtasks_prompt().identity}",
            self.address(settings),
            settings.model or self.default_model,
            settings.temperature,
            settings.thinking,
            settings.send_times,
            settings.draw,
            request.text,
            request.sequence_key(settings.send_times),
        )
        text = json.dumps(parts, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()

    def pending(self, request: LanguageRequest, settings: LanguageSettings) -> str | None:
        """The key of a question that would take a request, else None."""
        if not request.instruction.strip():
            return None
        key = self.key(request, settings)
        return key if self._store.load(key) is None else None

    def estimate(self, request: LanguageRequest, settings: LanguageSettings) -> Usage:
        """One request; tokens by length: 4 ASCII characters or 1 other one each (our estimate)."""
        prompt = subtasks_prompt()
        text = prompt.system + prompt.question(request, settings.send_times)
        text += json.dumps(plain_schema(WrittenAnswer, closed=True))
        plain = sum(c.isascii() for c in text)
        cycles = len({(p.arm, p.cycle) for p in request.phases})
        written = _TOKENS_PER_PHASE * len(request.phases) + _TOKENS_PER_SUBTASK * max(cycles, 1)
        return Usage(1, -(-plain // 4) + len(text) - plain, written)

    def subtasks(
        self, request: LanguageRequest, settings: LanguageSettings, progress: Progress
    ) -> LanguageAnswer:
        """Take the kept answer, or ask the server and keep what it says.

        Raises:
            DataError: One sentence; see `LanguageBackend`.
            Cancelled: As `progress` raised it.
        """
        progress(0.0, "looking for a kept answer")
        prompt = subtasks_prompt()
        if not request.instruction.strip():
            message = "The episode has no instruction: name the object to get better candidates."
            return LanguageAnswer((), problems=(Problem("instruction_empty", message),))
        key = self.key(request, settings)
        problems: list[Problem] = []

        def load() -> tuple[KeptAnswer, Usage] | None:
            known = self._store.load(key)
            return None if known is None else (known, Usage(kept=1))

        def keep(asked: Inquired[WrittenAnswer]) -> tuple[KeptAnswer, Usage]:
            kept = KeptAnswer(
                backend=self.name,
                model=asked.reply.model,
                prompt=prompt.identity,
                instruction=request.text,
                dropped=sorted(asked.dropped),
                tokens_in=asked.usage.tokens_in,
                tokens_out=asked.usage.tokens_out,
                answer=asked.value,
            )
            reason = self._store.keep(key, kept)
            if reason:
                message = f"{reason}; it will be asked again next time."
                problems.append(Problem("cache_not_written", message))
            return kept, asked.usage

        kept, usage = ask_once(
            self._store.asking_path(key),
            load,
            lambda take_over: self._ask(request, settings, progress, take_over),
            keep,
            progress,
        )
        if kept.dropped:
            message = (
                f"{self.title} does not take {', '.join(kept.dropped)}: it was asked without, so "
                "the answer may vary more."
            )
            problems.append(Problem("option_dropped", message, Severity.INFO))
        found = answered(kept.answer, len(request.phases))
        if not found:
            message = (
                f"{kept.model or self.title} finds no action in the instruction: name the object "
                "by hand."
            )
            problems.append(Problem("instruction_not_understood", message))
        return LanguageAnswer(found, kept.model, prompt.identity, usage, tuple(problems))

    def _ask(
        self,
        request: LanguageRequest,
        settings: LanguageSettings,
        progress: Progress,
        take_over: Callable[[Rest[Inquired[WrittenAnswer]]], None],
    ) -> Inquired[WrittenAnswer]:
        prompt = subtasks_prompt()
        message = Message(False, prompt.question(request, settings.send_times))
        question = Question(prompt.system, (message,), WrittenAnswer, settings.server)
        return inquire(
            self.server,
            question,
            read_answer,
            prompt.correction,
            progress,
            self._sleep,
            take_over=take_over,
        )
