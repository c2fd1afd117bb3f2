from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import run
from pipeline.annotations.table import AnnotationTable
from pipeline.review.spot_check import SpotCheck
from pipeline.review.spot_plan import SpotPlan
from pipeline.review.spot_records import Verdict
from pipeline.review.spot_sampling import draw
from tests.datasets import write_v2
from tests.pipeline.spot_tables import annotation


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    path = tmp_path / "predictions.jsonl"
    found = [annotation(i, 0.5 + i / 40) for i in range(40)]
    path.write_text("".join(a.model_dump_json() + "\n" for a in found))
    return path


def sampled(predictions: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, object]:
    capsys.readouterr()
    arguments = ["spot-check", "sample", str(predictions), "--json", "--size", "10", *more]
    assert run(arguments) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_sample_is_the_same_as_in_the_window(
    predictions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sampled(predictions, capsys, "--seed", "4", "--dry-run")
    again = sampled(predictions, capsys, "--seed", "4", "--dry-run")
    other = sampled(predictions, capsys, "--seed", "5", "--dry-run")
    assert found == again
    assert found["items"] != other["items"]
    whole = AnnotationTable.of([annotation(i, 0.5 + i / 40) for i in range(40)])
    sample = draw(whole, SpotPlan(size=10, seed=4))
    assert found["items"] == [[int(whole.episode[r]), 0] for r in sample.rows]
    assert not list(predictions.parent.rglob("spot_checks"))


def test_sample_status_report(
    predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = write_v2(tmp_path / "toy", (20,) * 4)
    assert run(["spot-check", "status", str(predictions)]) == 1
    assert "no spot check" in capsys.readouterr().err
    assert run(["spot-check", "sample", str(predictions), "--size", "8", "--bins", "2"]) == 0
    out = capsys.readouterr().out
    assert "R 0.500–" in out
    journal = Path(out.split("session")[1].split()[0])
    check = SpotCheck(journal)
    assert len(check.items) == 8
    for item in check.items[:6]:
        check.answer(item.number, Verdict.RIGHT if item.number else Verdict.WRONG, "ann")
    assert run(["spot-check", "status", str(predictions)]) == 0
    out = capsys.readouterr().out
    assert "6 of 8: 5 right, 1 wrong, 0 cannot tell (ann)" in out
    html, data = tmp_path / "r.html", tmp_path / "r.json"
    written = ["--html", str(html), "--json", str(data)]
    assert run(["spot-check", "report", str(journal), "--dataset", str(dataset), *written]) == 0
    assert json.loads(data.read_text())["counts"] == {"right": 5, "wrong": 1, "unsure": 0}
    assert html.read_text().startswith("<!doctype html>")
    capsys.readouterr()
    assert run(["spot-check", "report", str(predictions), "--html", str(html)]) == 0
    assert "no pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "cook"], "no annotation with a box is left by: task cook"),
        (["--keep", "kept"], "need a threshold"),
        (["--bins", "1"], "--bins: Input should be greater"),
        (["--half-width", "0.7"], "--half-width: Input should be less"),
    ],
)
def test_wrong_plans_are_one_sentence(
    predictions: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(["spot-check", "sample", str(predictions), *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
