"""When orders go to a viewer that needs time for each: with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from viewers.rerun_pace import LONGEST_S, REST_S, ROUND_TRIPS, SHARE, Pace


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Viewer:
    """A viewer that answers after `round_trip` and draws until `cost`, driven in small steps."""

    STEP = 0.001

    def __init__(self, round_trip: float, cost: float) -> None:
        self.clock = Clock()
        self.pace = Pace(self.clock)
        self.round_trip, self.cost = round_trip, cost
        self.sent: list[tuple[float, int]] = []
        self.wanted: int | None = None
        self._events: list[tuple[float, Callable[[], None]]] = []

    def move(self, frame: int, *, urgent: bool = False) -> None:
        self.wanted = frame
        self.pace.want(urgent=urgent)

    def run(self, seconds: float, moves: Iterable[tuple[float, int]] = ()) -> None:
        """Let time pass; moves are (seconds since now, frame)."""
        start = self.clock.now
        coming = iter(moves)
        due = next(coming, None)
        while self.clock.now < start + seconds:
            while due is not None and self.clock.now >= start + due[0]:
                self.move(due[1])
                due = next(coming, None)
            for event in [e for e in self._events if e[0] <= self.clock.now]:
                self._events.remove(event)
                event[1]()
            if self.pace.wait() == 0.0:
                self._send()
            self.clock.now += self.STEP

    def _send(self) -> None:
        now = self.clock.now
        assert self.wanted is not None
        self.sent.append((now, self.wanted))
        self.pace.sent()
        self._events.append((now + self.round_trip, self.pace.done))
        cost = self.cost
        self._events.append((now + cost, lambda: self.pace.drawn(cost)))


def test_the_first_order_after_rest_goes_at_once() -> None:
    viewer = Viewer(0.04, 0.11)
    for frame in range(4):
        asked = viewer.clock.now
        viewer.move(frame)
        assert viewer.pace.wait() == 0.0
        viewer.run(0.3)
        assert viewer.sent[-1] == (asked, frame)


def test_nothing_goes_while_one_is_under_way() -> None:
    pace = Pace(Clock())
    assert pace.wait() is None
    pace.want()
    pace.sent()
    assert pace.is_under_way
    pace.want(urgent=True)
    assert pace.wait() is None
    pace.done()
    assert pace.wait() == 0.0


def test_hand_steps_wait_for_two_round_trips_at_most() -> None:
    viewer = Viewer(0.04, 0.11)
    viewer.run(1.0, [(0.1 * i, i) for i in range(8)])
    assert [frame for _, frame in viewer.sent] == list(range(8))
    waits = [at - 100.0 - 0.1 * frame for at, frame in viewer.sent]
    assert max(waits) <= ROUND_TRIPS * 0.04 + 2 * viewer.STEP


@pytest.mark.parametrize(("round_trip", "cost"), [(0.04, 0.11), (0.1, 0.15), (0.005, 0.016)])
def test_a_long_motion_takes_a_share_of_the_viewers_time(round_trip: float, cost: float) -> None:
    viewer = Viewer(round_trip, cost)
    viewer.run(3.0, [(0.03 * i, i) for i in range(100)])
    gone = len(viewer.sent) - 1  # the first one goes at once, before any rest
    assert gone * cost / 3.0 <= SHARE * 1.1
    gaps = [b - a for (a, _), (b, _) in zip(viewer.sent, viewer.sent[1:], strict=False)]
    assert max(gaps) <= LONGEST_S + 0.05


def test_the_newest_wins_and_arrives_when_the_cursor_rests() -> None:
    viewer = Viewer(0.04, 0.11)
    viewer.run(0.5, [(0.01 * i, i) for i in range(20)])
    at, frame = viewer.sent[-1]
    assert frame == 19
    assert at - 100.0 <= 0.19 + REST_S + 2 * viewer.STEP
    assert len(viewer.sent) < 6
    assert viewer.pace.is_settled


def test_urgent_does_not_wait_for_the_share() -> None:
    viewer = Viewer(0.04, 0.3)
    viewer.run(0.2, [(0.02 * i, i) for i in range(10)])
    count = len(viewer.sent)
    viewer.move(5, urgent=True)
    viewer.run(0.05)
    assert len(viewer.sent) == count + 1


def test_forgetting_keeps_nothing_waiting() -> None:
    pace = Pace(Clock())
    pace.want()
    pace.sent()
    pace.want()
    pace.forget()
    assert pace.is_settled
    assert pace.wait() is None
