"""What drafting captions takes: told before a batch, and counted after it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.caption import CaptionResult
from pipeline.model.usage import NO_USAGE, Usage
from pipeline.stages.caption_options import CaptionsOptions


def asks_a_server(options: CaptionsOptions) -> bool:
    """Whether drafting may cost anything."""
    return not options.offline


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def money(dollars: float | None) -> str:
    """US dollars for people: `$0.0042`, `$1.30`; empty where nobody knows."""
    if dollars is None:
        return ""
    return f"${dollars:.2f}" if dollars >= 1 else f"${dollars:.4f}"


@dataclass(frozen=True, slots=True)
class PlannedCaptions:
    """What a batch would take, as estimated before it begins. Add them up with `+`.

    Attributes:
        subtasks: That were looked at.
        usage: Requests and tokens, estimated; repeats after refusals come on top.
        cost: US dollars of those that are priced.
        kept: Subtasks that are answered already.
        unpriced: Requests to a model that is not on the price list.
        unknown: Episodes or subtasks that could not be looked at beforehand.
    """

    subtasks: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0
    kept: int = 0
    unpriced: int = 0
    unknown: int = 0

    def __add__(self, other: PlannedCaptions) -> PlannedCaptions:
        """Both together."""
        return PlannedCaptions(
            self.subtasks + other.subtasks,
            self.usage + other.usage,
            self.cost + other.cost,
            self.kept + other.kept,
            self.unpriced + other.unpriced,
            self.unknown + other.unknown,
        )

    @property
    def known_cost(self) -> float | None:
        """US dollars, None if a model without a price is among those asked."""
        return None if self.unpriced else self.cost

    @property
    def text(self) -> str:
        """For people, one line: `3 requests, about 7,200 tokens in, 600 out, about $0.0031`."""
        parts = ["no requests"]
        if self.usage.requests:
            tokens = f"about {self.usage.tokens_in:,} tokens in, {self.usage.tokens_out:,} out"
            price = f"about {money(self.cost)}" if not self.unpriced else "price not known"
            parts = [f"{_count(self.usage.requests, 'request')}, {tokens}, {price}"]
        if self.kept:
            parts.append(f"{_count(self.kept, 'subtask')} answered before")
        if self.unknown:
            parts.append(f"{self.unknown:,} could not be looked at")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class SpentOnCaptions:
    """What drafting took. Add them up with `+`.

    Attributes:
        usage: Requests that were sent, refused ones included, and their tokens.
        cost: US dollars of those that are priced.
        unpriced: Answers of a model that is not on the price list.
    """

    usage: Usage = NO_USAGE
    cost: float = 0.0
    unpriced: int = 0

    def __add__(self, other: SpentOnCaptions) -> SpentOnCaptions:
        """Both together."""
        return SpentOnCaptions(
            self.usage + other.usage, self.cost + other.cost, self.unpriced + other.unpriced
        )

    @property
    def known_cost(self) -> float | None:
        """US dollars, None if a model without a price answered."""
        return None if self.unpriced else self.cost

    @property
    def text(self) -> str:
        """For people, one line."""
        if not self.usage.requests:
            return self.usage.text
        price = "price not known" if self.unpriced else money(self.cost)
        first, *rest = self.usage.text.split("; ")
        return "; ".join([f"{first}, {price}", *rest])


def spent_on(result: CaptionResult, cached: bool) -> SpentOnCaptions:
    """What the versions of one caption took now.

    Args:
        result: Of the stage.
        cached: Whether the result itself was there, so that nothing was even looked up.
    """
    total = SpentOnCaptions()
    for version in result.versions:
        if version.exchange is None:
            continue
        reply = version.exchange.reply
        if cached or reply.cached:
            total += SpentOnCaptions(Usage(kept=1))
            continue
        usage = Usage(reply.requests, reply.tokens_in, reply.tokens_out)
        total += SpentOnCaptions(usage, reply.cost or 0.0, int(reply.cost is None))
    return total
