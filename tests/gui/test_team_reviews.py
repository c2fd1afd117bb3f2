"""Colleagues' corrections in the open window; the store is played by a local one that is shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.session_control import SessionControl
from app.team_reviews import TeamReviews
from pipeline.model.caption import Verdict
from pipeline.model.edits import JudgeCaption, Rename
from pipeline.review.location import DATABASE_VARIABLE
from pipeline.review.store import ReviewStore
from tests.datasets import write_v2
from tests.gui.recording_panel import control_of

SECONDS = 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_v2(tmp_path / "v2")


@pytest.fixture
def control(
    qtbot: QtBot, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SessionControl]:
    monkeypatch.setattr(ReviewStore, "is_shared", True)
    with control_of(tmp_path) as made:
        made.auto_run = False
        with qtbot.waitSignal(made.episodeOpened, timeout=60 * SECONDS):
            made.open_dataset(str(root), 0)
        yield made


@pytest.fixture
def team(control: SessionControl) -> Iterator[TeamReviews]:
    made = TeamReviews(control, control)
    control.document.say_again()
    yield made
    made.close()


def heard(control: SessionControl) -> tuple[list[str], list[str]]:
    """What is told from now on: in the banner, in the status line."""
    failed: list[str] = []
    said: list[str] = []
    control.failed.connect(lambda text, _details: failed.append(text))
    control.said.connect(said.append)
    return failed, said


def colleague(root: Path) -> ReviewStore:
    return ReviewStore.open(root, who="eve")


def test_a_colleagues_correction_comes_into_force(
    control: SessionControl, team: TeamReviews, root: Path
) -> None:
    said: list[str] = []
    control.said.connect(said.append)
    other = colleague(root)
    other.append(0, Rename(subtask=0, object_name="purple block"))
    other.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft="a", text="a"))
    other.close()
    team.look()
    kinds = [edit.kind for edit in control.document.session.edits]
    assert kinds == ["rename", "judge_caption"]
    assert said == ["eve: caption accepted and 1 more"]
    team.look()
    assert len(said) == 1


def test_other_episodes_and_ones_own_are_not_told(
    control: SessionControl, team: TeamReviews, root: Path
) -> None:
    other = colleague(root)
    other.append(1, Rename(subtask=0, object_name="purple block"))
    other.close()
    control.decide(Rename(subtask=0, object_name="green block"))
    said: list[str] = []
    control.said.connect(said.append)
    team.look()
    assert [edit.object_name for edit in control.document.session.edits] == ["green block"]
    assert said == []


def test_trouble_is_told_once_and_its_end(
    control: SessionControl, team: TeamReviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, said = heard(control)
    monkeypatch.setattr(ReviewStore, "trouble", "the database does not answer.")
    team.look()
    team.look()
    assert failed == ["What colleagues do is not seen: the database does not answer."]
    monkeypatch.setattr(ReviewStore, "trouble", "")
    team.look()
    assert said == ["The shared reviews can be read again"]


def test_a_local_store_is_not_looked_at(
    qtbot: QtBot, control: SessionControl, team: TeamReviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    team._look_again.start()
    monkeypatch.setattr(ReviewStore, "is_shared", False)
    team.look()
    assert not team._look_again.isActive()


def test_what_waited_elsewhere_is_told_although_it_comes_before_what_is_known(
    control: SessionControl, team: TeamReviews, root: Path, tmp_path: Path
) -> None:
    other = colleague(write_v2(tmp_path / "away" / "v2"))
    other.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft="a", text="a"))
    control.decide(Rename(subtask=0, object_name="green block"))
    team.look()
    said: list[str] = []
    control.said.connect(said.append)
    merging = colleague(root)
    merging.merge(other.events())
    merging.close()
    other.close()
    team.look()
    assert [edit.kind for edit in control.document.session.edits] == ["judge_caption", "rename"]
    assert said == ["eve: caption accepted"]


def test_what_waits_for_the_database_is_told_once_and_when_it_has_gone(
    control: SessionControl, team: TeamReviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, said = heard(control)
    monkeypatch.setattr(ReviewStore, "kept", "kept on this machine")
    team.look()
    team.look()
    assert failed == ["What you do is kept on this machine"]
    monkeypatch.setattr(ReviewStore, "kept", "")
    monkeypatch.setattr(ReviewStore, "gone", "It has gone (3 events).")
    team.look()
    team.look()
    assert said == ["It has gone (3 events)."]
    assert len(failed) == 1


def test_a_dataset_opens_without_its_database_and_keeps_what_one_does(
    qtbot: QtBot, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql://ada:secret@127.0.0.1:1/reviews")
    monkeypatch.setattr("pipeline.review.refresher.REFRESH_SECONDS", 1000)
    clause = "kept on this machine, goes to reviews on 127.0.0.1:1 when it can be reached"
    said: list[str] = []
    failed: list[str] = []

    def opened() -> SessionControl:
        made.auto_run = False
        made.said.connect(said.append)
        made.failed.connect(lambda text, _details: failed.append(text))
        with qtbot.waitSignal(made.episodeOpened, timeout=60 * SECONDS):
            made.open_dataset(str(root), 0)
        return made

    with control_of(tmp_path) as made:
        control = opened()
        team = TeamReviews(control, control)
        assert any("What you do is kept on this machine" in text for text in said)
        control.decide(Rename(subtask=0, object_name="green block"))
        assert said[-1] == f"Saved: rename object to “green block” ({clause})"
        team.look()
        assert failed == [f"What you do is {clause}"]
        team.close()
    with control_of(tmp_path) as made:
        control = opened()
        assert [e.object_name for e in control.document.session.edits] == ["green block"]
        assert control.undo() is not None
        assert control.document.session.edits == ()
    assert len(failed) == 1
    assert "secret" not in "".join([*said, *failed])
