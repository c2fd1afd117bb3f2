"""All events of a dataset in memory, in their order, and the way to those who keep them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from pipeline.model.problem import DataError
from pipeline.review.event_table import EventTable
from pipeline.review.events import Event

logger = logging.getLogger(__name__)


class EventLog:
    """Safe to use from several threads. What was read once stays readable, come what may."""

    def __init__(self, table: EventTable) -> None:
        """Read a table.

        Args:
            table: Where events are kept.

        Raises:
            DataError: It cannot be read.
        """
        self._table = table
        self._events: list[Event] = []
        self._numbers: dict[str, int] = {}
        self._last = 0
        self.lock = threading.RLock()
        """Held by who decides something from the events and writes it."""
        self.refresh()

    def events(self) -> tuple[Event, ...]:
        """All events in their order, read again if that is quick."""
        if not self._table.is_remote:
            try:
                self.refresh()
            except DataError as error:
                logger.warning("%s", error)
        with self.lock:
            return tuple(self._events)

    def refresh(self) -> bool:
        """Read what was added since; True if there was anything.

        Raises:
            DataError: It cannot be read now; what was known stays.
        """
        with self.lock:
            last = self._last
        # Not under the lock: a database may be slow to answer, and nobody must wait for it.
        return self._absorb(self._table.read(last))

    def write(self, events: Sequence[Event]) -> Event:
        """Write events, all or none.

        Returns:
            The last of them as it is kept.

        Raises:
            DataError: `store_not_writable`; nothing is written then.
        """
        with self.lock:
            latest = self._events[-1].clock if self._events else 0
            self._absorb(self._table.write(events, self._last, latest))
            return next(e for e in reversed(self._events) if e.uuid == events[-1].uuid)

    def _absorb(self, events: list[Event]) -> bool:
        """Take over what was read; merged events may belong before those that are known.

        What only waited to be written there (number 0) gives way to what is written there.
        """
        with self.lock:
            new = [e for e in events if self._is_news(e)]
            arrived = {e.uuid for e in new if e.uuid in self._numbers}
            if arrived:
                self._events = [e for e in self._events if e.uuid not in arrived]
            self._numbers.update((e.uuid, e.id) for e in new)
            newest = self._events[-1].order if self._events else (0, "")
            self._events += new
            if len(new) > 1 or any(e.order < newest for e in new):
                self._events.sort(key=lambda e: e.order)
            self._last = max([self._last, *(e.id for e in events)])
            return len(new) > len(arrived)

    def _is_news(self, event: Event) -> bool:
        number = self._numbers.get(event.uuid)
        return number is None or number == 0 < event.id
