"""What the window tells the stage panel about who made a result."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.window_run import make_window
from pipeline.engine.cache import StageOutcome
from pipeline.model.problem import Problem, Severity
from pipeline.model.subtask import SubtasksResult
from pipeline.model.usage import Usage
from tests.datasets import SAMPLE
from tests.gui.overlay_examples import masks, robot
from tests.rerun_scenes import scene
from widgets.stage_table import StageRow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

DROPPED = Problem("option_dropped", "The server does not know the seed.", Severity.INFO)


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    """A window on a copy of the sample; nothing is computed."""
    root = tmp_path / "sample"
    shutil.copytree(SAMPLE, root)
    made = make_window("dark", settings_file=tmp_path / "settings.ini")
    qtbot.addWidget(made)
    made.control.jobs.run = lambda *_, **__: None  # type: ignore[method-assign]
    with qtbot.waitSignal(made.control.episodeOpened, timeout=20_000):
        made.control.open_dataset(str(root), 4)
    yield made
    made.close()


def row(window: MainWindow, stage: str, result: object) -> StageRow:
    """The row of a stage that has just made a result."""
    node = window.control.document.node(stage)
    outcome = StageOutcome(*node, "key", result, 1.0, False)
    window.control.document.put_result(outcome)
    return next(r for r in window.views._stage_rows() if r.name == stage)


def test_models_say_where_they_ran(window: MainWindow) -> None:
    made = replace(masks(), backend="sam2", placement="cuda:0, bfloat16")
    assert row(window, "masks", made).ran == "sam2 · cuda:0, bfloat16"
    found = replace(robot(), backend="robotseg", placement="cpu, float32")
    assert row(window, "robot", found).ran == "robotseg · cpu, float32"
    assert row(window, "robot", robot()).ran == "flow"


def test_language_models_say_what_they_took(window: MainWindow) -> None:
    usage = Usage(requests=2, tokens_in=812, tokens_out=240)
    subtask = scene().subtask
    assert subtask is not None
    asked = SubtasksResult((subtask,), "gemini", (DROPPED,), model="gemini-2.5-flash", usage=usage)
    shown = row(window, "subtasks", asked)
    assert (shown.ran, shown.usage) == ("gemini · gemini-2.5-flash", usage.text)
    assert DROPPED in shown.problems
    assert row(window, "subtasks", SubtasksResult((subtask,), "rules")).usage == ""
