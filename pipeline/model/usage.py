"""What asking a language model took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer, or many of them, took. Add them up with `+`.

    Attributes:
        requests: Sent to a server, the repeated and the refused ones included.
        tokens_in: As the server counts them; 0 if it does not say.
        tokens_out: The same for what the model wrote, its thoughts included.
        kept: Answers that were on disk already and took nothing.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    kept: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            self.requests + other.requests,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.kept + other.kept,
        )

    def __bool__(self) -> bool:
        """Whether a language model was asked, now or earlier."""
        return bool(self.requests or self.kept)

    @property
    def text(self) -> str:
        """For people, e.g. `2 requests, 812 tokens in, 240 out; 1 kept answer`."""
        parts = []
        if self.requests:
            tokens = f"{self.tokens_in:,} tokens in, {self.tokens_out:,} out"
            parts.append(f"{_count(self.requests, 'request')}, {tokens}")
        if self.kept:
            parts.append(_count(self.kept, "kept answer"))
        return "; ".join(parts) or "no requests"


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class PlannedUsage:
    """What a batch would take, as estimated before it begins.

    Attributes:
        requests: Different questions that nobody asked before; repairs and retries come on top.
        tokens_in: Estimated.
        tokens_out: Estimated.
        kept: Episodes whose answer is on disk already.
        shared: Episodes that have the question of another one in the same batch.
        unknown: Episodes that could not be looked at beforehand.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    kept: int = 0
    shared: int = 0
    unknown: int = 0

    @property
    def text(self) -> str:
        """For people, one line."""
        parts = ["no requests"]
        if self.requests:
            tokens = f"about {self.tokens_in:,} tokens in, {self.tokens_out:,} out"
            parts = [f"{_count(self.requests, 'request')}, {tokens}"]
        if self.kept:
            parts.append(f"{_count(self.kept, 'episode')} answered before")
        if self.shared:
            parts.append(f"{_count(self.shared, 'episode')} with the question of another one")
        if self.unknown:
            parts.append(f"{_count(self.unknown, 'episode')} could not be looked at")
        return "; ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
