"""The tables of the store for SQLAlchemy Core, and every statement that changes them.

SQLite and PostgreSQL have the same tables. They are made and changed by the migrations beside this
module, never from here. Import this module late: SQLAlchemy costs some 200 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.model.authorship import utc_now
from pipeline.review.events import Event
from pipeline.review.ordering import stamped

METADATA = sql.MetaData()

EVENTS = sql.Table(
    "events",
    METADATA,
    # SQLite numbers rows by itself only where the type is INTEGER.
    sql.Column("id", sql.BigInteger().with_variant(sql.Integer(), "sqlite"), primary_key=True),
    sql.Column("identity", sql.Text, nullable=False, server_default=""),
    sql.Column("uuid", sql.Text, nullable=False),
    sql.Column("clock", sql.BigInteger, nullable=False, server_default="0"),
    sql.Column("at", sql.Text, nullable=False),
    sql.Column("who", sql.Text, nullable=False),
    sql.Column("dataset", sql.Text, nullable=False),
    sql.Column("episode", sql.Integer, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("stage", sql.Text, nullable=False),
    sql.Column("subtask", sql.Integer, nullable=False),
    sql.Column("payload", sql.Text, nullable=False),
    sql.Column("refers_to", sql.Text, nullable=False, server_default=""),
    sql.CheckConstraint("kind IN ('edit', 'undo', 'redo', 'record')", name="ck_events_kind"),
    sql.UniqueConstraint("identity", "uuid", name="uq_events_identity_uuid"),
    sql.Index("ix_events_identity_id", "identity", "id"),
    sqlite_autoincrement=True,
)
"""One row per event. `identity` says whose dataset it is filed under; a local file is one
dataset's, and leaves it empty."""

SETTINGS = sql.Table(
    "settings",
    METADATA,
    sql.Column("identity", sql.Text, primary_key=True, server_default=""),
    sql.Column("key", sql.Text, primary_key=True),
    sql.Column("value", sql.Text, nullable=False),
    sql.Column("at", sql.Text, nullable=False),
)

_COLUMNS = tuple(EVENTS.c[name] for name in Event.__dataclass_fields__)


def read_events(connection: sql.Connection, identity: str, after: int) -> list[Event]:
    """Events of a dataset that were written after event number `after`, in order of writing."""
    query = (
        sql.select(*_COLUMNS)
        .where(EVENTS.c.identity == identity, EVENTS.c.id > after)
        .order_by(EVENTS.c.id)
    )
    return [Event(*row) for row in connection.execute(query)]


def add_events(
    connection: sql.Connection, identity: str, events: Iterable[Event], after: int, latest: int
) -> list[Event]:
    """Write events that are not there yet, with a clock if they have none.

    The transaction must keep other writers of the dataset out, so that numbers become visible in
    their order and every clock is later than all before it.

    Args:
        connection: In a transaction.
        identity: Dataset under which they are filed.
        events: What to write.
        after: Number of the last event that the caller knows.
        latest: Latest clock that the caller knows.

    Returns:
        All events that were written after `after`, these among them.
    """
    latest = max([latest, *(e.clock for e in read_events(connection, identity, after))])
    rows = []
    for event in stamped(events, latest):
        row: dict[str, Any] = {c.name: getattr(event, c.name) for c in _COLUMNS}
        del row["id"]
        rows.append(row | {"identity": identity})
    if rows:
        statement = _insert(connection, EVENTS).on_conflict_do_nothing(
            index_elements=["identity", "uuid"]
        )
        connection.execute(statement, rows)
    return read_events(connection, identity, after)


def read_setting(connection: sql.Connection, identity: str, key: str) -> str | None:
    """The value of a setting as JSON, None if it was never set."""
    query = sql.select(SETTINGS.c.value).where(
        SETTINGS.c.identity == identity, SETTINGS.c.key == key
    )
    row = connection.execute(query).first()
    return None if row is None else str(row[0])


def write_setting(connection: sql.Connection, identity: str, key: str, value: str) -> None:
    """Set the value of a setting, JSON."""
    statement = _insert(connection, SETTINGS).values(
        identity=identity, key=key, value=value, at=utc_now()
    )
    new: Sequence[str] = ("value", "at")
    statement = statement.on_conflict_do_update(
        index_elements=["identity", "key"], set_={n: statement.excluded[n] for n in new}
    )
    connection.execute(statement)


def _insert(connection: sql.Connection, table: sql.Table) -> sqlite.Insert | postgresql.Insert:
    """`INSERT` that may say what happens to rows that are there; each dialect has its own."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
