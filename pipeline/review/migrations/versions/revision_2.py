"""Records, the clock that orders events of several stores, and several datasets in a database.

Tables are made anew and filled: SQLite cannot change a constraint of one that is there.
"""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

from pipeline.review.ordering import clock_of

revision = "2"
down_revision = "1"

_KEPT = "uuid, at, who, dataset, episode, kind, stage, subtask, payload, refers_to"
_BATCH = 1000


def upgrade() -> None:
    """Make the new tables, copy every row, drop the old ones."""
    connection = op.get_bind()
    op.rename_table("events", "events_1")
    op.rename_table("settings", "settings_1")
    events = op.create_table(
        "events",
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
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_identity_id", "events", ["identity", "id"])
    op.create_table(
        "settings",
        sql.Column("identity", sql.Text, primary_key=True, server_default=""),
        sql.Column("key", sql.Text, primary_key=True),
        sql.Column("value", sql.Text, nullable=False),
        sql.Column("at", sql.Text, nullable=False),
    )
    # the columns are constants of this module
    found = connection.execute(sql.text(f"SELECT {_KEPT} FROM events_1 ORDER BY id"))  # noqa: S608
    clock = 0
    while rows := found.fetchmany(_BATCH):
        new = []
        for row in rows:
            # The order of writing was the order: clocks only rise.
            clock = clock_of(row.at, clock)
            new.append(dict(row._mapping) | {"clock": clock})
        connection.execute(events.insert(), new)
    op.execute(
        "INSERT INTO settings (identity, key, value, at) SELECT '', key, value, at FROM settings_1"
    )
    op.drop_table("events_1")
    op.drop_table("settings_1")
