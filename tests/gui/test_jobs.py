"""Who stops a job says whether what was paid for may still be finished."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.jobs import Jobs
from pipeline.engine import messages as say
from pipeline.engine.graph import Plan

PLACE = SimpleNamespace(dataset="data", episode=0)
PLAN = cast(Plan, SimpleNamespace(options={}, edits=(), demonstration=SimpleNamespace(ref=PLACE)))


class Worker:
    """What a worker would be told."""

    def __init__(self, *_: Any) -> None:
        self.told: list[str] = []

    def run(self, job: say.RunJob) -> int:
        self.told.append("run")
        return len(self.told)

    def cancel(self, *, left: bool = False) -> None:
        self.told.append("leave" if left else "cancel")

    def close(self) -> None:
        self.told.append("close")


def test_only_the_user_s_cancel_ends_a_request(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.WorkerClient", Worker)
    parent = QObject()
    jobs = Jobs(None, parent)
    jobs.run(PLAN)
    jobs.run(PLAN)  # a correction while the first one runs
    jobs.abandon()  # another episode
    jobs.abandon()
    jobs.run(PLAN)
    jobs.cancel()
    assert cast(Worker, jobs._client).told == ["run", "leave", "run", "leave", "run", "cancel"]
    jobs.close()
