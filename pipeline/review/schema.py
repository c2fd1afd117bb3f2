"""Brings a store to the schema of this version, by the migrations beside this module."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
"""Newest revision. SQLite files carry it as `user_version`, too, so that looking at one needs no
library, and so that a Demoscope from before the migrations refuses what it does not know."""
_FIRST = 1
"""What the first Demoscope wrote, without a table of Alembic's."""


def upgrade(connection: Connection, written_by_hand: bool = False) -> None:
    """Bring a store to `SCHEMA_VERSION`.

    Args:
        connection: In a transaction that keeps others out; the caller commits it.
        written_by_hand: It has the schema of revision 1 and does not say so yet.
    """
    # lazy: some 150 ms, and only a store that is new or old needs it
    from alembic import command

    config = _config(connection)
    if written_by_hand:
        command.stamp(config, str(_FIRST))
    command.upgrade(config, str(SCHEMA_VERSION))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    log.info("the reviews have the schema of revision %d", SCHEMA_VERSION)


def written_version(connection: Connection) -> int | None:
    """Revision that Alembic noted in a database, None if it holds no reviews yet."""
    import sqlalchemy as sql

    if not sql.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sql.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else int(str(found)) if str(found).isdecimal() else 1 << 31


@lru_cache(maxsize=1)
def new_file_script() -> tuple[str, ...]:
    """Statements that make a new SQLite store, found by running the migrations in memory.

    So a new file costs its tables only, milliseconds, once this was asked in the background.
    """
    import sqlalchemy as sql

    engine = sql.create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        tables = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
            "ORDER BY rootpage"
        )
        made = [str(row[0]) for row in tables]
    engine.dispose()
    return (
        *made,
        f"INSERT INTO alembic_version (version_num) VALUES ('{SCHEMA_VERSION}')",  # noqa: S608
        f"PRAGMA user_version = {SCHEMA_VERSION}",
    )


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    # The configuration would read a % as the begin of a placeholder.
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
