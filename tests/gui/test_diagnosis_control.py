"""Diagnoses arrive from another process, one by one; it may be cancelled, fail or die."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.diagnosis_control import DiagnosisControl
from app.diagnosis_task import task_of
from pipeline.curation.loading import load_curation
from pipeline.diagnosis.diagnosis import Diagnosis
from pipeline.diagnosis.task import DiagnosisTask
from tests.datasets import write_v2
from tests.pipeline.diagnosed_scene import Scene
from widgets.curation.failure_pareto import FailurePareto

SCENE = "tests.pipeline.diagnosed_scene"
PATIENCE = 30_000
"""Milliseconds; starting a process takes one or two seconds."""


@pytest.fixture
def control(qtbot: QtBot) -> Iterator[DiagnosisControl]:
    made = DiagnosisControl()
    yield made
    made.close()


@pytest.fixture
def truth(tmp_path: Path) -> str:
    path = tmp_path / "truth.jsonl"
    lines = [json.loads(Scene().truth) | {"episode_index": i} for i in range(3)]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return str(path)


def task(truth: str | None, *episodes: int, **changes: Any) -> DiagnosisTask:
    values = {"opener": f"{SCENE}:open_missed", "graph": f"{SCENE}:missed_graph"} | changes
    return DiagnosisTask("/scene", episodes, truth=truth, **values)


def test_results_come_one_by_one(qtbot: QtBot, control: DiagnosisControl, truth: str) -> None:
    found: list[tuple[Diagnosis, ...]] = []
    shares: list[float] = []
    control.found.connect(found.append)
    control.progressed.connect(lambda share, _what: shares.append(share))
    with qtbot.waitSignal(control.ended, timeout=PATIENCE) as ended:
        control.start(task(truth, 0, 1, 2))
        assert control.running
    assert ended.args == [""]
    assert [[d.episode for d in episode] for episode in found] == [[0], [1], [2]]
    assert {d.stage for episode in found for d in episode} == {"proposals"}
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert not control.running


def test_cancel_ends_it_and_says_so(qtbot: QtBot, control: DiagnosisControl, truth: str) -> None:
    with qtbot.waitSignal(control.ended, timeout=PATIENCE) as ended:
        control.start(task(truth, *range(3)))
        control.cancel()
    assert "cancelled" in ended.args[0]
    assert not control.running


def test_what_cannot_begin_says_why(qtbot: QtBot, control: DiagnosisControl) -> None:
    with qtbot.waitSignal(control.ended, timeout=PATIENCE) as ended:
        control.start(task(None, 0, options={"phases": {"nothing": 1}}))
    assert "nothing" in ended.args[0]


def test_a_crash_costs_only_the_diagnosis(
    qtbot: QtBot, control: DiagnosisControl, truth: str
) -> None:
    with qtbot.waitSignal(control.ended, timeout=PATIENCE) as ended:
        control.start(task(truth, 0, opener=f"{SCENE}:open_crashing"))
    assert "unexpectedly" in ended.args[0]


def test_what_a_page_asks_for_arrives_on_it(
    qtbot: QtBot, control: DiagnosisControl, tmp_path: Path
) -> None:
    page = FailurePareto()
    qtbot.addWidget(page)
    page.show()
    root = write_v2(tmp_path / "v2", lengths=(20,))
    (root / "ground_truth").mkdir()
    truth = {"episode_index": 0, "start_box": [2, 2, 20, 20], "contact": [[8, 13]]}
    (root / "ground_truth/annotations.jsonl").write_text(json.dumps(truth) + "\n")
    table = tmp_path / "annotations.jsonl"
    line = {"episode_index": 0, "subtask_index": 0, "start_box": [40, 30, 60, 45], "score": 1.0}
    table.write_text(json.dumps(line) + "\n")
    data = load_curation(table, root)
    page.set_data(data)
    control.found.connect(page.set_diagnoses)
    assert page.wrong_episodes() == (0,)
    with qtbot.waitSignal(control.ended, timeout=PATIENCE) as ended:
        control.start(task_of(data, page.wrong_episodes(), tmp_path / "results"))
    assert ended.args == [""]
    (bar,) = page.groups[0].bars
    assert (bar.label, bar.counts) == ("proposals", (1, 0, 0))
    assert page.wrong_episodes() == ()


def test_a_diagnosis_reads_the_ground_truth_that_was_named(
    qtbot: QtBot, control: DiagnosisControl, tmp_path: Path
) -> None:
    root = write_v2(tmp_path / "v2", lengths=(20,))
    truth = tmp_path / "elsewhere.jsonl"
    line = {"episode_index": 0, "start_box": [2, 2, 20, 20], "contact": [[8, 13]]}
    truth.write_text(json.dumps(line) + "\n")
    table = tmp_path / "annotations.jsonl"
    wrong = {"episode_index": 0, "subtask_index": 0, "start_box": [40, 30, 60, 45], "score": 1.0}
    table.write_text(json.dumps(wrong) + "\n")
    made = task_of(load_curation(table, root, truth=truth), (0,), tmp_path / "results")
    found: list[tuple[Diagnosis, ...]] = []
    control.found.connect(found.append)
    with qtbot.waitSignal(control.ended, timeout=PATIENCE) as ended:
        control.start(made)
    assert ended.args == [""]
    assert [d.stage for episode in found for d in episode] == ["proposals"]
