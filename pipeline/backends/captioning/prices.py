"""What tokens cost, by the price list of resources/prices.toml; never a guess."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pipeline.model.usage import Usage

_MILLION = 1e6
_VERSION = re.compile(r"(-(preview|latest|exp|stable|\d[\d.\-]*))*")
"""What may follow a name on the list: `-preview`, `-001`, `-2025-04-14`. Anything else
(`-lite`, `-image`, `-mini`) is another model with another price."""


@dataclass(frozen=True, slots=True)
class Price:
    """One row of the list, in US dollars per million tokens.

    Attributes:
        model: Name without version.
        tokens_in: Of a question.
        tokens_out: Of an answer, its thoughts included.
        long_from: Tokens of a question above which the long prices hold; 0 if there are none.
        long_in: The same for long questions.
        long_out: The same for answers to long questions.
        date: When it was looked up, ISO 8601.
        source: Where.
    """

    model: str
    tokens_in: float
    tokens_out: float
    long_from: int
    long_in: float
    long_out: float
    date: str
    source: str


def price_of(model: str) -> Price | None:
    """The row of a model, None if it is not on the list.

    Args:
        model: As a server names it; `models/` and the name of a vendor before it do not count.
    """
    name = model.strip().lower().rpartition("/")[2]
    rows = [
        p
        for p in price_list()
        if name.startswith(p.model) and _VERSION.fullmatch(name[len(p.model) :])
    ]
    return max(rows, key=lambda p: len(p.model), default=None)


def cost_of(usage: Usage, model: str) -> float | None:
    """US dollars for what was used, None if the model is not on the list.

    Batches, caches and free tiers of servers are not known here: it is the list price. Whether a
    question is a long one is decided by the mean of the requests.
    """
    price = price_of(model)
    if price is None:
        return None
    mean = usage.tokens_in / max(usage.requests, 1)
    long = bool(price.long_from) and mean > price.long_from
    each_in = price.long_in if long else price.tokens_in
    each_out = price.long_out if long else price.tokens_out
    return (usage.tokens_in * each_in + usage.tokens_out * each_out) / _MILLION


@cache
def price_list() -> tuple[Price, ...]:
    """Read resources/prices.toml once."""
    text = (resources.files("resources") / "prices.toml").read_text("utf-8")
    return tuple(
        Price(
            model=str(row["model"]),
            tokens_in=float(row["tokens_in"]),
            tokens_out=float(row["tokens_out"]),
            long_from=int(row.get("long_from", 0)),
            long_in=float(row.get("long_in", row["tokens_in"])),
            long_out=float(row.get("long_out", row["tokens_out"])),
            date=str(row["date"]),
            source=str(row["source"]),
        )
        for row in tomllib.loads(text)["price"]
    )
