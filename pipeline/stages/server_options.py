"""Options of every stage that asks a language model on a server, declared once."""

from __future__ import annotations

from pipeline.model.options import option


def draw_option() -> int:
    """Which of several answers is taken."""
    return option(
        0, "Raise it to ask again instead of taking the kept answer.", low=0, high=1_000_000
    )


def timeout_option(seconds: float) -> float:
    """How long one request may take.

    Args:
        seconds: Default; pictures take longer than text.
    """
    return option(
        seconds, "How long one request may take.", unit="s", low=0.05, high=3600.0, keyed=False
    )


def attempts_option() -> int:
    """How often a request is sent."""
    return option(
        4,
        "How often a request is sent while the server is busy (429, 5xx) or the connection breaks.",
        low=1,
        high=20,
        keyed=False,
    )


def longest_wait_option() -> float:
    """How long is waited between two attempts."""
    return option(
        60.0,
        "Longest time between two attempts; a server that asks for more is given up.",
        unit="s",
        low=0.0,
        high=3600.0,
        keyed=False,
    )
