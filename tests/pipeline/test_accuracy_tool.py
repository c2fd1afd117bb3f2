"""Figures of several datasets beside those of an earlier run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pipeline.evaluation.dataset_figures import (
    DatasetFigures,
    as_plain,
    comparison,
    pooled,
    read_earlier,
)
from pipeline.evaluation.ground_truth import TrueSubtask
from tools.accuracy import DETECTOR, FULL, Guess, Row, figures_of, summary_of

ONE = DatasetFigures(9, 1.0, 0.94, 1.0, 0.86, 1.0, 0.889)
TWO = DatasetFigures(12, 0.5, 0.5, 0.75, 0.51, 0.417, 0.417)


def test_pooled_means_weigh_subtasks() -> None:
    both = pooled([ONE, TWO])
    assert both.subtasks == 21
    assert both.accuracy == pytest.approx((9 * 1.0 + 12 * 0.75) / 21)
    assert math.isnan(pooled([]).recall)


def test_table_shows_what_changed_and_only_that() -> None:
    better = DatasetFigures(12, 0.5, 0.5, 0.833, 0.7, 0.75, 0.417)
    lines = comparison({"sample": ONE, "seed": better}, {"sample": ONE, "seed": TWO}).splitlines()
    assert [line.split()[0] for line in lines] == ["dataset", "sample", "seed", "all"]
    assert "->" not in lines[1]
    assert lines[2].count("->") == 3
    assert "0.750 -> 0.833" in lines[2]
    assert "0.857 -> 0.905" in lines[3]
    alone = comparison({"seed": better}, {"other": TWO})
    assert "->" not in alone
    assert "9->12" in comparison({"seed": better}, {"seed": ONE})


def test_earlier_figures_come_back_and_strangers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "before.json"
    path.write_text(json.dumps({"summary": as_plain({"seed": TWO}), "datasets": {}}))
    assert read_earlier(path) == {"seed": TWO}
    for stranger in ("[]", '{"figures": {}}', '{"summary": {"seed": {"recall": 1}}}'):
        path.write_text(stranger)
        with pytest.raises(ValueError, match=r"before\.json was not written by"):
            read_earlier(path)


def test_summary_of_rows() -> None:
    true = TrueSubtask(episode_index=0, start_box=(0, 0, 10, 10))
    right, wrong = Guess((0, 0, 10, 10), 1.0), Guess((50, 50, 60, 60), 0.5)
    rows = [
        Row(0, true, {DETECTOR: wrong, FULL: right}, best_iou=1.0),
        Row(1, true),
    ]
    summary = summary_of(rows, figures_of(rows))
    assert summary == DatasetFigures(2, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0)
