"""Decisions that cannot be saved stay in force, each in its own episode."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.commands import Commands
from pipeline.document import Document
from pipeline.model.caption import Verdict
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import JudgeCaption
from pipeline.model.problem import DataError
from pipeline.review.refresher import Refresher
from pipeline.review.store import ReviewStore
from tests.pipeline.phase_signals import demo, signal
from tests.pipeline.toy_stages import toy_graph

ONE = demo(signal((1, 50)))


def verdict(text: str) -> JudgeCaption:
    return JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=text, text=text)


class Desk:
    """A session without a window."""

    def __init__(self, store: ReviewStore | None) -> None:
        self.document = Document(toy_graph())
        self.commands = Commands(self.document)
        self.commands.attach(store)

    def open(self, episode: int) -> None:
        where: Demonstration = replace(ONE, ref=replace(ONE.ref, episode=episode))
        self.document.open_episode(where, self.commands.edits_of(episode))

    @property
    def texts(self) -> list[str]:
        return [e.text for e in self.document.session.edits if isinstance(e, JudgeCaption)]


@pytest.fixture
def store(tmp_path: Path) -> ReviewStore:
    return ReviewStore.open(tmp_path / "data", who="ada", data_dir=tmp_path / "user")


@pytest.mark.parametrize("has_store", [True, False])
def test_what_cannot_be_saved_belongs_to_its_episode(
    store: ReviewStore, monkeypatch: pytest.MonkeyPatch, has_store: bool
) -> None:
    def full(*_: object) -> None:
        raise DataError("store_not_writable", "the disk is full")

    monkeypatch.setattr(store, "append", full)
    desk = Desk(store if has_store else None)
    for episode, text in ((0, "first"), (1, "second")):
        desk.open(episode)
        assert desk.commands.can_undo() is None
        assert "not saved" in desk.commands.do(verdict(text)).warning
        assert desk.texts == [text]
    desk.open(2)
    assert desk.texts == []
    assert desk.commands.undo() is None  # nothing was done here
    desk.open(0)
    assert desk.texts == ["first"]  # in force until the window closes
    assert desk.commands.undo() is not None
    assert desk.texts == []
    assert desk.commands.redo() is not None
    assert desk.texts == ["first"]
    desk.open(1)
    assert desk.texts == ["second"]
    store.close()


def test_an_unsaved_decision_does_not_keep_others_from_being_saved(
    store: ReviewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(store)
    desk.open(0)
    with monkeypatch.context() as patch:
        patch.setattr(store, "append", lambda *_: (_ for _ in ()).throw(DataError("x", "full")))
        desk.commands.do(verdict("first"))
    assert not desk.commands.save(verdict("again"))  # it would come before what is not saved
    desk.open(1)
    assert desk.commands.save(verdict("second"))
    assert [e.title for e in store.edits(1)] == ["caption accepted"]
    store.close()


def test_an_unknown_fault_does_not_end_the_listening(
    caplog: pytest.LogCaptureFixture,
) -> None:
    troubles: list[str] = []
    heard = threading.Event()

    def refresh() -> bool:
        troubles.append(refresher.trouble if len(troubles) else "")
        if len(troubles) == 1:
            raise RuntimeError("the driver is odd")
        if len(troubles) == 3:
            heard.set()
        return False

    ready = threading.Event()

    def later() -> bool:
        ready.wait()
        return refresh()

    refresher = Refresher(later, 0.001)
    ready.set()
    assert heard.wait(60.0)
    refresher.stop()
    assert troubles == ["", "internal error: RuntimeError", ""]
    assert "the driver is odd" in caplog.text
