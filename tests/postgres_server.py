"""A PostgreSQL server of its own for tests, from the distribution's package."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.review.location import DATABASE_VARIABLE

USER = "reviewer"
PASSWORD = "s3cret/of a@team"  # noqa: S105 - of a server that lives as long as the test
PACKAGE = "postgresql"


def programs() -> Path | None:
    """Folder of initdb and pg_ctl: on the path, or where Debian keeps the newest version."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    places = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(places, key=lambda p: float(p.parts[-3]), default=None)
    return None if newest is None else newest.parent


def why_not() -> str:
    """Why no server can be started here; empty if one can."""
    if programs() is None:
        return f"PostgreSQL is not installed (Debian: {PACKAGE})"
    if os.geteuid() == 0 and _other_user() is None:
        return "PostgreSQL refuses to run as root, and there is no other user"
    return ""


@dataclass(frozen=True)
class PostgresServer:
    """A server that runs.

    Attributes:
        folder: Its data.
        port: On 127.0.0.1.
    """

    folder: Path
    port: int

    def url(self, database: str, password: str = "") -> str:
        """Address for SQLAlchemy."""
        from sqlalchemy.engine import URL

        url = URL.create(
            "postgresql+psycopg", USER, password or None, "127.0.0.1", self.port, database
        )
        return url.render_as_string(hide_password=False)

    def create(self, database: str) -> str:
        """Make a database; its address without password."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)

    def share(self, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
        """Make the team's database and set it; its password is where libpq looks for it.

        Returns:
            Its address, without password.
        """
        url = self.create(name[:60])
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        monkeypatch.setenv(DATABASE_VARIABLE, url)
        # How long an answer takes is a matter of the machine.
        for setting in (
            "team_database.CONNECT_SECONDS",
            "team_database.ANSWER_SECONDS",
            "team_database.BUSY_SECONDS",
            "outbox.PATIENCE_SECONDS",
        ):
            monkeypatch.setattr(f"pipeline.review.{setting}", 100)
        # Nobody but the test asks, unless it says so.
        monkeypatch.setattr("pipeline.review.refresher.REFRESH_SECONDS", 1000)
        return url

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        # Nothing here outlives the test, so nothing needs to reach a disk.
        self._control("start", "-o", f"{options} -c fsync=off", "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """Stop it at once; connections are lost."""
        self._control("stop", "-m", "immediate")

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return (self.folder / "data" / "postmaster.pid").exists()

    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text("utf-8")

    def _control(self, *words: str) -> None:
        _run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "200", *words)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server that asks for a password; everything of it is gone afterwards."""
    # Not below pytest's folder: that belongs to us alone, and the server may run as another user.
    folder = Path(tempfile.mkdtemp(prefix="demoscope-postgres-"))
    try:
        user = _other_user() if os.geteuid() == 0 else None
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        secret = folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o644)
        _run(
            "initdb",
            *("-D", str(folder / "data"), "-U", USER, "-A", "scram-sha-256"),
            *(f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync"),
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = PostgresServer(folder, port)
        server.start()
        try:
            yield server
        finally:
            if server.is_running:
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _other_user() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _run(program: str, *words: str) -> None:
    place = programs()
    assert place is not None
    user = _other_user() if os.geteuid() == 0 else None
    # The server inherits our descriptors: it must hold neither pytest's nor a pipe.
    subprocess.run(
        [place / program, *words],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        timeout=250,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
    )
