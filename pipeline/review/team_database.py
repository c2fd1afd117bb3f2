"""Events of a team in one PostgreSQL database.

Every write is a transaction that keeps other writers of the same dataset out (an advisory lock), so
that numbers become visible in their order. When the connection is lost an edit is
refused with one sentence, after one more try: `pipeline.review.outbox` then keeps it on this
machine. What was committed although the answer was lost appears with the next refresh; trying again
writes nothing twice.

Reading is kept out of the window's way: a thread asks for the events of others every few seconds,
and what the window shows comes from memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.model.problem import DataError, Problem
from pipeline.review.events import Event
from pipeline.review.location import DATABASE_VARIABLE, choose_place, sidecar
from pipeline.review.schema import SCHEMA_VERSION, upgrade, written_version
from pipeline.review.team_address import TeamAddress

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

log = logging.getLogger(__name__)
_T = TypeVar("_T")

CONNECT_SECONDS = 5
"""How long a connection may take to come up."""
ANSWER_SECONDS = 5
"""How long the database may take for a statement, and the network to acknowledge."""
BUSY_SECONDS = 2
"""How long a write waits for another person's."""
_MIGRATION_LOCK = 0x64656D6F
_SENTENCES = {
    "42501": "the user may not write there",
    "53100": "its disk is full",
    "55P03": "another person is writing; try again",
    "57014": "it takes too long; try again",
}
"""SQLSTATE -> why."""


class TeamDatabase:
    """The events of one dataset in the team's database."""

    is_remote = True

    def __init__(
        self, dataset: Path, address: TeamAddress, identity: str, data_dir: Path | None
    ) -> None:
        """Name a database; the first who reads or writes connects.

        Args:
            dataset: Root folder of the dataset, absolute.
            address: Of the database.
            identity: Key of the dataset.
            data_dir: See `ReviewStore.open`; tells which local file this stands for.
        """
        self._address = address
        self._identity = identity
        self._place = choose_place(dataset, data_dir)
        self._sidecar = sidecar(dataset)
        self._closed = threading.Event()
        self._running = 0
        self._lock = threading.Lock()
        self._engine = _engine(address)
        self._is_current = False

    @property
    def location(self) -> Path:
        """The local file that it stands for."""
        return self._place.path

    @property
    def reason(self) -> str:
        """Where the reviews are, and what is not among them."""
        text = (
            f"Reviews are shared in the database {self._address.shown} as “{self._identity}” "
            f"({DATABASE_VARIABLE})."
        )
        local = next((p for p in (self._place.path, self._sidecar) if p.is_file()), None)
        if local is not None:
            text += f" Earlier ones in {local} join them by “demoscope reviews merge”."
        return text

    @property
    def problems(self) -> tuple[Problem, ...]:
        """None: a database is no file that may be damaged."""
        return ()

    def prepare(self) -> None:
        """Nothing to do: what a write needs is loaded to connect."""

    def read(self, after: int) -> list[Event]:
        """Events after number `after`."""
        from pipeline.review.tables import read_events

        return self._run("read", lambda c: read_events(c, self._identity, after))

    def write(self, events: Sequence[Event], after: int, latest: int) -> list[Event]:
        """Write events in one transaction, see `EventTable.write`."""
        from pipeline.review.tables import add_events

        def work(connection: Connection) -> list[Event]:
            self._keep_writers_out(connection)
            return add_events(connection, self._identity, events, after, latest)

        return self._run("written", work)

    def get_setting(self, key: str) -> str | None:
        """A setting as JSON."""
        from pipeline.review.tables import read_setting

        return self._run("read", lambda c: read_setting(c, self._identity, key))

    def put_setting(self, key: str, value: str) -> None:
        """Set a setting, JSON."""
        from pipeline.review.tables import write_setting

        self._run("written", lambda c: write_setting(c, self._identity, key, value))

    def close(self) -> None:
        """Close all connections; one that is in use follows when it is through."""
        with self._lock:
            self._closed.set()
            is_idle = not self._running
        if is_idle:
            self._engine.dispose()

    # -- connection ------------------------------------------------------------------------

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Keeps the connections from being closed under who uses them."""
        with self._lock:
            if self._closed.is_set():
                raise DataError(
                    "store_not_writable", f"The reviews in {self._address.shown} are closed."
                )
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                is_last = self._closed.is_set() and not self._running
            if is_last:
                self._engine.dispose()

    def _run(self, doing: str, work: Callable[[Connection], _T]) -> _T:
        """Do something in a transaction, once more if the connection was lost meanwhile."""
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        with self._in_use():
            for is_last in (False, True):
                try:
                    if not self._is_current:
                        with self._engine.begin() as connection:
                            self._bring_up_to_date(connection)
                        self._is_current = True
                    with self._engine.begin() as connection:
                        return work(connection)
                except SQLAlchemyError as error:
                    lost = isinstance(error, DBAPIError) and error.connection_invalidated
                    if lost and not is_last:
                        continue
                    what = doing if self._is_current else "opened"
                    # Not chained: what the driver knows stays out of every log.
                    raise DataError("store_not_writable", self._sentence(what, error)) from None
        raise AssertionError("the last round returns or raises")

    def _sentence(self, doing: str, error: Exception) -> str:
        cause: Any = getattr(error, "orig", None) or error
        said = self._address.scrub(str(cause).split("\n", 1)[0])
        state = getattr(cause, "sqlstate", None)
        lost = state is None or getattr(error, "connection_invalidated", False)
        if state in _SENTENCES:
            why = _SENTENCES[state]
        elif "FATAL:" in said:
            # It answered and refused; the driver tells no SQLSTATE then.
            why = f"the server says {said.rsplit('FATAL:', 1)[1].strip()}"
        else:
            why = f"the connection is lost or cannot be made ({said})" if lost else said
        return f"The reviews in {self._address.shown} cannot be {doing}: {why}."

    def _keep_writers_out(self, connection: Connection) -> None:
        import sqlalchemy as sql

        connection.execute(
            sql.text("SELECT pg_advisory_xact_lock(:kind, hashtext(:identity))"),
            {"kind": _MIGRATION_LOCK, "identity": self._identity},
        )

    def _bring_up_to_date(self, connection: Connection) -> None:
        """Make the tables, or run the migrations on older ones.

        Raises:
            DataError: `store_newer`.
        """
        import sqlalchemy as sql

        version = written_version(connection)
        if version == SCHEMA_VERSION:
            return
        if version is not None and version > SCHEMA_VERSION:
            raise DataError(
                "store_newer",
                f"The reviews in {self._address.shown} were written by a newer Demoscope (format "
                f"{version}, this one reads {SCHEMA_VERSION}): update Demoscope to review this "
                "dataset.",
            )
        connection.execute(sql.text("SELECT pg_advisory_xact_lock(:k)"), {"k": _MIGRATION_LOCK})
        # A migration may take longer than a correction.
        connection.execute(sql.text("SET LOCAL statement_timeout = 0"))
        # Somebody else may have done it meanwhile; Alembic looks again.
        upgrade(connection)


def _engine(address: TeamAddress) -> Engine:
    import sqlalchemy as sql

    answer, busy = int(1000 * ANSWER_SECONDS), int(1000 * BUSY_SECONDS)
    given = address.url.query.get("options", "")
    options = given if isinstance(given, str) else " ".join(given)
    return sql.create_engine(
        address.url,
        pool_size=2,
        # A connection that died while nobody used it is made again before it is used.
        pool_pre_ping=True,
        # No values in messages: they are people's words.
        hide_parameters=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "demoscope",
            "keepalives_idle": 10,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "tcp_user_timeout": answer,
            # Those of the address come last and win.
            "options": f"-c statement_timeout={answer} -c lock_timeout={busy} {options}".strip(),
        },
    )
