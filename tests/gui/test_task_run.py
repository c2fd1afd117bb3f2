"""A task's process followed from the GUI thread: its news, its end, and silence once dropped."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from app.task_run import TaskRun
from pipeline.engine.task_process import TaskManner, TaskProcess
from pipeline.model.problem import Cancelled, DataError

MANNER = TaskManner("toy", who="the toy", advice="play again", grace=1.0)


def nothing(task: str, link: object) -> None:
    """What the process would do, if it were started."""


class Scripted(TaskProcess[str, str]):
    """Tells one piece of news here, and ends as it is told once it may."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__(nothing, "", MANNER)
        self.failure = failure
        self.may_end = threading.Event()

    def cancel(self) -> None:
        self.may_end.set()

    def run(self) -> Iterator[str]:
        yield "news"
        assert self.may_end.wait(30.0)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def run(qtbot: QtBot) -> Iterator[TaskRun]:
    made = TaskRun("toy", 1.0)
    yield made
    made.close()


@pytest.mark.parametrize("failure", [None, DataError("bad", "it is bad"), Cancelled()])
def test_news_arrive_and_then_the_end(
    qtbot: QtBot, run: TaskRun, failure: Exception | None
) -> None:
    process = Scripted(failure)
    with qtbot.waitSignal(run.arrived) as arrived:
        run.start(process)
    assert arrived.args == ["news"]
    assert run.running
    with qtbot.waitSignal(run.ended) as ended:
        process.may_end.set()
    assert ended.args == [failure]
    assert not run.running


def test_a_defect_of_ours_ends_it_too(
    qtbot: QtBot, run: TaskRun, caplog: pytest.LogCaptureFixture
) -> None:
    process = Scripted(RuntimeError("a defect"))
    with qtbot.waitSignal(run.ended) as ended:
        run.start(process)
        process.may_end.set()
    assert ended.args == [process.failure]
    assert "a defect" in caplog.text


def test_what_is_dropped_or_replaced_tells_nothing_more(qtbot: QtBot, run: TaskRun) -> None:
    told: list[object] = []
    run.ended.connect(told.append)
    first, second = Scripted(DataError("first", "first")), Scripted()
    run.start(first)
    run.start(second)
    with qtbot.waitSignal(run.ended):
        second.may_end.set()
    assert told == [None]
    run.start(first)
    run.close()
    assert not run.running
    with qtbot.waitSignal(run.ended):  # behind whatever the first would tell
        run.start(second)
    assert told == [None, None]
