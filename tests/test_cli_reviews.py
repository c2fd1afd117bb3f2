from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import run
from pipeline.model.caption import Verdict
from pipeline.model.edits import JudgeCaption, Rename
from pipeline.review.store import ReviewStore
from tests.datasets import write_v2


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Path]:
    """The same dataset on two machines; ada and ben judged a caption differently."""
    found = {}
    for who, verdict in (("ada", Verdict.ACCEPTED), ("ben", Verdict.REJECTED)):
        root = write_v2(tmp_path / who / "toy", (20,) * 2)
        store = ReviewStore.open(root, who=who)
        store.append(1, JudgeCaption(subtask=0, verdict=verdict, draft="a", text="pick the cup"))
        store.append(0, Rename(subtask=0, object_name=f"cup of {who}"))
        store.undo(0)
        store.record(1, 0, {"text": "a draft", "model": "offline"})
        store.close()
        found[who] = root
    return found


def _out(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_log_lists_what_was_said(
    people: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.read_bytes() for p in people["ada"].parent.rglob("*") if p.is_file()}
    assert run(["reviews", "log", str(people["ada"])]) == 0
    lines = _out(capsys).splitlines()
    assert len(lines) == 4
    assert "ada" in lines[0]
    assert lines[0].endswith("episode 1, subtask 1: caption accepted")
    assert "undo of" in lines[2]
    assert lines[3].endswith("record text=a draft, model=offline")
    assert run(["reviews", "log", str(people["ada"]), "--episode", "0", "--limit", "1"]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1
    assert "the newest 1 of 2" in told.err
    for words, count in (
        (["--who", "ben"], 0),
        (["--who", "ada"], 4),
        (["--since", "2999-01-01"], 0),
        (["--conflicts"], 0),
    ):
        assert run(["reviews", "log", str(people["ada"]), *words]) == 0
        assert len(_out(capsys).splitlines()) == count
    assert {p: p.read_bytes() for p in people["ada"].parent.rglob("*") if p.is_file()} == before


def test_merge_tells_what_was_judged_differently(
    people: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["reviews", "merge", str(people["ada"]), str(people["ben"])]) == 0
    out = _out(capsys)
    assert "4 events added, 0 were here already" in out
    assert "judged differently: episode 1, subtask 1: ada: accepted “pick the cup”, ben:" in out
    assert run(["reviews", "merge", "--json", str(people["ada"]), str(people["ben"])]) == 0
    (report,) = json.loads(_out(capsys))
    assert (report["added"], report["known"], report["conflicts"]) == (0, 4, [])
    assert run(["reviews", "log", "--conflicts", "--json", str(people["ada"])]) == 0
    conflict = json.loads(_out(capsys))
    assert [(v["who"], v["verdict"]) for v in conflict["verdicts"]] == [
        ("ada", "accepted"),
        ("ben", "rejected"),
    ]
    assert run(["reviews", "merge", str(people["ada"]), str(people["ada"] / "nowhere")]) == 1
    assert "there are no reviews" in capsys.readouterr().err


def test_export_and_import(
    people: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ben.jsonl"
    assert run(["reviews", "export", str(people["ben"]), "--out", str(path)]) == 0
    assert "4 events written" in capsys.readouterr().err
    assert run(["reviews", "export", str(people["ada"]), "--out", str(path)]) == 1
    assert "--force replaces it" in capsys.readouterr().err
    assert run(["reviews", "export", str(people["ben"]), "--out", str(path), "--force"]) == 0
    assert run(["reviews", "export", str(people["ben"])]) == 0
    assert _out(capsys) == path.read_text("utf-8")
    assert [json.loads(x)["demoscope_review"] for x in path.read_text().splitlines()] == [1] * 4
    assert run(["reviews", "import", str(people["ada"]), str(path)]) == 0
    assert "4 events added" in _out(capsys)
    path.write_text(path.read_text() + "nonsense\n" * 30)
    assert run(["reviews", "import", str(people["ada"]), str(path)]) == 1
    told = capsys.readouterr()
    assert "0 events added, 4 were here already" in told.out
    assert "line 5 is passed over: no JSON" in told.err
    assert "10 more lines" in told.err
    assert run(["reviews", "import", "--json", str(people["ada"]), str(path)]) == 1
    (report,) = json.loads(_out(capsys))
    assert (report["broken_count"], len(report["broken"])) == (30, 30)


def test_a_dataset_nobody_reviewed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_v2(tmp_path / "toy", (20,))
    assert run(["reviews", "log", str(root)]) == 0
    assert "nobody has said anything here yet" in capsys.readouterr().err
    assert run(["reviews", "export", str(root)]) == 0
    assert _out(capsys) == ""
    assert [p.name for p in tmp_path.iterdir()] == ["toy"]


def test_times_are_days_and_hours_in_utc(
    people: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for since, count in (
        ("2000-01-01", 4),
        ("2000-01-01T00:00:00+02:00", 4),
        ("2999-01-01T10:30", 0),
    ):
        assert run(["reviews", "log", str(people["ada"]), "--since", since]) == 0
        told = capsys.readouterr()
        assert len(told.out.splitlines()) == count
        assert told.err.splitlines() == (["no event is what you asked for"] if not count else [])
    with pytest.raises(SystemExit):
        run(["reviews", "log", str(people["ada"]), "--since", "yesterday"])
    assert "got “yesterday”" in capsys.readouterr().err


def test_a_team_database_that_is_none_is_one_sentence(
    people: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEMOSCOPE_REVIEW_DATABASE", "postgresql://ada:secret@127.0.0.1:1/reviews")
    assert run(["reviews", "log", str(people["ada"])]) == 1
    told = capsys.readouterr()
    assert "cannot be opened: the connection is lost or cannot be made" in told.err
    assert len(told.err.splitlines()) == 1
    assert "secret" not in told.err
