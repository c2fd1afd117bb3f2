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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.model.caption import Verdict
from pipeline.model.edits import Edit, JudgeCaption, MoveBoundary, Rename, SetChannels, in_force
from pipeline.model.problem import DataError
from pipeline.review.events import Event, Reviewed, episode_of, replay
from pipeline.review.location import on_network, sidecar
from pipeline.review.sqlite_file import SqliteFile
from pipeline.review.store import ReviewStore

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))
    folder = tmp_path / "sets" / "bottles"
    folder.mkdir(parents=True)
    return folder


def _rename(name: str, subtask: int = 0) -> Rename:
    return Rename(subtask=subtask, object_name=name)


def _judge(verdict: Verdict, subtask: int = 0) -> JudgeCaption:
    return JudgeCaption(subtask=subtask, verdict=verdict, draft="a", text="b")


CHANNELS = SetChannels(arm="left", signal="state", indices=(6,), closed_is="low")


def test_looking_leaves_nothing_behind(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    assert store.edits(0) == ()
    assert store.can_undo(0) is None
    assert store.undo(0) is None
    assert store.reviewed() == {}
    assert store.get_setting("x", 1) == 1
    store.close()
    assert list(dataset.parent.iterdir()) == [dataset]


def test_edits_survive_closing(dataset: Path) -> None:
    store = ReviewStore.open(dataset, who="ada")
    event = store.append(3, _rename("cup"))
    assert store.location == dataset.parent / "bottles.demoscope" / "review.sqlite"
    assert (event.id, event.who, event.dataset, event.episode) == (1, "ada", "bottles", 3)
    assert event.at.endswith("+00:00")
    store.append(3, _rename("mug"))
    store.append(3, _rename("pot", subtask=1))
    store.append(4, _rename("lid"))
    store.close()
    again = ReviewStore.open(dataset)
    assert again.edits(3) == (_rename("mug"), _rename("pot", subtask=1))
    assert again.edits(4) == (_rename("lid"),)
    assert again.history(3)[0].edit == _rename("cup")  # nothing is overwritten
    assert str(dataset) not in "".join(map(str, again.history(3)))
    again.close()


def test_undo_brings_back_what_was_superseded(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    store.append(0, _rename("mug"))
    assert store.can_undo(0) == "rename object to “mug”"
    assert store.undo(0) == _rename("mug")
    assert store.edits(0) == (_rename("cup"),)
    assert store.can_redo(0) == "rename object to “mug”"
    assert store.redo(0) == _rename("mug")
    assert store.edits(0) == (_rename("mug"),)
    assert store.redo(0) is None
    store.undo(0)
    store.append(0, _rename("jug"))
    assert store.can_redo(0) is None
    store.close()


def test_gripper_channels_hold_for_every_episode(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    assert store.append(2, CHANNELS).episode == -1
    store.append(2, _rename("cup"))
    assert store.edits(2) == (CHANNELS, _rename("cup"))
    assert store.edits(9) == (CHANNELS,)
    assert store.undo(9) == CHANNELS
    assert store.edits(2) == (_rename("cup"),)
    assert store.redo(9) == CHANNELS
    assert set(store.edits(2)) == {CHANNELS, _rename("cup")}
    store.close()


def test_reviewed_counts_verdicts_in_force(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    store.append(0, _judge(Verdict.ACCEPTED, 0))
    store.append(0, _judge(Verdict.REJECTED, 1))
    store.append(0, _judge(Verdict.CORRECTED, 1))
    store.append(1, _rename("cup"))
    store.append(2, _judge(Verdict.REJECTED))
    store.undo(2)
    assert store.reviewed() == {0: Reviewed(accepted=1, corrected=1)}
    assert store.reviewed()[0].total == 2
    store.close()


def test_settings(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    store.put_setting("grippers", {"left": [6]})
    store.put_setting("grippers", {"left": [7]})
    store.close()
    again = ReviewStore.open(dataset)
    assert again.get_setting("grippers") == {"left": [7]}
    assert again.get_setting("other", "none") == "none"
    again.close()


def test_two_processes_see_each_other(dataset: Path) -> None:
    first, second = ReviewStore.open(dataset, who="a"), ReviewStore.open(dataset, who="a")
    first.append(0, _rename("cup"))
    second.append(0, _rename("mug"))
    assert first.edits(0) == second.edits(0) == (_rename("mug"),)
    assert first.undo(0) == _rename("mug")
    assert second.undo(0) == _rename("cup")
    assert first.edits(0) == ()
    first.close()
    second.close()


def test_undo_takes_back_ones_own(dataset: Path) -> None:
    ada, ben = ReviewStore.open(dataset, who="ada"), ReviewStore.open(dataset, who="ben")
    ada.append(0, _rename("cup"))
    ben.append(0, _rename("mug", subtask=1))
    ada.append(0, _rename("pot"))
    assert ben.can_undo(0) == "rename object to “mug”"
    assert ben.undo(0) == _rename("mug", subtask=1)
    assert ben.undo(0) is None
    assert ada.can_redo(0) is None  # it is not hers
    assert ada.undo(0) == _rename("pot")
    assert ben.can_redo(0) == "rename object to “mug”"  # her undo, and her next edit, are not his
    ada.append(0, _rename("jug"))
    assert ada.redo(0) is None
    assert ben.redo(0) == _rename("mug", subtask=1)
    assert ada.edits(0) == ben.edits(0) == (_rename("jug"), _rename("mug", subtask=1))
    ada.close()
    ben.close()


def test_records_are_facts_and_never_undone(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    written = {"text": "“Stapelt” 緑", "tokens": 7, "cost": 0.25, "critique": None, "cached": True}
    event = store.record(0, 1, written)
    assert (event.kind, event.stage, event.subtask) == ("record", "captions", 1)
    assert event.record == written
    assert event.edit is None
    assert store.can_undo(0) is None
    store.append(0, _rename("cup"))
    store.record(0, 0, {})
    assert store.undo(0) == _rename("cup")
    store.record(0, 0, {})
    assert store.redo(0) == _rename("cup")
    assert store.edits(0) == (_rename("cup"),)
    assert store.reviewed() == {}
    for bad in ([1], {"a": 1}, float("nan"), b"x"):
        with pytest.raises(ValueError, match="cannot be recorded"):
            store.record(0, 0, {"x": bad})  # type: ignore[dict-item]
    store.close()
    again = ReviewStore.open(dataset)
    assert [e.record for e in again.history(0) if e.kind == "record"] == [written, {}, {}]
    again.close()


def test_opening_and_reading_load_no_library(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    store.close()
    code = (
        "import sys; from pipeline.review.store import ReviewStore\n"
        "for name in (sys.argv[1], sys.argv[1] + '2'):\n"
        "    store = ReviewStore.open(name)\n"
        "    store.edits(0), store.can_undo(0), store.get_setting('x'), store.reviewed()\n"
        "    store.close()\n"
        "heavy = {'sqlalchemy', 'alembic', 'psycopg'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code, str(dataset)], cwd=ROOT, check=True)


EDITS = st.one_of(
    st.builds(_rename, st.sampled_from(["cup", "mug", "pot"]), st.integers(0, 1)),
    st.builds(
        MoveBoundary, arm=st.just("left"), index=st.integers(-1, 1), frame=st.integers(0, 50)
    ),
    st.builds(_judge, st.sampled_from(Verdict), st.integers(0, 1)),
)
STEPS = st.lists(st.one_of(EDITS, st.sampled_from(["undo", "redo", "reopen"])), max_size=14)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_any_row_of_steps_behaves_like_two_stacks(dataset: Path, steps: list[Edit | str]) -> None:
    shutil.rmtree(sidecar(dataset).parent, ignore_errors=True)
    store = ReviewStore.open(dataset)
    done: list[Edit] = []
    undone: list[Edit] = []
    for step in steps:
        if step == "undo":
            expected = done.pop() if done else None
            undone += [expected] if expected is not None else []
            assert store.undo(5) == expected
        elif step == "redo":
            expected = undone.pop() if undone else None
            done += [expected] if expected is not None else []
            assert store.redo(5) == expected
        elif step == "reopen":
            store.close()
            store = ReviewStore.open(dataset)
        else:
            assert not isinstance(step, str)
            store.append(5, step)
            done.append(step)
            undone.clear()
        assert store.edits(5) == in_force(tuple(done))
        assert store.can_undo(5) == (done[-1].title if done else None)
        assert store.can_redo(5) == (undone[-1].title if undone else None)
    store.close()


@given(st.lists(st.tuples(st.sampled_from(["edit", "undo", "redo"]), st.integers(0, 5))))
def test_replay_never_loses_or_doubles_an_edit(rows: list[tuple[str, int]]) -> None:
    # arbitrary interleavings of two processes, undos of things that are undone included
    events = [
        Event(i, f"e{i}", "", "", "", 0, kind, "s", 0, "{}", f"e{ref}" if kind != "edit" else "")
        for i, (kind, ref) in enumerate(rows)
    ]
    timeline = replay(events)
    applied = [e.uuid for e in timeline.applied]
    undone = [e.uuid for e in timeline.undone]
    assert len(set(applied + undone)) == len(applied) + len(undone)
    assert set(applied + undone) <= {e.uuid for e in events if e.kind == "edit"}


def test_a_copy_taken_at_any_moment_holds_every_finished_event(
    dataset: Path, tmp_path: Path
) -> None:
    store = ReviewStore.open(dataset)
    for i in range(6):
        store.append(0, _rename(f"cup {i}"))
        copy = tmp_path / f"copy{i}" / "bottles"
        copy.mkdir(parents=True)
        shutil.copytree(store.location.parent, sidecar(copy).parent)
        other = ReviewStore.open(copy)
        assert len(other.history(0)) == i + 1
        assert other.edits(0) == (_rename(f"cup {i}"),)
        other.close()
    # a transaction that was not finished is not there, and does no harm
    half = sqlite3.connect(store.location, isolation_level=None)
    half.execute("BEGIN IMMEDIATE")
    half.execute(
        "INSERT INTO events (uuid, at, who, dataset, episode, kind, stage, subtask, payload) "
        "VALUES ('x', '', '', '', 0, 'edit', 's', 0, '{}')"
    )
    copy = tmp_path / "half" / "bottles"
    copy.mkdir(parents=True)
    shutil.copytree(store.location.parent, sidecar(copy).parent)
    other = ReviewStore.open(copy)
    assert len(other.history(0)) == 6
    other.append(0, _rename("last"))
    other.close()
    half.rollback()
    half.close()
    store.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_killed_process_loses_nothing_it_reported(dataset: Path) -> None:
    code = (
        "import sys; from pipeline.review.store import ReviewStore\n"
        "from pipeline.model.edits import Rename\n"
        "store = ReviewStore.open(sys.argv[1]); i = 0\n"
        "while True:\n"
        "    store.append(0, Rename(subtask=0, object_name=str(i))); print(i, flush=True); i += 1\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(dataset)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        seen = [int(process.stdout.readline()) for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        seen += [int(line) for line in process.stdout.read().splitlines()]
    store = ReviewStore.open(dataset)
    names = [e.edit.object_name for e in store.history(0) if isinstance(e.edit, Rename)]
    assert names[: len(seen)] == [str(i) for i in seen]
    assert len(names) <= len(seen) + 1
    assert store.problems == ()
    store.close()


def test_a_folder_that_cannot_be_written_falls_back_to_the_user(
    dataset: Path, tmp_path: Path
) -> None:
    store = ReviewStore.open(dataset)
    sidecar(dataset).parent.write_text("in the way")  # noticed only when it is written to
    store.append(0, _rename("cup"))
    assert store.location.is_relative_to(tmp_path / "user")
    assert "bottles-" in str(store.location)
    assert "cannot be written" in store.reason
    store.close()
    elsewhere = dataset.with_name("cups")
    sidecar(elsewhere).parent.write_text("in the way")
    assert "is no folder" in ReviewStore.open(elsewhere).reason
    # it stays there even if the folder becomes writable later
    sidecar(dataset).parent.unlink()
    again = ReviewStore.open(dataset)
    assert again.edits(0) == (_rename("cup"),)
    assert "began there" in again.reason
    again.close()


def test_reviews_beside_a_read_only_dataset_are_taken_along(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    store.close()
    before = sidecar(dataset).read_bytes()
    monkeypatch.setattr("pipeline.review.location.os.access", lambda path, mode: False)
    mine = ReviewStore.open(dataset)
    assert mine.location.is_relative_to(tmp_path / "user")
    assert mine.edits(0) == (_rename("cup"),)
    mine.append(0, _rename("mug"))
    mine.close()
    assert sidecar(dataset).read_bytes() == before


def test_a_newer_file_is_refused_and_left_alone(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    store.close()
    with contextlib.closing(sqlite3.connect(sidecar(dataset))) as raw:
        raw.execute("PRAGMA user_version = 99")
    before = sidecar(dataset).read_bytes()
    with pytest.raises(DataError, match="newer Demoscope") as caught:
        ReviewStore.open(dataset)
    assert caught.value.code == "store_newer"
    assert sidecar(dataset).read_bytes() == before


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_a_damaged_file_is_kept_aside(dataset: Path, damage: str) -> None:
    store = ReviewStore.open(dataset)
    for i in range(50):
        store.append(i, _rename("cup" * 200))
    store.close()
    path = sidecar(dataset)
    good = path.read_bytes()
    bad = b"no database " * 100 if damage == "garbage" else good[: len(good) // 2]
    path.write_bytes(bad)
    again = ReviewStore.open(dataset)
    (problem,) = again.problems
    assert problem.code == "store_corrupted"
    (aside,) = path.parent.glob("review.sqlite.damaged-*")
    assert aside.read_bytes() == bad
    assert aside.name in problem.message
    again.append(0, _rename("mug"))
    assert again.edits(0) == (_rename("mug"),)
    again.close()


def test_an_empty_file_is_a_new_store(dataset: Path) -> None:
    sidecar(dataset).parent.mkdir()
    sidecar(dataset).touch()
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    assert store.edits(0) == (_rename("cup"),)
    assert store.problems == ()
    store.close()


def test_a_locked_file_says_so_and_keeps_what_was_known(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.review.store.BUSY_SECONDS", 0.05)
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    other = sqlite3.connect(store.location, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DataError, match="another program holds it") as caught:
        store.append(0, _rename("mug"))
    assert caught.value.code == "store_not_writable"
    with pytest.raises(DataError):
        store.undo(0)
    assert store.edits(0) == (_rename("cup"),)
    other.rollback()
    other.close()
    store.append(0, _rename("mug"))
    assert store.edits(0) == (_rename("mug"),)
    store.close()


def test_a_full_disk_says_so_and_keeps_what_was_known(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    table = store._table
    assert isinstance(table, SqliteFile)
    connection = table.connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 1")  # SQLite then reports a full disk
    with pytest.raises(DataError, match="the disk is full") as caught:
        store.append(0, _rename("mug" * 20000))
    assert caught.value.code == "store_not_writable"
    assert store.edits(0) == (_rename("cup"),)
    connection.execute("PRAGMA max_page_count = 100000")
    store.append(0, _rename("mug"))
    assert store.edits(0) == (_rename("mug"),)
    store.close()


def test_nothing_is_written_after_closing(dataset: Path) -> None:
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    store.close()
    assert store.edits(0) == (_rename("cup"),)
    with pytest.raises(DataError, match="closed"):
        store.append(0, _rename("mug"))
    assert [p.name for p in store.location.parent.iterdir()] == ["review.sqlite"]


def test_edits_of_a_later_version_are_kept_and_passed_over(
    dataset: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = ReviewStore.open(dataset)
    store.append(0, _rename("cup"))
    with contextlib.closing(sqlite3.connect(store.location)) as raw, raw:
        raw.execute(
            "INSERT INTO events (uuid, at, who, dataset, episode, kind, stage, subtask, payload) "
            "VALUES ('x', '', '', '', 0, 'edit', 's', 0, '{\"kind\": \"levitate\"}')"
        )
    assert store.edits(0) == (_rename("cup"),)
    assert store.can_undo(0) == "rename object to “cup”"
    assert len(store.history(0)) == 2
    assert "does not know" in caplog.text
    store.close()


def test_place_of_an_edit() -> None:
    assert episode_of(CHANNELS, 4) == -1
    assert episode_of(_rename("cup"), 4) == 4
    assert not on_network(Path("/proc"))
