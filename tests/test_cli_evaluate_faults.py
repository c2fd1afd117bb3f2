"""`demoscope evaluate` on what does not fit: one sentence each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.evaluate_files import (
    PREDICTIONS,
    RIGHT,
    TRUTH,
    Evaluate,
    Line,
    both_files,
    evaluator,
    prediction,
    value,
    write_lines,
)


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Evaluate:
    return evaluator(capsys)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return both_files(tmp_path)


GOOD: Line = {"episode_index": 0, "start_box": RIGHT}


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "there is no ground truth in it"),
        (["{"], "line 1: it is no JSON object"),
        (["[1]"], "line 1: it is no JSON object"),
        ([GOOD, GOOD], "line 2: episode 0, subtask 0 was already described in line 1"),
        ([{"start_box": RIGHT}], "line 1: episode_index: field required"),
        ([GOOD | {"episode_index": "0"}], "episode_index is no number from 0"),
        ([GOOD | {"episode_index": True}], "episode_index is no number from 0"),
        ([GOOD | {"episode_index": -1}], "episode_index is no number from 0"),
        ([GOOD | {"subtask_index": 1.5}], "subtask_index is no number from 0"),
        ([GOOD | {"start_box": [10, 0, 10, 5]}], "start_box has no area"),
        ([GOOD | {"start_box": [0, 5, 10, 4]}], "start_box has no area"),
        ([GOOD | {"target_box": [0, 0, 9]}], "target_box is not four numbers"),
        ([GOOD | {"start_box": ["0", 0, 9, 9]}], "start_box is not four numbers"),
        ([GOOD | {"start_box": "box"}], "start_box is not four numbers"),
        (['{"episode_index": 0, "start_box": [0, 0, NaN, 9]}'], "start_box is not finite"),
        ([GOOD | {"camera": 3}], "camera: input should be a valid string"),
        ([GOOD | {"start_box": None}], "No line of the ground truth has a start_box"),
        ([GOOD | {"episode_index": 55}], "no episode in common"),
    ],
)
def test_truth_that_does_not_fit(
    lines: list[Any], sentence: str, evaluate: Evaluate, files: tuple[Path, Path]
) -> None:
    write_lines(files[1], lines)
    ran = evaluate(*files)
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert sentence in ran.err


LINE = PREDICTIONS[0].model_dump(mode="json")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "holds no annotations"),
        (["no json"], "no JSON object"),
        ([LINE, "{"], "Line 2"),
        ([LINE, LINE], "the same subtask comes again"),
        ([LINE | {"start_box": [9, 0, 8, 9]}], "start_box is not four rising finite numbers"),
        ([LINE | {"start_box": [9, 0, 9, 9]}], "line 1: start_box has no area"),
        ([LINE | {"target_box": [9, 3, 10, 3]}], "line 1: target_box has no area"),
        ([LINE, LINE | {"episode_index": None}], "Line 2"),
        ([LINE, LINE | {"episode_index": 2, "score": "high"}], "score is no number"),
    ],
)
def test_predictions_that_do_not_fit(
    lines: list[Any], sentence: str, evaluate: Evaluate, files: tuple[Path, Path]
) -> None:
    write_lines(files[0], lines)
    ran = evaluate(*files)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert sentence in ran.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("missing.jsonl", "truth.jsonl"), "no such file"),
        (("predictions.jsonl", "missing.jsonl"), "no such file"),
        (("predictions.jsonl",), "name the ground truth"),
        (("predictions.jsonl", "truth.jsonl", "--by", "score"), "expected a column of texts"),
        (("predictions.jsonl", "truth.jsonl", "--sweep", "phases.rule"), "expected scores.OPTION"),
        (("predictions.jsonl", "truth.jsonl", "--sweep", "scores.motion_weight"), "only winners"),
        (("predictions.jsonl", "truth.jsonl", "--curve", "no/curve.csv"), "no/curve.csv"),
    ],
)
def test_arguments_that_do_not_fit(
    arguments: tuple[str, ...],
    sentence: str,
    evaluate: Evaluate,
    files: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = evaluate(*arguments)
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert sentence in ran.err


def test_half_a_character_is_printed(evaluate: Evaluate, files: tuple[Path, Path]) -> None:
    write_lines(files[1], ['{"episode_index": 0, "start_box": [0, 0, 9, 9], "arm": "\\ud800"}'])
    ran = evaluate(*files, "--by", "arm")
    assert (ran.code, ran.err) == (0, "")


def test_time_needs_phases(evaluate: Evaluate, files: tuple[Path, Path]) -> None:
    write_lines(files[0], [prediction(0, RIGHT, 0.9, phases=())])
    assert "says when it happens" in evaluate(*files, "--match", "time").err


def test_lines_without_a_box_are_left_out_and_told(
    evaluate: Evaluate, files: tuple[Path, Path]
) -> None:
    write_lines(files[1], [*TRUTH, {"episode_index": 9}])
    ran = evaluate(*files, "--json")
    assert ran.json["truth"]["without_start_box"] == 1
    assert ran.json["truth"]["subtasks"] == 5
    assert "Left out: 1 line of ground truth" in evaluate(*files).out


def test_predictions_of_a_person_are_told(evaluate: Evaluate, files: tuple[Path, Path]) -> None:
    write_lines(files[0], [prediction(0, RIGHT, 0.9, chosen_by="person")])
    assert "A person chose the winner of 1 prediction." in evaluate(*files).out
    assert math.isclose(value(evaluate(*files, "--json").full["accuracy"]), 0.2)
