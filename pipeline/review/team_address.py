"""Where the team's database is: one setting, and a password that never shows."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.model.problem import DataError
from pipeline.review.location import DATABASE_VARIABLE

if TYPE_CHECKING:
    from sqlalchemy import URL

log = logging.getLogger(__name__)

KEYRING_SERVICE = "demoscope"
"""Name of the service in the system's keyring; the user name is `reviews`."""
_KEYRING_USER = "reviews"
_MASK = "[password]"


@dataclass(frozen=True, slots=True)
class TeamAddress:
    """A database.

    Attributes:
        url: For SQLAlchemy; without password if libpq shall find it (PGPASSWORD, ~/.pgpass).
        shown: For people: user, server and name, no password.
        secrets: Passwords that are known here: libpq takes them as parameters, too.
    """

    url: URL = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def scrub(self, text: str) -> str:
        """Return `text` on one line with the password masked, however it may be spelled."""
        secrets = {*self.secrets, os.environ.get("PGPASSWORD", "")} - {""}
        for secret in secrets:
            for form in (secret, quote(secret, safe="")):
                text = text.replace(form, _MASK)
        return " ".join(text.split())


def configured_address() -> TeamAddress:
    """The database that DEMOSCOPE_REVIEW_DATABASE names.

    Raises:
        DataError: `no_team_database` if it cannot be one; the sentence does not repeat it.
    """
    return address_of(os.environ.get(DATABASE_VARIABLE, "").strip())


def address_of(text: str) -> TeamAddress:
    """Read an SQLAlchemy URL.

    Raises:
        DataError: `no_team_database`.
    """
    # lazy: only a team has it
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    example = "postgresql+psycopg://ada@server/reviews"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not repeated, nor chained: a password may be in it.
        raise DataError(
            "no_team_database", f"{DATABASE_VARIABLE} is no address of a database: {example} is."
        ) from None
    if url.get_backend_name() != "postgresql":
        raise DataError(
            "no_team_database",
            f"{DATABASE_VARIABLE} names a database of {url.get_backend_name()}; reviews are shared "
            f"in PostgreSQL, e.g. {example}.",
        )
    if importlib.util.find_spec("psycopg") is None:
        raise DataError(
            "no_team_database",
            f"{DATABASE_VARIABLE} is set, but psycopg is not installed: pip install "
            "“demoscope[team]”.",
        )
    password = str(url.password or "")
    given = tuple(v for n in ("password", "sslpassword") for v in _values(url.query.get(n, ())))
    if not password and not given and not os.environ.get("PGPASSWORD"):
        password = _from_keyring()
    url = url.set(drivername="postgresql+psycopg", password=password or None)
    server = url.host or str(url.query.get("host", "")) or "this machine"
    port = f":{url.port}" if url.port else ""
    shown = f"{url.database or url.username or 'the database'} on {server}{port}"
    return TeamAddress(url, shown, (password, *given))


def _values(found: str | tuple[str, ...]) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else found


def _from_keyring() -> str:
    """The password in the system's keyring, empty if there is none."""
    if importlib.util.find_spec("keyring") is None:
        return ""
    keyring: Any = importlib.import_module("keyring")
    errors: Any = importlib.import_module("keyring.errors")
    try:
        return keyring.get_password(KEYRING_SERVICE, _KEYRING_USER) or ""
    except errors.KeyringError as error:
        log.info("the keyring cannot be read: %s", type(error).__name__)
        return ""
