"""The clock that orders events of all stores, whoever wrote them and wherever they meet.

A hybrid logical clock in one number (Kulkarni et al. 2014, here without its second part): the time
in microseconds since 1970, but always later than every event that the writer has seen. What
followed from something comes after it even if a computer's clock is wrong, and what was made apart
is ordered by time. Equal clocks are ordered by uuid, so the order of a set of events does not
depend on how they came together.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from pipeline.review.events import Event

MAX_CLOCK = (1 << 53) - 1
"""Latest that is read from elsewhere: the year 2255, and the largest whole number that every reader
of JSON keeps."""

MOST_AHEAD = 3653 * 86_400 * 1_000_000
"""How far before this computer's time, in microseconds, a clock that is read from elsewhere may be:
ten years. All that is written after it is later still, so that a single event of the year 2255
would put everything of ours out of what others read."""


def next_clock(latest: int) -> int:
    """The clock of a new event.

    Args:
        latest: Latest clock that the writer has seen, 0 if none.
    """
    return max(time.time_ns() // 1000, latest + 1)


def stamped(events: Iterable[Event], latest: int) -> list[Event]:
    """Events with a clock; those that have one keep it.

    Args:
        events: In the order in which they were made.
        latest: Latest clock that their writer has seen, 0 if none.
    """
    found = []
    for event in events:
        latest = max(latest, event.clock) if event.clock else next_clock(latest)
        found.append(event if event.clock else replace(event, clock=latest))
    return found


def clock_of(at: str, latest: int) -> int:
    """The clock of an event of the time before clocks: the same wherever it is upgraded.

    Args:
        at: When it was made, ISO 8601.
        latest: Clock of the event written before it, 0 if none.
    """
    try:
        then = int(datetime.fromisoformat(at).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        then = 0
    return max(min(then, MAX_CLOCK), latest + 1)
