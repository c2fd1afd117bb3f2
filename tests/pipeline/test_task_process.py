"""One task in a process of its own: news in order, refusals, deaths, cancels, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.engine.task_process import TaskLink, TaskManner, TaskProcess
from pipeline.model.problem import Cancelled, DataError
from tests.datasets import REPOSITORY
from tests.process_watch import alive, wait_until

MANNER = TaskManner("toy", who="the toy", advice="play again", grace=10.0)
HASTY = TaskManner("toy", who="the toy", advice="play again", grace=0.2)
PATIENCE = 30.0
"""Seconds; starting a process takes one or two."""


def count(task: int, link: TaskLink[str]) -> str:
    for number in range(task):
        link.tell(f"{number}")
    return "that is all"


def tell_much(task: int, link: TaskLink[int]) -> None:
    for number in range(task):
        link.tell_sometimes(number)


def refuse(task: str, link: TaskLink[str]) -> None:
    raise DataError(task, "there is\nnothing to do")


def fail(task: str, link: TaskLink[str]) -> None:
    raise ConnectionError(task)


def die(task: int, link: TaskLink[str]) -> None:
    link.tell("before")
    os._exit(task)


def listen(task: str, link: TaskLink[str]) -> None:
    link.tell("listening")
    while not link.is_cancelled():
        pass
    Path(task).write_text("heard")
    raise Cancelled


def ignore(task: str, link: TaskLink[str]) -> None:
    link.tell("ignoring")
    time.sleep(600.0)


def test_news_come_in_order_and_the_answer_last() -> None:
    process = TaskProcess(count, 3, MANNER)
    assert list(process.run()) == ["0", "1", "2", "that is all"]
    assert process.pid is not None
    assert not alive(process.pid)


def test_progress_that_the_next_outdates_is_told_seldom() -> None:
    told = list(TaskProcess(tell_much, 1000, MANNER).run())
    assert told[0] == 0
    assert len(told) < 100


@pytest.mark.parametrize(
    ("work", "code", "text"),
    [
        (refuse, "empty_box", "there is nothing to do"),
        (fail, "internal", "internal error: ConnectionError: empty_box"),
    ],
)
def test_what_it_cannot_do_is_one_sentence(work, code: str, text: str) -> None:
    with pytest.raises(DataError) as caught:
        list(TaskProcess(work, "empty_box", MANNER).run())
    assert (caught.value.code, str(caught.value)) == (code, text)


def test_a_death_is_one_sentence_after_what_was_told() -> None:
    told: list[str] = []
    with pytest.raises(DataError) as caught:
        told.extend(TaskProcess(die, 7, MANNER).run())
    assert told == ["before"]
    assert caught.value.code == "internal"
    assert str(caught.value) == "the toy ended unexpectedly (exit code 7); play again"


def test_what_is_cancelled_before_it_began_never_begins() -> None:
    process = TaskProcess(count, 3, MANNER)
    process.cancel()
    with pytest.raises(Cancelled):
        list(process.run())
    assert process.pid is None


def test_a_cancel_is_heard_by_the_work(tmp_path: Path) -> None:
    process = TaskProcess(listen, str(tmp_path / "heard"), MANNER)
    run = process.run()
    assert next(run) == "listening"
    process.cancel()
    with pytest.raises(Cancelled):
        next(run)
    assert (tmp_path / "heard").read_text() == "heard"
    assert process.pid is not None
    assert not alive(process.pid)


def test_work_that_ignores_a_cancel_is_killed_after_its_grace() -> None:
    process = TaskProcess(ignore, "", HASTY)
    run = process.run()
    assert next(run) == "ignoring"
    process.cancel()
    with pytest.raises(Cancelled):
        next(run)
    assert process.pid is not None
    assert not alive(process.pid)


def test_who_stops_listening_leaves_no_process() -> None:
    process = TaskProcess(ignore, "", MANNER)
    run = process.run()
    next(run)
    run.close()
    assert process.pid is not None
    assert not alive(process.pid)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_a_kill_in_the_middle_of_a_question_locks_nobody_out(tmp_path: Path) -> None:
    """A shared Event would be locked by about every second of these deaths, and block cancel."""
    for _ in range(3):
        process = TaskProcess(listen, str(tmp_path / "heard"), MANNER)
        run = process.run()
        next(run)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        cancelling = threading.Thread(target=process.cancel, daemon=True)
        cancelling.start()
        cancelling.join(PATIENCE)
        assert not cancelling.is_alive()
        with pytest.raises(Cancelled):
            next(run)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells of a parent's death")
def test_it_dies_with_the_one_who_asked() -> None:
    """Even where it would not notice by itself."""
    code = (
        "from tests.pipeline.test_task_process import MANNER, TaskProcess, ignore\n"
        "if __name__ == '__main__':\n"
        "    process = TaskProcess(ignore, '', MANNER)\n"
        "    for news in process.run(): print(process.pid, flush=True)\n"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with asking:
        assert asking.stdout is not None
        pid = int(asking.stdout.readline())
        asking.kill()
    wait_until(lambda: not alive(pid))
