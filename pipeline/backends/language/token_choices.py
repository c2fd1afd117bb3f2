"""Tokens with log-probabilities, as both protocols give them, brought into one form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pipeline.backends.language.credentials import Secret
from pipeline.model.drafting import TokenChoice

LEAST = -9999.0
"""Stands for probability 0 (vLLM's own value): minus infinity is no JSON."""


def token_choice(token: Any, logprob: Any, others: Iterable[tuple[Any, Any]]) -> TokenChoice:
    """One token and its alternatives, the most probable first.

    Args:
        token: As the server writes it.
        logprob: Natural logarithm of its probability.
        others: (token, logprob) of the candidates at its place.
    """
    rows = [(_word(t), _finite(p)) for t, p in others]
    rows.sort(key=lambda row: -row[1])
    return TokenChoice(_word(token), _finite(logprob), tuple(rows))


def whole_characters(text: str) -> str:
    """Half characters, which JSON can spell and no file can hold, as question marks."""
    return text.encode("utf-8", "replace").decode()


def without_key(tokens: tuple[TokenChoice, ...], key: Secret) -> tuple[TokenChoice, ...]:
    """None of the tokens if a key is spelled by them, however it is split."""
    text = "".join(t.token for t in tokens)
    others = " ".join(word for t in tokens for word, _ in t.alternatives)
    return tokens if key.scrub(text) == text and key.scrub(others) == others else ()


def _word(token: Any) -> str:
    return whole_characters(str(token if token is not None else ""))


def _finite(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return LEAST
    return LEAST if math.isnan(number) else min(max(number, LEAST), 0.0)
