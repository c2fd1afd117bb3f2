"""Events in one SQLite file.

Every write is its own transaction, synced to the disk before it returns (synchronous=FULL: an event
is seconds of a person's work and rare, so a few milliseconds are well spent; NORMAL could lose the
last ones at a power cut). The write-ahead log lets other processes read while one writes; on
network file systems, where it is unsafe, the rollback journal is used.

Opening and reading a file of this version is done by Python's own sqlite3, in one statement, so
that looking at a dataset loads no library; SQLAlchemy joins on the same connection for the first
write, Alembic for a file that is new or old.
"""

from __future__ import annotations

import gc
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from pipeline.model.problem import DataError, Problem
from pipeline.review.damaged_file import copy_readable, move_aside
from pipeline.review.events import Event
from pipeline.review.location import Place, choose_place, on_network, sidecar, user_place
from pipeline.review.schema import SCHEMA_VERSION, new_file_script

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from pipeline.review.sqlite_engine import LentEngine

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

_COLUMNS = ", ".join(Event.__dataclass_fields__)
_TYPES = (int, str, str, str, str, int, str, str, int, str, str, int)
_LARGEST_CLOCK = 1 << 62
"""What is written next must still fit into 64 bits."""
# The columns are constants. `read_events` of pipeline.review.tables says the same.
_READ = f"SELECT {_COLUMNS} FROM events WHERE id > ? ORDER BY id"  # noqa: S608
_SETTING = "SELECT value FROM settings WHERE identity = ? AND key = ?"
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_IDENTITY = ""
"""A file is one dataset's."""


class SqliteFile:
    """Events in a file of this machine. The file is made by the first write."""

    is_remote = False

    def __init__(
        self, place: Place, busy_seconds: float, elsewhere: Callable[[], Place] | None = None
    ) -> None:
        """Open a file if there is one.

        Args:
            place: Where it lies.
            busy_seconds: How long a write waits for another process.
            elsewhere: Where it is made if it cannot be made there; None: nowhere.

        Raises:
            DataError: `store_newer`, `store_not_writable`.
        """
        self._place = place
        self._elsewhere = elsewhere
        self._busy_seconds = busy_seconds
        self._problems: list[Problem] = []
        self._lent: LentEngine | None = None
        self._closed = False
        self._lock = threading.RLock()
        # Apart from the other one, so that reading goes on while libraries are loaded.
        self._loading = threading.Lock()
        self.connection: sqlite3.Connection | None = None
        if self.location.exists():
            self._open_existing()

    @classmethod
    def of_dataset(cls, dataset: Path, data_dir: Path | None, busy_seconds: float) -> SqliteFile:
        """Open the file of a dataset if there is one.

        Args:
            dataset: Root folder of the dataset, absolute.
            data_dir: See `ReviewStore.open`.
            busy_seconds: How long a write waits for another process.

        Raises:
            DataError: `store_newer`, `store_not_writable`.
        """
        place = choose_place(dataset, data_dir)
        if place.beside:
            why = f"{dataset.parent} cannot be written"
            return cls(place, busy_seconds, lambda: user_place(dataset, data_dir, why))
        beside = sidecar(dataset)
        if not place.path.exists() and beside.exists():
            copy_readable(beside, place.path)
        return cls(place, busy_seconds)

    @property
    def location(self) -> Path:
        """The file, which may not exist yet."""
        return self._place.path

    @property
    def reason(self) -> str:
        """Why the file lies there, one sentence."""
        return self._place.reason

    @property
    def problems(self) -> tuple[Problem, ...]:
        """`store_corrupted` if a damaged file was moved aside."""
        return tuple(self._problems)

    def prepare(self) -> None:
        """Load SQLAlchemy, and Alembic if there is no file yet; a write that comes now waits."""
        with self._loading, _no_collection():
            if self._lent is None and not self._closed:
                from pipeline.review.sqlite_engine import LentEngine

                lent = LentEngine()
                lent.rehearse()
                if not self.location.exists():
                    new_file_script()
                self._lent = lent

    def read(self, after: int) -> list[Event]:
        """Events after number `after`; none if the file cannot be read now."""
        with self._lock:
            if self.connection is None:
                # another process may have made the file meanwhile
                if self._closed or not self.location.exists():
                    return []
                self._connect()
            connection = self.connection
            if connection is None:
                return []
            with self._errors("read"):
                rows = connection.execute(_READ, (after,)).fetchall()
            events = [Event(*row) for row in rows if _is_event(row)]
            if len(events) < len(rows):
                logger.warning(
                    "%s: %d rows are no events and are passed over",
                    self.location,
                    len(rows) - len(events),
                )
            return events

    def write(self, events: Sequence[Event], after: int, latest: int) -> list[Event]:
        """Write events in one transaction, see `EventTable.write`."""
        from pipeline.review.tables import add_events

        def work(connection: Connection) -> list[Event]:
            return add_events(connection, _IDENTITY, events, after, latest)

        return self._transaction("written", work)

    def get_setting(self, key: str) -> str | None:
        """A setting as JSON; None as long as there is no file."""
        with self._lock:
            if self.connection is None:
                return None
            with self._errors("read"):
                row = self.connection.execute(_SETTING, (_IDENTITY, key)).fetchone()
        return None if row is None else str(row[0])

    def put_setting(self, key: str, value: str) -> None:
        """Set a setting, JSON."""
        from pipeline.review.tables import write_setting

        self._transaction("written", lambda c: write_setting(c, _IDENTITY, key, value))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            if self._lent is not None:
                self._lent.engine.dispose()
                self._lent = None
            if self.connection is not None:
                self.connection.close()
                self.connection = None

    # -- connection ------------------------------------------------------------------------

    def _transaction(self, doing: str, work: Callable[[Connection], _T]) -> _T:
        with self._loading, self._lock:
            engine = self._open_engine()
            with self._errors(doing), engine.begin() as connection:
                return work(connection)

    def _open_engine(self) -> Engine:
        """SQLAlchemy on the connection that is open, making the file if need be."""
        if self._closed:
            raise DataError("store_not_writable", f"The reviews in {self.location} are closed.")
        if self.connection is None:
            try:
                self._connect()
            except DataError as error:
                # a file that is there is only busy: never begin a second one beside it
                if self._elsewhere is None or self.location.exists():
                    raise
                logger.warning("%s", error)
                self._place, self._elsewhere = self._elsewhere(), None
                self._connect()
        if self._lent is None:
            from pipeline.review.sqlite_engine import LentEngine

            self._lent = LentEngine()
        return self._lent.lend(cast(sqlite3.Connection, self.connection))

    def _open_existing(self) -> None:
        try:
            self._connect()
        except DataError as error:
            if error.code != "store_corrupted":
                raise
            with self._errors("opened"):
                self._problems.append(move_aside(self.location))

    def _connect(self) -> None:
        """Open or make the file, and check it."""
        with self._errors("opened"):
            self.location.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.location,
                timeout=self._busy_seconds,
                check_same_thread=False,
                isolation_level=None,  # transactions begin where we say so
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        self.connection = connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise DataError(
                "store_newer",
                f"{self.location} was written by a newer Demoscope (format {version}, this one "
                f"reads {SCHEMA_VERSION}): update Demoscope to review this dataset.",
            )
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise DataError("store_corrupted", f"{self.location} is damaged: {found}.")
        mode = "DELETE" if on_network(self.location) else "WAL"
        try:
            connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
        except sqlite3.OperationalError as error:  # in use elsewhere, or the system has no WAL
            logger.info("%s keeps its journal mode: %s", self.location, error)
        connection.execute("PRAGMA synchronous = FULL")
        # What a file from elsewhere declares must not run functions.
        connection.execute("PRAGMA trusted_schema = OFF")
        if version < SCHEMA_VERSION:
            # lazy: SQLAlchemy and Alembic, only for a file that is new or old
            from pipeline.review.sqlite_engine import bring_up_to_date

            bring_up_to_date(connection)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turn errors of SQLite and of the file system into one sentence."""
        try:
            yield
        except DataError:
            raise
        except Exception as error:
            # SQLAlchemy wraps what the driver raised; caught without importing it.
            cause = getattr(error, "orig", None) or error
            if not isinstance(cause, (sqlite3.Error, OSError)):
                raise
            if getattr(cause, "sqlite_errorcode", None) in _BROKEN:
                raise DataError("store_corrupted", f"{self.location} is damaged: {cause}.") from (
                    cause
                )
            raise DataError("store_not_writable", self._sentence(doing, cause)) from cause

    def _sentence(self, doing: str, error: Exception) -> str:
        why = str(error)
        if "locked" in why:
            why = "another program holds it; try again"
        elif "full" in why:
            why = "the disk is full"
        return f"The reviews in {self.location} cannot be {doing}: {why}."


def _is_event(row: tuple[object, ...]) -> bool:
    """Whether a row holds what its columns say; a file from elsewhere may declare anything."""
    return tuple(map(type, row)) == _TYPES and 0 <= cast(int, row[-1]) <= _LARGEST_CLOCK


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from collecting garbage while libraries are loaded beside the window.

    Their many new objects would set off collections of everything, each of which stops all threads
    for 60 to 120 ms; without, the window waits for no more than the 5 ms of a switch.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
