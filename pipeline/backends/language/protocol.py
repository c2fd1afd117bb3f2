"""What a language backend is asked (stage 1b): which subtasks an instruction and phases make."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.backends.backend import Backend, Progress
from pipeline.backends.language.clauses import Clause
from pipeline.backends.language.endpoint import ServerSettings
from pipeline.model.phases import Phase
from pipeline.model.problem import Problem
from pipeline.model.recipe import Reasoning
from pipeline.model.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class LanguageRequest:
    """One question.

    Attributes:
        instruction: As the dataset gives it, any language, may be empty.
        phases: Phases of all active arms by time; empty where no single grasp was found.
        arms: Names of the arms of the robot.
        fps: Frames per second, for times.
    """

    instruction: str
    phases: tuple[Phase, ...]
    arms: tuple[str, ...]
    fps: float

    @property
    def text(self) -> str:
        """The instruction on one line, without what no text can hold (half characters)."""
        return " ".join(self.instruction.split()).encode("utf-8", "replace").decode()

    def rows(self, times: bool = False) -> list[dict[str, Any]]:
        """The phases as a model reads them, numbered from 1 in order of time.

        Args:
            times: With start and end in seconds, rounded to 0.1 s.
        """
        rows: list[dict[str, Any]] = []
        for number, phase in enumerate(self.phases, 1):
            row: dict[str, Any] = {
                "number": number,
                "phase": phase.name.value,
                "arm": phase.arm,
                "cycle": phase.cycle + 1,
            }
            if times:
                row["start_s"] = round(phase.start / self.fps, 1)
                row["end_s"] = round(phase.end / self.fps, 1)
            rows.append(row)
        return rows

    def sequence_key(self, times: bool = False) -> str:
        """Hash of arms and phase sequence: equal for all episodes with the same trajectory."""
        text = json.dumps([list(self.arms), self.rows(times)], separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """How a model is asked; rules ignore it. Keys of servers are never part of it.

    Attributes:
        model: Empty for the backend's own choice.
        base_url: Of the server, empty for the backend's own.
        temperature: Of sampling.
        max_output_tokens: Where the server cuts an answer off.
        thinking: `default` or `off`.
        send_times: Whether the times of phases are sent; then they enter the key of the answer.
        draw: Another number asks again instead of taking the kept answer.
        timeout_s: How long one request may take, seconds.
        attempts: How often a request is sent while the server refuses for the moment.
        max_wait_s: Longest time between attempts, seconds.
    """

    model: str = ""
    base_url: str = ""
    temperature: float = 0.0
    max_output_tokens: int = 4096
    thinking: str = "default"
    send_times: bool = False
    draw: int = 0
    timeout_s: float = 60.0
    attempts: int = 4
    max_wait_s: float = 60.0

    @property
    def server(self) -> ServerSettings:
        """What of it a server is told."""
        return ServerSettings(
            model=self.model,
            base_url=self.base_url,
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
            reasoning=Reasoning.OFF if self.thinking == "off" else Reasoning.DEFAULT,
            timeout_s=self.timeout_s,
            attempts=self.attempts,
            max_wait_s=self.max_wait_s,
        )


@dataclass(frozen=True, slots=True)
class AnsweredSubtask:
    """One subtask of an answer.

    Attributes:
        clause: Verb, object, places, arm and kind.
        sentence: As one sentence; empty if it is to be written from the clause.
        phases: Indices into the phases of the request; empty if the backend leaves it to the
            stage to find out in which grasp it happens.
        descriptions: One for each of `phases`, may be empty.
    """

    clause: Clause
    sentence: str = ""
    phases: tuple[int, ...] = ()
    descriptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LanguageAnswer:
    """The answer to one question.

    Attributes:
        subtasks: In order of time, or of the text if none names its phases.
        model: Which model answered, empty for rules.
        prompt: Version of the prompt, empty for rules.
        usage: What it took.
        problems: `instruction_empty`, `instruction_not_understood`, `option_dropped`, ...
    """

    subtasks: tuple[AnsweredSubtask, ...]
    model: str = ""
    prompt: str = ""
    usage: Usage = NO_USAGE
    problems: tuple[Problem, ...] = ()


class LanguageBackend(Backend, Protocol):
    """Reads instructions. A plug-in may leave out `pending` and `estimate`."""

    def subtasks(
        self, request: LanguageRequest, settings: LanguageSettings, progress: Progress
    ) -> LanguageAnswer:
        """Answer a question.

        Raises:
            DataError: `no_backend`, `no_key`, `no_model`, `no_connection`, `timeout`,
                `server_refused`, `server_busy`, `bad_answer`; its text is one sentence.
            Cancelled: As `progress` raised it; a request that runs is ended at once.
        """
        ...

    def pending(self, request: LanguageRequest, settings: LanguageSettings) -> str | None:
        """Tell whether asking would take a request; nothing is sent.

        Returns:
            None if the answer is kept or costs nothing; else the key of the question: equal keys
            take one request together.
        """
        ...

    def estimate(self, request: LanguageRequest, settings: LanguageSettings) -> Usage:
        """What asking would take, about: one request, its tokens in and out."""
        ...
