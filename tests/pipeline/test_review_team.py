"""Reviews shared in a PostgreSQL that the tests start themselves."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from pipeline.model.caption import Verdict
from pipeline.model.edits import JudgeCaption, Rename
from pipeline.model.problem import DataError
from pipeline.review.dataset_identity import DATASET_VARIABLE, identity_key, readable_name
from pipeline.review.events import Event
from pipeline.review.exchange import export_jsonl, merge_store
from pipeline.review.location import DATABASE_VARIABLE
from pipeline.review.saved import saved_edits, saved_reviews
from pipeline.review.store import ReviewStore
from pipeline.review.team_address import address_of, configured_address
from pipeline.review.team_database import TeamDatabase
from tests.postgres_server import PASSWORD, PostgresServer, postgres_server, why_not

pytest.importorskip("psycopg")
needs_server = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as found:
        yield found


@pytest.fixture
def database(
    server: PostgresServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> str:
    return server.share(request.node.name, monkeypatch)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))
    folder = tmp_path / "sets" / "bottles"
    folder.mkdir(parents=True)
    return folder


def _rename(name: str, subtask: int = 0) -> Rename:
    return Rename(subtask=subtask, object_name=name)


def _team(store: ReviewStore) -> TeamDatabase:
    """The database behind a store's outbox."""
    found = store._table._table  # type: ignore[attr-defined]
    assert isinstance(found, TeamDatabase)
    return found


def _judge(verdict: Verdict) -> JudgeCaption:
    return JudgeCaption(subtask=0, verdict=verdict, draft="a", text="b")


@needs_server
def test_people_on_two_machines_share_reviews(dataset: Path, database: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other machine" / "bottles"
    elsewhere.mkdir(parents=True)
    ada, ben = ReviewStore.open(dataset, who="ada"), ReviewStore.open(elsewhere, who="ben")
    event = ada.append(0, _rename("cup"))
    assert (event.id, event.who, event.dataset, event.kind) == (1, "ada", "bottles", "edit")
    assert ada.is_shared
    assert ben.refresh()
    assert ben.edits(0) == (_rename("cup"),)
    assert ben.can_undo(0) is None  # it is hers
    # what somebody does follows what others did, even if they have not looked yet
    ben.append(0, _rename("mug"))
    ada.append(0, _rename("pot"))
    ben.record(0, 0, {"text": "a mug", "cost": 0.5})
    ada.refresh()
    ben.refresh()
    assert ada.events() == ben.events()
    assert [e.who for e in ada.events()] == ["ada", "ben", "ada", "ben"]
    assert ben.undo(0) == _rename("mug")
    ada.refresh()
    assert ada.edits(0) == (_rename("pot"),)
    assert ben.redo(0) == _rename("mug")
    ada.put_setting("grippers", {"left": [6]})
    assert ben.get_setting("grippers") == {"left": [6]}
    ada.close()
    ben.close()
    with pytest.raises(DataError, match="closed"):
        ada.append(0, _rename("late"))
    again = ReviewStore.open(dataset, who="ada")
    assert again.edits(0) == (_rename("mug"),)
    assert again.undo(0) == _rename("pot")  # across restarts
    again.close()
    assert not list(tmp_path.rglob("review.sqlite"))
    assert saved_edits(dataset, [0, 1]) == {0: (_rename("mug"),)}
    with saved_reviews(dataset.with_name("others")) as none:
        assert none is None


@needs_server
def test_datasets_are_told_apart(
    dataset: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataset.with_name("cups")
    one, two = ReviewStore.open(dataset), ReviewStore.open(other)
    one.append(0, _rename("cup"))
    two.append(0, _rename("mug"))
    two.put_setting("x", 2)
    one.refresh()
    assert one.edits(0) == (_rename("cup"),)
    assert two.edits(0) == (_rename("mug"),)
    assert one.get_setting("x") is None
    one.close()
    two.close()
    monkeypatch.setenv(DATASET_VARIABLE, "bottles")
    renamed = ReviewStore.open(other)
    assert renamed.edits(0) == (_rename("cup"),)
    assert "as “bottles”" in renamed.reason
    renamed.close()


@needs_server
def test_many_write_at_once_and_nobody_misses_an_event(dataset: Path, database: str) -> None:
    with ThreadPoolExecutor(4) as pool:  # the database is empty: one of them makes the tables
        people = list(pool.map(lambda i: ReviewStore.open(dataset, who=f"p{i}"), range(4)))
    failures: list[DataError] = []

    def work(store: ReviewStore) -> None:
        try:
            for i in range(15):
                store.append(i % 3, _rename(f"{store.who} {i}"))
                store.refresh()
        except DataError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(p,)) for p in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for store in people:
        store.refresh()
    assert len(people[0].events()) == 60
    assert {p.events() for p in people} == {people[0].events()}
    for store in people:
        store.close()


@needs_server
def test_the_database_has_the_schema_of_the_file(dataset: Path, database: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from pipeline.review.tables import METADATA

    store = ReviewStore.open(dataset)
    with _team(store)._engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "100s"
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    store.close()


@needs_server
def test_a_local_file_joins_the_team(
    dataset: Path, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(DATABASE_VARIABLE)
    local = ReviewStore.open(dataset, who="ada")
    local.append(0, _judge(Verdict.ACCEPTED))
    local.append(1, _rename("cup"))
    local.undo(1)
    local.close()
    monkeypatch.setenv(DATABASE_VARIABLE, database)
    team = ReviewStore.open(dataset, who="ben")
    assert str(local.location) in team.reason
    team.append(0, _judge(Verdict.REJECTED))
    report = merge_store(team, local.location)
    assert (report.added, report.known) == (3, 0)
    (conflict,) = report.conflicts
    assert {e.who for e in conflict.verdicts} == {"ada", "ben"}
    again = merge_store(team, dataset)
    assert (again.added, again.known, again.altered) == (0, 3, ())
    export_jsonl(team.events(), tmp_path / "all.jsonl")
    monkeypatch.delenv(DATABASE_VARIABLE)
    local = ReviewStore.open(dataset, who="ada")
    assert merge_store(local, tmp_path / "all.jsonl").added == 1
    assert [_content(e) for e in local.events()] == [_content(e) for e in team.events()]
    local.close()
    team.close()


def _content(event: Event) -> tuple[object, ...]:
    return (event.uuid, event.clock, event.at, event.who, event.kind, event.payload)


@needs_server
def test_a_lost_connection_is_one_sentence_and_loses_nothing(
    dataset: Path, database: str, server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = ReviewStore.open(dataset, who="ada")
    store.append(0, _rename("cup"))
    server.stop()
    try:
        with pytest.raises(DataError, match="the connection is lost") as caught:
            store.refresh()
        assert caught.value.code == "store_not_writable"
        assert str(caught.value).count(". ") == 0
        assert store.edits(0) == (_rename("cup"),)  # what was known stays readable
        assert store.can_undo(0) == "rename object to “cup”"
        with pytest.raises(DataError, match="the connection is lost"), saved_reviews(dataset):
            pass  # who needs all of them is not given a part
    finally:
        server.start()
    store.refresh()
    store.append(0, _rename("mug"))  # it comes back by itself
    assert store.edits(0) == (_rename("mug"),)
    assert not store.kept
    store.close()
    with saved_reviews(dataset) as saved:
        assert saved is not None
        assert len(saved.events()) == 2
    assert PASSWORD not in caplog.text


@needs_server
def test_a_connection_that_dies_in_the_middle_is_made_again(
    dataset: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlalchemy as sql

    import pipeline.review.tables as tables

    store = ReviewStore.open(dataset)
    add, died = tables.add_events, []

    def dies(connection: sql.Connection, *rest: object) -> list[Event]:
        if not died:
            died.append(connection.execute(sql.text("SELECT pg_backend_pid()")).scalar())
            killer = ReviewStore.open(dataset)
            with _team(killer)._engine.begin() as other:
                other.execute(sql.text("SELECT pg_terminate_backend(:p)"), {"p": died[0]})
            killer.close()
        return add(connection, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(tables, "add_events", dies)
    store.append(0, _rename("cup"))
    assert died
    assert store.edits(0) == (_rename("cup"),)
    assert len(store.events()) == 1
    store.close()


@needs_server
def test_a_busy_and_a_newer_database_say_so(
    dataset: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    import sqlalchemy as sql

    caplog.set_level(logging.INFO)
    monkeypatch.setattr("pipeline.review.team_database.BUSY_SECONDS", 0.05)
    # what the address says wins
    monkeypatch.setenv(DATABASE_VARIABLE, database + "?options=-c%20work_mem%3D777kB")
    store, other = ReviewStore.open(dataset), ReviewStore.open(dataset)
    team = _team(other)
    with team._engine.begin() as holding:
        assert holding.exec_driver_sql("SHOW work_mem").scalar() == "777kB"
        team._keep_writers_out(holding)
        assert store.append(0, _rename("cup")).id == 0
        # Reading is not kept waiting; what waits goes on waiting.
        assert not store.refresh()
        assert store.kept
        assert "another person is writing" in caplog.text
    assert not store.refresh()
    assert not store.kept
    assert [e.id > 0 for e in store.events()] == [True]
    store.close()
    with team._engine.begin() as writing:
        writing.execute(sql.text("UPDATE alembic_version SET version_num = '9'"))
    other.close()
    with pytest.raises(DataError, match="newer Demoscope") as caught:
        ReviewStore.open(dataset)
    assert caught.value.code == "store_newer"


@needs_server
def test_the_password_is_in_no_log_and_no_sentence(
    dataset: Path,
    server: PostgresServer,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv("PGPASSWORD")
    said = []
    name = database.rsplit("/", 1)[1]
    for url in (
        server.url(name, PASSWORD),
        server.url(name, PASSWORD + "wrong"),
        server.url("nowhere", PASSWORD),
        server.url(name, PASSWORD).replace(str(server.port), "1"),
        f"postgresql://{PASSWORD}@[",
        f"mysql://ada:{PASSWORD}@host/db",
        database,
    ):
        monkeypatch.setenv(DATABASE_VARIABLE, url)
        try:
            store = ReviewStore.open(dataset, who="ada", offline=False)
        except DataError as error:
            said.append(f"{error} {error.__cause__!r} {error.__context__!r}")
        else:
            store.append(0, _rename("cup"))
            said += [store.reason, repr(store.events()), repr(configured_address())]
            export_jsonl(store.events(), tmp_path / "all.jsonl")
            store.close()
    assert len(said) == 9
    said += [caplog.text, server.log()]
    said += [p.read_text("utf-8", errors="replace") for p in tmp_path.rglob("*") if p.is_file()]
    told = "\n".join(said)
    assert "password authentication failed" in told
    assert 'database "nowhere" does not exist' in told
    for form in (PASSWORD, quote(PASSWORD, safe="")):
        assert form not in told


@needs_server
def test_a_password_may_lie_in_the_keyring(
    dataset: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setattr("pipeline.review.team_address._from_keyring", lambda: PASSWORD)
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    store.close()


@needs_server
def test_the_window_hears_of_others_by_itself(
    dataset: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = threading.Event()
    refresh = ReviewStore.refresh

    def listening(store: ReviewStore) -> bool:
        found = refresh(store)
        if found:
            came.set()
        return found

    monkeypatch.setattr(ReviewStore, "refresh", listening)
    monkeypatch.setattr("pipeline.review.refresher.REFRESH_SECONDS", 0.01)
    ada, ben = ReviewStore.open(dataset, who="ada"), ReviewStore.open(dataset, who="ben")
    ada.append(0, _rename("cup"))
    assert came.wait(200)
    assert ben.edits(0) == (_rename("cup"),)
    ada.close()
    ben.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "is no address of a database"),
        ("sqlite:///x.sqlite", "reviews are shared in PostgreSQL"),
        ("postgresql://ada@host:port/db", "is no address of a database"),
    ],
)
def test_what_is_no_team_database_is_refused(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, url: str, says: str
) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, url)
    with pytest.raises(DataError, match=says) as caught:
        ReviewStore.open(dataset)
    assert caught.value.code == "no_team_database"


def test_a_password_among_the_parameters_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    asked: list[bool] = []
    monkeypatch.setattr(
        "pipeline.review.team_address._from_keyring", lambda: asked.append(True) or ""
    )
    query = f"password={quote(PASSWORD)}&sslpassword=my-own-key"
    address = address_of(f"postgresql://ada@host/reviews?{query}")
    for words in (repr(address), address.shown, address.scrub(f"a {PASSWORD} b my-own-key")):
        assert PASSWORD not in words
        assert "my-own-key" not in words
    assert not asked


def test_identity_is_that_of_the_dataset_and_not_of_the_machine(tmp_path: Path) -> None:
    info = {"robot_type": "g1", "fps": 30, "total_episodes": 3, "features": {"a": {"shape": [2]}}}
    first = {"episode_index": 0, "tasks": ["pick"], "length": 70}

    def write(root: Path, **changes: object) -> Path:
        (root / "meta").mkdir(parents=True)
        (root / "meta" / "info.json").write_text(json.dumps(info | changes))
        (root / "meta" / "episodes.jsonl").write_text(json.dumps(first) + "\n{}\n")
        return root

    here = write(tmp_path / "a" / "data")
    grown = write(tmp_path / "b" / "data", total_episodes=9, codebase_version="v2.1")
    other = write(tmp_path / "c" / "data", robot_type="so100")
    assert identity_key(here) == identity_key(grown)
    assert identity_key(here).startswith("data-")
    assert identity_key(here) != identity_key(other)
    cached = tmp_path / "datasets--lerobot--pusht" / "snapshots" / ("0" * 40)
    assert identity_key(cached) == readable_name(cached) == "lerobot/pusht"
    (other / "meta" / "info.json").write_bytes(b"[" * 100_000)
    assert identity_key(other) == "data"
