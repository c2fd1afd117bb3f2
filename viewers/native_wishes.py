"""What the window wants of Rerun's own viewer, left by the GUI thread and taken by another."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording to show.

    Attributes:
        number: Given back when it is shown.
        source: An .rrd file, or its content.
    """

    number: int
    source: Path | bytes


@dataclass(frozen=True, slots=True)
class Time:
    """Where to stand.

    Attributes:
        number: Given back with what the viewer says afterwards.
        frame: Frame of the episode.
        playing: True to play from there.
    """

    number: int
    frame: int
    playing: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What to select.

    Attributes:
        entity: Path, empty for nothing.
        instance: Index within the entity, -1 for all of it.
    """

    entity: str
    instance: int


@dataclass(frozen=True, slots=True)
class Poll:
    """Nothing is wanted: ask the viewer where it is."""


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more will be wanted."""


Order = Recording | Time | Selection | Poll | End


class Wishes:
    """What the window wants next: one recording, one time, one selection, the newest of each."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._recording: Recording | None = None
        self._time: Time | None = None
        self._selection: Selection | None = None
        self._is_ended = False

    @property
    def is_ended(self) -> bool:
        """True after `end`."""
        return self._is_ended

    def want(self, order: Recording | Time | Selection) -> None:
        """Replace the wish of that kind."""
        with self._changed:
            if isinstance(order, Recording):
                self._recording = order
                self._selection = None  # it was meant for the recording before
            elif isinstance(order, Time):
                self._time = order
            else:
                self._selection = order
            self._changed.notify()

    def want_still(self, order: Time) -> None:
        """Want a time again, unless a newer one is wanted."""
        with self._changed:
            self._time = self._time or order

    def end(self) -> None:
        """Want nothing more."""
        with self._changed:
            self._is_ended = True
            self._changed.notify()

    def wait_for_end(self, seconds: float) -> bool:
        """Wait at most `seconds` for `end`; True if it came."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_ended, seconds)

    def newest_time(self) -> Time | None:
        """Take the time that is wanted, if any."""
        with self._changed:
            taken, self._time = self._time, None
            return taken

    def next(self, timeout: float) -> Order:
        """Wait for a wish and take it; `Poll` if none came within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_ended or self._recording or self._time or self._selection, timeout
            )
            taken: Order
            if self._is_ended:
                return End()
            if self._recording:
                taken, self._recording = self._recording, None
            elif self._time:
                taken, self._time = self._time, None
            elif self._selection:
                taken, self._selection = self._selection, None
            else:
                taken = Poll()
            return taken
