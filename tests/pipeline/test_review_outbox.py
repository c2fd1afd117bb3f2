"""What a shared database cannot take waits on this machine: a double fails as told."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.commands import Commands
from pipeline.model.edits import Rename
from pipeline.model.problem import DataError
from pipeline.review.exchange import merge_store
from pipeline.review.location import outbox_place
from pipeline.review.sqlite_file import SqliteFile
from pipeline.review.store import ReviewStore
from tests.pipeline.shared_table import SHOWN, Server, open_outbox
from tests.pipeline.test_commands import Desk, verdict


@pytest.fixture(autouse=True, scope="module")
def _nobody_else_asks() -> object:
    """Tests refresh themselves, and a busy machine is no outage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.review.refresher.REFRESH_SECONDS", 1000)
        patch.setattr("pipeline.review.outbox.PATIENCE_SECONDS", 100)
        yield


def _rename(name: str) -> Rename:
    return Rename(subtask=0, object_name=name)


def _names(store: ReviewStore, episode: int = 0) -> list[str]:
    return [e.object_name for e in store.edits(episode) if isinstance(e, Rename)]


def test_an_outage_keeps_edits_here_and_they_go_when_it_ends(tmp_path: Path) -> None:
    server = Server()
    ada = open_outbox(server, tmp_path / "ada")
    ben = open_outbox(server, tmp_path / "ben", "ben")
    ada.append(0, _rename("cup"))
    assert not list(tmp_path.rglob("*.sqlite"))  # nothing had to wait
    server.fault = "down"
    event = ada.append(0, _rename("mug"))
    assert (event.id, event.clock > 0) == (0, True)
    assert ada.kept == f"kept on this machine, goes to {SHOWN} when it can be reached"
    assert _names(ada) == ["mug"]
    assert ada.undo(0) == _rename("mug")  # of what waits
    assert ada.undo(0) == _rename("cup")  # of what is there
    assert ada.redo(0) == _rename("cup")
    ada.record(0, 0, {"text": "x"})
    with pytest.raises(DataError, match="are down"):
        ada.refresh()
    assert len(server.rows) == 1
    server.fault = ""
    assert not ada.refresh()  # nothing of others
    assert (ada.kept, ada.gone) == (
        "",
        f"What was kept on this machine has gone to {SHOWN} (5 events).",
    )
    assert [e.kind for e in server.rows] == ["edit", "edit", "undo", "undo", "redo", "record"]
    assert [e.clock for e in server.rows] == sorted(e.clock for e in server.rows)
    assert ada.events() == tuple(server.rows)  # with their numbers there
    ben.refresh()
    assert ben.events() == ada.events()
    # and straight there again
    assert ada.append(0, _rename("pot")).id == 7
    ada.close()
    with pytest.raises(DataError, match="closed"):
        ada.append(0, _rename("late"))
    ben.close()


def test_what_waits_is_in_force_after_a_restart_without_the_database(tmp_path: Path) -> None:
    server = Server()
    store = open_outbox(server, tmp_path)
    store.append(0, _rename("cup"))
    server.fault = "down"
    store.append(0, _rename("mug"))
    store.append(1, _rename("pot"))
    # not closed: the process died
    again = open_outbox(server, tmp_path)
    assert "are down" in again.reason
    assert "kept on this machine" in again.reason
    assert _names(again) == ["mug"]
    assert again.can_undo(1) == "rename object to “pot”"
    assert again.undo(1) == _rename("pot")
    again.append(1, _rename("jar"))
    again.close()
    server.fault = ""
    third = open_outbox(server, tmp_path)
    assert third.kept == ""
    assert third.reason == f"Reviews are shared. {third.gone}"
    assert [e.kind for e in third.events()] == ["edit", "edit", "edit", "undo", "edit"]
    assert third.events() == tuple(server.rows)
    assert (_names(third, 0), _names(third, 1)) == (["mug"], ["jar"])
    third.close()
    fourth = open_outbox(server, tmp_path)
    assert fourth.gone == ""
    assert len(server.rows) == 5
    fourth.close()
    store.close()


def test_an_answer_that_is_lost_writes_nothing_twice(tmp_path: Path) -> None:
    server = Server()
    ada = open_outbox(server, tmp_path / "ada")
    server.fault = "mute"
    event = ada.append(0, _rename("cup"))
    assert event.id == 0
    assert len(server.rows) == 1
    assert ada.append(0, _rename("mug")).id == 0
    ada.refresh()  # reads, and its answer to what it sends is lost again
    assert [e.id for e in ada.events()] == [1, 0]
    server.fault = ""
    ada.refresh()
    ben = open_outbox(server, tmp_path / "ben", "ben")
    assert ada.events() == ben.events()
    assert [e.uuid for e in server.rows].count(event.uuid) == 1
    assert len(server.rows) == 2
    ada.close()
    ben.close()


def test_nobody_waits_twice_for_a_database_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.review.outbox.PATIENCE_SECONDS", 0.001)
    server = Server(hold=threading.Event())
    store = open_outbox(server, tmp_path)
    before = set(threading.enumerate())
    first = store.append(0, _rename("cup"))
    assert first.id == 0
    assert server.hold is not None
    late = [t for t in threading.enumerate() if t.name == "reviews-write" and t not in before]
    store.append(0, _rename("mug"))
    store.undo(0)
    assert server.asked == 1
    assert _names(store) == ["cup"]
    server.hold.set()  # the answer comes after all
    for thread in late:
        thread.join(100)
    assert [e.uuid for e in server.rows] == [first.uuid]
    store.refresh()
    assert store.kept == ""
    assert store.events() == tuple(sorted(server.rows, key=lambda e: e.order))
    assert [e.kind for e in store.events()] == ["edit", "edit", "undo"]
    store.close()


def test_a_database_that_is_full_is_still_read(tmp_path: Path) -> None:
    server = Server()
    ada = open_outbox(server, tmp_path / "ada")
    ben = open_outbox(server, tmp_path / "ben", "ben")
    ada.append(0, _rename("cup"))
    server.fault = "full"
    ben.append(1, _rename("mug"))
    assert ben.refresh()
    assert not ben.refresh()
    assert _names(ben) == ["cup"]
    assert ben.kept
    asked = server.asked
    ben.append(1, _rename("pot"))
    assert server.asked == asked  # straight to the file
    server.fault = ""
    ben.refresh()
    assert ben.kept == ""
    ada.refresh()
    assert _names(ada, 1) == ["pot"]
    ada.close()
    ben.close()


def test_a_disk_that_is_full_here_too_is_told_and_the_session_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(fault="down")
    store = open_outbox(server, tmp_path)
    desk = Desk(store)
    desk.open(0)
    assert SHOWN in desk.commands.do(verdict("first")).title

    def full(*_: object) -> None:
        raise DataError("store_not_writable", "The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteFile, "write", full)
        told = desk.commands.do(verdict("second"))
    assert told.warning == (
        "not saved, in force until you close: The reviews are down. The disk is full."
    )
    assert told.title == "caption accepted"
    assert desk.texts == ["second"]
    store.close()


def test_titles_say_where_edits_are_kept(tmp_path: Path) -> None:
    server = Server(fault="down")
    store = open_outbox(server, tmp_path)
    desk = Desk(store)
    desk.open(0)
    commands: Commands = desk.commands
    told = commands.do(verdict("first"))
    assert told.title == f"caption accepted ({store.kept})"
    assert told.warning == ""
    assert commands.save(verdict("again"))
    undone = commands.undo()
    assert undone is not None
    assert undone.title == f"undone: caption accepted ({store.kept})"
    server.fault = ""
    store.refresh()
    assert commands.do(verdict("first")).title == "caption accepted"
    store.close()


def test_what_lies_in_another_store_is_refused_and_not_kept(tmp_path: Path) -> None:
    server = Server(fault="down")
    ada = open_outbox(server, tmp_path / "ada")
    ada.append(0, _rename("cup"))
    ben = open_outbox(server, tmp_path / "ben", "ben")
    with pytest.raises(DataError, match="are down"):
        ben.merge(ada.events())
    assert ben.kept == ""
    server.fault = ""
    # by hand, e.g. when the machine never comes back to the network
    file = outbox_place("bottles", tmp_path / "ada").path
    assert merge_store(ben, file).added == 1
    ada.refresh()
    assert len(server.rows) == 1
    ada.close()
    ben.close()


def test_two_windows_share_what_waits(tmp_path: Path) -> None:
    server = Server(fault="down")
    one, two = open_outbox(server, tmp_path), open_outbox(server, tmp_path)
    one.append(0, _rename("cup"))
    with pytest.raises(DataError):
        two.refresh()
    assert _names(two) == ["cup"]
    assert two.kept
    two.append(0, _rename("mug"))
    server.fault = ""
    two.refresh()
    one.refresh()
    assert (one.kept, two.kept) == ("", "")
    assert one.events() == two.events() == tuple(server.rows)
    assert len(server.rows) == 2
    one.close()
    two.close()


def test_a_crash_before_it_is_noted_that_they_have_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(fault="down")
    store = open_outbox(server, tmp_path)
    store.append(0, _rename("cup"))

    def full(*_: object) -> None:
        raise DataError("store_not_writable", "The disk is full.")

    server.fault = ""
    with monkeypatch.context() as patch:
        patch.setattr(SqliteFile, "put_setting", full)
        store.refresh()
    assert store.kept == ""
    store.append(0, _rename("mug"))
    again = open_outbox(server, tmp_path)
    assert again.events() == store.events() == tuple(server.rows)
    assert [e.id for e in again.events()] == [1, 2]
    again.close()
    store.close()


def test_many_go_in_several_transactions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.review.outbox._AT_ONCE", 2)
    server = Server(fault="down")
    store = open_outbox(server, tmp_path)
    for name in "abcde":
        store.append(0, _rename(name))
    server.fault = ""
    asked = server.asked
    store.refresh()
    assert server.asked == asked + 3
    assert store.events() == tuple(server.rows)
    assert len(server.rows) == 5
    store.close()


ACTION = st.sampled_from(["edit", "edit", "undo", "redo", "refresh", "restart"])
FAULT = st.sampled_from(["", "down", "full", "mute"])
STEPS = st.lists(st.tuples(st.integers(0, 1), ACTION, FAULT), min_size=1, max_size=14)


@settings(max_examples=25)
@given(STEPS)
@example([(0, "edit", "mute"), (1, "edit", "down"), (0, "restart", "down"), (0, "undo", "down")])
@example([(0, "edit", "down"), (0, "refresh", "mute"), (0, "undo", "full"), (0, "restart", "mute")])
def test_whatever_fails_everything_is_there_once_and_in_one_order(
    steps: list[tuple[int, str, str]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, server, people = Path(name), Server(), ["ada", "ben"]
        stores = [open_outbox(server, folder / who, who) for who in people]
        reported: list[list[str]] = [[], []]
        for number, (person, action, fault) in enumerate(steps):
            server.fault = fault
            store, mine = stores[person], reported[person]
            known = {e.uuid for e in store.events()}
            match action:
                case "edit":
                    store.append(0, _rename(f"cup {number}"))
                case "undo":
                    store.undo(0)
                case "redo":
                    store.redo(0)
                case "refresh":
                    try:
                        store.refresh()
                    except DataError:
                        assert fault == "down"
                    continue
                case _:  # killed: nothing is closed in order
                    stores[person] = open_outbox(server, folder / people[person], people[person])
                    store.close()
                    there = {e.uuid for e in stores[person].events()}
                    waiting = set(mine) - {e.uuid for e in server.rows}
                    assert waiting <= there  # in force again, also without the database
                    continue
            mine += [e.uuid for e in store.events() if e.uuid not in known and e.who == store.who]
        server.fault = ""
        for store in stores * 2:
            store.refresh()
        uuids = [e.uuid for e in server.rows]
        assert sorted(uuids) == sorted(u for mine in reported for u in mine)
        ordered = tuple(sorted(server.rows, key=lambda e: e.order))
        assert len({e.order for e in ordered}) == len(ordered)
        for store, mine in zip(stores, reported, strict=True):
            assert store.kept == ""
            assert store.events() == ordered
            # what a person did is in the order in which it was done
            assert [e.uuid for e in ordered if e.who == store.who] == mine
            store.close()
