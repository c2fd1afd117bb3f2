"""A team's PostgreSQL goes away in the middle of a review, and people go on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import run
from pipeline.model.edits import Rename
from pipeline.review.dataset_identity import identity_key
from pipeline.review.location import outbox_place
from pipeline.review.saved import saved_edits
from pipeline.review.store import ReviewStore
from pipeline.review.team_address import configured_address
from pipeline.review.team_database import TeamDatabase
from tests.datasets import write_v2
from tests.postgres_server import PostgresServer, postgres_server, why_not

pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as found:
        yield found


@pytest.fixture
def dataset(
    server: PostgresServer,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """A dataset whose reviews are shared; the server runs again afterwards."""
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))
    server.share(request.node.name, monkeypatch)
    yield write_v2(tmp_path / "sets" / "bottles")
    if not server.is_running:
        server.start()


def _rename(name: str) -> Rename:
    return Rename(subtask=0, object_name=name)


# A person in a process of its own; every line that comes in is an edit, or lets it go on.
PERSON = """
import sys
from pipeline.model.edits import Rename
from pipeline.review.store import ReviewStore
from pipeline.review.team_address import configured_address
from pipeline.review.team_database import TeamDatabase
store = ReviewStore.open(sys.argv[1], who="ada")
print("open", flush=True)
for line in sys.stdin:
    if line == "undo\\n":
        store.undo(0)
    else:
        store.append(0, Rename(subtask=0, object_name=line.strip()))
    print("did", store.kept, flush=True)
"""


class Person:
    """Works until it is killed."""

    def __init__(self, dataset: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PERSON, str(dataset)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._told() == "open"

    def do(self, what: str) -> str:
        """An edit, or `undo`; where it is kept."""
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        did = self._told()
        assert did.startswith("did")
        return did.removeprefix("did").strip()

    def kill(self) -> None:
        """At once."""
        self._process.kill()
        self._process.communicate(timeout=100)

    def _told(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def test_killed_without_the_server_and_started_again_with_and_without_it(
    dataset: Path, server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    person = Person(dataset)
    assert person.do("cup") == ""
    server.stop()
    assert "kept on this machine, goes to" in person.do("mug")
    assert person.do("pot")
    person.kill()

    again = ReviewStore.open(dataset, who="ada")
    assert "kept on this machine" in again.reason
    assert [e.edit for e in again.events()] == [_rename("mug"), _rename("pot")]
    assert again.undo(0) == _rename("pot")
    again.append(0, _rename("jar"))
    assert again.edits(0)[-1] == _rename("jar")
    again.close()

    # Who wants to read all of them is told why not, and that nothing is lost.
    assert run(["reviews", "log", str(dataset)]) == 1
    refused = capsys.readouterr().err
    assert "cannot be opened: the connection is lost" in refused
    assert "kept on this machine" in refused

    server.start()
    assert run(["reviews", "log", str(dataset)]) == 0
    told = capsys.readouterr()
    assert "has gone to" in told.err
    assert "(4 events)" in told.err
    lines = [line.split(": ", 1)[1] for line in told.out.splitlines()]
    assert [line.split(" of ")[0] for line in lines] == [
        "rename object to “cup”",
        "rename object to “mug”",
        "rename object to “pot”",
        "undo",
        "rename object to “jar”",
    ]
    assert run(["reviews", "log", str(dataset)]) == 0
    assert "has gone to" not in capsys.readouterr().err
    assert saved_edits(dataset, [0]) == {0: (_rename("jar"),)}
    third = ReviewStore.open(dataset, who="ada")
    assert len({e.uuid for e in third.events()}) == len(third.events()) == 5
    assert third.undo(0) == _rename("jar")
    assert third.edits(0) == (_rename("mug"),)
    third.close()


def test_two_people_wait_for_the_same_database(
    dataset: Path, server: PostgresServer, tmp_path: Path
) -> None:
    people = {
        who: ReviewStore.open(dataset, who=who, data_dir=tmp_path / who) for who in ("ada", "ben")
    }
    ada, ben = people.values()
    ada.append(0, _rename("cup"))
    ben.refresh()
    server.stop()
    for name in ("mug", "pot"):
        for who, store in people.items():
            store.append(0, _rename(f"{name} of {who}"))
    assert ben.undo(0) == _rename("pot of ben")
    assert ada.kept
    assert ben.kept
    server.start()
    for store in (ben, ada, ben):
        store.refresh()
    names = [e.edit.object_name for e in ada.events() if isinstance(e.edit, Rename)]
    assert names == ["cup", "mug of ada", "mug of ben", "pot of ada", "pot of ben"]
    assert ada.events() == ben.events()
    assert all(e.id for e in ada.events())
    assert ada.edits(0) == ben.edits(0) == (_rename("pot of ada"),)
    assert ada.kept == ben.kept == ""
    assert outbox_place(identity_key(dataset), tmp_path / "ada").path.exists()
    for store in people.values():
        store.close()


def test_it_goes_by_itself_once_the_server_is_back(
    dataset: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.review.refresher.REFRESH_SECONDS", 0.05)
    server.stop()
    store = ReviewStore.open(dataset, who="ada")  # the tables are not even made
    store.append(0, _rename("cup"))
    assert store.kept
    server.start()
    gone = threading.Event()
    refresh = store.refresh

    def listening() -> bool:
        found = refresh()
        if store.gone:
            gone.set()
        return found

    assert store._refresher is not None
    monkeypatch.setattr(store._refresher, "_refresh", listening)
    assert gone.wait(200)
    assert store.kept == ""
    assert [e.id for e in store.events()] == [1]
    assert store.append(0, _rename("mug")).id == 2
    store.close()


def test_a_person_does_not_wait_for_another_one(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ben's transaction stands still, and ada's edits with it."""
    monkeypatch.setattr("pipeline.review.outbox.PATIENCE_SECONDS", 0.01)
    address, key = configured_address(), identity_key(dataset)
    ada = ReviewStore.open(dataset, who="ada")
    ben = TeamDatabase(dataset, address, key, None)
    assert ben.read(0) == []
    with ben._engine.begin() as holding:
        ben._keep_writers_out(holding)
        assert ada.append(0, _rename("cup")).id == 0
        (late,) = (t for t in threading.enumerate() if t.name == "reviews-write")
        assert ada.append(0, _rename("mug")).id == 0
        assert ada.undo(0) == _rename("mug")
        assert ada.kept
    late.join(100)  # it is written after all, once ben is through
    assert [e.uuid for e in ben.read(0)] == [ada.events()[0].uuid]
    ada.refresh()
    assert ada.kept == ""
    assert [e.kind for e in ada.events()] == ["edit", "edit", "undo"]
    assert sorted(ben.read(0), key=lambda e: e.order) == list(ada.events())
    ben.close()
    ada.close()
