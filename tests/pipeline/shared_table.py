"""A team's database that fails as told, for tests without PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.model.problem import DataError, Problem
from pipeline.review.events import Event
from pipeline.review.location import outbox_place
from pipeline.review.ordering import next_clock
from pipeline.review.outbox import Outbox
from pipeline.review.sqlite_file import SqliteFile
from pipeline.review.store import ReviewStore

SHOWN = "reviews on db"


@dataclass
class Server:
    """What all connections share.

    Attributes:
        rows: Events that are written.
        fault: Empty, or what is wrong: `down`, `full` (reading goes on), `mute` (it writes, but its
            answer is lost).
        asked: How often somebody tried to write.
        hold: Writing waits for it.
    """

    rows: list[Event] = field(default_factory=list)
    fault: str = ""
    asked: int = 0
    hold: threading.Event | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class SharedTable:
    """One person's connection."""

    is_remote = True
    reason = "Reviews are shared."
    problems: tuple[Problem, ...] = ()

    def __init__(self, server: Server) -> None:
        self._server = server
        self._closed = False
        self.location = Path("review.sqlite")

    def prepare(self) -> None:
        """Nothing to do."""

    def read(self, after: int) -> list[Event]:
        """Events after a number."""
        self._fail_if("down")
        with self._server.lock:
            return self._server.rows[after:]

    def write(self, events: Sequence[Event], after: int, latest: int) -> list[Event]:
        """As `add_events` does."""
        self._server.asked += 1
        if self._server.hold is not None:
            self._server.hold.wait()
        self._fail_if("down", "full")
        with self._server.lock:
            rows = self._server.rows
            known = {e.uuid for e in rows}
            latest = max([latest, *(e.clock for e in rows)])
            for event in events:
                if event.uuid not in known:
                    latest = max(latest, event.clock) if event.clock else next_clock(latest)
                    rows.append(replace(event, id=len(rows) + 1, clock=event.clock or latest))
            found = rows[after:]
        self._fail_if("mute")
        return found

    def get_setting(self, key: str) -> str | None:
        """There are none."""
        return None

    def put_setting(self, key: str, value: str) -> None:
        """Passed over."""

    def close(self) -> None:
        """Close the connection."""
        self._closed = True

    def _fail_if(self, *faults: str) -> None:
        if self._closed:
            raise DataError("store_not_writable", "The reviews are closed.")
        if self._server.fault in faults:
            raise DataError("store_not_writable", f"The reviews are {self._server.fault}.")


def open_outbox(server: Server, data_dir: Path, who: str = "ada") -> ReviewStore:
    """The store of a person on a machine; opening it again is a restart."""
    file = SqliteFile(outbox_place("bottles", data_dir), 100.0)
    return ReviewStore(Outbox(SharedTable(server), file, SHOWN), who, "bottles")
