"""Options of stage 1b."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.backends.language.protocol import LanguageSettings
from pipeline.model.options import option
from pipeline.stages.server_options import (
    attempts_option,
    draw_option,
    longest_wait_option,
    timeout_option,
)


@dataclass(frozen=True, slots=True)
class SubtasksOptions:
    """Options of the stage. Keys of servers are none: they come from environment or keyring."""

    backend: str = option(
        "rules",
        "Who reads the instruction: rules work offline, for English, and never guess; gemini and "
        "openai_compatible ask a server, which gets the instruction and the phases, no pictures.",
        capability="language",
    )
    allow_fallback: bool = option(
        False,
        "If the backend cannot be used or fails, let the rules read instead; the result says so.",
        keyed=False,
    )
    model: str = option(
        "",
        "Name of the model on the server. Empty: gemini-2.5-flash for gemini, the first model that "
        "the server lists for openai_compatible; name it there, so that answers follow the model.",
    )
    base_url: str = option(
        "",
        "Address of the server for openai_compatible, e.g. http://127.0.0.1:8000/v1; for gemini "
        "only if a gateway stands before it.",
    )
    temperature: float = option(
        0.0, "Of sampling: 0 gives the most repeatable answers.", low=0.0, high=2.0
    )
    thinking: str = option(
        "default",
        "Whether the model may think before it answers: off costs less and takes less time, on "
        "models that can be told so.",
        choices=("default", "off"),
    )
    send_times: bool = option(
        False,
        "Tell the model when each phase begins and ends, to 0.1 s. Then only episodes with equal "
        "times share an answer.",
    )
    draw: int = draw_option()
    max_output_tokens: int = option(
        4096,
        "Where the server cuts the answer off, thoughts included; a cut answer is refused.",
        unit="tokens",
        low=64,
        high=1_000_000,
        keyed=False,
    )
    timeout_s: float = timeout_option(60.0)
    attempts: int = attempts_option()
    max_wait_s: float = longest_wait_option()
    widen_s: float = option(
        0.2,
        "Time added before the approach and after the release where no other cycle of the arm is: "
        "the trackers need a few frames at rest.",
        unit="s",
        low=0.0,
        high=10.0,
    )
    drop_unreleased: bool = option(
        True,
        "Leave out a last grasp that never opens again if there are more grasps than actions and "
        "the last action puts something down: hands often close to rest at the end. A language "
        "model decides that by itself.",
    )

    @property
    def language(self) -> LanguageSettings:
        """What a language backend needs to know."""
        return LanguageSettings(
            model=self.model.strip(),
            base_url=self.base_url.strip(),
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
            thinking=self.thinking,
            send_times=self.send_times,
            draw=self.draw,
            timeout_s=self.timeout_s,
            attempts=self.attempts,
            max_wait_s=self.max_wait_s,
        )
