"""When the next order may go to a viewer that needs time for each. Imports no Qt.

A viewer that draws in software takes a core for about three frames of the screen per change. Sent
as fast as the cursor moves, orders would make the picture beside it late, which the user looks at;
sent on a timer, a single step would wait for the timer.
"""

from __future__ import annotations

from collections.abc import Callable

SHARE = 1 / 2
"""Of the time of a long motion, what the viewer may take (our choice: the frame viewer paints as
fast beside it as without it)."""
ROUND_TRIPS = 2.0
"""Between two orders lie at least this many round trips of the one before (our choice)."""
REST_S = 0.09
"""A cursor that was not moved for this long rests; longer than a key repeats."""
LONGEST_S = 0.3
"""While the cursor moves, an order goes at least this often, however slow the viewer is."""


class Pace:
    """Says when the newest of what is wanted may be sent.

    The first order after rest goes at once. While the cursor moves, the next one goes when the
    last is done and the viewer has had the rest of its `SHARE`; when the cursor rests, the newest
    goes as soon as the last is done. What was wanted last is always sent.

    Args:
        clock: Seconds of a clock that does not jump, e.g. `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_wanted = False
        self._is_urgent = False
        self._under_way = False
        self._moves = False
        self._wanted_at = -REST_S
        self._sent_at = 0.0
        self._round_trip = 0.0
        self._cost = 0.0

    @property
    def is_settled(self) -> bool:
        """True if nothing waits and nothing is under way."""
        return not self._is_wanted and not self._under_way

    @property
    def is_under_way(self) -> bool:
        """True if an order was sent and not answered."""
        return self._under_way

    def want(self, *, urgent: bool = False) -> None:
        """There is something newer to send; urgent: as soon as nothing is under way."""
        now = self._clock()
        self._moves = now - self._wanted_at < REST_S
        self._wanted_at = now
        self._is_wanted = True
        self._is_urgent = self._is_urgent or urgent

    def sent(self) -> None:
        """The newest was sent."""
        self._is_wanted = self._is_urgent = False
        self._under_way = True
        self._sent_at = self._clock()

    def done(self) -> None:
        """The order was answered."""
        if self._under_way:
            self._under_way = False
            self._round_trip = self._clock() - self._sent_at
            self._cost = max(self._cost, self._round_trip)  # until `drawn` says

    def drawn(self, seconds: float) -> None:
        """The viewer rested again that long after an order, be it the last one or one before."""
        self._cost = max(self._round_trip, min(seconds, 10.0))

    def forget(self) -> None:
        """Nothing is wanted and nothing under way any more; what was measured is kept."""
        self._is_wanted = self._is_urgent = self._under_way = False

    def wait(self) -> float | None:
        """Seconds until the newest may be sent, 0 for now; None if nothing waits or one is out."""
        if not self._is_wanted or self._under_way:
            return None
        if self._is_urgent:
            return 0.0
        now = self._clock()
        earliest = self._sent_at + ROUND_TRIPS * self._round_trip
        if self._moves:
            kind = self._sent_at + min(self._cost / SHARE, LONGEST_S)
            earliest = max(earliest, min(kind, self._wanted_at + REST_S))
        return max(0.0, earliest - now)
