from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.model.edits import Rename
from pipeline.model.problem import DataError
from pipeline.review.location import sidecar
from pipeline.review.schema import SCHEMA_VERSION, new_file_script
from pipeline.review.sqlite_file import _READ
from pipeline.review.store import ReviewStore

ROOT = Path(__file__).resolve().parents[2]
FIRST_SCHEMA = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    dataset TEXT NOT NULL,
    episode INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('edit', 'undo', 'redo')),
    stage TEXT NOT NULL,
    subtask INTEGER NOT NULL,
    payload TEXT NOT NULL,
    refers_to TEXT NOT NULL DEFAULT ''
);
CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    at TEXT NOT NULL
);
"""
"""As the first Demoscope wrote it; here for ever, whatever the store becomes."""
NAMES = ["cup", "mug", "pot"]


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))
    folder = tmp_path / "100% sets" / "bottles"  # Alembic's configuration reads % its own way
    folder.mkdir(parents=True)
    return folder


def _rows(count: int = 0) -> list[tuple[str | int, ...]]:
    """Renames, the last one undone; times in which a clock was set back are among them."""
    times = ["2026-01-31T12:00:00.000+00:00", "2026-01-31T11:00:00.000+00:00", "garbage"]
    rows: list[tuple[str | int, ...]] = [
        (f"u{i}", times[i], "ada", "bottles", 0, "edit", "subtasks", 0, _payload(name), "")
        for i, name in enumerate(NAMES)
    ]
    rows += [
        (f"v{i}", times[0], "ben", "bottles", 7, "edit", "subtasks", i, _payload("lid"), "")
        for i in range(count)
    ]
    return [*rows, ("u3", times[0], "ada", "bottles", 0, "undo", "subtasks", 0, "", "u2")]


def _payload(name: str) -> str:
    return f'{{"kind":"rename","subtask":0,"object_name":"{name}","target_name":""}}'


def _write_first(path: Path, count: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript(FIRST_SCHEMA)
        raw.executemany(
            "INSERT INTO events (uuid, at, who, dataset, episode, kind, stage, subtask, payload, "
            "refers_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _rows(count),
        )
        raw.execute("INSERT INTO settings VALUES ('grippers', '[6]', 'then')")
        raw.execute("PRAGMA user_version = 1")


def _schema(path: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(path)) as raw:
        found = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in found}


def test_a_file_of_the_first_demoscope_is_adopted(dataset: Path) -> None:
    _write_first(sidecar(dataset))
    store = ReviewStore.open(dataset, who="ada")
    assert store.problems == ()
    events = store.events()
    assert [(e.uuid, e.at, e.payload, e.refers_to) for e in events] == [
        (r[0], r[1], r[8], r[9]) for r in _rows()
    ]
    assert [e.id for e in events] == [1, 2, 3, 4]
    assert [e.clock for e in events] == sorted({e.clock for e in events})  # they only rise
    assert events[0].clock == 1_769_860_800_000_000
    assert store.edits(0) == (Rename(subtask=0, object_name="mug"),)
    assert store.get_setting("grippers") == [6]
    assert store.redo(0) == Rename(subtask=0, object_name="pot")
    store.record(0, 0, {"text": "new in this version"})
    store.close()
    again = ReviewStore.open(dataset)
    assert len(again.events()) == 6
    again.close()


def test_every_copy_of_an_old_file_gets_the_same_clocks(dataset: Path, tmp_path: Path) -> None:
    _write_first(sidecar(dataset))
    copy = tmp_path / "elsewhere" / "bottles"
    copy.mkdir(parents=True)
    shutil.copytree(sidecar(dataset).parent, sidecar(copy).parent)
    here, there = ReviewStore.open(dataset), ReviewStore.open(copy)
    assert here.events() == there.events()
    report = here.merge(there.events())
    assert (report.added, report.known, report.altered) == (0, 4, ())
    here.close()
    there.close()


def test_old_and_new_files_have_the_same_schema(dataset: Path) -> None:
    _write_first(sidecar(dataset))
    ReviewStore.open(dataset).close()
    new = dataset.with_name("cups")
    new.mkdir()
    store = ReviewStore.open(new)
    store.append(0, Rename(subtask=0, object_name="cup"))
    store.close()
    old, made = _schema(sidecar(dataset)), _schema(sidecar(new))
    assert old == made
    assert set(made) == {
        *("events", "settings", "alembic_version", "sqlite_sequence", "ix_events_identity_id")
    }
    for path in (sidecar(dataset), sidecar(new)):
        with contextlib.closing(sqlite3.connect(path)) as raw:
            assert raw.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
            assert raw.execute("SELECT * FROM alembic_version").fetchall() == [
                (str(SCHEMA_VERSION),)
            ]
            assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_first_revision_is_the_schema_of_the_first_demoscope(tmp_path: Path) -> None:
    import sqlalchemy as sql
    from alembic import command

    from pipeline.review.schema import _config

    _write_first(tmp_path / "by hand")
    inspected = []
    for name, migrate in (("by hand", False), ("migrated", True)):
        engine = sql.create_engine(f"sqlite:///{tmp_path / name}")
        with engine.begin() as connection:
            if migrate:
                command.upgrade(_config(connection), "1")
            look = sql.inspect(connection)
            inspected.append(
                {
                    table: (
                        [{**c, "type": str(c["type"])} for c in look.get_columns(table)],
                        look.get_pk_constraint(table)["constrained_columns"],
                        [u["column_names"] for u in look.get_unique_constraints(table)],
                        [c["sqltext"] for c in look.get_check_constraints(table)],
                    )
                    for table in ("events", "settings")
                }
            )
        engine.dispose()
    for made in inspected:  # SQLite calls a primary key of text nullable unless it is said
        made["settings"][0][0]["nullable"] = made["settings"][0][0]["primary_key"] = None
        for column in made["events"][0]:
            column["default"] = column["default"] and str(column["default"]).strip("'")
            column.pop("autoincrement", None)
        made["events"][0][0]["nullable"] = None
    assert inspected[0] == inspected[1]


def test_the_tables_are_those_of_the_newest_revision(tmp_path: Path) -> None:
    import sqlalchemy as sql
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from pipeline.review.tables import METADATA, read_events

    engine = sql.create_engine("sqlite://")
    with engine.connect() as connection:
        for statement in new_file_script():
            connection.exec_driver_sql(statement)
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
        assert found == []
        # what is read without SQLAlchemy is what is read with it
        (seen,) = [
            c
            for c in _compiled(connection, read_events)
            if c.startswith("SELECT") and "FROM events" in c
        ]
        columns = seen.replace("events.", "").split(" FROM ")[0]
        assert columns == _READ.split(" FROM ")[0]
    engine.dispose()


def _compiled(connection: object, read: object) -> list[str]:
    import sqlalchemy as sql

    said: list[str] = []

    def listen(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(" ".join(statement.split()))

    sql.event.listen(connection, "before_cursor_execute", listen)
    read(connection, "", 0)  # type: ignore[operator]
    return said


def test_an_upgrade_that_fails_leaves_the_file_as_it_was(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_first(sidecar(dataset))
    before = _schema(sidecar(dataset))

    def fails(*_: object) -> int:
        raise OSError(28, "no space left")

    # the migration is read anew for every upgrade and takes the clock from here
    monkeypatch.setattr("pipeline.review.ordering.clock_of", fails)
    with pytest.raises(DataError) as caught:
        ReviewStore.open(dataset)
    assert caught.value.code == "store_not_writable"
    monkeypatch.undo()
    assert _schema(sidecar(dataset)) == before
    store = ReviewStore.open(dataset)
    assert len(store.events()) == 4
    store.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
@pytest.mark.parametrize("row", [1, 500, 1503])
def test_an_upgrade_that_is_killed_is_done_by_the_next_one(dataset: Path, row: int) -> None:
    _write_first(sidecar(dataset), count=1500)
    code = (
        "import os, signal, sys\n"
        "from pipeline.review import ordering\n"
        "from pipeline.review.store import ReviewStore\n"
        "inner, rows = ordering.clock_of, []\n"
        "def clock_of(at, latest):\n"
        "    rows.append(at)\n"
        "    if len(rows) == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return inner(at, latest)\n"
        "ordering.clock_of = clock_of\n"
        "ReviewStore.open(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(dataset), str(row)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    store = ReviewStore.open(dataset, who="ada")
    assert store.problems == ()
    assert len(store.events()) == 1504
    assert store.edits(0) == (Rename(subtask=0, object_name="mug"),)
    store.close()


def test_two_processes_that_upgrade_at_once_do_it_once(dataset: Path) -> None:
    _write_first(sidecar(dataset), count=300)
    code = (
        "import sys\n"
        "from pipeline.review import store\n"
        "from pipeline.review.schema import new_file_script\n"
        "store.BUSY_SECONDS = 60\n"  # how long it takes is a matter of the machine
        "new_file_script(); print('ready', flush=True); sys.stdin.readline()\n"
        "opened = store.ReviewStore.open(sys.argv[1])\n"
        "print(len(opened.events()), opened.problems)\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(dataset)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(2)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told = []
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        told.append(process.communicate(timeout=60)[0])
        assert process.returncode == 0
    assert told == ["304 ()\n"] * 2


def test_new_files_of_two_processes_become_one(dataset: Path) -> None:
    first, second = ReviewStore.open(dataset), ReviewStore.open(dataset)
    first.append(0, Rename(subtask=0, object_name="cup"))
    second.append(0, Rename(subtask=1, object_name="mug"))
    assert first.events() == second.events()
    assert len(first.events()) == 2
    first.close()
    second.close()


def test_migrations_are_part_of_the_package() -> None:
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        packages = tomllib.load(file)["tool"]["setuptools"]["packages"]
    for folder in ("pipeline/review/migrations", "pipeline/review/migrations/versions"):
        assert folder.replace("/", ".") in packages
        assert os.listdir(ROOT / folder)
