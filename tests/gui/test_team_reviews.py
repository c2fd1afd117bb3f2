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
    failed: list[str] = []
    said: list[str] = []
    control.failed.connect(lambda text, _details: failed.append(text))
    control.said.connect(said.append)
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
