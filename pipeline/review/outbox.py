"""What a team's database cannot take now waits in a file of this machine, and goes there by itself.

The file is a review store like any other (`demoscope reviews merge` reads it), and as safe: an
event is on the disk before `write` returns, with the clock of the moment it was made. It is only
appended to. A setting in it tells up to which number its events have gone; it is raised after the
database has them, so a crash in between sends them again, which changes nothing: the database knows
events by their uuid.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from pipeline.model.problem import DataError, Problem
from pipeline.review.event_table import EventTable
from pipeline.review.events import Event
from pipeline.review.ordering import stamped
from pipeline.review.sqlite_file import SqliteFile

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 1.0
"""How long a person's edit waits for the database, once per outage (our choice)."""
_AT_ONCE = 500
"""Events that go in one transaction: others who write wait for it."""
_SENT = "sent"
"""Setting of the file: number of the last event that has gone."""


class Outbox:
    """A shared table that takes every event, if need be later. Safe to use from several threads.

    After the first event that was not taken the next ones go straight to the file, so nobody waits
    twice, until `read` has had an answer and has sent them. Several windows may share a file.
    """

    is_remote = True

    def __init__(self, table: EventTable, file: SqliteFile, shown: str) -> None:
        """Stand before a table.

        Args:
            table: Where events go.
            file: Where they wait.
            shown: What people call the table.
        """
        self._table = table
        self._file = file
        self._shown = shown
        self._lock = threading.Lock()  # of the file and of what is known about it
        self._refused = ""
        self._unread = ""
        self._sent = 0
        self._newest = 0
        self._waiting = 0
        self._delivered = 0

    # -- for people ------------------------------------------------------------------------

    @property
    def location(self) -> Path:
        """The local file that the table stands for."""
        return self._table.location

    @property
    def reason(self) -> str:
        """Where the reviews are, and what has become of those that waited."""
        if self._unread:
            return (
                f"{self._unread} What you do is kept on this machine and goes there when it can be "
                "reached; until then only what has not gone yet is shown."
            )
        return f"{self._table.reason} {self.gone}".strip()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """`store_corrupted` if a damaged file was moved aside."""
        return (*self._table.problems, *self._file.problems)

    @property
    def unread(self) -> str:
        """Why the table cannot be read, one sentence; empty if it can."""
        return self._unread

    @property
    def kept(self) -> str:
        """Where events wait and for what, one clause; empty if none waits."""
        if not self._waiting:
            return ""
        return f"kept on this machine, goes to {self._shown} when it can be reached"

    @property
    def gone(self) -> str:
        """How many events have gone since this was opened, one sentence; empty if none."""
        count = self._delivered
        if not count:
            return ""
        events = f"{count:,} event{'' if count == 1 else 's'}"
        return f"What was kept on this machine has gone to {self._shown} ({events})."

    # -- events ----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Load what the first write needs, on whichever side it ends."""
        self._table.prepare()
        self._file.prepare()

    def read(self, after: int) -> list[Event]:
        """Send what waits, and read the table.

        Args:
            after: Number of the last event that the caller knows.

        Returns:
            Events written there after number `after`, and those that still wait, with number 0.
            If the table cannot be read only those, and `unread` says why.

        Raises:
            DataError: `store_newer`, or the file cannot be read.
        """
        waiting = self._look()
        try:
            found = self._table.read(after)
        except DataError as error:
            if error.code == "store_newer":
                raise
            self._unread = str(error)
            self._refuse(error)
            return _unnumbered(waiting)
        self._unread = ""
        return self._send(waiting, found, after)

    def _send(self, waiting: list[Event], found: list[Event], after: int) -> list[Event]:
        """Send what waits; what `read` returns, `found` being what the table had before."""
        try:
            while waiting:
                now = waiting[:_AT_ONCE]
                found = self._table.write(now, after, 0)
                self._mark_sent(now)
                waiting = waiting[_AT_ONCE:]
        except DataError as error:
            self._refuse(error)
        else:
            self._refused = ""
        # If only an answer was lost, an event is in both.
        there = {e.uuid for e in found}
        return [*found, *_unnumbered(e for e in waiting if e.uuid not in there)]

    def write(self, events: Sequence[Event], after: int, latest: int) -> list[Event]:
        """Write events, see `EventTable.write`; what the table does not take is kept.

        Events of another store (they have a clock) are refused instead: they lie there already.

        Returns:
            All events written after `after`, or only these, with number 0, if they were kept.

        Raises:
            DataError: `store_not_writable`: this machine's disk does not take them either.
        """
        if all(e.clock for e in events):
            return self._table.write(events, after, latest)
        # Now and not by the table: an event that arrives late must not follow what followed it.
        made = stamped(events, latest)
        if not self._refused:
            try:
                return self._offer(made, after)
            except DataError as error:
                self._refuse(error)
        return self._keep(made)

    def get_setting(self, key: str) -> str | None:
        """A setting of the table."""
        return self._table.get_setting(key)

    def put_setting(self, key: str, value: str) -> None:
        """Set a setting of the table; not kept if it cannot be written."""
        self._table.put_setting(key, value)

    def close(self) -> None:
        """Let both go; what waits goes when the dataset is opened again."""
        self._table.close()
        self._file.close()

    def _offer(self, events: Sequence[Event], after: int) -> list[Event]:
        """Let the table write, and wait for it no longer than a person would.

        What it writes after that is found by the next `read`.
        """
        answer: Future[list[Event]] = Future()

        def work() -> None:
            try:
                answer.set_result(self._table.write(events, after, 0))
            except BaseException as error:
                answer.set_exception(error)

        # A daemon, as the network may take its time.
        threading.Thread(target=work, name="reviews-write", daemon=True).start()
        try:
            return answer.result(PATIENCE_SECONDS)
        except TimeoutError:
            raise DataError(
                "store_not_writable", f"The reviews in {self._shown} take too long to answer."
            ) from None

    def _refuse(self, error: DataError) -> None:
        if not self._refused:
            logger.info("edits are kept on this machine from now on: %s", error)
        self._refused = str(error)

    # -- the file --------------------------------------------------------------------------

    def _keep(self, events: Sequence[Event]) -> list[Event]:
        ours = {e.uuid for e in events}
        with self._lock:
            try:
                written = self._file.write(events, self._newest, 0)
            except DataError as error:
                raise DataError(error.code, f"{self._refused} {error}") from error
            self._newest = max(e.id for e in written)
            self._waiting += len(events)
        return _unnumbered(e for e in written if e.uuid in ours)

    def _look(self) -> list[Event]:
        """What waits in the file, of all windows, oldest first."""
        with self._lock:
            found = self._file.read(self._sent)
            self._sent = max(self._sent, int(self._file.get_setting(_SENT) or 0))
            waiting = [e for e in found if e.id > self._sent]
            self._newest = max([self._newest, *(e.id for e in found)])
            self._waiting = len(waiting)
            return waiting

    def _mark_sent(self, events: Sequence[Event]) -> None:
        with self._lock:
            self._sent = events[-1].id
            self._waiting -= len(events)
            self._delivered += len(events)
            try:
                self._file.put_setting(_SENT, str(self._sent))
            except DataError as error:
                logger.warning("%s", error)  # They are sent once more at the next start.


def _unnumbered(events: Iterable[Event]) -> list[Event]:
    """As the table's caller knows them: without a number, since they are not written there."""
    return [replace(e, id=0) for e in events]
