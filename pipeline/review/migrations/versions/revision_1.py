"""The schema of the first Demoscope, as it wrote it by hand: files that have it are adopted."""

from __future__ import annotations

import sqlalchemy as sql
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "events",
        sql.Column("id", sql.BigInteger().with_variant(sql.Integer(), "sqlite"), primary_key=True),
        sql.Column("uuid", sql.Text, nullable=False, unique=True),
        sql.Column("at", sql.Text, nullable=False),
        sql.Column("who", sql.Text, nullable=False),
        sql.Column("dataset", sql.Text, nullable=False),
        sql.Column("episode", sql.Integer, nullable=False),
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column("stage", sql.Text, nullable=False),
        sql.Column("subtask", sql.Integer, nullable=False),
        sql.Column("payload", sql.Text, nullable=False),
        sql.Column("refers_to", sql.Text, nullable=False, server_default=""),
        sql.CheckConstraint("kind IN ('edit', 'undo', 'redo')"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "settings",
        sql.Column("key", sql.Text, primary_key=True),
        sql.Column("value", sql.Text, nullable=False),
        sql.Column("at", sql.Text, nullable=False),
    )
