"""SQLAlchemy on a connection that Python's own sqlite3 has opened. Import it late."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sql
from sqlalchemy.pool import StaticPool

from pipeline.model.authorship import utc_now
from pipeline.review.events import Event
from pipeline.review.schema import SCHEMA_VERSION, new_file_script, upgrade
from pipeline.review.tables import METADATA, add_events


class LentEngine:
    """An engine whose only connection is lent to it.

    Its transactions keep other writers out from their begin (BEGIN IMMEDIATE), so that what is read
    in one still holds when it writes. The connection must have `isolation_level=None`.
    """

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        """Make the engine.

        Args:
            connection: See `lend`.
        """
        self._connection = connection
        self.engine = sql.create_engine(
            "sqlite://", creator=self._give, poolclass=StaticPool, hide_parameters=True
        )
        sql.event.listen(self.engine, "begin", _begin)

    def lend(self, connection: sqlite3.Connection) -> sql.Engine:
        """The engine on this connection from now on."""
        self._connection = connection
        return self.engine

    def rehearse(self) -> None:
        """Write in memory what will be written to a file, so that all statements are compiled."""
        self.lend(sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None))
        METADATA.create_all(self.engine)
        event = Event(0, "rehearsal", utc_now(), "", "", 0, "record", "", 0, "{}")
        with self.engine.begin() as connection:
            add_events(connection, "", (event,), 0, 0)
        # This closes the connection; what was compiled stays.
        self.engine.dispose()

    def _give(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the connection is closed")
        return self._connection


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file, or run the migrations on an old one, in one transaction."""
    script = new_file_script()
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while this one waited.
        version = _version(connection)
        if version == 0:
            for statement in script:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    if 0 < version < SCHEMA_VERSION:
        with LentEngine(connection).engine.begin() as transaction:
            version = _version(connection)
            if version < SCHEMA_VERSION:
                upgrade(transaction, written_by_hand=version == 1)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
